"""`murder on-host` as any control side may drive it: orders in, answers out, over pipes. What the page
docs/orders.md promises; the deploys that stand on it have tests of their own.
"""

import itertools
import os
import signal

import pytest

from control import Pack
from on_host import Closed, OnHost, Refused, encode
from swarm import live_release, processes_about


@pytest.fixture
def on_host(murder, clean_environment, folder):
    """on_host(): a session. Those that still run are killed with the test."""
    numbers, sessions = itertools.count(), []

    def begin(**environment):
        sessions.append(OnHost(murder, {**clean_environment, **environment},
                               folder / f"on-host-{next(numbers)}.err"))
        return sessions[-1]

    yield begin
    for session in sessions:
        if session.process.poll() is None:
            session.kill()
        session.process.stdin.close()
        session.process.stdout.close()


@pytest.fixture
def dest(folder):
    """DEST of the host; transfers that were started there end with the test."""
    path = folder / "app"
    yield path
    for pid in processes_about(path):
        os.kill(pid, signal.SIGKILL)


class Release:
    """A release in a swarm that this machine has by hand, and the order to stage it."""

    def __init__(self, swarm, tree, tag, *arguments):
        self.tag = tag
        path, torrent = swarm.pack(tree, tag)
        self.pack = Pack(path, torrent)
        self.torrent = torrent.read_bytes()
        swarm.tracker()
        swarm.seed(torrent, path, *arguments)
        self._tracker, self._address = swarm.tracker_url, swarm.new_address()

    def order(self, dest, **fields):
        return {"dest": str(dest), "tag": self.tag, "info_hash": self.pack.info_hash,
                "trackers": [self._tracker], "host": "web-1", "address": self._address, **fields}


@pytest.fixture
def release(swarm, make_tree, folder):
    return Release(swarm, make_tree(folder / "source", {"bin/app": 300_000, "etc/conf": b"x"}), "v1")


@pytest.fixture
def slow_release(swarm, make_tree, folder):
    """It takes some seconds."""
    return Release(swarm, make_tree(folder / "source", {"bin/app": 1_200_000}), "v1", "--up", "3Mbit")


def test_it_says_hello_looks_and_changes_nothing(on_host, dest, run):
    session = on_host(SSH_CONNECTION="192.0.2.9 50000 192.0.2.7 22")
    hello = session.hello
    assert (hello["protocol"], hello["machine"]) == (1, os.uname().machine)
    assert hello["address"] == "192.0.2.7"
    assert hello["version"] in run("--version").out
    view = session.ask("look", dest=str(dest), tag="v1")
    assert (view["used"], view["live"], view["staged"], view["fetching"]) == (False, "", False, False)
    assert view["free_bytes"] > 0
    assert session.ask("examine", dest=str(dest))["dest_problem"] == ""
    assert not dest.exists()
    assert session.close() == 0
    assert session.err == ""


def test_a_release_is_staged_switched_and_looked_at(on_host, dest, release):
    session = on_host()
    staged = session.ask("stage", release.torrent, **release.order(dest))
    assert staged["fetched_bytes"] == len(release.pack.data) and not staged["already"]
    assert {frame[0].get("event") for frame in session.said} >= {"transfer", "complete", "staged"}
    assert live_release(dest) is None
    activated = session.ask("activate", dest=str(dest), tag="v1", host="web-1", deploy="d1",
                            after={"command": "echo $MURDER_TAG on $MURDER_HOST", "timeout_s": 60})
    assert activated["switched"] and activated["after"]["output"] == "v1 on web-1\n"
    assert (live_release(dest) / "etc/conf").read_bytes() == b"x"
    view = session.ask("look", dest=str(dest), tag="v1", info_hash=release.pack.info_hash)
    assert (view["live"], view["staged"], view["other_bytes"]) == ("v1", True, False)
    assert session.ask("look", dest=str(dest), tag="v1", info_hash="0" * 40)["other_bytes"]
    assert session.ask("stage", **release.order(dest))["already"]
    examined = session.ask("examine", dest=str(dest))
    assert examined["live"] == "v1" and examined["live_bytes"] > 600_000


def test_a_lost_session_leaves_the_transfer_and_the_next_one_joins_it(on_host, dest, slow_release):
    first = on_host()
    first.give("stage", slow_release.torrent, **slow_release.order(dest))
    first.wait_for(event="progress")
    transfer, = processes_about(dest)
    first.kill()

    second = on_host()
    assert second.ask("look", dest=str(dest), tag="v1")["fetching"]
    staged = second.ask("stage", slow_release.torrent, **slow_release.order(dest))
    assert staged["fetched_bytes"] == len(slow_release.pack.data), "by the first one's transfer"
    assert processes_about(dest) in ([transfer], [])
    assert (dest / "releases/v1/bin/app").stat().st_size == 1_200_000


