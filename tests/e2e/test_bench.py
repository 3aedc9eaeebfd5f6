"""The benchmark's own logic, and one small run of it: what it says must be what was measured."""

import json
import math
import os
import pathlib
import re
import signal
import sys
import time
import xml.etree.ElementTree

import pytest

from conftest import REPOSITORY

sys.path.insert(0, str(REPOSITORY / "bench"))

import contenders  # noqa: E402
import deploy_report  # noqa: E402
import measure  # noqa: E402
import plain_tracker  # noqa: E402
import plots  # noqa: E402
import report  # noqa: E402
import scenarios  # noqa: E402

BENCH = REPOSITORY / "bench" / "run"
MBIT, MIB = scenarios.MBIT, scenarios.MIB


@pytest.fixture
def bench(start_program, murder):
    """bench(*arguments): the benchmark on the binary under test, as Running."""
    return lambda *arguments, **env: start_program("/usr/bin/python3", BENCH, *arguments,
                                                   env={**programs(murder), **env})


def programs(murder):
    """The environment that names the binary and, if it is not beside it, the lab's driver."""
    driver = os.environ.get("MURDER_LAB_DRIVER", murder.parent / "murder_lab_driver")
    return {"MURDER_BINARY": str(murder), "MURDER_LAB_DRIVER": str(driver)}


needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="network namespaces need root")


def equal_links(hosts, rate):
    return [(rate, rate)] * (1 + hosts)


def test_bound_of_equal_links_is_a_copy_and_the_doublings():
    copy = 64 * MIB * 8 / (50 * MBIT)
    assert measure.ideal_plain(64 * MIB, equal_links(16, 50 * MBIT)) == copy
    assert measure.ideal_bound(64 * MIB, equal_links(16, 50 * MBIT), 2048) == pytest.approx(copy * (1 + 4 / 2048))
    assert measure.ideal_bound(64 * MIB, equal_links(1, 50 * MBIT), 1) == copy


def test_bound_of_unequal_links():
    fast, half = (50e6, 50e6), (25e6, 25e6)
    bits = 8e9
    slow_seeder = [half] + [fast] * 4
    assert measure.ideal_bound(1e9, slow_seeder, 100) == pytest.approx(bits / 25e6)
    slow_host = [fast] * 4 + [half]
    assert measure.ideal_bound(1e9, slow_host, 100) == pytest.approx(bits / 25e6)
    assert measure.ideal_bound(1e9, slow_host, 100, others=[1, 2, 3]) == pytest.approx(bits / 50e6, rel=0.02)
    # Together they cannot take in more than all of them send.
    weak_uplinks = [(50e6, 50e6)] + [(5e6, 50e6)] * 10
    assert measure.ideal_bound(1e9, weak_uplinks, 100) == pytest.approx(10 * bits / 100e6)
    assert measure.ideal_bound(1e9, [fast] * 5, 100, racks=(3, 10e6)) == pytest.approx(bits / 10e6)


def test_percentiles_and_medians():
    assert measure.percentile([3, 1, 2], 0.5) == 2
    assert measure.percentile(range(1, 101), 0.99) == 99
    assert measure.percentile([7], 0.99) == 7
    assert measure.median([1, None, 3]) == 3
    assert measure.median([1, 2, 3, 4]) == 2.5
    assert math.isinf(measure.median([1, None, None]))
    assert math.isnan(measure.median([]))


def test_processor_line():
    total, idle = measure.parse_processor("cpu  10 1 5 100 4 0 2 3 99 0")
    assert (total, idle) == (125, 104), "guest time is in user time already"


def test_own_processor_time_and_memory_can_be_read():
    assert 0 < measure.cpu_seconds(os.getpid()) < 10_000
    assert measure.peak_bytes(os.getpid()) > MIB
    assert measure.cpu_seconds(1 << 22) is None and measure.peak_bytes(1 << 22) is None


