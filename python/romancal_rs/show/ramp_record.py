"""One pixel's ramp: its resultants as read and as the fit saw them, and the fit."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import _html, dqflags
from ..border import BORDER
from .segments import Segment

__all__ = ["AS_FITTED", "AS_READ", "PixelRamp", "Product"]

AS_READ = "as read"
AS_FITTED = "as fitted"


@dataclass(frozen=True)
class Product:
    """What the Level 2 image says of the pixel, and its rate made anew.

    Attributes
    ----------
    rate, err : float
        Of the product [DN/s].
    flags : int
    made_anew : float
        The rate of the fit after the steps that follow it [DN/s].
    """

    rate: float
    err: float
    flags: int
    made_anew: float

    @property
    def agrees(self) -> bool:
        """Whether the two rates are the same number in single precision."""
        return np.float32(self.rate).tobytes() == np.float32(self.made_anew).tobytes()

    def told(self) -> str:
        """Whether they agree, and if not by how much, in words."""
        if self.agrees:
            return "made anew: the same"
        difference = self.made_anew - self.rate
        text = f"made anew: {self.made_anew:.7g}, {difference:+.3g}"
        return f"{text} ({difference / self.err:+.2g} sigma)" if self.err > 0 else text


@dataclass(frozen=True, repr=False)
class PixelRamp:
    """The ramp of one pixel, and its fit.

    Attributes
    ----------
    name, title : str
        Of the file: its name, and how it was exposed.
    x, y : int
        Column and row in the Level 2 image, from 0, as its WCS counts them. In Level 1 both are
        larger by 4, the border.
    times : ndarray, (n_resultants,), float64
        Mean times of the resultants [s].
    reads : list of list of int
        The reads of each resultant.
    stages : list of (str, ndarray)
        Samples [DN], (n_resultants,), float32, by what they are: ``as read`` (as they left the
        detector: what was subtracted or added before they were sent is undone), after each step
        that changes samples, and last ``as fitted``, as the fit saw them. Where the raw exposure
        is not there, the last alone.
    groupdq : ndarray, (n_resultants,), uint8
        Flags of the samples, JUMP_DET of the hits that the fit found included.
    flags : int
        Flags of the pixel after the fit.
    algorithm : str
        Of the fit: ``gls``, ``likely`` or ``ols``.
    rate, err : float
        Of the fit [DN/s]: before what follows it, see `after`. Both are 0 where there is no rate.
    var_poisson, var_rnoise : float
        Variance of the rate from photons and from reads [(DN/s)^2].
    chisq : float
    n_differences : int
        How many differences of neighbouring resultants the fit used.
    gain : float
        [electron/DN].
    read_noise : float
        Of one read [DN].
    segments : list of Segment
    after : list of (str, float)
        The rate after each step that follows the fit and changes it [DN/s].
    product : Product or None
        None where the file is no Level 2 image.
    neighbourhood : ndarray, (n_rows, n_cols), float32
        Rates around the pixel [DN/s]: of the Level 2 image, or made anew where there is none. NaN
        where a pixel is not to be used.
    corner : (int, int)
        Column and row of its first pixel in the image.
    notes : list of str
        Why the rate may be another than that of the product, and what was not there.
    """

    name: str
    title: str
    x: int
    y: int
    times: NDArray[np.float64]
    reads: list[list[int]]
    stages: list[tuple[str, NDArray[np.float32]]]
    groupdq: NDArray[np.uint8]
    flags: int
    algorithm: str
    rate: float
    err: float
    var_poisson: float
    var_rnoise: float
    chisq: float
    n_differences: int
    gain: float
    read_noise: float
    segments: list[Segment]
    after: list[tuple[str, float]]
    product: Product | None
    neighbourhood: NDArray[np.float32]
    corner: tuple[int, int]
    notes: list[str] = field(default_factory=list)

    @property
    def raw(self) -> NDArray[np.float32] | None:
        """The samples as they were read [DN]; None where the raw exposure is not there."""
        label, samples = self.stages[0]
        return samples if label == AS_READ else None

    @property
    def corrected(self) -> NDArray[np.float32]:
        """The samples as the fit saw them [DN]."""
        return self.stages[-1][1]

    @property
    def has_rate(self) -> bool:
        """Whether there is a rate at all."""
        return self.err > 0

    @property
    def degrees(self) -> int:
        """Degrees of freedom of the fit: what `chisq` is expected to be."""
        return max(self.n_differences - 1, 0)

    @property
    def line(self) -> NDArray[np.float64]:
        """The lines of the segments at the times of their samples [DN]; NaN elsewhere."""
        line = np.full(self.times.shape, np.nan)
        for segment in self.segments:
            chosen = slice(segment.first, segment.last + 1)
            line[chosen] = segment.offset + segment.slope * self.times[chosen]
        return line

    @property
    def residuals(self) -> NDArray[np.float64]:
        """`corrected` less `line` [DN]."""
        return self.corrected.astype(np.float64) - self.line

    def flag_names(self, resultant: int) -> list[str]:
        """Names of the flags of a sample.

        Parameters
        ----------
        resultant : int
            Number of the resultant, from 0.

        Returns
        -------
        list of str
        """
        return dqflags.names(int(self.groupdq[resultant]), dqflags.group)

    def columns(self) -> dict[str, tuple[np.ndarray | list[str], str]]:
        """The values of each resultant.

        Returns
        -------
        dict of str to tuple of (ndarray or list of str, str)
            By name, the values and their unit.
        """
        names = [" ".join(self.flag_names(g)) for g in range(len(self.times))]
        return {
            "resultant": (np.arange(1, len(self.times) + 1), ""),
            "reads": ([_span(reads) for reads in self.reads], ""),
            "time": (self.times, "s"),
            **{label: (samples, "DN") for label, samples in self.stages},
            "line": (self.line, "DN"),
            "residual": (self.residuals, "DN"),
            "flags": (names, ""),
        }

    def facts(self) -> dict[str, str]:
        """Facts about the pixel and its fit in words.

        Returns
        -------
        dict of str to str
            By what they are about.
        """
        facts = {
            "file": self.name,
            "exposure": self.title,
            "pixel": (
                f"X {self.x}, Y {self.y} in Level 2; "
                f"column {self.x + BORDER}, row {self.y + BORDER} in Level 1"
            ),
            "rate of the fit": "none"
            if not self.has_rate
            else f"{self.rate:.7g} +- {self.err:.3g} DN/s ({self.algorithm})",
        }
        if self.has_rate:
            facts["error from"] = (
                f"photons {self.var_poisson**0.5:.3g}, reads {self.var_rnoise**0.5:.3g} DN/s"
            )
            facts["chi2"] = f"{self.chisq:.3g} (expected {self.degrees} +- {_spread(self.degrees)})"
        for step, rate in self.after:
            facts[f"after {step}"] = f"{rate:.7g} DN/s"
        if self.product is not None:
            facts["product"] = (
                f"{self.product.rate:.7g} +- {self.product.err:.3g} DN/s; {self.product.told()}"
            )
        facts["gain"] = f"{self.gain:.4g} electron/DN"
        facts["read noise"] = f"{self.read_noise:.4g} DN in one read"
        flags = self.flags if self.product is None else self.product.flags
        facts["flags"] = " ".join(dqflags.names(flags)) or "none"
        return facts

    def __repr__(self) -> str:
        return f"<PixelRamp of {self.name}, X {self.x}, Y {self.y}>"

    def _repr_html_(self) -> str:
        numbers = _html.details("numbers", _html.preformatted(self.table()))
        return _html.block(
            _html.heading("PixelRamp"), _html.table(list(self.facts().items())), numbers
        )

    def table(self) -> str:
        """A text table: the `facts`, a row for each resultant, and the `notes`.

        Returns
        -------
        str
        """
        facts = self.facts()
        width = max(map(len, facts))
        lines = [f"{name:<{width}}  {text}" for name, text in facts.items()]
        lines += ["", *_aligned(self.columns())]
        if self.segments:
            lines += ["", *_aligned(self._columns_of_segments())]
        if self.notes:
            lines += ["", *(f"note: {note}" for note in self.notes)]
        return "\n".join(lines)

    def _columns_of_segments(self) -> dict[str, tuple[Any, str]]:
        spans = [f"{segment.first + 1}-{segment.last + 1}" for segment in self.segments]
        return {
            "segment": (spans, ""),
            "slope": ([segment.slope for segment in self.segments], "DN/s"),
            "error": ([segment.slope_err for segment in self.segments], "DN/s"),
            "at time 0": ([segment.offset for segment in self.segments], "DN"),
        }


def _span(reads: list[int]) -> str:
    """``3-10``, or all of them where there are gaps."""
    if len(reads) == 1:
        return str(reads[0])
    is_whole = reads == list(range(reads[0], reads[-1] + 1))
    return f"{reads[0]}-{reads[-1]}" if is_whole else " ".join(map(str, reads))


def _spread(degrees: int) -> str:
    """The standard deviation of chi2."""
    return f"{(2 * degrees) ** 0.5:.1f}"


def _aligned(columns: dict[str, tuple[Any, str]]) -> list[str]:
    """Columns under their names and units: numbers to the right, words to the left."""
    lines = [""] * (2 + max(len(values) for values, _ in columns.values()))
    for name, (values, unit) in columns.items():
        is_text = any(isinstance(value, str) for value in values)
        cells = [name, f"[{unit}]" if unit else "", *map(_cell, values)]
        width = max(map(len, cells))
        for i, cell in enumerate(cells):
            lines[i] += f"{cell:<{width}}  " if is_text else f"{cell:>{width}}  "
    return [line.rstrip() for line in lines]


def _cell(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, int | np.integer):
        return str(value)
    return f"{value:.3f}" if np.isfinite(value) else "-"
