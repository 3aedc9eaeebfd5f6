"""Packs that were made to do harm, all digests in order: refused, and nothing is written outside
of the release, whatever they say.
"""

import os

import pytest

from crafted import FILE, FOLDER, HARDLINK, SYMLINK, Entry, Pack, varint, zstd_frame, zstd_stored
from crafted import zstd_zeros
from swarm import differences, error_of, live_release, snapshot


@pytest.fixture
def outside(folder):
    """A folder that no pack has any business in."""
    path = folder / "outside"
    path.mkdir()
    (path / "precious").write_bytes(b"untouched")
    (path / "precious").chmod(0o640)
    return path


@pytest.fixture
def dest(swarm, folder, run):
    """A host on which v1 is live."""
    pack, torrent = Pack([Entry(b"app")]).build("v1", folder)
    swarm.tracker()
    seeder = swarm.seed(torrent, pack)
    result = swarm.peer(torrent, folder / "host", "--activate", "--linger", "none").wait()
    assert result.status == 0, result
    assert (folder / "host/current/app").read_bytes() == b"content"
    seeder.kill()
    return folder / "host"


def fetch(swarm, pack, dest, folder):
    """Result of a host that fetches this pack as v2 and would activate it."""
    path, torrent = pack.build("v2", folder)
    swarm.seed(torrent, path)
    return swarm.peer(torrent, dest, "--activate", "--linger", "none", "--timeout", "20s").wait()


def assert_refused(result, dest, outside, folder):
    assert result.status == 5, result
    assert error_of(result) != ""
    assert live_release(dest) == dest / "releases/v1"
    assert not (dest / "releases/v2").exists()
    assert set(snapshot(outside)) == {b"precious"}
    assert (outside / "precious").read_bytes() == b"untouched"
    assert list(folder.glob("**/evil*")) == []
    assert {path.name for path in folder.iterdir()} == {
        "home", "host", "logs", "outside", "v1.tar.zst", "v1.torrent", "v2.tar.zst", "v2.torrent"}


CLIMBING = {
    "up": [Entry(b"../evil")],
    "up-from-a-folder": [Entry(b"a", FOLDER), Entry(b"a/../../evil")],
    "up-to-releases": [Entry(b"../v1/evil")],
    "absolute": [Entry(b"/OUTSIDE/evil")],
    "dot": [Entry(b"./evil")],
    "double-slash": [Entry(b"a", FOLDER), Entry(b"a//evil")],
    "trailing-slash": [Entry(b"evil/")],
    "nothing": [Entry(b"")],
    "nul": [Entry(b"evil\0.txt")],
    "too-long": [Entry(b"evil" * 2000)],
    "through-a-symlink": [Entry(b"link", SYMLINK, target=b"OUTSIDE"), Entry(b"link/evil")],
    "through-a-relative-symlink": [Entry(b"link", SYMLINK, target=b"../../../outside"),
                                   Entry(b"link/evil")],
    "through-a-symlink-with-a-folder": [Entry(b"link", SYMLINK, target=b"OUTSIDE"),
                                        Entry(b"link", FOLDER), Entry(b"link/evil")],
    "over-a-symlink": [Entry(b"link", SYMLINK, target=b"OUTSIDE/precious"),
                       Entry(b"link", FILE)],
    "through-a-file": [Entry(b"file"), Entry(b"file/evil")],
    "in-no-folder": [Entry(b"none/evil")],
    "twice": [Entry(b"evil"), Entry(b"evil")],
    "out-of-order": [Entry(b"evil-b"), Entry(b"evil-a")],
    "hard-link-to-a-later-one": [Entry(b"a", HARDLINK, target=1), Entry(b"b")],
    "hard-link-to-none": [Entry(b"a"), Entry(b"b", HARDLINK, target=9)],
    "hard-link-to-a-symlink": [Entry(b"a", SYMLINK, target=b"OUTSIDE/precious"),
                               Entry(b"b", HARDLINK, target=0)],
    "hard-link-to-a-folder": [Entry(b"a", FOLDER), Entry(b"b", HARDLINK, target=0)],
    "symlink-to-nothing": [Entry(b"a", SYMLINK, target=b"")],
    "setuid": [Entry(b"evil", mode=0o4755)],
}


@pytest.mark.parametrize("entries", CLIMBING.values(), ids=CLIMBING.keys())
def test_a_pack_that_would_leave_its_release_is_refused(swarm, dest, outside, folder, entries):
    there = os.fsencode(outside)
    placed = [Entry(entry.path.replace(b"/OUTSIDE", there), entry.kind, entry.content, entry.mode,
                    entry.target.replace(b"OUTSIDE", there) if isinstance(entry.target, bytes)
                    else entry.target) for entry in entries]
    assert_refused(fetch(swarm, Pack(placed), dest, folder), dest, outside, folder)


