"""Peers that lie, stall or talk nonsense: whoever deals with them completes from the good ones, and
a seeder outlives them all.
"""

import os
import random
import signal
import struct
import threading

import pytest

import wire
from swarm import differences, events, snapshot, wait_for_event

MURDER = b"-MU0100-hostilepeer0"
STOCK = b"-XX0100-hostilepeer0"


@pytest.fixture
def release(swarm, make_tree, folder):
    """(source, pack, torrent) of about 130 pieces."""
    source = make_tree(folder / "source", {"app": 2_000_000, "etc/conf": b"x" * 5000})
    return source, *swarm.pack(source, "v1", "--piece-length", "16KiB")


@pytest.fixture
def content(release):
    return wire.Content(release[2], release[1])


@pytest.fixture
def tracker():
    tracker = wire.FakeTracker()
    yield tracker
    tracker.close()


@pytest.fixture
def hostile(swarm):
    """hostile(behave): a peer of the test's own, which can be dialled."""
    servers = []

    def listen(behave):
        servers.append(wire.Server(behave, swarm.new_address()))
        return servers[-1]

    yield listen
    for server in servers:
        server.close()


def meet(link, content, peer_id=MURDER, everything=True):
    """Handshakes and claims to have everything, as a good peer does."""
    link.send(wire.handshake(content.info_hash, peer_id))
    assert link.receive_handshake()[0] == content.info_hash
    link.send(wire.message(wire.HAVE_ALL if everything else wire.HAVE_NONE))
    link.send(wire.message(wire.UNCHOKE))


def next_request(link):
    """(piece, begin, length) of the next request that comes."""
    while True:
        kind, payload = link.receive_message()
        if kind == wire.REQUEST:
            return struct.unpack(">III", payload)


# --- behaviours: what a hostile peer does when it is dialled; each returns when the harm is done -


def says_garbage(link, content):
    link.send(random.Random(1).randbytes(1000))
    link.wait_until_closed()


