"""Files of 2023 and 2024, whose arrays carry units, are read as what they are."""

from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest
from astropy.time import Time
from old_files import reference_meta, with_unit, write

from romancal_rs import datamodels
from romancal_rs.datamodels import ModelError, _eras, _schema, testing
from romancal_rs.pipeline import ExposurePipeline

SHAPE = (24, 24)
N_RESULTANTS = 6
FRAME_TIME = 3.0
#: Two reads each; the first read is dropped. Mean times of 7.5, 13.5, ... seconds.
READ_PATTERN = [[2 * i + 2, 2 * i + 3] for i in range(N_RESULTANTS)]
TIMES = FRAME_TIME * np.mean(READ_PATTERN, axis=1)


def full(value, dtype=np.float32):
    return np.full(SHAPE, value, dtype)


def planes(values, dtype=np.float32):
    return np.broadcast_to(np.array(values, dtype)[:, None, None], (len(values), *SHAPE)).copy()


def meta_of(reftype, **more):
    return {**reference_meta(reftype), **more}


def write_references(directory: Path) -> None:
    """A dark of 0.5 DN/s, a flat of 0.5, a gain of 2 e-/DN and a read noise of 5 DN."""
    zero = full(0, np.uint32)
    for_image = {"type": "WFI_IMAGE", "p_exptype": "WFI_IMAGE|"}
    row = {"photmjsr": 0.3, "uncertainty": 0.003, "pixelareasr": 2.8e-13}
    units = {"photmjsr": "MJy.sr**-1", "uncertainty": "MJy.sr**-1", "pixelareasr": "sr"}
    content = {
        "gain": {"data": with_unit(full(2), "electron / DN")},
        "readnoise": {
            "meta": meta_of("READNOISE", exposure=for_image),
            "data": with_unit(full(5), "DN"),
        },
        "dark": {
            "meta": meta_of("DARK", exposure=for_image),
            "data": with_unit(planes(0.5 * TIMES), "DN"),
            "dark_slope": with_unit(full(0.5), "DN / s"),
            "dark_slope_error": with_unit(full(0.01), "DN / s"),
            "dq": zero,
        },
        "saturation": {"data": with_unit(full(50000), "DN"), "dq": zero},
        "flat": {"data": full(0.5), "err": full(0), "dq": zero},
        "linearity": {"coeffs": planes([0, 1, 0]), "dq": zero},
        "mask": {"dq": zero},
        "wfi_img_photom": {
            "meta": meta_of("PHOTOM"),
            "phot_table": {
                "F158": {name: with_unit(row[name], unit) for name, unit in units.items()}
            },
        },
    }
    for name, items in content.items():
        items = {"meta": meta_of(name.upper()), **items}
        write(directory / f"roman_wfi_{name}.asdf", f"reference_files/{name}", items, "0.20.0")
    distortion = testing.create_distortion(meta={"instrument.detector": "WFI01"})
    datamodels.DistortionRefModel(distortion).save(directory / "roman_wfi_distortion.asdf")


def write_exposure(path: Path, data=None, version="0.20.0") -> Path:
    """A Level 1 exposure of 1000 DN and 2 DN/s."""
    raw = datamodels.ScienceRawModel(testing.create_wfi_science_raw(shape=(N_RESULTANTS, *SHAPE)))
    meta = raw.meta.copy()
    meta["instrument"].update(detector="WFI01", optical_element="F158")
    pointing = {"v2_ref": 100.0, "v3_ref": 200.0, "ra_ref": 10.0, "dec_ref": 20.0}
    meta["wcsinfo"].update(pointing, roll_ref=30.0)
    meta["exposure"] = {
        "type": "WFI_IMAGE",
        "start_time": Time("2027-01-01T00:00:00"),
        "ngroups": N_RESULTANTS,
        "read_pattern": READ_PATTERN,
        "frame_time": FRAME_TIME,
        # Placeholders, as the library of those years left them.
        "nframes": 8,
        "groupgap": 0,
        "group_time": -999999,
        "ma_table_name": "?",
        "ma_table_number": 3,
        "data_problem": False,
    }
    meta["ref_file"]["crds"] = {"context_used": "roman_0815.pmap", "sw_version": "12.3.1"}
    counts = planes(1000 + 2 * TIMES, np.uint16)
    content = {
        "meta": meta,
        "data": with_unit(counts, "DN") if data is None else data,
        "amp33": with_unit(np.zeros((N_RESULTANTS, SHAPE[0], 128), np.uint16), "DN"),
    }
    return write(path, "wfi_science_raw", content, version)


