"""The linearity step: LINEARITY reference -> `kernels.correct_linearity`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from . import kernels
from .stpipe import RomanStep

if TYPE_CHECKING:
    from .datamodels import RampModel

__all__ = ["LinearityStep"]


class LinearityStep(RomanStep):
    """Correct the detector's non-linear response with a polynomial for each pixel."""

    class_alias = "linearity"
    cal_step_name = "linearity"
    builds_on: ClassVar[tuple[str, ...]] = ("dq_init", "saturation")
    default_suffix = "linearity"
    reference_file_types: ClassVar[list[str]] = ["linearity"]

    def process(self, input: Any) -> RampModel:
        from .datamodels import RampModel

        ramp = self.prepare(input, RampModel, changes=["data", "pixeldq"])
        if self.get_reference_file(ramp, "linearity") == "N/A":
            return self.skip_without(ramp, "linearity")
        with self.get_reference_file_model(ramp, "linearity") as reference:
            kernels.correct_linearity(
                ramp.data,
                ramp.groupdq,
                ramp.pixeldq,
                reference.stored("coeffs"),
                reference.stored("dq"),
            )
        self.record_step_status(ramp, self.cal_step_name)
        return ramp
