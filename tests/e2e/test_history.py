"""murder status, history, logs: the local record, read by the real binary, and live swarms."""

import contextlib
import os
import pathlib
import re
import socket
import sqlite3
import subprocess
import time

import pytest

from terminal import Session
from test_deploy import on_fleet  # noqa: F401 (fixture)

APPLICATION_ID = 0x6D757264  # "murd"
COMMANDS = (("status",), ("history",), ("logs", "latest"))


def identity(pid):
    """What tells this process from others that had or will have its number."""
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return {"pid": pid, "pid_started": int(fields[19]), "machine": socket.gethostname(),
            "boot": pathlib.Path("/proc/sys/kernel/random/boot_id").read_text().strip(),
            "numbering": os.readlink("/proc/self/ns/pid")}


class Record:
    """A record that murder made the tables of, filled by hand."""

    def __init__(self, path, run):
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        with self.connection() as database:
            database.execute(f"PRAGMA application_id={APPLICATION_ID}")
        run("history")  # makes the tables

    @contextlib.contextmanager
    def connection(self):
        with contextlib.closing(sqlite3.connect(self.path)) as database, database:
            yield database

    def insert(self, table, **values):
        with self.connection() as database:
            return database.execute(
                f"INSERT INTO {table}({', '.join(values)}) "
                f"VALUES({', '.join('?' * len(values))})", tuple(values.values())).lastrowid

    def deploy(self, name, **values):
        now = int(time.time() * 1000)
        row = dict(id=name, command="deploy", goal="healthy", tag="v7", dest="/srv/app",
                   source="build", origin="web-1", started_at_ms=now - 300_000,
                   updated_at_ms=now - 240_000, seconds=4.25, exit_status=3, signal=None,
                   rolled_back=0, stopped=0, problem="", notes="[]", **identity(os.getpid()))
        return self.insert("deploys", **{**row, **values})

    def host(self, deploy, name, position, **values):
        row = dict(deploy=deploy, name=name, position=position, address="10.0.0.1",
                   state="healthy", good=1, failed_in=None, failure=None, reason="",
                   live_tag="v7", previous_tag="v6", reached_s=0.2, staged_s=3.1, activated_s=3.2,
                   checked_s=3.5, fetched_bytes=14_700_312, resumed_bytes=0, fed_bytes=0, wave=1,
                   notes="[]")
        self.insert("hosts", **{**row, **values})

    def log(self, deploy, host, source, text, seconds=3.3):
        self.insert("logs", deploy=deploy, host=host, seconds=seconds, source=source, text=text)


@pytest.fixture
def path(clean_environment):
    return pathlib.Path(clean_environment["HOME"]) / ".local/state/murder/history.db"


@pytest.fixture
def record(path, run):
    return Record(path, run)


@pytest.fixture
def failed_deploy(record):
    """A deploy to three hosts, of which one failed its check."""
    name = "20261122-131502-3fa2"
    number = record.deploy(name)
    record.host(number, "web-1", 0)
    record.host(number, "web-2", 1, notes='["fed over ssh: its ports are closed to the others"]')
    record.host(number, "web-3", 2, state="failed", good=0, failed_in="check", failure="failed",
                reason="exit status 1\x1b[2J", checked_s=None)
    record.log(number, "web-3", "post-activate", "restarting\n\x1b]0;owned\x07\ndone\n")
    record.log(number, "web-3", "check", "connection refused", 4)
    return name


# --- nothing recorded ----------------------------------------------------------------------------


def test_an_empty_history_is_no_error_and_leaves_no_file(run, path):
    result = run("history")
    assert (result.out, result.err) == ("", "no deploy is recorded yet\n")
    assert run("history", "--json").out == ""
    for command in (("status",), ("logs", "latest"), ("status", "2026")):
        result = run(*command, expect=2)
        assert re.fullmatch(r"murder: no deploy is recorded in \S+history\.db\n", result.err)
    assert not path.exists()


def test_a_damaged_record_is_said_and_left_for_the_next_deploy_to_move(run, path):
    path.parent.mkdir(parents=True)
    path.write_bytes(b"x" * 8192)
    for command in COMMANDS:
        result = run(*command, expect=1)
        assert "the next deploy moves it aside" in result.err, result
    assert path.read_bytes() == b"x" * 8192


def test_a_record_of_something_else_is_not_touched(run, path):
    path.parent.mkdir(parents=True)
    with contextlib.closing(sqlite3.connect(path)) as database, database:
        database.execute("CREATE TABLE bookmarks(url)")
    before = path.read_bytes()
    for command in COMMANDS:
        assert "no history of murder" in run(*command, expect=1).err
    assert path.read_bytes() == before


def test_another_place_can_be_named(run, record, failed_deploy, folder, path):
    other = folder / "other.db"
    path.rename(other)
    assert failed_deploy in run("history", env={"MURDER_HISTORY": str(other)}).out
    state = folder / "state" / "murder"
    state.mkdir(parents=True)
    other.rename(state / "history.db")
    assert failed_deploy in run("history", env={"XDG_STATE_HOME": str(folder / "state")}).out


