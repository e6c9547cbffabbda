"""The functions that work on images: one algorithm each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from .. import _core
from ._arguments import NEEDED, pattern_of, pixel_flags, plane_of
from ._results import ImageStatistics

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from .._core import ReadPattern


def subtract_dark_from_image(
    data: NDArray[np.float32],
    dq: NDArray[np.uint32],
    rate: NDArray[np.float32] | float,
    ref_dq: NDArray[np.uint32] | None = None,
    *,
    max_threads: int | None = None,
    band_rows: int | None = None,
) -> None:
    """Subtract a dark rate from a rate image, as today's pipeline does after the fit.

    Parameters
    ----------
    data : ndarray, (n_rows, n_cols), float32
        Rate [DN/s]; changed in place.
    dq : ndarray, (n_rows, n_cols), uint32
        Flags; those of `ref_dq` are added in place.
    rate : ndarray, (n_rows, n_cols), float32, or float
        Dark rate [DN/s]. One that is not finite counts as 0, and flags its pixel DO_NOT_USE and
        UNRELIABLE_DARK. A difference that is not finite becomes 0, DO_NOT_USE.
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
    The dark_current step of romancal 1.1.0.

    Examples
    --------
    >>> import numpy as np
    >>> from romancal_rs import kernels
    >>> rate = np.full((1, 2), 3.0, np.float32)
    >>> dq = np.zeros((1, 2), np.uint32)
    >>> kernels.subtract_dark_from_image(rate, dq, 0.5)
    >>> rate
    array([[2.5, 2.5]], dtype=float32)
    """
    plane, flags = plane_of(rate, data), pixel_flags(ref_dq, data)
    _core.subtract_dark_from_image(data, dq, plane, flags, max_threads, band_rows)


def smooth_variance(
    slope: NDArray[np.float32],
    dq: NDArray[np.uint32] | None,
    var_poisson: NDArray[np.float32],
    var_rnoise: NDArray[np.float32],
    err: NDArray[np.float32],
    gain: NDArray[np.float32] | float,
    read_noise: NDArray[np.float32] | float,
    read_pattern: ReadPattern | Sequence[Sequence[int]],
    *,
    frame_time: float | None = None,
    max_threads: int | None = None,
    band_rows: int | None = None,
) -> None:
    """Give a rate image the photon noise of the mean rate around each pixel.

    The error of a pixel is computed from its own rate. If noise lowers the rate, the error is too
    small as well, so that an average weighted by ``1 / err**2`` is too low. Therefore the variances
    become those of a fit at the mean rate of the 3 x 3 pixels around the pixel, itself included,
    that are not DO_NOT_USE. They stay as they are if this mean differs from the pixel's own rate by
    more than 3 standard errors (at the mean), as on a star.

    Parameters
    ----------
    slope : ndarray, (n_rows, n_cols), float32
        Rate [DN/s] of `fit_likelihood`.
    dq : ndarray, (n_rows, n_cols), uint32, or None
        Flags of each pixel; None for none.
    var_poisson, var_rnoise : ndarray, (n_rows, n_cols), float32
        Variance of the rate from photon noise and from read noise [(DN/s)^2]; changed in place.
    err : ndarray, (n_rows, n_cols), float32
        Root of the sum of the two [DN/s]; changed in place.
    gain : ndarray, (n_rows, n_cols), float32, or float
        Gain [electron/DN].
    read_noise : ndarray, (n_rows, n_cols), float32, or float
        Noise of one read [DN].
    read_pattern : ReadPattern or list of list of int
        Times and reads of the resultants. It has to know its frame time where a resultant averages
        several reads.
    frame_time : float, optional
        Time of one read [s], where `read_pattern` is a list.
    max_threads, band_rows : int, optional
        See the module.

    Raises
    ------
    ArgumentTypeError, ShapeError, ArgumentError
        If an array does not fit (see `flag_saturation`), or the read pattern.

    References
    ----------
    Made for this package; ``docs/explanation/estimator.md`` derives and measures it.

    Examples
    --------
    >>> import numpy as np
    >>> from romancal_rs import ReadPattern, kernels
    >>> rng = np.random.default_rng(1)
    >>> pattern = ReadPattern.evenly_spaced(6, group_time=3.0)
    >>> counts = rng.poisson(6.0, (6, 32, 32)).cumsum(axis=0)
    >>> ramp = counts.astype(np.float32)
    >>> noise = {"gain": 1.0, "read_noise": 2.0, "read_pattern": pattern}
    >>> fit = kernels.fit_likelihood(ramp, **noise)
    >>> before = np.std(fit.err)
    >>> kernels.smooth_variance(
    ...     fit.slope, fit.dq, fit.var_poisson, fit.var_rnoise, fit.err, **noise
    ... )
    >>> bool(np.std(fit.err) < before)
    True
    """
    _core.smooth_variance(
        slope,
        pixel_flags(dq, slope),
        var_poisson,
        var_rnoise,
        err,
        plane_of(gain, slope),
        plane_of(read_noise, slope),
        pattern_of(read_pattern, frame_time),
        max_threads,
        band_rows,
    )


def apply_flat(
    data: NDArray[np.float32],
    dq: NDArray[np.uint32],
    var_poisson: NDArray[np.float32],
    var_rnoise: NDArray[np.float32],
    flat: NDArray[np.float32],
    flat_err: NDArray[np.float32] | float = 0.0,
    flat_dq: NDArray[np.uint32] | None = None,
    *,
    dumo: NDArray[np.float32] | None = None,
    max_threads: int | None = None,
    band_rows: int | None = None,
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Divide a rate image by a flat field, by the rules of the manual.

    `divide_by_flat` follows the rules of the flight pipeline.

    Parameters
    ----------
    data : ndarray, (n_rows, n_cols), float32
        Rate [DN/s]; divided by the flat in place.
    dq : ndarray, (n_rows, n_cols), uint32
        Flags; those of `flat_dq` are added in place.
    var_poisson, var_rnoise : ndarray, (n_rows, n_cols), float32
        Variances of the rate [(DN/s)^2]; divided by the square of the flat in place.
    flat : ndarray, (n_rows, n_cols), float32
        Relative response. Where it is not finite or 0, or `flat_dq` has NO_FLAT_FIELD, it acts as
        1, and the pixel is flagged NO_FLAT_FIELD. A negative one divides.
    flat_err : ndarray, (n_rows, n_cols), float32, or float, optional
        Standard error of the flat. NaN and infinity count as 0 where the flat acts as 1; elsewhere
        NaN gives a `var_flat` and an `err` of NaN. Where any result is not finite, the pixel is
        flagged DO_NOT_USE.
    flat_dq : ndarray, (n_rows, n_cols), uint32, optional
        Flags of the flat.
    dumo : ndarray, (n_rows, n_cols), float32, optional
        The rate with uniform weights minus `data` [DN/s]; divided by the flat in place.
    max_threads, band_rows : int, optional
        See the module.

    Returns
    -------
    var_flat : ndarray, (n_rows, n_cols), float32
        ``(data / flat)**2 * flat_err**2`` of the divided data [(DN/s)^2].
    err : ndarray, (n_rows, n_cols), float32
        Root of the sum of the three variances [DN/s].

    Raises
    ------
    ArgumentTypeError, ShapeError, ArgumentError
        If an array does not fit; see `flag_saturation`.

    References
    ----------
    Manual, section 8.1.5.

    Examples
    --------
    >>> import numpy as np
    >>> from romancal_rs import kernels
    >>> rate = np.full((1, 2), 3.0, np.float32)
    >>> dq = np.zeros((1, 2), np.uint32)
    >>> var_poisson, var_rnoise = np.ones((2, 1, 2), np.float32)
    >>> flat = np.array([[0.5, 1.0]], np.float32)
    >>> var_flat, err = kernels.apply_flat(rate, dq, var_poisson, var_rnoise, flat, 0.01)
    >>> rate, var_poisson
    (array([[6., 3.]], dtype=float32), array([[4., 1.]], dtype=float32))
    """
    err, flags = plane_of(flat_err, data), pixel_flags(flat_dq, data)
    return _core.apply_flat(
        data, dq, var_poisson, var_rnoise, flat, err, flags, dumo, max_threads, band_rows
    )


