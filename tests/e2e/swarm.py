"""A swarm of real processes on loopback, and what its members say.

Every process gets a loopback address of its own, as hosts have; ports are chosen by the programs.
What happened is read from the events of --json, never from text for people.
"""

import hashlib
import itertools
import json
import os
import pathlib
import stat
import time

import pytest

PATIENCE_S = 120


def events(running, name=None):
    """The events that a process which may still run has written so far."""
    lines = running.out.split("\n")[:-1]  # the last one may be half written
    found = [json.loads(line) for line in lines]
    return found if name is None else [event for event in found if event["event"] == name]


def error_of(result):
    """What ended the command, in its words."""
    event, = result.events("error")
    assert event["exit"] == result.status, result
    return event["message"]


def wait_for_event(running, name, timeout=PATIENCE_S, since=0, where=lambda event: True):
    """The first event of that name, after `since` others of its name, for which `where` holds.

    Fails the test when the process ends without it, or time does.
    """
    deadline = time.monotonic() + timeout
    while True:
        ended = running.status is not None  # asked first: what it wrote last is read below
        for event in events(running, name)[since:]:
            if where(event):
                return event
        if ended or time.monotonic() > deadline:
            others = [event for event in events(running) if event["event"] != "progress"]
            pytest.fail(f"no such event {name}; status {running.status}; but {others}\n"
                        f"{running.err}")
        time.sleep(0.01)


def wait_for_share(peer, share, timeout=PATIENCE_S):
    """Until this share (0 to 1) of the payload is at the peer; the progress event that says so."""
    return wait_for_event(peer, "progress", timeout,
                          where=lambda e: e["have_bytes"] >= share * e["total_bytes"])


class Swarm:
    """Starts a tracker, a seeder and peers that know of each other."""

    def __init__(self, start, run, folder):
        self._start, self._run, self._folder = start, run, folder
        self._numbers = itertools.count(1)
        self.tracker_url = None

    def new_address(self):
        number = next(self._numbers)
        return f"127.0.{1 + number // 250}.{1 + number % 250}"

    def pack(self, source, tag, *arguments):
        """A pack of the folder `source`; its paths as (pack, torrent)."""
        pack = self._folder / f"{tag}.tar.zst"
        self._run("pack", source, "-o", pack, "--tag", tag, *arguments)
        return pack, self._folder / f"{tag}.torrent"

    def torrent_of_file(self, file, *arguments):
        torrent = self._folder / f"{file.name}.torrent"
        self._run("pack", file, "-o", torrent, *arguments)
        return torrent

    def tracker(self, *arguments, listen="127.0.0.1:0", start=None):
        """Starts the tracker that later members announce to; it listens on return."""
        tracker = (start or self._start)("tracker", "--listen", listen, "--json", *arguments)
        endpoint = wait_for_event(tracker, "listening")["endpoint"]
        self.tracker_url = f"http://{endpoint}/announce"
        return tracker

    def _member(self, *arguments, address=None, tracker=None, start=None):
        """`start`: instead of the plain one, to run it elsewhere. `tracker`: its URL, or several."""
        address = address or self.new_address()
        urls = tracker or self.tracker_url or []
        trackers = [part for url in ([urls] if isinstance(urls, str) else urls)
                    for part in ("--tracker", url)]
        member = (start or self._start)(*arguments, "--listen", address, *trackers, "--json")
        member.address = address
        return member

    def seed(self, torrent, payload, *arguments, **how):
        """A seeder that listens on return."""
        seeder = self._member("seed", torrent, "--from", payload, *arguments, **how)
        seeder.endpoint = wait_for_event(seeder, "listening")["endpoint"]
        return seeder

    def peer(self, torrent, dest, *arguments, **how):
        """A peer that was started, no more."""
        return self._member("peer", torrent, "--to", dest, *arguments, **how)


def snapshot(tree):
    """All that a release promises about a tree, by path in bytes.

    A file: mode, digest of its content, and the paths that share its inode; a folder: its mode; a
    symlink: where it leads.
    """
    tree = os.fsencode(tree)
    found, inodes = {}, {}
    for folder, folders, files in os.walk(tree):
        for name in folders + files:
            path = os.path.join(folder, name)
            relative = os.path.relpath(path, tree)
            status = os.lstat(path)
            if stat.S_ISLNK(status.st_mode):
                found[relative] = ("symlink", os.readlink(path))
            elif stat.S_ISDIR(status.st_mode):
                found[relative] = ("folder", stat.S_IMODE(status.st_mode))
            else:
                inodes.setdefault(status.st_ino, []).append(relative)
                with open(path, "rb") as file:
                    digest = hashlib.file_digest(file, "sha256").hexdigest()
                found[relative] = ("file", stat.S_IMODE(status.st_mode), digest, status.st_ino)
    for relative, entry in found.items():
        if entry[0] == "file":
            found[relative] = entry[:3] + (tuple(sorted(inodes[entry[3]])),)
    return found


def differences(one, other):
    """Paths at which two snapshots differ: short, where an assertion's own diff would be endless."""
    return sorted(path for path in one.keys() | other.keys() if one.get(path) != other.get(path))


def digest(path):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def live_release(dest):
    """The folder that `current` leads to; None when nothing is live."""
    link = pathlib.Path(dest) / "current"
    return link.resolve(strict=True) if link.is_symlink() else None


def processes_about(path):
    """Ids of the processes that were started with this path among their arguments."""
    needle = os.fsencode(path)
    found = []
    for entry in pathlib.Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            if needle in (entry / "cmdline").read_bytes().split(b"\0"):
                found.append(int(entry.name))
        except OSError:
            continue  # it has ended
    return found
