"""A deploy that is killed, interrupted or cut off while it switches hosts over, and hosts that die meanwhile:
what is live is whole, the report says how each host stands, and the same command goes on from there.
"""

import os
import signal

from machines import packet_filter
from rollout import BLOCK, on_fleet, only_on, reports, rollouts, states, summary  # noqa: F401


def lose_sessions(fleet, *names):
    """The control machine's ends of the sessions to these hosts (all, if none is named)."""
    for name in names or [""]:
        for pid in fleet.lab.control.on_network(f"^ssh .*-- {name}"):
            os.kill(pid, signal.SIGKILL)


def began(fleet, *which):
    """Whether the hooks of these hosts (all, if none is named) have begun."""
    hosts = [fleet.lab.host(i) for i in which] or fleet.lab.hosts
    return all((host.dest / "began").exists() for host in hosts)


def let_go(fleet):
    for host in fleet.lab.hosts:
        (host.dest / "go").write_text("")


def hold_again(fleet):
    for host in fleet.lab.hosts:
        for name in ("go", "began"):
            (host.dest / name).unlink(missing_ok=True)


def ended(fleet):
    """What the hooks that ended have written, host by host."""
    files = [host.dest / "ended" for host in fleet.lab.hosts]
    return [file.read_text().split() if file.exists() else [] for file in files]


def test_deploy_killed_in_each_hook_and_in_the_check(rollouts, eventually):  # noqa: F811
    fleet = rollouts(hosts=3)
    # Before the switch: the hook is ended, nothing is switched.
    first = fleet.begin("v2", "--pre-activate", BLOCK)
    eventually(lambda: began(fleet), "the first hooks")
    first.kill()
    assert fleet.live() == ["v1"] * 3
    hold_again(fleet)
    result = fleet.deploy("v2", "--pre-activate", "echo $MURDER_TAG >> ../../ended")
    assert states(result) == ["activated"] * 3 and fleet.live() == ["v2"] * 3
    assert ended(fleet) == [["v2"]] * 3, "that of the first was ended, that of the second ran"
    assert {report["fetched_bytes"] for report in result.events("host_report")} == {0}

    # After it: the hook is seen through, and the second deploy waits for that.
    first = fleet.begin("v3", "--post-activate", BLOCK)
    eventually(lambda: began(fleet), "the second hooks")
    first.kill()
    second = fleet.begin("v3", "--post-activate", BLOCK)
    eventually(lambda: '"state":"staged"' in second.out, "the second deploy to come to the locks")
    assert fleet.live() == ["v3"] * 3
    let_go(fleet)
    result = second.wait(300)
    assert result.status == 0, result
    assert ended(fleet) == [["v2", "v3"]] * 3, "once each"

    # In the check: what is live is checked by the second.
    hold_again(fleet)
    first = fleet.begin("v4", "--check", BLOCK, "--check-timeout", "1h")
    eventually(lambda: began(fleet), "the checks")
    first.kill()
    result = fleet.deploy("v4", "--check", "echo checked $MURDER_TAG >> ../../ended")
    assert states(result) == ["unchanged"] * 3 and fleet.live() == ["v4"] * 3
    assert all(lines[-2:] == ["checked", "v4"] for lines in ended(fleet))
    assert "interrupted (pid gone)" in fleet.told("history")


