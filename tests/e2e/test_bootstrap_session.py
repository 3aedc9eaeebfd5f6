"""The bootstrap script's session: what is passed on to the binary, and what a login shell writes before."""

import os

import pytest

from bootstrapping import (bare_host, driver, failure, host, ran, SHELLS)  # noqa: F401 (fixtures)


# --- what is passed on ----------------------------------------------------------------------------

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


# --- what a login shell writes before -------------------------------------------------------------

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
