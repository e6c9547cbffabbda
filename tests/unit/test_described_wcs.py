"""The WCS that is described and not made, against the one that gwcs makes and its converters write.

The same step does both: it describes where the distortion is in a file and of known kinds.
"""

from __future__ import annotations

import copy
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from astropy.modeling.models import (
    Identity,
    Mapping,
    Polynomial1D,
    Polynomial2D,
    Rotation2D,
    Scale,
    Shift,
    Tabular2D,
)
from astropy.time import Time
from gwcs import WCS

from romancal_rs import _yaml_text, datamodels
from romancal_rs._described_wcs import describe_wcs
from romancal_rs._tagged import Tagged
from romancal_rs._transforms import NotUnderstoodError, understood
from romancal_rs.assign_wcs import AssignWcsStep, build_wcs
from romancal_rs.datamodels import (
    Described,
    DistortionRefModel,
    ImageModel,
    WfiWcsModel,
    _asdf,
    _extensions,
    testing,
)
from romancal_rs.datamodels._describing import Describer
from romancal_rs.simulate import SimulationConfig
from romancal_rs.simulate.pointing import distortion, point

pytestmark = pytest.mark.skipif(
    not datamodels.knows_descriptions(), reason="the libraries are older than the tags"
)

SEED_ERA = Path(__file__).parents[1] / "data" / "seed_era"
POINTING = {"v2_ref": 1312.0, "v3_ref": -1040.0, "ra_ref": 10.0, "dec_ref": 20.0, "roll_ref": 33.0}
SHAPE = (60, 100)
BOX = ((-0.5, 99.5), (-0.5, 59.5))


def save(transform, path):
    """A reference file of a distortion."""
    content = testing.create_distortion(coordinate_distortion_transform=transform)
    return DistortionRefModel(content).save(path)


@pytest.fixture(params=["WFI01", "WFI07", "WFI18", "bounded", "bent domain", "other axes", "2022"])
def path(request, tmp_path):
    """Reference files of distortions that are understood."""
    if request.param == "2022":
        return SEED_ERA / "roman_wfi_distortion_fake.asdf"
    if request.param == "other axes":
        swapped = Mapping((1, 0, 2), n_inputs=3) | Identity(2) & Scale(0.5)
        transform = Mapping((0, 1, 0)) | swapped | Mapping((1, 0), n_inputs=3) | Shift(3) & Scale(2)
        transform.name = "swapped"
    elif request.param == "bent domain":
        how = {"x_domain": (0, 99), "y_domain": (-3.5, 60), "x_window": (-1, 1), "y_window": (0, 2)}
        bend = Polynomial2D(4, c0_0=2.0, c1_0=0.3, c0_1=0.1, c2_2=1e-3, c1_3=0.7, c4_0=-1e-2, **how)
        transform = Mapping((0, 1, 0, 1)) | bend & Polynomial2D(1, c0_1=0.11)
    else:
        detector = "WFI01" if request.param == "bounded" else request.param
        config = SimulationConfig(rows=SHAPE[0] + 8, cols=SHAPE[1] + 8, detector=detector)
        transform = distortion(config, point(config))
        if request.param == "bounded":
            transform.bounding_box = ((9.5, 49.5), (19, 79.5))  # y, x
    return save(transform, tmp_path / "distortion.asdf")


def image_for(scale_factor=1.00003):
    image = ImageModel(testing.create_wfi_image(shape=SHAPE))
    for name, value in POINTING.items():
        image.meta.wcsinfo[name] = value
    image.meta.velocity_aberration.scale_factor = scale_factor
    return image


def results(path, recipe="flight", scale_factor=1.00003):
    """The image with the WCS described, and the one with the WCS made of objects."""
    with DistortionRefModel(path) as reference:
        described = AssignWcsStep.call(
            image_for(scale_factor), override_distortion=reference, recipe=recipe
        )
    with DistortionRefModel(path) as reference:
        reference.read_objects()
        made = AssignWcsStep.call(
            image_for(scale_factor), override_distortion=reference, recipe=recipe
        )
    assert type(described._tree.data["meta"]["wcs"]) is Described
    assert type(made._tree.data["meta"]["wcs"]) is WCS
    return described, made