@pytest.fixture
def exposure(tmp_path):
    return write_exposure(tmp_path / "r1_uncal.asdf")


def test_the_read_pattern_is_that_of_the_file(exposure):
    with datamodels.open(exposure) as raw:
        assert raw.era == "2023-2024"
        assert raw.file_tag.endswith("wfi_science_raw-1.0.0")
        assert raw.meta.exposure.read_pattern == READ_PATTERN
        assert raw.meta.exposure.nresultants == N_RESULTANTS
        assert "group_time" not in raw.meta.exposure
        assert raw.meta.ref_file.crds == {"version": "12.3.1", "context": "roman_0815.pmap"}
        raw.validate()


def test_arrays_are_the_numbers_and_stay_in_the_file(exposure):
    with datamodels.open(exposure) as raw:
        stored = raw.stored("data")
        assert type(stored) is np.ndarray
        assert stored.dtype == np.uint16
        assert not stored.flags.writeable  # mapped
        assert not stored.flags.owndata
        assert np.array_equal(stored[:, 0, 0], 1000 + 2 * TIMES)
        assert type(raw.data) is np.ndarray
        assert not hasattr(raw.copy().data, "unit")


def test_an_exposure_is_calibrated_with_references_of_its_time(exposure, tmp_path):
    references = tmp_path / "references"
    references.mkdir()
    write_references(references)
    result = ExposurePipeline.call(str(exposure), references=str(references))
    # (2 - 0.5) / 0.5
    np.testing.assert_allclose(result.data, 3.0, rtol=1e-5)
    assert not result.dq.any()
    assert set(result.meta.cal_step.to_flat_dict().values()) <= {"COMPLETE", "INCOMPLETE"}
    assert result.meta.photometry.conversion_megajanskys == pytest.approx(0.3)
    # The noise of one read s in n = 2 reads, 12 s^2/n / ((N^3 - N) dt^2), by the flat's square.
    assert any("READNOISE is the noise of one read" in line for line in result.meta.cal_logs)
    expected = 12 * (5**2 / 2) / ((N_RESULTANTS**3 - N_RESULTANTS) * 6**2) / 0.5**2
    np.testing.assert_allclose(result.var_rnoise, expected, rtol=1e-5)
    result.validate()


@pytest.mark.filterwarnings("ignore")  # of names and tags, by the mission's library
def test_models_of_the_missions_library_are_calibrated_as_their_files(exposure, tmp_path):
    """Their arrays are quantities in memory, not in a file."""
    mission = pytest.importorskip("roman_datamodels.datamodels")
    references = tmp_path / "references"
    references.mkdir()
    write_references(references)
    with ExitStack() as opened:
        theirs = opened.enter_context(mission.open(exposure))
        assert str(theirs.data.unit) == "DN"
        overrides = {}
        for name in ("readnoise", "gain", "dark", "saturation", "flat", "linearity", "mask"):
            reference = mission.open(references / f"roman_wfi_{name}.asdf")
            model = datamodels.open(opened.enter_context(reference))
            assert model.era == "2023-2024"
            model.validate(metadata=False)
            overrides[f"override_{name}"] = model
        assert datamodels.open(theirs).era == "2023-2024"
        result = ExposurePipeline.call(theirs, references=str(references), **overrides)
    expected = ExposurePipeline.call(str(exposure), references=str(references))
    for name in ("data", "dq", "err", "var_rnoise", "amp33"):
        assert type(result[name]) is np.ndarray
        np.testing.assert_array_equal(result[name], expected[name], err_msg=name)


def test_another_unit_in_a_model_of_the_missions_library_is_an_error(tmp_path):
    mission = pytest.importorskip("roman_datamodels.datamodels")
    content = {"meta": reference_meta("GAIN"), "data": with_unit(full(1), "DN / electron")}
    path = write(tmp_path / "gain.asdf", "reference_files/gain", content, "0.17.0")
    told = "the given model: the unit of data is 'DN / electron'; expected 'electron / DN'"
    with mission.open(path) as theirs, pytest.raises(ModelError, match=told):
        datamodels.open(theirs)


