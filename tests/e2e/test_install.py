"""What is installed: found where it is looked for, clean by the distribution's own checks, and at
work in a root that has never seen murder."""

import os
import pathlib
import re
import shutil
import subprocess

import pytest

from clean_root import clean_root, run_in
from conftest import REPOSITORY

MACHINE = os.uname().machine

INSTALLED = [
    "bin/murder", f"libexec/murder/murder-{MACHINE}", "share/man/man1/murder.1",
    "share/man/man1/murder-deploy.1", "share/bash-completion/completions/murder",
    "share/zsh/vendor-completions/_murder", "share/fish/vendor_completions.d/murder.fish",
    "share/doc/murder/examples/murder.toml", "share/doc/murder/README.md",
    "share/doc/murder/docs/install.md", "lib/systemd/system/murder-tracker.service",
    "lib/systemd/system/murder-seed@.service", "lib/sysusers.d/murder.conf"]

# A release by hand, from the package alone.
SMOKE = r"""
set -e
dpkg -i /shared/murder.deb
test "$(murder --version)" = "murder $1"
"/usr/libexec/murder/murder-$2" --version
cd /tmp
murder pack /usr/share/doc -o v1.tar.zst --tag v1 --tracker http://127.0.0.1:8998/announce
murder tracker --listen 127.0.0.1:8998 --daemon
murder seed v1.torrent --from v1.tar.zst --listen 127.0.0.2 --daemon
murder peer v1.torrent --to /srv/app --listen 127.0.0.3 --activate --linger none
diff -r --no-dereference /usr/share/doc /srv/app/current/
murder stop --list
murder stop --all
test -z "$(murder stop --list)"
test -s /etc/murder/murder.toml
dpkg -r murder
test -s /etc/murder/murder.toml
dpkg -P murder
test ! -e /etc/murder
test ! -e /usr/bin/murder
echo SMOKE PASSED
"""


def output_of(*argv, **how):
    done = subprocess.run([str(word) for word in argv], stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, check=False, timeout=300, **how)
    return done.returncode, done.stdout


def needed(program):
    path = shutil.which(program)
    if path is None:
        pytest.skip(f"{program} is not installed")
    return path


@pytest.fixture(scope="module")
def build(static_binary):
    """The folder of the release build, of which packages are made."""
    folder = static_binary.parent
    for name in ("murder", "murder-portable", "CPackConfig.cmake", "manual.stamp"):
        if not (folder / name).exists():
            pytest.fail(f"no {name} in {folder}: ./dev package makes all that is needed",
                        pytrace=False)
    return folder


def cpack(build, folder, generator):
    status, said = output_of("cpack", "-G", generator, "--config", build / "CPackConfig.cmake",
                             "-B", folder)
    assert status == 0, said
    package, = [path for path in folder.iterdir() if path.is_file()]
    return package


@pytest.fixture(scope="module")
def deb(build, tmp_path_factory):
    needed("dpkg-shlibdeps")
    return cpack(build, tmp_path_factory.mktemp("deb"), "DEB")


# --- from the command line's own table -----------------------------------------------------------


@pytest.fixture(scope="module")
def manual(murder, tmp_path_factory):
    folder = tmp_path_factory.mktemp("manual")
    status, said = output_of(murder, "manual", folder, "--date", "2026-11-29", "--no-config")
    assert status == 0, said
    return folder


def commands(run):
    listed = run("--help").out.partition("Commands:\n")[2].partition("\n\n")[0]
    return re.findall(r"^  (\S+)", listed, re.MULTILINE)


def flags(text):
    return re.findall(r"^  (?:-\w, )?(--[\w-]+)", text, re.MULTILINE)


def plain(page):
    """As a reader sees it."""
    status, text = output_of("groff", "-man", "-Tutf8", "-rLL=200n", "-P-cbou", page)
    assert status == 0, text
    return text.replace("\N{MINUS SIGN}", "-")


def test_every_command_and_flag_of_help_is_in_its_man_page(run, manual):
    needed("groff")
    listed = commands(run)
    assert len(listed) > 15 and "peer" in listed
    overview = plain(manual / "man1/murder.1")
    for command in listed:
        assert f"murder-{command}(1)" in overview
        text = run(command, "--help").out
        page = plain(manual / f"man1/murder-{command}.1")
        assert len(flags(text)) > 5, text
        for flag in flags(text):
            assert re.search(rf"^ +(-\w, )?{flag}\b", page, re.MULTILINE), (command, flag)
        for line in text.partition("Examples:\n")[2].partition("\n\n")[0].splitlines():
            assert line.strip() in page, (command, line)
    pages = {path.name for path in (manual / "man1").iterdir()}
    assert pages == {"murder.1"} | {f"murder-{command}.1" for command in listed}