def written(value):
    """How the head of a file has a value, and the extensions that it names for it."""
    with _asdf.Converters(_asdf.OBJECTS) as converters:
        describer = Describer(converters, coefficients_in_head=True)
        content, arrays = describer.describe(Tagged("tag:value", {"value": value}), ())
        assert not arrays
        return _yaml_text.document(content), converters.records()


def assert_equal_records(ours, theirs):
    assert list(map(_yaml_text.document, ours)) == list(map(_yaml_text.document, theirs))


# --- what is written


@pytest.mark.parametrize(
    ("recipe", "scale_factor"), [("flight", 1.00003), ("flight", 1.0), ("2022", -1.0)]
)
def test_it_is_written_as_the_installed_libraries_write_it(path, recipe, scale_factor):
    """Of a newer gwcs, or asdf-astropy, that writes otherwise, this tells."""
    described, made = results(path, recipe, scale_factor)
    text, records = written(described._tree.data["meta"]["wcs"])
    expected, expected_records = written(made.meta.wcs)
    assert text == expected
    assert_equal_records(records, expected_records)
    assert described.meta.wcsinfo == made.meta.wcsinfo


def test_the_product_beside_is_written_as_well(path):
    texts = []
    for image in results(path):
        product = WfiWcsModel.from_image(image)
        both = {name: product._tree.data[name] for name in ("wcs_l1", "wcs_l2")}
        texts.append(written(both))
    (ours, records), (theirs, expected_records) = texts
    assert ours == theirs
    assert_equal_records(records, expected_records)


def test_files_are_the_same_without_the_libraries_and_with_them(path, tmp_path, monkeypatch):
    heads = []
    for image, without in zip(results(path), (True, False), strict=True):
        monkeypatch.setattr(_asdf, "knows_descriptions", lambda without=without: without)
        del image.meta["cal_logs"], image.meta["cal_runs"]  # with times
        saved = image.save(tmp_path / "x_cal.asdf").read_bytes()
        lines = saved.partition(b"\n...")[0].decode().splitlines()
        heads.append([line for line in lines if "file_date:" not in line])
    assert heads[0] == heads[1]


@pytest.mark.parametrize("extension", _extensions.DESCRIBING, ids=lambda found: found.uri[-20:])
def test_the_records_of_extensions_are_those_of_asdf(extension):
    proxies = _asdf._extensions_of(extension.package)
    (proxy,) = (found for found in proxies if found.extension_uri == extension.uri)
    assert_equal_records([extension.record()], [_asdf._record(proxy)])


@pytest.mark.parametrize("time", ["2027-06-01T12:00:00", "2027-06-01 12:00:00.123456"])
def test_dates_are_written_as_asdf_writes_them(time, monkeypatch):
    time = Time(time, precision=5)
    ours = written([time, Time(time.isot)])
    monkeypatch.setattr(_asdf, "knows_descriptions", lambda: False)
    theirs = written([time, Time(time.isot)])
    assert ours[0] == theirs[0]
    assert_equal_records(ours[1], theirs[1])


@pytest.mark.parametrize(
    "time", [Time("2027-06-01", scale="tai"), Time(61557.5, format="mjd"), Time(["2027-06-01"] * 2)]
)
def test_other_times_are_left_to_the_converters(time):
    with _asdf.Converters(_asdf.TIMES) as converters:
        assert converters.date(time) is None


# --- the numbers


@pytest.mark.parametrize("scale_factor", [None, 1.0, 1.00003])
def test_positions_are_equal_to_the_last_bit(path, scale_factor):
    with DistortionRefModel(path) as reference:
        known = understood(reference.description_of("coordinate_distortion_transform"))
        transform = reference.coordinate_distortion_transform
    described = describe_wcs(known, BOX, scale_factor=scale_factor, **POINTING)
    made = build_wcs(transform, SHAPE, scale_factor=scale_factor, **POINTING)
    x, y = np.meshgrid(np.linspace(-0.5, 99.5, 23), np.linspace(-0.5, 59.5, 17))
    np.testing.assert_array_equal(described.to_sky(x, y), made(x, y))


