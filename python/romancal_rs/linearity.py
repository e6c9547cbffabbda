"""The linearity step: LINEARITY reference -> `kernels.linearity`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from . import kernels
from .stpipe import RampStep

if TYPE_CHECKING:
    from .datamodels import DataModel

__all__ = ["LinearityStep"]


class LinearityStep(RampStep):
    """Correct the detector's non-linear response with a polynomial for each pixel."""

    class_alias = "linearity"
    cal_step_name = "linearity"
    builds_on: ClassVar[tuple[str, ...]] = ("dq_init", "saturation")
    default_suffix = "linearity"
    reference_file_types: ClassVar[list[str]] = ["linearity"]

    def kernel(self, exposure: DataModel, references: Mapping[str, Any]) -> kernels.Kernel:
        reference = references["linearity"]
        return kernels.linearity(reference.stored("coeffs"), reference.stored("dq"))
