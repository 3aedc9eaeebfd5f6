"""A tracker that is down, wrong, slow or gone: said, and survived."""

import contextlib
import http.server
import json
import signal
import socket
import threading
import time
import urllib.request

import pytest

import bencode
import wire
from swarm import (differences, error_of, events, snapshot, wait_for_event, wait_for_share)


@pytest.fixture
def release(swarm, make_tree, folder):
    source = make_tree(folder / "source", {"app": 1_500_000, "etc/conf": b"x" * 5000})
    return source, *swarm.pack(source, "v1")


def assert_staged(release, dest):
    assert differences(snapshot(release[0]), snapshot(dest / "releases/v1")) == []


def is_down(event):
    return not event["ok"]


def is_up(event):
    return event["ok"]


def test_a_tracker_that_comes_up_late_is_found(swarm, release, folder, free_port):
    source, pack, torrent = release
    port = free_port()
    url = f"http://127.0.0.1:{port}/announce"
    seeder = swarm.seed(torrent, pack, tracker=url)
    peer = swarm.peer(torrent, folder / "host", "--linger", "none", tracker=url)
    for member in (seeder, peer):
        down = wait_for_event(member, "tracker", where=is_down)
        assert down["url"] == url
        assert "refused" in down["reason"]
    swarm.tracker(listen=f"127.0.0.1:{port}")
    result = peer.wait()
    assert result.status == 0, result
    assert [event["ok"] for event in result.events("tracker")] == [False, True]
    assert_staged(release, folder / "host")


def test_the_first_answer_of_a_tracker_is_told(swarm, release, folder):
    _, pack, torrent = release
    swarm.tracker()
    seeder = swarm.seed(torrent, pack)
    event = wait_for_event(seeder, "tracker")
    assert (event["url"], event["ok"], event["reason"]) == (swarm.tracker_url, True, "")


def test_a_host_that_nobody_serves_gives_up_when_asked_to_and_says_why(swarm, release, folder,
                                                                      free_port):
    _, _, torrent = release
    url = f"http://127.0.0.1:{free_port()}/announce"
    result = swarm.peer(torrent, folder / "host", "--timeout", "1s", tracker=url).wait()
    assert result.status == 4, result
    assert url.split("/")[2] in error_of(result)
    assert "100" in error_of(result), "which share is missing"
    assert not (folder / "host/releases/v1").exists()


class Scripted:
    """An HTTP server that answers as the test says: respond(handler)."""

    def __init__(self, respond):
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                try:
                    respond(self)
                except ConnectionError:
                    pass

            def log_message(self, *_):
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_port}/announce"

    def close(self):
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@pytest.fixture
def scripted():
    servers = []

    def make(respond):
        servers.append(Scripted(respond))
        return servers[-1]

    yield make
    for server in servers:
        server.close()


def reply(handler, status, body, content_type="text/plain"):
    handler.send_response(status)
    handler.send_header("Content-Type", content_type)
    handler.send_header("Content-Length", str(len(body)))
    handler.end_headers()
    handler.wfile.write(body)


@pytest.mark.parametrize("status, body, word", [
    (200, b"<!DOCTYPE html><html><body>It works!</body></html>", "HTML"),
    (404, b"<html>not found</html>", "404"),
    (500, b"", "500"),
    (200, b"", "empty"),
    (200, b"\x00\xff" * 5000, "not bencode"),
    (200, b"d8:intervali1e5:peers5:abcdee", "peers"),
    (200, b"d14:failure reason20:this torrent is bane", "this torrent is ban"),
], ids=["html", "404", "500", "empty", "noise", "broken-peers", "refusal"])
def test_an_answer_that_is_none_is_told_and_the_next_tracker_asked(status, body, word, swarm,
                                                                   release, folder, scripted):
    source, pack, torrent = release
    bad = scripted(lambda handler: reply(handler, status, body)).url
    swarm.tracker()
    swarm.seed(torrent, pack)
    peer = swarm.peer(torrent, folder / "host", "--linger", "none",
                      tracker=[bad, swarm.tracker_url])
    result = peer.wait()
    assert result.status == 0, result
    down = [event for event in result.events("tracker") if not event["ok"]]
    assert down[0]["url"] == bad
    assert word in down[0]["reason"], down[0]["reason"]
    assert len(down[0]["reason"]) < 500
    assert_staged(release, folder / "host")


@pytest.fixture
def udp_sockets():
    """udp_sockets(): a UDP socket of a port of its own, to be a tracker that nobody runs."""
    with contextlib.ExitStack() as sockets:
        def make():
            one = sockets.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
            one.bind(("127.0.0.1", 0))
            return one
        yield make


def udp_url(one):
    return f"udp://127.0.0.1:{one.getsockname()[1]}/announce"


