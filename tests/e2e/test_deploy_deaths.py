"""Whatever dies in the middle of a deploy, the release still arrives, or what was live stays live and the
same command goes on from there.
"""

import signal

import pytest

from deploying import deploying  # noqa: F401 (fixture)
from test_deploy import live, reports
from test_deploy_staging import begin, some_of_it


def test_a_host_that_dies_in_mid_transfer_and_comes_back(deploying, eventually):  # noqa: F811
    deploy = deploying(hosts=3)
    running = begin(deploy, eventually, "--connect-timeout", "4s", "--origin", "host-01")
    dead = deploy.lab.host(2)
    eventually(lambda: some_of_it(dead), "some of it to have come")
    dead.kill()
    deploy.speed_up()
    result = running.wait(120)
    assert result.status == 3, result
    deploy.assert_live(*deploy.lab.hosts[:2])
    dead.boot()
    deploy.run()
    deploy.assert_live()


@pytest.mark.parametrize("when", ["before every piece is out", "after every piece is out"])
def test_the_origin_dies(deploying, eventually, when):  # noqa: F811
    deploy = deploying(hosts=4)
    running = begin(deploy, eventually, "--connect-timeout", "4s", "--origin", "host-01")
    origin = deploy.lab.host(0)
    if when.startswith("before"):
        eventually(lambda: some_of_it(deploy.lab.host(2)), "some of it to have come")
    else:
        eventually(lambda: (origin.dest / "releases/v1").exists(), "the origin to have staged")
    origin.kill()
    deploy.speed_up()
    result = running.wait(150)
    assert result.status == 3, result
    deploy.assert_live(*deploy.lab.hosts[1:])
    assert reports(result)["host-01"]["state"] == "failed"


def test_deploy_that_is_killed_while_it_stages_goes_on_from_there(deploying, eventually):  # noqa: F811
    deploy = deploying(hosts=3)
    running = begin(deploy, eventually)
    eventually(lambda: some_of_it(deploy.lab.host(2)), "some of it to have come")
    running.kill()
    deploy.assert_not_live(*deploy.lab.hosts)
    deploy.speed_up()
    result = deploy.run()
    deploy.assert_live()
    assert all(report["good"] for report in reports(result).values())
    size = deploy.packed_bytes()
    for report in reports(result).values():
        assert report["fetched_bytes"] + report["resumed_bytes"] + report["fed_bytes"] <= 1.1 * size


def test_ctrl_c_leaves_the_old_release_live_and_says_how_to_go_on(deploying, eventually):  # noqa: F811
    deploy = deploying(hosts=3)
    running = begin(deploy, eventually)
    running.send(signal.SIGINT)
    result = running.wait(60)
    assert result.status == 130, result
    deploy.assert_not_live(*deploy.lab.hosts)
    for host in deploy.lab.hosts:
        eventually(lambda host=host: not host.processes("peer"), "the transfers to end")
    deploy.speed_up()
    deploy.run()
    assert {live(host) for host in deploy.lab.hosts} == {"v1"}
