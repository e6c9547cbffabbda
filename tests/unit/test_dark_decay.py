"""The dark_decay step: when it works, and what it does to an exposure."""

import numpy as np
import pytest

from romancal_rs import datamodels
from romancal_rs.dark_decay import DarkDecayStep
from romancal_rs.datamodels import testing
from romancal_rs.references import ReferenceMismatchError

READS = [[1], [2, 3], [4, 5, 6]]
FRAME_TIME = 3.04


@pytest.fixture
def ramp():
    data = np.full((3, 16, 16), 1000, np.float32)
    meta = {"exposure.frame_time": FRAME_TIME, "instrument.detector": "WFI09"}
    return datamodels.RampModel(testing.create_ramp(data=data, read_pattern=READS, meta=meta))


def reference(**row):
    model = datamodels.DarkdecaysignalRefModel(testing.create_darkdecaysignal())
    model.decay_table["WFI09"] = {"amplitude": 3.0, "time_constant": 20.0, **row}
    return model


def test_the_decay_of_its_detector_is_subtracted(ramp):
    result = DarkDecayStep.call(ramp, override_darkdecaysignal=reference())
    # The first pixel of WFI09 is read as soon as a frame begins: (k - 1.5) frames after the signal
    # was 3 DN.
    reads = [np.mean([np.exp(-(k - 1.5) * FRAME_TIME / 20) for k in reads]) for reads in READS]
    np.testing.assert_array_equal(result.data[:, 0, 0], np.float32(1000 - 3 * np.array(reads)))
    assert (np.diff(result.data[:, 0, 0]) > 0).all()
    assert (np.diff(result.data[0, :, 0]) > 0).all()  # later rows have less of it
    assert result.meta.cal_step.dark_decay == "COMPLETE"
    assert (ramp.data == 1000).all()


@pytest.mark.parametrize("detector", ["WFI01", "WFI18"])
def test_other_detectors_have_their_own(ramp, detector):
    ramp.meta.instrument.detector = detector
    result = DarkDecayStep.call(ramp, override_darkdecaysignal=reference())
    assert (result.data == 1000).all()  # of 0 DN


def absent():
    model = reference()
    del model.decay_table["WFI09"]
    return model


@pytest.mark.parametrize(
    ("override", "why"),
    [
        ("N/A", "its DARKDECAYSIGNAL is N/A"),
        (absent(), "its DARKDECAYSIGNAL has no row for WFI09"),
        (reference(amplitude=None), "its DARKDECAYSIGNAL has no amplitude for WFI09"),
        (reference(time_constant=None), "its DARKDECAYSIGNAL has no time_constant for WFI09"),
        (
            reference(amplitude=None, time_constant=None),
            "its DARKDECAYSIGNAL has no amplitude and no time_constant for WFI09",
        ),
    ],
)
def test_an_exposure_without_a_known_decay_is_skipped(ramp, caplog, override, why):
    result = DarkDecayStep.call(ramp, override_darkdecaysignal=override)
    assert (result.data == 1000).all()
    assert result.meta.cal_step.dark_decay == "SKIPPED"
    assert f"Step DarkDecayStep skipped: {why}" in caplog.text


@pytest.mark.parametrize(
    ("row", "what"),
    [
        ({"time_constant": 0.0}, "time_constant: expected a finite, positive"),
        ({"time_constant": -3.0}, "time_constant: expected a finite, positive"),
        ({"time_constant": float("nan")}, "time_constant: expected a finite, positive"),
        ({"time_constant": 0.001}, "time_constant: expected seconds within which"),
        ({"amplitude": float("inf")}, "amplitude: expected a finite number"),
        ({"amplitude": 1e308}, "amplitude: expected a number within the range"),
    ],
)
def test_a_row_that_is_no_decay_is_an_error_that_names_file_and_detector(ramp, tmp_path, row, what):
    # It made the exposure NaN or infinite, or named neither.
    path = tmp_path / "no_decay.asdf"
    reference(**row).save(path)
    message = rf"no_decay\.asdf: DARKDECAYSIGNAL decay_table\.WFI09: {what}"
    with pytest.raises(ReferenceMismatchError, match=message):
        DarkDecayStep.call(ramp, override_darkdecaysignal=str(path))


def test_its_product_has_a_suffix(ramp, tmp_path):
    ramp.meta.filename = "r0_wfi09_uncal.asdf"
    DarkDecayStep.call(
        ramp, override_darkdecaysignal=reference(), save_results=True, output_dir=str(tmp_path)
    )
    assert [path.name for path in tmp_path.iterdir()] == ["r0_wfi09_dark_decay.asdf"]
