"""The script that puts the static binary onto a host, by real shells and tools.

The host is a mount namespace of this machine with its own HOME and /var/tmp, and a PATH that leads
to the chosen tools alone. murder_bootstrap_driver is the control side.
"""

import concurrent.futures
import gzip
import json
import os
import pathlib
import shutil
import socket
import subprocess
import threading
import time

import pytest

from conftest import REPOSITORY

SHELLS = ["dash", "bash", "busybox"]
FETCHERS = ["curl", "wget", "busybox wget", "bash"]
TOOLS = ["cat", "chmod", "find", "gzip", "head", "id", "ls", "mkdir", "mv", "rm", "sha256sum",
         "sleep", "uname"]

# Stands for the binary: tells its arguments, then gives its input back.
PROGRAM = b"""#!/bin/sh
case $1 in --version) echo murder 1.2.3; exit ;; esac
printf 'arguments:'; printf ' <%s>' "$@"; echo; cat
"""

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="gives files to other users")


@pytest.fixture(scope="session")
def driver():
    path = pathlib.Path(os.environ.get("MURDER_BOOTSTRAP_DRIVER",
                                       REPOSITORY / "build/dev/tests/murder_bootstrap_driver"))
    if not os.access(path, os.X_OK):
        pytest.fail(f"no driver at {path}: build it, or set MURDER_BOOTSTRAP_DRIVER", pytrace=False)
    return path.resolve()


class Host:
    """A host of the test's own; its attributes may be changed before run()."""

    def __init__(self, driver, folder):
        self._driver = driver
        self.folder = folder / "host"
        self.home = self.folder / "home"
        self.var_tmp = self.folder / "var-tmp"
        self.dest = self.folder / "dest"
        self.path = self.folder / "bin"
        for made in (self.home, self.var_tmp, self.path):
            made.mkdir(parents=True)
        self.mounts = [f"mount --bind {self.var_tmp} /var/tmp"]
        self.environment = {"HOME": str(self.home), "PATH": str(self.path)}
        self.login_shell = ["/bin/sh"]
        self.program = self.folder / "program"
        self.program.write_bytes(PROGRAM)

    @property
    def cache(self):
        return self.home / ".cache/murder"

    def has(self, shell, *tools):
        """Gives it that shell as sh, what every Linux has, and these tools."""
        self.add("sh", shell)
        for tool in TOOLS:
            self.add(tool, "busybox" if shell == "busybox" else tool)
        for tool in tools:
            name, owner = ("wget", "busybox") if tool == "busybox wget" else (tool, tool)
            self.add(name, owner)
        return self

    def add(self, name, owner):
        target = shutil.which(owner)
        assert target, f"{owner} is not installed"
        (self.path / name).symlink_to(target)

    def mount(self, path, *options):
        """A file system of its own at `path`, with these options besides."""
        words = ",".join(("size=1m",) + options)
        self.mounts.append(f"mkdir -p '{path}' && mount -t tmpfs -o {words} tmpfs '{path}'")

    def run(self, timeout=120, **how):
        """The steps of a session."""
        given = {"shell": self.login_shell, "binary": str(self.program), "dest": str(self.dest),
                 "arguments": ["on-host"], "input": "hello\n", **how}
        enter = ["unshare", "-m"] if os.geteuid() == 0 else ["unshare", "-rm"]
        before = " && ".join(self.mounts)
        # env: mount and mkdir are found by this machine's PATH, not by the host's.
        assignments = [f"{name}={value}" for name, value in self.environment.items()]
        done = subprocess.run([*enter, "/bin/sh", "-c", before + ' && exec "$@"', "sh",
                               shutil.which("env"), "-i", *assignments, self._driver,
                               json.dumps(given)],
                              stdin=subprocess.DEVNULL, capture_output=True, timeout=timeout,
                              check=False)
        assert done.returncode == 0, done
        return [json.loads(line) for line in done.stdout.splitlines()]

    def files(self):
        """All files below its places, by their paths in it."""
        return sorted(str(path.relative_to(self.folder)) for place in
                      (self.home, self.var_tmp, self.dest) for path in place.rglob("*")
                      if path.is_file())


