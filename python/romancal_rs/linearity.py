"""The linearity step: by a polynomial for each pixel, sample by sample or read by read."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from . import dqflags, kernels
from .exposure import read_pattern
from .stpipe import RampStep
from .stpipe.recipes import FLIGHT, OF_2022

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from .datamodels import DataModel, RampModel, ScienceRawModel

__all__ = ["LinearityStep"]


class LinearityStep(RampStep):
    """Correct the detector's non-linear response with a polynomial for each pixel.

    In the flight recipe read by read, where there is an INVERSELINEARITY, and with the nonlinearity
    of the A/D converters, where there is an INTEGRALNONLINEARITY; in that of 2022 resultant by
    resultant.
    """

    class_alias = "linearity"
    cal_step_name = "linearity"
    builds_on: ClassVar[tuple[str, ...]] = (
        *("dq_init", "saturation", "refpix", "dark_decay", "wfi18_transient"),
    )
    by_recipe: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        OF_2022: {
            "builds_on": ("dq_init", "saturation"),
            "reference_file_types": ["linearity"],
        },
    }
    default_suffix = "linearity"
    reference_file_types: ClassVar[list[str]] = [
        *("linearity", "inverselinearity", "integralnonlinearity"),
    ]
    optional_references: ClassVar[tuple[str, ...]] = ("inverselinearity", "integralnonlinearity")

    def kernel(self, exposure: Any, references: Mapping[str, Any]) -> kernels.Kernel:
        if self.recipe_of(exposure) == FLIGHT:
            return read_level_kernel(exposure, references)
        reference = references["linearity"]
        return kernels.linearity(reference.stored("coeffs"), reference.stored("dq"))


def read_level_kernel(
    exposure: ScienceRawModel | RampModel, references: Mapping[str, Any]
) -> kernels.Kernel:
    """The kernel that corrects an exposure read by read, see `kernels.linearize_reads`.

    Parameters
    ----------
    exposure : ScienceRawModel or RampModel
        Its read pattern is used.
    references : mapping of str to data model
        With ``linearity``; with ``inverselinearity`` and ``integralnonlinearity`` unless they are
        N/A: without the former a resultant is corrected as if it were one read, without the latter
        the A/D converters are taken to be linear.
    """
    linearity = references["linearity"]
    inverse = references.get("inverselinearity")
    integral = references.get("integralnonlinearity")
    flags = linearity.stored("dq")
    if inverse is not None:
        flags = _with_no_inverse(flags, inverse.stored("dq"))
    return kernels.read_linearity(
        linearity.stored("coeffs"),
        flags,
        None if inverse is None else inverse.stored("coeffs"),
        read_pattern(exposure),
        inl=None if integral is None else _inl(integral),
    )


def _with_no_inverse(
    flags: NDArray[np.uint32], inverse_flags: NDArray[np.uint32]
) -> NDArray[np.uint32]:
    """The flags of the LINEARITY, with NO_LIN_CORR where the inverse is said not to be known."""
    import numpy as np

    no_inverse = np.uint32(dqflags.NO_LIN_CORR)
    if not any((row & no_inverse).any() for row in inverse_flags):
        return flags
    return flags | (inverse_flags & no_inverse)


def _inl(reference: DataModel) -> tuple[NDArray[np.uint16], NDArray[np.float64]] | None:
    """The nodes of an INTEGRALNONLINEARITY, and the corrections of all channels at them.

    A channel without a correction has NaN. None if there are no nodes at all.
    """
    import numpy as np

    if reference["value"] is None:
        return None
    nodes = np.array(reference["value"], np.uint16)
    channels = {
        int(found[1]): row["correction"]
        for name, row in reference["inl_table"].items()
        if (found := re.fullmatch(r"science_channel_(\d+)", name))
    }
    corrections = np.full((max(channels, default=0), nodes.size), np.nan)
    for number, correction in channels.items():
        if correction is not None:
            corrections[number - 1] = correction
    return nodes, corrections
