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
        "formulas: rust/src/kernels/likelihood/tests holds the fit against them with full matrices",
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

#: Commands, by a regular expression for their beginning, and why they do not run.
COMMANDS = {
    r"((python3?|py) -m |uv )?pip install": (
        "needs the network; tests/packaging/test_wheel.py installs the wheel and its extras so"
    ),
    r"python3? -m venv": "tests/packaging/test_wheel.py makes an environment so",
    r"(source|\.) \S+/activate": "changes the shell of the reader only",
    r"ds9": "opens a window; tests/unit/test_fits_export.py reads the file by astropy",
    r"jupyter": "opens a browser; the tests of the tutorials run the notebooks",
}


def why_not_run(command: str) -> str:
    """Why a command does not run here; empty where it does. What it asks pip for must exist."""
    for pattern, why in COMMANDS.items():
        if re.match(rf"{pattern}(?!\S)", command):
            for extras in re.findall(r"romancal-rs\[([\w,]+)\]", command):
                project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
                assert set(extras.split(",")) <= project["optional-dependencies"].keys(), command
            return why
    return ""
