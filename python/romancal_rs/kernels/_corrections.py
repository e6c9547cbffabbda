"""The functions that correct whole ramps: one algorithm each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from .. import _core
from ..errors import ArgumentError
from ._arguments import NEEDED, pixel_flags, plane_of, sample_flags
from ._one_pass import (
    linearity,
    read_linearity,
    refpix,
    saturation,
    wfi18_transient,
)
from ._results import Transient

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from .._core import ReadPattern


def flag_saturation(
    data: NDArray[np.float32],
    groupdq: NDArray[np.uint8],
    pixeldq: NDArray[np.uint32] | None = None,
    threshold: NDArray[np.float32] | float = NEEDED,
    ref_dq: NDArray[np.uint32] | None = None,
    *,
    n_pix_grow_sat: int = 0,
    floor: float = 0.0,
    partial: str = "none",
    read_pattern: ReadPattern | Sequence[Sequence[int]] | None = None,
    frame_time: float | None = None,
    backup: int = 0,
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
    pixeldq : ndarray, (n_rows, n_cols), uint32, optional
        Flags of each pixel; those of `ref_dq` are added in place.
    threshold : ndarray, (n_rows, n_cols), float32, or float
        Saturation threshold [DN]. Where it is NaN, or `ref_dq` has NO_SAT_CHECK, no sample is
        saturated, and the pixel is flagged NO_SAT_CHECK.
    ref_dq : ndarray, (n_rows, n_cols), uint32, optional
        Flags of the reference.
    n_pix_grow_sat : int, optional
        Flag also the samples, of the same resultant, within so many rows and columns of one that is
        SATURATED.
    floor : float, optional
        The value of a count of 0 [DN]: 0, less what was added to the counts before they were sent.
    partial : {"none", "mean_read", "concave"}, optional
        What to do about resultants that average reads of which only the last are saturated, those
        that come before a SATURATED one. With "concave" such a resultant, also the last of all, is
        SATURATED if the line from the usable sample before it, or from 0 DN at the reset, is at the
        threshold by its last read. That finds all of them, but where a cosmic ray came within it.
        With "mean_read" it is DO_NOT_USE if it reaches the part of the threshold that its mean read
        is of its last read. With either, the second resultant is DO_NOT_USE where a cosmic ray
        saturated it in part, and samples that are NaN are. Where the saturated area is grown, these
        flags are too, but for those of the second resultant and of NaN.
    read_pattern : ReadPattern or list of list of int, optional
        Which reads the resultants average; needed for `partial` and `backup`. For "mean_read" and
        "concave" it has to know its frame time, and its times have to count from the reset.
    frame_time : float, optional
        Time of one read [s], where `read_pattern` is a list.
    backup : int, optional
        Flag SATURATED also so many resultants before one that is, where they average several reads.
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
        another parameter out of its range, or missing. It is a ValueError.

    References
    ----------
    Manual, section 8.1.12, which flags pixels without a threshold at 65535 DN. For "mean_read", the
    second resultant and `backup` the saturation step of romancal 1.1.0.

    Examples
    --------
    >>> import numpy as np
    >>> from romancal_rs import kernels
    >>> data = np.array([100, 60000, 61000], np.float32).reshape(3, 1, 1)  # one pixel
    >>> groupdq = np.zeros(data.shape, np.uint8)
    >>> kernels.flag_saturation(data, groupdq, threshold=55000.0)
    >>> groupdq.ravel()  # 2 is SATURATED
    array([0, 2, 2], dtype=uint8)
    """
    kernel = saturation(
        plane_of(threshold, data),
        pixel_flags(ref_dq, data),
        n_pix_grow_sat=n_pix_grow_sat,
        floor=floor,
        partial=partial,
        read_pattern=read_pattern,
        frame_time=frame_time,
        backup=backup,
    )
    flags = pixel_flags(pixeldq, data)
    _core.apply([kernel], data, groupdq, flags, max_threads, band_rows, None)


