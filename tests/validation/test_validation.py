"""Small exposures of the plan agree with the independent simulation, and errors would be seen."""

from __future__ import annotations

import functools
import importlib.util
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from romancal_rs import ReadPattern

from . import independent
from .__main__ import run
from .compare import Comparison, Row, Share, Value, beyond, completeness, mean, width
from .plan import RATES, RESULTANTS, Exposure, plan
from .report import BEGIN, END, write

spec = importlib.util.spec_from_file_location(
    "reference_rules", Path(__file__).parents[1] / "reference_rules.py"
)
assert spec is not None
assert spec.loader is not None
rules = importlib.util.module_from_spec(spec)
spec.loader.exec_module(rules)

# Some 40 comparisons with fixed seeds: by chance one is beyond this in 4000 choices of seeds.
LIMIT = 4.5


def exposure(number: int, size: int = 256) -> Exposure:
    return plan(size)[number - 1]


# Several tests look at the same rows.
@functools.cache
def row_of(number: int) -> Row:
    return run(exposure(number))


@pytest.mark.parametrize(
    "number",
    [
        12,  # 4 even, 1000 DN/s, which saturate
        19,  # 5 uneven, 1000 DN/s
        24,  # 6 uneven, of which only the first is usable
        35,  # 12 uneven, 10 DN/s
    ],
)
def test_the_pipeline_agrees_with_the_independent_simulation(number: int) -> None:
    comparisons = row_of(number).comparisons()
    assert {"bias", "pull_width"} <= set(comparisons)
    assert {name: c.z for name, c in comparisons.items() if abs(c.z) > LIMIT} == {}


def test_pixels_full_from_the_start_are_unusable_in_both() -> None:
    row = run(exposure(13, 64))
    assert row.product.unusable.value == row.expected.unusable.value == 1
    assert row.comparisons() == {}


# --- what is wrong shows ------------------------------------------------------------------------


def test_a_gain_reference_that_is_wrong_shows_in_the_pull_width() -> None:
    # 4 % too high: errors of photon noise 2 % too small, 7 of the standard errors of sqrt(2 x
    # 1 / (2 x 124000)).
    row = run(exposure(19, 512), gain_factor=1.04)
    assert row.comparisons()["pull_width"].z > LIMIT
    assert abs(row.comparisons()["bias"].z) < LIMIT


def test_a_doubled_threshold_shows_in_hits_and_false_positives() -> None:
    comparisons = run(exposure(35), threshold=8.0).comparisons()
    assert comparisons["found"].z < -LIMIT
    assert comparisons["false"].z < -LIMIT


def test_a_rate_that_is_wrong_shows_in_the_bias() -> None:
    row = row_of(35)
    wrong = replace(row.product, bias=Value(row.product.bias.value + 0.1, row.product.bias.error))
    assert Row(row.exposure, wrong, row.expected).comparisons()["bias"].z > LIMIT


# --- the independent estimators -----------------------------------------------------------------


