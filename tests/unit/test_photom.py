"""The flux calibration is the optical element's row of the PHOTOM table."""

from __future__ import annotations

from pathlib import Path

import asdf
import numpy as np
import pytest

from romancal_rs import datamodels
from romancal_rs.datamodels import ImageModel, RampModel, WfiImgPhotomRefModel, testing
from romancal_rs.errors import InputError
from romancal_rs.photom import Photometry, PhotomStep, photometry_of

SEED_ERA = Path(__file__).parents[1] / "data" / "seed_era"

TABLE = {
    "F062": {"photmjsr": 0.5, "uncertainty": 0.05, "pixelareasr": 2.8e-13},
    "F158": {"photmjsr": 0.7, "uncertainty": 0.07, "pixelareasr": 2.9e-13},
    "GRISM": {"photmjsr": None, "uncertainty": None, "pixelareasr": 2.7e-13},
}


def test_the_row_of_the_optical_element():
    assert photometry_of(TABLE, "F158") == Photometry(0.7, 0.07, 2.9e-13)
    assert photometry_of(TABLE, "F062") == Photometry(0.5, 0.05, 2.8e-13)


def test_a_row_without_a_conversion():
    assert photometry_of(TABLE, "GRISM") == Photometry(None, None, 2.7e-13)


def test_a_missing_row_is_an_error_that_names_the_file_and_its_rows():
    with pytest.raises(InputError, match=r"phot\.asdf: .* F184; it has F062, F158, GRISM"):
        photometry_of(TABLE, "F184", source="phot.asdf")


# --- the step


def reference(**rows):
    model = WfiImgPhotomRefModel(testing.create_photom())
    for element, (conversion, uncertainty, area) in rows.items():
        row = model.phot_table[element]
        row.photmjsr, row.uncertainty, row.pixelareasr = conversion, uncertainty, area
    return model


def image(element="F158", exposure_type="WFI_IMAGE"):
    return ImageModel(
        testing.create_wfi_image(optical_element=element, exposure_type=exposure_type)
    )


def test_the_step_stores_the_row_and_what_follows_from_it():
    given = image()
    result = PhotomStep.call(given, override_photom=reference(F158=(0.3, 0.003, 2.8e-13)))
    photometry = result.meta.photometry
    assert photometry.conversion_megajanskys == 0.3
    assert photometry.conversion_megajanskys_uncertainty == 0.003
    assert photometry.pixel_area == 2.8e-13
    # 1 sr = 4.254517e10 arcsec^2, so 1 MJy/sr = 1e12 / 4.254517e10 = 23.50443 uJy/arcsec^2
    assert photometry.conversion_microjanskys == pytest.approx(0.3 * 23.50443, rel=1e-6)
    assert photometry.pixelarea_arcsecsq == pytest.approx(2.8e-13 * 4.254517e10, rel=1e-6)
    assert result.meta.cal_step.photom == "COMPLETE"
    assert given.meta.cal_step.photom == "INCOMPLETE"
    assert given.meta.photometry.conversion_megajanskys != 0.3


def test_the_numbers_are_those_of_the_2022_system():
    with asdf.config_context() as config:
        config.validate_on_read = False  # schemas of today
        expected = asdf.open(SEED_ERA / "expected_cal.asdf", ignore_unrecognized_tag=True)
    with expected:
        theirs = {
            name: quantity.value
            for name, quantity in expected["roman"]["meta"]["photometry"].items()
        }
    with datamodels.open(SEED_ERA / "expected_cal.asdf") as calibrated:
        for name in ("conversion_megajanskys", "conversion_megajanskys_uncertainty", "pixel_area"):
            calibrated.meta.photometry[name] = None
        result = PhotomStep.call(calibrated, references=SEED_ERA)
    assert len(theirs) == 6
    for name, value in theirs.items():
        assert result.meta.photometry[name] == pytest.approx(value, rel=1e-9, abs=0)


@pytest.mark.parametrize("exposure_type", ["WFI_SPECTRAL", "WFI_GRISM", "WFI_PRISM"])
def test_in_2022_spectral_exposures_are_skipped_without_a_conversion(exposure_type):
    given = image("GRISM", exposure_type)
    given.meta.photometry.pixel_area = 1.0
    result = PhotomStep.call(given, override_photom=reference(), recipe="2022")
    assert result.meta.cal_step.photom == "SKIPPED"
    assert result.meta.photometry.conversion_megajanskys is None
    assert result.meta.photometry.conversion_microjanskys is None
    assert result.meta.photometry.pixel_area is None


@pytest.mark.parametrize(
    "exposure_type",
    ["WFI_IMAGE", "WFI_SPECTRAL", "WFI_WFSC", "WFI_LOLO", "WFI_FLAT", "WFI_IM_DARK"],
)
def test_in_flight_all_types_of_exposures_get_their_conversion(exposure_type):
    given = image("F158", exposure_type)
    result = PhotomStep.call(given, override_photom=reference(F158=(0.3, 0.003, 2.8e-13)))
    assert result.meta.cal_step.photom == "COMPLETE"
    assert result.meta.photometry.conversion_megajanskys == 0.3


