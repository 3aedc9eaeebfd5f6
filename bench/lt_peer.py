#!/usr/bin/python3
"""One libtorrent client for the benchmark: lt_peer.py --torrent FILE --to FOLDER --tracker URL --listen ADDRESS.

Says "ready" once Python and the session are up and waits for SIGUSR1, so that the interpreter's start counts neither in
time nor in processor time. Then adds the torrent, and says "complete T" (monotonic clock) when it has all of it.
"""

import argparse
import signal
import time

import libtorrent as lt

TUNED = {
    "unchoke_slots_limit": -1,
    "max_allowed_in_request_queue": 128,
    "request_queue_time": 1,
    "send_buffer_low_watermark": 1 << 20,
    "max_queued_disk_bytes": 256 << 20,
    "connection_speed": 500,
    "torrent_connect_boost": 60,
    "smooth_connects": False,
    "strict_end_game_mode": False,
    "out_enc_policy": lt.enc_policy.pe_disabled,
    "in_enc_policy": lt.enc_policy.pe_disabled,
    "enable_incoming_utp": False,
    "enable_outgoing_utp": False,
}


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("--torrent", "--to", "--tracker", "--listen"):
        parser.add_argument(name, required=True)
    parser.add_argument("--seed", action="store_true")
    parser.add_argument("--tuned", action="store_true")
    return parser.parse_args()


def settings(options):
    # What looks for peers outside the lab is off in both; all else is the defaults, or tuned.
    plain = {
        "listen_interfaces": f"{options.listen}:6881",
        "enable_dht": False,
        "enable_lsd": False,
        "enable_upnp": False,
        "enable_natpmp": False,
        "alert_mask": lt.alert.category_t.status_notification | lt.alert.category_t.tracker_notification
        | lt.alert.category_t.error_notification,
    }
    return {**plain, **TUNED} if options.tuned else plain


def torrent(options):
    parameters = lt.add_torrent_params()
    parameters.ti = lt.torrent_info(options.torrent)
    parameters.save_path = options.to
    parameters.trackers = [options.tracker]
    parameters.flags &= ~(lt.torrent_flags.auto_managed | lt.torrent_flags.paused)
    if options.seed:
        parameters.flags |= lt.torrent_flags.seed_mode
    return parameters


def main():
    options = arguments()
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})
    parameters = torrent(options)
    session = lt.session(settings(options))
    print("ready", flush=True)
    signal.sigwait({signal.SIGUSR1})
    session.add_torrent(parameters)
    while True:
        session.wait_for_alert(1000)
        for alert in session.pop_alerts():
            if isinstance(alert, lt.torrent_finished_alert) and not options.seed:
                print(f"complete {time.monotonic():.6f}", flush=True)
            elif isinstance(alert, lt.tracker_reply_alert):
                print("announced", flush=True)
            elif isinstance(alert, (lt.tracker_error_alert, lt.torrent_error_alert, lt.listen_failed_alert)):
                print(alert.message(), flush=True)


if __name__ == "__main__":
    main()
