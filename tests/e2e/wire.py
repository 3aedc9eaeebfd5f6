"""The peer wire by hand, for peers that murder must survive: a tracker that names whom it is told
to, sockets that speak BitTorrent well or badly.
"""

import contextlib
import hashlib
import http.server
import socket
import struct
import threading
import time
import urllib.parse

import bencode

PROTOCOL = b"\x13BitTorrent protocol"
CHOKE, UNCHOKE, INTERESTED, NOT_INTERESTED, HAVE, BITFIELD, REQUEST, PIECE, CANCEL = range(9)
SUGGEST, HAVE_ALL, HAVE_NONE, REJECT, ALLOWED_FAST, EXTENDED = 13, 14, 15, 16, 17, 20
PATIENCE_S = 120


class Gone(Exception):
    """The other side has closed the connection."""


def handshake(info_hash, peer_id, fast=True, extensions=False):
    reserved = bytearray(8)
    reserved[7] |= 0x04 if fast else 0
    reserved[5] |= 0x10 if extensions else 0
    return PROTOCOL + bytes(reserved) + info_hash + peer_id


def message(kind, payload=b""):
    return struct.pack(">IB", 1 + len(payload), kind) + payload


def block_message(kind, piece, begin, rest):
    """request and cancel (rest: a length), piece (rest: the data)."""
    tail = struct.pack(">I", rest) if isinstance(rest, int) else rest
    return message(kind, struct.pack(">II", piece, begin) + tail)


class Link:
    """One connection to a murder process."""

    def __init__(self, connected):
        self._socket = connected
        self._socket.settimeout(PATIENCE_S)

    @classmethod
    def to(cls, endpoint, source="127.0.3.1"):
        host, port = endpoint.rsplit(":", 1)
        return cls(socket.create_connection((host, int(port)), PATIENCE_S, (source, 0)))

    def send(self, data):
        try:
            self._socket.sendall(data)
        except OSError as error:
            raise Gone from error

    def receive(self, size):
        data = b""
        while len(data) < size:
            try:
                more = self._socket.recv(size - len(data))
            except ConnectionError as error:
                raise Gone from error
            if not more:
                raise Gone
            data += more
        return data

    def receive_handshake(self):
        """The other side's (info hash, peer id)."""
        data = self.receive(68)
        assert data.startswith(PROTOCOL)
        return data[28:48], data[48:]

    def receive_message(self):
        """(kind, payload); kind None for a keep-alive."""
        length, = struct.unpack(">I", self.receive(4))
        if length == 0:
            return None, b""
        content = self.receive(length)
        return content[0], content[1:]

    def wait_until_closed(self):
        """Reads on until the other side has had enough of us."""
        with contextlib.suppress(Gone):
            while True:
                self.receive(1)

    def close(self):
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)  # wakes a thread that reads
        self._socket.close()


class Content:
    """A payload and how its torrent cuts it."""

    def __init__(self, torrent, payload):
        info = bencode.decode(torrent.read_bytes())[b"info"]
        self.info_hash = hashlib.sha1(bencode.encode(info)).digest()
        self.data = payload.read_bytes()
        self.piece_length = info[b"piece length"]
        self.pieces = len(info[b"pieces"]) // 20

    def block(self, piece, begin, length):
        start = piece * self.piece_length + begin
        return self.data[start:start + length]

    def bitfield(self, pieces):
        bits = bytearray((self.pieces + 7) // 8)
        for piece in pieces:
            bits[piece // 8] |= 0x80 >> piece % 8
        return bytes(bits)


class Server:
    """A peer that is dialled: `behave(link)` runs in a thread for every connection.

    `done` is set when it has run to its end once: the harm is done.
    """

    def __init__(self, behave, address):
        self._behave = behave
        self._listener = socket.create_server((address, 0))
        self._links = []
        self.endpoint = "{}:{}".format(*self._listener.getsockname())
        self.connected = threading.Event()
        self.done = threading.Event()
        self.failure = None
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def _accept(self):
        while True:
            try:
                connected, _ = self._listener.accept()
            except OSError:
                return  # closed
            link = Link(connected)
            self._links.append(link)
            thread = threading.Thread(target=self._serve, args=(link,))
            self._threads.append(thread)
            thread.start()

    def _serve(self, link):
        self.connected.set()
        try:
            self._behave(link)
        except Gone:
            pass
        except Exception as error:  # an assertion of the test's
            self.failure = self.failure or error
        finally:
            self.done.set()

    def close(self):
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for link in self._links:
            link.close()
        for thread in self._threads:
            thread.join(PATIENCE_S)
        if self.failure is not None:
            raise self.failure


class FakeTracker:
    """Answers every announce with the peers that the test has set, asked again every second."""

    def __init__(self, peers=()):
        self.peers = list(peers)  # endpoints as text
        self.announces = []  # parsed queries
        tracker = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                query = urllib.parse.parse_qs(urllib.parse.urlsplit(self.path).query,
                                              encoding="latin-1")
                tracker.announces.append({key: values[0] for key, values in query.items()})
                body = tracker.answer()
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                with contextlib.suppress(ConnectionError):
                    self.wfile.write(body)

            def log_message(self, *_):
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_port}/announce"

    def answer(self):
        compact = b"".join(socket.inet_aton(host) + struct.pack(">H", int(port))
                           for host, port in (peer.rsplit(":", 1) for peer in self.peers))
        return bencode.encode({"interval": 1, "peers": compact})

    def close(self):
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def wait(event, what):
    assert event.wait(PATIENCE_S), f"did not happen within {PATIENCE_S} s: {what}"


def pause(seconds):
    """Lets time pass: for peers whose fault is to be slow, never to wait for something."""
    time.sleep(seconds)
