"""The way of a release: pack, tracker, seed, peers, activate; and back again."""

import functools
import http.server
import os
import shutil
import signal
import socket
import subprocess
import threading
import time

import pytest

from swarm import (differences, digest, error_of, live_release, processes_about, snapshot,
                   wait_for_event)


def make_awkward_tree(root, make_tree, large_file_bytes):
    """A tree with everything that a release may hold."""
    make_tree(root, {
        "bin/app": large_file_bytes,  # over several frames
        "bin/tool": b"#!/bin/sh\n",
        "etc/app.conf": b"key=value\n" * 4000,
        "etc/secret": b"x" * 100,
        "lib/liba.so.1.2": 70_000,
        "share/empty": b"",
        "share/zeros": bytes(3_000_000),
        "share/a b\tc\nd": b"a name with blanks",
        "a-b": b"sorts between a and a/",
        "a/c": b"and its folder",
    })
    for path, mode in {"bin/app": 0o755, "bin/tool": 0o750, "etc/secret": 0o400,
                       "share/empty": 0o666, "lib/liba.so.1.2": 0o555}.items():
        (root / path).chmod(mode)
    (root / "lib/liba.so").symlink_to("liba.so.1.2")
    (root / "lib/dangling").symlink_to("no/such/file")
    (root / "lib/absolute").symlink_to("/etc/hostname")
    (root / "lib/folder").symlink_to("../share")
    os.link(root / "bin/app", root / "share/app-again")
    os.link(root / "bin/app", root / "a/app")
    (root / "var/log/empty").mkdir(parents=True)
    deep = root / "deep"
    for level in range(12):
        deep = deep / f"{level:02}-{'n' * 60}"
    deep.mkdir(parents=True)
    (deep / ("l" * 255)).write_bytes(b"a long name on a long way")
    raw = os.fsencode(root)
    with open(raw + b"/share/caf\xe9-\xff\xfe", "wb") as file:
        file.write(b"not UTF-8")
    os.symlink(b"caf\xe9-\xff\xfe", raw + b"/share/to-\xe9")
    for path, mode in {"var/log": 0o700, "var/log/empty": 0o775, "etc": 0o750}.items():
        (root / path).chmod(mode)
    return root


def test_a_release_reaches_four_hosts_with_nothing_lost_or_changed(swarm, make_tree, folder,
                                                                   scaled):
    source = make_awkward_tree(folder / "source", make_tree, scaled(20_000_000))
    pack, torrent = swarm.pack(source, "v1")
    tracker = swarm.tracker("--expect", "4")
    seeder = swarm.seed(torrent, pack, "--linger", "swarm")
    hosts = [folder / f"host{n}" for n in range(4)]
    peers = [swarm.peer(torrent, host, "--activate") for host in hosts]

    sent = snapshot(source)
    mtimes = set()
    for host, peer in zip(hosts, peers):
        result = peer.wait()
        assert result.status == 0, result
        assert [result.events(name) != [] for name in
                ("started", "listening", "complete", "staged", "activated")] == [True] * 5
        assert live_release(host) == host / "releases/v1"
        assert differences(sent, snapshot(host / "current/")) == []
        assert not (host / "releases/v1.partial").exists()
        mtimes.add((host / "current/bin/app").stat().st_mtime_ns)
        mtimes.add((host / "current/share/empty").stat().st_mtime_ns)
    assert len(mtimes) == 1, "one release has one mtime, on every host"
    assert seeder.wait().status == 0, "the seeder ends when everyone has everything"
    wait_for_event(tracker, "swarm_complete", where=lambda event: event["hosts"] == 4)

    # What a host keeps is a pack that needs no murder to be read.
    kept = hosts[2] / ".murder/packs/v1.tar.zst"
    assert digest(kept) == digest(pack)
    by_tar = folder / "by-tar"
    by_tar.mkdir()
    subprocess.run(["tar", "-xpf", kept, "-C", by_tar], check=True, timeout=60)
    assert differences(sent, snapshot(by_tar)) == []


