"""What the tests of rollouts share: a fleet, small releases for it, hooks that wait for the test."""

import pytest

from conftest import read_tree
from test_deploy import live, on_fleet, reports  # noqa: F401 (a fixture)

# Run in a release's folder: DEST is two above. Goes on when the test has written DEST/go.
BLOCK = ("touch ../../began; while ! test -e ../../go; do sleep 0.05; done; "
         "echo $MURDER_TAG >> ../../ended")


# A busy machine makes a host silent for a while; none is given up for that.
PATIENCE = ("--connect-timeout", "60s")


def patiently(arguments):
    return arguments if "--connect-timeout" in arguments else (*arguments, *PATIENCE)


def only_on(host, command):
    """A hook or check that does this on one host and is well at once on the others."""
    return f"if test $MURDER_HOST = {host}; then {command}; fi"


class Rollouts:
    """murder on the control machine, for all hosts of the lab, with releases by their tag alone."""

    def __init__(self, lab, murder, env, trees):
        self.lab, self._murder, self.env, self._trees = lab, murder, env, trees

    def tree(self, tag):
        return self._trees(tag)

    def run(self, command, *arguments, expect=0, timeout=300, **how):
        return self._murder(command, *patiently(arguments), expect=expect, timeout=timeout, **how)

    def deploy(self, tag, *arguments, **how):
        return self.run("deploy", self.tree(tag), "--tag", tag, *arguments, **how)

    def begin(self, tag, *arguments):
        """A deploy in the background."""
        return self.lab.start("deploy", self.tree(tag), "--tag", tag, *patiently(arguments),
                              "--hosts", self.lab.hosts_file, "--to", self.lab.dest, "--json",
                              env=self.env)

    def live(self):
        """The tags that are live, host by host. What is live is whole on each."""
        tags = [live(host) for host in self.lab.hosts]
        for host, tag in zip(self.lab.hosts, tags):
            if tag is not None:
                assert read_tree(host.dest / "current") == read_tree(self.tree(tag)), host.name
            assert not list(host.dest.glob("current.tmp-*")), host.name
        return tags

    def told(self, *arguments, **how):
        """What a command on this machine alone prints: status, history, logs."""
        return self.lab.run(*arguments, env=self.env, **how).out


@pytest.fixture
def rollouts(fleet_lab, on_fleet, make_tree, folder):  # noqa: F811
    """rollouts(hosts=3, live="v1"): a fleet on which that release is live already."""
    def trees(tag):
        path = folder / f"tree-{tag}"
        if not path.exists():
            make_tree(path, {"bin/app": 20_000, "VERSION": tag.encode()}, seed=sum(tag.encode()))
        return path

    def make(hosts=3, live="v1", **asked):  # noqa: F811
        lab = fleet_lab(hosts=hosts, **asked)
        fleet = Rollouts(lab, on_fleet(lab), on_fleet.env(lab), trees)
        if live:
            fleet.deploy(live)
        return fleet
    return make


def states(result):
    """The hosts' states, in the order of the inventory."""
    return [report["state"] for report in result.events("host_report")]


def summary(result):
    return result.events("summary")[-1]