def words(steps):
    return [step["step"] for step in steps]


def ran(steps, *arguments):
    """Whether the binary took over cleanly."""
    told = "".join(f" <{argument}>" for argument in arguments or ("on-host",))
    assert steps[-1]["step"] == "running", steps
    assert steps[-1]["output"] == f"arguments:{told}\nhello\n", steps
    assert steps[-1]["status"] == 0, steps
    return True


def failure(steps):
    assert steps[-1]["step"] == "failed", steps
    return steps[-1]["reason"]


@pytest.fixture
def host(driver, folder):
    """A host with dash, its basic tools and curl."""
    return Host(driver, folder).has("dash", "curl")


@pytest.fixture
def bare_host(driver, folder):
    """A host without anything: see Host.has()."""
    return Host(driver, folder)


@pytest.fixture
def origin(swarm, folder):
    """The URL at which a tracker has what the host is to get."""
    files = folder / "files"
    files.mkdir()
    (files / "murder.gz").write_bytes(gzip.compress(PROGRAM))
    (files / "murder").write_bytes(PROGRAM)
    swarm.tracker("--files", files)
    return swarm.tracker_url.replace("/announce", "/files/murder.gz")


# --- shells and tools ----------------------------------------------------------------------------

@pytest.mark.parametrize("shell", SHELLS)
def test_what_is_pushed_runs_and_is_found_the_next_time(bare_host, shell):
    host = bare_host.has(shell)
    steps = host.run()
    assert words(steps) == ["needs", "running"] and ran(steps)
    assert steps[0]["machine"] == os.uname().machine
    assert steps[1]["path"].startswith(str(host.cache / "murder-"))
    again = host.run()
    assert words(again) == ["running"] and ran(again)
    name, = host.files()
    assert (host.folder / name).stat().st_mode & 0o777 == 0o700
    assert (host.folder / name).read_bytes() == PROGRAM


@pytest.mark.parametrize("shell", SHELLS)
def test_xz_is_pushed_where_it_can_be_unpacked(bare_host, static_binary, shell):
    host = bare_host.has(shell)
    host.add("xz", "xz")
    host.program = static_binary
    steps = host.run(xz=True, arguments=["releases", "--help"])
    assert words(steps) == ["needs", "running"]
    assert steps[0]["xz"] or shell == "busybox"  # which takes its own, whatever PATH says
    assert "murder releases" in steps[-1]["output"]


@pytest.mark.parametrize("owner", [None, "busybox"])
def test_without_xz_utils_gzip_is_pushed(host, owner):
    if owner:
        host.add("xz", owner)
    steps = host.run(xz=True)
    assert words(steps) == ["needs", "running"] and ran(steps)
    assert not steps[0]["xz"]


@pytest.mark.parametrize("shell", ["dash", "bash"])
def test_gzip_follows_an_xz_that_does_not_work(bare_host, shell):
    host = bare_host.has(shell)
    host.add("xz", "xz")
    # More than a pipe holds: what the xz did not read must not be taken for the gzip.
    steps = host.run(xz="no xz " * 15_000)
    assert words(steps) == ["needs", "fetch-failed", "running"] and ran(steps)
    assert "xz" in steps[1]["reason"]
    assert len(host.files()) == 1


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize("fetcher", FETCHERS)
def test_it_is_fetched_with_what_there_is(bare_host, origin, shell, fetcher):
    host = bare_host.has(shell, fetcher)
    steps = host.run(urls=[origin], push=False)
    assert words(steps) == ["needs", "running"] and ran(steps)


@pytest.mark.parametrize("fetcher", FETCHERS)
def test_it_may_come_uncompressed(bare_host, origin, fetcher):
    host = bare_host.has("dash", fetcher)
    assert ran(host.run(urls=[origin.removesuffix(".gz")], push=False))


# A busybox finds its own wget whatever PATH says.
@pytest.mark.parametrize("shell", ["dash", "bash"])
def test_without_anything_to_fetch_with_it_is_pushed(bare_host, origin, shell):
    steps = bare_host.has(shell).run(urls=[origin])
    assert words(steps) == ["needs", "fetch-failed", "running"] and ran(steps)
    assert steps[1]["reason"] == "no curl, wget or bash here"


