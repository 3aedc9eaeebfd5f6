"""The static binary on a host that has nothing: an empty folder as its root, without /dev, /etc and
/proc, and without the libraries that it was built with.
"""

import gzip
import os
import shutil
import signal
import subprocess

import pytest

from swarm import error_of, live_release, processes_about, snapshot

MIB = 1 << 20


@pytest.fixture
def empty_root(folder, static_binary):
    """A folder that holds nothing but the binary, as /murder."""
    root = folder / "root"
    root.mkdir()
    shutil.copy(static_binary, root / "murder")
    return root


@pytest.fixture
def enter(empty_root):
    """The command line that runs what follows it with that folder as its root."""
    return ["chroot", empty_root] if os.geteuid() == 0 else ["unshare", "-r", "chroot", empty_root]


@pytest.fixture
def start_inside(start_program, enter):
    """start_inside(*arguments): murder with that folder as its root, as Running."""
    return lambda *arguments, **how: start_program(*enter, "/murder", *arguments, **how)


@pytest.fixture
def origin(swarm, make_tree, folder):
    """A tracker and a seeder outside; the release that they have."""
    release = make_tree(folder / "release", {"bin/app": 3 * MIB, "etc/app.conf": b"port 80", "e": b""})
    swarm.tracker()
    pack, torrent = swarm.pack(release, "v7")
    swarm.seed(torrent, pack)
    return release, torrent


def test_needs_no_file_but_itself(start_inside, empty_root):
    assert start_inside("--version").wait().out.startswith("murder ")
    assert os.listdir(empty_root) == ["murder"]


def test_a_release_is_fetched_and_activated_in_an_empty_root(start_inside, empty_root, swarm,
                                                             origin):
    release, torrent = origin
    shutil.copy(torrent, empty_root / "v7.torrent")
    peer = swarm.peer("/v7.torrent", "/srv/app", "--activate", "--linger", "none",
                      start=start_inside).wait()
    assert peer.status == 0, peer
    os.remove(empty_root / "v7.torrent")
    assert sorted(os.listdir(empty_root)) == ["murder", "srv"]
    assert os.readlink(empty_root / "srv/app/current") == "releases/v7"
    assert snapshot(live_release(empty_root / "srv/app")) == snapshot(release)
    assert start_inside("verify", "--to", "/srv/app").wait().status == 0


def test_a_lingering_child_lets_go_of_its_streams_without_dev_null(
        empty_root, enter, swarm, origin, clean_environment):
    _, torrent = origin
    shutil.copy(torrent, empty_root / "v7.torrent")
    # A pipe is read to its end: that comes only when nobody holds its other end any more.
    peer = subprocess.run([*enter, "/murder", "peer", "/v7.torrent", "--to", "/srv/app", "--detach",
                           "--tracker", swarm.tracker_url, "--listen", swarm.new_address(),
                           "--linger", "2m", "--json"],
                          stdin=subprocess.DEVNULL, capture_output=True, timeout=60, check=False,
                          env=clean_environment)
    for pid in processes_about(swarm.tracker_url):  # the lingering child, and the seeder
        os.kill(pid, signal.SIGTERM)
    assert peer.returncode == 0, peer
    assert (empty_root / "srv/app/releases/v7/bin/app").exists()


def test_a_name_is_refused_with_its_reason(start_inside):
    peer = start_inside("peer", "http://origin.example:8998/v7.torrent", "--to", "/srv/app",
                        "--json").wait()
    assert peer.status == 4
    assert "cannot resolve origin.example: this is the static build of murder" in error_of(peer)


def test_a_tracker_with_a_name_is_passed_over_with_its_reason(start_inside, empty_root, swarm,
                                                              origin):
    _, torrent = origin
    shutil.copy(torrent, empty_root / "v7.torrent")
    peer = swarm.peer("/v7.torrent", "/srv/app", "--linger", "none", start=start_inside,
                      tracker=["http://tracker.example/announce", swarm.tracker_url]).wait()
    assert peer.status == 0, peer
    refused, = (event for event in peer.events("tracker") if not event["ok"])
    assert "takes addresses, not names" in refused["reason"]


def test_it_has_what_hosts_need_and_nothing_of_the_control_side(start_inside, static_binary):
    told = start_inside("--help").wait().out.split("Commands:\n")[1].split("\n\n")[0]
    commands = {line.split()[0] for line in told.splitlines() if line.strip()}
    assert {"tracker", "seed", "peer", "activate", "rollback", "releases", "verify"} <= commands
    assert not {"pack", "deploy", "demo", "simulate", "hosts", "status"} & commands
    assert "unknown command 'deploy'" in start_inside("deploy").wait().err
    assert "--hosts" not in start_inside("releases", "--help").wait().out
    assert b"SQLite" not in static_binary.read_bytes()


def test_it_is_small_enough_to_travel(static_binary):
    assert len(gzip.compress(static_binary.read_bytes(), 9)) <= 6 * MIB


def test_it_needs_no_library(static_binary):
    headers = subprocess.run(["readelf", "-ld", static_binary], capture_output=True, text=True,
                             check=True).stdout
    assert "INTERP" not in headers
    assert "NEEDED" not in headers
