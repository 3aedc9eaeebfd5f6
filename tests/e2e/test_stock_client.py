"""A client of another make joins: it gets the file, and costs the murder peers nothing."""

import shutil
import signal

import pytest

from swarm import digest, events, live_release, wait_for_event


@pytest.fixture
def aria2(start_program, swarm):
    """aria2(torrent, folder, *options): aria2c, downloading the torrent into the folder."""
    program = shutil.which("aria2c")
    if program is None:
        pytest.skip("aria2c is not installed")

    def start(torrent, folder, *options):
        folder.mkdir(exist_ok=True)
        address = swarm.new_address()
        return start_program(
            program, "--no-conf", "--enable-dht=false", "--enable-dht6=false",
            "--bt-enable-lpd=false", "--enable-peer-exchange=false", "--disable-ipv6",
            f"--interface={address}", f"--bt-tracker={swarm.tracker_url}",
            "--listen-port=20000-29999", "--bt-tracker-interval=1", "--seed-time=0",
            "--summary-interval=0", "--console-log-level=warn", "--stop=60", f"--dir={folder}",
            *options, torrent)

    return start


@pytest.fixture
def release(swarm, make_tree, folder, scaled):
    source = make_tree(folder / "source", {"app": scaled(8_000_000), "etc/conf": b"x" * 5000})
    return swarm.pack(source, "v1")


def test_aria2_gets_the_pack_from_a_seeder(swarm, release, folder, aria2):
    pack, torrent = release
    swarm.tracker()
    swarm.seed(torrent, pack)
    result = aria2(torrent, folder / "stock").wait()
    assert result.status == 0, result
    assert digest(folder / "stock/v1.tar.zst") == digest(pack)


def test_aria2_and_murder_peers_share_one_swarm(swarm, release, folder, aria2):
    pack, torrent = release
    tracker = swarm.tracker("--expect", "3")
    seeder = swarm.seed(torrent, pack)
    stock = aria2(torrent, folder / "stock")
    peers = [swarm.peer(torrent, folder / f"host{n}", "--activate") for n in range(3)]
    for number, peer in enumerate(peers):
        result = peer.wait()
        assert result.status == 0, result
        assert result.events("peer_banned") == []
        assert live_release(folder / f"host{number}").name == "v1"
    assert stock.wait().status == 0
    assert digest(folder / "stock/v1.tar.zst") == digest(pack)
    # Nobody waits for it: a host in effect once it has everything, it may be counted or not yet.
    assert wait_for_event(tracker, "swarm_complete")["hosts"] in (3, 4)
    assert events(seeder, "peer_banned") == []


def test_a_murder_peer_gets_everything_from_aria2(swarm, release, folder, aria2):
    pack, torrent = release
    swarm.tracker()
    (folder / "stock").mkdir()
    shutil.copy(pack, folder / "stock/v1.tar.zst")
    seeding = aria2(torrent, folder / "stock", "--seed-time=5", "--seed-ratio=0.0",
                    "--check-integrity=true")
    result = swarm.peer(torrent, folder / "host", "--activate", "--linger", "none").wait()
    assert result.status == 0, result
    assert result.events("complete")[0]["downloaded_bytes"] >= pack.stat().st_size
    assert live_release(folder / "host").name == "v1"
    seeding.send(signal.SIGINT)
