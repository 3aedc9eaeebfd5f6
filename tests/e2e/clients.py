"""BitTorrent clients of other makes, each on a machine of its own with a shaped link, and a swarm of them.

Clients refuse loopback addresses and several peers of one address, so that they need a network: machines (machines.py)
on a switch of their own.
"""

import json
import pathlib
import shutil
import signal
import subprocess
import sys
import time

import pytest

from machines import PROGRAMS, Machine, shape
from swarm import digest, wait_for_event

MBIT = 40
SIZE = 6_000_000

LT_CLIENT = pathlib.Path(__file__).with_name("lt_client.py")
PYTHON = "/usr/bin/python3"  # the distribution's, for which its libtorrent is built


class Net:
    """`machines`, named m1 … on 198.18.4.1 …, behind links of `mbit` Mbit/s each way."""

    def __init__(self, folder, count, mbit):
        self.mbit = mbit
        self.switch = Machine("switch", folder / "switch.log")
        self.machines = [Machine(f"m{number}", folder / f"m{number}.log") for number in range(1, count + 1)]
        for machine in (self.switch, *self.machines):
            machine.power_on()
        for machine in (self.switch, *self.machines):
            machine.wait_until_on()
        ports = [f"p{number}" for number in range(1, count + 1)]
        lines = "".join(f"link add name eth0 netns {machine.pid} type veth peer name {port} netns {self.switch.pid}\n"
                        for machine, port in zip(self.machines, ports))
        subprocess.run(["ip", "-batch", "-"], input=lines, text=True, check=True, timeout=120,
                       env={"PATH": PROGRAMS})
        self.switch.shell("\n".join(["ip link add br0 type bridge", "ip link set br0 up"] + [
            f"ip link set {port} master br0 up\n{shape(port, mbit)}" for port in ports]))
        for number, machine in enumerate(self.machines, 1):
            machine.address = f"198.18.4.{number}"
            machine.begin(f"ip link set lo up\nip addr add {machine.address}/24 dev eth0\nip link set eth0 up\n"
                          f"{shape('eth0', mbit)}\nip route add default via {machine.address}")
        for machine in self.machines:
            machine.finish("its network")

    def seconds_of_copy(self, size):
        """What one plain copy over a link takes: 1,448 bytes of payload in a frame of 1,514."""
        return size * 8 * (1514 / 1448) / (self.mbit * 1e6)

    def close(self):
        for machine in (*self.machines, self.switch):
            machine.power_off()


class Client:
    """How one is started: argv(torrent, folder, machine, seed), the payload lying in the folder if it seeds."""

    name = program = ""

    def is_there(self):
        return shutil.which(self.program) is not None

    def argv(self, torrent, folder, machine, seed):
        raise NotImplementedError

    def serves(self, running):
        """Whether it has said so, of one that seeds."""
        raise NotImplementedError


class Libtorrent(Client):
    name, program = "libtorrent", PYTHON

    def is_there(self):
        return subprocess.run([PYTHON, "-c", "import libtorrent"], check=False, capture_output=True,
                              timeout=60).returncode == 0

    def argv(self, torrent, folder, machine, seed):
        return [PYTHON, "-B", LT_CLIENT, torrent, folder, machine.address, *(["--seed"] if seed else [])]

    def serves(self, running):
        return "complete" in running.out


class Aria2(Client):
    name, program = "aria2", "aria2c"

    def argv(self, torrent, folder, machine, seed):
        return ["aria2c", "--no-conf", "--enable-dht=false", "--enable-dht6=false", "--bt-enable-lpd=false",
                "--disable-ipv6", "--listen-port=6881-6999", "--bt-tracker-interval=2", "--seed-ratio=0.0",
                "--seed-time=10", "--summary-interval=0", "--console-log-level=notice", f"--dir={folder}",
                "--file-allocation=none", *(["--check-integrity=true"] if seed else []), torrent]

    def serves(self, running):
        return "Verification finished" in running.out and "listening on TCP" in running.out


class Transmission(Client):
    name, program = "transmission", "transmission-cli"

    def argv(self, torrent, folder, machine, seed):
        config = folder.parent / f"transmission-{machine.name}"
        config.mkdir(exist_ok=True)
        (config / "settings.json").write_text(json.dumps({
            "dht-enabled": False, "lpd-enabled": False, "port-forwarding-enabled": False, "utp-enabled": False,
            "encryption": 0, "peer-port": 51413, "blocklist-enabled": False, "watch-dir-enabled": False,
            "bind-address-ipv4": machine.address}))
        # On a busy machine it may look at the torrent before its other thread has started that, take it for stopped, and
        # end with status 0.
        again = """
            trap 'kill $pid; wait $pid; exit' TERM INT
            for try in 1 2 3 4 5 6 7 8; do "$@" & pid=$!; wait $pid || exit; done
        """
        return ["sh", "-c", again, "transmission", "transmission-cli", "-g", config, "-w", folder, "-M", "-U", "-D",
                torrent]

    def serves(self, running):
        return "Seeding" in running.out