def test_dead_trackers_of_every_kind_are_passed_over(swarm, release, folder, udp_sockets):
    """In tiers, as torrents made by others name them."""
    _, pack, torrent = release
    silent, refusing = udp_sockets(), udp_sockets()
    refusing.connect(refusing.getsockname())  # what comes from others finds nobody there
    swarm.tracker()
    metainfo = bencode.decode(torrent.read_bytes())
    metainfo[b"announce-list"] = [["wss://127.0.0.1/announce", udp_url(silent)], [udp_url(refusing)],
                                  [swarm.tracker_url]]
    torrent.write_bytes(bencode.encode(metainfo))
    swarm.tracker_url, url = None, swarm.tracker_url
    swarm.seed(torrent, pack)
    result = swarm.peer(torrent, folder / "host", "--linger", "none", "-v").wait()
    assert result.status == 0, result
    told = [(event["url"], event["ok"]) for event in result.events("tracker")]
    assert told == [(udp_url(silent), False), (udp_url(refusing), False), (url, True)]
    reasons = [event["reason"] for event in result.events("tracker")]
    assert "no answer" in reasons[0] and "Connection refused" in reasons[1]
    assert "murder speaks http, https and udp, not wss" in result.err
    assert silent.recv(100)[:8] == bytes.fromhex("0000041727101980")
    assert_staged(release, folder / "host")


def test_who_has_the_release_already_tells_the_tracker_that_answers(swarm, release, folder, run, udp_sockets):
    _, pack, torrent = release
    swarm.tracker()
    swarm.seed(torrent, pack)
    swarm.peer(torrent, folder / "host", "--linger", "none").wait()
    (folder / "host/.murder/packs/v1.tar.zst").unlink()  # so that there is nothing to serve
    refusing, answering = udp_sockets(), wire.FakeTracker()
    refusing.connect(refusing.getsockname())
    try:
        run("peer", torrent, "--to", folder / "host", "--tracker", udp_url(refusing), "--tracker", answering.url)
    finally:
        answering.close()
    assert [(said["event"], said["left"]) for said in answering.announces] == [("started", "0"), ("stopped", "0")]


def test_a_torrent_with_no_tracker_that_can_be_asked_is_refused(run, release, folder):
    torrent = release[2]
    metainfo = bencode.decode(torrent.read_bytes())
    metainfo[b"announce"] = "wss://127.0.0.1/announce"
    torrent.write_bytes(bencode.encode(metainfo))
    result = run("peer", torrent, "--to", folder / "host", "--json", expect=2)
    assert "wss://127.0.0.1/announce" in error_of(result)


def peak_kib(pid):
    """The most memory that the process ever had resident."""
    with open(f"/proc/{pid}/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM"))


def test_an_endless_answer_does_not_fill_the_memory(swarm, release, folder, scripted):
    """A tracker that sends 10 GB for an answer, and one that drips it, are given up on."""
    source, pack, torrent = release

    def flood(handler):
        handler.send_response(200)
        handler.end_headers()
        for _ in range(10_000):
            handler.wfile.write(bytes(1_000_000))

    quiet = swarm.tracker()
    swarm.seed(torrent, pack)
    peer = swarm.peer(torrent, folder / "host", tracker=[scripted(flood).url, swarm.tracker_url])
    wait_for_event(peer, "staged")
    # What the program itself takes (a sanitizer's takes 300 MB) is not the answer's.
    assert peak_kib(peer.pid) - peak_kib(quiet.pid) < 150_000
    peer.send(signal.SIGTERM)
    assert peer.wait().status == 0


def forward(handler, url):
    """What the real tracker says to this request."""
    query = handler.path.partition("?")[2]
    with urllib.request.urlopen(f"{url}?{query}", timeout=30) as answer:
        reply(handler, answer.status, answer.read())


def test_a_slow_tracker_is_waited_for(swarm, release, folder, scripted):
    source, pack, torrent = release
    swarm.tracker()
    swarm.seed(torrent, pack)

    def slowly(handler):
        wire.pause(2)
        forward(handler, swarm.tracker_url)

    slow = scripted(slowly)
    result = swarm.peer(torrent, folder / "host", "--linger", "none", tracker=slow.url).wait()
    assert result.status == 0, result
    assert [event for event in result.events("tracker") if not event["ok"]] == []
    assert_staged(release, folder / "host")


def test_a_tracker_that_hangs_is_asked_again(swarm, release, folder, scripted):
    """It takes the connection and says nothing; later it works."""
    source, pack, torrent = release
    swarm.tracker()
    swarm.seed(torrent, pack)
    asked = []
    let_go = threading.Event()

    def hang_first(handler):
        asked.append(time.monotonic())
        if len(asked) == 1:
            let_go.wait(wire.PATIENCE_S)
        forward(handler, swarm.tracker_url)

    hanging = scripted(hang_first)
    try:
        result = swarm.peer(torrent, folder / "host", "--linger", "none",
                            tracker=hanging.url).wait()
    finally:
        let_go.set()
    assert result.status == 0, result
    down, up = result.events("tracker")
    assert not down["ok"] and "no answer" in down["reason"]
    assert up["ok"]
    assert_staged(release, folder / "host")


# --- in mid-transfer ----------------------------------------------------------------------------


