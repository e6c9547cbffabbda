"""Steps run alone on files that lack something, or hold something odd, say where and what.

They ended in an AttributeError, KeyError or TypeError without the file's name.
"""

import numpy as np
import pytest

from romancal_rs import datamodels
from romancal_rs.cli import main
from romancal_rs.datamodels import testing
from romancal_rs.dq_init import DQInitStep
from romancal_rs.errors import InputError
from romancal_rs.flatfield import apply_flat
from romancal_rs.photom import Photometry, set_photometry
from romancal_rs.pipeline import ExposurePipeline

SHAPE = (6, 16, 16)
PLANE = SHAPE[1:]
GONE = object()
RAMP_STEPS = ("saturation", "linearity", "dark_current", "jump", "rampfit")
IMAGE_STEPS = ("flatfield", "photom", "assign_wcs")


def model_for(name, place="", value=GONE):
    """What a step takes, with something else, or nothing, at a place."""
    if name == "dq_init":
        model = datamodels.ScienceRawModel(testing.create_wfi_science_raw(SHAPE))
    elif name in RAMP_STEPS:
        model = datamodels.RampModel(testing.create_ramp(SHAPE))
    else:
        model = datamodels.ImageModel(testing.create_wfi_image(PLANE))
    if "cal_step" in model.meta:
        for entry in model.meta.cal_step:
            model.meta.cal_step[entry] = "COMPLETE"
    if place:
        *blocks, last = place.split(".")
        node = model._tree.data
        for block in blocks:
            node = node[block]
        if value is GONE:
            del node[last]
        else:
            node[last] = value
    return model


def call(name, model, **parameters):
    return ExposurePipeline.step_defs[name].call(model, **parameters)


CASES = [
    *((name, "meta.cal_step", GONE) for name in (*RAMP_STEPS, *IMAGE_STEPS)),
    *((name, "meta.instrument", value) for name in ("dq_init", "jump") for value in (GONE, None)),
    *((name, "meta.exposure.type", GONE) for name in ("dq_init", "rampfit", "photom")),
    *((name, "meta.ref_file", GONE) for name in ("jump", "flatfield")),
    *((name, "meta.cal_logs", "text") for name in ("jump", "flatfield")),
    *((name, "data", GONE) for name in ("dq_init", "jump", "flatfield")),
    *((name, "groupdq", GONE) for name in RAMP_STEPS),
    ("jump", "groupdq", np.zeros(SHAPE, np.uint16)),
    ("jump", "groupdq", np.zeros((5, *PLANE), np.uint8)),
    ("jump", "pixeldq", np.zeros((5, 16), np.uint32)),
    ("dq_init", "amp33", GONE),
    ("dq_init", "resultantdq", np.zeros((6, 16, 15), np.uint8)),
    ("dq_init", "resultantdq", np.zeros(SHAPE, np.uint32)),
    ("dq_init", "resultantdq", None),
    ("dq_init", "data", np.zeros(SHAPE, np.int32)),
    ("dq_init", "meta.guide_star", "text"),
    ("dq_init", "meta.instrument.data_encoding_offset", "abc"),
    ("saturation", "meta.instrument.data_encoding_offset", "abc"),
    ("flatfield", "dumo", GONE),
    ("flatfield", "var_poisson", GONE),
    ("assign_wcs", "meta.wcsinfo", GONE),
    ("assign_wcs", "meta.wcsinfo.v2_ref", "abc"),
]


@pytest.mark.parametrize("validate", ["error", "warn"])
@pytest.mark.parametrize(("name", "place", "value"), CASES)
def test_a_step_alone_names_what_is_wrong_and_where(simulated, name, place, value, validate):
    model = model_for(name, place, value)
    if name == "assign_wcs":
        reference = datamodels.DistortionRefModel(testing.create_distortion())
        parameters = {"override_distortion": reference}
    else:
        parameters = {"references": str(simulated.references)}
    with pytest.raises(InputError) as caught:
        call(name, model, validate=validate, **parameters)
    assert place in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("skip", [False, True])
