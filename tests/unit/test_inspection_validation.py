"""What is wrong with a file is told, all of it; and a file with which nothing is wrong is sound."""

import json
import warnings
from pathlib import Path

import lz4.block
import numpy as np
import pytest

from romancal_rs import datamodels, dqflags
from romancal_rs._asdf_blocks import find_first_block, read_blocks
from romancal_rs.datamodels import testing
from romancal_rs.inspection import Finding, validate_file
from romancal_rs.pipeline import ExposurePipeline

SEED_ERA = Path(__file__).parents[1] / "data" / "seed_era"


@pytest.fixture(scope="module")
def mission():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what importing other packages warns of
        return pytest.importorskip("roman_datamodels.datamodels")


@pytest.fixture(scope="module")
def product(simulated, tmp_path_factory) -> Path:
    image = ExposurePipeline.call(str(simulated.exposure), references=str(simulated.references))
    return image.save(tmp_path_factory.mktemp("product") / "x_cal.asdf")


@pytest.fixture
def raw(simulated, tmp_path) -> Path:
    path = tmp_path / simulated.exposure.name
    path.write_bytes(simulated.exposure.read_bytes())
    return path


def replace(path: Path, old: bytes, new: bytes, count: int = 1) -> Path:
    content = path.read_bytes()
    assert old in content
    path.write_bytes(content.replace(old, new, count))
    return path


def errors(path: Path) -> list[str]:
    return [str(found).removeprefix("error: ") for found in validate_file(path).errors]


def notes(path: Path) -> list[str]:
    return [str(found).removeprefix("note: ") for found in validate_file(path).notes]


# --- sound files


def test_nothing_is_wrong_with_what_this_package_writes(simulated, product):
    for path in (simulated.exposure, product):
        assert validate_file(path).findings == (), path.name
    for path in simulated.references.iterdir():
        assert errors(path) == [], path.name


@pytest.mark.parametrize("path", sorted(SEED_ERA.glob("*.asdf")), ids=lambda path: path.stem[:30])
def test_files_of_2022_are_sound_and_said_to_be_of_then(path):
    assert errors(path) == []
    assert notes(path)[0].startswith("a file of 2022; checked is what it is read as, ")


@pytest.mark.parametrize(
    "name",
    [
        *("Mosaic", "MsosStack", "L1FaceGuidewindow", "L1DetectorGuidewindow", "SkycellsRef"),
        *("ImageSourceCatalog", "MosaicSegmentationMap", "EtcRef", "IpcRef", "WfiWcs"),
    ],
)
def test_what_the_missions_library_writes_is_sound(mission, name, tmp_path):
    if not hasattr(mission, f"{name}Model"):
        pytest.skip(f"the installed roman_datamodels has no {name}Model")
    path = tmp_path / "x.asdf"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        getattr(mission, f"{name}Model").create_fake_data().save(path)
    assert validate_file(path).findings == ()


# --- the bytes


def blocks_of(path: Path):
    with path.open("rb") as file:
        return list(read_blocks(file, find_first_block(file)))


def test_one_wrong_bit(raw):
    content = bytearray(raw.read_bytes())
    content[blocks_of(raw)[1].start + 100] ^= 1
    raw.write_bytes(content)
    assert errors(raw) == ["damaged: the data of block 1 do not have the checksum stated there"]


def test_a_compressed_block_without_a_checksum_is_unpacked(product, tmp_path):
    path = tmp_path / product.name
    content = bytearray(product.read_bytes())
    block = blocks_of(product)[0]
    assert block.compression == b"lz4"
    content[block.checksum_position : block.start] = bytes(16)
    path.write_bytes(content)
    assert errors(path) == []
    content[block.start : block.start + 4] = b"\xff\xff\xff\xff"  # the length of its first part
    path.write_bytes(content)
    assert "damaged: block 0: a part of an lz4 block is damaged" in errors(path)


def test_a_block_with_fewer_bytes_than_it_claims(product, tmp_path):
    path = tmp_path / product.name
    content = bytearray(product.read_bytes())
    block = blocks_of(product)[0]
    content[block.checksum_position : block.start] = bytes(16)
    part = lz4.block.compress(bytes(10))
    stored = len(part).to_bytes(4) + part
    content[block.start : block.start + len(stored)] = stored
    used = block.checksum_position - 16
    content[used : used + 8] = len(stored).to_bytes(8)
    path.write_bytes(content)
    assert f"damaged: block 0 has 10 bytes, not the {block.size} that it claims" in errors(path)


