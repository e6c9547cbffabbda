"""What is simulated: 50 exposures, and what a pixel is in truth. NumPy only."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

SIZE = 512
BORDER = 4
RATES = (0.1, 1.0, 10.0, 100.0, 1000.0, 10000.0, 50000.0)  # DN/s
RESULTANTS = (2, 3, 4, 5, 6, 8, 12, 16, 30, 60)
FRAME_TIME = 3.04  # s
# s: bright sources are watched in windows that are read out faster, here 1520 DN between reads.
WINDOW_FRAME_TIMES = {10000.0: 0.152, 50000.0: 0.0304}
# Exposures in which they fill up within the first read or two of a full frame all the same.
FULL_FRAMES = (13, 24, 43)
GAIN = 1.9  # electron / DN
FULL_WELL = 1.05e5  # electron
PEDESTAL = 40.0  # DN
LARGEST_HIT = 16.0  # sigma

Image = NDArray[np.float64]


@dataclass(frozen=True)
class Exposure:
    """One exposure of the plan.

    Attributes
    ----------
    number : int
        From 1 on.
    pattern : tuple of tuple of int
        Read numbers of each resultant.
    even : bool
    rate : float
        DN/s.
    frame_time : float
        s.
    size : int
        Rows and columns, with the border of reference pixels.
    repeat : int
        Another one has other random numbers.
    """

    number: int
    pattern: tuple[tuple[int, ...], ...]
    even: bool
    rate: float
    frame_time: float
    size: int = SIZE
    repeat: int = 0

    @property
    def seed(self) -> int:
        """Of the product's simulator; the independent one has a seed sequence of (`seed`, 1)."""
        return self.number + 100 * self.repeat

    @property
    def times(self) -> NDArray[np.float64]:
        """Mean time of each resultant [s]."""
        return self.frame_time * np.array([np.mean(reads) for reads in self.pattern])

    @property
    def n_reads(self) -> NDArray[np.int64]:
        return np.array([len(reads) for reads in self.pattern])

    @property
    def usable(self) -> int:
        """Resultants that a pixel of the nominal rate has before it is nearly full."""
        last = self.frame_time * np.array([reads[-1] for reads in self.pattern])
        return int((self.rate * GAIN * last < 0.8 * FULL_WELL).sum())

    @property
    def has_hits(self) -> bool:
        """Whether particles are simulated: jumps are looked for from three resultants on."""
        return self.usable >= 3

    @property
    def kind(self) -> str:
        """Which of the thresholds of the jump step decides."""
        if self.usable < len(self.pattern):
            return "ramps that saturate"
        return f"{self.usable} resultants" if self.usable < 5 else "5 or more resultants"


def even_pattern(n: int) -> tuple[tuple[int, ...], ...]:
    """Resultants of 4 reads, or of 2 where there are many."""
    reads = 4 if n <= 8 else 2
    return tuple(tuple(range(i * reads + 1, (i + 1) * reads + 1)) for i in range(n))


def uneven_pattern(n: int) -> tuple[tuple[int, ...], ...]:
    """Resultants of 1, 2, 4 and 3 reads in turn, and a read left out after every third."""
    pattern, read = [], 1
    for i in range(n):
        length = (1, 2, 4, 3)[i % 4]
        pattern.append(tuple(range(read, read + length)))
        read += length + (i % 3 == 2)
    return tuple(pattern)


def plan(size: int = SIZE) -> list[Exposure]:
    """Each number of resultants at three rates in an even and at two in an uneven pattern.

    The rates take turns, so that each meets six to nine of the patterns.
    """
    exposures: list[Exposure] = []
    for i, n in enumerate(RESULTANTS):
        for even, steps in ((True, (0, 2, 4)), (False, (1, 3))):
            pattern = even_pattern(n) if even else uneven_pattern(n)
            for step in steps:
                number, rate = len(exposures) + 1, RATES[(i + step) % len(RATES)]
                frame_time = WINDOW_FRAME_TIMES.get(rate, FRAME_TIME)
                if number in FULL_FRAMES:
                    frame_time = FRAME_TIME
                exposures.append(Exposure(number, pattern, even, rate, frame_time, size))
    return exposures


@dataclass(frozen=True)
class Truth:
    """What the pixels are and see, (rows, cols) with the border; what both simulations start from.

    Attributes
    ----------
    light : ndarray
        What a pixel of relative response 1 detects [electron/s].
    dark : ndarray
        electron/s.
    response : ndarray
        Relative; 0 in the border.
    gain, read_noise, full_well, nonlinearity, threshold : ndarray
        electron/DN; DN of one read; electron; `a` of ``raw = L - a L^2`` [1/DN]; DN.
    """

    light: Image
    dark: Image
    response: Image
    gain: Image
    read_noise: Image
    full_well: Image
    nonlinearity: Image
    threshold: Image

    @property
    def electron_rate(self) -> Image:
        return self.light * self.response + self.dark

    @property
    def flat(self) -> Image:
        """What pixels count in uniform light, relative to one of response 1 and gain `GAIN`."""
        return self.response * GAIN / self.gain

    @property
    def rate(self) -> Image:
        """What the calibrated image estimates [DN/s]: the flat takes out the pixels' gain."""
        return self.light / GAIN


@dataclass(frozen=True)
class Hits:
    """Charge from particles: the first read (from 1) that sees it, the pixel, electrons, sigma."""

    read: NDArray[np.int64]
    row: NDArray[np.int64]
    col: NDArray[np.int64]
    electrons: NDArray[np.float64]
    sigma: NDArray[np.float64]


def draw_hits(exposure: Exposure, truth: Truth, rng: np.random.Generator) -> Hits:
    """One hit in every third row and column of the lower half of the image.

    So the neighbours of a hit have none themselves, and the upper half shows what the pipeline
    finds where there is nothing to find. The read is any of those after the first resultant and
    up to the last usable one; the size is uniform up to `LARGEST_HIT` times the noise of the
    difference that first sees it.
    """
    if not exposure.has_hits:
        none = np.empty(0, np.int64)
        return Hits(none, none, none, np.empty(0), np.empty(0))
    inner = exposure.size - BORDER
    row, col = (
        grid.ravel()
        for grid in np.meshgrid(
            np.arange(exposure.size // 2 + 1, inner - 1, 3),
            np.arange(BORDER + 1, inner - 1, 3),
            indexing="ij",
        )
    )
    last_reads = np.array([reads[-1] for reads in exposure.pattern])
    read = rng.integers(last_reads[0] + 1, last_reads[exposure.usable - 1] + 1, row.size)
    resultant = np.searchsorted(last_reads, read)
    interval = np.diff(exposure.times)[resultant - 1]
    per_read = 1 / exposure.n_reads[resultant] + 1 / exposure.n_reads[resultant - 1]
    read_noise = truth.read_noise[row, col] * truth.gain[row, col]
    noise = np.sqrt(truth.electron_rate[row, col] * interval + read_noise**2 * per_read)
    electrons = np.rint(rng.uniform(0, LARGEST_HIT, row.size) * noise)
    return Hits(read, row, col, electrons, electrons / noise)


@dataclass(frozen=True)
class Calibrated:
    """A calibrated image without its border, (rows, cols), with the flags that are compared."""

    rate: Image
    err: Image
    jump: NDArray[np.bool_]
    saturated: NDArray[np.bool_]
    unusable: NDArray[np.bool_]
    hits: Hits
