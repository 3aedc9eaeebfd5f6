"""Peers that tell one another of peers: a swarm finds itself without a tracker."""

import bencode
import wire
from swarm import differences, live_release, snapshot, wait_for_event
from test_magnet import magnet_of


def test_a_host_that_knows_one_peer_finds_the_others_when_the_tracker_is_dead(
        swarm, make_tree, folder):
    source = make_tree(folder / "source", {"app": 3_000_000})
    pack, torrent = swarm.pack(source, "v1")
    tracker = swarm.tracker()
    # Slow, so that nobody is done before they have met.
    seeder = swarm.seed(torrent, pack, "--up", "400kB/s")
    first = swarm.peer(torrent, folder / "first", "--activate", "--linger", "forever")
    listening = wait_for_event(first, "listening")["endpoint"]
    wait_for_event(first, "progress", where=lambda event: event["links"] == 1)
    tracker.kill()
    # This one knows `first` alone: the seeder, and the third, it can hear of from nobody else.
    late = [swarm.peer(magnet_of(torrent, peers=[listening]), folder / f"late{n}", "--activate",
                       "--linger", "forever", tracker=[]) for n in range(2)]
    for peer in late:
        wait_for_event(peer, "progress", where=lambda event: event["links"] == 3)
    for number, peer in enumerate(late):
        wait_for_event(peer, "activated")
        assert not differences(snapshot(source), snapshot(live_release(folder / f"late{number}")))
    seeder.kill()


def test_of_a_private_torrent_a_stock_client_hears_of_nobody(swarm, make_tree, folder):
    source = make_tree(folder / "source", {"app": 500_000})
    pack, torrent = swarm.pack(source, "v1")
    content = wire.Content(torrent, pack)
    seeder = swarm.seed(torrent, pack)
    swarm.peer(magnet_of(torrent, peers=[seeder.endpoint]), folder / "host", "--linger", "forever")

    def offered(peer_id):
        link = wire.Link.to(seeder.endpoint)
        link.send(wire.handshake(content.info_hash, peer_id, extensions=True))
        link.receive_handshake()
        while True:
            kind, payload = link.receive_message()
            if kind == wire.EXTENDED and payload[:1] == b"\0":
                link.close()
                return bencode.decode(payload[1:])

    assert "ut_pex" in {key.decode() for key in offered(b"-MU0100-anotherpeer0")[b"m"]}
    hello = offered(b"-XX0100-anotherpeer0")
    assert set(hello[b"m"]) == {b"ut_metadata"}
    assert hello[b"p"] == int(seeder.endpoint.rsplit(":", 1)[1])
