"""activate, rollback, releases, verify and prune on a fleet, and what they leave in the record."""

import json
import os

from rollout import on_fleet, reports, rollouts, states, summary  # noqa: F401 (fixtures)


def test_staged_now_activated_later_and_back(rollouts, folder):  # noqa: F811
    fleet = rollouts(hosts=3)
    result = fleet.deploy("v2", "--stage-only")
    assert states(result) == ["staged"] * 3 and fleet.live() == ["v1"] * 3
    assert "murder activate v2 --hosts" in fleet.told("status")
    assert states(fleet.deploy("v2", "--stage-only")) == ["staged"] * 3
    result = fleet.run("activate", "v2", "--waves", "1,100%", "--check", "true", "--post-activate",
                       "echo $MURDER_TAG >> ../../restarts")
    assert states(result) == ["healthy"] * 3 and fleet.live() == ["v2"] * 3
    assert states(fleet.run("activate", "v2")) == ["unchanged"] * 3
    result = fleet.run("activate", "v9", expect=1)
    assert "v9 is not staged there: murder deploy brings it" in reports(result)["host-02"]["reason"]

    # Back: to the one before, to a tag, and where there is nothing to go to.
    report = folder / "report.json"
    result = fleet.run("rollback", "--post-activate", "echo $MURDER_TAG >> ../../restarts",
                       "--report", report)
    assert states(result) == ["rolled_back"] * 3 and fleet.live() == ["v1"] * 3
    assert (fleet.lab.host(2).dest / "restarts").read_text() == "v2\nv1\n"
    assert json.loads(report.read_text())["command"] == "rollback"
    result = fleet.run("rollback", expect=1)
    assert "no release that was live before v1 is left" in reports(result)["host-01"]["reason"]
    fleet.run("rollback", "v2", "--where", "host=host-02")
    assert fleet.live() == ["v1", "v2", "v1"]
    result = fleet.run("rollback", "v2")
    assert states(result) == ["rolled_back", "unchanged", "rolled_back"]
    result = fleet.run("rollback", "v8", expect=1)
    assert "v8 is not there" in reports(result)["host-03"]["reason"]
    assert "rollback" in fleet.told("history")

    listed = fleet.run("releases").events("release")
    assert {(r["host"], r["tag"], r["live"]) for r in listed} == {
        (f"host-0{i}", tag, tag == "v2") for i in (1, 2, 3) for tag in ("v1", "v2")}
    table = fleet.lab.run("releases", "--hosts", fleet.lab.hosts_file, "--to", fleet.lab.dest,
                          env=fleet.env).out
    assert "HOST     LIVE  PREVIOUS  OTHERS\nhost-01  v2    v1\n" in table


def test_files_that_have_drifted(rollouts):  # noqa: F811
    fleet = rollouts(hosts=3)
    assert states(fleet.run("verify")) == ["reached"] * 3
    release = fleet.lab.host(1).dest / "releases/v1"
    (release / "VERSION").write_text("v0")
    os.remove(fleet.lab.host(2).dest / "releases/v1/bin/app")
    result = fleet.run("verify", expect=3)
    assert [(e["host"], e["kind"], e["path"]) for e in sorted(
        result.events("drifted"), key=lambda e: e["host"])] == [
            ("host-02", "content", "VERSION"), ("host-03", "missing", "bin/app")]
    told = reports(result)
    assert told["host-02"]["failure"] == "integrity" and told["host-01"]["good"]
    result = fleet.run("verify", "--where", "host!=host-01", expect=5)
    assert "differs from what was staged in 1 place" in reports(result)["host-02"]["reason"]


def test_shared_paths_old_releases_and_a_destination_of_its_own(rollouts, eventually):  # noqa: F811
    fleet = rollouts(hosts=2, live=None, labels=["", "dest=/srv/elsewhere"])
    lab = fleet.lab
    dests = [lab.host(0).dest, lab.host(1).disk / "elsewhere"]

    def kept():
        return [sorted(path.name for path in (dest / "releases").iterdir()) for dest in dests]

    for tag in ("v1", "v2", "v3", "v4"):
        fleet.deploy(tag, "--keep", "2", "--link-shared", "log", "--link-shared", "etc/local",
                     "--pre-activate", "echo $MURDER_TAG >> log/deploys")
    assert not lab.host(1).dest.exists()
    assert [os.readlink(dest / "current") for dest in dests] == ["releases/v4"] * 2
    for dest in dests:
        assert (dest / "shared/log/deploys").read_text() == "v1\nv2\nv3\nv4\n"
        assert (dest / "current/log/deploys").read_text() == "v1\nv2\nv3\nv4\n"
        assert (dest / "current/etc/local").is_dir()
    assert kept() == [["v3", "v4"]] * 2
    assert states(fleet.run("verify")) == ["reached"] * 2, "links are no drift"
    assert not (dests[0] / ".murder/packs/v1.tar.zst").exists()

    # Whoever only looks leaves no tracker behind.
    looked = set(lab.host(0).processes("^murder tracker"))
    fleet.run("releases")
    assert set(lab.host(0).processes("^murder tracker")) <= looked

    # Never the live one nor the one before it, though they are old.
    for tag in ("v5", "v6", "v7"):
        fleet.deploy(tag, "--keep", "0", "--stage-only")
    assert kept() == [["v3", "v4", "v5", "v6", "v7"]] * 2
    eventually(lambda: not any(host.processes("peer") for host in lab.hosts), "nobody to serve")
    result = fleet.run("prune", "--keep", "1")
    assert kept() == [["v3", "v4", "v7"]] * 2
    assert {(e["host"], tuple(e["tags"])) for e in result.events("pruned")} == {
        ("host-01", ("v5", "v6")), ("host-02", ("v5", "v6"))}
    fleet.run("prune", "--keep", "0", expect=2)
    assert fleet.run("prune").events("pruned")[0]["tags"] == []
    assert states(fleet.run("rollback")) == ["rolled_back"] * 2
    assert [os.readlink(dest / "current") for dest in dests] == ["releases/v3"] * 2


def test_prune_on_the_host_itself(run, folder):
    assert str(folder / "app") in run("prune", "--to", folder / "app", expect=1).err
    result = run("prune", "--help")
    assert "--keep COUNT" in result.out and "--hosts FILE" in result.out
