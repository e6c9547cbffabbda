"""The functions that work on whole arrays: one algorithm each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .. import _core
from ._results import RampFit, SegmentFits

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from .._core import ReadPattern


def flag_saturation(
    data: NDArray[np.float32],
    groupdq: NDArray[np.uint8],
    pixeldq: NDArray[np.uint32],
    threshold: NDArray[np.float32],
    ref_dq: NDArray[np.uint32],
    *,
    n_pix_grow_sat: int = 0,
    floor: float = 0.0,
    max_threads: int | None = None,
    band_rows: int | None = None,
) -> None:
    """Flag saturated samples, and those at the floor of the A/D converter.

    A sample at or above its pixel's threshold is flagged SATURATED, with all later resultants of
    the pixel. A sample at or below `floor` is flagged AD_FLOOR and DO_NOT_USE, alone.

    Parameters
    ----------
    data : ndarray, (n_resultants, n_rows, n_cols), float32
        Ramps as read out [DN].
    groupdq : ndarray, (n_resultants, n_rows, n_cols), uint8
        Flags of each sample; added to in place.
    pixeldq : ndarray, (n_rows, n_cols), uint32
        Flags of each pixel; those of `ref_dq` are added in place.
    threshold : ndarray, (n_rows, n_cols), float32
        Saturation threshold [DN]. Where it is NaN, or `ref_dq` has NO_SAT_CHECK, no sample is
        saturated, and the pixel is flagged NO_SAT_CHECK.
    ref_dq : ndarray, (n_rows, n_cols), uint32
        Flags of the reference.
    n_pix_grow_sat : int, optional
        Flag also the samples, of the same resultant, within so many rows and columns of one that is
        SATURATED.
    floor : float, optional
        The value of a count of 0 [DN]: 0, less what was added to the counts before they were sent.
    max_threads, band_rows : int, optional
        See the module.

    Raises
    ------
    ArgumentTypeError
        If an array has another dtype. It is a TypeError.
    ShapeError
        If an array's shape does not fit `data`, or there are no resultants. It is an ArgumentError.
    ArgumentError
        If an array has another memory layout, cannot be changed in place but has to be, shares
        memory with another of the call, or if `n_pix_grow_sat` is negative or beyond 64 bits, or
        another number out of its range. It is a ValueError.

    References
    ----------
    Manual, section 8.1.12, which flags pixels without a threshold at 65535 DN.
    """
    kernel = _core.saturation(threshold, ref_dq, n_pix_grow_sat, floor)
    _core.apply([kernel], data, groupdq, pixeldq, max_threads, band_rows, None)


def correct_linearity(
    data: NDArray[np.float32],
    groupdq: NDArray[np.uint8],
    pixeldq: NDArray[np.uint32],
    coeffs: NDArray[np.float32],
    ref_dq: NDArray[np.uint32],
    *,
    max_threads: int | None = None,
    band_rows: int | None = None,
) -> None:
    """Correct ramps for the detector's nonlinearity by a polynomial for each pixel.

    The corrected sample is ``coeffs[0] + coeffs[1] * F + coeffs[2] * F**2 + ...`` of the sample
    F, by Horner's scheme in float32.

    Parameters
    ----------
    data : ndarray, (n_resultants, n_rows, n_cols), float32
        Ramps [DN]; changed in place, but for samples flagged SATURATED.
    groupdq : ndarray, (n_resultants, n_rows, n_cols), uint8
        Flags of each sample.
    pixeldq : ndarray, (n_rows, n_cols), uint32
        Flags of each pixel; those of `ref_dq` are added in place.
    coeffs : ndarray, (n_coeffs, n_rows, n_cols), float32
        Coefficients [DN^(1-k)], at least two. A pixel with one that is NaN, or with a linear term
        of 0, or with NO_LIN_CORR in `ref_dq`, is left as it is and flagged NO_LIN_CORR.
    ref_dq : ndarray, (n_rows, n_cols), uint32
        Flags of the reference.
    max_threads, band_rows : int, optional
        See the module.

    Raises
    ------
    ArgumentTypeError, ShapeError, ArgumentError
        If an array does not fit; see `flag_saturation`.

    References
    ----------
    Manual, section 8.1.7.
    """
    kernel = _core.linearity(coeffs, ref_dq)
    _core.apply([kernel], data, groupdq, pixeldq, max_threads, band_rows, None)


def subtract_dark(
    data: NDArray[np.float32],
    pixeldq: NDArray[np.uint32],
    dark: NDArray[np.float32],
    ref_dq: NDArray[np.uint32],
    *,
    max_threads: int | None = None,
    band_rows: int | None = None,
) -> None:
    """Subtract the dark signal, resultant by resultant.

    Parameters
    ----------
    data : ndarray, (n_resultants, n_rows, n_cols), float32
        Ramps [DN]; changed in place.
    pixeldq : ndarray, (n_rows, n_cols), uint32
        Flags of each pixel; those of `ref_dq` are added in place.
    dark : ndarray, (n_resultants, n_rows, n_cols), float32
        Dark signal [DN]; NaN counts as 0.
    ref_dq : ndarray, (n_rows, n_cols), uint32
        Flags of the reference.
    max_threads, band_rows : int, optional
        See the module.

    Raises
    ------
    ArgumentTypeError, ShapeError, ArgumentError
        If an array does not fit; see `flag_saturation`.

    References
    ----------
    Manual, section 8.1.3.
    """
    kernel = _core.dark(dark, ref_dq)
    _core.apply([kernel], data, None, pixeldq, max_threads, band_rows, None)


def subtract_dark_rate(
    data: NDArray[np.float32],
    pixeldq: NDArray[np.uint32],
    rate: NDArray[np.float32],
    ref_dq: NDArray[np.uint32],
    read_pattern: ReadPattern,
    *,
    max_threads: int | None = None,
    band_rows: int | None = None,
) -> None:
    """Subtract a dark rate times the mean time of each resultant.

    Parameters
    ----------
    data : ndarray, (n_resultants, n_rows, n_cols), float32
        Ramps [DN]; changed in place.
    pixeldq : ndarray, (n_rows, n_cols), uint32
        Flags of each pixel; those of `ref_dq` are added in place.
    rate : ndarray, (n_rows, n_cols), float32
        Dark rate [DN/s], as in today's DARK reference files; NaN counts as 0.
    ref_dq : ndarray, (n_rows, n_cols), uint32
        Flags of the reference.
    read_pattern : ReadPattern
        Times of the resultants.
    max_threads, band_rows : int, optional
        See the module.

    Raises
    ------
    ArgumentTypeError, ShapeError, ArgumentError
        If an array does not fit (see `flag_saturation`), or if the read pattern has another number
        of resultants.
    """
    kernel = _core.dark_rate(rate, ref_dq, read_pattern)
    _core.apply([kernel], data, None, pixeldq, max_threads, band_rows, None)


def subtract_dark_from_image(
    data: NDArray[np.float32],
    dq: NDArray[np.uint32],
    rate: NDArray[np.float32],
    ref_dq: NDArray[np.uint32],
    *,
    max_threads: int | None = None,
    band_rows: int | None = None,
) -> None:
    """Subtract a dark rate from a rate image, as today's pipeline does after the fit.

    All arrays are (n_rows, n_cols).

    Parameters
    ----------
    data : ndarray, float32
        Rate [DN/s]; changed in place.
    dq : ndarray, uint32
        Flags; those of `ref_dq` are added in place.
    rate : ndarray, float32
        Dark rate [DN/s]; NaN counts as 0.
    ref_dq : ndarray, uint32
        Flags of the reference.
    max_threads, band_rows : int, optional
        See the module.

    Raises
    ------
    ArgumentTypeError, ShapeError, ArgumentError
        If an array does not fit; see `flag_saturation`.
    """
    _core.subtract_dark_from_image(data, dq, rate, ref_dq, max_threads, band_rows)


def detect_jumps(
    data: NDArray[np.float32],
    groupdq: NDArray[np.uint8],
    pixeldq: NDArray[np.uint32],
    gain: NDArray[np.float32],
    read_noise: NDArray[np.float32],
    read_pattern: ReadPattern,
    *,
    rejection_threshold: float = 4.0,
    three_group_rejection_threshold: float = 6.0,
    four_group_rejection_threshold: float = 5.0,
    flag_4_neighbors: bool = True,
    max_jump_to_flag_neighbors: float = 1000.0,
    min_jump_to_flag_neighbors: float = 10.0,
    max_threads: int | None = None,
    band_rows: int | None = None,
) -> None:
    """Flag cosmic-ray jumps by the two-point difference method.

    The median of a pixel's differences between resultants, each over its time, gives the expected
    difference and its noise. The difference that deviates most, if by more than the threshold, is a
    jump: the later of its resultants is flagged JUMP_DET, and the search goes on without it.

    Parameters
    ----------
    data : ndarray, (n_resultants, n_rows, n_cols), float32
        Linearised ramps [DN]. With fewer than 3 resultants no jump is found.
    groupdq : ndarray, (n_resultants, n_rows, n_cols), uint8
        Flags of each sample; JUMP_DET is added in place. Samples flagged SATURATED or DO_NOT_USE,
        and those that are NaN or infinite, are not used.
    pixeldq : ndarray, (n_rows, n_cols), uint32
        Flags of each pixel; NO_GAIN_VALUE and DO_NOT_USE are added in place where the gain is not
        finite or not positive.
    gain : ndarray, (n_rows, n_cols), float32
        Gain [electron/DN]. Of a negative one the size is used; with one that is NaN or
        infinite nothing is found.
    read_noise : ndarray, (n_rows, n_cols), float32
        Noise of one read [DN].
    read_pattern : ReadPattern
        Times and reads of the resultants.
    rejection_threshold : float, optional
        Threshold for pixels with 4 usable differences or more, in standard deviations.
    three_group_rejection_threshold, four_group_rejection_threshold : float, optional
        The same for 2 and for 3 usable differences, as of three and of four resultants.
    flag_4_neighbors : bool, optional
        Whether to flag the resultant in the four neighbours of the pixel too, unless it is
        SATURATED or DO_NOT_USE there.
    max_jump_to_flag_neighbors, min_jump_to_flag_neighbors : float, optional
        Only for jumps strictly between these, in standard deviations.
    max_threads, band_rows : int, optional
        See the module.

    Raises
    ------
    ArgumentTypeError, ShapeError, ArgumentError
        If an array does not fit (see `flag_saturation`), if the read pattern has another number of
        resultants, or if a threshold is negative or NaN.

    References
    ----------
    Anderson & Gordon 2011, PASP 123, 1237; manual, section 8.1.6.
    """
    kernel = _core.jump(
        gain,
        read_noise,
        read_pattern,
        rejection_threshold,
        three_group_rejection_threshold,
        four_group_rejection_threshold,
        flag_4_neighbors,
        max_jump_to_flag_neighbors,
        min_jump_to_flag_neighbors,
    )
    _core.apply([kernel], data, groupdq, pixeldq, max_threads, band_rows, None)


def fit_ramps(
    data: NDArray[np.float32],
    groupdq: NDArray[np.uint8],
    pixeldq: NDArray[np.uint32],
    gain: NDArray[np.float32],
    read_noise: NDArray[np.float32],
    read_pattern: ReadPattern,
    *,
    optional: bool = False,
    max_threads: int | None = None,
    band_rows: int | None = None,
) -> RampFit:
    """Fit the rate of each pixel: optimally weighted straight lines through its segments.

    Usable samples (not SATURATED, DO_NOT_USE, NaN or infinite) without a jump between them are a
    segment. Its line is fitted with weights that depend on its signal-to-noise ratio. The rate is
    the mean of the segments' slopes, weighted with their variances. Where only single samples are
    usable, it is the first of them over ``read_pattern.group_time``.

    Parameters
    ----------
    data : ndarray, (n_resultants, n_rows, n_cols), float32
        Linearised ramps [DN].
    groupdq : ndarray, (n_resultants, n_rows, n_cols), uint8
        Flags of each sample.
    pixeldq : ndarray, (n_rows, n_cols), uint32
        Flags of each pixel.
    gain : ndarray, (n_rows, n_cols), float32
        Gain [electron/DN].
    read_noise : ndarray, (n_rows, n_cols), float32
        Noise of one read [DN].
    read_pattern : ReadPattern
        Times and reads of the resultants.
    optional : bool, optional
        Whether to return the fit of each segment too.
    max_threads, band_rows : int, optional
        See the module.

    Returns
    -------
    RampFit
        With `slope`, `dq`, `var_poisson`, `var_rnoise`, `err`, `chisq`, `dumo` and `optional`. All
        but `dq` and `optional.crmag` are 0 where a pixel could not be fitted: no usable sample, or
        a read noise that is not finite (DO_NOT_USE), or a gain that is not finite or not positive
        (NO_GAIN_VALUE and DO_NOT_USE). The segments of such pixels count nevertheless for the
        length of the arrays in `optional`.

    Raises
    ------
    ArgumentTypeError, ShapeError, ArgumentError
        If an array does not fit (see `flag_saturation`), or if the read pattern has another number
        of resultants.

    References
    ----------
    Fixsen et al. 2000, PASP 112, 1350; manual, section 8.1.10.
    """
    planes, segments = _core.fit_ramps(
        data,
        groupdq,
        pixeldq,
        gain,
        read_noise,
        read_pattern,
        optional,
        max_threads,
        band_rows,
    )
    return RampFit(**planes, optional=None if segments is None else SegmentFits(**segments))


def apply_flat(
    data: NDArray[np.float32],
    dq: NDArray[np.uint32],
    var_poisson: NDArray[np.float32],
    var_rnoise: NDArray[np.float32],
    flat: NDArray[np.float32],
    flat_err: NDArray[np.float32],
    flat_dq: NDArray[np.uint32],
    *,
    dumo: NDArray[np.float32] | None = None,
    max_threads: int | None = None,
    band_rows: int | None = None,
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Divide a rate image by a flat field.

    All arrays are (n_rows, n_cols).

    Parameters
    ----------
    data : ndarray, float32
        Rate [DN/s]; divided by the flat in place.
    dq : ndarray, uint32
        Flags; those of `flat_dq` are added in place.
    var_poisson, var_rnoise : ndarray, float32
        Variances of the rate [(DN/s)^2]; divided by the square of the flat in place.
    flat : ndarray, float32
        Relative response. Where it is not finite or 0, or `flat_dq` has NO_FLAT_FIELD, it acts as
        1, and the pixel is flagged NO_FLAT_FIELD. A negative one divides.
    flat_err : ndarray, float32
        Standard error of the flat. NaN and infinity count as 0 where the flat acts as 1; elsewhere
        NaN gives a `var_flat` and an `err` of NaN.
    flat_dq : ndarray, uint32
        Flags of the flat.
    dumo : ndarray, float32, optional
        The rate with uniform weights minus `data` [DN/s]; divided by the flat in place.
    max_threads, band_rows : int, optional
        See the module.

    Returns
    -------
    var_flat : ndarray, float32
        ``(data / flat)**2 * flat_err**2`` of the divided data [(DN/s)^2].
    err : ndarray, float32
        Root of the sum of the three variances [DN/s].

    Raises
    ------
    ArgumentTypeError, ShapeError, ArgumentError
        If an array does not fit; see `flag_saturation`.

    References
    ----------
    Manual, section 8.1.5.
    """
    return _core.apply_flat(
        data, dq, var_poisson, var_rnoise, flat, flat_err, flat_dq, dumo, max_threads, band_rows
    )
