"""Metadata that break the schema stop nothing with ``validate = warn`` where no step uses them."""

import re

import numpy as np
import pytest

from romancal_rs import datamodels
from romancal_rs.cli import main
from romancal_rs.errors import InputError
from romancal_rs.jump import JumpStep
from romancal_rs.pipeline import ExposurePipeline

#: As by another schema: a word that is not listed, a text that is too long, a number for a text, a
#: block that is none; and one that is missing.
FORBIDDEN = {
    "meta.coordinates.reference_frame": "FK5",
    "meta.observation.visit_file_activity": "far too long",
    "meta.program.title": 7,
    "meta.ephemeris": "none",
}
MISSING = "meta.visit.nexposures"


def put(model, name, value):
    """Sets a value past the check of assignments, as a file may hold it."""
    *blocks, last = name.split(".")
    node = model._tree.data
    for block in blocks:
        node = node[block]
    if value is None:
        del node[last]
    else:
        node[last] = value


@pytest.fixture
def exposure(simulated):
    """Forbidden words, as a model."""
    with datamodels.open(simulated.exposure) as raw:
        model = raw.copy()
    for name, value in FORBIDDEN.items():
        put(model, name, value)
    put(model, MISSING, None)
    return model


@pytest.fixture
def file(exposure, tmp_path, monkeypatch):
    """The same, as a file: written without the check."""
    path = tmp_path / "r1_uncal.asdf"
    with monkeypatch.context() as patch:
        patch.setattr("romancal_rs.datamodels._tree.Tree.validate", lambda self: None)
        exposure.save(path)
    return path


def warnings_of(result):
    return [line for line in result.meta.cal_logs if "WARNING" in line]


@pytest.mark.parametrize("fused", [True, False])
def test_what_no_step_uses_stops_nothing(file, simulated, tmp_path, fused):
    out = tmp_path / "out"
    result = ExposurePipeline.call(
        str(file),
        references=str(simulated.references),
        validate="warn",
        fused=fused,
        save_results=True,
        output_dir=str(out),
    )
    plain = ExposurePipeline.call(str(simulated.exposure), references=str(simulated.references))
    assert np.array_equal(result.data, plain.data)
    result.validate()
    assert result.meta.observation.visit_file_activity == "?"
    assert result.meta.program.title == "?"
    (product,) = out.glob("*_cal.asdf")
    mission = pytest.importorskip("roman_datamodels.datamodels")
    with mission.open(product) as theirs:
        theirs.validate()
        assert theirs.meta.observation.visit_file_activity == "?"
    told = warnings_of(result)
    for name, value in FORBIDDEN.items():
        of_file = [line for line in told if f"{file}: {name}: {value!r} is " in line]
        of_product = [line for line in told if f": {name}: {value!r} is " in line]
        assert len(of_file) == 1, name
        assert len(of_product) == 2, name
        assert "; the product has " in of_product[1]
    assert len([line for line in told if f"{MISSING}: required but missing" in line]) == 2


def test_they_are_an_error_that_names_the_parameter_by_default(file, simulated):
    with pytest.raises(InputError) as caught:
        ExposurePipeline.call(str(file), references=str(simulated.references))
    assert str(file) in str(caught.value)
    assert "validate = warn goes on" in str(caught.value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("meta.exposure.type", "WFI_OTHER"),
        ("meta.exposure.read_pattern", "1-3"),
        ("meta.exposure.frame_time", None),
        ("meta.exposure.start_time", "yesterday"),
        ("meta.instrument.detector", "WFI19"),
        ("meta.instrument.optical_element", None),
        ("meta.guide_star", "none"),
        ("meta.wcsinfo.ra_ref", "north"),
        ("meta.exposure", None),
    ],
)
def test_what_the_steps_use_stays_an_error(exposure, simulated, name, value):
    put(exposure, name, value)
    with pytest.raises(InputError, match=re.escape(name)) as caught:
        ExposurePipeline.call(exposure, references=str(simulated.references), validate="warn")
    assert "_uncal.asdf" in str(caught.value)


def test_arrays_that_break_the_schema_stay_an_error(exposure, simulated):
    put(exposure, "data", np.zeros((6, 64, 128), np.int32))
    with pytest.raises(InputError, match="expected an array of uint16, got int32"):
        ExposurePipeline.call(exposure, references=str(simulated.references), validate="warn")


@pytest.mark.parametrize(
    "parameters",
    [
        {"checkpoint": "kept"},
        {"save_calibrated_ramp": True},
        {"steps": {"dq_init": {"skip": True}, "linearity": {"save_results": True}}},
        {"steps": {"rampfit": {"algorithm": "ols", "save_opt": True}}},
    ],
)
def test_whatever_a_run_writes_is_valid(file, simulated, tmp_path, monkeypatch, parameters):
    monkeypatch.chdir(tmp_path)
    ExposurePipeline.call(
        str(file),
        references=str(simulated.references),
        validate="warn",
        output_dir="out",
        **parameters,
    )
    written = [*tmp_path.glob("out/*.asdf"), *tmp_path.glob("kept/**/*.asdf")]
    assert written
    for path in written:
        with datamodels.open(path) as product:
            product.validate()


def test_a_step_takes_it_too(exposure, simulated):
    ramp = datamodels.RampModel.from_science_raw(exposure)
    with pytest.raises(datamodels.ValidationError):
        JumpStep.call(ramp, references=str(simulated.references)).validate()
    result = JumpStep.call(ramp, references=str(simulated.references), validate="warn")
    result.validate()
    assert ramp.meta.program.title == 7


def test_the_command_line_takes_it(file, simulated, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    words = ["run", "roman_elp", str(file), f"--references={simulated.references}"]
    assert main(words) == 1
    assert main([*words, "--validate=warn"]) == 0
    assert [path.name for path in tmp_path.glob("*_cal.asdf")] == ["r1_cal.asdf"]