def test_a_truncated_file(raw):
    raw.write_bytes(raw.read_bytes()[:-5000])
    (error,) = errors(raw)
    assert error.startswith("truncated: ")


@pytest.mark.parametrize("content", [b"", b"notes", b"SIMPLE  = T", b"\x89PNG\r\n\x1a\n"])
def test_no_asdf_file(content, tmp_path):
    path = tmp_path / "x.asdf"
    path.write_bytes(content)
    (error,) = errors(path)
    assert error.startswith("not an ASDF file: ")


def test_what_cannot_be_read_has_no_verdict(tmp_path):
    with pytest.raises(FileNotFoundError):
        validate_file(tmp_path / "nowhere.asdf")
    with pytest.raises(IsADirectoryError):
        validate_file(tmp_path)


# --- the schema


def test_all_that_breaks_the_schema_is_told(raw):
    replace(raw, b"detector: WFI01", b"detector: WFI77")
    replace(raw, b"hga_move: false", b"hga_move: 'off'")
    replace(raw, b"ma_table_number: ", b"ma_table_nmuber: ")
    told = validate_file(raw).errors
    assert {found.place for found in told} == {
        "meta.instrument.detector",
        "meta.exposure.hga_move",
        "meta.exposure",
    }
    problems = {found.place: found.problem for found in told}
    assert problems["meta.instrument.detector"].startswith("'WFI77' is not one of ['WFI01',")
    assert problems["meta.exposure.hga_move"] == "'off' is not of type 'boolean'"
    assert problems["meta.exposure"] == "required but missing: ma_table_number"


def test_items_of_lists_are_looked_at(raw):
    replace(raw, b"read_pattern:", b"read_pattern: [[1, 2, 3, 4], [5, x]]\n      other:")
    assert "meta.exposure.read_pattern.1.1: 'x' is not of type 'integer'" in errors(raw)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"detector: WFI01", b"detector: WFI77"),
        (b"hga_move: false", b"hga_move: 'off'"),
        (b"visit_id:", b"visti_id:"),
        (b"frame_time: ", b"frame_time: s"),
        (b"datatype: uint16", b"datatype: int16"),
        (b"shape: [6, 64, 128]", b"shape: [384, 128]"),
    ],
    ids=["word", "type", "missing", "number", "dtype", "dimensions"],
)
def test_it_is_wrong_for_the_missions_library_too(mission, raw, old, new):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with mission.open(raw) as model:
            model.validate()
        assert errors(raw) == []
        replace(raw, old, new)
        with pytest.raises(Exception), mission.open(raw) as model:  # noqa: B017, PT011
            model.validate()
    assert errors(raw) != []


def test_single_precision_where_files_have_half(mission, image, tmp_path):
    path = image.save(tmp_path / "x.asdf", compression=None)
    half = b"datatype: float16\n    byteorder: little\n    shape: [10, 12]"
    replace(path, half, b"datatype: float32\n    byteorder: little\n    shape: [10, 6]")
    assert "err: float32 in the file, where the schema has float16" in errors(path)
    with (
        warnings.catch_warnings(action="ignore"),
        pytest.raises(Exception, match="Expected datatype 'float16', got 'float32'"),
        mission.open(path) as model,
    ):
        model.validate()


def test_a_series_that_is_newer_than_the_schemas(raw):
    replace(raw, b"tags/wfi_science_raw-2.1.0", b"tags/wfi_science_raw-9.7.0")
    (note,) = notes(raw)
    assert "schema wfi_science_raw-9.7.0, which the installed rad" in note
    assert errors(raw) == []


def test_a_tag_without_a_version_is_no_newer_series(raw):
    replace(raw, b"tags/wfi_science_raw-2.1.0", b"tags/wfi_science_raw")
    told = "the tag wfi_science_raw states no version of a schema, such as 2.1.0"
    assert errors(raw) == [told]


def test_roman_data_without_a_tag(raw):
    replace(
        raw, b"roman: !<asdf://stsci.edu/datamodels/roman/tags/wfi_science_raw-2.1.0>", b"roman:"
    )
    assert errors(raw) == ["roman: no object with a tag of the mission"]


def test_an_exposure_without_its_metadata(raw):
    replace(raw, b"    exposure:", b"    exposrue:")
    assert errors(raw) == ["meta: required but missing: exposure"]


