"""Two deploys of one destination: they stage side by side, one of them switches, and the other is told."""

import json
import socket

from rollout import BLOCK, on_fleet, reports, rollouts, states, summary  # noqa: F401 (fixtures)


def test_the_second_is_refused_or_waits(rollouts, eventually, folder):  # noqa: F811
    fleet = rollouts(hosts=3)
    first = fleet.begin("v2", "--post-activate", BLOCK)
    eventually(lambda: all((host.dest / "began").exists() for host in fleet.lab.hosts), "the hooks")
    deploy = json.loads(first.out.splitlines()[0])["deploy"]

    # Staged meanwhile, refused at the locks: with a report, a summary and a record of it.
    report = folder / "report.json"
    result = fleet.deploy("v3", "--report", report, expect=1)
    assert states(result) == ["not_switched"] * 3
    for text in (result.err, summary(result)["problem"]):
        assert f"host-01 is locked by deploy {deploy} of " in text and "--wait" in text
        assert " ago)" in text, "since when"
    written = json.loads(report.read_text())
    assert (written["exit_status"], written["error"]) == (1, "failed")
    assert "locked by deploy" in written["problem"] and len(written["hosts"]) == 3
    text = fleet.told("status")
    assert "exit status 1" in text and "locked by deploy" in text and "interrupted" not in text
    assert fleet.live() == ["v2"] * 3
    assert all((host.dest / "releases/v3").is_dir() for host in fleet.lab.hosts)

    # One that waits comes to its turn. What it goes back to is what the first has made live.
    second = fleet.begin("v3", "--wait", "1h")
    eventually(lambda: '"state":"staged"' in second.out, "the second to come to the locks")
    for host in fleet.lab.hosts:
        (host.dest / "go").write_text("")
    assert first.wait(300).status == 0
    result = second.wait(300)
    assert result.status == 0, result
    assert fleet.live() == ["v3"] * 3
    assert {told["previous_tag"] for told in result.events("host_report")} == {"v2"}


def test_one_host_that_is_locked_keeps_all_from_being_switched(rollouts):  # noqa: F811
    fleet = rollouts(hosts=3)
    fleet.lab.host(1).shell(
        "setsid flock /srv/app/.murder/deploy.lock sh -c 'touch /srv/held; sleep 1000' "
        "</dev/null >/dev/null 2>&1 &\nuntil test -e /srv/held; do sleep 0.05; done")
    result = fleet.deploy("v2", "--wait", "1s", expect=1)
    assert "nothing was switched: host-02 is locked by" in result.err
    assert fleet.live() == ["v1"] * 3
    refused = fleet.run("rollback", "v1", expect=None)
    assert refused.status == 0 and states(refused) == ["unchanged"] * 3
    assert fleet.deploy("v1").status == 0, "live already: nothing to lock"
    result = fleet.run("activate", "v2", "--where", "host!=host-02")
    assert states(result) == ["activated"] * 2
    assert fleet.live() == ["v2", "v1", "v2"], "the others' locks were let go"


def test_two_names_of_one_machine_are_not_switched_twice(rollouts):  # noqa: F811
    fleet = rollouts(hosts=2)
    fleet.deploy("v2", "--stage-only")
    address = fleet.lab.host(1).address
    config = fleet.lab.ssh_config.read_text()
    fleet.lab.ssh_config.write_text(f"Host other-name\n  HostName {address}\n  User root\n{config}")
    fleet.lab.hosts_file.write_text(fleet.lab.hosts_file.read_text() + "other-name\n")
    result = fleet.run("activate", "v2", expect=1)
    assert "both are names of one machine" in result.err, result
    assert states(result) == ["not_switched"] * 3
    assert fleet.live() == ["v1", "v1"]


def test_a_release_that_cannot_be_packed_is_told_as_a_whole(rollouts, folder):  # noqa: F811
    fleet = rollouts(hosts=2)
    tree = fleet.tree("v2")
    (tree / "socket").mkdir()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tree / "socket/s"))
        report = folder / "report.json"
        result = fleet.run("deploy", tree, "--tag", "v2", "--report", report, expect=None)
    assert result.status in (1, 2) and "socket" in result.err
    written = json.loads(report.read_text())
    assert written["exit_status"] == result.status and "socket" in written["problem"]
    assert summary(result)["exit_status"] == result.status
    assert f"exit status {result.status}" in fleet.told("status")
    assert fleet.live() == ["v1", "v1"]
