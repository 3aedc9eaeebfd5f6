"""murder demo: the main job in one command, and nothing left of it."""

import contextlib
import os
import pathlib
import re
import signal

import pytest

from swarm import error_of, events
from terminal import Session

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="network namespaces need root")


@pytest.fixture
def work(folder):
    """Where the demo works; must be empty when a test ends."""
    path = folder / "work"
    path.mkdir()
    path.chmod(0o777)
    yield path
    assert list(path.iterdir()) == [], "something was left behind"


@pytest.fixture
def source(make_tree, folder, scaled):
    return make_tree(folder / "source", {"bin/app": scaled(2_000_000), "etc/a/conf": b"key=value",
                                         "etc/empty": b""})


@pytest.fixture
def slow_source(make_tree, folder):
    """What takes two seconds over links of 8 Mbit/s, so that things can happen meanwhile."""
    return make_tree(folder / "source", {"bin/app": 2_000_000, "etc/a/conf": b"key=value"})


def processes_with(text):
    """Command lines that have this text in them, of processes that are not being reaped."""
    found = []
    for entry in pathlib.Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            if entry.name.isdigit() and int(entry.name) != os.getpid():
                line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
                if text in line:
                    found.append((int(entry.name), line))
    return found


def namespaces_of(pid):
    netns = pathlib.Path("/run/netns")
    return sorted(netns.glob(f"murder-{pid}-*")) if netns.exists() else []


def assert_nothing_left(running, work):
    assert list(work.iterdir()) == []
    assert namespaces_of(running.pid) == []
    assert str(work) not in pathlib.Path("/proc/mounts").read_text()
    assert processes_with(str(work)) == []


@pytest.fixture
def demo(start, work):
    """demo(*arguments): starts a demo that works in `work`, as Running."""
    return lambda *arguments, **how: start(
        "demo", *arguments, **{**how, "env": {"TMPDIR": str(work), **how.get("env", {})}})


def peer_process(work, host):
    """Id of that host's peer."""
    (pid, _), = [found for found in processes_with(f"{work}/") if f"--name {host} " in found[1]]
    return pid


# --- all is well --------------------------------------------------------------------------------


@needs_root
def test_hosts_with_links_get_the_release_and_the_figures_are_said(demo, source, work):
    running = demo(source, "--hosts", "3", "--link", "100Mbit", "--json")
    result = running.wait(120)
    assert result.status == 0, result
    assert result.err == ""
    summary = result.events()[-1]
    assert summary["event"] == "summary"
    assert (summary["hosts"], summary["verified"], summary["network"]) == (3, 3, "namespaces")
    assert summary["link_bytes_per_s"] == 12.5e6
    # Neither can be less than what the links allow: one copy left the origin, in that time.
    assert summary["plain_copy_seconds"] > 0.9 * summary["size_bytes"] / 12.5e6 - 0.02
    assert summary["last_ratio"] == pytest.approx(
        summary["last_complete_seconds"] / summary["plain_copy_seconds"], abs=1e-3)
    assert summary["last_ratio"] > 0.8
    assert 1 <= summary["seeder_copies"] < 4
    assert summary["fan_out_hosts"] == 3
    assert summary["fan_out_seconds"] == summary["fan_out_to_all_seconds"]
    assert 0 <= summary["transfer_busy_share"] <= 1
    times = [summary[f"{which}_{what}_seconds"] for what in ("complete", "staged")
             for which in ("first", "median", "last")]
    assert times[:3] == sorted(times[:3]) and times[3:] == sorted(times[3:])
    assert all(staged >= complete for complete, staged in zip(times[:3], times[3:]))
    assert result.events("packed")[0]["pack_bytes"] == summary["size_bytes"]
    assert result.events("fleet")[-1]["staged"] == 3
    assert_nothing_left(running, work)


def test_without_links_it_works_for_anybody(demo, source, work):
    running = demo(source, "--hosts", "3", "--no-namespaces", "--json")
    result = running.wait(120)
    assert result.status == 0, result
    summary = result.events()[-1]
    assert (summary["verified"], summary["network"]) == (3, "loopback")
    assert summary["last_ratio"] > 0
    assert summary["seeder_copies"] > 0.5
    assert_nothing_left(running, work)


@needs_root
def test_an_ordinary_user_gets_loopback_and_is_told_why(start_program, as_ordinary_user, murder,
                                                        source, work, folder):
    folder.chmod(0o755)
    copy = folder / "home/murder"
    copy.write_bytes(murder.read_bytes())
    copy.chmod(0o755)
    running = start_program(*as_ordinary_user(copy, "demo", source, "--hosts", "2", "--json"),
                            env={"TMPDIR": str(work)})
    result = running.wait(120)
    assert result.status == 0, result
    summary = result.events()[-1]
    assert (summary["network"], summary["storage"], summary["verified"]) == ("loopback", "disk", 2)
    assert "root" in result.events("warning")[0]["message"]
    assert_nothing_left(running, work)


