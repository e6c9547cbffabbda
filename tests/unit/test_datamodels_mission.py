"""Files go back and forth between this package and the mission's own library."""

import warnings
from pathlib import Path

import numpy as np
import pytest

from romancal_rs import datamodels
from romancal_rs.datamodels import ImageModel, RampModel, _schema, testing
from romancal_rs.reference_types import KNOWN_TYPES, TYPES

SEED_ERA = Path(__file__).parents[1] / "data" / "seed_era"
TAGS = "asdf://stsci.edu/datamodels/roman/tags/"
# Series with tags inside the metadata (to 1.3), with float32 variances (to 1.5), and newer.
SERIES = ("1.0.0", "1.3.0", "1.4.0", "1.5.0", "1.6.0", "1.8.0", "2.0.0", "2.1.0", "2.2.0")


@pytest.fixture(scope="module")
def rdm():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what importing another package warns of
        return pytest.importorskip("roman_datamodels.datamodels")


def opens_there(rdm, path: Path, name: str):
    """Open in the mission's library, which validates, and check the class it gives."""
    model = rdm.open(path)
    model.validate()
    assert type(model).__name__ == name
    return model


def same_arrays(here, there) -> None:
    """Arrays at any depth of a model from here, and of one from there."""
    for name, _ in here.arrays():
        found = there
        for key in name.split("."):
            found = found[key]
        np.testing.assert_array_equal(found, here[name])


CREATED = [
    ("create_wfi_science_raw", "ScienceRawModel"),
    ("create_ramp", "RampModel"),
    ("create_wfi_image", "ImageModel"),
    ("create_ramp_fit_output", "RampFitOutputModel"),
    ("create_wfi_img_photom", "WfiImgPhotomRefModel"),
    ("create_pixelarea", "PixelareaRefModel"),
    *((f"create_{name.lower()}", TYPES[name].model) for name in sorted(KNOWN_TYPES)),
]
#: All versions of the tags of references that there are.
REFERENCE_TAGS = [
    (TYPES[name], path.stem)
    for name in sorted(KNOWN_TYPES)
    for path in sorted((_schema.resources() / "schemas").glob(f"*/{TYPES[name].tag}-*.yaml"))
]


def needs(tag: str) -> None:
    if _schema.schema_uri(tag) is None:
        pytest.skip(f"the installed rad has no {tag.removeprefix(TAGS)}")


@pytest.mark.parametrize(("create", "name"), CREATED)
def test_made_up_models_validate_there(rdm, create, name, tmp_path):
    needs(getattr(datamodels, name).new_tag())
    model = getattr(datamodels, name)(getattr(testing, create)())
    with opens_there(rdm, model.save(tmp_path / "file.asdf"), name) as there:
        same_arrays(model, there)


@pytest.mark.parametrize("path", sorted(SEED_ERA.glob("*.asdf")), ids=lambda path: path.stem)
def test_files_of_2022_validate_there_once_saved(rdm, path, tmp_path):
    with datamodels.open(path) as model:
        name = type(model).__name__
        with opens_there(rdm, model.save(tmp_path / path.name), name) as there:
            if name == "ImageModel":
                assert there.meta.wcs(10.0, 20.0) == pytest.approx(
                    model.meta.wcs(10.0, 20.0), abs=1e-12
                )


@pytest.mark.parametrize("exposure_type", sorted(datamodels.SPECTRAL_TYPES))
def test_spectral_exposures_validate_there(rdm, exposure_type, tmp_path):
    raw = datamodels.ScienceRawModel(testing.create_wfi_science_raw(exposure_type=exposure_type))
    with opens_there(rdm, raw.save(tmp_path / "raw.asdf"), "ScienceRawModel") as there:
        assert there.meta.exposure.type == "WFI_SPECTRAL"


@pytest.mark.parametrize("compression", [None, "lz4"])
def test_an_exposure_written_there_opens_here(rdm, compression, tmp_path):
    there = rdm.ScienceRawModel.create_fake_data(shape=(3, 20, 24))
    there.data = np.arange(3 * 20 * 24, dtype=np.uint16).reshape(3, 20, 24)
    there.meta.exposure.frame_time = 3.04
    there.meta.filename = "there.asdf"
    path = tmp_path / "there.asdf"
    there.to_asdf(path, all_array_compression=compression)
    with datamodels.open(path) as here:
        assert type(here) is datamodels.ScienceRawModel
        here.validate()
        assert here.meta.exposure.frame_time == 3.04
        np.testing.assert_array_equal(here.data, there.data)


