"""In the background: --daemon returns when it serves, stop ends exactly what was meant and nothing
else, whatever was killed or has taken a number since."""

import hashlib
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import urllib.parse
import urllib.request

import pytest

import bencode

from swarm import digest, error_of


@pytest.fixture
def daemons(run, clean_environment):
    """daemons(): what `stop --list` says runs; all of it is stopped with the test."""
    yield lambda: run("stop", "--list", "--json").events("daemon")
    run("stop", "--all", "--kill-after", "1s", expect=None)


@pytest.fixture
def release(swarm, make_tree, folder):
    """(pack, torrent) of a small release v1."""
    return swarm.pack(make_tree(folder / "source", {"bin/app": 900_000, "etc/conf": b"x"}), "v1")


def started(result):
    event, = result.events("daemon")
    assert event["state"] == "started", result
    return event


def is_alive(pid):
    try:
        stat = pathlib.Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] not in "ZX"


def start_of(pid):
    stat = pathlib.Path(f"/proc/{pid}/stat").read_text()
    return int(stat.rpartition(")")[2].split()[19])


def healthy(endpoint):
    with urllib.request.urlopen(f"http://{endpoint}/healthz", timeout=60) as answer:
        return answer.read() == b"ok\n"


def start_tracker(run, *arguments):
    return started(run("tracker", "--listen", "127.0.0.1:0", "--daemon", "--json", *arguments))


def test_a_tracker_answers_when_the_command_returns_and_is_gone_when_stop_does(run, daemons, folder):
    tracker = start_tracker(run)
    assert healthy(tracker["name"])
    fds = pathlib.Path(f"/proc/{tracker['pid']}/fd")
    assert os.readlink(fds / "0") == "/dev/null"
    assert os.readlink(fds / "1") == os.readlink(fds / "2") == tracker["log"]
    assert os.getsid(tracker["pid"]) == tracker["pid"]
    assert os.readlink(f"/proc/{tracker['pid']}/cwd") == "/"
    assert [(d["state"], d["pid"]) for d in daemons()] == [("running", tracker["pid"])]

    stopped, = run("stop", "tracker", "--json").events("daemon")
    assert (stopped["state"], stopped["pid"]) == ("stopped", tracker["pid"])
    assert not is_alive(tracker["pid"])
    assert daemons() == []
    assert not pathlib.Path(tracker["log"]).exists()  # nothing was in it
    again = run("stop", "tracker")
    assert "no tracker runs in the background here" in again.err


def test_a_release_goes_from_a_seeder_in_the_background_to_a_peer(run, daemons, release, folder):
    pack, torrent = release
    tracker = start_tracker(run)
    url = f"http://{tracker['name']}/announce"
    result = run("seed", torrent, "--from", pack, "--listen", "127.0.0.2", "--tracker", url,
                 "--daemon", "--json")
    seeder = started(result)
    assert (seeder["role"], seeder["name"]) == ("seed", "v1")
    with socket.create_connection(result.events("listening")[0]["endpoint"].rsplit(":", 1)):
        pass
    run("peer", torrent, "--to", folder / "dest", "--listen", "127.0.0.3", "--tracker", url,
        "--activate", "--detach", "--linger", "forever")
    assert (folder / "dest/current/bin/app").stat().st_size == 900_000

    peer, = [daemon for daemon in daemons() if daemon["role"] == "peer"]
    assert (peer["name"], peer["place"]) == ("v1", str(folder / "dest"))
    assert f"peer v1 at {folder / 'dest'} is stopped" in run("stop", "peer", "v1").err
    assert "no seeder v2 runs" in run("stop", "seed", "v2").err
    assert is_alive(seeder["pid"]) and not is_alive(peer["pid"])
    said = run("stop", "--all").err
    assert "seed v1 is stopped" in said and f"tracker {tracker['name']} is stopped" in said
    assert not is_alive(seeder["pid"]) and not is_alive(tracker["pid"])


def test_a_second_start_of_the_same_says_that_it_runs_and_one_of_another_fails(
        run, daemons, release, folder, free_port):
    pack, torrent = release
    listen = f"127.0.0.1:{free_port()}"
    first = started(run("tracker", "--listen", listen, "--daemon", "--json"))
    second, = run("tracker", "--listen", listen, "--daemon", "--json").events("daemon")
    assert (second["state"], second["pid"]) == ("running", first["pid"])
    other = run("tracker", "--listen", listen, "--expect", "3", "--daemon", "--json", expect=1)
    assert f"tracker {listen} (process {first['pid']}) runs already" in error_of(other)
    assert f"murder stop tracker {listen}" in error_of(other)

    seed = ("seed", torrent, "--from", pack, "--listen", "127.0.0.1", "--daemon", "--json")
    first = started(run(*seed))
    second, = run(*seed).events("daemon")
    assert (second["state"], second["pid"]) == ("running", first["pid"])
    assert "runs already" in error_of(run(*seed, "--up", "1Mbit", expect=1))
    assert len(daemons()) == 2


