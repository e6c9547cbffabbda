"""What single pages need, and what is checked after they ran. Most need nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from . import checks
from .blocks import Block, blocks_of
from .running import PageRun

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"


@dataclass(frozen=True)
class Page:
    """What a page needs: nothing, by default."""

    extras: tuple[str, ...] = ()
    """Names of what its directory has besides what all have, of `worlds.EXTRAS`."""
    rewrite: Mapping[str, str] = field(default_factory=dict)
    """Texts of its commands, and what they are in the test."""
    check: Callable[[PageRun], None] | None = None
    """Looks at the state after all blocks ran."""


PAGES: dict[str, Page] = {}


def page_names() -> list[str]:
    """All pages: those of the site, the README and CONTRIBUTING."""
    of_site = [path.relative_to(DOCS).as_posix() for path in sorted(DOCS.rglob("*.md"))]
    return ["README.md", "CONTRIBUTING.md", *of_site]


def blocks(page: str) -> list[Block]:
    path = ROOT / page if page in ("README.md", "CONTRIBUTING.md") else DOCS / page
    return blocks_of(path, page)
