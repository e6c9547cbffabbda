"""Linearity by reads against the step of romancal 1.1 (``tests/data/flight``).

Where samples are DO_NOT_USE or no numbers, that takes the rate from them all the same
(``docs/explanation/deviations.md``): such pixels are held against its formula with the rate of
ours.
"""

from pathlib import Path

import numpy as np
import pytest

from romancal_rs import ReadPattern, datamodels, dqflags, kernels
from romancal_rs.dark_decay import DarkDecayStep
from romancal_rs.dq_init import DQInitStep
from romancal_rs.linearity import LinearityStep
from romancal_rs.saturation import SaturationStep

GOLDEN = Path(__file__).parents[1] / "data" / "flight" / "golden"
SAMPLE = Path(__file__).parents[2].parent / "shared" / "sample"
PATHS = sorted(GOLDEN.glob("linearity_*.npz"))
DO_NOT_USE, SATURATED, AD_FLOOR = dqflags.DO_NOT_USE, dqflags.SATURATED, dqflags.AD_FLOOR
#: Of samples of 10000 DN, after refpix; one rounding of larger ones is more.
TOLERANCE = 2e-3


def load(path):
    with np.load(path) as archive:
        return {key: archive[key] for key in archive.files}


@pytest.fixture(params=PATHS, ids=lambda path: path.stem)
def golden(request):
    return load(request.param)


def reads_of(golden):
    ends = np.cumsum(golden["in_read_pattern_lengths"])[:-1]
    return [part.tolist() for part in np.split(golden["in_read_pattern_reads"], ends)]


def corrected(golden, **how):
    """The ramp of a file and its flags, corrected."""
    ramp = [golden[f"in_{name}"].copy() for name in ("data", "groupdq", "pixeldq")]
    inl = None
    if "in_inl_value" in golden:
        inl = golden["in_inl_value"], golden["in_inl_correction"]
    kernels.linearize_reads(
        *ramp,
        golden["in_lin"],
        golden["in_lin_dq"],
        golden["in_ilin"],
        ReadPattern.from_reads(reads_of(golden), 3.04),
        inl=inl,
        **how,
    )
    return ramp


# --- the formula, pixel by pixel


def polynomial(coeffs, x):
    """By Horner's scheme, in the precision of `x`."""
    result = coeffs[-1].astype(x.dtype) * x
    for coefficient in coeffs[-2:0:-1]:
        result = (result + coefficient.astype(x.dtype)) * x
    return result + coeffs[0].astype(x.dtype)


def usable_coefficients(golden, name):
    coeffs = golden[name].copy()
    unusable = np.isnan(coeffs).any(axis=0) | (coeffs[1] == 0)
    unusable |= golden["in_lin_dq"] & dqflags.NO_LIN_CORR != 0
    unity = np.zeros(len(coeffs), np.float32)
    unity[1] = 1
    coeffs[:, unusable] = unity[:, None]
    return coeffs


def samples_of_the_rate(samples, flags):
    """The two resultants that a pixel's rate is taken from; None if there are no two."""
    finite = np.isfinite(samples)
    sound = np.flatnonzero(finite & (flags & DO_NOT_USE == 0))
    good = [g for g in sound if not flags[g] & SATURATED]
    unused = finite & (flags & (DO_NOT_USE | SATURATED | AD_FLOOR) == DO_NOT_USE)
    if len(good) == 1 and unused.any():
        all_unused = np.flatnonzero(unused)
        after = all_unused[all_unused > good[0]]
        return good[0], after[0] if len(after) else all_unused[-1]
    if len(sound) < 2:
        return None
    return sound[0], sound[max(len(good) - 2, 1)]


