"""Whom a tracker serves, and the page that it shows to people."""

import http.client

import pytest

from swarm import error_of, events, wait_for_event


@pytest.fixture
def release(swarm, make_tree, folder):
    return swarm.pack(make_tree(folder / "source", {"app": 300_000}), "v1")


def is_refused(member):
    event = wait_for_event(member, "tracker", where=lambda event: not event["ok"])
    assert "this tracker does not serve" in event["reason"]


def page(swarm):
    connection = http.client.HTTPConnection(swarm.tracker_url.split("/")[2], timeout=30)
    connection.request("GET", "/")
    answer = connection.getresponse()
    return answer.status, answer.getheader("Content-Type"), answer.read().decode()


def test_torrents_come_and_go_with_their_files(swarm, release, folder):
    pack, torrent = release
    listed = folder / "listed"
    listed.mkdir()
    (listed / "broken.torrent").write_bytes(b"no torrent")
    tracker = swarm.tracker("--torrents", listed)
    assert "broken.torrent" in wait_for_event(tracker, "warning")["message"]
    seeder = swarm.seed(torrent, pack)
    is_refused(seeder)
    (listed / "v1.torrent").write_bytes(torrent.read_bytes())
    wait_for_event(seeder, "tracker", where=lambda event: event["ok"])
    peer = swarm.peer(torrent, folder / "host", "--linger", "forever")
    wait_for_event(peer, "staged")
    (listed / "v1.torrent").unlink()
    is_refused(peer)


def test_info_hashes_in_a_file(swarm, release, folder, run):
    pack, torrent = release
    listed = folder / "listed"
    listed.write_text("# what may be deployed\n\n" + "ab" * 20 + "  # another\nnonsense\n")
    result = run("tracker", "--listen", "127.0.0.1:0", "--torrents", listed, "--json", expect=2)
    assert f"{listed}:4" in error_of(result) and "nonsense" in error_of(result)
    listed.write_text("ab" * 20 + "\n")
    tracker = swarm.tracker("--torrents", listed)
    seeder = swarm.seed(torrent, pack)
    is_refused(seeder)
    info_hash = events(seeder, "started")[0]["info_hash"]
    listed.write_text("nonsense\n")
    assert "stays as it was" in wait_for_event(tracker, "warning")["message"]
    listed.write_text("ab" * 20 + "\n" + info_hash.upper() + "\n")
    wait_for_event(seeder, "tracker", where=lambda event: event["ok"])
    assert "listed" in error_of(run("tracker", "--listen", "127.0.0.1:0", "--torrents",
                                    folder / "none-listed", "--json", expect=1))


def test_addresses_are_allowed_and_banned(swarm, release, folder, run):
    pack, torrent = release
    swarm.tracker("--allow", "127.0.1.0/24", "--ban", "127.0.1.9")
    seeder = swarm.seed(torrent, pack, address="127.0.1.200")
    wait_for_event(seeder, "tracker", where=lambda event: event["ok"])
    for address in ("127.0.1.9", "127.0.7.7"):
        peer = swarm.peer(torrent, folder / f"host-{address}", address=address)
        is_refused(peer)
        peer.kill()
    for flag in ("--allow", "--ban"):
        message = error_of(run("tracker", flag, "10.0.0.1/8", "--json", expect=2))
        assert flag in message and "10.0.0.1/8" in message


def test_the_page_for_people(swarm, release, folder):
    pack, torrent = release
    swarm.tracker()
    assert "0 swarms" in page(swarm)[2]
    swarm.seed(torrent, pack)
    peer = swarm.peer(torrent, folder / "host", "--linger", "forever", "--name", "<web & 1>")
    wait_for_event(peer, "staged")
    status, content, text = page(swarm)
    assert (status, content) == (200, "text/html; charset=utf-8")
    assert events(peer, "started")[0]["info_hash"] in text
    assert "&lt;web &amp; 1&gt;" in text and "<web" not in text
