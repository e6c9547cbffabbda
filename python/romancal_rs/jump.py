"""The jump step: flags cosmic-ray hits, where the fit does not find them itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from . import _lazy, dqflags, kernels
from ._told import n_flagged
from .exposure import read_pattern
from .ramp_fitting import single_read_noise
from .stpipe import RampStep
from .stpipe.recipes import OF_2022

if TYPE_CHECKING:
    from .datamodels import DataModel, ImageModel, RampModel

__all__ = ["JumpStep"]

__dir__ = _lazy.listing(__all__)

#: With fewer resultants a jump cannot be told from light.
MIN_RESULTANTS = 3


class JumpStep(RampStep):
    """Flag cosmic-ray jumps by the two-point difference method, where the fit looks for none.

    Takes and returns a `RampModel <romancal_rs.datamodels.RampModel>`, whose ``groupdq`` gets
    the flag JUMP_DET.
    """

    spec = """
        rejection_threshold = float(default=4.0, min=0)  #! For 5 or more resultants [sigma]
        three_group_rejection_threshold = float(default=6.0, min=0)  #! For 3 resultants [sigma]
        four_group_rejection_threshold = float(default=5.0, min=0)  #! For 4 resultants [sigma]
        maximum_cores = cores(default='none')  # Threads: none, quarter, half, all, or a number
        flag_4_neighbors = boolean(default=True)  #! Flag the four neighbours of each jump too
        max_jump_to_flag_neighbors = float(default=1000)  # Only of jumps below this [sigma]
        min_jump_to_flag_neighbors = float(default=10)  # Only of jumps above this [sigma]
        read_noise_is_cds = auto_boolean(default='auto')  # READNOISE is of read differences
    """
    class_alias = "jump"
    cal_step_name = "jump"
    builds_on: ClassVar[tuple[str, ...]] = ("dq_init", "saturation", "linearity")
    by_recipe: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        OF_2022: {"builds_on": ("dq_init", "saturation", "linearity", "dark")},
    }
    is_repeatable = True
    default_suffix = "jump"
    reference_file_types: ClassVar[list[str]] = ["gain", "readnoise"]

    def idle(self, exposure: DataModel) -> str:
        n_resultants = exposure.shape[0]
        if n_resultants >= MIN_RESULTANTS:
            return ""
        return f"it needs {MIN_RESULTANTS} resultants, there are {n_resultants}"

    def tell(self, result: RampModel | ImageModel, references: Mapping[str, Any]) -> None:
        flags = result.groupdq if "groupdq" in result else result.dq
        n_pixels = flags.shape[-2] * flags.shape[-1]
        n_hit = n_flagged(flags, dqflags.JUMP_DET)
        self.log.info("%d of %d pixels have a jump", n_hit, n_pixels)

    def kernel(self, exposure: Any, references: Mapping[str, Any]) -> kernels.Kernel:
        return kernels.jump(
            references["gain"].stored("data"),
            single_read_noise(self, references["readnoise"]),
            read_pattern(exposure),
            rejection_threshold=self.rejection_threshold,
            three_group_rejection_threshold=self.three_group_rejection_threshold,
            four_group_rejection_threshold=self.four_group_rejection_threshold,
            flag_4_neighbors=self.flag_4_neighbors,
            max_jump_to_flag_neighbors=self.max_jump_to_flag_neighbors,
            min_jump_to_flag_neighbors=self.min_jump_to_flag_neighbors,
        )
