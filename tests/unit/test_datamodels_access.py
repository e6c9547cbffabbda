"""Reading and changing a model: the examples of the manual's section on data models."""

import copy
import pickle
import subprocess
import sys

import asdf
import numpy as np
import pytest
from astropy.time import Time

from romancal_rs import datamodels
from romancal_rs.datamodels import ImageModel, RampModel, ScienceRawModel, ValidationError, testing


@pytest.fixture
def image() -> ImageModel:
    return ImageModel(testing.create_wfi_image())


def test_a_model_is_made_from_the_node_of_a_factory(image):
    assert type(image) is ImageModel
    assert image.shape == (8, 8)


def test_attribute_item_and_dotted_name_reach_the_same_value(image):
    image.meta.exposure.frame_time = 3.04
    assert image.meta.exposure.frame_time == 3.04
    assert image["meta"]["exposure"]["frame_time"] == 3.04
    assert image["meta.exposure.frame_time"] == 3.04
    assert image.meta["exposure.frame_time"] == 3.04
    image["meta.exposure.frame_time"] = 3.16
    assert image.meta.exposure.frame_time == 3.16


def test_membership_and_get(image):
    assert "data" in image
    assert "meta.exposure.type" in image
    assert "meta.exposure.nothing" not in image
    assert "meta.exposure.type.deeper" not in image
    assert image.get("meta.exposure.type") == "WFI_IMAGE"
    assert image.get("meta.nothing", 7) == 7
    assert list(image.meta.photometry.keys()) == [
        "conversion_megajanskys",
        "conversion_megajanskys_uncertainty",
        "pixel_area",
    ]


def test_a_missing_name_suggests_the_nearest(image):
    with pytest.raises(AttributeError, match="meta has no 'exposre'; did you mean 'exposure'"):
        _ = image.meta.exposre
    with pytest.raises(KeyError, match=r"meta\.exposure has no 'typ'"):
        _ = image["meta.exposure.typ"]


def test_the_manuals_start_time_is_an_astropy_time():
    raw = ScienceRawModel(testing.create_wfi_science_raw())
    raw.meta.exposure.start_time = Time("2028-12-22T05:17:56.203")
    start = raw.meta.observation.start_time
    assert start is raw.meta["observation"]["start_time"]
    assert start.iso == "2028-12-22 05:17:56.203"
    assert start.mjd == pytest.approx(62127.22078938165, abs=6e-9)  # the text has ms
    assert start.yday == "2028:357:05:17:56.203"


def test_the_manuals_aperture_can_be_changed(image):
    image.meta.aperture.position_angle = 120.21
    assert image.meta.aperture.position_angle == 120.21


def test_arrays_can_be_changed_in_place(image):
    image.data[3, 4] = 122.1
    assert image.data[3, 4] == np.float32(122.1)


def test_items_are_flat(image):
    names = dict(image.items())
    assert names["meta.exposure.type"] == "WFI_IMAGE"
    assert names["meta.exposure.read_pattern.1.0"] == 2
    assert names["data"] is image.data
    assert image.to_flat_dict().keys() == names.keys()


def test_names_of_both_eras_in_the_photometry(image):
    # uJy/arcsec^2 = MJy/sr x 1e12 / (square arcseconds per steradian), which is 4.254517e10.
    image.meta.photometry = {
        "conversion_megajanskys": 0.5,
        "conversion_megajanskys_uncertainty": 0.1,
        "pixel_area": 2e-13,
    }
    photometry = image.meta.photometry
    assert photometry.conversion_microjanskys == pytest.approx(0.5 * 23.50443054, rel=1e-8)
    assert photometry.conversion_microjanskys_uncertainty == pytest.approx(2.350443054, rel=1e-8)
    assert photometry.pixelarea_steradians == 2e-13
    assert photometry.pixelarea_arcsecsq == pytest.approx(2e-13 * 4.254517e10, rel=1e-6)
    assert type(photometry.pixelarea_arcsecsq) is float
    with pytest.raises(ValidationError, match=r"derived from meta\.photometry\.pixel_area"):
        photometry.pixelarea_steradians = 1e-13
    photometry.pixel_area = None
    assert photometry.pixelarea_arcsecsq is None


def test_derived_names_are_in_a_node_if_they_can_be_read(image):
    assert "conversion_microjanskys" in image.meta.photometry
    assert "meta.photometry.pixelarea_arcsecsq" in image
    assert "conversion_microjanskys" not in image.meta.exposure
    assert "start_time" in image.meta.observation
    del image.meta.exposure.start_time
    assert "start_time" not in image.meta.observation
    with pytest.raises(KeyError):
        image.meta.observation["start_time"]


