"""A session's end of the control socket (docs/control-socket.md), by hand."""

import contextlib
import hashlib
import json
import pathlib
import socket
import struct
import time

import pytest

import bencode

PATIENCE_S = 120


class Closed(Exception):
    """The transfer has closed the connection."""


class Controller:
    """What frames came and were not asked for yet is in `past`."""

    def __init__(self, dest, tag, timeout=PATIENCE_S):
        path = pathlib.Path(dest) / f".murder/transfers/{tag}.sock"
        deadline = time.monotonic() + timeout
        while True:
            self._socket = socket.socket(socket.AF_UNIX)
            self._socket.settimeout(timeout)
            try:
                self._socket.connect(str(path))
                break
            except (FileNotFoundError, ConnectionRefusedError):
                self._socket.close()
                if time.monotonic() > deadline:
                    pytest.fail(f"nobody listens at {path}")
                time.sleep(0.01)
        self.past = []

    def close(self):
        self._socket.close()

    def _read(self, count):
        parts = []
        while count > 0:
            try:
                part = self._socket.recv(min(count, 1 << 20))
            except ConnectionError as error:
                raise Closed from error
            if not part:
                raise Closed
            parts.append(part)
            count -= len(part)
        return b"".join(parts)

    def read(self):
        """The next frame: (object, attachment)."""
        text, attachment = struct.unpack(">II", self._read(8))
        return json.loads(self._read(text)), self._read(attachment)

    def send(self, order, attachment=b""):
        text = json.dumps(order).encode()
        with contextlib.suppress(ConnectionError):  # read() tells
            self._socket.sendall(struct.pack(">II", len(text), len(attachment)) + text + attachment)

    def wait_for(self, **wanted):
        """The first frame, of those not looked at yet, with these keys and values."""
        while True:
            frame = self.read()
            self.past.append(frame)
            if all(frame[0].get(key) == value for key, value in wanted.items()):
                return frame

    def event(self, name):
        return self.wait_for(event=name)[0]

    def have(self, pieces):
        """Numbers of the pieces that are there."""
        self.send({"order": "have"})
        _, bits = self.wait_for(have=True)
        assert len(bits) == (pieces + 7) // 8
        return {n for n in range(pieces) if bits[n // 8] >> (7 - n % 8) & 1}

    def feed(self, pack, numbers, bytes_per_s=None):
        """Hands the pieces over, those of the manifest first, in this order after them."""
        started, sent = time.monotonic(), 0
        numbers = list(numbers)
        for number in numbers:
            self.send({"order": "pieces", "piece": number}, pack.piece(number))
            sent += len(pack.piece(number))
            if bytes_per_s:
                time.sleep(max(0, started + sent / bytes_per_s - time.monotonic()))
        for number in numbers:
            if not any(frame[0].get("fed") == number for frame in self.past):
                self.wait_for(fed=number)


class Pack:
    """A pack and what its torrent says of it."""

    def __init__(self, pack, torrent):
        self.data = pathlib.Path(pack).read_bytes()
        info = bencode.decode(pathlib.Path(torrent).read_bytes())[b"info"]
        self.info_hash = hashlib.sha1(bencode.encode(info)).hexdigest()
        self.piece_length = info[b"piece length"]
        self.pieces = len(info[b"pieces"]) // 20

    def piece(self, number):
        return self.data[number * self.piece_length:(number + 1) * self.piece_length]
