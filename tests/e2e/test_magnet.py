"""Torrents by magnet link: the metadata comes from peers, murder's or others', and goes to them."""

import hashlib
import os
import shutil
import signal

import pytest

import bencode
import wire
from swarm import (differences, digest, error_of, events, live_release, snapshot, wait_for_event)


@pytest.fixture
def release(swarm, make_tree, folder):
    """(source, pack, torrent): 400 pieces, so that the metadata does not fit into one message."""
    source = make_tree(folder / "source", {"app": 6_400_000, "etc/conf": b"x" * 5000})
    return source, *swarm.pack(source, "v1", "--piece-length", "16KiB")


def magnet_of(torrent, trackers=(), peers=()):
    info = bencode.encode(bencode.decode(torrent.read_bytes())[b"info"])
    return (f"magnet:?xt=urn:btih:{hashlib.sha1(info).hexdigest()}&dn=v1.tar.zst"
            + "".join(f"&tr={tracker}" for tracker in trackers)
            + "".join(f"&x.pe={peer}" for peer in peers))


@pytest.fixture
def stock(start_program, swarm):
    """stock(argument, folder, *options): aria2c, of a torrent or a magnet link."""
    program = shutil.which("aria2c")
    if program is None:
        pytest.skip("aria2c is not installed")

    def start(what, folder, *options):
        folder.mkdir(exist_ok=True)
        return start_program(
            program, "--no-conf", "--enable-dht=false", "--enable-dht6=false",
            "--bt-enable-lpd=false", "--enable-peer-exchange=false", "--disable-ipv6",
            f"--interface={swarm.new_address()}", "--listen-port=20000-29999",
            "--bt-tracker-interval=1", f"--bt-tracker={swarm.tracker_url}",
            "--summary-interval=0", "--console-log-level=warn", "--stop=100", f"--dir={folder}",
            *options, what)

    return start


def test_peers_get_the_torrent_from_each_other(swarm, release, folder, run):
    source, pack, torrent = release
    swarm.tracker("--expect", "3")
    packed, = run("pack", source, "-o", folder / "again.tar.zst", "--tag", "v1", "--json",
                  "--piece-length", "16KiB", "--tracker", swarm.tracker_url).events("packed")
    assert packed["magnet"].startswith(magnet_of(torrent) + "&tr=http%3A%2F%2F127.")
    # Peers that are there before anybody has the metadata wait for it.
    peers = [swarm.peer(packed["magnet"], folder / f"host{n}", "--activate", tracker=[])
             for n in range(2)]
    swarm.seed(torrent, pack)
    peers.append(swarm.peer(magnet_of(torrent), folder / "host2", "--activate"))
    for number, peer in enumerate(peers):
        result = peer.wait()
        assert result.status == 0, result
        live = live_release(folder / f"host{number}")
        assert live.name == "v1"
        assert not differences(snapshot(source), snapshot(live))
        # The torrent is on disk as it would be had it been given.
        kept, = (folder / f"host{number}/.murder").rglob("v1*.torrent")
        assert (bencode.decode(kept.read_bytes())[b"info"]
                == bencode.decode(torrent.read_bytes())[b"info"])


def test_stock_clients_and_murder_give_each_other_the_torrent(swarm, release, folder, stock):
    _, pack, torrent = release
    swarm.tracker()
    (folder / "stock").mkdir()
    shutil.copy(pack, folder / "stock/v1.tar.zst")
    seeding = stock(torrent, folder / "stock", "--check-integrity=true", "--seed-ratio=0.0")
    peer = swarm.peer(magnet_of(torrent, [swarm.tracker_url]), folder / "host", "--activate",
                      "--linger", "forever")
    wait_for_event(peer, "activated")
    seeding.kill()
    # From murder alone now.
    leech = stock(magnet_of(torrent), folder / "stock2", "--seed-time=0").wait()
    assert leech.status == 0, leech
    assert digest(folder / "stock2/v1.tar.zst") == digest(pack)
    assert events(peer, "peer_banned") == []


def test_without_a_tracker_from_a_peer_that_the_link_names(swarm, release, folder):
    source, pack, torrent = release
    seeder = swarm.seed(torrent, pack)
    result = swarm.peer(magnet_of(torrent, peers=[seeder.endpoint]), folder / "host", "--activate",
                        "--linger", "none").wait()
    assert result.status == 0, result
    assert not differences(snapshot(source), snapshot(live_release(folder / "host")))


# --- peers that lie about the metadata ---

