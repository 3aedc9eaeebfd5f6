"""Whatever dies in the middle of a deploy, the release still arrives, or what was live stays live and the
same command goes on from there.
"""

import signal

import pytest

from conftest import read_tree
from test_deploy import live, on_fleet, release, reports  # noqa: F401 (fixtures)


def test_a_host_that_dies_in_mid_transfer_and_comes_back(fleet_lab, on_fleet, release, make_tree,
                                                         folder, eventually):
    lab = fleet_lab(hosts=4, mbit=20)
    murder = on_fleet(lab)
    tree = make_tree(folder / "big", {"data": 12_000_000})
    running = lab.start("deploy", tree, "--tag", "v1", "--hosts", lab.hosts_file, "--to", lab.dest,
                        "--json", env=on_fleet.env(lab))
    running.wait_for_output('"state":"staging"')
    eventually(lambda: lab.host(3).processes("peer"), "a transfer on the last host")
    lab.host(3).kill()
    result = running.wait(120)
    assert result.status == 3, result
    assert [live(host) for host in lab.hosts[:3]] == ["v1"] * 3
    lab.host(3).boot()
    murder("deploy", tree, "--tag", "v1")
    assert live(lab.host(3)) == "v1"


@pytest.mark.parametrize("when", ["at once", "when every piece is out"])
def test_the_origin_dies(fleet_lab, on_fleet, make_tree, folder, eventually, when):
    lab = fleet_lab(hosts=4, mbit=20)
    tree = make_tree(folder / "big", {"data": 16_000_000})
    running = lab.start("deploy", tree, "--tag", "v1", "--hosts", lab.hosts_file, "--to", lab.dest,
                        "--origin", "host-01", "--json", env=on_fleet.env(lab))
    origin = lab.host(0)
    eventually(lambda: origin.processes("peer"), "the origin's transfer")
    if when == "at once":
        eventually(lambda: lab.host(2).processes("peer"), "another host's transfer")
    else:
        eventually(lambda: (origin.dest / "releases/v1").exists(), "the origin to have staged")
    origin.kill()
    result = running.wait(150)
    assert result.status == 3, result
    for host in lab.hosts[1:]:
        assert live(host) == "v1" and read_tree(host.dest / "current") == read_tree(tree)
    assert reports(result)["host-01"]["state"] == "failed"


def test_sessions_that_are_lost_end_no_transfer(fleet_lab, on_fleet, make_tree, folder, eventually):
    lab = fleet_lab(hosts=3, mbit=20)
    tree = make_tree(folder / "big", {"data": 12_000_000})
    running = lab.start("deploy", tree, "--tag", "v1", "--hosts", lab.hosts_file, "--to", lab.dest,
                        "--json", env=on_fleet.env(lab))
    for host in lab.hosts:
        eventually(lambda host=host: host.processes("peer"), "a transfer")
    for host in lab.hosts:
        host.kill_sessions()
    result = running.wait(120)
    assert result.status == 0, result
    assert {live(host) for host in lab.hosts} == {"v1"}


def test_deploy_that_is_killed_goes_on_from_there(fleet_lab, on_fleet, make_tree, folder, eventually):
    lab = fleet_lab(hosts=3, mbit=20)
    tree = make_tree(folder / "big", {"data": 12_000_000})
    running = lab.start("deploy", tree, "--tag", "v1", "--hosts", lab.hosts_file, "--to", lab.dest,
                        "--json", env=on_fleet.env(lab))
    for host in lab.hosts:
        eventually(lambda host=host: host.processes("peer"), "a transfer")
    running.kill()
    assert {live(host) for host in lab.hosts} == {None}
    result = on_fleet(lab)("deploy", tree, "--tag", "v1", timeout=120)
    assert {live(host) for host in lab.hosts} == {"v1"}
    assert all(report["good"] for report in reports(result).values())


def test_ctrl_c_leaves_the_old_release_live_and_says_how_to_go_on(fleet_lab, on_fleet, make_tree,
                                                                  folder, eventually):
    lab = fleet_lab(hosts=3, mbit=20)
    tree = make_tree(folder / "big", {"data": 12_000_000})
    running = lab.start("deploy", tree, "--tag", "v1", "--hosts", lab.hosts_file, "--to", lab.dest,
                        "--json", env=on_fleet.env(lab))
    for host in lab.hosts:
        eventually(lambda host=host: host.processes("peer"), "a transfer")
    running.send(signal.SIGINT)
    result = running.wait(30)
    assert result.status == 130, result
    assert {live(host) for host in lab.hosts} == {None}
    for host in lab.hosts:
        eventually(lambda host=host: not host.processes("peer"), "the transfers to end")
    on_fleet(lab)("deploy", tree, "--tag", "v1", timeout=120)
    assert {live(host) for host in lab.hosts} == {"v1"}
