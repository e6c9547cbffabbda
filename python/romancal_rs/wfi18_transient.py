"""The wfi18_transient step: what fades while WFI18 is first read -> `kernels.wfi18_transient`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from . import kernels
from .exposure import read_pattern
from .stpipe import RampStep

__all__ = ["WFI18TransientStep"]

#: The only detector that has the transient.
DETECTOR = "WFI18"
#: Resultants that a fit needs.
FEWEST_RESULTANTS = 5


class WFI18TransientStep(RampStep):
    """Take the transient off the first resultant of detector WFI18.

    The status of exposures of other detectors is N/A.
    """

    spec = """
        mask_rows = boolean(default=False)  # Flag the rows that are read first, fit nothing
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
        (a, b), (ta, tb) = transient.amplitudes, transient.time_constants
        self.log.info(
            "Transient: %.6g DN exp(-t / %.6g s) + %.6g DN exp(-t / %.6g s); means of rows lie "
            "%.3g DN rms about it",
            *(a, ta, b, tb, transient.rms),
        )

    def _reason_to_mask(self, result: Any) -> str:
        n_resultants = len(result.meta.exposure.read_pattern)
        if self.mask_rows:
            return "mask_rows is set"
        if n_resultants < FEWEST_RESULTANTS:
            return f"a fit needs {FEWEST_RESULTANTS} resultants, there are {n_resultants}"
        return "no sum of two exponentials fits the means of rows"