@pytest.fixture
def slow_release(swarm, make_tree, folder):
    """A release that takes the shaped origin five seconds to send once."""
    source = make_tree(folder / "source", {"app": 16_000_000, "etc/conf": b"x" * 5000})
    return source, *swarm.pack(source, "v1")


MBIT = 28


def test_a_tracker_that_dies_in_mid_transfer_stops_nobody(slow_release, shaped_swarm, folder):
    source, pack, torrent = slow_release
    swarm = shaped_swarm(hosts=3, mbit=MBIT)
    tracker = swarm.tracker()
    swarm.seed(torrent, pack)
    peers = [swarm.peer(torrent, folder / f"host{n}", "--linger", "15s") for n in range(3)]
    for peer in peers:
        wait_for_share(peer, 0.2)
    tracker.kill()
    for number, peer in enumerate(peers):
        wait_for_event(peer, "staged")
        assert wait_for_event(peer, "tracker", where=is_down)["reason"] != ""
        assert_staged(slow_release, folder / f"host{number}")
        peer.send(signal.SIGTERM)
        result = peer.wait()
        assert result.status == 0, result


def test_a_tracker_restarted_in_mid_transfer_knows_everyone_again(slow_release, shaped_swarm,
                                                                  folder):
    source, pack, torrent = slow_release
    swarm = shaped_swarm(hosts=4, mbit=MBIT)
    tracker = swarm.tracker("--expect", "4")
    port = int(events(tracker, "listening")[0]["endpoint"].rsplit(":", 1)[1])
    seeder = swarm.seed(torrent, pack, "--linger", "swarm")
    peers = [swarm.peer(torrent, folder / f"host{n}") for n in range(3)]
    for peer in peers:
        wait_for_share(peer, 0.2)
    tracker.kill()
    for peer in peers:
        wait_for_event(peer, "tracker", where=is_down)

    again = swarm.tracker("--expect", "4", port=port)
    wait_for_event(again, "fleet", where=lambda event: event["hosts"] == 3)
    # One who asks it now is told of those that were there before.
    peers.append(swarm.peer(torrent, folder / "host3"))
    for number, peer in enumerate(peers):
        result = peer.wait()
        assert result.status == 0, result
        assert [event["hosts"] for event in result.events("swarm_complete")] == [4]
        assert_staged(slow_release, folder / f"host{number}")
    assert seeder.wait().status == 0
    wait_for_event(again, "swarm_complete", where=lambda event: event["hosts"] == 4)


# --- the tracker itself -------------------------------------------------------------------------


def test_the_tracker_answers_nonsense_with_an_error_and_lives_on(swarm, release, folder):
    source, pack, torrent = release
    tracker = swarm.tracker()
    host, port = swarm.tracker_url.split("/")[2].split(":")
    requests = [b"GET /announce HTTP/1.1\r\nHost: x\r\n\r\n",
                b"GET /announce?info_hash=short&peer_id=x&port=0&left=-1 HTTP/1.1\r\n\r\n",
                b"GET /announce?info_hash=%zz&%ff=%00 HTTP/1.1\r\nHost: x\r\n\r\n",
                b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
                b"POST /announce HTTP/1.1\r\nContent-Length: 99999999999\r\n\r\nx",
                b"GET /scrape?info_hash=1 HTTP/1.1\r\n\r\n", b"\x13BitTorrent protocol",
                b"\x00" * 5000, b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 100_000]
    for request in requests:
        with socket.create_connection((host, int(port)), 10) as connection:
            connection.settimeout(10)
            try:
                connection.sendall(request)
                connection.shutdown(socket.SHUT_WR)
                while connection.recv(65536):
                    pass
            except ConnectionError:
                pass
    held = [socket.create_connection((host, int(port)), 10) for _ in range(200)]  # and say nothing
    try:
        swarm.seed(torrent, pack)
        result = swarm.peer(torrent, folder / "host", "--linger", "none").wait()
        assert result.status == 0, result
    finally:
        for connection in held:
            connection.close()
    tracker.send(signal.SIGTERM)
    assert tracker.wait().status == 0


def test_a_tracker_can_end_when_all_have_it(swarm, release, folder):
    _, pack, torrent = release
    tracker = swarm.tracker("--expect", "2", "--exit-when-complete")
    swarm.seed(torrent, pack)
    peers = [swarm.peer(torrent, folder / f"host{n}") for n in range(2)]
    for peer in peers:
        result = peer.wait()
        assert result.status == 0, result
    assert tracker.wait().status == 0


def test_a_port_that_is_taken_is_said(swarm, run):
    swarm.tracker()
    endpoint = swarm.tracker_url.split("/")[2]
    result = run("tracker", "--listen", endpoint, "--json", expect=1)
    assert endpoint in error_of(result) and "in use" in error_of(result)


def test_the_fleet_event_counts_hosts_that_gave_up(swarm, release, folder):
    _, _, torrent = release
    tracker = swarm.tracker()
    result = swarm.peer(torrent, folder / "host", "--timeout", "1s").wait()
    assert result.status == 4, result
    wait_for_event(tracker, "fleet", where=lambda event: event["failed"] == 1)
    for line in tracker.out.splitlines():
        json.loads(line)
