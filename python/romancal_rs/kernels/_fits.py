"""The functions that look for jumps in whole ramps, and fit them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from .. import _core
from ._arguments import NEEDED, pattern_of, pixel_flags, plane_of, sample_flags
from ._one_pass import jump
from ._results import RampFit, SegmentFits

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from .._core import ReadPattern


def detect_jumps(
    data: NDArray[np.float32],
    groupdq: NDArray[np.uint8],
    pixeldq: NDArray[np.uint32] | None = None,
    gain: NDArray[np.float32] | float = NEEDED,
    read_noise: NDArray[np.float32] | float = NEEDED,
    read_pattern: ReadPattern | Sequence[Sequence[int]] = NEEDED,
    *,
    frame_time: float | None = None,
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
    pixeldq : ndarray, (n_rows, n_cols), uint32, optional
        Flags of each pixel; NO_GAIN_VALUE and DO_NOT_USE are added in place where the gain is not
        finite or not positive.
    gain : ndarray, (n_rows, n_cols), float32, or float
        Gain [electron/DN]. Of a negative one the size is used; with one that is NaN or
        infinite nothing is found.
    read_noise : ndarray, (n_rows, n_cols), float32, or float
        Noise of one read [DN].
    read_pattern : ReadPattern or list of list of int
        Times and reads of the resultants.
    frame_time : float, optional
        Time of one read [s], where `read_pattern` is a list.
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

    Examples
    --------
    >>> import numpy as np
    >>> from romancal_rs import kernels
    >>> ramp = np.arange(8, dtype=np.float32).reshape(8, 1, 1) * 10
    >>> ramp[5:] += 500  # a cosmic ray between the resultants 4 and 5
    >>> groupdq = np.zeros(ramp.shape, np.uint8)
    >>> reads = [[number] for number in range(1, 9)]
    >>> kernels.detect_jumps(
    ...     ramp, groupdq, gain=2.0, read_noise=5.0, read_pattern=reads, frame_time=3.04
    ... )
    >>> groupdq.ravel()  # 4 is JUMP_DET
    array([0, 0, 0, 0, 0, 4, 0, 0], dtype=uint8)
    """
    kernel = jump(
        plane_of(gain, data),
        plane_of(read_noise, data),
        read_pattern,
        frame_time=frame_time,
        rejection_threshold=rejection_threshold,
        three_group_rejection_threshold=three_group_rejection_threshold,
        four_group_rejection_threshold=four_group_rejection_threshold,
        flag_4_neighbors=flag_4_neighbors,
        max_jump_to_flag_neighbors=max_jump_to_flag_neighbors,
        min_jump_to_flag_neighbors=min_jump_to_flag_neighbors,
    )
    flags = pixel_flags(pixeldq, data)
    _core.apply([kernel], data, groupdq, flags, max_threads, band_rows, None)


