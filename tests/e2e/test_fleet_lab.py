"""The lab of hosts with sshd does what it says: what the tests of deploy stand on."""

import os
import pathlib
import shutil
import subprocess
import sys

import pytest

TRY_TO_CONNECT = "echo >/dev/tcp/{}/{}"


def test_each_host_answers_by_ssh_and_has_a_disk_of_its_own(fleet_lab):
    lab = fleet_lab(hosts=16)
    write = ("echo $HOME; mkdir /srv/app && "
             "hostname | tee /srv/app/name ~/name /tmp/name /var/tmp/name")
    running = [lab.start_program("ssh", "-F", lab.ssh_config, host.name, write)
               for host in lab.hosts]
    for host, ssh in zip(lab.hosts, running):
        result = ssh.wait()
        assert result.status == 0, result
        assert result.out.split() == ["/root", host.name], result
        for path in (host.dest, host.home, host.tmp, host.vartmp):
            assert (path / "name").read_text().split() == [host.name]
    assert lab.hosts_file.read_text().split() == [host.name for host in lab.hosts]


def test_murder_runs_on_the_control_machine(fleet_lab):
    lab = fleet_lab(hosts=2, labels=["rack=a", "rack=b weight=2"])
    assert "murder" in lab.run("--version").out
    assert lab.hosts_file.read_text() == "host-01 rack=a\nhost-02 rack=b weight=2\n"
    seen = lab.start_program("sh", "-c", "ip -o -4 addr; echo $MURDER_SSH").wait()
    assert "198.18.0.1/32" in seen.out and lab.ssh in seen.out, seen
    assert "not resolve" in lab.run_ssh("nobody.example", "true", expect=255).err


def test_a_dead_host_says_nothing_and_keeps_its_disk(fleet_lab, eventually):
    lab = fleet_lab(hosts=2, disks={1: "5M"})
    dead = lab.hosts[1]
    ssh = lab.start_program("ssh", "-F", lab.ssh_config, "-o", "ServerAliveInterval=1",
                            "-o", "ServerAliveCountMax=1", "host-02",
                            "echo x >/srv/kept; echo there; sleep 1000")
    ssh.wait_for_output("there")
    eventually(lambda: len(dead.processes("^sleep 1000")) == 1, "it sleeps")
    dead.kill()
    assert dead.processes() == []
    assert ssh.wait().status == 255
    waited = lab.start_program("ssh", "-F", lab.ssh_config, "-o", "ConnectTimeout=1",
                               "host-02", "true").wait()
    assert "timed out" in waited.err, waited
    dead.boot()
    assert lab.run_ssh(dead, "cat /srv/kept").out == "x\n"
    lab.run_ssh("host-01", TRY_TO_CONNECT.format(dead.address, 22))


def test_a_firewall_holds_back_the_swarm_and_not_ssh(fleet_lab):
    lab = fleet_lab(hosts=2)
    walled, other = lab.hosts
    dial = "bash -c '" + TRY_TO_CONNECT + "' 2>&1; echo $?"
    dial_in_vain = "timeout 0.3 " + dial  # only where what is sent is dropped: then it always fails
    assert "refused" in lab.run_ssh(other, dial.format(walled.address, 9000)).out
    walled.firewall()
    for here, there in ((other, walled), (walled, other)):
        assert lab.run_ssh(here, dial_in_vain.format(there.address, 9000)).out == "124\n"
        assert lab.run_ssh(here, dial.format(there.address, 22)).out == "0\n"
        assert "refused" in lab.run_ssh(here, dial.format(there.address, 9061)).out
    walled.open_firewall()
    assert "refused" in lab.run_ssh(other, dial.format(walled.address, 9000)).out


