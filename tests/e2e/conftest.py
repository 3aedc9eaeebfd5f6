"""What every end-to-end test has at hand: the real binary, a folder of its own, processes that
never outlive their test.

    MURDER_BINARY=build/release/murder /usr/bin/python3 -m pytest tests/e2e     by hand
"""

import contextlib
import itertools
import json
import os
import pathlib
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import time

import pytest

from fleet_lab import make_fleet_lab
from shaped import ShapedSwarm, shaped_net
from small_disk import SmallDisk
from swarm import Swarm

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
PATIENCE_S = 120  # for what takes a second; a busy machine is never a failure


def pytest_addoption(parser):
    parser.addoption("--keep", action="store_true", help="keep the folders of the tests")


@pytest.fixture(scope="session")
def murder():
    """Path of the binary under test: $MURDER_BINARY, else the release build."""
    path = pathlib.Path(os.environ.get("MURDER_BINARY", REPOSITORY / "build/release/murder"))
    if not os.access(path, os.X_OK):
        pytest.fail(f"no binary at {path}: build it, or set MURDER_BINARY", pytrace=False)
    return path.resolve()


@pytest.fixture(scope="session")
def static_binary():
    """Path of the binary for hosts: $MURDER_STATIC_BINARY, else that of the release build."""
    machine = os.uname().machine
    path = pathlib.Path(os.environ.get("MURDER_STATIC_BINARY",
                                       REPOSITORY / f"build/release/murder-{machine}"))
    if not os.access(path, os.X_OK):
        pytest.fail(f"no static binary at {path}: build it (./dev build), or set "
                    "MURDER_STATIC_BINARY", pytrace=False)
    return path.resolve()


@pytest.fixture
def folder(request):
    """An empty folder, removed with all its content after the test."""
    path = pathlib.Path(tempfile.mkdtemp(prefix="murder-e2e-"))
    yield path
    if request.config.getoption("--keep"):
        print(f"kept: {path}")
    else:
        shutil.rmtree(path, ignore_errors=True)


@pytest.fixture
def clean_environment(folder):
    """The environment for child processes: nothing of the user's configuration reaches them."""
    environment = {name: value for name, value in os.environ.items()
                   if not name.startswith("MURDER_")}
    home = folder / "home"
    home.mkdir()
    environment.update(HOME=str(home), XDG_CONFIG_HOME=str(home / ".config"),
                       XDG_STATE_HOME=str(home / ".local/state"),
                       MURDER_RUN_DIR=str(home / ".run"), LC_ALL="C.UTF-8")
    return environment


class Result:
    """What an ended command left: status, out (stdout), err (stderr)."""

    def __init__(self, arguments, status, out, err):
        self.arguments, self.status, self.out, self.err = arguments, status, out, err

    def events(self, name=None):
        """The objects that --json wrote, one a line; those of one event if it is named."""
        found = [json.loads(line) for line in self.out.splitlines()]
        return found if name is None else [event for event in found if event["event"] == name]

    def __repr__(self):
        out, err = ("".join(line for line in text.splitlines(keepends=True)
                            if '"event":"progress"' not in line) for text in (self.out, self.err))
        return (f"{' '.join(self.arguments)}\n  exit status {self.status}\n"
                f"--- stdout, but for progress\n{out}--- stderr\n{err}---")


