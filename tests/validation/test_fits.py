"""The yardsticks of the fits are right, and show what is wrong with a fit."""

from __future__ import annotations

import dataclasses
import functools
import json
from functools import partial
from math import erf, inf, sqrt
from pathlib import Path

import numpy as np
import pytest

from romancal_rs.dqflags import group

from . import estimators, fits, fits_report, ramps, report, yardsticks
from .compare import Value
from .estimators import Estimate
from .goals import GOALS, Goal, rates
from .ramps import FRAME_TIME, FULL_WELL, GAIN, PATTERNS, READ_NOISE, Reads, even
from .yardsticks import Case

TABLE_4 = next(reads for reads in PATTERNS if reads.name == "table 4")
SKIPPING = Reads("with gaps", ((1, 2), (4,), (5, 6, 7), (9, 12)))
LIMIT = 4.5  # standard errors


def differences(data: np.ndarray) -> np.ndarray:
    return np.diff(data.astype(np.float64), axis=0)


# --- bound and sigma of a hit -------------------------------------------------------------------


def test_the_bound_of_read_noise_alone_is_that_of_a_straight_line() -> None:
    # n reads, one a resultant: s^2 / sum (t - mean t)^2 = 12 s^2 / (n (n^2 - 1) dt^2).
    n = 7
    expected = READ_NOISE / FRAME_TIME * np.sqrt(12 / (n * (n**2 - 1)))
    assert even(n, 1).best(0.0).bound == pytest.approx(expected, rel=1e-12)


def test_the_bound_of_photons_alone_is_that_of_counting_them() -> None:
    # Without read noise all photons between the first and the last read count: a / (g T). Pixels
    # of two gains.
    span, gain = 5 * FRAME_TIME, np.array([GAIN, 4.0])
    change = np.array([[3.0, 1.0], [0.0, 1.0], [2.0, 1.0], [9.0, 1.0], [1.0, 1.0]])
    estimate, bound = ramps.best_of_each(
        even(6, 1), change, np.full(2, 31.0), np.ones((5, 2), bool), np.zeros(2, int),
        gain=gain, noise=0.0,
    )  # fmt: skip
    np.testing.assert_allclose(bound, np.sqrt(31.0 / (gain * span)), rtol=1e-12)
    np.testing.assert_allclose(estimate, np.array([15.0, 5.0]) / span, rtol=1e-12)


@pytest.mark.parametrize("reads", [TABLE_4, SKIPPING, even(4, 8)])
@pytest.mark.parametrize("hit_read", [0, 2, 6])
def test_bound_and_sigma_are_those_of_generalised_least_squares_of_the_resultants(
    reads: Reads, hit_read: int
) -> None:
    # Pedestal, rate and hit are fitted to the resultants themselves, whitened; the covariance is
    # summed read by read. Read numbers are the times, so the hit in read 2 is one in a later read
    # of the first resultant where that has two.
    rate, n = 4.0, len(reads)
    covariance = np.zeros((n, n))
    columns = np.zeros((n, 3))
    for i, first in enumerate(reads.pattern):
        columns[i, 0] = 1
        columns[i, 1] = sum(first) / len(first) * FRAME_TIME
        columns[i, 2] = sum(read >= hit_read for read in first) / len(first)
        for j, second in enumerate(reads.pattern):
            total = sum(min(a, b) for a in first for b in second)
            covariance[i, j] = rate / GAIN * FRAME_TIME * total / (len(first) * len(second))
        covariance[i, i] += READ_NOISE**2 / len(first)
    if not hit_read:
        columns = columns[:, :2]
    whitened = np.linalg.solve(np.linalg.cholesky(covariance), columns)
    pseudo_inverse = np.linalg.pinv(whitened)
    errors = np.sqrt((pseudo_inverse**2).sum(axis=1))
    visible = hit_read and np.linalg.matrix_rank(columns) == 3
    if hit_read and not visible:
        errors = np.sqrt((np.linalg.pinv(whitened[:, :2]) ** 2).sum(axis=1))
    best = reads.best(rate, hit_read)
    assert best.bound == pytest.approx(errors[1], rel=1e-9)
    assert best.hit_sigma == pytest.approx(errors[2] if visible else np.inf, rel=1e-9)


