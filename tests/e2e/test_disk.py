"""Disks that are full, or fill up, or may not be written: the release before stays live, the error
says what is needed, and a rerun finishes the job.
"""

import os
import re
import signal

import pytest

from swarm import differences, error_of, events, live_release, snapshot, wait_for_event

MB = 1_000_000


@pytest.fixture
def first_release(swarm, make_tree, folder):
    """first_release(dest): makes v1 live there."""
    def install(dest):
        pack, torrent = swarm.pack(make_tree(folder / "source-v1", {"app": 100_000}), "v1")
        tracker = swarm.tracker()
        seeder = swarm.seed(torrent, pack)
        result = swarm.peer(torrent, dest, "--activate", "--linger", "none").wait()
        assert result.status == 0, result
        for process in (seeder, tracker):
            process.send(signal.SIGTERM)
            process.wait()

    return install


def assert_first_is_live(dest, run):
    assert live_release(dest) == dest / "releases/v1"
    assert not (dest / "releases/v2").exists()
    run("verify", "--to", dest)


def assert_says_what_is_needed(message, disk):
    """"… needs 52.5 MB, 11.9 MB free …", and which disk that is."""
    amounts = re.findall(r"\d+(?:\.\d+)? (?:[kMGTPE]?i?B|bytes)", message)
    assert len(amounts) >= 2, message
    assert "need" in message and "free" in message, message
    assert str(disk.path) in message, message


def test_a_disk_that_is_too_small_is_told_before_anything_is_fetched(
        swarm, run, make_tree, folder, small_disk, first_release):
    disk = small_disk(20 * MB)
    dest = disk.path / "app"
    first_release(dest)
    source = make_tree(folder / "source", {"app": 24 * MB})
    pack, torrent = swarm.pack(source, "v2")
    swarm.tracker()
    seeder = swarm.seed(torrent, pack)

    result = swarm.peer(torrent, dest, "--activate", "--linger", "none").wait()
    assert result.status == 1, result
    assert_says_what_is_needed(error_of(result), disk)
    assert_first_is_live(dest, run)
    assert sum(event["up_bytes_per_s"] for event in events(seeder, "progress")) == 0

    disk.resize(80 * MB)
    result = swarm.peer(torrent, dest, "--activate", "--linger", "none").wait()
    assert result.status == 0, result
    assert live_release(dest) == dest / "releases/v2"
    assert differences(snapshot(source), snapshot(dest / "current/")) == []