@pytest.mark.parametrize("login_shell", ["dash", "bash", "zsh", "tcsh", "csh", "fish", "busybox"])
def test_any_login_shell_will_do(host, login_shell):
    if not shutil.which(login_shell):
        pytest.skip(f"no {login_shell} here")
    host.login_shell = [shutil.which(login_shell)] + (["sh"] if login_shell == "busybox" else [])
    host.environment["XDG_CACHE_HOME"] = str(host.folder / "cache")  # fish writes to HOME
    (host.folder / "cache").mkdir()
    assert words(host.run()) == ["needs", "running"]
    assert ran(host.run())


def test_with_sudo(host):
    host.add("env", "env")
    sudo = host.path / "sudo"
    sudo.write_text('#!/bin/sh\n[ "$1" = -n ] && shift && exec "$@"\n')
    sudo.chmod(0o755)
    assert ran(host.run(sudo=True))


@pytest.mark.parametrize("tool", ["openssl", "shasum"])
def test_digests_are_checked_with_what_there_is(host, origin, tool):
    (host.path / "sha256sum").unlink()
    if tool == "shasum":
        host.add("perl", "perl")
        host.environment["PATH"] += ":/nowhere"
    host.add(tool, tool)
    assert ran(host.run(urls=[origin], push=False))


def test_without_a_tool_for_digests_nothing_is_fetched(host, origin):
    (host.path / "sha256sum").unlink()
    steps = host.run(urls=[origin])
    assert words(steps) == ["needs", "fetch-failed", "running"] and ran(steps)
    assert steps[1]["reason"] == "no sha256sum, openssl or shasum here"


def test_the_real_binary(bare_host, static_binary, swarm, folder):
    host = bare_host.has("dash", "curl")
    host.program = static_binary
    files = folder / "files"
    files.mkdir()
    (files / "murder.gz").write_bytes(gzip.compress(static_binary.read_bytes()))
    swarm.tracker("--files", files)
    url = swarm.tracker_url.replace("/announce", "/files/murder.gz")
    for expected in (["needs", "running"], ["running"]):
        steps = host.run(urls=[url], push=False, arguments=["releases", "--help"])
        assert words(steps) == expected
        assert "murder releases" in steps[-1]["output"]


def test_sixteen_at_once_do_not_disturb_each_other(host, origin):
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        sessions = [pool.submit(host.run, urls=[origin], push=False) for _ in range(16)]
    assert all(ran(session.result()) for session in sessions)
    assert len(host.files()) == 1


# --- what is passed on ---------------------------------------------------------------------------

@pytest.mark.parametrize("shell", SHELLS)
def test_arguments_and_paths_arrive_as_they_are(bare_host, shell):
    host = bare_host.has(shell)
    host.home = host.folder / "my home"
    host.home.mkdir()
    host.environment["HOME"] = str(host.home)
    host.dest = host.folder / "it's $HOME `id` \\ \"dest\""
    arguments = ["on-host", "", "a  b", "it's", "$HOME", "`id`", "*", "\\n", "\t", "ä", "-n"]
    assert ran(host.run(arguments=arguments), *arguments)
    assert ran(host.run(arguments=arguments), *arguments)


def test_input_that_follows_belongs_to_the_binary(host):
    host.run()
    content = "line\n" * 20_000
    assert host.run(input=content)[-1]["output"] == "arguments: <on-host>\n" + content


@pytest.mark.parametrize("shell", SHELLS)
def test_the_binary_inherits_nothing_of_the_script(bare_host, shell):
    host = bare_host.has(shell)
    host.program.write_bytes(b"#!/bin/sh\ncase $1 in --version) echo murder 1;; "
                             b"*) umask; pwd; set -- *; echo $#; echo \"$LC_ALL\" $http_proxy;; esac\n")
    host.environment.update(LC_ALL="C.UTF-8", http_proxy="http://proxy")
    for _ in range(2):
        lines = host.run()[-1]["output"].splitlines()
        assert int(lines[0], 8) == 0o022
        assert lines[1] == os.getcwd()
        assert int(lines[2]) > 1
        assert lines[3] == "C.UTF-8 http://proxy"


