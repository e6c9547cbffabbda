"""Which steps on a ramp are taken together, and where the ramp is seen in between.

The steps up to the fit follow one another in segments. Between two segments stands a wall: someone
wants to see the ramp there, be it a hook, a saved step, a checkpoint, or a step with a ``process``
of its own. Inside of a segment nobody does, and its steps are taken together. Step by step is the
plan with all walls.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..dq_init import DQInitStep
from ..stpipe import FitStep, RampStep, RomanStep

if TYPE_CHECKING:
    from ..datamodels import DataModel

#: What every class has of its own, and may be called.
_OF_ALL = {"__module__", "__doc__", "__annotations__", "__firstlineno__", "__static_attributes__"}
#: The methods that make a step on ramps, or one that fits them, what it is.
_OF_RAMP_STEPS = {
    *("kernel", "process_image", "idle", "reason_to_skip", "take", "tell", "save_more"),
}
_OF_FIT_STEPS = {
    *("fit", "idle", "finds_jumps", "needs_ramp", "fit_ramp", "complete", "save_more"),
    "predecessors",
}
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
    after: tuple[RomanStep | None, str] = (None, ""),
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
    after_last = ""  # of those that run: nobody sees what the others are given
    for step in steps:
        wall = everywhere or (before_fit if isinstance(step, FitStep) else "")
        alone = _alone(step, exposure)
        if isinstance(step, DQInitStep) and segments:
            alone = alone or f"{step.name} is not the first step"
        # dq_init makes a ramp even if it is skipped.
        if not step.skip or (isinstance(step, DQInitStep) and alone):
            wall = wall or _is_set(step, BEFORE) or alone or after_last
            # What a hook gives to a step is for nobody to foresee.
            after_last = _is_set(step, (*BEFORE, *AFTER)) or alone
        if segments and not wall:
            segments[-1] = Segment((*segments[-1].steps, step), segments[-1].wall)
        else:
            segments.append(Segment((step,), wall if segments else ""))
    return [part for segment in segments for part in _cut(segment, exposure, *after)]


def _is_set(step: RomanStep, parameters: Sequence[str]) -> str:
    """Which of these parameters of a step is set, in words; empty if none is."""
    given = (f"{step.name}.{name} is set" for name in parameters if getattr(step, name))
    return next(given, "")


def _alone(step: RomanStep, exposure: DataModel) -> str:
    """Why a step cannot be taken together with others; empty if it can."""
    from ..datamodels import GUIDE_STAR_TYPES, ScienceRawModel

    if isinstance(step, RampStep):
        is_usual = _is_but_for(step, RampStep, _OF_RAMP_STEPS)
    elif isinstance(step, FitStep):
        is_usual = _is_but_for(step, FitStep, _OF_FIT_STEPS)
        if parameter := step.needs_ramp(exposure):
            return f"{step.name}.{parameter} is set"
    elif isinstance(step, DQInitStep):
        is_usual = _is_but_for(step, DQInitStep, set())
        if not isinstance(exposure, ScienceRawModel):
            return f"the input is a {type(exposure).__name__}"
        if exposure.meta.exposure.type in GUIDE_STAR_TYPES:
            return f"{exposure.meta.exposure.type} exposures have flags of their own"
    else:
        is_usual = False
    return "" if is_usual else f"{step.name} is a {type(step).__name__}"


def _is_but_for(step: RomanStep, base: type[RomanStep], methods: Collection[str]) -> bool:
    """Whether a step has the methods of a base class, but for those that make it what it is.

    Steps that are taken together are asked for these alone: whatever else a subclass does, it does
    where it runs by itself.
    """
    classes = type(step).__mro__[: type(step).__mro__.index(base)]
    names = {name for cls in classes for name in vars(cls)} | set(vars(step))
    return not any(callable(getattr(base, name, None)) for name in names - set(methods) - _OF_ALL)


def _cut(segment: Segment, exposure: DataModel, step: RomanStep | None, why: str) -> list[Segment]:
    """A segment in two, if it goes on after that step but does not reach the fit."""
    if step is None or step not in segment.steps[:-1] or segment.reaches_fit(exposure):
        return [segment]
    index = segment.steps.index(step) + 1
    return [
        Segment(segment.steps[:index], segment.wall),
        Segment(segment.steps[index:], why),
    ]
