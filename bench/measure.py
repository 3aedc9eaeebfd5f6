"""Figures: percentiles, the bound that no schedule beats, what /proc says of processes and of the machine."""

import math
import os
import time

TICKS = os.sysconf("SC_CLK_TCK")
BUSY = 0.85  # above this the processor, not the link, was the bottleneck


def percentile(values, share):
    """The smallest of the values that so many of them do not exceed (nearest rank)."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def median(values):
    """nan of nothing; None, which stands for never, is more than every number."""
    ordered = sorted(math.inf if v is None else v for v in values)
    if not ordered:
        return math.nan
    middle = len(ordered) // 2
    return ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2


def ideal_plain(size, links):
    """Seconds of a plain copy from host 0 to host 1, nothing lost to headers; links: (up, down) in bit/s."""
    return size * 8 / min(links[0][0], links[1][1])


def ideal_bound(size, links, pieces, others=None, racks=None):
    """Seconds before which no schedule has the last host done; host 0 seeds, nothing lost to headers.

    Equal links: (1 + floor(log2 N) / M) copies (Mundinger et al.). Unequal: no host before its own link or the
    seeder's lets it, all of them not before N copies fit through all uplinks, a rack not before its thin link lets it.
    `others`: the hosts that count, default all but the seeder; racks: (hosts in the first, bit/s between).
    """
    hosts = others or range(1, len(links))
    bits, up = size * 8, links[0][0]
    bound = max(bits / min(up, links[host][1]) for host in hosts)
    bound = max(bound, len(hosts) * bits / (up + sum(links[host][0] for host in hosts)))
    if racks:
        bound = max(bound, bits / racks[1])
    elif len(set(links)) == 1:
        bound *= 1 + math.floor(math.log2(len(hosts))) / pieces
    return bound


def cpu_seconds(pid):
    """User and system time of all threads that a process has or had; None when it is gone."""
    try:
        return time.clock_gettime((~pid << 3) | 2)  # clock_getcpuclockid(3): CPUCLOCK_SCHED of that process
    except OSError:
        return None


def peak_bytes(pid):
    """VmHWM: the most memory that was ever resident; None when it is gone."""
    try:
        with open(f"/proc/{pid}/status", encoding="ascii", errors="replace") as file:
            for line in file:
                if line.startswith("VmHWM:"):
                    return int(line.split()[1]) * 1024
    except OSError:
        pass
    return None


def parse_processor(line):
    """(all, idle) ticks from the first line of /proc/stat."""
    ticks = [int(word) for word in line.split()[1:9]]
    return sum(ticks), ticks[3] + ticks[4]


class Busy:
    """How busy the machine's processors were since it was made, as a share of one."""

    def __init__(self):
        self._before = self._now()

    @staticmethod
    def _now():
        with open("/proc/stat", encoding="ascii") as file:
            return parse_processor(file.readline())

    def share(self):
        total, idle = (now - before for now, before in zip(self._now(), self._before))
        return 1 - idle / total if total > 0 else 0.0
