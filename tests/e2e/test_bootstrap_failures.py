"""The bootstrap script when a transfer goes wrong: nothing but the binary is ever run, and why is told."""

import gzip
import os
import socket
import threading
import time

import pytest

from bootstrapping import (  # noqa: F401 (fixtures)
    bare_host, driver, failure, FETCHERS, host, origin, PROGRAM, ran, SHELLS, words)


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