def test_every_scenario_makes_sense():
    for name, scenario in scenarios.SCENARIOS.items():
        assert name == scenario.name and scenario.group in scenarios.GROUPS
        assert set(scenario.contenders) <= set(contenders.CONTENDERS)
        assert "murder" in scenario.contenders
        assert len(scenario.links()) in (0, 1 + scenario.hosts)
        assert report.bound_in_copies(scenario, 2048) >= 1
    assert len([s for s in scenarios.SCENARIOS.values() if s.group == "standard"]) >= 10


def test_shape_is_the_labs():
    assert scenarios.shape_of(16e6) == {"rate_bit": 16e6, "burst_bytes": 65536, "limit_bytes": 262144}
    assert scenarios.shape_of(1e9) == {"rate_bit": 1e9, "burst_bytes": 500_000, "limit_bytes": 2_500_000}


def test_info_dictionary_is_found():
    assert contenders.info_of(b"d8:announce3:abc4:infod6:lengthi3e4:namel1:aeee") == b"d6:lengthi3e4:namel1:aee"


def test_tracker_tells_each_about_the_others():
    query = "info_hash=%aa%bb&port={}&left={}&numwant=50"
    assert b"5:peers0:" in plain_tracker.announce(query.format(1, 0), "198.18.0.1")
    assert b"8:completei1e" in plain_tracker.announce(query.format(2, 9), "198.18.0.2")
    assert b"5:peers6:\xc6\x12\x00\x02\x00\x02" in plain_tracker.announce(query.format(1, 0), "198.18.0.1")
    plain_tracker.announce(query.format(2, 9) + "&event=stopped", "198.18.0.2")
    assert b"5:peers0:" in plain_tracker.announce(query.format(1, 0), "198.18.0.1")


def trial(contender, seconds, **more):
    return {"contender": contender, "plain_seconds": 10.0, "seconds": seconds, "busy": 0.5, "seeder_bytes": 220,
            "plain_bytes": 200, "staged": [], "odd": None, "cpu_seeder": 1.0, "cpu_peers": [0.5, 1.5],
            "peak_seeder": MIB, "peak_peers": [3 * MIB, 2 * MIB], "computed": False, "error": None, **more}


def result(*trials):
    scenario = scenarios.custom(4, 100 * MBIT, 512 * MIB, ("murder", "aria2"))
    return {"scenario": scenario, "missing": {"transmission": "transmission-cli"}, "trials": list(trials),
            "plain": [10.0], "pieces": 2048}


def test_figures_are_medians_of_the_runs():
    runs = [trial("murder", [11, 12, 13, last]) for last in (14.0, 16.0, 15.0)]
    figures = report.summarise_scenario(result(*runs))["murder"]
    assert figures["last_by_copy"] == pytest.approx(1.5)
    assert figures["last"] == pytest.approx(1.5 / (1 + 2 / 2048))
    assert figures["last_range"] == [1.4, 1.6]
    assert figures["copies"] == pytest.approx(1.1)
    assert figures["peer_cpu_per_gib"] == pytest.approx(2.0)
    assert figures["peak_peer_mib"] == 3
    assert figures["runs"] == 3


def test_table_says_what_a_number_alone_would_hide():
    text = report.terminal_table(result(
        trial("murder", [11, 12, 13, 14]), trial("aria2", [20, 21, 28, None], busy=0.9),
        trial("fan-out", [40] * 4, computed=True, cpu_seeder=None, cpu_peers=[], peak_peers=[]),
        trial("libtorrent", [], error="libtorrent: host 1 ended with status 1: no")))
    assert "never" in text and "1 hosts never" in text
    assert "the processor was the bottleneck" in text
    assert "computed from a sample" in text
    assert "skipped: transmission (package transmission-cli is missing)" in text
    assert "host 1 ended with status 1" in text
    assert "65.00 % less time than fan-out" in text
    assert "tbf rate 100 Mbit/s burst 65536 limit 262144" in text