@pytest.mark.parametrize("hit_read", [10, 14, 43])
def test_scatter_of_the_best_rate_and_of_a_hit_is_bound_and_sigma(hit_read: int) -> None:
    # 43 is the last read but one, of the last resultant but one.
    n, rate, size = 40_000, 2.0, 90.0
    data = ramps.simulate(
        TABLE_4, rate, n, np.random.default_rng(hit_read),
        hit_read=np.full(n, hit_read), hit_size=np.full(n, size),
    ).data  # fmt: skip
    best = TABLE_4.best(rate, hit_read)
    change = differences(data)
    estimate = best.weights @ change
    # The size of the hit from what the rate leaves, by least squares with the covariance.
    inverse = np.linalg.inv(TABLE_4.covariance(rate))
    template = TABLE_4.hit_templates[hit_read]
    left = change - TABLE_4.intervals[:, None] * estimate
    sizes = (template @ inverse @ left) / (template @ inverse @ template)
    for values, true, sigma in ((estimate, rate, best.bound), (sizes, size, best.hit_sigma)):
        assert abs(values.mean() - true) < LIMIT * sigma / np.sqrt(n)
        assert values.std() == pytest.approx(sigma, rel=LIMIT / np.sqrt(2 * n))


def test_the_best_of_each_pixel_is_that_of_its_pattern_rate_and_hit() -> None:
    rng = np.random.default_rng(3)
    shorter = Reads("first five", TABLE_4.pattern[:5])
    change = rng.normal(10, 5, (len(TABLE_4) - 1, 3))
    usable = np.ones(change.shape, bool)
    usable[4:, 1] = False
    rate, hit_read = np.array([1.0, 20.0, 300.0]), np.array([0, 6, 12])
    estimate, bound = ramps.best_of_each(TABLE_4, change, rate, usable, hit_read)
    each = [TABLE_4.best(1.0), shorter.best(20.0, 6), TABLE_4.best(300.0, 12)]
    np.testing.assert_allclose(bound, [best.bound for best in each], rtol=1e-9)
    expected = [b.weights @ change[: b.weights.size, i] for i, b in enumerate(each)]
    np.testing.assert_allclose(estimate, expected, rtol=1e-9)


def test_what_does_not_determine_a_rate_has_no_bound() -> None:
    usable = np.array([[True, False], [False, False], [False, False]])
    zeros = np.zeros((3, 2))
    # One difference, and a hit in it; no difference at all.
    _, bound = ramps.best_of_each(even(4, 8), zeros, np.ones(2), usable, np.array([10, 0]))
    assert np.isinf(bound).all()


@pytest.mark.parametrize("reads", PATTERNS, ids=lambda reads: reads.name)
def test_a_hit_in_the_first_read_cannot_be_told_from_the_pedestal(reads: Reads) -> None:
    sigma = [reads.best(0.3, read).hit_sigma for read in range(reads.last_read + 1)]
    assert np.flatnonzero(np.isinf(sigma)).tolist() == [0, 1]
    # No read alone would need more than the noise of a difference of two reads.
    assert max(sigma[2:]) < 20 * READ_NOISE


# --- simulation ---------------------------------------------------------------------------------


def test_ramps_have_the_mean_and_covariance_of_the_bound() -> None:
    n, rate = 60_000, 5.0
    change = differences(ramps.simulate(SKIPPING, rate, n, np.random.default_rng(1)).data)
    covariance = SKIPPING.covariance(rate)
    error = np.sqrt(np.diag(covariance) / n)
    assert (abs(change.mean(axis=1) - rate * SKIPPING.intervals) < LIMIT * error).all()
    # Of normal deviates: var C_ij = (C_ii C_jj + C_ij^2) / n.
    scatter = np.sqrt((np.outer(np.diag(covariance), np.diag(covariance)) + covariance**2) / n)
    assert (abs(np.cov(change) - covariance) < LIMIT * scatter).all()


