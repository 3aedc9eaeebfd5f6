#!/usr/bin/python3
"""A checker that lets everything pass would pass too: each rule is broken here once."""

import pathlib
import subprocess
import sys
import tempfile
import unittest

CHECKER = pathlib.Path(__file__).with_name("check_layers.py")
HEADER = "#pragma once\n"


def check(files):
    """Exit status and output of the checker on a tree of these files."""
    with tempfile.TemporaryDirectory(prefix="murder-layers-") as root:
        (pathlib.Path(root) / "src").mkdir()
        for name, text in files.items():
            path = pathlib.Path(root) / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        done = subprocess.run([sys.executable, str(CHECKER), root], capture_output=True, text=True,
                              check=False)
        return done.returncode, done.stdout


class CheckLayers(unittest.TestCase):
    def assert_passes(self, files):
        self.assertEqual(check(files), (0, ""))

    def assert_fails(self, files, violation):
        self.assertEqual(check(files), (1, violation + "\n"))

    def test_downward_and_own_includes_pass(self):
        self.assert_passes({
            "src/main.cpp": '#include "cli/run.hpp"\n',
            "src/cli/run.hpp": HEADER + '#include "node/peer.hpp"\n#include "cli/flags.hpp"\n',
            "src/node/peer.cpp": '#include <vector>\n#include "base/units.hpp"\n',
            "src/net/http.cpp": "#include <boost/beast/http.hpp>\n",
            "src/net/http_exchange.hpp": HEADER + "#include <boost/beast/http.hpp>\n",
            "src/tls/tls.cpp": '#include "net/http_exchange.hpp"\n',
            "tests/base/units_test.cpp": '#include "cli/run.hpp"\n#include "support.hpp"\n',
        })

    def test_higher_floor(self):
        self.assert_fails(
            {"src/base/units.cpp": '#include <vector>\n\n#include "net/http.hpp"\n'},
            'src/base/units.cpp:3: base (floor 0) may not include "net/http.hpp" (floor 2)')

    def test_same_floor(self):
        self.assert_fails(
            {"src/swarm/engine.hpp": HEADER + '  #  include "tracker/registry.hpp"\n'},
            'src/swarm/engine.hpp:2: swarm (floor 2) may not include "tracker/registry.hpp"'
            " (floor 2)")

    def test_include_after_a_comment_counts_and_inside_one_does_not(self):
        self.assert_fails(
            {"src/base/a.cpp": '/* #include "cli/a.hpp"\n#include "cli/b.hpp" */\n'
                               '#include "cli/c.hpp"\n'},
            'src/base/a.cpp:3: base (floor 0) may not include "cli/c.hpp" (floor 6)')

    def test_angle_brackets_are_no_way_around(self):
        self.assert_fails({"src/base/a.cpp": "#include <cli/run.hpp>\n"},
                          "src/base/a.cpp:1: <cli/run.hpp> is ours: write it in quotes")

    def test_relative_path_is_no_way_around(self):
        self.assert_fails({"src/base/a.cpp": '#include "../cli/run.hpp"\n'},
                          'src/base/a.cpp:1: "../cli/run.hpp" names no folder of src/')

    def test_folder_without_a_floor(self):
        self.assert_fails({"src/attic/a.cpp": "\n"}, "src/attic/a.cpp:1: folder src/attic has no floor")

    def test_beast_in_a_header_of_net(self):
        self.assert_fails(
            {"src/net/http.hpp": HEADER + "#include <boost/beast/core.hpp>\n"},
            "src/net/http.hpp:2: Boost.Beast is for src/net/*.cpp and net/http_exchange.hpp alone")

    def test_beast_elsewhere(self):
        for name in ("src/node/a.cpp", "src/tls/a.cpp", "src/main.cpp", "tests/net/http_test.cpp", "fuzz/a.cpp"):
            with self.subTest(name):
                self.assert_fails({name: "#include <boost/beast.hpp>\n"},
                                  f"{name}:1: Boost.Beast is for src/net/*.cpp and net/http_exchange.hpp alone")

    def test_the_header_that_brings_beast(self):
        for name, begin in (("src/node/a.cpp", ""), ("src/net/a.hpp", HEADER)):
            with self.subTest(name):
                self.assert_fails(
                    {name: begin + '#include "net/http_exchange.hpp"\n'},
                    f"{name}:{2 if begin else 1}: net/http_exchange.hpp brings Boost.Beast: for"
                    " src/net/*.cpp and src/tls/*.cpp")

    def test_header_without_pragma_once(self):
        for name in ("src/base/a.hpp", "tests/base/a.hpp", "bench/a.hpp"):
            with self.subTest(name):
                self.assert_fails({name: "// #pragma once\n"},
                                  f"{name}:1: a header without #pragma once")

    def test_no_tree_to_check(self):
        with tempfile.TemporaryDirectory() as empty:
            done = subprocess.run([sys.executable, str(CHECKER), empty], capture_output=True,
                                  text=True, check=False)
        self.assertEqual(done.returncode, 2)


if __name__ == "__main__":
    unittest.main()
