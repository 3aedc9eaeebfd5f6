"""`murder doctor`: each thing that would stand in a deploy's way is found on the host that has it, with
how bad it is and what to do, and nowhere else.
"""

from test_deploy import on_fleet, release, reports  # noqa: F401 (fixtures)

YEAR_S = 365 * 86400


def findings(result):
    """{host: {what: (severity, found, way out)}} of what is not fine."""
    found = {}
    for event in result.events("finding"):
        of_host = found.setdefault(event["host"], {})
        if event["severity"] != "fine":
            of_host[event["what"]] = (event["severity"], event["found"], event["way_out"])
    return found


def test_each_host_is_told_what_is_wrong_with_it_and_nothing_else(fleet_lab, on_fleet):
    lab = fleet_lab(hosts=11, disks={0: "4M"}, noexec={1: ["srv"]}, clock_skew={2: YEAR_S},
                    ulimit={3: "-n 48", 10: "-f 60000"}, no_tools={4}, readonly={6},
                    users={8: "deploy"})
    full, closed, off = lab.host(0), lab.host(5), lab.host(7)
    full.fill_disk(leave=100_000)
    closed.firewall()
    off.stop_sshd()
    result = on_fleet(lab)("doctor", expect=3)
    found = findings(result)

    def expect(index, what, severity, in_found, in_way_out):
        told = found[f"host-{index + 1:02}"].pop(what, None)
        assert told, (index, what, result)
        assert told[0] == severity and in_found in told[1] and in_way_out in told[2], told

    expect(0, "room", "PROBLEM", "kB free", "murder prune")
    expect(1, "destination", "WARNING", "noexec", "mount it with exec")
    expect(2, "clock", "WARNING", "ahead of this machine's", "NTP")
    expect(3, "open files", "PROBLEM", "48 allowed", "ulimit -n")
    expect(4, "fetching", "WARNING", "no curl", "over ssh")
    expect(5, "ports", "PROBLEM", "no way to host-07", "TCP 8998 to 9060")
    expect(6, "destination", "PROBLEM", "read-only", "mount it for writing")
    expect(7, "ssh", "PROBLEM", "refused", "")
    expect(8, "destination", "PROBLEM", "cannot write into /srv", "--sudo")
    expect(10, "file size", "WARNING", "at most", "ulimit -f")
    # Those that tried the closed one, and no other.
    for index in (1, 2, 3, 4):
        expect(index, "ports", "WARNING", f"no way to {closed.name} (", "TCP 8998 to 9060")
        assert closed.address in result.out
    assert {host: left for host, left in found.items() if left} == {}
    assert {host for host, report in reports(result).items() if not report["good"]} == {
        f"host-{index + 1:02}" for index in (0, 3, 5, 6, 7, 8)}


def test_room_is_judged_by_what_is_to_come_or_by_what_is_live(fleet_lab, on_fleet, release, run,
                                                              make_tree, folder):
    lab = fleet_lab(hosts=2, disks={0: "60M", 1: "200M"})
    murder = on_fleet(lab)
    assert {told["room"][0] for told in findings(murder("doctor")).values()} == {"WARNING"}

    def bad(*arguments, expect):
        found = findings(murder("doctor", *arguments, expect=expect))
        return {host for host, told in found.items() if "room" in told}

    assert bad("--size", "50MB", expect=3) == {"host-01"}
    assert bad("--size", "20MB", expect=0) == set()
    large = make_tree(folder / "large", {"data": 45_000_000})
    assert bad("--for", large, expect=3) == {"host-01"}
    run("pack", large, "-o", folder / "large.tar.zst", "--tag", "large")
    assert bad("--for", folder / "large.tar.zst", expect=3) == {"host-01"}
    assert bad("--for", large / "data", expect=0) == set()
    assert "no such file" in murder("doctor", "--for", folder / "none", expect=2).err

    murder("deploy", release("one"), "--tag", "v1")
    assert bad(expect=0) == set()
    lab.host(0).fill_disk(leave=3_000_000)
    found = findings(murder("doctor", expect=3))
    assert "v1, which is live, took 7" in found["host-01"]["room"][1]
    assert found["host-02"] == {}


def test_people_read_what_is_wrong_and_all_of_it_if_they_ask(fleet_lab, on_fleet):
    lab = fleet_lab(hosts=2, clock_skew={1: YEAR_S})
    env = on_fleet.env(lab)
    doctor = ("doctor", "--to", lab.dest, "--hosts", lab.hosts_file)
    result = lab.run(*doctor, env=env)
    assert "host-02  WARNING  clock: " in result.out, result
    assert "ahead of this machine's; a deploy does not need it" in result.out, result
    assert "host-01  " not in result.out.split("\n\n")[0], result
    everything = lab.run(*doctor, "--all", env=env).out
    for what in ("ssh: answers", "system: ", "murder: ", "destination: can be written", "room: ",
                 "inodes: ", "open files: ", "memory: ", "fetching: ", "address: 198.18.",
                 "ports: 1 host tried, all answer"):
        assert f"host-01  fine     {what}" in everything, what
    lab.host(0).stop_sshd()
    lab.host(1).stop_sshd()
    lab.run(*doctor, env=env, expect=4)


def test_two_names_of_one_host_and_an_address_that_is_not_its_own(fleet_lab, on_fleet):
    lab = fleet_lab(hosts=2)
    lab.hosts_file.write_text(f"host-01\nroot@{lab.host(0).address} name=again\n"
                              "host-02 addr=192.0.2.1\n")
    found = findings(on_fleet(lab)("doctor", expect=3))
    assert found["again"]["address"][:2] == ("WARNING", f"{lab.host(0).address}, as that of host-01")
    severity, words, way_out = found["host-02"]["ports"]
    assert severity == "PROBLEM" and "192.0.2.1" in words and "addr=" in way_out


def test_dropped_handshakes_are_told(fleet_lab, on_fleet, eventually):
    lab = fleet_lab(hosts=1, sshd={0: "MaxStartups 1:100:1\nLogLevel VERBOSE"})
    host = lab.host(0)
    held = lab.start_program("bash", "-c", f"exec 3<>/dev/tcp/{host.address}/22; read -u3 line; "
                             "echo $line; sleep 1000")
    held.wait_for_output("SSH-2.0")
    doctor = lab.start("doctor", "--to", lab.dest, "--hosts", lab.hosts_file, "--json",
                       env=on_fleet.env(lab))
    eventually(lambda: "drop connection" in host.sshd_log, "a handshake is dropped")
    held.kill()
    severity, words, way_out = findings(doctor.wait())["host-01"]["ssh"]
    assert severity == "WARNING" and "dropped" in words and "MaxStartups" in way_out
