"""What ./dev bench deploy measured, as figures, on the terminal, in Markdown, as JSON."""

import statistics

FLEET = 5000  # to which the costs of the deploy process are extended


def figures_of(row):
    """[(what, its values, unit, what it must be at most or None)] of a row's result."""
    f = row["figures"]
    less = lambda name, *others: [value - sum(rest) for value, *rest in
                                  zip(f[name], *(f[other] for other in ("by_hand", *others)))]
    by_copy = lambda name: [value / copy for value, copy in zip(f[name], f["copy"])]
    if "floor" in f:
        return [("`ssh HOST true` to all at once", f["floor"], "s", None),
                ("the transfer by hand: peers started to live on all", f["by_hand"], "s", None),
                ("first deploy: Enter to live on all", f["first"], "s", None),
                ("… more than the transfer", less("first"), "s", 2.0),
                ("bootstrapped: Enter to live on all", f["bootstrapped"], "s", None),
                ("… more than the transfer", less("bootstrapped"), "s", 1.0),
                ("… more than the transfer and `ssh HOST true`", less("bootstrapped", "floor"), "s", None),
                ("deploy of what is live already", f["live_already"], "s", 2.0),
                ("key exchange curve25519-sha256: `ssh HOST true`", f["classical_floor"], "s", None),
                ("… bootstrapped: Enter to live on all", f["classical"], "s", None),
                ("… more than the transfer", less("classical"), "s", 1.0)]
    if "copy" in f:
        return [("one copy of the pack, `ssh HOST 'cat >/dev/null'`", f["copy"], "s", None),
                ("first deploy: Enter to staged on all, ÷ the copy", by_copy("first"), "", 1.1),
                ("bootstrapped: the same", by_copy("bootstrapped"), "", 1.1)]
    return [figure for name, what in (("all", "first deploy"), ("again", "bootstrapped"))
            for figure in _costs(f, row["hosts"], name, what)] + _extended(f, row["hosts"])


def _costs(f, hosts, name, what):
    return [(f"{what}: Enter to live on all {hosts}", f[f"{name}_seconds"], "s", None),
            ("… processor time of deploy", f[f"{name}_cpu"], "s", None),
            ("… of its ssh processes", f[f"{name}_ssh_cpu"], "s", None),
            ("… peak memory of deploy", f[f"{name}_peak_mib"], "MiB", 200.0),
            ("… of its ssh processes", f[f"{name}_ssh_peak_mib"], "MiB", None)]


def _extended(f, hosts):
    """As each host between a quarter of them and all costs."""
    def extend(name):
        return [least + (most - least) / max(1, hosts - quarter) * (FLEET - quarter) for quarter, least, most in
                zip(f["quarter_hosts"], f[f"quarter_{name}"], f[f"all_{name}"])]

    return [(f"extended to {FLEET} hosts: processor time of deploy", extend("cpu"), "s", None),
            ("… of its ssh processes", extend("ssh_cpu"), "s", None),
            ("… peak memory of deploy", extend("peak_mib"), "MiB", None),
            ("… of its ssh processes", extend("ssh_peak_mib"), "MiB", None)]


def title(name, row):
    size = f"{row['size_bytes'] / 1024:.0f} KiB" if row["size_bytes"] < 1 << 20 else f"{row['size_bytes'] / (1 << 20):.0f} MiB"
    return {"unshaped": f"{row['hosts']} hosts, unshaped links, {size}",
            "thin": f"{row['hosts']} hosts at 100 Mbit/s, control machine behind NAT at 10 Mbit/s, {size}",
            "many": f"{row['hosts']} hosts, unshaped links, {size}"}[name]


def _number(value, unit):
    return f"{value:.1f} {unit}" if unit == "MiB" else f"{value:.2f} {unit}".rstrip()


def _cells(values, unit, limit):
    median = statistics.median(values)
    spread = "" if len(values) == 1 else f"{_number(min(values), unit)} to {_number(max(values), unit)}"
    must = "" if limit is None else f"{_number(limit, unit)}{'' if median <= limit else ' MISSED'}"
    return _number(median, unit), spread, must


def terminal_table(name, row):
    lines = [f"{title(name, row)}; {len(next(iter(row['figures'].values())))} runs",
             f"  {'':58} {'median':>10}  {'':22} {'at most':>8}"]
    for what, values, unit, limit in figures_of(row):
        median, spread, must = _cells(values, unit, limit)
        lines.append(f"  {what:58} {median:>10}  {spread:22} {must:>8}".rstrip())
    return "\n".join(lines)


def markdown(rows, where):
    parts = [f"Measured on {where['cores']} cores ({where['processor']})."]
    for name, row in rows.items():
        runs = len(next(iter(row["figures"].values())))
        parts.append(f"**{title(name, row)}** ({runs} run{'s' if runs > 1 else ''})")
        table = ["| | median | least to most | must be at most |", "|---|---|---|---|"]
        for what, values, unit, limit in figures_of(row):
            table.append(f"| {what} | {' | '.join(_cells(values, unit, limit))} |")
        parts.append("\n".join(table))
    return "\n\n".join(parts)
