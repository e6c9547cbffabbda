"""Ramps read by read, and how well their rates and hits can be measured at best. NumPy only.

All in DN and seconds. The bound is the error of the best linear unbiased estimate of the rate when
the covariance of the resultants is known; with a hit, its read is known too, and its size is free.
The sigma of a hit is the error of its size under the same conditions (matched filter). Both come
from dense matrices, made by averaging the covariance of single reads, and not from the sums over a
read pattern that estimators use.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

GAIN = 1.93  # electron / DN
READ_NOISE = 4.8  # DN, of one read
FRAME_TIME = 3.16247  # s
FULL_WELL = 55_000.0  # DN
# Log-normal sizes: those of the 1933 hits of the third-party sample's truth lists, which a
# Kolmogorov-Smirnov test does not tell from it (distance 0.026, 5 % limit 0.031).
MEDIAN_HIT = 2300.0  # electron
HIT_SPREAD = 0.7  # of the logarithm

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Reads:
    """A read pattern, and the linear algebra of its differences.

    Attributes
    ----------
    name : str
    pattern : tuple of tuple of int
        Read numbers, from 1, of each resultant.
    frame_time : float
        [s].
    """

    name: str
    pattern: tuple[tuple[int, ...], ...]
    frame_time: float = FRAME_TIME

    def __len__(self) -> int:
        return len(self.pattern)

    @property
    def last_read(self) -> int:
        return self.pattern[-1][-1]

    @cached_property
    def read_numbers(self) -> NDArray[np.int64]:
        return np.array([read for reads in self.pattern for read in reads])

    @cached_property
    def resultant_of(self) -> NDArray[np.int64]:
        """The resultant of each read."""
        return np.repeat(np.arange(len(self)), [len(reads) for reads in self.pattern])

    @cached_property
    def n_reads(self) -> NDArray[np.int64]:
        return np.bincount(self.resultant_of)

    @cached_property
    def averaging(self) -> Array:
        """Resultants from reads, (resultants, reads)."""
        member = self.resultant_of == np.arange(len(self))[:, None]
        return member / self.n_reads[:, None]

    @cached_property
    def intervals(self) -> Array:
        """Between the mean times of resultants [s]."""
        return np.diff(self.averaging @ self.read_numbers) * self.frame_time

    @cached_property
    def _covariance_parts(self) -> tuple[Array, Array]:
        """Of the differences: for a photon rate of 1 / s, and for a read noise of 1."""
        times = self.frame_time * self.read_numbers
        differencing = np.diff(self.averaging, axis=0)
        photons = np.minimum.outer(times, times)
        return differencing @ photons @ differencing.T, differencing @ differencing.T

    def covariance(
        self, rate: float | Array, gain: float | Array = GAIN, noise: float | Array = READ_NOISE
    ) -> Array:
        """Of the differences [DN^2], (..., differences, differences) for pixels of (...).

        For rates [DN/s], gains [electron/DN] and noises of a read [DN].
        """
        photons, readout = self._covariance_parts
        rate = np.maximum(rate, 0)
        return np.multiply.outer(rate / gain, photons) + np.multiply.outer(noise**2, readout)

    @cached_property
    def hit_templates(self) -> Array:
        """What a hit of 1 DN in each read adds to the differences, (last read + 1, differences).

        By read number; the row 0 is for no hit. A read that was skipped has the row of the next.
        """
        return np.diff(self.hit_levels, axis=1)

    @cached_property
    def hit_levels(self) -> Array:
        """What it adds to the resultants, in the same rows."""
        seen = self.read_numbers >= np.arange(self.last_read + 1)[:, None]
        seen[0] = False
        starts = np.searchsorted(self.resultant_of, np.arange(len(self)))
        # Counts over counts: all of a resultant is 1 without rounding, and no step at the next.
        return np.add.reduceat(seen, starts, axis=1, dtype=np.int64) / self.n_reads

    def best(self, rate: float, hit_read: int = 0) -> Best:
        """The best linear estimate for one rate and one read of the hit, 0 for none."""
        return _best(self, float(rate), int(hit_read))


@dataclass(frozen=True)
class Best:
    """Best linear estimate.

    Attributes
    ----------
    weights : ndarray, (differences,)
        Of the rate.
    bound : float
        Its standard deviation [DN/s]; infinite where rate and hit cannot be told apart.
    hit_sigma : float
        Standard deviation of the size of the hit [DN]; infinite where it is not seen.
    """

    weights: Array
    bound: float
    hit_sigma: float


@lru_cache(maxsize=10_000)
def _best(reads: Reads, rate: float, hit_read: int) -> Best:
    template = reads.hit_templates[hit_read]
    columns = [reads.intervals] + ([template] if template.any() else [])
    design = np.stack(columns, axis=1)
    weighted = np.linalg.solve(reads.covariance(rate), design)
    information = design.T @ weighted
    scale = 1 / np.sqrt(np.diag(information))
    if np.linalg.det(information * np.outer(scale, scale)) < 1e-9:
        return Best(np.zeros(len(reads) - 1), np.inf, np.inf)
    parameters = np.linalg.inv(information)
    errors = np.sqrt(np.diag(parameters))
    weights = (parameters @ weighted.T)[0]
    return Best(weights, float(errors[0]), float(errors[1]) if template.any() else np.inf)


def best_of_each(
    reads: Reads,
    differences: Array,
    rate: Array,
    usable: NDArray[np.bool_],
    hit_read: NDArray[np.int64],
    *,
    gain: float | Array = GAIN,
    noise: float | Array = READ_NOISE,
) -> tuple[Array, Array]:
    """Best estimate and bound pixel by pixel, where each has its rate and its usable differences.

    Parameters
    ----------
    differences : ndarray, (differences, pixels)
        [DN].
    rate : ndarray, (pixels,)
        True rate [DN/s].
    usable : ndarray, (differences, pixels), bool
    hit_read : ndarray of int, (pixels,)
        The read that sees the hit first, 0 for none.
    gain, noise : float or ndarray, (pixels,)
        [electron/DN], and of a read [DN].

    Returns
    -------
    estimate, bound : ndarray, (pixels,)
        [DN/s]; NaN and infinite where the usable differences do not determine the rate.
    """
    used = usable.T
    covariance = reads.covariance(rate, gain, noise) * (used[:, :, None] & used[:, None, :])
    diagonal = np.arange(len(reads) - 1)
    covariance[:, diagonal, diagonal] += ~used
    template = reads.hit_templates[hit_read] * used
    interval = reads.intervals * used
    right = np.stack([interval, template, differences.T * used], axis=2)
    solved = np.linalg.solve(covariance, right)
    tt, th, td = (np.einsum("pi,pi->p", interval, solved[:, :, k]) for k in range(3))
    hh, hd = (np.einsum("pi,pi->p", template, solved[:, :, k]) for k in (1, 2))
    hit = hh > 0
    hh = np.where(hit, hh, 1)
    information = np.where(hit, tt - th**2 / hh, tt)
    known = (tt > 0) & (information > 1e-9 * tt)
    information = np.where(known, information, 1)
    estimate = (td - np.where(hit, th / hh * hd, 0)) / information
    return np.where(known, estimate, np.nan), np.where(known, information**-0.5, np.inf)


def consecutive(name: str, *lengths: int) -> Reads:
    """Resultants of so many reads, without gaps."""
    ends = np.cumsum(lengths)
    return Reads(
        name,
        tuple(
            tuple(range(int(end - length) + 1, int(end) + 1))
            for end, length in zip(ends, lengths, strict=True)
        ),
    )


def even(resultants: int, length: int) -> Reads:
    return consecutive(f"even {resultants} x {length}", *[length] * resultants)


# The flight's multi-accumulation tables by their numbers, and even patterns.
PATTERNS = (
    even(4, 8),
    consecutive("table 3", 1, 2, 6, 8, 1),
    even(6, 8),
    even(8, 8),
    consecutive("table 4", 1, 1, 2, 5, 8, 8, 8, 10, 1),
    even(10, 6),
    consecutive("table 6", 1, 1, 2, 6, 6, 6, 8, 8, 8, 8, 8, 10, 10, 10, 1),
    consecutive("table 12", 1, 2, 2, *[4] * 9, 8, 8, 1),
    even(16, 4),
    consecutive("table 110", 1, *[3] * 14, 1),
)


CHUNK = 32_768  # pixels that share a stream of random numbers


@dataclass(frozen=True)
class Ramps:
    """Simulated ramps.

    Attributes
    ----------
    data : ndarray, (resultants, pixels), float32
        [DN].
    filled : ndarray, (resultants, pixels), bool
        Whether a read of the resultant is at the full well.
    """

    data: NDArray[np.float32]
    filled: NDArray[np.bool_]


def simulate(
    reads: Reads,
    rate: float | Array,
    n_pixels: int,
    rng: np.random.Generator,
    *,
    full_well: float = np.inf,
    pedestal: float = 0.0,
    hit_read: NDArray[np.int64] | None = None,
    hit_size: Array | None = None,
) -> Ramps:
    """Electrons read by read, averaged to resultants, with the noise of each read.

    Parameters
    ----------
    rate : float or ndarray, (pixels,)
        [DN/s].
    full_well : float
        Where the charge stops to grow [DN], above the pedestal.
    hit_read, hit_size : ndarray, (pixels,)
        The read that sees the hit first, 0 for none, and its size [DN].
    """
    electrons = np.zeros(n_pixels)
    data = np.zeros((len(reads), n_pixels))
    filled = np.zeros((len(reads), n_pixels), bool)
    well = full_well * GAIN
    previous = 0
    for read, resultant in zip(reads.read_numbers, reads.resultant_of, strict=True):
        expected = np.multiply(rate, GAIN * reads.frame_time * (read - previous))
        electrons += rng.poisson(expected, n_pixels)
        if hit_read is not None and hit_size is not None:
            electrons += np.where((hit_read > previous) & (hit_read <= read), hit_size * GAIN, 0)
        if np.isfinite(well):
            filled[resultant] |= electrons >= well
            np.minimum(electrons, well, out=electrons)
        data[resultant] += electrons
        previous = int(read)
    n_reads = reads.n_reads[:, None]
    data /= n_reads * GAIN
    # The mean of so many normal deviates.
    data += rng.standard_normal(data.shape) * (READ_NOISE / np.sqrt(n_reads)) + pedestal
    return Ramps(data.astype(np.float32), filled)


def simulate_in_chunks(
    reads: Reads, rate: float | Array, n_pixels: int, seed: tuple[int, ...], **options: Any
) -> Ramps:
    """`simulate` on all cores; what comes out does not depend on their number."""
    starts = range(0, n_pixels, CHUNK)
    seeds = np.random.SeedSequence(seed).spawn(len(starts))

    def some(start: int, seed: np.random.SeedSequence) -> Ramps:
        chunk = slice(start, min(start + CHUNK, n_pixels))

        def of_chunk(value: Any) -> Any:
            return value[chunk] if isinstance(value, np.ndarray) else value

        return simulate(
            reads,
            of_chunk(rate),
            chunk.stop - chunk.start,
            np.random.default_rng(seed),
            **{name: of_chunk(value) for name, value in options.items()},
        )

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        parts = list(pool.map(some, starts, seeds))
    return Ramps(
        np.concatenate([part.data for part in parts], axis=1),
        np.concatenate([part.filled for part in parts], axis=1),
    )


def add_hits(
    reads: Reads, data: NDArray[np.float32], hit_read: NDArray[np.int64], hit_size: Array
) -> NDArray[np.float32]:
    """Ramps (resultants, pixels) with hits [DN], where no full well is in the way."""
    return data + (reads.hit_levels[hit_read].T * hit_size).astype(np.float32)


def realistic_sizes(rng: np.random.Generator, n: int) -> Array:
    """Sizes of hits [DN]."""
    return MEDIAN_HIT / GAIN * np.exp(HIT_SPREAD * rng.standard_normal(n))