def test_hits_added_afterwards_are_hits_simulated() -> None:
    n = 500
    rng = np.random.default_rng(2)
    hit_read = rng.integers(0, TABLE_4.last_read + 1, n)
    size = np.where(hit_read > 0, 1000 / GAIN, 0)
    clean = ramps.simulate(TABLE_4, 3.0, n, np.random.default_rng(5)).data
    hit = ramps.simulate(
        TABLE_4, 3.0, n, np.random.default_rng(5), hit_read=hit_read, hit_size=size
    ).data
    np.testing.assert_allclose(ramps.add_hits(TABLE_4, clean, hit_read, size), hit, atol=1e-3)


def test_a_full_well_holds_and_tells_which_resultants_it_filled() -> None:
    # 1000 DN in a read of 1 s and a well of 4500 DN: full from the fifth read on; the second
    # resultant has reads 4, 5 and 6, its mean is (4000 + 2 x 4500) / 3.
    reads = Reads("3 x 3", ((1, 2, 3), (4, 5, 6), (7, 8, 9)))
    ramp = ramps.simulate(
        reads, 1000 / FRAME_TIME, 2000, np.random.default_rng(1), full_well=4500, pedestal=70
    )
    assert ramp.filled.mean(axis=1).tolist() == [0, 1, 1]
    means = ramp.data.mean(axis=1) - 70
    np.testing.assert_allclose(means, [2000, 13_000 / 3, 4500], atol=3)


def test_ramps_do_not_depend_on_the_number_of_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    size = ramps.CHUNK + 100
    rate = np.linspace(0, 3, size)
    one = ramps.simulate_in_chunks(SKIPPING, rate, size, (4,)).data
    monkeypatch.setattr(ramps.os, "cpu_count", lambda: 1)
    np.testing.assert_array_equal(ramps.simulate_in_chunks(SKIPPING, rate, size, (4,)).data, one)


# --- the yardsticks show what is wrong ----------------------------------------------------------


def best_fit(reads: Reads, data: np.ndarray, groupdq: np.ndarray, rate: float) -> Estimate:
    """As good as can be: it is told the rate for its covariance."""
    best = reads.best(rate)
    estimate = best.weights @ differences(data)
    none = np.zeros(data.shape, bool)
    return Estimate(estimate, np.full(estimate.size, best.bound), none, none[0])


def clean(fit: estimators.Estimator, rate: float) -> yardsticks.Measures:
    data = ramps.simulate_in_chunks(TABLE_4, rate, 65_536, (8,)).data
    _, by_name = yardsticks.clean_case(TABLE_4, rate, data, {"fit": fit})
    return by_name["fit"]


def test_the_best_fit_has_no_excess_no_bias_and_a_pull_width_of_1() -> None:
    measures = clean(partial(best_fit, rate=10.0), 10.0)
    assert measures["rms"] == measures["pull"] == Value(1.0, 0.0)
    assert measures["bias"] == Value(0.0, 0.0)
    assert measures["weighted bias"].value == pytest.approx(0, abs=1e-12)
    assert measures["false"].value == 0


def test_errors_of_the_common_random_numbers_are_those_that_repeats_show() -> None:
    # An estimate with some noise of its own, which the best one does not have.
    def repeat(seed: int) -> tuple[Value, Value]:
        rng = np.random.default_rng(seed)
        best = rng.standard_normal(2000)
        values = 1.1 * best + 0.2 * rng.standard_normal(2000) + 0.01
        return yardsticks.width_ratio(values, best), yardsticks.mean_difference(values, best)

    repeats = [repeat(seed) for seed in range(400)]
    for which, expected in ((0, np.sqrt(1.1**2 + 0.2**2 + 0.01**2)), (1, 0.01)):
        values = np.array([r[which].value for r in repeats])
        stated = np.mean([r[which].error for r in repeats])
        assert values.std() == pytest.approx(stated, rel=LIMIT / np.sqrt(2 * 400))
        assert abs(values.mean() - expected) < LIMIT * stated / 20


def test_a_read_noise_that_is_wrong_shows_in_the_pull_width() -> None:
    # 5 % too low where it is all the noise there is: pulls are 1/0.95 as wide as they were.
    right = clean(estimators.ols, 0.0)["pull"]
    wrong = clean(partial(estimators.ols, read_noise=0.95 * READ_NOISE), 0.0)["pull"]
    assert wrong.value / right.value == pytest.approx(1 / 0.95, rel=0.01)
    assert wrong.value - right.value > 20 * np.hypot(wrong.error, right.error)


