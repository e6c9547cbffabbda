"""The table of reference types: it says what the mission's schemas say, and all else follows it."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from romancal_rs import datamodels
from romancal_rs.cli import main
from romancal_rs.datamodels import _schema, testing
from romancal_rs.reference_types import KNOWN_TYPES, TYPES, Array, ReferenceType, type_of
from romancal_rs.references import ReferenceMismatchError
from romancal_rs.references.librarian import check
from romancal_rs.stpipe import RomanStep

WITH_MODEL = sorted(KNOWN_TYPES)
#: Those whose arrays no step of 2022 used.
TODAYS = [
    *("APCORR", "AREA", "BAM", "DARKDECAYSIGNAL", "EPSF", "INTEGRALNONLINEARITY"),
    *("INVERSELINEARITY", "REFPIX"),
]
#: A row of each table.
ROWS = {"data": "F158", "inl_table": "science_channel_01", "phot_table": "F158"}


def made_up(reftype: str, *args, **content) -> datamodels.ReferenceModel:
    kind = type_of(reftype)
    if _schema.schema_uri(f"{_schema.TAGS}reference_files/{kind.tag}-2.0.0") is None:
        pytest.skip(f"the installed rad has no {kind.tag}-2.0.0")
    return getattr(datamodels, kind.model)(
        getattr(testing, f"create_{reftype.lower()}")(*args, **content)
    )


def schema_of(reftype: str) -> _schema.Schema:
    return {"$ref": made_up(reftype).schema_uri}


def child(schema: _schema.Schema, array: Array) -> _schema.Schema:
    """The schema of an array, in any row of its table."""
    table, *names = array.name.replace("*", ROWS.get(array.name.split(".")[0], "")).split(".")
    found = _schema.child(schema, table)
    for name in names:
        found = _schema.child(found, name)
    return found


# --- the table and the schemas


@pytest.mark.parametrize("reftype", WITH_MODEL)
def test_arrays_are_those_of_the_schema(reftype):
    schema = schema_of(reftype)
    needed = set(_schema.required(schema)) - {"meta"}
    kind = TYPES[reftype]
    at_top = {array.name for array in kind.arrays if not array.optional and "." not in array.name}
    assert at_top | set(kind.others) == needed
    for array in kind.arrays:
        found = child(schema, array)
        branches = _schema.keyword(found, "anyOf") or [found]
        found = next((branch for branch in branches if "datatype" in branch), found)
        if array.optional and not found:
            assert reftype == "DARK"  # whose planes per resultant are of older series
            continue
        assert _schema.keyword(found, "datatype") == array.dtype, array.name
        assert _schema.keyword(found, "ndim") == len(array.axes), array.name


def test_planes_of_older_darks_are_those_of_their_schema():
    planes = TYPES["DARK"].arrays[0]
    schema = {"$ref": f"{_schema.SCHEMAS}reference_files/dark-1.2.0"}
    found = _schema.child(schema, planes.name)
    assert _schema.keyword(found, "datatype") == planes.dtype
    assert _schema.keyword(found, "ndim") == len(planes.axes)


@pytest.mark.parametrize("reftype", WITH_MODEL)
def test_a_file_states_what_its_schema_asks_for(reftype):
    meta = _schema.child(schema_of(reftype), "meta")
    stated = {
        "detector": "detector" in _schema.required(_schema.child(meta, "instrument")),
        "optical_element": "optical_element" in _schema.required(_schema.child(meta, "instrument")),
        "exposure_type": "type" in _schema.required(_schema.child(meta, "exposure")),
    }
    assert TYPES[reftype].stated == {name for name, needed in stated.items() if needed}
    assert TYPES[reftype].reftype in _schema.keyword(_schema.child(meta, "reftype"), "enum")


def test_units_of_the_table_are_units():
    from astropy.units import Unit

    for kind in TYPES.values():
        for array in kind.arrays:
            Unit(array.unit)


# --- what follows from it


@pytest.mark.parametrize("reftype", WITH_MODEL)
def test_every_type_has_a_model_and_a_factory(reftype):
    kind = TYPES[reftype]
    model = made_up(reftype)
    assert type(model) is datamodels.reference_model(reftype)
    assert kind.model in datamodels.__all__
    assert model.reference_type is kind
    assert model.meta.reftype == reftype
    assert model.tag.endswith(f"reference_files/{kind.tag}-2.0.0")
    model.validate()
    shapes = {name: tuple(array.shape) for name, array in model.arrays()}
    assert list(kind.layout_problems(shapes)) == []


def test_a_type_that_is_not_in_the_table_is_by_detector():
    assert type_of("OWNTYPE") == ReferenceType("OWNTYPE", keys=("detector",))
    assert "OWNTYPE" not in KNOWN_TYPES


def test_the_table_imports_nothing_heavy():
    code = (
        "import sys; import romancal_rs.reference_types; "
        "print(sorted({'asdf', 'astropy', 'numpy', 'yaml'} & set(sys.modules)), "
        "[name for name in sys.modules if name.startswith('romancal_rs.')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[] ['romancal_rs._lazy', 'romancal_rs.reference_types']"


# --- layouts


def test_the_row_of_a_table_is_in_the_name_of_an_axis():
    array = Array("data.*.ee_radii", "float64", ("fraction of *",))
    assert array.axes_of("data.F158.ee_radii") == ("fraction of F158",)
    assert array.axes_of("data.F158.ee_fractions") is None
    assert array.axes_of("data.a.b.ee_radii") is None
    assert Array("value", "uint16", ("node",)).axes_of("value") == ("node",)


@pytest.mark.parametrize(
    ("reftype", "shapes", "problem"),
    [
        ("REFPIX", {"gamma": (4, 9), "zeta": (4, 8)}, "gamma 4 x 9, zeta 4 x 8"),
        ("MASK", {"dq": (8, 8), "dq2": (8, 4)}, "dq 8 x 8, dq2 8 x 4"),
        (
            "INTEGRALNONLINEARITY",
            {"value": (10,), "inl_table.science_channel_01.correction": (9,)},
            "value 10, inl_table.science_channel_01.correction 9",
        ),
        (
            "APCORR",
            {
                "data.F158.ee_radii": (3,),
                "data.F062.ee_radii": (2,),
                "data.F158.ee_fractions": (4,),
            },
            "data.F158.ee_fractions 4, data.F158.ee_radii 3",
        ),
    ],
)
def test_arrays_along_the_same_axis_are_of_one_length(reftype, shapes, problem):
    assert list(type_of(reftype).layout_problems(shapes)) == [
        f"its arrays differ in size: {problem}"
    ]


def test_arrays_along_different_axes_are_not_compared():
    assert not list(
        type_of("EPSF").layout_problems({"psf": (1, 1, 1, 9, 9), "extended_psf": (5, 5)})
    )
    assert not list(type_of("LINEARITY").layout_problems({"coeffs": (6, 8, 8), "dq": (8, 8)}))


@pytest.mark.parametrize("reftype", ["LINEARITY", "INVERSELINEARITY"])
def test_a_polynomial_has_at_least_two_coefficients(reftype):
    assert list(type_of(reftype).layout_problems({"coeffs": (1, 8, 8)})) == [
        "coeffs of shape (1, 8, 8): a correction has at least 2 coefficients"
    ]


# --- the check of a directory


@pytest.fixture
def refs(tmp_path) -> Path:
    """A sound directory with a file of each of today's types, for 16 x 128 pixels."""
    for reftype in TODAYS:
        sizes = {"AREA": ((16, 128),), "INVERSELINEARITY": ((3, 16, 128),)}
        made_up(reftype, *sizes.get(reftype, ())).save(
            tmp_path / f"{reftype.lower()}.asdf", compression=None
        )
    return tmp_path


