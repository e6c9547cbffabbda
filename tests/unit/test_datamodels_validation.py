"""Assignments are checked against the mission's schema, and a bad one changes nothing."""

import copy

import numpy as np
import pytest
from astropy.time import Time

from romancal_rs import datamodels
from romancal_rs.datamodels import ImageModel, RampModel, ScienceRawModel, ValidationError, testing


@pytest.fixture
def image() -> ImageModel:
    return ImageModel(testing.create_wfi_image())


def test_the_manuals_example(image):
    with pytest.raises(ValidationError, match="'foo' is not of type 'number'") as caught:
        image.meta.target.ra = "foo"
    assert caught.value.path == "meta.target.ra"
    assert caught.value.value == "foo"
    assert image.meta.target.ra == -999999.0


@pytest.mark.parametrize(
    ("name", "value", "rule"),
    [
        ("meta.exposure.frame_time", "3.04", "not of type 'number'"),
        ("meta.exposure.frame_time", True, "not of type 'number'"),
        ("meta.exposure.nresultants", 2.5, "not of type 'integer'"),
        ("meta.exposure.truncated", 1, "not of type 'boolean'"),
        ("meta.exposure.type", "WFI_PICTURE", "not one of"),
        ("meta.exposure.start_time", "2027-01-01", "not an astropy"),
        ("meta.exposure.ma_table_name", "x" * 51, "longer than 50"),
        ("meta.exposure.read_pattern", [[1], ["2"]], "not of type 'integer'"),
        ("meta.exposure.read_pattern", 3, "not of type 'array'"),
        ("meta.instrument.detector", "WFI19", "not one of"),
        ("meta.cal_step.dark", "DONE", "not one of"),
        ("meta.cal_step.jump", "DONE", "not one of"),
        ("meta.photometry", {"pixel_area": 1.0}, "required but missing: conversion_mega"),
        ("meta.photometry.pixel_area", "?", "not of type 'number'"),
        ("meta.pointing.quaternion", [1.0, 2.0], "fewer than 4"),
        ("meta.wcs", "not a wcs", "is not a WCS"),
        ("meta", 3, "not of type 'object'"),
        ("data", np.zeros((8, 8)), "expected an array of float32, got float64"),
        ("data", np.zeros(8, np.float32), "expected an array of 2 dimensions, got 1"),
        ("data", [[0.0]], "is not an array"),
        ("dq", np.zeros((8, 8), np.int32), "expected an array of uint32, got int32"),
        ("err", np.zeros((8, 8)), "expected an array of float16 or float32"),
    ],
)
def test_forbidden_values_are_refused_and_change_nothing(image, name, value, rule):
    before = copy.deepcopy(image.get(name))
    with pytest.raises(ValidationError, match=rule):
        image[name] = value
    assert np.all(image.get(name) == before)


def test_quantities_are_refused_where_the_schema_fixes_the_unit(image):
    from astropy.units import Quantity

    with pytest.raises(ValidationError, match="carries a unit"):
        image.data = Quantity(np.zeros((8, 8), np.float32), "DN/s")


def test_a_bad_list_item_is_refused(image):
    with pytest.raises(ValidationError, match=r"meta\.cal_logs\.1"):
        image.meta.cal_logs.append(3)
    assert len(image.meta.cal_logs) == 1
    image.meta.cal_logs.append("text")
    assert image.meta.cal_logs[-1] == "text"


def test_numpy_numbers_become_pythons(image):
    image.meta.exposure.frame_time = np.float32(3.5)
    assert type(image.meta.exposure.frame_time) is float
    image.meta.exposure.nresultants = np.int64(4)
    assert type(image.meta.exposure.nresultants) is int


def test_half_precision_is_widened_in_memory(image):
    image.err = np.ones((8, 8), np.float16)
    assert image.err.dtype == np.float32


def test_null_is_accepted_where_the_schema_has_it(image):
    image.meta.exposure.data_problem = None
    image.meta.wcs = None
    image.meta.photometry.pixel_area = None


