#!/usr/bin/python3
"""libtorrent with its own defaults: lt_client.py TORRENT FOLDER ADDRESS [--seed]. Says "complete" when it has all."""

import sys
import time

import libtorrent as lt

torrent, folder, address = sys.argv[1:4]
session = lt.session({
    "listen_interfaces": f"{address}:6881", "enable_dht": False, "enable_lsd": False, "enable_upnp": False,
    "enable_natpmp": False, "alert_mask": lt.alert.category_t.status_notification | lt.alert.category_t.error_notification})
parameters = lt.add_torrent_params()
if torrent.startswith("magnet:"):
    parameters = lt.parse_magnet_uri(torrent)
else:
    parameters.ti = lt.torrent_info(torrent)
parameters.save_path = folder
parameters.flags &= ~(lt.torrent_flags.auto_managed | lt.torrent_flags.paused)
handle = session.add_torrent(parameters)
said = False
while True:
    status = handle.status()
    if status.is_seeding and not said:
        said = True
        print("complete", flush=True)
    for alert in session.pop_alerts():
        if "error" in alert.message().lower():
            print(alert.message(), flush=True)
    time.sleep(0.05)
