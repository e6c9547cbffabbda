"""Two transforms from pixels, such as the WCS, at places all over the image."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..fits import separation
from ._records import TransformDifference

#: Places along each axis, the edges among them.
_N_PLACES = 65
_MAS_PER_DEGREE = 3.6e6
#: The last pixel of a detector without its border, where a transform does not say where it holds.
_LAST = 4087.0


def compare_transforms(name: str, a: Any, b: Any) -> TransformDifference:
    """Where two transforms take the same pixels.

    Parameters
    ----------
    name : str
    a, b : gwcs.WCS or astropy.modeling.Model
        From x and y [pixel] to the sky [deg], or to other coordinates of a plane. Others are
        compared by how they print.
    """
    to_sky = hasattr(a, "pipeline") and hasattr(b, "pipeline")
    if not to_sky and not all(getattr(t, "n_inputs", 0) == t.n_outputs == 2 for t in (a, b)):
        return TransformDifference(name, largest=0.0 if repr(a) == repr(b) else np.inf, unit="")
    (left, right), (bottom, top) = _box(a)
    grid = np.meshgrid(np.linspace(left, right, _N_PLACES), np.linspace(bottom, top, _N_PLACES))
    x, y = (places.ravel() for places in grid)
    first, second = (np.array(t(x, y, with_bounding_box=False), float) for t in (a, b))
    if to_sky:
        distance, unit = separation(*first, *second) * _MAS_PER_DEGREE, "mas"
    else:
        distance, unit = np.hypot(*(first - second)), "arcsec"
    nowhere = [~np.isfinite(places).all(axis=0) for places in (first, second)]
    distance[nowhere[0] & nowhere[1]] = 0
    distance[nowhere[0] ^ nowhere[1]] = np.inf
    at = int(distance.argmax())
    return TransformDifference(name, None, float(distance[at]), unit, (float(x[at]), float(y[at])))


def _box(transform: Any) -> tuple[tuple[float, float], tuple[float, float]]:
    """Where a transform holds: limits of x and of y."""
    try:
        box = transform.bounding_box
    except NotImplementedError:  # an astropy model without one
        box = None
    if box is None:
        return (0.0, _LAST), (0.0, _LAST)
    return box.bounding_box(order="F")