def test_weights_for_another_rate_show_in_the_scatter_but_not_in_the_bias() -> None:
    # Of 10 DN/s where there are 0.3.
    weights = TABLE_4.best(10.0).weights
    excess = np.sqrt(weights @ TABLE_4.covariance(0.3) @ weights) / TABLE_4.best(0.3).bound
    measures = clean(partial(best_fit, rate=10.0), 0.3)
    assert measures["rms"].value == pytest.approx(excess, abs=LIMIT * measures["rms"].error)
    assert excess > 1 + 20 * measures["rms"].error
    assert abs(measures["bias"].value) < LIMIT * measures["bias"].error


def test_a_bias_of_a_hundredth_of_the_bound_shows() -> None:
    def off(reads: Reads, data: np.ndarray, groupdq: np.ndarray) -> Estimate:
        fit = best_fit(reads, data, groupdq, 1.0)
        return dataclasses.replace(fit, rate=fit.rate + 0.01 * TABLE_4.best(1.0).bound)

    assert clean(off, 1.0)["bias"].value == pytest.approx(0.01, rel=1e-6)


def test_the_smoothed_variance_makes_errors_that_do_not_go_with_the_noise() -> None:
    reads, rate = even(8, 8), 0.1
    data = ramps.simulate_in_chunks(reads, rate, 512 * 256, (21,)).data
    _, by_name = yardsticks.clean_case(reads, rate, data, {"gls": estimators.LIKELIHOOD})
    measures = by_name["gls"]
    own, smooth = measures["pull"], measures["smooth pull"]
    assert own.value > 1.02
    # Where a few pixels would keep their own error, as it is small, the width would be 1.014.
    assert smooth.value == pytest.approx(1.0, abs=0.002 + 3 * smooth.error)
    bias = measures["weighted bias"].value
    assert abs(measures["smooth weighted bias"].value) < 0.2 * abs(bias)


def test_errors_that_go_with_the_rate_bias_the_weighted_mean() -> None:
    # sigma^2 = v (1 + c x), x the error in units of the bound: the weighted mean is -c to first
    # order, and the mean of the weights with the errors all the same is 0.
    def fit(reads: Reads, data: np.ndarray, groupdq: np.ndarray) -> Estimate:
        fit = best_fit(reads, data, groupdq, 1.0)
        x = (fit.rate - 1.0) / fit.err
        return dataclasses.replace(fit, err=fit.err * np.sqrt(1 + 0.02 * x))

    measures = clean(fit, 1.0)
    assert measures["weighted bias"].value == pytest.approx(-0.02, rel=0.02)
    assert abs(measures["bias"].value) < 1e-9


def matched_filter(
    reads: Reads, data: np.ndarray, groupdq: np.ndarray, hit_read: int, rate: float
) -> Estimate:
    """It is told in which read to look, and flags the difference that ends in its resultant."""
    best = reads.best(rate, hit_read)
    template = reads.hit_templates[hit_read]
    inverse = np.linalg.inv(reads.covariance(rate))
    change = differences(data)
    left = change - reads.intervals[:, None] * (best.weights @ change)
    size = (template @ inverse @ left) / (template @ inverse @ template)
    fit = best_fit(reads, data, groupdq, rate)
    fit.jump[reads.resultant_of[reads.read_numbers == hit_read]] = size > 4.5 * best.hit_sigma
    return fit


def test_a_detector_that_knows_the_read_finds_what_a_matched_filter_does() -> None:
    n, rate, read = 40_000, 3.0, 13
    sigma = TABLE_4.best(rate, read).hit_sigma
    data = ramps.simulate(TABLE_4, rate, n, np.random.default_rng(6)).data
    hit_read = np.full(n, read)
    for size in (4.0, 5.0, 6.0):
        hit = ramps.add_hits(TABLE_4, data, hit_read, np.full(n, size * sigma))
        fit = matched_filter(TABLE_4, hit, np.zeros(hit.shape, np.uint8), read, rate)
        share = yardsticks.share(yardsticks.found(TABLE_4, hit_read, fit.jump))
        expected = (1 + erf((size - 4.5) / sqrt(2))) / 2
        assert abs(share.value - expected) < LIMIT * share.error


