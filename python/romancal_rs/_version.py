"""Which romancal-rs this is, as products name it."""

from __future__ import annotations

from functools import cache
from importlib.metadata import version

from ._core import REVISION


@cache
def software_version() -> str:
    """The version with the commit it was built from: ``0.1.0+g1f71407abc``."""
    number = version("romancal-rs")
    return f"{number}+{REVISION}" if REVISION else number