# --- what a login shell writes before ------------------------------------------------------------

def noisy(host, command):
    shell = host.folder / "noisy"
    shell.write_text(f'#!/bin/sh\nPATH=/usr/bin:/bin\n{command}\nexec env PATH={host.path} dash "$@"\n')
    shell.chmod(0o755)
    host.add("dash", "dash")
    host.login_shell = [str(shell)]
    return host


@pytest.mark.parametrize("command", [
    "echo Welcome; echo 'murder-boot run /bin/false'",
    "printf 'no line end'",
    "printf '\\033[2J\\0\\377\\n\\n'",
    "head -c 500000 /dev/urandom",
])
def test_noise_before_it_is_skipped(host, command):
    for _ in range(2):
        assert ran(noisy(host, command).run()) if not host.files() else ran(host.run())


@pytest.mark.parametrize("command", ["head -c 100000000 /dev/zero", "yes"])
def test_endless_noise_is_given_up_on(host, command):
    assert "wrote more than" in failure(noisy(host, command).run())


def test_a_login_shell_that_refuses_is_quoted(host):
    shell = host.folder / "nologin"
    shell.write_text("#!/bin/sh\necho This account is currently not available.\nexit 1\n")
    shell.chmod(0o755)
    host.login_shell = [str(shell)]
    assert failure(host.run()).endswith("This account is currently not available.")


# --- transfers that go wrong ---------------------------------------------------------------------

@pytest.mark.parametrize("fetcher", FETCHERS)
def test_an_origin_that_refuses_is_told_and_another_asked(bare_host, origin, free_port, fetcher):
    host = bare_host.has("dash", fetcher)
    nowhere = f"http://127.0.0.1:{free_port()}/files/murder.gz"
    steps = host.run(urls=[nowhere, origin + "x", origin], push=False)
    assert words(steps) == ["needs", "fetch-failed", "fetch-failed", "running"] and ran(steps)
    assert "connect" in steps[1]["reason"].lower()
    assert "404" in steps[2]["reason"]
    assert len(host.files()) == 1


@pytest.fixture
def silent_server():
    """The URL of a server that takes requests and never answers."""
    server = socket.create_server(("127.0.0.1", 0))
    yield f"http://127.0.0.1:{server.getsockname()[1]}/files/murder.gz"
    server.close()


@pytest.mark.parametrize("fetcher", FETCHERS)
def test_an_origin_that_says_nothing_is_given_up_on(bare_host, silent_server, fetcher):
    host = bare_host.has("dash", fetcher)
    begin = time.monotonic()
    steps = host.run(urls=[silent_server], seconds=2)
    assert words(steps) == ["needs", "fetch-failed", "running"] and ran(steps)
    assert time.monotonic() - begin < 110


@pytest.fixture
def crafted_server():
    """crafted_server(bytes): the URL of a server that answers with these, and closes."""
    servers = []

    def serve(answer):
        server = socket.create_server(("127.0.0.1", 0))
        servers.append(server)

        def run():
            while True:
                try:
                    client, _ = server.accept()
                except OSError:
                    return
                client.recv(4096)
                client.sendall(answer)
                client.close()

        threading.Thread(target=run, daemon=True).start()
        return f"http://127.0.0.1:{server.getsockname()[1]}/files/murder.gz"

    yield serve
    for server in servers:
        server.shutdown(socket.SHUT_RDWR)
        server.close()


@pytest.mark.parametrize("fetcher", FETCHERS)
@pytest.mark.parametrize("content", ["cut short", "another", "no gzip"])
def test_what_is_not_the_binary_is_never_run(bare_host, crafted_server, fetcher, content):
    packed = gzip.compress(PROGRAM)
    body = {"cut short": packed[:-20], "no gzip": PROGRAM,
            "another": gzip.compress(b"#!/bin/sh\necho murder; touch $HOME/hacked\n")}[content]
    url = crafted_server(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(packed) + body)
    host = bare_host.has("dash", fetcher)
    steps = host.run(urls=[url], push=False)
    assert words(steps)[:2] == ["needs", "fetch-failed"]
    assert steps[1]["reason"]
    assert host.files() == []


