"""A fleet on one machine: hosts with a real sshd each, and a control machine that reaches them by
ssh alone.

Every host is a Machine with a disk of its own: /srv, its user's home, /tmp, /var/tmp, /run, /etc/ssh
and the accounts are its own files, the rest of the system is the machine's. So the same
path is another folder on each host; from outside they lie below the lab's folder.

The hosts' links end in a router, the "switch": what goes to a host that is off is lost there without
a word, what leaves the lab is refused (so names that DNS would have to know are unknown at once). With nat=True the control machine stands behind a router
that masquerades; with jump=True the control machine reaches nobody but one more host, the jump
host, and ssh goes through that.
"""

import contextlib
import os
import pathlib
import pwd
import shutil
import signal
import subprocess
import time

import pytest

from machines import Machine, packet_filter, shape

CONTROL = "198.18.0.1"
JUMP = "198.18.0.2"
GATEWAY = "198.19.255.254"  # at the switch
NETWORK = "198.18.0.0/15"
BEHIND_NAT = "192.168.7.2"
DISK = pathlib.Path("/srv")  # where a host's disk is mounted, as the host sees it
PATIENCE_S = 60

_SSHD_CONFIG = """\
Port 22
AddressFamily inet
HostKey /etc/ssh/host_key
AuthorizedKeysFile /etc/ssh/authorized_keys
StrictModes no
UsePAM no
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin yes
PrintMotd no
Subsystem sftp internal-sftp
"""


def _missing(*tools):
    return [tool for tool in tools if shutil.which(tool, path=_path()) is None]


def _path():
    return f"{os.environ.get('PATH', '/usr/bin:/bin')}:/usr/sbin:/sbin"


def _wait(condition, what):
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        if time.monotonic() > deadline:
            pytest.fail(f"did not come true within {PATIENCE_S} s: {what}")
        time.sleep(0.005)


