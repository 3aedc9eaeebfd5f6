"""Who takes part: how each one's tracker, seeder and peers are started, and the words by which they say how far they are.

A contender is told where things are by a `Place` and answers with command lines; bench/trial.py runs them.
"""

import dataclasses
import importlib.util
import json
import pathlib
import shutil

HERE = pathlib.Path(__file__).resolve().parent
PYTHON = "/usr/bin/python3"  # the distribution's, for which its libtorrent is built
TRACKER_PORT = 8998  # in namespaces of the lab's own; nothing else listens there

@dataclasses.dataclass
class Place:
    """Where a trial happens."""

    murder: str
    folder: pathlib.Path  # of this trial alone; on tmpfs if there is one
    payload: pathlib.Path
    torrent: pathlib.Path
    info_hash: str
    addresses: list  # of the seeder, which is also the tracker's, and of the hosts
    hosts: int

    def host_folder(self, host):
        path = self.folder / f"h{host}"
        path.mkdir(exist_ok=True)
        return path

    def received(self, host):
        return self.folder / f"h{host}" / self.payload.name


class Contender:
    """A swarm client. The three command lines run on host 0 (tracker, seeder) and on the others."""

    name = ""
    complete = ""  # in the line with which a peer says that it has everything
    seeding = ""  # in the line with which the seeder says that it is ready; empty: it is given `settle` seconds
    waiting = ""  # a peer so started says this and waits for SIGUSR1
    settled = ""  # a peer that has reached the tracker says this
    staged = ""  # in the line that says that the payload is in its place
    tracking = "listening"  # in the line with which the tracker says that it is ready
    settle = 1.5

    def missing(self):
        """What has to be installed; None when it can run."""
        return None

    def tracker(self, place):
        """One that tells everybody about everybody, for all but murder, which has its own."""
        return [PYTHON, "-B", HERE / "plain_tracker.py", place.addresses[0], TRACKER_PORT]

    def seeder(self, place):
        raise NotImplementedError

    def peer(self, place, host):
        raise NotImplementedError

    def moment(self, event):
        """When the host was complete, from the line that said so."""
        return event["t"]


def announce_url(place):
    return f"http://{place.addresses[0]}:{TRACKER_PORT}/announce"


class Murder(Contender):
    name = "murder"
    complete = '"event":"complete"'
    staged = '"event":"staged"'
    seeding = settled = '"event":"tracker"'

    def tracker(self, place):
        return [place.murder, "tracker", "--no-config", "--listen", f"{place.addresses[0]}:{TRACKER_PORT}",
                "--expect", place.hosts, "--json", "-q"]

    def _common(self, place, host):
        return ["--tracker", announce_url(place), "--listen", place.addresses[host], "--name", f"h{host}",
                "--no-config", "--json", "-q", "--linger", "forever"]

    def seeder(self, place):
        return [place.murder, "seed", place.torrent, "--from", place.payload, *self._common(place, 0)]

    def peer(self, place, host):
        return [place.murder, "peer", place.torrent, "--to", place.host_folder(host), "--file-only",
                *self._common(place, host)]

    def moment(self, event):
        return json.loads(event["text"])["t"]


class Libtorrent(Contender):
    complete = "complete "
    seeding = settled = "announced"
    waiting = "ready"

    def __init__(self, name, *options):
        self.name = name
        self._options = options

    def missing(self):
        if pathlib.Path(PYTHON).exists() and any(pathlib.Path(p).glob("libtorrent*.so") for p in
                                                 ("/usr/lib/python3/dist-packages",)):
            return None
        return None if importlib.util.find_spec("libtorrent") else "python3-libtorrent"

    def _argv(self, place, host, folder, *more):
        return [PYTHON, "-B", HERE / "lt_peer.py", "--torrent", place.torrent, "--to", folder, "--tracker",
                announce_url(place), "--listen", place.addresses[host], *self._options, *more]

    def seeder(self, place):
        return self._argv(place, 0, place.payload.parent, "--seed")

    def peer(self, place, host):
        return self._argv(place, host, place.host_folder(host))

    def moment(self, event):
        return float(event["text"].split()[1])


