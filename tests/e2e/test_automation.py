"""The examples of docs/automation.md do what they say: run as they stand, against real hosts."""

import re
import shutil
import subprocess

import pytest

from conftest import REPOSITORY
from test_deploy import OnFleet, live

TEXT = (REPOSITORY / "docs/automation.md").read_text(encoding="utf-8")
PROGRAMS = {"sh": "sh", "python": "/usr/bin/python3", "ruby": "ruby"}


def examples(language):
    return re.findall(rf"^```{language}\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)


def test_each_program_deploys_and_tells_a_failure(fleet_lab, static_binary, folder, murder):
    lab = fleet_lab(hosts=2)
    here = folder / "here"
    (here / "build").mkdir(parents=True)
    (here / "bin").mkdir()
    (here / "bin/murder").symlink_to(murder)
    environment = {**OnFleet(static_binary).env(lab), "PATH": f"{here}/bin:/usr/bin:/bin:/usr/sbin:/sbin"}
    for number, (language, program) in enumerate(PROGRAMS.items()):
        if shutil.which(program) is None:
            continue
        script = examples(language)[0]
        (here / "example").write_text(script)
        (here / "build/version").write_text(str(number))

        def run_example(hosts):
            (here / "fleet.txt").write_text("\n".join(hosts) + "\n")
            return lab.start_program(program, here / "example", env=environment, cwd=here).wait()

        result = run_example(["host-01", "host-02"])
        assert result.status == 0, result
        assert {(host.dest / "current/version").read_text() for host in lab.hosts} == {str(number)}
        assert all(live(host) for host in lab.hosts)
        result = run_example(["host-01", "host-09"])
        assert result.status == 3, result
        if language != "sh":
            assert "host-09: " in result.err, result


def test_what_is_copied_from_python(fleet_lab, static_binary, folder, murder):
    lab = fleet_lab(hosts=2)
    (folder / "bin").mkdir()
    (folder / "bin/murder").symlink_to(murder)
    (folder / "model.bin").write_bytes(b"model")
    calls = """
print(copy("model.bin", "/srv/models/", ["host-01", "host-02"]))
print(sorted(copy("model.bin", "/srv/models/", ["host-01", "host-09"])))
try:
    copy("no.bin", "/srv/models/", ["host-01"])
except subprocess.CalledProcessError as error:
    print(error.returncode)
"""
    (folder / "example").write_text(examples("python")[1] + calls)
    result = lab.start_program(PROGRAMS["python"], folder / "example", cwd=folder, env={
        **OnFleet(static_binary).env(lab), "PATH": f"{folder}/bin:/usr/bin:/bin:/usr/sbin:/sbin"}).wait()
    assert result.out.splitlines() == ["{}", "['host-09']", "2"], result
    assert [(host.disk / "models/model.bin").read_bytes() for host in lab.hosts] == [b"model", b"model"]


def test_the_other_examples_are_yaml():
    ruby = shutil.which("ruby")
    if ruby is None:
        pytest.skip("ruby is not installed")
    found = examples("yaml")
    assert len(found) == 2
    for text in found:
        subprocess.run([ruby, "-ryaml", "-e", "YAML.load(STDIN.read)"], input=text, text=True, check=True, timeout=60)