def test_one_run_of_several_on_a_full_processor_is_said():
    text = report.terminal_table(result(*(trial("murder", [11] * 4, busy=busy) for busy in (0.3, 0.95, 0.4))))
    assert "in 1 of 3 runs the processor was the bottleneck" in text


def test_it_says_when_murder_is_later():
    text = report.sooner(report.summarise_scenario(result(trial("murder", [20] * 4), trial("aria2", [10] * 4))))
    assert text == "murder 2.00 × later than aria2, the best other client"


def test_markdown_goes_between_its_marks():
    text = report.markdown([result(trial("murder", [11, 12, 13, 14]))], {"cores": 2, "processor": "P"},
                           {"custom": "images/custom.svg"})
    tables = [part.splitlines() for part in text.split("\n\n") if part.startswith("|")]
    assert len(tables) == 2 and all(len({row.count("|") for row in table}) == 1 for table in tables)
    assert "| [custom](#custom): " in text
    assert "](images/custom.svg)" in text and "2 cores (P)" in text


def test_json_has_no_infinite_numbers():
    written = json.dumps(report.as_json([result(trial("murder", [1, 2, 3, None]))], {"cores": 2}), allow_nan=False)
    scenario = json.loads(written)["scenarios"][0]
    assert scenario["figures"]["murder"]["last"] is None
    assert scenario["figures"]["murder"]["never"] == 1


def test_a_result_comes_back_from_what_was_written_of_it():
    measured = result(trial("murder", [11, 12, 13, None]), trial("aria2", [20, 21, 22, 23]))
    written = json.loads(json.dumps(report.as_json([measured], {"cores": 2}), allow_nan=False))["scenarios"][0]
    again = report.result_of(written, measured["scenario"])
    assert report.terminal_table(again) == report.terminal_table(measured)


def test_plot_is_well_formed_also_when_somebody_never_finished():
    text = plots.plot(result(trial("murder", [11, 12, 13, 14]), trial("aria2", [20, None, None, 999])), 1.001, 10.0)
    root = xml.etree.ElementTree.fromstring(text)
    lines = [e for e in root if e.tag.endswith("polyline")]
    assert len(lines) == 2
    assert "murder 14.00 s" in text and "aria2 2 never" in text


@pytest.mark.parametrize("arguments, words", [
    (["--hosts", "0"], "--hosts '0': 1 to"),
    (["--hosts", "-4"], "--hosts '-4': 1 to"),
    (["--hosts", "many"], "whole number"),
    (["--size=-1MiB"], "1 KiB to 64 GiB"),
    (["--size", "9999999TB"], "expected something like 64MiB"),
    (["--size", "900000GiB"], "1 KiB to 64 GiB"),
    (["--link", "0Mbit"], "100 kbit to 100 Gbit"),
    (["--runs", "0"], "--runs '0': 1 to"),
    (["--scale", "0"], "--scale '0'"),
    (["--contenders", "murder,bittornado"], "no contender 'bittornado': there are murder,"),
    (["--only", "17x17"], "no scenario '17x17': there are 8x100,"),
    (["--only", "8x100", "--hosts", "4"], "not both"),
    (["deploy", "--only", "8x100"], "no row '8x100': there are unshaped, thin, many"),
    (["clients", "--only", "8x100"], "no row '8x100': there are leeches, seeds, eight"),
    (["clients", "--contenders", "murder"], "no client 'murder': there are libtorrent,"),
    (["--no-such-option"], "unrecognized arguments"),
    (["--only", "8x100", "--update"], "name the file of the earlier run with --json"),
    (["--only", "8x100", "--update", "--json", "/no/such/file.json"], "cannot read /no/such/file.json"),
    (["--only", "8x100", "--update", "--json", str(BENCH)], "is not what --json writes"),
])
def test_nonsense_is_a_usage_error(bench, arguments, words):
    ended = bench(*arguments).wait()
    assert ended.status == 2
    assert words in ended.err


def test_list_names_scenarios_and_contenders(bench):
    ended = bench("--list").wait()
    assert ended.status == 0
    for name in [*scenarios.SCENARIOS, *contenders.CONTENDERS]:
        assert name in ended.out


