"""The gem capistrano-murder with Capistrano as Debian has it, to hosts with a real sshd each."""

import os
import signal
import subprocess
import time

import pytest

from capistrano import Project, current, live_folder, packs, releases
from conftest import read_tree


@pytest.fixture
def projects(fleet_lab, murder, static_binary, folder):
    """projects(hosts=3, …): Project on a new fleet lab."""
    return lambda hosts, **asked: Project(fleet_lab(hosts=hosts, **asked), murder, static_binary,
                                          folder)


def test_deploys_rollback_and_cleanup(projects, make_tree):
    project = projects(hosts=4, users={0: "app", 1: "app", 2: "app"})
    lab = project.lab
    receivers, left_out = lab.hosts[:3], lab.host(3)
    deploy_rb = """
set :linked_files, ["config/app.yml"]
set :linked_dirs, ["var/log"]
set :keep_releases, 2
"""
    project.configure(deploy_rb, "\n".join(
        [f'server "{host.address}", user: "app", roles: %w[app]' for host in receivers] +
        [f'server "{left_out.address}", roles: %w[db], no_release: true']))
    # A REVISION of its own: Capistrano's then changes no folder's time, by which it finds the release before,
    # and murder gives all folders a time that follows from the content.
    make_tree(project.folder, {"bin/app": 300_000, "REVISION": b"not this one\n", ".gitignore": b"tmp\n",
                               "var/log/.keep": b"", "config/app.yml": b"from the repository\n",
                               "VERSION": b"1\n"})
    os.chmod(project.folder / "bin/app", 0o755)
    first = project.commit()
    for host in receivers:
        make_tree(host.dest / "shared", {"config/app.yml": b"of this host\n"})
        subprocess.run(["chown", "--recursive", "--reference", host.home, host.dest], check=True)

    # A dry run says what it would do.
    result = project.cap("-n", "deploy")
    assert "would bring" in result.out and lab.hosts[0].address in result.out
    assert not any((host.dest / "releases").exists() for host in receivers)

    before = time.time() - 1
    result = project.cap("deploy")
    assert "is on 3 hosts after" in result.out and f"{receivers[0].address} has it" in result.out
    assert '"event"' not in result.out + result.err
    for host in receivers:
        live = live_folder(host)
        assert (live / "REVISION").read_text() == first + "\n"
        assert (live / "bin/app").read_bytes() == (project.folder / "bin/app").read_bytes()
        assert (live / "bin/app").stat().st_mode & 0o777 == 0o755
        assert (live / "config/app.yml").is_symlink() and (live / "var/log").is_symlink()
        assert (live / ".gitignore").exists() and not (live / ".git").exists()
        assert (live / "bin/app").stat().st_uid == host.home.stat().st_uid
        assert len(releases(host)) == 1 and live.stat().st_mtime > before
    one = current(receivers[0])

    (project.folder / "VERSION").write_text("2\n")
    second = project.commit()
    project.cap("deploy")
    two = current(receivers[0])
    for host in receivers:
        assert (current(host), releases(host)) == (two, [one, two])
        assert (live_folder(host) / "VERSION").read_text() == "2\n"

    # Which needs no source.
    project.cap("deploy:rollback", env={"BRANCH": "gone"})
    for host in receivers:
        assert (current(host), releases(host)) == (one, [one])
        assert (live_folder(host) / "VERSION").read_text() == "1\n"
        assert (host.dest / f"rolled-back-release-{two}.tar.gz").exists()

    # What was deployed last need not be fetched again; a script of the project's may name the branch.
    result = project.cap("deploy", env={"BRANCH": second})
    assert "0 B came through the swarm, 0 B over ssh" in result.out, result
    three = current(receivers[0])
    (project.folder / "VERSION").write_text("3\n")
    project.commit()
    project.cap("deploy")
    for host in receivers:
        assert (live_folder(host) / "VERSION").read_text() == "3\n"
        assert releases(host) == [three, current(host)]  # :keep_releases
        assert len(packs(host)) == 1  # and of murder's packs one
        assert list((host.dest / "murder/releases").iterdir()) == []

    # Who gets no releases was not even spoken to.
    assert not left_out.dest.exists() and "Accepted publickey" not in left_out.sshd_log


def test_hosts_that_fail_are_named_and_the_next_deploy_goes_on(projects, make_tree, eventually):
    project = projects(hosts=4, disks={2: "16M"})
    lab = project.lab
    going, go = project.folder / "tmp-going", project.folder / "tmp-go"
    project.configure(f"""
after "deploy:started", "test:wait" do
  File.write("{going}", "")
  sleep 0.05 until File.exist?("{go}")
end
""")
    make_tree(project.folder, {"bin/app": 1_000_000})
    project.commit()
    dead, full = lab.host(1), lab.host(2)

    # Ctrl-C in the middle of it.
    go.touch()
    project.cap("murder:doctor", expect=None)  # so that what follows is about the release alone
    for host in lab.hosts:
        host.set_mbit(1)
    running = project.start("deploy")
    eventually(lambda: list(dead.dest.glob("murder/.murder/packs/*.partial")), "the transfer to begin")
    running.send(signal.SIGINT)
    result = running.wait(300)
    assert result.status != 0 and "stopping murder" in result.out, result
    for host in lab.hosts:
        eventually(lambda host=host: not host.processes("^murder peer"), "the transfer to end")
        assert releases(host) == []
        host.set_mbit(1000)

    # A host dies, another has no room.
    go.unlink()
    going.unlink()
    running = project.start("deploy")
    eventually(going.exists, "the deploy to have begun")
    dead.kill()
    full.fill_disk(leave=200_000)
    go.touch()
    result = running.wait(300)
    assert result.status == 1, result
    said = result.out + result.err
    assert f"{dead.address}: " in said and f"{full.address}: " in said
    assert "free" in said and "nothing was switched" in said, result
    assert f"it waits on {lab.host(0).address}, {lab.host(3).address}" in said, result
    for host in (lab.host(0), full, lab.host(3)):
        assert current(host) is None and releases(host) == []

    dead.boot()
    (full.disk / "filler").unlink()
    result = project.cap("deploy")
    for host in lab.hosts:
        assert (live_folder(host) / "bin/app").stat().st_size == 1_000_000
    assert f"{dead.address} fetches" in result.out
    for host in (lab.host(0), lab.host(3)):
        assert f"{host.address} has it" in result.out and f"{host.address} fetches" not in result.out


def test_a_build_folder_through_a_jump_host(projects, make_tree):
    project = projects(hosts=2, jump=True)
    lab = project.lab
    # Names that only ssh's configuration knows, and one role of two.
    project.configure(f"""
set :format, :airbrussh
set :ssh_options, config: "{lab.ssh_config}"
set :murder_source, "build"
set :murder_options, %w[--exclude *.map]
""", f'server "{lab.host(0).name}", roles: %w[app]\nserver "{lab.host(1).name}", roles: %w[web]\n')
    result = project.cap("deploy", expect=1)
    assert "which :murder_source names: it is not there" in result.out + result.err
    make_tree(project.folder / "build", {"app.js": b"1", "app.js.map": b"2"})
    project.cap("deploy", env={"ROLES": "web"})
    assert current(lab.host(0)) is None
    live = live_folder(lab.host(1))
    tag = packs(lab.host(1))[0]
    assert read_tree(live) == {"app.js": b"1", "REVISION": f"{tag}\n".encode()}
    assert "nothing stands in the way" in project.cap("murder:doctor").out