def test_the_control_machine_behind_nat_reaches_and_is_not_reached(fleet_lab):
    lab = fleet_lab(hosts=1, nat=True, control_mbit=10)
    host = lab.hosts[0]
    before = lab.control.bytes_sent()
    copy = lab.start_program("sh", "-c", f"head -c 1000000 /dev/urandom | ssh -F {lab.ssh_config} "
                             "host-01 'cat >/srv/data; echo $SSH_CONNECTION'").wait()
    assert copy.out.split()[0] == "198.18.0.1", copy
    assert (host.disk / "data").stat().st_size == 1_000_000
    assert 1_000_000 < lab.control.bytes_sent() - before < 1_500_000
    assert lab.run_ssh(host, TRY_TO_CONNECT.format("192.168.7.2", 22), expect=1).err


def test_a_jump_host_is_the_only_way_and_drops_a_burst(fleet_lab):
    lab = fleet_lab(hosts=2, jump=True, sshd={"jump": "MaxStartups 1:100:1"})
    seen = lab.run_ssh("host-02", "hostname; echo $SSH_CONNECTION").out.split()
    assert seen[:2] == ["host-02", "198.18.0.2"]
    direct = TRY_TO_CONNECT.format(lab.hosts[0].address, 22)
    assert lab.start_program("timeout", "0.3", "bash", "-c", direct).wait().status == 124

    unknown = f"exec 3<>/dev/tcp/{lab.jump.address}/22; read -u3 line; echo $line; sleep 1000"
    held = lab.start_program("bash", "-c", unknown)
    held.wait_for_output("SSH-2.0")
    assert "kex_exchange_identification" in lab.run_ssh("host-01", "true", expect=255).err
    held.kill()
    again = f"until ssh -F {lab.ssh_config} host-01 hostname; do sleep 0.02; done"
    assert lab.start_program("sh", "-c", again).wait().out == "host-01\n"


def test_sshd_can_fail_in_every_way(fleet_lab, eventually):
    lab = fleet_lab(hosts=5)
    refused, changed, keyless, hanging, cut = lab.hosts
    detach = "setsid sleep 1001 >/dev/null 2>&1 </dev/null & echo there; sleep 1002"
    ssh = lab.start_program("ssh", "-F", lab.ssh_config, cut.name, detach)
    ssh.wait_for_output("there")
    cut.kill_sessions()
    assert ssh.wait().status == 255
    eventually(lambda: len(cut.processes("^sleep 1001")) == 1, "what was detached goes on")
    assert lab.run_ssh(cut, "hostname").out == "host-05\n"

    refused.stop_sshd()
    assert "refused" in lab.run_ssh(refused, "true", expect=255).err
    refused.start_sshd()
    lab.run_ssh(refused, "true")
    changed.change_key()
    assert "IDENTIFICATION HAS CHANGED" in lab.run_ssh(changed, "true", expect=255).err
    keyless.refuse_key()
    assert "Permission denied" in lab.run_ssh(keyless, "true", expect=255).err
    hanging.pause()
    ssh = lab.start_program("ssh", "-F", lab.ssh_config, "-o", "ConnectTimeout=1",
                            hanging.name, "true")
    assert "timed out" in ssh.wait().err
    hanging.resume()
    lab.run_ssh(hanging, "true")


def test_hosts_differ_as_asked(fleet_lab):
    lab = fleet_lab(hosts=5, disks={0: "2M"}, noexec={1: ["home", "vartmp"]}, readonly={2},
                    no_tools={3}, login_noise={4: "welcome, stranger"})
    full, noexec, readonly, bare, noisy = lab.hosts
    full.fill_disk(leave=100_000)
    assert "No space left" in lab.run_ssh(full, "head -c 200000 /dev/zero >/srv/x", expect=1).err
    lab.run_ssh(full, "head -c 50000 /dev/zero >/srv/x")
    for place, status in (("~", 126), ("/var/tmp", 126), ("/srv", 0)):
        lab.run_ssh(noexec, f"cp /bin/true {place}/run; {place}/run", expect=status)
    assert "Read-only" in lab.run_ssh(readonly, "mkdir /srv/app", expect=1).err
    assert lab.run_ssh(bare, "command -v curl wget bash; echo $SHELL").out == "/bin/sh\n"
    noise = lab.run_ssh(noisy, "echo done")
    assert noise.out == "welcome, stranger\ndone\n"
    assert noise.err.count("welcome, stranger") == 2, "banner and profile"