def test_a_proxy_is_not_asked(host, origin, free_port):
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        host.environment[name] = f"http://127.0.0.1:{free_port()}"
    assert ran(host.run(urls=[origin], push=False))


def test_what_is_pushed_is_checked_too(host):
    assert failure(host.run(digest="0" * 64)) == "the digest does not match"
    assert host.files() == []


@pytest.mark.parametrize("shell", SHELLS)
def test_a_push_that_is_cut_short_leaves_nothing(bare_host, shell):
    host = bare_host.has(shell)
    assert "unexpected end of file" in failure(host.run(push=60)) or shell == "busybox"
    assert host.files() == []


def test_a_program_for_another_machine_is_told_and_removed(host):
    program = bytearray(64)
    program[:20] = b"\x7fELF\2\1\1" + bytes(9) + b"\2\0\xb7\0"
    host.program.write_bytes(program)
    assert f"does not run on {os.uname().machine}" in failure(host.run())
    assert host.files() == []


def test_a_broken_one_is_replaced(host):
    assert ran(host.run())
    name, = host.files()
    (host.folder / name).write_bytes(b"")
    steps = host.run()
    assert words(steps) == ["needs", "running"] and ran(steps)


# --- folders that do not do ----------------------------------------------------------------------

def place(steps):
    """The folder in which the binary is."""
    assert ran(steps)
    return pathlib.Path(steps[-1]["path"]).parent


VAR_TMP = pathlib.Path("/var/tmp/murder-0")  # root there, whoever it is outside


@pytest.mark.parametrize("option", ["noexec", "ro"])
def test_var_tmp_follows_a_home_that_does_not_do(host, option):
    host.mount(host.home, option)
    assert place(host.run()) == VAR_TMP
    assert words(host.run()) == ["running"]


@pytest.mark.parametrize("option", ["noexec", "ro"])
def test_dest_follows_when_both_do_not(host, option):
    host.mount(host.home, option)
    host.mount("/var/tmp", option)
    assert place(host.run()) == host.dest / ".murder/bin"
    assert words(host.run()) == ["running"]
    modes = [path.stat().st_mode & 0o777 for path in
             (host.dest, host.dest / ".murder", host.dest / ".murder/bin")]
    assert modes == [0o755, 0o700, 0o700]


def test_dest_is_one_after_that(bare_host, static_binary, swarm, make_tree):
    host = bare_host.has("dash")
    host.program = static_binary
    host.mount(host.home, "noexec")
    host.mount("/var/tmp", "noexec")
    swarm.tracker()
    pack, torrent = swarm.pack(make_tree(host.folder / "release", {"bin/app": 1_000_000}), "v7")
    swarm.seed(torrent, pack)
    steps = host.run(arguments=["peer", str(torrent), "--to", str(host.dest), "--activate",
                                "--linger", "none", "--listen", swarm.new_address(), "--tracker",
                                swarm.tracker_url, "--json"])
    assert steps[-1]["status"] == 0, steps
    assert os.readlink(host.dest / "current") == "releases/v7"


def test_every_place_and_its_reason_is_named(host):
    host.mount(host.home, "ro")
    host.mount("/var/tmp", "noexec")
    host.dest.write_bytes(b"a file")
    reason = failure(host.run())
    assert f"{host.cache}: Read-only file system" in reason
    assert f"{VAR_TMP}: programs may not be run there (Permission denied)" in reason
    assert f"{host.dest}/.murder/bin: " in reason


def test_a_full_disk_is_passed_over(host):
    host.program.write_bytes(PROGRAM + b"exit\n" + os.urandom(2_000_000))
    host.mount(host.home)
    steps = host.run()
    assert pathlib.Path(steps[-1]["path"]).parent == VAR_TMP
    host.mount("/var/tmp", "nr_inodes=100")
    host.mount(host.dest)
    reason = failure(host.run())
    assert reason.count("No space left on device") == 3, reason


def test_without_a_home(host):
    del host.environment["HOME"]
    assert place(host.run()) == VAR_TMP
    assert words(host.run()) == ["running"]


