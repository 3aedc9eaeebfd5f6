"""The lab of hosts with a real sshd (tests/e2e/fleet_lab.py) for measuring: what the control machine runs is timed, and
whatever the lab has to complain of is a LabError.
"""

import contextlib
import os
import pathlib
import signal
import subprocess
import sys
import time

from lab import LabError
from measure import TICKS, cpu_seconds, peak_bytes

E2E = pathlib.Path(__file__).resolve().parents[1] / "tests" / "e2e"
PATIENCE_S = 900


@contextlib.contextmanager
def fleet(murder, folder, **asked):
    """A FleetLab in that folder, which is made, and start(*argv), a Program outside of it. The fixture `fleet_lab` in
    conftest.py says what can be asked for."""
    sys.path.insert(0, str(E2E))
    try:
        import pytest
        from fleet_lab import make_fleet_lab
    except ImportError as error:
        raise LabError(f"hosts with sshd need the package python3-pytest ({error})") from error
    home = folder.parent / "home"
    home.mkdir(exist_ok=True)
    started = []

    def start(*argv, env=None, cwd=None):
        started.append(Program(argv, {**clean_environment(home), **(env or {})}, cwd or folder))
        return started[-1]

    try:
        with make_fleet_lab(start, murder, folder, **asked) as lab:
            try:
                yield lab, start
            finally:
                for program in started:
                    program.end()
    except (pytest.fail.Exception, pytest.skip.Exception) as error:
        raise LabError(str(error)) from error


def clean_environment(home):
    """Nothing of the user's configuration, and a cache that belongs to this benchmark."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("MURDER_", "XDG_"))}
    return {**kept, "HOME": str(home), "LC_ALL": "C.UTF-8"}


class Program:
    """A program that was started; its output goes to files. Times are those of the monotonic clock."""

    def __init__(self, argv, environment, folder):
        self.began = time.monotonic()
        self._out = folder / f"out-{time.monotonic_ns()}"
        with open(self._out, "wb") as out:
            self._process = subprocess.Popen([str(word) for word in argv], stdin=subprocess.DEVNULL, stdout=out,
                                             stderr=subprocess.STDOUT, env=environment, cwd=folder)

    @property
    def pid(self):
        return self._process.pid

    def output(self):
        return self._out.read_text(encoding="utf-8", errors="replace")

    def wait(self, what, watch=None):
        """Seconds from its start to its end. `watch` is called with its pid now and then, and once when it has ended but
        /proc still knows it. LabError when it fails."""
        deadline = self.began + PATIENCE_S
        flags = os.WEXITED | os.WNOWAIT | os.WNOHANG
        while os.waitid(os.P_PID, self.pid, flags) is None:
            if time.monotonic() > deadline:
                raise LabError(f"{what}: not done within {PATIENCE_S} s: {self.output()[-2000:]}")
            if watch:
                watch(self.pid)
            time.sleep(0.1 if watch else 0.002)
        took = time.monotonic() - self.began
        if watch:
            watch(self.pid)
        if self._process.wait() != 0:
            raise LabError(f"{what}: exit status {self._process.returncode}: {self.output()[-2000:]}")
        return took

    def end(self):
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait()


class Costs:
    """For Program.wait(): what a process and its children have cost. Processor time in seconds, memory in bytes."""

    def __init__(self):
        self.own_cpu = self.children_cpu = 0.0
        self.peak = self.children_peak = self.most_children = 0
        self._next_look = 0.0

    def __call__(self, pid):
        try:
            fields = pathlib.Path(f"/proc/{pid}/stat").read_text("ascii", "replace").rsplit(")", 1)[1].split()
        except OSError:
            return
        self.own_cpu = cpu_seconds(pid) or sum(map(int, fields[11:13])) / TICKS
        self.children_cpu = sum(map(int, fields[13:15])) / TICKS  # of those that have ended
        self.peak = max(self.peak, peak_bytes(pid) or 0)
        if time.monotonic() >= self._next_look:  # dear with many children
            self._next_look = time.monotonic() + 1
            self._look_at_children(pid)

    def _look_at_children(self, pid):
        try:
            children = [c for task in pathlib.Path(f"/proc/{pid}/task").iterdir()
                        for c in (task / "children").read_text("ascii").split()]
        except OSError:
            return
        self.most_children = max(self.most_children, len(children))
        self.children_peak = max(self.children_peak, sum(map(proportional_bytes, children)))


def proportional_bytes(pid):
    """Its memory, what it shares with others divided among them."""
    try:
        for line in pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text("ascii").splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    return 0


def on_host(host, *argv):
    """The command line that runs argv on a host, with the host's own files, for somebody outside of it."""
    return ("nsenter", "-t", str(host.pid), "-n", "-m", "-p", "-u", "--", *map(str, argv))


def end_murder(hosts):
    """Trackers and transfers that outlive a deploy."""
    for host in hosts:
        for pid in host.processes("murder"):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
