"""What goes wrong on a fleet, each with the real thing: the others are served, the report names the
host and the reason, and `current` is a complete release or what it was before.
"""

import hashlib

from conftest import read_tree
from test_deploy import live, on_fleet, release, reports  # noqa: F401 (fixtures)


def put_foreign_binary(host, binary):
    """Under the name of the right one lies one for another kind of machine: it has to be replaced."""
    content = bytearray(binary.read_bytes())
    name = hashlib.sha256(content).hexdigest()[:16]
    content[18] = 243  # e_machine: RISC-V
    folder = host.home / ".cache/murder"
    folder.mkdir(parents=True)
    (folder / f"murder-{name}").write_bytes(content)
    (folder / f"murder-{name}").chmod(0o755)


def test_one_deploy_with_everything_that_can_be_wrong_with_single_hosts(
        fleet_lab, on_fleet, release, static_binary):
    lab = fleet_lab(hosts=16, disks={4: "4M", 5: "4M"}, readonly={6}, noexec={7: ["home", "vartmp"]},
                    no_tools={8}, login_noise={9: "Welcome!\n" * 200}, shell={10: "/usr/bin/fish"},
                    clock_skew={12: 365 * 86400})
    murder = on_fleet(lab)
    put_foreign_binary(lab.host(11), static_binary)
    lab.host(0).stop_sshd()
    lab.host(1).change_key()
    lab.host(2).refuse_key()
    lab.host(13).firewall()
    with open(lab.hosts_file, "a", encoding="utf-8") as hosts:
        hosts.write("no-such-host\n")
    tree = release("one")
    result = murder("deploy", tree, "--tag", "v1", "--connect-timeout", "15s", expect=3, timeout=240)
    told = reports(result)

    def failed(name, phase, *words):
        report = told[name]
        assert (report["state"], report["phase"]) == ("failed", phase), report
        for word in words:
            assert word in report["reason"], report

    failed("host-01", "reach", "refused")
    failed("host-02", "reach", "key")
    failed("host-03", "reach", "Permission denied")
    failed("host-05", "stage", "free")
    failed("host-06", "stage", "free")
    failed("host-07", "stage", "/srv/app")
    failed("no-such-host", "reach", "resolve")
    for index in (3, 7, 8, 9, 10, 11, 12, 13, 14, 15):
        host = lab.host(index)
        assert told[host.name]["good"], told[host.name]
        assert live(host) == "v1"
        assert read_tree(host.dest / "current") == read_tree(tree)
    for index in (4, 5, 6):
        assert live(lab.host(index)) is None
    assert told["host-14"]["fed_bytes"] > 0, "behind a firewall it is fed over ssh"


def test_hooks_that_fail_hang_or_flood(fleet_lab, on_fleet, release):
    lab = fleet_lab(hosts=4)
    murder = on_fleet(lab)
    hook = ("case $MURDER_HOST in host-01) echo broken; exit 7;; host-02) sleep 1000;; "
            "host-03) head -c 200000000 /dev/zero;; esac")
    result = murder("deploy", release("one"), "--tag", "v1", "--pre-activate", hook, "--hook-timeout",
                    "10s", expect=3, timeout=240)
    told = reports(result)
    assert "exit status 7" in told["host-01"]["reason"] and "broken" in told["host-01"]["reason"]
    assert "10 s" in told["host-02"]["reason"]
    assert [live(host) for host in lab.hosts] == [None, None, "v1", "v1"]


def test_two_deploys_of_one_destination(fleet_lab, on_fleet, release, eventually):
    lab = fleet_lab(hosts=3)
    murder = on_fleet(lab)
    murder("deploy", release("one"), "--tag", "v1")
    first = lab.start("deploy", release("two", 2), "--tag", "v2", "--hosts", lab.hosts_file, "--to",
                      lab.dest, "--post-activate", "until [ -e /srv/go ]; do sleep 0.1; done", "--json", env=on_fleet.env(lab))
    eventually(lambda: live(lab.host(0)) == "v2", "the first to switch")
    refused = murder("deploy", release("three", 3), "--tag", "v3", expect=1)
    assert "locked by deploy" in refused.err
    assert {live(host) for host in lab.hosts} == {"v2"}
    for host in lab.hosts:
        (host.disk / "go").touch()
    assert first.wait().status == 0
    murder("deploy", release("three", 3), "--tag", "v3", "--wait", "30s")
    assert {live(host) for host in lab.hosts} == {"v3"}
