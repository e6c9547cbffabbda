"""Which steps on a ramp are taken together, and where the ramp is seen in between.

The steps up to the fit follow one another in segments. Between two segments stands a wall: someone
wants to see the ramp there, be it a hook, a saved step, a checkpoint, or a step with a ``process``
of its own. Inside of a segment nobody does, and its steps are taken together. Step by step is the
plan with all walls.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..dq_init import DQInitStep
from ..stpipe import FitStep, RampStep, RomanStep

if TYPE_CHECKING:
    from ..datamodels import DataModel

#: Parameters by which someone sees what a step works on, and what it has made of it.
BEFORE = ("pre_hooks",)
AFTER = ("post_hooks", "save_results", "output_file")


@dataclass(frozen=True)
class Segment:
    """Steps that are taken together.

    Attributes
    ----------
    steps : tuple of RomanStep
        In order; also those that are going to be skipped.
    wall : str
        Why the ramp is seen before them, in a few words; empty for the first segment.
    """

    steps: tuple[RomanStep, ...]
    wall: str = ""

    def reaches_fit(self, exposure: DataModel) -> bool:
        """Whether the result is an image."""
        last = self.steps[-1]
        return isinstance(last, FitStep) and not last.skip and not last.reason_to_skip(exposure)


def plan(
    steps: Sequence[RomanStep],
    exposure: DataModel,
    *,
    everywhere: str = "",
    before_fit: str = "",
    after: tuple[RomanStep, str] | None = None,
) -> list[Segment]:
    """The segments of the steps up to the fit.

    Parameters
    ----------
    steps : sequence of RomanStep
        What a pipeline runs on a ramp, the fit last.
    exposure : ScienceRawModel or RampModel
        What they are going to run on.
    everywhere, before_fit : str
        Why the ramp is to be seen between all steps, or before the fit, if that is so.
    after : (RomanStep, str), optional
        After which step the pipeline itself looks at the ramp, and why. It need not where the steps
        together reach the fit, as that tells the same.
    """
    segments: list[Segment] = []
    last: RomanStep | None = None  # of those that run: nobody sees what the others are given
    for step in steps:
        wall = everywhere
        if not step.skip:
            wall = wall or (before_fit if isinstance(step, FitStep) else "")
            wall = wall or _seen_before(step, exposure)
            wall = wall or ("" if last is None else _seen_after(last, exposure))
            last = step
        if segments and not wall:
            segments[-1] = Segment((*segments[-1].steps, step), segments[-1].wall)
        else:
            segments.append(Segment((step,), wall if segments else ""))
    if after is None:
        return segments
    return [part for segment in segments for part in _cut(segment, exposure, *after)]


def _seen_before(step: RomanStep, exposure: DataModel) -> str:
    """Why the ramp is to be there before a step works; empty if it need not be."""
    for parameter in BEFORE:
        if getattr(step, parameter):
            return f"{step.name}.{parameter} is set"
    return _alone(step, exposure)


def _seen_after(step: RomanStep, exposure: DataModel) -> str:
    """Why the ramp is to be there when a step has worked; empty if it need not be."""
    for parameter in AFTER:
        if getattr(step, parameter):
            return f"{step.name}.{parameter} is set"
    return _alone(step, exposure)


def _alone(step: RomanStep, exposure: DataModel) -> str:
    """Why a step cannot be taken together with others; empty if it can."""
    from ..datamodels import GUIDE_STAR_TYPES, ScienceRawModel

    if type(step).before_process is not RomanStep.before_process:
        return f"{step.name} has a before_process of its own"
    if isinstance(step, RampStep):
        is_usual = type(step).process is RampStep.process
    elif isinstance(step, FitStep):
        # A fit that is newer than the process is what that calls.
        is_usual = issubclass(_owner(step, "fit"), _owner(step, "process"))
        if parameter := step.needs_ramp():
            return f"{step.name}.{parameter} is set"
    elif isinstance(step, DQInitStep):
        is_usual = _owner(step, "first_flags") is _owner(step, "process")
        if not isinstance(exposure, ScienceRawModel):
            return f"the input is a {type(exposure).__name__}"
        if exposure.meta.exposure.type in GUIDE_STAR_TYPES:
            return f"{exposure.meta.exposure.type} exposures have flags of their own"
    else:
        is_usual = False
    return "" if is_usual else f"{step.name} is a {type(step).__name__}"


def _owner(step: RomanStep, method: str) -> Any:
    """The class that a step has a method from."""
    return next(cls for cls in type(step).__mro__ if method in cls.__dict__)


def _cut(segment: Segment, exposure: DataModel, step: RomanStep, why: str) -> list[Segment]:
    """A segment in two, if it goes on after that step but does not reach the fit."""
    if step not in segment.steps[:-1] or segment.reaches_fit(exposure):
        return [segment]
    index = segment.steps.index(step) + 1
    return [
        Segment(segment.steps[:index], segment.wall),
        Segment(segment.steps[index:], why),
    ]
