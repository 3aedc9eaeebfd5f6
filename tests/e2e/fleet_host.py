"""A host of the fleet lab: a machine with a disk of its own and a real sshd.

Its own files are /srv, its user's home, /tmp, /var/tmp, /run, /etc/ssh, the accounts and its name;
the rest of the system is that of the machine outside. So the same path is another folder on each
host; from outside they lie below the lab's folder.
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

from machines import Machine, PROGRAMS, packet_filter, shape

GATEWAY = "198.19.255.254"  # at the switch
DISK = pathlib.Path("/srv")  # where a host's disk is mounted, as the host sees it
PATIENCE_S = 60
_USER_NUMBER = 4000

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


def missing_programs(*names):
    return [name for name in names if shutil.which(name, path=PROGRAMS) is None]


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
        self._sshd = shutil.which("sshd", path=PROGRAMS)
        self.user = traits.get("user") or "root"
        self.home, self.tmp = self.folder / "home", self.folder / "tmp"
        self.vartmp = self.folder / "vartmp"
        self._etc_ssh = self.folder / "ssh"
        for path in (self.folder / "srv", self.home, self.tmp, self.vartmp, self._etc_ssh,
                     self.folder / "root"):
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
        if self.pid is not None:
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

    # Its sudo and its sshd

    def set_sudoers(self, text):
        """In place of what `sudo=` says."""
        (self.folder / "sudoers").write_text("root ALL=(ALL:ALL) ALL\n" + text)

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

    def configure_sshd(self, lines):
        """These lines count from now on, before those that it has."""
        config = self._etc_ssh / "sshd_config"
        config.write_text(lines + "\n" + config.read_text())
        self.stop_sshd()
        self.start_sshd()

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
        limits, personality = self.traits.get("ulimit"), self.traits.get("arch")
        skew = self.traits.get("clock_skew")
        self.begin(f"[ -e {key} ] || ssh-keygen -q -t ed25519 -N '' -C '' -f {key}\n" +
                   (f"ulimit {limits}\n" if limits else "") +
                   (f"setarch {personality} " if personality else "") +
                   (f"/etc/ssh/skewed_clock {skew} " if skew else "") +
                   f"{self._sshd} -f /etc/ssh/sshd_config -E /etc/ssh/log" + (" &" if skew else ""))

    def _finish_sshd(self):
        self.finish("start sshd")
        _wait(lambda: self.listens_on(22), f"{self.name}: sshd accepts connections")

    # How it is made

    def begin_boot(self):
        """Its files and its network; then sshd."""
        self.begin(self._network() + self._mounts())
        self._begin_sshd()

    def finish_boot(self):
        self.finish("mount its files and set up its network")
        self._finish_sshd()

    def host_key(self):
        return (self._etc_ssh / "host_key.pub").read_text().strip()

    def _mounts(self):
        """Commands that put the host's own files over those of the machine outside."""
        folder, home = self.folder, pwd.getpwuid(0).pw_dir
        lines = ["run /run tmpfs mode=755"]
        if self.user != "root":
            home = f"/home/{self.user}"
            lines.append("home /home tmpfs mode=755")
            # What root does there by sudo.
            lines.append(f"{folder / 'root'} {pwd.getpwuid(0).pw_dir} none bind")
        own = [(name, f"/etc/{name}") for name in ("passwd", "shadow", "group", "hosts", "ssh")]
        own.append(("srv", DISK))
        if (folder / "sudoers").exists():
            own.append(("sudoers", "/etc/sudoers"))
        for tool in self.traits.get("no_tools", ()):
            found = shutil.which(tool, path=PROGRAMS)
            if found:
                own.append(("no-tool", os.path.realpath(found)))
        # Last what may hide the lab's own folder, from which the others come.
        own += sorted([("home", home), ("vartmp", "/var/tmp"), ("tmp", "/tmp")],
                      key=lambda place: folder.is_relative_to(place[1]))
        for name, place in own:
            flags = [",noexec" if name in self.traits.get("noexec", ()) else "",
                     ",ro" if name in self.traits.get("readonly", ()) else ""]
            lines.append(f"{folder / name} {place} none bind,x-mount.mkdir{''.join(flags)}")
        (folder / "fstab").write_text("\n".join(lines) + "\n")
        return f"mount --no-mtab --all --fstab {folder / 'fstab'}\nmkdir /run/sshd\n"

    def _network(self):
        lines = ["ip link set lo up", f"ip addr add {self.address}/32 dev eth0",
                 "ip link set eth0 up", f"ip route add default via {GATEWAY} dev eth0 onlink"]
        if self._lab.mbit:
            lines.append(shape("eth0", self._lab.mbit))
        return "\n".join(lines) + "\n"

    def _write_accounts(self):
        """The outside's own, but root's shell and the user as this host wants them; its name."""
        shell = self.traits.get("shell", "/bin/sh" if "no_tools" in self.traits else "/bin/bash")
        passwd = [line for line in pathlib.Path("/etc/passwd").read_text().splitlines()
                  if line.split(":")[0] not in ("root", self.user)]
        passwd.append(f"root:x:0:0:root:{pwd.getpwuid(0).pw_dir}:{shell}")
        shadow = ["root:*:19000:0:99999:7:::"]
        group = pathlib.Path("/etc/group").read_text()
        if self.user != "root":
            passwd.append(f"{self.user}:x:{_USER_NUMBER}:{_USER_NUMBER}::/home/{self.user}:{shell}")
            shadow.append(f"{self.user}:*:19000:0:99999:7:::")
            group += f"{self.user}:x:{_USER_NUMBER}:\n"
            os.chown(self.home, _USER_NUMBER, _USER_NUMBER)
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
        if "sshd" in self.traits:  # of two that say something else the first counts
            config = f"{self.traits['sshd']}\n{config}"
        variables = dict(self.traits.get("env", {}))
        if self.traits.get("clock_skew"):
            program = pathlib.Path(__file__).with_name("skewed_clock.cpp")
            subprocess.run(["g++", "-O1", "-o", self._etc_ssh / "skewed_clock", program],
                           check=True, timeout=PATIENCE_S)
            variables["ASAN_OPTIONS"] = "detect_leaks=0"  # which needs to trace the process itself
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