def test_hosts_that_die_in_the_lock_the_hook_and_the_check(rollouts, eventually):  # noqa: F811
    fleet = rollouts(hosts=4)
    lab = fleet.lab
    hook = only_on("host-02", BLOCK)
    check = only_on("host-03", "touch ../../began; sleep 1000")
    # Somebody else holds the lock of the last one, until it dies.
    lab.host(3).shell("setsid flock /srv/app/.murder/deploy.lock sh -c 'touch /srv/held; sleep 1000' "
                      "</dev/null >/dev/null 2>&1 &\nuntil test -e /srv/held; do sleep 0.05; done")
    running = fleet.begin("v2", "--pre-activate", hook, "--hook-timeout", "1h", "--check", check,
                          "--check-timeout", "1h", "--wait", "1h", "--max-failures", "3",
                          "--connect-timeout", "10s", "--reconnect", "3s")
    eventually(lambda: running.out.count('"state":"staged"') == 4, "all to be staged")
    lab.host(3).kill()
    lose_sessions(fleet, "host-04")
    eventually(lambda: began(fleet, 1, 2), "the hook and the check", timeout=120)
    lab.host(1).kill()
    lab.host(2).kill()
    lose_sessions(fleet, "host-02", "host-03")
    result = running.wait(300)
    assert result.status == 3, result
    told = reports(result)
    assert [told[f"host-0{i}"].get("phase") for i in (1, 2, 3, 4)] == [None, "activate", "check",
                                                                      "lock"], result
    assert {told[f"host-0{i}"]["failure"] for i in (2, 3, 4)} == {"unreachable"}
    assert told["host-01"]["state"] == "healthy"
    assert told["host-02"]["live_tag"] == "" and any(
        "not known" in note for note in told["host-02"]["notes"])
    assert fleet.live() == ["v2", "v1", "v2", "v1"], "whole, whatever died"
    for index in (1, 2, 3):
        lab.host(index).boot()
    result = fleet.deploy("v2", "--check", "true")
    assert states(result) == ["unchanged", "healthy", "unchanged", "healthy"]
    assert fleet.live() == ["v2"] * 4


def test_a_laptop_that_changes_its_network_in_a_hook(rollouts, eventually):  # noqa: F811
    fleet = rollouts(hosts=3)
    lab = fleet.lab
    running = fleet.begin("v2", "--waves", "1,100%", "--post-activate", BLOCK, "--check", "true",
                          "--check-retries", "0")
    eventually(lambda: began(fleet, 0), "the hook of the first wave")
    # Its sessions end here, and no host ever hears of that: each still holds the lock for them.
    lab.control.shell(packet_filter("filter", "output", "tcp flags & (fin|rst) != 0 drop"))
    lab.unplug_control()
    lose_sessions(fleet)
    lab.plug_control()
    let_go(fleet)
    result = running.wait(300)
    assert result.status == 0, result
    assert states(result) == ["healthy"] * 3 and fleet.live() == ["v2"] * 3
    assert ended(fleet) == [["v2"]] * 3, "the hook whose session was lost ran once, and was well"


def test_ctrl_c_between_waves_in_a_hook_and_twice(rollouts, eventually):  # noqa: F811
    fleet = rollouts(hosts=3)
    running = fleet.begin("v2", "--waves", "1,100%", "--pause", "1h", "--check", "true")
    running.wait_for_output('"state":"healthy"')
    running.send(signal.SIGINT)
    result = running.wait(300)
    assert result.status == 130, result
    assert states(result) == ["healthy", "not_switched", "not_switched"]
    assert fleet.live() == ["v2", "v1", "v1"]
    text = fleet.told("status")
    assert "interrupted after" in text and "murder rollback v1 --hosts" in text
    assert "Run the same command again to go on" in text

    # In a hook: it is seen through, and no further wave begins.
    running = fleet.begin("v3", "--waves", "1,100%", "--post-activate", BLOCK)
    eventually(lambda: began(fleet, 0), "the hook")
    running.send(signal.SIGTERM)
    fleet.lab.host(0).dest.joinpath("go").write_text("")
    result = running.wait(300)
    assert result.status == 143, result
    assert states(result) == ["activated", "not_switched", "not_switched"]
    assert fleet.live() == ["v3", "v1", "v1"] and ended(fleet)[0] == ["v3"]

    # Twice: at once, and what it did last is not known; the same command goes on.
    hold_again(fleet)
    running = fleet.begin("v4", "--pre-activate", BLOCK)
    eventually(lambda: began(fleet), "the hooks")
    running.send(signal.SIGINT)
    running.send(signal.SIGTERM)  # two that are alike may become one
    result = running.wait(300)
    assert result.status in (130, 143), result
    assert states(result) == ["unknown"] * 3
    assert "murder releases --hosts" in fleet.told("status")
    assert fleet.deploy("v4").status == 0
    assert fleet.live() == ["v4"] * 3
