"""The saturation step: flags saturated samples, by the thresholds of SATURATION."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from . import _lazy, dqflags, kernels
from ._told import n_flagged
from .exposure import read_order
from .stpipe import RampStep
from .stpipe.recipes import FLIGHT

if TYPE_CHECKING:
    from .datamodels import ImageModel, RampModel

__all__ = ["SaturationStep"]

__dir__ = _lazy.listing(__all__)


class SaturationStep(RampStep):
    """Flag samples at or above the saturation threshold, or at or below the A/D floor.

    Takes and returns a `RampModel <romancal_rs.datamodels.RampModel>`, whose ``groupdq`` gets the
    flags SATURATED, AD_FLOOR and DO_NOT_USE.
    """

    spec = """
        n_pix_grow_sat = integer(default=0, min=0)  #! Also flag pixels this near [pixels]
        partial = option('auto', 'none', 'mean_read', 'concave', default='auto')  #! Filled in part
        backup = integer(default=0, min=0)  #! Also flag this many resultants before
    """
    class_alias = "saturation"
    cal_step_name = "saturation"
    builds_on: ClassVar[tuple[str, ...]] = ("dq_init",)
    is_repeatable = True
    default_suffix = "saturation"
    reference_file_types: ClassVar[list[str]] = ["saturation"]

    def kernel(self, exposure: Any, references: Mapping[str, Any]) -> kernels.Kernel:
        reference = references["saturation"]
        partial = self.partial_rule(exposure)
        needs_reads = partial != "none" or self.backup > 0
        return kernels.saturation(
            reference.stored("data"),
            reference.stored("dq"),
            n_pix_grow_sat=self.n_pix_grow_sat,
            floor=floor_of(exposure),
            partial=partial,
            read_pattern=read_order(exposure) if needs_reads else None,
            backup=self.backup,
        )

    def tell(self, result: RampModel | ImageModel, references: Mapping[str, Any]) -> None:
        # What is saturated in a resultant is so in all that follow.
        flags = result.groupdq[-1] if "groupdq" in result else result.dq
        n_saturated = n_flagged(flags, dqflags.SATURATED)
        of_all = f"{n_saturated} of {flags.size} pixels ({100 * n_saturated / flags.size:.3f} %)"
        first = ""
        if "groupdq" in result:
            n_first = n_flagged(result.groupdq[0], dqflags.SATURATED)
            first = f", {n_first} of them from the first resultant on"
        self.log.info("Saturated by the last resultant: %s%s", of_all, first)

    def partial_rule(self, exposure: Any) -> str:
        """The rule for resultants that saturate in part.

        Parameters
        ----------
        exposure : ScienceRawModel or RampModel
            The exposure; its recipe decides where the parameter `partial` does not.

        Returns
        -------
        str
        """
        if self.partial != "auto":
            return self.partial
        return "concave" if self.recipe_of(exposure) == FLIGHT else "none"


def floor_of(exposure: Any) -> float:
    """The value that a count of 0 has in a ramp [DN]: the offset of the encoding is taken off.

    Where a reference read was added as well, counts of 0 are flagged already, and nothing else lies
    so low.
    """
    from .datamodels import encoding_offset

    return float(-encoding_offset(exposure))
