"""The Roman Space Telescope's exposure pipeline: kernels in Rust, orchestration in Python."""

from . import dqflags, kernels
from .kernels import ReadPattern

__all__ = ["ReadPattern", "__version__", "dqflags", "kernels"]


def __getattr__(name: str) -> str:
    if name == "__version__":  # looked up when asked for: the look-up takes longer than the import
        from importlib.metadata import version

        return version("romancal-rs")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
