"""How room for a payload is taken: as pieces come, or all of it before the first."""

import os

from swarm import digest, error_of, wait_for_event


def test_room_is_taken_as_was_asked_and_all_are_whole_in_the_end(swarm, run, folder, eventually):
    payload = folder / "disk.img"
    payload.write_bytes(os.urandom(2_000_000))
    torrent = swarm.torrent_of_file(payload)
    swarm.tracker()
    peers = {}
    for how in ("none", "sparse", "full"):
        peers[how] = swarm.peer(torrent, folder / how, "--file-only", "--allocate", how,
                                "--linger", "forever")
        wait_for_event(peers[how], "listening")
    found = {how: (folder / how / "disk.img.partial").stat() for how in peers}
    assert found["none"].st_size == 0
    assert found["sparse"].st_size == found["full"].st_size == 2_000_000
    assert found["sparse"].st_blocks == 0
    assert found["full"].st_blocks * 512 >= 2_000_000
    swarm.seed(torrent, payload)
    for how, peer in peers.items():
        wait_for_event(peer, "complete")
        assert digest(folder / how / "disk.img") == digest(payload)
    result = run("peer", torrent, "--to", folder / "other", "--allocate", "falloc", "--json",
                 expect=2)
    assert "--allocate: 'falloc'" in error_of(result)
