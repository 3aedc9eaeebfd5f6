"""murder at a terminal: a pty, and what is on its screen after all that was written to it."""

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time

import pytest

ESCAPE = re.compile(rb"\x1b\[([0-9;?]*)([A-Za-z])")


class Screen:
    """As much of a terminal as murder makes use of; `rows` is what one would see."""

    def __init__(self):
        self.rows, self._row, self._column = [""], 0, 0

    def write(self, text):
        while text:
            escape = ESCAPE.match(text)
            if escape:
                self._escape(escape.group(1).decode(), escape.group(2).decode())
                text = text[escape.end():]
                continue
            plain = re.match(rb"[^\x1b\r\n]+", text)
            if plain:
                self._put(plain.group().decode(errors="replace"))
                text = text[plain.end():]
                continue
            if text[:1] == b"\n":
                self._row += 1
            elif text[:1] == b"\r":
                self._column = 0
            else:
                raise AssertionError(f"no terminal knows {text[:20]!r}")
            while len(self.rows) <= self._row:
                self.rows.append("")
            text = text[1:]

    def _put(self, text):
        row = self.rows[self._row].ljust(self._column)
        self.rows[self._row] = row[:self._column] + text + row[self._column + len(text):]
        self._column += len(text)

    def _escape(self, parameters, command):
        if command == "A":
            self._row -= int(parameters or 1)
        elif command in "JK":
            self.rows[self._row] = self.rows[self._row][:self._column]
            if command == "J":
                del self.rows[self._row + 1:]
        elif command != "m":
            raise AssertionError(f"an escape that murder is not to use: {parameters}{command}")


class Session:
    """A program whose terminal this is: stdin, stdout and stderr."""

    def __init__(self, argv, environment, cwd, columns=80):
        self._master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        self.written = b""

        def become_its_session():
            os.setsid()
            fcntl.ioctl(0, termios.TIOCSCTTY, 0)

        self.process = subprocess.Popen([str(part) for part in argv], stdin=slave, stdout=slave,
                                        stderr=slave, env=environment, cwd=cwd,
                                        preexec_fn=become_its_session)
        os.close(slave)

    def read_until(self, done, timeout=120):
        """Reads until `done(all that was written)`, or the end."""
        deadline = time.monotonic() + timeout
        while not done(self.written):
            if time.monotonic() > deadline:
                pytest.fail(f"not seen within {timeout} s; written: {self.written!r}")
            if not select.select([self._master], [], [], 0.1)[0]:
                continue
            try:
                got = os.read(self._master, 65536)
            except OSError:  # the other side is closed
                got = b""
            if not got:
                return
            self.written += got

    def type(self, keys):
        os.write(self._master, keys)

    def wait(self, timeout=120):
        """Its exit status, negative for a signal."""
        self.read_until(lambda written: False, timeout)
        return self.process.wait(timeout)

    def screen(self):
        screen = Screen()
        screen.write(self.written)
        return screen.rows

    def close(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        os.close(self._master)
