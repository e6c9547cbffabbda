"""The hooks before a commit are the commands of `make lint`, which the gate runs."""

import re
import subprocess
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
CONFIG = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())
HOOKS = [hook for repository in CONFIG["repos"] for hook in repository["hooks"]]


def made_by(target: str) -> list[str]:
    """The commands of a target of the Makefile."""
    makefile = (ROOT / "Makefile").read_text().replace("\\\n", " ")
    recipe = re.search(rf"^{target}:.*\n((?:\t.*\n)+)", makefile, flags=re.MULTILINE)[1]
    return [line.strip().replace("$(BIN)", ".venv/bin") for line in recipe.splitlines()]


def test_they_run_what_the_gate_runs():
    assert [hook["entry"] for hook in HOOKS] == made_by("lint")
    assert "make lint" in (ROOT / ".ci" / "run").read_text().splitlines()


def test_they_come_from_this_repository_alone():
    """Tools of other versions than the gate's would say other things."""
    assert {repository["repo"] for repository in CONFIG["repos"]} == {"local"}
    assert {hook["language"] for hook in HOOKS} == {"system"}


@pytest.mark.parametrize("hook", HOOKS, ids=lambda hook: hook["id"])
def test_each_is_of_files_that_there_are(hook):
    """A pattern that no file fits would never run its hook."""
    listed = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    pattern = hook.get("files") or {"rust": r"\.rs$"}[hook["types"][0]]
    assert any(re.search(pattern, name) for name in listed.stdout.splitlines())
    # All of what the command looks at is told by no name of a file.
    assert hook["pass_filenames"] is False