# --- history -------------------------------------------------------------------------------------


def test_history_lists_the_latest_first(run, record, failed_deploy):
    record.deploy("20261122-140000-0000", started_at_ms=int(time.time() * 1000) - 10_000, tag="v8",
                  exit_status=0, command="rollback", dest="/srv/other")
    head, *rows = run("history").out.splitlines()
    assert head.split() == ["ID", "WHEN", "COMMAND", "TAG", "DEST", "OK", "FAILED", "TOOK", "EXIT"]
    assert [row.split()[0] for row in rows] == ["20261122-140000-0000", failed_deploy]
    assert re.search(r" s ago +rollback +v8 +/srv/other +0/0 +0 +4\.2 s +0$", rows[0])
    assert re.search(r" 5 m ago +deploy +v7 +/srv/app +2/3 +1 +4\.2 s +3$", rows[1])
    assert len(run("history", "--limit", "1").out.splitlines()) == 2

    latest, earlier = run("history", "--json").events()
    assert (latest["event"], latest["deploy"]) == ("deploy", "20261122-140000-0000")
    assert (earlier["hosts"], earlier["good"], earlier["failed"]) == (3, 2, 1)
    assert (earlier["standing"], earlier["exit_status"]) == ("ended", 3)


# --- status --------------------------------------------------------------------------------------


def test_status_says_how_it_ended_and_for_whom(run, failed_deploy):
    result = run("status")
    assert result.out.startswith(
        f"deploy {failed_deploy}: v7 to /srv/app on 3 hosts, 5 m ago; exit status 3\n"
        "v7 is live and well on 2 of 3 hosts after 4.2 s; 1 failed\n\n"), result
    assert re.search(r"^  web-1 +healthy +200 ms +3\.1 s +3\.2 s +3\.5 s +14\.7 MB$", result.out,
                     re.MULTILINE)
    assert "web-3 failed in check: exit status 1\\x1b[2J\n" in result.out
    assert "web-2 fed over ssh: its ports are closed to the others\n" in result.out
    assert f"murder logs {failed_deploy} web-3 " in result.out
    assert "\x1b" not in result.out
    for part in ("latest", failed_deploy, "20261122", "3fa2"):
        assert run("status", part).out == result.out

    deploy, *hosts = run("status", "--json").events()
    assert (deploy["deploy"], deploy["exit_status"]) == (failed_deploy, 3)
    assert [(host["event"], host["host"], host["good"]) for host in hosts] == [
        ("host_report", "web-1", True), ("host_report", "web-2", True),
        ("host_report", "web-3", False)]
    assert hosts[2]["phase"] == "check"


def test_ids_that_name_none_or_several_list_those_that_come_near(run, record, failed_deploy):
    record.deploy("20261122-131502-aaaa", started_at_ms=0)
    result = run("status", "1999", expect=2)
    assert f"the latest: {failed_deploy}, 20261122-131502-aaaa\n" in result.err
    result = run("logs", "2026", "web-1", expect=2)
    assert f"'2026' may be {failed_deploy}, 20261122-131502-aaaa: " in result.err


def test_a_deploy_whose_process_died_is_shown_as_interrupted(run, record):
    with subprocess.Popen(["sleep", "1000"]) as process:
        number = record.deploy("20261122-131502-3fa2", exit_status=None, seconds=None,
                               **identity(process.pid))
        record.host(number, "web-1", 0, state="staging", good=0, staged_s=None, activated_s=None,
                    checked_s=None, live_tag="v6")
        running = run("status")
        assert f"; it runs (pid {process.pid})\n" in running.out
        assert "Run the same command again" not in running.out
        assert run("history").out.rstrip().endswith("running")
        assert run("status", "--json").events("deploy")[0]["standing"] == "running"
        process.kill()
    gone = run("status")
    assert f"its process ({process.pid}) is gone" in gone.out
    assert "Run the same command again" in gone.out
    assert run("history").out.rstrip().endswith("interrupted (pid gone)")
    deploy = run("status", "--json").events("deploy")[0]
    assert deploy["standing"] == "interrupted" and "exit_status" not in deploy
    assert deploy["seconds"] == 60


def test_a_deploy_of_another_machine_may_still_run(run, record):
    record.deploy("20261122-131502-3fa2", exit_status=None, seconds=None, machine="elsewhere")
    assert "It may still run: as process" in run("status").out
    assert run("status", "--json").events("deploy")[0]["standing"] == "elsewhere"