SMALL = ("--hosts", "2", "--link", "100Mbit", "--size", "1MiB", "--runs", "1")


@needs_root
def test_small_run_end_to_end(bench, folder):
    ended = bench(*SMALL, "--contenders", "murder,chain,fan-out", "--json", folder / "out.json",
                  "--plots", folder / "plots").wait()
    assert ended.status == 0, ended
    assert "plain copy" in ended.out and "murder" in ended.out
    scenario = json.loads((folder / "out.json").read_text(encoding="utf-8"))["scenarios"][0]
    assert scenario["plain_seconds"][0] >= 0.9 * MIB * 8 / 100e6 - 0.006  # but for the burst
    figures = scenario["figures"]["murder"]
    assert figures["never"] == 0 and figures["runs"] == 1
    assert figures["copies"] >= 0.9
    assert figures["peak_peer_mib"] > 1 and figures["peer_cpu_per_gib"] > 0
    assert len(figures["errors"]) == 0
    xml.etree.ElementTree.parse(folder / "plots" / "custom.svg")


def test_what_deploy_takes_more_is_of_the_same_run_and_said_when_missed():
    row = {"hosts": 16, "size_bytes": 32 * MIB, "figures": {
        "floor": [0.1] * 3, "by_hand": [1.0, 3.0, 2.0], "first": [2.5, 4.0, 3.0], "bootstrapped": [2.5, 4.0, 3.2],
        "live_already": [2.5, 1.0, 1.5], "classical_floor": [0.1] * 3, "classical": [1.8, 3.9, 2.9]}}
    more = [values for what, values, _, _ in deploy_report.figures_of(row) if what == "… more than the transfer"]
    approximately = lambda *values: [pytest.approx(value) for value in values]
    assert more == [approximately(1.5, 1.0, 1.0), approximately(1.5, 1.0, 1.2), approximately(0.8, 0.9, 0.9)]
    text = deploy_report.terminal_table("unshaped", row)
    assert text.count("MISSED") == 1 and "1.50 s" in text  # the median of the second is 1.2 s, of the last 1.5 s
    thin = {"hosts": 16, "size_bytes": 32 * MIB, "figures": {"copy": [20.0], "first": [23.0], "bootstrapped": [21.0]}}
    text = deploy_report.markdown({"unshaped": row, "thin": thin}, {"cores": 2, "processor": "P"})
    assert "| 1.15 |  | 1.10 MISSED |" in text and "| 1.05 |  | 1.10 |" in text


def test_costs_are_extended_by_what_each_more_host_costs():
    figures = {f"{name}_{what}": [value] for what in ("seconds", "cpu", "ssh_cpu", "peak_mib", "ssh_peak_mib")
               for name, value in (("quarter", 10), ("all", 25), ("again", 5))}
    row = {"hosts": 200, "size_bytes": 65536, "figures": {**figures, "quarter_hosts": [50]}}
    extended = {what: values for what, values, _, _ in deploy_report.figures_of(row)}
    assert extended["extended to 5000 hosts: processor time of deploy"] == [pytest.approx(10 + 0.1 * 4950)]


@needs_root
def test_deploy_is_measured_against_the_same_by_hand(bench, folder, static_binary):
    out = folder / "out.json"
    ended = bench("deploy", "--hosts", "2", "--size", "256KiB", "--runs", "1", "--only", "unshaped,many", "--json", out,
                  MURDER_STATIC_BINARY=str(static_binary)).wait(300)
    assert ended.status == 0, ended
    rows = json.loads(out.read_text(encoding="utf-8"))["deploy"]
    unshaped, many = rows["unshaped"]["figures"], rows["many"]["figures"]
    assert all(len(values) == 1 and values[0] > 0 for values in [*unshaped.values(), *many.values()])
    assert unshaped["first"] < unshaped["first_to_end"]
    assert many["all_peak_mib"][0] > 1 and many["all_ssh_cpu"][0] > 0
    assert "first deploy: Enter to live on all" in ended.out