def test_the_report_is_data_and_the_rest_is_talk(demo, source):
    result = demo(source, "--hosts", "2", "--no-namespaces").wait(120)
    assert result.status == 0, result
    assert re.search(r"^hosts verified +2 of 2", result.out, re.MULTILINE)
    assert re.search(r"^last / plain copy +\d+\.\d\d ", result.out, re.MULTILINE)
    assert "packed" in result.err and "\x1b" not in result.err + result.out
    assert "{" not in result.out + result.err
    quiet = demo(source, "--hosts", "2", "--no-namespaces", "-q").wait(120)
    assert quiet.err == "" and "2 of 2" in quiet.out


def test_trees_are_compared_as_they_are_packed(demo, source):
    """Links, modes, what a pack leaves out: none of it is a difference."""
    (source / "bin/link").symlink_to("app")
    (source / "etc/nowhere").symlink_to("/no/such/place")
    os.link(source / "bin/app", source / "etc/same")
    (source / "bin/app").chmod(0o755)
    (source / "etc/a").chmod(0o550)
    (source / "etc/a/conf").chmod(0o400)
    (source / ".git").mkdir()
    (source / ".git/config").write_text("x")
    (source / "empty/deep").mkdir(parents=True)
    result = demo(source, "--hosts", "2", "--no-namespaces", "--json").wait(120)
    assert result.status == 0, result
    assert result.events()[-1]["verified"] == 2


def test_a_file_is_carried_as_it_is(demo, source):
    file = source / "bin/app"
    result = demo(file, "--hosts", "2", "--no-namespaces", "--json").wait(120)
    assert result.status == 0, result
    summary = result.events()[-1]
    assert (summary["verified"], summary["size_bytes"]) == (2, file.stat().st_size)


def test_configuration_is_for_the_demo_and_not_for_its_hosts(demo, source, folder):
    (folder / "murder.toml").write_text(
        '[demo]\nhosts = 2\nno-namespaces = true\n[peer]\nport = 1\nlinger = "forever"\n')
    result = demo(source, "--json", cwd=folder,
                  env={"MURDER_LISTEN": "192.0.2.1", "MURDER_PEER_TO": "/proc/nowhere"}).wait(120)
    assert result.status == 0, result
    assert (result.events()[-1]["hosts"], result.events()[-1]["verified"]) == (2, 2)


@needs_root
def test_at_a_terminal_the_fleet_is_a_few_lines_that_go_away(murder, clean_environment, source,
                                                             work, folder):
    session = Session([murder, "demo", source, "--hosts", "12", "--link", "100Mbit"],
                      {**clean_environment, "TERM": "xterm", "TMPDIR": str(work)}, folder, 100)
    with contextlib.closing(session):
        assert session.wait(180) == 0
        drawn = session.written.decode()
        assert re.search(r"12 hosts  \d+ %  \d+ complete", drawn)
        frames = drawn.split("12 hosts  ")[1:]
        assert all(frame.count("  host-") <= 3 for frame in frames)
        screen = session.screen()
        assert any(re.match(r"hosts verified +12 of 12", row) for row in screen)
        assert not any("  host-" in row for row in screen), screen


# --- bad input ----------------------------------------------------------------------------------


@pytest.mark.parametrize("arguments", [
    ("--hosts", "0"), ("--hosts", "-1"), ("--hosts", "1001"), ("--hosts", "many"),
    ("--link", "0"), ("--link", "0Mbit"), ("--link", "-5Mbit"), ("--link", "1bit"),
    ("--link", "200Gbit"), ("--link", "1e99Gbit"), ("--link", "fast"), ("--link", ""),
    ("--link", "50"),
], ids=" ".join)
def test_options_that_make_no_sense_are_refused_by_name(demo, source, work, arguments):
    running = demo(source, *arguments, "--json")
    result = running.wait()
    assert result.status == 2, result
    assert arguments[0] in error_of(result)
    assert len(result.events()) == 1
    assert_nothing_left(running, work)


def test_a_source_that_cannot_be_moved_is_refused_before_anything_is_made(demo, folder, work):
    (folder / "empty").mkdir()
    (folder / "only-git/.git").mkdir(parents=True)
    (folder / "file").touch()
    for path in ("nowhere", "empty", "only-git", "file", "/dev/null"):
        running = demo(folder / path, "--json")
        result = running.wait()
        assert result.status == 2, result
        assert str(folder / path) in error_of(result)
        assert len(result.events()) == 1
        assert_nothing_left(running, work)


