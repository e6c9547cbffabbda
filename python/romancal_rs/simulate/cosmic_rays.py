"""Cosmic rays: where, when and how much charge."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..border import BORDER
from .config import SimulationConfig
from .streams import Stream, generator

PIXEL_AREA_CM2 = 1.0e-6  # pixels of 10 micrometres
_MEAN_TRACK = 1.8  # pixels; most particles cross one or two
_LONGEST_TRACK = 24
_MEDIAN_CHARGE = 700.0  # electrons in a pixel
_CHARGE_SPREAD = 0.8  # of the logarithm


@dataclass(frozen=True)
class CosmicRays:
    """Charge that hits left, one entry per pixel and read, sorted by read, row and column.

    Attributes
    ----------
    read : ndarray of int32
        The first read (from 1) that sees the charge.
    row, col : ndarray of int32
        Full frame.
    electrons : ndarray of float64
        Whole electrons.
    direct : ndarray of bool
        True where a particle crossed the pixel, False where only capacitance coupled charge in
        from a neighbour.
    """

    read: NDArray[np.int32]
    row: NDArray[np.int32]
    col: NDArray[np.int32]
    electrons: NDArray[np.float64]
    direct: NDArray[np.bool_]

    def resultant(self, read_pattern: tuple[tuple[int, ...], ...]) -> NDArray[np.int32]:
        """Index of the first resultant that sees each hit."""
        last_reads = [reads[-1] for reads in read_pattern]
        return np.searchsorted(last_reads, self.read).astype(np.int32)

    def in_rows(self, start: int, stop: int) -> CosmicRays:
        """The hits of a band of rows, with rows counted from its first."""
        inside = (self.row >= start) & (self.row < stop)
        return CosmicRays(
            self.read[inside],
            self.row[inside] - start,
            self.col[inside],
            self.electrons[inside],
            self.direct[inside],
        )


def make_cosmic_rays(config: SimulationConfig, sensitive: NDArray[np.bool_]) -> CosmicRays:
    """Draw the hits of an exposure.

    Parameters
    ----------
    config : SimulationConfig
    sensitive : ndarray, (rows, cols), bool
        Pixels that collect charge.
    """
    rng = generator(config.seed, config.detector, Stream.COSMIC_RAYS)
    n_frames = config.pattern[-1][-1]
    area = config.rows * config.cols * PIXEL_AREA_CM2
    n_hits = rng.poisson(config.cosmic_ray_rate * area * n_frames * config.frame_time)
    read = rng.integers(1, n_frames + 1, n_hits)
    y = rng.uniform(BORDER, config.rows - BORDER, n_hits)
    x = rng.uniform(BORDER, config.cols - BORDER, n_hits)
    angle = rng.uniform(0, 2 * np.pi, n_hits)
    length = np.minimum(rng.geometric(1 / _MEAN_TRACK, n_hits), _LONGEST_TRACK)

    # A track steps by one pixel along the angle; steps that round to the same pixel add up there.
    hit = np.repeat(np.arange(n_hits), length)
    step = np.arange(hit.size) - np.repeat(np.cumsum(length) - length, length)
    row = np.floor(y[hit] + step * np.sin(angle[hit])).astype(np.int64)
    col = np.floor(x[hit] + step * np.cos(angle[hit])).astype(np.int64)
    charge = _MEDIAN_CHARGE * np.exp(_CHARGE_SPREAD * rng.standard_normal(hit.size))

    return _collect(config, sensitive, read[hit], row, col, charge)


def _collect(
    config: SimulationConfig,
    sensitive: NDArray[np.bool_],
    read: NDArray[np.int64],
    row: NDArray[np.int64],
    col: NDArray[np.int64],
    charge: NDArray[np.float64],
) -> CosmicRays:
    """Spread charge to the neighbours, drop what insensitive pixels get, add up what coincides."""
    offsets = ((0, 0), (-1, 0), (1, 0), (0, -1), (0, 1))
    rows = np.concatenate([row + dy for dy, _ in offsets])
    cols = np.concatenate([col + dx for _, dx in offsets])
    shares = [1 - 4 * config.ipc] + [config.ipc] * 4
    charges = np.concatenate([share * charge for share in shares])
    reads = np.tile(read, len(offsets))
    direct = np.repeat([True, False, False, False, False], row.size)

    inside = (rows >= 0) & (rows < config.rows) & (cols >= 0) & (cols < config.cols)
    inside[inside] = sensitive[rows[inside], cols[inside]]
    key = (reads[inside] * config.rows + rows[inside]) * config.cols + cols[inside]
    key, index = np.unique(key, return_inverse=True)
    electrons = np.rint(np.bincount(index, charges[inside], key.size))
    is_direct = np.bincount(index, direct[inside], key.size) > 0
    seen = electrons > 0
    key, electrons, is_direct = key[seen], electrons[seen], is_direct[seen]
    pixel = key % (config.rows * config.cols)
    return CosmicRays(
        read=(key // (config.rows * config.cols)).astype(np.int32),
        row=(pixel // config.cols).astype(np.int32),
        col=(pixel % config.cols).astype(np.int32),
        electrons=electrons,
        direct=is_direct,
    )
