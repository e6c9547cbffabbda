"""Where the detectors look: the focal plane, the attitude of the telescope, and the distortion."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ..border import BORDER
from .config import SimulationConfig

if TYPE_CHECKING:
    from astropy.modeling import Model

# The centre of the focal plane, WFI_CEN of the mission's aperture file [arcsec], and the angle of
# its y axis from V3.
WFI_CEN = (1546.3846181707652, -892.7916365721071)
V3_Y_ANGLE = -60.0
V_PARITY = -1
PIXEL_SCALE = 0.109  # arcsec

# Centres of WFI01 to WFI09 in the focal plane [mm]; WFI10 to WFI18 are their mirror images in x.
# With 11 arcsec / mm they lie within some arcsec of the aperture file.
_POSITIONS_MM = (
    (22.14, 12.15),
    (22.29, -37.03),
    (22.44, -82.06),
    (66.42, 20.90),
    (66.92, -28.28),
    (67.42, -73.06),
    (110.70, 42.20),
    (111.48, -6.98),
    (112.64, -51.06),
)
_ARCSEC_PER_MM = 11.0


@dataclass(frozen=True)
class Pointing:
    """Directions in degrees, focal-plane positions in arcsec.

    Attributes
    ----------
    v2_ref, v3_ref : float
        Where the middle of the detector lies.
    ra_ref, dec_ref, roll_ref : float
        Where it looks, and the position angle of V3 there.
    ra_v1, dec_v1, pa_v3 : float
        The same for the telescope's boresight.
    """

    v2_ref: float
    v3_ref: float
    ra_ref: float
    dec_ref: float
    roll_ref: float
    ra_v1: float
    dec_v1: float
    pa_v3: float


def detector_position(detector: str) -> tuple[float, float]:
    """V2 and V3 of the middle of a detector [arcsec], to some arcsec."""
    number = int(detector.removeprefix("WFI"))
    x, y = _POSITIONS_MM[(number - 1) % 9]
    mirrored = -x if number > 9 else x
    v2, v3 = _ideal_to_v2v3(np.array([mirrored * _ARCSEC_PER_MM]), np.array([y * _ARCSEC_PER_MM]))
    return WFI_CEN[0] + float(v2[0]), WFI_CEN[1] + float(v3[0])


def point(config: SimulationConfig) -> Pointing:
    """Point the centre of the focal plane at the configuration's target."""
    attitude = attitude_matrix(config.ra, config.dec, config.position_angle - V3_Y_ANGLE, *WFI_CEN)
    v2_ref, v3_ref = detector_position(config.detector)
    return Pointing(v2_ref, v3_ref, *look(attitude, v2_ref, v3_ref), *look(attitude, 0.0, 0.0))


def attitude_matrix(
    ra: float, dec: float, roll: float, v2: float, v3: float
) -> NDArray[np.float64]:
    """The rotation from the telescope's axes to the sky.

    Parameters
    ----------
    ra, dec, roll : float
        Direction on the sky of the point (v2, v3), and position angle of V3 there [deg].
    v2, v3 : float
        arcsec.

    Returns
    -------
    ndarray, (3, 3)
        Takes unit vectors along (V1, V2, V3) to unit vectors of the equatorial system.
    """
    ra, dec, roll, v2, v3 = np.radians([ra, dec, roll, v2 / 3600, v3 / 3600])
    return _rotate_z(ra) @ _rotate_y(-dec) @ _rotate_x(-roll) @ _rotate_y(v3) @ _rotate_z(-v2)


def look(attitude: NDArray[np.float64], v2: float, v3: float) -> tuple[float, float, float]:
    """Where a point (v2, v3) [arcsec] looks, and the position angle of V3 there [deg]."""
    v2, v3 = np.radians([v2 / 3600, v3 / 3600])
    direction = attitude @ [np.cos(v3) * np.cos(v2), np.cos(v3) * np.sin(v2), np.sin(v3)]
    towards_v3 = attitude @ [-np.sin(v3) * np.cos(v2), -np.sin(v3) * np.sin(v2), np.cos(v3)]
    ra, dec = np.arctan2(direction[1], direction[0]), np.arcsin(direction[2])
    east = [-np.sin(ra), np.cos(ra), 0.0]
    north = [-np.sin(dec) * np.cos(ra), -np.sin(dec) * np.sin(ra), np.cos(dec)]
    roll = np.arctan2(towards_v3 @ east, towards_v3 @ north)
    return float(np.degrees(ra) % 360), float(np.degrees(dec)), float(np.degrees(roll) % 360)


