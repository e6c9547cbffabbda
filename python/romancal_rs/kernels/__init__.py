"""The pipeline's algorithms as functions of NumPy arrays, without any pipeline.

A ramp is an array with axes (resultant, row, column). Arrays are used where they are: the dtype
has to be the one stated, elements of a row have to lie next to each other in memory (a trimmed view
such as ``data[:, 4:-4, 4:-4]`` is fine), and an array that does not fit is an error that names it.
Reference arrays may lie at any address, as those of a mapped file do; the others are aligned.
Nothing is copied or cast silently. Subclasses, such as masked arrays and quantities, are used as
the plain arrays they hold. Bad pixels are flags, never errors. Results beyond the range of float32
are infinite.

Flags that are left out are 0, and the flags that a function would add are lost; only the `dq` of a
fit is always returned. A function that makes nothing but flags requires them. Where a plane of the
detector is the same number everywhere, such as a gain, the functions take the number. In place of
a `ReadPattern` the functions take a list of the read numbers of each resultant, together with
``frame_time``: ``fit_ramps(data, gain=1.8, read_noise=7.0, read_pattern=[[1], [2, 3]],
frame_time=3.04)``.

Each algorithm comes in two forms. One is a function that changes, or fits, a whole ramp. The other
is a kernel, an object that is made once of reference arrays and parameters (`saturation`, `refpix`,
`linearity`, `read_linearity`, `dark`, `dark_rate`, `dark_decay`, `wfi18_transient`, `jump`) or a
fit (`ramp_fit`, `likelihood_fit`). `calibrate` takes raw counts through kernels and a fit to the
rate image in one pass over memory, without storing a ramp. Both forms give the same result, bit for
bit.

All functions but `expand_large_events` run in parallel over bands of rows and take

- ``max_threads``: at most so many bands at the same time, by default as many as there are threads
  (see `set_num_threads`);
- ``band_rows``: how many rows a band has, by default a sensible number;
- ``tile_cols`` (`calibrate` only): work on so many columns after the other, all rows of each, as on
  the channels of the read-out.

The result does not depend on them, not by one bit. Ctrl-C stops a function between two bands;
arrays that are changed in place are then changed in part.
"""

from __future__ import annotations

from .. import _core, _lazy
from .._core import Fit, Kernel, ReadPattern
from ..errors import ArgumentError, ArgumentTypeError, ShapeError
from ..snowballs import expand_large_events
from ._corrections import (
    correct_linearity,
    correct_reference_pixels,
    correct_wfi18_transient,
    flag_saturation,
    linearize_reads,
    read_times,
)
from ._darks import subtract_dark, subtract_dark_decay, subtract_dark_rate
from ._documented import describe
from ._fits import detect_jumps, fit_likelihood, fit_ramps
from ._images import (
    apply_flat,
    divide_by_flat,
    image_statistics,
    smooth_variance,
    subtract_dark_from_image,
)
from ._one_pass import (
    calibrate,
    dark,
    dark_decay,
    dark_rate,
    jump,
    likelihood_fit,
    linearity,
    ramp_fit,
    read_linearity,
    refpix,
    saturation,
    wfi18_transient,
)
from ._results import PLANES, Calibrated, ImageStatistics, RampFit, SegmentFits, Transient

__all__ = [
    "PLANES",
    "ArgumentError",
    "ArgumentTypeError",
    "Calibrated",
    "Fit",
    "ImageStatistics",
    "Kernel",
    "RampFit",
    "ReadPattern",
    "SegmentFits",
    "ShapeError",
    "Transient",
    "apply_flat",
    "calibrate",
    "correct_linearity",
    "correct_reference_pixels",
    "correct_wfi18_transient",
    "dark",
    "dark_decay",
    "dark_rate",
    "detect_jumps",
    "divide_by_flat",
    "expand_large_events",
    "fit_likelihood",
    "fit_ramps",
    "flag_saturation",
    "image_statistics",
    "jump",
    "likelihood_fit",
    "linearity",
    "linearize_reads",
    "num_threads",
    "ramp_fit",
    "read_linearity",
    "read_times",
    "refpix",
    "saturation",
    "set_num_threads",
    "smooth_variance",
    "subtract_dark",
    "subtract_dark_decay",
    "subtract_dark_from_image",
    "subtract_dark_rate",
    "wfi18_transient",
]

__dir__ = _lazy.listing(__all__)

for _maker, _function in (
    (saturation, flag_saturation),
    (linearity, correct_linearity),
    (read_linearity, linearize_reads),
    (refpix, correct_reference_pixels),
    (dark, subtract_dark),
    (dark_rate, subtract_dark_rate),
    (dark_decay, subtract_dark_decay),
    (wfi18_transient, correct_wfi18_transient),
    (jump, detect_jumps),
):
    describe(_maker, _function, "Kernel")
describe(ramp_fit, fit_ramps, "Fit")
describe(likelihood_fit, fit_likelihood, "Fit")


def num_threads() -> int:
    """How many threads the functions of this module share.

    Returns
    -------
    int
        The environment variable ``ROMANCAL_RS_NUM_THREADS`` as it was when a function was first
        used, else ``OMP_NUM_THREADS`` (the first of a list; what is no number from 1 is passed
        over), else the number of cores; or what `set_num_threads` set.

    Raises
    ------
    ValueError
        If ``ROMANCAL_RS_NUM_THREADS`` is not a whole number from 1 to 1024.

    Examples
    --------
    >>> from romancal_rs import kernels
    >>> before = kernels.num_threads()
    >>> kernels.set_num_threads(2)
    >>> kernels.num_threads()
    2
    >>> kernels.set_num_threads(before)
    """
    return _core.num_threads()


def set_num_threads(threads: int | None) -> None:
    """Set how many threads the functions of this module share.

    Parameters
    ----------
    threads : int or None
        From 1 to 1024; None for the default of `num_threads`. Calls that are running in other
        threads go on as they began. Processes made by ``fork`` start threads of their own; fork
        only while no call runs.

    Raises
    ------
    ValueError
        If `threads` is not in that range.

    Examples
    --------
    >>> from romancal_rs import kernels
    >>> before = kernels.num_threads()
    >>> kernels.set_num_threads(1)
    >>> kernels.num_threads()
    1
    >>> kernels.set_num_threads(before)
    """
    _core.set_num_threads(threads)
