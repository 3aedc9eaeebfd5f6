"""The command line as a contract: help, exit statuses, what goes to stdout and what to stderr."""

import contextlib
import json
import re
import signal

import pytest

from swarm import wait_for_event
from terminal import Session

COMMANDS = ["pack", "tracker", "seed", "peer", "stop", "deploy", "copy", "doctor", "activate", "rollback", "releases",
            "verify", "status", "history", "logs", "demo", "simulate", "hosts"]


@pytest.fixture
def at_terminal(murder, clean_environment, folder):
    """at_terminal(*arguments, env={}, columns=80): murder at a terminal of its own."""
    with contextlib.ExitStack() as sessions:
        def start(*arguments, env=None, columns=80):
            environment = {**clean_environment, "TERM": "xterm", **(env or {})}
            environment.pop("NO_COLOR", None) if not env or "NO_COLOR" not in env else None
            return sessions.enter_context(contextlib.closing(
                Session([murder, *arguments], environment, folder, columns)))

        yield start


@pytest.fixture
def empty_dest(folder):
    """A DEST with no release in it."""
    dest = folder / "dest"
    for name in (".murder", "releases"):
        (dest / name).mkdir(parents=True)
    return dest


@pytest.fixture
def release(swarm, make_tree, folder):
    """(pack, torrent) of a small release v1."""
    return swarm.pack(make_tree(folder / "source", {"bin/app": 900_000, "etc/conf": b"x"}), "v1")


# --- help ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", COMMANDS)
def test_help_of_every_command_begins_with_examples(run, command):
    result = run(command, "--help")
    assert result.err == ""
    lines = result.out.splitlines()
    assert lines[0].startswith(f"murder {command}: ")
    assert lines[2] == "Examples:"
    assert lines[3].startswith(f"  murder {command} ") or lines[3] == f"  murder {command}"
    for heading in ("Usage: ", "Options:"):
        assert result.out.index("Examples:") < result.out.index(heading)
    for flag in ("--json", "-q, --quiet", "-v, --verbose", "-h, --help"):
        assert flag in result.out
    assert run(command, "-h").out == result.out


def test_help_of_murder_names_every_command(run):
    result = run("--help")
    assert result.err == ""
    assert result.out.index("Examples:") < result.out.index("Commands:")
    for command in COMMANDS:
        assert re.search(rf"^  {command}  +\S", result.out, re.MULTILINE), command
    assert re.fullmatch(r"murder \d+\.\d+\.\d+\n", run("--version").out)


def test_murder_alone_says_what_there_is_and_that_something_is_missing(run):
    result = run(expect=2)
    assert result.out == ""
    for command in COMMANDS:
        assert f"  {command} " in result.err


# --- wrong usage --------------------------------------------------------------------------------


@pytest.mark.parametrize("arguments, words", [
    (("peer", "--frobnicate"), ("--frobnicate", "see murder peer --help")),
    (("peer", "a.torrent", "--to", "d", "--lingre", "5s"), ("--lingre", "see murder peer --help")),
    (("--frobnicate",), ("--frobnicate", "see murder --help")),
    (("conquer",), ("conquer", "see murder --help")),
    (("peer", "a", "b", "--to", "d"), ("'b'", "see murder peer --help")),
    (("peer", "a"), ("--to", "see murder peer --help")),
    (("peer", "--to", "d"), ("TORRENT", "see murder peer --help")),
    (("peer", "a", "--to"), ("--to", "value", "see murder peer --help")),
    (("peer", "a", "--to", "d", "--port", "http"), ("--port", "http")),
    (("peer", "a", "--to", "d", "--port", "65536"), ("--port", "65536")),
    (("tracker", "--expect", "-1"), ("--expect", "-1")),
    (("peer", "a", "--to", "d", "--timeout", "soon"), ("--timeout", "soon", "30s")),
    (("pack", ".", "-o", "x.tar.zst", "--piece-length", "big"), ("--piece-length", "8MiB")),
    (("pack", ".", "-o", "x.tar.zst", "--mtime", "noon"), ("--mtime", "noon")),
    (("pack", ".", "-o", "x.tar.zst", "--tag", ""), ("--tag",)),
    (("demo", "--link", "fast"), ("--link", "fast", "50Mbit")),
])
def test_wrong_usage_names_the_flag_once_and_exits_2(run, arguments, words):
    plain = run(*arguments, expect=2)
    assert plain.out == ""
    assert plain.err.startswith("murder: ") and plain.err.count("\n") == 1, plain
    for word in words:
        assert word in plain.err, plain

    for place in (("--json", *arguments), (*arguments, "--json")):
        result = run(*place, expect=2)
        if not result.out:  # "--to --json": the flag was taken as a value
            assert place[-2] == "--to"
            continue
        error, = result.events()
        assert (error["event"], error["kind"], error["exit"]) == ("error", "usage", 2)
        assert f"murder: {error['message']}\n" == result.err == plain.err