# --- hosts that fail ----------------------------------------------------------------------------


@needs_root
def test_a_host_that_fails_is_named_and_the_others_count(demo, slow_source, work, eventually):
    running = demo(slow_source, "--hosts", "3", "--link", "8Mbit", "--json")
    eventually(lambda: events(running, "fleet") != [], "the transfer begins", 120)
    os.kill(peer_process(work, "host-02"), signal.SIGKILL)
    result = running.wait(240)
    assert result.status == 3, result
    assert "host-02" in error_of(result) and "signal 9" in error_of(result)
    assert "host-01" not in error_of(result)
    assert "host-02" in result.events("warning")[-1]["message"]
    summary, = result.events("summary")
    assert (summary["hosts"], summary["verified"], summary["last_ratio"]) == (3, 2, None)
    assert summary["median_complete_seconds"] > 0
    assert result.events("fleet")[-1]["failed"] == 1
    assert_nothing_left(running, work)


@needs_root
def test_a_seeder_that_dies_ends_it_with_the_reason(demo, slow_source, work, eventually):
    running = demo(slow_source, "--hosts", "2", "--link", "8Mbit", "--json")
    eventually(lambda: events(running, "fleet") != [], "the transfer begins", 120)
    os.kill(peer_process(work, "origin"), signal.SIGKILL)
    result = running.wait(120)
    assert result.status == 1, result
    assert "seeder" in error_of(result)
    assert_nothing_left(running, work)


@needs_root
def test_a_source_that_changes_is_not_called_verified(demo, source, work):
    running = demo(source, "--hosts", "2", "--link", "20Mbit")
    running.wait_for_output("packed")
    (source / "etc/a/conf").write_bytes(b"key=valuE")
    result = running.wait(240)
    assert result.status == 1, result
    assert re.search(r"^hosts verified +0 of 2", result.out, re.MULTILINE)
    assert "etc/a/conf: other content" in result.err
    assert_nothing_left(running, work)


# --- interrupted --------------------------------------------------------------------------------

MOMENTS = {
    "packing": "",
    "making hosts": "the hosts' files lie",
    "measuring": "an origin",
    "starting": "one plain copy takes",
}


@needs_root
@pytest.mark.parametrize("number, status", [(signal.SIGINT, 130), (signal.SIGTERM, 143),
                                            (signal.SIGHUP, 143)], ids=lambda value: str(value))
@pytest.mark.parametrize("moment", MOMENTS)
def test_an_interrupted_demo_leaves_nothing(demo, slow_source, work, eventually, moment, number,
                                            status):
    running = demo(slow_source, "--hosts", "4", "--link", "20Mbit")
    if moment == "packing":
        eventually(lambda: any(work.iterdir()), "the work begins")
    else:
        running.wait_for_output(MOMENTS[moment], 120)
    running.send(number)
    result = running.wait(30)
    assert result.status == status, result
    assert result.out == ""
    assert result.err.splitlines()[-1] in ("murder: interrupted", "murder: terminated")
    assert_nothing_left(running, work)


@needs_root
def test_ctrl_c_in_mid_transfer_leaves_nothing(murder, clean_environment, slow_source, work,
                                               folder):
    """As typed: the terminal sends the signal to the peers as well."""
    session = Session([murder, "demo", slow_source, "--hosts", "4", "--link", "8Mbit"],
                      {**clean_environment, "TERM": "xterm", "TMPDIR": str(work)}, folder)
    with contextlib.closing(session):
        session.read_until(lambda written: re.search(rb"4 hosts  [1-9]\d? %", written), 120)
        session.type(b"\x03")
        assert session.wait(30) == 130
        assert session.screen()[-2:] == ["murder: interrupted", ""]
        session.pid = session.process.pid
        assert_nothing_left(session, work)


@needs_root
def test_a_killed_demo_leaves_no_process_and_no_mount(demo, slow_source, work, eventually):
    """SIGKILL cannot be caught: what the kernel cleans up is clean, the rest is an empty folder."""
    running = demo(slow_source, "--hosts", "3", "--link", "8Mbit", "--json")
    eventually(lambda: events(running, "fleet") != [], "the transfer begins", 120)
    running.kill()
    eventually(lambda: processes_with(str(work)) == [], "its processes end")
    assert str(work) not in pathlib.Path("/proc/mounts").read_text()
    left, = work.iterdir()
    assert list((left / "hosts").iterdir()) == []
    # The next demo clears the namespaces away; the folder is the test's to remove.
    result = demo(slow_source, "--hosts", "1", "--link", "100Mbit").wait(120)
    assert result.status == 0, result
    assert namespaces_of(running.pid) == []
    for path in sorted(left.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    left.rmdir()
