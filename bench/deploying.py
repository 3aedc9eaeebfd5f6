"""murder deploy itself, to hosts with a real sshd each: ./dev bench deploy.

Within each repetition everything that is compared is measured in turn, in the same lab, because machines differ from one
minute to the next.
"""

import contextlib
import json
import random
import shutil
import subprocess
import time

from fleet import Costs, end_murder, fleet, on_host
from lab import LabError

MIB = 1 << 20
ROWS = {
    "unshaped": "hosts on unshaped links: deploy against the same transfer by hand; deploy of what is live already",
    "thin": "the control machine behind NAT on 10 Mbit/s, hosts at 100 Mbit/s, against one ssh copy of the pack",
    "many": "many hosts and a tiny release: what the deploy process itself costs",
}
THIN_MBIT, HOST_MBIT = 10, 100


class Deploying:
    """`hosts`: of the first two rows; `many`: of the last."""

    def __init__(self, murder, host_binary, say, size=32 * MIB, hosts=16, many=200, tiny=64 << 10):
        self._murder, self._host_binary, self._say = murder, host_binary, say
        self._size, self._hosts, self._many_hosts, self._tiny = size, hosts, many, tiny
        self.folder, self._count = None, 0  # an empty one, to be set

    def room(self):
        """Bytes that all hosts together need: pack and release, of two deploys, and murder; the many have next to
        nothing but murder."""
        return self._hosts * (4 * self._size + 64 * MIB) + self._many_hosts * 16 * MIB

    def row(self, name, runs):
        """{figure: [its value in each run]}"""
        measured = []
        for run in range(1 if name == "many" else runs):
            figures = getattr(self, "_" + name)()
            self._say(f"{name}, run {run + 1}: " + ", ".join(f"{k} {v:.3f}" for k, v in figures.items()))
            measured.append(figures)
        return {"figures": {name: [figures[name] for figures in measured] for name in measured[0]},
                "hosts": self._many_hosts if name == "many" else self._hosts,
                "size_bytes": self._tiny if name == "many" else self._size}

    # What is deployed, and with it

    def _release(self, size):
        """Another folder each time, of bytes that do not compress."""
        self._count += 1
        folder = self.folder / f"release-{self._count}"
        folder.mkdir()
        noise = random.Random(self._count)
        for part in range(4):
            (folder / f"part-{part}").write_bytes(noise.randbytes(size // 4))
        return folder

    def _pack(self, release):
        pack = self.folder / f"{release.name}.tar.zst"
        subprocess.run([self._murder, "pack", release, "-o", pack, "--no-config", "-q"], check=True,
                       stdout=subprocess.DEVNULL)
        return pack

    def _deploy(self, lab, release, hosts=None, watch=None):
        """Seconds from Enter: until the last host was staged, until the last was live, until the command ended."""
        hosts = hosts or lab.hosts
        deploy = lab.start("deploy", release, "--host", ",".join(host.name for host in hosts), "--to", lab.dest, "--json", "--no-config",
                           env={"MURDER_HOST_BINARY": str(self._host_binary)})
        took = deploy.wait("murder deploy", watch)
        lasts = {"staged": 0.0, "activated": 0.0}
        for line in deploy.output().splitlines():
            event = json.loads(line) if line.startswith("{") else {}
            if event.get("event") == "host" and event["state"] in lasts:
                lasts[event["state"]] = max(lasts[event["state"]], event["t"] - deploy.began)
        return lasts["staged"], lasts["activated"], took

    def _wipe(self, lab, bootstrapped=False):
        """Each host as it was before the first deploy; `bootstrapped`: with murder there."""
        end_murder(lab.hosts)
        for host in lab.hosts:
            shutil.rmtree(host.dest, ignore_errors=True)
            if not bootstrapped:
                shutil.rmtree(host.home / ".cache", ignore_errors=True)

    def _lab(self, **asked):
        return fleet(self._murder, self.folder / f"lab-{time.monotonic_ns()}", **asked)

    # The rows

    def _unshaped(self):
        first, second = self._release(self._size), self._release(self._size)
        with self._lab(hosts=self._hosts) as (lab, start):
            figures = {"floor": self._floor(lab), "by_hand": self._by_hand(lab, start, self._pack(first))}
            self._wipe(lab)
            _, figures["first"], figures["first_to_end"] = self._deploy(lab, first)
            self._wipe(lab, bootstrapped=True)
            _, figures["bootstrapped"], figures["bootstrapped_to_end"] = self._deploy(lab, second)
            _, _, figures["live_already"] = self._deploy(lab, second)
            with without_post_quantum(lab):
                figures["classical_floor"] = self._floor(lab)
                self._wipe(lab, bootstrapped=True)
                _, figures["classical"], _ = self._deploy(lab, first)
        return figures

    def _floor(self, lab):
        """ssh HOST true, to all at once."""
        began = time.monotonic()
        for ssh in [lab.start_program("ssh", "-F", lab.ssh_config, host.name, "true") for host in lab.hosts]:
            ssh.wait("ssh")
        return time.monotonic() - began

    def _by_hand(self, lab, start_outside, pack):
        """The pack and the torrent lie where they are wanted, tracker and seeder run: from the start of the peers until
        the release is live on the last."""
        origin, torrent = lab.hosts[0], pack.with_name(pack.name.removesuffix(".tar.zst") + ".torrent")
        for host in lab.hosts:
            shutil.copy(self._host_binary, host.disk / "murder")
            shutil.copy(torrent, host.disk / "torrent")
        shutil.copy(pack, origin.disk / "pack")
        murder, tracker = "/srv/murder", f"http://{origin.address}:8998/announce"

        def start(host, *arguments):
            return start_outside(*on_host(host, murder, *arguments, "--json", "--no-config"))

        start(origin, "tracker", "--listen", f"{origin.address}:8998", "--expect", len(lab.hosts))
        wait_until(lambda: origin.listens_on(8998), "the tracker listens")
        seeder = start(origin, "seed", "/srv/torrent", "--from", "/srv/pack", "--tracker", tracker, "--listen",
                       origin.address)
        wait_until(lambda: '"tracker"' in seeder.output(), "the seeder knows the tracker")
        began = time.monotonic()
        peers = [start(host, "peer", "/srv/torrent", "--to", lab.dest, "--tracker", tracker, "--listen", host.address,
                       "--activate", "--linger", "swarm") for host in lab.hosts]
        for peer in peers:
            peer.wait("murder peer")
        lives = [event["t"] for peer in peers for event in map(json.loads, peer.output().splitlines())
                 if event["event"] == "activated"]
        if len(lives) != len(peers):
            raise LabError(f"by hand: live on {len(lives)} of {len(peers)} hosts")
        return max(lives) - began

    def _thin(self):
        first, second = self._release(self._size), self._release(self._size)
        pack = self._pack(first)
        with self._lab(hosts=self._hosts, nat=True, control_mbit=THIN_MBIT, mbit=HOST_MBIT) as (lab, _):
            copy = lab.start_program("sh", "-c", f"ssh -F {lab.ssh_config} {lab.hosts[0].name} 'cat >/dev/null' <{pack}")
            figures = {"copy": copy.wait("one ssh copy")}
            self._wipe(lab)
            figures["first"], _, _ = self._deploy(lab, first)
            self._wipe(lab, bootstrapped=True)
            figures["bootstrapped"], _, _ = self._deploy(lab, second)
        return figures

    def _many(self):
        """The first deploy to a quarter of the hosts and to all, so that what each more costs is known; then another
        to all, which have murder by then."""
        with self._lab(hosts=self._many_hosts) as (lab, _):
            quarter = lab.hosts[:max(1, self._many_hosts // 4)]
            figures = {"quarter_hosts": len(quarter)}
            self._wipe(lab)
            figures |= self._costs("quarter", lab, quarter)
            self._wipe(lab)
            figures |= self._costs("all", lab, lab.hosts)
            self._wipe(lab, bootstrapped=True)
            return figures | self._costs("again", lab, lab.hosts)

    def _costs(self, name, lab, hosts):
        costs = Costs()
        _, live, _ = self._deploy(lab, self._release(self._tiny), hosts, costs)
        return {f"{name}_seconds": live, f"{name}_cpu": costs.own_cpu, f"{name}_ssh_cpu": costs.children_cpu,
                f"{name}_peak_mib": costs.peak / MIB, f"{name}_ssh_peak_mib": costs.children_peak / MIB}


@contextlib.contextmanager
def without_post_quantum(lab):
    """ssh as it was before 9.0 and is where crypto policies say so: its own key exchange costs the machine that connects
    to many hosts more than all else."""
    config = lab.ssh_config.read_text()
    lab.ssh_config.write_text(f"{config}  KexAlgorithms curve25519-sha256\n")
    try:
        yield
    finally:
        lab.ssh_config.write_text(config)


def wait_until(condition, what, patience_s=60):
    deadline = time.monotonic() + patience_s
    while not condition():
        if time.monotonic() > deadline:
            raise LabError(f"did not come true within {patience_s} s: {what}")
        time.sleep(0.002)
