"""What is told of files of all kinds: metadata, arrays, tables, numbers; no pixel unless asked."""

import dataclasses
import json
import re
import warnings
from pathlib import Path

import asdf
import numpy as np
import pytest

from romancal_rs import datamodels, dqflags
from romancal_rs.datamodels import testing
from romancal_rs.datamodels._arrays import ArrayFile
from romancal_rs.errors import InputError
from romancal_rs.inspection import ArrayStatistics, Column, FileDescription, describe_file
from romancal_rs.inspection._fields import FIELDS
from romancal_rs.pipeline import ExposurePipeline

SEED_ERA = Path(__file__).parents[1] / "data" / "seed_era"


@pytest.fixture(scope="module")
def mission():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what importing other packages warns of
        return pytest.importorskip("roman_datamodels.datamodels")


@pytest.fixture
def saved(mission, tmp_path):
    """Saves a made-up model of the mission's library, changed as asked for."""

    def save(name: str, change=lambda model: None, **options) -> Path:
        if not hasattr(mission, f"{name}Model"):
            pytest.skip(f"the installed roman_datamodels has no {name}Model")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model = getattr(mission, f"{name}Model").create_fake_data(**options)
            change(model)
            path = tmp_path / f"{name}.asdf"
            model.save(path)
        return path

    return save


def arrays_of(path, **options):
    return {array.name: array for array in describe_file(path, **options).arrays}


# --- exposures


def test_a_raw_exposure(simulated):
    about = describe_file(simulated.exposure)
    assert (about.kind, about.version, about.model) == (
        "wfi_science_raw",
        "2.1.0",
        "ScienceRawModel",
    )
    assert (about.format, about.era, about.status) == ("asdf", "today", "raw")
    assert about.instrument == {"detector": "WFI01", "optical_element": "F158"}
    assert about.exposure["n_resultants"] == 6
    assert about.exposure["read_pattern"][1] == [5, 6, 7, 8]
    assert about.exposure["exposure_time"] == pytest.approx(6 * 4 * about.exposure["frame_time"])
    assert about.size == simulated.exposure.stat().st_size
    shapes = {array.name: (array.dtype, array.shape) for array in about.arrays}
    assert shapes == {"data": ("uint16", (6, 64, 128)), "amp33": ("uint16", (6, 64, 128))}
    assert about.data_size == 2 * 2 * 6 * 64 * 128
    with datamodels.open(simulated.exposure) as model:
        wcsinfo = model.meta.wcsinfo
        told = (about.pointing["ra"], about.pointing["dec"], about.pointing["position_angle"])
        assert told == (wcsinfo.ra_ref, wcsinfo.dec_ref, wcsinfo.roll_ref)


def test_a_product(simulated, tmp_path):
    image = ExposurePipeline.call(str(simulated.exposure), references=str(simulated.references))
    about = describe_file(image.save(tmp_path / "x_cal.asdf"))
    assert (about.kind, about.recipe, about.status) == ("wfi_image", "flight", "complete")
    assert about.steps["ramp_fit"] == "COMPLETE"
    assert about.references["flat"] == "roman_wfi_flat_0001.asdf"
    assert about.software["name"] == "romancal-rs"
    assert about.compression == ("lz4",)
    assert about.objects == {"meta.wcs": "gwcs/wcs-1.4.0"}
    assert about.pointing["footprint"].startswith("POLYGON ICRS")
    assert (
        about.photometry["conversion_megajanskys"] == image.meta.photometry.conversion_megajanskys
    )


def test_a_file_of_2022_says_what_it_is_and_what_it_becomes():
    about = describe_file(next(SEED_ERA.glob("*_uncal.asdf")))
    assert (about.era, about.version, about.status) == ("2022", "1.0.0", "raw")
    assert about.read_as.endswith("/wfi_science_raw-2.1.0")


@pytest.mark.parametrize(
    ("steps", "status"),
    [
        ({"dq_init": "COMPLETE", "ramp_fit": "COMPLETE"}, "complete"),
        ({"dq_init": "COMPLETE", "ramp_fit": "SKIPPED"}, "complete"),
        ({"dq_init": "COMPLETE", "ramp_fit": "INCOMPLETE"}, "1/2"),
        ({"dq_init": "FAILED", "ramp_fit": "INCOMPLETE"}, "failed"),
        # Steps of later stages do not make an exposure incomplete; nor refpix one of 2022.
        ({"ramp_fit": "COMPLETE", "flux": "INCOMPLETE", "tweakreg": "INCOMPLETE"}, "complete"),
        ({"ramp_fit": "COMPLETE", "refpix": "INCOMPLETE"}, "1/2"),
        ({"ramp_fit": "COMPLETE", "refpix": "INCOMPLETE", "jump": "COMPLETE"}, "complete"),
    ],
)
def test_how_far_it_is_calibrated(steps, status, tmp_path):
    model = datamodels.ImageModel(testing.create_wfi_image(shape=(10, 12)))
    for name in model.meta.cal_step:
        model.meta.cal_step[name] = steps.get(name, "SKIPPED")
    assert describe_file(model.save(tmp_path / "x.asdf")).status == status


