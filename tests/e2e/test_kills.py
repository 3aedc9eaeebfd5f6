"""Whoever is killed, whenever: what was live stays live, what was fetched is not fetched again, and
a rerun finishes the job.
"""

import random
import re
import shutil
import signal
import struct
import threading
import time

import pytest

import wire
from swarm import (differences, error_of, events, live_release, snapshot, wait_for_event,
                   wait_for_share)

MBIT = 40
PIECES_TWICE = 40  # that a kill may cost: those that were on their way


@pytest.fixture
def small_files(make_tree, folder):
    """A tree of many files, so that unpacking takes its time."""
    files = {f"d{n % 40:02}/f{n:04}": 3000 for n in range(600)}
    return make_tree(folder / "source", {**files, "bin/app": 9_000_000})


# --- a host ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(2))
def test_a_host_killed_at_any_instant_has_a_whole_release_live(seed, swarm, run, make_tree,
                                                               small_files, folder):
    """Again and again, unless a run comes to its end before its kill."""
    dest = folder / "host"
    swarm.tracker()
    whole = {}
    for tag, source in (("v1", make_tree(folder / "old", {"app": 1_000_000, "b/c": b"c"})),
                        ("v2", small_files)):
        pack, torrent = swarm.pack(source, tag)
        seeder = swarm.seed(torrent, pack)
        whole[tag] = snapshot(source)
        if tag == "v1":
            result = swarm.peer(torrent, dest, "--activate", "--linger", "none").wait()
            assert result.status == 0, result
            seeder.kill()

    instants = random.Random(seed)
    for _ in range(12):
        peer = swarm.peer(torrent, dest, "--activate", "--linger", "none")
        deadline = time.monotonic() + instants.uniform(0.02, 1.2)
        while peer.status is None and time.monotonic() < deadline:
            wire.pause(0.002)
        ended = peer.status is not None
        peer.kill()
        live = live_release(dest)
        assert live in (dest / "releases/v1", dest / "releases/v2")
        assert differences(whole[live.name], snapshot(live)) == []
        run("verify", "--to", dest)
        if ended:
            break
    result = peer.wait() if ended else swarm.peer(torrent, dest, "--activate", "--linger",
                                                  "none").wait()
    assert result.status == 0, result
    assert live_release(dest) == dest / "releases/v2"
    run("rollback", "--to", dest)
    assert live_release(dest) == dest / "releases/v1"


@pytest.fixture
def slow_release(swarm, make_tree, folder):
    """(source, pack, torrent) that the shaped origin needs five seconds for."""
    source = make_tree(folder / "source", {f"part{n}": 4_000_000 for n in range(6)})
    return source, *swarm.pack(source, "v1")


def assert_resumed(result, peer_had, pack, piece_length=16384):
    complete, = result.events("complete")
    size = pack.stat().st_size
    assert complete["resumed_bytes"] >= peer_had > 0
    fetched = complete["downloaded_bytes"] + complete["resumed_bytes"]
    assert size <= fetched <= size + PIECES_TWICE * piece_length


@pytest.mark.parametrize("number, status", [(signal.SIGKILL, -9), (signal.SIGINT, 130),
                                            (signal.SIGTERM, 143)], ids=lambda value: str(value))
def test_a_host_goes_on_where_it_was_stopped(number, status, slow_release, shaped_swarm, folder):
    source, pack, torrent = slow_release
    swarm = shaped_swarm(hosts=2, mbit=MBIT)
    swarm.tracker()
    swarm.seed(torrent, pack)
    dest = folder / "host"
    first = swarm.peer(torrent, dest, "--activate")
    had = wait_for_share(first, 0.4)["have_bytes"]
    first.send(number)
    result = first.wait()
    assert result.status == status, result
    if number != signal.SIGKILL:
        assert "%" in error_of(result), "how much is there"
    assert live_release(dest) is None and not (dest / "releases/v1").exists()

    result = swarm.peer(torrent, dest, "--activate", "--linger", "none").wait()
    assert result.status == 0, result
    assert_resumed(result, had, pack)
    assert differences(snapshot(source), snapshot(dest / "current/")) == []