def divide_by_flat(
    data: NDArray[np.float32],
    dq: NDArray[np.uint32],
    err: NDArray[np.float32],
    var_poisson: NDArray[np.float32],
    flat: NDArray[np.float32],
    flat_err: NDArray[np.float32] | float = 0.0,
    flat_dq: NDArray[np.uint32] | None = None,
    *,
    var_rnoise: NDArray[np.float32] | None = None,
    dumo: NDArray[np.float32] | None = None,
    include_var_flat: bool = False,
    max_threads: int | None = None,
    band_rows: int | None = None,
) -> NDArray[np.float32] | None:
    """Divide a rate image by a flat field, by the rules of the flight pipeline.

    A pixel whose `data`, `err` or variance is not finite after the division becomes 0 in all arrays
    of numbers, and is flagged DO_NOT_USE.

    Parameters
    ----------
    data : ndarray, (n_rows, n_cols), float32
        Rate [DN/s]; divided by the flat in place.
    dq : ndarray, (n_rows, n_cols), uint32
        Flags; those of `flat_dq` are added in place.
    err : ndarray, (n_rows, n_cols), float32
        Standard error of the rate [DN/s]; divided by the flat in place, and with `include_var_flat`
        ``sqrt((err / flat)**2 + var_flat)``.
    var_poisson : ndarray, (n_rows, n_cols), float32
        Variance from photon noise [(DN/s)^2]; divided by the square of the flat in place.
    flat : ndarray, (n_rows, n_cols), float32
        Relative response. Where it is not finite or not positive, or `flat_dq` has NO_FLAT_FIELD,
        it acts as 1, and the pixel is flagged NO_FLAT_FIELD.
    flat_err : ndarray, (n_rows, n_cols), float32, or float, optional
        Standard error of the flat. One that is not finite adds no error.
    flat_dq : ndarray, (n_rows, n_cols), uint32, optional
        Flags of the flat.
    var_rnoise : ndarray, (n_rows, n_cols), float32, optional
        Variance from read noise [(DN/s)^2]; divided by the square of the flat in place.
    dumo : ndarray, (n_rows, n_cols), float32, optional
        The rate with uniform weights minus `data` [DN/s]; divided by the flat in place.
    include_var_flat : bool, optional
        Whether the error of the flat adds to `err`.
    max_threads, band_rows : int, optional
        See the module.

    Returns
    -------
    ndarray, (n_rows, n_cols), float32, or None
        With `include_var_flat` the variance from the flat, ``(data / flat)**2 * flat_err**2`` of
        the divided data [(DN/s)^2].

    Raises
    ------
    ArgumentTypeError, ShapeError, ArgumentError
        If an array does not fit; see `flag_saturation`.

    References
    ----------
    The flatfield step of romancal 1.1.0; ``docs/explanation/deviations.md`` lists what differs.

    Examples
    --------
    >>> import numpy as np
    >>> from romancal_rs import kernels
    >>> rate = np.full((1, 2), 3.0, np.float32)
    >>> dq = np.zeros((1, 2), np.uint32)
    >>> err, var_poisson = np.ones((2, 1, 2), np.float32)
    >>> flat = np.array([[0.5, 1.0]], np.float32)
    >>> kernels.divide_by_flat(rate, dq, err, var_poisson, flat)
    >>> rate, err
    (array([[6., 3.]], dtype=float32), array([[2., 1.]], dtype=float32))
    """
    return _core.divide_by_flat(
        data,
        dq,
        err,
        var_poisson,
        flat,
        plane_of(flat_err, data),
        pixel_flags(flat_dq, data),
        var_rnoise,
        dumo,
        include_var_flat,
        max_threads,
        band_rows,
    )