def test_a_hit_is_found_by_either_of_its_differences_and_by_no_other() -> None:
    # Read 14 is the fifth of resultant 4, which has 10 to 17: it is in differences 3 and 4, which
    # end in resultants 4 and 5. Read 10 is in difference 3 alone.
    for read, expected in ((14, {4, 5}), (10, {4})):
        jump = np.eye(len(TABLE_4), dtype=bool)
        flagged = yardsticks.found(TABLE_4, np.full(len(TABLE_4), read), jump)
        assert set(np.flatnonzero(flagged)) == expected


@functools.cache
def saturating() -> yardsticks.SaturatingRamps:
    reads = even(4, 8)
    return yardsticks.saturating_ramps(reads, (1,), pedestal=0.0, hits=False, n=8192)


def best_of_saturating() -> Estimate:
    ramp = saturating()
    unknown = ~np.isfinite(ramp.bound)
    err = np.where(unknown, 1, ramp.bound)
    none = np.zeros(ramp.data.shape, bool)
    return Estimate(np.where(unknown, 0, ramp.best), err, none, unknown)


def test_resultants_that_fill_up_unseen_are_seen_in_the_measures() -> None:
    ramp = saturating()
    right = yardsticks.measure_saturating(ramp, ramp.filled, best_of_saturating())
    assert (right["filled used"].value, right["good lost"].value) == (0, 0)
    assert right["rms"].value == 1
    assert abs(right["worst"].value) < 0.03

    unseen = estimators.saturation_flags(ramp.reads, ramp.data, 0.97 * FULL_WELL, "none")
    fit = estimators.ols(ramp.reads, ramp.data, unseen)
    wrong = yardsticks.measure_saturating(ramp, unseen != 0, fit)
    # A resultant of 8 reads of which up to the last 7 are full, in which its mean stays below the
    # threshold: in the first, second, third and fourth, 0.97 of the well is not reached while
    # fewer than about 7, 6, 5 and 4 are.
    assert wrong["filled used"].value > 0.3
    assert wrong["rms"].value > 3
    assert wrong["bias"].value < -0.5
    assert wrong["worst"].value < -0.1


def test_good_resultants_that_are_thrown_away_are_counted() -> None:
    ramp = saturating()
    careless = ramp.filled.copy()
    careless[0] = True
    measures = yardsticks.measure_saturating(ramp, careless, best_of_saturating())
    assert measures["good lost"].value == 1


def test_sizes_of_hits_are_those_of_the_distribution() -> None:
    sizes = ramps.realistic_sizes(np.random.default_rng(1), 100_000) * GAIN
    low, middle, high = np.percentile(sizes, [15.866, 50, 84.134])
    assert middle == pytest.approx(2300, rel=0.01)
    assert [np.log(middle / low), np.log(high / middle)] == pytest.approx([0.7, 0.7], rel=0.02)


# --- goals and page -----------------------------------------------------------------------------

WIDTH = Goal("width", "clean", "pull", rates(1, 3, (5, 99)), 0.995, 1.005)


@pytest.mark.parametrize(
    ("values", "verdict"),
    [
        ([Value(1.004, 1e-3), Value(0.996, 1e-3)], "yes"),
        ([Value(1.007, 1e-3), Value(0.996, 1e-3)], "within its error"),
        ([Value(1.007, 1e-4), Value(0.996, 1e-3)], "no"),
        ([Value(1.0, 1e-3), Value(0.9, 1e-3)], "no"),
    ],
)
def test_goals_are_judged_with_the_error_of_each_case(values: list[Value], verdict: str) -> None:
    of_both = zip(("1", "3"), values, strict=True)
    results = {Case("clean", "table 4", rate): {"gls": {"pull": v}} for rate, v in of_both}
    # Neither for a rate nor for a number of resultants that the goal is not for.
    results[Case("clean", "table 4", "10")] = {"gls": {"pull": Value(5.0, 0.0)}}
    results[Case("clean", "even 4 x 8", "3")] = {"gls": {"pull": Value(5.0, 0.0)}}
    assert WIDTH.verdict(results) == verdict


