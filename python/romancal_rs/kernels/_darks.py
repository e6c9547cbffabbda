"""The functions that subtract what the detector makes in the dark from whole ramps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from .. import _core
from ._arguments import NEEDED, pixel_flags, plane_of
from ._one_pass import dark_decay, dark_rate

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from .._core import ReadPattern


def subtract_dark(
    data: NDArray[np.float32],
    pixeldq: NDArray[np.uint32] | None = None,
    dark: NDArray[np.float32] = NEEDED,
    ref_dq: NDArray[np.uint32] | None = None,
    *,
    max_threads: int | None = None,
    band_rows: int | None = None,
) -> None:
    """Subtract the dark signal, resultant by resultant.

    Parameters
    ----------
    data : ndarray, (n_resultants, n_rows, n_cols), float32
        Ramps [DN]; changed in place.
    pixeldq : ndarray, (n_rows, n_cols), uint32, optional
        Flags of each pixel; those of `ref_dq` are added in place.
    dark : ndarray, (n_resultants, n_rows, n_cols), float32
        Dark signal [DN]; NaN counts as 0.
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
    Manual, section 8.1.3.

    Examples
    --------
    >>> import numpy as np
    >>> from romancal_rs import kernels
    >>> data = np.full((2, 1, 1), 100, np.float32)
    >>> kernels.subtract_dark(data, dark=np.array([1, 2], np.float32).reshape(2, 1, 1))
    >>> data.ravel()
    array([99., 98.], dtype=float32)
    """
    kernel = _core.dark(dark, pixel_flags(ref_dq, data))
    flags = pixel_flags(pixeldq, data)
    _core.apply([kernel], data, None, flags, max_threads, band_rows, None)


def subtract_dark_rate(
    data: NDArray[np.float32],
    pixeldq: NDArray[np.uint32] | None = None,
    rate: NDArray[np.float32] | float = NEEDED,
    ref_dq: NDArray[np.uint32] | None = None,
    read_pattern: ReadPattern | Sequence[Sequence[int]] = NEEDED,
    *,
    frame_time: float | None = None,
    max_threads: int | None = None,
    band_rows: int | None = None,
) -> None:
    """Subtract a dark rate times the mean time of each resultant.

    Parameters
    ----------
    data : ndarray, (n_resultants, n_rows, n_cols), float32
        Ramps [DN]; changed in place.
    pixeldq : ndarray, (n_rows, n_cols), uint32, optional
        Flags of each pixel; those of `ref_dq` are added in place.
    rate : ndarray, (n_rows, n_cols), float32, or float
        Dark rate [DN/s], as in today's DARK reference files; NaN counts as 0.
    ref_dq : ndarray, (n_rows, n_cols), uint32, optional
        Flags of the reference.
    read_pattern : ReadPattern or list of list of int
        Times of the resultants.
    frame_time : float, optional
        Time of one read [s], where `read_pattern` is a list.
    max_threads, band_rows : int, optional
        See the module.

    Raises
    ------
    ArgumentTypeError, ShapeError, ArgumentError
        If an array does not fit (see `flag_saturation`), or if the read pattern has another number
        of resultants.

    References
    ----------
    The dark_current step of romancal 1.1.0, which subtracts this rate from images.

    Examples
    --------
    >>> import numpy as np
    >>> from romancal_rs import kernels
    >>> data = np.full((2, 1, 1), 100, np.float32)
    >>> kernels.subtract_dark_rate(data, rate=0.5, read_pattern=[[1], [2, 3]], frame_time=4.0)
    >>> data.ravel()  # the mean times are 4 s and 10 s
    array([98., 95.], dtype=float32)
    """
    plane, flags = plane_of(rate, data), pixel_flags(ref_dq, data)
    kernel = dark_rate(plane, flags, read_pattern, frame_time=frame_time)
    flags = pixel_flags(pixeldq, data)
    _core.apply([kernel], data, None, flags, max_threads, band_rows, None)


def subtract_dark_decay(
    data: NDArray[np.float32],
    amplitude: float,
    time_constant: float,
    frame_time: float,
    read_pattern: ReadPattern | Sequence[Sequence[int]],
    detector: str,
    *,
    origin: tuple[int, int] = (0, 0),
    max_threads: int | None = None,
    band_rows: int | None = None,
) -> None:
    """Subtract the signal of all pixels that fades after the reset.

    It is ``amplitude * exp(-t / time_constant)``, with t counted from the middle of the first read.
    What is subtracted of a resultant is the mean over its reads, of the times at which the pixel is
    read (`read_times`), in float64, rounded once.

    Parameters
    ----------
    data : ndarray, (n_resultants, n_rows, n_cols), float32
        Ramps [DN]; changed in place, all pixels of it.
    amplitude : float
        The signal at the middle of the first read [DN].
    time_constant : float
        How long it takes to fall to 1/e [s]. One so short that the signal at the beginning of the
        first read, half a frame before its middle, is beyond single precision is an error.
    frame_time : float
        Time of one read [s].
    read_pattern : ReadPattern or list of list of int
        Times of the resultants.
    detector : str
        WFI01 to WFI18: the order in which rows are read.
    origin : (int, int), optional
        The row and the column of the detector that are the first of `data`.
    max_threads, band_rows : int, optional
        See the module.

    Raises
    ------
    ArgumentTypeError, ShapeError, ArgumentError
        If an argument does not fit; see `flag_saturation`.

    References
    ----------
    The dark_decay step of romancal 1.1.0.

    Examples
    --------
    >>> import numpy as np
    >>> from romancal_rs import kernels
    >>> data = np.zeros((2, 4, 4), np.float32)
    >>> kernels.subtract_dark_decay(data, 1.5, 23.0, 3.04, [[1], [2, 3]], "WFI01")
    >>> bool((data[0] < data[1]).all() and (data < 0).all())  # it fades
    True
    """
    kernel = dark_decay(amplitude, time_constant, frame_time, read_pattern, detector, origin=origin)
    _core.apply([kernel], data, None, pixel_flags(None, data), max_threads, band_rows, None)
