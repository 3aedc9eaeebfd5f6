"""What is measured: how many hosts, over which links, with what going wrong.

`standard` scenarios are what ./dev bench runs; `special` ones are single rows, `full` ones what takes long.
"""

import dataclasses

KIB, MIB, GIB = 1 << 10, 1 << 20, 1 << 30
MBIT = 1e6

EVERYBODY = ("murder", "libtorrent-tuned", "libtorrent", "aria2", "transmission", "chain", "fan-out")
MOST = ("murder", "libtorrent-tuned", "libtorrent", "aria2", "chain", "fan-out")
TWO = ("murder", "libtorrent-tuned")


@dataclasses.dataclass(frozen=True)
class Scenario:
    name: str
    what: str
    hosts: int
    link: float | None  # bit/s, each way; None: not shaped
    size: int
    group: str = "standard"
    contenders: tuple = TWO
    seeder_link: float | None = None
    slow: tuple = (0, 0.0)  # how many hosts, the last ones, have another link, and which
    round_trip: float = 0.0
    loss: float = 0.0
    racks: tuple | None = None  # nodes in the first rack, seeder included, and the bit/s between
    congestion_control: str = "cubic"
    trouble: str | None = None  # "stop": the last host is stopped half-way; "late": it starts half-way
    apart: int = 0  # the last so many hosts do not make the figures; they are shown beside them
    from_seeder: bool = False  # peers run and wait; the clock starts with the seeder
    patience: float = 6.0  # in plain copies (unshaped: in tens of seconds): then a contender is given up

    def links(self):
        """(up, down) of the seeder and of each host; empty when nothing is shaped."""
        if self.link is None:
            return []
        links = [(self.link, self.link)] * (1 + self.hosts)
        if self.seeder_link:
            links[0] = (self.seeder_link, self.seeder_link)
        count, rate = self.slow
        for host in range(1 + self.hosts - count, 1 + self.hosts):
            links[host] = (rate, rate)
        return links

    def counted(self):
        """The hosts whose times make the figures."""
        return range(1, 1 + self.hosts - self.apart)

    def lab_options(self):
        options = {"hosts": 1 + self.hosts, "congestion_control": self.congestion_control}
        if self.link is not None:
            options.update(up=self.link, down=self.link)
        if self.racks:
            options["racks"] = {"first": self.racks[0], "between": self.racks[1]}
        if self.round_trip:
            options["round_trip"] = self.round_trip
        if self.loss:
            options["loss"] = self.loss
        return options

    def room(self):
        """Bytes that a run of it needs at most: the payload at the source and at each host."""
        return (2 + self.hosts) * self.size

    def cores_wanted(self):
        """A core moves a little under 1 Gbit/s in and out again, with its share of the lab's own work."""
        rates = sum(down for _, down in self.links()[1:])
        return rates / (0.8e9 if self.loss or self.round_trip else 1e9)


def shape_of(rate):
    """What tbf is given for a link; the same as in src/lab."""
    return {"rate_bit": rate, "burst_bytes": int(max(64 * KIB, rate / 8 * 0.004)),
            "limit_bytes": int(max(256 * KIB, rate / 8 * 0.020))}