def test_names_the_schema_does_not_know_are_kept(image, tmp_path):
    image.meta.exposure.group_time = 24.32
    image.meta.laboratory = {"note": "cold"}
    with datamodels.open(image.save(tmp_path / "extra.asdf")) as again:
        assert again.meta.exposure.group_time == 24.32
        assert again.meta.laboratory.note == "cold"


@pytest.mark.parametrize(
    "name", sorted(datamodels.GUIDE_STAR_TYPES | datamodels.SPECTRAL_TYPES | {"WFI_IMAGE"})
)
def test_exposure_types_of_both_eras_are_known(name):
    ramp = RampModel(testing.create_ramp(exposure_type=name))
    ramp.meta.exposure.type = name
    assert ramp.meta.exposure.type == name
    ramp.validate()


def test_the_exposure_types_of_the_manual():
    assert {"WFI_SPECTRAL", "WFI_GRISM", "WFI_PRISM", "WFI_GRATING"} == datamodels.SPECTRAL_TYPES
    assert {
        "WFI_WIM_ACQ",
        "WFI_WIM_TRACK",
        "WFI_WSM_ACQ1",
        "WFI_WSM_ACQ2",
        "WFI_WSM_TRACK",
    } == datamodels.GUIDE_STAR_TYPES


def test_a_model_from_a_dict_is_checked_when_it_is_saved(tmp_path):
    gain = datamodels.GainRefModel({"meta": {}, "data": np.ones((4, 4), np.float32)})
    with pytest.raises(ValidationError, match=r"meta.*required but missing: reftype"):
        gain.save(tmp_path / "gain.asdf")
    assert list(tmp_path.iterdir()) == []


def test_a_ramp_may_carry_the_flags_of_a_guide_star():
    ramp = RampModel(testing.create_ramp(exposure_type="WFI_WIM_ACQ"))
    ramp.dq = np.zeros((16, 16), np.uint32)
    ramp.validate()


def test_times_are_checked_by_type():
    raw = ScienceRawModel(testing.create_wfi_science_raw())
    raw.meta.exposure.start_time = Time("2027-01-01T00:00:00")
    with pytest.raises(ValidationError, match="astropy"):
        raw.meta.exposure.start_time = 61000.0


def test_validation_without_the_metadata():
    gain = datamodels.GainRefModel(testing.create_gain())
    del gain.meta.author
    gain.validate(metadata=False)
    with pytest.raises(ValidationError, match="required but missing: author"):
        gain.validate()
    gain._tree.data["data"] = np.ones((16, 16))
    with pytest.raises(ValidationError, match="expected an array of float32, got float64"):
        gain.validate(metadata=False)
    gain._tree.data["data"] = np.ones((1, 16, 16), np.float32)
    with pytest.raises(ValidationError, match="expected an array of 2 dimensions, got 3"):
        gain.validate(metadata=False)
    del gain["data"]
    with pytest.raises(ValidationError, match="required but missing: data"):
        gain.validate(metadata=False)
    photom = datamodels.WfiImgPhotomRefModel(testing.create_photom())
    photom.validate(metadata=False)
    del photom["phot_table"]["F158"]["photmjsr"]
    with pytest.raises(ValidationError, match=r"phot_table\.F158.*missing: photmjsr"):
        photom.validate(metadata=False)


def test_validation_names_the_file_the_content_came_from(image, tmp_path):
    path = image.save(tmp_path / "im.asdf")
    with datamodels.open(path) as opened:
        del opened.meta.exposure.type
        problem = "While validating meta.exposure the following error occurred: required but"
        for check in (opened.validate, lambda: opened.save(tmp_path / "other.asdf")):
            with pytest.raises(ValidationError) as caught:
                check()
            assert str(caught.value).startswith(f"{path}: {problem}")
            assert caught.value.problem.startswith(problem)
            assert caught.value.source == str(path)
    del image.meta.exposure.type
    with pytest.raises(ValidationError, match=f"^{problem}"):
        image.validate()