def test_what_cannot_serve_fails_where_it_was_started(run, daemons, release, folder):
    pack, torrent = release
    with socket.create_server(("127.0.0.1", 0)) as taken:
        listen = "127.0.0.1:%d" % taken.getsockname()[1]
        result = run("tracker", "--listen", listen, "--daemon", "--json", expect=1)
        assert listen in error_of(result)
    damaged = bytearray(pack.read_bytes())
    damaged[1000] ^= 1
    (folder / "damaged").write_bytes(damaged)
    result = run("seed", torrent, "--from", folder / "damaged", "--daemon", "--json", expect=5)
    assert "does not match its torrent" in error_of(result)
    assert run("seed", folder / "none.torrent", "--from", pack, "--daemon", expect=2).err
    assert daemons() == []


def test_a_process_that_has_the_number_of_a_dead_daemon_is_left_alone(
        run, daemons, start_program, eventually, clean_environment):
    tracker = start_tracker(run)
    state, = pathlib.Path(clean_environment["MURDER_RUN_DIR"]).glob("*.daemon")
    record = json.loads(state.read_text())
    bystander = start_program("sleep", "600")
    while start_of(bystander.pid) == record["started"]:  # in the same hundredth of a second
        bystander = start_program("sleep", "600")

    # The daemon is gone, its file stayed, and says now what it would after the number's reuse.
    os.kill(tracker["pid"], signal.SIGKILL)
    eventually(lambda: not is_alive(tracker["pid"]), "killed")
    state.write_text(json.dumps({**record, "pid": bystander.pid}))
    assert "no tracker runs" in run("stop", "tracker").err
    assert not state.exists()

    # Even where somebody holds the file's lock.
    state.write_text(json.dumps({**record, "pid": bystander.pid}))
    holder = start_program("flock", "--no-fork", state, "sleep", "600")
    eventually(lambda: subprocess.run(["flock", "--nonblock", state, "true"]).returncode != 0,
               "the lock is held")
    assert "could not be stopped" in run("stop", "tracker", expect=1).err
    assert bystander.status is None and holder.status is None


def test_a_daemon_that_does_not_listen_to_reason_is_killed(run, daemons):
    tracker = start_tracker(run)
    os.kill(tracker["pid"], signal.SIGSTOP)
    ended, = run("stop", "tracker", "--kill-after", "100ms", "--json").events("daemon")
    assert (ended["state"], ended["pid"]) == ("killed", tracker["pid"])
    assert not is_alive(tracker["pid"])
    assert daemons() == []


def test_a_daemon_holds_nothing_of_whoever_started_it(murder, run, daemons, folder,
                                                      clean_environment):
    """A shell's lock and its pipe: both would be held for as long as the tracker lives."""
    lock = folder / "lock"
    result = subprocess.run(
        ["sh", "-c", 'exec 9>"$2"; flock 9; "$1" tracker --listen 127.0.0.1:0 --daemon; echo done',
         "sh", murder, lock], env=clean_environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        timeout=120)  # communicate() waits for the ends of both pipes
    assert result.returncode == 0 and result.stdout == b"done\n", result
    assert len(daemons()) == 1
    assert subprocess.run(["flock", "--nonblock", lock, "true"]).returncode == 0


def test_a_folder_is_the_one_that_was_meant_where_the_command_ran(run, daemons, release, folder,
                                                                  eventually):
    _, torrent = release
    (folder / "listed").mkdir()
    tracker = start_tracker(run, "--torrents", "listed")  # looked at again and again
    info = bencode.encode(bencode.decode(torrent.read_bytes())[b"info"])
    query = urllib.parse.urlencode({"info_hash": hashlib.sha1(info).digest(), "port": 9999,
                                    "peer_id": b"-XX0000-aaaaaaaaaaaa", "left": 1})

    def is_served():
        url = f"http://{tracker['name']}/announce?{query}&uploaded=0&downloaded=0&compact=1"
        with urllib.request.urlopen(url, timeout=60) as answer:
            return b"failure reason" not in bencode.decode(answer.read())

    assert not is_served()
    shutil.copy(torrent, folder / "listed")
    eventually(is_served, "the torrent is served once it lies in the folder")


def test_several_trackers_have_to_be_named(run, daemons):
    first, second = (start_tracker(run) for _ in range(2))
    result = run("stop", "tracker", "--json", expect=2)
    assert "2 trackers run here" in error_of(result) and first["name"] in error_of(result)
    run("stop", "tracker", first["name"].rpartition(":")[2])
    assert [daemon["pid"] for daemon in daemons()] == [second["pid"]]


@pytest.mark.parametrize("arguments", [
    (), ("seed",), ("peer",), ("origin", "v1"), ("seed", "v1", "--all"), ("--list", "--all")])
def test_stop_wants_to_know_what_is_meant(run, daemons, arguments):
    assert run("stop", *arguments, expect=2).err.startswith("murder: ")


def test_a_service_manager_is_told_when_it_serves(start, run, daemons, folder, release):
    pack, torrent = release
    for arguments in (("tracker", "--listen", "127.0.0.1:0"),
                      ("seed", torrent, "--from", pack, "--listen", "127.0.0.1")):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
            manager.settimeout(120)
            manager.bind(str(folder / f"notify-{arguments[0]}"))
            running = start(*arguments, env={"NOTIFY_SOCKET": manager.getsockname()})
            assert manager.recv(100) == b"READY=1\n"
            running.send(signal.SIGTERM)
            assert running.wait().status == 0
    assert digest(pack)
