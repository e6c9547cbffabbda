"""The WCS of an image as FITS has it: a TAN projection with SIP polynomials, and its error.

gwcs fits the polynomials; how far they are from the transforms that they stand for is measured
here, at places of another grid, up to the corners of the outermost pixels.

References
----------
Shupe et al. 2005, ASP Conf. Ser. 347, 491: the SIP convention.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import InputError, one_line

if TYPE_CHECKING:
    from astropy.io.fits import Header
    from gwcs import WCS
    from numpy.typing import ArrayLike, NDArray

__all__ = ["SipFit", "fit_sip"]

#: Degrees of the polynomials; higher ones fail for want of digits.
_DEGREES = range(1, 7)
#: What is exact enough [pixel]: a tenth of what a centroid can tell of the brightest stars.
_GOAL = 1e-3
#: What is too far to measure positions by [pixel].
_FAR = 1e-2
#: Places along each axis where the error is measured. gwcs fits to 32: few of them coincide.
_N_MEASURED = 101
_N_FITTED = 32
#: What gwcs writes besides the WCS: an image that is not there, a date of nothing, its own errors.
_LEFT_OUT = ("NAXIS", "NAXIS1", "NAXIS2", "MJDREF", "SIPMXERR", "SIPIVERR")


@dataclass(frozen=True, repr=False)
class SipFit:
    """The keywords of a WCS, and how exact they are.

    Attributes
    ----------
    header : astropy.io.fits.Header
        With the errors, as ``SIPMXERR`` and ``SIPIVERR``.
    degree : int
        Of the polynomials; 1 for none.
    error : float
        The largest distance between the position on the sky that the header gives a pixel and the
        one of the image's own WCS, in pixels, over all of the image.
    inverse_error : float
        The same of the polynomials back to pixels (``AP``, ``BP``), which some programs use;
        `astropy.wcs` inverts the others, to the accuracy of `error`.
    """

    header: Header
    degree: int
    error: float
    inverse_error: float

    def __str__(self) -> str:
        what = f"TAN-SIP of degree {self.degree}" if self.degree > 1 else "TAN"
        if self.error > _FAR:
            return f"{what}, up to {self.error:.1g} pixel from the image's own WCS: no astrometry"
        return f"{what}, within {self.error:.1g} pixel of the image's own WCS"

    def __repr__(self) -> str:
        return f"<SipFit: {self}>"


def fit_sip(wcs: WCS, shape: tuple[int, int]) -> SipFit:
    """Fit the WCS of FITS to that of an image.

    Parameters
    ----------
    wcs : gwcs.WCS
        From pixels, counted from 0, to the sky.
    shape : (int, int)
        Rows and columns of the image.

    Returns
    -------
    SipFit
        Of the lowest degree whose errors are below a thousandth of a pixel; the best one where
        there is none.

    Raises
    ------
    InputError
        If no degree fits: some part of the image has no position on the sky, for example.
    """
    best: SipFit | None = None
    why: object = "no degree of the polynomials fits"
    for degree in _DEGREES:
        try:
            found = _of_degree(wcs, shape, degree)
        except Exception as error:  # of libraries that trust what the file says
            why = error
            continue
        worst = max(found.error, found.inverse_error)
        if np.isfinite(worst) and (best is None or worst < max(best.error, best.inverse_error)):
            best = found
        if worst < _GOAL:
            break
    if best is None:
        raise InputError(f"its WCS cannot be written as FITS has it: {one_line(why)}")
    return best


def _of_degree(wcs: WCS, shape: tuple[int, int], degree: int) -> SipFit:
    n_rows, n_cols = shape
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore"
        )  # of a fit that is not exact enough, which is measured below
        header = wcs.to_fits_sip(
            bounding_box=((-0.5, n_cols - 0.5), (-0.5, n_rows - 0.5)),
            degree=degree,
            inv_degree=degree,
            npoints=_N_FITTED,
        )
    for keyword in _LEFT_OUT:
        header.remove(keyword, ignore_missing=True)
    error, inverse_error = _errors(wcs, header, shape)
    header["SIPMXERR"] = (error, "[pixel] largest error of the WCS")
    header["SIPIVERR"] = (inverse_error, "[pixel] largest error of AP, BP")
    return SipFit(header, degree, error, inverse_error)


def _errors(wcs: WCS, header: Header, shape: tuple[int, int]) -> tuple[float, float]:
    """The largest errors [pixel] of the way to the sky, and back by the polynomials for that."""
    from astropy import wcs as fits_wcs

    n_rows, n_cols = shape
    grid = np.meshgrid(
        np.linspace(-0.5, n_cols - 0.5, _N_MEASURED), np.linspace(-0.5, n_rows - 0.5, _N_MEASURED)
    )
    x, y = (places.ravel() for places in grid)
    true: Any = wcs(x, y, with_bounding_box=False)
    written = fits_wcs.WCS(header)
    # The smaller side of a pixel, so that errors are rather too large.
    pixel = np.linalg.svd(written.pixel_scale_matrix, compute_uv=False).min()
    distance = separation(*true, *written.all_pix2world(x, y, 0)) / pixel
    # Pixels back from the sky, as programs do that take AP and BP as they are.
    u, v = written.wcs_world2pix(*true, 1)
    u, v = u - written.wcs.crpix[0], v - written.wcs.crpix[1]
    if written.sip is not None and written.sip.ap is not None:
        u, v = u + _polynomial(written.sip.ap, u, v), v + _polynomial(written.sip.bp, u, v)
    back_x, back_y = u + written.wcs.crpix[0] - 1, v + written.wcs.crpix[1] - 1
    return float(distance.max()), float(np.hypot(back_x - x, back_y - y).max())


def _polynomial(coefficients: Any, u: np.ndarray, v: np.ndarray) -> np.ndarray:
    return np.polynomial.polynomial.polyval2d(u, v, coefficients)


def separation(
    ra: ArrayLike, dec: ArrayLike, other_ra: ArrayLike, other_dec: ArrayLike
) -> NDArray[np.float64]:
    """The angles between positions on the sky.

    By half-angles, which keep their digits where positions nearly coincide.

    Parameters
    ----------
    ra : array_like
        Right ascensions [deg].
    dec : array_like
        Declinations [deg].
    other_ra : array_like
        Right ascensions of the other positions [deg].
    other_dec : array_like
        Declinations of the other positions [deg].

    Returns
    -------
    ndarray, float64
        The angles [deg].
    """
    ra, dec, other_ra, other_dec = (np.deg2rad(a) for a in (ra, dec, other_ra, other_dec))
    across = np.cos(dec) * np.cos(other_dec) * np.sin((other_ra - ra) / 2) ** 2
    return np.rad2deg(2 * np.arcsin(np.sqrt(np.sin((other_dec - dec) / 2) ** 2 + across)))
