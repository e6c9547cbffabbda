"""The dark_decay step: DARKDECAYSIGNAL reference -> `kernels.dark_decay`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from . import kernels
from .exposure import read_pattern
from .stpipe import RampStep

__all__ = ["DarkDecayStep"]


class DarkDecayStep(RampStep):
    """Subtract the signal of all pixels that fades after the reset."""

    class_alias = "dark_decay"
    cal_step_name = "dark_decay"
    builds_on: ClassVar[tuple[str, ...]] = ("dq_init", "saturation", "refpix")
    default_suffix = "dark_decay"
    reference_file_types: ClassVar[list[str]] = ["darkdecaysignal"]

    def reason_to_skip(self, exposure: Any) -> str:
        if reason := super().reason_to_skip(exposure):
            return reason
        with self.get_reference_file_model(exposure, "darkdecaysignal") as reference:
            return unknown_decay(reference, exposure.meta.instrument.detector)

    def kernel(self, exposure: Any, references: Mapping[str, Any]) -> kernels.Kernel:
        detector = exposure.meta.instrument.detector
        decay = references["darkdecaysignal"].decay_table[detector]
        # No exposure says where on the detector it begins: all are taken to begin at pixel (0, 0).
        return kernels.dark_decay(
            decay["amplitude"],
            decay["time_constant"],
            exposure.meta.exposure.frame_time,
            read_pattern(exposure),
            detector,
        )


def unknown_decay(reference: Any, detector: str) -> str:
    """What a DARKDECAYSIGNAL does not know of a detector, in a few words; empty if it knows all."""
    row = reference.decay_table.get(detector)
    if row is None:
        return f"its DARKDECAYSIGNAL has no row for {detector}"
    missing = [name for name in ("amplitude", "time_constant") if row.get(name) is None]
    if missing:
        return f"its DARKDECAYSIGNAL has no {' and no '.join(missing)} for {detector}"
    return ""
