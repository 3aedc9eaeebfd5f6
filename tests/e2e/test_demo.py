"""murder demo: two deploys to hosts with sshd in one command, and nothing left of it."""

import contextlib
import os
import pathlib
import re
import signal

import pytest

from swarm import error_of, events
from terminal import Session

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="network namespaces need root")


@pytest.fixture
def work(folder):
    """Where the demo works; must be empty when a test ends."""
    path = folder / "work"
    path.mkdir()
    path.chmod(0o777)
    yield path
    assert list(path.iterdir()) == [], "something was left behind"


@pytest.fixture
def source(make_tree, folder, scaled):
    return make_tree(folder / "source", {"bin/app": scaled(2_000_000), "etc/a/conf": b"key=value",
                                         "etc/empty": b""})


def processes_with(text):
    """Command lines that have this text in them, of processes that are not being reaped."""
    found = []
    for entry in pathlib.Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            if entry.name.isdigit() and int(entry.name) != os.getpid():
                line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
                if text in line:
                    found.append((int(entry.name), line))
    return found


def namespaces_of(pid):
    netns = pathlib.Path("/run/netns")
    return sorted(netns.glob(f"murder-{pid}-*")) if netns.exists() else []


def assert_nothing_left(running, work):
    assert list(work.iterdir()) == []
    assert namespaces_of(running.pid) == []
    assert str(work) not in pathlib.Path("/proc/mounts").read_text()
    assert processes_with(str(work)) == []


@pytest.fixture
def surroundings(work, static_binary):
    """The environment of a demo that works in `work`."""
    return {"TMPDIR": str(work), "MURDER_HOST_BINARY": str(static_binary)}


@pytest.fixture
def demo(start, surroundings):
    """demo(*arguments): starts one, as Running."""
    return lambda *arguments, **how: start(
        "demo", *arguments, **{**how, "env": {**surroundings, **how.get("env", {})}})