@pytest.mark.parametrize("home", ["/nonexistent", "relative", ""])
def test_a_home_that_is_none(host, home):
    host.environment["HOME"] = home
    assert place(host.run()) == VAR_TMP


def test_the_cache_may_be_elsewhere(host):
    host.environment["XDG_CACHE_HOME"] = str(host.folder / "cache")
    assert place(host.run()) == host.folder / "cache/murder"


@needs_root
def test_a_home_of_somebody_else_is_left_alone(host):
    """As with a sudo that keeps HOME."""
    os.chown(host.home, 65534, 65534)
    assert place(host.run()) == VAR_TMP
    assert list(host.home.iterdir()) == []


@needs_root
@pytest.mark.parametrize("owner, mode", [(65534, 0o700), (0, 0o777), (0, 0o770), (0, 0o702)])
def test_a_folder_in_var_tmp_that_others_may_write_is_refused(host, owner, mode):
    name = pathlib.Path(host.run()[-1]["path"]).name
    shutil.rmtree(host.cache)
    host.mount(host.home, "noexec")
    planted = host.var_tmp / VAR_TMP.name
    planted.mkdir()
    hacked = host.folder / "hacked"
    (planted / name).write_text(f"#!/bin/sh\ntouch {hacked}\necho murder 1.2.3\n")
    (planted / name).chmod(0o755)
    os.chown(planted / name, owner, owner)
    os.chown(planted, owner, owner)
    planted.chmod(mode)
    assert place(host.run()) == host.dest / ".murder/bin"
    assert not hacked.exists()


@needs_root
def test_a_symlink_in_var_tmp_is_not_followed(host):
    host.mount(host.home, "noexec")
    elsewhere = host.folder / "elsewhere"
    elsewhere.mkdir(mode=0o700)
    (host.var_tmp / VAR_TMP.name).symlink_to(elsewhere)
    assert place(host.run()) == host.dest / ".murder/bin"
    assert list(elsewhere.iterdir()) == []


@needs_root
def test_a_dest_of_somebody_else_is_refused(host):
    host.mount(host.home, "noexec")
    host.mount("/var/tmp", "noexec")
    host.dest.mkdir()
    os.chown(host.dest, 65534, 65534)
    assert f"{host.dest}/.murder/bin: not ours alone" in failure(host.run())


@needs_root
def test_somebody_elses_file_is_not_run(host):
    path = pathlib.Path(host.run()[-1]["path"])
    path.write_text("#!/bin/sh\necho murder 1.2.3; echo hacked\n")
    os.chown(path, 65534, 65534)
    steps = host.run()
    assert words(steps) == ["needs", "running"] and ran(steps)
    assert path.stat().st_uid == 0


# --- what is left behind -------------------------------------------------------------------------

@pytest.mark.parametrize("shell", ["dash", "busybox"])
def test_old_ones_go_and_the_newest_two_stay(bare_host, shell):
    host = bare_host.has(shell)
    host.cache.mkdir(parents=True)
    day = 86_400
    now = time.time()
    for number, (used, made) in enumerate([(60, 10), (60, 50), (1, 60), (60, 70)]):
        file = host.cache / f"murder-{number:016x}"
        file.write_bytes(b"x")
        os.utime(file, (now - used * day, now - made * day))
    for name, age in [("murder-1.part", 7200), ("murder-2.part", 60), ("notes", 60 * day)]:
        (host.cache / name).write_bytes(b"x")
        os.utime(host.cache / name, (now - age, now - age))
    path = pathlib.Path(host.run()[-1]["path"])
    # The new one and the newest before it stay, and one that was used lately.
    assert {file.name for file in host.cache.iterdir()} == {
        path.name, "murder-" + "0" * 16, "murder-" + "0" * 15 + "2", "murder-2.part", "notes"}


@pytest.mark.parametrize("tool", ["find", "id"])
def test_a_host_that_lacks_a_tool_gets_along(host, origin, tool):
    (host.path / tool).unlink()
    assert ran(host.run(urls=[origin], push=False))
    assert ran(host.run())
