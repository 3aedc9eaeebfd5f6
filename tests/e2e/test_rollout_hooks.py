"""Hooks and checks: that fail, hang, print without end, are lost; a check by URL."""

from rollout import on_fleet, only_on, reports, rollouts, states, summary  # noqa: F401 (fixtures)


def test_hooks_that_fail_hang_and_print(rollouts, sanitized):  # noqa: F811
    fleet = rollouts(hosts=4)
    hook = ("case $MURDER_HOST in host-01) echo first; echo broken >&2; exit 7;; "
            "host-02) echo waiting; sleep 1000;; esac")
    result = fleet.deploy("v2", "--pre-activate", hook, "--hook-timeout", "2s", expect=3)
    told = reports(result)
    assert states(result) == ["failed", "failed", "activated", "activated"]
    assert fleet.live() == ["v1", "v1", "v2", "v2"]
    assert told["host-01"]["reason"] == "pre-activate failed: exit status 7: broken"
    assert told["host-02"]["reason"] == "pre-activate failed: not done within 2 s: waiting"
    assert {told[name]["phase"] for name in ("host-01", "host-02")} == {"activate"}
    assert {told[name]["live_tag"] for name in ("host-01", "host-02")} == {"v1"}
    assert not fleet.lab.host(1).processes("sleep 1000"), "it is ended"
    deploy = summary(result)["deploy"]
    assert "first\nbroken" in fleet.told("logs", deploy, "host-01")

    flood = 100_000_000 if sanitized else 1_000_000_000
    result = fleet.deploy("v3", "--post-activate", only_on(
        "host-03", f"echo begin; head -c {flood} /dev/zero; echo; echo end"),
                          "--hook-timeout", "10m", timeout=300)
    assert states(result) == ["activated"] * 4 and fleet.live() == ["v3"] * 4
    deploy = summary(result)["deploy"]
    long = fleet.told("logs", deploy, "host-03")
    assert "begin" in long and "left out" in long and "end" in long and len(long) < 300_000


def test_a_hook_after_the_switch_that_fails_is_run_again(rollouts):  # noqa: F811
    fleet = rollouts(hosts=2)
    hook = ("--post-activate", "echo $MURDER_TAG after $MURDER_PREVIOUS >> ../../ran; "
            "test $MURDER_HOST = host-01 || test -e ../../fixed")
    result = fleet.deploy("v2", *hook, expect=3)
    assert states(result) == ["activated", "failed"] and fleet.live() == ["v2", "v2"]
    assert "post-activate failed: exit status 1" in reports(result)["host-02"]["reason"]
    (fleet.lab.host(1).dest / "fixed").write_text("")
    result = fleet.deploy("v2", *hook)
    assert states(result) == ["unchanged", "activated"]
    ran = [(host.dest / "ran").read_text().splitlines() for host in fleet.lab.hosts]
    assert [len(lines) for lines in ran] == [1, 2] and ran[0] == ["v2 after v1"]


def test_a_check_is_tried_again_and_a_url_is_asked(rollouts):  # noqa: F811
    fleet = rollouts(hosts=3)
    # Well at the third try.
    result = fleet.deploy("v2", "--check", "echo >> ../../tries; test $(wc -l < ../../tries) -ge 3",
                          "--check-retries", "4", "--check-interval", "10ms")
    assert states(result) == ["healthy"] * 3
    assert (fleet.lab.host(2).dest / "tries").read_text() == "\n" * 3
    # Never: it hangs on one host, fails on another.
    check = "case $MURDER_HOST in host-01) sleep 1000;; host-02) echo 'no database'; exit 1;; esac"
    result = fleet.deploy("v3", "--check", check, "--check-timeout", "1s", "--check-retries", "1",
                          "--check-interval", "10ms", expect=3)
    told = reports(result)
    assert told["host-01"]["reason"] == "the check failed 2 times: not done within 1 s"
    assert told["host-02"]["reason"] == "the check failed 2 times: exit status 1: no database"

    # A server on each host; what it serves there says how the host is.
    for host in fleet.lab.hosts[:2]:
        (host.disk / "www").mkdir()
        host.shell("setsid python3 -u -m http.server --bind 127.0.0.1 --directory /srv/www 8000 "
                   ">/srv/www.log 2>&1 </dev/null &\n"
                   "until grep -q Serving /srv/www.log; do sleep 0.05; done")
    (fleet.lab.host(0).disk / "www/healthz").write_text("well\n")
    result = fleet.deploy("v4", "--check-url", "http://localhost:8000/healthz?full=1",
                          "--check-retries", "1", "--check-interval", "10ms", expect=3)
    told = reports(result)
    assert states(result) == ["healthy", "failed", "failed"]
    assert told["host-02"]["reason"].startswith("the check failed 2 times: HTTP status 404")
    assert "refused" in told["host-03"]["reason"]
    assert fleet.live() == ["v4"] * 3


def test_flags_that_make_no_sense_are_refused(rollouts, run, folder):  # noqa: F811
    fleet = rollouts(hosts=1, live=None)
    for arguments, words in (
            (["--check", "true", "--check-url", "http://localhost/"], "give one of them"),
            (["--check-url", "https://localhost/"], "no http:// address"),
            (["--waves", "1,0"], "a wave of no hosts"), (["--waves", "x"], "neither a number"),
            (["--max-failures", "150%"], "--max-failures"), (["--hook-timeout", "0s"], "1s to 24h"),
            (["--pause", "soon"], "--pause")):
        result = fleet.deploy("v1", *arguments, expect=2)
        assert words in result.err, result
    # What is for a fleet does not pass in silence where there is none.
    result = run("activate", "v1", "--to", folder / "app", "--post-activate", "true", expect=2)
    assert "--post-activate: works on a fleet" in result.err
    assert "--waves" in run("rollback", "--to", "/srv/app", "--waves", "1", expect=2).err