@pytest.fixture
def two_releases(swarm, make_tree, folder):
    """A host that has v1 and v2, v2 live; (dest, snapshot of v1, snapshot of v2)."""
    dest = folder / "host"
    snapshots = []
    swarm.tracker()
    for tag, files in {"v1": {"bin/app": 300_000, "only-v1": b"1"},
                       "v2": {"bin/app": 310_000, "lib/new": b"2"}}.items():
        source = make_tree(folder / f"source-{tag}", files, seed=tag)
        snapshots.append(snapshot(source))
        pack, torrent = swarm.pack(source, tag)
        seeder = swarm.seed(torrent, pack)
        result = swarm.peer(torrent, dest, "--activate", "--linger", "none").wait()
        assert result.status == 0, result
        seeder.send(signal.SIGTERM)
        assert seeder.wait().status == 0, "a signal is how a seeder ends"
        snapshots.append(result.events("activated"))
    v1, first, v2, second = snapshots
    assert (first[0]["tag"], first[0]["previous_tag"]) == ("v1", "")
    assert (second[0]["tag"], second[0]["previous_tag"]) == ("v2", "v1")
    return dest, v1, v2


def test_rollback_brings_the_release_before_back_untouched(two_releases, run):
    dest, v1, v2 = two_releases
    assert differences(v2, snapshot(dest / "current/")) == []

    event, = run("rollback", "--to", dest, "--json").events("rolled_back")
    assert (event["tag"], event["previous_tag"]) == ("v1", "v2")
    assert live_release(dest) == dest / "releases/v1"
    assert differences(v1, snapshot(dest / "current/")) == []
    assert differences(v2, snapshot(dest / "releases/v2")) == []

    run("rollback", "--to", dest, expect=1)  # nothing was live before v1
    assert live_release(dest) == dest / "releases/v1"
    event, = run("activate", "v2", "--to", dest, "--json").events("activated")
    assert (event["tag"], event["previous_tag"]) == ("v2", "v1")
    run("rollback", "v1", "--to", dest)
    assert live_release(dest) == dest / "releases/v1"


def test_releases_lists_what_is_there_and_which_is_live(two_releases, run):
    dest, _, _ = two_releases
    before = time.time()
    listed = {event["tag"]: event for event in run("releases", "--to", dest, "--json").events()}
    assert {tag: event["live"] for tag, event in listed.items()} == {"v1": False, "v2": True}
    for event in listed.values():
        assert not event["partial"]
        assert before - 600 < event["staged_at"] <= before


def test_activating_what_is_not_there_changes_nothing(two_releases, run):
    dest, _, _ = two_releases
    result = run("activate", "v3", "--to", dest, "--json", expect=1)
    assert "v3" in error_of(result)
    assert live_release(dest) == dest / "releases/v2"
    for tag in ("../v1", "releases/v1", "v2.partial", ""):
        run("activate", tag, "--to", dest, expect=2)
    assert live_release(dest) == dest / "releases/v2"
    run("activate", "v1", "--to", dest / "nowhere", expect=1)


def test_verify_finds_every_kind_of_drift(two_releases, run, folder):
    dest, _, _ = two_releases
    run("verify", "--to", dest)
    run("verify", "v1", "--to", dest)

    tree = dest / "releases/v1"
    (tree / "added").write_bytes(b"")
    (tree / "bin/app").chmod(0o600)
    (tree / "only-v1").unlink()
    result = run("verify", "v1", "--to", dest, "--json", expect=5)
    assert ({(event["path"], event["kind"]) for event in result.events("drifted")}
            == {("added", "added"), ("bin/app", "mode"), ("only-v1", "missing")})

    (tree / "only-v1").mkdir()
    content = bytearray((tree / "bin/app").read_bytes())
    content[150_000] ^= 1
    (tree / "bin/app").write_bytes(content)
    result = run("verify", "v1", "--to", dest, "--json", expect=5)
    kinds = {(event["path"], event["kind"]) for event in result.events("drifted")}
    assert ("only-v1", "type") in kinds
    assert ("bin/app", "content") in kinds
    error, = result.events("error")
    assert error["kind"] == "integrity"

    run("verify", "--to", dest)  # the live one is v2


