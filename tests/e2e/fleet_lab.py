"""A fleet on one machine: hosts with a real sshd each, and a control machine that reaches them by
ssh alone.

The hosts' links end in a router, the "switch": what goes to a host that is off is lost there
without a word; what leaves the lab is refused, so that a name which only DNS could know is unknown
at once. With nat=True the control machine stands behind a router that masquerades; with jump=True
it reaches nobody but one more host, the jump host, and ssh goes through that.
"""

import contextlib
import os
import pathlib
import signal
import subprocess

import pytest

from fleet_host import DISK, GATEWAY, PATIENCE_S, Host, missing_programs
from machines import Machine, PROGRAMS, packet_filter, shape

CONTROL = "198.18.0.1"
JUMP = "198.18.0.2"
NETWORK = "198.18.0.0/15"
BEHIND_NAT = "192.168.7.2"


class FleetLab:
    """See the fixture `fleet_lab` for what can be asked for."""

    def __init__(self, start_program, murder, folder, hosts, mbit=None, control_mbit=None,
                 nat=False, jump=False, labels=(), **traits):
        self._start_program, self.murder = start_program, murder
        self.folder, self.mbit, self.control_mbit = folder, mbit, control_mbit
        self.dest = DISK / "app"  # as the hosts see it; it does not exist yet
        self.folder.mkdir(mode=0o755)
        self.key = folder / "key"
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", self.key],
                       check=True, timeout=PATIENCE_S)

        self.switch = Machine("switch", folder / "switch.log")
        self.router = Machine("router", folder / "router.log") if nat else None
        self.control = Machine("control", folder / "control.log")
        digits = max(2, len(str(hosts)))
        self.hosts = [Host(self, f"host-{i + 1:0{digits}}", f"198.18.{1 + i // 250}.{1 + i % 250}",
                           _traits_of(i, traits)) for i in range(hosts)]
        self.jump = Host(self, "jump", JUMP, _traits_of("jump", traits)) if jump else None
        self.ssh_config, self.hosts_file = folder / "ssh_config", folder / "fleet.hosts"
        self.hosts_file.write_text("".join(
            f"{host.name} {labels[i] if i < len(labels) else ''}".rstrip() + "\n"
            for i, host in enumerate(self.hosts)))

    @property
    def ssh(self):
        """For MURDER_SSH."""
        return f"ssh -F {self.ssh_config}"

    def host(self, which):
        """By its index, from 0 on, or its name."""
        if isinstance(which, int):
            return self.hosts[which]
        return next(host for host in self.hosts if host.name == which)

    def start(self, *arguments, **how):
        """murder on the control machine, in the background, as Running."""
        return self.start_program(self.murder, *arguments, **how)

    def run(self, *arguments, expect=0, timeout=PATIENCE_S, **how):
        """murder on the control machine to its end, as Result; see the fixture `run`."""
        return self._to_end(self.start(*arguments, **how), expect, timeout)

    def start_program(self, *argv, env=None, **how):
        """Any program on the control machine, in the background."""
        return self._start_program(*self.control.command(*argv),
                                   env={"MURDER_SSH": self.ssh, **(env or {})}, **how)

    def run_ssh(self, host, command, expect=0, timeout=PATIENCE_S):
        """Plain ssh from the control machine to a host (a Host or its name), as Result."""
        running = self.start_program("ssh", "-F", self.ssh_config, "-o", "BatchMode=yes",
                                     getattr(host, "name", host), command)
        return self._to_end(running, expect, timeout)

    @staticmethod
    def _to_end(running, expect, timeout):
        result = running.wait(timeout)
        if expect is not None and result.status != expect:
            pytest.fail(f"exit status {result.status}, not {expect}: {result}")
        return result

    def unplug_control(self):
        """As a laptop that is closed: it says nothing more to anybody, until plug_control()."""
        self.control.shell("ip link set eth0 down")

    def plug_control(self):
        self.control.shell("ip link set eth0 up\n" + self._control_route)

    # How it is made and ended

    def begin(self):
        fleet = [*self.hosts, *([self.jump] if self.jump else [])]
        self.switch.power_on()
        self.switch.wait_until_on()
        # What lies in the memory of the switch's mounts stays when a host is switched off.
        self.switch.shell("\n".join(
            ["echo 1 >/proc/sys/net/ipv4/ip_forward", "ip link set lo up",
             f"ip addr add {GATEWAY}/32 dev lo", f"ip route add blackhole {NETWORK}",
             "ip route add local default dev lo"] +
            [f"mount -t tmpfs -o size={host.traits['disk']} disk {host.folder}/srv"
             for host in self.hosts if "disk" in host.traits]))
        machines = [self.control, *([self.router] if self.router else [])]
        for machine in machines:
            machine.power_on()
        for host in fleet:
            host.power_on(mounts_of=self.switch)
        for machine in [*machines, *fleet]:
            machine.wait_until_on()
        self.plug_in(fleet)
        for host in fleet:
            host.begin_boot()
        self._connect_control()
        for host in fleet:
            host.finish_boot()
        self._write_ssh_files(fleet)

    def plug_in(self, hosts):
        """Links from hosts that have just been switched on to the switch."""
        self._links((host, "eth0", self.switch, host.port) for host in hosts)
        self.switch.shell("\n".join(
            f"ip link set {host.port} up\nip route replace {host.address}/32 dev {host.port}" +
            (f"\n{shape(host.port, self.mbit)}" if self.mbit else "") for host in hosts))

    @staticmethod
    def _links(ends):
        lines = "".join(f"link add name {device} netns {machine.pid} type veth "
                        f"peer name {other_device} netns {other.pid}\n"
                        for machine, device, other, other_device in ends)
        subprocess.run(["ip", "-batch", "-"], input=lines, text=True, check=True,
                       timeout=PATIENCE_S, env={**os.environ, "PATH": PROGRAMS})

    def _connect_control(self):
        """The control machine's own link, or by way of its router."""
        edge = self.router or self.control  # who has an address in the network of the hosts
        self._links([(edge, "eth0" if edge is self.control else "out", self.switch, "p-control")])
        lines = ["ip link set p-control up", f"ip route add {CONTROL}/32 dev p-control"]
        if self.jump:
            lines.append(packet_filter("filter", "forward",
                                       f"ip saddr {CONTROL} ip daddr != {JUMP} drop"))
        if self.control_mbit and not self.router:
            lines.append(shape("p-control", self.control_mbit))
        self.switch.shell("\n".join(lines))

        direct = f"ip route replace default via {GATEWAY} onlink dev "
        if self.router:
            self._links([(self.control, "eth0", self.router, "in")])
            self.router.shell("\n".join(
                ["echo 1 >/proc/sys/net/ipv4/ip_forward",
                 f"ip addr add {CONTROL}/32 dev out", "ip link set out up", direct + "out",
                 "ip addr add 192.168.7.1/24 dev in", "ip link set in up",
                 packet_filter("nat", "postrouting", "oifname out masquerade")] +
                ([shape("in", self.control_mbit)] if self.control_mbit else [])))
            address = f"{BEHIND_NAT}/24"
            self._control_route = "ip route replace default via 192.168.7.1"
        else:
            address, self._control_route = f"{CONTROL}/32", direct + "eth0"
        self.control.shell("\n".join(
            ["ip link set lo up", f"ip addr add {address} dev eth0", "ip link set eth0 up",
             self._control_route] +
            ([shape("eth0", self.control_mbit)] if self.control_mbit else [])))

    def _write_ssh_files(self, fleet):
        (self.folder / "known_hosts").write_text("".join(
            f"{host.address} {host.host_key()}\n" for host in fleet))
        config = "".join(
            f"Host {host.name}\n  HostName {host.address}\n  User {host.user}\n" +
            ("  ProxyJump jump\n" if self.jump and host is not self.jump else "")
            for host in fleet)
        self.ssh_config.write_text(
            f"{config}Host *\n"
            f"  IdentityFile {self.key}\n  IdentitiesOnly yes\n  IdentityAgent none\n"
            f"  UserKnownHostsFile {self.folder}/known_hosts\n  GlobalKnownHostsFile /dev/null\n"
            "  ControlMaster no\n")

    def close(self):
        for pid in self.control.on_network():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        everyone = [*self.hosts, self.jump, self.control, self.router, self.switch]
        for machine in everyone:
            if machine:
                machine.power_off()


