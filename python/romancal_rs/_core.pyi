"""The extension module, made from ``rust/src/python``. `romancal_rs.kernels` is its public face."""

from collections.abc import Callable, Sequence
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "REVISION",
    "Fit",
    "Kernel",
    "ReadPattern",
    "apply",
    "apply_flat",
    "calibrate",
    "dark",
    "dark_decay",
    "dark_rate",
    "divide_by_flat",
    "excess_of_rows",
    "fit_likelihood",
    "fit_ramps",
    "fit_transient",
    "image_statistics",
    "jump",
    "likelihood_fit",
    "linearity",
    "num_threads",
    "ramp_fit",
    "read_linearity",
    "read_times",
    "refpix",
    "resultant_linearity",
    "saturation",
    "set_num_threads",
    "smooth_variance",
    "subtract_dark_from_image",
    "to_half",
    "wfi18_known_transient",
    "wfi18_transient",
]

#: The commit that it was built from, as ``g1f71407abc`` or ``g1f71407abc.dirty``; empty where that
#: is not known.
REVISION: str

@final
class ReadPattern:
    def __new__(
        cls,
        times: Sequence[float],
        n_reads: Sequence[int],
        group_time: float,
        frame_time: float | None = None,
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
    @property
    def frame_time(self) -> float | None: ...
    def __len__(self) -> int: ...
    def __eq__(self, other: object, /) -> bool: ...
    def __ne__(self, other: object, /) -> bool: ...
    def __getnewargs__(self) -> tuple[list[float], list[int], float, float | None]: ...

@final
class Kernel:
    @property
    def name(self) -> str: ...
    @property
    def changes(self) -> list[str]: ...

@final
class Fit: ...

def saturation(
    threshold: NDArray[np.float32],
    ref_dq: NDArray[np.uint32],
    n_pix_grow_sat: int,
    floor: float,
    partial: str,
    read_pattern: ReadPattern | None,
    backup: int,
) -> Kernel: ...
def linearity(coeffs: NDArray[np.float32], ref_dq: NDArray[np.uint32]) -> Kernel: ...
def read_linearity(
    coeffs: NDArray[np.float32],
    ref_dq: NDArray[np.uint32],
    inverse_coeffs: NDArray[np.float32],
    read_pattern: ReadPattern,
    inl: tuple[NDArray[Any], NDArray[Any]] | None,
) -> Kernel: ...
def resultant_linearity(
    coeffs: NDArray[np.float32],
    ref_dq: NDArray[np.uint32],
    inl: tuple[NDArray[Any], NDArray[Any]] | None,
) -> Kernel: ...
def dark(dark: NDArray[np.float32], ref_dq: NDArray[np.uint32]) -> Kernel: ...
def dark_rate(
    rate: NDArray[np.float32], ref_dq: NDArray[np.uint32], read_pattern: ReadPattern
) -> Kernel: ...
def dark_decay(
    amplitude: float,
    time_constant: float,
    frame_time: float,
    read_pattern: ReadPattern,
    detector: str,
    origin: tuple[int, int],
) -> Kernel: ...
def jump(
    gain: NDArray[np.float32],
    read_noise: NDArray[np.float32],
    read_pattern: ReadPattern,
    rejection_threshold: float,
    three_group_rejection_threshold: float,
    four_group_rejection_threshold: float,
    flag_4_neighbors: bool,
    max_jump_to_flag_neighbors: float,
    min_jump_to_flag_neighbors: float,
) -> Kernel: ...
def refpix(
    amp33: NDArray[np.uint16],
    gamma: NDArray[np.complex128],
    zeta: NDArray[np.complex128],
    alpha: NDArray[np.complex128],
    remove_offset: bool,
    remove_trends: bool,
    cosine_interpolate: bool,
    fft_interpolate: bool,
    zero_is_missing: bool,
    width: int,
    gap_kernel: int,
) -> Kernel: ...
def wfi18_transient(
    frame_time: float, read_pattern: ReadPattern, mask_rows: bool, origin: tuple[int, int]
) -> Kernel: ...
def wfi18_known_transient(
    frame_time: float,
    read_pattern: ReadPattern,
    amplitudes: tuple[float, float],
    time_constants: tuple[float, float],
) -> Kernel: ...
def ramp_fit(
    gain: NDArray[np.float32],
    read_noise: NDArray[np.float32],
    read_pattern: ReadPattern,
    lone_samples: bool,
) -> Fit: ...
def apply(
    kernels: Sequence[Kernel],
    data: NDArray[np.float32],
    groupdq: NDArray[np.uint8] | None,
    pixeldq: NDArray[np.uint32],
    max_threads: int | None,
    band_rows: int | None,
    tile_cols: int | None,
    progress: Callable[[int], None] | None = None,
) -> list[tuple[int, dict[str, Any]]]: ...
def calibrate(
    raw: NDArray[np.uint16] | NDArray[np.float32],
    kernels: Sequence[Kernel],
    fit: Fit,
    groupdq: NDArray[np.uint8] | None,
    pixeldq: NDArray[np.uint32] | None,
    reference_read: NDArray[np.uint16] | None,
    offset: float,
    border: int,
    max_threads: int | None,
    band_rows: int | None,
    tile_cols: int | None,
    progress: Callable[[int], None] | None = None,
) -> tuple[dict[str, Any], bool, list[tuple[str, int]], list[dict[str, Any]]]: ...
def fit_likelihood(
    data: NDArray[np.float32],
    groupdq: NDArray[np.uint8],
    pixeldq: NDArray[np.uint32],
    gain: NDArray[np.float32],
    read_noise: NDArray[np.float32],
    read_pattern: ReadPattern,
    rule: str,
    rejection_threshold: float,
    find_jumps: bool,
    average_hits: bool,
    max_threads: int | None,
    band_rows: int | None,
) -> dict[str, NDArray[Any]]: ...
def likelihood_fit(
    gain: NDArray[np.float32],
    read_noise: NDArray[np.float32],
    read_pattern: ReadPattern,
    rule: str,
    rejection_threshold: float,
    find_jumps: bool,
    average_hits: bool,
    record_jumps: bool,
) -> Fit: ...
def fit_ramps(
    data: NDArray[np.float32],
    groupdq: NDArray[np.uint8],
    pixeldq: NDArray[np.uint32],
    gain: NDArray[np.float32],
    read_noise: NDArray[np.float32],
    read_pattern: ReadPattern,
    lone_samples: bool,
    optional: bool,
    max_threads: int | None,
    band_rows: int | None,
) -> tuple[dict[str, NDArray[Any]], dict[str, NDArray[np.float32]] | None]: ...
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
def smooth_variance(
    slope: NDArray[np.float32],
    dq: NDArray[np.uint32],
    var_poisson: NDArray[np.float32],
    var_rnoise: NDArray[np.float32],
    err: NDArray[np.float32],
    gain: NDArray[np.float32],
    read_noise: NDArray[np.float32],
    read_pattern: ReadPattern,
    max_threads: int | None,
    band_rows: int | None,
) -> None: ...
def divide_by_flat(
    data: NDArray[np.float32],
    dq: NDArray[np.uint32],
    err: NDArray[np.float32],
    var_poisson: NDArray[np.float32],
    flat: NDArray[np.float32],
    flat_err: NDArray[np.float32],
    flat_dq: NDArray[np.uint32],
    var_rnoise: NDArray[np.float32] | None,
    dumo: NDArray[np.float32] | None,
    include_var_flat: bool,
    max_threads: int | None,
    band_rows: int | None,
) -> NDArray[np.float32] | None: ...
def image_statistics(
    data: NDArray[np.float32],
    dq: NDArray[np.uint32],
    err: NDArray[np.float32],
    max_threads: int | None,
    band_rows: int | None,
) -> tuple[float, float, float]: ...
def subtract_dark_from_image(
    data: NDArray[np.float32],
    dq: NDArray[np.uint32],
    rate: NDArray[np.float32],
    ref_dq: NDArray[np.uint32],
    max_threads: int | None,
    band_rows: int | None,
) -> None: ...
def to_half(numbers: NDArray[np.float32]) -> NDArray[np.uint16]: ...
def read_times(
    detector: str, frame_time: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]: ...
def excess_of_rows(
    data: NDArray[np.float32],
    groupdq: NDArray[np.uint8],
    pixeldq: NDArray[np.uint32],
    read_pattern: ReadPattern,
) -> NDArray[np.float64]: ...
def fit_transient(
    times: Sequence[float] | NDArray[np.float64], values: Sequence[float] | NDArray[np.float64]
) -> tuple[tuple[float, float], tuple[float, float], float] | None: ...
def num_threads() -> int: ...
def set_num_threads(threads: int | None) -> None: ...
