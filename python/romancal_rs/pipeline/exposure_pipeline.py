"""From the raw ramp of one exposure to a calibrated rate image."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, cast

from .. import dqflags
from ..assign_wcs import AssignWcsStep, pointing
from ..border import SCIENCE
from ..dark_current import DarkCurrentStep, has_rate, told_without_rate
from ..dark_decay import DarkDecayStep
from ..dq_init import DQInitStep
from ..errors import InputError
from ..exposure import check_exposure, check_usable, describe, is_fully_saturated
from ..flatfield import FlatFieldStep
from ..jump import JumpStep
from ..linearity import LinearityStep
from ..photom import PhotomStep
from ..ramp_fitting import RampFitStep
from ..references import NOT_APPLICABLE, Match, ReferenceMismatchError
from ..refpix import RefPixStep, check_amp33
from ..saturation import SaturationStep
from ..stpipe import FitStep, ParameterError, RomanPipeline, RomanStep, Step, elsewhere
from ..stpipe.parameters import given_parameters
from ..stpipe.recipes import FLIGHT, OF_2022
from ..wfi18_transient import WFI18TransientStep
from .order import JUMP, STEPS_BY_RECIPE, in_recipe, with_jumps_found_once
from .plan import Segment, plan
from .together import MaybeSaturatedError, run_segment

if TYPE_CHECKING:
    from ..datamodels import DataModel, ImageModel, RampModel

__all__ = ["ExposurePipeline"]

#: The arrays of a ramp that the steps up to the fit change, and those that the first of them does.
RAMP_ARRAYS = ("data", "pixeldq", "groupdq", "dq")
DQ_INIT_ARRAYS = ("pixeldq", "dq")
#: The arrays of an image that are zero where no fit is possible.
ZEROED_ARRAYS = ("data", "err", "var_poisson", "var_rnoise", "chisq", "dumo")


class ExposurePipeline(RomanPipeline):
    """Apply all calibration steps to the raw ramp of one exposure.

    Takes a `ScienceRawModel <romancal_rs.datamodels.ScienceRawModel>` (Level 1) and returns an
    `ImageModel <romancal_rs.datamodels.ImageModel>` (Level 2). The recipe decides
    which steps run, and in which order. In the recipe ``flight`` they are dq_init, saturation,
    refpix, dark_decay, wfi18_transient, linearity, rampfit, dark_current, assign_wcs, photom and
    flatfield. In the recipe ``2022`` they are dq_init, saturation, linearity, dark_current, jump,
    rampfit, assign_wcs, flatfield and photom. In both, the jump step runs only if the fit does not
    find jumps itself.

    Examples
    --------
    >>> from romancal_rs.pipeline import ExposurePipeline
    >>> pipeline = ExposurePipeline(references="references", steps={"flatfield": {"skip": True}})
    >>> image = pipeline.run("exposure_uncal.asdf")
    >>> image.meta.cal_step.ramp_fit, image.meta.cal_step.flat_field
    ('COMPLETE', 'SKIPPED')
    """

    class_alias = "roman_elp"
    other_aliases = ("exposure_pipeline",)
    default_suffix = "cal"
    other_suffixes = ("uncal", "ramp", "wcs")
    spec = """
        save_calibrated_ramp = boolean(default=False)  #! Save the ramp as it is before the fit
        save_wcs = boolean(default=True, role=saving)  # Also save the WCS, as _wcs.asdf; in flight
        fused = boolean(default=True, role=speed)  # Run steps together where possible
    """
    #: The steps of each recipe, in order. Those of ``step_defs`` that no recipe names run in all.
    recipes: ClassVar[Mapping[str, tuple[str, ...]]] = STEPS_BY_RECIPE
    step_defs: ClassVar[dict[str, type[Step]]] = {
        "dq_init": DQInitStep,
        "saturation": SaturationStep,
        "refpix": RefPixStep,
        "dark_decay": DarkDecayStep,
        "wfi18_transient": WFI18TransientStep,
        "linearity": LinearityStep,
        "dark_current": DarkCurrentStep,
        "jump": JumpStep,
        "rampfit": RampFitStep,
        "assign_wcs": AssignWcsStep,
        "flatfield": FlatFieldStep,
        "photom": PhotomStep,
    }
    step_aliases: ClassVar[dict[str, str]] = {
        other: name for name, step in step_defs.items() for other in step.other_aliases
    }
    absent_steps = elsewhere.STEPS

    def before_process(self, args: tuple[Any, ...]) -> None:
        from .. import datamodels

        if isinstance(args[0], list | tuple | dict):
            raise InputError(
                f"{self.name} takes one exposure, got a {type(args[0]).__name__} of "
                f"{len(args[0])}: call it for each"
            )
        with ExitStack() as stack:
            exposure = stack.enter_context(datamodels.open(args[0]))
            if not isinstance(exposure, datamodels.ScienceRawModel | datamodels.RampModel):
                raise InputError(
                    f"{self.name} takes a raw exposure or a ramp, got {describe(exposure)} "
                    f"({type(exposure).__name__})"
                )
            checked = exposure
            if isinstance(exposure, datamodels.RampModel):
                checked = exposure.copy_for_change(())
                checked.add_missing()  # as dq_init does
            check_exposure(checked, self.metadata_warning())
            if self._runs("assign_wcs"):
                pointing(exposure)
            if self._runs("refpix") and self.recipe_of(exposure) == FLIGHT:
                check_amp33(exposure)
            super().before_process((exposure, *args[1:]))
            self._warn_of_left_out(exposure)
            if not isinstance(args[0], datamodels.DataModel):
                self._run.keep_input(args[0], exposure)
                stack.pop_all()

    def process(self, input: Any) -> ImageModel | RampModel:
        from .. import datamodels

        is_ours = not isinstance(input, datamodels.DataModel)
        kept = self._run.take_input(input) if is_ours else None
        exposure = datamodels.open(input) if kept is None else kept
        self._run.tell_plan(self._steps(exposure))
        result = self._up_to_the_fit(exposure, share_file=is_ours)
        if isinstance(result, datamodels.RampModel):
            self.setup_output(result)
            return self._skip(result, self._after_the_fit(result), "the ramps are not fitted")
        if result.meta.cal_step.ramp_fit == "SKIPPED":
            return result  # zeroed, as all pixels are saturated
        self.setup_output(result)
        check_usable(result, describe(exposure))
        for step in self._after_the_fit(result):
            if reason := step.idle(result):
                result = step.skip_run(result, reason)
            else:
                result = step(result)
        return result

    def _up_to_the_fit(self, exposure: DataModel, *, share_file: bool) -> ImageModel | RampModel:
        """The steps on the ramp, as the plan takes them together."""
        from .. import datamodels

        everywhere = self._seen_everywhere()
        if everywhere:
            self.log.info("Step by step: %s", everywhere)
        steps, model, wall = self._on_ramps(exposure), cast("Any", exposure), ""
        if isinstance(exposure, datamodels.RampModel):  # a caller's ramp stays as it is
            model = exposure.copy_for_change(_changed(self._plan(steps, exposure, everywhere)))
        while steps:
            # Anew each time, as hooks may have changed what there is to do.
            segment, *others = self._plan(steps, model, everywhere)
            steps = steps[len(segment.steps) :]
            if wall and wall != everywhere:
                self.log.info("Before %s the ramp is seen: %s", segment.steps[0].name, wall)
            wall = others[0].wall if others else ""
            if self.save_calibrated_ramp and isinstance(segment.steps[0], FitStep):
                self.save_model(model, "ramp")
            try:
                model = run_segment(segment, model, share_file=share_file)
            except MaybeSaturatedError:
                return self._one_by_one(segment, model)
            if self._saturation in segment.steps and self._is_fully_saturated(model):
                return self.create_fully_saturated_zeroed_image(cast("RampModel", model))
        return model

    def _seen_everywhere(self) -> str:
        """Why the ramp is seen between all steps, if it is."""
        if not self.fused:
            return "fused = False"
        return "" if self.checkpoint is None else "checkpoint is set"

    def _plan(
        self, steps: Sequence[RomanStep], exposure: DataModel, everywhere: str
    ) -> list[Segment]:
        return plan(
            steps,
            exposure,
            everywhere=everywhere,
            before_fit="save_calibrated_ramp is set" if self.save_calibrated_ramp else "",
            after=(self._saturation, "all of its pixels may be saturated"),
        )

    def _one_by_one(self, segment: Segment, model: Any) -> ImageModel | RampModel:
        """The steps of a segment, to see whether the exposure is saturated throughout."""
        from .. import datamodels

        if isinstance(model, datamodels.RampModel):
            model = model.copy_for_change(RAMP_ARRAYS)
        for step in segment.steps:
            model = step(model)
            if step is self._saturation and self._is_fully_saturated(model):
                return self.create_fully_saturated_zeroed_image(model)
        return model

    def _is_fully_saturated(self, model: Any) -> bool:
        from .. import datamodels

        if not isinstance(model, datamodels.RampModel) or not is_fully_saturated(model):
            return False
        self.log.warning("All pixels are saturated: the result is a zeroed image")
        return True

    def _runs(self, name: str) -> bool:
        """Whether the pipeline has a step of that name that is not skipped."""
        return name in self.step_defs and not self.step(name).skip

    @property
    def _saturation(self) -> Any:
        """The step after which an exposure may turn out to be saturated throughout, or None."""
        return self.__dict__.get("saturation")

    def _steps(self, exposure: DataModel) -> list[RomanStep]:
        """The steps of the exposure's recipe, in order: all are on Roman data."""
        names = in_recipe(type(self), self.recipe_of(exposure))
        names = with_jumps_found_once(names, self.step_defs, partial(self._finds_jumps, exposure))
        return [cast("RomanStep", self.step(name)) for name in names]

    def _finds_jumps(self, exposure: DataModel, name: str) -> bool:
        step = self.step(name)
        return isinstance(step, FitStep) and step.finds_jumps(exposure)

    def _on_ramps(self, exposure: DataModel) -> list[RomanStep]:
        """The steps up to the fit."""
        steps = self._steps(exposure)
        fits = [i for i, step in enumerate(steps) if isinstance(step, FitStep)]
        if not fits:
            raise ParameterError(
                f"{self.name}: step_defs has no step that makes an image of a ramp"
            )
        return steps[: fits[0] + 1]

    def _after_the_fit(self, exposure: DataModel) -> list[RomanStep]:
        return self._steps(exposure)[len(self._on_ramps(exposure)) :]

    def _warn_of_left_out(self, exposure: DataModel) -> None:
        """Warns of parameters that are given to steps which do not run."""
        steps = self._steps(exposure)
        names = [step.name for step in steps]
        finder = next((name for name in names if self._finds_jumps(exposure, name)), "")
        for name in self.step_defs:
            step = self.step(name)
            given = [] if name in names else given_parameters(step)
            # To skip it is what happens.
            given = [parameter for parameter in given if parameter != "skip"]
            if not given:
                continue
            if name == JUMP and finder:
                why = f"{name} does not run, as {finder} finds jumps itself"
            else:
                why = f"Recipe {self.recipe_of(exposure)} does not run {name}"
            of_no_use = ", ".join(f"{name}.{parameter}" for parameter in given)
            self.log.warning("%s: setting %s has no effect", why, of_no_use)

    def setup_output(self, model: DataModel) -> None:
        """Decide the suffix of the result: ``cal``, or ``ramp`` if no fit was made.

        Parameters
        ----------
        model : DataModel
            The result.
        """
        fitted = model.meta.cal_step.get("ramp_fit") == "COMPLETE"
        self.decide_suffix("cal" if fitted else "ramp")

    def products_beside(self, result: Any) -> Iterator[tuple[str, DataModel]]:
        """The WCS of an image as ``_wcs.asdf``, in the recipe ``flight``.

        Parameters
        ----------
        result : data model
            The result of the step.

        Yields
        ------
        (str, WfiWcsModel)
            Suffix of the file name, and the model; nothing if the image has no WCS.
        """
        from ..datamodels import ImageModel, WfiWcsModel

        if not self.save_wcs or not isinstance(result, ImageModel):
            return
        if self.recipe_of(result) == FLIGHT and result.has_wcs:
            yield "wcs", WfiWcsModel.from_image(result)

    def create_fully_saturated_zeroed_image(self, ramp: RampModel) -> ImageModel:
        """The result for an exposure without a single unsaturated sample.

        Parameters
        ----------
        ramp : RampModel
            The ramp after the saturation step.

        Returns
        -------
        ImageModel
            Zeros, without the border, with the flags of the pixels and of the first resultant,
            SATURATED and DO_NOT_USE; the steps after saturation are SKIPPED.
        """
        import numpy as np

        from ..datamodels import ImageModel

        of_samples = ramp.groupdq[0] & dqflags.IN_SAMPLE_AND_PIXEL
        dq = (ramp.pixeldq | of_samples | dqflags.SATURATED | dqflags.DO_NOT_USE)[SCIENCE]
        zeroed = {name: np.zeros(dq.shape, dtype=np.float32) for name in ZEROED_ARRAYS}
        image = ImageModel.from_ramp(ramp, dq=dq.astype(np.uint32), **zeroed)
        self.decide_suffix("cal")
        steps = self._steps(ramp)
        later = steps[steps.index(self._saturation) + 1 :]
        return self._skip(image, later, "all pixels are saturated")

    def _skip(self, model: Any, steps: Sequence[Step], reason: str) -> Any:
        for step in steps:
            model = step.skip_run(model, reason)
        return model

    def prefetched_steps(self, model: DataModel) -> list[Step]:
        return [step for step in self._steps(model) if not step.idle(model)]

    def help_without(self, missing: Sequence[tuple[Step, str]], exposure: DataModel) -> str:
        if not missing:
            return ""
        needed = {reftype for step, reftype in missing if isinstance(step, FitStep)}
        optional = {
            reftype
            for step, reftype in missing
            if reftype in cast("RomanStep", step).optional_references
        }
        types = dict.fromkeys(reftype for _, reftype in missing)
        ways = [
            _ways((name for name in types if name in optional - needed), "=N/A", "does without"),
            _ways(
                (name for name in types if name not in optional | needed),
                *("=N/A", "skips what needs it"),
            ),
            _ways(
                (name for name in types if name in needed),
                *("=FILE", "or another directory, as no image can be made without it"),
            ),
        ]
        only_flight = [name for name in types if name in self._only_in_flight(missing)]
        if only_flight and self.recipe_of(exposure) == FLIGHT:
            names = ", ".join(reftype.upper() for reftype in only_flight)
            ways.append(f"--recipe=2022 runs the steps of 2022, which need no {names}")
        return f"What would help: {'; '.join(filter(None, ways))}"

    def _only_in_flight(self, missing: Sequence[tuple[Step, str]]) -> set[str]:
        """Those of the types that are missing which the recipe of 2022 does not ask for."""
        of_2022 = in_recipe(type(self), OF_2022)
        return {
            reftype
            for step, reftype in missing
            if step.name not in of_2022
            or reftype not in cast("RomanStep", step).in_recipe(OF_2022, "reference_file_types")
        }

    def check_use(self, step: Step, match: Match, exposure: DataModel) -> None:
        """Check that a DARK to be subtracted from an image holds a rate.

        Parameters
        ----------
        step : Step
            The step.
        match : Match
            The reference that was chosen.
        exposure : DataModel
            The exposure.

        Raises
        ------
        ReferenceMismatchError
            If the DARK holds no rate.
        """
        dark = match.reference
        if not isinstance(step, DarkCurrentStep) or dark == NOT_APPLICABLE:
            return
        if step not in self._after_the_fit(exposure):
            return
        if not hasattr(dark, "meta"):
            dark = self._opened(dark)
        if not has_rate(dark):
            raise ReferenceMismatchError(told_without_rate(dark))


def _ways(types: Iterable[str], value: str, what: str) -> str:
    """What overrides of some types do, in words; empty without types."""
    overrides = " ".join(f"--override_{reftype}{value}" for reftype in types)
    return f"{overrides} {what}" if overrides else ""


def _changed(segments: Sequence[Segment]) -> tuple[str, ...]:
    """The arrays of a ramp that steps may change in place.

    What is taken together up to the fit changes none; hooks, and a step by itself, may change any.
    """
    first, *others = segments
    steps = [step for segment in segments for step in segment.steps]
    is_one_pass = (
        all(type(step) is DQInitStep for step in first.steps)
        and len(others) == 1
        and len(others[0].steps) > 1
        and isinstance(steps[-1], FitStep)
        and not any(step.pre_hooks or step.post_hooks for step in steps)
    )
    return DQ_INIT_ARRAYS if is_one_pass else RAMP_ARRAYS
