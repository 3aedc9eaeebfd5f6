"""--up and --down: what a deploy may take of a link that production uses too."""

import os

import pytest

from swarm import digest, wait_for_event

LIMIT = "8Mbit"  # a megabyte a second
BYTES = 3_000_000


@pytest.mark.parametrize("limited", ["the seeder's --up", "the peer's --down"])
def test_nothing_is_faster_than_its_limit_and_all_of_it_comes(swarm, folder, limited):
    payload = folder / "image"
    payload.write_bytes(os.urandom(BYTES))
    torrent = swarm.torrent_of_file(payload)
    swarm.tracker("--expect", "1")
    seed_flags, peer_flags = (["--up", LIMIT], []) if "--up" in limited else ([], ["--down", LIMIT])
    swarm.seed(torrent, payload, *seed_flags)
    peer = swarm.peer(torrent, folder / "dest", "--file-only", *peer_flags)
    complete = wait_for_event(peer, "complete")
    assert complete["seconds"] > 0.97 * BYTES / 1e6
    assert digest(folder / "dest" / "image") == digest(payload)


@pytest.mark.parametrize("flag", ["--up", "--down"])
@pytest.mark.parametrize("rate", ["0", "0Mbit", "-5Mbit", "fast", "10", "1e400Gbit"])
def test_a_rate_that_is_none_is_refused(run, folder, flag, rate):
    result = run("seed", folder / "x.torrent", "--from", folder / "x", f"{flag}={rate}", expect=2)
    assert f"{flag}: cannot read '{rate}' as a rate" in result.err