def test_verify_finds_a_symlink_that_leads_elsewhere(swarm, make_tree, folder, run):
    source = make_tree(folder / "source", {"app-1": b"1", "app-2": b"2"})
    (source / "app").symlink_to("app-2")
    pack, torrent = swarm.pack(source, "v1")
    swarm.tracker()
    swarm.seed(torrent, pack)
    dest = folder / "host"
    result = swarm.peer(torrent, dest, "--linger", "none").wait()
    assert result.status == 0, result
    (dest / "releases/v1/app").unlink()
    (dest / "releases/v1/app").symlink_to("app-1")
    result = run("verify", "v1", "--to", dest, "--json", expect=5)
    drift, = result.events("drifted")
    assert (drift["path"], drift["kind"]) == ("app", "link")


def test_a_peer_that_has_the_release_already_fetches_nothing(swarm, make_tree, folder):
    pack, torrent = swarm.pack(make_tree(folder / "source", {"app": 2_000_000, "b/c": b"c"}), "v1")
    swarm.tracker()
    seeder = swarm.seed(torrent, pack)
    dest = folder / "host"
    first = swarm.peer(torrent, dest, "--linger", "none").wait()
    assert first.status == 0, first
    inode = (dest / "releases/v1/app").stat().st_ino
    seeder.kill()

    again = swarm.peer(torrent, dest, "--activate", "--linger", "none").wait()
    assert again.status == 0, again
    assert again.events("complete")[0]["downloaded_bytes"] == 0
    assert (dest / "releases/v1/app").stat().st_ino == inode
    assert live_release(dest) == dest / "releases/v1"
    for event in ("files", "bytes", "path"):
        assert again.events("staged")[0][event] == first.events("staged")[0][event]


def test_events_count_files_and_bytes_as_their_page_says(swarm, run, make_tree, folder):
    source = make_tree(folder / "source", {"a/b/one": 1000, "a/two": 2000, "three": b""})
    (source / "link").symlink_to("three")
    packed, = run("pack", source, "-o", folder / "v1.tar.zst", "--tag", "v1",
                  "--json").events("packed")
    assert (packed["files"], packed["source_bytes"]) == (3, 3000)
    assert packed["pack_bytes"] == (folder / "v1.tar.zst").stat().st_size

    swarm.tracker()
    swarm.seed(folder / "v1.torrent", folder / "v1.tar.zst")
    result = swarm.peer(folder / "v1.torrent", folder / "host", "--linger", "none").wait()
    assert result.status == 0, result
    staged, = result.events("staged")
    assert (staged["files"], staged["bytes"]) == (3, 3000)


@pytest.fixture
def raw_file(swarm, make_tree, folder, scaled):
    """A file that is seeded as it is: (file, torrent)."""
    source = make_tree(folder / "source", {"disk.img": scaled(6_000_000) + 17})
    torrent = swarm.torrent_of_file(source / "disk.img", "--tag", "image-7")
    swarm.tracker()
    swarm.seed(torrent, source / "disk.img")
    return source / "disk.img", torrent


def test_a_raw_file_becomes_a_release_of_one_file(swarm, raw_file, folder, run):
    file, torrent = raw_file
    dest = folder / "host"
    result = swarm.peer(torrent, dest, "--activate", "--linger", "none").wait()
    assert result.status == 0, result
    assert result.events("started")[0]["kind"] == "file"
    assert os.listdir(dest / "releases") == ["image-7"]
    assert os.listdir(dest / "current/") == ["disk.img"]
    assert digest(dest / "current/disk.img") == digest(file)
    run("verify", "--to", dest)
    # Changing the release's copy must not change the one that is served to others.
    with open(dest / "releases/image-7/disk.img", "r+b") as copy:
        copy.write(b"changed")
    run("verify", "--to", dest, expect=5)
    kept = [path for path in (dest / ".murder/packs").iterdir() if path.suffix != ".torrent"]
    assert [digest(path) for path in kept] == [digest(file)]