# What can be asked for single hosts, and as what a Host knows it.
_TRAITS = {name: name for name in (
    "arch", "clock_skew", "env", "login_noise", "no_tools", "noexec", "readonly", "shell", "sshd",
    "sudo", "ulimit")} | {"disks": "disk", "users": "user"}


def _traits_of(index, traits):
    """What was asked for one host: from sets of indexes and from dictionaries by index."""
    found = {}
    for name, of in traits.items():
        if index in of:
            found[_TRAITS[name]] = of[index] if isinstance(of, dict) else True
    if found.get("no_tools") is True:
        found["no_tools"] = ("curl", "wget", "bash")
    if found.get("readonly") is True:
        found["readonly"] = ("srv",)
    return found


@contextlib.contextmanager
def make_fleet_lab(start_program, murder, folder, **asked):
    if os.geteuid() != 0:
        pytest.skip("hosts with their own network and mounts need root")
    missing = missing_programs(
        "ip", "tc", "nft", "sshd", "ssh", "ssh-keygen", "unshare", "nsenter", "setarch", "bash",
        *(pathlib.Path(shell).name for shell in asked.get("shell", {}).values()),
        *(["sudo"] if asked.get("sudo") else []), *(["g++"] if asked.get("clock_skew") else []))
    if missing:
        pytest.skip(f"not installed: {' '.join(missing)}")
    lab = FleetLab(start_program, murder, folder, **asked)
    try:
        lab.begin()
        yield lab
    finally:
        lab.close()