def hook(place):
    """A program that clients run when they are complete; what it says goes where their own output goes."""
    path = place.folder / "hook"
    path.write_text("#!/bin/sh\necho hook: complete\n", encoding="ascii")
    path.chmod(0o755)
    return path


class Aria2(Contender):
    name = "aria2"
    complete = "hook: complete"

    def missing(self):
        return None if shutil.which("aria2c") else "aria2"

    def _argv(self, place, host, folder, *more):
        return ["aria2c", "--no-conf", "--enable-dht=false", "--bt-enable-lpd=false", "--enable-peer-exchange=true",
                f"--interface={place.addresses[host]}", "--listen-port=6881", "--file-allocation=none",
                "--seed-ratio=0.0", "--summary-interval=0", "--show-console-readout=false",
                f"--bt-exclude-tracker=*", f"--bt-tracker={announce_url(place)}", f"--dir={folder}", *more,
                place.torrent]

    def seeder(self, place):
        return self._argv(place, 0, place.payload.parent, "--bt-seed-unverified=true", "--allow-overwrite=true")

    def peer(self, place, host):
        return self._argv(place, host, place.host_folder(host), f"--on-bt-download-complete={hook(place)}")


class Transmission(Contender):
    name = "transmission"
    complete = "hook: complete"

    def missing(self):
        return None if shutil.which("transmission-cli") else "transmission-cli"

    def _argv(self, place, host, folder, *more):
        settings = {"bind-address-ipv4": place.addresses[host], "dht-enabled": False, "lpd-enabled": False,
                    "utp-enabled": False, "port-forwarding-enabled": False, "peer-port": 51413}
        config = place.folder / f"transmission-{host}"
        config.mkdir(exist_ok=True)
        (config / "settings.json").write_text(json.dumps(settings), encoding="ascii")
        return ["transmission-cli", "-g", config, "-w", folder, "-M", "-D", "-U", *more, self._torrent(place)]

    @staticmethod
    def _torrent(place):
        """With the tracker in it: transmission-cli has no option for one."""
        path = place.folder / "transmission.torrent"
        if not path.exists():
            content, url = place.torrent.read_bytes(), announce_url(place).encode()
            path.write_bytes(b"d8:announce%d:%s4:info" % (len(url), url) + info_of(content) + b"e")
        return path

    def seeder(self, place):
        return self._argv(place, 0, place.payload.parent, "-v")

    def peer(self, place, host):
        return self._argv(place, host, place.host_folder(host), "-f", hook(place))


def info_of(metainfo):
    """The bytes of the info dictionary of a torrent."""
    at = 1
    while metainfo[at:at + 1] != b"e":
        key_end = end_of(metainfo, at)
        value_end = end_of(metainfo, key_end)
        if metainfo[at:key_end] == b"4:info":
            return metainfo[key_end:value_end]
        at = value_end
    raise ValueError("a torrent without info")


def end_of(data, at):
    """Where the bencoded value that begins there ends."""
    kind = data[at:at + 1]
    if kind == b"i":
        return data.index(b"e", at) + 1
    if kind in (b"l", b"d"):
        at += 1
        while data[at:at + 1] != b"e":
            at = end_of(data, at)
        return at + 1
    colon = data.index(b":", at)
    return colon + 1 + int(data[at:colon])


class Chain:
    """Each host passes on to the next while it receives. No client: the lab does it."""

    name = "chain"

    def missing(self):
        return None


class FanOut:
    """One server copies to all at once. Beyond `sample` hosts it is measured on so many and computed for all."""

    name = "fan-out"
    sample = 4

    def missing(self):
        return None


CONTENDERS = {c.name: c for c in (Murder(), Libtorrent("libtorrent-tuned", "--tuned"), Libtorrent("libtorrent"),
                                  Aria2(), Transmission(), Chain(), FanOut())}


def split_missing(names):
    """Those that can run, and {name: package} of those that cannot."""
    missing = {name: CONTENDERS[name].missing() for name in names}
    return [n for n in names if missing[n] is None], {n: p for n, p in missing.items() if p is not None}
