"""The machine that murder runs on as the origin (--origin local): the hosts fetch from it, and from another host
where they do not reach it or it fails. Nothing of it stays there.
"""

import os
import signal

import pytest

from deploying import deploying, notes  # noqa: F401 (fixtures)
from test_deploy import reports
from test_deploy_staging import begin, some_of_it

MURDER = "^murder (tracker|seed)"  # as its own command lines begin


@pytest.fixture
def nothing_left(eventually):
    """nothing_left(lab): no process of murder's runs on the control machine any more."""
    def check(lab):
        eventually(lambda: not lab.control.on_network("murder"), "murder's processes to have ended")
    return check


def origin_of(result):
    return result.events("summary")[-1]["origin"]


def fed_hosts(result):
    return [name for name, report in reports(result).items() if report["fed_bytes"] > 0]


def test_hosts_fetch_from_this_machine(deploying, nothing_left):  # noqa: F811
    deploy = deploying(hosts=3)
    result = deploy.run("--origin", "local")
    deploy.assert_live()
    assert origin_of(result) == "this machine"
    assert fed_hosts(result) == [], notes(result)
    assert [len(host.processes(MURDER)) for host in deploy.lab.hosts] == [0, 0, 0]
    nothing_left(deploy.lab)


@pytest.mark.parametrize("fresh", [True, False], ids=["fresh hosts", "murder is there"])
def test_behind_a_router_another_host_is_the_origin(deploying, nothing_left, fresh):  # noqa: F811
    deploy = deploying(hosts=3, nat=True)
    if not fresh:
        deploy.bring_murder()
    result = deploy.run("--origin", "local")
    deploy.assert_live()
    assert "reaches this machine (198.18" in notes(result)
    assert origin_of(result).startswith("host-")
    nothing_left(deploy.lab)


def test_its_seeder_is_killed_in_mid_transfer(deploying, eventually, nothing_left):  # noqa: F811
    deploy = deploying(hosts=3)
    running = begin(deploy, eventually, "--origin", "local")
    eventually(lambda: some_of_it(deploy.lab.host(2)), "some of it to have come")
    [seeder] = deploy.lab.control.on_network("^murder seed")
    os.kill(seeder, signal.SIGKILL)
    deploy.speed_up()
    result = running.wait(120)
    assert result.status == 0, result
    deploy.assert_live()
    assert "takes the place of the origin, this machine" in notes(result)
    assert "killed by signal 9" in notes(result)
    nothing_left(deploy.lab)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_what_it_started_ends_with_it(deploying, eventually, nothing_left, number):  # noqa: F811
    deploy = deploying(hosts=2)
    deploy.bring_murder()
    deploy.slow_down()
    running = deploy.start("--origin", "local")
    eventually(lambda: deploy.lab.control.on_network("^murder seed"), "the seeder to run")
    os.kill(running.pid, number)
    running.wait(60)
    nothing_left(deploy.lab)
    deploy.speed_up()
    deploy.run("--origin", "local")
    deploy.assert_live()


def test_a_source_that_changes_meanwhile_is_not_switched_to(deploying, eventually, folder,  # noqa: F811
                                                             nothing_left):
    deploy = deploying(hosts=2)
    deploy.bring_murder()
    deploy.slow_down()
    deploy.tree = folder / "disk.img"
    deploy.tree.write_bytes(os.urandom(3_000_000))
    running = deploy.start("--origin", "local")
    eventually(lambda: deploy.lab.control.on_network("^murder seed"), "the seeder to run")
    with open(deploy.tree, "r+b") as image:
        image.write(b"something else")
    deploy.speed_up()
    result = running.wait(60)
    assert result.status == 1, result
    assert "was changed while it was being deployed" in str(result)
    deploy.assert_not_live(*deploy.lab.hosts)
    nothing_left(deploy.lab)


@pytest.mark.parametrize("origin", ["local:", "local:web1", "local:0.0.0.0"])
def test_what_is_no_address_is_refused(run, folder, origin):
    result = run("deploy", folder, "--host", "web1", "--to", "/srv/app", "--origin", origin, expect=2)
    assert f"--origin {origin}" in str(result) and "local:10.0.0.9" in str(result)


def test_an_address_that_does_not_lead_here_is_given_up(deploying, nothing_left):  # noqa: F811
    deploy = deploying(hosts=3)
    deploy.bring_murder()
    result = deploy.run("--origin", "local:198.19.255.254")
    deploy.assert_live()
    assert "reaches this machine (198.19.255.254)" in notes(result)
    nothing_left(deploy.lab)
