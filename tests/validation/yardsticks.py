"""What is measured of a fit, beside the best that the same ramps allow.

Each measure that has a width takes the best linear estimate of the very same ramps along: its error
is normal with the bound as standard deviation, so that what both have in common drops out, and a
ratio of widths is known a hundred times better than either.
"""

from __future__ import annotations

import itertools
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from . import ramps
from .compare import Share, Value
from .estimators import Estimate, Estimator
from .ramps import PATTERNS, Array, Reads

CLEAN_RATES = (0.0, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0)  # DN/s
HIT_RATES = (0.3, 1.0, 3.0, 10.0, 100.0)
SIZES = (5, 6, 8, 10)  # matched-filter sigma
CLEAN_PIXELS = 1024 * 512
SIZE_PIXELS = 256 * 512
REALISTIC_PIXELS = 512 * 512
SATURATING = tuple(
    reads
    for reads in PATTERNS
    if reads.name in ("even 8 x 8", "even 4 x 8", "table 4", "table 110")
)
SATURATING_PIXELS = 200 * 512
PEDESTAL = 5000.0  # DN
THRESHOLD = 0.97  # of the full well
FAR = 5.0  # bounds

Flags = NDArray[np.uint8]
Measures = dict[str, Value]


@dataclass(frozen=True, order=True)
class Case:
    """What was simulated: a kind of ramps, a read pattern, and a rate [DN/s] or how they saturate.

    Attributes
    ----------
    kind : {"clean", "size 5", "size 6", "size 8", "size 10", "realistic", "saturating"}
    pattern : str
    condition : str
    """

    kind: str
    pattern: str
    condition: str


# Of each case by the name of the estimator.
Results = dict[Case, dict[str, Measures]]


# --- statistics ---------------------------------------------------------------------------------


def width_ratio(values: Array, best: Array) -> Value:
    """Ratio of the root mean squares of two samples that go together, with its standard error."""
    reference = (best**2).mean()
    ratio = (values**2).mean() / reference
    scatter = (values**2 - ratio * best**2).std() / (reference * np.sqrt(values.size))
    return Value(float(np.sqrt(ratio)), float(scatter / (2 * np.sqrt(ratio))))


def mean_difference(values: Array, best: Array) -> Value:
    """Mean of the first where that of the second is known to be 0, with its standard error."""
    difference = values - best
    return Value(float(difference.mean()), float(difference.std() / np.sqrt(difference.size)))


def weighted_mean(values: Array, weights: Array, best: Array) -> Value:
    """Mean of `values` with weights, where the plain mean of `best` is known to be 0."""
    mean = (weights * values).sum() / weights.sum()
    return mean_difference(mean + weights * (values - mean) / weights.mean(), best)


def share(flags: NDArray[np.bool_]) -> Value:
    """Of pixels that have a flag; its error is that of one where there is none."""
    count = int(flags.sum())
    at_least_one = Share(max(count, 1), flags.size + 1)
    return Value(count / flags.size, at_least_one.error)


# --- clean ramps --------------------------------------------------------------------------------


def differences(data: NDArray[np.float32]) -> Array:
    return np.diff(data.astype(np.float64), axis=0)


def measure_clean(rate: Array, err: Array, true: float, best: Array, bound: float) -> Measures:
    """Of ramps without hits; `best` is the error of the best estimate in units of the bound."""
    error = (rate - true) / bound
    pull = (rate - true) / err
    return {
        "rms": width_ratio(error, best),
        "bias": mean_difference(error, best),
        "pull": width_ratio(pull - pull.mean(), best - best.mean()),
        "weighted bias": weighted_mean(error, err**-2, best),
    }


def measure_best(ideal: Array) -> Measures:
    """Mean of the best estimate's errors in units of their bounds: 0, if all is right."""
    return {"bias": Value(float(ideal.mean()), float(ideal.size**-0.5))}


# --- hits ---------------------------------------------------------------------------------------


def best_of_hits(
    reads: Reads, rate: float, hit_read: NDArray[np.int64], change: Array
) -> tuple[Array, Array]:
    """Best estimate from the differences (differences, pixels), and its bound, (pixels,)."""
    each = [reads.best(rate, k) for k in range(reads.last_read + 1)]
    weights = np.stack([best.weights for best in each])
    bound = np.array([best.bound for best in each])
    return np.einsum("pi,ip->p", weights[hit_read], change), bound[hit_read]


