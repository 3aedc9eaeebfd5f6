"""Trackers and torrents that others made serve us, and ours are taken by their programs."""

import hashlib
import os
import shutil
import subprocess
import tempfile
import urllib.parse

import pytest

from bencode import decode, encode
from clients import CLIENTS, PYTHON, clients, packed  # noqa: F401 (fixtures)
from swarm import (differences, digest, error_of, events, live_release, snapshot, wait_for_event,
                   wait_for_share)


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
    "mktorrent": lambda p, t, u, n: ["mktorrent", "-l", n.bit_length() - 1, "-a", u, "-o", t, p],
    "transmission-create": lambda p, t, u, n: ["transmission-create", "-s", n >> 10, "-t", u, "-o", t, p],
    "libtorrent-v1": lambda p, t, u, n: create_with_libtorrent(p, t, u, n, V1_ONLY),
    "libtorrent-hybrid": lambda p, t, u, n: create_with_libtorrent(p, t, u, n, HYBRID),
}
KIB, MIB = 1 << 10, 1 << 20
# Each piece length by two makers at least, as a file and as a folder.
OF_FILES = {"mktorrent": (256 * KIB, 4 * MIB), "transmission-create": (16 * KIB, 16 * MIB),
            "libtorrent-v1": (16 * KIB, 16 * MIB), "libtorrent-hybrid": (256 * KIB, 4 * MIB)}
OF_FOLDERS = {"mktorrent": (256 * KIB, 16 * MIB), "transmission-create": (16 * KIB, 4 * MIB),
              "libtorrent-v1": (256 * KIB, 4 * MIB), "libtorrent-hybrid": (16 * KIB, 16 * MIB)}


def make_torrent(maker, payload, url, piece_length):
    """The torrent, which names that tracker and has that piece length."""
    torrent = payload.parent / f"{payload.name}-{piece_length}.torrent"
    argv = [str(word) for word in MAKERS[maker](payload, torrent, url, piece_length)]
    if shutil.which(argv[0]) is None:
        pytest.skip(f"{argv[0]} is not installed")
    subprocess.run(argv, check=True, timeout=120, stdout=subprocess.DEVNULL)
    assert decode(torrent.read_bytes())[b"info"][b"piece length"] == piece_length
    return torrent


@pytest.mark.parametrize("maker", OF_FILES)
def test_a_torrent_that_another_made_is_served_and_fetched(maker, swarm, folder):
    payload = folder / "disk.img"
    payload.write_bytes(os.urandom(18_000_000))
    swarm.tracker()
    for piece_length in OF_FILES[maker]:
        torrent = make_torrent(maker, payload, swarm.tracker_url, piece_length)
        seeder = swarm.seed(torrent, payload, tracker=())
        wait_for_event(seeder, "tracker", where=lambda event: event["ok"])  # the one that the torrent names
        dest = folder / f"host-{piece_length}"
        result = swarm.peer(torrent, dest, "--file-only", "--linger", "none").wait()
        assert result.status == 0, result
        assert digest(dest / "disk.img") == digest(payload)


# --- torrents of several files -------------------------------------------------------------------------------------------


@pytest.fixture
def site(make_tree, folder):
    """A folder of files of all sizes, as large as a torrent of 16 MiB pieces needs to have two of them."""
    site = make_tree(folder / "from/site", {
        "bin/app": 13_000_001, "data/deep/er/blob": 5_000_000, "etc/conf": b"text", "etc/empty": b"",
        "data-next/x": 16384, **{f"many/f{n}": 100 * n for n in range(1, 5)}})
    (site / "bin/app").chmod(0o755)
    return site


def contents(tree):
    """By path in bytes, without modes, which not every maker keeps."""
    return {path: entry[2] if entry[0] == "file" else entry[0] for path, entry in snapshot(tree).items()}


@pytest.mark.parametrize("maker", OF_FOLDERS)
def test_a_torrent_of_a_folder_is_served_and_fetched(maker, swarm, run, site, folder):
    swarm.tracker()
    for piece_length in OF_FOLDERS[maker]:
        torrent = make_torrent(maker, site, swarm.tracker_url, piece_length)
        seeder = swarm.seed(torrent, site)
        assert events(seeder, "started")[0]["kind"] == "files"
        dest, plain = folder / f"host-{piece_length}", folder / f"plain-{piece_length}"
        peers = [swarm.peer(torrent, dest, "--activate", "--linger", "none"),
                 swarm.peer(torrent, plain, "--file-only", "--linger", "none")]
        staged, placed = (peer.wait() for peer in peers)
        assert staged.status == placed.status == 0, (staged, placed)
        assert live_release(dest).name == "site"
        left_out = [b"etc/empty"] if maker == "transmission-create" else []  # files without content
        for tree in (dest / "current", plain / "site"):
            assert differences(contents(site), contents(f"{tree}/")) == left_out
        assert os.listdir(plain) == ["site"]
        event, = staged.events("staged")
        assert event["files"] == 9 - len(left_out)
        assert event["bytes"] == sum(file.stat().st_size for file in site.rglob("*") if file.is_file())
        run("verify", "--to", dest)
        if maker.startswith("libtorrent"):  # which alone keeps the bit
            assert all(os.access(tree / "bin/app", os.X_OK) for tree in (dest / "current", plain / "site"))


