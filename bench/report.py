"""Trials into figures, figures into a table: on the terminal, in Markdown, as JSON."""

import math
import statistics

import measure
from scenarios import GIB, MIB, shape_of

COLUMNS = ("first", "median", "99 %", "last", "last s", "÷ copy", "copies", "seed s/GiB", "peer s/GiB", "peak MiB", "busy")


def bound_in_copies(scenario, pieces):
    """How many plain copies the best possible last host takes."""
    links = scenario.links()
    if not links:
        return 1.0
    counted = list(scenario.counted())
    ideal = measure.ideal_bound(scenario.size, links, pieces, counted, scenario.racks)
    return ideal / measure.ideal_plain(scenario.size, links)


def trial_figures(trial, scenario, pieces):
    """Ratios of one run; math.inf for a host that never had it."""
    seconds = [math.inf if s is None else s for s in trial["seconds"]]
    plain, bound = trial["plain_seconds"], bound_in_copies(scenario, pieces)
    at = {"first": min(seconds), "median": measure.median(seconds), "p99": measure.percentile(seconds, 0.99),
          "last": max(seconds)}
    figures = {name: value / plain / bound for name, value in at.items()}
    figures.update(last_by_copy=at["last"] / plain, last_seconds=at["last"], never=seconds.count(math.inf),
                   busy=trial["busy"])
    if trial["staged"] and len(trial["staged"]) == len(seconds):
        figures["staged_seconds"] = max(trial["staged"])
    figures.update(_costs(trial, scenario.size))
    return figures


def _costs(trial, size):
    costs = {}
    if trial["seeder_bytes"] is not None and trial["plain_bytes"]:
        costs["copies"] = trial["seeder_bytes"] / trial["plain_bytes"]
    if trial["cpu_seeder"] is not None and trial["seeder_bytes"]:
        costs["seeder_cpu_per_gib"] = trial["cpu_seeder"] / (trial["seeder_bytes"] / GIB)
    if trial["cpu_peers"]:
        costs["peer_cpu_per_gib"] = statistics.mean(trial["cpu_peers"]) / (size / GIB)
    if trial["peak_peers"]:
        costs["peak_peer_mib"] = max(trial["peak_peers"]) / MIB
    if trial["peak_seeder"]:
        costs["peak_seeder_mib"] = trial["peak_seeder"] / MIB
    if trial["odd"] is not None:
        costs["odd_by_copy"] = trial["odd"] / trial["plain_seconds"]
    return costs


def summarise(trials, scenario, pieces):
    """Medians over the runs of one contender; `last_range` is the least and the most of `last_by_copy`."""
    good = [trial_figures(t, scenario, pieces) for t in trials if t["error"] is None and t["seconds"]]
    if not good:
        return {"runs": 0, "error": next((t["error"] for t in trials if t["error"]), "nothing was measured")}
    names = {name for figures in good for name in figures}
    out = {name: measure.median([f[name] for f in good if name in f]) for name in names}
    lasts = [f["last_by_copy"] for f in good]
    out.update(runs=len(good), last_range=[min(lasts), max(lasts)], computed=trials[0]["computed"],
               busy_runs=sum(1 for f in good if f["busy"] > measure.BUSY),
               errors=[t["error"] for t in trials if t["error"]])
    return out


def summarise_scenario(result):
    """{contender: figures} of a scenario's result, in the order in which they ran."""
    scenario, names = result["scenario"], []
    for trial in result["trials"]:
        if trial["contender"] not in names:
            names.append(trial["contender"])
    return {name: summarise([t for t in result["trials"] if t["contender"] == name], scenario, result["pieces"])
            for name in names}


def number(value, digits=2):
    if value is None or math.isnan(value):
        return "–"
    return "never" if math.isinf(value) else f"{value:.{digits}f}"


def cells(figures):
    """One row's cells, in the order of COLUMNS."""
    get = figures.get
    return [number(get("first")), number(get("median")), number(get("p99")), number(get("last"), 3),
            number(get("last_seconds")), number(get("last_by_copy"), 3), number(get("copies")), number(get("seeder_cpu_per_gib")),
            number(get("peer_cpu_per_gib")), number(get("peak_peer_mib"), 0), number(get("busy"))]


def remarks(figures):
    """What a reader has to know beside a row's numbers."""
    out = []
    if "error" in figures:
        return [figures["error"]]
    if figures["busy"] > measure.BUSY:
        out.append("the processor was the bottleneck")
    elif figures["busy_runs"] > 0:
        out.append(f"in {figures['busy_runs']} of {figures['runs']} runs the processor was the bottleneck")
    if figures["never"] > 0:
        out.append(f"{figures['never']:.0f} hosts never")
    if figures["computed"]:
        out.append("computed from a sample")
    if "staged_seconds" in figures:
        out.append(f"staged {number(figures['staged_seconds'])} s")
    if "odd_by_copy" in figures:
        out.append(f"the odd host {number(figures['odd_by_copy'])} copies")
    if figures["runs"] > 1:
        out.append("÷ copy {} to {}".format(*(number(v, 3) for v in figures["last_range"])))
    out += figures["errors"]
    return out


def best_other(summary):
    """The client other than murder whose last host is the soonest; None without any."""
    others = {name: f["last_seconds"] for name, f in summary.items()
              if name not in ("murder", "chain", "fan-out") and f.get("last_seconds")}
    return min(others, key=others.get) if others else None


