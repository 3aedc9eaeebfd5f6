"""murder simulate: the real binary, small fleets."""

import xml.etree.ElementTree as xml

import pytest

SMALL = ("simulate", "--no-config", "--hosts", "20", "--size", "32MiB", "--link", "100Mbit")


def summary(result):
    last = result.events()[-1]
    assert last["event"] == "summary"
    return last


def test_the_report_is_data_and_the_talk_is_on_stderr(run):
    result = run(*SMALL)
    for words in ("limit", "first", "median", "99 %", "last", "seeder sent", "tracker",
                  "one server"):
        assert words in result.out
    assert result.err == "simulating 20 hosts\n"
    assert run(*SMALL, "-q").err == ""
    assert "events in" in run(*SMALL, "-v").err


def test_json_ends_with_the_ratio(run):
    result = run(*SMALL, "--json")
    assert result.err == ""
    figures = summary(result)
    assert 1 <= figures["last_ratio"] < 1.2
    assert figures["complete"] == figures["expected"] == 20
    assert figures["limit_set_by"] == "seeder_link"


def test_one_seed_is_one_run(run):
    def without_time(*arguments):
        figures = summary(run(*SMALL, "--json", *arguments))
        del figures["t"]
        return figures

    assert without_time() == without_time()
    assert without_time()["fingerprint"] != without_time("--seed", "2")["fingerprint"]


@pytest.mark.parametrize("option", [
    ("--seeder-link", "50Mbit"), ("--latency", "5ms"), ("--slow", "33%:25Mbit"),
    ("--racks", "2", "--rack-link", "50Mbit"), ("--late", "1:50%"), ("--churn", "10%:1s"),
    ("--seeder-dies", "1s"), ("--stop", "1:50%"), ("--pieces", "256"), ("--seed", "3"),
    ("--hosts", "21"), ("--size", "33MiB"), ("--link", "99Mbit")])
def test_every_option_makes_another_run(run, option):
    plain = summary(run(*SMALL, "--json"))
    changed = list(SMALL)
    if option[0] in changed:
        changed[changed.index(option[0]) + 1] = option[1]
    else:
        changed += option
    # A seeder that dies before every piece is out leaves the fleet without, which is an error.
    other, = run(*changed, "--json", expect=None).events("summary")
    assert other["fingerprint"] != plain["fingerprint"]


def test_the_plot_is_a_labelled_picture(run, folder):
    run(*SMALL, "--plot", folder / "done.svg")
    picture = xml.parse(folder / "done.svg").getroot()
    texts = [text.text for text in picture.iter("{http://www.w3.org/2000/svg}text")]
    assert "time since the start (seconds)" in texts and "hosts done" in texts
    assert picture.find("{http://www.w3.org/2000/svg}polyline") is not None


@pytest.mark.parametrize("arguments, words", [
    (("--hosts", "0"), ("--hosts", "1 to 50000")),
    (("--hosts", "-5"), ("--hosts", "-5")),
    (("--hosts", "many"), ("--hosts", "many")),
    (("--size", "-1GiB"), ("--size", "-1GiB")),
    (("--size", "0"), ("--size",)),
    (("--size", "9999TiB"), ("--size", "65536")),
    (("--link", "0"), ("--link",)),
    (("--latency", "long"), ("--latency", "200ms")),
    (("--pieces", "-1"), ("--pieces",)),
    (("--seed", "x"), ("--seed", "x")),
    (("--racks", "3"), ("--rack-link",)),
    (("--churn", "101%"), ("--churn", "100%")),
    (("--frobnicate",), ("--frobnicate", "see murder simulate --help")),
    (("--plot", "/nowhere/done.svg"), ("--plot", "/nowhere/done.svg", "name a file")),
    (("--plot", "/"), ("--plot", "folder")),
])
def test_bad_input_ends_before_the_run_with_status_2(run, arguments, words):
    result = run("simulate", "--no-config", *arguments, expect=2)
    assert result.out == "" and "simulating" not in result.err
    assert result.err.count("\n") == 1
    for word in words:
        assert word in result.err, result


def test_a_seeder_that_dies_too_early_is_a_failure_that_is_explained(run):
    result = run(*SMALL, "--seeder-dies", "20%", "--json", expect=1)
    assert summary_before_error(result)["last_ratio"] is None
    assert "the seeder died before every piece was out" in result.err


def summary_before_error(result):
    figures, error = result.events()[-2:]
    assert (figures["event"], error["event"]) == ("summary", "error")
    return figures