@np.errstate(invalid="ignore", over="ignore")  # of coefficients and samples that are infinite
def by_the_formula(golden):
    """The samples of a file, corrected as romancal does, but for the rate; and where it is used."""
    data, groupdq, reads = golden["in_data"], golden["in_groupdq"], reads_of(golden)
    result = data.copy()
    linear, inverse = (usable_coefficients(golden, name) for name in ("in_lin", "in_ilin"))
    middle = np.array([np.mean(times) for times in reads])
    for y, x in np.ndindex(data.shape[1:]):
        samples, flags = data[:, y, x], groupdq[:, y, x]
        forward, backward = linear[:, y, x], inverse[:, y, x]
        counts = np.where(flags & SATURATED, samples, polynomial(forward, samples))
        start, rate, begin = np.float64(0), np.float64(0), 0.0
        if chosen := samples_of_the_rate(samples, flags):
            first, last = chosen
            rise = np.float64(counts[last] - counts[first])
            start, rate = np.float64(counts[first]), rise / (middle[last] - middle[first])
            begin = middle[first]
        for g in np.flatnonzero(flags & SATURATED == 0):
            measured = polynomial(backward, start + rate * (np.array(reads[g]) - begin))
            values = measured + (np.float64(samples[g]) - measured.mean())
            if "in_inl_value" in golden:
                nodes = golden["in_inl_value"].astype(float)
                values += np.interp(values, nodes, golden["in_inl_correction"][x // 128])
            result[g, y, x] = polynomial(forward, values).mean()
    cut = np.abs(result) > 1e6
    flags = groupdq | (cut | np.isnan(result)) * np.uint8(DO_NOT_USE)
    return np.clip(result, -1e6, 1e6), flags


def test_there_are_six_files():
    assert len(PATHS) == 6


@pytest.mark.parametrize("max_threads", [1, 2, 3])
def test_linearize_reads(golden, max_threads):
    data, groupdq, pixeldq = corrected(golden, max_threads=max_threads, band_rows=3)
    np.testing.assert_array_equal(pixeldq, golden["out_pixeldq"])
    # Samples that are not to be used, or no numbers, set the rate there.
    bad = (golden["in_groupdq"] & DO_NOT_USE != 0) | ~np.isfinite(golden["in_data"])
    judged = ~bad.any(axis=0)
    assert judged.mean() > 0.9
    expected = golden["out_data"]
    np.testing.assert_array_equal(np.isnan(data[:, judged]), np.isnan(expected[:, judged]))
    unit = np.spacing(np.abs(expected[:, judged]))
    assert np.nanmax(np.abs(data - expected)[:, judged] / unit) <= 1
    # NaN is flagged here.
    flags = golden["out_groupdq"] | np.isnan(expected) * np.uint8(DO_NOT_USE)
    np.testing.assert_array_equal(groupdq[:, judged], flags[:, judged])
    # In single reads no rate is needed: those that are judged differ in nothing but NaN.
    if golden["in_read_pattern_lengths"].max() == 1:
        finite = ~np.isnan(expected)
        np.testing.assert_array_equal(data[finite], expected[finite])


def test_pixels_with_samples_that_are_not_to_be_used_were_not_judged(golden):
    data, groupdq, _ = corrected(golden)
    expected, flags = by_the_formula(golden)
    np.testing.assert_array_equal(data, expected)
    np.testing.assert_array_equal(groupdq, flags)


def test_a_partially_saturated_sample_gave_way_to_a_saturated_one(golden):
    """The same with flags as saturation leaves them, and all that a ramp may have at random."""
    rng = np.random.default_rng(7)
    shape = golden["in_data"].shape
    g = np.arange(len(golden["in_data"]))[:, None, None]
    saturated = rng.integers(0, len(g) + 2, shape[1:])
    flags = np.where(g >= saturated, SATURATED, 0) | np.where(g == saturated - 1, DO_NOT_USE, 0)
    others = [0] * 16 + [DO_NOT_USE, DO_NOT_USE | AD_FLOOR, SATURATED, dqflags.JUMP_DET]
    golden["in_groupdq"] = (flags | rng.choice(others, shape)).astype(np.uint8)
    golden["in_data"][rng.random(shape) < 0.02] = np.nan
    golden["in_data"][rng.random(shape) < 0.01] = np.inf
    data, groupdq, _ = corrected(golden)
    expected, flags = by_the_formula(golden)
    np.testing.assert_array_equal(data, expected)
    np.testing.assert_array_equal(groupdq, flags)


@pytest.mark.parametrize("band_rows", [1, 4, 100])
def test_bands_do_not_matter(golden, band_rows):
    for one, other in zip(corrected(golden), corrected(golden, band_rows=band_rows), strict=True):
        assert one.tobytes() == other.tobytes()


@pytest.mark.skipif(not SAMPLE.is_dir(), reason=f"the third-party sample is not at {SAMPLE}")
@pytest.mark.parametrize("number", [1, 2])
def test_the_third_party_sample(number):
    """From raw counts to linear ramps; refpix takes samples for missing there as romancal does."""
    file = load(GOLDEN / f"chain_sample{number}.npz")
    exposure = SAMPLE / f"r0000101001001001001_000{number}_wfi07_f158_uncal.asdf"
    references = SAMPLE / "references"
    ramp = DQInitStep.call(exposure, references=references)
    ramp = SaturationStep.call(ramp, references=references, partial="mean_read")
    with datamodels.open(references / "roman_wfi_refpix_0007.asdf") as model:
        coefficients = [np.array(model[name]) for name in ("gamma", "zeta", "alpha")]
    data, amp33 = np.array(ramp.data), np.array(ramp.amp33)
    kernels.correct_reference_pixels(data, amp33, ramp.pixeldq, *coefficients, zero_is_missing=True)
    ramp.data = data
    decayed = DarkDecayStep.call(ramp, references=references)
    ramp = LinearityStep.call(decayed, references=references)
    assert ramp.meta.cal_step.dark_decay == ramp.meta.cal_step.linearity == "COMPLETE"

    grid = np.ix_(file["in_rows"], file["in_cols"])
    np.testing.assert_array_equal(ramp.groupdq[:, *grid], file["out_groupdq"])
    np.testing.assert_array_equal(ramp.pixeldq[grid], file["out_pixeldq"])
    expected = file["out_linearity_data"]
    difference = np.abs(ramp.data[:, *grid] - expected)
    assert (difference <= np.maximum(TOLERANCE, np.spacing(expected))).all()
    # Of all pixels, as there: with rates also of samples that are not to be used.
    decayed.groupdq &= ~np.uint8(DO_NOT_USE)
    every = LinearityStep.call(decayed, references=references).data
    expected = file["out_linearity_sum"] / every[0].size
    means = every.mean(axis=(1, 2), dtype=float)
    np.testing.assert_allclose(means, expected, rtol=0, atol=1e-6)
    differs = (every != ramp.data).any(axis=0)
    has_unused = (ramp.groupdq & DO_NOT_USE != 0).any(axis=0)
    assert not differs[~has_unused].any()
