"""A control side of `murder on-host` by hand (docs/orders.md), over pipes as ssh's are."""

import contextlib
import itertools
import json
import os
import select
import struct
import subprocess
import time

import pytest

PATIENCE_S = 60


class Closed(Exception):
    """The host has ended the session."""


class Refused(Exception):
    """The host's own error: status, as an exit status of murder, and message."""

    def __init__(self, error):
        super().__init__(error["message"])
        self.status, self.message = error["status"], error["message"]


def encode(order, attachment=b""):
    text = order if isinstance(order, bytes) else json.dumps(order).encode()
    return struct.pack(">II", len(text), len(attachment)) + text + attachment


class OnHost:
    """One session. `said`: what came that was no answer, as (object, attachment)."""

    def __init__(self, murder, environment, log):
        self._log = log
        with open(log, "wb") as err:
            self.process = subprocess.Popen([murder, "on-host"], stdin=subprocess.PIPE,
                                            stdout=subprocess.PIPE, stderr=err, env=environment)
        self._numbers = itertools.count(1)
        self._in, self._out = self.process.stdin.fileno(), self.process.stdout.fileno()
        self._came = b""
        self.said = []
        self.hello = self.read()[0]["hello"]

    @property
    def err(self):
        return self._log.read_text(encoding="utf-8")

    def _take(self, count):
        while len(self._came) < count:
            if not select.select([self._out], [], [], PATIENCE_S)[0]:
                pytest.fail(f"it says nothing for {PATIENCE_S} s; before: {self.said[-5:]}")
            part = os.read(self._out, 1 << 16)
            if not part:
                raise Closed
            self._came += part
        taken, self._came = self._came[:count], self._came[count:]
        return taken

    def read(self):
        """The next frame: (object, attachment)."""
        text, attachment = struct.unpack(">II", self._take(8))
        return json.loads(self._take(text)), self._take(attachment)

    def send_bytes(self, data):
        with contextlib.suppress(BrokenPipeError):  # read() tells
            while data:
                data = data[os.write(self._in, data):]

    def send(self, order, attachment=b""):
        self.send_bytes(encode(order, attachment))

    def give(self, order, attachment=b"", **fields):
        """An order; its id, for answer()."""
        number = next(self._numbers)
        self.send({"id": number, "order": order, **fields}, attachment)
        return number

    def answer(self, number):
        while True:
            frame = self.read()
            if frame[0].get("re") != number:
                self.said.append(frame)
            elif "error" in frame[0]:
                raise Refused(frame[0]["error"])
            else:
                return frame[0]

    def ask(self, order, attachment=b"", **fields):
        return self.answer(self.give(order, attachment, **fields))

    def wait_for(self, **wanted):
        """The first frame, of those that come from now on, with these keys and values."""
        while True:
            frame = self.read()
            self.said.append(frame)
            if all(frame[0].get(key) == value for key, value in wanted.items()):
                return frame[0]

    def wait(self):
        """Its exit status, once it has ended by itself."""
        return self.process.wait(PATIENCE_S)

    def close(self):
        """As when the control side goes. The exit status."""
        self.process.stdin.close()
        return self.wait()

    def kill(self):
        self.process.kill()
        self.process.wait()

    def takes_no_more(self, data, patience_s=1.0):
        """Writes until nothing more is taken for a while; how many bytes were."""
        os.set_blocking(self._in, False)
        taken, since = 0, time.monotonic()
        while taken < len(data) and time.monotonic() - since < patience_s:
            if not select.select([], [self._in], [], 0.1)[1]:
                continue
            with contextlib.suppress(BlockingIOError):
                taken += os.write(self._in, data[taken:taken + 4096])
                since = time.monotonic()
        os.set_blocking(self._in, True)
        return taken