def test_units_of_content_that_no_schema_knows_are_left_alone(tmp_path):
    data = with_unit(full(1), "electron / DN")
    content = {"meta": reference_meta("GAIN"), "data": data, "mine": with_unit(full(2), "km")}
    with datamodels.open(
        write(tmp_path / "x.asdf", "reference_files/gain", content, "0.17.0")
    ) as x:
        assert type(x.data) is np.ndarray
        assert str(x.mine.unit) == "km"


@pytest.mark.parametrize(
    ("kind", "name", "unit", "right"),
    [
        ("wfi_science_raw", "data", "electron", "'DN'"),
        ("wfi_science_raw", "data", "no unit at all", "'DN'"),
        ("wfi_image", "data", "electron / s", "'DN / s'"),
        ("wfi_image", "var_flat", "MJy**2.sr**-2", "'DN2 / s2'"),
        ("reference_files/gain", "data", "DN / electron", "'electron / DN'"),
        ("reference_files/readnoise", "data", "electron", "'DN'"),
        ("reference_files/dark", "dark_slope", "DN", "'DN / s'"),
        ("reference_files/flat", "data", "DN", "none"),
    ],
)
def test_another_unit_is_an_error_that_says_which_is_right(tmp_path, kind, name, unit, right):
    content = {"meta": reference_meta("?"), name: with_unit(full(1), unit)}
    path = write(tmp_path / "odd.asdf", kind, content, "0.17.0")
    with pytest.raises(ModelError) as caught:
        datamodels.open(path)
    assert str(caught.value) == f"{path}: the unit of {name} is {unit!r}; expected {right}"


def test_the_areas_of_an_area_file_lose_their_units(tmp_path):
    areas = {
        "pixelarea_steradians": with_unit(2.8e-13, "sr"),
        "pixelarea_arcsecsq": with_unit(0.0121, "arcsec**2"),
    }
    content = {"meta": meta_of("AREA", photometry=areas), "data": full(1)}
    path = write(tmp_path / "area.asdf", "reference_files/pixelarea", content, "0.20.0")
    with datamodels.open(path) as area:
        area.validate()
        assert area.tag.endswith("/pixelarea-2.0.0")
        assert area.meta.photometry.pixelarea_steradians == pytest.approx(2.8e-13)
        assert area.meta.photometry.pixelarea_arcsecsq == pytest.approx(0.0121)
    content["meta"]["photometry"]["pixelarea_arcsecsq"] = with_unit(0.0121, "Jy")
    write(path, "reference_files/pixelarea", content, "0.20.0")
    with pytest.raises(ModelError, match=r"the unit of meta.photometry.pixelarea_arcsecsq is 'Jy'"):
        datamodels.open(path)


def test_another_unit_in_a_photom_table_is_an_error_that_names_the_row(tmp_path):
    row = {"photmjsr": with_unit(0.3, "Jy"), "uncertainty": None, "pixelareasr": None}
    content = {"meta": reference_meta("PHOTOM"), "phot_table": {"F158": row}}
    path = write(tmp_path / "odd.asdf", "reference_files/wfi_img_photom", content, "0.20.0")
    with pytest.raises(ModelError, match=r"odd.asdf: the unit of phot_table.F158.photmjsr is 'Jy'"):
        datamodels.open(path)


@pytest.mark.parametrize("kind", sorted(_eras._UNITS))
def test_the_units_are_those_of_the_missions_schemas(kind):
    schema = _schema.load(f"{_schema.SCHEMAS}{kind}-{_eras._TODAY.get(kind, '2.0.0')}")
    units = _eras._UNITS[kind]
    for name, item in schema["properties"].items():
        stated = item.get("unit")
        if stated is None or name == "weights":  # 1 / variance^2, whatever the schema says
            continue
        first = stated[0] if isinstance(stated, list) else stated  # what this package's models hold
        assert units.get(name, units.get("*")) == first, name


def test_a_file_of_today_with_units_is_not_valid(tmp_path):
    content = {"meta": reference_meta("GAIN"), "data": with_unit(full(1), "electron / DN")}
    path = write(tmp_path / "odd.asdf", "reference_files/gain", content, "1.1.0")
    path.write_bytes(path.read_bytes().replace(b"/gain-1.0.0", b"/gain-2.0.0"))
    with datamodels.open(path) as gain:
        assert gain.era == "today"
        assert gain.shape == SHAPE
        with pytest.raises(datamodels.ValidationError, match="the array carries a unit"):
            gain.validate()
        assert str(gain.data.unit) == "electron / DN"