class Running:
    """A command that was started and may still run; its output goes to files."""

    def __init__(self, arguments, environment, cwd, log_folder, number):
        self.arguments = [str(argument) for argument in arguments]
        self._out = log_folder / f"{number}.out"
        self._err = log_folder / f"{number}.err"
        with open(self._out, "wb") as out, open(self._err, "wb") as err:
            self._process = subprocess.Popen(self.arguments, stdin=subprocess.DEVNULL, stdout=out,
                                             stderr=err, env=environment, cwd=cwd)

    @property
    def pid(self):
        return self._process.pid

    @property
    def out(self):
        return self._out.read_text(encoding="utf-8")

    @property
    def err(self):
        return self._err.read_text(encoding="utf-8")

    @property
    def status(self):
        """None while it runs; negative when a signal ended it."""
        return self._process.poll()

    def send(self, number):
        self._process.send_signal(number)

    def kill(self):
        """As a crash would: SIGKILL, and gone on return."""
        self._process.kill()
        self._process.wait()

    def wait(self, timeout=PATIENCE_S):
        """Its Result; fails the test when it does not end in time."""
        try:
            status = self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.kill()
            pytest.fail(f"not done within {timeout} s: "
                        f"{Result(self.arguments, None, self.out, self.err)}")
        return Result(self.arguments, status, self.out, self.err)

    def wait_for_output(self, text, timeout=PATIENCE_S):
        """Until `text` is in what it wrote, stdout or stderr; fails the test if it ends first."""
        deadline = time.monotonic() + timeout
        while True:
            ended = self.status is not None  # asked first: what it wrote last is read below
            if text in self.out or text in self.err:
                return
            if ended or time.monotonic() > deadline:
                pytest.fail(f"never wrote {text!r}: "
                            f"{Result(self.arguments, self.status, self.out, self.err)}")
            time.sleep(0.02)


@pytest.fixture
def start_program(folder, clean_environment):
    """start_program(*argv, env={}, cwd=None): any program, as Running, ended with the test."""
    logs = folder / "logs"
    logs.mkdir()
    started = []

    def start(*argv, env=None, cwd=None):
        environment = {**clean_environment, **(env or {})}
        running = Running(argv, environment, cwd or folder, logs, len(started))
        started.append(running)
        return running

    yield start
    for running in started:
        if running.status is None:
            running.send(signal.SIGTERM)
    deadline = time.monotonic() + 5
    for running in started:
        while running.status is None and time.monotonic() < deadline:
            time.sleep(0.02)
        if running.status is None:
            running.kill()


@pytest.fixture
def start(murder, start_program):
    """start(*arguments, env={}, cwd=None): murder in the background, as Running."""
    return lambda *arguments, **how: start_program(murder, *arguments, **how)


@pytest.fixture
def run(start):
    """run(*arguments, expect=0, timeout=120, env={}, cwd=None): murder to its end, as Result.

    Fails the test at any other exit status than `expect`; None accepts all.
    """
    def run_to_end(*arguments, expect=0, timeout=PATIENCE_S, **how):
        result = start(*arguments, **how).wait(timeout)
        if expect is not None and result.status != expect:
            pytest.fail(f"exit status {result.status}, not {expect}: {result}")
        return result

    return run_to_end


@pytest.fixture
def free_port():
    """free_port(): a TCP port of 127.0.0.1 that is free, another at each call of a test.

    Prefer port 0 and what the program says it took; this is for what must be known before.
    """
    held = []

    def pick():
        probe = socket.socket()
        # Kept, bound but not listening, until the end of the test, so that the kernel gives it to
        # nobody who asks for any port; SO_REUSEADDR lets the one who names it have it.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(("127.0.0.1", 0))
        held.append(probe)
        return probe.getsockname()[1]

    yield pick
    for probe in held:
        probe.close()


@pytest.fixture
def eventually():
    """eventually(condition, what): until it holds; fails the test after two minutes."""
    def wait(condition, what, timeout=PATIENCE_S):
        deadline = time.monotonic() + timeout
        while not condition():
            if time.monotonic() > deadline:
                pytest.fail(f"did not come true within {timeout} s: {what}")
            time.sleep(0.02)

    return wait


@pytest.fixture
def make_tree():
    """make_tree(path, {"bin/app": 100_000, "etc/conf": b"text"}, seed=1): files of a release.

    A number is a size: that many bytes, the same for the same seed, which do not compress.
    """
    def make(path, files, seed=1):
        source = random.Random(seed)
        for name, content in files.items():
            file = path / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(source.randbytes(content) if isinstance(content, int) else content)
        return path

    return make


