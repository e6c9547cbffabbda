"""What each step says that it did, against numbers from the files themselves."""

import asdf
import numpy as np
import pytest

from romancal_rs import datamodels, dqflags
from romancal_rs._told import n_flagged, sparse_median
from romancal_rs.pipeline import ExposurePipeline
from romancal_rs.pipeline.order import in_recipe
from romancal_rs.stpipe import Run

#: What a step's messages begin with that do not say what it did.
BESIDES = ("Step ", "Using ", "READNOISE is ", "Steps ", "Before ")
INSIDE = (slice(4, -4), slice(4, -4))


def said(model, step) -> list[str]:
    """The INFO messages of a step in a product that say what it did."""
    found = []
    for line in model.meta.cal_logs:
        _, logger, level, message = line.split(" :: ", 3)
        is_besides = message.startswith(BESIDES) or ", sha256 " in message
        if logger.endswith(f".{step}") and level == "INFO" and not is_besides:
            found.append(message)
    return found


def reference(simulated, reftype) -> dict:
    (path,) = simulated.references.glob(f"roman_wfi_{reftype}_*.asdf")
    with asdf.open(path, memmap=False, lazy_load=False) as file:
        return file["roman"]


@pytest.fixture(scope="module", params=[True, False], ids=["one pass", "step by step"])
def image(request, simulated):
    return ExposurePipeline(references=str(simulated.references), fused=request.param).run(
        str(simulated.exposure)
    )


def test_each_step_says_in_one_message_what_it_did(image):
    done = [name for name in in_recipe(ExposurePipeline, "flight") if name != "wfi18_transient"]
    assert {name: len(said(image, name)) for name in done} == dict.fromkeys(done, 1)


def test_of_a_field_that_is_saturated_throughout_the_mask_is_told_once(simulated):
    """The one pass begins, and then the steps begin anew: it was told of both."""
    with datamodels.open(simulated.exposure) as exposure:
        exposure.data[:, 4:-4, 4:-4] = 65535
        image = ExposurePipeline(references=str(simulated.references)).run(exposure)
    assert len(said(image, "dq_init")) == len(said(image, "saturation")) == 1


def test_the_numbers_of_the_flags_are_those_of_the_files(image, simulated):
    mask = reference(simulated, "mask")["dq"]
    (of_mask,) = said(image, "dq_init")
    n_bad = np.count_nonzero(mask & dqflags.DO_NOT_USE)
    assert of_mask == f"{n_bad} of {mask.size} pixels are DO_NOT_USE by the MASK"
    (of_fit,) = said(image, "rampfit")
    n_hit = np.count_nonzero(image.dq & dqflags.JUMP_DET)
    assert f"of {image.dq.size} pixels {n_hit} with a jump" in of_fit
    (of_flat,) = said(image, "flatfield")
    n_without = np.count_nonzero(image.dq & dqflags.NO_FLAT_FIELD)
    assert f"{n_without} of {image.dq.size} pixels have none" in of_flat


def test_the_pixels_of_steps_on_ramps_are_those_of_what_is_there(simulated):
    """In the one pass nothing but the image is there, step by step the ramp with its border."""
    fused = ExposurePipeline(references=str(simulated.references)).run(str(simulated.exposure))
    n_saturated = np.count_nonzero(fused.dq & dqflags.SATURATED)
    assert said(fused, "saturation")[0].startswith(
        f"Saturated by the last resultant: {n_saturated} of {fused.dq.size} pixels"
    )
    n_not = np.count_nonzero(fused.dq & dqflags.NO_LIN_CORR)
    assert f"; {n_not} of {fused.dq.size} pixels are not corrected" in said(fused, "linearity")[0]

    by_step = ExposurePipeline(references=str(simulated.references), fused=False)
    for name in ("jump", "rampfit", "dark_current", "assign_wcs", "photom", "flatfield"):
        by_step.step(name).skip = True
    ramp = by_step.run(str(simulated.exposure))
    last, first = (np.count_nonzero(ramp.groupdq[index] & dqflags.SATURATED) for index in (-1, 0))
    assert said(ramp, "saturation")[0].startswith(
        f"Saturated by the last resultant: {last} of {ramp.pixeldq.size} pixels"
    )
    assert said(ramp, "saturation")[0].endswith(f", {first} of them from the first resultant on")
    n_not = np.count_nonzero(ramp.pixeldq & dqflags.NO_LIN_CORR)
    order = len(reference(simulated, "linearity")["coeffs"]) - 1
    assert said(ramp, "linearity") == [
        f"Polynomials of order {order}, read by read; {n_not} of {ramp.pixeldq.size} pixels are "
        "not corrected (NO_LIN_CORR)"
    ]