def test_clients_of_other_makes_are_measured(bench, folder):
    doc = folder / "doc.md"
    doc.write_text("before\n<!-- client results begin --><!-- client results end -->\nafter\n", encoding="utf-8")
    ended = bench("clients", "--only", "leeches", "--contenders", "aria2", "--size", "1MiB", "--runs", "1",
                  "--doc", doc).wait(300)
    assert ended.status == 0, ended
    assert re.search(r"before\n.*\| aria2 leeches \| \d+\.\d\d \|.*after", doc.read_text(encoding="utf-8"), re.DOTALL)


def test_update_refuses_what_another_machine_measured(bench, folder):
    out = folder / "out.json"
    out.write_text(json.dumps(report.as_json([], {"cores": 512, "processor": "P", "kernel": "1"})), encoding="utf-8")
    ended = bench("--only", "8x100", "--update", "--json", out).wait()
    assert ended.status == 2 and "was measured on another machine" in ended.err


@needs_root
def test_update_keeps_what_is_not_measured_now(bench, folder):
    out = folder / "out.json"
    tiny = ("--scale", "0.001", "--runs", "1", "--contenders", "chain", "--json", out)
    assert bench("--only", "16x50,8x100", *tiny).wait().status == 0
    before = json.loads(out.read_text(encoding="utf-8"))["scenarios"]
    bench("--only", "16x50", *tiny, "--update").wait()
    after = json.loads(out.read_text(encoding="utf-8"))["scenarios"]
    assert [s["scenario"] for s in after] == ["8x100", "16x50"]
    assert after[0] == next(s for s in before if s["scenario"] == "8x100")


@needs_root
def test_missing_contender_is_skipped_and_said_so(bench, folder):
    for tool in ("ip", "tc", "bridge", "nft"):
        where = next(p for p in (pathlib.Path(d) / tool for d in ("/usr/sbin", "/sbin", "/usr/bin", "/bin"))
                     if p.exists())
        (folder / tool).symlink_to(where)
    ended = bench(*SMALL, "--contenders", "aria2,chain", PATH=str(folder)).wait()
    assert "skipped: aria2 (package aria2 is missing)" in ended.out


def test_without_root_it_says_what_can_still_run(bench, start_program, as_ordinary_user, murder, folder):
    for path in (folder, folder.parent, REPOSITORY):
        if not os.stat(path).st_mode & 1 and path == REPOSITORY:
            pytest.skip("the repository is closed to other users")
    folder.chmod(0o777)
    ended = start_program(*as_ordinary_user("/usr/bin/python3", str(BENCH), *SMALL, "--folder", str(folder)),
                          env=programs(murder)).wait()
    assert ended.status == 1, ended
    assert "without them can run" in ended.out and "--only local" in ended.out


@needs_root
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_nothing_is_left_after_an_interruption(bench, folder, eventually, number):
    running = bench("--hosts", "3", "--link", "1Mbit", "--size", "8MiB", "--contenders", "murder", "--folder", folder)
    eventually(lambda: list(folder.glob("murder-bench-*/custom/source/payload.bin")), "it has begun")
    time.sleep(1)
    driver = driver_of(running.pid)
    running.send(number)
    eventually(lambda: running.status is not None, "it ends")
    eventually(lambda: not os.path.exists(f"/proc/{driver}"), "its driver ends")
    assert not list(folder.glob("murder-bench-*"))
    assert not list(pathlib.Path("/run/netns").glob(f"murder-{driver}-*"))
    if number != signal.SIGKILL:
        assert running.status in (130, 143)


def driver_of(pid):
    """The child of that process which runs the lab."""
    for path in pathlib.Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text(encoding="ascii", errors="replace").rsplit(")", 1)[1].split()
        except OSError:
            continue
        if int(fields[1]) == pid:
            return int(path.parent.name)
    pytest.fail("it has no driver")
