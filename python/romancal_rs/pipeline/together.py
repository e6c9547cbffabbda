"""Runs the segments of a plan: several steps in one pass over memory, to the bits of one by one.

A segment that reaches the fit reads counts, or a ramp, band by band, and writes the image alone.
One that does not takes the ramp through the kernels of its steps in place.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

from .. import _core, kernels
from ..border import BORDER
from ..dq_init import DQInitStep, copy_border
from ..errors import RomancalError
from ..exposure import check_ramp, thread_cap
from ..stpipe import FitStep, RampStep, RomanStep
from ..stpipe.ramp import rate_image

if TYPE_CHECKING:
    from ..datamodels import DataModel, ImageModel, RampModel
    from .plan import Segment


#: The references of each of several steps, by type.
References = dict[RampStep, dict[str, Any]]


class MaybeSaturatedError(RomancalError):
    """Not a single good science pixel is unsaturated: to be looked at before the steps go on."""


def run_segment(segment: Segment, model: DataModel, *, share_file: bool) -> ImageModel | RampModel:
    """Runs the steps of a segment.

    Parameters
    ----------
    segment : Segment
        They report as if they had run one by one.
    model : ScienceRawModel or RampModel
        A ramp is changed in place, unless the segment reaches the fit.
    share_file : bool
        Whether the result may keep the exposure's file open, for what it only passes on.

    Raises
    ------
    MaybeSaturatedError
        If the segment reaches the fit, but there is not a single good, unsaturated science pixel.
        Nothing has changed then.
    """
    from ..datamodels import RampModel, ScienceRawModel

    begins = isinstance(segment.steps[0], DQInitStep) == isinstance(model, ScienceRawModel)
    if len(segment.steps) > 1 and begins and segment.reaches_fit(model):
        work = partial(_to_image, share_file=share_file)
        return _together(segment.steps, model, work)
    steps = list(segment.steps)
    result: Any = model
    if isinstance(steps[0], DQInitStep) or not begins:
        result = steps.pop(0)(model)
        if result is not model:
            model.close()
    # What does not work at the end, and a fit that does not, only mark the ramp.
    works = [
        isinstance(step, RampStep) and not step.skip and not step.reason_to_skip(result)
        for step in steps
    ]
    n_together = max((i + 1 for i, is_working in enumerate(works) if is_working), default=0)
    if sum(works) > 1 and isinstance(result, RampModel):
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
        last._run.rows_told(steps, input.shape)
        with ExitStack() as stack:
            reasons = {
                step: step.why_skip_is_set() if step.skip else step.reason_to_skip(input)
                for step in steps
            }
            result, seconds, references = work(steps, reasons, input, stack)
            for step, of_step in references.items():
                with _counted(seconds, step):
                    step.save_more(input, of_step)
        for other in others:
            other.end_together(result, reasons[other], seconds[other])
        last.mark(result, True)
        # With what it takes to complete the metadata for the others.
        of_others = time.perf_counter() - started - seconds[last]
        return result

    started = time.perf_counter()
    try:
        result = last.run_as(process, model)
    finally:
        for other in others:
            other.leave_together()
    last.report_less(of_others)
    seconds = time.perf_counter() - started
    log.info("Steps %s to %s done in %.2f s", steps[0].name, last.name, seconds)
    return result


#: What each step took of the time [s].
Seconds = defaultdict[RomanStep, float]
#: What threads spent in the stages of each step [ns].
Nanoseconds = Sequence[tuple[RomanStep, int]]


#: What the pass is called until its time is shared out.
_PASS = "one pass"


@contextmanager
def _counted(seconds: Seconds, step: RomanStep) -> Iterator[None]:
    """Counts the time of the ``with`` block for a step."""
    started = time.perf_counter()
    with step._run.timed(step.name):
        yield
    seconds[step] += time.perf_counter() - started


@contextmanager
def _passing(steps: Sequence[RomanStep]) -> Iterator[Callable[[Seconds, Nanoseconds], None]]:
    """The pass of steps. What is given shares out its time, when the ``with`` block has ended.

    It does so by what threads spent in the stages of each step.
    """
    run = steps[-1]._run
    started = ended = time.perf_counter()

    def share_out(seconds: Seconds, nanoseconds: Nanoseconds) -> None:
        total = sum(of_step for _, of_step in nanoseconds) or 1
        shares: defaultdict[str, float] = defaultdict(float)
        for step, of_step in nanoseconds:
            seconds[step] += (ended - started) * of_step / total
            shares[step.name] += of_step
        run.share_out(_PASS, shares)

    with run.timed(_PASS):
        yield share_out
    ended = time.perf_counter()


def _warn_of_order(steps: Sequence[RomanStep], reasons: dict[Any, str], exposure: Any) -> None:
    """Has the steps that work warn of what was not done before, or was done already."""
    done: list[str] = []
    for step in steps:
        if not reasons[step]:
            step.warn_of_order(exposure, done)
        done.append(step.cal_step_name)


def _kernels(
    steps: Sequence[RomanStep],
    reasons: dict[Any, str],
    exposure: Any,
    stack: ExitStack,
    seconds: Seconds,
) -> tuple[dict[RampStep, kernels.Kernel], References]:
    """The kernels of the steps that work, and the references that they are made of."""
    made, references = {}, {}
    for step in steps:
        if isinstance(step, RampStep) and not reasons[step]:
            with _counted(seconds, step):
                references[step] = step.open_references(exposure, stack)
                made[step] = step.kernel(exposure, references[step])
    return made, references


def _in_place(
    steps: Sequence[RomanStep], reasons: dict[Any, str], ramp: Any, stack: ExitStack
) -> tuple[RampModel, Seconds, References]:
    seconds = Seconds(float)
    _warn_of_order(steps, reasons, ramp)
    made, references = _kernels(steps, reasons, ramp, stack, seconds)
    arrays = ramp.data, ramp.groupdq, ramp.pixeldq
    told = steps[-1]._run.rows_told(steps, ramp.shape)
    with _passing(steps) as share_out:
        outcomes = _core.apply(list(made.values()), *arrays, _cap(steps), None, None, told)
    nanoseconds = [time_taken for time_taken, _ in outcomes]
    share_out(seconds, list(zip(made, nanoseconds, strict=True)))
    for step, (_, found) in zip(made, outcomes, strict=True):
        step.take(ramp, found)
        step.tell(ramp, references[step])
    return ramp, seconds, references


def _to_image(
    steps: Sequence[RomanStep],
    reasons: dict[Any, str],
    exposure: Any,
    stack: ExitStack,
    *,
    share_file: bool,
) -> tuple[ImageModel, Seconds, References]:
    from ..datamodels import Encoding, RampModel

    check_ramp(exposure)
    _warn_of_order(steps, reasons, exposure)
    seconds = Seconds(float)
    first, fit_step = steps[0], steps[-1]
    assert isinstance(fit_step, FitStep)
    how: dict[str, Any] = {"border": BORDER, "max_threads": _cap(steps)}
    ramp: RampModel | None = None
    if isinstance(first, DQInitStep):
        with _counted(seconds, first):
            has_mask = not reasons[first]
            mask = first.open_references(exposure, stack)["mask"] if has_mask else None
            pixeldq = None if first.skip else first.first_flags(exposure, mask)
            encoding = Encoding.of(exposure)
            counts = exposure.stored("data")
            how |= {"reference_read": encoding.reference_read, "offset": encoding.offset}
            how["groupdq"] = exposure.stored("resultantdq") if "resultantdq" in exposure else None
    else:
        ramp = exposure
        counts, pixeldq = exposure.stored("data"), exposure.stored("pixeldq")
        how["groupdq"] = exposure.stored("groupdq")
    made, references = _kernels(steps, reasons, exposure, stack, seconds)
    with _counted(seconds, fit_step):
        of_fit = fit_step.open_references(exposure, stack)
        fit = fit_step.fit(exposure, of_fit)
    how["progress"] = fit_step._run.rows_told(steps, counts.shape)
    with _passing(steps) as share_out:
        calibrated = kernels.calibrate(counts, list(made.values()), fit, pixeldq=pixeldq, **how)
    if not calibrated.unsaturated:
        raise MaybeSaturatedError
    # What reads is the first step, whatever it does besides.
    nanoseconds = [time_taken for _, time_taken in calibrated.nanoseconds]
    share_out(seconds, list(zip([first, *made, fit_step], nanoseconds, strict=True)))
    if ramp is None:
        import numpy as np

        with _counted(seconds, first):
            ramp = RampModel.frame_of(exposure, share_file=share_file)
            if pixeldq is None:
                pixeldq = np.zeros(exposure.shape[1:], np.uint32)
            copy_border(ramp, partial(encoding.samples, counts), pixeldq)
    with _counted(seconds, fit_step):
        image = rate_image(ramp, calibrated.fit)
        *of_kernels, of_image = calibrated.found
        fit_step.complete(image, exposure, of_fit, of_image)
    for step, found in zip(made, of_kernels, strict=True):
        step.take(image, found)
        step.tell(image, references[step])
    return image, seconds, references


def _cap(steps: Sequence[RomanStep]) -> int | None:
    """The smallest number of bands in flight that any of the steps allows."""
    asked_for = [getattr(step, "maximum_cores", "none") for step in steps]
    caps = [cap for cap in map(thread_cap, asked_for) if cap is not None]
    return min(caps, default=None)