def greeted(link, info_hash, size, ut_metadata=3):
    link.send(wire.handshake(info_hash, b"-XX0100-hostilepeer0", extensions=True))
    link.receive_handshake()
    hello = {"m": {"ut_metadata": ut_metadata}, "metadata_size": size}
    link.send(wire.message(wire.EXTENDED, b"\0" + bencode.encode(hello)))


def requests(link):
    """The pieces that the other side asks for, as they come."""
    while True:
        kind, payload = link.receive_message()
        if kind == wire.EXTENDED and payload[:1] == b"\3":
            yield bencode.decode(payload[1:])[b"piece"]


def data_message(piece, size, data):
    head = bencode.encode({"msg_type": 1, "piece": piece, "total_size": size})
    return wire.message(wire.EXTENDED, b"\1" + head + data)


def says_four_gigabytes(link, info_hash):
    greeted(link, info_hash, 0xFFFFFFFF)
    link.wait_until_closed()


def gives_other_metadata(link, info_hash):
    greeted(link, info_hash, 20_000)
    for piece in requests(link):
        link.send(data_message(piece, 20_000, os.urandom(16384 if piece == 0 else 3616)))


def gives_more_than_it_said(link, info_hash):
    greeted(link, info_hash, 20_000)
    for piece in requests(link):
        link.send(data_message(piece, 20_000, bytes(100_000)))


def gives_what_nobody_asked_for(link, info_hash):
    greeted(link, info_hash, 20_000)
    for piece in range(1000):
        link.send(data_message(piece, 1 << 30, bytes(16384)))
    link.wait_until_closed()


def is_silent(link, info_hash):
    link.wait_until_closed()


def has_none(link, info_hash):
    greeted(link, info_hash, 0)
    link.wait_until_closed()


def test_peers_that_lie_about_the_metadata_cost_a_moment(swarm, release, folder):
    _, pack, torrent = release
    content = wire.Content(torrent, pack)
    servers = [wire.Server(lambda link, lie=lie: lie(link, content.info_hash), swarm.new_address())
               for lie in (says_four_gigabytes, gives_other_metadata, gives_more_than_it_said,
                           gives_what_nobody_asked_for, is_silent, has_none)]
    tracker = wire.FakeTracker([server.endpoint for server in servers])
    try:
        peer = swarm.peer(magnet_of(torrent, [tracker.url]), folder / "host", "--activate",
                          "--linger", "none", "-v")
        for server in servers:
            wire.wait(server.connected, "every liar is asked")
        seeder = swarm.seed(torrent, pack, tracker=[])
        tracker.peers.append(seeder.endpoint)
        result = peer.wait()
    finally:
        tracker.close()
        for server in servers:
            server.close()
    assert result.status == 0, result
    assert live_release(folder / "host").name == "v1"
    for reason in ("4294967295 bytes", "does not match the info-hash", "100000 bytes"):
        assert reason in result.err, result


def test_metadata_that_nobody_gives_is_waited_for_and_given_up(swarm, release, folder, run):
    _, _, torrent = release
    swarm.tracker()
    peer = swarm.peer(magnet_of(torrent), folder / "host", "--timeout", "2s")
    result = peer.wait()
    assert result.status == 4
    assert "nobody gave its torrent" in error_of(result)
    waiting = swarm.peer(magnet_of(torrent), folder / "host", "-v")
    waiting.wait_for_output("asking peers")
    waiting.send(signal.SIGTERM)
    assert waiting.wait().status == 143
    for bad, reason in (("magnet:?dn=x", "no info-hash"),
                        (magnet_of(torrent), "neither a tracker"),
                        (magnet_of(torrent, peers=["host:80"]), "ADDRESS:PORT")):
        result = run("peer", bad, "--to", folder / "host", "--json", expect=2)
        assert reason in error_of(result)
    assert not (folder / "host").exists()


def test_one_who_asks_for_metadata_without_end_is_let_go(swarm, release):
    _, pack, torrent = release
    content = wire.Content(torrent, pack)
    seeder = swarm.seed(torrent, pack)
    link = wire.Link.to(seeder.endpoint)
    greeted(link, content.info_hash, 0)
    ask = wire.message(wire.EXTENDED, b"\1" + bencode.encode({"msg_type": 0, "piece": 0}))
    taken = 0
    with pytest.raises(wire.Gone):
        link.send(ask * 500)
        while True:
            kind, payload = link.receive_message()
            if kind == wire.EXTENDED and payload[:1] == b"\3":
                taken += len(payload)
    info = len(bencode.encode(bencode.decode(torrent.read_bytes())[b"info"]))
    assert 0 < taken < 6 * info
    link.close()
