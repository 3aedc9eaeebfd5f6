"""One contender on one lab, from its start until the last host is complete, and what that took."""

import dataclasses
import math
import queue
import shutil
import signal
import time

import measure
from contenders import Chain, FanOut

START_LIMIT_S = 60
PATIENCE_S = 40  # at least: a small payload says nothing of how long a client may take to begin
TRACKER = -1  # in the place of a host's number


class TrialError(Exception):
    """A contender could not be started or ended on its own; the text says which and what it said last."""


@dataclasses.dataclass
class Trial:
    """One run. `seconds` has an entry for each counted host: from the start to complete, None for never."""

    contender: str
    plain_seconds: float
    seconds: list
    busy: float = 0.0
    seeder_bytes: int | None = None
    plain_bytes: int | None = None
    staged: list = dataclasses.field(default_factory=list)
    odd: float | None = None  # the host in trouble: its own time from its own start
    cpu_seeder: float | None = None
    cpu_peers: list = dataclasses.field(default_factory=list)
    peak_seeder: int | None = None
    peak_peers: list = dataclasses.field(default_factory=list)
    computed: bool = False
    error: str | None = None

    def as_dict(self):
        return dataclasses.asdict(self)


def run_trial(lab, scenario, contender, place, plain):
    """plain: (seconds, bytes) of the plain copy of this repetition."""
    seconds, sent = plain
    if isinstance(contender, Chain):
        return _chain(lab, scenario, place, seconds, sent)
    if isinstance(contender, FanOut):
        return _fan_out(lab, scenario, contender, place, seconds, sent)
    swarm = SwarmTrial(lab, scenario, contender, place, seconds, sent)
    try:
        return swarm.run()
    finally:
        swarm.end()


def _chain(lab, scenario, place, plain_seconds, plain_bytes):
    before, busy = lab.sent(0), measure.Busy()
    times = lab.ask("chain", hosts=list(range(1 + scenario.hosts)), file=str(place.payload))["seconds"]
    return Trial("chain", plain_seconds, times, busy.share(), lab.sent(0) - before, plain_bytes)


def _fan_out(lab, scenario, contender, place, plain_seconds, plain_bytes):
    """A sample is fewer hosts and as much less of the payload; time is in proportion to both."""
    hosts = min(contender.sample, scenario.hosts)
    part = place.folder / "part"
    size = place.payload.stat().st_size
    with open(place.payload, "rb") as source:
        part.write_bytes(source.read(math.ceil(size / hosts)))
    factor = scenario.hosts / hosts * size / part.stat().st_size
    before, busy = lab.sent(0), measure.Busy()
    request = {"from": 0, "to": list(range(1, 1 + hosts)), "file": str(part)}
    taken = lab.ask("fan_out", **request)["seconds"] * factor
    sent = int((lab.sent(0) - before) * factor)
    return Trial("fan-out", plain_seconds, [taken] * scenario.hosts, busy.share(), sent, plain_bytes, computed=True)


