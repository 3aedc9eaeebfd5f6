"""Packing against `tar | zstd -3`, unpacking against `tar -x`, and the demo. ./dev bench pack, ./dev bench demo.

Each pair is measured in turn in one run, because machines differ from one minute to the next.
"""

import json
import os
import pathlib
import shutil
import statistics
import subprocess
import tempfile
import time

MURDER = os.environ.get("MURDER_BINARY", "murder")


def timed(command, **options):
    begin = time.monotonic()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **options)
    return time.monotonic() - begin


def median(values):
    return statistics.median(values)


def tree_bytes(source):
    return sum(f.lstat().st_size for f in pathlib.Path(source).rglob("*") if f.is_file() and not f.is_symlink())


def bench_pack(source, runs, work):
    """One core each, so that the schedulers have no part in it."""
    one_core = ["taskset", "-c", "0"]
    pack, plain = work / "bench.tar.zst", work / "plain.tar.zst"
    ours, theirs, cores = [], [], []
    for _ in range(runs + 1):
        ours.append(timed([*one_core, MURDER, "pack", source, "-o", pack]))
        theirs.append(timed([*one_core, "sh", "-c", f"tar -C '{source}' -cf - . | zstd -q -3 -f -o '{plain}'"]))
        cores.append(timed([MURDER, "pack", source, "-o", pack]))
    megabytes = tree_bytes(source) / 1e6
    # The first round warms the page cache.
    ours, theirs, cores = median(ours[1:]), median(theirs[1:]), median(cores[1:])
    print(f"pack, one core       {megabytes / ours:7.0f} MB/s; tar | zstd -3 {megabytes / theirs:.0f} MB/s")
    print(f"pack, {os.cpu_count()} cores       {megabytes / cores:7.0f} MB/s")
    print(f"size                 {pack.stat().st_size / 1e6:7.1f} MB; tar | zstd -3 {plain.stat().st_size / 1e6:.1f} MB")
    return pack


def bench_stage(source, pack, runs, work):
    """A peer that has the whole pack already: what is measured is hashing, unpacking, syncing."""
    ours, theirs = [], []
    for run in range(runs):
        peer, plain = work / f"peer-{run}", work / f"plain-{run}"
        plain.mkdir()
        torrent = str(pack).removesuffix(".tar.zst") + ".torrent"
        tag = json.loads(subprocess.run([MURDER, "pack", "--json", source, "-o", pack], check=True,
                                        capture_output=True, text=True).stdout.splitlines()[-1])["tag"]
        packs = peer / ".murder" / "packs"
        packs.mkdir(parents=True)
        shutil.copy(pack, packs / f"{tag}.tar.zst")
        shutil.copy(torrent, packs / f"{tag}.torrent")
        ours.append(timed([MURDER, "peer", torrent, "--to", peer, "--linger", "none", "--listen", "127.0.0.1"]))
        theirs.append(timed(["sh", "-c", f"tar -C '{plain}' -xf '{pack}' && sync -f '{plain}'"]))
        shutil.rmtree(peer)
        shutil.rmtree(plain)
    print(f"hash, unpack, sync   {median(ours):7.2f} s; tar -x, sync {median(theirs):.2f} s")


def bench_demo(source, hosts, link, runs):
    results = []
    for _ in range(runs):
        lines = subprocess.run([MURDER, "demo", source, "--hosts", str(hosts), "--link", link, "--json"], check=True,
                               capture_output=True, text=True).stdout.splitlines()
        results.append(json.loads(lines[-1]))
    print(f"demo, {hosts} hosts at {link}, medians of {runs}:")
    for name in sorted(set.intersection(*(set(r) for r in results))):
        values = [r[name] for r in results]
        if name not in ("schema", "t") and all(isinstance(v, (int, float)) and not isinstance(v, bool) for v in values):
            print(f"  {name:28} {median(values):12.3f}   ({min(values):.3f} to {max(values):.3f})")


def pack_and_stage(source, runs):
    base = "/dev/shm" if shutil.disk_usage("/dev/shm").free > 4 << 30 else None
    with tempfile.TemporaryDirectory(dir=base) as folder:
        work = pathlib.Path(folder)
        pack = bench_pack(source, runs, work)
        bench_stage(source, pack, runs, work)