def test_a_disk_that_holds_the_pack_but_not_the_tree_is_told_before_it_is_full(
        swarm, run, folder, small_disk, first_release):
    """A pack that unpacks to a hundred times its size: only its manifest tells."""
    disk = small_disk(20 * MB)
    dest = disk.path / "app"
    first_release(dest)
    source = folder / "source"
    source.mkdir()
    (source / "log").write_bytes(b"one line like any other\n" * (60 * MB // 24))
    pack, torrent = swarm.pack(source, "v2")
    assert pack.stat().st_size < MB
    swarm.tracker()
    swarm.seed(torrent, pack)

    result = swarm.peer(torrent, dest, "--activate", "--linger", "none").wait()
    assert result.status == 1, result
    assert_says_what_is_needed(error_of(result), disk)
    assert_first_is_live(dest, run)
    status = os.statvfs(disk.path)
    assert status.f_bavail * status.f_frsize > 15 * MB, "nothing was unpacked"

    disk.resize(100 * MB)
    result = swarm.peer(torrent, dest, "--activate", "--linger", "none").wait()
    assert result.status == 0, result
    assert differences(snapshot(source), snapshot(dest / "current/")) == []


def test_room_for_the_rest_of_the_pack_is_counted_when_the_tree_becomes_known(
        swarm, run, make_tree, folder, small_disk, first_release, shaped_swarm):
    """Pack and tree fit one by one and not together: told when the manifest is here, which is the
    first that comes, and not when the disk is full."""
    disk = small_disk(32 * MB)
    dest = disk.path / "app"
    first_release(dest)
    source = make_tree(folder / "source", {"app": 20 * MB})
    pack, torrent = swarm.pack(source, "v2")
    shaped = shaped_swarm(hosts=1, mbit=40)  # four seconds
    shaped.tracker()
    shaped.seed(torrent, pack)
    result = shaped.peer(torrent, dest, "--activate", "--linger", "none").wait()
    assert result.status == 1, result
    assert_says_what_is_needed(error_of(result), disk)
    assert result.events("progress")[-1]["have_bytes"] < 10 * MB
    assert_first_is_live(dest, run)


@pytest.fixture
def halfway(swarm, make_tree, folder, small_disk, first_release, shaped_swarm):
    """A host that is in the middle of fetching and unpacking v2; (source, disk, dest, start, net)."""
    disk = small_disk(160 * MB)
    dest = disk.path / "app"
    first_release(dest)
    source = make_tree(folder / "source", {f"part{n}": 6 * MB for n in range(5)})
    pack, torrent = swarm.pack(source, "v2")
    shaped = shaped_swarm(hosts=2, mbit=48)  # five seconds
    shaped.tracker()
    shaped.seed(torrent, pack)

    def start(**how):
        return shaped.peer(torrent, dest, "--activate", "--linger", "none", **how)

    return source, disk, dest, start, shaped.net


def wait_until_unpacked(peer, net, count):
    """Unpacking yields to whatever else the machine does, so the transfer waits for it here."""
    wait_for_event(peer, "progress", where=lambda e: e["have_bytes"] > 18 * MB)
    net.set_rate(1)
    wait_for_event(peer, "progress", where=lambda e: e["unpacked_bytes"] > count)
    net.set_rate(48)


def test_a_disk_that_fills_up_on_the_way_keeps_the_old_release_and_a_rerun_finishes(halfway, run):
    source, disk, dest, start, net = halfway
    peer = start()
    wait_until_unpacked(peer, net, 0)
    give_back = disk.fill()
    result = peer.wait()
    assert result.status == 1, result
    assert_says_what_is_needed(error_of(result), disk)
    assert_first_is_live(dest, run)

    give_back()
    result = start().wait()
    assert result.status == 0, result
    complete, = result.events("complete")
    assert complete["resumed_bytes"] > 4 * MB
    assert live_release(dest) == dest / "releases/v2"
    assert differences(snapshot(source), snapshot(dest / "current/")) == []


def test_what_a_killed_run_had_unpacked_does_not_count_against_the_room(halfway, run):
    """The half tree that it left is removed before the room is measured, not after."""
    source, disk, dest, start, net = halfway
    peer = start()
    wait_until_unpacked(peer, net, 12 * MB)
    peer.kill()
    assert (dest / "releases/v2.partial").is_dir()
    # What is there and what is still needed fit exactly: with the half tree twice it would not.
    disk.resize(72 * MB)
    result = start().wait()
    assert result.status == 0, result
    assert differences(snapshot(source), snapshot(dest / "current/")) == []


def test_file_only_says_what_is_needed_too(swarm, make_tree, folder, small_disk):
    source = make_tree(folder / "source", {"disk.img": 9 * MB})
    torrent = swarm.torrent_of_file(source / "disk.img")
    disk = small_disk(8 * MB)
    swarm.tracker()
    swarm.seed(torrent, source / "disk.img")
    result = swarm.peer(torrent, disk.path / "images", "--file-only", "--linger", "none").wait()
    assert result.status == 1, result
    assert_says_what_is_needed(error_of(result), disk)
    assert not (disk.path / "images/disk.img").exists()
    disk.resize(12 * MB)
    result = swarm.peer(torrent, disk.path / "images", "--file-only", "--linger", "none").wait()
    assert result.status == 0, result


def test_pack_on_a_full_disk_leaves_nothing_behind(run, make_tree, folder, small_disk):
    source = make_tree(folder / "source", {"app": 9 * MB})
    disk = small_disk(4 * MB)
    result = run("pack", source, "-o", disk.path / "v1.tar.zst", "--json", expect=1)
    assert "space" in error_of(result) and str(disk.path) in error_of(result)
    assert list(disk.path.iterdir()) == []


# --- a DEST that is not free to use ----------------------------------------------------------------


def test_a_dest_that_may_not_be_written_is_told_at_once(swarm, start_program, murder, folder,
                                                       make_tree, as_ordinary_user):
    pack, torrent = swarm.pack(make_tree(folder / "source", {"app": 1000}), "v1")
    folder.chmod(0o755)
    copy = folder / "home/murder"
    copy.write_bytes(murder.read_bytes())
    copy.chmod(0o755)
    swarm.tracker()
    swarm.seed(torrent, pack)
    (folder / "closed").mkdir()
    (folder / "closed").chmod(0o555)
    (folder / "file").touch()
    for dest in (folder / "closed", folder / "closed/app", folder / "file", folder / "file/app"):
        for more in ((), ("--file-only",)):
            command = as_ordinary_user(copy, "peer", torrent, "--to", dest, "--json", "--tracker",
                                       swarm.tracker_url, "--linger", "none", *more)
            result = start_program(*command).wait()
            assert result.status == 1, result
            assert str(dest) in error_of(result)
            assert result.events("listening") == []


def test_two_peers_do_not_work_on_one_dest(swarm, run, folder, make_tree):
    pack, torrent = swarm.pack(make_tree(folder / "source", {"app": 1000}), "v1")
    swarm.tracker()
    dest = folder / "host"
    first = swarm.peer(torrent, dest, "--linger", "none")  # waits for somebody who has it
    wait_for_event(first, "listening")
    result = run("peer", torrent, "--to", dest, "--json", expect=1)
    assert str(first.pid) in error_of(result)
    assert str(dest) in error_of(result)
    # What is live may be switched meanwhile; there is nothing yet to switch to.
    for command in (("activate", "v1", "--to", dest), ("rollback", "--to", dest)):
        assert str(dest) in error_of(run(*command, "--json", expect=1))
    assert run("releases", "--to", dest, "--json").events("release") == []

    swarm.seed(torrent, pack)
    result = first.wait()
    assert result.status == 0, result
    assert (dest / "releases/v1/app").exists()


def test_two_peers_do_not_fetch_one_file(swarm, folder, make_tree, run):
    source = make_tree(folder / "source", {"disk.img": 100_000})
    torrent = swarm.torrent_of_file(source / "disk.img")
    swarm.tracker()
    first = swarm.peer(torrent, folder / "images", "--file-only", "--linger", "none")
    wait_for_event(first, "listening")
    result = run("peer", torrent, "--to", folder / "images", "--file-only", "--json", expect=1)
    assert str(first.pid) in error_of(result)
    swarm.seed(torrent, source / "disk.img")
    assert first.wait().status == 0


def test_a_lingering_peer_does_not_keep_the_next_release_away(swarm, folder, make_tree):
    dest = folder / "host"
    lingering = []
    for tag in ("v1", "v2"):
        pack, torrent = swarm.pack(make_tree(folder / tag, {"app": 1000}, seed=tag), tag)
        swarm.tracker()
        swarm.seed(torrent, pack)
        lingering.append(swarm.peer(torrent, dest, "--activate", "--linger", "forever"))
        wait_for_event(lingering[-1], "activated")
    assert live_release(dest) == dest / "releases/v2"
    assert [peer.status for peer in lingering] == [None, None]


def test_the_same_tag_with_other_bytes_is_refused_and_the_old_ones_stay(swarm, run, folder,
                                                                       make_tree):
    dest = folder / "host"
    results = []
    for number, content in enumerate((b"the first", b"another", b"the first")):
        place = folder / str(number)
        place.mkdir()
        source = make_tree(folder / f"source{number}", {"app": content})
        run("pack", source, "-o", place / "v1.tar.zst", "--tag", "v1")
        swarm.tracker()
        swarm.seed(place / "v1.torrent", place / "v1.tar.zst")
        results.append(swarm.peer(place / "v1.torrent", dest, "--activate", "--linger",
                                  "none").wait())
        assert (dest / "current/app").read_bytes() == b"the first"
    assert [result.status for result in results] == [0, 2, 0]
    assert "v1" in error_of(results[1]) and str(dest) in error_of(results[1])
    assert results[1].events("progress") == [], "refused before anything is fetched"
    run("verify", "--to", dest)


def test_a_raw_file_of_the_same_tag_with_other_bytes_is_refused(swarm, folder, make_tree):
    dest = folder / "host"
    for status, content in ((0, b"the first"), (2, b"another")):
        source = make_tree(folder / f"source{status}", {"disk.img": content})
        torrent = swarm.torrent_of_file(source / "disk.img", "--tag", "v1")
        swarm.tracker()
        swarm.seed(torrent, source / "disk.img")
        result = swarm.peer(torrent, dest, "--activate", "--linger", "none").wait()
        assert result.status == status, result
        assert (dest / "current/disk.img").read_bytes() == b"the first"


def test_half_a_download_of_other_bytes_is_not_mixed_with_this_one(swarm, folder, make_tree, run):
    """The first v1 was never finished; the second is another one."""
    dest = folder / "host"
    places = []
    for number in range(2):
        place = folder / str(number)
        place.mkdir()
        source = make_tree(folder / f"source{number}", {"app": 500_000}, seed=number)
        run("pack", source, "-o", place / "v1.tar.zst", "--tag", "v1")
        places.append(place)
    swarm.tracker()
    first = swarm.peer(places[0] / "v1.torrent", dest)
    wait_for_event(first, "listening")
    first.kill()
    swarm.seed(places[1] / "v1.torrent", places[1] / "v1.tar.zst")
    result = swarm.peer(places[1] / "v1.torrent", dest, "--activate", "--linger", "none").wait()
    assert result.status == 0, result
    assert (dest / "current/app").read_bytes() == (folder / "source1/app").read_bytes()
