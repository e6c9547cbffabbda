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
    check: Callable[[PageRun, list[Block], str], None] | None = None
    """Looks at the state after all blocks ran: given it, the blocks, and the text of the page."""


PAGES: dict[str, Page] = {
    "how-to/batch.md": Page(
        extras=("s3", "schedulers"),
        rewrite={"/efs/": "efs/"},
        check=checks.batches_are_complete,
    ),
    "how-to/fits.md": Page(check=checks.exports_and_cut_outs),
    "how-to/hooks.md": Page(check=checks.hooks_did_their_work),
    "how-to/remote.md": Page(extras=("s3",), check=checks.products_are_on_s3),
    "how-to/report.md": Page(extras=("batch",)),
    "how-to/writing-steps.md": Page(extras=("ramp",), check=checks.own_steps_work),
    "reference/kernels.md": Page(check=checks.kernels_give_known_rates),
    "reference/python.md": Page(check=checks.metadata_print_as_a_tree),
    "reference/steps.md": Page(extras=("ramp",), check=checks.a_run_tells_of_its_step),
    "README.md": Page(check=checks.python_saves_nothing),
}


def page_names() -> list[str]:
    """All pages: those of the site, the README and CONTRIBUTING."""
    of_site = [path.relative_to(DOCS).as_posix() for path in sorted(DOCS.rglob("*.md"))]
    return ["README.md", "CONTRIBUTING.md", *of_site]


def path_of(page: str) -> Path:
    return ROOT / page if page in ("README.md", "CONTRIBUTING.md") else DOCS / page


def blocks(page: str) -> list[Block]:
    return blocks_of(path_of(page), page)
