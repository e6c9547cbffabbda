"""What of the pages does not run as it stands, and why: there is no other exception."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from pathlib import Path

from .blocks import Block

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Elsewhere:
    """Blocks that another test covers, or that are no code."""

    pages: str
    """A regular expression for the names of pages."""
    languages: tuple[str, ...]
    containing: str
    """A part of the text of such blocks; empty for all."""
    why: str
    """The reason, with the name of the test."""

    def covers(self, block: Block) -> bool:
        return (
            re.fullmatch(self.pages, block.page) is not None
            and block.language in self.languages
            and self.containing in block.text
        )


BLOCKS = (
    Elsewhere(
        "CONTRIBUTING.md",
        ("rust", "python", "text"),
        "",
        "tests/packaging/test_walk.py makes these edits in a copy, builds it and runs its tests",
    ),
    Elsewhere(
        "explanation/estimator.md",
        ("text",),
        "",
        "formulas: tests/unit/test_likelihood_fit.py holds the fit against them with full matrices",
    ),
    Elsewhere(
        "how-to/fits.md",
        ("python",),
        "from jdaviz import Imviz",
        "jdaviz brings 200 packages: tests/unit/test_jdaviz.py does this (make test-jdaviz)",
    ),
    Elsewhere(
        "how-to/coming-from-romancal.md",
        ("text",),
        "B  theirs/",
        "needs romancal 1.1.0: tests/validation/later_peer.py makes both products",
    ),
    Elsewhere(
        "how-to/coming-from-romancal.md",
        ("python",),
        "from romancal.source_catalog import",
        "needs romancal 1.1.0: tests/validation/later_peer.py does this",
    ),
)

#: Commands by their first words, and why they do not run.
COMMANDS = {
    "pip install": "needs the network; tests/packaging/test_wheel.py installs the wheel so",
    "python3 -m pip install": "as pip install",
    "python -m pip install": "as pip install",
    "uv pip install": "as pip install",
    "python3 -m venv": "tests/packaging/test_wheel.py makes an environment so",
    "python -m venv": "as python3 -m venv",
    "source .venv/bin/activate": "changes the shell of the reader only",
    ". .venv/bin/activate": "changes the shell of the reader only",
    "conda": "needs the network; the workflow builds the recipe",
    "mamba": "as conda",
    "docker": "needs a daemon; the workflow builds and runs the image",
    "podman": "as docker",
    "git clone": "needs the network",
    "ds9": "a program with a window, of others; tests/unit/test_fits_export.py reads the file",
    "jupyter": "opens a browser; tests/docs/test_tutorials.py runs the notebooks",
}


def why_not_run(command: str) -> str:
    """Why a command does not run here; empty where it does. What it asks pip for must exist."""
    for beginning, why in COMMANDS.items():
        if command.split()[: len(beginning.split())] == beginning.split():
            for extras in re.findall(r"romancal-rs\[([\w,]+)\]", command):
                known = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
                assert set(extras.split(",")) <= known["optional-dependencies"].keys(), command
            return why
    return ""