@pytest.mark.parametrize("check", [("groff", "-ww", "-man", "-Tutf8", "-z"),
                                   ("mandoc", "-Tlint", "-Wwarning")])
def test_man_pages_are_clean(manual, check):
    needed(check[0])
    assert output_of(*check, *sorted((manual / "man1").iterdir())) == (0, "")


@pytest.mark.parametrize("shell, script", [("bash", "bash/murder"), ("zsh", "zsh/_murder"),
                                           ("fish", "fish/murder.fish")])
def test_completions_are_what_their_shell_can_read(manual, shell, script):
    assert output_of(needed(shell), "-n", manual / script) == (0, "")


BASH_COMPLETES = r"""
source "$1"
shift
COMP_WORDS=("$@")
COMP_CWORD=$(($# - 1))
_murder
printf '%s\n' "${COMPREPLY[@]}"
"""


@pytest.mark.parametrize("typed, offered", [
    (["pe"], ["peer"]),
    (["--qu"], ["--quiet"]),
    (["peer", "--fi"], ["--file-only"]),
    (["peer", "--ev"], ["--events"]),
    (["peer", "v1.torrent", "--linger", ""], ["swarm", "none", "forever"]),
    (["peer", "v1.torrent", "--linger", "=", "no"], ["none"]),
    (["-q", "peer", ""], ["folder", "v1.tar.zst", "v1.torrent"]),
    (["peer", "v1.torrent", "--to", ""], ["folder"]),
    (["seed", "v1.torrent", "--from", "v1.ta"], ["v1.tar.zst"]),
    (["peer", "v1.torrent", "--timeout", ""], []),
    (["peer", "--to", "folder", "v1.to"], ["v1.torrent"]),
    (["stop", ""], ["tracker", "seed", "peer"]),
    (["stop", "seed", ""], []),
    (["tracker", "-v", "--dae"], ["--daemon"]),
])
def test_bash_completes(manual, folder, typed, offered):
    here = folder / "here"
    (here / "folder").mkdir(parents=True)
    for name in ("v1.torrent", "v1.tar.zst"):
        (here / name).touch()
    status, said = output_of("bash", "--norc", "-c", BASH_COMPLETES, "bash",
                             manual / "bash/murder", "murder", *typed, cwd=here)
    assert status == 0, said
    assert sorted(said.split()) == sorted(offered)


def test_fish_completes(manual, folder, clean_environment):
    fish = needed("fish")
    def complete(typed):
        status, said = output_of(fish, "--no-config", "-c",
                                 f"source {manual}/fish/murder.fish; complete -C '{typed}'",
                                 cwd=folder, env=clean_environment)
        assert status == 0, said
        return [line.split("\t")[0] for line in said.splitlines()]
    assert complete("murder pe") == ["peer"]
    assert complete("murder peer --fi") == ["--file-only"]
    assert complete("murder stop t") == ["tracker"]
    assert sorted(complete("murder peer --linger ")) == ["forever", "none", "swarm"]


ZSH_COMPLETES = r"""
zmodload zsh/zpty
zpty shell zsh -f -i
zpty -w shell "PS1=; fpath=($1 \$fpath); autoload -Uz compinit; compinit -u -D"
zpty -w shell 'murder() { print -r -- "RAN:$*:NAR" }; print REA""DY'
zpty -r -m shell line '*READY*'
shift
for typed; do
  zpty -w -n shell "murder $typed"$'\t\n'
  zpty -r -m shell line '*RAN:*:NAR*'
  print -r -- "$line"
done
"""


def test_zsh_completes(manual, folder, clean_environment):
    environment = {**clean_environment, "TERM": "dumb"}
    (folder / "only.torrent").touch()
    status, said = output_of(needed("zsh"), "-f", "-c", ZSH_COMPLETES, "zsh", manual / "zsh", "pee",
                             "peer --file-o", "stop tra", "seed onl", cwd=folder, env=environment)
    assert status == 0, said
    assert re.findall(r"RAN:(.*?):NAR", said) == [
        "peer", "peer --file-only", "stop tracker", "seed only.torrent"], said


def test_the_example_configuration_has_every_key_and_reads(run, manual, folder):
    text = (manual / "murder.toml").read_text()
    assert all(line == "" or line.startswith("#") for line in text.splitlines())
    settings = re.sub(r"^#(?=[a-z\[])", "", text, flags=re.MULTILINE)
    tables = dict(re.findall(r"^\[(\S+)\]\n(.*?)(?=^# \S[^\n]*\n\[|\Z)", settings,
                             re.MULTILINE | re.DOTALL))
    for command in commands(run):
        own = run(command, "--help").out.partition("Options of every command:")[0]
        keys = {flag[2:] for flag in flags(own)} - {"help"}
        found = set(re.findall(r"^([\w-]+) = ", tables.get(command, ""), re.MULTILINE))
        for key in keys - found:  # what a file may not say is not in it
            (folder / "murder.toml").write_text(f"[{command}]\n{key} = true\n")
            assert f"murder {command} has no --{key}" in run("logs", "none", expect=2).err
    (folder / "murder.toml").write_text(settings)
    # Read as a whole before anything is done; this command has no flag of its own.
    result = run("logs", "none", expect=None)
    assert "murder.toml" not in result.err and result.err, result
    (folder / "murder.toml").write_text(settings + "no-such-key = 1\n")
    assert re.search(r"murder\.toml:\d+: murder \w+ has no --no-such-key",
                     run("logs", "none", expect=2).err)