def test_an_element_without_a_conversion_is_skipped():
    result = PhotomStep.call(image("DARK"), override_photom=reference())
    assert result.meta.cal_step.photom == "SKIPPED"
    assert result.meta.photometry.conversion_megajanskys is None


@pytest.mark.parametrize("has_row", [True, False])
@pytest.mark.parametrize(
    ("element", "level"), [("GRISM", "INFO"), ("DARK", "INFO"), ("F213", "WARNING")]
)
def test_only_of_filters_a_missing_conversion_is_a_warning(element, level, has_row, caplog):
    """Each exposure of a grism, and each dark, warned of what is as it should be."""
    caplog.set_level("INFO")
    table = reference(F213=(-999999.0, -999999.0, -999999.0))
    if not has_row:
        table.phot_table.pop(element, None)
    result = PhotomStep.call(image(element), override_photom=table)
    assert result.meta.cal_step.photom == "SKIPPED"
    (told,) = (r for r in caplog.records if "skipped: PHOTOM" in r.getMessage())
    assert (told.levelname, element in told.getMessage()) == (level, True)


def test_not_applicable_skips_the_step_and_changes_nothing():
    given = image()
    result = PhotomStep.call(given, override_photom="N/A")
    assert result.meta.cal_step.photom == "SKIPPED"
    assert dict(result.meta.photometry) == dict(given.meta.photometry)


def test_not_applicable_leaves_no_placeholder_that_could_be_taken_for_a_conversion():
    given = image()
    given.meta.photometry.conversion_megajanskys = -999999.0
    given.meta.photometry.pixel_area = 2.8e-13
    result = PhotomStep.call(given, override_photom="N/A")
    assert result.meta.photometry.conversion_megajanskys is None
    assert result.meta.photometry.pixel_area == 2.8e-13


@pytest.mark.parametrize("number", [np.nan, np.inf, np.float32(np.nan)])
def test_a_conversion_that_is_not_finite_is_none(number):
    row = {"photmjsr": number, "uncertainty": number, "pixelareasr": 2.9e-13}
    assert photometry_of({"F158": row}, "F158") == Photometry(None, None, 2.9e-13)


def test_in_2022_a_missing_row_stops_the_step_with_the_file_named(tmp_path):
    broken = reference()
    del broken.phot_table["F158"]
    broken.save(tmp_path / "broken.asdf")
    with pytest.raises(InputError, match=r"broken\.asdf: the table has no row for F158"):
        PhotomStep.call(image(), override_photom=tmp_path / "broken.asdf", recipe="2022")


def test_in_flight_a_missing_row_skips_the_step_and_is_told(caplog):
    """romancal 1.1.0 says COMPLETE, and leaves what was in the metadata before."""
    table = reference()
    del table.phot_table["F158"]
    given = image()
    given.meta.photometry.pixel_area = 1.0
    result = PhotomStep.call(given, override_photom=table)
    assert result.meta.cal_step.photom == "SKIPPED"
    assert set(result.meta.photometry.values()) == {None}
    assert "skipped: PHOTOM has no row for F158" in caplog.text


def test_the_result_is_saved_to_the_file_that_photom_names(tmp_path):
    path = tmp_path / "mine.asdf"
    PhotomStep.call(image(), override_photom=reference(F158=(0.3, 0.003, 2.8e-13)), photom=path)
    with datamodels.open(path) as saved:
        assert saved.meta.photometry.conversion_megajanskys == 0.3
        assert saved.meta.cal_step.photom == "COMPLETE"


def test_a_ramp_is_refused():
    with pytest.raises(InputError, match="ImageModel, got: RampModel"):
        PhotomStep.call(RampModel(testing.create_ramp()), override_photom=reference())


def test_placeholders_are_no_values():
    """A row of -999999 gave a product with that flux conversion, and COMPLETE."""
    row = dict.fromkeys(("photmjsr", "uncertainty", "pixelareasr"), -999999)
    assert photometry_of({"F158": row}, "F158") == Photometry(None, None, None)
    row = {"photmjsr": 0.7, "uncertainty": -999999.0, "pixelareasr": 2.9e-13}
    assert photometry_of({"F158": row}, "F158") == Photometry(0.7, None, 2.9e-13)


@pytest.mark.parametrize("kind", [int, float, np.int64, np.float32, np.float64])
def test_a_placeholder_is_one_as_any_kind_of_number(kind):
    row = {"photmjsr": kind(-999999), "uncertainty": kind(1), "pixelareasr": kind(1)}
    assert photometry_of({"F158": row}, "F158") == Photometry(None, 1, 1)


def test_a_row_of_placeholders_is_as_one_of_nulls():
    number = -999999.0
    result = PhotomStep.call(image(), override_photom=reference(F158=(number, number, number)))
    assert result.meta.cal_step.photom == "SKIPPED"
    assert result.meta.photometry.conversion_megajanskys is None
    assert result.meta.photometry.conversion_microjanskys is None
    assert result.meta.photometry.pixel_area is None