def test_an_array_of_another_file_cannot_be_read(raw):
    replace(raw, b"source: 1", b"source: 'ftp://x/y.asdf'")
    assert errors(raw) == ["amp33: an array in another file (ftp://x/y.asdf)"]


def test_damage_anywhere_in_the_head_ends_in_a_verdict(raw):
    content = raw.read_bytes()
    end = content.index(b"\n...\n")
    random = np.random.default_rng(3)
    for position in random.integers(0, end, 40).tolist():
        damaged = bytearray(content)
        damaged[position] ^= 1 << random.integers(7)
        raw.write_bytes(damaged)
        assert validate_file(raw).file == str(raw)


def test_another_name_is_a_note(raw):
    other = raw.rename(raw.with_name("other_uncal.asdf"))
    assert notes(other) == [f"meta.filename: says '{raw.name}'; the file has another name"]
    assert validate_file(other).is_sound


# --- exposures


def test_reads_that_do_not_fit_the_resultants(raw):
    replace(raw, b"nresultants: 6", b"nresultants: 7")
    (error,) = errors(raw)
    assert error == "meta.exposure.nresultants is 7, the data have 6 resultants"


def test_times_that_run_backwards(raw):
    replace(raw, b"end_time: !time/time-1.4.0 '2027", b"end_time: !time/time-1.4.0 '2026")
    (error,) = errors(raw)
    assert error.startswith("meta.exposure.end_time: 2026-06-01T00:01:12.960 is before mid_time, ")


