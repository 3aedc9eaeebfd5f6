"""What a user may get wrong, or be given wrong: refused by name, and nothing is written."""

import hashlib
import os

import pytest

import bencode
from swarm import error_of


def assert_nothing_written(folder):
    assert sorted(path.name for path in folder.iterdir() if path.name != "logs") in (
        ["home"], ["home", "source"])


# --- pack ---------------------------------------------------------------------------------------


def test_pack_refuses_a_source_that_is_not_there(run, folder):
    result = run("pack", folder / "no-such", "-o", folder / "v1.tar.zst", "--json", expect=2)
    assert str(folder / "no-such") in error_of(result)
    assert_nothing_written(folder)


def test_pack_refuses_an_empty_folder_and_an_empty_file(run, folder):
    source = folder / "source"
    source.mkdir()
    result = run("pack", source, "-o", folder / "v1.tar.zst", "--json", expect=2)
    assert "nothing" in error_of(result) and str(source) in error_of(result)
    (source / "nothing").touch()
    result = run("pack", source / "nothing", "-o", folder / "v1.torrent", "--json", expect=2)
    assert "empty" in error_of(result) and str(source / "nothing") in error_of(result)
    assert_nothing_written(folder)


@pytest.fixture
def open_to_all(folder, murder):
    """A copy of the binary that any user can run, in a folder that any user can enter."""
    folder.chmod(0o755)
    copy = folder / "home/murder"
    copy.write_bytes(murder.read_bytes())
    copy.chmod(0o755)
    return copy


def test_pack_names_the_file_that_it_may_not_read(start_program, as_ordinary_user, open_to_all,
                                                  make_tree, folder):
    source = make_tree(folder / "source", {"fine": 1000, "etc/secret": 1000, "zfine": 1000})
    (source / "etc/secret").chmod(0)
    out = folder / "home/out"
    out.mkdir()
    out.chmod(0o777)
    command = as_ordinary_user(open_to_all, "pack", source, "-o", out / "v1.tar.zst", "--json")
    result = start_program(*command).wait()
    assert result.status == 1, result
    assert "etc/secret" in error_of(result)
    assert "ermission denied" in error_of(result)
    assert list(out.iterdir()) == []

    (source / "etc").chmod(0)
    result = start_program(*command).wait()
    (source / "etc").chmod(0o755)
    assert result.status == 1, result
    assert str(source / "etc") in error_of(result)
    assert list(out.iterdir()) == []


def test_pack_refuses_what_no_release_can_hold(run, make_tree, folder):
    source = make_tree(folder / "source", {"fine": 1000})
    os.mkfifo(source / "pipe")
    result = run("pack", source, "-o", folder / "v1.tar.zst", "--json", expect=1)
    assert "pipe" in error_of(result)
    assert_nothing_written(folder)


BAD_TAGS = ["a/b", "/", ".", "..", "../v1", "v 1", "v1\n", "caf\u00e9", "v" * 129, "v1.partial"]


@pytest.mark.parametrize("tag", BAD_TAGS + [""], ids=repr)
def test_pack_refuses_a_tag_that_cannot_name_a_release(run, make_tree, folder, tag):
    source = make_tree(folder / "source", {"fine": 1000})
    run("pack", source, "-o", folder / "v1.tar.zst", "--tag", tag, expect=2)
    run("pack", source / "fine", "-o", folder / "v1.torrent", "--tag", tag, expect=2)
    assert_nothing_written(folder)


def test_pack_refuses_an_output_of_the_wrong_kind(run, make_tree, folder):
    source = make_tree(folder / "source", {"file": 1000})
    run("pack", source, "-o", folder / "v1.torrent", expect=2)
    run("pack", source / "file", "-o", folder / "v1.tar.zst", expect=2)
    run("pack", source, "-o", folder / "no/such/folder/v1.tar.zst", expect=1)
    run("pack", source, expect=2)
    assert_nothing_written(folder)


