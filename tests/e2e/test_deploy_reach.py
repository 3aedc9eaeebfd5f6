"""What happens while hosts are being reached and murder is brought there."""

import os

import pytest

from deploying import assert_failed, deploying  # noqa: F401 (fixtures)
from test_deploy import live, reports


def test_a_network_that_goes_while_murder_is_brought_there(deploying, eventually):  # noqa: F811
    deploy = deploying(hosts=3, mbit=8)
    # The first is the origin: its binary comes over ssh, for two seconds on this link.
    running = deploy.start("--connect-timeout", "3s", "--origin", "host-01")
    first = deploy.lab.host(0)
    eventually(lambda: list(first.home.glob(".cache/murder/*.part")), "the binary to be on its way")
    first.kill_sessions()
    result = running.wait(120)
    assert result.status == 0, result
    deploy.assert_live()


@pytest.mark.parametrize("origin, hangs", [(None, False), ("host-04", False), (None, True)])
def test_the_hosts_that_all_depend_on_are_reached_first(deploying, folder, origin, hangs):  # noqa: F811
    """And the others after a second when those do not answer."""
    deploy = deploying(hosts=5, payload=10_000)
    order, ssh = folder / "order", folder / "ssh"
    ssh.write_text("#!/bin/sh\n"
                   f"for word; do case $word in host-??) echo $word >>{order};; esac; done\n"
                   'exec ssh "$@"\n')
    ssh.chmod(0o755)
    first = [origin] if origin else ["host-01", "host-02"]
    if hangs:
        for host in deploy.lab.hosts[:2]:
            host.pause()
    deploy.run("--connect-timeout", "5s", *(("--origin", origin) if origin else ()), expect=3 if hangs else 0,
               env={"MURDER_SSH": f"{ssh} -F {deploy.lab.ssh_config}"})
    assert sorted(order.read_text().split()[:len(first)]) == first
    deploy.assert_live(*deploy.lab.hosts[2 if hangs else 0:])


@pytest.mark.parametrize("dies", ["the origin", "another"])
def test_a_host_that_dies_while_murder_is_brought_there(deploying, eventually, dies):  # noqa: F811
    deploy = deploying(hosts=3, mbit=8)
    running = deploy.start("--connect-timeout", "3s", "--reconnect", "2s")
    first = deploy.lab.host(0)
    eventually(lambda: any(list(host.home.glob(".cache/murder/*.part")) for host in
                           deploy.lab.hosts), "the binary to be on its way")
    at_it = [host for host in deploy.lab.hosts if list(host.home.glob(".cache/murder/*.part"))]
    first = at_it[0]
    dead = first if dies == "the origin" else next(h for h in deploy.lab.hosts if h is not first)
    dead.kill()
    result = running.wait(120)
    assert result.status == 3, result
    deploy.assert_live(*(host for host in deploy.lab.hosts if host is not dead))
    report = reports(result)[dead.name]
    assert report["state"] == "failed" and report["phase"] in ("reach", "stage"), report
    dead.boot()
    deploy.run()
    deploy.assert_live()


def test_deploy_is_killed_while_it_reaches_hosts_and_run_again(deploying, eventually):  # noqa: F811
    deploy = deploying(hosts=3, mbit=8)
    deploy.lab.host(2).pause()
    running = deploy.start()
    running.wait_for_output('"state":"reached"')
    running.kill()
    deploy.assert_not_live(*deploy.lab.hosts)

    running = deploy.start()
    eventually(lambda: any(list(host.home.glob(".cache/murder/*.part")) for host in
                           deploy.lab.hosts), "the binary to be on its way")
    running.kill()
    deploy.lab.host(2).resume()
    deploy.run()
    deploy.assert_live()
    eventually(lambda: not any(list(host.home.glob(".cache/murder/*.part"))
                               for host in deploy.lab.hosts), "half a binary to be cleared away")


def test_a_jump_host_that_drops_handshakes(deploying):  # noqa: F811
    deploy = deploying(hosts=8, jump=True, sshd={"jump": "MaxStartups 2:100:2"})
    deploy.run("--stage-only")
    assert all((host.dest / "releases/v1").is_dir() for host in deploy.lab.hosts)


def test_one_machine_under_two_names_is_refused_once(deploying):  # noqa: F811
    deploy = deploying(hosts=3)
    lab = deploy.lab
    with open(lab.ssh_config, encoding="utf-8") as config:
        text = config.read()
    lab.ssh_config.write_text(f"Host twin\n  HostName {lab.host(1).address}\n  User root\n{text}")
    with open(lab.hosts_file, "a", encoding="utf-8") as hosts:
        hosts.write("twin\n")
    result = deploy.run(expect=3)
    deploy.assert_live()
    failed = {name for name, report in reports(result).items() if report["state"] == "failed"}
    assert len(failed) == 1 and failed <= {"host-02", "twin"}
    assert "same machine" in reports(result)[failed.pop()]["reason"]


def test_what_cannot_be_deployed_is_said_at_once_whatever_hangs(deploying):  # noqa: F811
    deploy = deploying(hosts=2)
    deploy.lab.host(1).pause()  # it is not waited for
    os.mkfifo(deploy.tree / "fifo")
    result = deploy.run("--connect-timeout", "55s", expect=None, timeout=50)
    assert result.status not in (0, 3) and "fifo" in result.err, result
    relative = deploy.lab.run("deploy", deploy.tree, "--hosts", deploy.lab.hosts_file, "--to",
                              "app", expect=2, env=deploy.env)
    assert "whole path" in relative.err
    assert live(deploy.lab.host(0)) is None
    deploy.lab.host(1).resume()


def test_a_host_that_hangs_is_named_and_the_others_go_on(deploying):  # noqa: F811
    deploy = deploying(hosts=3)
    deploy.lab.host(1).pause()
    result = deploy.run("--connect-timeout", "3s", expect=3)
    assert_failed(result, deploy.lab.host(1), "reach")
    deploy.assert_live(deploy.lab.host(0), deploy.lab.host(2))
    deploy.lab.host(1).resume()
