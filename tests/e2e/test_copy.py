"""`murder copy` over real ssh: one file or tree to one place on every host, and nothing else left there."""

import os
import stat

import pytest

from conftest import read_tree
from fleet_host import DISK
from test_deploy import OnFleet, reports


class Copying:
    def __init__(self, lab, static_binary):
        self.lab, self.env = lab, OnFleet(static_binary).env(lab)

    def start(self, *arguments, **how):
        return self.lab.start("copy", *arguments, "--json", env=self.env, **how)

    def __call__(self, source, path, *arguments, expect=0, **how):
        """To all hosts, to its end."""
        return self.run(source, path, "--hosts", self.lab.hosts_file, *arguments, expect=expect, **how)

    def run(self, *arguments, expect=0, **how):
        return self.lab.run("copy", *arguments, "--json", expect=expect, env=self.env, **how)


@pytest.fixture
def copying(fleet_lab, static_binary):
    """copying(hosts=3, …): Copying on a new fleet lab."""
    return lambda hosts=3, **asked: Copying(fleet_lab(hosts=hosts, **asked), static_binary)


def at(host, path):
    """Where the host's path lies as seen from outside."""
    return host.disk / path


def described(path):
    status = path.stat()
    return path.read_bytes(), stat.S_IMODE(status.st_mode), int(status.st_mtime)


def test_a_file_and_a_tree_are_in_place_on_every_host(copying, make_tree, folder):
    copy = copying(hosts=3)
    lab = copy.lab
    tool = folder / "tool"
    tool.write_bytes(os.urandom(1_500_000))
    tool.chmod(0o751)
    os.utime(tool, (1_600_000_000, 1_600_000_000))

    result = copy(tool, f"{DISK}/bin/")
    [summary] = result.events("summary")
    assert (summary["good"], summary["placed"]) == (3, 3)
    for host in lab.hosts:
        assert described(at(host, "bin/tool")) == described(tool)
        assert os.listdir(at(host, "bin")) == ["tool"]  # nothing of the way that it came

    result = copy(tool, f"{DISK}/bin/tool")
    assert result.events("summary")[0]["unchanged"] == 3
    assert all(report["fetched_bytes"] + report["fed_bytes"] == 0 for report in reports(result).values())

    # One of them differs: that one alone gets it, whoever was asked first.
    at(lab.hosts[0], "bin/tool").chmod(0o700)
    result = copy(tool, f"{DISK}/bin/tool")
    states = [reports(result)[host.name]["state"] for host in lab.hosts]
    assert states == ["placed", "unchanged", "unchanged"]
    assert described(at(lab.hosts[0], "bin/tool")) == described(tool)

    tree = make_tree(folder / "site", {"index.html": b"one", ".git/config": b"kept", "data/blob": 800_000})
    tree.chmod(0o711)
    copy(tree, f"{DISK}/www/")
    for host in lab.hosts:
        assert read_tree(at(host, "www/site")) == read_tree(tree)
        assert stat.S_IMODE(at(host, "www/site").stat().st_mode) == 0o711

    # What is there with other content stays, unless it is asked for.
    (tree / "index.html").write_bytes(b"two")
    at(lab.hosts[2], "www/site/local").write_bytes(b"somebody's")
    result = copy(tree, f"{DISK}/www/site", expect=2)
    for report in reports(result).values():
        assert f"{DISK}/www/site is there already, a folder with other content: --replace" in report["reason"]
    assert at(lab.hosts[2], "www/site/local").read_bytes() == b"somebody's"
    dry = copy(tree, f"{DISK}/www/site", "--replace", "--dry-run")
    assert all("would be put at" in report["notes"][0] for report in reports(dry).values())
    assert (at(lab.hosts[0], "www/site/index.html")).read_bytes() == b"one"
    copy(tree, f"{DISK}/www/site", "--replace")
    for host in lab.hosts:
        assert read_tree(at(host, "www/site")) == read_tree(tree)
        assert os.listdir(at(host, "www")) == ["site"]


