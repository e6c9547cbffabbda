"""A second simulation of reads, and the estimators of the pipeline a second time. NumPy only.

The estimators are written from the manual (sections 8.1.6 and 8.1.10) and the rules for uneven
read patterns, not from the kernels, in double precision and vectorised over pixels; a test holds
them against `tests/reference_rules.py`, which has the same rules pixel by pixel. The maps of the
detector are given; every photon, read noise and particle is drawn here.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from .plan import BORDER, PEDESTAL, Calibrated, Exposure, Hits, Truth, draw_hits

CHUNK_ROWS = 32
AD_LIMIT = 65535
FLAT_ERROR = 0.001  # of the simulated FLAT
THRESHOLDS = {2: 6.0, 3: 5.0, 4: 4.0}  # sigma, by the number of usable differences, 4 or more
SPREAD_LIMITS = (10.0, 1000.0)  # sigma: jumps between these flag their neighbours
# Exponents of the weights by the signal-to-noise ratio up to which they hold.
POWER_LIMITS = np.array([5.0, 10.0, 20.0, 50.0, 100.0])
POWERS = np.array([0.0, 0.4, 1.0, 3.0, 6.0, 10.0])

Samples = NDArray[np.float64]  # (resultants, pixels)
Flags = NDArray[np.bool_]


def run(exposure: Exposure, truth: Truth) -> Calibrated:
    """Simulate the exposure and calibrate it."""
    root = np.random.SeedSequence((exposure.seed, 1))
    hits = draw_hits(exposure, truth, np.random.default_rng(root.spawn(1)[0]))
    starts = range(0, exposure.size, CHUNK_ROWS)
    seeds = root.spawn(len(starts))
    shape = (len(exposure.pattern), exposure.size, exposure.size)
    samples = np.empty(shape)
    saturated, jumps, spreading = (np.zeros(shape, bool) for _ in range(3))

    def find(start: int, seed: np.random.SeedSequence) -> None:
        rows = slice(start, start + CHUNK_ROWS)
        maps = _rows_of(truth, rows)
        raw = simulate_reads(exposure, maps, hits, start, np.random.default_rng(seed))
        saturated[:, rows] = np.maximum.accumulate(raw >= maps.threshold, axis=0)
        samples[:, rows] = linear_signal(raw, maps, exposure.times)
        usable = (~saturated[:, rows] & (raw > 0)).reshape(len(raw), -1)
        found, first_ratio = find_jumps(
            samples[:, rows].reshape(len(raw), -1),
            usable,
            maps.gain.ravel(),
            maps.read_noise.ravel(),
            exposure.times,
            exposure.n_reads,
        )
        large = (first_ratio > SPREAD_LIMITS[0]) & (first_ratio < SPREAD_LIMITS[1])
        jumps[:, rows] = found.reshape(raw.shape)
        spreading[:, rows] = (found & large).reshape(raw.shape)

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(find, starts, seeds))
    jumps |= neighbours(spreading) & ~saturated

    rate, err = np.empty((2, exposure.size, exposure.size))

    def fit(start: int) -> None:
        rows = slice(start, start + CHUNK_ROWS)
        maps = _rows_of(truth, rows)
        n = len(exposure.pattern)
        slope, var_poisson, var_rnoise = fit_ramps(
            samples[:, rows].reshape(n, -1),
            ~saturated[:, rows].reshape(n, -1),
            jumps[:, rows].reshape(n, -1),
            maps.gain.ravel(),
            maps.read_noise.ravel(),
            exposure.times,
            exposure.n_reads,
            group_time=exposure.frame_time * exposure.pattern[0][-1],
        )
        flat = np.where(maps.response > 0, maps.flat, 1).ravel()
        slope = slope / flat
        variance = (var_poisson + var_rnoise) / flat**2 + (slope / flat * FLAT_ERROR) ** 2
        rate[rows] = slope.reshape(maps.gain.shape)
        err[rows] = np.sqrt(variance).reshape(maps.gain.shape)

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(fit, starts))
    inner = (slice(BORDER, -BORDER), slice(BORDER, -BORDER))
    return Calibrated(
        rate=rate[inner],
        err=err[inner],
        jump=jumps.any(axis=0)[inner],
        saturated=saturated.any(axis=0)[inner],
        unusable=saturated.all(axis=0)[inner],
        hits=hits,
    )


def _rows_of(truth: Truth, rows: slice) -> Truth:
    return Truth(**{name: values[rows] for name, values in vars(truth).items()})


def simulate_reads(
    exposure: Exposure, maps: Truth, hits: Hits, first_row: int, rng: np.random.Generator
) -> Samples:
    """Resultants of some rows [DN]: read by read, with the noise of each read."""
    shape = maps.gain.shape
    here = (hits.row >= first_row) & (hits.row < first_row + shape[0])
    charge = np.zeros(shape)
    resultants = np.empty((len(exposure.pattern), *shape))
    previous = 0
    for i, reads in enumerate(exposure.pattern):
        total = np.zeros(shape)
        for read in reads:
            elapsed = exposure.frame_time * (read - previous)
            charge += rng.poisson(maps.electron_rate * elapsed)
            now = here & (hits.read > previous) & (hits.read <= read)
            charge[hits.row[now] - first_row, hits.col[now]] += hits.electrons[now]
            charge = np.minimum(charge, maps.full_well)
            linear = PEDESTAL + charge / maps.gain
            total += np.minimum(linear - maps.nonlinearity * linear**2, AD_LIMIT)
            total += rng.normal(0, maps.read_noise)
            previous = read
        resultants[i] = np.clip(np.round(total / len(reads)), 0, AD_LIMIT)
    return resultants


def linear_signal(raw: Samples, maps: Truth, times: NDArray[np.float64]) -> Samples:
    """The accumulated signal without dark current: ``raw = L - a L^2`` solved for L."""
    a = np.where(maps.nonlinearity > 0, maps.nonlinearity, 1e-30)
    # The form of the solution that does not cancel for small a.
    linear = 2 * raw / (1 + np.sqrt(np.maximum(1 - 4 * a * raw, 0)))
    return linear - maps.dark / maps.gain * times[:, None, None]


def find_jumps(
    samples: Samples,
    usable: Flags,
    gain: NDArray[np.float64],
    read_noise: NDArray[np.float64],
    times: NDArray[np.float64],
    n_reads: NDArray[np.int64],
) -> tuple[Flags, NDArray[np.float64]]:
    """The two-point difference method.

    Returns
    -------
    jumps : ndarray, (resultants, pixels), bool
    first_ratio : ndarray, (resultants, pixels)
        Ratio of the difference that ends at this resultant in the first pass.
    """
    jumps = np.zeros(samples.shape, bool)
    first_ratio = np.zeros(samples.shape)
    if len(samples) < 3:
        return jumps, first_ratio
    interval = np.round(np.diff(times) / (times[1] - times[0]), 12)
    readout = 1 / n_reads[:-1] + 1 / n_reads[1:]
    pixels = np.arange(samples.shape[1])
    differences = (np.diff(samples, axis=0) * gain).T
    differences[~(usable[:-1] & usable[1:]).T] = np.nan
    first_pass = True
    while pixels.size:
        count = np.isfinite(differences).sum(axis=1)
        enough = count >= 2
        pixels, differences, count = pixels[enough], differences[enough], count[enough]
        if not pixels.size:
            break
        rate = clipped_median(differences / interval, count)[:, None]
        variance = np.abs(rate) * interval + (read_noise * gain)[pixels, None] ** 2 * readout
        ratio = np.nan_to_num(np.abs(differences - rate * interval) / np.sqrt(variance))
        if first_pass:
            first_ratio[1:, pixels] = ratio.T
            first_pass = False
        largest = ratio.argmax(axis=1)
        threshold = np.array([THRESHOLDS[2], THRESHOLDS[3], THRESHOLDS[4]])[
            np.minimum(count, 4) - 2
        ]
        found = np.take_along_axis(ratio, largest[:, None], axis=1)[:, 0] > threshold
        pixels, differences, largest = pixels[found], differences[found], largest[found]
        jumps[largest + 1, pixels] = True
        differences[np.arange(pixels.size), largest] = np.nan
    return jumps, first_ratio


def clipped_median(rates: Samples, count: NDArray[np.int64]) -> NDArray[np.float64]:
    """Per row: the median without the largest, of three the median, of two the smaller.

    NaN marks what is not there; `count` says how many are.
    """
    rates = rates.copy()
    size = np.abs(rates)
    rows = np.arange(len(rates))
    clipped = (count >= 4) | (count == 2)
    largest = np.where(np.isnan(size), -1, size).argmax(axis=1)
    # Of two of the same size the earlier counts as the smaller.
    two = count == 2
    largest[two] = size.shape[1] - 1 - np.where(np.isnan(size), -1, size)[two, ::-1].argmax(axis=1)
    rates[rows[clipped], largest[clipped]] = np.nan
    left = count - clipped
    rates.sort(axis=1)  # NaN last
    return (rates[rows, (left - 1) // 2] + rates[rows, left // 2]) / 2


def neighbours(flags: Flags) -> Flags:
    """The four neighbours of flagged pixels, in each resultant."""
    near = np.zeros_like(flags)
    near[:, 1:] |= flags[:, :-1]
    near[:, :-1] |= flags[:, 1:]
    near[:, :, 1:] |= flags[:, :, :-1]
    near[:, :, :-1] |= flags[:, :, 1:]
    return near


def segments(usable: Flags, jumps: Flags) -> Iterator[tuple[int, int, NDArray[np.intp]]]:
    """First and last resultant of segments, with the pixels that have each."""
    n = len(usable)
    start = np.zeros(usable.shape[1], int)
    for g in range(n):
        begins = usable[g] & (jumps[g] | (~usable[g - 1] if g else True))
        start[begins] = g
        ends = usable[g].copy()
        if g + 1 < n:
            ends &= ~usable[g + 1] | jumps[g + 1]
        for first in np.unique(start[ends]):
            yield int(first), g, np.flatnonzero(ends & (start == first))


def fit_ramps(
    samples: Samples,
    usable: Flags,
    jumps: Flags,
    gain: NDArray[np.float64],
    read_noise: NDArray[np.float64],
    times: NDArray[np.float64],
    n_reads: NDArray[np.int64],
    *,
    group_time: float,
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Rate and variances of each pixel [DN/s]; 0 where no sample is usable."""
    n_pixels = samples.shape[1]
    paired = usable[:-1] & usable[1:] & ~jumps[1:]
    n_pairs = paired.sum(axis=0)
    rates = np.where(paired, np.diff(samples, axis=0) / np.diff(times)[:, None], np.nan)
    rates = np.sort(rates, axis=0)
    pixels = np.arange(n_pixels)
    estimate = np.zeros(n_pixels)
    with_pairs = n_pairs > 0
    if len(rates):
        low, high = np.maximum(n_pairs - 1, 0) // 2, np.minimum(n_pairs // 2, len(rates) - 1)
        median = (rates[low, pixels] + rates[high, pixels]) / 2
        estimate = np.where(with_pairs, median, estimate)
    estimate = np.maximum(estimate, 0)

    sums = np.zeros((4, n_pixels))  # of weights, weight x slope, 1/var_poisson, 1/var_rnoise
    alone = np.full(n_pixels, -1)
    for first, last, chosen in segments(usable, jumps):
        if first == last:
            chosen = chosen[~with_pairs[chosen] & (alone[chosen] < 0)]
            alone[chosen] = first
            slope = samples[first, chosen] / group_time
            var_rnoise = 2 * read_noise[chosen] ** 2 / (n_reads[first] * group_time**2)
            estimate[chosen] = np.maximum(slope, 0)
            var_poisson = estimate[chosen] / (gain[chosen] * group_time)
        else:
            slope = segment_slope(samples, first, last, chosen, gain, read_noise, times, n_reads)
            t, n = times[first : last + 1], n_reads[first : last + 1]
            spread = (n * (t - (n * t).sum() / n.sum()) ** 2).sum()
            var_rnoise = read_noise[chosen] ** 2 / spread
            var_poisson = estimate[chosen] / (gain[chosen] * (t[-1] - t[0]))
        weight = 1 / (var_poisson + var_rnoise)
        with np.errstate(divide="ignore"):
            terms = (weight, weight * slope, 1 / var_poisson, 1 / var_rnoise)
        for total, term in zip(sums, terms, strict=True):
            total[chosen] += term
    fitted = sums[0] > 0
    results = np.zeros((3, n_pixels))
    results[0, fitted] = sums[1, fitted] / sums[0, fitted]
    results[1, fitted] = np.where(estimate[fitted] > 0, 1 / sums[2, fitted], 0)
    results[2, fitted] = 1 / sums[3, fitted]
    return results[0], results[1], results[2]


