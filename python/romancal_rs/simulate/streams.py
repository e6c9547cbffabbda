"""Independent random streams, so that no part of the simulation depends on the order of another."""

from __future__ import annotations

from enum import IntEnum

import numpy as np

from .config import MAX_SIZE, detector_number

BAND_ROWS = 64
"""Rows that share a random stream. Part of what a seed means: changing it changes the exposures."""


_BANDS_OF_A_DETECTOR = MAX_SIZE // BAND_ROWS


class Stream(IntEnum):
    """What a random stream is for."""

    DETECTOR = 0
    SCENE = 1
    COSMIC_RAYS = 2
    RAMP = 3
    REFERENCE_READ = 4
    PHOTOMETRY = 5
    BIAS = 6
    CONVERTERS = 7
    DARK_DECAY = 8
    COUPLING = 9
    CORRELATED_NOISE = 10


def generator(seed: int, detector: str, stream: Stream, band: int = 0) -> np.random.Generator:
    """The random generator of one purpose, for one detector (``WFI01``) and band of its rows.

    The bands of the detectors are counted on from one to the next.
    """
    number = detector_number(detector) - 1
    key = (int(stream), number * _BANDS_OF_A_DETECTOR + band)
    sequence = np.random.SeedSequence(seed, spawn_key=key)
    return np.random.Generator(np.random.SFC64(sequence))
