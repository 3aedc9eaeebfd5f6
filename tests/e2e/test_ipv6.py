"""Fleets of IPv6, and of both: nobody needs IPv4, and whoever has both links those who have one."""

from clients import clients, packed  # noqa: F401 (fixtures)
from swarm import digest, wait_for_event


def give_ipv6(machines):
    for number, machine in enumerate(machines, 1):
        machine.v6 = f"2001:db8::{number}"
        machine.shell(f"ip -6 addr add {machine.v6}/64 dev eth0 nodad")


def tracker_on_all_addresses(swarm, machine, hosts):
    tracker = swarm.murder(machine, "tracker", "--listen", "[::]:8998", "--expect", str(hosts))
    assert wait_for_event(tracker, "listening")["endpoint"] == "[::]:8998"


def test_a_fleet_without_ipv4(clients, packed):
    swarm = clients(3)
    machines = swarm.net.machines
    give_ipv6(machines)
    for machine in machines:
        machine.shell("ip -4 addr flush dev eth0; ip -4 addr flush dev lo")
    url = f"http://[{machines[0].v6}]:8998/announce"
    pack, torrent = packed(url)
    tracker_on_all_addresses(swarm, machines[0], 2)
    seeder = swarm.seed(torrent, pack, listen="::")
    assert wait_for_event(seeder, "listening")["endpoint"].startswith("[::]:")
    peers = [swarm.peer(torrent, machine, "--linger", "none", listen=listen)
             for machine, listen in zip(machines[1:], ("::", machines[2].v6))]
    for peer in peers:
        result = peer.wait()
        assert result.status == 0, result


def test_hosts_of_either_family_and_of_both(clients, packed, folder):
    swarm = clients(4)
    first, only_v4, only_v6, both = machines = swarm.net.machines
    give_ipv6(machines)
    only_v4.shell("ip -6 addr flush dev eth0")
    only_v6.shell("ip -4 addr flush dev eth0")
    v4, v6 = (f"http://{host}:8998/announce" for host in (first.address, f"[{first.v6}]"))
    pack, torrent = packed(v6)
    tracker_on_all_addresses(swarm, first, 3)
    swarm.seed(torrent, pack, listen="::")
    peers = {machine: swarm.peer(torrent, machine, "--tracker", url, "-v", listen="::")
             for machine, url in ((only_v4, v4), (only_v6, v6), (both, v6))}
    for machine, peer in peers.items():
        result = peer.wait()
        assert result.status == 0, result
        assert digest(folder / f"dest-{machine.name}" / pack.name) == digest(pack)