def test_at_the_poles_and_at_zero_right_ascension_too():
    for ra, dec in ((0.0, 0.0), (0.0, 90.0), (359.9999, -90.0), (180.0, 10.0)):
        pointing = {"v2_ref": 0.0, "v3_ref": 0.0, "ra_ref": ra, "dec_ref": dec, "roll_ref": 0.0}
        made = build_wcs(Identity(2), SHAPE, scale_factor=None, **pointing)
        node = Tagged(
            "tag:stsci.edu:asdf/transform/identity-1.4.0",
            {"n_dims": 2, "inputs": ["x0", "x1"], "outputs": ["x0", "x1"]},
        )
        described = describe_wcs(understood(node), BOX, scale_factor=None, **pointing)
        x, y = np.meshgrid(np.linspace(-50, 50, 11), np.linspace(-50, 50, 11))
        expected = made(x, y, with_bounding_box=False)
        np.testing.assert_array_equal(described.to_sky(x, y), expected)


# --- what is not known


def others():
    table = Tabular2D(
        points=([-0.5, 99.5], [-0.5, 59.5]), lookup_table=np.eye(2), bounds_error=False
    )
    fixed = Shift(3.0)
    fixed.offset.fixed = True
    inner = Shift(1.0) & Shift(2.0)
    inner.bounding_box = ((0, 200), (0, 200))
    return {
        "a table": Mapping((0, 1, 0, 1)) | table & table,
        "a polynomial of one coordinate": Polynomial1D(1, c1=0.1) & Polynomial1D(1, c1=0.2),
        "a rotation": Rotation2D(30.0),
        "a sum": (Shift(1.0) & Shift(2.0)) + (Scale(0.1) & Scale(0.2)),
        "a parameter that is fixed": fixed & Scale(2.0),
        "a box inside": inner | Scale(0.1) & Scale(0.1),
    }


@pytest.mark.parametrize("name", others())
def test_what_is_not_known_is_left_to_the_libraries(name, tmp_path):
    path = save(others()[name], tmp_path / "distortion.asdf")
    with DistortionRefModel(path) as reference:
        description = reference.description_of("coordinate_distortion_transform")
        with pytest.raises(NotUnderstoodError):
            understood(description)
        result = AssignWcsStep.call(image_for(), override_distortion=reference)
    assert type(result._tree.data["meta"]["wcs"]) is WCS
    expected = build_wcs(others()[name], SHAPE, scale_factor=1.00003, **POINTING)
    assert result.meta.wcs(7.0, 11.0) == expected(7.0, 11.0)
    assert result.meta.wcsinfo.s_region.startswith("POLYGON ICRS  ")


def node(kind, **says):
    return Tagged(
        f"tag:stsci.edu:asdf/transform/{kind}", {"inputs": ["x"], "outputs": ["y"], **says}
    )


@pytest.mark.parametrize(
    "description",
    [
        node("shift-1.4.0"),
        node("shift-1.4.0", offset=True),
        node("shift-1.4.0", offset=[1.0]),
        node("shift-1.4.0", offset=1.0, inputs=["x", "y"]),
        node("shift-1.4.0", offset=1.0, inputs=None),
        node("shift-1.4.0", offset=1.0, name=3),
        node("shift-1.4.0", offset=1.0, inverse=node("identity-1.4.0", inputs=["x"] * 2)),
        node("shift-1.9.0", offset=1.0),
        node("remap_axes-1.5.0", mapping=[1]),
        node("remap_axes-1.5.0", mapping=[-1]),
        node("compose-1.4.0", forward=[node("shift-1.4.0", offset=1.0)]),
        node("compose-1.4.0", forward=["x", "y"]),
        node("polynomial-1.3.0", coefficients=np.ones((2, 3)), inputs=["x", "y"]),
        node(
            "polynomial-1.3.0", coefficients=np.ones((2, 2)), domain=[[1, 1]] * 2, inputs=["x", "y"]
        ),
        Tagged("tag:stsci.edu:asdf/transform/shift-1.4.0", "text"),
    ],
)
def test_a_description_that_is_unusual_is_not_known(description):
    with pytest.raises(NotUnderstoodError):
        understood(description)


def test_libraries_too_old_for_the_tags_make_the_objects(tmp_path, monkeypatch):
    path = save(Shift(1.0) & Shift(2.0), tmp_path / "distortion.asdf")
    monkeypatch.setattr(datamodels, "knows_descriptions", lambda: False)
    with DistortionRefModel(path) as reference:
        result = AssignWcsStep.call(image_for(), override_distortion=reference)
    assert type(result._tree.data["meta"]["wcs"]) is WCS


