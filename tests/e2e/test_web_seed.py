"""Web seeds: an HTTP server gives what no peer has, about once to a whole swarm; the faults of one
harm nobody.
"""

import hashlib
import signal
import urllib.parse

import pytest

import bencode
from swarm import (differences, error_of, events, live_release, snapshot, wait_for_event,
                   wait_for_share)
from web_server import WebServer


@pytest.fixture
def served(swarm, make_tree, folder):
    """served(size, url_path): (pack, torrent, server); the torrent names the server."""
    servers = []

    def make(size=3_000_000, path="/store/"):
        source = make_tree(folder / "source", {"app": size, "etc/conf": b"x" * 5000})
        servers.append(WebServer(b""))
        pack, torrent = swarm.pack(source, "v1", "--web-seed", servers[-1].url + path)
        servers[-1].content = pack.read_bytes()
        return pack, torrent, servers[-1]

    yield make
    for server in servers:
        server.close()


def test_three_hosts_without_a_seeder_take_one_copy(swarm, served, folder):
    pack, torrent, server = served()
    assert bencode.decode(torrent.read_bytes())[b"url-list"] == [f"{server.url}/store/".encode()]
    swarm.tracker("--expect", "3")
    peers = [swarm.peer(torrent, folder / f"host{n}", "--activate") for n in range(3)]
    web_bytes = 0
    for number, peer in enumerate(peers):
        result = peer.wait()
        assert result.status == 0, result
        assert live_release(folder / f"host{number}").name == "v1"
        complete, = result.events("complete")
        web_bytes += complete["web_bytes"]
        for state in result.events("web_seed"):
            assert state["ok"] and state["url"] == f"{server.url}/store/", result
    assert set(server.paths) == {"/store/v1.tar.zst"}
    # What is still on its way when the last piece comes from a peer counts for nobody.
    assert 0 < web_bytes <= server.bytes_taken
    # Peers that were slow to hear of one another may have taken a little twice.
    assert 1 <= server.copies < 1.7


def test_a_seeder_that_dies_leaves_the_rest_to_the_web_seed(swarm, served, folder):
    pack, torrent, server = served(6_000_000)
    swarm.tracker()
    seeder = swarm.seed(torrent, pack, "--up", "2MB/s")
    peers = [swarm.peer(torrent, folder / f"host{n}", "--linger", "none") for n in range(2)]
    for peer in peers:
        wait_for_share(peer, 0.1)
    assert server.requests == 0, "while the seeder gives"
    seeder.kill()
    for peer in peers:
        result = peer.wait()
        assert result.status == 0, result
    assert 0 < server.copies < 1.5


def test_a_web_seed_that_dies_in_mid_transfer_and_comes_back(swarm, served, folder):
    _, torrent, server = served()
    half = len(server.content) // 2

    def dies(number, handler):
        return number >= 2 and not server.back and handler.send_part(up_to=1000)

    server.back, server.fault = False, dies
    peer = swarm.peer(torrent, folder / "host", "--activate", "--linger", "none")
    state = wait_for_event(peer, "web_seed", where=lambda event: not event["ok"])
    assert "in the middle of its answer" in state["reason"] and not state["banned"]
    assert server.bytes_taken < half
    server.back = True
    result = peer.wait()
    assert result.status == 0, result
    assert live_release(folder / "host").name == "v1"
    assert [event["ok"] for event in result.events("web_seed")][-1] is True
    assert server.copies == 1


def test_wrong_data_bans_one_web_seed_and_another_gives_the_rest(swarm, served, folder):
    pack, torrent, good = served(1_000_000)
    bad = WebServer(bytes(len(good.content)))
    try:
        peer = swarm.peer(torrent, folder / "host", "--activate", "--linger", "none",
                          "--web-seed", f"{bad.url}/v1?signature=secret")
        result = peer.wait()
    finally:
        bad.close()
    assert result.status == 0, result
    assert live_release(folder / "host").name == "v1"
    banned, = [event for event in result.events("web_seed") if event["banned"]]
    assert banned["url"] == f"{bad.url}/v1" and "wrong data" in banned["reason"]
    assert "secret" not in result.out + result.err
    assert bad.requests <= 2, "what was under way when it was found out"
    assert good.copies == 1


def test_a_server_that_asks_for_patience_gets_it(swarm, served, folder):
    _, torrent, server = served(500_000)
    # All the time that the test takes: whoever asks again before has not listened.
    server.fault = lambda number, handler: handler.refuse(503, Retry_After="3600")
    peer = swarm.peer(torrent, folder / "host", "--timeout", "6s")
    result = peer.wait()
    assert result.status == 4
    assert "HTTP status 503" in error_of(result)
    assert server.requests <= 2


def test_a_web_seed_without_ranges_is_said_and_left(swarm, served, folder):
    _, torrent, server = served(500_000)

    def sends_all(number, handler):
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(server.content)))
        handler.end_headers()
        handler.wfile.write(server.content)
        return True

    server.fault = sends_all
    peer = swarm.peer(torrent, folder / "host")
    state = wait_for_event(peer, "web_seed")
    assert state["banned"] and "ranges" in state["reason"]
    peer.send(signal.SIGTERM)
    assert peer.wait().status == 143
    assert events(peer, "web_seed") == [state], "said once"