def test_watch_ends_with_the_deploy(murder, clean_environment, folder, record):
    process = subprocess.Popen(["sleep", "1000"])
    try:
        number = record.deploy("20261122-131502-3fa2", exit_status=None, seconds=None,
                               **identity(process.pid))
        record.host(number, "web-1", 0, state="staging", good=0)
        environment = {**clean_environment, "TERM": "xterm"}
        with contextlib.closing(Session([murder, "status", "--watch"], environment, folder,
                                        100)) as session:
            session.read_until(lambda written: b"web-1  staging" in written)
            with record.connection() as database:
                database.execute("UPDATE hosts SET state='healthy', good=1")
                database.execute("UPDATE deploys SET exit_status=0, seconds=7")
            assert session.wait() == 0
            assert any("exit status 0" in row for row in session.screen())
    finally:
        process.kill()
        process.wait()


# --- logs ----------------------------------------------------------------------------------------


def test_logs_print_what_a_host_said_and_nothing_that_steers_the_terminal(run, failed_deploy):
    result = run("logs", failed_deploy, "web-3")
    assert result.out == ("--- post-activate after 3.3 s\n"
                          "restarting\n\\x1b]0;owned\\x07\ndone\n\n"
                          "--- check after 4.0 s\nconnection refused\n"), result
    assert result.err == "web-3 failed in check: exit status 1\\x1b[2J\n"
    first, second = run("logs", failed_deploy, "web-3", "--json").events("log")
    assert (first["source"], second["source"]) == ("post-activate", "check")
    assert first["text"] == "restarting\n\x1b]0;owned\x07\ndone\n"


def test_logs_without_a_host_say_who_printed_something(run, failed_deploy):
    head, row = run("logs", failed_deploy).out.splitlines()
    assert head.split() == ["HOST", "ENTRIES", "SIZE", "LAST"]
    assert row.split() == ["web-3", "2", "45", "B", "check"]
    assert len(run("logs", "latest", "--json").events("log")) == 2
    result = run("logs", failed_deploy, "web-1")
    assert (result.out, result.err) == ("", "web-1 printed nothing\n")


def test_logs_of_a_host_that_was_not_there_name_those_that_were(run, failed_deploy):
    result = run("logs", failed_deploy, "db", expect=2)
    assert result.err == f"murder: no host db in {failed_deploy}: it had web-[1-3]\n"


# --- a live swarm --------------------------------------------------------------------------------


def test_status_of_a_tracker_shows_its_swarms(swarm, run, make_tree, folder):
    swarm.tracker()
    url = swarm.tracker_url.removesuffix("/announce")
    assert run("status", "--tracker", url).out == "no swarm: nobody has announced anything\n"
    pack, torrent = swarm.pack(make_tree(folder / "source", {"app": 900_000}), "v1")
    swarm.seed(torrent, pack)
    assert swarm.peer(torrent, folder / "host", "--linger", "none").wait().status == 0
    result = run("status", "--tracker", url)
    assert re.fullmatch(r"[0-9a-f]{40}  1 of 1 host complete, .* each, 1 seeder\n", result.out)
    event, = run("status", "--tracker", url, "--json").events("fleet")
    assert (event["hosts"], event["complete"], event["failed"]) == (1, 1, 0)
    assert len(event["info_hash"]) == 40
    assert run("status", "--tracker", swarm.tracker_url.removeprefix("http://")).out == result.out


def test_a_tracker_that_cannot_be_asked_is_named(run, free_port):
    endpoint = f"127.0.0.1:{free_port()}"
    result = run("status", "--tracker", f"http://{endpoint}", expect=4)
    assert f"cannot connect to {endpoint}" in result.err
    assert "--tracker" in run("status", "abc", "--tracker", "http://a", expect=2).err
    run("status", "--tracker", "ftp://a", expect=2)


# --- what a real deploy leaves -------------------------------------------------------------------


def test_what_is_recorded_of_a_deploy_is_what_it_said(fleet_lab, on_fleet, make_tree, folder):
    lab = fleet_lab(hosts=3)
    lab.host(1).stop_sshd()
    murder = on_fleet(lab)
    tree = make_tree(folder / "one", {"app": 100_000})
    hook = "echo restarting on $MURDER_HOST; [ $MURDER_HOST != host-03 ]"
    ended = murder("deploy", tree, "--tag", "v1", "--post-activate", hook, expect=3)
    deploy, = ended.events("summary")

    row, = lab.run("history", "--json").events("deploy")
    assert (row["deploy"], row["exit_status"], row["good"]) == (deploy["deploy"], 3, 1)
    told = {event["host"]: event for event in lab.run("status", "--json").events("host_report")}
    assert told == {event["host"]: {**event, "t": told[event["host"]]["t"]}
                    for event in ended.events("host_report")}
    status = lab.run("status", deploy["deploy"]).out
    assert "host-02 failed in reach: " in status and "refused" in status, status
    assert f"murder logs {deploy['deploy']} host-03" in status
    logs = lab.run("logs", "latest", "host-03").out
    assert "post-activate: exit status 1" in logs and "restarting on host-03\n" in logs, logs
    assert "refused" in lab.run("logs", "latest", "host-02").out
    # It never came to a deploy: nothing to be recorded.
    murder("deploy", folder / "none", expect=2)
    assert len(lab.run("history", "--json").events("deploy")) == 1