def correct_reference_pixels(
    data: NDArray[np.float32],
    amp33: NDArray[np.uint16],
    pixeldq: NDArray[np.uint32] | None = None,
    gamma: NDArray[np.complex64] | NDArray[np.complex128] = NEEDED,
    zeta: NDArray[np.complex64] | NDArray[np.complex128] = NEEDED,
    alpha: NDArray[np.complex64] | NDArray[np.complex128] = NEEDED,
    *,
    remove_offset: bool = True,
    remove_trends: bool = True,
    cosine_interpolate: bool = True,
    fft_interpolate: bool = True,
    zero_is_missing: bool = False,
    max_threads: int | None = None,
    band_rows: int | None = None,
) -> None:
    """Correct ramps for the noise of the read-out that the reference pixels see.

    Two things are subtracted from each channel (128 columns; odd ones are read from right to left)
    of each resultant. One is ``slope * t + level``, a line through the samples of its first and
    last four rows against the time t of a sample. The other is a correction with the spectrum
    ``gamma * L + zeta * R + alpha * A``, where L and R are the spectra of the four columns on the
    left and on the right of the image, and A is that of the 33rd amplifier. Means over the
    resultants, and lines, are removed from these samples before. All samples are corrected,
    whatever their flags.

    Parameters
    ----------
    data : ndarray, (n_resultants, n_rows, n_cols), float32
        Ramps with their border of reference pixels, four wide [DN]; changed in place. At least two
        resultants and eight rows; ``n_cols`` is a multiple of 128. A sample that is NaN stays NaN,
        and no other is changed by it.
    amp33 : ndarray, (n_resultants, n_rows, 128), uint16
        Counts of the 33rd amplifier, which reads no pixels [DN]; changed in place: its line is
        removed, and where a count was 0, which means that it is missing, there is what was filled
        in, but 0 still where it is missing in all resultants. Rounded, and cut to 16 bits.
    pixeldq : ndarray, (n_rows, n_cols), uint32, optional
        Flags of each pixel. Reference pixels flagged BAD_REF_PIXEL are not used, and taken as 0 DN;
        of science pixels the flag means nothing.
    gamma, zeta, alpha : ndarray, (n_cols / 128, n_rows * 70 + 1), complex64 or complex128
        The coefficients of the left border, of the right one, and of the 33rd amplifier: for each
        channel those of the frequencies of its sequence of samples, ``n_rows`` times 128 and a
        pause of 12. One that is not finite is taken as 0.
    remove_offset : bool, optional
        Remove the mean over the resultants from reference pixels and from the 33rd amplifier.
        Science pixels keep theirs in any case.
    remove_trends : bool, optional
        Remove the lines.
    cosine_interpolate : bool, optional
        Fill pauses and missing samples of the 33rd amplifier with the mean, weighted by a cosine,
        of the samples within 16; else they are 0.
    fft_interpolate : bool, optional
        Then smooth its pauses, by a low-pass filter, three times.
    zero_is_missing : bool, optional
        Take any sample for missing, and remove no line from it, that equals the mean over the
        resultants, and no count of 0, as romancal 1.1.0 does. To compare with it.
    max_threads, band_rows : int, optional
        See the module.

    Raises
    ------
    ArgumentTypeError, ShapeError, ArgumentError
        If an array does not fit; see `flag_saturation`. With a single resultant nothing could be
        told from its mean: it is an error.

    References
    ----------
    The refpix step of romancal 1.1.0; ``docs/explanation/deviations.md`` lists what differs.

    Examples
    --------
    >>> import numpy as np
    >>> from romancal_rs import kernels
    >>> ramp = np.full((3, 16, 128), 500, np.float32)
    >>> ramp[2] += 40  # a change of level of the last resultant
    >>> amp33 = np.full((3, 16, 128), 1000, np.uint16)
    >>> weights = np.zeros((1, 16 * 70 + 1), np.complex128)
    >>> kernels.correct_reference_pixels(ramp, amp33, gamma=weights, zeta=weights, alpha=weights)
    >>> bool(np.ptp(ramp[:, 8, 64]) < 1e-3)  # the border has removed it
    True
    """
    kernel = refpix(
        amp33,
        gamma,
        zeta,
        alpha,
        remove_offset=remove_offset,
        remove_trends=remove_trends,
        cosine_interpolate=cosine_interpolate,
        fft_interpolate=fft_interpolate,
        zero_is_missing=zero_is_missing,
    )
    if not amp33.flags.writeable:
        raise ArgumentError(
            "amp33: expected an array that can be changed in place, got a read-only one"
        )
    flags = pixel_flags(pixeldq, data)
    [(_, found)] = _core.apply([kernel], data, None, flags, max_threads, band_rows, None)
    amp33[:] = found["amp33"]


