"""Hosts with links of a given rate: network namespaces with tbf, for tests in which a transfer must
last long enough for something to happen in its middle.

The origin has one namespace, the fleet another; one veth pair joins them, and all that the origin
sends goes through the shaped end of it. Hosts of the fleet are addresses of their namespace: what
they send to one another goes through its loopback and is not held back unless a test wants it.
"""

import contextlib
import ctypes
import itertools
import os
import pathlib
import subprocess
import threading

import pytest

CLONE_NEWNET = 0x40000000
PREFIX = "murder-e2e-"
ORIGIN = "198.18.0.1"
_numbers = itertools.count()


def _run(*argv):
    subprocess.run(argv, check=True, timeout=120, stdout=subprocess.DEVNULL,
                   stderr=subprocess.PIPE, text=True)


def _remove_leftovers():
    """Namespaces of test runs that were killed."""
    for path in pathlib.Path("/run/netns").glob(PREFIX + "*"):
        maker = path.name[len(PREFIX):].split("-")[0]
        if maker.isdigit() and not os.path.exists(f"/proc/{maker}"):
            # Another test may be at it, too.
            with contextlib.suppress(subprocess.CalledProcessError):
                _run("ip", "netns", "delete", path.name)


class ShapedNet:
    """`origin` and `fleet` are names of namespaces; the origin sends at most `mbit` Mbit/s."""

    def __init__(self, hosts, mbit):
        if os.geteuid() != 0:
            pytest.skip("network namespaces need root")
        _remove_leftovers()
        number = next(_numbers)
        self.origin, self.fleet = (f"{PREFIX}{os.getpid()}-{number}{side}" for side in "of")
        self.origin_address = ORIGIN
        self.addresses = [f"198.18.1.{1 + host}" for host in range(hosts)]
        try:
            self._make(mbit)
        except subprocess.CalledProcessError as error:
            self.close()
            pytest.fail(f"cannot make a shaped network: {error.stderr}")
        except BaseException:
            self.close()
            raise

    def _make(self, mbit):
        _run("ip", "netns", "add", self.origin)
        _run("ip", "netns", "add", self.fleet)
        _run("ip", "link", "add", "eth0", "netns", self.origin, "type", "veth",
             "peer", "name", "eth0", "netns", self.fleet)
        for name, addresses in ((self.origin, [ORIGIN]), (self.fleet, self.addresses)):
            for address in addresses:
                _run("ip", "-n", name, "addr", "add", f"{address}/15", "dev", "eth0")
            _run("ip", "-n", name, "link", "set", "lo", "up")
            _run("ip", "-n", name, "link", "set", "eth0", "up")
        self.set_rate(mbit)

    def set_rate(self, mbit):
        """Of what the origin sends, from now on."""
        _run("tc", "-n", self.origin, "qdisc", "replace", "dev", "eth0", "root", "tbf",
             "rate", f"{mbit}mbit", "burst", "64kb", "limit", "256kb")

    def hold_back_hosts(self, mbit):
        """All that the fleet's hosts send one another, together, goes at this rate from now on."""
        _run("ip", "-n", self.fleet, "link", "set", "lo", "mtu", "1500")
        _run("tc", "-n", self.fleet, "qdisc", "replace", "dev", "lo", "root", "tbf",
             "rate", f"{mbit}mbit", "burst", "64kb", "limit", "1mb")

    def close(self):
        for name in (self.origin, self.fleet):
            if os.path.exists(f"/run/netns/{name}"):
                _run("ip", "netns", "delete", name)

    def command(self, side, *argv):
        """The command line that runs argv on that side; its process id is that of argv itself."""
        return ("nsenter", f"--net=/run/netns/{side}", "--", *argv)

    def call(self, side, function):
        """What function() returns, run by a thread on that side: sockets that it makes stay there."""
        outcome = {}

        def work():
            libc = ctypes.CDLL(None, use_errno=True)
            with open(f"/run/netns/{side}", "rb") as namespace:
                if libc.setns(namespace.fileno(), CLONE_NEWNET) != 0:
                    outcome["error"] = OSError(ctypes.get_errno(), "setns")
                    return
            try:
                outcome["result"] = function()
            except Exception as error:
                outcome["error"] = error

        thread = threading.Thread(target=work)  # ends with its namespace, so no way back is needed
        thread.start()
        thread.join()
        if "error" in outcome:
            raise outcome["error"]
        return outcome["result"]


@contextlib.contextmanager
def shaped_net(hosts, mbit):
    net = ShapedNet(hosts, mbit)
    try:
        yield net
    finally:
        net.close()


class ShapedSwarm:
    """The members of a swarm on a shaped network: seeder and tracker at the origin."""

    def __init__(self, swarm, start_program, murder, net):
        self._swarm, self.net = swarm, net
        self._start = {side: self._starter(start_program, murder, side)
                       for side in (net.origin, net.fleet)}
        self._hosts = iter(net.addresses)

    def _starter(self, start_program, murder, side):
        return lambda *arguments, **how: start_program(
            *self.net.command(side, murder, *arguments), **how)

    def tracker(self, *arguments, port=0):
        return self._swarm.tracker(*arguments, listen=f"{ORIGIN}:{port}",
                                   start=self._start[self.net.origin])

    def seed(self, torrent, payload, *arguments, **how):
        return self._swarm.seed(torrent, payload, *arguments, address=ORIGIN,
                                start=self._start[self.net.origin], **how)

    def peer(self, torrent, dest, *arguments, address=None, **how):
        return self._swarm.peer(torrent, dest, *arguments, address=address or next(self._hosts),
                                start=self._start[self.net.fleet], **how)
