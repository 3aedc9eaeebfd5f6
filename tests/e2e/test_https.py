"""Web seeds, trackers and torrents over https, with certificates that are good and some that are not."""

import http.server
import os
import ssl
import subprocess
import threading
import urllib.error
import urllib.request

import pytest

from swarm import error_of, live_release, wait_for_event
from web_server import WebServer


def openssl(*arguments):
    subprocess.run(["openssl", *arguments], check=True, capture_output=True, timeout=120)


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    """certificates(names): (PEM file of the certificate and its key), trusted by itself."""
    place = tmp_path_factory.mktemp("certificates")

    def make(names, days=10):
        made = place / f"{names.replace(':', '-').replace(',', '_')}-{days}.pem"
        if not made.exists():
            key = made.with_suffix(".key")
            openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                    "-subj", "/CN=test", "-addext", f"subjectAltName={names}", "-days", str(days),
                    "-keyout", key, "-out", made)
            made.write_bytes(made.read_bytes() + key.read_bytes())
        return made

    return make


def secured(server, certificate):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context.wrap_socket(server, server_side=True)


@pytest.fixture
def store(certificates):
    """store(certificate): an https server of bytes, see WebServer."""
    servers = []

    def make(certificate):
        servers.append(WebServer(b"", wrap=lambda socket: secured(socket, certificate)))
        return servers[-1]

    yield make
    for server in servers:
        server.close()


@pytest.fixture
def release(swarm, make_tree, folder):
    return swarm.pack(make_tree(folder / "source", {"app": 1_500_000, "etc/conf": b"x" * 5000}), "v1")


def trusting(certificate):
    return {**os.environ, "SSL_CERT_FILE": str(certificate)}


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_a_release_from_an_https_server_alone(start, release, store, certificates, folder, host):
    pack, torrent = release
    certificate = certificates("DNS:localhost,IP:127.0.0.1")
    server = store(certificate)
    server.content = pack.read_bytes()
    url = f"https://{host}:{server.port}/store/"
    result = start("peer", torrent, "--to", folder / "host", "--activate", "--linger", "none", "--json",
                   "--listen", "127.0.0.1", "--web-seed", url, env=trusting(certificate)).wait()
    assert result.status == 0, result
    assert live_release(folder / "host").name == "v1"
    assert server.copies == 1 and set(server.paths) == {"/store/v1.tar.zst"}
    assert [state["url"] for state in result.events("web_seed")] == [url]


@pytest.mark.parametrize("names, trusted, words", [
    ("DNS:localhost,IP:127.0.0.1", False, "self-signed certificate"),
    ("DNS:elsewhere.example", True, "mismatch"),
])
def test_a_certificate_that_is_not_good_is_said_and_nothing_comes(start, release, store, certificates, folder,
                                                                  names, trusted, words):
    pack, torrent = release
    certificate = certificates(names)
    server = store(certificate)
    server.content = pack.read_bytes()
    env = trusting(certificate if trusted else certificates("DNS:other.example"))
    result = start("peer", torrent, "--to", folder / "host", "--timeout", "3s", "--json",
                   "--listen", "127.0.0.1", "--web-seed", f"https://127.0.0.1:{server.port}/store/", env=env).wait()
    assert result.status == 4, result
    state, = result.events("web_seed")
    assert not state["ok"] and "its certificate is not trusted" in state["reason"]
    assert words in state["reason"] and words in error_of(result)
    assert server.requests == 0


def test_a_server_that_speaks_no_tls_is_said(start, release, folder):
    _, torrent = release
    plain = WebServer(b"x")
    try:
        result = start("peer", torrent, "--to", folder / "host", "--timeout", "3s", "--json", "--listen",
                       "127.0.0.1", "--web-seed", f"https://127.0.0.1:{plain.port}/store/").wait()
    finally:
        plain.close()
    assert result.status == 4, result
    assert f"no TLS with 127.0.0.1:{plain.port}" in error_of(result)


class Proxy:
    """https in front of a plain HTTP server, as a load balancer is."""

    def __init__(self, behind, certificate):
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                try:
                    with urllib.request.urlopen(f"http://{behind}{self.path}", timeout=30) as answer:
                        status, body = answer.status, answer.read()
                except urllib.error.HTTPError as error:
                    status, body = error.code, error.read()
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._server.socket = secured(self._server.socket, certificate)
        self.endpoint = f"127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()

    def close(self):
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@pytest.fixture
def proxy(certificates):
    """proxy(endpoint): (https endpoint, environment that trusts it)."""
    made = []

    def make(behind):
        certificate = certificates("IP:127.0.0.1")
        made.append(Proxy(behind, certificate))
        return made[-1].endpoint, trusting(certificate)

    yield make
    for one in made:
        one.close()


def test_a_tracker_and_its_torrent_behind_https(swarm, run, start, release, proxy, folder):
    pack, torrent = release
    (folder / "files").mkdir()
    (folder / "files/v1.torrent").write_bytes(torrent.read_bytes())
    tracker = swarm.tracker("--files", folder / "files")
    endpoint, env = proxy(swarm.tracker_url.split("/")[2])
    swarm.tracker_url = f"https://{endpoint}/announce"
    with_trust = lambda *arguments, **how: start(*arguments, env=env, **how)
    seeder = swarm.seed(torrent, pack, start=with_trust)
    wait_for_event(seeder, "tracker", where=lambda event: event["ok"])
    result = swarm.peer(f"https://{endpoint}/files/v1.torrent", folder / "host", "--activate", "--linger", "none",
                        start=with_trust).wait()
    assert result.status == 0, result
    assert live_release(folder / "host").name == "v1"
    wait_for_event(tracker, "fleet", where=lambda event: event["complete"] == 1)
    shown = run("status", "--tracker", f"https://{endpoint}", "--json", env=env)
    assert '"complete":1' in shown.out.replace(" ", "")
    # Without trust in it the tracker is one that cannot be asked, and that is said.
    seeder = swarm.seed(torrent, pack)
    down = wait_for_event(seeder, "tracker")
    assert not down["ok"] and "its certificate is not trusted" in down["reason"]


def test_what_deploy_puts_onto_hosts_says_that_it_speaks_no_tls(start_program, static_binary, release, folder):
    _, torrent = release
    for flags in (["--tracker", "https://127.0.0.1:1/announce"], ["--web-seed", "https://127.0.0.1:1/store/"]):
        result = start_program(static_binary, "peer", torrent, "--to", folder / "host", *flags).wait()
        assert result.status == 2, result
    assert not (folder / "host").exists()
