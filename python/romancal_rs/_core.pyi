"""The extension module, made from ``rust/src/python``. `romancal_rs.kernels` is its public face."""

from collections.abc import Mapping, Sequence
from typing import final

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "REVISION",
    "RampFit",
    "ReadPattern",
    "SegmentFits",
    "apply_flat",
    "calibrate_ramp",
    "correct_linearity",
    "detect_jumps",
    "fit_ramps",
    "flag_saturation",
    "num_threads",
    "set_num_threads",
    "subtract_dark",
    "subtract_dark_rate",
    "to_half",
]

#: The commit that it was built from, as ``g1f71407abc`` or ``g1f71407abc.dirty``; empty where that
#: is not known.
REVISION: str

@final
class ReadPattern:
    def __new__(
        cls, times: Sequence[float], n_reads: Sequence[int], group_time: float
    ) -> ReadPattern: ...
    @staticmethod
    def evenly_spaced(
        n_resultants: int, group_time: float, n_reads: int = 1, frame_time: float | None = None
    ) -> ReadPattern: ...
    @staticmethod
    def from_reads(reads: Sequence[Sequence[int]], frame_time: float) -> ReadPattern: ...
    @property
    def times(self) -> NDArray[np.float64]: ...
    @property
    def n_reads(self) -> NDArray[np.int64]: ...
    @property
    def group_time(self) -> float: ...
    def __len__(self) -> int: ...
    def __eq__(self, other: object, /) -> bool: ...
    def __ne__(self, other: object, /) -> bool: ...
    def __getnewargs__(self) -> tuple[list[float], list[int], float]: ...

@final
class RampFit:
    @property
    def slope(self) -> NDArray[np.float32]: ...
    @property
    def dq(self) -> NDArray[np.uint32]: ...
    @property
    def var_poisson(self) -> NDArray[np.float32]: ...
    @property
    def var_rnoise(self) -> NDArray[np.float32]: ...
    @property
    def err(self) -> NDArray[np.float32]: ...
    @property
    def chisq(self) -> NDArray[np.float32]: ...
    @property
    def dumo(self) -> NDArray[np.float32]: ...
    @property
    def optional(self) -> SegmentFits | None: ...

@final
class SegmentFits:
    @property
    def slope(self) -> NDArray[np.float32]: ...
    @property
    def sigslope(self) -> NDArray[np.float32]: ...
    @property
    def yint(self) -> NDArray[np.float32]: ...
    @property
    def sigyint(self) -> NDArray[np.float32]: ...
    @property
    def weights(self) -> NDArray[np.float32]: ...
    @property
    def var_poisson(self) -> NDArray[np.float32]: ...
    @property
    def var_rnoise(self) -> NDArray[np.float32]: ...
    @property
    def pedestal(self) -> NDArray[np.float32]: ...
    @property
    def crmag(self) -> NDArray[np.float32]: ...

def flag_saturation(
    data: NDArray[np.float32],
    groupdq: NDArray[np.uint8],
    pixeldq: NDArray[np.uint32],
    threshold: NDArray[np.float32],
    ref_dq: NDArray[np.uint32],
    n_pix_grow_sat: int,
    floor: float,
    max_threads: int | None,
    band_rows: int | None,
) -> None: ...
def correct_linearity(
    data: NDArray[np.float32],
    groupdq: NDArray[np.uint8],
    pixeldq: NDArray[np.uint32],
    coeffs: NDArray[np.float32],
    ref_dq: NDArray[np.uint32],
    max_threads: int | None,
    band_rows: int | None,
) -> None: ...
def subtract_dark(
    data: NDArray[np.float32],
    pixeldq: NDArray[np.uint32],
    dark: NDArray[np.float32],
    ref_dq: NDArray[np.uint32],
    max_threads: int | None,
    band_rows: int | None,
) -> None: ...
def subtract_dark_rate(
    data: NDArray[np.float32],
    pixeldq: NDArray[np.uint32],
    rate: NDArray[np.float32],
    ref_dq: NDArray[np.uint32],
    read_pattern: ReadPattern,
    max_threads: int | None,
    band_rows: int | None,
) -> None: ...
def detect_jumps(
    data: NDArray[np.float32],
    groupdq: NDArray[np.uint8],
    pixeldq: NDArray[np.uint32],
    gain: NDArray[np.float32],
    read_noise: NDArray[np.float32],
    read_pattern: ReadPattern,
    rejection_threshold: float,
    three_group_rejection_threshold: float,
    four_group_rejection_threshold: float,
    flag_4_neighbors: bool,
    max_jump_to_flag_neighbors: float,
    min_jump_to_flag_neighbors: float,
    max_threads: int | None,
    band_rows: int | None,
) -> None: ...
def fit_ramps(
    data: NDArray[np.float32],
    groupdq: NDArray[np.uint8],
    pixeldq: NDArray[np.uint32],
    gain: NDArray[np.float32],
    read_noise: NDArray[np.float32],
    read_pattern: ReadPattern,
    optional: bool,
    max_threads: int | None,
    band_rows: int | None,
) -> RampFit: ...
def calibrate_ramp(
    raw: NDArray[np.uint16],
    encoding: tuple[NDArray[np.uint16] | None, float],
    groupdq: NDArray[np.uint8] | None,
    pixeldq: NDArray[np.uint32],
    saturation: tuple[NDArray[np.float32], NDArray[np.uint32]],
    n_pix_grow_sat: int,
    linearity: tuple[NDArray[np.float32], NDArray[np.uint32]],
    dark: tuple[NDArray[np.float32], NDArray[np.uint32]],
    jump: tuple[NDArray[np.float32], NDArray[np.float32]] | None,
    thresholds: Mapping[str, float | bool],
    fit: tuple[NDArray[np.float32], NDArray[np.float32]],
    read_pattern: ReadPattern,
    border: int,
    max_threads: int | None,
    band_rows: int | None,
) -> tuple[RampFit, bool]: ...
def apply_flat(
    data: NDArray[np.float32],
    dq: NDArray[np.uint32],
    var_poisson: NDArray[np.float32],
    var_rnoise: NDArray[np.float32],
    flat: NDArray[np.float32],
    flat_err: NDArray[np.float32],
    flat_dq: NDArray[np.uint32],
    dumo: NDArray[np.float32] | None,
    max_threads: int | None,
    band_rows: int | None,
) -> tuple[NDArray[np.float32], NDArray[np.float32]]: ...
def to_half(numbers: NDArray[np.float32]) -> NDArray[np.uint16]: ...
def num_threads() -> int: ...
def set_num_threads(threads: int | None) -> None: ...