def spoil(path: Path, old: bytes, new: bytes) -> None:
    """Replaces words of a file's head by as long ones."""
    content = path.read_bytes()
    assert old in content
    assert len(old) == len(new)
    path.write_bytes(content.replace(old, new))


def test_sound_files_of_todays_types_have_no_problem(refs):
    found = check(refs)
    assert found.problems == []
    assert found.n_files == len(TODAYS)


@pytest.mark.parametrize(
    ("file", "old", "new", "problem"),
    [
        ("refpix", b"complex128", b"complex64 ", "gamma .* expected an array of complex128"),
        ("refpix", b"zeta:", b"beta:", "required but missing: zeta"),
        ("inverselinearity", b"float32", b"int32  ", "coeffs .* expected an array of float32"),
        ("integralnonlinearity", b"uint16", b"int16 ", "value .* expected an array of uint16"),
        ("darkdecaysignal", b"WFI09:", b"WFI99:", "decay_table .* 'WFI99' is not allowed here"),
        ("apcorr", b"ee_radii", b"ee_radiI", r"data\.\w+ .* required but missing: ee_radii"),
        ("epsf", b"psf:", b"pfs:", "required but missing: psf"),
        ("area", b"float32", b"int32  ", "data .* expected an array of float32"),
        ("bam", b"bam_quaternion", b"bam_quaternioN", "required but missing: bam_quaternion"),
    ],
)
def test_wrong_types_and_names_are_found(refs, file, old, new, problem):
    spoil(refs / f"{file}.asdf", old, new)
    (found,) = check(refs).problems
    assert re.match(rf"{file}\.asdf: .*{problem}", found), found


def test_wrong_sizes_are_found(refs):
    made_up("REFPIX", zeta=np.zeros((1, 5), np.complex128)).save(refs / "refpix.asdf")
    made_up("INVERSELINEARITY", (1, 16, 128)).save(refs / "inverselinearity.asdf")
    made_up("AREA", (16, 64)).save(refs / "area.asdf")
    made_up("GAIN", (16, 128)).save(refs / "gain.asdf")
    made_up("MASK", (16, 128)).save(refs / "mask.asdf")
    assert set(check(refs).problems) == {
        "refpix.asdf: its arrays differ in size: gamma 1 x 1121, zeta 1 x 5, alpha 1 x 1121",
        "inverselinearity.asdf: coeffs of shape (1, 16, 128): a correction has at least 2 "
        "coefficients",
        "area.asdf: its arrays are 16 x 64; expected 16 x 128 or 8 x 120 as in the other files",
    }