def test_a_copy_shares_nothing(image):
    image.data[0, 0] = 1
    for other in (image.copy(), copy.deepcopy(image)):
        other.data[0, 0] = 2
        other.meta.exposure.type = "WFI_FLAT"
        other.meta.cal_logs.append("more")
    assert image.data[0, 0] == 1
    assert image.meta.exposure.type == "WFI_IMAGE"
    assert len(image.meta.cal_logs) == 1


def test_a_model_from_a_model_looks_at_the_same_content(image):
    again = ImageModel(image)
    again.meta.exposure.frame_time = 5.0
    assert image.meta.exposure.frame_time == 5.0
    assert type(datamodels.open(image)) is ImageModel


def test_another_kind_is_refused(image):
    with pytest.raises(TypeError, match=r"expected RampModel \(ramp\), found ImageModel"):
        RampModel(image)
    with pytest.raises(TypeError, match=r"expected a path.*got builtins\.int; save .* or pass"):
        ImageModel(7)


def test_a_model_of_the_missions_library_is_refused_by_name():
    other = type("ImageModel", (), {"__module__": "roman_datamodels.datamodels._datamodels"})()
    for take in (datamodels.open, ImageModel):
        with pytest.raises(
            TypeError,
            match=r"got roman_datamodels\.datamodels\._datamodels\.ImageModel; save .* or pass",
        ):
            take(other)


def test_source_is_the_file_and_content_of_that_name_an_item(image, tmp_path):
    assert image.source == ""
    image["source"] = "a galaxy"
    path = image.save(tmp_path / "im.asdf")
    with datamodels.open(path) as opened:
        assert opened.source == str(path)
        assert opened["source"] == "a galaxy"
        assert opened.copy().source == str(path)
        for name in ("source", "shape", "copy"):
            with pytest.raises(AttributeError, match=f"'{name}' belongs to every model"):
                setattr(opened, name, "x")
        assert opened["source"] == "a galaxy"


def test_schema_uri(image):
    assert image.schema_uri == "asdf://stsci.edu/datamodels/roman/schemas/wfi_image-2.1.0"
    raw = ScienceRawModel(testing.create_wfi_science_raw())
    assert raw.schema_uri == "asdf://stsci.edu/datamodels/roman/schemas/wfi_science_raw-2.1.0"


def test_info_prints_the_tree(image, capsys):
    image.info(max_rows=None)
    text = capsys.readouterr().out
    assert "roman (WfiImage)" in text
    assert "exposure (Exposure)" in text
    assert "type (str): WFI_IMAGE" in text
    image.info(max_rows=None, show_values=False)
    assert "type (str): WFI_IMAGE" not in capsys.readouterr().out
    image.info(max_rows=(None, 1))
    assert "Some nodes not shown." in capsys.readouterr().out


def test_info_of_a_file_prints_as_in_the_manual(tmp_path, capsys):
    raw = ScienceRawModel(testing.create_wfi_science_raw((8, 32, 48)))
    with datamodels.open(raw.save(tmp_path / "r1_uncal.asdf")) as opened:
        opened.info(max_rows=(None, 5))
        text = capsys.readouterr().out
        assert "unloaded" in repr(opened.to_flat_dict()["data"])  # printing read nothing
    lines = text.splitlines()
    assert [line for line in lines if line[0] in "r├└"] == [
        "root (AsdfObject)",
        "├─asdf_library (Software)",
        "├─history (dict)",
        "└─roman (WfiScienceRaw)",
    ]
    assert lines[lines.index("└─roman (WfiScienceRaw)") :] == [
        "└─roman (WfiScienceRaw)",
        "  ├─meta (dict) ...",
        "  ├─data (NDArrayType): shape=(8, 32, 48), dtype=uint16",
        "  └─amp33 (NDArrayType): shape=(8, 32, 128), dtype=uint16",
        "Some nodes not shown.",
    ]


def test_info_names_reference_files_as_the_mission_does(capsys):
    datamodels.WfiImgPhotomRefModel(testing.create_photom()).info(show_values=False, max_rows=8)
    assert "└─roman (WfiImgPhotomRef)" in capsys.readouterr().out
    datamodels.DarkRefModel(testing.create_dark()).info(show_values=False, max_rows=8)
    assert "└─roman (DarkRef)" in capsys.readouterr().out


def test_asdf_info_prints_the_content_as_of_any_mapping(tmp_path, capsys):
    raw = ScienceRawModel(testing.create_wfi_science_raw((8, 32, 48)))
    with datamodels.open(raw.save(tmp_path / "r1_uncal.asdf")) as opened:
        asdf.info(opened, max_rows=None)
    lines = capsys.readouterr().out.splitlines()
    assert [line for line in lines if line[0] in "r├└"] == [
        "root (AsdfObject)",
        "├─meta (DNode)",
        "├─data (ndarray)",
        "└─amp33 (ndarray)",
    ]


