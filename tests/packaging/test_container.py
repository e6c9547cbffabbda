"""The container is made of files that are there, and says what the package says."""

import json
import re
import shlex
import subprocess
import tomllib
from fnmatch import fnmatch
from pathlib import Path

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
WORKSPACE = tomllib.loads((ROOT / "Cargo.toml").read_text())["workspace"]["package"]


def stages() -> list[list[tuple[str, str]]]:
    """The instructions of each stage: their names, and the rest of their lines."""
    text = (ROOT / "Containerfile").read_text().replace("\\\n", " ")
    found: list[list[tuple[str, str]]] = [[]]
    for line in text.splitlines():
        if line and not line.startswith("#"):
            name, rest = line.split(maxsplit=1)
            if name == "FROM":
                found.append([])
            found[-1].append((name, rest))
    return found[1:]


def of(stage: list[tuple[str, str]], name: str) -> list[str]:
    return [rest for instruction, rest in stage if instruction == name]


BUILD, RUN = stages()


def test_what_it_copies_is_there_and_goes_to_the_engine():
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    kept = {line.removeprefix("!") for line in ignored if line.startswith("!")}
    copied = {source for rest in of(BUILD, "COPY") for source in shlex.split(rest)[:-1]}
    assert copied == kept
    listed = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    tracked = listed.stdout.split()
    for source in copied:
        assert any(name == source or fnmatch(name, f"{source}/*") for name in tracked), source
    # What the build names must be part of it.
    assert {"Cargo.lock", "rust", "python", PROJECT["readme"], *PROJECT["license-files"]} <= copied


def test_it_has_the_oldest_rust_and_a_python_that_is_tried():
    (built_from,) = of(BUILD, "FROM")
    assert re.search(r"/rust:([\d.]+)-", built_from)[1] == WORKSPACE["rust-version"]
    text = (ROOT / "Containerfile").read_text()
    python = re.search(r"^ARG PYTHON=([\d.]+)$", text, flags=re.MULTILINE)[1]
    assert f"Programming Language :: Python :: {python}" in PROJECT["classifiers"]
    assert of(RUN, "FROM")[0].startswith("docker.io/library/python:${PYTHON}-slim-")


def test_it_runs_the_command_as_a_user_without_rights():
    (user,) = of(RUN, "USER")
    assert any(rest.endswith(f" {user}") and "useradd" in rest for rest in of(RUN, "RUN"))
    (entry,) = of(RUN, "ENTRYPOINT")
    assert json.loads(entry) == list(PROJECT["scripts"])


def test_it_installs_the_wheel_with_extras_that_there_are():
    (extras,) = re.findall(r"\*\.whl\)\[([\w,]+)\]", " ".join(of(RUN, "RUN")))
    assert set(extras.split(",")) <= PROJECT["optional-dependencies"].keys()


def test_its_labels_say_what_the_package_says():
    (text,) = of(RUN, "LABEL")
    labels = dict(
        part.removeprefix("org.opencontainers.image.").split("=", 1) for part in shlex.split(text)
    )
    assert labels == {
        "title": PROJECT["name"],
        "description": PROJECT["description"],
        "source": PROJECT["urls"]["Source"],
        "documentation": PROJECT["urls"]["Documentation"],
        "licenses": PROJECT["license"],
    }