def test_a_bad_url_is_refused_before_anything_is_done(swarm, run, make_tree, folder):
    source = make_tree(folder / "source", {"app": 1000})
    result = run("pack", source, "-o", folder / "a.tar.zst", "--web-seed", "ftp://store/a",
                 "--json", expect=2)
    assert "cannot use web seed 'ftp://store/a'" in error_of(result)
    assert not (folder / "a.tar.zst").exists()
    _, torrent = swarm.pack(source, "v1")
    result = run("peer", torrent, "--to", folder / "host", "--web-seed", "store/a", "--json",
                 expect=2)
    assert "it does not begin with http://" in error_of(result)
    assert not (folder / "host").exists()


# --- torrents of several files ------------------------------------------------------------------


@pytest.fixture
def site(make_tree, folder):
    return make_tree(folder / "from/my site", {
        "bin/app": 700_001, "etc/conf": b"x" * 50, "etc/empty": b"", "100% ü/a+b": 90_000,
        **{f"many/f{n}": 3000 + n for n in range(20)}})


@pytest.fixture
def serving(site):
    """serving(): a WebServer of the site, at its URL's /store/."""
    servers = []

    def make():
        files = {"/store/" + urllib.parse.quote(str(path.relative_to(site.parent))): path.read_bytes()
                 for path in site.rglob("*") if path.is_file()}
        servers.append(WebServer(b"", files=files))
        return servers[-1]

    yield make
    for server in servers:
        server.close()


def torrent_of(site, piece_length, padded, **keys):
    """Of v1, by the files' names in order; `padded`: every file begins with a piece (BEP 47)."""
    payload, files = b"", []
    for path in sorted(path for path in site.rglob("*") if path.is_file()):
        content = path.read_bytes()
        files.append({b"length": len(content), b"path": [part.encode() for part in path.relative_to(site).parts]})
        payload += content
        gap = -len(payload) % piece_length
        if padded and gap > 0:
            files.append({b"length": gap, b"path": [b".pad", str(gap).encode()], b"attr": b"p"})
            payload += bytes(gap)
    pieces = b"".join(hashlib.sha1(payload[at:at + piece_length]).digest()
                      for at in range(0, len(payload), piece_length))
    info = {b"files": files, b"name": site.name.encode(), b"piece length": piece_length, b"pieces": pieces}
    torrent = site.parent / "site.torrent"
    torrent.write_bytes(bencode.encode({b"info": info, **{key.encode(): value for key, value in keys.items()}}))
    return torrent


@pytest.mark.parametrize("padded", [False, True])
def test_the_files_of_a_torrent_come_each_from_its_own_place(swarm, site, serving, folder, padded):
    server = serving()
    torrent = torrent_of(site, 32768, padded, **{"url-list": f"{server.url}/store"})
    swarm.tracker("--expect", "2")
    peers = [swarm.peer(torrent, folder / f"host{n}", "--file-only") for n in range(2)]
    for number, peer in enumerate(peers):
        result = peer.wait()
        assert result.status == 0, result
        assert differences(snapshot(site), snapshot(folder / f"host{number}/my site")) == []
    assert not any(".pad" in path or path.endswith("/empty") for path in server.paths)
    whole = sum(path.stat().st_size for path in site.rglob("*") if path.is_file())
    assert server.bytes_taken < 1.7 * whole


def test_a_file_that_is_not_there_is_named_and_another_web_seed_gives_it(swarm, site, serving, folder):
    lacking, good = serving(), serving()
    lacking.files = {path: content for path, content in lacking.files.items() if "app" not in path}
    torrent = torrent_of(site, 32768, False, **{"url-list": [f"{lacking.url}/store/"]})
    peer = swarm.peer(torrent, folder / "host", "--file-only", "--linger", "none")
    state = wait_for_event(peer, "web_seed", where=lambda event: not event["ok"])
    assert "bin/app: HTTP status 404" in state["reason"] and not state["banned"]
    peer.kill()
    peer.wait()
    result = swarm.peer(torrent, folder / "host", "--file-only", "--linger", "none",
                        "--web-seed", f"{good.url}/store/").wait()
    assert result.status == 0, result
    assert differences(snapshot(site), snapshot(folder / "host/my site")) == []


def test_another_version_of_a_file_bans_the_web_seed(swarm, site, serving, folder):
    server = serving()
    app = next(path for path in server.files if path.endswith("app"))
    server.files[app] = bytes(len(server.files[app]))
    torrent = torrent_of(site, 32768, False, **{"url-list": f"{server.url}/store/"})
    peer = swarm.peer(torrent, folder / "host", "--file-only", "--timeout", "20s")
    state = wait_for_event(peer, "web_seed", where=lambda event: event["banned"])
    assert "wrong data" in state["reason"]
    peer.kill()


def test_a_url_with_a_query_cannot_name_several_files(swarm, run, site, folder):
    torrent = torrent_of(site, 32768, False)
    result = run("peer", torrent, "--to", folder / "host", "--web-seed", "http://store/a?signature=s", "--json", expect=2)
    assert "holds several files" in error_of(result) and "signature" not in error_of(result)
    assert not (folder / "host").exists()
