"""Kernels as objects, and the one pass that takes raw counts through them to the rate image."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from .. import _core
from ._arguments import NEEDED, pattern_of, pixel_flags
from ._results import Calibrated, RampFit

#: Columns that an output of the detector reads.
CHANNEL_COLS = 128
#: Samples from which a gap in the sequence of the 33rd amplifier is filled.
GAP_KERNEL = 32

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from .._core import Fit, Kernel, ReadPattern


def saturation(
    threshold: NDArray[np.float32],
    ref_dq: NDArray[np.uint32] | None = None,
    *,
    n_pix_grow_sat: int = 0,
    floor: float = 0.0,
    partial: str = "none",
    read_pattern: ReadPattern | Sequence[Sequence[int]] | None = None,
    frame_time: float | None = None,
    backup: int = 0,
) -> Kernel:
    """Make the kernel of `romancal_rs.kernels.flag_saturation`."""
    is_known = read_pattern is not None or frame_time is not None
    pattern = pattern_of(read_pattern, frame_time) if is_known else None
    flags = pixel_flags(ref_dq, threshold)
    return _core.saturation(threshold, flags, n_pix_grow_sat, floor, partial, pattern, backup)


def linearity(coeffs: NDArray[np.float32], ref_dq: NDArray[np.uint32] | None = None) -> Kernel:
    """Make the kernel of `romancal_rs.kernels.correct_linearity`."""
    return _core.linearity(coeffs, pixel_flags(ref_dq, coeffs))


def read_linearity(
    coeffs: NDArray[np.float32],
    ref_dq: NDArray[np.uint32] | None = None,
    inverse_coeffs: NDArray[np.float32] | None = NEEDED,
    read_pattern: ReadPattern | Sequence[Sequence[int]] = NEEDED,
    *,
    frame_time: float | None = None,
    inl: tuple[NDArray[np.number], NDArray[np.number]] | None = None,
) -> Kernel:
    """Make the kernel of `romancal_rs.kernels.linearize_reads`."""
    pattern, flags = pattern_of(read_pattern, frame_time), pixel_flags(ref_dq, coeffs)
    if inverse_coeffs is None:
        return _core.resultant_linearity(coeffs, flags, inl)
    return _core.read_linearity(coeffs, flags, inverse_coeffs, pattern, inl)


def refpix(
    amp33: NDArray[np.uint16],
    gamma: NDArray[np.complex64] | NDArray[np.complex128],
    zeta: NDArray[np.complex64] | NDArray[np.complex128],
    alpha: NDArray[np.complex64] | NDArray[np.complex128],
    *,
    remove_offset: bool = True,
    remove_trends: bool = True,
    cosine_interpolate: bool = True,
    fft_interpolate: bool = True,
    zero_is_missing: bool = False,
) -> Kernel:
    """Make the kernel of `romancal_rs.kernels.correct_reference_pixels`.

    `amp33` is not changed. The kernel finds the changed one as ``amp33``, and the corrected border
    as ``border_ref_pix_left``, ``border_ref_pix_right`` (n_resultants, n_rows, 4),
    ``border_ref_pix_top`` and ``border_ref_pix_bottom`` (n_resultants, 4, n_cols), float32 [DN]. It
    also finds some numbers: ``unusable_coefficients``, how many coefficients are not finite, and
    ``usable_left``, ``usable_right``, ``usable_top``, ``usable_bottom`` and ``usable_amp33``, the
    share of these samples that is not missing, in the resultant that has the fewest. Coefficients
    that are complex64 are copied.
    """
    return _core.refpix(
        amp33,
        _as_complex128(gamma),
        _as_complex128(zeta),
        _as_complex128(alpha),
        remove_offset,
        remove_trends,
        cosine_interpolate,
        fft_interpolate,
        zero_is_missing,
        CHANNEL_COLS,
        GAP_KERNEL,
    )


def _as_complex128(coefficients: Any) -> NDArray[np.complex128]:
    is_single = getattr(coefficients, "dtype", None) == "complex64"
    return coefficients.astype("complex128") if is_single else coefficients


def dark(dark: NDArray[np.float32], ref_dq: NDArray[np.uint32] | None = None) -> Kernel:
    """Make the kernel of `romancal_rs.kernels.subtract_dark`."""
    return _core.dark(dark, pixel_flags(ref_dq, dark))


def dark_rate(
    rate: NDArray[np.float32],
    ref_dq: NDArray[np.uint32] | None = None,
    read_pattern: ReadPattern | Sequence[Sequence[int]] = NEEDED,
    *,
    frame_time: float | None = None,
) -> Kernel:
    """Make the kernel of `romancal_rs.kernels.subtract_dark_rate`."""
    pattern = pattern_of(read_pattern, frame_time)
    return _core.dark_rate(rate, pixel_flags(ref_dq, rate), pattern)


def dark_decay(
    amplitude: float,
    time_constant: float,
    frame_time: float,
    read_pattern: ReadPattern | Sequence[Sequence[int]],
    detector: str,
    *,
    origin: tuple[int, int] = (0, 0),
) -> Kernel:
    """Make the kernel of `romancal_rs.kernels.subtract_dark_decay`."""
    pattern = pattern_of(read_pattern, frame_time, is_of_all=True)
    return _core.dark_decay(amplitude, time_constant, frame_time, pattern, detector, origin)


def wfi18_transient(
    frame_time: float,
    read_pattern: ReadPattern | Sequence[Sequence[int]],
    *,
    mask_rows: bool = False,
    origin: tuple[int, int] = (0, 0),
) -> Kernel:
    """Make the kernel of `romancal_rs.kernels.correct_wfi18_transient`.

    It finds ``masked_rows``, the number of rows that it flags. If it makes a fit, it also finds
    ``amplitude_1``, ``time_constant_1``, ``amplitude_2``, ``time_constant_2``, ``rms`` and
    ``fitted_rows``, the number of rows to which these were fitted.
    """
    pattern = pattern_of(read_pattern, frame_time, is_of_all=True)
    return _core.wfi18_transient(frame_time, pattern, mask_rows, origin)


def jump(
    gain: NDArray[np.float32],
    read_noise: NDArray[np.float32],
    read_pattern: ReadPattern | Sequence[Sequence[int]],
    *,
    frame_time: float | None = None,
    rejection_threshold: float = 4.0,
    three_group_rejection_threshold: float = 6.0,
    four_group_rejection_threshold: float = 5.0,
    flag_4_neighbors: bool = True,
    max_jump_to_flag_neighbors: float = 1000.0,
    min_jump_to_flag_neighbors: float = 10.0,
) -> Kernel:
    """Make the kernel of `romancal_rs.kernels.detect_jumps`."""
    return _core.jump(
        gain,
        read_noise,
        pattern_of(read_pattern, frame_time),
        rejection_threshold,
        three_group_rejection_threshold,
        four_group_rejection_threshold,
        flag_4_neighbors,
        max_jump_to_flag_neighbors,
        min_jump_to_flag_neighbors,
    )


def ramp_fit(
    gain: NDArray[np.float32],
    read_noise: NDArray[np.float32],
    read_pattern: ReadPattern | Sequence[Sequence[int]],
    *,
    frame_time: float | None = None,
    lone_samples: bool = True,
) -> Fit:
    """Make the fit of `romancal_rs.kernels.fit_ramps`."""
    pattern = pattern_of(read_pattern, frame_time)
    return _core.ramp_fit(gain, read_noise, pattern, lone_samples)


def likelihood_fit(
    gain: NDArray[np.float32],
    read_noise: NDArray[np.float32],
    read_pattern: ReadPattern | Sequence[Sequence[int]],
    *,
    frame_time: float | None = None,
    rule: str = "gls",
    rejection_threshold: float = 4.5,
    find_jumps: bool = True,
    average_hits: bool = True,
    record_jumps: bool = False,
) -> Fit:
    """Make the fit of `romancal_rs.kernels.fit_likelihood`.

    Parameters
    ----------
    record_jumps : bool, optional
        Whether it finds ``jump_indices``, (n, 3), int16: resultant, row and column of each sample
        that is flagged JUMP_DET. Only samples inside the border are listed; rows and columns are
        counted from the edge of the border.
    """
    return _core.likelihood_fit(
        gain,
        read_noise,
        pattern_of(read_pattern, frame_time),
        rule,
        rejection_threshold,
        find_jumps,
        average_hits,
        record_jumps,
    )


def calibrate(
    raw: NDArray[np.uint16] | NDArray[np.float32],
    kernels: Sequence[Kernel],
    fit: Fit,
    *,
    groupdq: NDArray[np.uint8] | None = None,
    pixeldq: NDArray[np.uint32] | None = None,
    reference_read: NDArray[np.uint16] | None = None,
    offset: float = 0.0,
    border: int = 0,
    max_threads: int | None = None,
    band_rows: int | None = None,
    tile_cols: int | None = None,
    progress: Callable[[int], None] | None = None,
) -> Calibrated:
    """Take counts, or a ramp, through kernels to the rate image, in one pass over memory.

    Each band of rows is read once, corrected and fitted while it is in the caches; no ramp is kept,
    and no argument is changed. The result is, bit for bit, that of the functions one by one.

    Parameters
    ----------
    raw : ndarray, (n_resultants, n_rows, n_cols), uint16 or float32
        Counts as they were sent, or ramps that have been worked on [DN]. It may lie at any address.
    kernels : sequence of Kernel
        What the ramps go through, in order; may be empty.
    fit : Fit
        What makes the image.
    groupdq : ndarray, (n_resultants, n_rows, n_cols), uint8, optional
        Flags that samples have from the beginning.
    pixeldq : ndarray, (n_rows, n_cols), uint32, optional
        Flags that pixels have from the beginning, as those of a bad pixel mask.
    reference_read : ndarray, (n_rows, n_cols), uint16, optional
        What was subtracted from the counts of each resultant before they were sent [DN]. Counts of
        0 are flagged AD_FLOOR and DO_NOT_USE then. Only for counts, as `offset`.
    offset : float, optional
        What was added to the counts before they were sent [DN]. A saturation kernel needs
        ``floor=-offset`` then.
    border : int, optional
        Width of the frame of reference pixels, which the image is without.
    max_threads, band_rows, tile_cols : int, optional
        See the module.
    progress : callable, optional
        Called a few times a second, in the calling thread, with the number of pixels that are
        done. An exception that it raises ends the work.

    Returns
    -------
    Calibrated
        With `fit`, `unsaturated`, `nanoseconds` and `found`.

    Raises
    ------
    ArgumentTypeError, ShapeError, ArgumentError
        If an array, a parameter or a read pattern does not fit: a message about
        a kernel begins with its name. Types of its arrays are checked where it is made. See
        `flag_saturation`.

    References
    ----------
    Those of the kernels and of the fit.

    Examples
    --------
    >>> import numpy as np
    >>> from romancal_rs import ReadPattern, kernels
    >>> pattern = ReadPattern.evenly_spaced(5, group_time=3.0)
    >>> counts = np.full((5, 16, 16), 6, np.uint16).cumsum(axis=0, dtype=np.uint16)  # 2 DN/s
    >>> plane = np.ones((16, 16), np.float32)
    >>> steps = [kernels.saturation(60000 * plane), kernels.dark(np.zeros((5, 16, 16), np.float32))]
    >>> fit = kernels.likelihood_fit(1.8 * plane, 7 * plane, pattern)
    >>> done = kernels.calibrate(counts, steps, fit)
    >>> done.fit
    <RampFit of 16 x 16 pixels>
    >>> float(np.median(done.fit.slope))
    2.0
    """
    planes, unsaturated, nanoseconds, found = _core.calibrate(
        raw,
        kernels,
        fit,
        groupdq,
        pixeldq,
        reference_read,
        offset,
        border,
        max_threads,
        band_rows,
        tile_cols,
        progress,
    )
    return Calibrated(RampFit(**planes), unsaturated, tuple(nanoseconds), tuple(found))