def test_file_only_puts_the_file_into_dest_and_nothing_else(swarm, raw_file, folder):
    file, torrent = raw_file
    dest = folder / "host"
    result = swarm.peer(torrent, dest, "--file-only", "--linger", "none").wait()
    assert result.status == 0, result
    assert os.listdir(dest) == ["disk.img"]
    assert digest(dest / "disk.img") == digest(file)

    again = swarm.peer(torrent, dest, "--file-only", "--linger", "none").wait()
    assert again.status == 0, again
    assert again.events("complete")[0]["downloaded_bytes"] == 0

    # Another file under that name is nobody's to overwrite.
    (dest / "disk.img").write_bytes(b"something else")
    refused = swarm.peer(torrent, dest, "--file-only", "--linger", "none").wait()
    assert refused.status == 2, refused
    assert (dest / "disk.img").read_bytes() == b"something else"


def test_file_only_fetches_a_pack_without_unpacking_it(swarm, make_tree, folder):
    pack, torrent = swarm.pack(make_tree(folder / "source", {"app": 500_000}), "v1")
    swarm.tracker()
    swarm.seed(torrent, pack)
    result = swarm.peer(torrent, folder / "host", "--file-only", "--linger", "none").wait()
    assert result.status == 0, result
    assert os.listdir(folder / "host") == ["v1.tar.zst"]
    assert digest(folder / "host/v1.tar.zst") == digest(pack)


# --- lingering ----------------------------------------------------------------------------------


@pytest.fixture
def small_release(swarm, make_tree, folder):
    """(pack, torrent) of a release that is fetched in a moment."""
    return swarm.pack(make_tree(folder / "source", {"app": 900_000}), "v1")


@pytest.fixture
def lingering(folder):
    """Whatever processes of this test are left, started in the background, end with it."""
    yield folder / "host"
    for pid in processes_about(folder / "host"):
        os.kill(pid, signal.SIGKILL)


def test_detach_returns_when_staged_and_its_child_serves_the_others(swarm, small_release, folder,
                                                                    lingering, eventually):
    pack, torrent = small_release
    swarm.tracker("--expect", "2")
    seeder = swarm.seed(torrent, pack)
    result = swarm.peer(torrent, lingering, "--activate", "--detach").wait()
    assert result.status == 0, result
    assert live_release(lingering) == lingering / "releases/v1"
    assert result.events("activated") != []
    child, = processes_about(lingering)

    seeder.kill()
    second = swarm.peer(torrent, folder / "second", "--activate").wait()
    assert second.status == 0, second
    assert live_release(folder / "second") == folder / "second/releases/v1"
    eventually(lambda: processes_about(lingering) == [], f"the child {child} ends by itself")


def test_a_detached_child_lets_go_of_the_terminal(swarm, small_release, lingering):
    pack, torrent = small_release
    swarm.tracker()
    swarm.seed(torrent, pack)
    assert swarm.peer(torrent, lingering, "--detach", "--linger", "60s").wait().status == 0
    child, = processes_about(lingering)
    assert {os.readlink(f"/proc/{child}/fd/{fd}") for fd in range(3)} == {"/dev/null"}
    assert os.getsid(child) == child


def test_detach_says_what_went_wrong_as_if_it_had_stayed(swarm, small_release, folder):
    _, torrent = small_release
    swarm.tracker()
    dest = folder / "host"
    (dest / "releases/v1").mkdir(parents=True)
    result = swarm.peer(torrent, dest, "--detach").wait()
    assert result.status == 2, result
    assert result.events("error")[0]["kind"] == "usage"

    alone = swarm.peer(torrent, folder / "second", "--detach", "--timeout", "1s").wait()
    assert alone.status == 4, alone
    assert processes_about(folder / "second") == []


def test_a_signal_to_a_detaching_peer_ends_the_work_too(swarm, small_release, lingering,
                                                        eventually):
    _, torrent = small_release
    swarm.tracker()  # and nobody who has it
    peer = swarm.peer(torrent, lingering, "--detach")
    wait_for_event(peer, "listening")
    peer.send(signal.SIGTERM)
    assert peer.wait().status == 143
    eventually(lambda: processes_about(lingering) == [], "nothing goes on in the background")