def speaks_http(link, content):
    link.send(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
    link.wait_until_closed()


def is_in_another_swarm(link, content):
    link.send(wire.handshake(b"another info hash...", MURDER))
    link.wait_until_closed()


def closes_in_the_handshake(link, content):
    link.send(wire.handshake(content.info_hash, MURDER)[:40])
    link.close()


def announces_a_message_of_4_gib(link, content):
    meet(link, content)
    link.send(struct.pack(">I", 0xFFFFFFFF) + b"\x14")
    link.wait_until_closed()


def announces_a_block_of_1_gib(link, content):
    meet(link, content)
    link.send(struct.pack(">IBII", 9 + (1 << 30), wire.PIECE, 0, 0) + bytes(100_000))
    link.wait_until_closed()


def sends_a_short_bitfield(link, content):
    link.send(wire.handshake(content.info_hash, STOCK))
    link.send(wire.message(wire.BITFIELD, content.bitfield(range(content.pieces))[:-1]))
    link.wait_until_closed()


def sends_a_long_bitfield(link, content):
    link.send(wire.handshake(content.info_hash, STOCK))
    link.send(wire.message(wire.BITFIELD, bytes(500_000)))
    link.wait_until_closed()


def has_a_piece_that_is_none(link, content):
    meet(link, content)
    link.send(wire.message(wire.HAVE, struct.pack(">I", content.pieces)))
    link.wait_until_closed()


def sends_pieces_that_nobody_asked_for(link, content):
    meet(link, content, everything=False)
    for number in range(200):
        piece = number % content.pieces
        link.send(wire.block_message(wire.PIECE, piece, 0, bytes(content.piece_length)))
    link.wait_until_closed()


def sends_a_block_past_the_end(link, content):
    meet(link, content, everything=False)
    link.send(wire.block_message(wire.PIECE, content.pieces + 7, 1 << 31, bytes(16384)))
    link.wait_until_closed()


def sends_wrong_data(link, content):
    meet(link, content)
    while True:
        piece, begin, length = next_request(link)
        data = bytearray(content.block(piece, begin, length))
        data[length // 2] ^= 1
        link.send(wire.block_message(wire.PIECE, piece, begin, bytes(data)))


def sends_wrong_data_as_a_stock_client(link, content):
    meet(link, content, STOCK)
    while True:
        piece, begin, length = next_request(link)
        link.send(wire.block_message(wire.PIECE, piece, begin, bytes(length)))


def asks_for_what_does_not_exist(link, content):
    meet(link, content)
    link.send(wire.message(wire.INTERESTED))
    link.send(wire.block_message(wire.REQUEST, 0xFFFFFFFF, 0, 16384))
    link.wait_until_closed()


def asks_for_a_gigabyte(link, content):
    meet(link, content)
    link.send(wire.block_message(wire.REQUEST, 0, 0, 1 << 30))
    link.wait_until_closed()


def answers_with_less_than_was_asked_for(link, content):
    meet(link, content)
    for _ in range(2):
        piece, begin, length = next_request(link)
        link.send(wire.block_message(wire.PIECE, piece, begin,
                                     content.block(piece, begin, length // 2)))


def closes_in_the_middle_of_a_block(link, content):
    meet(link, content)
    piece, begin, length = next_request(link)
    data = wire.block_message(wire.PIECE, piece, begin, content.block(piece, begin, length))
    link.send(data[:len(data) // 2])
    link.close()


def stops_in_the_middle_of_a_block(link, content):
    meet(link, content)
    piece, begin, length = next_request(link)
    data = wire.block_message(wire.PIECE, piece, begin, content.block(piece, begin, length))
    link.send(data[:len(data) // 2])


def says_nothing_at_all(link, content):
    pass


def takes_requests_and_answers_none(link, content):
    meet(link, content)
    next_request(link)


def takes_requests_and_answers_none_as_a_stock_client(link, content):
    meet(link, content, STOCK)
    next_request(link)


def rejects_and_claims_again(link, content):
    meet(link, content)
    for _ in range(20):
        piece, begin, length = next_request(link)
        link.send(wire.block_message(wire.REJECT, piece, begin, length))
        link.send(wire.message(wire.HAVE, struct.pack(">I", piece)))


def chokes_whoever_asks(link, content):
    meet(link, content, STOCK)
    for _ in range(3):
        next_request(link)
        link.send(wire.message(wire.CHOKE))
        link.send(wire.message(wire.UNCHOKE))


def talks_nonsense_by_extension(link, content):
    link.send(wire.handshake(content.info_hash, MURDER, extensions=True))
    link.receive_handshake()
    for payload in (b"", b"\0", b"\0garbage", b"\0" + b"l" * 100_000, b"\x63" + bytes(1000),
                    b"\0d1:md6:ut_pexi-1ee4:reqqi99999999999999999999ee",
                    b"\0d6:murderd9:max_blocki0eee"):
        link.send(wire.message(wire.EXTENDED, payload))
    link.send(wire.message(99, b"no such message"))
    link.send(wire.message(wire.HAVE_ALL))
    next_request(link)


BEHAVIOURS = [
    says_garbage, speaks_http, is_in_another_swarm, closes_in_the_handshake,
    announces_a_message_of_4_gib, announces_a_block_of_1_gib, sends_a_short_bitfield,
    sends_a_long_bitfield, has_a_piece_that_is_none, sends_pieces_that_nobody_asked_for,
    sends_a_block_past_the_end, sends_wrong_data, sends_wrong_data_as_a_stock_client,
    asks_for_what_does_not_exist, asks_for_a_gigabyte, answers_with_less_than_was_asked_for,
    closes_in_the_middle_of_a_block, stops_in_the_middle_of_a_block, says_nothing_at_all,
    takes_requests_and_answers_none, takes_requests_and_answers_none_as_a_stock_client,
    rejects_and_claims_again, chokes_whoever_asks, talks_nonsense_by_extension,
]
BANNED_FOR = {
    sends_a_short_bitfield: "bitfield", sends_a_long_bitfield: "bitfield",
    has_a_piece_that_is_none: "piece", sends_pieces_that_nobody_asked_for: "nobody asked",
    sends_a_block_past_the_end: "nobody asked", sends_wrong_data: "wrong data",
    sends_wrong_data_as_a_stock_client: "wrong data", asks_for_what_does_not_exist: "asked for",
    asks_for_a_gigabyte: "asked for",
}


@pytest.mark.parametrize("behave", BEHAVIOURS, ids=lambda behave: behave.__name__)
def test_a_peer_completes_although_another(behave, swarm, release, content, tracker, hostile,
                                           folder):
    source, pack, torrent = release
    server = hostile(lambda link: behave(link, content))
    seeder = swarm.seed(torrent, pack, tracker=tracker.url)
    seeder.send(signal.SIGSTOP)  # the good one comes late
    tracker.peers = [server.endpoint, seeder.endpoint]
    victim = swarm.peer(torrent, folder / "host", "--linger", "none", tracker=tracker.url)
    wire.wait(server.done, "the hostile peer has done its harm")
    seeder.send(signal.SIGCONT)

    result = victim.wait()
    assert result.status == 0, result
    assert differences(snapshot(source), snapshot(folder / "host/releases/v1")) == []
    banned = [(event["endpoint"], event["reason"]) for event in result.events("peer_banned")]
    if behave in BANNED_FOR:
        assert [endpoint for endpoint, _ in banned] == [server.endpoint]
        assert BANNED_FOR[behave] in banned[0][1]
    else:
        assert banned == [], "no more than a good peer that was unlucky could do"
    seeder.send(signal.SIGTERM)
    assert seeder.wait().status == 0


def test_a_peer_that_drips_does_not_hold_up_the_release(swarm, release, content, tracker, hostile,
                                                        folder):
    """It is never silent for long, and would need hours for one block."""
    source, pack, torrent = release
    begun = threading.Event()

    def drip(link):
        meet(link, content)
        piece, begin, length = next_request(link)
        data = wire.block_message(wire.PIECE, piece, begin, content.block(piece, begin, length))
        link.send(data[:20])  # the message's head and a little of the block
        begun.set()
        for byte in data[20:]:
            wire.pause(0.3)
            link.send(bytes([byte]))

    server = hostile(drip)
    seeder = swarm.seed(torrent, pack, tracker=tracker.url)
    seeder.send(signal.SIGSTOP)
    tracker.peers = [server.endpoint, seeder.endpoint]
    victim = swarm.peer(torrent, folder / "host", "--linger", "none", tracker=tracker.url)
    wire.wait(begun, "a block has begun to come")
    seeder.send(signal.SIGCONT)
    result = victim.wait()
    assert result.status == 0, result
    assert differences(snapshot(source), snapshot(folder / "host/releases/v1")) == []


def test_a_crowd_of_liars_does_not_keep_a_peer_from_completing(swarm, release, content, tracker,
                                                               hostile, folder):
    """All of them at once, and the good seeder the last in the list."""
    source, pack, torrent = release
    servers = [hostile(lambda link, behave=behave: behave(link, content))
               for behave in (sends_wrong_data, takes_requests_and_answers_none,
                              stops_in_the_middle_of_a_block, rejects_and_claims_again,
                              says_nothing_at_all, sends_wrong_data_as_a_stock_client)]
    seeder = swarm.seed(torrent, pack, tracker=tracker.url)
    tracker.peers = [server.endpoint for server in servers] + [seeder.endpoint]
    victim = swarm.peer(torrent, folder / "host", "--linger", "none", tracker=tracker.url)
    result = victim.wait()
    assert result.status == 0, result
    assert differences(snapshot(source), snapshot(folder / "host/releases/v1")) == []


def test_a_tracker_that_names_nonsense_is_survived(swarm, release, tracker, folder):
    source, pack, torrent = release
    seeder = swarm.seed(torrent, pack, tracker=tracker.url)
    tracker.peers = ["0.0.0.0:1", "127.0.0.1:0", "255.255.255.255:9", "224.0.0.1:7",
                     "127.9.9.9:1", "127.0.0.1:9"]
    peer = swarm.peer(torrent, folder / "host", "--linger", "none", tracker=tracker.url)
    listening = wait_for_event(peer, "listening")["endpoint"]
    tracker.peers += [listening, seeder.endpoint]  # and the peer itself
    result = peer.wait()
    assert result.status == 0, result
    assert result.events("peer_banned") == []


# --- against a seeder ---------------------------------------------------------------------------


def attack_with_garbage(links, content):
    links().send(os.urandom(5000))


def attack_with_half_handshakes(links, content):
    for size in (1, 19, 20, 48, 67):
        links().send(wire.handshake(content.info_hash, MURDER)[:size])


def attack_with_silence(links, content):
    for _ in range(100):
        links()


def attack_with_another_info_hash(links, content):
    link = links()
    link.send(wire.handshake(b"\xff" * 20, MURDER))
    link.wait_until_closed()


def attack_with_huge_lengths(links, content):
    for rest in (struct.pack(">I", 0xFFFFFFFF), struct.pack(">IB", 1 << 30, wire.BITFIELD),
                 struct.pack(">IB", 1 << 30, wire.EXTENDED),
                 struct.pack(">IBII", 1 << 31, wire.PIECE, 0, 0)):
        link = links()
        meet(link, content, everything=False)
        link.send(rest)
        link.wait_until_closed()


def attack_with_bad_requests(links, content):
    for piece, begin, length in ((content.pieces, 0, 16384), (0, 1 << 31, 16384), (0, 0, 0),
                                 (0, 0xFFFFFFFF, 0xFFFFFFFF), (0, 0, 1 << 20),
                                 (content.pieces - 1, 0, 16385)):
        link = links()
        meet(link, content, everything=False)
        link.send(wire.block_message(wire.REQUEST, piece, begin, length))
        link.wait_until_closed()


def attack_with_requests_that_nobody_reads(links, content):
    for peer_id in (MURDER, STOCK):
        link = links()
        meet(link, content, peer_id, everything=False)
        link.send(wire.message(wire.INTERESTED))
        requests = b"".join(wire.block_message(wire.REQUEST, piece, 0, content.piece_length)
                            for piece in range(content.pieces - 1))
        try:
            for _ in range(300):
                link.send(requests)
        except (wire.Gone, TimeoutError):
            pass


def attack_with_pieces(links, content):
    link = links()
    meet(link, content, everything=False)
    try:
        for _ in range(2000):
            link.send(wire.block_message(wire.PIECE, 0, 0, bytes(16384)))
    except wire.Gone:
        pass


def attack_with_cancels_and_flapping(links, content):
    link = links()
    meet(link, content, STOCK, everything=False)
    for piece in range(1000):
        link.send(wire.block_message(wire.CANCEL, piece, 0, 16384)
                  + wire.block_message(wire.REJECT, piece, 0, 16384)
                  + wire.message(wire.INTERESTED) + wire.message(wire.NOT_INTERESTED)
                  + wire.message(wire.CHOKE))


def attack_by_taking_the_place_of_hosts(links, content):
    """Each is shown a window of pieces that nobody else is shown, and wants none of it."""
    for number in range(40):
        link = links()
        meet(link, content, MURDER[:-2] + b"%02d" % number, everything=False)
        link.send(wire.message(wire.INTERESTED))
        while link.receive_message()[0] != wire.UNCHOKE:
            pass


ATTACKS = [
    attack_with_garbage, attack_with_half_handshakes, attack_with_silence,
    attack_with_another_info_hash, attack_with_huge_lengths, attack_with_bad_requests,
    attack_with_requests_that_nobody_reads, attack_with_pieces, attack_with_cancels_and_flapping,
    attack_by_taking_the_place_of_hosts,
]


def resident_bytes(pid, field="VmRSS"):
    with open(f"/proc/{pid}/status") as status:
        for line in status:
            if line.startswith(field + ":"):
                return int(line.split()[1]) * 1024
    raise AssertionError(f"no {field}")


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.__name__)
def test_a_seeder_serves_on_after_an(attack, swarm, release, content, tracker, folder, sanitized):
    source, pack, torrent = release
    seeder = swarm.seed(torrent, pack, tracker=tracker.url)
    before = resident_bytes(seeder.pid)
    opened = []

    def links():
        opened.append(wire.Link.to(seeder.endpoint))
        return opened[-1]

    try:
        attack(links, content)
        tracker.peers = [seeder.endpoint]
        result = swarm.peer(torrent, folder / "host", "--linger", "none",
                            tracker=tracker.url).wait()  # while the attackers are connected
        assert result.status == 0, result
        assert differences(snapshot(source), snapshot(folder / "host/releases/v1")) == []
        if not sanitized:
            assert resident_bytes(seeder.pid, "VmHWM") - before < 64 << 20
    finally:
        for link in opened:
            link.close()
    seeder.send(signal.SIGTERM)
    result = seeder.wait()
    assert result.status == 0, result
    assert [event for event in events(seeder, "error")] == []
