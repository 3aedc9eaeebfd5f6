"""A host that is busy with its own work gets its release all the same, and ends when told to."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys

import pytest

from swarm import differences, events, live_release, snapshot, wait_for_event, wait_for_share

MB = 1_000_000


@pytest.fixture
def busy_processor():
    """with busy_processor(): six processes a core want it all the time."""
    @contextlib.contextmanager
    def busy():
        command = [sys.executable, "-c", "while True: pass"]
        processes = [subprocess.Popen(command) for _ in range(6 * os.cpu_count())]
        try:
            yield
        finally:
            for process in processes:
                process.kill()
                process.wait()

    return busy


@pytest.fixture
def halfway(swarm, start_program, make_tree, folder, as_ordinary_user, murder):
    """A peer of an ordinary user, who may not raise a priority, half-way; (source, dest, peer)."""
    source = make_tree(folder / "source", {f"part{n}": 3 * MB for n in range(6)})
    pack, torrent = swarm.pack(source, "v1")
    folder.chmod(0o755)
    dest = folder / "host"
    dest.mkdir()
    dest.chmod(0o777)
    program = folder / "murder"
    shutil.copyfile(murder, program)
    program.chmod(0o755)
    torrent.chmod(0o644)
    swarm.tracker()
    swarm.seed(torrent, pack, "--up", "4MB/s")
    peer = start_program(*as_ordinary_user(program, "peer", torrent, "--to", dest, "--activate",
                                         "--linger", "none", "--json", "--tracker",
                                         swarm.tracker_url))
    wait_for_share(peer, 0.5)
    return source, dest, peer


def test_the_release_is_staged_while_others_want_every_processor(halfway, busy_processor):
    source, dest, peer = halfway
    with busy_processor():
        result = peer.wait()
    assert result.status == 0, result
    assert live_release(dest) == dest / "releases/v1"
    assert differences(snapshot(source), snapshot(dest / "current/")) == []


def test_it_ends_when_told_to_while_others_want_every_processor(halfway, busy_processor):
    source, dest, peer = halfway
    wait_for_event(peer, "progress", where=lambda e: e["have_bytes"] > 10 * MB)
    with busy_processor():
        peer.send(signal.SIGTERM)
        result = peer.wait()
    assert result.status == 143, result
    assert events(peer, "error")[-1]["kind"] == "terminated"
