"""The likelihood fit against that of stcal 1.20.0, by file (``tests/data/flight``).

21 read patterns of 1260 pixels in 30 classes: hits, flags of all kinds, saturation, bad references.
"""

from functools import cache
from pathlib import Path

import numpy as np
import pytest

from romancal_rs import ReadPattern, dqflags, kernels

GOLDEN = Path(__file__).parents[1] / "data" / "flight" / "golden"
PATHS = sorted(GOLDEN.glob("likely_*.npz"))
NUMBERS = ("slope", "err", "var_poisson", "var_rnoise", "chisq")

# Pixels of 8 resultants of 8 reads that fall: stcal divides by an element of the inverse covariance
# that is exactly 0 there, and the NaN ends its search.
ENDED_BY_NAN = {"likely_e8x8": 2}
# Where dropping leaves a single difference, all that may be dropped are as good, so that rounding
# decides in stcal. Pixels that are flagged otherwise, by how many differences they have.
DECIDED_BY_ROUNDING = {2: 124, 3: 38}


@cache
def read(path):
    with np.load(path) as archive:
        return {key: archive[key] for key in archive.files}


def fit(file, **parameters):
    """The fit, and the flags of samples after it."""
    ends = np.cumsum(file["in_n_reads"])[:-1]
    reads = [part.tolist() for part in np.split(file["in_reads"], ends)]
    pattern = ReadPattern.from_reads(reads, float(file["in_frame_time"]))
    names = ("data", "groupdq", "pixeldq", "gain", "read_noise")
    arrays = [file[f"in_{name}"].copy() for name in names]
    return kernels.fit_likelihood(*arrays, pattern, **parameters), arrays[1]


def n_usable(file):
    """How many differences of each pixel have no flag and are numbers."""
    usable = (file["in_groupdq"] == 0) & np.isfinite(file["in_data"])
    return np.count_nonzero(usable[1:] & usable[:-1], axis=0)


def has_gain(file):
    return np.isfinite(file["in_gain"]) & (file["in_gain"] > 0)


@pytest.mark.parametrize("tag", ["jump", "nojump"])
@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_rates_and_flags_are_those_of_stcal(path, tag):
    file = read(path)
    find_jumps = tag == "jump"
    ours, groupdq = fit(file, rule="likely", find_jumps=find_jumps)
    is_fitted = np.isfinite(file[f"out_{tag}_slope"]) & has_gain(file)
    as_flagged = (groupdq == file[f"out_{tag}_groupdq"]).all(axis=0)
    is_decided = (n_usable(file) > 3) | (not find_jumps)
    n_ended = ENDED_BY_NAN.get(path.stem, 0) if find_jumps else 0
    assert np.count_nonzero(is_fitted & is_decided & ~as_flagged) == n_ended
    same = is_fitted & as_flagged
    for name in NUMBERS[:-1]:
        np.testing.assert_array_equal(
            getattr(ours, name)[same], file[f"out_{tag}_{name}"][same], err_msg=name
        )
    # Its chisq is the difference of two large numbers.
    np.testing.assert_allclose(
        ours.chisq[same], file[f"out_{tag}_chisq"][same], rtol=1e-7, atol=1e-9
    )
    # These flags of samples are those of the pixel here, not there.
    of_samples = dqflags.DROPOUT | dqflags.AD_FLOOR
    differs = (ours.dq ^ file[f"out_{tag}_dq"]) & ~np.uint32(of_samples)
    assert not differs[same].any()
    if find_jumps:
        inner = np.s_[4:-4, 4:-4]
        dumo = ours.dumo[inner].astype(np.float16)
        np.testing.assert_array_equal(dumo[same[inner]], file["out_l2_dumo"][same[inner]])


@pytest.mark.parametrize("tag", ["jump", "nojump"])
@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_where_stcal_has_no_rate_there_is_one_or_a_flag(path, tag):
    file = read(path)
    ours, _ = fit(file, rule="likely", find_jumps=tag == "jump")
    is_none = ~np.isfinite(file[f"out_{tag}_slope"])
    is_dead = (ours.dq & dqflags.DO_NOT_USE & ~file["in_pixeldq"]) != 0
    is_bad = (file["in_pixeldq"] & dqflags.DO_NOT_USE) != 0
    for name in (*NUMBERS, "dumo"):
        values = getattr(ours, name)
        assert np.isfinite(values).all()
        assert not values[is_dead].any()
    # Samples that are NaN are left out; without any, pixels with differences have rates.
    can_be_fitted = has_gain(file) & np.isfinite(file["in_read_noise"]) & (n_usable(file) > 0)
    has_noise = can_be_fitted & (file["in_read_noise"] > 0)
    np.testing.assert_array_equal((ours.err > 0)[has_noise], True)
    np.testing.assert_array_equal((is_dead | is_bad)[is_none & ~can_be_fitted], True)
    np.testing.assert_array_equal((ours.dq & dqflags.NO_GAIN_VALUE) != 0, ~has_gain(file))


def test_where_rounding_decides_in_stcal_the_lowest_rate_stays():
    found = dict.fromkeys(DECIDED_BY_ROUNDING, 0)
    for path in PATHS:
        file = read(path)
        ours, groupdq = fit(file, rule="likely")
        differs = (groupdq != file["out_jump_groupdq"]).any(axis=0) & has_gain(file)
        for n in found:
            here = differs & (n_usable(file) == n) & np.isfinite(file["in_data"]).all(axis=0)
            found[n] += np.count_nonzero(here)
            theirs = file["out_jump_slope"][here]
            # It drops all that are exactly as good: NaN.
            assert np.all(np.isnan(theirs) | (ours.slope[here] < theirs))
    assert found == DECIDED_BY_ROUNDING


def test_the_rule_of_today_agrees_with_stcal_where_neither_finds_a_hit():
    slopes, offsets, errors = [], [], []
    for path in PATHS:
        file = read(path)
        ours, groupdq = fit(file)
        has_jump = (groupdq | file["out_jump_groupdq"]) & dqflags.JUMP_DET
        # Ordinary pixels of up to 2000 DN/s, and falling ones.
        clean = np.isin(file["in_cls"], [0, 1, 2, 16]) & ~has_jump.any(axis=0)
        err = file["out_jump_err"][clean]
        slopes.append(file["out_jump_slope"][clean])
        offsets.append(np.abs(ours.slope[clean] - slopes[-1]) / err)
        errors.append(np.abs(ours.err[clean] / err - 1))
    slope, offset, error = map(np.concatenate, (slopes, offsets, errors))
    # The covariance is that of a fit, there of the median, which matters where a pixel is faint.
    for low, high, of_slope, of_err in [
        (-np.inf, 0.1, 0.02, 0.045),
        (0.1, 0.3, 0.012, 0.018),
        (0.3, 1, 0.006, 0.01),
        (1, 10, 0.003, 0.005),
        (10, np.inf, 2e-4, 3e-4),
    ]:
        here = (slope >= low) & (slope < high)
        assert np.count_nonzero(here) > 50
        assert np.quantile(offset[here], 0.99) < of_slope
        assert np.quantile(error[here], 0.99) < of_err
