"""By what references are looked for is worked out once, and anew where an exposure changed."""

import numpy as np
import pytest

from romancal_rs.datamodels import ImageModel, RampModel, testing
from romancal_rs.references import ExposureKeys
from romancal_rs.stpipe.sought import Sought, SoughtSoFar


@pytest.fixture
def counted(monkeypatch) -> list[object]:
    """The models of which the keys are taken."""
    models = []
    original = ExposureKeys.from_model
    monkeypatch.setattr(
        ExposureKeys, "from_model", lambda model: models.append(model) or original(model)
    )
    return models


@pytest.fixture
def ramp() -> RampModel:
    return RampModel(testing.create_ramp(shape=(4, 24, 128)))


def test_what_steps_record_and_copies_of_times_change_nothing(ramp, counted):
    sought = SoughtSoFar()
    first = sought.of(ramp)
    assert first == Sought.of(ramp)
    counted.clear()
    ramp.meta.cal_step.linearity = "COMPLETE"
    ramp.meta.filename = "other.asdf"
    ramp.meta.ref_file.flat = "flat.asdf"
    assert sought.of(ramp) is first
    assert sought.of(ramp.copy()) is first
    assert counted == []


def test_an_exposure_that_changed_in_place_is_another(ramp, counted):
    sought = SoughtSoFar()
    first = sought.of(ramp)
    ramp.meta.instrument.detector = "WFI07"
    second = sought.of(ramp)
    assert (first.keys.detector, second.keys.detector) == ("WFI01", "WFI07")
    ramp.meta.exposure.read_pattern[0].append(99)
    sought.of(ramp)
    ramp.meta["new"] = {"array": np.arange(3)}
    sought.of(ramp)
    ramp.meta["new"]["array"] = np.arange(3)
    sought.of(ramp)
    assert len(counted) == 5


def test_a_ramp_and_its_image_without_border_have_one_frame(ramp):
    image = ImageModel(testing.create_wfi_image(shape=(16, 120)))
    assert SoughtSoFar().of(ramp).frame == SoughtSoFar().of(image).frame == (24, 128)
