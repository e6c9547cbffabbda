"""The sky: stars on a uniform background."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..border import BORDER
from .config import SimulationConfig
from .streams import Stream, generator

# A Moffat profile about as wide as Roman's at 1.6 micrometres, with wings that fill a range of
# rates.
_FWHM = 1.4  # pixels
_BETA = 2.5
_CORE = _FWHM / (2 * np.sqrt(2 ** (1 / _BETA) - 1))
_PEAK = (_BETA - 1) / (np.pi * _CORE**2)
_FAINTEST = 0.01  # electron / s: where the wings are cut
_LARGEST_RADIUS = 64


@dataclass(frozen=True)
class Scene:
    """What light arrives, and the stars it comes from.

    Attributes
    ----------
    rate : ndarray, (rows, cols), float32
        Electrons per second of a pixel of relative sensitivity 1; reference pixels included,
        though they see none.
    star_x, star_y : ndarray
        Column and row of the stars, full frame, the centre of the first pixel at 0.
    star_flux : ndarray
        electron / s.
    """

    rate: NDArray[np.float32]
    star_x: NDArray[np.float64]
    star_y: NDArray[np.float64]
    star_flux: NDArray[np.float64]


def make_scene(config: SimulationConfig) -> Scene:
    """Draw stars uniformly over the science pixels, with fluxes of density flux^-1.5.

    The DARK element lets no light through.
    """
    rng = generator(config.seed, config.detector, Stream.SCENE)
    rows, cols = config.rows, config.cols
    if config.optical_element == "DARK":
        nothing = np.empty(0)
        return Scene(np.zeros((rows, cols), dtype=np.float32), nothing, nothing, nothing)
    n_stars = rng.poisson(config.star_density * (rows - 2 * BORDER) * (cols - 2 * BORDER))
    x = rng.uniform(BORDER - 0.5, cols - BORDER - 0.5, n_stars)
    y = rng.uniform(BORDER - 0.5, rows - BORDER - 0.5, n_stars)
    # The cumulative distribution of flux^-1.5 is linear in flux^-0.5.
    bright, faint = config.star_flux_max**-0.5, config.star_flux_min**-0.5
    flux = rng.uniform(bright, faint, n_stars) ** -2.0

    rate = np.full((rows, cols), config.background, dtype=np.float32)
    for star_x, star_y, star_flux in zip(x, y, flux, strict=True):
        _add_star(rate, star_x, star_y, star_flux)
    return Scene(rate, x, y, flux)


def _add_star(rate: NDArray[np.float32], x: float, y: float, flux: float) -> None:
    """Add one star in place; its wings are cut where they no longer matter, keeping the flux."""
    reach = _CORE * max(flux * _PEAK / _FAINTEST, 1.0) ** (0.5 / _BETA)
    radius = int(np.clip(np.ceil(reach), 4, _LARGEST_RADIUS))
    column, row = round(x), round(y)
    dx = np.arange(column - radius, column + radius + 1) - x
    dy = np.arange(row - radius, row + radius + 1) - y
    profile = (1 + (dx[None, :] ** 2 + dy[:, None] ** 2) / _CORE**2) ** -_BETA
    profile *= flux / profile.sum()
    top, left = max(row - radius, 0), max(column - radius, 0)
    target = rate[top : row + radius + 1, left : column + radius + 1]
    skip_rows, skip_cols = top - (row - radius), left - (column - radius)
    target += profile[
        skip_rows : skip_rows + target.shape[0], skip_cols : skip_cols + target.shape[1]
    ]
