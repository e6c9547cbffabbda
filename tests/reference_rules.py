"""The rules of the kernels, pixel by pixel in plain Python, to compare the kernels with.

Written from the text of the rules (the README of the golden vectors, the manual), in electrons as
they are there, and without regard to speed. Each function returns new arrays.
"""

import math
from dataclasses import dataclass, field
from itertools import pairwise
from statistics import median

import numpy as np
from numpy.typing import NDArray

from romancal_rs import ReadPattern

DO_NOT_USE, SATURATED, JUMP_DET, AD_FLOOR = 1, 2, 4, 64
NO_GAIN_VALUE, NO_LIN_CORR, NO_SAT_CHECK = 1 << 19, 1 << 20, 1 << 21
POWERS = [(5, 0.0), (10, 0.4), (20, 1.0), (50, 3.0), (100, 6.0), (math.inf, 10.0)]


def flag_saturation(data, groupdq, pixeldq, threshold, ref_dq, n_pix_grow_sat=0):
    """Flags of samples and of pixels."""
    groupdq, pixeldq = groupdq.copy(), pixeldq | ref_dq
    n_resultants, n_rows, n_cols = data.shape
    for r, c in np.ndindex(n_rows, n_cols):
        unchecked = math.isnan(threshold[r, c]) or bool(ref_dq[r, c] & NO_SAT_CHECK)
        if unchecked:
            pixeldq[r, c] |= NO_SAT_CHECK
        for g in range(n_resultants):
            if not unchecked and data[g, r, c] >= threshold[r, c]:
                groupdq[g:, r, c] |= SATURATED
            if data[g, r, c] <= 0:
                groupdq[g, r, c] |= AD_FLOOR | DO_NOT_USE
    grown = groupdq.copy()
    n = n_pix_grow_sat
    for g, r, c in zip(*np.nonzero(groupdq & SATURATED), strict=True):
        grown[g, max(r - n, 0) : r + n + 1, max(c - n, 0) : c + n + 1] |= SATURATED
    return grown, pixeldq


def correct_linearity(data, groupdq, pixeldq, coeffs, ref_dq):
    """Corrected samples, in float32, and flags of pixels."""
    data, pixeldq = data.copy(), pixeldq | ref_dq
    for r, c in np.ndindex(pixeldq.shape):
        terms = coeffs[:, r, c]
        if np.isnan(terms).any() or terms[1] == 0 or ref_dq[r, c] & NO_LIN_CORR:
            pixeldq[r, c] |= NO_LIN_CORR
            continue
        for g in np.flatnonzero((groupdq[:, r, c] & SATURATED) == 0):
            value = np.float32(0)
            for term in terms[::-1]:
                value = value * data[g, r, c] + term
            data[g, r, c] = value
    return data, pixeldq


def usable(samples, flags) -> list[bool]:
    unusable = SATURATED | DO_NOT_USE
    return [
        math.isfinite(y) and not flag & unusable for y, flag in zip(samples, flags, strict=True)
    ]


def first_pass_and_jumps(samples, flags, gain, read_noise, pattern: ReadPattern, thresholds):
    """Ratios of the first pass (NaN where there are none), and the resultants with a jump."""
    good = usable(samples, flags)
    n = len(samples) - 1
    times, reads = pattern.times, pattern.n_reads
    # Equal gaps are equal, whatever the rounding of the times.
    interval = [
        float(f"{(times[i + 1] - times[i]) / (times[1] - times[0]):.12g}") for i in range(n)
    ]
    difference = {
        i: (float(samples[i + 1]) - float(samples[i])) * gain
        for i in range(n)
        if good[i] and good[i + 1]
    }
    first, jumps = [math.nan] * n, []
    if not math.isfinite(gain) or math.isnan(read_noise):
        return first, jumps
    first_pass = True
    while len(difference) >= 2:
        rates = [d / interval[i] for i, d in difference.items()]
        if len(rates) >= 4:
            rates.remove(max(rates, key=abs))
            rate = median(rates)
        else:
            rate = min(rates, key=abs) if len(rates) == 2 else median(rates)
        threshold = thresholds[min(len(difference), 4)]
        ratios = {}
        for i, d in difference.items():
            variance = abs(rate) * interval[i] + (read_noise * gain) ** 2 * (
                1 / reads[i] + 1 / reads[i + 1]
            )
            if variance > 0:
                ratios[i] = abs(d - rate * interval[i]) / math.sqrt(variance)
        if first_pass:
            for i, ratio in ratios.items():
                first[i] = ratio
            first_pass = False
        if not ratios or max(ratios.values()) <= threshold:
            break
        jump = max(ratios, key=ratios.__getitem__)
        jumps.append(jump + 1)
        del difference[jump]
    return first, jumps


def detect_jumps(data, groupdq, pixeldq, gain, read_noise, pattern, limits=(10.0, 1000.0)):
    """Flags of samples and of pixels, with the default thresholds, and neighbours."""
    groupdq, pixeldq = groupdq.copy(), pixeldq.copy()
    n_resultants, n_rows, n_cols = data.shape
    known = np.isfinite(gain) & (gain > 0)
    pixeldq[~known] |= NO_GAIN_VALUE | DO_NOT_USE
    if n_resultants < 3:
        return groupdq, pixeldq
    ratios = np.full((n_resultants, n_rows, n_cols), np.nan)
    for r, c in np.ndindex(n_rows, n_cols):
        first, jumps = first_pass_and_jumps(
            data[:, r, c],
            groupdq[:, r, c],
            float(gain[r, c]),
            float(read_noise[r, c]),
            pattern,
            {2: 6.0, 3: 5.0, 4: 4.0},
        )
        ratios[1:, r, c] = first
        groupdq[jumps, r, c] |= JUMP_DET
    spreading = (groupdq & JUMP_DET != 0) & (ratios > limits[0]) & (ratios < limits[1])
    for g, r, c in zip(*np.nonzero(spreading), strict=True):
        for row, col in [(r - 1, c), (r + 1, c), (r, c - 1), (r, c + 1)]:
            inside = 0 <= row < n_rows and 0 <= col < n_cols
            if inside and not groupdq[g, row, col] & (SATURATED | DO_NOT_USE):
                groupdq[g, row, col] |= JUMP_DET
    return groupdq, pixeldq


