"""What is left in the reference pixels of each resultant, before and after their correction.

A reference pixel sees no light: what changes in it from resultant to resultant is noise of the
read-out. Each pixel's own level, its mean over the resultants, is taken off. What is left is told
by two numbers of a resultant: the median, which is what all pixels have in common, and the spread.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..border import BORDER
from ..dqflags import REFERENCE_PIXEL
from ..refpix import MIN_RESULTANTS

if TYPE_CHECKING:
    from ..datamodels import DataModel, ScienceRawModel

__all__ = ["Residuals", "of_model", "of_raw", "residuals"]

#: Pixels further from the median than so many robust sigmas do not count for the spread.
_CLIP = 5.0
SIDES = ("left", "right", "top", "bottom")


@dataclass(frozen=True, eq=False)
class Residuals:
    """Of the reference pixels of an exposure, each array (n_resultants,), float64 [DN].

    Attributes
    ----------
    median, sigma : ndarray
        Of the pixels of a resultant, each without its own mean over the resultants; sigma is the
        standard deviation of those within five (of counts, which are whole, a median would jump).
    n_pixels : int
        How many are used: those with no other flag than REFERENCE_PIXEL.
    """

    median: NDArray[np.float64]
    sigma: NDArray[np.float64]
    n_pixels: int


def residuals(
    samples: Mapping[str, NDArray[Any]], flags: Mapping[str, NDArray[Any]]
) -> Residuals | None:
    """Those of the samples of each side; None where there are no two resultants, or no pixel.

    Parameters
    ----------
    samples : mapping of str to ndarray
        ``left`` and ``right`` (n_resultants, n_rows, 4), ``top`` and ``bottom``
        (n_resultants, 4, n_cols) [DN]; the corners count in ``left`` and ``right`` alone.
    flags : mapping of str to ndarray
        Of the same pixels, without the first axis; a side without flags is taken as sound.
    """
    parts = []
    for side, cube in samples.items():
        cube = np.asarray(cube, np.float64)
        sound = np.ones(cube.shape[1:], bool)
        if side in flags and np.shape(flags[side]) == cube.shape[1:]:
            others = np.bitwise_and(flags[side], np.uint32(~np.uint32(REFERENCE_PIXEL)))
            sound = np.equal(others, 0)
        if side in ("top", "bottom"):
            sound[:, :BORDER] = sound[:, -BORDER:] = False
        parts.append(cube[:, sound])
    lengths = {len(part) for part in parts}
    if len(lengths) != 1 or lengths.pop() < MIN_RESULTANTS:
        return None
    pixels = np.concatenate(parts, axis=1)
    pixels = pixels[:, np.isfinite(pixels).all(axis=0)]
    if not pixels.size:
        return None
    pixels -= pixels.mean(axis=0)
    median = np.median(pixels, axis=1)
    sigma = np.array([_clipped_sigma(row) for row in pixels])
    return Residuals(median, sigma, pixels.shape[1])


def _clipped_sigma(values: NDArray[np.float64]) -> float:
    deviations = np.abs(values - np.median(values))
    robust = 1.4826 * np.median(deviations)
    return float(np.std(values[deviations <= _CLIP * robust] if robust > 0 else values))


def flags_of(model: DataModel) -> dict[str, NDArray[Any]]:
    """The flags of the reference pixels of a ramp or an image."""
    names = {side: f"dq_border_ref_pix_{side}" for side in SIDES}
    return {side: model.stored(name) for side, name in names.items() if name in model}


def of_model(model: DataModel) -> Residuals | None:
    """Those of the border that a ramp or an image keeps: corrected where refpix was done."""
    names = {side: f"border_ref_pix_{side}" for side in SIDES}
    samples = {side: model.stored(name) for side, name in names.items() if name in model}
    if not any(np.any(cube) for cube in samples.values()):  # nothing was copied yet
        return None
    return residuals(samples, flags_of(model))


def of_raw(raw: ScienceRawModel, flags: Mapping[str, NDArray[Any]]) -> Residuals | None:
    """Those of the counts of a Level 1 exposure, with the flags of its product."""
    from ..datamodels import Encoding

    counts, encoding = raw.stored("data"), Encoding.of(raw)
    everything, first, last = slice(None), slice(BORDER), slice(-BORDER, None)
    places = {
        "left": (everything, first),
        "right": (everything, last),
        "top": (first, everything),
        "bottom": (last, everything),
    }
    samples = {side: encoding.samples(counts, *place) for side, place in places.items()}
    return residuals(samples, flags)
