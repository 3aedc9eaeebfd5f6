"""What happens to hosts, sessions and machines while the release is under way: it arrives nevertheless,
nothing is fetched twice, and who is dead is not waited for long.
"""

import os
import signal
import time

from deploying import assert_failed, deploying, notes  # noqa: F401 (fixtures)
from test_deploy import reports


def begin(deploy, eventually, *arguments):
    """Transfers on all hosts, on slow links."""
    deploy.bring_murder()
    deploy.slow_down()
    running = deploy.start(*arguments)
    for host in deploy.lab.hosts:
        eventually(lambda host=host: host.processes("peer"), "a transfer")
    return running


def some_of_it(host):
    """Some of the pack has come."""
    pack = host.dest / ".murder/packs/v1.tar.zst.partial"
    return pack.exists() and pack.stat().st_blocks * 512 > 200_000


def test_sessions_lost_late_in_a_transfer_are_opened_again(deploying, eventually):  # noqa: F811
    deploy = deploying(hosts=3)
    began = time.monotonic()
    running = begin(deploy, eventually, "--reconnect", "1s")
    eventually(lambda: time.monotonic() - began > 1.5 and some_of_it(deploy.lab.host(0)),
               "the orders to be older than a lost session is tried again")
    for host in deploy.lab.hosts:
        host.kill_sessions()
    deploy.speed_up()
    result = running.wait(120)
    assert result.status == 0, result
    deploy.assert_live()


def test_a_laptop_that_is_unplugged_and_plugged_again(deploying, eventually):  # noqa: F811
    deploy = deploying(hosts=3)
    running = begin(deploy, eventually, "--connect-timeout", "4s")
    deploy.lab.unplug_control()
    running.wait_for_output("off its network")
    deploy.lab.plug_control()
    deploy.speed_up()
    result = running.wait(120)
    assert result.status == 0, result
    deploy.assert_live()


def test_a_silent_host_holds_up_the_others_for_a_short_while(deploying, eventually):  # noqa: F811
    deploy = deploying(hosts=4)
    running = begin(deploy, eventually, "--connect-timeout", "4s", "--origin", "host-01")
    dead = deploy.lab.host(3)
    eventually(lambda: some_of_it(dead), "some of it to have come")
    dead.unplug()
    deploy.speed_up()
    result = running.wait(120)
    assert result.status == 3, result
    assert_failed(result, dead, "stage", "the other hosts were ready")
    assert "wait up to" in notes(result)
    deploy.assert_live(*deploy.lab.hosts[:3])
    deploy.assert_not_live(dead)

    dead.plug()
    result = deploy.run()
    deploy.assert_live()
    report = reports(result)[dead.name]
    size = deploy.packed_bytes()
    assert report["resumed_bytes"] + report["fetched_bytes"] + report["fed_bytes"] <= 1.1 * size


def test_a_tracker_that_dies_alone_is_started_again(deploying, eventually):  # noqa: F811
    deploy = deploying(hosts=3)
    running = begin(deploy, eventually, "--origin", "host-01")
    origin = deploy.lab.host(0)
    eventually(lambda: some_of_it(deploy.lab.host(2)), "some of it to have come")
    before = origin.processes("^murder tracker")
    assert before
    for pid in before:
        os.kill(pid, signal.SIGKILL)
    deploy.slow_down(1)
    eventually(lambda: set(origin.processes("^murder tracker")) - set(before), "another tracker")
    deploy.speed_up()
    result = running.wait(120)
    assert result.status == 0, result
    deploy.assert_live()
    assert "takes the place" not in notes(result)


def test_a_source_that_is_changed_meanwhile_is_not_switched_to(deploying, eventually,  # noqa: F811
                                                               folder):
    deploy = deploying(hosts=2)
    deploy.tree = folder / "model.bin"
    deploy.tree.write_bytes(os.urandom(3_000_000))
    running = begin(deploy, eventually)
    eventually(lambda: any(host.dest.glob(".murder/packs/*partial") for host in deploy.lab.hosts),
               "a transfer")
    deploy.tree.write_bytes(os.urandom(3_000_000))
    deploy.speed_up()
    result = running.wait(120)
    assert result.status == 1, result
    deploy.assert_not_live(*deploy.lab.hosts)
    for host in deploy.lab.hosts:
        assert_failed(result, host, "stage", "was changed while it was being deployed")
        eventually(lambda host=host: not host.processes("peer"), "the transfers to end")
    deploy.run()
    for host in deploy.lab.hosts:
        assert (host.dest / "current/model.bin").read_bytes() == deploy.tree.read_bytes()


def test_nothing_is_fetched_twice_when_machines_lost_their_power(deploying, eventually):  # noqa: F811
    deploy = deploying(hosts=3)
    running = begin(deploy, eventually)
    for host in deploy.lab.hosts:
        eventually(lambda host=host: some_of_it(host), "some of it to have come")
    running.kill()
    for host in deploy.lab.hosts:
        host.kill()
    deploy.assert_not_live(*deploy.lab.hosts)
    for host in deploy.lab.hosts:
        host.boot()
    result = deploy.run()
    deploy.assert_live()
    size = deploy.packed_bytes()
    for report in reports(result).values():
        assert report["resumed_bytes"] > 100_000, report
        assert report["resumed_bytes"] + report["fetched_bytes"] + report["fed_bytes"] <= 1.1 * size


def test_an_origin_that_has_it_already_serves_the_others(deploying):  # noqa: F811
    deploy = deploying(hosts=3)
    first = deploy.lab.host(0).name
    env = {**deploy.env}
    deploy.lab.run("deploy", deploy.tree, "--tag", "v1", "--host", first, "--to", deploy.lab.dest, "--stage-only",
                   env={**env, "MURDER_SSH": deploy.lab.ssh})
    result = deploy.run("--origin", first)
    deploy.assert_live()
    assert result.events("summary")[-1]["origin"] == first
    report = reports(result)[first]
    assert report["fed_bytes"] == 0, report  # what it kept is enough