def _standard():
    return [
        Scenario("8x100", "8 hosts at 100 Mbit/s, 64 MiB", 8, 100 * MBIT, 64 * MIB, contenders=EVERYBODY, patience=9),
        Scenario("16x50", "16 hosts at 50 Mbit/s, 64 MiB", 16, 50 * MBIT, 64 * MIB, contenders=MOST, patience=4),
        Scenario("32x40", "32 hosts at 40 Mbit/s, 32 MiB", 32, 40 * MBIT, 32 * MIB, contenders=MOST, patience=4),
        Scenario("64x16", "64 hosts at 16 Mbit/s, 32 MiB", 64, 16 * MBIT, 32 * MIB, contenders=MOST, patience=3),
        Scenario("16x100", "16 hosts at 100 Mbit/s, 64 MiB", 16, 100 * MBIT, 64 * MIB, contenders=MOST, patience=5),
        Scenario("third-half", "16 hosts, a third of them at 25 Mbit/s, the others at 50, 32 MiB",
                 16, 50 * MBIT, 32 * MIB, slow=(5, 25 * MBIT)),
        Scenario("slow-seeder", "16 hosts at 50 Mbit/s, the seeder at 25, 32 MiB", 16, 50 * MBIT, 32 * MIB,
                 seeder_link=25 * MBIT, patience=4),
        Scenario("loss", "8 hosts at 50 Mbit/s, 2 % of packets lost, 32 MiB", 8, 50 * MBIT, 32 * MIB, loss=0.02),
        Scenario("racks", "2 racks of 8 hosts at 50 Mbit/s, 50 Mbit/s between them, 32 MiB",
                 16, 50 * MBIT, 32 * MIB, racks=(9, 50 * MBIT)),
        Scenario("rtt-5ms", "16 hosts at 50 Mbit/s, 5 ms round trip, 32 MiB", 16, 50 * MBIT, 32 * MIB,
                 round_trip=0.005),
        Scenario("rtt-20ms", "16 hosts at 50 Mbit/s, 20 ms round trip, 64 MiB", 16, 50 * MBIT, 64 * MIB,
                 round_trip=0.020, patience=4),
    ]


def _special():
    return [
        Scenario("local", "4 hosts, no shaping, 512 MiB", 4, None, 512 * MIB,
                 contenders=("murder", "libtorrent-tuned", "libtorrent", "aria2")),
        Scenario("memory", "1 host, no shaping, 4 GiB: peak memory", 1, None, 4 * GIB,
                 contenders=("murder", "libtorrent-tuned", "libtorrent", "aria2"), patience=12),
        Scenario("small", "64 hosts at 1 Gbit/s, running and waiting, 1 MiB", 64, 1000 * MBIT, MIB,
                 contenders=TWO, from_seeder=True, patience=2000),
        Scenario("tenth", "16 hosts at 50 Mbit/s, one of them at 5: the others, 64 MiB", 16, 50 * MBIT, 64 * MIB,
                 slow=(1, 5 * MBIT), apart=1, patience=4),
        Scenario("stopped", "16 hosts at 50 Mbit/s, one stopped dead half-way: the others, 64 MiB",
                 16, 50 * MBIT, 64 * MIB, trouble="stop", apart=1, patience=4),
        Scenario("late", "16 hosts at 50 Mbit/s, one of them starts half-way: the others, 64 MiB",
                 16, 50 * MBIT, 64 * MIB, trouble="late", apart=1, patience=4),
        Scenario("headline", "250 hosts at 2 Mbit/s, 2 MiB", 250, 2 * MBIT, 2 * MIB,
                 contenders=("murder", "fan-out"), patience=4),
    ]


def _full():
    return [
        Scenario("8x100-256m", "8 hosts at 100 Mbit/s, 256 MiB", 8, 100 * MBIT, 256 * MIB, "full", MOST, patience=4),
        Scenario("8x200-1g", "8 hosts at 200 Mbit/s, 1 GiB", 8, 200 * MBIT, GIB, "full", TWO, patience=4),
        Scenario("rtt-80ms", "16 hosts at 50 Mbit/s, 80 ms round trip, 64 MiB", 16, 50 * MBIT, 64 * MIB, "full",
                 round_trip=0.080, patience=5),
        Scenario("bbr-16x50", "16 hosts at 50 Mbit/s, BBR, 64 MiB", 16, 50 * MBIT, 64 * MIB, "full", MOST,
                 congestion_control="bbr", patience=4),
        Scenario("bbr-8x100", "8 hosts at 100 Mbit/s, BBR, 64 MiB", 8, 100 * MBIT, 64 * MIB, "full", MOST,
                 congestion_control="bbr", patience=4),
    ]


SCENARIOS = {s.name: s for s in
             _standard() + [dataclasses.replace(s, group="special") for s in _special()] + _full()}
GROUPS = ("standard", "special", "full")


def custom(hosts, link, size, contenders):
    return Scenario("custom", f"{hosts} hosts at {link / MBIT:g} Mbit/s, {size / MIB:g} MiB", hosts, link, size,
                    contenders=contenders)