class Host(Machine):
    """A host of the fleet. `disk`, `dest`, `home`, `tmp` and `vartmp` are its folders as seen from
    outside; `address` is the one in the swarm's network."""

    def __init__(self, lab, name, address, traits):
        super().__init__(name, lab.folder / f"{name}.log")
        self._lab, self.address, self.traits = lab, address, traits
        self.port = "p-" + name  # the switch's end of its link
        self.folder = lab.folder / "hosts" / name
        self.user = traits.get("user") or "root"
        self.home, self.tmp, self.vartmp = (self.folder / part for part in ("home", "tmp", "vartmp"))
        self._etc_ssh = self.folder / "ssh"
        for path in (self.folder / "srv", self.home, self.tmp, self.vartmp, self._etc_ssh):
            path.mkdir(parents=True)
        for path in (self.tmp, self.vartmp):
            path.chmod(0o1777)
        self._write_accounts()
        self._write_sshd_config()

    @property
    def disk(self):
        """What the host sees as /srv."""
        folder = self.folder / "srv"
        if "disk" in self.traits:  # mounted in the switch's mounts alone
            return pathlib.Path(f"/proc/{self._lab.switch.pid}/root") / folder.relative_to("/")
        return folder

    @property
    def dest(self):
        return self.disk / self._lab.dest.relative_to(DISK)

    @property
    def sshd_log(self):
        return (self._etc_ssh / "log").read_text(encoding="utf-8", errors="replace")

    # What happens to hosts

    def kill(self):
        """As when the power fails: its link goes first, so that nobody is told."""
        self._lab.switch.shell(f"ip link delete {self.port}")
        self.power_off()

    def boot(self):
        """On again after kill(), with sshd; on its disk is what was there."""
        self.power_on(mounts_of=self._lab.switch)
        self.wait_until_on()
        self._lab.plug_in([self])
        self.begin_boot()
        self.finish_boot()

    def unplug(self):
        """Nothing gets to the host or away from it, until plug()."""
        self._lab.switch.shell(f"ip link set {self.port} down")

    def plug(self):
        self._lab.switch.shell(f"ip link set {self.port} up\n"
                               f"ip route replace {self.address}/32 dev {self.port}")

    def set_mbit(self, mbit):
        """Of its link, each way, from now on."""
        self.shell(shape("eth0", mbit))
        self._lab.switch.shell(shape(self.port, mbit))

    def firewall(self, ports="8999:9060"):
        """TCP from and to these ports is dropped silently, both ways; all else passes."""
        numbers = ports.replace(":", "-")
        rules = f"tcp dport {numbers} drop; tcp sport {numbers} drop"
        self.shell(packet_filter("filter", "input", rules) + "\n" +
                   packet_filter("filter", "output", rules))

    def open_firewall(self):
        self.shell("nft delete table ip lab")

    def fill_disk(self, leave=0):
        """Fills the small disk of `disks=` until no more than `leave` bytes are free."""
        if "disk" not in self.traits:
            pytest.fail(f"{self.name} has no disk of a size of its own: name it in disks=")
        free = os.statvfs(self.disk)
        with contextlib.suppress(OSError), open(self.disk / "filler", "ab") as filler:
            os.posix_fallocate(filler.fileno(), 0, free.f_bavail * free.f_frsize - leave)

    # Its sshd

    def start_sshd(self):
        """Returns when connections are accepted."""
        self._begin_sshd()
        self._finish_sshd()

    def stop_sshd(self):
        """Connections are refused from now on; sessions go on."""
        self.shell("kill -9 $(cat /run/sshd.pid); rm /run/sshd.pid")
        _wait(lambda: not self.listens_on(22), f"{self.name}: sshd stops")

    def kill_sessions(self):
        """The sessions' sshd processes: control loses its ssh, and what was detached goes on."""
        for pid in self.processes(r"^sshd: (?!.*\[listener\])"):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def pause(self):
        """sshd and its sessions stand still: connections are taken and nothing is said."""
        self._signal_sshd(signal.SIGSTOP)

    def resume(self):
        self._signal_sshd(signal.SIGCONT)

    def change_key(self):
        """Another host key than the one that the control machine knows."""
        (self._etc_ssh / "host_key").unlink()
        self.stop_sshd()
        self.start_sshd()

    def refuse_key(self):
        """The control machine's key is no longer accepted."""
        (self._etc_ssh / "authorized_keys").write_text("")

    def _signal_sshd(self, number):
        for pid in self.processes(r"^sshd: "):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)

    def _begin_sshd(self):
        key = "/etc/ssh/host_key"
        self.begin(f"[ -e {key} ] || ssh-keygen -q -t ed25519 -N '' -C '' -f {key}\n"
                   "/usr/sbin/sshd -f /etc/ssh/sshd_config -E /etc/ssh/log")

    def _finish_sshd(self):
        self.finish("start sshd")
        _wait(lambda: self.listens_on(22), f"{self.name}: sshd accepts connections")

    # How it is made

    def begin_boot(self):
        """Its files and its network; then sshd."""
        self.begin(self._mounts() + self._network())
        self._begin_sshd()

    def finish_boot(self):
        self.finish("mount its files and set up its network")
        self._finish_sshd()

    def host_key(self):
        return (self._etc_ssh / "host_key.pub").read_text().strip()

    def _mounts(self):
        folder, home = self.folder, pwd.getpwuid(0).pw_dir
        options = {name: self.traits.get(name, ()) for name in ("noexec", "readonly")}

        def mount(what, where):
            flags = [flag for flag, name in (("noexec", "noexec"), ("ro", "readonly"))
                     if what in options[name]]
            lines = [f"mount --bind {folder / what} {where}"]
            if flags:
                lines.append(f"mount -o remount,bind,{','.join(flags)} {where}")
            return lines

        lines = ["mount -t tmpfs -o mode=755 run /run", "mkdir /run/sshd"]
        if self.user != "root":
            home = f"/home/{self.user}"
            lines += ["mount -t tmpfs -o mode=755 home /home", f"mkdir {home}"]
        for name in ("passwd", "shadow", "group", "hosts"):
            lines += mount(name, f"/etc/{name}")
        if (folder / "sudoers").exists():
            lines += mount("sudoers", "/etc/sudoers")
        lines += mount("ssh", "/etc/ssh") + mount("srv", DISK)
        for tool in self.traits.get("no_tools", ()):
            found = shutil.which(tool, path=_path())
            if found:
                lines.append(f"mount --bind {folder / 'no-tool'} {os.path.realpath(found)}")
        # Last what may hide the lab's own folder, from which the others come.
        places = [("home", home), ("vartmp", "/var/tmp"), ("tmp", "/tmp")]
        places.sort(key=lambda place: folder.is_relative_to(place[1]))
        for what, where in places:
            lines += mount(what, where)
        return "\n".join(lines) + "\n"

    def _network(self):
        lines = ["ip link set lo up", f"ip addr add {self.address}/32 dev eth0",
                 "ip link set eth0 up", f"ip route add default via {GATEWAY} dev eth0 onlink"]
        if self._lab.mbit:
            lines.append(shape("eth0", self._lab.mbit))
        return "\n".join(lines) + "\n"

    def _write_accounts(self):
        """The outside's own, but root's shell and the user as this host wants them; its name."""
        shell = self.traits.get("shell") or ("/bin/sh" if "no_tools" in self.traits else "/bin/bash")
        passwd = [line for line in pathlib.Path("/etc/passwd").read_text().splitlines()
                  if line.split(":")[0] not in ("root", self.user)]
        passwd.append(f"root:x:0:0:root:{pwd.getpwuid(0).pw_dir}:{shell}")
        shadow = ["root:*:19000:0:99999:7:::"]
        group = pathlib.Path("/etc/group").read_text()
        if self.user != "root":
            number = 4000
            passwd.append(f"{self.user}:x:{number}:{number}::/home/{self.user}:{shell}")
            shadow.append(f"{self.user}:*:19000:0:99999:7:::")
            group += f"{self.user}:x:{number}:\n"
            os.chown(self.home, number, number)
        for name, text in (("passwd", "\n".join(passwd) + "\n"),
                           ("shadow", "\n".join(shadow) + "\n"), ("group", group),
                           ("hosts", f"127.0.0.1 localhost\n127.0.1.1 {self.name}\n")):
            (self.folder / name).write_text(text)
        (self.folder / "shadow").chmod(0o600)
        if self.user != "root" and os.path.exists("/etc/sudoers"):
            sudoers = self.folder / "sudoers"
            sudoers.write_text("root ALL=(ALL:ALL) ALL\n" + (
                f"{self.user} ALL=(ALL:ALL) NOPASSWD: ALL\n" if self.traits.get("sudo") else ""))
            sudoers.chmod(0o440)
        (self.folder / "no-tool").touch(mode=0o644)

    def _write_sshd_config(self):
        config = _SSHD_CONFIG
        variables = dict(self.traits.get("env", {}))
        noise = self.traits.get("login_noise")
        if noise:
            (self._etc_ssh / "banner").write_text(noise + "\n")
            config += "Banner /etc/ssh/banner\n"
            (self._etc_ssh / "noise").write_text(noise + "\n")
            say = "cat /etc/ssh/noise; cat /etc/ssh/noise >&2\n"
            (self.home / ".bashrc").write_text(say)
            fish = self.home / ".config/fish"
            fish.mkdir(parents=True)
            (fish / "config.fish").write_text(say)
        if variables:
            config += "SetEnv " + " ".join(f'"{name}={value}"'
                                           for name, value in variables.items()) + "\n"
        (self._etc_ssh / "sshd_config").write_text(config)
        shutil.copy(self._lab.key.with_suffix(".pub"), self._etc_ssh / "authorized_keys")


