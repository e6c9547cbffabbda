"""What fits return: arrays by name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

from .. import _html
from ..dqflags import DO_NOT_USE

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class SegmentFits:
    """The fit of each segment of each pixel: (n_segments, n_rows, n_cols), float32.

    The first axis is as long as the largest number of segments of a pixel, counting pixels without
    gain or read noise too, and at least 1; a pixel with fewer has 0 in the rest.

    Attributes
    ----------
    slope, sigslope : ndarray
        Rate and its standard error from read noise by the weights of the fit [DN/s].
    yint, sigyint : ndarray
        Value of the line at time 0, and its standard error by the weights [DN].
    weights : ndarray
        ``1 / (var_poisson + var_rnoise)**2`` [(DN/s)^-4].
    var_poisson, var_rnoise : ndarray
        Variance of the rate from photon noise and from read noise [(DN/s)^2].
    pedestal : ndarray, (n_rows, n_cols)
        First sample minus the pixel's slope times the first mean time; 0 where the first sample
        is saturated or the pixel could not be fitted [DN].
    crmag : ndarray, (n_jumps, n_rows, n_cols)
        Difference to the sample before, for each JUMP_DET sample of the pixel in turn, whatever its
        other flags and also where the pixel could not be fitted [DN]; 0 where there is none, as
        the sample is the first, or one of the two is NaN or infinite. The first axis is as long as
        the largest number of jumps of a pixel, at least 1.
    """

    slope: NDArray[np.float32]
    sigslope: NDArray[np.float32]
    yint: NDArray[np.float32]
    sigyint: NDArray[np.float32]
    weights: NDArray[np.float32]
    var_poisson: NDArray[np.float32]
    var_rnoise: NDArray[np.float32]
    pedestal: NDArray[np.float32]
    crmag: NDArray[np.float32]

    def __repr__(self) -> str:
        return f"<SegmentFits of {_words(self.slope.shape)}>"

    def _repr_html_(self) -> str:
        rows = [(item.name, getattr(self, item.name)) for item in fields(self)]
        table = [(name, array.dtype, _words(array.shape)) for name, array in rows]
        heading = _html.heading("SegmentFits", _words(self.slope.shape))
        return _html.block(heading, _html.table(table, ("name", "dtype", "shape")))


@dataclass(frozen=True)
class ImageStatistics:
    """The good pixels of a rate image in three numbers.

    Attributes
    ----------
    median : float
        Median rate [DN/s]; NaN where there is no good pixel.
    rms : float
        1.4826 times the median absolute deviation from it [DN/s]: the standard deviation, where the
        rates are distributed normally. NaN likewise.
    good_pixel_fraction : float
        The share of the good pixels.
    """

    median: float
    rms: float
    good_pixel_fraction: float


#: A notebook shows medians of at least so many pixels, or of all.
_ENOUGH_PIXELS = 1_000_000

#: The arrays of a `RampFit` that are planes of the image.
PLANES = ("slope", "dq", "var_poisson", "var_rnoise", "err", "chisq", "dumo")


_UNITS = {
    **dict.fromkeys(("slope", "err", "dumo"), "DN/s"),
    **dict.fromkeys(("var_poisson", "var_rnoise"), "(DN/s)²"),
    **dict.fromkeys(("dq", "chisq"), ""),
}


def _words(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape))


def _median(values: NDArray[np.float32]) -> str:
    import numpy as np

    return f"{np.median(values):.6g}" if values.size else ""


@dataclass(frozen=True, eq=False)
class RampFit:
    """The rate image of an exposure, each array (n_rows, n_cols).

    Attributes
    ----------
    slope : ndarray, float32
        Rate [DN/s].
    dq : ndarray, uint32
        Flags of each pixel: those of `pixeldq` and of all samples, but DO_NOT_USE of a sample only
        where no sample could be used, and WFI18_TRANSIENT of none.
    var_poisson, var_rnoise : ndarray, float32
        Variance of the rate from photon noise and from read noise [(DN/s)^2].
    err : ndarray, float32
        Root of the sum of the two [DN/s].
    chisq : ndarray, float32
        Sum over the differences used of their deviation from the slope over their noise, squared.
    dumo : ndarray, float32
        Slope with uniform weights minus `slope` [DN/s].
    optional : SegmentFits or None
        The fit of each segment, if asked for.
    """

    slope: NDArray[np.float32]
    dq: NDArray[np.uint32]
    var_poisson: NDArray[np.float32]
    var_rnoise: NDArray[np.float32]
    err: NDArray[np.float32]
    chisq: NDArray[np.float32]
    dumo: NDArray[np.float32]
    optional: SegmentFits | None = None

    def __repr__(self) -> str:
        return f"<RampFit of {_words(self.slope.shape)} pixels>"

    def _repr_html_(self) -> str:
        # Of a large image so many pixels tell enough, and at once.
        some = (slice(None, None, max(1, self.dq.size // _ENOUGH_PIXELS)), slice(None))
        good = self.dq[some] & DO_NOT_USE == 0
        rows = [(name, getattr(self, name)) for name in PLANES]
        table = [
            (name, array.dtype, "" if name == "dq" else _median(array[some][good]), _UNITS[name])
            for name, array in rows
        ]
        share = f"{100 * good.mean():.1f} % of the pixels are good" if good.size else ""
        is_sample = good.size < self.dq.size
        head = ("name", "dtype", f"median{' (about)' if is_sample else ''} of good pixels", "unit")
        return _html.block(
            _html.heading("RampFit", _words(self.slope.shape), share),
            _html.table(table, head),
            _html.details("optional", _html.Html(self.optional._repr_html_()))
            if self.optional is not None
            else _html.Html(""),
        )


@dataclass(frozen=True)
class Transient:
    """A signal of detector WFI18 that fades: the sum of two exponentials, the faster one first.

    Attributes
    ----------
    amplitudes : (float, float)
        At the beginning of the frame [DN]; 0 of an exponential that the data do not tell of.
    time_constants : (float, float)
        How long each takes to fall to 1/e [s]; infinite of one that the data do not tell of.
    rms : float
        What the fit leaves of the means of rows, root mean square [DN].
    n_rows : int
        How many rows it was fitted to.
    masked_rows : int
        How many rows, the first of the image, are flagged instead, as they are read before all of
        those: there the transient is not known.
    """

    amplitudes: tuple[float, float]
    time_constants: tuple[float, float]
    rms: float
    n_rows: int
    masked_rows: int

    @classmethod
    def of_found(cls, found: Mapping[str, float]) -> Transient | None:
        """The transient that the kernel found.

        Parameters
        ----------
        found : dict of str to float
            Numbers by name, as ``Calibrated.found`` has them.

        Returns
        -------
        Transient or None
            None if the kernel flagged rows instead.
        """
        if "amplitude_1" not in found:
            return None
        return cls(
            (found["amplitude_1"], found["amplitude_2"]),
            (found["time_constant_1"], found["time_constant_2"]),
            found["rms"],
            int(found["fitted_rows"]),
            int(found["masked_rows"]),
        )


@dataclass(frozen=True, eq=False)
class Calibrated:
    """What `romancal_rs.kernels.calibrate` made of an exposure.

    Attributes
    ----------
    fit : RampFit
        The image, without the border.
    unsaturated : bool
        Whether there is a pixel inside the border that is not DO_NOT_USE, nor NO_SAT_CHECK, nor
        saturated in the first resultant. If not, the exposure may be one that is saturated
        throughout.
    nanoseconds : tuple of (str, int)
        What took how long, summed over the threads: ``read``, each kernel in order, ``fit``.
    found : tuple of dict
        What each kernel, in order, found out or made besides the ramp, by name; empty for most. The
        last one is what the fit found.
    """

    fit: RampFit
    unsaturated: bool
    nanoseconds: tuple[tuple[str, int], ...]
    found: tuple[dict[str, Any], ...]

    def __repr__(self) -> str:
        return f"<Calibrated: {self.fit!r}>"

    def _repr_html_(self) -> str:
        took = [(name, f"{nanoseconds / 1e6:.2f}") for name, nanoseconds in self.nanoseconds]
        rows = [
            (stage, name, _found(value))
            for (stage, _), found in zip(self.nanoseconds[1:], self.found, strict=True)
            for name, value in found.items()
        ]
        return _html.block(
            _html.heading("Calibrated", "" if self.unsaturated else "saturated throughout"),
            _html.Html(self.fit._repr_html_()),
            _html.details("time in all threads", _html.table(took, ("", "ms"))),
            _html.details("found", _html.table(rows)),
        )


def _found(value: Any) -> str:
    shape = getattr(value, "shape", ())
    return f"array of {_words(shape)}" if shape else str(value)
