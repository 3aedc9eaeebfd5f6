#!/usr/bin/python3
"""Keeps the floors of src/: a folder includes folders on floors below its own, nothing else.

    check_layers.py ROOT      one line on stdout for each violation; exit status 1 if there is any

Also checked: Boost.Beast is included by src/net/*.cpp and src/net/http_exchange.hpp alone, and that
by src/net/*.cpp and src/tls/*.cpp alone (Beast triples the build time of whatever includes it), and
every header has #pragma once.
"""

import pathlib
import re
import sys

FLOORS = {
    "base": 0,
    "events": 1, "bittorrent": 1, "release": 1, "orders": 1,
    "swarm": 2, "tracker": 2, "net": 2,
    "host": 3, "lab": 3, "tls": 3,
    "node": 4, "sim": 4,
    "agent": 5, "fleet": 5,
    "cli": 6,
}
BEAST_HEADER = "net/http_exchange.hpp"
ROOF = 7  # main.cpp and whatever else lies in src/ itself

SOURCE_FOLDERS = ("src", "tests", "fuzz", "bench")
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]', re.MULTILINE)
PRAGMA_ONCE = re.compile(r"^\s*#\s*pragma\s+once\b", re.MULTILINE)
COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)


def includes(text):
    """(line number, the bracket, what is included) of each #include outside of /* */."""
    blanked = COMMENT.sub(lambda match: re.sub(r"[^\n]", " ", match.group()), text)
    for match in INCLUDE.finditer(blanked):
        yield blanked.count("\n", 0, match.start(2)) + 1, match.group(1), match.group(2)


def check_file(path, text):
    """Violations in one file; `path` is relative to the root."""
    parts = path.parts
    if path.suffix == ".hpp" and not PRAGMA_ONCE.search(text):
        yield f"{path}:1: a header without #pragma once"

    in_src = parts[0] == "src"
    own = parts[1] if in_src and len(parts) > 2 else None
    if own is not None and own not in FLOORS:
        yield f"{path}:1: folder src/{own} has no floor"
        return
    floor = FLOORS[own] if own is not None else ROOF

    for line, bracket, target in includes(text):
        where = f"{path}:{line}"
        is_source = in_src and path.suffix == ".cpp"
        if target.startswith("boost/beast"):
            if not (is_source and own == "net") and path.as_posix() != "src/" + BEAST_HEADER:
                yield f"{where}: Boost.Beast is for src/net/*.cpp and {BEAST_HEADER} alone"
        if target == BEAST_HEADER and not (is_source and own in ("net", "tls")):
            yield f"{where}: {BEAST_HEADER} brings Boost.Beast: for src/net/*.cpp and src/tls/*.cpp"
        if not in_src:
            continue
        folder = target.split("/", 1)[0] if "/" in target else None
        if folder in FLOORS and bracket == "<":
            yield f"{where}: <{target}> is ours: write it in quotes"
        elif bracket == '"' and folder not in FLOORS:
            yield f'{where}: "{target}" names no folder of src/'
        elif bracket == '"' and folder != own and FLOORS[folder] >= floor:
            yield (f"{where}: {own} (floor {floor}) may not include "
                   f'"{target}" (floor {FLOORS[folder]})')


def check_tree(root):
    found = []
    for top in SOURCE_FOLDERS:
        for path in sorted((root / top).rglob("*.[ch]pp")):
            text = path.read_text(encoding="utf-8")
            found += check_file(path.relative_to(root), text)
    return found


def main(arguments):
    if len(arguments) != 1 or not (pathlib.Path(arguments[0]) / "src").is_dir():
        print(__doc__, file=sys.stderr)
        return 2
    found = check_tree(pathlib.Path(arguments[0]))
    for violation in found:
        print(violation)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
