"""Files of 2022 come up in today's structure, and can be saved as today's files."""

import copy
import pickle
from pathlib import Path

import numpy as np
import old_files
import pytest

from romancal_rs import datamodels
from romancal_rs.datamodels import _eras, testing
from romancal_rs.guide_window import GuideWindow
from romancal_rs.stpipe.fingerprint import Fingerprints

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
    assert list(_eras._read_pattern(3, 2, 1)) == [[1, 2], [4, 5], [7, 8]]


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
            assert (old.era, again.era) == ("2022", "today")
            for name in old:
                if name == "data" and isinstance(old, datamodels.ReadnoiseRefModel):
                    of_one = old.data.astype(np.float64) / np.sqrt(2)
                    np.testing.assert_allclose(again.data, of_one, rtol=2**-23)
                elif hasattr(old[name], "dtype"):
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
        assert _eras.era_of(node._tree) == "today"


def test_a_file_that_only_looks_like_2022_says_so(tmp_path):
    content = UNCAL.read_bytes()
    path = tmp_path / "odd.asdf"
    path.write_bytes(content.replace(b"ngroups: 8", b"ngroups: A"))
    with pytest.raises(datamodels.ModelError, match="looks like a file of 2022"):
        datamodels.open(path)


def test_a_model_says_from_which_era_its_file_is():
    with datamodels.open(UNCAL) as raw:
        ramp = datamodels.RampModel.from_science_raw(raw)
        copies = (raw.copy(), raw.copy_for_change(()), copy.deepcopy(raw), datamodels.open(raw))
        for model in (raw, *copies, pickle.loads(pickle.dumps(raw)), ramp, ramp.copy()):
            assert model.era == "2022"
            assert model.file_tag == f"{old_files.TAGS}wfi_science_raw-1.0.0"
            assert model.tag.endswith("-2.1.0")
    today = datamodels.ImageModel(testing.create_wfi_image())
    assert (today.era, today.file_tag) == ("today", today.tag)


def test_the_same_numbers_of_2022_and_of_today_are_not_the_same_read_noise():
    with datamodels.open(SEED_ERA / "roman_wfi_readnoise_fake.asdf") as old:
        new = datamodels.ReadnoiseRefModel({name: old[name] for name in old})
        assert new.tag == old.tag
        assert np.array_equal(new.data, old.data)
        assert Fingerprints().of_value(old.copy()) == Fingerprints().of_value(old)
        assert Fingerprints().of_value(new) != Fingerprints().of_value(old)


@pytest.mark.parametrize("dtype", ["u1", "<u2", ">u2", "<u4", ">u4"])
def test_flags_of_2022_are_widened(tmp_path, dtype):
    flags = np.arange(64, dtype=dtype).reshape(8, 8) * 3
    flags[7, 7] = np.iinfo(dtype).max
    content = {
        "meta": old_files.reference_meta("FLAT"),
        "data": np.full((8, 8), 2, np.float32),
        "dq": flags,
        "err": np.zeros((8, 8), np.float32),
    }
    path = old_files.write(tmp_path / "flat.asdf", "reference_files/flat", content, "0.13.0")
    with datamodels.open(path) as flat:
        assert dict(flat.arrays())["dq"].dtype.newbyteorder("=") == np.uint32  # before it is read
        for dq in (flat.stored("dq"), flat.copy().dq, flat.dq, flat.stored("dq")):
            assert dq.dtype == np.uint32
            assert np.array_equal(dq, flags)
        flat.dq[0, 0] = 2**31
        flat.validate()


def test_flags_of_resultants_stay_as_narrow_as_they_are(tmp_path):
    meta = {"exposure": {"ngroups": 2, "nframes": 1, "type": "WFI_IMAGE"}}
    shape = (2, 16, 16)
    content = {
        "meta": meta,
        "data": np.zeros(shape, np.float32),
        "groupdq": np.ones(shape, np.uint8),
        "pixeldq": np.ones(shape[1:], np.uint16),
    }
    path = old_files.write(tmp_path / "ramp.asdf", "ramp", content, "0.13.0")
    with datamodels.open(path) as ramp:
        assert ramp.groupdq.dtype == np.uint8
        assert ramp.pixeldq.dtype == np.uint32


def test_numbers_that_do_not_fit_are_left_to_the_check(tmp_path):
    content = {"meta": old_files.reference_meta("MASK"), "dq": np.full((8, 8), -1, np.int16)}
    path = old_files.write(tmp_path / "mask.asdf", "reference_files/mask", content, "0.13.0")
    with datamodels.open(path) as mask:
        assert mask.dq.dtype == np.int16
        with pytest.raises(datamodels.ValidationError, match="array of uint32, got int16"):
            mask.validate()


@pytest.mark.parametrize("kind", ["guidewindow", "reference_files/superbias", "associations"])
def test_a_kind_of_2022_without_a_model_is_named_with_its_file(tmp_path, kind):
    meta = {"exposure": {"ngroups": 6, "nframes": 8, "groupgap": 0, "type": "WFI_IMAGE"}}
    path = old_files.write(tmp_path / "odd.asdf", kind, {"meta": meta}, "0.13.0")
    for reader in (datamodels.open, datamodels.ImageModel):
        with pytest.raises(datamodels.UnknownModelError) as caught:
            reader(path)
        assert str(path) in str(caught.value)
        assert repr(kind) in str(caught.value)
        assert "2.0.0" not in str(caught.value)


NO_SIZE, NO_STOP = ("xstop", 46.0, "ystop", 56), ("xsize", 16.0, "ysize", 16)


@pytest.mark.parametrize("ends", [NO_SIZE, NO_STOP], ids=["stop", "size"])
def test_the_guide_window_of_2022_is_flagged(tmp_path, ends):
    limits = {"xstart": 30.0, "ystart": 40, ends[0]: ends[1], ends[2]: ends[3]}
    known = b"      gs_pattern_error: -999999\n"
    added = "".join(f"      gw_window_{name}: {limit}\n" for name, limit in limits.items())
    path = tmp_path / "x_uncal.asdf"
    content = UNCAL.read_bytes().replace(known, known + added.encode())
    path.write_bytes(content[: content.index(b"#ASDF BLOCK INDEX")])
    with datamodels.open(path) as raw:
        window = {name: raw.meta.guide_star[f"window_{name}"] for name in GuideWindow._fields}
        assert window == {"xstart": 30, "xstop": 46, "ystart": 40, "ystop": 56}
        assert not any(name.startswith("gw_window") for name in raw.meta.guide_star)
        assert GuideWindow.of(raw) == GuideWindow(**window)
        raw.validate()


def test_a_placeholder_of_2022_is_no_guide_window():
    with datamodels.open(UNCAL) as raw:
        old = {"gw_window_xstart": -999999, "gw_window_xsize": 170, "gw_window_ystart": None}
        raw._tree.data["meta"]["guide_star"] = _eras._guide_star(old)
        assert GuideWindow.of(raw) is None
