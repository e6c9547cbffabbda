"""The dark_decay step: subtracts a signal that fades after the reset, by DARKDECAYSIGNAL."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from . import _lazy, kernels
from .exposure import read_pattern
from .stpipe import RampStep

__all__ = ["DarkDecayStep"]

__dir__ = _lazy.listing(__all__)


class DarkDecayStep(RampStep):
    """Subtract the signal of all pixels that fades after the reset.

    Takes and returns a `RampModel <romancal_rs.datamodels.RampModel>`. Only the flight
    pipeline has this step.
    """

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
        reference = references["darkdecaysignal"]
        decay = reference.decay_table[detector]
        # No exposure says where on the detector it begins: all are taken to begin at pixel (0, 0).
        arguments = (
            decay["amplitude"],
            decay["time_constant"],
            exposure.meta.exposure.frame_time,
            read_pattern(exposure),
            detector,
        )
        check_decay(arguments, exposure, reference)
        return kernels.dark_decay(*arguments)

    def tell(self, result: Any, references: Mapping[str, Any]) -> None:
        decay = references["darkdecaysignal"].decay_table[result.meta.instrument.detector]
        self.log.info(
            "Subtracted %.6g DN exp(-t / %.6g s)", decay["amplitude"], decay["time_constant"]
        )


def check_decay(arguments: tuple[Any, ...], exposure: Any, reference: Any) -> None:
    """Checks that a row of a DARKDECAYSIGNAL is a decay: by what the array function says of it.

    Parameters
    ----------
    arguments
        What `kernels.subtract_dark_decay` takes besides the ramp; the last is the detector.
    exposure : ScienceRawModel or RampModel
    reference : DarkdecaysignalRefModel

    Raises
    ------
    ReferenceMismatchError
        Naming the file, the detector, the exposure, and what is wrong.
    """
    import numpy as np

    from .exposure import describe
    from .references import ReferenceMismatchError

    try:
        kernels.subtract_dark_decay(np.zeros((exposure.shape[0], 1, 1), np.float32), *arguments)
    except (TypeError, ValueError) as error:
        raise ReferenceMismatchError(
            f"{describe(reference)}: DARKDECAYSIGNAL decay_table.{arguments[-1]}: {error} "
            f"(frames of {exposure.meta.exposure.frame_time} s, {describe(exposure)})"
        ) from error


def unknown_decay(reference: Any, detector: str) -> str:
    """What a DARKDECAYSIGNAL does not know of a detector, in a few words; empty if it knows all."""
    row = reference.decay_table.get(detector)
    if row is None:
        return f"its DARKDECAYSIGNAL has no row for {detector}"
    missing = [name for name in ("amplitude", "time_constant") if row.get(name) is None]
    if missing:
        return f"its DARKDECAYSIGNAL has no {' and no '.join(missing)} for {detector}"
    return ""
