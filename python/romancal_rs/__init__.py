"""The Roman Space Telescope's exposure pipeline: kernels in Rust, orchestration in Python.

Everything is imported when it is first used, so that the command line's help comes at once.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from . import dqflags, kernels
    from .kernels import ReadPattern

    __version__: str

__all__ = ["ReadPattern", "__version__", "dqflags", "kernels"]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("romancal-rs")
    if name == "ReadPattern":
        from .kernels import ReadPattern

        return ReadPattern
    if name in ("dqflags", "kernels"):
        return import_module(f".{name}", __name__)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
