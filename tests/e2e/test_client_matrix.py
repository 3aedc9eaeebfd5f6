"""Clients of other makes, as they come from Debian, in our swarm and we in theirs: each fetches from murder's seeder,
seeds to murder's peers, and is one of eight that share a swarm. What they take is said in the report (pytest -rP).
"""

import pytest

from clients import CLIENTS, clients, end, has_whole, packed, report, seconds_until  # noqa: F401 (fixtures)
from swarm import digest, wait_for_event


def each_client(test):
    return pytest.mark.parametrize("client", CLIENTS.values(), ids=CLIENTS)(test)


@each_client
def test_it_fetches_from_our_seeder_and_announces_to_our_tracker(client, clients, packed, request):
    swarm = clients(2)
    pack, torrent = packed(swarm.tracker_url)
    swarm.tracker()
    swarm.seed(torrent, pack)
    stock = swarm.stock(client, torrent, swarm.net.machines[1])
    took = seconds_until(lambda: has_whole(stock, pack), stock)
    report(request, f"{client.name} leeches", took / swarm.net.seconds_of_copy(pack.stat().st_size))
    end(stock)


@each_client
def test_it_seeds_to_our_peers(client, clients, packed, request):
    swarm = clients(2)
    pack, torrent = packed(swarm.tracker_url)
    swarm.tracker()
    stock = swarm.stock(client, torrent, swarm.net.machines[0], payload=pack)
    seconds_until(lambda: client.serves(stock), stock)
    peer = swarm.peer(torrent, swarm.net.machines[1], "--linger", "none")
    complete = wait_for_event(peer, "complete")
    result = peer.wait()
    assert result.status == 0, result
    report(request, f"{client.name} seeds",
           (complete["t"] - peer.began) / swarm.net.seconds_of_copy(pack.stat().st_size))
    end(stock)


@each_client
def test_it_is_one_of_eight(client, clients, packed, request):
    """It does not starve, and costs the seven little."""
    swarm = clients(9)
    pack, torrent = packed(swarm.tracker_url)
    swarm.tracker()
    swarm.seed(torrent, pack)
    stock = swarm.stock(client, torrent, swarm.net.machines[1])
    peers = [swarm.peer(torrent, machine, "--linger", "30s") for machine in swarm.net.machines[2:]]
    began = min(peer.began for peer in peers)
    last = max(wait_for_event(peer, "complete")["t"] for peer in peers) - began
    limit = swarm.net.seconds_of_copy(pack.stat().st_size)
    took = seconds_until(lambda: has_whole(stock, pack), stock)
    report(request, f"seven murder peers beside {client.name}", last / limit)
    report(request, f"{client.name} beside seven murder peers", took / limit)
    for peer in peers:
        assert peer.status is None or peer.status == 0
        assert not [1 for line in peer.out.splitlines() if '"peer_banned"' in line]
    end(stock)


def test_all_of_them_in_one_swarm(clients, packed):
    present = [client for client in CLIENTS.values() if client.is_there()]
    swarm = clients(1 + len(present) + 3)
    pack, torrent = packed(swarm.tracker_url)
    swarm.tracker()
    swarm.seed(torrent, pack)
    machines = iter(swarm.net.machines[1:])
    stocks = [swarm.stock(client, torrent, next(machines)) for client in present]
    peers = [swarm.peer(torrent, machine, "--linger", "30s") for machine in machines]
    for peer in peers:
        wait_for_event(peer, "complete")
    for stock in stocks:
        seconds_until(lambda stock=stock: has_whole(stock, pack), stock)
    assert all(digest(stock.folder / pack.name) == digest(pack) for stock in stocks)
