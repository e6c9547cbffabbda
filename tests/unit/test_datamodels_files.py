"""Files: opening, damaged ones, laziness, and saving whole or not at all."""

import io
import os
import re
import subprocess
import sys
import tracemalloc
from pathlib import Path

import asdf
import numpy as np
import pytest
import yaml

from romancal_rs import datamodels
from romancal_rs.datamodels import (
    FileFormatError,
    ImageModel,
    ModelError,
    ModelTypeError,
    RampModel,
    ScienceRawModel,
    UnknownModelError,
    ValidationError,
    _io,
    _schema,
    _writing,
    testing,
)
from romancal_rs.reference_types import KNOWN_TYPES

SEED_ERA = Path(__file__).parents[1] / "data" / "seed_era"
SAMPLE = Path(__file__).parents[3] / "shared" / "sample"

FACTORIES = {
    testing.create_wfi_science_raw: datamodels.ScienceRawModel,
    testing.create_ramp: datamodels.RampModel,
    testing.create_wfi_image: datamodels.ImageModel,
    testing.create_ramp_fit_output: datamodels.RampFitOutputModel,
    **{
        getattr(testing, f"create_{reftype.lower()}"): datamodels.reference_model(reftype)
        for reftype in sorted(KNOWN_TYPES)
        if _schema.schema_uri(datamodels.reference_model(reftype).new_tag()) is not None
    },
}


@pytest.fixture
def raw_file(tmp_path) -> Path:
    cube = np.arange(3 * 16 * 16, dtype=np.uint16).reshape(3, 16, 16)
    raw = ScienceRawModel(testing.create_wfi_science_raw(data=cube))
    return raw.save(tmp_path / "r1_uncal.asdf", compression=None)


def open_files() -> set[str]:
    """Files that this process has open, by name; pytest's own change from test to test."""
    names = set()
    for entry in Path("/proc/self/fd").iterdir():
        try:
            names.add(os.readlink(entry))
        except OSError:
            continue
    return names


def edited(content: bytes, old: bytes, new: bytes) -> bytes:
    """A file with a text replaced, and without the index of blocks, which would be off then."""
    assert old in content
    return content[: content.rindex(b"#ASDF BLOCK INDEX")].replace(old, new, 1)


# ---- opening -------------------------------------------------------------------------------


@pytest.mark.parametrize(("create", "cls"), FACTORIES.items(), ids=lambda x: x.__name__)
def test_every_kind_goes_to_a_file_and_back(create, cls, tmp_path):
    path = cls(create()).save(tmp_path / "file.asdf")
    with datamodels.open(path) as model:
        assert type(model) is cls
        assert model.tag == create()._tree.tag
        model.validate()
    with cls(path) as model:
        assert type(model) is cls


def test_a_binary_file_object_can_be_opened(raw_file):
    content = raw_file.read_bytes()
    with datamodels.open(io.BytesIO(content)) as model:
        assert model.data[2, 15, 15] == 3 * 16 * 16 - 1
    with raw_file.open("rb") as file, datamodels.open(file) as model:
        assert model.data.sum() == sum(range(3 * 16 * 16))
    with pytest.raises(FileFormatError, match="the given file: not an ASDF file"):
        datamodels.open(io.BytesIO(b"SIMPLE  ="))


def test_the_wrong_kind_names_file_found_and_wanted(raw_file):
    with pytest.raises(TypeError) as caught:
        ImageModel(raw_file)
    message = str(caught.value)
    assert str(raw_file) in message
    assert "expected ImageModel (wfi_image), found ScienceRawModel (wfi_science_raw)" in message
    assert str(raw_file) not in open_files()


