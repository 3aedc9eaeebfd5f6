"""What the tests of the bootstrap script have in common: a host of real shells and tools.

The host is a mount namespace of this machine with its own HOME and /var/tmp, and a PATH that leads
to the chosen tools alone. murder_bootstrap_driver is the control side.
"""

import gzip
import json
import os
import pathlib
import shutil
import subprocess

import pytest

from conftest import REPOSITORY

SHELLS = ["dash", "bash", "busybox"]
FETCHERS = ["curl", "wget", "busybox wget", "bash"]
TOOLS = ["cat", "chmod", "find", "gzip", "head", "id", "ls", "mkdir", "mv", "rm", "sha256sum",
         "sleep", "uname"]

# Stands for the binary: tells its arguments, then gives its input back.
PROGRAM = b"""#!/bin/sh
case $1 in --version) echo murder 1.2.3; exit ;; esac
printf 'arguments:'; printf ' <%s>' "$@"; echo; cat
"""

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="gives files to other users")


@pytest.fixture(scope="session")
def driver():
    path = pathlib.Path(os.environ.get("MURDER_BOOTSTRAP_DRIVER",
                                       REPOSITORY / "build/dev/tests/murder_bootstrap_driver"))
    if not os.access(path, os.X_OK):
        pytest.fail(f"no driver at {path}: build it, or set MURDER_BOOTSTRAP_DRIVER", pytrace=False)
    return path.resolve()


class Host:
    """A host of the test's own; its attributes may be changed before run()."""

    def __init__(self, driver, folder):
        self._driver = driver
        self.folder = folder / "host"
        self.home = self.folder / "home"
        self.var_tmp = self.folder / "var-tmp"
        self.dest = self.folder / "dest"
        self.path = self.folder / "bin"
        for made in (self.home, self.var_tmp, self.path):
            made.mkdir(parents=True)
        self.mounts = [f"mount --bind {self.var_tmp} /var/tmp"]
        self.environment = {"HOME": str(self.home), "PATH": str(self.path)}
        self.login_shell = ["/bin/sh"]
        self.program = self.folder / "program"
        self.program.write_bytes(PROGRAM)

    @property
    def cache(self):
        return self.home / ".cache/murder"

    def has(self, shell, *tools):
        """Gives it that shell as sh, what every Linux has, and these tools."""
        self.add("sh", shell)
        for tool in TOOLS:
            self.add(tool, "busybox" if shell == "busybox" else tool)
        for tool in tools:
            name, owner = ("wget", "busybox") if tool == "busybox wget" else (tool, tool)
            self.add(name, owner)
        return self

    def add(self, name, owner):
        target = shutil.which(owner)
        assert target, f"{owner} is not installed"
        (self.path / name).symlink_to(target)

    def mount(self, path, *options):
        """A file system of its own at `path`, with these options besides."""
        words = ",".join(("size=1m",) + options)
        self.mounts.append(f"mkdir -p '{path}' && mount -t tmpfs -o {words} tmpfs '{path}'")

    def run(self, timeout=120, **how):
        """The steps of a session."""
        given = {"shell": self.login_shell, "binary": str(self.program), "dest": str(self.dest),
                 "arguments": ["on-host"], "input": "hello\n", **how}
        enter = ["unshare", "-m"] if os.geteuid() == 0 else ["unshare", "-rm"]
        before = " && ".join(self.mounts)
        # env: mount and mkdir are found by this machine's PATH, not by the host's.
        assignments = [f"{name}={value}" for name, value in self.environment.items()]
        done = subprocess.run([*enter, "/bin/sh", "-c", before + ' && exec "$@"', "sh",
                               shutil.which("env"), "-i", *assignments, self._driver,
                               json.dumps(given)],
                              stdin=subprocess.DEVNULL, capture_output=True, timeout=timeout,
                              check=False)
        assert done.returncode == 0, done
        return [json.loads(line) for line in done.stdout.splitlines()]

    def files(self):
        """All files below its places, by their paths in it."""
        return sorted(str(path.relative_to(self.folder)) for place in
                      (self.home, self.var_tmp, self.dest) for path in place.rglob("*")
                      if path.is_file())


def words(steps):
    return [step["step"] for step in steps]


def ran(steps, *arguments):
    """Whether the binary took over cleanly."""
    told = "".join(f" <{argument}>" for argument in arguments or ("on-host",))
    assert steps[-1]["step"] == "running", steps
    assert steps[-1]["output"] == f"arguments:{told}\nhello\n", steps
    assert steps[-1]["status"] == 0, steps
    return True


def failure(steps):
    assert steps[-1]["step"] == "failed", steps
    return steps[-1]["reason"]


@pytest.fixture
def host(driver, folder):
    """A host with dash, its basic tools and curl."""
    return Host(driver, folder).has("dash", "curl")


@pytest.fixture
def bare_host(driver, folder):
    """A host without anything: see Host.has()."""
    return Host(driver, folder)


@pytest.fixture
def origin(swarm, folder):
    """The URL at which a tracker has what the host is to get."""
    files = folder / "files"
    files.mkdir()
    (files / "murder.gz").write_bytes(gzip.compress(PROGRAM))
    (files / "murder").write_bytes(PROGRAM)
    swarm.tracker("--files", files)
    return swarm.tracker_url.replace("/announce", "/files/murder.gz")