@pytest.mark.parametrize("may", [True, False])
def test_an_ordinary_user_with_sudo_and_without(fleet_lab, may):
    lab = fleet_lab(hosts=1, users={0: "deploy"}, sudo={0} if may else set())
    assert lab.run_ssh("host-01", "id -un; cd; pwd").out == "deploy\n/home/deploy\n"
    assert "denied" in lab.run_ssh("host-01", "mkdir /srv/app", expect=1).err
    if shutil.which("sudo") is None:
        pytest.skip("not installed: sudo")
    result = lab.run_ssh("host-01", "sudo -n id -un", expect=0 if may else 1)
    assert result.out == "root\n" if may else "password is required" in result.err


def test_another_shell_another_architecture_fewer_files(fleet_lab):
    lab = fleet_lab(hosts=3, shell={0: "/usr/bin/fish"}, arch={1: "i686"}, ulimit={2: "-n 64"})
    assert lab.run_ssh("host-01", "echo $version; string length abcd").out.split()[1] == "4"
    assert lab.run_ssh("host-02", "uname -m").out == "i686\n"
    assert lab.run_ssh("host-03", "ulimit -n").out == "64\n"


def test_a_clock_that_is_a_year_ahead_for_static_programs_too(fleet_lab):
    year = 365 * 24 * 3600
    lab = fleet_lab(hosts=2, clock_skew={1: year})
    skewed, right = lab.hosts[1], lab.hosts[0]
    program = lab.folder / "now.cpp"
    program.write_text("#include <cstdio>\n#include <ctime>\n"
                       "int main() { std::printf(\"%lld\\n\", (long long)std::time(nullptr)); }")
    subprocess.run(["g++", "-static", "-o", skewed.disk / "now", program], check=True, timeout=60)
    for command in ("date +%s", "/srv/now", "bash -c 'echo $EPOCHSECONDS'"):
        ahead = int(lab.run_ssh(skewed, command).out) - int(lab.run_ssh(right, "date +%s").out)
        assert year - 60 < ahead < year + 60, command
    skewed.stop_sshd()
    skewed.start_sshd()
    skewed.pause()
    skewed.resume()
    assert int(lab.run_ssh(skewed, "exec date +%Y").out) > int(lab.run_ssh(right, "date +%Y").out)


def test_two_labs_do_not_meet(fleet_lab):
    first, second = fleet_lab(hosts=1), fleet_lab(hosts=1)
    assert first.hosts[0].address == second.hosts[0].address
    first.run_ssh("host-01", "touch /srv/here")
    assert not (second.hosts[0].disk / "here").exists()
    first.hosts[0].kill()
    second.run_ssh("host-01", "test ! -e /srv/here")


def test_nothing_is_left_by_a_test_that_is_killed(start_program, folder, eventually):
    """As pytest would be: a process that has a machine."""
    if os.geteuid() != 0:
        pytest.skip("machines need root")
    program = ("import pathlib, signal; from machines import Machine\n"
               "machine = Machine('host', pathlib.Path('log')); machine.power_on()\n"
               "machine.wait_until_on(); machine.shell('setsid sleep 1000 &')\n"
               "print(machine.pid, flush=True); signal.pause()")
    victim = start_program(sys.executable, "-B", "-c", program,
                           env={"PYTHONPATH": str(pathlib.Path(__file__).parent)})
    eventually(lambda: "\n" in victim.out or victim.status is not None, "it has a machine")
    machine = pathlib.Path("/proc", victim.out.strip())
    assert machine.exists(), victim.err
    victim.kill()
    eventually(lambda: not machine.exists() or "Z" in (machine / "stat").read_text(), "it is gone")