def test_what_is_unknown_is_not_told(tmp_path):
    model = datamodels.ImageModel(testing.create_wfi_image(shape=(10, 12)))
    about = describe_file(model.save(tmp_path / "x.asdf"))
    assert set(about.exposure) == {"type", "n_resultants", "read_pattern"}
    assert "-999999" not in json.dumps(about.to_json())


# --- numbers


@pytest.fixture
def image(tmp_path) -> Path:
    model = datamodels.ImageModel(testing.create_wfi_image(shape=(4, 5)))
    model.data = np.arange(20, dtype=np.float32).reshape(4, 5)
    model.data[0, 1], model.data[3, 4] = np.nan, 1e6
    model.dq = np.zeros((4, 5), np.uint32)
    model.dq[3, 4] = dqflags.DO_NOT_USE | dqflags.DEAD
    model.dq[1] = dqflags.SATURATED
    return model.save(tmp_path / "image.asdf")


def test_numbers_of_an_image_by_hand_without_what_is_not_to_be_used(image):
    found = arrays_of(image, statistics=True)
    # 0, 2 ... 18: 18 numbers, of which the middle two are 9 and 10; a NaN; one left out.
    assert found["data"].statistics == ArrayStatistics(0.0, 9.5, 18.0, 19, n_nan=1, n_excluded=1)
    assert found["dq"].flags == {"DO_NOT_USE": 1, "SATURATED": 5, "DEAD": 1}
    assert found["dq"].statistics is None
    # Of other shape than the image, and all there.
    assert found["amp33"].statistics.n_excluded == 0


def test_numbers_of_each_resultant(tmp_path):
    model = datamodels.ScienceRawModel(testing.create_wfi_science_raw(shape=(3, 16, 128)))
    model.data = np.empty((3, 16, 128), np.uint16)
    model.data[:] = np.array([5, 7, 40])[:, None, None]
    model.data[2, 0, 0] = 65535
    array = arrays_of(model.save(tmp_path / "x.asdf"), statistics=True)["data"]
    assert array.statistics == ArrayStatistics(5, 7, 65535, 3 * 16 * 128)
    n = 16 * 128
    planes = (ArrayStatistics(5, 5, 5, n), ArrayStatistics(7, 7, 7, n))
    assert array.planes == (*planes, ArrayStatistics(40, 40, 65535, n))


def test_flags_of_samples_and_of_the_second_kind(tmp_path):
    model = datamodels.RampModel(testing.create_ramp(shape=(2, 16, 16)))
    model.groupdq = np.zeros((2, 16, 16), np.uint8)
    model.groupdq[1, 0, :3] = dqflags.WFI18_TRANSIENT | dqflags.JUMP_DET
    model.pixeldq = np.full((16, 16), 1 << 14, np.uint32)
    found = arrays_of(model.save(tmp_path / "x.asdf"), statistics=True)
    assert found["groupdq"].flags == {"JUMP_DET": 3, "WFI18_TRANSIENT": 3}
    assert found["pixeldq"].flags == {"BIT_14": 256}


def test_no_pixel_is_read_without_need(image, monkeypatch):
    def refuse(self, block, mode):
        raise AssertionError("a block was read")

    monkeypatch.setattr(ArrayFile, "_data", refuse)
    assert arrays_of(image)["data"].shape == (4, 5)
    with pytest.raises(AssertionError, match="a block was read"):
        describe_file(image, statistics=True)


def test_json_holds_numbers_and_null(image):
    told = json.loads(json.dumps(describe_file(image, statistics=True).to_json(), allow_nan=False))
    data = next(array for array in told["arrays"] if array["name"] == "data")
    assert data == {
        "name": "data",
        "dtype": "float32",
        "shape": [4, 5],
        "statistics": {
            "minimum": 0.0,
            "median": 9.5,
            "maximum": 18.0,
            "n_values": 19,
            "n_nan": 1,
            "n_excluded": 1,
        },
    }
    assert told["kind"] == "wfi_image"
    assert told["exposure"]["n_resultants"] == 2
    assert {"file", "size", "format", "kind", "status"} <= told.keys()


