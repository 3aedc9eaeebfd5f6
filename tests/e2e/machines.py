"""Machines as processes see them: each has its own network, processes, mounts and host name.

All that a machine is lives in namespaces without names, held by its init, a shell that does what it
is told on its standard input. When that is closed, also because the test was killed, init ends, the
kernel kills what else runs in there and takes the network down: nothing is ever left behind.
"""

import contextlib
import os
import pathlib
import re
import signal
import subprocess

import pytest

PROGRAMS = f"{os.environ.get('PATH', '/usr/bin:/bin')}:/usr/sbin:/sbin"  # where they are found

# The pid that others use is the one in the /proc of the machine outside, which lies below that of
# another machine when the mounts are from there.
_INIT = r"""
if [[ $3 == inherited ]]; then umount /proc; fi
read -r pid _ </proc/self/stat
mount -t proc proc /proc
hostname "$1"
exec 2>>"$2"
echo "$pid"
while IFS= read -r -d '' text; do
  (set -e; eval "$text") </dev/null >&2
  echo "$?"
done
"""


class Machine:
    """One machine; `log` is a file that gets what its commands print."""

    def __init__(self, name, log):
        self.name, self._log = name, log
        self.pid = None  # of init, as the machine outside sees it; None while it is off
        self._process = None

    def power_on(self, mounts_of=None):
        """Starts init; returns at once. Its mounts are those of the other machine at first."""
        inherit = (["nsenter", f"--mount=/proc/{mounts_of.pid}/ns/mnt", "--"] if mounts_of else [])
        self._process = subprocess.Popen(
            [*inherit, "unshare", "--net", "--mount", "--pid", "--uts", "--fork", "--kill-child",
             "bash", "-c", _INIT, "init", self.name, str(self._log),
             "inherited" if mounts_of else "own"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
            env={**os.environ, "PATH": PROGRAMS})

    def wait_until_on(self):
        self.pid = int(self._answer("power on"))

    def begin(self, text):
        """Has init run these shell commands; returns at once. The first that fails ends them."""
        self._process.stdin.write(text + "\0")
        self._process.stdin.flush()

    def finish(self, what="a command"):
        """Waits for what was begun; fails the test when it failed."""
        status = self._answer(what)
        if status != "0":
            pytest.fail(f"{self.name}: {what}: exit status {status}\n{self._tail()}")

    def shell(self, text):
        self.begin(text)
        self.finish(text)

    def _answer(self, what):
        answer = self._process.stdout.readline().strip()
        if not answer:
            pytest.fail(f"{self.name} ended during: {what}\n{self._tail()}")
        return answer

    def _tail(self):
        text = self._log.read_text(encoding="utf-8", errors="replace") if self._log.exists() else ""
        return "".join(text.splitlines(keepends=True)[-20:])

    def power_off(self):
        """Whatever runs in it is killed at once; its network is gone, its folders stay."""
        if self._process is None:
            return
        if self.pid is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)
        self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait()
        self._process = self.pid = None

    def command(self, *argv):
        """The command line that runs argv on its network, with the files of the machine outside;
        its process id is that of argv itself."""
        return ("nsenter", f"--net=/proc/{self.pid}/ns/net", "--", *(str(word) for word in argv))

    def output_of(self, *argv, expect=0):
        """What argv, run within the machine, prints on stdout; fails the test when it fails."""
        done = subprocess.run(
            ["nsenter", "-t", str(self.pid), "-n", "-m", "-p", "-u", "--", *map(str, argv)],
            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120, check=False)
        if expect is not None and done.returncode != expect:
            pytest.fail(f"{self.name}: {' '.join(map(str, argv))}: "
                        f"exit status {done.returncode}\n{done.stdout}{done.stderr}")
        return done.stdout

    def processes(self, pattern="."):
        """Pids, as the machine outside sees them, of what runs in it (but init) and has the regular
        expression in its command line."""
        return self._select("pid", pattern)

    def on_network(self, pattern="."):
        """The same of all processes on its network, also those with the files of the outside."""
        return self._select("net", pattern)

    def _select(self, kind, pattern):
        if self.pid is None:
            return []
        own = os.stat(f"/proc/{self.pid}/ns/{kind}").st_ino
        found = []
        for entry in os.listdir("/proc"):
            if not entry.isdigit() or int(entry) in (self.pid, self._process.pid):
                continue
            try:
                if os.stat(f"/proc/{entry}/ns/{kind}").st_ino != own:
                    continue
                line = pathlib.Path(f"/proc/{entry}/cmdline").read_bytes()
            except OSError:
                continue  # it has just ended
            if line and re.search(pattern, line.replace(b"\0", b" ").decode(errors="replace")):
                found.append(int(entry))
        return sorted(found)

    def listens_on(self, port):
        """Whether something accepts TCP connections on this port."""
        table = pathlib.Path(f"/proc/{self.pid}/net/tcp").read_text(encoding="ascii")
        return any(row[1].endswith(f":{port:04X}") and row[3] == "0A"
                   for row in map(str.split, table.splitlines()[1:]))

    def bytes_sent(self, device="eth0"):
        """What its link has carried away since it was switched on."""
        for line in pathlib.Path(f"/proc/{self.pid}/net/dev").read_text("ascii").splitlines():
            name, _, counters = line.partition(":")
            if name.strip() == device:
                return int(counters.split()[8])
        return 0


def shape(device, mbit):
    """The command line that holds back what a device sends, as src/lab does it."""
    rate = mbit * 1e6
    return (f"tc qdisc replace dev {device} root tbf rate {rate:.0f} "
            f"burst {max(65536, rate / 8 * 0.004):.0f} limit {max(262144, rate / 8 * 0.020):.0f}")


def packet_filter(kind, hook, rules):
    """The command line that adds these rules to a machine's table "lab"."""
    return (f"nft 'table ip lab {{ chain {hook} {{ "
            f"type {kind} hook {hook} priority 0; {rules}; }}; }}'")
