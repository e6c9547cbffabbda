"""Which romancal-rs this is, as products name it."""

from __future__ import annotations

from functools import cache
from importlib.metadata import version

__version__ = version("romancal-rs")


@cache
def software_version() -> str:
    """The version with the commit it was built from: ``0.1.0+g1f71407abc``."""
    from ._core import REVISION

    return f"{__version__}+{REVISION}" if REVISION else __version__
