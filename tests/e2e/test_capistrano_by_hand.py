"""The tasks that Twitter's Murder had, by their old names, with Capistrano 3 and murder of today."""

import pathlib
import shutil

import pytest

from capistrano import Project
from conftest import read_tree


@pytest.fixture
def by_hand(fleet_lab, murder, static_binary, folder):
    """by_hand(hosts, servers=…): a Project whose hosts are named by number in `servers`, and murder
    on all of them; its temp folder is not shared with other tests."""
    temp = pathlib.Path("/var/tmp") / folder.name

    def make(hosts, servers):
        lab = fleet_lab(hosts=hosts)
        project = Project(lab, murder, static_binary, folder)
        project.temp = temp
        project.configure(f'set :default_temp_path, "{temp}"\n',
                          servers.format(*(host.address for host in lab.hosts)))
        temp.mkdir()
        for host in lab.hosts:
            (host.vartmp / temp.name).mkdir()
        return project

    yield make
    shutil.rmtree(temp, ignore_errors=True)


def of_host(host, temp):
    """What its temp folder holds."""
    return sorted(entry.name for entry in (host.vartmp / temp.name).iterdir())


def test_a_transfer_task_by_task(by_hand, make_tree, eventually):
    # As Murder's examples have it: a tracker and a seeder of their own, one server that gets nothing.
    project = by_hand(5, """
server "{0}", roles: %w[tracker]
server "{1}", roles: %w[seeder]
server "{2}", roles: %w[app]
server "{3}", roles: %w[app]
server "{4}", roles: %w[db], no_release: true
""")
    lab, cap = project.lab, project.cap
    tracker, seeder, *peers, left_out = lab.hosts
    files = make_tree(seeder.disk / "files", {"bin/app": 1_500_000, "conf/app.yml": b"1\n"})
    (files / ".git").mkdir()
    (files / ".git/config").write_text("not for the peers")

    everything = [f"murder:{task}" for task in (
        "distribute_files", "start_tracker", "create_torrent", "start_seeding", "peer", "stop_peering",
        "stop_seeding", "stop_all_seeding", "stop_all_peering", "stop_tracker", "clean_temp_files")]
    cap("-n", *everything, "tag=Deploy1", "files_path=/srv/files", "destination_path=/srv/out")
    assert not any(host.dest.exists() or (host.disk / "out").exists() for host in lab.hosts)
    result = cap("murder:start_tracker", expect=1)
    assert "run murder:distribute_files" in result.out + result.err
    cap("murder:distribute_files")
    for host in (tracker, seeder, *peers):
        assert (host.dest / "shared/murder/murder").exists()
    assert not left_out.dest.exists()

    # Processes that only look like the ones that are to be stopped.
    names = "SCREEN murder_tracker.py seeder-Deploy1 murder_client.py peer murder tracker seed Deploy1"
    alike = {}
    for host in (tracker, seeder, *peers):
        host.shell(f"exec -a '{names}' sleep 1000 >/dev/null 2>&1 &")
        eventually(lambda host=host: host.processes("^SCREEN murder_tracker"), "it to run")
        alike[host.name] = host.processes("^SCREEN murder_tracker")

    cap("murder:start_tracker")
    cap("murder:start_tracker")  # one that runs is as good
    assert tracker.listens_on(8998) and not seeder.listens_on(8998)

    cap("murder:create_torrent", "tag=Deploy1", "files_path=/srv/files", "do_not_download_torrent=1")
    assert not (project.temp / "Deploy1.torrent").exists()
    assert "run murder:download_torrent" in cap("murder:peer", "tag=Deploy1", expect=1).err
    cap("murder:download_torrent", "tag=Deploy1")
    assert tracker.address.encode() in (project.temp / "Deploy1.torrent").read_bytes()
    assert of_host(seeder, project.temp) == ["Deploy1.tar.zst", "Deploy1.torrent"]

    cap("murder:start_seeding", "tag=Deploy1")
    cap("murder:peer", "tag=Deploy1", "destination_path=/srv/out")
    wanted = {name: content for name, content in read_tree(files).items() if not name.startswith(".git")}
    for host in peers:
        assert read_tree(host.disk / "out") == {"Deploy1": None, **{
            f"Deploy1/{name}": content for name, content in wanted.items()}}
        assert of_host(host, project.temp) == []
    assert not (tracker.disk / "out").exists() and not (seeder.disk / "out").exists()

    # What is there is not written over, unless asked for.
    (peers[0].disk / "out/Deploy1/stale").write_text("")
    result = cap("murder:peer", "tag=Deploy1", "destination_path=/srv/out", expect=1)
    assert "is not empty: unsafe_please_delete=1" in result.err
    cap("murder:peer", "tag=Deploy1", "destination_path=/srv/out", "unsafe_please_delete=1")
    assert not (peers[0].disk / "out/Deploy1/stale").exists()
    # Into the folder itself, beside what is there.
    make_tree(peers[0].disk / "flat", {"kept": b"1", "conf/app.yml": b"old"})
    cap("murder:peer", "tag=Deploy1", "destination_path=/srv/flat", "no_tag_directory=1")
    assert read_tree(peers[0].disk / "flat") == {**wanted, "kept": b"1"}

    # Stopped, and stopped once more.
    for _ in range(2):
        cap("murder:stop_peering", "tag=Deploy1")
        cap("murder:stop_seeding", "tag=Deploy1")
        cap("murder:stop_tracker")
        assert not tracker.listens_on(8998)
        for host in (tracker, seeder, *peers):
            assert host.processes("murder|sleep") == alike[host.name]

    cap("murder:clean_temp_files", "tag=Deploy1")
    assert of_host(seeder, project.temp) == []


def test_one_file_and_whole_groups_that_are_stopped(by_hand, murder, static_binary):
    # The first host that gets releases is tracker and seeder, too. It has a whole murder.
    project = by_hand(3, "\n".join(f'server "{{{i}}}", roles: %w[app]' for i in range(3)) +
                      '\nset :remote_murder_path, "/srv/tools"\n')
    lab, cap = project.lab, project.cap
    for host, binary in zip(lab.hosts, [murder, static_binary, static_binary]):
        (host.disk / "tools").mkdir()
        shutil.copy(binary, host.disk / "tools/murder")
    (lab.host(0).disk / "disk.img").write_bytes(b"an image" * 200_000)
    file = ["tag=Image1", "path_is_file=yes", "files_path=/srv/disk.img",
            "destination_path=/srv/images/disk.img"]
    for host in lab.hosts:
        (host.disk / "images").mkdir()
    cap("murder:start_tracker", "murder:create_torrent", "murder:start_seeding", "murder:peer", *file)
    for host in lab.hosts:
        assert (host.disk / "images/disk.img").read_bytes() == b"an image" * 200_000
        assert [entry.name for entry in (host.disk / "images").iterdir()] == ["disk.img"]
    # What cannot be fetched fails the task, with its host and reason.
    cap("murder:stop_all_seeding", "murder:stop_all_peering")
    for host in lab.hosts:
        assert not host.processes("murder (seed|peer)")
    result = cap("murder:peer", "tag=Image1", "destination_path=/srv/late", "murder_peer_timeout=1s",
                 expect=1)
    assert "198.18.1." in result.err and "Image1" in result.err and "1.0 s" in result.err, result
    cap("murder:stop_tracker", "murder:clean_temp_files", *file)
    assert [of_host(host, project.temp) for host in lab.hosts] == [[], [], []]