def test_linger_none_leaves_at_once(swarm, small_release, folder):
    pack, torrent = small_release
    swarm.tracker()
    swarm.seed(torrent, pack)
    result = swarm.peer(torrent, folder / "host", "--linger", "none").wait()
    assert result.status == 0, result
    assert result.events()[-1]["t"] - result.events("staged")[0]["t"] < 20


def test_linger_for_a_time_serves_for_that_time(swarm, small_release, folder):
    pack, torrent = small_release
    swarm.tracker()
    seeder = swarm.seed(torrent, pack)
    first = swarm.peer(torrent, folder / "first", "--linger", "8s")
    staged = wait_for_event(first, "staged")
    seeder.kill()
    second = swarm.peer(torrent, folder / "second", "--linger", "none").wait()
    assert second.status == 0, second
    assert second.events("complete")[0]["downloaded_bytes"] >= pack.stat().st_size
    result = first.wait()
    assert result.status == 0, result
    assert 7.4 < result.events("progress")[-1]["t"] - staged["t"] < 60


def test_linger_swarm_stays_until_the_last_host_has_it(swarm, small_release, folder):
    pack, torrent = small_release
    swarm.tracker("--expect", "3")
    seeder = swarm.seed(torrent, pack)
    first = swarm.peer(torrent, folder / "first")
    second = swarm.peer(torrent, folder / "second")
    for peer in (first, second):
        wait_for_event(peer, "staged")
    seeder.kill()
    third = swarm.peer(torrent, folder / "third")
    for peer in (third, second, first):
        result = peer.wait()
        assert result.status == 0, result
        assert [event["hosts"] for event in result.events("swarm_complete")] == [3]


def test_a_lingering_host_ends_well_at_a_signal(swarm, small_release, folder):
    pack, torrent = small_release
    swarm.tracker()
    swarm.seed(torrent, pack)
    for number in (signal.SIGINT, signal.SIGTERM):
        peer = swarm.peer(torrent, folder / f"host-{number}", "--linger", "forever")
        wait_for_event(peer, "staged")
        peer.send(number)
        result = peer.wait()
        assert result.status == 0, result
        assert result.events("error") == []


# --- a torrent from http:// ---------------------------------------------------------------------


@pytest.fixture
def web_server(folder):
    """Serves `folder`/www; its URL."""
    root = folder / "www"
    root.mkdir()

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0),
                                             functools.partial(Handler, directory=root))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield root, f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_torrent_may_come_from_a_web_server(swarm, small_release, folder, web_server):
    pack, torrent = small_release
    root, url = web_server
    shutil.copy(torrent, root / "v1.torrent")
    swarm.tracker()
    swarm.seed(torrent, pack)
    result = swarm.peer(f"{url}/v1.torrent", folder / "host", "--linger", "none").wait()
    assert result.status == 0, result
    assert (folder / "host/releases/v1/app").is_file()


def test_a_web_server_that_has_no_torrent_is_named_and_nothing_is_written(swarm, folder,
                                                                          web_server):
    root, url = web_server
    missing = swarm.peer(f"{url}/none.torrent", folder / "host").wait()
    assert missing.status == 1, missing
    assert "404" in error_of(missing) and url in error_of(missing)

    (root / "page.torrent").write_text("<html>no torrent</html>")
    page = swarm.peer(f"{url}/page.torrent", folder / "host").wait()
    assert page.status == 5, page
    assert "page.torrent" in error_of(page)

    with socket.socket() as probe:  # bound, and nobody listens
        probe.bind(("127.0.0.1", 0))
        nobody = f"http://127.0.0.1:{probe.getsockname()[1]}/v1.torrent"
        unreachable = swarm.peer(nobody, folder / "host").wait()
    assert unreachable.status == 4, unreachable
    assert nobody in error_of(unreachable)
    assert not (folder / "host").exists()
