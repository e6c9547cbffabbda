"""The linearity step: corrects with a polynomial for each pixel, by resultant or by read."""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import pairwise
from typing import TYPE_CHECKING, Any, ClassVar

from . import _lazy, dqflags, kernels
from ._told import n_flagged
from .errors import InputError
from .exposure import describe, read_order
from .stpipe import RampStep
from .stpipe.recipes import FLIGHT, OF_2022

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from .datamodels import DataModel, ImageModel, RampModel, ScienceRawModel

__all__ = ["LinearityStep"]

__dir__ = _lazy.listing(__all__)

#: What is done where one of these is N/A.
_WITHOUT = {
    "inverselinearity": "each resultant is corrected as if it were a single read",
    "integralnonlinearity": "the A/D converters are taken to be linear",
}


class LinearityStep(RampStep):
    """Correct the detector's non-linear response with a polynomial for each pixel.

    Takes and returns a `RampModel <romancal_rs.datamodels.RampModel>`. The recipe ``flight``
    corrects read by read if there is an INVERSELINEARITY, and corrects the nonlinearity of the A/D
    converters if there is an INTEGRALNONLINEARITY. The recipe ``2022`` corrects each resultant.
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
            for reftype, instead in _WITHOUT.items():
                if reftype not in references:
                    self.log.warning("%s is N/A: %s", reftype.upper(), instead)
            return read_level_kernel(exposure, references)
        reference = references["linearity"]
        return kernels.linearity(reference.stored("coeffs"), reference.stored("dq"))

    def take(self, result: RampModel | ImageModel, found: Mapping[str, Any]) -> None:
        if n_cut := int(found.get("n_cut", 0)):
            self.log.warning(
                "%d sample%s beyond 1e6 DN, either way: cut to that, and DO_NOT_USE",
                *(n_cut, "" if n_cut == 1 else "s"),
            )

    def tell(self, result: RampModel | ImageModel, references: Mapping[str, Any]) -> None:
        flags = result.pixeldq if "pixeldq" in result else result.dq
        order = dict(references["linearity"].arrays())["coeffs"].shape[0] - 1
        by = "read by read" if "inverselinearity" in references else "resultant by resultant"
        self.log.info(
            "Polynomials of order %d, %s; %d of %d pixels are not corrected (NO_LIN_CORR)",
            *(order, by, n_flagged(flags, dqflags.NO_LIN_CORR), flags.size),
        )


def read_level_kernel(
    exposure: ScienceRawModel | RampModel, references: Mapping[str, Any]
) -> kernels.Kernel:
    """The kernel that corrects an exposure read by read, see `kernels.linearize_reads`.

    Parameters
    ----------
    exposure : ScienceRawModel or RampModel
        Its reads are used, not their times.
    references : mapping of str to data model
        With ``linearity``; with ``inverselinearity`` and ``integralnonlinearity`` unless they are
        N/A: without the former a resultant is corrected as if it were one read, without the latter
        the A/D converters are taken to be linear.

    Raises
    ------
    InputError
        If the ``integralnonlinearity`` has nodes that do not increase, or corrections that are no
        finite numbers.
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
        read_order(exposure),
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


def _inl(reference: DataModel) -> tuple[NDArray[Any], NDArray[np.float64]] | None:
    """The nodes of an INTEGRALNONLINEARITY, and the corrections of all channels at them.

    A channel without a correction has NaN. None if there are no nodes at all.
    """
    import numpy as np

    if reference["value"] is None:
        return None
    nodes = np.array(reference["value"])
    for before, node in pairwise(nodes):
        if not node > before:
            raise InputError(
                f"{describe(reference)}: value: expected nodes that increase, got {node} after "
                f"{before}"
            )
    channels = {
        int(found[1]): (name, row["correction"])
        for name, row in reference["inl_table"].items()
        if (found := re.fullmatch(r"science_channel_(\d+)", name))
    }
    corrections = np.full((max(channels, default=0), nodes.size), np.nan)
    for number, (name, correction) in channels.items():
        if correction is None:
            continue
        corrections[number - 1] = correction
        damaged = np.flatnonzero(~np.isfinite(corrections[number - 1]))
        if damaged.size:
            raise InputError(
                f"{describe(reference)}: inl_table.{name}.correction: expected finite numbers, or "
                f"null for none, got {corrections[number - 1, damaged[0]]} at node {damaged[0]}"
            )
    return nodes, corrections
