"""A clean Debian root with nothing in it but the base and what a package depends on.

It is fetched once, by debootstrap and from where this machine's own apt fetches, and kept in the
user's cache. Whoever uses it gets a view whose changes are lost: an overlay, in namespaces of its own.
"""

import contextlib
import fcntl
import hashlib
import os
import pathlib
import shutil
import subprocess

import pytest

CACHE = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache") / "murder-dev"

ENTER = r"""
set -e
root=$1 work=$2 shared=$3
shift 3
mount --make-rprivate /
mount -t tmpfs -o size=1G none "$work"
mkdir "$work/upper" "$work/work" "$work/root"
if ! mount -t overlay -o "lowerdir=$root,upperdir=$work/upper,workdir=$work/work" none "$work/root" \
    2>/dev/null; then
  cp -a "$root/." "$work/root"
fi
mkdir "$work/root/shared"
mount --bind "$shared" "$work/root/shared"
mount -t proc none "$work/root/proc"
ip link set lo up
exec env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8 TMPDIR=/tmp \
  chroot "$work/root" "$@"
"""


def _sources():
    """Where the machine's apt gets Debian's main packages of the release that it runs."""
    release = dict(line.split("=", 1) for line in
                   pathlib.Path("/etc/os-release").read_text().splitlines() if "=" in line)
    codename = release.get("VERSION_CODENAME", "").strip('"')
    listed = subprocess.run(
        ["apt-get", "indextargets", "--format", "$(REPO_URI) $(CODENAME) $(COMPONENT)",
         "Created-By: Packages"], stdout=subprocess.PIPE, text=True, check=True).stdout
    for line in listed.splitlines():
        uri, *rest = line.split()
        if rest == [codename, "main"]:
            return codename, uri
    pytest.skip(f"apt of this machine knows no repository of {codename or 'this release'}")


def clean_root(packages):
    """The folder of a root that has these packages; skips the test where none can be made."""
    if os.geteuid() != 0:
        pytest.skip("a clean root is for root to make")
    if shutil.which("debootstrap") is None:
        pytest.skip("debootstrap is not installed")
    codename, uri = _sources()
    key = hashlib.sha256(" ".join(sorted(packages)).encode()).hexdigest()[:12]
    root = CACHE / f"root-{codename}-{key}"
    CACHE.mkdir(parents=True, exist_ok=True)
    with open(CACHE / "root.lock", "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if root.is_dir():
            return root
        for other in CACHE.glob("root-*-*"):  # of other packages, or left by a run that was killed
            shutil.rmtree(other)
        making = root.with_name(root.name + ".partial")
        # What it mounts there goes with its namespace, however it ends.
        made = subprocess.run(
            ["unshare", "--mount", "--pid", "--fork", "--kill-child", "timeout", "600",
             "debootstrap", "--variant=minbase", "--include=" + ",".join(sorted(packages)),
             codename, making, uri], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            check=False)
        if made.returncode != 0:
            shutil.rmtree(making, ignore_errors=True)
            pytest.skip("debootstrap cannot make a clean root: " + made.stdout[-500:])
        for archive in (making / "var/cache/apt/archives").glob("*.deb"):
            archive.unlink()
        making.rename(root)
    return root


def run_in(root, shared, work, *argv):
    """Runs a command in a view of the root, without any network but a loopback of its own; `shared`
    is /shared there. Everything that it has started ends with it."""
    with contextlib.suppress(FileExistsError):
        pathlib.Path(work).mkdir()
    return subprocess.run(
        ["unshare", "--mount", "--net", "--ipc", "--uts", "--pid", "--fork", "--kill-child", "sh",
         "-c", ENTER, "sh", root, work, shared, *argv],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        timeout=600, check=False)
