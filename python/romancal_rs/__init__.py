"""The Roman Space Telescope's exposure pipeline: kernels in Rust, orchestration in Python."""

from . import dqflags, kernels
from .kernels import ReadPattern

__all__ = ["ReadPattern", "dqflags", "kernels"]