def read_tree(path):
    """{relative path: content, link target as str, or None for a folder} of all below `path`."""
    tree = {}
    for entry in sorted(pathlib.Path(path).rglob("*")):
        name = str(entry.relative_to(path))
        if entry.is_symlink():
            tree[name] = os.readlink(entry)
        elif entry.is_dir():
            tree[name] = None
        else:
            tree[name] = entry.read_bytes()
    return tree


@pytest.fixture
def swarm(start, run, folder):
    """Tracker, seeder and peers of a test's own, on loopback."""
    return Swarm(start, run, folder)


@pytest.fixture
def shaped_swarm(swarm, start_program, murder):
    """shaped_swarm(hosts, mbit): a swarm whose origin sends at most so many Mbit/s."""
    with contextlib.ExitStack() as nets:
        yield lambda hosts, mbit: ShapedSwarm(swarm, start_program, murder,
                                              nets.enter_context(shaped_net(hosts, mbit)))


@pytest.fixture
def fleet_lab(start_program, murder, folder):
    """fleet_lab(hosts=4): a lab of hosts with sshd, as FleetLab, ended with the test.

    mbit, control_mbit: what the links of the hosts and of the control machine carry, each way.
    nat=True: the control machine is behind a router that masquerades. jump=True: ssh reaches the
    hosts through a jump host alone. labels: a text for each line of the hosts file.

    One host differs from the others by its index, from 0 on ("jump" is one, too):
    disks={2: "20M"} a small disk; readonly={1} its disk cannot be written to;
    noexec={1: ["home", "vartmp"]} nothing there can be executed (also "tmp", "srv");
    no_tools={3} without curl, wget and bash, or {3: ["curl"]}; shell={5: "/usr/bin/fish"};
    users={6: "deploy"} ssh logs in as an ordinary user, and of those sudo={6} who may sudo;
    login_noise={4: text} a banner, and a profile that prints; env={0: {"NAME": "value"}} variables
    of its ssh sessions; ulimit={0: "-n 64"} their limits; arch={0: "i686"} what uname -m says;
    sshd={"jump": "MaxStartups 1:100:1"} lines of its sshd's configuration;
    clock_skew={0: 31536000} seconds by which its clock is ahead (times of files are right).
    """
    with contextlib.ExitStack() as labs:
        numbers = itertools.count()
        yield lambda hosts, **asked: labs.enter_context(make_fleet_lab(
            start_program, murder, folder / f"lab-{next(numbers)}", hosts=hosts, **asked))


@pytest.fixture
def small_disk(folder):
    """small_disk(bytes): a disk of its own."""
    if os.geteuid() != 0:
        pytest.skip("mounting a small disk needs root")
    disks = []

    def make(size):
        disks.append(SmallDisk(folder / f"disk{len(disks)}", size))
        return disks[-1]

    yield make
    for disk in disks:
        disk.close()


@pytest.fixture(scope="session")
def sanitized(murder):
    """Whether the binary is built with a sanitizer: slow, and hungry for memory."""
    content = murder.read_bytes()
    return b"__asan_init" in content or b"__tsan_init" in content


@pytest.fixture(scope="session")
def scaled(sanitized):
    """scaled(bytes): the size of a payload that need not be so large, a fifth under a sanitizer.

    $MURDER_E2E_SCALE sets another factor.
    """
    factor = float(os.environ.get("MURDER_E2E_SCALE", "0.2" if sanitized else "1"))
    return lambda size: max(1_000_000, int(size * factor))


@pytest.fixture
def as_ordinary_user():
    """as_ordinary_user(*argv): the command line that runs argv without root's privileges.

    The folders that it needs must be open to it: as root it is run as `nobody`.
    """
    if os.geteuid() != 0:
        return lambda *argv: argv
    return lambda *argv: ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", *argv)