def reports(result):
    """{host: what the second deploy told of it}"""
    told = result.events("host_report")
    return {event["host"]: event for event in told[len(told) // 2:]}


def last_error(result):
    """What ended the demo, in its words; each deploy may have had its own."""
    event = result.events("error")[-1]
    assert event["exit"] == result.status, result
    return event["message"]


def second_deploy_begins(running):
    return lambda: len(events(running, "deploy_started")) == 2


# --- all is well --------------------------------------------------------------------------------


@needs_root
def test_hosts_with_links_get_both_releases_and_the_figures_are_said(demo, source, work):
    running = demo(source, "--hosts", "3", "--link", "100Mbit", "--json")
    result = running.wait(240)
    assert result.status == 0, result
    assert result.err == ""
    first, second = result.events("deploy_started")
    assert (first["tag"], second["tag"]) == ("v1", "v2")
    told = reports(result)
    assert {report["state"] for report in told.values()} == {"healthy"}
    assert [report["wave"] for report in told.values()] == [1, 2, 3]
    summary = result.events()[-1]
    assert summary["event"] == "summary"
    assert (summary["hosts"], summary["verified"], summary["network"]) == (3, 3, "namespaces")
    assert (summary["tag"], summary["waves"], summary["unwell"]) == ("v2", 3, "")
    assert summary["link_bytes_per_s"] == 12.5e6
    # Neither can be less than what the links allow: one copy left each, in that time.
    assert summary["plain_copy_seconds"] > 0.9 * summary["size_bytes"] / 12.5e6 - 0.02
    assert summary["last_ratio"] == pytest.approx(
        summary["last_complete_seconds"] / summary["plain_copy_seconds"], abs=1e-3)
    assert summary["last_ratio"] > 0.8
    assert 1 <= summary["seeder_copies"] < 4
    assert 1 <= summary["control_copies"] < 2
    assert summary["fan_out_hosts"] == 3
    assert summary["fan_out_seconds"] == summary["fan_out_to_all_seconds"]
    assert 0 <= summary["transfer_busy_share"] <= 1
    times = {what: [summary[f"{which}_{what}_seconds"] for which in ("first", "median", "last")]
             for what in ("reached", "complete", "staged", "live")}
    assert all(of_hosts == sorted(of_hosts) for of_hosts in times.values())
    assert times["staged"][-1] >= times["complete"][-1]
    assert times["live"][-1] > summary["fetch_begins_seconds"] > times["reached"][0]
    assert result.events("packed")[0]["pack_bytes"] == summary["size_bytes"]
    assert_nothing_left(running, work)


def test_without_links_it_works_and_everything_is_said_to_people(demo, source, work):
    """And trees are compared as they are packed: links, modes, what a pack leaves out."""
    (source / "bin/link").symlink_to("app")
    (source / "etc/nowhere").symlink_to("/no/such/place")
    os.link(source / "bin/app", source / "etc/same")
    (source / "bin/app").chmod(0o755)
    (source / "etc/a").chmod(0o550)
    (source / "etc/a/conf").chmod(0o400)
    (source / ".git").mkdir()
    (source / ".git/config").write_text("x")
    (source / "empty/deep").mkdir(parents=True)
    running = demo(source, "--hosts", "3", "--no-namespaces")
    result = running.wait(240)
    assert result.status == 0, result
    assert re.search(r"^hosts verified +3 of 3: v2 is live", result.out, re.MULTILINE)
    assert re.search(r"^last / plain copy +\d+\.\d\d ", result.out, re.MULTILINE)
    assert f"$ murder deploy {source} --hosts hosts.txt --to " in result.err
    assert "$ murder deploy v2 --hosts hosts.txt --to " in result.err
    assert "--waves 1,2,100% --check 'test ! -e $MURDER_DEST/unwell'" in result.err
    # What the deploys themselves write.
    assert "v1 is live on all 3 hosts" in result.err
    assert "v2 is live and well on all 3 hosts" in result.err
    assert "\x1b" not in result.err + result.out and "{" not in result.out + result.err
    assert_nothing_left(running, work)


@needs_root
def test_an_ordinary_user_gets_loopback_and_is_told_why(start_program, as_ordinary_user, murder,
                                                        static_binary, source, work, folder):
    folder.chmod(0o755)
    home = folder / "home"
    for program in (murder, static_binary):
        copy = home / program.name
        copy.write_bytes(program.read_bytes())
        copy.chmod(0o755)
    # One whom sshd lets in: of system users hardly any has a shell.
    users = folder / "passwd"
    users.write_text(f"root:x:0:0::/root:/bin/sh\nsomebody:x:65534:65534::{home}:/bin/sh\n")
    running = start_program("unshare", "--mount", "sh", "-c", 'mount --bind "$0" /etc/passwd; exec "$@"',
                            users, *as_ordinary_user(home / murder.name, "demo", source, "--hosts", "2",
                                                     "--json"),
                            env={"TMPDIR": str(work),
                                 "MURDER_HOST_BINARY": str(home / static_binary.name)})
    result = running.wait(240)
    assert result.status == 0, result
    summary = result.events()[-1]
    assert (summary["network"], summary["storage"], summary["verified"]) == ("loopback", "disk", 2)
    assert "root" in result.events("warning")[0]["message"]
    assert_nothing_left(running, work)


def test_a_file_is_carried_as_it_is_and_quiet_is_quiet(demo, source):
    file = source / "bin/app"
    result = demo(file, "--hosts", "2", "--no-namespaces", "-q").wait(240)
    assert result.status == 0, result
    assert result.err == "" and "2 of 2" in result.out
    assert file.stat().st_size == len(file.read_bytes())


def test_configuration_is_for_the_demo_and_not_for_its_deploys(demo, source, folder):
    (folder / "murder.toml").write_text(
        '[demo]\nhosts = 1\nno-namespaces = true\n[deploy]\nstage-only = true\n')
    result = demo(source, "--json", cwd=folder,
                  env={"MURDER_DEPLOY_CHECK": "false", "MURDER_WHERE": "no=host"}).wait(240)
    assert result.status == 0, result
    assert (result.events()[-1]["hosts"], result.events()[-1]["verified"]) == (1, 1)


@needs_root
def test_at_a_terminal_a_deploy_draws_lines_that_go_away(murder, clean_environment, source,
                                                         surroundings, folder):
    session = Session([murder, "demo", source, "--hosts", "3", "--link", "100Mbit"],
                      {**clean_environment, "TERM": "xterm", "NO_COLOR": "1", **surroundings},
                      folder, 100)
    with contextlib.closing(session):
        assert session.wait(240) == 0
        drawn = session.written.decode()
        assert re.search(r"3 hosts: [^\x1b]* staging", drawn)
        assert "\x1b[K" in drawn and not re.search(r"\x1b\[[0-9;]*m", drawn)
        screen = session.screen()
        assert any(re.match(r"hosts verified +3 of 3", row) for row in screen)
        assert not any(re.match(r"3 hosts: ", row) for row in screen), screen


# --- a host is unwell ---------------------------------------------------------------------------


@needs_root
def test_an_unwell_host_stops_the_waves_and_all_go_back(demo, source, work):
    running = demo(source, "--hosts", "5", "--link", "100Mbit", "--fail", "--json")
    result = running.wait(240)
    assert result.status == 0, result
    told = reports(result)
    assert [report["state"] for report in told.values()] == ["rolled_back"] * 2 + ["not_switched"] * 3
    assert {report["live_tag"] for report in told.values()} == {"v1"}
    assert told["host-02"]["phase"] == "check"
    summary = result.events()[-1]
    assert (summary["tag"], summary["verified"], summary["unwell"]) == ("v1", 5, "host-02")
    assert summary["waves"] == 2
    assert summary["last_ratio"] > 0.8  # they all had v2 by then
    assert_nothing_left(running, work)


@needs_root
def test_what_does_not_come_out_as_told_is_no_success(demo, source, work, eventually):
    running = demo(source, "--hosts", "3", "--link", "100Mbit", "--fail", "--json")
    eventually(second_deploy_begins(running), "v1 is on the hosts, and v2 made", 240)
    (source / "etc/a/conf").write_bytes(b"key=valuE")
    result = running.wait(240)
    assert result.status == 1, result
    assert result.events("summary")[-1]["verified"] == 0
    assert "etc/a/conf: other content" in last_error(result)
    assert_nothing_left(running, work)


@needs_root
def test_a_host_that_dies_is_named_and_the_others_count(demo, source, work, eventually):
    running = demo(source, "--hosts", "3", "--link", "100Mbit", "--json")
    eventually(second_deploy_begins(running), "the second deploy begins", 240)
    for pid, _ in [found for found in processes_with(f"{work}/") if " boot host-02 " in found[1]]:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    result = running.wait(240)
    assert result.status == 3, result
    assert "host-02" in last_error(result) and "host-01" not in last_error(result)
    assert "host-02" in result.events("warning")[-1]["message"]
    summary = result.events("summary")[-1]
    assert (summary["command"], summary["hosts"], summary["verified"]) == ("demo", 3, 2)
    assert summary["last_ratio"] is None and summary["median_live_seconds"] > 0
    assert_nothing_left(running, work)


# --- bad input ----------------------------------------------------------------------------------


@pytest.mark.parametrize("arguments", [
    ("--hosts", "0"), ("--hosts", "-1"), ("--hosts", "1001"), ("--hosts", "many"),
    ("--link", "0"), ("--link", "0Mbit"), ("--link", "-5Mbit"), ("--link", "1bit"),
    ("--link", "200Gbit"), ("--link", "1e99Gbit"), ("--link", "fast"), ("--link", ""),
    ("--link", "50"), ("--fail", "--hosts", "2"),
], ids=" ".join)
def test_options_that_make_no_sense_are_refused_by_name(demo, source, work, arguments):
    running = demo(source, *arguments, "--json")
    result = running.wait()
    assert result.status == 2, result
    assert arguments[0] in error_of(result)
    assert len(result.events()) == 1
    assert_nothing_left(running, work)


def test_a_source_that_cannot_be_moved_is_refused_before_anything_is_made(demo, folder, work):
    (folder / "empty").mkdir()
    (folder / "only-git/.git").mkdir(parents=True)
    (folder / "file").touch()
    for path in ("nowhere", "empty", "only-git", "file", "/dev/null"):
        running = demo(folder / path, "--json")
        result = running.wait()
        assert result.status == 2, result
        assert str(folder / path) in error_of(result)
        assert len(result.events()) == 1
        assert_nothing_left(running, work)


def test_without_what_hosts_run_nothing_is_made(demo, source, work):
    running = demo(source, "--json", env={"MURDER_HOST_BINARY": "/no/such/murder"})
    result = running.wait()
    assert result.status == 1, result
    assert "/no/such/murder" in error_of(result)
    assert len(result.events()) == 1
    assert_nothing_left(running, work)


# --- interrupted --------------------------------------------------------------------------------

MOMENTS = {  # what it has said by then, the signal, the status
    "packing": ("", signal.SIGINT, 130),
    "making hosts": ("the hosts' files lie", signal.SIGTERM, 143),
    "measuring": ("a control machine", signal.SIGHUP, 143),
    "starting": ("one plain copy takes", signal.SIGINT, 130),
    "first deploy": ("$ murder deploy", signal.SIGTERM, 143),
    "second deploy": ("$ murder deploy v2", signal.SIGINT, 130),
}


@needs_root
@pytest.mark.parametrize("moment", MOMENTS)
def test_an_interrupted_demo_leaves_nothing(demo, source, work, eventually, moment):
    words, number, status = MOMENTS[moment]
    running = demo(source, "--hosts", "3", "--link", "100Mbit")
    if words:
        running.wait_for_output(words, 240)
    else:
        eventually(lambda: any(work.iterdir()), "the work begins")
    running.send(number)
    result = running.wait(60)
    assert result.status == status, result
    assert result.out == ""
    assert result.err.splitlines()[-1] in ("murder: interrupted", "murder: terminated")
    assert_nothing_left(running, work)


@needs_root
def test_ctrl_c_in_mid_transfer_leaves_nothing(murder, clean_environment, make_tree, work,
                                               surroundings, folder):
    """As typed, at a terminal, while a deploy draws on it."""
    source = make_tree(folder / "source", {"bin/app": 9_000_000})  # 1.5 s over such a link
    session = Session([murder, "demo", source, "--hosts", "2", "--link", "50Mbit"],
                      {**clean_environment, "TERM": "xterm", **surroundings}, folder)
    with contextlib.closing(session):
        session.read_until(lambda written: re.search(rb"  host-0\d  \d+ %", written), 240)
        session.type(b"\x03")
        assert session.wait(60) == 130
        screen = session.screen()
        assert screen[-2:] == ["murder: interrupted", ""]
        assert screen[-3].startswith("$ murder deploy"), screen
        assert re.search(rb"\x1b\[[0-9;]*m", session.written)
        session.pid = session.process.pid
        assert_nothing_left(session, work)


@needs_root
def test_a_killed_demo_leaves_no_process_and_no_mount(demo, source, work, eventually):
    """SIGKILL cannot be caught: what the kernel cleans up is clean, the rest is an empty folder."""
    running = demo(source, "--hosts", "2", "--link", "50Mbit", "--json")
    eventually(lambda: any(event["state"] == "staging" for event in events(running, "host")),
               "the transfer begins", 240)
    running.kill()
    eventually(lambda: processes_with(str(work)) == [], "its processes end")
    assert str(work) not in pathlib.Path("/proc/mounts").read_text()
    left, = work.iterdir()
    assert list((left / "lab").iterdir()) == []
    # The next demo clears the namespaces away; the folder is the test's to remove.
    (source / "bin/app").write_bytes(b"small")
    result = demo(source, "--hosts", "1", "--link", "100Mbit").wait(240)
    assert result.status == 0, result
    assert namespaces_of(running.pid) == []
    for path in sorted(left.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    left.rmdir()