@pytest.mark.parametrize("version", SERIES)
def test_a_series_stays_itself_from_level_1_to_level_2(rdm, version, tmp_path):
    """L1 written there -> ramp and L2 made here -> both valid there, with the tag of the series."""
    tag = f"{TAGS}wfi_science_raw-{version}"
    needs(tag)
    there = rdm.ScienceRawModel.create_fake_data(shape=(2, 16, 16), tag=tag)
    there.meta.filename = type(there.meta.filename)("l1.asdf")
    path = tmp_path / "l1.asdf"
    there.to_asdf(path)
    with datamodels.open(path) as raw:
        assert raw.tag == tag
        opens_there(rdm, raw.save(tmp_path / "l1_again.asdf"), "ScienceRawModel").close()
        ramp = RampModel.from_science_raw(raw)
    opens_there(rdm, ramp.save(tmp_path / "ramp.asdf"), "RampModel").close()
    plane = np.full((8, 8), 0.5, np.float32)
    names = ("data", "err", "var_poisson", "var_rnoise", "chisq", "dumo")
    image = ImageModel.from_ramp(
        ramp, dq=np.zeros((8, 8), np.uint32), **dict.fromkeys(names, plane)
    )
    image.meta.cal_logs.append("a message")
    with opens_there(rdm, image.save(tmp_path / "l2.asdf"), "ImageModel") as l2:
        assert l2.tag == f"{TAGS}wfi_image-{version}"
        np.testing.assert_array_equal(l2.err, plane)
        assert list(l2.meta.cal_logs) == ["a message"]
    product = datamodels.RampFitOutputModel.from_ramp(
        ramp,
        pedestal=plane,
        **dict.fromkeys(
            ("slope", "sigslope", "yint", "sigyint", "weights", "crmag", "var_poisson"),
            plane[np.newaxis],
        ),
        var_rnoise=plane[np.newaxis],
    )
    opens_there(rdm, product.save(tmp_path / "fitopt.asdf"), "RampFitOutputModel").close()


@pytest.mark.parametrize(("kind", "tag"), REFERENCE_TAGS, ids=[tag for _, tag in REFERENCE_TAGS])
def test_references_of_all_versions_go_from_there_to_here_and_back(rdm, kind, tag, tmp_path):
    model_class = getattr(rdm, kind.model, None)
    if model_class is None:
        pytest.skip(f"the installed roman_datamodels has no {kind.model}")
    there = model_class.create_fake_data(tag=f"{TAGS}reference_files/{tag}")
    if kind.reftype == "DISTORTION":
        from astropy.modeling.models import Shift

        there.coordinate_distortion_transform = Shift(1.0) & Shift(2.0)
    path = tmp_path / "ref.asdf"
    there.to_asdf(path)
    with datamodels.open(path) as here:
        assert type(here).__name__ == kind.model
        assert here.tag == f"{TAGS}reference_files/{tag}"
        assert here.reference_type is kind
        here.validate()
        if kind.reftype == "DISTORTION":
            assert here.coordinate_distortion_transform(0.0, 0.0) == (1.0, 2.0)
        same_arrays(here, there)
        again = here.save(tmp_path / "again.asdf")
        with opens_there(rdm, again, kind.model) as back:
            same_arrays(here, back)


def test_both_libraries_can_have_a_file_open_at_once(rdm, tmp_path):
    path = ImageModel(testing.create_wfi_image()).save(tmp_path / "im.asdf")
    with datamodels.open(path) as here, rdm.open(path) as there:
        assert type(here) is not type(there)
        assert here.meta.exposure.type == there.meta.exposure.type
        there.meta.filename = "there.asdf"
        there.to_asdf(tmp_path / "there.asdf")
        here.save(tmp_path / "here.asdf")
    opens_there(rdm, tmp_path / "here.asdf", "ImageModel").close()
    with datamodels.open(tmp_path / "there.asdf") as again:
        assert type(again) is ImageModel
