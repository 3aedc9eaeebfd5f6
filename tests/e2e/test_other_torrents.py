"""Trackers and torrents that others made serve us, and ours are taken by their programs."""

import hashlib
import os
import shutil
import subprocess
import tempfile
import urllib.parse

import pytest

from bencode import decode, encode
from clients import PYTHON, clients, packed  # noqa: F401 (fixtures)
from swarm import digest, wait_for_event


def info_hash_of(torrent):
    return hashlib.sha1(encode(decode(torrent.read_bytes())[b"info"])).hexdigest()


# --- trackers -----------------------------------------------------------------------------------------------------------


def test_our_peers_find_each_other_through_opentracker_over_http_and_udp(clients, packed, start_program, eventually):
    program = shutil.which("opentracker")
    if program is None:
        pytest.skip("opentracker is not installed")
    swarm = clients(5)
    first, *others = swarm.net.machines
    http, udp = (f"{scheme}://{first.address}:6969/announce" for scheme in ("http", "udp"))
    pack, torrent = packed(udp)
    # Debian's serves only what its list allows. It becomes nobody, who may not look into our folder.
    with tempfile.NamedTemporaryFile("w", prefix="murder-whitelist-") as whitelist:
        os.chmod(whitelist.name, 0o644)
        whitelist.write(info_hash_of(torrent) + "\n")
        whitelist.flush()
        start_program(*first.command(program, "-i", first.address, "-P", "6969", "-p", "6969", "-d", "/", "-w",
                                     whitelist.name))
        eventually(lambda: first.listens_on(6969), "opentracker to listen")
    swarm.seed(torrent, pack)
    magnet = f"magnet:?xt=urn:btih:{info_hash_of(torrent)}&tr={urllib.parse.quote(udp, safe='')}"
    for machine, source, url in zip(others, (torrent, torrent, torrent, magnet), (http, http, udp, udp)):
        machine.peer = swarm.peer(source, machine, "--linger", "none", "--tracker", url)
    for machine in others:
        result = machine.peer.wait()
        assert result.status == 0, result
        assert [event["ok"] for event in result.events("tracker")] == [True]


# --- torrents that others made, and ours in their hands ------------------------------------------------------------------


def create_with_libtorrent(payload, torrent, url, piece_length, flags):
    code = ("import sys, libtorrent as lt\n"
            "path, out, url, size, flags = sys.argv[1:]\n"
            "fs = lt.file_storage(); lt.add_files(fs, path)\n"
            "t = lt.create_torrent(fs, piece_size=int(size), flags=int(flags))\n"
            "t.add_tracker(url)\n"
            "import os; lt.set_piece_hashes(t, os.path.dirname(path))\n"
            "open(out, 'wb').write(lt.bencode(t.generate()))\n")
    return [PYTHON, "-c", code, payload, torrent, url, piece_length, flags]


V1_ONLY, HYBRID = 64, 0  # libtorrent's create_torrent::v1_only, and without it
MAKERS = {
    "mktorrent": lambda p, t, u: ["mktorrent", "-l", "18", "-a", u, "-o", t, p],
    "transmission-create": lambda p, t, u: ["transmission-create", "-s", "32", "-t", u, "-o", t, p],
    "libtorrent-v1": lambda p, t, u: create_with_libtorrent(p, t, u, 16384, V1_ONLY),
    "libtorrent-hybrid": lambda p, t, u: create_with_libtorrent(p, t, u, 65536, HYBRID),
    "libtorrent-4MiB": lambda p, t, u: create_with_libtorrent(p, t, u, 4 << 20, V1_ONLY),
}


@pytest.mark.parametrize("maker", MAKERS)
def test_a_torrent_that_another_made_is_served_and_fetched(maker, swarm, folder):
    payload, torrent = folder / "disk.img", folder / "disk.torrent"
    payload.write_bytes(os.urandom(9_000_000))
    swarm.tracker()
    argv = [str(word) for word in MAKERS[maker](payload, torrent, swarm.tracker_url)]
    if shutil.which(argv[0]) is None:
        pytest.skip(f"{argv[0]} is not installed")
    subprocess.run(argv, check=True, timeout=120, stdout=subprocess.DEVNULL)
    seeder = swarm.seed(torrent, payload, tracker=())
    wait_for_event(seeder, "tracker", where=lambda event: event["ok"])  # the one that the torrent names
    result = swarm.peer(torrent, folder / "host", "--file-only", "--linger", "none").wait()
    assert result.status == 0, result
    assert digest(folder / "host/disk.img") == digest(payload)


READERS = {
    "transmission-show": lambda torrent: ["transmission-show", torrent],
    "aria2c": lambda torrent: ["aria2c", "-S", torrent],
    "libtorrent": lambda torrent: [PYTHON, "-c", "import sys, libtorrent as lt; print(lt.torrent_info(sys.argv[1]).name())",
                                   torrent],
}


@pytest.mark.parametrize("reader", READERS)
def test_our_torrents_are_accepted(reader, packed):
    _, torrent = packed("http://198.18.4.1:8998/announce")
    argv = READERS[reader](str(torrent))
    if shutil.which(argv[0]) is None:
        pytest.skip(f"{argv[0]} is not installed")
    shown = subprocess.run(argv, check=False, capture_output=True, text=True, timeout=60)
    assert shown.returncode == 0, shown
    assert "v1.tar.zst" in shown.stdout
