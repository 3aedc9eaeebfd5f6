"""Where the bootstrap script puts the binary, and what it leaves behind."""

import os
import pathlib
import shutil
import time

import pytest

from bootstrapping import (  # noqa: F401 (fixtures)
    bare_host, driver, failure, host, needs_root, origin, PROGRAM, ran, words)


# --- folders that do not do -----------------------------------------------------------------------

def place(steps):
    """The folder in which the binary is."""
    assert ran(steps)
    return pathlib.Path(steps[-1]["path"]).parent


VAR_TMP = pathlib.Path("/var/tmp/murder-0")  # root there, whoever it is outside


@pytest.mark.parametrize("option", ["noexec", "ro"])
def test_var_tmp_follows_a_home_that_does_not_do(host, option):
    host.mount(host.home, option)
    assert place(host.run()) == VAR_TMP
    assert words(host.run()) == ["running"]


@pytest.mark.parametrize("option", ["noexec", "ro"])
def test_dest_follows_when_both_do_not(host, option):
    host.mount(host.home, option)
    host.mount("/var/tmp", option)
    assert place(host.run()) == host.dest / ".murder/bin"
    assert words(host.run()) == ["running"]
    modes = [path.stat().st_mode & 0o777 for path in
             (host.dest, host.dest / ".murder", host.dest / ".murder/bin")]
    assert modes == [0o755, 0o700, 0o700]


def test_dest_is_one_after_that(bare_host, static_binary, swarm, make_tree):
    host = bare_host.has("dash")
    host.program = static_binary
    host.mount(host.home, "noexec")
    host.mount("/var/tmp", "noexec")
    swarm.tracker()
    pack, torrent = swarm.pack(make_tree(host.folder / "release", {"bin/app": 1_000_000}), "v7")
    swarm.seed(torrent, pack)
    steps = host.run(arguments=["peer", str(torrent), "--to", str(host.dest), "--activate",
                                "--linger", "none", "--listen", swarm.new_address(), "--tracker",
                                swarm.tracker_url, "--json"])
    assert steps[-1]["status"] == 0, steps
    assert os.readlink(host.dest / "current") == "releases/v7"


def test_every_place_and_its_reason_is_named(host):
    host.mount(host.home, "ro")
    host.mount("/var/tmp", "noexec")
    host.dest.write_bytes(b"a file")
    reason = failure(host.run())
    assert f"{host.cache}: Read-only file system" in reason
    assert f"{VAR_TMP}: programs may not be run there (Permission denied)" in reason
    assert f"{host.dest}/.murder/bin: " in reason


def test_a_full_disk_is_passed_over(host):
    host.program.write_bytes(PROGRAM + b"exit\n" + os.urandom(2_000_000))
    host.mount(host.home)
    steps = host.run()
    assert pathlib.Path(steps[-1]["path"]).parent == VAR_TMP
    host.mount("/var/tmp", "nr_inodes=100")
    host.mount(host.dest)
    reason = failure(host.run())
    assert reason.count("No space left on device") == 3, reason


def test_without_a_home(host):
    del host.environment["HOME"]
    assert place(host.run()) == VAR_TMP
    assert words(host.run()) == ["running"]


@pytest.mark.parametrize("home", ["/nonexistent", "relative", ""])
def test_a_home_that_is_none(host, home):
    host.environment["HOME"] = home
    assert place(host.run()) == VAR_TMP


def test_the_cache_may_be_elsewhere(host):
    host.environment["XDG_CACHE_HOME"] = str(host.folder / "cache")
    assert place(host.run()) == host.folder / "cache/murder"


@needs_root
def test_a_home_of_somebody_else_is_left_alone(host):
    """As with a sudo that keeps HOME."""
    os.chown(host.home, 65534, 65534)
    assert place(host.run()) == VAR_TMP
    assert list(host.home.iterdir()) == []


@needs_root
@pytest.mark.parametrize("owner, mode", [(65534, 0o700), (0, 0o777), (0, 0o770), (0, 0o702)])
def test_a_folder_in_var_tmp_that_others_may_write_is_refused(host, owner, mode):
    name = pathlib.Path(host.run()[-1]["path"]).name
    shutil.rmtree(host.cache)
    host.mount(host.home, "noexec")
    planted = host.var_tmp / VAR_TMP.name
    planted.mkdir()
    hacked = host.folder / "hacked"
    (planted / name).write_text(f"#!/bin/sh\ntouch {hacked}\necho murder 1.2.3\n")
    (planted / name).chmod(0o755)
    os.chown(planted / name, owner, owner)
    os.chown(planted, owner, owner)
    planted.chmod(mode)
    assert place(host.run()) == host.dest / ".murder/bin"
    assert not hacked.exists()


@needs_root
def test_a_symlink_in_var_tmp_is_not_followed(host):
    host.mount(host.home, "noexec")
    elsewhere = host.folder / "elsewhere"
    elsewhere.mkdir(mode=0o700)
    (host.var_tmp / VAR_TMP.name).symlink_to(elsewhere)
    assert place(host.run()) == host.dest / ".murder/bin"
    assert list(elsewhere.iterdir()) == []


@needs_root
def test_a_dest_of_somebody_else_is_refused(host):
    host.mount(host.home, "noexec")
    host.mount("/var/tmp", "noexec")
    host.dest.mkdir()
    os.chown(host.dest, 65534, 65534)
    assert f"{host.dest}/.murder/bin: not ours alone" in failure(host.run())


@needs_root
def test_somebody_elses_file_is_not_run(host):
    path = pathlib.Path(host.run()[-1]["path"])
    path.write_text("#!/bin/sh\necho murder 1.2.3; echo hacked\n")
    os.chown(path, 65534, 65534)
    steps = host.run()
    assert words(steps) == ["needs", "running"] and ran(steps)
    assert path.stat().st_uid == 0


# --- what is left behind --------------------------------------------------------------------------

@pytest.mark.parametrize("shell", ["dash", "busybox"])
def test_old_ones_go_and_the_newest_two_stay(bare_host, shell):
    host = bare_host.has(shell)
    host.cache.mkdir(parents=True)
    day = 86_400
    now = time.time()
    for number, (used, made) in enumerate([(60, 10), (60, 50), (1, 60), (60, 70)]):
        file = host.cache / f"murder-{number:016x}"
        file.write_bytes(b"x")
        os.utime(file, (now - used * day, now - made * day))
    for name, age in [("murder-1.part", 7200), ("murder-2.part", 60), ("notes", 60 * day)]:
        (host.cache / name).write_bytes(b"x")
        os.utime(host.cache / name, (now - age, now - age))
    path = pathlib.Path(host.run()[-1]["path"])
    # The new one and the newest before it stay, and one that was used lately.
    assert {file.name for file in host.cache.iterdir()} == {
        path.name, "murder-" + "0" * 16, "murder-" + "0" * 15 + "2", "murder-2.part", "notes"}


@pytest.mark.parametrize("tool", ["find", "id"])
def test_a_host_that_lacks_a_tool_gets_along(host, origin, tool):
    (host.path / tool).unlink()
    assert ran(host.run(urls=[origin], push=False))
    assert ran(host.run())
