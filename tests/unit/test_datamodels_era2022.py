"""Files of 2022 come up in today's structure, and can be saved as today's files."""

from pathlib import Path

import numpy as np
import pytest

from romancal_rs import datamodels
from romancal_rs.datamodels import _era2022, testing

SEED_ERA = Path(__file__).parents[1] / "data" / "seed_era"
UNCAL = SEED_ERA / "r0000101001001001001_01101_0001_WFI01_uncal.asdf"
CAL = SEED_ERA / "expected_cal.asdf"


def test_an_exposure_has_todays_metadata():
    with datamodels.open(UNCAL) as raw:
        assert raw.tag.endswith("wfi_science_raw-2.1.0")
        assert raw.data.shape == (8, 128, 128)
        assert raw.data.dtype == np.uint16
        exposure = raw.meta.exposure
        assert "ngroups" not in exposure
        assert exposure.nresultants == 8
        assert len(exposure.read_pattern) == 8
        assert exposure.read_pattern[0] == [1, 2, 3, 4, 5, 6, 7, 8]
        assert exposure.read_pattern[7] == [57, 58, 59, 60, 61, 62, 63, 64]
        assert exposure.frame_time == 3.04
        assert exposure.group_time == 24.32
        assert exposure.ma_table_name == "High Latitude Imaging"
        assert exposure.ma_table_number == 1
        assert exposure.data_problem is None
        assert exposure.engineering_quality == "OK"
        assert exposure.start_time.isot == "2026-11-01T00:00:00.000"
        assert raw.meta.prd_version == "8.8.8"
        assert raw.meta.wcsinfo.aperture_name == "WFI_08_FULL"
        assert raw.meta.wcsinfo.v2_ref == 1312.949
        assert raw.meta.pointing.pa_aperture == 30.0
        assert raw.meta.pointing.ra_v1 == 84.2
        assert raw.meta.guide_star.guide_mode == "WSM-ACQ-2"
        assert raw.meta.guide_star.gs_ra == -999999
        assert raw.meta.ref_file.crds == {"version": "12.3.1", "context": "roman_0815.pmap"}
        assert raw.meta.velocity_aberration.scale_factor == 0.99997
        assert raw.meta.observation.observation_id == "dummy value"
        assert raw.meta.program.investigator_name == "dummy value"
        assert raw.meta.target.source_type == "POINT"
        # Three words, but today's schema has room for two letters: unknown.
        assert raw.meta.observation.visit_file_activity == "?"
        raw.validate()


def test_gaps_between_resultants_are_reads_without_a_resultant():
    assert list(_era2022._read_pattern(3, 2, 1)) == [[1, 2], [4, 5], [7, 8]]


def test_the_calibrated_image_and_its_wcs():
    with datamodels.open(CAL) as image:
        assert type(image) is datamodels.ImageModel
        assert image.meta.wcs.available_frames == ["detector", "v2v3", "world"]
        # The detector's centre is at (v2_ref, v3_ref), which points at (ra_ref, dec_ref).
        ra, dec = image.meta.wcs(59.5, 59.5)
        assert ra == pytest.approx(image.meta.wcsinfo.ra_ref, abs=1e-9)
        assert dec == pytest.approx(image.meta.wcsinfo.dec_ref, abs=1e-9)
        photometry = image.meta.photometry
        assert photometry.conversion_megajanskys == 0.3
        assert photometry.conversion_megajanskys_uncertainty == 0.003
        assert photometry.pixel_area == 2.8e-13
        # What the 2022 system wrote in its own units.
        assert photometry.conversion_microjanskys == pytest.approx(7.051329161729367, rel=1e-14)
        assert photometry.pixelarea_arcsecsq == pytest.approx(0.011912647682922616, rel=1e-14)
        assert image.meta.cal_step.jump == "COMPLETE"
        assert image.meta.cal_logs == []
        assert "cal_logs" not in image
        assert image.meta.cal_step.refpix == "INCOMPLETE"
        assert image.meta.ref_file.dark == "roman_wfi_dark_fake.asdf"
        assert image.var_flat.dtype == np.float32
        assert np.isnan(image.chisq).all()
        image.validate()


def test_references_have_todays_names_and_numbers():
    with datamodels.open(SEED_ERA / "roman_wfi_dark_fake.asdf") as dark:
        assert type(dark) is datamodels.DarkRefModel
        assert "data" in dark
        assert "dark_slope" not in dark
        assert dark.data.shape == (8, 128, 128)
        assert dark.err.shape == (8, 128, 128)
        assert dark.dq.shape == (128, 128)
        assert dark.meta.exposure.ngroups == 8
    with datamodels.open(SEED_ERA / "roman_wfi_photom_fake.asdf") as photom:
        row = photom.phot_table.F158
        assert dict(row) == {"photmjsr": 0.3, "uncertainty": 0.003, "pixelareasr": 2.8e-13}
        assert photom.phot_table.GRISM.photmjsr is None
    with datamodels.open(SEED_ERA / "roman_wfi_distortion_fake.asdf") as distortion:
        assert distortion.meta.input_units == "pixel"
        # The transform puts the detector's centre at (v2_ref, v3_ref).
        v2_v3 = distortion.coordinate_distortion_transform(59.5, 59.5)
        assert v2_v3 == pytest.approx((1312.949, -1040.785), abs=1e-9)
    with datamodels.open(SEED_ERA / "roman_wfi_readnoise_fake.asdf") as noise:
        assert noise.meta.exposure.p_exptype == "WFI_IMAGE|WFI_GRISM|WFI_PRISM|"


@pytest.mark.parametrize("path", sorted(SEED_ERA.glob("*.asdf")), ids=lambda path: path.stem)
def test_what_was_read_is_saved_as_todays_and_read_again(path, tmp_path):
    with datamodels.open(path) as old:
        new = old.save(tmp_path / path.name)
        with datamodels.open(new) as again:
            assert type(again) is type(old)
            assert not _era2022.is_2022(again._tree)
            for name in old:
                if hasattr(old[name], "dtype"):
                    half = name in ("err", "var_poisson", "var_rnoise", "var_flat")
                    # Half precision: 11 significant bits, and steps of 2^-24 near zero.
                    rtol, atol = (2**-11, 2**-25) if half else (0, 0)
                    np.testing.assert_allclose(again[name], old[name], rtol=rtol, atol=atol)
            for name in ("wcsinfo", "instrument", "photometry", "cal_step", "cal_logs"):
                if f"meta.{name}" in old:
                    assert again.meta[name] == old.meta[name]


def test_a_dark_with_planes_says_that_its_rate_is_unknown(tmp_path):
    with datamodels.open(SEED_ERA / "roman_wfi_dark_fake.asdf") as dark:
        with datamodels.open(dark.save(tmp_path / "dark.asdf")) as again:
            assert again.tag.endswith("dark-1.2.0")
            assert np.isnan(again.dark_slope).all()
            np.testing.assert_array_equal(again.data, dark.data)
        assert "dark_slope" not in dark


def test_todays_files_are_left_alone():
    for name in ("science_raw", "image"):
        node = getattr(testing, f"create_wfi_{name}")()
        assert not _era2022.is_2022(node._tree)


def test_a_file_that_only_looks_like_2022_says_so(tmp_path):
    content = UNCAL.read_bytes()
    path = tmp_path / "odd.asdf"
    path.write_bytes(content.replace(b"ngroups: 8", b"ngroups: A"))
    with pytest.raises(datamodels.ModelError, match="looks like a file of 2022"):
        datamodels.open(path)