def correct_linearity(
    data: NDArray[np.float32],
    groupdq: NDArray[np.uint8] | None = None,
    pixeldq: NDArray[np.uint32] | None = None,
    coeffs: NDArray[np.float32] = NEEDED,
    ref_dq: NDArray[np.uint32] | None = None,
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
    groupdq : ndarray, (n_resultants, n_rows, n_cols), uint8, optional
        Flags of each sample.
    pixeldq : ndarray, (n_rows, n_cols), uint32, optional
        Flags of each pixel; those of `ref_dq` are added in place.
    coeffs : ndarray, (n_coeffs, n_rows, n_cols), float32
        Coefficients [DN^(1-k)], at least two. A pixel with one that is NaN, or with a linear term
        of 0, or with NO_LIN_CORR in `ref_dq`, is left as it is and flagged NO_LIN_CORR.
    ref_dq : ndarray, (n_rows, n_cols), uint32, optional
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

    Examples
    --------
    >>> import numpy as np
    >>> from romancal_rs import kernels
    >>> data = np.full((2, 1, 1), 1000, np.float32)
    >>> coeffs = np.array([0, 1, 1e-5], np.float32).reshape(3, 1, 1)
    >>> kernels.correct_linearity(data, coeffs=coeffs)
    >>> data.ravel()  # 1000 + 1e-5 * 1000**2
    array([1010., 1010.], dtype=float32)
    """
    kernel = linearity(coeffs, pixel_flags(ref_dq, data))
    samples, pixels = sample_flags(groupdq, data), pixel_flags(pixeldq, data)
    _core.apply([kernel], data, samples, pixels, max_threads, band_rows, None)


def linearize_reads(
    data: NDArray[np.float32],
    groupdq: NDArray[np.uint8] | None = None,
    pixeldq: NDArray[np.uint32] | None = None,
    coeffs: NDArray[np.float32] = NEEDED,
    ref_dq: NDArray[np.uint32] | None = None,
    inverse_coeffs: NDArray[np.float32] | None = NEEDED,
    read_pattern: ReadPattern | Sequence[Sequence[int]] = NEEDED,
    *,
    frame_time: float | None = None,
    inl: tuple[NDArray[np.number], NDArray[np.number]] | None = None,
    max_threads: int | None = None,
    band_rows: int | None = None,
) -> None:
    """Correct ramps for the detector's nonlinearity, read by read.

    A resultant is the mean of several reads, and the nonlinearity acts on each read. The reads are
    not known, so they are estimated: the pixel's rate is taken between its first usable sample and
    the last but one, both corrected with `coeffs`. From this rate, `inverse_coeffs` gives the reads
    as they would be measured; they are shifted so that their mean is the sample. Each is then
    corrected with `coeffs`, in float64, and the corrected sample is their mean.

    Parameters
    ----------
    data : ndarray, (n_resultants, n_rows, n_cols), float32
        Ramps [DN]; changed in place, but for samples flagged SATURATED. All are cut at -1e6 and
        1e6 DN.
    groupdq : ndarray, (n_resultants, n_rows, n_cols), uint8, optional
        Flags of each sample; DO_NOT_USE is added in place to samples that were cut or are NaN.
        Those flagged DO_NOT_USE before are corrected, but tell of the rate only where a pixel has a
        single sample that is neither DO_NOT_USE nor SATURATED; NaN and infinite ones never do.
    pixeldq : ndarray, (n_rows, n_cols), uint32, optional
        Flags of each pixel; those of `ref_dq` are added in place.
    coeffs : ndarray, (n_coeffs, n_rows, n_cols), float32
        Coefficients of the polynomial from measured to linear counts [DN^(1-k)], at least two.
    ref_dq : ndarray, (n_rows, n_cols), uint32, optional
        Flags of the reference.
    inverse_coeffs : ndarray, (n_inverse, n_rows, n_cols), float32, or None
        Coefficients of the polynomial from linear to measured counts [DN^(1-k)], at least two. With
        None each resultant is corrected as if it were a single read.
    read_pattern : ReadPattern or list of list of int
        Times and reads of the resultants, with its ``frame_time`` if any has several reads.
    frame_time : float, optional
        Time of one read [s], where `read_pattern` is a list.
    inl : tuple of ndarray, (n_nodes,) and (n_channels, n_nodes), real numbers, optional
        Integral nonlinearity: ``values``, (n_nodes,), increasing [DN], and
        ``corrections``, (n_channels, n_nodes), which are added to a read of that value [DN]; on
        straight lines between the nodes, constant beyond them. A channel is for 128 columns of the
        image each; one of NaN throughout has no correction.
    max_threads, band_rows : int, optional
        See the module.

    Raises
    ------
    ArgumentTypeError, ShapeError, ArgumentError
        If an array does not fit (see `flag_saturation`), if the read pattern has another number of
        resultants or does not know its frame time, if the nodes do not increase, or if there are
        more columns than channels for them.

    Notes
    -----
    A pixel of which a coefficient is NaN, or the linear term 0, is left as it is by the polynomial
    that this is in, and one with NO_LIN_CORR in `ref_dq` by both; they are flagged NO_LIN_CORR, and
    have their integral nonlinearity corrected all the same.

    References
    ----------
    The steps of romancal 1.1.0, with corrections.

    Examples
    --------
    >>> import numpy as np
    >>> from romancal_rs import kernels
    >>> data = np.array([1000, 3000], np.float32).reshape(2, 1, 1)
    >>> coeffs = np.array([0, 1, 1e-5], np.float32).reshape(3, 1, 1)
    >>> inverse = np.array([0, 1, -1e-5], np.float32).reshape(3, 1, 1)
    >>> reads = [[1, 2], [3, 4]]
    >>> kernels.linearize_reads(
    ...     data, coeffs=coeffs, inverse_coeffs=inverse, read_pattern=reads, frame_time=3.0
    ... )
    >>> data.ravel().round(1)
    array([1012.6, 3092.4], dtype=float32)
    """
    flags = pixel_flags(ref_dq, data)
    kernel = read_linearity(
        coeffs, flags, inverse_coeffs, read_pattern, frame_time=frame_time, inl=inl
    )
    samples, pixels = sample_flags(groupdq, data), pixel_flags(pixeldq, data)
    _core.apply([kernel], data, samples, pixels, max_threads, band_rows, None)


def correct_wfi18_transient(
    data: NDArray[np.float32],
    groupdq: NDArray[np.uint8] | None = None,
    pixeldq: NDArray[np.uint32] | None = None,
    frame_time: float = NEEDED,
    read_pattern: ReadPattern | Sequence[Sequence[int]] = NEEDED,
    *,
    mask_rows: bool = False,
    origin: tuple[int, int] = (0, 0),
    max_threads: int | None = None,
    band_rows: int | None = None,
) -> Transient | None:
    """Subtract the transient of detector WFI18 from the first resultant.

    The transient is measured as the height of the first resultant above the line through the second
    and the third. It is averaged over each row inside the border of 4 pixels, over pixels whose
    rise from the fourth to the fifth resultant is not above the median of the row, without flagged
    samples and outliers. To these means the sum of two exponentials of the time at which a row is
    read (`read_times`) is fitted, with time constants of 0.02 to 30 s. It is subtracted at the time
    of each pixel, in float64, rounded once. The second exponential is used only if it improves the
    fit significantly, and so is the first, by an F-test with a probability of 1e-5.

    There is no fit with fewer than five resultants, with fewer than five rows that have a mean, or
    if a constant that is not 0 describes the rows as well. The first resultant is then flagged
    instead: DO_NOT_USE and WFI18_TRANSIENT in the detector's first 1000 rows, as far as `data` has
    them. After a fit it is flagged in the same way in rows that are read earlier than the first row
    with a mean by more than a tenth of the shorter time constant.

    Parameters
    ----------
    data : ndarray, (n_resultants, n_rows, n_cols), float32
        Ramps [DN]; the first resultant is changed in place.
    groupdq : ndarray, (n_resultants, n_rows, n_cols), uint8, optional
        Flags of each sample. A pixel with one that is DO_NOT_USE or SATURATED in the first three
        resultants, or SATURATED in the next two, does not count; where one of these two is
        DO_NOT_USE it counts, however bright. Added to in place where rows are flagged.
    pixeldq : ndarray, (n_rows, n_cols), uint32, optional
        Flags of each pixel; one that is DO_NOT_USE does not count.
    frame_time : float
        Time of one read [s].
    read_pattern : ReadPattern or list of list of int
        Times of the resultants.
    mask_rows : bool, optional
        Flag rows, whether the transient can be fitted or not.
    origin : (int, int), optional
        The row and the column of the detector that are the first of `data`.
    max_threads, band_rows : int, optional
        See the module.

    Returns
    -------
    Transient or None
        What was subtracted; None where rows were flagged instead of all.

    Raises
    ------
    ArgumentTypeError, ShapeError, ArgumentError
        If an argument does not fit; see `flag_saturation`.

    References
    ----------
    The wfi18_transient step of romancal 1.1.0, which takes the median of another row.

    Examples
    --------
    >>> import numpy as np
    >>> from romancal_rs import kernels
    >>> data = np.full((4, 64, 32), 100, np.float32)
    >>> groupdq = np.zeros(data.shape, np.uint8)
    >>> reads = [[1], [2, 3], [4, 5], [6]]
    >>> kernels.correct_wfi18_transient(
    ...     data, groupdq, frame_time=3.04, read_pattern=reads, mask_rows=True
    ... )
    >>> np.unique(groupdq[1:])  # only the first resultant is affected
    array([0], dtype=uint8)
    """
    kernel = wfi18_transient(frame_time, read_pattern, mask_rows=mask_rows, origin=origin)
    samples, pixels = sample_flags(groupdq, data), pixel_flags(pixeldq, data)
    [(_, found)] = _core.apply([kernel], data, samples, pixels, max_threads, band_rows, None)
    # Nothing is found in an image without pixels.
    return Transient.of_found(found) if found else None


def read_times(detector: str, frame_time: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Times at which the pixels of a detector are read within a frame.

    Parameters
    ----------
    detector : str
        WFI01 to WFI18.
    frame_time : float
        Time of one read [s].

    Returns
    -------
    of_rows : ndarray, (4096,), float64
        Times of the rows after the frame began [s]. Below a frame time of 2.8588 s there are no
        pauses for the guide window.
    of_cols : ndarray, (4096,), float64
        Times of the columns after their row began [s]: a pixel is read at
        ``of_rows[y] + of_cols[x]``.

    Raises
    ------
    ArgumentError
        If there is no such detector, or the time is not positive.

    References
    ----------
    romancal 1.1.0, where pauses of frames that are too short are negative.

    Examples
    --------
    >>> from romancal_rs import kernels
    >>> of_rows, of_cols = kernels.read_times("WFI01", frame_time=3.04)
    >>> of_rows.shape, of_cols.shape
    ((4096,), (4096,))
    >>> bool(of_rows.max() + of_cols.max() < 3.04)
    True
    """
    return _core.read_times(detector, frame_time)
