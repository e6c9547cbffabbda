"""What a model may hold, and what becomes of it on the way from Level 1 to a product."""

import re

import numpy as np
import pytest

from romancal_rs import datamodels, exposure
from romancal_rs.assign_wcs import pointing
from romancal_rs.datamodels import (
    ImageModel,
    MaskRefModel,
    RampModel,
    ScienceRawModel,
    UnknownModelError,
    ValidationError,
    testing,
)
from romancal_rs.dq_init import DQInitStep
from romancal_rs.errors import InputError
from romancal_rs.pipeline import ExposurePipeline

PLANES = ("data", "err", "var_poisson", "var_rnoise", "chisq", "dumo")


def raw_exposure(**content) -> ScienceRawModel:
    raw = ScienceRawModel(testing.create_wfi_science_raw((3, 16, 16)))
    for name, value in content.items():
        raw[name] = value
    return raw


def image_of(ramp: RampModel) -> ImageModel:
    plane = np.ones((8, 8), np.float32)
    return ImageModel.from_ramp(
        ramp, dq=np.zeros((8, 8), np.uint32), **dict.fromkeys(PLANES, plane)
    )


def names_in_file(path) -> list[str]:
    """The names under `roman`, in the order in which the file lists them."""
    head = path.read_bytes().partition(b"\n...")[0].partition(b"\nroman:")[2]
    return re.findall(r"^  (\w+):", head.decode(), re.MULTILINE)


# --- the order of names


def test_viewers_find_the_image_first_and_not_chisq(tmp_path):
    """`asdf` lists names by the alphabet, if nothing tells it otherwise."""
    image = image_of(RampModel.from_science_raw(raw_exposure()))
    image["a_note"] = "unknown to the schema"
    names = names_in_file(image.save(tmp_path / "x_cal.asdf"))
    assert names[:8] == ["meta", *("data", "dq", "err"), *PLANES[2:]]
    assert names[8] == "amp33"
    assert names[-1] == "a_note"


@pytest.mark.parametrize(
    ("create", "model", "first"),
    [
        ("wfi_science_raw", "ScienceRawModel", ["meta", "data", "amp33"]),
        ("ramp", "RampModel", ["meta", "data", "pixeldq", "groupdq", "amp33"]),
        ("ramp_fit_output", "RampFitOutputModel", ["meta", "slope", "sigslope", "yint"]),
        ("dark", "DarkRefModel", ["meta", "dq", "dark_slope", "dark_slope_error"]),
        ("flat", "FlatRefModel", ["meta", "data", "dq", "err"]),
    ],
)
def test_every_kind_lists_its_names_in_the_order_of_its_schema(create, model, first, tmp_path):
    made = getattr(datamodels, model)(getattr(testing, f"create_{create}")())
    names = names_in_file(made.save(tmp_path / "x.asdf"))
    assert names[: len(first)] == first
    assert sorted(names) == sorted(made)


def test_the_file_does_not_name_what_orders_it(tmp_path):
    path = ImageModel(testing.create_wfi_image()).save(tmp_path / "x.asdf")
    assert b"order" not in path.read_bytes().partition(b"\nroman:")[0]


# --- names that begin with an underscore


def test_names_with_an_underscore_are_refused_and_not_lost(tmp_path):
    """They landed in the saved file, and could not be read back as attributes."""
    image = ImageModel(testing.create_wfi_image())
    for target in (image, image.meta, image.meta.exposure):
        with pytest.raises(ValidationError, match=r"_cache.*underscore"):
            target._cache = 3
        with pytest.raises(ValidationError, match="underscore"):
            target["_cache"] = 3
        assert "_cache" not in target
    with pytest.raises(ValidationError, match="underscore"):
        image["meta.exposure._cache"] = 3
    for private in ("_node", "_data", "_tree"):
        with pytest.raises((ValidationError, AttributeError)):
            setattr(image, private, 3)
        with pytest.raises(ValidationError):
            setattr(image.meta, private, 3)
    assert image.meta.exposure.type == "WFI_IMAGE"
    assert b"_cache" not in image.save(tmp_path / "x.asdf").read_bytes()


