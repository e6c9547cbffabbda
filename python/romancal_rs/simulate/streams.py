"""Independent random streams, so that no part of the simulation depends on the order of another."""

from __future__ import annotations

from enum import IntEnum

import numpy as np

BAND_ROWS = 64
"""Rows that share a random stream. Part of what a seed means: changing it changes the exposures."""


class Stream(IntEnum):
    """What a random stream is for."""

    DETECTOR = 0
    SCENE = 1
    COSMIC_RAYS = 2
    RAMP = 3
    REFERENCE_READ = 4


def generator(seed: int, stream: Stream, band: int = 0) -> np.random.Generator:
    """The random generator of one purpose and band of rows."""
    sequence = np.random.SeedSequence(seed, spawn_key=(int(stream), band))
    return np.random.Generator(np.random.SFC64(sequence))