def test_a_run_time_error_is_said_once_and_without_usage(run, empty_dest):
    result = run("activate", "v9", "--to", empty_dest, expect=1)
    assert result.out == ""
    assert re.fullmatch(r"murder: [^\n]*v9[^\n]*\n", result.err), result
    assert "Usage" not in result.err and "--help" not in result.err


def test_no_argument_can_steer_the_terminal(run):
    result = run("peer", "a", "--to", "d", "--\x1b[2J", expect=2)
    assert "\x1b" not in result.err
    result = run("pack", "\x1b]0;x\x07", "-o", "x.tar.zst", expect=2)
    assert "\x1b" not in result.err


# --- stdout is data, stderr is talk -------------------------------------------------------------


def test_pack_writes_its_results_to_stdout_and_talk_to_stderr(run, make_tree, folder):
    source = make_tree(folder / "source", {"app": 500_000})
    result = run("pack", source, "-o", folder / "v1.tar.zst", "--tag", "v1")
    *lines, magnet = result.out.splitlines()
    assert lines == ["tag v1", f"payload {folder}/v1.tar.zst", f"torrent {folder}/v1.torrent"]
    assert re.fullmatch(r"magnet magnet:\?xt=urn:btih:[0-9a-f]{40}&dn=v1\.tar\.zst", magnet)
    assert re.fullmatch(r"packed 1 file, .* kB\b.*\n", result.err)
    quiet = run("pack", source, "-o", folder / "v1.tar.zst", "--tag", "v1", "-q")
    assert (quiet.out, quiet.err) == (result.out, "")
    event, = run("pack", source, "-o", folder / "v1.tar.zst", "--tag", "v1", "--json").events()
    assert (event["event"], event["tag"]) == ("packed", "v1")


def test_releases_and_verify_write_what_they_found_to_stdout(swarm, release, run, folder):
    pack, torrent = release
    swarm.tracker()
    swarm.seed(torrent, pack)
    dest = folder / "host"
    assert swarm.peer(torrent, dest, "--activate", "--linger", "none").wait().status == 0

    listed = run("releases", "--to", dest)
    assert listed.err == ""
    head, line = listed.out.splitlines()
    assert head.split() == ["TAG", "STATE", "STAGED"]
    assert re.fullmatch(r"v1 +live +\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC", line)

    clean = run("verify", "--to", dest)
    assert (clean.out, clean.err) == ("", "v1 is as it was staged\n")
    (dest / "releases/v1/bin/app").chmod(0o600)
    (dest / "releases/v1/new").touch()
    drifted = run("verify", "--to", dest, expect=5)
    assert [line.split()[:2] for line in drifted.out.splitlines()] == [
        ["mode", "bin/app:"], ["added", "new:"]]
    assert drifted.err.count("\n") == 1 and "2 places" in drifted.err


def test_a_transfer_tells_people_in_words_and_programs_in_events(swarm, release, run, start,
                                                                 folder):
    pack, torrent = release
    tracker = swarm.tracker("--expect", "2")
    seeder = start("seed", torrent, "--from", pack, "--listen", "127.0.2.1", "--tracker",
                   swarm.tracker_url, "--linger", "swarm")
    seeder.wait_for_output("listening on 127.0.2.1:")
    programs = start("peer", torrent, "--to", folder / "b", "--listen", "127.0.2.3", "--tracker",
                     swarm.tracker_url, "--json")
    people = run("peer", torrent, "--to", folder / "a", "--listen", "127.0.2.2", "--tracker",
                 swarm.tracker_url, "--activate")
    assert people.out == ""
    assert "{" not in people.err and '"' not in people.err and "\x1b" not in people.err
    for words in ("fetching v1: ", "v1 is complete and verified", "v1 is staged after ",
                  "v1 is live\n", "everyone has it: 2 hosts"):
        assert words in people.err, people
    assert seeder.wait().out == ""
    assert "serving v1: " in seeder.err and "{" not in seeder.err

    result = programs.wait()
    assert result.err == ""
    names = [event["event"] for event in result.events()]
    for event in result.events():
        assert event["schema"] == 1 and event["t"] > 0
    assert names[0] == "started" and names[-1] == "swarm_complete"
    assert "complete" in names and "staged" in names
    wait_for_event(tracker, "swarm_complete")
    for quiet in ("-q", "--quiet"):
        silent = run("peer", torrent, "--to", folder / "a", "--linger", "none", quiet)
        assert (silent.out, silent.err) == ("", "")


def test_verbose_adds_a_log_to_stderr(swarm, release, run, folder):
    pack, torrent = release
    swarm.tracker()
    swarm.seed(torrent, pack)
    result = run("peer", torrent, "--to", folder / "a", "--tracker", swarm.tracker_url,
                 "--listen", "127.0.2.2", "--linger", "none", "--json", "-vv")
    assert re.search(r"^\d\d:\d\d:\d\d\.\d{3} debug: ", result.err, re.MULTILINE), result
    result.events()  # still nothing but JSON on stdout


# --- terminals ----------------------------------------------------------------------------------


