"""A step that is one kernel: what it says of itself, and what follows from that."""

from typing import ClassVar

import numpy as np
import pytest

from romancal_rs import datamodels, kernels
from romancal_rs.datamodels import testing
from romancal_rs.errors import InputError
from romancal_rs.stpipe import FitStep, RampStep, Run

SHAPE = (4, 16, 16)


class DoubleStep(RampStep):
    """Multiplies a ramp, and flags as the gain's flags say."""

    spec = """
        factor = float(default=2.0)
    """
    cal_step_name = "double"
    reference_file_types: ClassVar[list[str]] = ["gain"]
    exposure_types: ClassVar[tuple[str, ...]] = ("WFI_IMAGE",)

    def kernel(self, exposure, references):
        gain = references["gain"].stored("data")
        self.seen = (type(exposure).__name__, gain[0, 0])
        coeffs = np.stack([np.zeros_like(gain), np.full_like(gain, self.factor)])
        return kernels.linearity(coeffs, np.zeros(gain.shape, np.uint32))

    def save_more(self, exposure, references):
        self.saved = sorted(references)


@pytest.fixture
def ramp():
    model = datamodels.RampModel(testing.create_ramp(SHAPE))
    model.data = np.full(SHAPE, 100, np.float32)
    return model


@pytest.fixture
def gain():
    model = datamodels.GainRefModel(testing.create_gain(SHAPE[1:]))
    model.data = np.full(SHAPE[1:], 1.5, np.float32)
    return model


def test_a_ramp_goes_through_the_kernel(ramp, gain):
    step = DoubleStep(override_gain=gain, factor=3)
    run = Run(step)
    result = run(ramp)
    assert (result.data == 300).all()
    assert result.meta.cal_step.double == "COMPLETE"
    assert step.seen == ("RampModel", np.float32(1.5))
    assert step.saved == ["gain"]
    assert [(report.name, report.status) for report in run.reports] == [("DoubleStep", "COMPLETE")]


def test_what_a_caller_passes_stays_as_it_was_and_only_what_changes_is_copied(ramp, gain):
    result = DoubleStep.call(ramp, override_gain=gain)
    assert (ramp.data == 100).all()
    assert "double" not in ramp.meta.cal_step
    assert not np.shares_memory(result.data, ramp.data)
    assert not np.shares_memory(result.pixeldq, ramp.pixeldq)
    assert np.shares_memory(result.groupdq, ramp.groupdq)


def test_a_raw_exposure_is_taken_for_a_ramp_by_a_step_that_builds_on_none(gain):
    class Later(DoubleStep):
        builds_on = ("dq_init",)

    raw = datamodels.ScienceRawModel(testing.create_wfi_science_raw(SHAPE))
    raw.data = np.full(SHAPE, 100, np.uint16)
    assert (DoubleStep.call(raw, override_gain=gain).data == 200).all()
    with pytest.raises(InputError, match="takes a ramp, got a raw exposure"):
        Later.call(raw, override_gain=gain)


class Idle(DoubleStep):
    def idle(self, exposure):
        return "it is Sunday"


def refuse(*arguments):
    raise AssertionError


@pytest.mark.parametrize(
    ("step", "reference", "exposure_type", "why"),
    [
        (DoubleStep, "N/A", "WFI_IMAGE", "its GAIN is N/A"),
        (DoubleStep, None, "WFI_SPECTRAL", "not for WFI_SPECTRAL"),
        (Idle, None, "WFI_IMAGE", "it is Sunday"),
    ],
)
def test_a_step_that_does_not_apply_says_why(
    ramp, gain, caplog, monkeypatch, step, reference, exposure_type, why
):
    monkeypatch.setattr(step, "kernel", refuse)
    monkeypatch.setattr(step, "save_more", refuse)
    ramp.meta.exposure.type = exposure_type
    result = step.call(ramp, override_gain=reference or gain)
    assert result.meta.cal_step.double == "SKIPPED"
    assert (result.data == 100).all()
    assert f"Step {step.__name__} skipped: {why}" in caplog.text


def test_a_reference_that_does_not_fit_the_ramp_names_its_array(ramp, gain):
    class Wrong(DoubleStep):
        def kernel(self, exposure, references):
            coeffs = np.ones((2, 3, 3), np.float32)
            return kernels.linearity(coeffs, np.zeros((3, 3), np.uint32))

    with pytest.raises(kernels.ShapeError, match=r"coeffs: expected shape \(2, 16, 16\)"):
        Wrong.call(ramp, override_gain=gain)


def test_a_step_without_kernel_fit_or_process_says_what_it_lacks(ramp):
    class Nothing(RampStep):
        cal_step_name = "nothing"

    class NoFit(FitStep):
        pass

    with pytest.raises(NotImplementedError, match=r"Nothing does not define kernel\(\)"):
        Nothing.call(ramp)
    with pytest.raises(NotImplementedError, match=r"NoFit does not define fit\(\)"):
        NoFit.call(ramp)
    with pytest.raises(NotImplementedError, match=r"NoFit does not define fit\(\)"):
        NoFit().fit(ramp, {})
    assert NoFit().needs_ramp(ramp) == ""
    assert not NoFit().finds_jumps(ramp)