def test_what_was_damaged_while_nothing_ran_is_fetched_again(slow_release, shaped_swarm, folder):
    """A bit turned in the half pack: no bitmap is trusted, everything is hashed."""
    source, pack, torrent = slow_release
    swarm = shaped_swarm(hosts=2, mbit=MBIT * 2)
    swarm.tracker()
    swarm.seed(torrent, pack)
    dest = folder / "host"
    first = swarm.peer(torrent, dest)
    wait_for_share(first, 0.4)
    first.kill()
    half, = (dest / ".murder/packs").glob("*.partial")
    content = bytearray(half.read_bytes())
    damaged = [at for at in range(0, len(content), 100_000) if content[at] != 0]
    for at in damaged:
        content[at] ^= 0x40
    half.write_bytes(content)
    assert len(damaged) > 20

    result = swarm.peer(torrent, dest, "--activate", "--linger", "none").wait()
    assert result.status == 0, result
    assert differences(snapshot(source), snapshot(dest / "current/")) == []


def test_a_kept_pack_that_was_damaged_does_not_stand_in_the_way(swarm, make_tree, folder):
    """With its release in place it is not needed; before that what is wrong is fetched again."""
    source = make_tree(folder / "source", {"app": 900_000})
    pack, torrent = swarm.pack(source, "v1")
    dest = folder / "host"
    swarm.tracker()
    seeder = swarm.seed(torrent, pack)
    result = swarm.peer(torrent, dest, "--linger", "none").wait()
    assert result.status == 0, result
    kept = dest / ".murder/packs/v1.tar.zst"

    def damage():
        content = bytearray(kept.read_bytes())
        content[500_000] ^= 1
        kept.write_bytes(content)

    damage()
    seeder.send(signal.SIGSTOP)  # nobody to fetch it from
    result = swarm.peer(torrent, dest, "--activate", "--linger", "none").wait()
    assert result.status == 0, result
    assert differences(snapshot(source), snapshot(dest / "current/")) == []

    seeder.send(signal.SIGCONT)
    kept.write_bytes(pack.read_bytes())
    damage()
    shutil.rmtree(dest / "releases/v1")  # as if it had been killed before it staged
    (dest / ".murder/manifests/v1").unlink()
    result = swarm.peer(torrent, dest, "--linger", "none").wait()
    assert result.status == 0, result
    assert differences(snapshot(source), snapshot(dest / "releases/v1")) == []
    assert kept.read_bytes() == pack.read_bytes()


def test_the_swarm_goes_on_without_a_host_that_was_killed(slow_release, shaped_swarm, folder):
    source, pack, torrent = slow_release
    swarm = shaped_swarm(hosts=5, mbit=MBIT)
    tracker = swarm.tracker()
    swarm.seed(torrent, pack)
    peers = [swarm.peer(torrent, folder / f"host{n}", "--linger", "none") for n in range(4)]
    for peer in peers:
        wait_for_share(peer, 0.3)
    peers[1].kill()
    for number in (0, 2, 3):
        result = peers[number].wait()
        assert result.status == 0, result
        assert differences(snapshot(source), snapshot(folder / f"host{number}/releases/v1")) == []
    assert tracker.status is None


# --- the seeder -----------------------------------------------------------------------------------