@pytest.mark.parametrize("number", [3, 9, 14, 19, 35, 44])
def test_the_vectorised_rules_are_those_of_the_slow_ones(number: int) -> None:
    chosen = plan()[number - 1]
    pattern = ReadPattern.from_reads([list(r) for r in chosen.pattern], chosen.frame_time)
    n, n_pixels = len(pattern), 300
    rng = np.random.default_rng(number)
    rate = 10 ** rng.uniform(-2, 3.5, n_pixels)
    gain, read_noise = rng.uniform(0.5, 4, n_pixels), rng.uniform(3, 12, n_pixels)
    steps = np.diff(pattern.times, prepend=0.0)[:, None]
    signal = 50 + np.cumsum(rng.poisson(rate * gain * steps) / gain, axis=0)
    hits = (rng.random((n, n_pixels)) < 0.1) * 10 ** rng.uniform(1, 4.5, (n, n_pixels))
    samples = signal + np.cumsum(hits, axis=0)
    samples += rng.standard_normal((n, n_pixels)) * read_noise / np.sqrt(pattern.n_reads)[:, None]
    samples = np.round(samples)  # so that differences of the same size occur
    usable = rng.random((n, n_pixels)) > 0.05
    usable[:, :100] = np.logical_and.accumulate(usable[:, :100], axis=0)
    groupdq = np.where(usable, 0, rules.SATURATED)

    cadence = (pattern.times, pattern.n_reads)
    jumps, first = independent.find_jumps(samples, usable, gain, read_noise, *cadence)
    for p in range(n_pixels):
        ratios, found = rules.first_pass_and_jumps(
            samples[:, p], groupdq[:, p], gain[p], read_noise[p], pattern, independent.THRESHOLDS
        )
        if n >= 3:
            assert np.flatnonzero(jumps[:, p]).tolist() == sorted(found)
            np.testing.assert_allclose(first[1:, p], np.nan_to_num(ratios), rtol=1e-6, atol=1e-9)

    results = independent.fit_ramps(
        samples, usable, jumps, gain, read_noise, *cadence, group_time=pattern.group_time
    )
    flags = groupdq | np.where(jumps, rules.JUMP_DET, 0)
    fits = [
        rules.fit_pixel(samples[:, p], flags[:, p], gain[p], read_noise[p], pattern)
        for p in range(n_pixels)
    ]
    for name, values in zip(("slope", "var_poisson", "var_rnoise"), results, strict=True):
        expected = [getattr(fit, name) for fit in fits]
        np.testing.assert_allclose(values, expected, rtol=1e-9, atol=1e-9, err_msg=name)


def test_jumps_spread_to_the_four_neighbours_inside_the_image() -> None:
    flags = np.zeros((1, 3, 4), bool)
    flags[0, 0, 1] = True
    near = independent.neighbours(flags)[0]
    assert np.argwhere(near).tolist() == [[0, 0], [0, 2], [1, 1]]


# --- the plan and the statistics ----------------------------------------------------------------


def test_the_plan_has_each_rate_and_each_number_of_resultants_several_times() -> None:
    exposures = plan()
    assert len(exposures) == 50
    assert [e.number for e in exposures] == list(range(1, 51))
    assert set(Counter(len(e.pattern) for e in exposures).items()) == {(n, 5) for n in RESULTANTS}
    rates = Counter(e.rate for e in exposures)
    assert set(rates) == set(RATES)
    assert min(rates.values()) >= 5
    assert {(len(e.pattern), e.even) for e in exposures} == {
        (n, even) for n in RESULTANTS for even in (True, False)
    }


def test_z_of_values_and_of_shares() -> None:
    assert Comparison(Value(10.0, 3.0), Value(0.0, 4.0)).z == pytest.approx(2.0)
    # 30 + 10 of 200: p = 0.2, error = sqrt(0.16 x 2 / 100) = 0.0566.
    assert Comparison(Share(30, 100), Share(10, 100)).z == pytest.approx(0.2 / 0.05657, rel=1e-4)
    assert Comparison(Share(0, 100), Share(0, 100)).z == 0


def test_errors_of_mean_and_width() -> None:
    # Of a normal distribution: sigma / sqrt(n) and sigma / sqrt(2 n).
    values = 3 * np.random.default_rng(1).standard_normal(400_000)
    assert mean(values).error == pytest.approx(3 / np.sqrt(400_000), rel=0.01)
    assert width(values).value == pytest.approx(3, rel=0.01)
    assert width(values).error == pytest.approx(3 / np.sqrt(800_000), rel=0.02)


def test_how_many_are_beyond_by_chance() -> None:
    (two, three, _) = beyond([0.5, -2.5, 3.5] + [0.0] * 997)
    assert (two[1], three[1]) == (2, 1)
    assert (two[2], three[2]) == (pytest.approx(45.5, abs=0.1), pytest.approx(2.7, abs=0.01))


def test_the_page_is_rewritten_between_its_marks(tmp_path: Path) -> None:
    rows = [row_of(number) for number in (12, 19, 24, 35)]
    assert list(completeness(rows)) == ["5 or more resultants", "ramps that saturate"]
    page = tmp_path / "validation.md"
    page.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n")
    write(page, rows, [])
    text = page.read_text()
    assert text.startswith("before\n")
    assert text.endswith("after\n")
    assert "old" not in text
    assert "| 35. 12 uneven | 10 | 3.04 |" in text
    assert len(list((tmp_path / "validation").glob("*.png"))) == 4
