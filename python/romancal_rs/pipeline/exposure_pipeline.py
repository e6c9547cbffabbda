"""From the raw ramp of one exposure to a calibrated rate image."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from .. import dqflags
from ..assign_wcs import AssignWcsStep, pointing
from ..border import SCIENCE
from ..errors import InputError
from ..exposure import check_exposure, check_usable, describe, is_fully_saturated
from ..flatfield import FlatFieldStep
from ..photom import PhotomStep
from ..stpipe import RomanPipeline, Step, elsewhere
from . import one_pass

if TYPE_CHECKING:
    from ..datamodels import DataModel, ImageModel, RampModel

__all__ = ["ExposurePipeline"]

#: The arrays that the steps up to the fit change.
RAMP_ARRAYS = ("data", "pixeldq", "groupdq", "dq")
#: The arrays of an image that are zero where no fit is possible.
ZEROED_ARRAYS = ("data", "err", "var_poisson", "var_rnoise", "chisq", "dumo")
AFTER_THE_FIT = ("assign_wcs", "flatfield", "photom")
AFTER_SATURATION = ("linearity", "dark_current", "jump", "rampfit", *AFTER_THE_FIT)


class ExposurePipeline(RomanPipeline):
    """Apply all calibration steps to the raw ramp of one exposure.

    The steps, in order: dq_init, saturation, linearity, dark_current, jump, rampfit, assign_wcs,
    flatfield and photom. Prism and grism exposures skip flatfield and photom.
    """

    class_alias = "roman_elp"
    other_aliases = ("exposure_pipeline",)
    default_suffix = "cal"
    other_suffixes = ("uncal", "ramp")
    spec = """
        save_calibrated_ramp = boolean(default=False)  # Save the ramp as it is before the fit
        fused = boolean(default=True, role=speed)  # Take the steps up to the fit in one pass
    """
    step_defs: ClassVar[dict[str, type[Step]]] = {
        **one_pass.STEPS,  # dq_init to rampfit
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

        with datamodels.open(args[0]) as exposure:
            if not isinstance(exposure, datamodels.ScienceRawModel | datamodels.RampModel):
                raise InputError(
                    f"{self.name} takes a raw exposure or a ramp, got {describe(exposure)} "
                    f"({type(exposure).__name__})"
                )
            check_exposure(exposure, self.metadata_warning())
            if not self.assign_wcs.skip:
                pointing(exposure)
            super().before_process((exposure, *args[1:]))

    def process(self, input: Any) -> ImageModel | RampModel:
        from .. import datamodels

        exposure = datamodels.open(input)
        not_for_type = steps_not_for(exposure.meta.exposure.type)
        result: ImageModel | RampModel | None = None
        obstacle = one_pass.obstacle(self, exposure)
        if obstacle:
            self.log.info("Step by step: %s", obstacle)
        else:
            is_ours = not isinstance(input, datamodels.DataModel)
            result = one_pass.calibrate(self, exposure, share_file=is_ours)
        if result is None:
            result = self._step_by_step(exposure)
        if isinstance(result, datamodels.RampModel):
            self.setup_output(result)
            return self._skip(result, AFTER_THE_FIT, "the ramps are not fitted")
        if result.meta.cal_step.ramp_fit == "SKIPPED":
            return result  # zeroed, as all pixels are saturated
        self.setup_output(result)
        check_usable(result, describe(exposure))
        result = self.assign_wcs(result)
        for step in (self.flatfield, self.photom):
            if step.name in not_for_type:
                result = step.skip_run(result, f"not for {result.meta.exposure.type}")
            else:
                result = step(result)
        return result

    def _step_by_step(self, exposure: DataModel) -> ImageModel | RampModel:
        """The steps up to the fit, one by one."""
        from .. import datamodels

        if isinstance(exposure, datamodels.RampModel):
            exposure = exposure.copy_for_change(RAMP_ARRAYS)  # a caller's ramp stays as it is
        ramp = self.dq_init(exposure)
        if isinstance(exposure, datamodels.ScienceRawModel):
            exposure.close()
        ramp = self.saturation(ramp)
        if is_fully_saturated(ramp):
            self.log.warning("All pixels are saturated: the result is a zeroed image")
            return self.create_fully_saturated_zeroed_image(ramp)
        ramp = self.jump(self.dark_current(self.linearity(ramp)))
        if self.save_calibrated_ramp:
            self.save_model(ramp, "ramp")
        return self.rampfit(ramp)

    def setup_output(self, model: DataModel) -> None:
        """Sets what the result's name ends with: ``cal``, or ``ramp`` where no fit was made."""
        fitted = model.meta.cal_step.get("ramp_fit") == "COMPLETE"
        self.default_suffix = "cal" if fitted else "ramp"

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
            SATURATED and DO_NOT_USE; the steps from linearity on are SKIPPED.
        """
        import numpy as np

        from ..datamodels import ImageModel

        dq = (ramp.pixeldq | ramp.groupdq[0] | dqflags.SATURATED | dqflags.DO_NOT_USE)[SCIENCE]
        zeroed = {name: np.zeros(dq.shape, dtype=np.float32) for name in ZEROED_ARRAYS}
        image = ImageModel.from_ramp(ramp, dq=dq.astype(np.uint32), **zeroed)
        self.default_suffix = "cal"
        return self._skip(image, AFTER_SATURATION, "all pixels are saturated")

    def _skip(self, model: Any, names: tuple[str, ...], reason: str) -> Any:
        for name in names:
            model = self.step(name).skip_run(model, reason)
        return model

    def prefetched_steps(self, model: DataModel) -> list[Step]:
        not_for_type = steps_not_for(model.meta.exposure.type)
        return [self.step(name) for name in self.step_defs if name not in not_for_type]


def steps_not_for(exposure_type: str) -> set[str]:
    """Names of the steps that an exposure of this type does without.

    The steps know it themselves; the pipeline need not look for their references then.
    """
    return set() if exposure_type == "WFI_IMAGE" else {"flatfield", "photom"}