class Observer:
    """Links to peers that only listen: which pieces are at any of them."""

    def __init__(self, content):
        self._content = content
        self._lock = threading.Lock()
        self._links, self._threads = [], []
        self.pieces = set()

    def watch(self, link, number):
        link.send(wire.handshake(self._content.info_hash, b"-XX0100-observer%04d" % number,
                                 fast=False))
        link.receive_handshake()
        self._links.append(link)
        self._threads.append(threading.Thread(target=self._listen, args=(link,)))
        self._threads[-1].start()

    def _listen(self, link):
        try:
            while True:
                kind, payload = link.receive_message()
                if kind == wire.HAVE:
                    found = {struct.unpack(">I", payload)[0]}
                elif kind == wire.BITFIELD:
                    found = {piece for piece in range(self._content.pieces)
                             if payload[piece // 8] & 0x80 >> piece % 8}
                else:
                    continue
                with self._lock:
                    self.pieces |= found
        except (wire.Gone, OSError, TimeoutError):
            pass

    def sees_everything(self):
        with self._lock:
            return len(self.pieces) == self._content.pieces

    def close(self):
        for link in self._links:
            link.close()
        for thread in self._threads:
            thread.join()


@pytest.fixture
def observer(slow_release):
    observer = Observer(wire.Content(slow_release[2], slow_release[1]))
    yield observer
    observer.close()


def test_a_seeder_that_dies_after_the_last_piece_is_out_is_not_missed(
        slow_release, shaped_swarm, folder, observer, eventually):
    """Each piece is at one host at least, and no host has all of them yet."""
    source, pack, torrent = slow_release
    swarm = shaped_swarm(hosts=4, mbit=80)
    swarm.net.hold_back_hosts(100)
    swarm.tracker()
    seeder = swarm.seed(torrent, pack)
    peers = [swarm.peer(torrent, folder / f"host{n}", "--linger", "swarm") for n in range(4)]
    for number, peer in enumerate(peers):
        endpoint = wait_for_event(peer, "listening")["endpoint"]
        observer.watch(swarm.net.call(swarm.net.fleet, lambda: wire.Link.to(
            endpoint, source=swarm.net.addresses[0])), number)
    eventually(observer.sees_everything, "every piece is at some host")
    seeder.kill()
    complete_by_then = [peer for peer in peers if events(peer, "complete")]
    assert len(complete_by_then) < 4, "the test came too late to show anything"
    for number, peer in enumerate(peers):
        wait_for_event(peer, "staged")
        assert differences(snapshot(source), snapshot(folder / f"host{number}/releases/v1")) == []


def test_a_seeder_that_dies_too_early_leaves_hosts_that_say_what_is_missing_and_can_go_on(
        slow_release, shaped_swarm, folder):
    source, pack, torrent = slow_release
    swarm = shaped_swarm(hosts=6, mbit=MBIT)
    swarm.tracker()
    seeder = swarm.seed(torrent, pack)
    hosts = [folder / f"host{n}" for n in range(3)]
    peers = [swarm.peer(torrent, host, "--timeout", "8s") for host in hosts]
    for peer in peers:
        wait_for_share(peer, 0.3)
    seeder.kill()
    had = []
    for peer, host in zip(peers, hosts):
        result = peer.wait()
        assert result.status == 4, result
        have = result.events("progress")[-1]["have_bytes"]
        missing = 100 - 100 * have / pack.stat().st_size
        assert 5 < missing < 75
        said = float(re.search(r"([\d.]+) %", error_of(result))[1])  # of the pieces
        assert abs(said - missing) < 1
        assert not (host / "releases/v1").exists()
        had.append(have)
    assert max(had) - min(had) < 0.05 * pack.stat().st_size, "they shared what there was"

    swarm.seed(torrent, pack)
    peers = [swarm.peer(torrent, host, "--activate", "--linger", "none") for host in hosts]
    for peer, host, have in zip(peers, hosts, had):
        result = peer.wait()
        assert result.status == 0, result
        assert_resumed(result, have, pack)
        assert differences(snapshot(source), snapshot(host / "current/")) == []


def test_a_second_seeder_takes_over(slow_release, shaped_swarm, folder):
    """The first dies in the middle; the hosts, which go on waiting, find another by themselves."""
    source, pack, torrent = slow_release
    swarm = shaped_swarm(hosts=3, mbit=MBIT)
    swarm.tracker()
    seeder = swarm.seed(torrent, pack)
    peers = [swarm.peer(torrent, folder / f"host{n}", "--linger", "none") for n in range(3)]
    for peer in peers:
        wait_for_share(peer, 0.3)
    seeder.kill()
    swarm.seed(torrent, pack)
    for number, peer in enumerate(peers):
        result = peer.wait()
        assert result.status == 0, result
        assert differences(snapshot(source), snapshot(folder / f"host{number}/releases/v1")) == []
