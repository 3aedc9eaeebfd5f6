"""./dev bench clients: what each client of another make costs murder's peers, and gets: the rows of
tests/e2e/test_client_matrix.py with a payload that takes long enough to be measured.
"""

import os
import pathlib
import re
import statistics
import subprocess

TEST = pathlib.Path(__file__).resolve().parents[1] / "tests/e2e/test_client_matrix.py"
UNSCALED = 6_000_000  # bytes that the tests use by themselves
FIGURE = re.compile(r"^(.+): (\d+\.\d+) of the limit$", re.MULTILINE)
CLIENTS = ("libtorrent", "aria2", "transmission", "ctorrent")
ROWS = {"leeches": "fetches_from_our_seeder", "seeds": "seeds_to_our_peers", "eight": "one_of_eight"}


class MatrixError(Exception):
    pass


def measure(murder, size, runs, only, clients, say):
    """{what: [its ratio to the limit in each run]}; `clients`: their names, none for all."""
    which = f" and ({' or '.join(clients)})" if clients else ""
    figures = {}
    for run in range(runs):
        for row in only:
            ended = subprocess.run(
                ["/usr/bin/python3", "-B", "-m", "pytest", "-q", "-p", "no:cacheprovider", "-rP", "-k", ROWS[row] + which, TEST],
                env={**os.environ, "MURDER_BINARY": str(murder), "MURDER_E2E_SCALE": str(size / UNSCALED)},
                capture_output=True, text=True, timeout=1800, check=False)
            if ended.returncode != 0:
                raise MatrixError(f"{row}: {ended.stdout[-2000:]}{ended.stderr[-500:]}")
            for what, ratio in FIGURE.findall(ended.stdout):
                figures.setdefault(what, []).append(float(ratio))
                say(f"run {run + 1}: {what}: {ratio}")
    if not figures:
        raise MatrixError("none of the clients is here")
    return figures


def markdown(figures, size):
    """A table, and what it is of."""
    lines = [f"{size / (1 << 20):.0f} MiB, each host on 40 Mbit/s; the limit is one plain copy over such a link.", "",
             "| | ÷ limit, median | |", "|---|---|---|"]
    for what, ratios in figures.items():
        spread = f"{min(ratios):.2f} to {max(ratios):.2f}" if len(ratios) > 1 else ""
        lines.append(f"| {what} | {statistics.median(ratios):.2f} | {spread} |")
    return "\n".join(lines)
