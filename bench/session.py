"""One scenario from its payload to its result: for each repetition a plain copy, then each contender in turn."""

import hashlib
import os
import pathlib
import random
import shutil
import subprocess

import measure
from contenders import CONTENDERS, Place, info_of
from lab import LabError
from scenarios import MIB
from trial import Trial, TrialError, run_trial

REPEATED = ("murder", "libtorrent-tuned")  # these run as often as asked for; the others once or so
SLACK = 64 * MIB


def room_in(scenario):
    return scenario.room() + SLACK


def write_payload(path, size):
    """Bytes that do not compress, the same for the same size."""
    source = random.Random(size)
    with open(path, "wb") as file:
        left = size
        while left > 0:
            block = source.randbytes(min(left, 4 * MIB))
            file.write(block)
            left -= len(block)


class Session:
    def __init__(self, lab, scenario, murder, say):
        self._lab, self._scenario, self._murder, self._say = lab, scenario, str(murder), say
        self._folder = pathlib.Path(lab.ask("check")["scratch"]) / scenario.name

    def run(self, names, missing, runs, other_runs):
        """The result; None when there is no room for it."""
        if not self._has_room():
            return None
        self._warn_of_cores()
        self._folder.mkdir()
        try:
            return self._run(names, missing, runs, other_runs)
        finally:
            shutil.rmtree(self._folder, ignore_errors=True)

    def _has_room(self):
        free = shutil.disk_usage(self._folder.parent).free
        needed = room_in(self._scenario)
        if needed <= free:
            return True
        self._say(f"{self._scenario.name}: skipped, it needs {needed / 1e9:.1f} GB of room in {self._folder.parent} and "
                  f"{free / 1e9:.1f} GB are free; --folder FOLDER names another place")
        return False

    def _warn_of_cores(self):
        wanted, cores = self._scenario.cores_wanted(), os.cpu_count()
        if wanted > cores * measure.BUSY:
            self._say(f"{self._scenario.name}: {cores} cores for what takes about {wanted:.1f}: the processor will be "
                      f"the bottleneck, not the links")

    def _run(self, names, missing, runs, other_runs):
        source = self._folder / "source"
        source.mkdir()
        payload, torrent = source / "payload.bin", self._folder / "payload.torrent"
        write_payload(payload, self._scenario.size)
        started = self._pack(payload, torrent)
        result = {"scenario": self._scenario, "missing": missing, "trials": [], "plain": [], "pieces": 0}
        for repetition in range(max(runs, other_runs)):
            turn = [n for n in names if repetition < (runs if n in REPEATED else other_runs)]
            if turn:
                self._repeat(result, turn, payload, torrent, started)
        result["pieces"] = started["pieces"]
        return result

    def _pack(self, payload, torrent):
        """What the torrent says: the number of pieces and the info-hash."""
        subprocess.run([self._murder, "pack", payload, "-o", torrent, "--no-config", "-q"], check=True,
                       stdout=subprocess.DEVNULL)
        content = torrent.read_bytes()
        info = info_of(content)
        at = info.index(b"12:piece lengthi") + len(b"12:piece lengthi")
        piece = int(info[at:info.index(b"e", at)])
        return {"pieces": -(-self._scenario.size // piece), "info_hash": hashlib.sha1(info).hexdigest()}

    def _make_lab(self):
        shaped = self._scenario.link is not None
        loopback = not shaped and not self._lab.ask("check")["namespaces"]
        self._lab.make(**self._scenario.lab_options(), loopback=loopback)
        for host, (up, down) in enumerate(self._scenario.links()):
            if (up, down) != (self._scenario.link, self._scenario.link):
                self._lab.ask("set_link", host=host, up=up, down=down)

    def _repeat(self, result, names, payload, torrent, started):
        self._make_lab()
        try:
            plain = self._plain_copy(payload)
            result["plain"].append(plain[0])
            for name in names:
                result["trials"].append(self._try(name, payload, torrent, started, plain).as_dict())
        finally:
            relay = self._lab.end()
            if relay:
                result["relay"] = relay

    def _plain_copy(self, payload):
        before = self._lab.sent(0)
        request = {"from": 0, "to": 1, "file": str(payload)}
        seconds = self._lab.ask("plain_copy", **request)["seconds"]
        return seconds, self._lab.sent(0) - before

    def _try(self, name, payload, torrent, started, plain):
        folder = self._folder / "trial"
        folder.mkdir()
        place = Place(self._murder, folder, payload, torrent, started["info_hash"], self._lab.addresses,
                      self._scenario.hosts)
        try:
            return run_trial(self._lab, self._scenario, CONTENDERS[name], place, plain)
        except (TrialError, LabError) as error:
            return Trial(name, plain[0], [], error=str(error))
        finally:
            shutil.rmtree(folder, ignore_errors=True)
