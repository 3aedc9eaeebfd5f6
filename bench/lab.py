"""The lab of src/lab, through murder_lab_driver: see bench/lab_driver.cpp for what it is asked and answers.

Everything made in it is gone when the `with` block is left: the driver removes it when its stdin ends, even when this
process was killed.
"""

import itertools
import json
import queue
import subprocess
import threading


class LabError(Exception):
    """The driver refused or failed; the text says what."""


class Lab:
    """A running driver. Requests are methods; what children do arrives in `events`."""

    def __init__(self, program, folder):
        # In a session of its own, so that Ctrl-C ends this process first and the driver by its stdin.
        self._process = subprocess.Popen([program, folder], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                         text=True, start_new_session=True)
        self.events = queue.Queue()
        self._replies = queue.Queue()
        self._ids = itertools.count(1)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self.addresses = []
        self._abandoned = False

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._process.stdin.close()
        try:
            self._process.wait(60)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _read(self):
        for line in self._process.stdout:
            message = json.loads(line)
            (self.events if "event" in message else self._replies).put(message)
        self._replies.put(None)

    def ask(self, what, **arguments):
        number = next(self._ids)
        try:
            self._process.stdin.write(json.dumps({"id": number, "do": what, **arguments}) + "\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            raise LabError("the lab's driver has ended") from None
        try:
            reply = self._replies.get()
        except BaseException:  # Ctrl-C: what was asked for may take minutes yet
            self._abandon()
            raise
        if reply is None:
            raise LabError("the lab's driver has ended")
        if not reply["ok"]:
            raise LabError(reply["error"])
        return reply

    def _abandon(self):
        """The driver removes everything and ends, whatever it is at; nothing more can be asked."""
        self._abandoned = True
        self._process.stdin.close()

    def make(self, **options):
        self.addresses = self.ask("lab", **options)["addresses"]
        return self

    def end(self):
        """What the relay did, if there was one."""
        if self._abandoned:
            return None
        reply = self.ask("end_lab")
        self.forget_events()
        return reply.get("relay")

    def forget_events(self):
        while not self.events.empty():
            self.events.get()

    def spawn(self, *processes):
        """Starts (host, argv, words): when the first was about to start, and (number, pid) of each."""
        reply = self.ask("spawn", processes=[{"host": host, "argv": [str(a) for a in argv], "watch": list(words)}
                                             for host, argv, words in processes])
        return reply["t"], [(s["process"], s["pid"]) for s in reply["started"]]

    def signal(self, processes, number):
        return self.ask("signal", processes=list(processes), signal=int(number))["t"]

    def stop(self, processes, grace=0.0):
        if not self._abandoned:
            self.ask("stop", processes=list(processes), grace=grace)

    def sent(self, host):
        return self.ask("bytes_sent", host=host)["bytes"]