def test_what_must_not_happen_is_not_excused_by_its_error() -> None:
    goal = Goal("filled", "saturating", "filled used", lambda n, case: True, -inf, 0)
    case = Case("saturating", "table 4", "pedestal")
    assert goal.verdict({case: {"gls": {"filled used": Value(1e-5, 1e-5)}}}) == "no"
    assert goal.verdict({case: {"gls": {"filled used": Value(0.0, 1e-5)}}}) == "yes"


def test_the_worst_of_shares_is_the_one_nearest_to_their_only_limit() -> None:
    shares = {"1": Value(1e-5, 0), "3": Value(1.5e-4, 0), "10": Value(0.0, 0)}
    results = {Case("clean", "table 4", rate): {"gls": {"false": v}} for rate, v in shares.items()}
    goal = next(g for g in GOALS if g.quantity == "false jumps, n <= 9, 1e-6")
    worst = goal.worst(results, "gls")
    assert worst is not None
    assert worst[0].condition == "3"
    assert fits_report.limits(goal) == "<= 160"


@functools.cache
def few_results() -> yardsticks.Results:
    """Two patterns, a few pixels, and the fit of 2022 under all names."""
    names = ("2022", "gls", "gls, T = 18")
    patterns = (even(4, 8), TABLE_4)
    results = dict(yardsticks.of_ramps(dict.fromkeys(names, estimators.ols), patterns, 0.01))
    pipelines = {"concave, gls": (estimators.rule("none"), estimators.ols)}
    return results | dict(yardsticks.of_saturating(pipelines, patterns, 0.05))


def test_goals_are_missed_by_a_fit_that_misses_them() -> None:
    verdicts = {goal.quantity: goal.verdict(few_results()) for goal in GOALS}
    assert verdicts["saturating ramps: with a filled resultant used, %"] == "no"
    assert verdicts["hit pixels, n = 4: more than 5 b off, %"] == "no"
    assert verdicts["false jumps, n <= 9, 1e-6"] == "no"


def test_the_pages_are_rewritten_between_their_marks(tmp_path: Path) -> None:
    page, goals = tmp_path / "validation-fits.md", tmp_path / "validation.md"
    page.write_text(f"before\n{report.BEGIN}\nold\n{report.END}\nafter\n")
    marks = (fits_report.GOALS_BEGIN, fits_report.GOALS_END)
    goals.write_text(
        f"one\n{report.BEGIN}\nkept\n{report.END}\ntwo\n{marks[0]}\nold\n{marks[1]}\nthree\n"
    )
    fits_report.write(page, goals, few_results())
    text = page.read_text()
    assert text.startswith("before\n")
    assert text.endswith("after\n")
    assert "old" not in text + goals.read_text()
    assert "| table 4 (9) | 2022 |" in text
    assert "kept" in goals.read_text()
    assert goals.read_text().count("\n| ") == len(GOALS) + 2
    assert len(list((tmp_path / "validation-fits").glob("*.png"))) == 3


def test_what_romancal_measured_is_left_out_where_the_ramps_are_others(
    tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    results = few_results()
    kept = {c: {"best": m["best"], "peer": m.get("2022", {})} for c, m in results.items()}
    path = tmp_path / "fits_peer.json"
    fits.save(kept, path)
    assert json.loads(path.read_text()).keys() >= {"clean, table 4, 0.3"}
    case = Case("clean", "table 4", "0.3")
    both = fits.with_peer(results, fits.load(path))
    assert both[case]["peer"]["rms"].value == pytest.approx(results[case]["2022"]["rms"].value)
    assert capsys.readouterr().out == ""

    kept[case] = kept[case] | {"best": {"bias": Value(0.5, 0.01)}}
    fits.save(kept, path)
    assert "peer" not in fits.with_peer(results, fits.load(path))[case]
    assert "make validate-peer" in capsys.readouterr().out


def test_flags_of_saturation_are_for_the_given_ramps_alone() -> None:
    data = np.full((4, 512), 100, np.float32)
    data[2, 7] = 54_000
    flags = estimators.saturation_flags(even(4, 8), data, 53_000.0, "none")
    assert np.argwhere(flags == group["SATURATED"]).tolist() == [[2, 7], [3, 7]]