class FleetLab:
    """See the fixture `fleet_lab` for what can be asked for."""

    def __init__(self, start_program, murder, folder, hosts, mbit=None, control_mbit=None, nat=False,
                 jump=False, labels=(), **traits):
        self._start_program, self._murder = start_program, murder
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
        self.jump = Host(self, "jump", JUMP, {}) if jump else None
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
        return self.start_program(self._murder, *arguments, **how)

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
                       timeout=PATIENCE_S, env={**os.environ, "PATH": _path()})

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
            address, self._control_route = f"{BEHIND_NAT}/24", "ip route replace default via 192.168.7.1"
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


_TRAITS = {"disks": "disk", "users": "user"}  # the others are called the same for one host


def _traits_of(index, traits):
    """What was asked for this host: from sets and from dictionaries by index."""
    found = {}
    for name, of in traits.items():
        if index in of:
            found[_TRAITS.get(name, name)] = of[index] if isinstance(of, dict) else True
    if found.get("no_tools") is True:
        found["no_tools"] = ("curl", "wget", "bash")
    if found.get("readonly") is True:
        found["readonly"] = ("srv",)
    return found


@contextlib.contextmanager
def make_fleet_lab(start_program, murder, folder, **asked):
    if os.geteuid() != 0:
        pytest.skip("hosts with their own network and mounts need root")
    missing = _missing("ip", "tc", "nft", "sshd", "ssh", "ssh-keygen", "unshare", "nsenter", "bash")
    missing += _missing(*(pathlib.Path(shell).name for shell in asked.get("shell", {}).values()))
    missing += _missing("sudo") if asked.get("sudo") else []
    if missing:
        pytest.skip(f"not installed: {' '.join(missing)}")
    lab = FleetLab(start_program, murder, folder, **asked)
    try:
        lab.begin()
        yield lab
    finally:
        lab.close()