class CTorrent(Client):
    name, program = "ctorrent", "ctorrent"

    def argv(self, torrent, folder, machine, seed):
        payload = folder / pathlib.Path(torrent).with_suffix(".tar.zst").name
        return ["ctorrent", "-i", machine.address, "-I", machine.address, "-p", "2706", "-e", "1", "-s", payload,
                "-b", folder / f"{machine.name}.bf", torrent]

    def serves(self, running):
        return "Seed for" in running.out or "100%" in running.out


CLIENTS = {client.name: client for client in (Libtorrent(), Aria2(), Transmission(), CTorrent())}


class Clients:
    """murder and others on one Net; the first machine has the tracker and, as a rule, the seeder."""

    def __init__(self, net, murder, start_program, folder):
        self.net, self._murder, self._start_program, self._folder = net, murder, start_program, folder
        self.tracker_url = f"http://{net.machines[0].address}:8998/announce"

    def murder(self, machine, *arguments):
        return self._start_program(*machine.command(self._murder, *arguments, "--json", "--no-config"))

    def tracker(self, *arguments):
        running = self.murder(self.net.machines[0], "tracker", "--listen", f"{self.net.machines[0].address}:8998",
                              *arguments)
        wait_for_event(running, "listening")
        return running

    def seed(self, torrent, pack, *arguments, machine=None, listen=None):
        machine = machine or self.net.machines[0]
        running = self.murder(machine, "seed", torrent, "--from", pack, "--listen", listen or machine.address,
                              *arguments)
        wait_for_event(running, "tracker", where=lambda event: event["ok"])
        return running

    def peer(self, torrent, machine, *arguments, listen=None):
        running = self.murder(machine, "peer", torrent, "--to", self._folder / f"dest-{machine.name}", "--file-only",
                              "--listen", listen or machine.address, *arguments)
        running.began = time.monotonic()
        return running

    def stock(self, client, torrent, machine, payload=None):
        """A client of another make, which seeds when it is given the payload."""
        if not client.is_there():
            pytest.skip(f"{client.name} is not installed")
        folder = self._folder / f"{client.name}-{machine.name}"
        folder.mkdir()
        if payload:
            shutil.copy(payload, folder / payload.name)
        running = self._start_program(
            *machine.command(*client.argv(torrent, folder, machine, payload is not None)),
            env={"HOME": str(folder), "TERM": "dumb"}, cwd=folder)
        running.began = time.monotonic()
        running.client, running.folder = client, folder
        return running


def seconds_until(done, running, timeout=120):
    """From the start of a client until it says so; fails the test when it ends or does not."""
    while not done():
        if running.status is not None or time.monotonic() - running.began > timeout:
            pytest.fail(f"{running.arguments}: status {running.status}: {running.out[-3000:]} {running.err[-2000:]}")
        time.sleep(0.01)
    return time.monotonic() - running.began


def has_whole(running, pack):
    """Its file is whole, whatever it says."""
    path = running.folder / pack.name
    return path.exists() and path.stat().st_size == pack.stat().st_size and digest(path) == digest(pack)


def end(running):
    running.send(signal.SIGINT)


def report(request, what, ratio):
    """A figure, for whoever reads what the tests print."""
    request.node.add_report_section("call", "figures", f"{what}: {ratio:.2f} of the limit")
    print(f"{what}: {ratio:.2f} × the limit", file=sys.stderr)


@pytest.fixture
def clients(murder, start_program, folder):
    """clients(machines): Clients on a new net."""
    nets = []

    def make(machines, mbit=MBIT):
        nets.append(Net(folder, machines, mbit))
        return Clients(nets[-1], murder, start_program, folder)

    yield make
    for net in nets:
        net.close()


@pytest.fixture
def packed(run, make_tree, folder, scaled):
    """packed(url): (pack, torrent) whose torrent names that tracker."""
    def make(url, *arguments):
        source = make_tree(folder / "source", {"app": scaled(SIZE), "etc/conf": b"x" * 5000})
        pack = folder / "v1.tar.zst"
        run("pack", source, "-o", pack, "--tag", "v1", "--tracker", url, *arguments)
        return pack, folder / "v1.torrent"
    return make
