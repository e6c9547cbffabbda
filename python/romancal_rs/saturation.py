"""The saturation step: SATURATION reference -> `kernels.flag_saturation`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from . import kernels
from .stpipe import RomanStep

if TYPE_CHECKING:
    from .datamodels import RampModel

__all__ = ["SaturationStep"]


class SaturationStep(RomanStep):
    """Flag samples at or above the saturation threshold, or at or below the A/D floor."""

    spec = """
        n_pix_grow_sat = integer(default=0, min=0)  # Also flag pixels this near to a saturated one
    """
    class_alias = "saturation"
    cal_step_name = "saturation"
    builds_on: ClassVar[tuple[str, ...]] = ("dq_init",)
    default_suffix = "saturation"
    reference_file_types: ClassVar[list[str]] = ["saturation"]

    def process(self, input: Any) -> RampModel:
        from .datamodels import RampModel

        ramp = self.prepare(input, RampModel, changes=["groupdq", "pixeldq"])
        if self.get_reference_file(ramp, "saturation") == "N/A":
            return self.skip_without(ramp, "saturation")
        with self.get_reference_file_model(ramp, "saturation") as reference:
            kernels.flag_saturation(
                ramp.data,
                ramp.groupdq,
                ramp.pixeldq,
                reference.stored("data"),
                reference.stored("dq"),
                n_pix_grow_sat=self.n_pix_grow_sat,
                floor=floor_of(ramp),
            )
        self.record_step_status(ramp, self.cal_step_name)
        return ramp


def floor_of(ramp: RampModel) -> float:
    """The value that a count of 0 has in a ramp [DN]: the offset of the encoding is taken off.

    Where a reference read was added as well, counts of 0 are flagged already, and nothing else lies
    so low.
    """
    from .datamodels import encoding_offset

    return float(-encoding_offset(ramp))