@pytest.mark.parametrize("info", [asdf.info, lambda node, **options: node.info(**options)])
def test_info_of_the_metadata(image, capsys, info):
    info(image.meta, show_values=False, max_rows=None)
    lines = capsys.readouterr().out.splitlines()
    first = lines.index("├─aperture (Aperture)")
    assert lines[first + 1 : first + 3] == ["│ ├─name (str)", "│ └─position_angle (float)"]
    assert {
        "├─instrument (WfiMode)",
        "├─velocity_aberration (VelocityAberration)",
        "├─guide_star (Guidestar)",
        "│ ├─crds (dict)",
    } <= set(lines)
    info(image.meta.cal_step, max_rows=(None, 3), show_values=False)
    lines = capsys.readouterr().out.splitlines()
    assert "├─assign_wcs (str)" in lines
    info(image.meta.exposure, max_rows=None)
    assert "├─nresultants (int): 2" in capsys.readouterr().out


def test_info_of_the_metadata_prints_as_in_the_manual(image, capsys):
    image.meta.info()
    assert capsys.readouterr().out.splitlines()[0] == "root (DNode)"
    image.meta.cal_step.info(max_rows=(None, 3), show_values=False)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "root (CalStep)"
    assert "├─assign_wcs (str)" in lines
    assert len(lines) == 1 + len(image.meta.cal_step)


def test_the_class_of_a_block_of_the_metadata_has_the_name_of_the_mission(image):
    assert type(image.meta.cal_step).__name__ == "CalStep"
    assert type(image.meta.instrument).__name__ == "WfiMode"
    assert isinstance(image.meta.cal_step, datamodels.DNode)
    assert type(pickle.loads(pickle.dumps(image.meta.cal_step))) is type(image.meta.cal_step)
    image.meta["not a name\0"] = {"a": 1}
    assert type(image.meta["not a name\0"]) is datamodels.DNode
    image.meta.info(max_rows=None)


def test_a_model_is_what_it_is_to_everybody(image):
    assert image.__class__ is ImageModel
    assert image.meta.__class__ is datamodels.DNode
    code = "def ask(model):\n    return model.__class__"
    in_asdf = {"__name__": "asdf._convenience"}
    exec(code, in_asdf)
    assert in_asdf["ask"](image) is ImageModel
    assert in_asdf["ask"](image.meta) is datamodels.DNode


def test_printing_does_not_look_through_all_extensions_of_asdf(tmp_path):
    path = ImageModel(testing.create_wfi_image()).save(tmp_path / "im.asdf")
    code = f"""
from asdf import _entry_points
from romancal_rs import datamodels

def scan():
    raise AssertionError("asdf looked through all extensions")

_entry_points.get_extensions = scan
with datamodels.open({str(path)!r}) as image:
    image.info()
    image.meta.info()
    image.search("cal_step")
"""
    subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, timeout=600)


def test_search(image):
    # As the manual prints it: the step's record and the *optical* element, nothing else of meta.
    raw = ScienceRawModel(testing.create_wfi_science_raw())
    assert repr(raw.search("cal_")["roman"]["meta"]).splitlines() == [
        "meta (dict)",
        "└─instrument (WfiMode)",
        "  └─optical_element (str): F158",
    ]
    assert repr(image.search("cal_s")["roman"]["meta"]) == "meta (dict)\n└─cal_step (CalStep)"
    found = image.search("^cal_step$")
    assert found.node == dict(image.meta.cal_step)
    flags = image.search(type=bool)
    assert set(flags.paths) >= {"root['roman']['meta']['exposure']['truncated']"}
    assert image.search(type=bool, value=True).nodes == []
    assert repr(image.search(type=bool, value=True)) == "No results found."


def test_an_array_that_search_found_can_be_read(tmp_path):
    cube = np.arange(2 * 16 * 16, dtype=np.uint16).reshape(2, 16, 16)
    raw = ScienceRawModel(testing.create_wfi_science_raw(data=cube))
    with datamodels.open(raw.save(tmp_path / "r1_uncal.asdf")) as opened:
        np.testing.assert_array_equal(np.asarray(opened.search("^data$").node), cube)


def test_repr_names_class_and_shape(image, tmp_path):
    assert repr(image) == "<ImageModel (8, 8)>"
    path = image.save(tmp_path / "im.asdf")
    with datamodels.open(path) as opened:
        assert repr(opened) == f"<ImageModel (8, 8) from {path}>"


def test_reference_models_have_names():
    assert datamodels.reference_model("PHOTOM") is datamodels.WfiImgPhotomRefModel
    assert datamodels.reference_model("dark") is datamodels.DarkRefModel
    with pytest.raises(datamodels.UnknownModelError, match="superbias"):
        datamodels.reference_model("superbias")