# --- units ----------------------------------------------------------------------------------------


def test_units_are_valid_and_leave_little_exposed(murder, folder):
    analyze = needed("systemd-analyze")
    for unit in ("murder-tracker.service", "murder-seed@.service"):
        text = (REPOSITORY / "packaging/systemd" / unit).read_text()
        assert "\nExecStart=murder " in text
        assert "%I" not in text  # it would make a path of the tag app-v7: app/v7
        here = folder / unit.replace("@", "@v7")
        here.write_text(text.replace("ExecStart=murder", f"ExecStart={murder}"))
        status, said = output_of(analyze, "verify", "--man=no", here)
        assert status == 0 and "murder" not in said, said
        status, said = output_of(analyze, "security", "--offline=true", "--threshold=15", here)
        assert status == 0, said


# --- installed ------------------------------------------------------------------------------------


def test_cmake_install_puts_each_thing_where_it_is_looked_for(build, folder, clean_environment):
    prefix = folder / "prefix"
    status, said = output_of("cmake", "--install", build, "--prefix", prefix)
    assert status == 0, said
    for path in INSTALLED:
        assert (prefix / path).is_file(), path
    assert (prefix / "share/doc/murder/LICENSE").is_file()

    # deploy finds what it puts onto hosts: it gets as far as to ssh.
    (folder / "source").mkdir()
    (folder / "source/file").write_text("x")
    environment = {**clean_environment, "MURDER_SSH": "false"}
    deploy = (prefix / "bin/murder", "deploy", folder / "source", "--host", "web1", "--to", "/srv/x")
    status, said = output_of(*deploy, env=environment)
    assert status != 0 and "no murder for" not in said, said
    for binary in (prefix / "libexec/murder").iterdir():
        binary.unlink()
    status, said = output_of(*deploy, env=environment)
    assert status == 1 and "no murder for" in said, said


def test_the_tarball_needs_nothing_but_the_c_library(build, folder):
    package = cpack(build, folder / "tarball", "TGZ")
    subprocess.run(["tar", "-xf", package, "-C", folder], check=True)
    root, = folder.glob("murder-*")
    for path in INSTALLED:
        assert (root / path).is_file(), path
    status, said = output_of("readelf", "-d", root / "bin/murder")
    assert status == 0, said
    libraries = set(re.findall(r"\(NEEDED\).*\[(.*)\]", said))
    assert libraries <= {"libc.so.6", "libm.so.6", "ld-linux-x86-64.so.2", "ld-linux-aarch64.so.1"}
    assert re.fullmatch(r"murder \S+\n", output_of(root / "bin/murder", "--version")[1])
    (folder / "source").mkdir()
    (folder / "source/file").write_text("x")
    status, said = output_of(root / "bin/murder", "pack", folder / "source", "-o",
                             folder / "v1.tar.zst")
    assert status == 0, said


def test_lintian_finds_nothing_wrong(deb):
    status, said = output_of(needed("lintian"), "--allow-root", "--fail-on", "error,warning", deb)
    assert status == 0 and not re.search("^[EW]:", said, re.MULTILINE), said


def test_the_package_works_in_a_clean_root(deb, folder):
    status, depends = output_of("dpkg-deb", "-f", deb, "Depends")
    assert status == 0 and "libssl3" in depends, depends
    packages = [part.split()[0] for part in depends.replace("|", ",").split(",")]
    root = clean_root(packages)
    shared = folder / "shared"
    shared.mkdir()
    shutil.copy(deb, shared / "murder.deb")
    version = output_of("dpkg-deb", "-f", deb, "Version")[1].strip()
    done = run_in(root, shared, folder / "work", "sh", "-c", SMOKE, "sh", version, MACHINE)
    assert done.returncode == 0 and done.stdout.endswith("SMOKE PASSED\n"), done.stdout


def test_maintainers_scripts_are_clean():
    for script in ("postinst", "prerm", "postrm"):
        path = pathlib.Path(REPOSITORY) / "packaging/debian" / script
        assert output_of("sh", "-n", path) == (0, "")
        assert os.access(path, os.X_OK)