def test_hosts_before_the_path_and_what_cannot_be_copied(copying, folder):
    copy = copying(hosts=2, readonly={1})
    (folder / "build-7").write_bytes(b"")
    link = folder / "latest"
    link.symlink_to("build-7")
    # An empty file, under the name that was given.
    result = copy.run(link, f"host-[01-02]:{DISK}/in/", expect=3)
    assert described(at(copy.lab.hosts[0], "in/latest"))[0] == b""
    [bad] = [report for report in reports(result).values() if not report["good"]]
    assert (bad["host"], bad["failure"]) == ("host-02", "failed") and "Read-only" in bad["reason"], bad

    for arguments, words in [
        ((folder / "nothing", f"host-01:{DISK}/x"), "no such file or folder"),
        ((link, "host-01:relative/x"), "the whole path"),
        ((link, "host-01"), "the whole path"),
        ((link, f"{DISK}/x"), "no host is named"),
        ((link, "host-01:/"), None),
        ((link, "host-01:/.."), "name the file or folder"),
        ((link, f"host-01:{DISK}/{'x' * 250}"), "too long"),
        (("/dev/null", f"host-01:{DISK}/x"), "neither a file nor a folder"),
        ((link, f"host-01:{DISK}/x", "--exclude", "*.log"), "is a file"),
    ]:
        if words is not None:
            assert words in copy.run(*arguments, expect=2).err


def test_a_full_disk_keeps_what_is_there_and_the_others_get_it(copying, folder):
    copy = copying(hosts=3, disks={1: "4M"})
    lab = copy.lab
    image = folder / "image"
    image.write_bytes(b"old")
    copy(image, f"{DISK}/image")
    image.write_bytes(os.urandom(6_000_000))
    result = copy(image, f"{DISK}/image", expect=3)
    full, *others = [lab.host(1), lab.host(0), lab.host(2)]
    report = reports(result)[full.name]
    assert (report["state"], report["phase"]) == ("failed", "stage"), report
    assert "free" in report["reason"], report
    assert at(full, "image").read_bytes() == b"old"
    left = sum(path.stat().st_size for path in full.disk.rglob("*") if path.is_file())
    assert left < 100_000, "it was known before anything came"
    for host in others:
        assert at(host, "image").read_bytes() == image.read_bytes()


def test_it_is_killed_and_run_again(copying, make_tree, folder, eventually):
    copy = copying(hosts=3)
    tree = make_tree(folder / "tree", {"blob": 6_000_000, "more": 1000})
    copy(tree, f"{DISK}/there/", "--dry-run")  # brings murder
    for host in copy.lab.hosts:
        host.set_mbit(4)
    running = copy.start(tree, f"{DISK}/there/", "--hosts", copy.lab.hosts_file)
    parts = [at(host, "there/.tree.murder-copy/.murder/packs") for host in copy.lab.hosts]
    some = lambda part: sum(file.stat().st_blocks * 512 for file in part.glob("*.partial"))
    eventually(lambda: all(some(part) > 300_000 for part in parts), "some of it to have come")
    running.kill()
    for host in copy.lab.hosts:
        assert not at(host, "there/tree").exists()
        host.set_mbit(1000)
    result = copy(tree, f"{DISK}/there/")
    for host in copy.lab.hosts:
        assert read_tree(at(host, "there/tree")) == read_tree(tree)
        assert os.listdir(at(host, "there")) == ["tree"]
        report = reports(result)[host.name]
        assert report["fetched_bytes"] + report["fed_bytes"] + report["resumed_bytes"] < 6_500_000, report
        eventually(lambda host=host: not host.processes("peer"), "the transfers to have ended")


def test_a_host_that_dies_meanwhile_has_what_it_had(copying, folder, eventually):
    copy = copying(hosts=3)
    image = folder / "image"
    image.write_bytes(b"old")
    copy(image, f"{DISK}/image")
    image.write_bytes(os.urandom(3_000_000))
    for host in copy.lab.hosts:
        host.set_mbit(4)
    running = copy.start(image, f"{DISK}/image", "--hosts", copy.lab.hosts_file, "--connect-timeout", "4s",
                         "--reconnect", "2s")
    dead = copy.lab.hosts[2]
    eventually(lambda: dead.processes("peer"), "a transfer")
    dead.kill()
    for host in copy.lab.hosts[:2]:
        host.set_mbit(1000)
    result = running.wait(120)
    assert result.status == 3, result
    assert at(dead, "image").read_bytes() == b"old"
    for host in copy.lab.hosts[:2]:
        assert at(host, "image").read_bytes() == image.read_bytes()


def test_only_these_ports_are_used(copying, folder):
    """The usual ones are closed between the hosts."""
    copy = copying(hosts=3)
    image = folder / "image"
    image.write_bytes(os.urandom(2_000_000))
    for host in copy.lab.hosts:
        host.firewall("8998:9060")
    result = copy(image, f"{DISK}/image", "--ports", "9100-9110")
    assert all(report["notes"] == [] for report in reports(result).values()), reports(result)
    assert [name for name, report in reports(result).items() if report["fed_bytes"]] == [
        result.events("summary")[0]["origin"]]
    assert "at least two" in copy(image, f"{DISK}/image", "--ports", "9100", expect=2).err