def test_jumps_are_counted_by_the_pixel(simulated):
    parameters = {"recipe": "2022", "override_dark": "N/A", "references": simulated.references}
    fused = ExposurePipeline(**parameters).run(str(simulated.exposure))
    n_hit = np.count_nonzero(fused.dq & dqflags.JUMP_DET)
    assert said(fused, "jump") == [f"{n_hit} of {fused.dq.size} pixels have a jump"]
    by_step = ExposurePipeline(**parameters, steps={"rampfit": {"skip": True}})
    ramp = by_step.run(str(simulated.exposure))
    n_hit = np.count_nonzero((ramp.groupdq & dqflags.JUMP_DET).any(axis=0))
    assert said(ramp, "jump") == [f"{n_hit} of {ramp.pixeldq.size} pixels have a jump"]


def test_what_is_subtracted_and_divided_by_is_that_of_the_references(image, simulated):
    decay = reference(simulated, "darkdecaysignal")["decay_table"]["WFI01"]
    assert said(image, "dark_decay") == [
        f"Subtracted {decay['amplitude']:.6g} DN exp(-t / {decay['time_constant']:.6g} s)"
    ]
    rate = np.median(reference(simulated, "dark")["dark_slope"][INSIDE][::8, ::8])
    assert said(image, "dark_current") == [f"Subtracted: the dark's rate, {rate:.4g} DN/s (median)"]
    flat = reference(simulated, "flat")["data"]
    flat = flat if flat.shape == image.data.shape else flat[INSIDE]
    median = np.nanmedian(flat[::8, ::8])
    assert said(image, "flatfield")[0].startswith(f"Divided by the flat, {median:.4g} (median);")
    row = reference(simulated, "photom")["phot_table"]["F158"]
    assert said(image, "photom") == [
        f"F158: 1 DN/s is {row['photmjsr']:.6g} MJy/sr, of pixels of {row['pixelareasr']:.6g} sr"
    ]


def test_the_correction_by_reference_pixels_is_what_the_border_lost(image, simulated):
    steps = ExposurePipeline.step_defs
    before = steps["dq_init"](references=str(simulated.references)).run(str(simulated.exposure))
    after = steps["refpix"](references=str(simulated.references)).run(before)
    lost = []
    for side in ("left", "right"):
        name = f"border_ref_pix_{side}"
        is_bad = before[f"dq_{name}"] & (dqflags.DO_NOT_USE | dqflags.BAD_REF_PIXEL) != 0
        lost.append((before[name] - after[name])[:, ~is_bad].ravel())
    lost = np.concatenate(lost)
    (message,) = said(image, "refpix")
    words = message.split()
    numbers = [float(words[i - 1]) for i, word in enumerate(words) if word == "DN"]
    assert numbers == pytest.approx([np.median(lost), lost.std()], rel=5e-3)


def test_each_reference_is_named_once_by_a_step(image):
    named = [line.split(" :: ")[1::2] for line in image.meta.cal_logs if ":: Using " in line]
    assert len(named) == len({tuple(entry) for entry in named})
    assert sum("DARKDECAYSIGNAL" in message for _, message in named) == 1


def test_messages_do_not_begin_with_the_name_that_their_logger_has(simulated):
    fit = ExposurePipeline.step_defs["rampfit"]
    for name in ("rampfit", "RampFitStep"):
        run = Run(fit(references=str(simulated.references), name=name))
        ramp = ExposurePipeline(references=simulated.references, steps={"rampfit": {"skip": True}})
        image = run(ramp.run(str(simulated.exposure)))
        messages = [line.split(" :: ", 3)[3] for line in image.meta.cal_logs]
        assert not [line for line in messages if line.startswith(f"{name}:")]


def test_pixels_count_once_for_a_flag_of_any_resultant():
    flags = np.zeros((3, 700, 300), np.uint8)
    flags[0, 5, 7] = flags[2, 5, 7] = flags[1, 699, 299] = 4
    flags[1, 0, 0] = 2
    assert n_flagged(flags, 4) == 2
    assert n_flagged(flags[1], 2) == 1


def test_the_median_is_of_what_is_finite_alone():
    values = np.full((64, 64), 3.0, np.float32)
    values[::8, ::16] = np.nan
    assert sparse_median(values) == 3
    assert np.isnan(sparse_median(np.full((9, 9), np.nan, np.float32)))


def test_a_product_can_be_read_back_with_what_was_said(image, tmp_path):
    path = image.save(tmp_path / "image.asdf")
    with datamodels.open(path) as read:
        assert said(read, "photom") == said(image, "photom")
