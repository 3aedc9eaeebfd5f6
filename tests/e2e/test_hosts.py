"""murder hosts: lists of hosts and selections, as the user gives them."""

import pathlib
import random
import re
import subprocess

import pytest

PAGE = pathlib.Path(__file__).resolve().parents[2] / "docs/inventory.md"

FLEET = """\
# a fleet
[rack=r7 role=web]
deploy@web[01-03].example.com
[rack=r8]
api1:2222 role=api note="two words"
[2001:db8::17] role=db addr=198.51.100.17 name=db1
"""
NAMES = ["web01.example.com", "web02.example.com", "web03.example.com", "api1", "db1"]


@pytest.fixture
def fleet(folder):
    path = folder / "fleet.txt"
    path.write_text(FLEET)
    return path


@pytest.fixture
def piped(murder, clean_environment, folder):
    """piped(text, *arguments): murder with text on standard input, as CompletedProcess."""
    return lambda text, *arguments: subprocess.run(
        [murder, *arguments], input=text, capture_output=True, text=True, timeout=60, cwd=folder,
        env=clean_environment)


def names(run, *arguments, **how):
    return run("hosts", *arguments, "--names", **how).out.splitlines()


def test_a_table_says_what_a_list_means(run, fleet):
    result = run("hosts", "--hosts", fleet)
    assert result.out == """\
NAME               SSH                       LABELS
web01.example.com  deploy@web01.example.com  rack=r7 role=web
web02.example.com  deploy@web02.example.com  rack=r7 role=web
web03.example.com  deploy@web03.example.com  rack=r7 role=web
api1               api1:2222                 note="two words" rack=r8 role=api
db1                [2001:db8::17]            addr=198.51.100.17 rack=r8 role=db
"""
    assert result.err == "5 hosts\n"
    bare = run("hosts", "--host", "web1")
    assert (bare.out, bare.err) == ("NAME  SSH   LABELS\nweb1  web1\n", "1 host\n")
    assert run("hosts", "--host", "web1", "-q").err == ""


def test_json_is_one_object_a_host(run, fleet):
    result = run("hosts", "--hosts", fleet, "--host", "x", "--json")
    assert result.err == ""
    events = result.events()
    assert [event["event"] for event in events] == ["host_selected"] * 6
    assert [event["name"] for event in events] == [*NAMES, "x"]
    for event in events:
        event.pop("t")
    assert events[4] == {
        "schema": 1, "event": "host_selected", "name": "db1", "user": "", "host": "2001:db8::17",
        "port": 0, "labels": {"addr": "198.51.100.17", "rack": "r8", "role": "db"},
        "where": f"{fleet}:6"}
    assert (events[3]["port"], events[0]["user"], events[5]["where"]) == (2222, "deploy", "--host")


def test_lists_add_up(run, fleet, folder):
    (folder / "more.txt").write_text("more[1-2]\n")
    assert names(run, "--hosts", fleet, "--hosts", folder / "more.txt", "--host", "a,[b,c]d,[::1]",
                 "--host", "root@e:22") == [*NAMES, "more1", "more2", "a", "bd", "cd", "[::1]", "e"]
    assert names(run, "--host", "[::1],[::2]") == ["[::1]", "[::2]"]


def test_a_list_may_come_from_standard_input_once(piped, run, fleet):
    result = piped(FLEET, "hosts", "--hosts", "-", "--names")
    assert (result.returncode, result.stdout.splitlines()) == (0, NAMES)
    # What follows the flag is not taken for another file.
    assert piped("web1\n", "hosts", "--hosts", "-", "web2").returncode == 2
    twice = piped("web1\n", "hosts", "--hosts", "-", "--hosts", "-")
    assert (twice.returncode, twice.stderr) == (
        2, "murder: --hosts: standard input (-) can be read once only\n")
    bad = piped("web1\r\nweb1\r\n", "hosts", "--hosts", "-")
    assert (bad.returncode, bad.stdout) == (2, "")
    assert bad.stderr == "murder: stdin:2:1: web1 is named already: stdin:1\n"
    assert piped("", "hosts", "--hosts", "-").returncode == 2


def test_a_selection_narrows(run, fleet):
    assert names(run, "--hosts", fleet, "--where", "role=web") == NAMES[:3]
    assert names(run, "--hosts", fleet, "--where", "rack=r8,role!=db") == ["api1"]
    assert names(run, "--hosts", fleet, "--where", "rack=r8", "--where", "!addr") == ["api1"]
    assert names(run, "--hosts", fleet, "--where", "host=web0*|db1",
                 "--where", "host!=*02*") == [NAMES[0], NAMES[2], "db1"]


def test_a_selection_of_nothing_says_what_there_is(run, fleet):
    result = run("hosts", "--hosts", fleet, "--where", "rack=r9", expect=2)
    assert result.out == ""
    assert result.err == (
        "murder: --where: rack=r9 selects none of 5 hosts, which have addr=198.51.100.17, "
        "note=two words, rack=r7|r8, role=api|db|web\n")
    assert run("hosts", "--hosts", fleet, "--where", "rack r7", expect=2).err.startswith(
        "murder: --where: 'rack r7' is no term: ")


