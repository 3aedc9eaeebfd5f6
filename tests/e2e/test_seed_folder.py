"""`murder seed FOLDER`: every torrent in it, at one port, as they come and go."""

import json
import os
import shutil

import pytest

import bencode
from conftest import read_tree
from swarm import wait_for_event


@pytest.fixture
def releases(swarm, folder, make_tree):
    """releases(*tags): a folder with their packs and torrents; more with add(tag)."""
    place = folder / "releases"
    place.mkdir()
    trees = {}

    def add(tag, into=place):
        trees[tag] = make_tree(folder / f"tree-{tag}", {"app": 300_000, "tag": tag.encode()}, seed=len(trees) + 1)
        pack, torrent = swarm.pack(trees[tag], tag)
        for file in (pack, torrent):  # the payload is there before its torrent
            shutil.copy(file, into / file.name)
        return into / torrent.name

    def make(*tags):
        swarm.tracker()
        return place, [add(tag) for tag in tags]
    make.add, make.trees = add, trees
    return make


@pytest.fixture
def seed_folder(start, swarm):
    def begin(place, *arguments):
        address = swarm.new_address()
        seeder = start("seed", place, "--listen", address, "--tracker", swarm.tracker_url, "--json", *arguments)
        seeder.endpoint = wait_for_event(seeder, "listening")["endpoint"]
        return seeder
    return begin


def events(running, name):
    """What it has said so far; the last line may be half there."""
    lines = running.out.splitlines(keepends=True)
    told = [json.loads(line) for line in lines if line.endswith("\n")]
    return [event for event in told if event["event"] == name]


def serves(seeder, tag):
    return tag in [event["tag"] for event in events(seeder, "started")]


def withdrawn(seeder):
    return [(event["tag"], event["reason"]) for event in events(seeder, "withdrawn")]


def fetch(swarm, torrent, dest):
    result = swarm.peer(torrent, dest, "--linger", "none", "--activate").wait(120)
    assert result.status == 0, result


def test_torrents_come_and_go(swarm, releases, seed_folder, folder, eventually):
    place, [one, two] = releases("one", "two")
    (place / "broken.torrent").write_bytes(b"d4:info")
    seeder = seed_folder(place)
    eventually(lambda: serves(seeder, "one") and serves(seeder, "two"), "both to be served")
    for tag, torrent in (("one", one), ("two", two)):
        fetch(swarm, torrent, folder / f"host-{tag}")
        assert read_tree(folder / f"host-{tag}/current") == read_tree(releases.trees[tag])

    three = releases.add("three")
    eventually(lambda: serves(seeder, "three"), "the new one to be served")
    one.unlink()
    eventually(lambda: withdrawn(seeder) == [("one", "one.torrent was removed")], "the removed one to go")
    fetch(swarm, three, folder / "host-three")
    listening = {event["endpoint"] for event in events(seeder, "listening")}
    assert listening == {seeder.endpoint}  # one port for all

    # A release that is made anew under its name is served as it is now.
    shutil.copy(place / "three.tar.zst", place / "two.tar.zst")
    shutil.copy(three, two)
    eventually(lambda: any(tag == "two" for tag, _ in withdrawn(seeder)), "the changed one to go")
    eventually(lambda: any("another torrent of this folder is the same" in event["message"]
                           for event in events(seeder, "warning")), "the same one twice to be told of")
    warned = [event["message"] for event in events(seeder, "warning") if "broken.torrent" in event["message"]]
    assert len(warned) == 1 and "is not served" in warned[0]
    three.unlink()  # then nothing is in the way of the other any more
    eventually(lambda: [event["tag"] for event in events(seeder, "started")].count("three") == 2, "the same one to be served")
    seeder.send(15)
    assert seeder.wait().status == 0


def test_one_that_cannot_be_announced_keeps_no_other_from_it(start, swarm, releases, folder, eventually):
    place, [one, two] = releases("one", "two")
    for torrent, url in ((one, "wss://tracker.example/announce"), (two, swarm.tracker_url)):
        torrent.write_bytes(bencode.encode({**bencode.decode(torrent.read_bytes()), b"announce": url.encode()}))
    seeder = start("seed", place, "--listen", swarm.new_address(), "--json")
    eventually(lambda: serves(seeder, "two"), "the other to be served")
    eventually(lambda: any("one.torrent is not served" in event["message"] for event in events(seeder, "warning")),
               "the first to be told of")
    fetch(swarm, two, folder / "host")
    assert not serves(seeder, "one")


def test_what_is_not_whole_is_not_served_until_it_is(swarm, releases, seed_folder, folder, eventually):
    place, [torrent] = releases("one")
    pack = place / "one.tar.zst"
    good = pack.read_bytes()
    pack.write_bytes(good[:100_000] + bytes(10) + good[100_010:])
    seeder = seed_folder(place, "--up", "20MB/s")
    said = lambda words: [event for event in events(seeder, "warning") if words in event["message"]]
    eventually(lambda: said("does not match its torrent"), "the damage to be told")
    pack.unlink()
    eventually(lambda: said("its payload is not there"), "the missing payload to be told")
    assert not serves(seeder, "one")
    (place / "coming").write_bytes(good)
    os.replace(place / "coming", pack)
    eventually(lambda: serves(seeder, "one"), "it to be served")
    fetch(swarm, torrent, folder / "host")


def test_what_cannot_be(run, folder):
    (folder / "place").mkdir()
    assert "beside its torrent" in run("seed", folder / "place", "--from", folder, expect=2).err
    assert "--linger" in run("seed", folder / "place", "--linger", "swarm", expect=2).err
    assert "--from is missing" in run("seed", folder / "x.torrent", expect=2).err


def test_in_the_background(swarm, releases, run, folder):
    place, [torrent] = releases("one")
    seed = ("seed", place, "--listen", swarm.new_address(), "--tracker", swarm.tracker_url, "--daemon", "--json")
    try:
        assert [event["state"] for event in run(*seed).events("daemon")] == ["started"]
        assert [event["state"] for event in run(*seed).events("daemon")] == ["running"]
        fetch(swarm, torrent, folder / "host")
    finally:
        run("stop", "seed", "releases")