def test_json_has_null_for_what_is_not_finite(tmp_path):
    model = datamodels.ImageModel(testing.create_wfi_image(shape=(4, 5)))
    model.data = np.full((4, 5), np.inf, np.float32)
    told = describe_file(model.save(tmp_path / "x.asdf"), statistics=True).to_json()
    data = next(array for array in told["arrays"] if array["name"] == "data")
    assert data["statistics"]["maximum"] is None


# --- other kinds of the mission


def test_a_mosaic(saved):
    def change(model):
        model.meta.coadd_info.exposure_time = 1234.5
        model.meta.wcsinfo.ra_ref, model.meta.wcsinfo.dec_ref = 270.25, 66.5
        model.meta.wcsinfo.skycell_name = "270p65x48y69"
        model.context = np.full((1, 6, 7), 5, np.uint32)

    about = describe_file(saved("Mosaic", change, shape=(6, 7)), statistics=True)
    assert (about.kind, about.model, about.era) == ("wfi_mosaic", None, None)
    assert about.exposure["exposure_time"] == 1234.5
    assert (about.pointing["ra"], about.pointing["dec"]) == (270.25, 66.5)
    assert about.pointing["skycell"] == "270p65x48y69"
    arrays = {array.name: array for array in about.arrays}
    assert arrays["data"].shape == (6, 7)
    # Numbers of exposures: no flags, though they are uint32.
    assert arrays["context"].statistics == ArrayStatistics(5, 5, 5, 42)
    assert about.objects == {"meta.wcs": "gwcs/wcs-1.4.0"}


def with_two_sources(model):
    from astropy.table import Table

    model.source_catalog = Table(
        {"label": np.array([1, 2], np.int32), "ra": np.array([270.0, 271.0])},
        units={"ra": "deg"},
    )


