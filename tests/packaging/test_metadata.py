"""What pyproject.toml, CITATION.cff and the README say of the package agrees, and is so."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
WORKSPACE = tomllib.loads((ROOT / "Cargo.toml").read_text())["workspace"]["package"]
CITATION = yaml.safe_load((ROOT / "CITATION.cff").read_text())
README = (ROOT / "README.md").read_text()


def classified(beginning: str) -> set[str]:
    """What follows a beginning in the classifiers."""
    found = [line for line in PROJECT["classifiers"] if line.startswith(f"{beginning} :: ")]
    return {line.removeprefix(f"{beginning} :: ") for line in found}


def test_the_citation_fits_its_schema():
    # The schema comes with the package: no network.
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema"]
    command += ["vendor.citation-file-format", str(ROOT / "CITATION.cff")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_citation_says_what_the_package_says():
    assert CITATION["title"] == PROJECT["name"]
    assert CITATION["version"] == WORKSPACE["version"]
    assert CITATION["license"] == PROJECT["license"] == WORKSPACE["license"]
    assert CITATION["abstract"] == PROJECT["description"]
    assert CITATION["keywords"] == PROJECT["keywords"]
    assert CITATION["authors"] == PROJECT["authors"]
    assert CITATION["repository-code"] == PROJECT["urls"]["Source"]
    assert CITATION["url"] == PROJECT["urls"]["Documentation"]


def test_addresses_lie_within_the_repository():
    source = PROJECT["urls"]["Source"]
    assert PROJECT["urls"].keys() == {"Documentation", "Source", "Issues", "Changelog"}
    assert PROJECT["urls"]["Issues"].startswith(f"{source}/")
    assert PROJECT["urls"]["Changelog"] == f"{source}/blob/main/CHANGELOG.md"


def test_pythons_that_are_named_are_those_that_are_tried():
    jobs = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text())["jobs"]
    (lowest,) = [step["with"]["python-version"] for step in jobs["gate"]["steps"] if "with" in step]
    tried = {lowest, *jobs["newest"]["strategy"]["matrix"]["python"]}
    assert classified("Programming Language :: Python") == {"3", "3 :: Only", *tried}
    assert PROJECT["requires-python"] == f">={lowest}"
    assert f"Python {lowest} or later" in README


def test_systems_that_are_named_are_those_with_wheels():
    jobs = yaml.safe_load((ROOT / ".github/workflows/wheels.yml").read_text())["jobs"]
    matrix = jobs["wheel"]["strategy"]["matrix"]["include"]
    names = {"linux": "POSIX :: Linux", "darwin": "MacOS", "windows": "Microsoft :: Windows"}
    built = {names[entry["target"].split("-")[2]] for entry in matrix}
    assert classified("Operating System") == built


def test_the_licence_is_no_classifier():
    """PyPI refuses one beside an SPDX expression."""
    assert classified("License") == set()


def test_the_readme_says_the_version_and_the_state():
    assert f"Version {WORKSPACE['version']}, beta" in README
    assert classified("Development Status") == {"4 - Beta"}
    assert f"Rust {WORKSPACE['rust-version']} or later" in README


def test_the_readme_tells_the_numbers_of_the_measurements():
    """Seconds and memory beside romancal, and the width of pulls, as the pages it links to."""
    (fast,) = re.findall(r"^- \*\*Fast\*\*: .*?(?=^- )", README, flags=re.DOTALL | re.MULTILINE)
    seconds, memory, of_peer, memory_of_peer = re.findall(r"([\d.]+) (?:s|GB)\b", fast)
    measured = (ROOT / "docs/explanation/performance.md").read_text()
    peer = re.search(r"^\| romancal 1\.1\.0 \| ([\d.]+) \| [\d.]+ \| (\d+) \|$", measured, re.M)
    ours = re.search(
        r"^\| romancal-rs, 2 threads.*? \| ([\d.]+) \| [\d.]+ \| (\d+) \|$", measured, re.M
    )
    assert (seconds, memory) == (ours[1], f"{int(ours[2]) / 1000:.1f}")
    assert (of_peer, memory_of_peer) == (f"{float(peer[1]):.0f}", f"{int(peer[2]) / 1000:.1f}")
    (right,) = re.findall(r"^- \*\*Right\*\*: .*?(?=\n\n)", README, flags=re.DOTALL | re.MULTILINE)
    validated = (ROOT / "docs/explanation/validation.md").read_text()

    def widths(who: str) -> list[str]:
        (row,) = re.findall(rf"^\| {who} \| (.*) \|$", validated, flags=re.MULTILINE)[:1]
        return [f"{float(cell.split(', ')[1]):.2f}" for cell in row.split(" | ")]

    said = re.findall(r"\d\.\d\d\b", right)
    assert said == widths("romancal-rs, flight recipe") == widths("romancal 1.1.0, `likely`")


def test_the_picture_of_the_readme_is_there_and_small():
    (picture,) = re.findall(r"!\[.*?\]\((.*?)\)", README, flags=re.DOTALL)
    assert (ROOT / picture).stat().st_size < 150_000


def test_the_readme_is_short():
    """Two screens."""
    assert len(README.splitlines()) <= 110
