"""The wfi18_transient step: for which exposures it works, and what it says of them."""

import logging
import re

import numpy as np
import pytest

from romancal_rs import datamodels, dqflags, kernels
from romancal_rs.datamodels import testing
from romancal_rs.pipeline.plan import plan
from romancal_rs.wfi18_transient import WFI18TransientStep

FRAME_TIME = 3.04
READS = [[1], [2, 3], [4, 5], [6, 7], [8, 9]]
MASKED = dqflags.DO_NOT_USE | dqflags.WFI18_TRANSIENT


def ramp_of(detector="WFI18", reads=READS, shape=(48, 64)):
    """Ramps of 10 DN a read, with 200 DN that fade in 0.05 s in the first resultant."""
    of_rows, of_cols = kernels.read_times("WFI18", FRAME_TIME)
    times = of_rows[: shape[0], None] + of_cols[: shape[1]]
    means = [np.mean(resultant) for resultant in reads]
    data = 9000 + 10 * np.array(means)[:, None, None] * np.ones(shape)
    data[0] += 200 * np.exp(-times / 0.05)
    node = testing.create_ramp(
        data=data.astype(np.float32),
        read_pattern=reads,
        meta={"exposure.frame_time": FRAME_TIME, "instrument.detector": detector},
    )
    return datamodels.RampModel(node)


def test_the_transient_goes_and_its_parameters_are_told(caplog):
    caplog.set_level(logging.INFO)
    ramp = ramp_of()
    result = WFI18TransientStep.call(ramp)
    assert result.meta.cal_step.wfi18_transient == "COMPLETE"
    np.testing.assert_allclose(result.data[0, 4:-4, 4:-4], 9010, atol=0.01)
    np.testing.assert_array_equal(result.data[0, :4], ramp.data[0, :4])
    np.testing.assert_array_equal(result.data[1:], ramp.data[1:])
    assert not result.groupdq.any()
    found = re.search(
        r"Transient: (\S+) DN exp\(-t / (\S+) s\); the means of 40 rows lie (\S+) DN rms about it",
        caplog.text,
    )
    a, ta, rms = map(float, found.groups())
    assert (a, ta) == (pytest.approx(200, rel=1e-4), pytest.approx(0.05, rel=1e-4))
    assert rms < 0.01
    assert "The transient was fitted to 40 of 40 rows" in caplog.text
    assert (ramp.data[0, 4:-4] > 9090).all()  # what the caller passed is as it was


@pytest.mark.parametrize(
    ("ramp", "parameters", "why"),
    [
        (ramp_of(), {"mask_rows": True}, "mask_rows is set"),
        (ramp_of(reads=READS[:4]), {}, "a fit needs 5 resultants, there are 4"),
        (ramp_of(shape=(10, 64)), {}, "no sum of exponentials fits the means of rows"),
    ],
)
def test_where_it_cannot_be_fitted_rows_are_flagged_with_a_warning(caplog, ramp, parameters, why):
    result = WFI18TransientStep.call(ramp, **parameters)
    assert result.meta.cal_step.wfi18_transient == "COMPLETE"
    assert (result.groupdq[0] == MASKED).all()
    assert not result.groupdq[1:].any()
    np.testing.assert_array_equal(result.data, ramp.data)
    n_rows = ramp.shape[1]
    expected = f"The first resultant of the {n_rows} rows that are read first is not used: {why}"
    assert [(r.levelname, r.getMessage()) for r in caplog.records if "rows" in r.getMessage()] == [
        ("WARNING", expected)
    ]


@pytest.mark.parametrize("parameters", [{}, {"mask_rows": True}])
@pytest.mark.parametrize("n_resultants", [1, 2])
def test_of_one_or_two_resultants_the_first_is_not_taken_away(caplog, n_resultants, parameters):
    result = WFI18TransientStep.call(ramp_of(reads=READS[:n_resultants]), **parameters)
    assert result.meta.cal_step.wfi18_transient == "SKIPPED"
    assert not result.groupdq.any()
    why = f"skipped: it needs 3 resultants, there are {n_resultants}"
    assert [r.levelname for r in caplog.records if why in r.getMessage()] == ["WARNING"]


def test_where_there_is_no_transient_nothing_is_subtracted(caplog):
    # Noise was fitted with amplitudes of 1e6 DN and time constants at the limits.
    caplog.set_level(logging.INFO)
    ramp = ramp_of(shape=(300, 64))
    noise = np.random.default_rng(5).normal(9000, 3, ramp.shape)
    ramp.data = noise.astype(np.float32)
    result = WFI18TransientStep.call(ramp)
    np.testing.assert_array_equal(result.data, ramp.data)
    assert not result.groupdq.any()
    assert result.meta.cal_step.wfi18_transient == "COMPLETE"
    assert re.search(
        r"No transient, nothing is subtracted: 0 DN fits; the means of 292", caplog.text
    )


def test_rows_without_a_mean_before_all_others_are_flagged_and_told(caplog):
    # The model was extrapolated to them, backwards in time: with errors of thousands of DN.
    ramp = ramp_of(shape=(300, 64))
    groupdq = np.zeros(ramp.shape, np.uint8)
    groupdq[1, :150] = dqflags.DO_NOT_USE
    ramp.groupdq = groupdq
    result = WFI18TransientStep.call(ramp)
    # A tenth of 0.05 s, or 7 rows, before the first that is known.
    assert (result.groupdq[0, :143] == MASKED).all()
    assert not result.groupdq[0, 143:].any()
    np.testing.assert_array_equal(result.data[0, :143], ramp.data[0, :143])
    np.testing.assert_allclose(result.data[0, 143:-4, 4:-4], 9010, atol=0.1)
    assert "The first resultant of the 143 rows that are read first is not used" in caplog.text


def test_other_detectors_have_none(caplog):
    caplog.set_level("INFO")
    result = WFI18TransientStep.call(ramp_of("WFI07"))
    assert result.meta.cal_step.wfi18_transient == "N/A"
    assert "Step WFI18TransientStep skipped: not for WFI07" in caplog.text
    assert (result.data[0] > 9090).any()


@pytest.mark.parametrize("detector", ["WFI07", "WFI18"])
def test_a_step_that_is_not_to_run_is_skipped(detector):
    result = WFI18TransientStep.call(ramp_of(detector), skip=True)
    assert result.meta.cal_step.wfi18_transient == "SKIPPED"


def test_it_is_taken_together_with_others():
    steps = [WFI18TransientStep(name="first"), WFI18TransientStep(name="second")]
    [segment] = plan(steps, ramp_of())
    assert segment.steps == tuple(steps)
