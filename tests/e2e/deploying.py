"""What the tests of interrupted deploys have in common: a fleet that has murder already, links that are
so slow that a transfer is still under way when something happens to it, and what became of it.
"""

import pytest

from conftest import read_tree
from test_deploy import OnFleet, live, reports

SLOW_MBIT = 4
PAYLOAD = 3_000_000  # six seconds on a slow link


class Deploying:
    """A lab and one release for it, "v1"."""

    def __init__(self, lab, static_binary, tree):
        self.lab, self.tree = lab, tree
        self.env = OnFleet(static_binary).env(lab)

    def start(self, *arguments, **how):
        """The deploy in the background, as Running."""
        return self.lab.start(
            "deploy", self.tree, "--tag", "v1", "--hosts", self.lab.hosts_file, "--to",
            self.lab.dest, "--json", *arguments, env={**self.env, **how.pop("env", {})}, **how)

    def run(self, *arguments, expect=0, timeout=120, **how):
        """To its end, as Result; `expect` is the exit status."""
        result = self.start(*arguments, **how).wait(timeout)
        assert expect is None or result.status == expect, result
        return result

    def bring_murder(self):
        """So that what follows is about the release alone."""
        self.lab.run("releases", "--hosts", self.lab.hosts_file, "--to", self.lab.dest,
                     expect=None, env=self.env)

    def slow_down(self, mbit=SLOW_MBIT):
        for host in self.lab.hosts:
            host.set_mbit(mbit)

    def speed_up(self):
        for host in self.lab.hosts:
            if host.pid is not None:
                host.set_mbit(1000)

    def packed_bytes(self):
        """Of the release as it travels: its pack is kept on a host that has it."""
        return (self.lab.hosts[0].dest / ".murder/packs/v1.tar.zst").stat().st_size

    def assert_live(self, *hosts):
        """Verified byte by byte against the source."""
        for host in hosts or self.lab.hosts:
            assert live(host) == "v1", host.name
            assert read_tree(host.dest / "current") == read_tree(self.tree), host.name

    def assert_not_live(self, *hosts):
        assert {live(host) for host in hosts} == {None}


def assert_failed(result, host, phase, *words):
    """The report names the host, what was being done there, and the reason."""
    report = reports(result)[host.name]
    assert (report["state"], report["phase"]) == ("failed", phase), report
    for word in words:
        assert word in report["reason"], report


def notes(result):
    """What was said of the whole, as one text."""
    return "\n".join(event["message"] for event in result.events("warning"))


@pytest.fixture
def deploying(fleet_lab, static_binary, make_tree, folder):
    """deploying(hosts=3, …): Deploying on a new fleet lab."""
    def make(hosts=3, payload=PAYLOAD, **asked):
        tree = make_tree(folder / "release", {"bin/app": payload, "etc/app.conf": b"v1"})
        return Deploying(fleet_lab(hosts=hosts, **asked), static_binary, tree)
    return make
