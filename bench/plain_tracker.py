#!/usr/bin/python3
"""A tracker without opinions for the other clients: plain_tracker.py ADDRESS PORT.

BEP 3 and BEP 23: it tells each who asks about all the others that it knows, as many as are asked for. Nothing that it
answers is murder's; it runs in the lab, where no stranger can reach it.
"""

import http.server
import socket
import sys
import urllib.parse

INTERVAL_S = 30
swarms = {}  # info_hash: {(address, port): bytes left}


def bencode_reply(peers, complete):
    compact = b"".join(socket.inet_aton(address) + port.to_bytes(2, "big") for address, port in peers)
    return b"d8:completei%de10:incompletei%de8:intervali%de5:peers%d:%se" % (
        complete, len(peers) - complete, INTERVAL_S, len(compact), compact)


def announce(query, address):
    """The reply to one announce, its sender noted."""
    fields = dict(urllib.parse.parse_qsl(query, encoding="latin-1"))
    swarm = swarms.setdefault(fields["info_hash"], {})
    sender = (address, int(fields["port"]))
    if fields.get("event") == "stopped":
        swarm.pop(sender, None)
    else:
        swarm[sender] = int(fields["left"])
    others = [peer for peer in swarm if peer != sender][-int(fields.get("numwant") or 50):]
    return bencode_reply(others, sum(1 for peer in others if swarm[peer] == 0))


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        try:
            reply = announce(urllib.parse.urlsplit(self.path).query, self.client_address[0])
        except (KeyError, ValueError):
            self.send_error(400)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(reply)))
        self.end_headers()
        self.wfile.write(reply)

    def log_message(self, *_):
        pass


class Server(http.server.ThreadingHTTPServer):
    request_queue_size = 1024
    daemon_threads = True


if __name__ == "__main__":
    with Server((sys.argv[1], int(sys.argv[2])), Handler) as server:
        print("listening", flush=True)
        server.serve_forever()
