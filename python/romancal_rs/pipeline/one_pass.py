"""The steps from dq_init to rampfit in one pass over memory: the same bits, nothing in between."""

from __future__ import annotations

import time
from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING, Any, cast

from .. import _core
from ..dark_current import DarkCurrentStep, dark_arrays
from ..dq_init import DQInitStep, copy_border, first_flags
from ..exposure import BORDER, check_ramp, read_pattern, thread_cap
from ..jump import MIN_RESULTANTS, JumpStep, too_short
from ..linearity import LinearityStep
from ..ramp_fitting import RampFitStep, rate_image, single_read_noise
from ..saturation import SaturationStep
from ..stpipe import RomanStep

if TYPE_CHECKING:
    from ..datamodels import DataModel, ImageModel
    from .exposure_pipeline import ExposurePipeline

#: The steps that are taken together, in order.
STEPS: dict[str, type[RomanStep]] = {
    "dq_init": DQInitStep,
    "saturation": SaturationStep,
    "linearity": LinearityStep,
    "dark_current": DarkCurrentStep,
    "jump": JumpStep,
    "rampfit": RampFitStep,
}

#: Parameters by which a step shows, or is given, something between two steps, or does not run.
SHOWING = (
    *("skip", "save_results", "output_file", "pre_hooks", "post_hooks"),
    *("dark_output", "save_opt", "opt_name"),
)


def obstacle(pipeline: ExposurePipeline, exposure: DataModel) -> str:
    """Why the steps cannot be taken in one pass, in a few words; empty if they can."""
    from ..datamodels import GUIDE_STAR_TYPES, ScienceRawModel

    if not pipeline.fused:
        return "fused = False"
    if not isinstance(exposure, ScienceRawModel):
        return f"the input is a {type(exposure).__name__}"
    if exposure.meta.exposure.type in GUIDE_STAR_TYPES:
        return f"{exposure.meta.exposure.type} exposures have flags of their own"
    for name in ("checkpoint", "save_calibrated_ramp"):
        if getattr(pipeline, name):
            return f"{name} is set"
    for name, step_class in STEPS.items():
        step = cast("RomanStep", pipeline.step(name))
        if type(step) is not step_class:
            return f"{name} is a {type(step).__name__}"
        for parameter in SHOWING:
            if getattr(step, parameter, None):
                return f"{name}.{parameter} is set"
        for reftype in step.reference_file_types:
            if step.get_reference_file(exposure, reftype) == "N/A":
                return f"the {reftype.upper()} is N/A"
    return ""


def calibrate(pipeline: ExposurePipeline, exposure: Any, *, share_file: bool) -> ImageModel | None:
    """The rate image of a raw exposure.

    Parameters
    ----------
    pipeline : ExposurePipeline
        Whose steps and parameters are used. They report as if they had run one by one.
    exposure : ScienceRawModel
        Its cube is read band by band, straight from the file where that is not compressed.
    share_file : bool
        Whether the result may keep the exposure's file open, for what it only passes on.

    Returns
    -------
    ImageModel or None
        None if there is not a single good, unsaturated science pixel: then the steps have to be
        taken one by one, to see whether the exposure is saturated throughout.
    """
    from ..datamodels import Encoding, RampModel, load_objects_ahead

    check_ramp(exposure)
    if not pipeline.assign_wcs.skip:
        load_objects_ahead()
    steps = {name: cast("Any", pipeline.step(name)) for name in STEPS}
    pipeline.log.info("Steps %s to %s running in one pass", *(list(STEPS)[i] for i in (0, -1)))
    started = time.perf_counter()
    for step in steps.values():
        step.begin_together()
    with ExitStack() as opened:

        def reference(name: str, reftype: str) -> Any:
            step = steps[name]
            return opened.enter_context(step.get_reference_file_model(exposure, reftype))

        mask = reference("dq_init", "mask")
        pixeldq = first_flags(exposure, mask, steps["dq_init"].expand_gw_flagging)
        saturation = reference("saturation", "saturation")
        linearity = reference("linearity", "linearity")
        dark = reference("dark_current", "dark")
        finds_jumps = exposure.shape[0] >= MIN_RESULTANTS
        jump, fit = steps["jump"], steps["rampfit"]

        def detector(step: Any) -> tuple[Any, Any]:
            gain = reference(step.name, "gain").stored("data")
            return gain, single_read_noise(step, reference(step.name, "readnoise"))

        counts, encoding = exposure.stored("data"), Encoding.of(exposure)
        image, unsaturated = _core.calibrate_ramp(
            counts,
            (encoding.reference_read, encoding.offset),
            exposure.stored("resultantdq") if "resultantdq" in exposure else None,
            pixeldq,
            (saturation.stored("data"), saturation.stored("dq")),
            steps["saturation"].n_pix_grow_sat,
            (linearity.stored("coeffs"), linearity.stored("dq")),
            dark_arrays(dark, exposure),
            detector(jump) if finds_jumps else None,
            jump.thresholds(),
            detector(fit),
            read_pattern(exposure),
            BORDER,
            _cap(jump.maximum_cores, fit.maximum_cores),
            None,
        )
        if not unsaturated:
            return None
        ramp = RampModel.frame_of(exposure, share_file=share_file)
        copy_border(ramp, partial(encoding.samples, counts), pixeldq)
    result = rate_image(ramp, image, inside=(slice(None), slice(None)))
    seconds = time.perf_counter() - started
    for step in steps.values():
        done = step is not jump or finds_jumps
        if not done:
            step.log.warning("Step %s skipped: %s", step.name, too_short(exposure.shape[0]))
        # The time of all of them is that of the last.
        step.end_together(result, done, seconds if step is fit else 0.0)
    pipeline.log.info("Steps %s to %s done in %.2f s", *(list(STEPS)[i] for i in (0, -1)), seconds)
    return result


def _cap(*maximum_cores: str | int) -> int | None:
    """The smallest number of bands in flight that any of the steps allows."""
    caps = [cap for cap in map(thread_cap, maximum_cores) if cap is not None]
    return min(caps, default=None)