@dataclass
class Segment:
    slope: float
    uniform_slope: float
    var_poisson: float
    var_rnoise: float
    power: float


@dataclass
class Fit:
    """A pixel's rate and variances in DN and seconds; zeros where it cannot be fitted."""

    slope: float = 0.0
    var_poisson: float = 0.0
    var_rnoise: float = 0.0
    chisq: float = 0.0
    dumo: float = 0.0
    usable: bool = False
    segments: list[Segment] = field(default_factory=list)


def weighted_slope(times, samples, weights) -> float:
    """Of the line that the normal equations give."""
    (s, st), (stt, sy, sty) = (
        (weights.sum(), (weights * times).sum()),
        ((weights * times**2).sum(), (weights * samples).sum(), (weights * times * samples).sum()),
    )
    return (s * sty - st * sy) / (s * stt - st**2)


def fit_pixel(samples, flags, gain: float, read_noise: float, pattern: ReadPattern) -> Fit:
    if not (math.isfinite(gain) and gain > 0 and math.isfinite(read_noise)):
        return Fit()
    samples = np.asarray(samples, float)
    good = usable(samples, flags)
    times, reads = pattern.times, pattern.n_reads

    runs: list[list[int]] = []
    for g in range(len(samples)):
        if good[g]:
            if g == 0 or not good[g - 1] or flags[g] & JUMP_DET:
                runs.append([])
            runs[-1].append(g)
    if not runs:
        return Fit()

    pairs = [pair for run in runs for pair in pairwise(run)]
    if pairs:
        rate = median((samples[j] - samples[i]) / (times[j] - times[i]) for i, j in pairs)
    else:
        rate = samples[runs[0][0]] / pattern.group_time
    rate = max(rate, 0.0)
    long_runs = [run for run in runs if len(run) > 1]
    segments = [fit_run(run, samples, rate, gain, read_noise, pattern) for run in long_runs]
    if not segments:
        only = runs[0][0]
        slope = samples[only] / pattern.group_time
        var_rnoise = 2 * read_noise**2 / (reads[only] * pattern.group_time**2)
        var_poisson = rate / (gain * pattern.group_time)
        segments = [Segment(slope, slope, var_poisson, var_rnoise, 0.0)]

    weights = np.array([1 / (s.var_poisson + s.var_rnoise) for s in segments])
    slope = (weights * [s.slope for s in segments]).sum() / weights.sum()
    uniform = (weights * [s.uniform_slope for s in segments]).sum() / weights.sum()
    chisq = 0.0
    for i, j in pairs:
        interval = times[j] - times[i]
        deviation = gain * (samples[j] - samples[i] - slope * interval)
        variance = abs(slope) * gain * interval
        variance += (read_noise * gain) ** 2 * (1 / reads[i] + 1 / reads[j])
        chisq += deviation**2 / variance
    var_poisson = 0.0
    if rate > 0:
        var_poisson = 1 / sum(1 / s.var_poisson for s in segments)
    var_rnoise = 1 / sum(1 / s.var_rnoise for s in segments)
    return Fit(slope, var_poisson, var_rnoise, chisq, uniform - slope, True, segments)


def fit_run(run, samples, rate, gain, read_noise, pattern) -> Segment:
    times = pattern.times[run]
    reads = pattern.n_reads[run].astype(float)
    middle, half = (times[0] + times[-1]) / 2, (times[-1] - times[0]) / 2
    signal = gain * (samples[run[-1]] - samples[run[0]])
    variance = (gain * read_noise) ** 2 / reads[-1] + signal
    ratio = signal / math.sqrt(variance) if variance > 0 else 0.0
    power = next(power for limit, power in POWERS if ratio <= limit)
    weights = reads * np.abs((times - middle) / half) ** power
    inverse_variances = reads / read_noise**2
    mean = (inverse_variances * times).sum() / inverse_variances.sum()
    return Segment(
        slope=weighted_slope(times - middle, samples[run], weights),
        uniform_slope=weighted_slope(times - middle, samples[run], reads),
        var_poisson=rate / (gain * (times[-1] - times[0])),
        var_rnoise=1 / (inverse_variances * (times - mean) ** 2).sum(),
        power=power,
    )


def fit_ramps(
    data, groupdq, pixeldq, gain, read_noise, pattern
) -> tuple[NDArray[np.object_], NDArray[np.uint32]]:
    """The `Fit` of each pixel, and their flags."""
    fits = np.empty(pixeldq.shape, object)
    dq = pixeldq.copy()
    for r, c in np.ndindex(pixeldq.shape):
        fits[r, c] = fit_pixel(
            data[:, r, c], groupdq[:, r, c], float(gain[r, c]), float(read_noise[r, c]), pattern
        )
        dq[r, c] |= np.bitwise_or.reduce(groupdq[:, r, c]) & ~np.uint8(DO_NOT_USE)
        if not fits[r, c].usable:
            dq[r, c] |= DO_NOT_USE
        if not (np.isfinite(gain[r, c]) and gain[r, c] > 0):
            dq[r, c] |= NO_GAIN_VALUE
    return fits, dq
