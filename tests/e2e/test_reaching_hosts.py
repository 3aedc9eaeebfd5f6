"""How hosts are reached: by the user's own ssh and its configuration, as an ordinary user with sudo,
through a jump host; and what is said when they are not.
"""

import os
import pathlib
import re

import pytest

from test_deploy import live, on_fleet, release, reports  # noqa: F401 (fixtures)

# As Debian has it, and what it may have besides.
DEFAULTS = ("Defaults env_reset, use_pty, mail_badpass\n"
            'Defaults secure_path="/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"\n')


# --- sudo ----------------------------------------------------------------------------------------


def test_an_ordinary_user_deploys_with_sudo_to_a_dest_of_root(fleet_lab, on_fleet, release):
    lab = fleet_lab(hosts=6, users={index: "deploy" for index in range(6)},
                    sudo={0, 1, 2, 3, 4, 5}, no_tools={4: ["sudo"]})
    lab.host(0).set_sudoers(DEFAULTS + "deploy ALL=(ALL:ALL) NOPASSWD: ALL\n")
    lab.host(2).set_sudoers(DEFAULTS + "deploy ALL=(ALL:ALL) ALL\n")
    lab.host(3).set_sudoers("Defaults requiretty\ndeploy ALL=(ALL:ALL) NOPASSWD: ALL\n")
    lab.host(5).set_sudoers("deploy ALL=(root) NOPASSWD: /bin/true\n")
    murder = on_fleet(lab)
    deploy = ("deploy", release("one"), "--tag", "v1", "--sudo")
    # The line that is said to help is one that does.
    line = "deploy ALL=(root) NOPASSWD: /bin/sh"
    lab.host(1).set_sudoers(DEFAULTS + line + "\n")
    told = reports(murder(*deploy, expect=3))
    assert [live(host) for host in lab.hosts] == ["v1", "v1", None, None, None, None]
    for host in lab.hosts[:2]:
        assert told[host.name]["address"] == host.address
        assert (host.dest / "current").stat().st_uid == (host.dest / ".murder").stat().st_uid == 0
        assert list((host.folder / "root/.cache/murder").iterdir()), "root's own, not the user's"
    for name, words in (("host-03", f'sudo asks for a password; with this line in '
                                    f'/etc/sudoers.d/murder there it need not: "{line}"'),
                        ("host-04", "!requiretty"), ("host-05", "sudo is not installed there"),
                        ("host-06", line)):
        assert told[name]["phase"] == "reach" and words in told[name]["reason"], told[name]
    # Without it the same user may not write there, and is told so.
    told = reports(murder("deploy", release("two", 2), "--where", "host=host-01", expect=1))
    assert "Permission denied (to deploy; --sudo does it as root)" in told["host-01"]["reason"]


# --- jump hosts ----------------------------------------------------------------------------------


def test_few_at_once_go_through_a_jump_host_and_those_it_drops_come_again(fleet_lab, on_fleet):
    lab = fleet_lab(hosts=12, jump=True, sshd={"jump": "LogLevel VERBOSE\nMaxStartups 9:100:9"})
    murder = on_fleet(lab)
    murder("doctor")
    assert "drop connection" not in lab.jump.sshd_log
    lab.jump.configure_sshd("MaxStartups 3:100:3")
    for arguments in ((), ("--concurrency", "12")):
        told = reports(murder("doctor", *arguments))
        assert all(report["good"] for report in told.values()) and len(told) == 12
    assert "drop connection" in lab.jump.sshd_log


# --- the user's own ssh --------------------------------------------------------------------------


def test_the_users_ssh_configuration_counts(fleet_lab, on_fleet, folder):
    lab = fleet_lab(hosts=3, sshd={0: "Port 2222"}, users={1: "deploy"})
    config = lab.ssh_config.read_text()
    host = lab.host(0)
    known = (lab.folder / "known_hosts").read_text()
    (lab.folder / "known_hosts").write_text(known + f"[{host.address}]:2222 {host.host_key()}\n")
    lab.ssh_config.write_text(f"Host other\n  HostName {host.address}\n  Port 2222\n  User root\n"
                              "Host *\n  ControlMaster auto\n  ControlPersist 60\n"
                              f"  ControlPath {folder}/master-%C\n" + config)
    listed = lab.folder / "list"
    listed.write_text("other\ndeploy@host-02\nroot@host-03:22\n")
    env = on_fleet.env(lab)
    doctor = ("doctor", "--to", lab.dest, "--all", "--json")
    first = lab.run(*doctor, "--hosts", listed, env=env, expect=3)
    assert list(folder.glob("master-*")), "sessions are shared"
    told = reports(first)
    assert told["other"]["good"] and told["host-03"]["good"]
    assert "cannot write into /srv" in told["host-02"]["reason"], "as deploy, not as root"
    # Once more, by the connections that are there; the list by standard input; more options.
    again = lab.start_program("sh", "-c", 'exec "$@" --hosts - <"$0"', listed, lab.murder, *doctor,
                              env={**env, "MURDER_SSH": lab.ssh + " -o 'LogLevel=ERROR' -4"}).wait()
    assert (again.status, reports(again)["other"]["good"]) == (3, True), again


