"""Waves, the check between them, how many failures are borne, and going back."""

import json

from rollout import on_fleet, only_on, reports, rollouts, states, summary  # noqa: F401 (fixtures)

WAVES = ("--waves", "1,3,100%")
CHECK = ("--check-retries", "0", "--check")


def test_a_check_that_fails_in_the_second_wave(rollouts, folder):  # noqa: F811
    fleet = rollouts(hosts=4)
    ill = only_on("host-03", "echo not well; exit 3")

    # Without --rollback-on-failure: what is live stays, the third wave is not begun.
    report = folder / "report.json"
    result = fleet.deploy("v2", *WAVES, *CHECK, ill, "--report", report, expect=3)
    assert fleet.live() == ["v2", "v2", "v2", "v1"]
    assert states(result) == ["healthy", "healthy", "failed", "not_switched"]
    told = reports(result)
    assert [told[f"host-0{i}"]["wave"] for i in (1, 2, 3, 4)] == [1, 2, 2, 0]
    assert told["host-03"]["phase"] == "check" and told["host-03"]["live_tag"] == "v2"
    assert "exit status 3" in told["host-03"]["reason"] and "not well" in told["host-03"]["reason"]
    assert "1 of 4 hosts failed" in summary(result)["problem"]
    written = json.loads(report.read_text())
    assert (written["exit_status"], written["stopped"], written["rolled_back"]) == (3, True, False)
    assert written["hosts"][2]["reason"] == told["host-03"]["reason"]
    assert written["hosts"][0]["reached_s"] <= written["hosts"][0]["complete_s"] \
        <= written["hosts"][0]["staged_s"] <= written["hosts"][0]["activated_s"] \
        <= written["hosts"][0]["checked_s"]
    assert "not well" in fleet.told("logs", summary(result)["deploy"], "host-03")
    assert "murder rollback v1 --hosts … --to /srv/app" in fleet.told("status")

    # With it: each is back at what was live there before.
    result = fleet.deploy("v3", *WAVES, *CHECK, ill, "--rollback-on-failure", expect=1)
    assert fleet.live() == ["v2", "v2", "v2", "v1"]
    assert states(result) == ["rolled_back"] * 3 + ["not_switched"]
    told = reports(result)
    assert told["host-03"]["phase"] == "check" and "not well" in told["host-03"]["reason"]
    assert {told[name]["live_tag"] for name in ("host-01", "host-02", "host-03")} == {"v2"}
    text = fleet.told("status")
    assert "v3 is rolled back on 3 hosts" in text
    assert text.count("stopped in wave 2 of 3: 1 of 4 hosts failed") == 1, "said once"
    assert text.count("hosts failed") == 1 and text.count("not well") == 1, text
    assert "exit status 1" in fleet.told("status", "latest")


def test_as_many_failures_as_are_borne(rollouts):  # noqa: F811
    fleet = rollouts(hosts=4)
    # Not on the way back.
    broken = only_on("host-02", "expr $MURDER_PREVIOUS '>' $MURDER_TAG")
    hook = ("--post-activate", broken)
    # 25 % of four is one: it goes on to the third wave; with none it stops after the second.
    result = fleet.deploy("v2", *WAVES, *hook, "--max-failures", "25%", expect=3)
    assert states(result) == ["activated", "failed", "activated", "activated"]
    assert fleet.live() == ["v2"] * 4
    result = fleet.deploy("v3", *WAVES, *hook, "--max-failures", "0", expect=3)
    assert states(result) == ["activated", "failed", "activated", "not_switched"]
    assert fleet.live() == ["v3", "v3", "v3", "v2"]
    assert "and 0 may" in summary(result)["problem"]

    # Who failed before the first wave counts, too; and nothing is switched then.
    fleet.lab.host(3).stop_sshd()
    result = fleet.deploy("v4", "--max-failures", "0", "--rollback-on-failure", expect=1)
    assert states(result) == ["not_switched"] * 3 + ["failed"]
    assert fleet.live() == ["v3", "v3", "v3", "v2"]
    assert summary(result)["problem"].startswith("stopped before any host was switched: 1 of 4")
    # Borne, it alone is without; below the limit the unwell one alone goes back.
    result = fleet.deploy("v4", *WAVES, *hook, "--max-failures", "2", "--rollback-on-failure",
                          expect=3)
    assert states(result) == ["activated", "rolled_back", "activated", "failed"], result
    assert fleet.live() == ["v4", "v3", "v4", "v2"]