# --- content beside `meta`


def test_content_beside_meta_is_kept_from_level_1_on(tmp_path):
    """`RampModel.from_science_raw` knew only the names of the schema, and dropped the others."""
    path = raw_exposure(my_notes={"observer": "me"}, my_image=np.eye(5, dtype=np.int16)).save(
        tmp_path / "x_uncal.asdf"
    )
    mask = MaskRefModel(testing.create_mask())
    ramp = DQInitStep.call(path, override_mask=mask)
    image = image_of(ramp)
    for model in (ramp, image):
        assert model.my_notes.observer == "me"
        np.testing.assert_array_equal(model.my_image, np.eye(5))
    with datamodels.open(image.save(tmp_path / "x_cal.asdf")) as again:
        assert again.my_notes.observer == "me"


def test_content_beside_meta_is_a_copy():
    raw = raw_exposure(my_notes={"observer": "me"})
    ramp = RampModel.from_science_raw(raw)
    ramp.my_notes.observer = "you"
    assert raw.my_notes.observer == "me"


def test_units_and_masks_survive_a_copy(tmp_path):
    """Whatever is an array became a plain one."""
    from astropy.units import Quantity

    telemetry = {
        "distance": Quantity(3.0, "km"),
        "several": [Quantity(90.0, "K"), Quantity([0.0, 1.0], "mV")],
        "masked": np.ma.masked_array([1.0, 2.0], [False, True]),
    }
    raw = raw_exposure(telemetry=telemetry)
    raw.meta["mine"] = {"exposed": Quantity(7.0, "s")}
    ramp = DQInitStep.call(raw, override_mask=MaskRefModel(testing.create_mask()))
    for model in (raw.copy(), ramp, image_of(ramp)):
        assert model.telemetry.distance == Quantity(3.0, "km")
        assert str(model.telemetry.several[1].unit) == "mV"
        assert model.telemetry.masked.mask.tolist() == [False, True]
        assert model.meta.mine.exposed == Quantity(7.0, "s")
    ramp.telemetry.several[1][0] = Quantity(5.0, "mV")
    assert raw.telemetry.several[1][0] == Quantity(0.0, "mV")
    del ramp.telemetry["masked"]
    with datamodels.open(ramp.save(tmp_path / "x.asdf")) as again:
        assert again.copy().telemetry.several[1][0] == Quantity(5.0, "mV")


def test_names_of_the_schemas_are_not_carried_over():
    raw = raw_exposure(resultantdq=np.ones((3, 16, 16), np.uint8))
    ramp = RampModel.from_science_raw(raw)
    assert "resultantdq" not in ramp
    assert "groupdq" not in image_of(ramp)


@pytest.mark.parametrize("fused", [True, False])
def test_the_pipeline_keeps_content_beside_meta(simulated, tmp_path, fused):
    with datamodels.open(simulated.exposure) as raw:
        raw["my_notes"] = {"observer": "me"}
        path = raw.save(tmp_path / "x_uncal.asdf")
    image = ExposurePipeline.call(path, references=str(simulated.references), fused=fused)
    assert image.my_notes.observer == "me"


# --- second flags


@pytest.fixture
def second_flags() -> RampModel:
    """A ramp with second flags, which schemas have from rad 1.2 on; the model takes them anyway."""
    ramp = RampModel.from_science_raw(raw_exposure())
    ramp["pixeldq2"] = np.zeros((16, 16), np.uint32)
    return ramp


def mask_with(dq2: np.ndarray) -> MaskRefModel:
    mask = MaskRefModel(testing.create_mask())
    mask["dq2"] = dq2
    return mask


def test_second_flags_of_references_are_added_without_the_border(second_flags):
    before = second_flags.pixeldq2
    whole, inner = np.zeros((16, 16), np.uint32), np.zeros((8, 8), np.uint32)
    whole[4, 5], inner[0, 1] = 1, 2
    datamodels.add_second_flags(second_flags, mask_with(whole))
    assert second_flags.pixeldq2[4, 5] == 1
    assert not before.any()  # it may be a caller's
    image = image_of(second_flags)
    image["dq2"] = second_flags.pixeldq2[4:-4, 4:-4]
    for dq2 in (whole, inner):
        datamodels.add_second_flags(image, mask_with(dq2))
    assert image.dq2[0, 1] == 1 | 2
    assert np.count_nonzero(image.dq2) == 1


