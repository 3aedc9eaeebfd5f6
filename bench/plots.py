"""Hosts done over time, one line a contender, as an SVG that needs nothing else."""

import html
import math

WIDTH, HEIGHT = 760, 360
LEFT, RIGHT, TOP, BOTTOM = 52, 170, 40, 44
COLOURS = {"murder": "#c0392b", "libtorrent-tuned": "#2471a3", "libtorrent": "#7fb3d5", "aria2": "#229954",
           "transmission": "#b7950b", "chain": "#7d3c98", "fan-out": "#707b7c"}


def nice_step(span, steps=6):
    """1, 2 or 5 times a power of ten, so that about so many steps make the span."""
    rough = span / steps
    power = 10 ** math.floor(math.log10(rough))
    return next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough)


def chosen_run(trials):
    """The run whose last host is the median one: a plot shows a run that happened."""
    def last(trial):
        return max(math.inf if s is None else s for s in trial["seconds"])

    ordered = sorted((t for t in trials if t["seconds"] and not t["error"]), key=last)
    return ordered[(len(ordered) - 1) // 2] if ordered else None


def svg(title, hosts, marks, lines):
    """lines: {name: seconds of each host, None for never}; marks: {label: seconds}, upright and dashed."""
    ends = [s for seconds in lines.values() for s in seconds if s is not None]
    last = max([*ends, *marks.values(), 0.001])
    # A contender that takes many times as long as the others would press them into the left edge.
    best = min((max(s) for s in lines.values() if s and None not in s), default=last)
    span = min(last, max(6 * best, *marks.values(), 0.001) if marks else 6 * best) * 1.04
    inner_w, inner_h = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM

    def x(seconds):
        return LEFT + inner_w * min(seconds, span) / span

    def y(count):
        return TOP + inner_h * (1 - count / hosts)

    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" '
           f'font-size="12">', f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>',
           f'<text x="{LEFT}" y="22" font-size="14">{html.escape(title)}</text>']
    out += _axes(span, hosts, x, y)
    for label, seconds in marks.items():
        out.append(f'<line x1="{x(seconds):.1f}" x2="{x(seconds):.1f}" y1="{TOP}" y2="{y(0):.1f}" stroke="#000000" '
                   f'stroke-dasharray="4 3"><title>{html.escape(label)}</title></line>')
        out.append(f'<text x="{x(seconds) + 3:.1f}" y="{TOP - 4}" font-size="10">{html.escape(label)}</text>')
    for number, (name, seconds) in enumerate(lines.items()):
        out += _line(name, seconds, number, span, x, y)
    return "\n".join([*out, "</svg>"]) + "\n"


def _axes(span, hosts, x, y):
    out = []
    step = nice_step(span)
    for i in range(int(span / step) + 1):
        at = i * step
        out.append(f'<line x1="{x(at):.1f}" x2="{x(at):.1f}" y1="{TOP}" y2="{y(0):.1f}" stroke="#e5e7e9"/>'
                   f'<text x="{x(at):.1f}" y="{y(0) + 16:.1f}" text-anchor="middle">{at:g}</text>')
    for count in sorted({0, hosts // 4, hosts // 2, hosts * 3 // 4, hosts}):
        out.append(f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y(count):.1f}" y2="{y(count):.1f}" stroke="#e5e7e9"/>'
                   f'<text x="{LEFT - 6}" y="{y(count) + 4:.1f}" text-anchor="end">{count}</text>')
    out.append(f'<text x="{(LEFT + WIDTH - RIGHT) / 2}" y="{HEIGHT - 8}" text-anchor="middle">seconds</text>')
    out.append(f'<text x="14" y="{HEIGHT / 2}" transform="rotate(-90 14 {HEIGHT / 2})" text-anchor="middle">'
               f'hosts that have all of it</text>')
    return out


def _line(name, seconds, number, span, x, y):
    done = sorted(s for s in seconds if s is not None)
    points = [(x(0), y(0))]
    for count, at in enumerate(done, 1):
        if at > span:
            break
        points += [(x(at), y(count - 1)), (x(at), y(count))]
    points.append((x(span if len(done) < len(seconds) or done[-1] > span else done[-1]), points[-1][1]))
    path = " ".join(f"{px:.1f},{py:.1f}" for px, py in points)
    colour = COLOURS.get(name, "#000000")
    last = f"{done[-1]:.2f} s" if done and len(done) == len(seconds) else f"{len(seconds) - len(done)} never"
    label_y = TOP + 14 + 20 * number
    return [f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>',
            f'<line x1="{WIDTH - RIGHT + 10}" x2="{WIDTH - RIGHT + 28}" y1="{label_y - 4}" y2="{label_y - 4}" '
            f'stroke="{colour}" stroke-width="3"/>'
            f'<text x="{WIDTH - RIGHT + 34}" y="{label_y}">{html.escape(name)} {last}</text>']


def plot(result, bound_in_copies, median_plain):
    """The SVG of one scenario's result."""
    by_name = {}
    for trial in result["trials"]:
        by_name.setdefault(trial["contender"], []).append(trial)
    chosen = {name: chosen_run(trials) for name, trials in by_name.items()}
    lines = {name: trial["seconds"] for name, trial in chosen.items() if trial}
    scenario = result["scenario"]
    return svg(scenario.what, len(scenario.counted()), {"bound": median_plain * bound_in_copies}, lines)
