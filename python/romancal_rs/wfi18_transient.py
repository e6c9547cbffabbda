"""The wfi18_transient step: subtracts the transient of detector WFI18 from the first resultant."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from . import _lazy, kernels
from .border import BORDER
from .exposure import read_pattern
from .stpipe import RampStep

__all__ = ["WFI18TransientStep"]

__dir__ = _lazy.listing(__all__)

#: The only detector that has the transient.
DETECTOR = "WFI18"
#: Resultants that a fit needs.
FEWEST_RESULTANTS = 5
#: With fewer, a ramp without its first resultant has no slope.
FEWEST_TO_MASK = 3
#: With fewer rows, or a smaller share of those inside the border, a warning goes with the fit.
FEW_ROWS, SMALL_SHARE = 100, 0.1


class WFI18TransientStep(RampStep):
    """Subtract the transient from the first resultant of detector WFI18.

    Takes and returns a `RampModel <romancal_rs.datamodels.RampModel>`. The status of
    exposures of other detectors is N/A. Exposures of one or two resultants are SKIPPED: nothing
    can be fitted, and without the first resultant nothing would be left.
    """

    spec = """
        mask_rows = boolean(default=False)  #! Only flag the rows that are read first
    """
    class_alias = "wfi18_transient"
    cal_step_name = "wfi18_transient"
    builds_on: ClassVar[tuple[str, ...]] = ("dq_init", "saturation", "refpix", "dark_decay")
    default_suffix = "wfi18_transient"
    status_if_idle = "N/A"

    def idle(self, exposure: Any) -> str:
        if reason := super().idle(exposure):
            return reason
        detector = exposure.meta.instrument.detector
        return "" if detector == DETECTOR else f"not for {detector}"

    def reason_to_skip(self, exposure: Any) -> str:
        if reason := super().reason_to_skip(exposure):
            return reason
        n_resultants = exposure.shape[0]
        if n_resultants < FEWEST_TO_MASK:
            return f"it needs {FEWEST_TO_MASK} resultants, there are {n_resultants}"
        return ""

    def kernel(self, exposure: Any, references: Mapping[str, Any]) -> kernels.Kernel:
        # No exposure says where on the detector it begins: all are taken to begin at pixel (0, 0).
        return kernels.wfi18_transient(
            exposure.meta.exposure.frame_time, read_pattern(exposure), mask_rows=self.mask_rows
        )

    def take(self, result: Any, found: Mapping[str, Any]) -> None:
        transient = kernels.Transient.of_found(found)
        if transient is None:
            self.log.warning(
                "The first resultant of the %d rows that are read first is not used: %s",
                *(found["masked_rows"], self._reason_to_mask(result)),
            )
            return
        self._tell(transient)
        n_inside = inside(result)
        if transient.n_rows < max(FEW_ROWS, SMALL_SHARE * n_inside):
            self.log.warning(
                "The transient was fitted to %d of %d rows: the others have no usable samples",
                *(transient.n_rows, n_inside),
            )
        if transient.masked_rows:
            self.log.warning(
                "The first resultant of the %d rows that are read first is not used: no row before "
                "them tells of the transient, which nothing holds there",
                transient.masked_rows,
            )

    def _tell(self, transient: kernels.Transient) -> None:
        fit = f"the means of {transient.n_rows} rows lie {transient.rms:.4g} DN rms about it"
        pairs = zip(transient.amplitudes, transient.time_constants, strict=True)
        terms = [f"{a:.9g} DN exp(-t / {tau:.9g} s)" for a, tau in pairs if a]
        if terms:
            self.log.info("Transient: %s; %s", " + ".join(terms), fit)
        else:
            self.log.info("No transient, nothing is subtracted: 0 DN fits; %s", fit)

    def _reason_to_mask(self, result: Any) -> str:
        n_resultants = len(result.meta.exposure.read_pattern)
        if self.mask_rows:
            return "mask_rows is set"
        if n_resultants < FEWEST_RESULTANTS:
            return f"a fit needs {FEWEST_RESULTANTS} resultants, there are {n_resultants}"
        return "no sum of exponentials fits the means of rows"


def inside(result: Any) -> int:
    """Rows inside the border, of a ramp or of the image that is made of it."""
    n_rows = int(result.shape[-2])
    return n_rows - 2 * BORDER if len(result.shape) == 3 else n_rows
