"""The refpix step: REFPIX reference -> `kernels.refpix`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from . import kernels
from .stpipe import RampStep

if TYPE_CHECKING:
    import numpy as np

    from .datamodels import ImageModel, RampModel, ScienceRawModel

__all__ = ["RefPixStep"]

#: With a single resultant, its mean over the resultants is all there is.
MIN_RESULTANTS = 2


class RefPixStep(RampStep):
    """Correct ramps for the noise of the read-out that the reference pixels see."""

    spec = """
        remove_offset = boolean(default=True)  # Remove each reference pixel's mean over the ramp
        remove_trends = boolean(default=True)  # Remove a line in time from each channel
        cosine_interpolate = boolean(default=True)  # Fill gaps of the 33rd amplifier
        fft_interpolate = boolean(default=True)  # Smooth the pauses of the 33rd amplifier
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
        for name, array in found.items():
            result[name] = array


def amp33_of(exposure: ScienceRawModel | RampModel) -> np.ndarray:
    """Counts of the 33rd amplifier as they were read out, (n_resultants, n_rows, 128), uint16."""
    from .datamodels import Encoding, ScienceRawModel

    counts = exposure.stored("amp33")
    if isinstance(exposure, ScienceRawModel):
        encoding = Encoding.of(exposure)
        if encoding.changes_amp33:
            return encoding.amp33(counts)
    return counts