def test_what_ssh_says_is_told_with_a_way_out(fleet_lab, on_fleet, start_program):
    lab = fleet_lab(hosts=5, login_noise={0: "x" * 10_000_000})
    noisy, unknown, waits, mute, jumped = lab.hosts
    known = lab.folder / "known_hosts"
    known.write_text("".join(line for line in known.read_text().splitlines(keepends=True)
                             if not line.startswith(unknown.address + " ")))
    (waits.home / ".bashrc").write_text("read answer; read answer; read answer\n")
    mute.stop_sshd()
    server = start_program(*mute.command(
        "python3", "-c", "import socket\nlistener = socket.create_server(('', 22))\n"
        "print('listens', flush=True)\nheld = []\n"
        "while True:\n    held.append(listener.accept()[0]); held[-1].send(b'SSH-2.0-x\\r\\n')"))
    server.wait_for_output("listens")
    lab.ssh_config.write_text(f"Host {jumped.name}\n  ProxyJump nowhere.invalid\n" +
                              lab.ssh_config.read_text())
    result = on_fleet(lab)("releases", "--connect-timeout", "2s", expect=None)
    told = reports(result)
    for host, words in ((noisy, "its login shell wrote more than 1.0 MB before it answered"),
                        (unknown, "its host key is not known: connect once by hand"),
                        (waits, "it let ssh connect and then did not answer (gave up after 6.0 s)"),
                        (mute, ""), (jumped, "nowhere.invalid")):
        report = told[host.name]
        assert (report["state"], report["phase"]) == ("failed", "reach"), report
        assert words in report["reason"] and len(report["reason"]) < 400, report
    assert result.status == 1, "a host that answers, and says too much, was reached"


@pytest.mark.parametrize("how", [{"MURDER_SSH": "/no/such/ssh -v"}, {"PATH": "/nowhere"}])
def test_without_ssh_nothing_is_begun(run, how):
    result = run("releases", "--host", "web-1,web-2", "--to", "/srv/app", env=how, expect=2)
    assert "there is no program" in result.err and "MURDER_SSH" in result.err
    assert "web-1" not in result.err


# --- many sessions -------------------------------------------------------------------------------

# In place of ssh: a host that has murder, and answers the first order once somebody writes to $GO.
STAND_IN = r"""#!/bin/sh
IFS= read -r l; n=${l#n=}; n=${n%% *}
say() { printf "\\0\\0\\$(printf %03o $((${#1} / 256)))\\$(printf %03o $((${#1} % 256)))\\0\\0\\0\\0%s" "$1"; }
printf '\nmurder-boot %s run /x\n' "$n"
say '{"hello":{"protocol":1,"version":"0.1.0","machine":"x86_64","address":"10.0.0.1"}}'
head -c 8 >/dev/null
: >"$FOLDER/asked-$$"
: <"$GO"
say '{"re":1,"releases":[],"previous":""}'
exec cat >/dev/null
"""


def test_a_session_that_waits_takes_little_memory(start, folder, eventually, sanitized):
    if sanitized:
        pytest.skip("a sanitizer's memory is not murder's")
    script, go = folder / "connect", folder / "go"
    script.write_text(STAND_IN)
    script.chmod(0o755)
    memory = {}
    for hosts in (20, 220):
        asked = folder / f"asked-{hosts}"
        asked.mkdir()
        os.mkfifo(go)
        running = start("releases", "--host", f"web-[001-{hosts}]", "--to", "/srv/app", "--json",
                        env={"MURDER_SSH": str(script), "FOLDER": str(asked), "GO": str(go)})
        eventually(lambda asked=asked, hosts=hosts: len(list(asked.iterdir())) == hosts, "all wait")
        status = pathlib.Path(f"/proc/{running.pid}/status").read_text()
        memory[hosts] = int(re.search(r"VmRSS:\s+(\d+) kB", status)[1])
        writer = os.open(go, os.O_RDWR)
        assert running.wait().status == 0
        os.close(writer)
        go.unlink()
    assert (memory[220] - memory[20]) / 200 < 60, f"kB a session, of {memory}"