class SwarmTrial:
    """A swarm client's trial: tracker, seeder and peers are processes on the lab's hosts."""

    def __init__(self, lab, scenario, contender, place, plain_seconds, plain_bytes):
        self._lab, self._scenario, self._contender, self._place = lab, scenario, contender, place
        self._trial = Trial(contender.name, plain_seconds, [], plain_bytes=plain_bytes)
        self._host_of = {}  # process number: host
        self._pids = {}  # host: pid
        self._numbers = {}  # host: process number
        self._base_cpu = {}
        self._complete = {}
        self._staged = {}
        self._helpers = set()
        self._late_begin = None

    def _peer_words(self):
        words = (self._contender.complete, self._contender.waiting, self._contender.settled, self._contender.staged)
        return [word for word in words if word]

    def run(self):
        self._start_tracker()
        if self._scenario.from_seeder:
            self._start_waiting_peers()
            sent, begin = self._lab.sent(0), self._start_seeder()
        else:
            self._start_seeder()
            sent, begin = self._lab.sent(0), self._start_peers(self._first_hosts())
        busy = measure.Busy()
        self._wait_for_all(begin)
        self._trial.busy = busy.share()
        self._trial.seeder_bytes = self._lab.sent(0) - sent
        self._read_costs()
        self._collect(begin)
        return self._trial

    def end(self):
        self._lab.stop([*self._numbers.values(), *self._helpers])
        self._lab.forget_events()
        for host in range(1, 1 + self._scenario.hosts):
            shutil.rmtree(self._place.folder / f"h{host}", ignore_errors=True)

    def _start_tracker(self):
        word = self._contender.tracking
        _, [(number, _)] = self._lab.spawn((0, self._contender.tracker(self._place), [word]))
        self._helpers.add(number)
        self._host_of[number] = TRACKER
        self._wait_for_words({TRACKER}, word)

    def _start_seeder(self):
        """When it was started or told to begin; unless the clock starts with it, it is ready on return."""
        words = [word for word in (self._contender.seeding, self._contender.waiting) if word]
        begin, [(number, pid)] = self._lab.spawn((0, self._contender.seeder(self._place), words))
        self._host_of[number], self._pids[0], self._numbers[0] = 0, pid, number
        self._base_cpu[0] = 0.0
        if self._contender.waiting:
            self._wait_for_words({0}, self._contender.waiting)
            self._base_cpu[0] = measure.cpu_seconds(pid) or 0.0
            begin = self._lab.signal([number], signal.SIGUSR1)
        if not self._scenario.from_seeder:
            self._wait_until_seeding()
        return begin

    def _wait_until_seeding(self):
        if self._contender.seeding:
            self._wait_for_words({0}, self._contender.seeding)
        else:
            self._pause(self._contender.settle)

    def _start_peers(self, hosts):
        """When the clock starts: before the first is started, or told to begin."""
        words = self._peer_words()
        begin, started = self._lab.spawn(*((host, self._contender.peer(self._place, host), words) for host in hosts))
        for host, (number, pid) in zip(hosts, started):
            self._host_of[number], self._pids[host], self._numbers[host] = host, pid, number
            self._base_cpu[host] = 0.0
        if self._contender.waiting:
            self._wait_for_words(set(hosts), self._contender.waiting)
            self._base_cpu.update({host: measure.cpu_seconds(self._pids[host]) or 0.0 for host in hosts})
            begin = self._lab.signal([self._numbers[host] for host in hosts], signal.SIGUSR1)
        return begin

    def _start_waiting_peers(self):
        """All peers run and have been to the tracker: what comes now is the order."""
        hosts = self._first_hosts()
        self._start_peers(hosts)
        if self._contender.settled:
            self._wait_for_words(set(hosts), self._contender.settled)
        self._pause(2.0)
        self._base_cpu.update({host: measure.cpu_seconds(self._pids[host]) or 0.0 for host in hosts})

    def _first_hosts(self):
        last = self._scenario.hosts - (1 if self._scenario.trouble == "late" else 0)
        return list(range(1, 1 + last))

    def _event(self, timeout):
        """Handles one event and returns it; None when none came in time."""
        try:
            event = self._lab.events.get(timeout=max(0.0, timeout))
        except queue.Empty:
            return None
        host = self._host_of.get(event["process"])
        if event["event"] == "exit":
            self._on_exit(event, host)
        elif host is not None and host > 0 and self._contender.complete in event["text"]:
            self._complete.setdefault(host, self._contender.moment(event))
        elif self._contender.staged and self._contender.staged in event["text"]:
            self._staged.setdefault(host, self._contender.moment(event))
        return event

    def _on_exit(self, event, host):
        said = " | ".join(event["tail"].strip().splitlines()[-3:])
        raise TrialError(f"{self._contender.name}: {who(host)} ended with status {event['status']}: {said}")

    def _wait_for_words(self, hosts, word):
        missing, deadline = set(hosts), time.monotonic() + START_LIMIT_S
        while missing:
            event = self._event(deadline - time.monotonic())
            if event is None:
                raise TrialError(f"{self._contender.name}: {who(min(missing))} was not ready in {START_LIMIT_S} s")
            if event["event"] == "line" and word in event["text"]:
                missing.discard(self._host_of.get(event["process"]))

    def _pause(self, seconds):
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            self._event(deadline - time.monotonic())

    def _limit(self):
        unit = self._trial.plain_seconds if self._scenario.link else 10.0
        return max(PATIENCE_S, self._scenario.patience * unit)

    def _wait_for_all(self, begin):
        """Until every counted host is complete, or for as long as there is patience."""
        counted, deadline = set(self._scenario.counted()), begin + self._limit()
        trouble_at = begin + self._trial.plain_seconds / 2 if self._scenario.trouble else math.inf
        while not self._done(counted) and time.monotonic() < deadline:
            self._event(min(deadline, trouble_at) - time.monotonic())
            if time.monotonic() >= trouble_at:
                trouble_at = math.inf
                self._make_trouble()

    def _done(self, counted):
        if self._scenario.trouble == "late" and self._scenario.hosts not in self._complete:
            return False
        return counted <= self._complete.keys()

    def _make_trouble(self):
        odd = self._scenario.hosts
        if self._scenario.trouble == "stop":
            self._lab.signal([self._numbers[odd]], signal.SIGSTOP)
        else:
            self._late_begin = self._start_peers([odd])

    def _read_costs(self):
        """At the moment when the last is complete: what lingering takes does not count."""
        trial, size = self._trial, self._scenario.counted()
        cpu = {host: measure.cpu_seconds(pid) for host, pid in self._pids.items()}
        spent = {host: value - self._base_cpu[host] for host, value in cpu.items() if value is not None}
        trial.cpu_seeder = spent.get(0)
        trial.cpu_peers = [spent[host] for host in size if host in spent]
        trial.peak_seeder = measure.peak_bytes(self._pids[0])
        peaks = [measure.peak_bytes(self._pids[host]) for host in size if host in self._pids]
        trial.peak_peers = [peak for peak in peaks if peak is not None]

    def _collect(self, begin):
        trial, counted = self._trial, self._scenario.counted()
        if self._contender.name == "murder":
            self._pause(0.2)
        trial.seconds = [self._complete[host] - begin if host in self._complete else None for host in counted]
        trial.staged = [self._staged[host] - begin for host in counted if host in self._staged]
        odd = self._scenario.hosts
        if odd not in counted and odd in self._complete:
            trial.odd = self._complete[odd] - (self._late_begin or begin)
        trial.error = self._wrong_bytes(counted)

    def _wrong_bytes(self, counted):
        for host in counted:
            if host in self._complete and not same_content(self._place.payload, self._place.received(host)):
                return f"host {host} said that it is complete and has other bytes"
        return None


def who(host):
    return {TRACKER: "the tracker", 0: "the seeder"}.get(host, f"host {host}")


def same_content(one, other):
    """Compared in large blocks; a file that is not there is not the same."""
    try:
        if one.stat().st_size != other.stat().st_size:
            return False
        with open(one, "rb") as left, open(other, "rb") as right:
            while block := left.read(1 << 22):
                if block != right.read(1 << 22):
                    return False
    except FileNotFoundError:
        return False
    return True