def found(reads: Reads, hit_read: NDArray[np.int64], jump: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Whether a difference that holds a part of the hit is flagged, at the later resultant."""
    resultant = reads.resultant_of[np.searchsorted(reads.read_numbers, hit_read)]
    template = reads.hit_templates[hit_read]
    pixels = np.arange(hit_read.size)
    ends = np.minimum(resultant + 1, len(reads) - 1)
    in_first = (resultant > 0) & (template[pixels, np.maximum(resultant - 1, 0)] > 0)
    in_second = (resultant < len(reads) - 1) & (
        template[pixels, np.minimum(resultant, len(reads) - 2)] > 0
    )
    return (in_first & jump[resultant, pixels]) | (in_second & jump[ends, pixels])


def measure_spread(
    estimate: Estimate, true: Array, best: Array, bound: Array, some: NDArray[np.bool_]
) -> Measures:
    """Of some pixels, whose bounds differ; `best` is the best estimate itself [DN/s]."""
    usable = some & ~estimate.no_rate
    error, ideal = ((x - true)[usable] / bound[usable] for x in (estimate.rate, best))
    pull = (estimate.rate - true)[usable] / estimate.err[usable]
    return {
        "rms": width_ratio(error, ideal),
        "bias": mean_difference(error, ideal),
        "pull": width_ratio(pull - pull.mean(), ideal - ideal.mean()),
        "far": share(np.abs(error) > FAR),
        "no rate": share(estimate.no_rate[some]),
    }


# --- saturating ramps ---------------------------------------------------------------------------


@dataclass(frozen=True)
class SaturatingRamps:
    """Ramps that reach the full well at a time that is uniform over the exposure.

    Attributes
    ----------
    rate : ndarray, (pixels,)
        True [DN/s].
    filled : ndarray, (resultants, pixels), bool
    best, bound : ndarray, (pixels,)
        From all resultants without a filled read [DN/s]; infinite where there are less than two.
    """

    reads: Reads
    data: NDArray[np.float32]
    rate: Array
    filled: NDArray[np.bool_]
    best: Array
    bound: Array


def saturating_ramps(
    reads: Reads, seed: tuple[int, ...], *, pedestal: float, hits: bool, n: int = SATURATING_PIXELS
) -> SaturatingRamps:
    rng = np.random.default_rng((*seed, 1))
    last = reads.last_read * reads.frame_time
    rate = ramps.FULL_WELL / (last * (1 - rng.random(n)))
    hit_read = rng.integers(1, reads.last_read + 1, n) if hits else np.zeros(n, np.int64)
    simulated = ramps.simulate_in_chunks(
        reads,
        rate,
        n,
        seed,
        full_well=ramps.FULL_WELL,
        pedestal=pedestal,
        hit_read=hit_read,
        hit_size=ramps.realistic_sizes(rng, n),
    )
    usable = ~simulated.filled[1:] & ~simulated.filled[:-1]
    parts = [
        ramps.best_of_each(
            reads,
            differences(simulated.data[:, some]),
            rate[some],
            usable[:, some],
            hit_read[some],
        )
        for some in (slice(i, i + 8192) for i in range(0, n, 8192))
    ]
    best, bound = (np.concatenate(part) for part in zip(*parts, strict=True))
    return SaturatingRamps(reads, simulated.data, rate, simulated.filled, best, bound)


def measure_saturating(
    of: SaturatingRamps, unusable: NDArray[np.bool_], estimate: Estimate
) -> Measures:
    """`unusable` are resultants that the saturation step flagged, (resultants, pixels)."""
    some = np.isfinite(of.bound)
    lost = (unusable & ~of.filled)[:, some].sum(axis=0)
    relative = (estimate.rate / of.rate - 1)[some & ~estimate.no_rate]
    worst = relative[np.abs(relative).argmax()]
    return measure_spread(estimate, of.rate, of.best, of.bound, some) | {
        "filled used": share((of.filled & ~unusable)[:, some].any(axis=0)),
        "good lost": Value(float(lost.mean()), float(lost.std() / np.sqrt(lost.size))),
        "jumps": share(estimate.jump.any(axis=0)[some]),
        "worst": Value(float(worst), 0.0),
    }


# --- all cases ----------------------------------------------------------------------------------


def seed_of(*names: object) -> tuple[int, ...]:
    return (zlib.crc32(repr(names).encode()),)


def of_ramps(
    estimators: Mapping[str, Estimator], patterns: tuple[Reads, ...] = PATTERNS, scale: float = 1.0
) -> Iterator[tuple[Case, dict[str, Measures]]]:
    """Ramps that do not saturate, without and with hits; with `scale` times the pixels."""
    for reads, rate in itertools.product(patterns, CLEAN_RATES):
        n = _images(CLEAN_PIXELS * scale)
        seed = seed_of(reads.name, rate)
        data = ramps.simulate_in_chunks(reads, rate, n, seed).data
        yield clean_case(reads, rate, data, estimators)
        if rate in HIT_RATES:
            rng = np.random.default_rng((*seed, 1))
            yield from hit_cases(reads, rate, data, estimators, rng, scale)


def _images(pixels: float) -> int:
    """So many pixels, in whole rows of the images of both programs."""
    return max(round(pixels / 4096), 1) * 4096


def clean_case(
    reads: Reads, rate: float, data: NDArray[np.float32], estimators: Mapping[str, Estimator]
) -> tuple[Case, dict[str, Measures]]:
    best = reads.best(rate)
    ideal = (best.weights @ differences(data) - rate) / best.bound
    by_name = {"best": measure_best(ideal)}
    for name, fit in estimators.items():
        estimate = fit(reads, data, np.zeros(data.shape, np.uint8))
        usable = ~estimate.no_rate
        fitted, beside = estimate.rate[usable], ideal[usable]
        measures = measure_clean(fitted, estimate.err[usable], rate, beside, best.bound)
        measures["false"] = share(estimate.jump.any(axis=0))
        if estimate.smooth_err is not None:
            smooth_err = estimate.smooth_err[usable]
            smooth = measure_clean(fitted, smooth_err, rate, beside, best.bound)
            measures |= {f"smooth {key}": smooth[key] for key in ("pull", "weighted bias")}
        by_name[name] = measures
    return Case("clean", reads.name, f"{rate:g}"), by_name


def hit_cases(
    reads: Reads,
    rate: float,
    data: NDArray[np.float32],
    estimators: Mapping[str, Estimator],
    rng: np.random.Generator,
    scale: float,
) -> Iterator[tuple[Case, dict[str, Measures]]]:
    n = _images(SIZE_PIXELS * scale)
    sigma = np.array([reads.best(rate, k).hit_sigma for k in range(reads.last_read + 1)])
    # Those of which the size is known for some rate: a hit in a first read is in all resultants.
    hit_read = rng.choice(np.flatnonzero(np.isfinite(sigma)), n)
    for size in SIZES:
        hit = ramps.add_hits(reads, data[:, :n], hit_read, size * sigma[hit_read])
        best, bound = best_of_hits(reads, rate, hit_read, differences(hit))
        by_name = {"best": measure_best((best - rate) / bound)}
        for name, fit in estimators.items():
            estimate = fit(reads, hit, np.zeros(hit.shape, np.uint8))
            by_name[name] = {"found": share(found(reads, hit_read, estimate.jump))}
        yield Case(f"size {size}", reads.name, f"{rate:g}"), by_name

    n = _images(REALISTIC_PIXELS * scale)
    hit_read = rng.integers(1, reads.last_read + 1, n)
    hit = ramps.add_hits(reads, data[:, :n], hit_read, ramps.realistic_sizes(rng, n))
    best, bound = best_of_hits(reads, rate, hit_read, differences(hit))
    by_name = {"best": measure_best((best - rate) / bound)}
    for name, fit in estimators.items():
        estimate = fit(reads, hit, np.zeros(hit.shape, np.uint8))
        measures = measure_spread(estimate, np.full(n, rate), best, bound, np.isfinite(bound))
        by_name[name] = measures | {"found": share(found(reads, hit_read, estimate.jump))}
    yield Case("realistic", reads.name, f"{rate:g}"), by_name


def of_saturating(
    pipelines: Mapping[str, tuple[Callable[..., Flags], Estimator]],
    patterns: tuple[Reads, ...] = SATURATING,
    scale: float = 1.0,
) -> Iterator[tuple[Case, dict[str, Measures]]]:
    """Ramps that saturate: `pipelines` are a rule that flags, and a fit."""
    conditions = {
        "no pedestal": (0.0, False),
        "pedestal": (PEDESTAL, False),
        "hits": (0.0, True),
    }
    for reads, (condition, (pedestal, hits)) in itertools.product(patterns, conditions.items()):
        ramp = saturating_ramps(
            reads,
            seed_of(reads.name, condition),
            pedestal=pedestal,
            hits=hits,
            n=_images(SATURATING_PIXELS * scale),
        )
        threshold = pedestal + THRESHOLD * ramps.FULL_WELL
        some = np.isfinite(ramp.bound)
        by_name = {"best": measure_best(((ramp.best - ramp.rate) / ramp.bound)[some])}
        for name, (flag, fit) in pipelines.items():
            groupdq = flag(reads, ramp.data, threshold)
            estimate = fit(reads, ramp.data, groupdq)
            by_name[name] = measure_saturating(ramp, groupdq != 0, estimate)
        yield Case("saturating", reads.name, condition), by_name