def test_a_step_adds_the_second_flags_of_its_reference(second_flags):
    dq2 = np.zeros((16, 16), np.uint32)
    dq2[3, 3] = 64
    result = DQInitStep.call(second_flags, override_mask=mask_with(dq2))
    np.testing.assert_array_equal(result.pixeldq2, dq2)
    assert not second_flags.pixeldq2.any()


@pytest.mark.parametrize("dq2", [np.zeros((16, 15), np.uint32), np.zeros((16, 16), np.uint16)])
def test_second_flags_that_do_not_fit_are_an_error(second_flags, dq2):
    with pytest.raises(datamodels.ModelError, match=r"dq2: uint.. of shape .* expected uint32 of"):
        datamodels.add_second_flags(second_flags, mask_with(dq2))


# --- kinds without a model


@pytest.mark.parametrize("kind", ["guidewindow", "associations"])
def test_a_guide_window_of_2022_is_a_kind_without_a_model(kind, tmp_path):
    """The error named no file, and a schema that the file does not have."""
    path = tmp_path / "guide.asdf"
    path.write_text(f"""#ASDF 1.0.0
#ASDF_STANDARD 1.5.0
%YAML 1.1
%TAG ! tag:stsci.edu:asdf/
--- !core/asdf-1.1.0
history:
  extensions:
  - !core/extension_metadata-1.0.0
    extension_class: asdf.extension._manifest.ManifestExtension
    software: !core/software-1.0.0 {{name: roman-datamodels, version: 0.13.0}}
roman: !<asdf://stsci.edu/datamodels/roman/tags/{kind}-1.0.0>
  meta:
    exposure: {{ngroups: 6, nframes: 8, groupgap: 0, type: WFI_IMAGE}}
...
""")
    for opener in (datamodels.open, ImageModel):
        with pytest.raises(UnknownModelError, match=rf"guide\.asdf: a Roman file of kind '{kind}'"):
            opener(path)


# --- the placeholder of numbers


def test_names_that_follow_from_a_placeholder_have_no_value():
    """-999999 MJy/sr became -23 504 430 uJy/arcsec^2."""
    image = ImageModel(testing.create_wfi_image())
    photometry = image.meta.photometry
    for name in ("conversion_megajanskys", "conversion_megajanskys_uncertainty", "pixel_area"):
        photometry[name] = -999999.0
    for name in (
        *("conversion_microjanskys", "conversion_microjanskys_uncertainty"),
        *("pixelarea_steradians", "pixelarea_arcsecsq"),
    ):
        assert photometry[name] is None
    photometry.pixel_area = 2.8e-13
    assert photometry.pixelarea_steradians == 2.8e-13


@pytest.mark.parametrize("name", ["v2_ref", "ra_ref", "dec_ref", "roll_ref"])
def test_a_placeholder_is_no_pointing(name):
    values = {"v2_ref": 1.0, "v3_ref": 2.0, "ra_ref": 3.0, "dec_ref": 4.0, "roll_ref": 5.0}
    meta = {f"wcsinfo.{key}": value for key, value in {**values, name: -999999.0}.items()}
    with pytest.raises(InputError, match=rf"wcsinfo\.{name} is -999999\.0; the WCS needs"):
        pointing(ImageModel(testing.create_wfi_image(meta=meta)))


def test_a_placeholder_is_no_group_time():
    raw = ScienceRawModel(
        testing.create_wfi_science_raw(
            read_pattern=[[1], [2, 3], [5, 6]],
            meta={"exposure.frame_time": 2.0, "exposure.group_time": -999999},
        )
    )
    pattern = exposure.read_pattern(raw)
    assert pattern.times.tolist() == [2.0, 5.0, 11.0]  # the means of 1, (2, 3) and (5, 6)
