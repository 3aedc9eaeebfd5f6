"""A tracker that is asked to keep its state knows after a restart who had everything and left."""

import json
import os
import signal
import time
import urllib.request

from swarm import wait_for_event


def swarms(endpoint):
    with urllib.request.urlopen(f"http://{endpoint}/swarms", timeout=30) as answer:
        return json.load(answer)["swarms"]


def wait_until_written(state, before=0):
    deadline = time.monotonic() + 60
    while state.stat().st_mtime_ns <= before:
        assert time.monotonic() < deadline, "nothing was written"
        time.sleep(0.1)


def test_what_a_killed_tracker_knew_its_successor_knows(swarm, make_tree, folder, free_port):
    pack, torrent = swarm.pack(make_tree(folder / "source", {"app": 300_000}), "v1")
    state = folder / "tracker.state"
    listen = f"127.0.0.1:{free_port()}"
    tracker = swarm.tracker("--expect", "2", "--state", state, listen=listen)
    began = state.stat().st_mtime_ns
    swarm.seed(torrent, pack)
    assert swarm.peer(torrent, folder / "first", "--name", "first", "--linger", "none").wait().status == 0
    wait_until_written(state, began)
    tracker.send(signal.SIGKILL)
    tracker.wait()

    tracker = swarm.tracker("--expect", "2", "--state", state, listen=listen)
    (known,) = swarms(listen)
    assert (known["complete"], known["seeders"]) == (1, 1)
    # The first has left long ago: without the state two were never complete.
    assert swarm.peer(torrent, folder / "second", "--name", "second").wait().status == 0
    assert wait_for_event(tracker, "swarm_complete")["hosts"] == 2


def test_it_is_written_when_it_ends_and_once_is_enough(swarm, make_tree, folder):
    pack, torrent = swarm.pack(make_tree(folder / "source", {"app": 300_000}), "v1")
    state = folder / "tracker.state"
    tracker = swarm.tracker("--state", state)
    seeder = swarm.seed(torrent, pack)
    assert swarm.peer(torrent, folder / "first", "--linger", "none").wait().status == 0
    seeder.send(signal.SIGTERM)
    seeder.wait()
    tracker.send(signal.SIGTERM)
    assert tracker.wait().status == 0
    written = state.stat()
    tracker = swarm.tracker("--state", state)
    (known,) = swarms(swarm.tracker_url.split("/")[2])
    assert (known["complete"], known["seeders"]) == (1, 0)
    tracker.send(signal.SIGTERM)
    tracker.wait()
    assert os.stat(state).st_mtime_ns == written.st_mtime_ns, "nothing was new"


def test_torrents_that_are_not_served_any_more_are_left_out(swarm, make_tree, folder):
    pack, torrent = swarm.pack(make_tree(folder / "source", {"app": 300_000}), "v1")
    state = folder / "tracker.state"
    tracker = swarm.tracker("--state", state)
    swarm.seed(torrent, pack)
    wait_for_event(tracker, "fleet")
    tracker.send(signal.SIGTERM)
    tracker.wait()
    (folder / "none").mkdir()
    swarm.tracker("--state", state, "--torrents", folder / "none")
    assert swarms(swarm.tracker_url.split("/")[2]) == []


def test_what_is_no_state_is_left_as_it_is(run, folder):
    file = folder / "precious"
    file.write_bytes(b"\x89PNG and more")
    result = run("tracker", "--listen", "127.0.0.1:0", "--state", file, expect=1)
    assert f"cannot read {file}: it is no tracker's state" in result.err
    assert "remove it" in result.err
    assert file.read_bytes() == b"\x89PNG and more"


def test_a_place_that_cannot_be_written_to_is_told_at_once(run, folder):
    result = run("tracker", "--listen", "127.0.0.1:0", "--state", folder / "none/state", expect=1)
    assert str(folder / "none/state") in result.err


def test_a_full_disk_is_a_warning_and_the_tracker_goes_on(swarm, make_tree, folder, small_disk):
    pack, torrent = swarm.pack(make_tree(folder / "source", {"app": 300_000}), "v1")
    disk = small_disk(1_000_000)
    tracker = swarm.tracker("--state", disk.path / "tracker.state")
    before = (disk.path / "tracker.state").read_bytes()
    disk.fill()
    swarm.seed(torrent, pack)
    assert "tracker.state" in wait_for_event(tracker, "warning")["message"]
    assert swarm.peer(torrent, folder / "first", "--linger", "none").wait().status == 0
    assert (disk.path / "tracker.state").read_bytes() == before
    assert [entry.name for entry in disk.path.iterdir() if entry.suffix == ".tmp"] == []