def distortion(config: SimulationConfig, pointing: Pointing) -> Model:
    """The transform from pixels (without border, the first one's centre at 0) to V2, V3 [arcsec].

    A quadratic distortion like the instrument's (some pixels at the corners of a full detector),
    as a compound of polynomials with an inverse.
    """
    from astropy.modeling.models import Mapping, Polynomial2D, Shift

    x0 = (config.cols - 2 * BORDER - 1) / 2
    y0 = (config.rows - 2 * BORDER - 1) / 2
    to_x = Polynomial2D(2, c1_0=PIXEL_SCALE, c0_1=1.28e-3, c2_0=-1.6e-7, c1_1=1.1e-7, c0_2=-5e-8)
    to_y = Polynomial2D(2, c1_0=1.25e-3, c0_1=PIXEL_SCALE, c2_0=5e-8, c1_1=-1.0e-7, c0_2=1.7e-7)
    from_x, from_y = _invert(to_x, to_y)
    split = Mapping((0, 1, 0, 1))
    cos, sin = np.cos(np.radians(V3_Y_ANGLE)), np.sin(np.radians(V3_Y_ANGLE))
    # A rotation with a reflection is its own inverse.
    rotate = split | (
        Polynomial2D(1, c1_0=V_PARITY * cos, c0_1=sin)
        & Polynomial2D(1, c1_0=-V_PARITY * sin, c0_1=cos)
    )
    forward = (
        (Shift(-x0) & Shift(-y0))
        | split
        | (to_x & to_y)
        | rotate
        | (Shift(pointing.v2_ref) & Shift(pointing.v3_ref))
    )
    forward.inverse = (
        (Shift(-pointing.v2_ref) & Shift(-pointing.v3_ref))
        | rotate
        | split
        | (from_x & from_y)
        | (Shift(x0) & Shift(y0))
    )
    return forward


def _ideal_to_v2v3(x: NDArray, y: NDArray) -> tuple[NDArray, NDArray]:
    """Turn focal-plane axes into V2 and V3, offsets only."""
    cos, sin = np.cos(np.radians(V3_Y_ANGLE)), np.sin(np.radians(V3_Y_ANGLE))
    return V_PARITY * cos * x + sin * y, -V_PARITY * sin * x + cos * y


def _invert(to_x: Model, to_y: Model) -> tuple[Model, Model]:
    """Fit polynomials that undo `to_x` and `to_y` over a full detector, to 1e-3 pixel."""
    from astropy.modeling.models import Polynomial2D

    degree = 5
    half = 2048.0
    axis = np.linspace(-half, half, 41)
    x, y = (grid.ravel() for grid in np.meshgrid(axis, axis))
    unit = half * PIXEL_SCALE  # scaled coordinates keep the fit well conditioned
    u, v = to_x(x, y) / unit, to_y(x, y) / unit
    powers = [(i, j) for i in range(degree + 1) for j in range(degree + 1 - i)]
    design = np.stack([u**i * v**j for i, j in powers], axis=1)
    solution = np.linalg.lstsq(design, np.stack([x, y], axis=1), rcond=None)[0]
    return tuple(
        Polynomial2D(
            degree,
            **{
                f"c{i}_{j}": value / unit ** (i + j)
                for (i, j), value in zip(powers, column, strict=True)
            },
        )
        for column in solution.T
    )


def _rotate_x(angle: float) -> NDArray[np.float64]:
    cos, sin = np.cos(angle), np.sin(angle)
    return np.array([[1, 0, 0], [0, cos, -sin], [0, sin, cos]])


def _rotate_y(angle: float) -> NDArray[np.float64]:
    cos, sin = np.cos(angle), np.sin(angle)
    return np.array([[cos, 0, sin], [0, 1, 0], [-sin, 0, cos]])


def _rotate_z(angle: float) -> NDArray[np.float64]:
    cos, sin = np.cos(angle), np.sin(angle)
    return np.array([[cos, -sin, 0], [sin, cos, 0], [0, 0, 1]])
