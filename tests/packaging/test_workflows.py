"""The workflows are what their schema says, and build for all systems that the README names."""

import subprocess
import sys
from pathlib import Path

import yaml

WORKFLOWS = Path(__file__).parents[2] / ".github" / "workflows"


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


def test_only_the_job_that_publishes_may_do_more_than_read():
    for path in WORKFLOWS.glob("*.yml"):
        workflow = yaml.safe_load(path.read_text())
        assert workflow["permissions"] == {"contents": "read"}
        for name, job in workflow["jobs"].items():
            expected = {"id-token": "write"} if name == "publish" else None
            assert job.get("permissions") == expected