@pytest.mark.parametrize("has_tags", [True, False])
def test_where_tags_may_be_held_back_asdf_astropy_is_asked(has_tags, monkeypatch):
    monkeypatch.setattr(_asdf, "is_installed", lambda package: True)
    there = _asdf._extensions_of("asdf-astropy")
    kept = there if has_tags else [found for found in there if "1.7.0" not in found.extension_uri]
    monkeypatch.setattr(_asdf, "_extensions_of", lambda package: kept)
    assert _asdf.knows_descriptions.__wrapped__() is has_tags


@pytest.mark.parametrize("lacks", ["schemas", "package"])
def test_without_a_recent_package_the_tags_are_not_known(lacks, monkeypatch):
    has = (
        {"_has_manifest": lambda *_: False}
        if lacks == "schemas"
        else {"_version": lambda _: (0, 1)}
    )
    for name, value in has.items():
        monkeypatch.setattr(_extensions, name, value)
    assert not _asdf.knows_descriptions.__wrapped__()


# --- the model


@pytest.fixture
def image(tmp_path):
    path = save(Shift(1.0) & Shift(2.0), tmp_path / "distortion.asdf")
    return results(path)[0]


def is_made(image):
    return type(image._tree.data["meta"]["wcs"]) is WCS


def test_it_is_made_when_it_is_touched_and_once(image):
    assert image.has_wcs
    assert not is_made(image)
    wcs = image.meta.wcs
    assert type(wcs) is WCS
    assert image.meta.wcs is wcs
    assert wcs.available_frames == ["detector", "v2v3", "v2v3vacorr", "world"]
    assert wcs.bounding_box.bounding_box(order="F") == BOX


@pytest.mark.parametrize(
    "copied",
    [
        lambda image: image.copy(),
        copy.deepcopy,
        lambda image: image.copy_for_change(["data"]),
        lambda image: pickle.loads(pickle.dumps(image)),
    ],
    ids=["copy", "deepcopy", "copy_for_change", "pickle"],
)
def test_copies_make_their_own(image, copied):
    other = copied(image)
    image.validate()
    assert not is_made(other)
    assert not is_made(image)
    assert other.meta.wcs is not image.meta.wcs
    assert other.meta.wcs(7.0, 11.0) == image.meta.wcs(7.0, 11.0)


def test_it_is_shown_as_what_it_is(image, capsys):
    image.info(max_rows=None)
    assert "wcs (WCS)" in capsys.readouterr().out


def test_saved_after_it_was_made_it_is_the_same(image, tmp_path):
    saved = image.save(tmp_path / "a_cal.asdf")
    wcs = image.meta.wcs
    again = image.save(tmp_path / "b_cal.asdf")
    with datamodels.open(saved) as before, datamodels.open(again) as after:
        x, y = np.meshgrid(np.linspace(-0.5, 99.5, 7), np.linspace(-0.5, 59.5, 5))
        np.testing.assert_array_equal(before.meta.wcs(x, y), wcs(x, y))
        np.testing.assert_allclose(after.meta.wcs(x, y), wcs(x, y), rtol=0, atol=1e-13)


def test_a_closed_reference_file_is_not_needed_any_more(tmp_path):
    path = save(Shift(1.0) & Shift(2.0), tmp_path / "distortion.asdf")
    reference = DistortionRefModel(path)
    result = AssignWcsStep.call(image_for(), override_distortion=reference)
    reference.close()
    path.unlink()
    assert np.isfinite(result.meta.wcs(7.0, 11.0)).all()


# --- what it is for


@pytest.mark.parametrize("recipe", ["flight", "2022"])
def test_a_run_that_saves_its_products_imports_none_of_the_libraries(recipe, simulated, tmp_path):
    """They take longer to be imported than all the rest of the command."""
    words = ["run", "roman_elp", str(simulated.exposure), "--references", str(simulated.references)]
    words += [f"--output_dir={tmp_path}", f"--recipe={recipe}"]
    heavy = ["asdf", "gwcs", "scipy", "astropy.coordinates", "astropy.modeling", "astropy.table"]
    code = (
        "import sys; from romancal_rs.cli import main\n"
        f"assert main({words!r}) == 0\n"
        f"print([name for name in {heavy!r} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
    (product,) = tmp_path.glob("*_cal.asdf")
    with datamodels.open(product) as image:
        assert np.isfinite(image.meta.wcs(10.0, 10.0)).all()
    assert len([*tmp_path.glob("*_wcs.asdf")]) == (recipe == "flight")
