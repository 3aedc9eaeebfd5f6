"""Payloads of gigabytes: every host gets them, memory stays small."""

import os
import pathlib
import shutil
import signal
import subprocess
import tempfile

import pytest

from swarm import digest, events, wait_for_event, wait_for_share

GIB = 1 << 30
MIB = 1 << 20
MOST_MEMORY = 256 * MIB


def available_memory():
    with open("/proc/meminfo") as info:
        return next(int(line.split()[1]) * 1024 for line in info if line.startswith("MemAvailable"))


def roomy_folder(needed):
    """A new folder on a filesystem with so much room, in memory if that has it; else a skip."""
    for root in ("/dev/shm", "/var/tmp"):
        if not os.path.isdir(root) or shutil.disk_usage(root).free < needed:
            continue
        if root == "/dev/shm" and available_memory() < needed + 2 * GIB:
            continue
        return pathlib.Path(tempfile.mkdtemp(prefix="murder-e2e-", dir=root))
    pytest.skip(f"nowhere {needed / GIB:.1f} GiB of room")


@pytest.fixture
def room():
    """room(bytes): a folder with so much room, removed with the test."""
    folders = []

    def make(needed):
        folders.append(roomy_folder(needed))
        return folders[-1]

    yield make
    for folder in folders:
        shutil.rmtree(folder)


def peak_memory(running):
    with open(f"/proc/{running.pid}/status") as status:
        return next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmHWM"))


def write_noise(path, size):
    """Bytes that do not compress, as fast as the machine encrypts."""
    with open(path, "wb") as out:
        zeros = subprocess.Popen(["head", "-c", str(size), "/dev/zero"], stdout=subprocess.PIPE)
        subprocess.run(["openssl", "enc", "-aes-128-ctr", "-nosalt", "-K", "0" * 32, "-iv", "0" * 32],
                       stdin=zeros.stdout, stdout=out, check=True, timeout=120)
        zeros.stdout.close()
        assert zeros.wait() == 0


def test_a_gibibyte_reaches_eight_hosts_although_one_is_killed_and_comes_back(swarm, room,
                                                                              sanitized):
    size = GIB // 8 if sanitized else GIB
    place = room(9 * size + GIB // 4)
    source = place / "disk.img"
    write_noise(source, size)
    torrent = swarm.torrent_of_file(source)
    swarm.tracker("--expect", "8")
    seeder = swarm.seed(torrent, source, "--linger", "swarm")
    hosts = [place / f"host{n}" for n in range(8)]
    peers = [swarm.peer(torrent, host, "--file-only") for host in hosts]

    wait_for_share(peers[3], 0.4)
    peers[3].kill()
    again = swarm.peer(torrent, hosts[3], "--file-only")
    peers[3] = again

    results = [peer.wait(240) for peer in peers]
    assert [result.status for result in results] == [0] * 8, results
    assert seeder.wait().status == 0
    resumed = again.out and events(again, "complete")[0]["resumed_bytes"]
    assert resumed >= 0.35 * size
    expected = digest(source)
    for host in hosts:
        assert digest(host / "disk.img") == expected
        (host / "disk.img").unlink()
    slowest = max(result.events("complete")[0]["seconds"] for result in results)
    print(f"{size / MIB:.0f} MiB to 8 hosts, one restarted: {slowest:.1f} s; "
          f"{resumed / MIB:.0f} MiB resumed")


def test_memory_does_not_grow_with_the_payload(swarm, room, sanitized):
    """4 GiB, most of it a hole; all of it is hashed and sent."""
    if sanitized:
        pytest.skip("sanitizers use memory of their own")
    size = 4 * GIB
    place = room(size + GIB // 4)
    source = place / "disk.img"
    write_noise(source, 64 * MIB)
    os.truncate(source, size)
    torrent = swarm.torrent_of_file(source)
    swarm.tracker()
    seeder = swarm.seed(torrent, source)
    peer = swarm.peer(torrent, place / "host", "--file-only", "--linger", "forever")
    wait_for_event(peer, "complete", timeout=240)
    peaks = {"seeder": peak_memory(seeder), "peer": peak_memory(peer)}
    peer.send(signal.SIGTERM)
    assert peer.wait().status == 0
    print({name: f"{peak / MIB:.0f} MiB" for name, peak in peaks.items()})
    assert max(peaks.values()) <= MOST_MEMORY, peaks
    seconds = events(peer, "complete")[0]["seconds"]
    print(f"4 GiB in {seconds:.1f} s")

    # A rerun that reads all of it back needs no more.
    again = swarm.peer(torrent, place / "host", "--file-only", "--linger", "forever")
    wait_for_event(again, "complete", timeout=240)
    assert peak_memory(again) <= MOST_MEMORY
    assert events(again, "complete")[0]["downloaded_bytes"] == 0


def test_memory_does_not_grow_with_the_tree(swarm, start, room, sanitized):
    """A release of a gibibyte that packs to almost nothing, packed and unpacked."""
    if sanitized:
        pytest.skip("sanitizers use memory of their own")
    place = room(2 * GIB + GIB // 4)
    source = place / "source"
    source.mkdir()
    line = b"one line of a log that is much like any other line of it\n"
    for number in range(4):
        with open(source / f"log{number}", "wb") as log:
            for _ in range(16):
                log.write(line * (16 * MIB // len(line)))
    packing = start("pack", source, "-o", place / "v1.tar.zst", "--tag", "v1", "--json")
    peaks = []
    while packing.status is None:
        try:
            peaks.append(peak_memory(packing))
        except (OSError, StopIteration):
            break
    assert packing.wait().status == 0
    swarm.tracker()
    swarm.seed(place / "v1.torrent", place / "v1.tar.zst")
    peer = swarm.peer(place / "v1.torrent", place / "host", "--linger", "forever")
    wait_for_event(peer, "staged", timeout=120)
    print(f"pack {max(peaks) / MIB:.0f} MiB, peer {peak_memory(peer) / MIB:.0f} MiB")
    assert max(peaks) <= MOST_MEMORY
    assert peak_memory(peer) <= MOST_MEMORY
    assert (place / "host/releases/v1/log3").stat().st_size == (source / "log3").stat().st_size
