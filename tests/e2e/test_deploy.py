"""`murder deploy` over real ssh, to hosts with a real sshd and a disk of their own each."""

import json

import pytest

from conftest import read_tree


@pytest.fixture
def release(folder, make_tree):
    """release(tag, seed): a folder with a few megabytes, other content for another seed."""
    def make(name, seed=1):
        return make_tree(folder / name, {"bin/app": 2_000_000, "etc/app.conf": name.encode(),
                                         "share/data": 1_500_000}, seed)
    return make


class OnFleet:
    """on_fleet(lab)(command, …): murder on the control machine, for all of the lab's hosts."""

    def __init__(self, static_binary):
        self._static_binary = static_binary

    def env(self, lab):
        return {"MURDER_SSH": lab.ssh, "MURDER_HOST_BINARY": str(self._static_binary)}

    def __call__(self, lab):
        def run(command, *arguments, expect=0, **how):
            return lab.run(command, *arguments, "--hosts", lab.hosts_file, "--to", lab.dest, "--json",
                           expect=expect, env={**self.env(lab), **how.pop("env", {})}, **how)
        return run


@pytest.fixture
def on_fleet(static_binary):
    return OnFleet(static_binary)


def reports(result):
    """{host: its report}"""
    return {event["host"]: event for event in result.events("host_report")}


def live(host):
    """The tag that is live on a host, seen from outside."""
    current = host.dest / "current"
    return current.readlink().name if current.is_symlink() else None


def test_every_host_gets_it_and_switches(fleet_lab, on_fleet, release):
    lab = fleet_lab(hosts=4)
    murder = on_fleet(lab)
    first = release("one")
    result = murder("deploy", first, "--tag", "v1")
    assert result.events("summary")[0]["exit_status"] == 0
    for host in lab.hosts:
        assert live(host) == "v1"
        assert read_tree(host.dest / "current") == read_tree(first)
    told = reports(result)
    assert len(told) == 4 and all(told[host.name]["good"] for host in lab.hosts)

    # Another release, and back again.
    second = release("two", seed=2)
    murder("deploy", second, "--tag", "v2")
    assert {live(host) for host in lab.hosts} == {"v2"}
    assert read_tree(lab.hosts[3].dest / "current") == read_tree(second)
    murder("rollback")
    assert {live(host) for host in lab.hosts} == {"v1"}
    listed = murder("releases").events("release")
    assert {(event["host"], event["tag"]) for event in listed if event["live"]} == {
        (host.name, "v1") for host in lab.hosts}


def test_what_is_live_already_is_left_alone(fleet_lab, on_fleet, release):
    lab = fleet_lab(hosts=3)
    murder = on_fleet(lab)
    tree = release("one")
    murder("deploy", tree)
    again = murder("deploy", tree)
    assert {report["state"] for report in reports(again).values()} == {"unchanged"}
    assert {report["fetched_bytes"] for report in reports(again).values()} == {0}


def test_one_host_that_cannot_be_reached_keeps_nobody_else_from_it(fleet_lab, on_fleet, release):
    lab = fleet_lab(hosts=4)
    lab.host(2).stop_sshd()
    result = on_fleet(lab)("deploy", release("one"), "--tag", "v1", expect=3)
    told = reports(result)
    assert told["host-03"]["state"] == "failed" and "refused" in told["host-03"]["reason"]
    assert [live(host) for host in lab.hosts] == ["v1", "v1", None, "v1"]


def test_a_failing_check_stops_the_next_wave_and_goes_back(fleet_lab, on_fleet, release):
    lab = fleet_lab(hosts=4)
    murder = on_fleet(lab)
    murder("deploy", release("one"), "--tag", "v1")
    result = murder("deploy", release("two", seed=2), "--tag", "v2", "--waves", "1,100%", "--check",
                    "echo not well; exit 3", "--check-retries", "0", "--rollback-on-failure", expect=1)
    assert {live(host) for host in lab.hosts} == {"v1"}
    told = reports(result)
    assert told["host-01"]["phase"] == "check" and "not well" in told["host-01"]["reason"]
    assert {told[name]["state"] for name in ("host-02", "host-03", "host-04")} == {"not_switched"}


def test_staged_first_and_activated_later(fleet_lab, on_fleet, release):
    lab = fleet_lab(hosts=3)
    murder = on_fleet(lab)
    murder("deploy", release("one"), "--tag", "v1", "--stage-only")
    assert {live(host) for host in lab.hosts} == {None}
    murder("activate", "v1")
    assert {live(host) for host in lab.hosts} == {"v1"}


def test_a_dry_run_changes_nothing(fleet_lab, on_fleet, release):
    lab = fleet_lab(hosts=2)
    result = on_fleet(lab)("deploy", release("one"), "--tag", "v1", "--dry-run")
    assert not any((host.dest / "releases").exists() for host in lab.hosts)
    assert all("would stage" in json.dumps(report) for report in reports(result).values())