@pytest.mark.parametrize("name", ["ImageSourceCatalog", "MosaicSourceCatalog"])
def test_a_catalogue(saved, mission, name, tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = getattr(mission, f"{name}Model").create_fake_data()
        with_two_sources(model)
        tag = model.tag
        path = tmp_path / "x_cat.asdf"
        asdf.AsdfFile({"roman": {"meta": {}, "source_catalog": model.source_catalog}}).write_to(
            path
        )
    content = path.read_bytes().replace(b"roman:\n", f"roman: !<{tag}>\n".encode())
    path.write_bytes(content)
    about = describe_file(path)
    (table,) = about.tables
    assert (table.name, table.n_rows) == ("source_catalog", 2)
    assert table.columns == (Column("label", "int32"), Column("ra", "float64", "deg"))
    assert about.objects == {}


def test_a_catalogue_in_parquet(mission, tmp_path):
    pytest.importorskip("pyarrow")
    path = tmp_path / "x_cat.parquet"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = mission.ImageSourceCatalogModel.create_fake_data()
        model.meta.exposure.frame_time = 3.04
        model.meta.exposure.nresultants = 8
        model.to_parquet(path)
    about = describe_file(path)
    assert (about.format, about.kind) == ("parquet", "image_source_catalog")
    assert about.instrument == {"detector": "WFI01", "optical_element": "F062"}
    assert (about.exposure["frame_time"], about.exposure["n_resultants"]) == (3.04, 8)
    (table,) = about.tables
    assert table.n_rows == 0
    assert Column("ra", "double", "deg") in table.columns


def test_parquet_without_pyarrow(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    path = tmp_path / "x_cat.parquet"
    path.write_bytes(b"PAR1")
    with pytest.raises(datamodels.ModelError, match=r"x_cat\.parquet: .* pip install pyarrow"):
        describe_file(path)


def test_no_parquet(tmp_path):
    pytest.importorskip("pyarrow")
    path = tmp_path / "x_cat.parquet"
    path.write_bytes(b"PAR1 and no more")
    with pytest.raises(datamodels.ModelError, match=r"x_cat\.parquet: not a sound Parquet file"):
        describe_file(path)


@pytest.mark.parametrize(
    ("name", "kind", "array"),
    [
        ("SegmentationMap", "segmentation_map", "data"),
        ("MosaicSegmentationMap", "mosaic_segmentation_map", "data"),
        ("MsosStack", "msos_stack", "coverage"),
        ("L1FaceGuidewindow", "l1_face_guidewindow", "face_data.delta"),
        ("Guidewindow", "guidewindow", "pedestal_frames"),
        ("IpcRef", "reference_files/ipc", "data"),
        ("Fps", "fps", "data"),
    ],
)
def test_kinds_without_a_model(saved, name, kind, array):
    path = saved(name)
    about = describe_file(path, statistics=True)
    assert about.kind == kind
    assert about.model is None
    assert array in {found.name for found in about.arrays}
    with pytest.raises(datamodels.UnknownModelError):
        datamodels.open(path)


def test_rows_of_an_array_are_a_table(saved):
    tables = {table.name: table for table in describe_file(saved("SkycellsRef")).tables}
    assert tables["skycells"].columns[:2] == (Column("name", "U16"), Column("ra_center", "float64"))
    assert tables["skycells"].n_rows == 1


def test_a_reference(simulated):
    about = describe_file(simulated.references / "roman_wfi_linearity_0001.asdf", statistics=True)
    assert about.kind == "reference_files/linearity"
    assert about.reference["type"] == "LINEARITY"
    assert about.reference["use_after"] == "2020-01-01T00:00:00.000"
    coeffs = next(array for array in about.arrays if array.name == "coeffs")
    assert len(coeffs.planes) == coeffs.shape[0]


def test_rows_of_a_reference_are_a_table(tmp_path):
    rows = {
        "WFI01": {"amplitude": 1.5, "time_constant": None},
        "WFI02": {"amplitude": None, "time_constant": 20.0},
    }
    model = datamodels.DarkdecaysignalRefModel(testing.create_darkdecaysignal(decay_table=rows))
    (table,) = describe_file(model.save(tmp_path / "x.asdf")).tables
    assert (table.name, table.n_rows) == ("decay_table", len(model.decay_table))
    assert table.columns == (Column("amplitude", "float64"), Column("time_constant", "float64"))


# --- files of other kinds


def test_a_parameter_file(tmp_path):
    ExposurePipeline().export_config(tmp_path / "pars-exposurepipeline.asdf")
    about = describe_file(tmp_path / "pars-exposurepipeline.asdf")
    assert (about.format, about.kind) == ("asdf", "parameters")
    assert about.parameters["class"].endswith("ExposurePipeline")
    assert about.parameters["steps.saturation.n_pix_grow_sat"] == 0


def test_an_association(tmp_path):
    members = [
        {"expname": "a_cal.asdf", "exptype": "science"},
        {"expname": "b_cat.asdf", "exptype": "catalog"},
    ]
    path = tmp_path / "x_asn.json"
    path.write_text(json.dumps({"products": [{"members": members}]}))
    about = describe_file(path)
    assert (about.format, about.kind) == ("json", "association")
    assert about.members == (("a_cal.asdf", "science"), ("b_cat.asdf", "catalog"))
    path.write_text("{}")
    with pytest.raises(InputError, match=r"x_asn\.json: not an association: it has no products"):
        describe_file(path)


def test_an_asdf_file_of_something_else(tmp_path):
    path = tmp_path / "other.asdf"
    tree = {"target": {"name": "M31", "z": -0.001}, "spectrum": np.array([1.0, 4.0, 2.0])}
    asdf.AsdfFile(tree).write_to(path)
    about = describe_file(path, statistics=True)
    assert (about.kind, about.tag) == ("asdf", None)
    assert about.content == {"target.name": "M31", "target.z": -0.001}
    (array,) = about.arrays
    assert (array.name, array.statistics) == ("spectrum", ArrayStatistics(1.0, 2.0, 4.0, 3))


@pytest.mark.parametrize(
    ("start", "what"),
    [
        (b"SIMPLE  =                    T", "as FITS files do"),
        (b"\x89PNG\r\n\x1a\n", "as pictures in PNG do"),
        (b"PK\x03\x04\x14", "as .npz and .zip files do"),
        (b"hello", "b'hello'$"),
        (b"", "it is empty"),
    ],
)
def test_no_asdf_file(start, what, tmp_path):
    path = tmp_path / "x.asdf"
    path.write_bytes(start)
    with pytest.raises(datamodels.FileFormatError, match=f"not an ASDF file: .*{what}"):
        describe_file(path)


def test_the_page_names_all_keys():
    page = (Path(__file__).parents[2] / "docs" / "how-to/info.md").read_text()
    listed = dict(re.findall(r"^\| (`.*?) \| (.*) \|$", page, re.MULTILINE))
    keys = set(re.findall(r"`(\w+)`", " ".join(listed)))
    assert keys == {item.name for item in dataclasses.fields(FileDescription)} | {"status"}
    for part, items in FIELDS.items():
        assert re.findall(r"`(\w+)`", listed[f"`{part}`"]) == list(items)