def test_there_is_nothing_to_go_back_to(rollouts):  # noqa: F811
    fleet = rollouts(hosts=3, live=None)
    result = fleet.deploy("v1", "--waves", "2,100%", "--rollback-on-failure", *CHECK,
                          only_on("host-02", "exit 1"), expect=3)
    # It is the first release: host-01 is well with it, host-02 has nothing else.
    assert states(result) == ["healthy", "failed", "not_switched"]
    assert fleet.live() == ["v1", "v1", None]
    assert any("nothing to go back to" in note for note in reports(result)["host-02"]["notes"])
    text = fleet.told("status")
    assert "rolled back" not in text, text

    # A hook that fails before the switch leaves nothing to be put back either.
    result = fleet.deploy("v2", "--rollback-on-failure", "--pre-activate", "exit 5", expect=1)
    assert states(result) == ["failed"] * 3 and fleet.live() == ["v1", "v1", None]
    assert [report["live_tag"] for report in result.events("host_report")] == ["v1", "v1", ""]
    assert "rolled back" not in fleet.told("status")


def test_what_is_live_is_checked_before_anything_else_is_switched(rollouts):  # noqa: F811
    fleet = rollouts(hosts=3)
    first = fleet.begin("v2", "--waves", "1,100%", "--pause", "1h", "--check", "true")
    first.wait_for_output('"state":"healthy"')
    first.kill()
    assert fleet.live() == ["v2", "v1", "v1"]

    well = fleet.lab.host(0).dest / "well"
    gate = (*CHECK, only_on("host-01", "test -e ../../well"), "--waves", "1,100%")
    result = fleet.deploy("v2", *gate, expect=1)
    assert states(result) == ["failed", "not_switched", "not_switched"]
    assert fleet.live() == ["v2", "v1", "v1"]
    told = reports(result)["host-01"]
    assert told["phase"] == "check" and any("was live there before" in n for n in told["notes"])
    # It was not this command that switched it.
    result = fleet.deploy("v2", *gate, "--rollback-on-failure", expect=1)
    assert fleet.live() == ["v2", "v1", "v1"]
    # One failure is borne.
    result = fleet.deploy("v2", *gate, "--max-failures", "1", expect=3)
    assert states(result) == ["failed", "healthy", "healthy"] and fleet.live() == ["v2"] * 3

    well.write_text("")
    result = fleet.deploy("v2", *gate)
    assert states(result) == ["unchanged"] * 3
    assert all(report["checked_s"] > 0 for report in result.events("host_report"))
    well.unlink()
    result = fleet.deploy("v2", *gate, expect=3)
    assert states(result) == ["failed", "unchanged", "unchanged"]


def test_a_dry_run_says_what_would_happen_and_changes_nothing(rollouts):  # noqa: F811
    fleet = rollouts(hosts=2)

    def files():
        return sorted(str(path) for path in fleet.lab.host(0).dest.rglob("*")
                      if path.parent.name != "transfers")

    before = files()
    result = fleet.deploy("v2", "--dry-run", "--pre-activate", "touch ../../ran", *WAVES)
    assert all("v1 is live; would stage and switch to v2" in report["notes"][0]
               for report in result.events("host_report"))
    result = fleet.deploy("v1", "--dry-run")
    assert all("nothing to do" in report["notes"][0] for report in result.events("host_report"))
    assert files() == before
