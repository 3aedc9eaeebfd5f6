"""Firewalls between the hosts: the swarm goes around them, or the release comes over ssh, or it is said
why not.
"""

import os
import signal

import pytest

from deploying import assert_failed, deploying, notes  # noqa: F401 (fixtures)
from test_deploy import reports

ALL_PORTS = "8998:9060"


@pytest.mark.parametrize("fresh", [True, False], ids=["fresh hosts", "murder is there"])
def test_an_origin_that_nobody_reaches_gives_its_place_to_another(deploying, fresh):  # noqa: F811
    deploy = deploying(hosts=5)
    if not fresh:
        deploy.bring_murder()
    deploy.lab.host(0).firewall(ALL_PORTS)
    result = deploy.run("--origin", "host-01", *(["--concurrency", "1"] if fresh else []))
    deploy.assert_live()
    assert "no other host reaches host-01" in notes(result)
    told = reports(result)
    assert "no other host can be reached" in " ".join(told["host-01"]["notes"])
    fed = [name for name, report in told.items() if report["fed_bytes"] > 0]
    # It, the one that took its place, and on a slow machine who found no other within the time.
    assert "host-01" in fed and len(fed) < 5


def test_an_origin_whose_swarm_ports_alone_are_closed(deploying, eventually):  # noqa: F811
    deploy = deploying(hosts=4)
    deploy.bring_murder()
    origin = deploy.lab.host(0)
    for host in deploy.lab.hosts:  # the tracker's own port is to be free, and it is open
        for pid in host.processes("^murder tracker"):
            os.kill(pid, signal.SIGKILL)
    eventually(lambda: not origin.listens_on(8998), "the tracker's port to be free")
    origin.firewall("8999:9060")
    result = deploy.run("--origin", "host-01")
    deploy.assert_live()
    assert "the origin, host-01" in notes(result)
    assert len([1 for report in reports(result).values() if report["fed_bytes"] > 0]) < 4


@pytest.mark.parametrize("fresh", [True, False], ids=["fresh hosts", "murder is there"])
def test_when_no_host_reaches_another_each_is_fed_over_ssh(deploying, fresh):  # noqa: F811
    deploy = deploying(hosts=4)
    if not fresh:
        deploy.bring_murder()
    for host in deploy.lab.hosts:
        host.firewall(ALL_PORTS)
    result = deploy.run()
    deploy.assert_live()
    assert "no host reaches another" in notes(result)
    assert all(report["fed_bytes"] > 0 for report in reports(result).values())


def test_without_fallback_it_fails_soon_and_says_which_ports(deploying):  # noqa: F811
    deploy = deploying(hosts=4)
    deploy.bring_murder()
    deploy.lab.host(2).firewall(ALL_PORTS)
    result = deploy.run("--no-fallback", "--origin", "host-01", expect=3)
    assert_failed(result, deploy.lab.host(2), "stage", "8998 to 9060", "--no-fallback")
    deploy.assert_live(*(deploy.lab.host(i) for i in (0, 1, 3)))
    deploy.assert_not_live(deploy.lab.host(2))

    for host in deploy.lab.hosts:
        if host is not deploy.lab.host(2):
            host.firewall(ALL_PORTS)
    (deploy.tree / "more").write_bytes(b"another release")
    result = deploy.lab.run("deploy", deploy.tree, "--tag", "v2", "--hosts", deploy.lab.hosts_file,
                            "--to", deploy.lab.dest, "--json", "--no-fallback", env=deploy.env,
                            expect=3, timeout=120)
    failed = [report for report in reports(result).values() if report["state"] == "failed"]
    assert len(failed) >= 2 and all("--no-fallback" in report["reason"] for report in failed)