def test_no_hosts_are_refused_with_the_way_out(run, folder):
    result = run("hosts", expect=2)
    for flag in ("--hosts FILE", "--host "):
        assert flag in result.err
    assert run("hosts", "--where", "a=b", expect=2).err == result.err
    (folder / "empty.txt").write_text("# nobody\n")
    assert "empty.txt: no host in it" in run("hosts", "--hosts", "empty.txt", expect=2).err
    assert run("hosts", "--hosts", "none.txt", expect=2).err == (
        "murder: --hosts: cannot open none.txt: No such file or directory\n")
    assert "Is a directory" in run("hosts", "--hosts", folder, expect=2).err


def test_every_wrong_line_of_5000_is_named(run, folder):
    source = random.Random(4)
    lines = [f"deploy@web{i:04}.example.com rack=r{i % 40}" for i in range(1, 5001)]
    wrong = sorted(source.sample(range(10, 5001), 40))
    faults = [lambda line: line.replace(".", " ", 1), lambda line: "-" + line,
              lambda line: line.replace("web", "web[1-"), lambda line: line + ' note="x',
              lambda line: line.replace(" ", ":123456 "), lambda line: lines[0]]
    for number in wrong:
        lines[number - 1] = source.choice(faults)(lines[number - 1])
    (folder / "big.txt").write_text("\n".join(lines))

    result = run("hosts", "--hosts", "big.txt", expect=2)
    head, *named = result.err.splitlines()
    assert head == "murder: 40 things are wrong with the hosts that are named:"
    assert [int(re.match(r"big\.txt:(\d+):\d+: \S", line)[1]) for line in named] == wrong
    error, = run("hosts", "--hosts", "big.txt", "--json", expect=2).events()
    assert (error["event"], error["kind"], error["exit"]) == ("error", "usage", 2)
    assert error["message"].splitlines()[1:] == named

    (folder / "bad.txt").write_text("".join(f"web{i}:x\n" for i in range(5000)))
    *_, fiftieth, last = run("hosts", "--hosts", "bad.txt", expect=2).err.splitlines()
    assert fiftieth.startswith("bad.txt:50:") and last == "… and 4950 more"


def test_what_is_configured_is_used_unless_hosts_are_typed(run, fleet, folder):
    (folder / "murder.toml").write_text('hosts = "fleet.txt"\nwhere = ["rack=r7", "host!=*02*"]\n')
    (folder / "more.txt").write_text("more1\n")
    chosen = [NAMES[0], NAMES[2]]
    assert names(run, cwd=folder) == chosen
    assert names(run, "--where", "rack=r8", cwd=folder) == NAMES[3:]
    assert names(run, env={"MURDER_WHERE": "rack=r8 role=db"}, cwd=folder) == ["db1"]
    # A host that is named never means the file's besides.
    for how in ({"env": {"MURDER_HOST": "x [y,z]1"}}, {"env": {"MURDER_HOSTS_HOST": "x y1 z1"}}):
        assert names(run, "--where", "host", cwd=folder, **how) == ["x", "y1", "z1"]
        assert names(run, "--where", "host", "--host", "w", cwd=folder, **how) == ["w"]
        assert names(run, "--where", "host", "--hosts", "more.txt", cwd=folder, **how) == ["more1"]
    refused = run("hosts", "--where", "rack=r9", "--hosts", "none.txt", expect=2, cwd=folder)
    assert "set by" not in refused.err

    (folder / "murder.toml").write_text('hosts = ["fleet.txt", "more.txt"]\nhost = "[::1]"\n')
    assert names(run, cwd=folder) == [*NAMES, "more1", "[::1]"]
    (folder / "murder.toml").write_text('host = "x"\n[dance]\n')
    assert run("hosts", expect=2, cwd=folder).err.startswith("murder: ./murder.toml:")
    (folder / "murder.toml").write_text('hosts = "none.txt"\nwhere = "a"\n')
    assert run("hosts", expect=2, cwd=folder).err.endswith("(set by ./murder.toml:1)\n")


def test_a_configured_list_of_hosts_is_no_number_of_hosts(run, fleet, folder):
    (folder / "murder.toml").write_text('hosts = "fleet.txt"\n')
    simulated = ("simulate", "--size", "1MiB", "--json")
    assert run(*simulated, cwd=folder).events("summary")[0]["hosts"] == 16
    environment = {"MURDER_HOSTS": "fleet.txt", "MURDER_SIMULATE_HOSTS": "4"}
    assert run(*simulated, cwd=folder, env=environment).events("summary")[0]["hosts"] == 4


def test_a_list_cannot_steer_the_terminal(run, folder):
    (folder / "bad.txt").write_bytes(b'web\x1b[2J a="\x1b]0;x\x07"\n\xff\n[\x1b]\n')
    result = run("hosts", "--hosts", "bad.txt", expect=2)
    assert "\x1b" not in result.err and result.err.count("\n") == 5, result


def test_100000_hosts_are_listed(run):
    assert names(run, "--host", "web[00001-100000]")[-1] == "web100000"
    refused = run("hosts", "--host", "web[0-100000]", expect=2)
    assert "more than 100000 hosts" in refused.err


def test_the_page_shows_what_is_so(run, folder):
    """Every `$ cat FILE` and `$ murder …` of docs/inventory.md."""
    blocks = re.findall(r"^```\n(\$ .*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    shown = [entry for block in blocks for entry in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]]
    commands = 0
    for entry in shown:
        command, text = entry.split("\n", 1)
        words = [word.strip("'") for word in command.split()]
        if words[0] == "cat":
            (folder / words[1]).write_text(text)
            continue
        result = run(*words[1:], expect=None)
        assert result.out + result.err == text, result
        commands += 1
    assert commands >= 2