def fit_ramps(
    data: NDArray[np.float32],
    groupdq: NDArray[np.uint8] | None = None,
    pixeldq: NDArray[np.uint32] | None = None,
    gain: NDArray[np.float32] | float = NEEDED,
    read_noise: NDArray[np.float32] | float = NEEDED,
    read_pattern: ReadPattern | Sequence[Sequence[int]] = NEEDED,
    *,
    frame_time: float | None = None,
    lone_samples: bool = True,
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
    groupdq : ndarray, (n_resultants, n_rows, n_cols), uint8, optional
        Flags of each sample.
    pixeldq : ndarray, (n_rows, n_cols), uint32, optional
        Flags of each pixel.
    gain : ndarray, (n_rows, n_cols), float32, or float
        Gain [electron/DN].
    read_noise : ndarray, (n_rows, n_cols), float32, or float
        Noise of one read [DN].
    read_pattern : ReadPattern or list of list of int
        Times and reads of the resultants.
    frame_time : float, optional
        Time of one read [s], where `read_pattern` is a list.
    lone_samples : bool, optional
        Whether a single usable sample makes a rate. If not, such a pixel is as one without any:
        for samples that hold a bias, which a difference of two is free of.
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

    Examples
    --------
    >>> import numpy as np
    >>> from romancal_rs import ReadPattern, kernels
    >>> pattern = ReadPattern.from_reads([[1], [2, 3], [4, 5, 6]], frame_time=3.0)
    >>> ramp = np.float32(2.0) * pattern.times.astype(np.float32).reshape(3, 1, 1)  # 2 DN/s
    >>> fit = kernels.fit_ramps(ramp, gain=1.8, read_noise=7.0, read_pattern=pattern)
    >>> fit.slope
    array([[2.]], dtype=float32)
    """
    planes, segments = _core.fit_ramps(
        data,
        sample_flags(groupdq, data),
        pixel_flags(pixeldq, data),
        plane_of(gain, data),
        plane_of(read_noise, data),
        pattern_of(read_pattern, frame_time),
        lone_samples,
        optional,
        max_threads,
        band_rows,
    )
    return RampFit(**planes, optional=None if segments is None else SegmentFits(**segments))


def fit_likelihood(
    data: NDArray[np.float32],
    groupdq: NDArray[np.uint8] | None = None,
    pixeldq: NDArray[np.uint32] | None = None,
    gain: NDArray[np.float32] | float = NEEDED,
    read_noise: NDArray[np.float32] | float = NEEDED,
    read_pattern: ReadPattern | Sequence[Sequence[int]] = NEEDED,
    *,
    frame_time: float | None = None,
    rule: str = "gls",
    rejection_threshold: float = 4.5,
    find_jumps: bool = True,
    average_hits: bool = True,
    max_threads: int | None = None,
    band_rows: int | None = None,
) -> RampFit:
    """Fit the rate of each pixel by likelihood, and find hits of cosmic rays at the same time.

    The rate is that of generalised least squares on the differences of neighbouring resultants,
    with the covariance that photons and reads give them. A difference is used if neither of its
    samples is SATURATED, DO_NOT_USE, NaN or infinite, and the later one is not JUMP_DET. A hit is
    found where leaving out one difference, or two neighbouring ones that share it, makes the fit
    better by more than the square of the threshold.

    Parameters
    ----------
    data : ndarray, (n_resultants, n_rows, n_cols), float32
        Linearised ramps [DN].
    groupdq : ndarray, (n_resultants, n_rows, n_cols), uint8, optional
        Flags of each sample; JUMP_DET is added in place to the later sample of each difference
        that holds a hit. If they are left out, only `dq` shows which pixels have a hit.
    pixeldq : ndarray, (n_rows, n_cols), uint32, optional
        Flags of each pixel.
    gain : ndarray, (n_rows, n_cols), float32, or float
        Gain [electron/DN].
    read_noise : ndarray, (n_rows, n_cols), float32, or float
        Noise of one read [DN].
    read_pattern : ReadPattern or list of list of int
        Times and reads of the resultants. It has to know its frame time where a resultant averages
        several reads.
    frame_time : float, optional
        Time of one read [s], where `read_pattern` is a list.
    rule : {"gls", "likely"}, optional
        How hits are looked for. ``"likely"`` is the rule of stcal 1.20.0: the covariance is that of
        the median difference, hits may go downwards, any flag keeps a sample from being used.
    rejection_threshold : float, optional
        A hit has to be so many standard deviations above the noise [sigma].
    find_jumps : bool, optional
        Whether to look for hits.
    average_hits : bool, optional
        Whether the rate of a pixel with one hit is the mean over the reads in which it may have
        been. Otherwise, and with ``"likely"``, it is the fit without the differences that the hit
        may be in.
    max_threads, band_rows : int, optional
        See the module.

    Returns
    -------
    RampFit
        With `slope`, `dq`, `var_poisson`, `var_rnoise`, `err`, `chisq` and `dumo`. All but `dq` are
        0 where a pixel could not be fitted: no usable difference, or a read noise that is not
        finite or below 0, or no noise at all (DO_NOT_USE), or a gain that is not finite or not
        positive (NO_GAIN_VALUE and DO_NOT_USE). With ``"gls"``, where one of only two differences
        holds a hit, the lower rate is left; it is an upper limit, and DO_NOT_USE, if a part of the
        hit may be in it. `chisq` follows the distribution of that name, with as many degrees of
        freedom as there are differences, less one.

    Raises
    ------
    ArgumentTypeError, ShapeError, ArgumentError
        If an array does not fit (see `flag_saturation`), if the read pattern has another number
        of resultants or does not know what is needed, or if a parameter is out of its range.

    References
    ----------
    Brandt 2024, PASP 136, 045004 (fit) and 045005 (hits).
    docs/explanation/estimator.md explains the method.

    Examples
    --------
    >>> import numpy as np
    >>> from romancal_rs import ReadPattern, kernels
    >>> pattern = ReadPattern.from_reads([[1], [2, 3], [4, 5, 6]], frame_time=3.0)
    >>> ramp = np.float32(2.0) * pattern.times.astype(np.float32).reshape(3, 1, 1)  # 2 DN/s
    >>> fit = kernels.fit_likelihood(ramp, gain=1.8, read_noise=7.0, read_pattern=pattern)
    >>> fit.slope, fit.dq
    (array([[2.]], dtype=float32), array([[0]], dtype=uint32))
    """
    planes = _core.fit_likelihood(
        data,
        sample_flags(groupdq, data),
        pixel_flags(pixeldq, data),
        plane_of(gain, data),
        plane_of(read_noise, data),
        pattern_of(read_pattern, frame_time),
        rule,
        rejection_threshold,
        find_jumps,
        average_hits,
        max_threads,
        band_rows,
    )
    return RampFit(**planes, optional=None)