def test_a_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"nowhere\.asdf"):
        datamodels.open(tmp_path / "nowhere.asdf")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "not an ASDF file: it is empty"),
        (b"SIMPLE  =                    T", r"not an ASDF file: it starts with b'SIMPL'"),
        (b"#ASDF 1.0.0\n#ASDF_STANDARD 1.6.0\n%YAML 1.1\n---\n{", "truncated"),
        (b"#ASDF 1.0.0\n#ASDF_STANDARD 1.6.0\n%YAML 1.1\n---\n{[:\n...\n", "damaged ASDF file"),
        (b"#ASDF 1.0.0\n#ASDF_STANDARD 1.6.0\n%YAML 1.1\n---\na: 1\n...\n", "no 'roman'"),
        (b"#ASDF 1.0.0\n#ASDF_STANDARD 1.6.0\n%YAML 1.1\n---\nroman: {a: 1}\n...\n", "tag is None"),
    ],
)
def test_files_that_are_no_models(content, message, tmp_path):
    path = tmp_path / "file.asdf"
    path.write_bytes(content)
    with pytest.raises(FileFormatError, match=message) as caught:
        datamodels.open(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert str(path) not in open_files()


def test_an_association_is_refused(tmp_path):
    path = tmp_path / "asn.json"
    path.write_text("{}")
    with pytest.raises(ModelTypeError, match=r"asn\.json: an association"):
        datamodels.open(path)


def test_unknown_kinds_and_versions(raw_file, tmp_path):
    content = raw_file.read_bytes()
    for old, new, message in (
        (b"tags/wfi_science_raw-2.1.0", b"tags/wfi_mosaic_new-2.1.0", "kind 'wfi_mosaic_new'"),
        (b"tags/wfi_science_raw-2.1.0", b"tags/wfi_science_raw-9.1.0", "newer version of `rad`"),
    ):
        path = tmp_path / "unknown.asdf"
        path.write_bytes(edited(content, old, new))
        with pytest.raises(UnknownModelError, match=message):
            datamodels.open(path)
        assert str(path) not in open_files()


def test_a_truncated_file_is_found_when_it_is_opened(raw_file, tmp_path):
    content = raw_file.read_bytes()
    end_of_arrays = content.rindex(b"#ASDF BLOCK INDEX")
    path = tmp_path / "cut.asdf"
    for fraction in np.linspace(0.0, 1.0, 40, endpoint=False):
        path.write_bytes(content[: int(end_of_arrays * fraction)])
        with pytest.raises(FileFormatError):
            datamodels.open(path)


def test_a_file_without_its_blocks_is_truncated(raw_file, tmp_path):
    content = raw_file.read_bytes()
    path = tmp_path / "cut.asdf"
    path.write_bytes(content[: content.index(b"\xd3BLK")])
    with pytest.raises(FileFormatError, match="truncated"):
        datamodels.open(path)


def test_an_array_in_another_file_is_not_fetched(raw_file, tmp_path):
    content = raw_file.read_bytes()
    path = tmp_path / "external.asdf"
    path.write_bytes(edited(content, b"source: 0", b"source: http://example.org/x.asdf"))
    with datamodels.open(path) as model, pytest.raises(FileFormatError, match="another file"):
        _ = model.data


def test_an_array_in_another_file_is_not_fetched_for_an_object_either(raw_file, tmp_path):
    (tmp_path / "elsewhere.asdf").write_bytes(raw_file.read_bytes())
    array = (
        b"!core/ndarray-1.1.0 {source: elsewhere.asdf, datatype: int8, byteorder: big, shape: [1]}"
    )
    remark = b"meta:\n    remark: !unit/quantity-1.2.0 {unit: m, value: " + array + b"}\n"
    path = tmp_path / "other.asdf"
    path.write_bytes(edited(raw_file.read_bytes(), b"meta:\n", remark))
    with (
        datamodels.open(path) as model,
        pytest.raises(FileFormatError, match=r"other\.asdf: an array in another file"),
    ):
        model["meta.remark"]


@pytest.mark.parametrize("offset", [-8, 2**63 - 1, 10**30, "x"])
def test_an_array_does_not_reach_out_of_its_block(raw_file, tmp_path, offset):
    path = tmp_path / "out.asdf"
    key = b"    source: 0\n"
    path.write_bytes(edited(raw_file.read_bytes(), key, key + f"    offset: {offset}\n".encode()))
    with pytest.raises(FileFormatError, match=r"out\.asdf: damaged ASDF file: an array of shape"):
        datamodels.open(path)


def test_an_index_that_names_other_blocks_is_refused(tmp_path):
    node = testing.create_dark(shape=(20, 20))
    path = datamodels.DarkRefModel(node).save(tmp_path / "dark.asdf")
    content = path.read_bytes()
    at = content.index(b"#ASDF BLOCK INDEX")
    first, _, third = [int(n) for n in re.findall(rb"\d{3,}", content[at:])]
    index = f"#ASDF BLOCK INDEX\n%YAML 1.1\n---\n[{first}, {third}, {third}]\n...\n"
    path.write_bytes(content[:at] + index.encode())
    with pytest.raises(FileFormatError, match=r"dark\.asdf: .*index does not fit its blocks"):
        datamodels.open(path)


def test_times_of_other_forms_and_bad_ones(raw_file, tmp_path):
    content = raw_file.read_bytes()
    path = tmp_path / "time.asdf"
    found = re.search(rb"(file_date: !time/time-[0-9.]+) [^\n]+", content)
    line, key = found[0], found[1]
    path.write_bytes(edited(content, line, key + b" '2027:032:00:00:00'"))
    with datamodels.open(path) as model:
        assert model.meta.file_date.isot == "2027-02-01T00:00:00.000"
    path.write_bytes(edited(content, line, key + b" '2027-13-45'"))
    with pytest.raises(FileFormatError, match="damaged"):
        datamodels.open(path)


@pytest.mark.parametrize("comment", [b"#\n", b"##\n"])
def test_arrays_are_mapped_and_changes_stay_in_memory(raw_file, comment):
    """Also where the numbers start at an odd byte of the file: then the array is a copy."""
    content = edited(raw_file.read_bytes(), b"%YAML", comment + b"%YAML")
    raw_file.write_bytes(content)
    header_size = int.from_bytes(content[content.index(b"\xd3BLK") + 4 :][:2], "big")
    first_byte = content.index(b"\xd3BLK") + 6 + header_size
    with datamodels.open(raw_file) as model:
        assert "unloaded" in repr(dict(model.items())["data"])
        data = model.data
        assert data.flags.aligned
        base = data
        while isinstance(base.base, np.ndarray):
            base = base.base
        assert isinstance(base.base, memoryview) == (first_byte % 2 == 0)
        assert data[0, 0, 1] == 1
        data[0, 0, 0] = 7
        assert model.data[0, 0, 0] == 7
    assert data[0, 0, 0] == 7  # what was read stays usable
    assert raw_file.read_bytes() == content


def test_a_copy_for_change_outlives_the_model_it_came_from(raw_file):
    model = datamodels.open(raw_file)
    copy = model.copy_for_change(["data", "no_such_array"])
    copy.data[0, 0, 0] = 5
    assert model.data[0, 0, 0] == 0
    copy.meta.exposure.frame_time = 9.0
    assert model.meta.exposure.frame_time != 9.0
    del model
    assert copy.amp33.sum() == 0


def test_a_file_that_is_cut_while_it_is_open_says_so(raw_file):
    with datamodels.open(raw_file) as model:
        raw_file.write_bytes(raw_file.read_bytes()[:100])
        with pytest.raises(FileFormatError, match="truncated while it was open"):
            _ = model.data


def test_a_closed_file_says_so(raw_file):
    model = datamodels.open(raw_file)
    model.close()
    with pytest.raises(ModelError, match="closed before"):
        _ = model.data


def test_a_second_view_does_not_close_the_file(raw_file):
    with datamodels.open(raw_file) as model:
        with datamodels.open(model) as view:
            assert view.meta == model.meta
        assert model.data.shape == (3, 16, 16)


def test_a_forgotten_model_closes_its_file(raw_file):
    model = datamodels.open(raw_file)
    assert str(raw_file) in open_files()
    del model
    assert str(raw_file) not in open_files()


@pytest.mark.parametrize("compression", ["lz4", "zlib", None])
def test_compressed_files(compression, tmp_path):
    cube = np.arange(3 * 16 * 16, dtype=np.uint16).reshape(3, 16, 16)
    raw = ScienceRawModel(testing.create_wfi_science_raw(data=cube))
    path = raw.save(tmp_path / "raw.asdf", compression=compression)
    assert (b"lz4\0" in path.read_bytes()) == (compression == "lz4")
    with datamodels.open(path) as again:
        np.testing.assert_array_equal(again.data, cube)
        again.data[0] = 1


def test_big_endian_arrays_come_in_native_order(tmp_path):
    values = np.arange(256, dtype=">f4").reshape(16, 16)
    gain = datamodels.GainRefModel(testing.create_gain(data=values))
    with datamodels.open(gain.save(tmp_path / "gain.asdf")) as again:
        assert again.data.dtype.isnative
        np.testing.assert_array_equal(again.data, np.arange(256).reshape(16, 16))


def test_a_view_is_written_as_what_it_shows(tmp_path):
    big = np.arange(10000, dtype=np.float32).reshape(100, 100)
    gain = datamodels.GainRefModel(testing.create_gain(data=big[10:12, 20:40:2]))
    path = gain.save(tmp_path / "gain.asdf")
    assert path.stat().st_size < big.nbytes
    with datamodels.open(path) as again:
        np.testing.assert_array_equal(again.data, big[10:12, 20:40:2])


@pytest.mark.skipif(not SAMPLE.exists(), reason="the sample exposures are not here")
def test_the_sample_exposures_open():
    names = sorted(SAMPLE.glob("r*_uncal.asdf"))
    assert len(names) == 2
    for path, n_resultants in zip(names, (8, 9), strict=True):
        with datamodels.open(path) as raw:
            assert type(raw) is ScienceRawModel
            raw.validate()
            assert raw.data.shape == (n_resultants, 512, 512)
            assert raw.meta.exposure.nresultants == n_resultants
    for path in sorted((SAMPLE / "references").glob("*.asdf")):
        reftype = path.name.split("_")[2]
        with datamodels.open(path) as reference:
            assert type(reference) is datamodels.reference_model(reftype)
            reference.validate()


# ---- saving --------------------------------------------------------------------------------


def test_save_stamps_the_file_and_not_the_model(tmp_path):
    image = ImageModel(testing.create_wfi_image(meta={"filename": "old.asdf"}))
    path = image.save(tmp_path / "new_cal.asdf")
    assert image.meta.filename == "old.asdf"
    with datamodels.open(path) as again:
        assert again.meta.filename == "new_cal.asdf"
        assert again.meta.model_type == "ImageModel"
        assert again.meta.calibration_software_name == "romancal-rs"
        assert again.meta.calibration_software_version
        assert again.meta.file_date.unix == pytest.approx(path.stat().st_mtime, abs=60)


def test_a_reference_file_gets_no_names_its_schema_lacks(tmp_path):
    with datamodels.open(
        datamodels.GainRefModel(testing.create_gain()).save(tmp_path / "gain.asdf")
    ) as gain:
        assert "calibration_software_name" not in gain.meta


def test_save_replaces_and_takes_asdf_only(tmp_path):
    image = ImageModel(testing.create_wfi_image())
    path = tmp_path / "im.asdf"
    image.save(path)
    image.data[:] = 3
    assert image.save(str(path)) == path
    with datamodels.open(path) as again:
        assert (again.data == 3).all()
    with pytest.raises(ModelError, match=r"im\.fits: models are written as ASDF only"):
        image.save(tmp_path / "im.fits")


def only_path(error: OSError, path: Path) -> bool:
    """Whether an error names this path and no other."""
    return error.filename == str(path) and error.filename2 is None and ".part" not in str(error)


def test_a_place_that_cannot_be_written_is_named(tmp_path):
    image = ImageModel(testing.create_wfi_image())
    path = tmp_path / "no_directory" / "im.asdf"
    with pytest.raises(FileNotFoundError, match="no such directory to write to") as caught:
        image.save(path)
    assert only_path(caught.value, path)
    path = tmp_path / "directory.asdf"
    path.mkdir()
    with pytest.raises(IsADirectoryError, match="a directory, not a file") as caught:
        image.save(path)
    assert only_path(caught.value, path)
    assert list(tmp_path.iterdir()) == [path]
    assert list(path.iterdir()) == []


def test_a_place_without_permission_is_named(tmp_path, monkeypatch):
    path = tmp_path / "im.asdf"

    def refuse(name, *args):
        # As the system does; who runs the tests may be allowed everything.
        raise PermissionError(13, "Permission denied", os.fspath(name))

    monkeypatch.setattr(_io.os, "open", refuse)
    with pytest.raises(PermissionError, match="Permission denied") as caught:
        ImageModel(testing.create_wfi_image()).save(path)
    assert only_path(caught.value, path)


def test_a_model_can_be_saved_over_its_own_file(raw_file):
    with datamodels.open(raw_file) as model:
        model.data[0, 0, 0] = 9
        model.save(raw_file)
        assert model.amp33.sum() == 0
    with datamodels.open(raw_file) as again:
        assert again.data[0, 0, 0] == 9
        assert again.data[2, 15, 15] == 3 * 16 * 16 - 1


def test_a_failed_save_leaves_the_old_file_and_nothing_else(raw_file, monkeypatch):
    before = raw_file.read_bytes()
    write_blocks = _writing.write_blocks

    def fail_after_writing(*args):
        write_blocks(*args)
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(_writing, "write_blocks", fail_after_writing)
    with datamodels.open(raw_file) as model, pytest.raises(OSError, match="space") as caught:
        model.save(raw_file)
    assert str(caught.value) == f"[Errno 28] No space left on device: '{raw_file}'"
    assert raw_file.read_bytes() == before
    assert list(raw_file.parent.iterdir()) == [raw_file]


def test_an_invalid_model_is_not_written(tmp_path):
    image = ImageModel(testing.create_wfi_image())
    del image.meta.exposure.type
    with pytest.raises(ValidationError, match=r"meta\.exposure.*required but missing: type"):
        image.save(tmp_path / "im.asdf")
    assert list(tmp_path.iterdir()) == []


def test_a_new_file_has_the_rights_of_any_new_file(tmp_path):
    other = tmp_path / "other"
    other.touch()
    path = ImageModel(testing.create_wfi_image()).save(tmp_path / "im.asdf")
    assert path.stat().st_mode == other.stat().st_mode


def test_half_precision_clips_and_keeps_nan(tmp_path):
    image = ImageModel(testing.create_wfi_image(shape=(1, 5)))
    image.err = np.array([[1e9, np.inf, np.nan, 0.1, 65504]], np.float32)
    image.dumo = np.array([[-1e9, -np.inf, np.nan, -0.1, 0]], np.float32)
    path = image.save(tmp_path / "im.asdf")
    with asdf.open(path, lazy_tree=True) as file:
        stored = file["roman"]["err"]
        assert stored.dtype == np.float16
    with datamodels.open(path) as again:
        assert again.err.dtype == np.float32
        # 0.1 to the 11 significant bits of half precision: 1638 / 2^14.
        tenth = 1638 / 2**14
        np.testing.assert_array_equal(again.err, [[65504, 65504, np.nan, tenth, 65504]])
        np.testing.assert_array_equal(again.dumo, [[-65504, -65504, np.nan, -tenth, 0]])
    assert image.err[0, 0] == np.float32(1e9)  # the model keeps what it had


def test_the_manuals_spectral_types_are_written_in_todays_word(tmp_path):
    raw = ScienceRawModel(
        testing.create_wfi_science_raw(exposure_type="WFI_PRISM", optical_element="PRISM")
    )
    with datamodels.open(raw.save(tmp_path / "raw.asdf")) as again:
        assert again.meta.exposure.type == "WFI_SPECTRAL"
    noise = datamodels.ReadnoiseRefModel(testing.create_readnoise())
    noise.meta.exposure.p_exptype = "WFI_IMAGE|WFI_GRISM|WFI_PRISM|"
    with datamodels.open(noise.save(tmp_path / "noise.asdf")) as again:
        assert again.meta.exposure.p_exptype == "WFI_IMAGE|WFI_SPECTRAL|"
    assert noise.meta.exposure.p_exptype == "WFI_IMAGE|WFI_GRISM|WFI_PRISM|"


def test_guide_star_types_are_written_as_they_are(tmp_path):
    ramp = RampModel(testing.create_ramp(exposure_type="WFI_WSM_TRACK"))
    with datamodels.open(ramp.save(tmp_path / "ramp.asdf")) as again:
        assert again.meta.exposure.type == "WFI_WSM_TRACK"


# ---- from one model to the next ------------------------------------------------------------


def test_a_ramp_from_a_raw_exposure(raw_file):
    with datamodels.open(raw_file) as raw:
        ramp = RampModel.from_science_raw(raw)
        assert ramp.amp33 is raw.amp33
        ramp.meta.exposure.frame_time = 99.0
        assert raw.meta.exposure.frame_time != 99.0
        np.testing.assert_array_equal(ramp.data, raw.data)
    assert ramp.data.dtype == np.float32
    assert ramp.pixeldq.dtype == np.uint32
    assert ramp.pixeldq.shape == (16, 16)
    assert ramp.groupdq.dtype == np.uint8
    assert not ramp.groupdq.any()
    assert set(ramp.meta.cal_step.values()) == {"INCOMPLETE"}
    assert set(ramp.meta.cal_step) >= {"dq_init", "saturation", "jump", "ramp_fit", "photom"}
    assert ramp.border_ref_pix_left.shape == (3, 16, 4)
    assert ramp.border_ref_pix_top.shape == (3, 4, 16)
    assert ramp.dq_border_ref_pix_right.shape == (16, 4)
    assert ramp.dq_border_ref_pix_bottom.shape == (4, 16)
    ramp.validate()
    assert RampModel.from_science_raw(ramp) is ramp
    with pytest.raises(ModelTypeError, match="expected ScienceRawModel"):
        RampModel.from_science_raw(ImageModel(testing.create_wfi_image()))


@pytest.mark.parametrize("comment", [b"#\n", b"##\n"])
def test_a_ramp_is_cast_from_the_file_without_another_copy(tmp_path, comment):
    """Wherever the numbers start in the file, and without a copy in the exposure."""
    cube = np.arange(4 * 256 * 256, dtype=np.uint32).astype(np.uint16).reshape(4, 256, 256)
    raw = ScienceRawModel(testing.create_wfi_science_raw(data=cube))
    path = raw.save(tmp_path / "r1_uncal.asdf", compression=None)
    path.write_bytes(edited(path.read_bytes(), b"%YAML", comment + b"%YAML"))
    with datamodels.open(path) as opened:
        _ = opened.amp33
        RampModel.from_science_raw(opened)  # imports and caches
        tracemalloc.start()
        ramp = RampModel.from_science_raw(opened)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert "unloaded" in repr(opened.to_flat_dict()["data"])
        np.testing.assert_array_equal(ramp.data, cube)
        np.testing.assert_array_equal(opened.data, cube)
    made = sum(array.nbytes for name, array in ramp.arrays() if name != "amp33")
    assert made < peak < made + cube.nbytes / 2


def test_the_flags_of_a_raw_exposure_become_those_of_the_ramp():
    flags = np.zeros((2, 16, 16), np.uint8)
    flags[1, 2, 3] = 8
    raw = ScienceRawModel(testing.create_wfi_science_raw(resultantdq=flags))
    ramp = RampModel.from_science_raw(raw)
    assert ramp.groupdq[1, 2, 3] == 8
    assert ramp.groupdq is not raw.resultantdq


def test_an_image_from_a_ramp(tmp_path):
    ramp = RampModel(testing.create_ramp())
    ramp.meta.cal_step.dark = "COMPLETE"
    ramp.meta.cal_logs = ["one"]
    plane = np.ones((8, 8), np.float32)
    arrays = dict.fromkeys(("data", "err", "var_poisson", "var_rnoise", "chisq", "dumo"), plane)
    image = ImageModel.from_ramp(ramp, dq=np.zeros((8, 8), np.uint32), **arrays)
    assert image.meta.cal_step.dark == "COMPLETE"
    assert image.meta.cal_logs == ["one"]
    image.meta.cal_logs.append("two")
    assert ramp.meta.cal_logs == ["one"]
    assert image.meta.photometry.pixel_area is None
    assert image.meta.wcs is None
    assert image.amp33 is ramp.amp33
    assert image.dq_border_ref_pix_top is ramp.dq_border_ref_pix_top
    assert "var_flat" not in image
    image.save(tmp_path / "im.asdf")
    with pytest.raises(ValidationError, match="float32"):
        ImageModel.from_ramp(ramp, **{**arrays, "data": np.ones((8, 8))}, dq=image.dq)


def test_an_optional_product_from_a_ramp(tmp_path):
    ramp = RampModel(testing.create_ramp(exposure_type="WFI_GRISM"))
    cube = np.ones((3, 8, 8), np.float32)
    names = ("slope", "sigslope", "yint", "sigyint", "weights", "crmag", "var_poisson")
    product = datamodels.RampFitOutputModel.from_ramp(
        ramp, pedestal=cube[0], var_rnoise=cube, **dict.fromkeys(names, cube)
    )
    with datamodels.open(product.save(tmp_path / "fitopt.asdf")) as again:
        assert again.tag.endswith("ramp_fit_output-1.7.0")
        assert again.slope.shape == (3, 8, 8)
        assert again.meta.exposure.type == "WFI_SPECTRAL"


# ---- what the code assumes of the mission's manifests --------------------------------------


def manifests() -> dict[str, dict[str, str]]:
    """Tag and schema of all entries of the mission's manifests, by manifest."""
    found = {}
    for path in (_schema.resources() / "manifests").glob("datamodels-*.yaml"):
        manifest = yaml.load(path.read_bytes(), Loader=yaml.CSafeLoader)
        found[manifest["extension_uri"]] = {
            tag["tag_uri"]: tag["schema_uri"] for tag in manifest["tags"]
        }
    return found


def test_the_schema_of_a_tag_follows_from_its_name():
    tags = {
        tag: uri
        for entries in manifests().values()
        for tag, uri in entries.items()
        if "/fps/" not in tag and "/tvac/" not in tag  # ground tests, for which no model is here
    }
    assert len(tags) > 100
    wrong = {tag for tag, uri in tags.items() if _schema.schema_uri(tag) != uri}
    assert wrong == set()


def test_exposures_of_a_series_share_their_version():
    pattern = re.compile(r"/tags/(wfi_science_raw|ramp|wfi_image)-([\d.]+)$")
    for entries in manifests().values():
        versions = {m.group(1): m.group(2) for tag in entries if (m := pattern.search(tag))}
        assert len(versions) == 3
        assert len(set(versions.values())) == 1


def test_the_extension_of_a_tag_is_one_that_lists_it():
    for cls in FACTORIES.values():
        tag = cls.new_tag()
        assert tag in manifests()[_schema.extension_uri(tag)]


# ---- what importing and opening bring in ---------------------------------------------------


def test_nothing_heavy_is_imported_before_it_is_needed(raw_file):
    code = f"""
import sys
from romancal_rs import datamodels
heavy = ("asdf", "astropy", "gwcs", "asdf_astropy", "roman_datamodels", "yaml", "scipy")
print([name for name in heavy if name in sys.modules])
with datamodels.open({str(raw_file)!r}) as model:
    model.data.sum()
    model.meta.exposure.frame_time = 3.0
heavy = ("gwcs", "astropy.modeling", "astropy.table", "roman_datamodels", "scipy")
print([name for name in heavy if name in sys.modules])
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=600
    )
    assert done.stdout.splitlines() == ["[]", "[]"]
    assert done.stderr == ""


def test_container_check_leaves_the_file_where_it_was(raw_file):
    with raw_file.open("rb") as file:
        _io._read_container(file, "x")
        assert file.tell() == 0


def test_a_copy_of_a_reference_that_is_saved_has_its_own_name(tmp_path):
    gain = datamodels.GainRefModel(testing.create_gain(shape=(8, 8)))
    assert "filename" not in gain.meta
    gain.save(tmp_path / "first.asdf")
    with datamodels.open(tmp_path / "first.asdf") as first:
        assert "filename" not in first.meta
        again = first.copy()
    again.meta.filename = "first.asdf"
    again.save(tmp_path / "second.asdf")
    with datamodels.open(tmp_path / "second.asdf") as second:
        assert second.meta.filename == "second.asdf"