def image_statistics(
    data: NDArray[np.float32],
    dq: NDArray[np.uint32] | None = None,
    err: NDArray[np.float32] | float = NEEDED,
    *,
    max_threads: int | None = None,
    band_rows: int | None = None,
) -> ImageStatistics:
    """Median, spread and share of the good pixels of a rate image.

    Good are pixels of finite `data` and positive `err` that are not DO_NOT_USE.

    Parameters
    ----------
    data : ndarray, (n_rows, n_cols), float32
        Rate [DN/s].
    dq : ndarray, (n_rows, n_cols), uint32, optional
        Flags.
    err : ndarray, (n_rows, n_cols), float32, or float
        Standard error of the rate [DN/s].
    max_threads, band_rows : int, optional
        See the module.

    Returns
    -------
    ImageStatistics
        Medians are exact, as those of NumPy in single precision.

    Raises
    ------
    ArgumentTypeError, ShapeError, ArgumentError
        If an array does not fit; see `flag_saturation`.

    References
    ----------
    What romancal 1.1.0 writes as ``meta.statistics``.

    Examples
    --------
    >>> import numpy as np
    >>> from romancal_rs import kernels
    >>> rate = np.array([[1.0, 2.0, 4.0, np.nan]], np.float32)
    >>> kernels.image_statistics(rate, err=0.5)
    ImageStatistics(median=2.0, rms=1.482602218505602, good_pixel_fraction=0.75)
    """
    flags, errors = pixel_flags(dq, data), plane_of(err, data)
    return ImageStatistics(*_core.image_statistics(data, flags, errors, max_threads, band_rows))