def saved(path: Path, model) -> Path:
    """A model in a file, whatever its content."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("romancal_rs.datamodels._tree.Tree.validate", lambda self, **options: None)
        return model.save(path)


@pytest.fixture
def image() -> datamodels.ImageModel:
    model = datamodels.ImageModel(testing.create_wfi_image(shape=(10, 12)))
    model.data = np.ones((10, 12), np.float32)
    return model


def test_shapes_that_do_not_fit(image, tmp_path):
    image.dq = np.zeros((10, 11), np.uint32)
    path = saved(tmp_path / "x.asdf", image)
    assert errors(path) == ["dq: expected shape (10, 12), as data has it, got (10, 11)"]


def test_numbers_that_cannot_be(image, tmp_path):
    image.data[2, 5] = np.nan
    image.data[3, 6:8] = np.inf
    image.dq[3, 7] = dqflags.DO_NOT_USE  # which may be anything
    image.err[:] = 1
    image.err[9, 11] = -0.5
    image.var_rnoise[0, :4] = -1
    path = image.save(tmp_path / "x.asdf")
    assert errors(path) == [
        "err: one value is negative: errors and variances are not; the first at [9, 11]",
        "var_rnoise: 4 values are negative: errors and variances are not; the first at [0, 0]",
        "data: 2 values are not finite in pixels that are not DO_NOT_USE; the first at [2, 5]",
    ]


def test_samples_that_cannot_be(tmp_path):
    model = datamodels.RampModel(testing.create_ramp(shape=(2, 16, 16)))
    model.meta.exposure.frame_time = 3.04
    model.data = np.zeros((2, 16, 16), np.float32)
    model.data[1, 4, 5:8] = np.nan
    model.groupdq[1, 4, 5] = dqflags.DO_NOT_USE
    model.pixeldq[4, 6] = dqflags.DO_NOT_USE
    path = model.save(tmp_path / "x.asdf")
    what = "one value is not finite in pixels that are not DO_NOT_USE; the first at [4, 7]"
    assert errors(path) == [f"data[1]: {what}"]


def test_flags_without_a_name_are_a_note(image, tmp_path):
    image.dq[2, :3] = 1 << 14 | dqflags.DEAD
    path = image.save(tmp_path / "x.asdf")
    assert "dq: 3 pixels have bit 14, which is no flag that has a name" in notes(path)
    assert errors(path) == []


def test_a_wcs_that_is_missing_though_its_step_is_complete(image, tmp_path):
    assert "meta.wcs: there is none" in notes(image.save(tmp_path / "x.asdf"))
    image.meta.cal_step.assign_wcs = "COMPLETE"
    path = image.save(tmp_path / "x.asdf")
    assert errors(path) == ["meta.wcs: there is none, though assign_wcs is COMPLETE"]


def test_a_wcs_that_gives_nothing(image, tmp_path):
    from astropy import units as u
    from astropy.coordinates import ICRS
    from astropy.modeling.models import Scale
    from gwcs import WCS
    from gwcs.coordinate_frames import CelestialFrame, Frame2D

    for factor, expected in ((1e-5, 0), (np.nan, 1)):
        sky = CelestialFrame(reference_frame=ICRS(), unit=(u.deg, u.deg), name="world")
        detector = Frame2D(name="detector", unit=(u.pix, u.pix))
        image.meta.wcs = WCS([(detector, Scale(factor) & Scale(factor)), (sky, None)])
        found = errors(image.save(tmp_path / "x.asdf"))
        assert len(found) == expected
        assert all(text.startswith("meta.wcs: gives coordinates that are not fi") for text in found)


def test_a_transform_that_cannot_be_made(product, tmp_path):
    path = tmp_path / product.name
    path.write_bytes(product.read_bytes())
    replace(path, b"transform/compose-1.4.0", b"transform/compose-1.9.0")
    (error,) = errors(path)
    assert error.startswith("written with transform/compose-1.9.0 (asdf-astropy ")


# --- references, parameters, associations, and the rest


def test_a_reference_that_fits_nothing(simulated, tmp_path):
    path = tmp_path / "roman_wfi_gain_0001.asdf"
    path.write_bytes((simulated.references / path.name).read_bytes())
    replace(path, b"reftype: GAIN", b"reftype: FLAT")
    assert "says that it is a FLAT, but is a GainRefModel" in errors(path)
    path.write_bytes((simulated.references / path.name).read_bytes())
    replace(path, b"useafter:", b"useafetr:")
    found = errors(path)
    assert "has no useafter" in found
    assert "meta: required but missing: useafter" in found


def test_numbers_of_a_reference_that_are_not_finite_and_have_no_flag(tmp_path):
    model = datamodels.FlatRefModel(testing.create_flat(shape=(10, 12)))
    model.data = np.ones((10, 12), np.float32)
    model.dq = np.zeros((10, 12), np.uint32)
    model.data[3, 4:6] = np.nan
    model.dq[3, 4] = dqflags.NO_FLAT_FIELD
    path = model.save(tmp_path / "x.asdf")
    what = "one value is not finite in pixels without a flag; the first at [3, 5]"
    assert f"data: {what}" in notes(path)
    assert errors(path) == []


def test_an_empty_array_of_a_reference(tmp_path):
    model = datamodels.GainRefModel(testing.create_gain(shape=(10, 12)))
    model.data = np.zeros((0, 12), np.float32)
    assert errors(model.save(tmp_path / "x.asdf")) == []


def test_a_distortion_of_one_axis(tmp_path):
    from astropy.modeling.models import Shift

    model = datamodels.DistortionRefModel(testing.create_distortion())
    model.coordinate_distortion_transform = Shift(1.0)
    path = model.save(tmp_path / "x.asdf")
    what = "takes 1 and gives 1 numbers, not 2 and 2"
    assert errors(path) == [f"coordinate_distortion_transform: {what}"]


def test_arrays_of_a_reference_that_do_not_fit(tmp_path):
    model = datamodels.LinearityRefModel(testing.create_linearity(shape=(3, 10, 12)))
    model.dq = np.zeros((10, 11), np.uint32)
    found = errors(model.save(tmp_path / "x.asdf"))
    assert any("dq 10 x 11" in text for text in found), found


def test_a_parameter_file(tmp_path):
    path = tmp_path / "pars-exposurepipeline.asdf"
    ExposurePipeline().export_config(path)
    assert validate_file(path).findings == ()
    replace(path, b"parameters:", b"parameters: 3\nother:")
    assert errors(path) != []


def test_an_association_whose_members_are_not_there(tmp_path):
    path = tmp_path / "x_asn.json"
    members = [{"expname": name, "exptype": "science"} for name in ("a.asdf", "b.asdf")]
    path.write_text(json.dumps({"products": [{"members": members}]}))
    (tmp_path / "a.asdf").touch()
    expected = Finding("b.asdf", "there is no such file beside the association", is_error=False)
    assert validate_file(path).findings == (expected,)
    path.write_text("[")
    (error,) = errors(path)
    assert error.startswith("not an association: not JSON")


def test_an_asdf_file_of_something_else_is_a_note(tmp_path):
    import asdf

    path = tmp_path / "other.asdf"
    asdf.AsdfFile({"a": 1}).write_to(path)
    assert notes(path) == ["no Roman data: there is no schema to check it against"]
