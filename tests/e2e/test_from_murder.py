"""docs/from-murder.md: every row names tests that there are. And of the faults of Murder that one which
no other test is about.
"""

import re

import pytest

from conftest import REPOSITORY

PAGES = [REPOSITORY / "docs/from-murder.md", REPOSITORY / "docs/copy.md"]
TASKS = ["distribute_files", "start_tracker", "stop_tracker", "create_torrent", "download_torrent",
         "start_seeding", "stop_seeding", "stop_all_seeding", "peer", "stop_peering",
         "stop_all_peering", "clean_temp_files"]
VARIABLES = ["default_tag", "default_seeder_files_path", "default_destination_path",
             "default_temp_path", "remote_murder_path", "tracker_port"]
ROLES = ["tracker", "seeder", "peer", "no_release: true"]
OPTIONS = ["tag", "files_path", "destination_path", "temp_path", "path_is_file", "no_tag_directory",
           "unsafe_please_delete", "do_not_download_torrent"]


def tables():
    """{heading: its rows, each as a list of cells, without the row of headings}"""
    found = {}
    heading = None
    for line in "\n".join(page.read_text(encoding="utf-8") for page in PAGES).splitlines():
        if line.startswith("## "):
            heading = line[3:]
        elif line.startswith("|") and heading:
            cells = [cell.strip() for cell in line.strip("|").split("|")]
            found.setdefault(heading, []).append(cells)
    return {heading: rows[2:] for heading, rows in found.items()}


def exists(name):
    """A test by its name: FILE::TEST, or as ctest calls a unit test, FOLDER.Suite.test."""
    file, separator, test = name.partition("::")
    if separator:
        folders = [REPOSITORY / "tests/e2e", REPOSITORY / "integrations/capistrano/test"]
        return any(re.search(rf"^\s*def {re.escape(test)}\b", (folder / file).read_text("utf-8"),
                             re.MULTILINE)
                   for folder in folders if (folder / file).is_file())
    folder, suite, test = name.split(".")
    pattern = rf"^TEST(_F|_P)?\({re.escape(suite)}, {re.escape(test)}\)"
    return any(re.search(pattern, source.read_text("utf-8"), re.MULTILINE)
               for source in (REPOSITORY / "tests" / folder).glob("*_test.cpp"))


def test_every_row_names_tests_that_there_are():
    missing = []
    for heading, rows in tables().items():
        for row in rows:
            names = re.findall(r"`([^`]+)`", row[-1])
            if not names:
                missing.append(f"{heading}: no test at {row[0]}")
            missing += [f"{heading}: {row[0]}: {name}" for name in names if not exists(name)]
    assert not missing, "\n".join(missing)


@pytest.mark.parametrize("heading, names", [
    ("Tasks", [f"murder:{task}" for task in TASKS]), ("Variables", VARIABLES), ("Roles", ROLES),
    ("Options of the tasks", OPTIONS)])
def test_everything_that_murder_had_has_a_row(heading, names):
    rows = [re.search(r"`([^`]+)`", row[0]).group(1) for row in tables()[heading]]
    assert set(names) <= set(rows)


def test_a_name_that_is_none_is_noticed():
    assert not exists("test_from_murder.py::test_of_dreams")
    assert not exists("test_dreams.py::test_of_dreams")
    assert not exists("swarm.Announcer.dreams")
    assert exists("swarm.Announcer.one_failed_announce_does_not_end_it")


def test_nothing_is_capped_that_nobody_asked_to_cap(run):
    """BitTornado sent and took 10 MiB/s at most. In virtual time, so that no machine is too slow."""
    summary = run("simulate", "--hosts", "4", "--size", "1GiB", "--link", "10Gbit", "--json",
                  timeout=300).events("summary")[-1]
    assert 2**30 / summary["last_seconds"] > 100 * 2**20, summary
