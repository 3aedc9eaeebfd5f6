"""An HTTP server with ranges, as a web seed of a swarm: what it has served, and faults on demand."""

import contextlib
import http.server
import re
import threading


class WebServer:
    """Serves the bytes `content` under every path.

    `fault`: called with the number of the request (from 0 on) and its handler; True: it has
    answered, or not, by itself. `taken`: the ranges that went out, as (begin, length). `files`: what is
    served under its own path instead. `wrap`: makes another of the listening socket, for TLS.
    """

    def __init__(self, content, address="127.0.0.1", files=None, wrap=None):
        self.content, self.fault = content, lambda number, handler: False
        self.files = files
        self.paths, self.taken, self.requests = [], [], 0
        self._lock = threading.Lock()
        seed = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                with seed._lock:
                    number = seed.requests
                    seed.requests += 1
                    seed.paths.append(self.path)
                with contextlib.suppress(ConnectionError):
                    if not seed.fault(number, self):
                        self.send_part()

            def send_part(self, up_to=None):
                """Of what was asked for, so many bytes: with fewer the connection is cut."""
                content = seed.content if seed.files is None else seed.files.get(self.path)
                if content is None:
                    return self.refuse(404)
                asked = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers["Range"])
                begin, last = (int(number) for number in asked.groups())
                part = content[begin:last + 1]
                self.send_response(206)
                self.send_header("Content-Range", f"bytes {begin}-{last}/{len(content)}")
                self.send_header("Content-Length", str(len(part)))
                self.end_headers()
                self.wfile.write(part[:up_to])
                if up_to is not None:
                    self.close_connection = True
                    return True
                with seed._lock:
                    seed.taken.append((begin, len(part)))

            def refuse(self, status, **headers):
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name.replace("_", "-"), value)
                self.send_header("Content-Length", "0")
                self.end_headers()
                return True

            def log_message(self, *_):
                pass

        self._server = http.server.ThreadingHTTPServer((address, 0), Handler)
        self._server.daemon_threads = True
        if wrap is not None:
            self._server.socket = wrap(self._server.socket)
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()
        self.port = self._server.server_port
        self.url = f"http://{address}:{self.port}"

    @property
    def bytes_taken(self):
        with self._lock:
            return sum(length for _, length in self.taken)

    @property
    def copies(self):
        return self.bytes_taken / len(self.content)

    def close(self):
        if self._thread is None:
            return
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
        self._thread = None