def overview(results):
    """A table of all scenarios: murder's last host, the best other client's, and what a peer's processor does."""
    out = ["| | last ÷ bound | the best other client | | processor time of a peer, ÷ that client's |", "|---|---|---|---|---|"]
    for result in results:
        summary = summarise_scenario(result)
        mine, best = summary.get("murder", {}), best_other(summary)
        other = summary.get(best, {})
        cost = mine.get("peer_cpu_per_gib", math.nan) / (other.get("peer_cpu_per_gib") or math.nan)
        busy = " (processor full)" if mine.get("busy", 0) > measure.BUSY else ""
        out.append(f"| [{result['scenario'].name}](#{result['scenario'].name}): {result['scenario'].what} "
                   f"| {number(mine.get('last'), 3)}{busy} | {number(other.get('last'))} | {best or ''} "
                   f"| {number(cost)} |")
    return out


def sooner(summary):
    """How murder's last host compares with the other clients', one sentence; empty without both."""
    mine, best = summary.get("murder", {}).get("last_seconds"), best_other(summary)
    if not mine or math.isinf(mine):
        return ""
    parts = []
    if best:
        ratio = summary[best]["last_seconds"] / mine
        by = "" if math.isinf(ratio) else f"{number(max(ratio, 1 / ratio))} × "
        parts.append(f"murder {by}{'sooner' if ratio >= 1 else 'later'} than {best}, the best other client")
    fan_out = summary.get("fan-out", {}).get("last_seconds")
    if fan_out and fan_out > mine:
        parts.append(f"{100 * (1 - mine / fan_out):.2f} % less time than fan-out from one server")
    elif fan_out:
        parts.append(f"{number(mine / fan_out)} × the time of fan-out from one server")
    return "; ".join(parts)


def heading(result):
    scenario, plain = result["scenario"], result["plain"]
    copies = bound_in_copies(scenario, result["pieces"])
    text = (f"{scenario.name}: {scenario.what}; {scenario.congestion_control}; plain copy "
            f"{measure.median(plain):.2f} s ({min(plain):.2f} to {max(plain):.2f}), bound {copies:.3f} copies")
    if result.get("relay"):
        relay = result["relay"]
        text += (f"; the delay relay took {relay['cpu']:.1f} s of processor and was "
                 f"{relay['mean_late'] * 1000:.2f} ms late on average, {relay['most_late'] * 1000:.1f} ms at most")
    return text


def shaping(scenario):
    """The links' tbf parameters, for people."""
    rates = {rate for link in scenario.links() for rate in link} | ({scenario.racks[1]} if scenario.racks else set())
    return "; ".join("tbf rate {:g} Mbit/s burst {burst_bytes} limit {limit_bytes}".format(rate / 1e6, **shape_of(rate))
                     for rate in sorted(rates, reverse=True)) or "not shaped"


def terminal_table(result):
    summary = summarise_scenario(result)
    lines = [heading(result), f"  {shaping(result['scenario'])}"]
    width = max([len(name) for name in summary] + [9])
    lines.append("  " + " " * width + "".join(f"{c:>11}" for c in COLUMNS))
    for name, figures in summary.items():
        row = "".join(f"{c:>11}" for c in cells(figures)) if "error" not in figures else ""
        lines.append(f"  {name:{width}}{row}  {'; '.join(remarks(figures))}")
    lines += [f"  skipped: {name} (package {package} is missing)" for name, package in result["missing"].items()]
    if sooner(summary):
        lines.append("  " + sooner(summary))
    return "\n".join(lines)


def markdown(results, machine, plots=None):
    """All scenarios for docs/benchmarks.md; `plots`: {scenario name: path of its SVG from there}."""
    out = [f"Measured on {machine['cores']} cores ({machine['processor']}).", "", *overview(results), ""]
    for result in results:
        scenario, summary = result["scenario"], summarise_scenario(result)
        out += [f"### {scenario.name}", "", heading(result).split(": ", 1)[1] + f". {shaping(scenario)}.", ""]
        out += ["| | " + " | ".join(COLUMNS) + " | |", "|---|" + "---|" * (len(COLUMNS) + 1)]
        for name, figures in summary.items():
            row = cells(figures) if "error" not in figures else [""] * len(COLUMNS)
            out.append("| " + " | ".join([name, *row, "; ".join(remarks(figures))]) + " |")
        out.append("")
        if sooner(summary):
            out += [f"The last host: {sooner(summary)}.", ""]
        if plots and scenario.name in plots:
            out += [f"![Hosts done over time, {scenario.what}]({plots[scenario.name]})", ""]
    return "\n".join(out)


def as_json(results, machine):
    """What --json writes. Infinite figures, which JSON does not know, are null."""
    scenarios = []
    for result in results:
        scenario = result["scenario"]
        scenarios.append({"scenario": scenario.name, "what": scenario.what, "hosts": scenario.hosts,
                          "size_bytes": scenario.size, "pieces": result["pieces"], "links": scenario.links(),
                          "tbf": [shape_of(rate) for rate in sorted({r for link in scenario.links() for r in link})],
                          "congestion_control": scenario.congestion_control, "round_trip": scenario.round_trip,
                          "loss": scenario.loss, "racks": scenario.racks, "relay": result.get("relay"),
                          "bound_in_copies": bound_in_copies(scenario, result["pieces"]),
                          "plain_seconds": result["plain"], "missing": result["missing"],
                          "figures": summarise_scenario(result), "trials": result["trials"]})
    return finite({"schema": 1, "machine": machine, "scenarios": scenarios})


def result_of(stored, scenario):
    """A scenario's result again, from what as_json() wrote of it."""
    return {"scenario": scenario, "missing": stored["missing"], "trials": stored["trials"],
            "plain": stored["plain_seconds"], "pieces": stored["pieces"], "relay": stored["relay"]}


def finite(value):
    if isinstance(value, dict):
        return {name: finite(v) for name, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [finite(v) for v in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