@pytest.mark.parametrize("reftype", ["FLAT", "AREA"])
def test_flats_and_areas_may_come_without_the_border(tmp_path, reftype):
    made_up("GAIN", (24, 24)).save(tmp_path / "gain.asdf")
    for shape, problems in (((24, 24), 0), ((16, 16), 0), ((20, 20), 1)):
        made_up(reftype, shape).save(tmp_path / "x.asdf")
        assert len(check(tmp_path).problems) == problems
    assert check(tmp_path).problems == [
        "x.asdf: its arrays are 20 x 20; expected 24 x 24 or 16 x 16 as in the other files"
    ]


def test_types_that_no_step_uses_are_not_missed_where_there_are_none(tmp_path):
    made_up("GAIN").save(tmp_path / "gain.asdf")
    hints = check(tmp_path).hints
    assert "no FLAT for WFI01" in hints
    assert not [hint for hint in hints if "APCORR" in hint or "AREA" in hint]
    made_up("AREA", detector="WFI02").save(tmp_path / "area.asdf")
    assert "no AREA for WFI01" in check(tmp_path).hints


# --- the commands, and steps


@pytest.mark.parametrize("reftype", TODAYS)
def test_info_shows_a_file_of_each_type(reftype, tmp_path, capsys):
    model = made_up(reftype)
    path = model.save(tmp_path / "file.asdf")
    assert main(["info", str(path)]) == 0
    shown = capsys.readouterr().out
    assert f"  {TYPES[reftype].model}, {TYPES[reftype].tag}-2.0.0" in shown
    assert re.search(rf"reference type +{reftype}\n", shown)
    for name, array in model.arrays():
        size = " x ".join(map(str, array.shape))
        assert re.search(rf"    {re.escape(name)} +{array.dtype} +{size}\n", shown), name


class UsesReferences(RomanStep):
    """Opens its references, and does nothing."""

    class_alias = "uses_references"
    reference_file_types = ("dark", "inverselinearity", "refpix", "integralnonlinearity")

    def process(self, model):
        for reftype in self.reference_file_types:
            self.get_reference_file(model, reftype)
        return model


def use(model: datamodels.DataModel, **overrides: datamodels.DataModel) -> None:
    given = {f"override_{name}": "N/A" for name in UsesReferences.reference_file_types}
    given |= {f"override_{name}": reference for name, reference in overrides.items()}
    UsesReferences.call(model, **given)


def test_references_are_held_against_the_exposure_by_their_type():
    ramp = datamodels.RampModel(testing.create_ramp((3, 16, 16)))
    use(ramp, inverselinearity=made_up("INVERSELINEARITY", (3, 16, 16)))
    with pytest.raises(ReferenceMismatchError, match=r"coeffs of shape \(3, 8, 16\) does not fit"):
        use(ramp, inverselinearity=made_up("INVERSELINEARITY", (3, 8, 16)))
    with pytest.raises(ReferenceMismatchError, match="has at least 2 coefficients"):
        use(ramp, inverselinearity=made_up("INVERSELINEARITY", (1, 16, 16)))
    with pytest.raises(ReferenceMismatchError, match="differ in size: gamma 1 x 9, zeta 1 x 1121"):
        use(ramp, refpix=made_up("REFPIX", gamma=np.zeros((1, 9), np.complex128)))


def test_references_by_channel_are_held_against_the_frame():
    ramp = datamodels.RampModel(testing.create_ramp((3, 16, 256)))
    use(ramp, refpix=made_up("REFPIX", (2, 16 * 70 + 1)))
    for shape in [(1, 1121), (2, 1120), (4, 35841)]:
        expected = rf"gamma of shape \({shape[0]}, {shape[1]}\) .* 16 x 256 pixels, .* \(2, 1121\)"
        with pytest.raises(ReferenceMismatchError, match=expected):
            use(ramp, refpix=made_up("REFPIX", shape))
    with pytest.raises(ReferenceMismatchError, match="for channels of 128 columns; there are 200"):
        use(
            datamodels.RampModel(testing.create_ramp((3, 16, 200))),
            refpix=made_up("REFPIX", (1, 1121)),
        )
    for n_columns in (128, 200, 256):
        wide = datamodels.RampModel(testing.create_ramp((3, 16, n_columns)))
        use(wide, integralnonlinearity=made_up("INTEGRALNONLINEARITY"))
    narrow = made_up("INTEGRALNONLINEARITY")
    for channel in list(narrow.inl_table)[1:]:
        del narrow.inl_table[channel]
    with pytest.raises(ReferenceMismatchError, match=r"has 1 channels; the 256 columns .* are 2"):
        use(ramp, integralnonlinearity=narrow)


def test_a_reference_with_its_border_fits_an_image_without():
    image = datamodels.ImageModel(testing.create_wfi_image((8, 8)))
    use(image, dark=made_up("DARK", (16, 16)))
    with pytest.raises(ReferenceMismatchError, match=r"dq of shape \(8, 8\) does not fit"):
        use(image, dark=made_up("DARK", (8, 8)))