@pytest.mark.parametrize("fused", [False, True])
def test_the_pipeline_names_flags_of_resultants_that_do_not_fit(simulated, fused, skip):
    with datamodels.open(simulated.exposure) as raw:
        raw._tree.data["resultantdq"] = np.zeros((6, 64, 127), np.uint8)
        with pytest.raises(InputError, match=r"_uncal\.asdf: resultantdq: expected shape \(6, 64"):
            ExposurePipeline.call(
                raw,
                references=str(simulated.references),
                fused=fused,
                steps={"dq_init": {"skip": skip}},
            )


def test_the_command_line_names_the_file(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("romancal_rs.datamodels._nodes.Tree.validate", lambda self: None)
    path = model_for("jump", "groupdq").save(tmp_path / "x_dark.asdf")
    assert main(["run", "jump", str(path)]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert str(path) in line
    assert "groupdq: required but missing" in line


def test_a_skipped_step_names_what_is_wrong_too():
    for name, place in (("dq_init", "data"), ("jump", "meta.cal_step")):
        with pytest.raises(InputError, match=f"{place}: required but missing"):
            call(name, model_for(name, place), skip=True)
    with pytest.raises(InputError, match="data: required but missing"):
        call("dq_init", model_for("jump", "data"), skip=True)


def test_what_a_step_does_not_use_may_be_missing():
    mask = datamodels.MaskRefModel(testing.create_mask(PLANE))
    ramp = DQInitStep.call(model_for("dq_init", "meta.guide_star"), override_mask=mask)
    assert ramp.meta.cal_step.dq_init == "COMPLETE"
    model = model_for("photom", "meta.photometry")
    set_photometry(model, Photometry(0.5, 0.01, None))
    assert model.meta.photometry.conversion_megajanskys == 0.5


def test_images_of_older_series_have_no_dumo_to_divide():
    model = datamodels.ImageModel(testing.create_wfi_image(PLANE))
    model._tree.tag = model.tag.replace("2.1.0", "1.5.0")
    del model["dumo"]
    datamodels.check_arrays(model)
    apply_flat(model, datamodels.FlatRefModel(testing.create_flat(PLANE)))


# --- metadata that break the schema, where they do not matter to the step


@pytest.mark.parametrize("validate", ["error", "warn"])
def test_what_is_not_saved_need_not_obey_the_schema(validate, caplog):
    """``validate = warn`` refused what the default let pass."""
    mask = datamodels.MaskRefModel(testing.create_mask(PLANE))
    for place, value in {"meta.guide_star": GONE, "meta.wcsinfo": GONE}.items():
        raw = model_for("dq_init", place, value)
        DQInitStep.call(raw, override_mask=mask, validate=validate)
    told = [r.getMessage() for r in caplog.records if "cannot be saved" in r.getMessage()]
    assert len(told) == (2 if validate == "warn" else 0)


@pytest.mark.parametrize(("validate", "hints"), [("error", True), ("warn", False)])
def test_a_product_that_cannot_be_saved_tells_of_validate_where_it_helps(tmp_path, validate, hints):
    mask = datamodels.MaskRefModel(testing.create_mask(PLANE))
    parameters = {"override_mask": mask, "validate": validate, "save_results": True}
    parameters["output_dir"] = str(tmp_path)
    with pytest.raises(InputError, match=r"required but missing: guide_star$"):
        DQInitStep.call(model_for("dq_init", "meta.guide_star"), **parameters)
    raw = model_for("dq_init", "meta.program")
    if hints:
        with pytest.raises(InputError, match="validate = warn goes on"):
            DQInitStep.call(raw, **parameters)
    else:
        DQInitStep.call(raw, **parameters).validate()
        assert len(list(tmp_path.glob("*_dqinit.asdf"))) == 1