def wrong_frame_digest(pack):
    pack.frame_digest = bytes(32)


def frame_with_other_content(pack):
    pack.frame = zstd_stored(pack.tar[:-1] + b"x")


def frame_cut_short(pack):
    pack.frame = pack.frame[:-100]


def frame_that_is_none(pack):
    pack.frame = b"\0" * len(pack.frame)


def frame_that_grows(pack):
    """2 GiB of zeros in place of a few bytes."""
    pack.frame = zstd_zeros(2 << 30)[:500_000]


def frame_beyond_bounds(pack):
    pack.raw_size = 1 << 40


def frames_without_number(pack):
    pack.frame_count = 1 << 40


def entries_without_number(pack):
    pack.entry_count = 1 << 40


def manifest_of_another_pack(pack):
    pack.manifest_digest = bytes(32)


def manifest_that_is_none(pack):
    pack.stored_manifest = b"no manifest at all"


def manifest_cut_short(pack):
    pack.stored_manifest = zstd_stored(pack.manifest_body()[:-5])


def manifest_with_more_behind(pack):
    pack.stored_manifest = zstd_stored(pack.manifest_body() + b"x")


def manifest_of_a_later_format(pack):
    pack.stored_manifest = zstd_stored(varint(2) + pack.manifest_body()[1:])


def manifest_that_claims_more_than_it_holds(pack):
    pack.stored_manifest = zstd_frame([(0, b"xxxx", 4)], 900 << 20)


def manifest_that_is_a_bomb(pack):
    pack.stored_manifest = zstd_zeros(3 << 30)[:200_000]


LYING = [wrong_frame_digest, frame_with_other_content, frame_cut_short, frame_that_is_none,
         frame_that_grows, frame_beyond_bounds, frames_without_number, entries_without_number,
         manifest_of_another_pack, manifest_that_is_none, manifest_cut_short,
         manifest_with_more_behind, manifest_of_a_later_format,
         manifest_that_claims_more_than_it_holds, manifest_that_is_a_bomb]


@pytest.mark.parametrize("spoil", LYING, ids=lambda spoil: spoil.__name__)
def test_a_pack_whose_parts_do_not_fit_is_refused(swarm, dest, outside, folder, spoil):
    pack = Pack([Entry(b"app"), Entry(b"etc", FOLDER), Entry(b"etc/conf")])
    spoil(pack)
    assert_refused(fetch(swarm, pack, dest, folder), dest, outside, folder)


def test_a_symlink_out_of_the_release_is_kept_and_never_followed(swarm, dest, outside, folder):
    """Releases do link to what lies outside of them: shared folders, the machine's own files."""
    before = os.stat(outside), os.stat(outside / "precious")
    there = os.fsencode(outside)
    pack = Pack([Entry(b"a-file", SYMLINK, target=there + b"/precious"),
                 Entry(b"folder", SYMLINK, target=there), Entry(b"z")])
    result = fetch(swarm, pack, dest, folder)
    assert result.status == 0, result
    assert os.readlink(dest / "current/folder") == str(outside)
    after = os.stat(outside), os.stat(outside / "precious")
    for one, other in zip(before, after):
        assert (one.st_mode, one.st_uid, one.st_mtime_ns) == (other.st_mode, other.st_uid,
                                                              other.st_mtime_ns)


def test_what_was_put_where_a_release_is_to_be_staged_is_not_followed(swarm, dest, outside,
                                                                      folder):
    (dest / "releases/v2.partial").symlink_to(outside)
    before = snapshot(outside)
    result = fetch(swarm, Pack([Entry(b"app", content=b"v2")]), dest, folder)
    assert result.status == 0, result
    assert differences(before, snapshot(outside)) == []
    assert (dest / "current/app").read_bytes() == b"v2"
    assert not (dest / "releases/v2").is_symlink()


@pytest.mark.parametrize("what", ["releases", ".murder", ".murder/packs", ".murder/manifests"])
def test_folders_of_dest_that_lead_elsewhere_are_refused(swarm, outside, folder, what):
    dest = folder / "host"
    (dest / what).parent.mkdir(parents=True, exist_ok=True)
    (dest / what).symlink_to(outside)
    swarm.tracker()
    before = snapshot(outside)
    result = fetch(swarm, Pack([Entry(b"app")]), dest, folder)
    assert result.status == 1, result
    assert what in error_of(result)
    assert differences(before, snapshot(outside)) == []
