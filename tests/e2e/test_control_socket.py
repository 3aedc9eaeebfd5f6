"""Transfers that a session starts, watches, feeds and leaves, by the real binary."""

import signal
import subprocess

import pytest

from control import Closed, Controller, Pack
from swarm import differences, error_of, events, snapshot, wait_for_event


@pytest.fixture
def release(swarm, make_tree, folder):
    """(source, Pack, torrent) of some 3 MB."""
    source = make_tree(folder / "source", {f"d{n % 5}/f{n}": 150_000 for n in range(20)})
    pack, torrent = swarm.pack(source, "v1")
    return source, Pack(pack, torrent), torrent


def test_an_origin_seeds_what_it_is_handed_and_every_host_has_it(release, swarm, folder):
    source, pack, torrent = release
    swarm.tracker("--expect", "3", "--exit-when-complete")
    origin = swarm.peer(torrent, folder / "origin", "--seeder", "--control", "--info-hash",
                        pack.info_hash)
    hosts = [swarm.peer(torrent, folder / f"host{n}") for n in range(3)]
    session = Controller(folder / "origin", "v1")
    state = session.event("transfer")
    assert (state["state"], state["seeder"], state["info_hash"]) == ("fetching", True,
                                                                      pack.info_hash)
    assert session.event("listening")["role"] == "seeder"
    session.feed(pack, range(pack.pieces))
    results = [member.wait() for member in [origin, *hosts]]
    for result, name in zip(results, ["origin", "host0", "host1", "host2"], strict=True):
        assert result.status == 0, result
        assert differences(snapshot(source), snapshot(folder / name / "releases/v1")) == []
    complete, = results[0].events("complete")
    assert (complete["fed_bytes"], complete["downloaded_bytes"]) == (len(pack.data), 0)
    for result in results[1:]:
        assert result.events("complete")[0]["fed_bytes"] == 0


def test_nobody_has_to_read_what_a_watched_peer_writes(murder, release, folder,
                                                       clean_environment):
    source, pack, torrent = release
    dest = folder / "host"
    command = [murder, "peer", torrent, "--to", dest, "--control", "--listen", "127.0.0.1",
               "--linger", "forever", "--json"]
    # stdout and stderr closed: the shell's own "<&-" has no equal in subprocess.
    with subprocess.Popen(["/bin/sh", "-c", 'exec "$@" >&- 2>&- <&-', "sh", *command],
                          env=clean_environment, start_new_session=True) as process:
        try:
            session = Controller(dest, "v1")
            session.feed(pack, range(pack.pieces))
            session.event("staged")
            session.send({"order": "finish"})
            assert process.wait(60) == 0
        finally:
            process.kill()
    assert differences(snapshot(source), snapshot(dest / "releases/v1")) == []


def test_a_session_that_comes_back_hands_over_only_what_is_missing(release, start, folder):
    source, pack, torrent = release
    dest = folder / "host"

    def peer(*arguments):
        return start("peer", torrent, "--to", dest, "--control", "--listen", "127.0.0.1", "--json",
                     "--linger", "none", *arguments)

    killed = peer()
    first = Controller(dest, "v1")
    first.feed(pack, range(0, pack.pieces, 2))
    first.close()
    second = Controller(dest, "v1")
    assert second.event("transfer")["have_pieces"] == (pack.pieces + 1) // 2
    assert second.have(pack.pieces) == set(range(0, pack.pieces, 2))

    refused = peer().wait()
    assert refused.status == 1
    assert "in use" in error_of(refused)
    assert second.have(pack.pieces), "the first one goes on"

    killed.kill()
    with pytest.raises(Closed):
        second.event("staged")
    again = peer()
    third = Controller(dest, "v1")
    here = third.have(pack.pieces)
    assert here == set(range(0, pack.pieces, 2))
    third.feed(pack, sorted(set(range(pack.pieces)) - here))
    third.event("staged")
    result = again.wait()
    assert result.status == 0, result
    complete, = result.events("complete")
    assert complete["fed_bytes"] + complete["resumed_bytes"] == len(pack.data)
    assert differences(snapshot(source), snapshot(dest / "releases/v1")) == []