def test_what_is_there_of_a_folder_is_gone_on_with_after_a_kill(swarm, site, folder):
    """As a release and as a plain folder."""
    swarm.tracker()
    torrent = make_torrent("libtorrent-v1", site, swarm.tracker_url, 16 * KIB)
    swarm.seed(torrent, site, "--up", "60Mbit")
    hows = {folder / "host": ("--activate",), folder / "plain": ("--file-only",)}
    peers = [swarm.peer(torrent, dest, *how) for dest, how in hows.items()]
    had = [wait_for_share(peer, 0.3)["have_bytes"] for peer in peers]
    for peer in peers:
        peer.kill()
    assert not (folder / "plain/site").exists() and not (folder / "host/releases/site").exists()
    for (dest, how), bytes_there in zip(hows.items(), had):
        result = swarm.peer(torrent, dest, *how, "--linger", "none").wait()
        assert result.status == 0, result
        assert result.events("complete")[0]["resumed_bytes"] >= bytes_there > 0
    assert differences(contents(site), contents(folder / "host/current/")) == []
    assert differences(contents(site), contents(folder / "plain/site")) == []

    # What is there is served as it is; what is not the same stays as it is.
    result = swarm.peer(torrent, folder / "plain", "--file-only", "--linger", "none").wait()
    assert result.status == 0, result
    assert result.events("complete")[0]["downloaded_bytes"] == 0
    (folder / "plain/site/etc/conf").write_text("mine")
    result = swarm.peer(torrent, folder / "plain", "--file-only", "--linger", "none").wait()
    assert result.status == 2 and "exists with other bytes" in error_of(result), result
    assert (folder / "plain/site/etc/conf").read_text() == "mine"


def test_a_kill_while_the_files_are_put_in_place_leaves_no_half_release(swarm, run, site, folder, eventually):
    swarm.tracker()
    torrent = make_torrent("mktorrent", site, swarm.tracker_url, 256 * KIB)
    swarm.seed(torrent, site)
    dest = folder / "host"
    peer = swarm.peer(torrent, dest, "--activate", "--linger", "none")
    eventually(lambda: peer.status is not None or any((dest / "releases").glob("site*")), "the files to be put in place")
    peer.kill()
    release = dest / "releases/site"
    if release.exists():  # it was faster
        assert differences(contents(site), contents(release)) == []
    result = swarm.peer(torrent, dest, "--activate", "--linger", "none").wait()
    assert result.status == 0, result
    assert result.events("complete")[0]["downloaded_bytes"] == 0
    assert differences(contents(site), contents(f"{live_release(dest)}/")) == []
    assert os.listdir(dest / "releases") == ["site"]
    run("verify", "--to", dest)


def test_a_folder_that_is_not_what_the_torrent_describes_is_not_served(start, run, site, folder):
    torrent = make_torrent("mktorrent", site, "http://127.0.0.1:1/announce", 256 * KIB)

    def refusal():
        return error_of(run("seed", torrent, "--from", site, "--json", expect=5))

    blob = site / "data/deep/er/blob"
    data = blob.read_bytes()
    blob.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    assert "(in data/deep/er/blob)" in refusal()
    blob.write_bytes(data[:-1])
    assert "data/deep/er/blob has 4999999 bytes, not 5000000" in refusal()
    blob.unlink()
    assert "data/deep/er/blob is missing" in refusal()


def test_a_folder_goes_to_a_stock_client_and_from_it(clients, site, folder):
    """With padding, which lies on no disk."""
    swarm = clients(3, mbit=100)
    swarm.tracker()
    torrent = make_torrent("libtorrent-hybrid", site, swarm.tracker_url, 4 * MIB)
    seeder = swarm.seed(torrent, site)
    _, second, third = swarm.net.machines
    stock = swarm.stock(CLIENTS["libtorrent"], torrent, second)
    stock.wait_for_output("complete")
    assert [p for p in differences(contents(site), contents(stock.folder / "site")) if not p.startswith(b".pad")] == []
    seeder.kill()
    result = swarm.peer(torrent, third, "--linger", "none").wait()
    assert result.status == 0, result
    assert result.events("peer_banned") == []
    assert differences(contents(site), contents(folder / f"dest-{third.name}/site")) == []


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