def test_a_transfer_that_is_killed_is_started_again_and_goes_on(on_host, dest, slow_release,
                                                                eventually):
    session = on_host()
    order = session.give("stage", slow_release.torrent, **slow_release.order(dest))
    while not session.wait_for(event="progress")["have_bytes"]:
        pass
    killed, = processes_about(dest)
    os.kill(killed, signal.SIGKILL)
    staged = session.answer(order)
    warnings = [frame[0]["message"] for frame in session.said if frame[0].get("event") == "warning"]
    assert any("started again" in message for message in warnings), warnings
    assert staged["resumed_bytes"] > 0
    session.send({"order": "finish"})
    session.wait_for(finish=True)
    eventually(lambda: not processes_about(dest), "it lingers no longer")


def test_a_transfer_that_cannot_succeed_is_told_and_the_session_goes_on(on_host, dest, release):
    session = on_host()
    with pytest.raises(Refused) as refused:
        session.ask("stage", release.torrent, **release.order(dest, info_hash="0" * 40))
    assert refused.value.status == 5
    with pytest.raises(Refused) as refused:
        session.ask("activate", dest=str(dest), tag="v1")
    assert "v1" in refused.value.message
    assert session.ask("stage", release.torrent, **release.order(dest))["fetched_bytes"] > 0


def test_a_lock_lasts_as_long_as_its_holder_is_heard(on_host, dest):
    (dest / "releases").mkdir(parents=True)
    (dest / ".murder").mkdir()
    holder, other = on_host(), on_host()
    lock = {"dest": str(dest), "deploy": "d1", "who": "alice@laptop", "lease_s": 1}
    assert holder.ask("lock", **lock)["ok"]
    refused = other.ask("lock", **{**lock, "deploy": "d2", "lease_s": 0})
    assert not refused["ok"] and "deploy d1 of alice@laptop" in refused["held_by"]
    with pytest.raises(Closed):
        holder.read()
    assert holder.wait() == 0
    assert other.ask("lock", **{**lock, "deploy": "d2", "lease_s": 0})["ok"]


@pytest.mark.parametrize("garbage", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\xff" * 64],
                         ids=["HTTP", "ones"])
def test_what_is_no_frame_ends_the_session_with_a_word(on_host, garbage):
    session = on_host()
    session.send_bytes(garbage)
    frame = session.read()[0]
    assert (frame["re"], frame["error"]["status"]) == (0, 1)
    assert "not a frame" in frame["error"]["message"]
    with pytest.raises(Closed):
        session.read()
    assert session.wait() == 1
    assert "no order of murder deploy" in session.err


def test_what_is_no_order_is_answered_and_the_next_one_is_carried_out(on_host, dest):
    session = on_host()
    with pytest.raises(Refused) as refused:
        session.ask("dance")
    assert "dance" in refused.value.message
    for text in (b"no JSON", b"[]", b"{}", b'{"id":"x","order":7}', b""):
        session.send(text)
        assert "error" in session.read()[0], text
    with pytest.raises(Refused):
        session.ask("look", dest=7)
    session.send({"order": "have"})
    assert "no transfer runs here" in session.read()[0]["error"]
    assert not session.ask("look", dest=str(dest))["used"]


def test_who_does_not_read_is_not_listened_to(on_host, folder):
    """Neither orders nor answers pile up without bound, and nothing is lost when reading goes on."""
    dest = folder / "app"
    (dest / ".murder").mkdir(parents=True)
    for number in range(200):
        (dest / f"releases/release-{number:03}").mkdir(parents=True)
    session = on_host()
    orders = [encode({"id": number, "order": "releases", "dest": str(dest)})
              for number in range(1, 10_001)]
    taken = session.takes_no_more(b"".join(orders), patience_s=5)
    assert taken < 0.5 * len(orders) * len(orders[-1])
    whole = next(n for n in itertools.count() if sum(map(len, orders[:n + 1])) > taken)
    for number in range(1, whole + 1):
        assert session.read()[0]["re"] == number
    session.send_bytes(b"".join(orders)[taken:sum(map(len, orders[:whole + 1]))])
    assert session.read()[0]["re"] == whole + 1
    assert session.close() == 0


def test_a_signal_ends_the_session_and_not_the_transfer(on_host, dest, slow_release, eventually):
    session = on_host()
    session.give("stage", slow_release.torrent, **slow_release.order(dest))
    session.wait_for(event="progress")
    session.process.send_signal(signal.SIGTERM)
    assert session.wait() == 143
    eventually(lambda: (dest / "releases/v1").is_dir(), "the transfer goes on")


def test_a_hook_that_runs_before_the_switch_is_given_up_with_the_session(on_host, dest, release,
                                                                         folder, eventually):
    session = on_host()
    session.ask("stage", release.torrent, **release.order(dest))
    session.give("activate", dest=str(dest), tag="v1", host="web-1", deploy="d1",
                 before={"command": f"touch {folder}/begun; exec sleep 1000", "timeout_s": 600})
    eventually(lambda: (folder / "begun").exists(), "the hook runs")
    assert session.close() == 0
    assert live_release(dest) is None