def test_wrong_bytes_harm_nobody_but_their_sender(release, start, folder):
    _, pack, torrent = release
    dest = folder / "host"
    peer = start("peer", torrent, "--to", dest, "--control", "--listen", "127.0.0.1", "--json",
                 "--linger", "none")
    session = Controller(dest, "v1")
    wrong = bytes(len(pack.piece(0)))
    session.send({"order": "pieces", "piece": 0}, wrong)
    answer, _ = session.wait_for(fed=0)
    assert answer["kind"] == "integrity"
    assert "does not match" in answer["error"]
    assert session.have(pack.pieces) == set()
    session.past.clear()
    session.feed(pack, range(pack.pieces))
    assert peer.wait().status == 0


def test_without_pieces_from_anywhere_it_gives_up_and_says_so_to_who_listens(release, start,
                                                                             folder):
    _, pack, torrent = release
    dest = folder / "host"
    peer = start("peer", torrent, "--to", dest, "--control", "--listen", "127.0.0.1", "--json",
                 "--timeout", "3s")
    session = Controller(dest, "v1")
    session.feed(pack, range(pack.pieces - 1), bytes_per_s=len(pack.data) / 5)
    assert session.event("error")["kind"] == "unreachable"
    assert peer.wait().status == 4
    assert "1 of" in error_of(peer.wait()), "being fed was progress"


def test_stop_is_sigterm(release, start, folder):
    _, pack, torrent = release
    dest = folder / "host"
    peer = start("peer", torrent, "--to", dest, "--control", "--listen", "127.0.0.1", "--json")
    session = Controller(dest, "v1")
    session.feed(pack, [0])
    session.send({"order": "stop"})
    assert session.event("error")["kind"] == "terminated"
    assert peer.wait().status == 128 + signal.SIGTERM


def test_another_torrent_than_the_expected_one_touches_nothing(release, run, folder):
    torrent = release[2]
    result = run("peer", torrent, "--to", folder / "host", "--info-hash", "0" * 40, "--json",
                 expect=5)
    assert "is wanted" in error_of(result)
    assert not (folder / "host").exists()
    run("peer", torrent, "--to", folder / "host", "--info-hash", "abc", expect=2)
    run("peer", torrent, "--to", folder / "host", "--file-only", "--control", expect=2)


def test_what_only_a_deploy_sets_is_not_in_the_help_and_not_configurable(run, folder):
    text = run("peer", "--help").out
    for flag in ("--seeder", "--control", "--info-hash"):
        assert flag not in text
    (folder / "murder.toml").write_text("[peer]\nseeder = true\n")
    run("peer", "x.torrent", "--to", folder / "host", expect=2)


def test_hosts_go_on_with_the_tracker_that_they_are_told_of(release, swarm, start, folder):
    """The origin has died with its tracker; another host is fed what is missing."""
    source, pack, torrent = release
    first = swarm.tracker()
    origin = swarm.peer(torrent, folder / "origin", "--seeder", "--control")
    hosts = [swarm.peer(torrent, folder / f"host{n}", "--control") for n in range(3)]
    feeder = Controller(folder / "origin", "v1")
    feeder.feed(pack, range(pack.pieces // 2))
    sessions = [Controller(folder / f"host{n}", "v1") for n in range(3)]
    while len(sessions[0].have(pack.pieces)) < pack.pieces // 4:
        pass
    origin.kill()
    first.kill()
    second = start("tracker", "--listen", "127.0.0.1:0", "--expect", "3", "--json")
    endpoint = wait_for_event(second, "listening")["endpoint"]
    for session in sessions:
        session.send({"order": "trackers", "urls": [f"http://{endpoint}/announce"]})
        session.wait_for(trackers=1)
    here = set().union(*(session.have(pack.pieces) for session in sessions))
    sessions[1].feed(pack, sorted(set(range(pack.pieces)) - here))
    for number, host in enumerate(hosts):
        result = host.wait()
        assert result.status == 0, result
        assert differences(snapshot(source), snapshot(folder / f"host{number}/releases/v1")) == []
    assert events(second, "fleet")[-1]["complete"] == 3
