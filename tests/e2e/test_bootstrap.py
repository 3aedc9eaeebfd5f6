"""The script that puts the static binary onto a host, by real shells and tools: pushed, fetched, found again."""

import concurrent.futures
import gzip
import os
import shutil

import pytest

from bootstrapping import (  # noqa: F401 (fixtures)
    bare_host, driver, FETCHERS, host, origin, PROGRAM, ran, SHELLS, words)


@pytest.mark.parametrize("shell", SHELLS)
def test_what_is_pushed_runs_and_is_found_the_next_time(bare_host, shell):
    host = bare_host.has(shell)
    steps = host.run()
    assert words(steps) == ["needs", "running"] and ran(steps)
    assert steps[0]["machine"] == os.uname().machine
    assert steps[1]["path"].startswith(str(host.cache / "murder-"))
    again = host.run()
    assert words(again) == ["running"] and ran(again)
    name, = host.files()
    assert (host.folder / name).stat().st_mode & 0o777 == 0o700
    assert (host.folder / name).read_bytes() == PROGRAM


@pytest.mark.parametrize("shell", SHELLS)
def test_xz_is_pushed_where_it_can_be_unpacked(bare_host, static_binary, shell):
    host = bare_host.has(shell)
    host.add("xz", "xz")
    host.program = static_binary
    steps = host.run(xz=True, arguments=["releases", "--help"])
    assert words(steps) == ["needs", "running"]
    assert steps[0]["xz"] or shell == "busybox"  # which takes its own, whatever PATH says
    assert "murder releases" in steps[-1]["output"]


@pytest.mark.parametrize("owner", [None, "busybox"])
def test_without_xz_utils_gzip_is_pushed(host, owner):
    if owner:
        host.add("xz", owner)
    steps = host.run(xz=True)
    assert words(steps) == ["needs", "running"] and ran(steps)
    assert not steps[0]["xz"]


@pytest.mark.parametrize("shell", ["dash", "bash"])
def test_gzip_follows_an_xz_that_does_not_work(bare_host, shell):
    host = bare_host.has(shell)
    host.add("xz", "xz")
    # More than a pipe holds: what the xz did not read must not be taken for the gzip.
    steps = host.run(xz="no xz " * 15_000)
    assert words(steps) == ["needs", "fetch-failed", "running"] and ran(steps)
    assert "xz" in steps[1]["reason"]
    assert len(host.files()) == 1


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize("fetcher", FETCHERS)
def test_it_is_fetched_with_what_there_is(bare_host, origin, shell, fetcher):
    host = bare_host.has(shell, fetcher)
    steps = host.run(urls=[origin], push=False)
    assert words(steps) == ["needs", "running"] and ran(steps)


@pytest.mark.parametrize("fetcher", FETCHERS)
def test_it_may_come_uncompressed(bare_host, origin, fetcher):
    host = bare_host.has("dash", fetcher)
    assert ran(host.run(urls=[origin.removesuffix(".gz")], push=False))


# A busybox finds its own wget whatever PATH says.
@pytest.mark.parametrize("shell", ["dash", "bash"])
def test_without_anything_to_fetch_with_it_is_pushed(bare_host, origin, shell):
    steps = bare_host.has(shell).run(urls=[origin])
    assert words(steps) == ["needs", "fetch-failed", "running"] and ran(steps)
    assert steps[1]["reason"] == "no curl, wget or bash here"


@pytest.mark.parametrize("login_shell", ["dash", "bash", "zsh", "tcsh", "csh", "fish", "busybox"])
def test_any_login_shell_will_do(host, login_shell):
    if not shutil.which(login_shell):
        pytest.skip(f"no {login_shell} here")
    host.login_shell = [shutil.which(login_shell)] + (["sh"] if login_shell == "busybox" else [])
    host.environment["XDG_CACHE_HOME"] = str(host.folder / "cache")  # fish writes to HOME
    (host.folder / "cache").mkdir()
    assert words(host.run()) == ["needs", "running"]
    assert ran(host.run())


def test_with_sudo(host):
    host.add("env", "env")
    sudo = host.path / "sudo"
    sudo.write_text('#!/bin/sh\n[ "$1" = -n ] && shift && exec "$@"\n')
    sudo.chmod(0o755)
    assert ran(host.run(sudo=True))


@pytest.mark.parametrize("tool", ["openssl", "shasum"])
def test_digests_are_checked_with_what_there_is(host, origin, tool):
    (host.path / "sha256sum").unlink()
    if tool == "shasum":
        host.add("perl", "perl")
        host.environment["PATH"] += ":/nowhere"
    host.add(tool, tool)
    assert ran(host.run(urls=[origin], push=False))


def test_without_a_tool_for_digests_nothing_is_fetched(host, origin):
    (host.path / "sha256sum").unlink()
    steps = host.run(urls=[origin])
    assert words(steps) == ["needs", "fetch-failed", "running"] and ran(steps)
    assert steps[1]["reason"] == "no sha256sum, openssl or shasum here"


def test_the_real_binary(bare_host, static_binary, swarm, folder):
    host = bare_host.has("dash", "curl")
    host.program = static_binary
    files = folder / "files"
    files.mkdir()
    (files / "murder.gz").write_bytes(gzip.compress(static_binary.read_bytes()))
    swarm.tracker("--files", files)
    url = swarm.tracker_url.replace("/announce", "/files/murder.gz")
    for expected in (["needs", "running"], ["running"]):
        steps = host.run(urls=[url], push=False, arguments=["releases", "--help"])
        assert words(steps) == expected
        assert "murder releases" in steps[-1]["output"]


def test_sixteen_at_once_do_not_disturb_each_other(host, origin):
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        sessions = [pool.submit(host.run, urls=[origin], push=False) for _ in range(16)]
    assert all(ran(session.result()) for session in sessions)
    assert len(host.files()) == 1
