"""The conda recipe asks for what pyproject.toml asks for, and its own check finds what is wrong."""

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
RECIPE = yaml.safe_load((ROOT / "recipe" / "recipe.yaml").read_text())
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
PROJECT = PYPROJECT["project"]
#: Packages that conda-forge calls otherwise.
CONDA_NAMES = {"matplotlib": "matplotlib-base"}


def as_conda(requirement: str) -> str:
    """A requirement of pip as conda writes it."""
    name, bounds = re.fullmatch(r"([\w.-]+)(?:\[\w+\])?(.*)", requirement).groups()
    return f"{CONDA_NAMES.get(name, name).lower()} {bounds}".strip()


def test_it_requires_what_the_wheel_requires():
    needs = RECIPE["requirements"]
    assert needs["run"] == ["python", *map(as_conda, PROJECT["dependencies"])]
    extras = PROJECT["optional-dependencies"]
    for_users = [need for name in extras.keys() - {"test", "docs", "dev"} for need in extras[name]]
    assert sorted(needs["run_constraints"]) == sorted(map(as_conda, for_users))
    (maturin,) = PYPROJECT["build-system"]["requires"]
    assert needs["host"] == ["python", "pip", as_conda(maturin)]


def test_it_is_for_the_same_pythons():
    at_least = PROJECT["requires-python"].removeprefix(">=")
    assert RECIPE["build"]["skip"] == f'match(python, "<{at_least}")'
    variants = yaml.safe_load((ROOT / "recipe" / "variants.yaml").read_text())
    pythons = [python.split(".*")[0] for python in variants["python"]]
    named = "Programming Language :: Python :: "
    assert [f"{named}{python}" for python in pythons] == [
        line for line in PROJECT["classifiers"] if re.fullmatch(rf"{named}3\.\d+", line)
    ]


def test_it_says_what_the_wheel_says():
    version = tomllib.loads((ROOT / "Cargo.toml").read_text())["workspace"]["package"]["version"]
    assert RECIPE["context"]["version"] == version
    about = RECIPE["about"]
    assert (about["summary"], about["license"]) == (PROJECT["description"], PROJECT["license"])
    assert about["homepage"] == about["documentation"] == PROJECT["urls"]["Documentation"]
    assert about["repository"] == PROJECT["urls"]["Source"]


@pytest.mark.parametrize(
    ("right", "wrong", "message"),
    [
        ("license: BSD-3-Clause", "licence: BSD-3-Clause", "unknown field 'licence'"),
        ("license: BSD-3-Clause", "license: BSD-9", "spdx"),
        ("    - LICENSE\n", "    - LICENCE\n", "license file LICENCE is not there"),
        ("    - rich >=13\n", "    - rich >=13\n    - rich\n", "run names rich twice"),
        ("    - cargo-bundle-licenses\n", "", "not bundled"),
    ],
)
def test_its_check_finds_what_is_wrong(right, wrong, message, tmp_path):
    pytest.importorskip("rattler_build", reason="pip install py-rattler-build")
    shutil.copytree(ROOT / "recipe", tmp_path / "recipe")
    (tmp_path / "LICENSE").touch()
    path = tmp_path / "recipe" / "recipe.yaml"

    def check() -> subprocess.CompletedProcess[str]:
        command = [sys.executable, str(tmp_path / "recipe" / "check.py")]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    assert check().returncode == 0
    text = path.read_text()
    assert text.count(right) == 1
    path.write_text(text.replace(right, wrong))
    done = check()
    assert done.returncode == 1
    assert message in done.stderr
