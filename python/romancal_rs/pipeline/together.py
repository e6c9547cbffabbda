"""Runs the segments of a plan: several steps in one pass over memory, to the bits of one by one.

A segment that reaches the fit reads counts, or a ramp, band by band, and writes the image alone.
One that does not takes the ramp through the kernels of its steps in place.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import ExitStack, nullcontext
from functools import partial
from typing import TYPE_CHECKING, Any

from .. import _core, kernels
from ..border import BORDER
from ..dq_init import DQInitStep, copy_border
from ..errors import RomancalError
from ..exposure import check_ramp, thread_cap
from ..ramp_fitting import rate_image
from ..stpipe import FitStep, RampStep, RomanStep
from ..stpipe.step import SKIP_IS_SET

if TYPE_CHECKING:
    from ..datamodels import DataModel, ImageModel, RampModel
    from .plan import Segment


class MaybeSaturatedError(RomancalError):
    """Not a single good science pixel is unsaturated: to be looked at before the steps go on."""


def run_segment(
    segment: Segment, model: DataModel, *, share_file: bool, needs_wcs: bool
) -> ImageModel | RampModel:
    """Runs the steps of a segment.

    Parameters
    ----------
    segment : Segment
        They report as if they had run one by one.
    model : ScienceRawModel or RampModel
        A ramp is changed in place, unless the segment reaches the fit.
    share_file : bool
        Whether the result may keep the exposure's file open, for what it only passes on.
    needs_wcs : bool
        Whether world coordinates are going to be needed: their modules are imported meanwhile.

    Raises
    ------
    MaybeSaturatedError
        If the segment reaches the fit, but there is not a single good, unsaturated science pixel.
        Nothing has changed then.
    """
    if len(segment.steps) > 1 and segment.reaches_fit(model):
        work = partial(_to_image, share_file=share_file, needs_wcs=needs_wcs)
        return _together(segment.steps, model, work)
    steps = list(segment.steps)
    result: Any = model
    if isinstance(steps[0], DQInitStep):
        result = steps.pop(0)(model)
        if result is not model:
            model.close()
    # What does not work at the end only marks the ramp.
    works = [not step.skip and not step.reason_to_skip(result) for step in steps]
    n_together = max((i + 1 for i, is_working in enumerate(works) if is_working), default=0)
    if sum(works) > 1:
        result = _together(steps[:n_together], result, _in_place)
        del steps[:n_together]
    for step in steps:
        result = step(result)
    return result


def _together(steps: Sequence[RomanStep], model: DataModel, work: Any) -> Any:
    """Runs steps together: as the work of the last one, which shows and saves the result."""
    *others, last = steps
    log = last.parent.log if last.parent is not None else last.log
    log.info("Steps %s to %s running in one pass", steps[0].name, last.name)
    for other in others:
        other.begin_together()
    of_others = 0.0

    def process(input: Any) -> Any:
        nonlocal of_others
        started = time.perf_counter()
        with ExitStack() as stack:
            reasons = {
                step: SKIP_IS_SET if step.skip else step.reason_to_skip(input) for step in steps
            }
            result, nanoseconds = work(steps, reasons, input, stack)
        seconds = time.perf_counter() - started
        shares = _shares(steps, nanoseconds)
        for other in others:
            other.end_together(result, reasons[other], seconds * shares[other])
        last.mark(result, True)
        # With what it takes to complete the metadata for the others.
        of_others = time.perf_counter() - started - seconds * shares[last]
        return result

    started = time.perf_counter()
    if steps[0].pre_hooks and not steps[0].skip:
        (model,) = steps[0].run_pre_hooks((model,))
    result = last.run_as(process, model)
    last.report_less(of_others)
    seconds = time.perf_counter() - started
    log.info("Steps %s to %s done in %.2f s", steps[0].name, last.name, seconds)
    return result


def _shares(steps: Sequence[RomanStep], nanoseconds: dict[Any, int]) -> dict[RomanStep, float]:
    """Which part of the time each step took."""
    total = sum(nanoseconds.values()) or 1
    return {step: nanoseconds.get(step, 0) / total for step in steps}


def _kernels(
    steps: Sequence[RomanStep], reasons: dict[Any, str], exposure: Any, stack: ExitStack
) -> dict[RampStep, kernels.Kernel]:
    """The kernels of the steps that work; what else these save is saved."""
    made = {}
    for step in steps:
        if isinstance(step, RampStep) and not reasons[step]:
            references = step.open_references(exposure, stack)
            made[step] = step.kernel(exposure, references)
            step.save_more(exposure, references)
    return made


def _in_place(
    steps: Sequence[RomanStep], reasons: dict[Any, str], ramp: Any, stack: ExitStack
) -> tuple[RampModel, dict[Any, int]]:
    made = _kernels(steps, reasons, ramp, stack)
    for step in made:
        step.warn_if_complete(ramp)
    nanoseconds = _core.apply(
        list(made.values()), ramp.data, ramp.groupdq, ramp.pixeldq, _cap(steps), None, None
    )
    return ramp, dict(zip(made, nanoseconds, strict=True))


def _to_image(
    steps: Sequence[RomanStep],
    reasons: dict[Any, str],
    exposure: Any,
    stack: ExitStack,
    *,
    share_file: bool,
    needs_wcs: bool,
) -> tuple[ImageModel, dict[Any, int]]:
    from ..datamodels import Encoding, RampModel, loading_objects

    check_ramp(exposure)
    first, fit_step = steps[0], steps[-1]
    assert isinstance(fit_step, FitStep)
    how: dict[str, Any] = {"border": BORDER, "max_threads": _cap(steps)}
    ramp: RampModel | None = None
    if isinstance(first, DQInitStep):
        has_mask = not reasons[first]
        mask = first.open_references(exposure, stack)["mask"] if has_mask else None
        pixeldq = None if first.skip else first.first_flags(exposure, mask)
        encoding = Encoding.of(exposure)
        counts = exposure.stored("data")
        how |= {"reference_read": encoding.reference_read, "offset": encoding.offset}
        how["groupdq"] = exposure.stored("resultantdq") if "resultantdq" in exposure else None
    else:
        ramp = exposure
        for step in steps:
            step.warn_if_complete(exposure)
        counts, pixeldq = exposure.stored("data"), exposure.stored("pixeldq")
        how["groupdq"] = exposure.stored("groupdq")
    made = _kernels(steps, reasons, exposure, stack)
    fit = fit_step.fit(exposure, fit_step.open_references(exposure, stack))
    with loading_objects() if needs_wcs else nullcontext():
        calibrated = kernels.calibrate(counts, list(made.values()), fit, pixeldq=pixeldq, **how)
    if not calibrated.unsaturated:
        raise MaybeSaturatedError
    if ramp is None:
        import numpy as np

        ramp = RampModel.frame_of(exposure, share_file=share_file)
        if pixeldq is None:
            pixeldq = np.zeros(exposure.shape[1:], np.uint32)
        copy_border(ramp, partial(encoding.samples, counts), pixeldq)
    image = rate_image(ramp, calibrated.fit)
    stages = [first if first not in made else None, *made, fit_step]
    nanoseconds: dict[Any, int] = {}
    for stage, (_, time_taken) in zip(stages, calibrated.nanoseconds, strict=True):
        # What reads a ramp that was there is no step: it goes with the first.
        step = first if stage is None else stage
        nanoseconds[step] = nanoseconds.get(step, 0) + time_taken
    return image, nanoseconds


def _cap(steps: Sequence[RomanStep]) -> int | None:
    """The smallest number of bands in flight that any of the steps allows."""
    asked_for = [getattr(step, "maximum_cores", "none") for step in steps]
    caps = [cap for cap in map(thread_cap, asked_for) if cap is not None]
    return min(caps, default=None)