@pytest.fixture
def seeder_at_terminal(swarm, release, at_terminal):
    """seeder_at_terminal(columns=80): a seeder at a terminal that drew its line three times."""
    swarm.tracker()

    def start(**how):
        pack, torrent = release
        session = at_terminal("seed", torrent, "--from", pack, "--listen", "127.0.2.1",
                              "--tracker", swarm.tracker_url, **how)
        session.read_until(lambda written: written.count(b"v1  serv") >= 3)
        session.process.send_signal(signal.SIGTERM)
        assert session.wait() == 0
        return session

    return start


def test_a_terminal_gets_one_line_that_is_redrawn(seeder_at_terminal):
    session = seeder_at_terminal()
    # At the end nothing of it is left: what was said stays.
    screen = [row for row in session.screen() if row]
    assert [row.split(":")[0] for row in screen] == [
        "serving v1", "listening on 127.0.2.1", "tracker http"]


def test_a_terminal_that_is_narrow_is_not_overrun(seeder_at_terminal):
    session = seeder_at_terminal(columns=12)
    redrawn = re.findall(rb"v1  [^\x1b]*", session.written)
    assert redrawn and all(len(line.decode()) < 12 for line in redrawn), redrawn


def test_a_dumb_terminal_gets_plain_lines(swarm, release, at_terminal, folder):
    pack, torrent = release
    swarm.tracker()
    swarm.seed(torrent, pack)
    session = at_terminal("peer", torrent, "--to", folder / "host", "--listen", "127.0.2.1",
                          "--tracker", swarm.tracker_url, "--linger", "none",
                          env={"TERM": "dumb"})
    assert session.wait() == 0
    assert b"\x1b" not in session.written
    assert b"v1 is staged" in session.written


# --- events -------------------------------------------------------------------------------------


def test_events_go_into_a_file_as_well_and_what_is_said_stays(run, make_tree, folder):
    source, record = make_tree(folder / "source", {"app": b"x"}), folder / "events.jsonl"
    record.write_text("of an earlier command\n")
    arguments = ("pack", source, "-o", folder / "v1.tar.zst", "--events", record)

    def recorded():
        return [json.loads(line)["event"] for line in record.read_text().splitlines()]

    assert run(*arguments).out.startswith("tag ")
    assert recorded() == ["packed"]
    assert [event["event"] for event in run(*arguments, "--json").events()] == recorded()
    # What ends a command is told there too.
    run("pack", folder / "nowhere", "-o", folder / "v2.tar.zst", "--events", record, expect=None)
    assert recorded() == ["error"]
    refused = run(*arguments[:-1], folder / "no/such/events", expect=2)
    assert "--events" in refused.err and "no/such/events" in refused.err


# --- configuration ------------------------------------------------------------------------------


def test_flags_come_before_environment_before_files(run, folder, clean_environment):
    """Told by --port, of which the complaint says what it was."""
    config = folder / "home/.config/murder"
    config.mkdir(parents=True)

    def complaint(*arguments, **env):
        return run("tracker", *arguments, expect=2, env=env, cwd=folder).err

    (config / "murder.toml").write_text('[tracker]\nlisten = "user"\n')
    assert "--listen: 'user'" in complaint()
    assert f"{config}/murder.toml:2" in complaint()
    (folder / "murder.toml").write_text('listen = "here"\n')
    assert "'here'" in complaint() and "./murder.toml:1" in complaint()
    assert "'everybody'" in complaint(MURDER_LISTEN="everybody")
    assert "'mine' is not ADDRESS:PORT (set by MURDER_TRACKER_LISTEN)" in complaint(
        MURDER_LISTEN="everybody", MURDER_TRACKER_LISTEN="mine")
    typed = complaint("--listen", "typed", MURDER_TRACKER_LISTEN="mine")
    assert "'typed'" in typed and "set by" not in typed


def test_a_bad_file_is_named_with_its_line_and_does_not_hide_the_help(run, folder, empty_dest):
    (folder / "murder.toml").write_text("[peer]\n\ntimeuot = 5\n")
    for arguments in (("releases", "--to", folder), ("peer",)):
        result = run(*arguments, "--json", expect=2, cwd=folder)
        assert result.err == "murder: ./murder.toml:3: murder peer has no --timeuot\n"
        assert result.events()[0]["kind"] == "usage"
    assert "Examples" in run("peer", "--help", cwd=folder).out
    run("releases", "--to", empty_dest, "--no-config", cwd=folder)
    (folder / "murder.toml").write_text("[peer\n")
    assert "./murder.toml:1: " in run("peer", expect=2, cwd=folder).err


def test_what_is_required_may_come_from_a_file(run, folder, empty_dest):
    run("releases", expect=2, cwd=folder)
    (folder / "murder.toml").write_text(f'to = "{empty_dest}"\njson = true\n')
    assert run("releases", cwd=folder).out == ""  # no table: it is JSON, of no release
    assert json.loads(run("verify", expect=2, cwd=folder).out)["kind"] == "usage"