def test_pack_refuses_a_tracker_that_is_no_address(run, make_tree, folder):
    source = make_tree(folder / "source", {"file": 1000})
    for url in ("udp://127.0.0.1", "wss://127.0.0.1:1/", "127.0.0.1:8998", "http://", "http://host:99999/", ""):
        run("pack", source, "-o", folder / "v1.tar.zst", "--tracker", url, expect=2)
    assert_nothing_written(folder)


# --- torrents -----------------------------------------------------------------------------------


@pytest.fixture
def good(swarm, make_tree, folder):
    """(pack, torrent): good ones, to be spoilt."""
    return swarm.pack(make_tree(folder / "source", {"app": 700_000, "etc/conf": b"x"}), "v1")


def refuse_torrent(run, folder, content, status, *words):
    """peer and seed end with `status`, name the torrent, and leave nothing."""
    torrent = folder / "bad.torrent"
    torrent.write_bytes(content)
    for command in (("peer", torrent, "--to", folder / "dest"),
                    ("seed", torrent, "--from", folder / "v1.tar.zst")):
        result = run(*command, "--json", expect=status)
        for word in (str(torrent), *words):
            assert word in error_of(result), result
    assert not (folder / "dest").exists()


def test_a_torrent_cut_anywhere_is_refused(run, good, folder):
    whole = good[1].read_bytes()
    offsets = {0, 1, 2, 10, len(whole) - 1, len(whole) - 2, *range(3, len(whole), len(whole) // 25)}
    for offset in sorted(offsets):
        (folder / "bad.torrent").write_bytes(whole[:offset])
        result = run("peer", folder / "bad.torrent", "--to", folder / "dest", "--json", expect=5)
        assert str(folder / "bad.torrent") in error_of(result), f"cut at {offset}"
    assert not (folder / "dest").exists()
    refuse_torrent(run, folder, whole[:len(whole) // 2], 5)


@pytest.mark.parametrize("content", [b"\0" * 1000, b"<html>404</html>", b"d4:infoi1ee", b"le",
                                     b"i1e", b"d4:info", b"l" * 100_000,
                                     b"99999999999999999999:x"], ids=lambda c: repr(c[:20]))
def test_what_is_no_torrent_is_refused(run, good, folder, content):
    refuse_torrent(run, folder, content, 5)


def test_a_byte_more_than_the_torrent_is_refused(run, good, folder):
    refuse_torrent(run, folder, good[1].read_bytes() + b"e", 5)


def change(torrent, **keys):
    """The torrent's bytes with other values in its info dictionary; None takes a key away."""
    content = bencode.decode(torrent.read_bytes())
    for key, value in keys.items():
        key = key.replace("_", " ").encode()
        if value is None:
            del content[b"info"][key]
        else:
            content[b"info"][key] = value
    return bencode.encode(content)


def test_digests_that_do_not_fit_the_length_are_refused(run, good, folder):
    torrent = good[1]
    info = bencode.decode(torrent.read_bytes())[b"info"]
    for keys in ({"pieces": info[b"pieces"][:-20]}, {"pieces": info[b"pieces"] + b"x" * 20},
                 {"pieces": info[b"pieces"][:-1]}, {"pieces": b""}, {"pieces": None},
                 {"piece_sha256": info[b"piece sha256"][:-32]},
                 {"piece_sha256": info[b"piece sha256"] + b"x"},
                 {"length": info[b"length"] + info[b"piece length"]}, {"length": 1},
                 {"length": -1}, {"length": 1 << 62}, {"length": None}, {"length": b"1"},
                 {"piece_length": info[b"piece length"] * 2}, {"piece_length": 0},
                 {"piece_length": -16384}):
        refuse_torrent(run, folder, change(torrent, **keys), 5)


@pytest.mark.parametrize("name", [b"../evil", b"..", b".", b"", b"/etc/cron.d/evil", b"a/b",
                                  b"a\0b", b"n" * 256], ids=repr)
def test_a_name_that_climbs_is_refused(run, good, folder, name):
    refuse_torrent(run, folder, change(good[1], name=name), 5, "name")


@pytest.mark.parametrize("tag", [b"../evil", b"..", b"", b"a/b", b"v" * 129], ids=repr)
def test_a_tag_that_climbs_is_refused(run, good, folder, tag):
    release = dict(bencode.decode(good[1].read_bytes())[b"info"][b"murder"])
    release[b"tag"] = tag
    refuse_torrent(run, folder, change(good[1], murder=release), 5, "tag")


def test_a_tag_that_no_release_may_have_is_refused_before_anything_is_fetched(run, good, folder):
    release = dict(bencode.decode(good[1].read_bytes())[b"info"][b"murder"])
    release[b"tag"] = b"v1.partial"
    (folder / "bad.torrent").write_bytes(change(good[1], murder=release))
    result = run("peer", folder / "bad.torrent", "--to", folder / "dest", "--json", "--timeout",
                 "2s", expect=None)
    assert result.status in (2, 5), result
    assert "v1.partial" in error_of(result)
    assert result.events("listening") == []


@pytest.mark.parametrize("location", [{b"offset": 1 << 40}, {b"length": 1 << 40}, {b"length": 0},
                                      {b"offset": -1}, {b"sha256": b"short"}],
                         ids=lambda keys: repr(list(keys)[0]))
def test_a_manifest_that_lies_nowhere_is_refused(run, good, folder, location):
    release = dict(bencode.decode(good[1].read_bytes())[b"info"][b"murder"])
    release[b"manifest"] = {**release[b"manifest"], **location}
    refuse_torrent(run, folder, change(good[1], murder=release), 5)


def test_torrents_that_are_valid_but_not_carried_are_told_apart_from_broken_ones(run, good,
                                                                                 folder):
    v2 = change(good[1], length=None, murder=None, piece_sha256=None, pieces=None, meta_version=2)
    refuse_torrent(run, folder, v2, 1, "v2 torrent alone")
    size = bencode.decode(good[1].read_bytes())[b"info"][b"length"]
    link = change(good[1], length=None, murder=None,
                  files=[{"length": size, "path": ["a"]}, {"length": 0, "path": ["b"], "attr": "l"}])
    refuse_torrent(run, folder, link, 1, "'b' is a symlink")


@pytest.mark.parametrize("path", [["..", "x"], ["a/b"], [""], ["x", "."], ["/etc/x"], [], ["a", "a"]],
                         ids=repr)
def test_files_that_lead_out_of_their_folder_are_refused(run, good, folder, path):
    size = bencode.decode(good[1].read_bytes())[b"info"][b"length"]
    hostile = change(good[1], length=None, murder=None,
                     files=[{"length": size, "path": ["a"]}, {"length": 0, "path": path}])
    refuse_torrent(run, folder, hostile, 5)
    newer = dict(bencode.decode(good[1].read_bytes())[b"info"][b"murder"])
    newer[b"format"] = 2
    refuse_torrent(run, folder, change(good[1], murder=newer), 1, "newer murder")


def test_a_torrent_that_is_not_there_or_not_readable_is_named(run, start_program, folder, good,
                                                              open_to_all, as_ordinary_user):
    result = run("peer", folder / "none.torrent", "--to", folder / "dest", "--json", expect=2)
    assert "none.torrent" in error_of(result)
    result = run("peer", folder / "source", "--to", folder / "dest", "--json", expect=None)
    assert result.status in (1, 2), result
    assert str(folder / "source") in error_of(result)
    good[1].chmod(0)
    result = start_program(*as_ordinary_user(open_to_all, "peer", good[1], "--to",
                                             folder / "dest", "--json")).wait()
    assert result.status == 1, result
    assert str(good[1]) in error_of(result)
    assert not (folder / "dest").exists()


@pytest.mark.parametrize("source", ["wss://127.0.0.1/v1.torrent", "magnet:?xt=urn:btih:" + "a" * 40,
                                    "ftp://127.0.0.1/v1.torrent", "http://", "http://host:0/x",
                                    "http://user:secret@127.0.0.1/x"])
def test_a_torrent_from_where_murder_cannot_fetch_is_a_usage_error(run, folder, source):
    result = run("peer", source, "--to", folder / "dest", "--json", expect=2)
    assert "secret" not in result.out + result.err
    assert not (folder / "dest").exists()


def test_a_torrent_of_other_programs_is_checked_by_sha1_and_the_log_says_so(swarm, good, folder):
    pack, torrent = good
    swarm.tracker()
    plain = folder / "plain.torrent"
    plain.write_bytes(change(torrent, murder=None, piece_sha256=None, private=None,
                             name=b"some.iso"))
    swarm.seed(plain, pack)
    result = swarm.peer(plain, folder / "dest", "--linger", "none").wait()
    assert result.status == 0, result
    carried = folder / "dest/releases/some.iso/some.iso"
    assert hashlib.sha256(carried.read_bytes()).digest() == hashlib.sha256(
        pack.read_bytes()).digest()
    assert any("SHA-1" in event["message"] for event in result.events("warning")), result


# --- seed ---------------------------------------------------------------------------------------


def test_seed_refuses_a_payload_that_is_not_the_torrents(run, good, folder):
    pack, torrent = good
    content = bytearray(pack.read_bytes())
    content[len(content) // 2] ^= 1
    (folder / "flipped").write_bytes(content)
    (folder / "short").write_bytes(pack.read_bytes()[:-1])
    (folder / "long").write_bytes(pack.read_bytes() + b"x")
    for name in ("flipped", "short", "long"):
        result = run("seed", torrent, "--from", folder / name, "--json", expect=5)
        assert str(folder / name) in error_of(result)
    result = run("seed", torrent, "--from", folder / "none", "--json", expect=None)
    assert result.status in (1, 2), result
    assert str(folder / "none") in error_of(result)


# --- usage --------------------------------------------------------------------------------------


@pytest.mark.parametrize("arguments", [
    (), ("conquer",), ("peer",), ("peer", "TORRENT"), ("peer", "--to", "DEST"),
    ("peer", "TORRENT", "--to", "DEST", "--linger", "long"),
    ("peer", "TORRENT", "--to", "DEST", "--linger", "-1s"),
    ("peer", "TORRENT", "--to", "DEST", "--timeout", "5 bananas"),
    ("peer", "TORRENT", "--to", "DEST", "--port", "70000"),
    ("peer", "TORRENT", "--to", "DEST", "--listen", "here"),
    ("peer", "TORRENT", "--to", "DEST", "--tracker", "udp://127.0.0.1"),
    ("peer", "TORRENT", "--to", "DEST", "--tracker", "wss://127.0.0.1:1"),
    ("status", "--tracker", "udp://127.0.0.1:1"),
    ("peer", "TORRENT", "--to", "DEST", "--owner", "no-such-user-here"),
    ("peer", "TORRENT", "--to", "DEST", "--file-only", "--activate"),
    ("tracker", "--listen", "127.0.0.1"), ("tracker", "--listen", "127.0.0.1:x"),
    ("tracker", "--expect", "-1"), ("verify",), ("activate", "--to", "DEST"),
    ("rollback", "--to", ""), ("releases", "--to", "/"),
], ids=" ".join)
def test_usage_errors_exit_2_and_touch_nothing(run, good, folder, arguments):
    """Said at once, not after the payload was fetched: there is nobody here to fetch it from."""
    replaced = [{"TORRENT": good[1], "DEST": folder / "dest"}.get(a, a) for a in arguments]
    result = run(*replaced, expect=2)
    assert result.err != "" or result.out != ""
    assert not (folder / "dest/releases").exists()


@pytest.mark.parametrize("dest", ["", "/", "//", "/.", "/tmp/.."])
def test_dest_is_never_the_root_or_nothing(run, good, dest):
    for more in ((), ("--file-only",)):
        run("peer", good[1], "--to", dest, "--timeout", "1s", *more, expect=2)
    assert not os.path.exists("/releases") and not os.path.exists("/.murder")
    assert not os.path.exists("/v1.tar.zst.partial")
