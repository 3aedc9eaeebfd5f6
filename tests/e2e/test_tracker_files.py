"""A tracker that also hands out files, and that ends by itself when nobody wants anything of it."""

import http.client
import pathlib
import socket
import subprocess
import threading
import time

import pytest

from swarm import digest, live_release, snapshot

MIB = 1 << 20


@pytest.fixture
def files(folder, make_tree):
    return make_tree(folder / "files", {"v7.torrent": 1000, "murder.gz": 3 * MIB, ".hidden": b"x"})


def ask(swarm, method, path):
    """(status, headers, body) of the answer."""
    host = swarm.tracker_url.split("/")[2]
    connection = http.client.HTTPConnection(host, timeout=30)
    connection.request(method, path)
    answer = connection.getresponse()
    return answer.status, dict(answer.getheaders()), answer.read()


def test_files_are_served_by_their_names(swarm, files):
    swarm.tracker("--files", files)
    status, headers, body = ask(swarm, "GET", "/files/murder.gz")
    assert (status, headers["Content-Length"]) == (200, str(3 * MIB))
    assert body == (files / "murder.gz").read_bytes()
    status, headers, body = ask(swarm, "HEAD", "/files/murder.gz")
    assert (status, headers["Content-Length"], body) == (200, str(3 * MIB), b"")


@pytest.mark.parametrize("path", ["/files/", "/files/.hidden", "/files/../files/v7.torrent",
                                  "/files/%2e%2e/x", "/files//etc/passwd", "/files/not-there",
                                  "/files", "/v7.torrent"])
def test_nothing_else_is_served(swarm, files, path):
    swarm.tracker("--files", files)
    assert ask(swarm, "GET", path)[0] == 404


def test_without_files_none_are_served(swarm, files):
    swarm.tracker()
    assert ask(swarm, "GET", "/files/v7.torrent")[0] == 404


def test_a_folder_that_is_not_there_is_an_error(run, folder):
    result = run("tracker", "--listen", "127.0.0.1:0", "--files", folder / "none", expect=1)
    assert str(folder / "none") in result.err


def test_a_peer_takes_its_torrent_from_the_tracker(swarm, folder, make_tree):
    files = folder / "files"
    files.mkdir()
    swarm.tracker("--files", files)
    release = make_tree(folder / "release", {"bin/app": MIB})
    pack, torrent = swarm.pack(release, "v7")
    torrent.rename(files / "v7.torrent")
    swarm.seed(files / "v7.torrent", pack)
    peer = swarm.peer(swarm.tracker_url.replace("/announce", "/files/v7.torrent"), folder / "dest",
                      "--activate", "--linger", "none").wait()
    assert peer.status == 0, peer
    assert snapshot(live_release(folder / "dest")) == snapshot(release)


def memory_kib(pid):
    """(resident now, the most that it was)"""
    status = pathlib.Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    lines = dict(line.split(":", 1) for line in status.splitlines())
    return tuple(int(lines[key].split()[0]) for key in ("VmRSS", "VmHWM"))


def test_two_hundred_fetch_at_once_and_it_stays_small(swarm, files, sanitized):
    tracker = swarm.tracker("--files", files)
    before, _ = memory_kib(tracker.pid)
    url = swarm.tracker_url.replace("/announce", "/files/murder.gz")
    wanted = digest(files / "murder.gz")
    bodies = []

    def fetch():
        for _ in range(10):
            status, _, body = ask(swarm, "GET", "/files/murder.gz")
            bodies.append((status, len(body)))

    # Others hold their connections and read nothing.
    idle = []
    for _ in range(180):
        client = socket.create_connection(swarm.tracker_url.split("/")[2].split(":"))
        client.sendall(b"GET /files/murder.gz HTTP/1.1\r\nHost: h\r\n\r\n")
        idle.append(client)
    threads = [threading.Thread(target=fetch) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert bodies == [(200, 3 * MIB)] * 200
    fetched = subprocess.run(["curl", "-fsS", url], capture_output=True, check=True).stdout
    (files / "fetched").write_bytes(fetched)
    assert digest(files / "fetched") == wanted
    _, most = memory_kib(tracker.pid)
    for client in idle:
        client.close()
    assert most - before < (60 if sanitized else 10) * 1024


def test_it_ends_when_nobody_wants_anything(swarm):
    tracker = swarm.tracker("--exit-when-idle", "1s")
    assert tracker.wait().status == 0


def pause_for(seconds, act):
    """Does it again and again for so long; the longest that the machine let it wait in between."""
    begin = last = time.monotonic()
    longest = 0
    while last - begin < seconds:
        act()
        time.sleep(0.1)
        longest = max(longest, time.monotonic() - last)
        last = time.monotonic()
    return longest


def test_it_stays_while_somebody_does_and_watching_is_not_wanting(swarm, files, eventually):
    tracker = swarm.tracker("--files", files, "--exit-when-idle", "3s")

    def fetch():
        try:
            ask(swarm, "GET", "/files/v7.torrent")
        except OSError:
            pass  # it has ended: seen below

    if pause_for(5, fetch) < 2:
        assert tracker.status is None

    def has_ended():
        try:
            ask(swarm, "GET", "/scrape")
        except OSError:
            pass
        return tracker.status is not None

    eventually(has_ended, "the tracker ends although it is watched")
    assert tracker.wait().status == 0


def test_it_stays_while_a_host_announces(swarm, folder, make_tree):
    tracker = swarm.tracker("--exit-when-idle", "8s")
    pack, torrent = swarm.pack(make_tree(folder / "release", {"app": 1000}), "v7")
    seeder = swarm.seed(torrent, pack)
    if pause_for(10, lambda: None) < 1:
        assert tracker.status is None
    seeder.kill()
    assert tracker.wait().status == 0


def test_a_time_that_is_none_is_refused(run):
    result = run("tracker", "--exit-when-idle", "soon", expect=2)
    assert "--exit-when-idle" in result.err
