"""Simulated exposures: a Level 1 file, the reference files that fit it, and the truth.

>>> from romancal_rs.simulate import SimulationConfig, simulate
>>> made = simulate(SimulationConfig(rows=32, cols=128, n_resultants=3), "out")
>>> made.exposure.name
'r0000101001001001001_0001_wfi01_f158_uncal.asdf'
"""

from .. import _lazy
from .config import SimulationConfig, parse_read_pattern
from .exposure import SimulatedExposure, simulate

__all__ = ["SimulatedExposure", "SimulationConfig", "parse_read_pattern", "simulate"]

__dir__ = _lazy.listing(__all__)
