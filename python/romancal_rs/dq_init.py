"""The dq_init step: a ramp with data-quality arrays, from a raw exposure and the MASK."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from .exposure import BORDER, check_ramp
from .stpipe import RomanStep

if TYPE_CHECKING:
    import numpy as np

    from .datamodels import MaskRefModel, RampModel

__all__ = ["DQInitStep"]


class DQInitStep(RomanStep):
    """Make the data-quality arrays of a ramp, and flag the bad pixels that the MASK lists.

    The border of reference pixels is copied to arrays of its own, before any correction.
    """

    class_alias = "dq_init"
    cal_step_name = "dq_init"
    default_suffix = "dq_init"
    reference_file_types: ClassVar[list[str]] = ["mask"]

    def process(self, input: Any) -> RampModel:
        from .datamodels import RampModel

        ramp = self.prepare(input, RampModel, changes=["pixeldq", "dq"])
        check_ramp(ramp)
        if self.get_reference_file(ramp, "mask") == "N/A":
            self.skip_without(ramp, "mask")
        else:
            with self.get_reference_file_model(ramp, "mask") as mask:
                flag_bad_pixels(ramp, mask)
            self.record_step_status(ramp, self.cal_step_name)
        copy_border(ramp, ramp.data, ramp.pixeldq)
        return ramp

    def skip_input(self, input: Any) -> RampModel:
        ramp = super().skip_input(input)
        copy_border(ramp, ramp.data, ramp.pixeldq)  # no later step does, and every product has it
        return ramp


def flag_bad_pixels(ramp: RampModel, mask: MaskRefModel) -> None:
    """Adds the mask's flags to ``pixeldq``, or to ``dq`` of a guide star exposure, in place."""
    from .datamodels import GUIDE_STAR_TYPES

    is_guide_star = ramp.meta.exposure.type in GUIDE_STAR_TYPES
    if is_guide_star and "dq" not in ramp:
        ramp.dq = ramp.pixeldq.copy()
    flags = ramp.dq if is_guide_star else ramp.pixeldq
    flags |= mask.stored("dq")


def copy_border(ramp: RampModel, data: np.ndarray, dq: np.ndarray) -> None:
    """Copies the reference pixels, each corner into both sides that it belongs to.

    The first rows are the "top", as in the mission's own products of 2022 and of today.

    Parameters
    ----------
    ramp : RampModel
        Gets the arrays ``border_ref_pix_left`` ... and ``dq_border_ref_pix_left`` ...
    data : ndarray, (n_resultants, n_rows, n_cols)
        Samples before any correction [DN].
    dq : ndarray, (n_rows, n_cols), uint32
        Flags of the pixels.
    """
    ramp.border_ref_pix_left = data[:, :, :BORDER].astype("f4")
    ramp.border_ref_pix_right = data[:, :, -BORDER:].astype("f4")
    ramp.border_ref_pix_top = data[:, :BORDER, :].astype("f4")
    ramp.border_ref_pix_bottom = data[:, -BORDER:, :].astype("f4")
    ramp.dq_border_ref_pix_left = dq[:, :BORDER].copy()
    ramp.dq_border_ref_pix_right = dq[:, -BORDER:].copy()
    ramp.dq_border_ref_pix_top = dq[:BORDER, :].copy()
    ramp.dq_border_ref_pix_bottom = dq[-BORDER:, :].copy()
