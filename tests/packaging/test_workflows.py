"""The workflows are what their schema says, and build for all systems that the README names."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from romancal_rs import cli

ROOT = Path(__file__).parents[2]
WORKFLOWS = ROOT / ".github" / "workflows"


def commands() -> list[str]:
    """The lines that workflows run, of all jobs."""
    found = []
    for path in sorted(WORKFLOWS.glob("*.yml")):
        for job in yaml.safe_load(path.read_text())["jobs"].values():
            for step in job["steps"]:
                found += step.get("run", "").splitlines()
    return found


def test_they_fit_the_schema():
    # The schema comes with the package: no network.
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema"]
    command += ["vendor.github-workflows", *map(str, sorted(WORKFLOWS.glob("*.yml")))]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_schema_is_looked_at(tmp_path):
    wrong = tmp_path / "wrong.yml"
    wrong.write_text("on: push\njobs: {a: {runs-on: ubuntu-latest, steps: 3}}\n")
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema"]
    done = subprocess.run([*command, "vendor.github-workflows", str(wrong)], capture_output=True)
    assert done.returncode == 1


def test_wheels_are_built_for_every_system():
    jobs = yaml.safe_load((WORKFLOWS / "wheels.yml").read_text())["jobs"]
    targets = {entry["target"] for entry in jobs["wheel"]["strategy"]["matrix"]["include"]}
    systems = ("unknown-linux-gnu", "apple-darwin", "pc-windows-msvc")
    assert targets == {f"{cpu}-{name}" for cpu in ("x86_64", "aarch64") for name in systems}


def test_what_they_make_is_in_the_makefile():
    makefile = (ROOT / "Makefile").read_text()
    targets = [line.split()[1] for line in commands() if line.startswith("make ")]
    assert {"docs", "lint-recipe", "test", "test-lowest"} <= set(targets)
    for target in targets:
        assert re.search(rf"^{target}:", makefile, flags=re.MULTILINE), target


def test_the_gate_is_run():
    assert ".ci/run" in commands()


def test_the_container_is_tried_by_commands_that_work(tmp_path, monkeypatch, capsys):
    pytest.importorskip("matplotlib")
    monkeypatch.chdir(tmp_path)
    tried = [shlex.split(line)[1:] for line in commands() if line.startswith("run ")]
    assert [words[0] for words in tried] == ["simulate", "calibrate", "show"]
    for words in tried:
        assert cli.main(words) == 0, capsys.readouterr().err
    (made,) = [line.split()[-1] for line in commands() if line.startswith("test -s ")]
    assert (tmp_path / Path(made).name).stat().st_size > 0


def test_changes_of_what_is_packed_start_the_packages():
    workflow = yaml.safe_load((WORKFLOWS / "packages.yml").read_text())
    # YAML 1.1 takes "on" for true.
    for pattern in workflow[True]["pull_request"]["paths"]:
        assert list(ROOT.glob(pattern)), pattern


def test_only_the_job_that_publishes_may_do_more_than_read():
    for path in WORKFLOWS.glob("*.yml"):
        workflow = yaml.safe_load(path.read_text())
        assert workflow["permissions"] == {"contents": "read"}
        for name, job in workflow["jobs"].items():
            expected = {"id-token": "write"} if name == "publish" else None
            assert job.get("permissions") == expected