def segment_slope(
    samples: Samples,
    first: int,
    last: int,
    chosen: NDArray[np.intp],
    gain: NDArray[np.float64],
    read_noise: NDArray[np.float64],
    times: NDArray[np.float64],
    n_reads: NDArray[np.int64],
) -> NDArray[np.float64]:
    """Slopes of the weighted lines through one segment of some pixels."""
    y = samples[first : last + 1, chosen]
    t, n = times[first : last + 1], n_reads[first : last + 1]
    signal = (y[-1] - y[0]) * gain[chosen]
    variance = (read_noise[chosen] * gain[chosen]) ** 2 / n[-1] + signal
    ratio = np.where(variance > 0, signal / np.sqrt(np.where(variance > 0, variance, 1)), 0)
    power = np.searchsorted(POWER_LIMITS, ratio)  # a ratio at a limit belongs to the lower power
    middle, half = (t[0] + t[-1]) / 2, (t[-1] - t[0]) / 2
    slope = np.empty(chosen.size)
    for p in np.unique(power):
        weights = n * np.abs((t - middle) / half) ** POWERS[p]
        offset = t - (weights * t).sum() / weights.sum()
        factors = weights * offset / (weights * offset**2).sum()
        these = power == p
        slope[these] = factors @ (y[:, these] - y[0, these])
    return slope
