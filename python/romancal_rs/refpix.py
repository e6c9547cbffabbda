"""The refpix step: subtracts noise of the read-out, with the coefficients of REFPIX."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from . import _lazy, dqflags, kernels
from .errors import InputError
from .stpipe import RampStep

if TYPE_CHECKING:
    import numpy as np

    from .datamodels import ImageModel, RampModel, ScienceRawModel

__all__ = ["RefPixStep"]

__dir__ = _lazy.listing(__all__)

#: Flags of reference pixels that tell nothing.
_BAD = dqflags.DO_NOT_USE | dqflags.BAD_REF_PIXEL
#: Columns of the 33rd amplifier.
AMP33_COLS = 128
#: What a warning calls the samples of which the kernel finds how many are usable.
SAMPLES = {
    "usable_left": "the left border",
    "usable_right": "the right border",
    "usable_top": "the top border",
    "usable_bottom": "the bottom border",
    "usable_amp33": "amp33, the 33rd amplifier",
}

#: With a single resultant, its mean over the resultants is all there is.
MIN_RESULTANTS = 2


class RefPixStep(RampStep):
    """Correct ramps for the noise of the read-out that the reference pixels see.

    Takes and returns a `RampModel <romancal_rs.datamodels.RampModel>`. Only the flight
    pipeline has this step.
    """

    spec = """
        remove_offset = boolean(default=True)  #! Remove each reference pixel's mean over the ramp
        remove_trends = boolean(default=True)  #! Remove a line in time from each channel
        cosine_interpolate = boolean(default=True)  #! Fill gaps of the 33rd amplifier
        fft_interpolate = boolean(default=True)  #! Smooth the pauses of the 33rd amplifier
    """
    class_alias = "refpix"
    cal_step_name = "refpix"
    builds_on: ClassVar[tuple[str, ...]] = ("dq_init", "saturation")
    default_suffix = "refpix"
    reference_file_types: ClassVar[list[str]] = ["refpix"]

    def idle(self, exposure: Any) -> str:
        if reason := super().idle(exposure):
            return reason
        if exposure.shape[0] < MIN_RESULTANTS:
            return f"it needs {MIN_RESULTANTS} resultants, there is 1"
        if "amp33" not in exposure:
            return "the exposure has no amp33, the samples of the 33rd amplifier"
        return ""

    def kernel(self, exposure: Any, references: Mapping[str, Any]) -> kernels.Kernel:
        check_amp33(exposure)
        reference = references["refpix"]
        return kernels.refpix(
            amp33_of(exposure),
            *(reference.stored(name) for name in ("gamma", "zeta", "alpha")),
            remove_offset=self.remove_offset,
            remove_trends=self.remove_trends,
            cosine_interpolate=self.cosine_interpolate,
            fft_interpolate=self.fft_interpolate,
        )

    def take(self, result: RampModel | ImageModel, found: Mapping[str, Any]) -> None:
        self._tell(result, found)
        for name, value in found.items():
            if name in SAMPLES:
                if value == 0:
                    self.log.warning(
                        "There is no usable sample of %s in some resultant: nothing is known of it",
                        SAMPLES[name],
                    )
            elif name == "unusable_coefficients":
                if value:
                    self.log.warning(
                        "%d coefficients of the REFPIX %s are not finite: they count as 0",
                        *(value, self._call.references_used["refpix"]),
                    )
            else:
                result[name] = value

    def _tell(self, result: RampModel | ImageModel, found: Mapping[str, Any]) -> None:
        """Says how large the correction is where it can be seen at no cost: at the border."""
        import numpy as np

        corrections = []
        for side in ("left", "right"):
            name = f"border_ref_pix_{side}"
            if name in result:
                is_good = (result[f"dq_{name}"] & _BAD) == 0
                corrections.append((result[name] - found[name])[:, is_good].ravel())
        taken_off = np.concatenate(corrections) if corrections else np.empty(0)
        taken_off = taken_off[np.isfinite(taken_off)]
        if taken_off.size:
            self.log.info(
                "Subtracted from the samples of the left and right border: %.4g DN (median), "
                "%.3g DN rms about that",
                *(np.median(taken_off), np.std(taken_off, dtype=np.float64)),
            )


def check_amp33(exposure: ScienceRawModel | RampModel) -> None:
    """Checks that the samples of the 33rd amplifier, if there are any, fit the ramp.

    Raises
    ------
    InputError
        If they are of another shape than (n_resultants, n_rows, 128).
    """
    from .exposure import describe

    if "amp33" not in exposure:
        return
    expected = (*exposure.shape[:2], AMP33_COLS)
    shape = tuple(exposure.stored("amp33").shape)
    if shape != expected:
        raise InputError(
            f"{describe(exposure)}: amp33: expected shape {expected} for data of shape "
            f"{tuple(exposure.shape)}, got {shape}"
        )


def amp33_of(exposure: ScienceRawModel | RampModel) -> np.ndarray:
    """Counts of the 33rd amplifier as they were read out, (n_resultants, n_rows, 128), uint16."""
    from .datamodels import Encoding, ScienceRawModel

    counts = exposure.stored("amp33")
    if isinstance(exposure, ScienceRawModel):
        encoding = Encoding.of(exposure)
        if encoding.changes_amp33:
            return encoding.amp33(counts)
    return counts
