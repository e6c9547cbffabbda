"""The WCS of an exposure as a file describes it, and evaluated, without making a gwcs of it.

See `romancal_rs.assign_wcs` for what it consists of. The descriptions are those that gwcs 1.0 and
asdf-astropy 0.11 write, with the tags of the manifests `MANIFESTS`. gwcs has read these since 0.22,
where the packages of their schemas are recent enough to have them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import reduce
from typing import Any

import numpy as np

from . import _transforms
from ._tagged import Tagged
from ._transforms import Array, Box, Transform, chain, identity, pair, scale, shift

_GWCS = "tag:stsci.edu:gwcs/"
_UNIT = "tag:stsci.edu:asdf/unit/unit-1.0.0"
_ICRS = "tag:astropy.org:astropy/coordinates/frames/icrs-1.1.0"
_ARCSEC_PER_DEGREE = 3600.0


@dataclass(frozen=True)
class DescribedWcs:
    """A WCS.

    Attributes
    ----------
    description : Tagged
        Not to be changed.
    to_sky : callable
        Takes x and y [pixel] and returns right ascension and declination [deg], all arrays of
        float64, also outside of the box.
    box : ((float, float), (float, float))
        Where it holds: limits of x and of y [pixel].
    """

    description: Tagged
    to_sky: Callable[[Array, Array], tuple[Array, ...]]
    box: Box


def describe_wcs(
    distortion: Transform,
    box: Box,
    *,
    v2_ref: float,
    v3_ref: float,
    ra_ref: float,
    dec_ref: float,
    roll_ref: float,
    scale_factor: float | None,
) -> DescribedWcs:
    """The WCS that `romancal_rs.assign_wcs.build_wcs` makes; see there for the parameters."""
    distortion = replace(distortion, inputs=("x", "y"), outputs=("v2", "v3"), box=box)
    attitude = _attitude(v2_ref, v3_ref, ra_ref, dec_ref, roll_ref)
    steps: list[tuple[Tagged, Transform]] = [(_plane("detector", ("x", "y"), "pixel"), distortion)]
    if scale_factor is None:
        steps += [(_plane("v2v3", ("v2", "v3"), "arcsec"), attitude)]
    else:
        steps += [
            (_plane("v2v3", ("v2", "v3"), "arcsec"), _aberration(scale_factor, v2_ref, v3_ref)),
            (_plane("v2v3vacorr", ("v2", "v3"), "arcsec"), attitude),
        ]
    described = [_step(frame, transform.described()) for frame, transform in steps]

    def to_sky(x: Array, y: Array) -> tuple[Array, ...]:
        return reduce(lambda values, step: step[1].evaluate(*values), steps, (x, y))

    return DescribedWcs(_wcs([*described, _step(_sky(), None)]), to_sky, box)


def raw_frame_of(description: Tagged, border: int) -> Tagged:
    """The WCS of a raw frame, which has a border, from that of its image, by `describe_wcs`.

    It shares its parts with that of the image, so that a file has them once.
    """
    first, *others = description.value["steps"]
    to_telescope = first.value["transform"]
    content: dict[str, Any] = {
        key: list(item) if isinstance(item, list) else item
        for key, item in to_telescope.value.items()
    }
    intervals = content.pop("bounding_box").value["intervals"]
    offset = pair(shift(-float(border)), shift(-float(border))).described()
    (left, right), (bottom, top) = intervals["x"], intervals["y"]
    box = ((left, right + 2 * border), (bottom, top + 2 * border))
    shifted = Tagged(
        f"{_transforms.TAGS}compose-1.4.0",
        {
            "forward": [offset, Tagged(to_telescope.tag, content)],
            "inputs": list(content["inputs"]),
            "outputs": list(content["outputs"]),
            "bounding_box": _transforms.described_box(content["inputs"], box),
        },
    )
    again = [_step(step.value["frame"], step.value["transform"]) for step in others]
    return _wcs([_step(first.value["frame"], shifted), *again])


def _wcs(steps: list[Tagged]) -> Tagged:
    return Tagged(_GWCS + "wcs-1.4.0", {"name": "", "pixel_shape": None, "steps": steps})


def _step(frame: Tagged, transform: Tagged | None) -> Tagged:
    return Tagged(_GWCS + "step-1.3.0", {"frame": frame, "transform": transform})


def _plane(name: str, axes: tuple[str, str], unit: str) -> Tagged:
    content = {
        "axes_names": list(axes),
        "axes_order": [0, 1],
        "axis_physical_types": [f"custom:{axis}" for axis in axes],
        "name": name,
        "unit": [Tagged(_UNIT, unit), Tagged(_UNIT, unit)],
    }
    return Tagged(_GWCS + "frame2d-1.2.0", content)


def _sky() -> Tagged:
    content = {
        "axes_names": ["lon", "lat"],
        "axes_order": [0, 1],
        "axis_physical_types": ["pos.eq.ra", "pos.eq.dec"],
        "name": "world",
        "reference_frame": Tagged(_ICRS, {"frame_attributes": {}}),
        "unit": [Tagged(_UNIT, "deg"), Tagged(_UNIT, "deg")],
    }
    return Tagged(_GWCS + "celestial_frame-1.2.0", content)


def _aberration(scale_factor: float, v2_ref: float, v3_ref: float) -> Transform:
    if scale_factor == 1:
        return identity(2)
    return chain(
        pair(scale(scale_factor), scale(scale_factor)),
        pair(shift((1 - scale_factor) * v2_ref), shift((1 - scale_factor) * v3_ref)),
        "DVA_Correction",
    )


def attitude_angles(
    v2_ref: float, v3_ref: float, ra_ref: float, dec_ref: float, roll_ref: float
) -> list[float]:
    """The five Euler angles [deg], about z, y, x, y, z, from (V2, V3) [arcsec] to the sky [deg]."""
    return [
        v2_ref / _ARCSEC_PER_DEGREE,
        -v3_ref / _ARCSEC_PER_DEGREE,
        roll_ref,
        dec_ref,
        -ra_ref,
    ]


def _attitude(
    v2_ref: float, v3_ref: float, ra_ref: float, dec_ref: float, roll_ref: float
) -> Transform:
    per_degree = 1 / _ARCSEC_PER_DEGREE
    to_vectors = _spherical_cartesian(
        "spherical_to_cartesian", 180, ("lon", "lat"), ("x", "y", "z"), _to_vectors
    )
    to_angles = _spherical_cartesian(
        "cartesian_to_spherical", 360, ("x", "y", "z"), ("lon", "lat"), _to_angles
    )
    angles = attitude_angles(v2_ref, v3_ref, ra_ref, dec_ref, roll_ref)
    to_degrees = pair(scale(per_degree), scale(per_degree))
    rotated = chain(chain(to_degrees, to_vectors), _rotation(angles, "zyxyz"))
    return chain(rotated, to_angles, "v23tosky")


def _spherical_cartesian(
    direction: str,
    wrapped_at: int,
    inputs: tuple[str, ...],
    outputs: tuple[str, ...],
    evaluate: Callable[..., tuple[Array, ...]],
) -> Transform:
    content: dict[str, Any] = {"transform_type": direction, "wrap_lon_at": wrapped_at}
    return Transform(_GWCS + "spherical_cartesian-1.3.0", content, inputs, outputs, evaluate)


def _to_vectors(lon: Array, lat: Array) -> tuple[Array, ...]:
    lon, lat = np.deg2rad(lon), np.deg2rad(lat)
    return np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)


def _to_angles(x: Array, y: Array, z: Array) -> tuple[Array, ...]:
    across = np.hypot(x, y)
    lat = np.rad2deg(np.arctan2(z, across))
    lon = np.rad2deg(np.arctan2(y, x))
    lon[across == 0] *= 0
    np.mod(lon, 360.0, where=np.isfinite(lon), out=lon)
    return lon, lat


def _rotation(angles: list[float], axes: str) -> Transform:
    """Turns the axes, one after the other, by angles in degrees."""
    radians = np.deg2rad(angles)
    matrix: Array = reduce(np.matmul, map(_turn, radians[::-1], axes[::-1]))

    def evaluate(x: Array, y: Array, z: Array) -> tuple[Array, ...]:
        turned = matrix @ np.array([x.ravel(), y.ravel(), z.ravel()])
        return tuple(turned.reshape(3, *x.shape))

    content = {
        "angles": np.rad2deg(radians).tolist(),  # which astropy keeps in radians
        "axes_order": axes,
        "rotation_type": "cartesian",
    }
    names = ("x", "y", "z")
    return Transform(_transforms.TAGS + "rotate_sequence_3d-1.2.0", content, names, names, evaluate)


def _turn(angle: float, axis: str) -> Array:
    i = "xyz".index(axis)
    j, k = (i + 1) % 3, (i + 2) % 3
    matrix = np.zeros((3, 3))
    matrix[i, i] = 1.0
    matrix[j, j] = matrix[k, k] = np.cos(angle)
    matrix[j, k] = np.sin(angle)
    matrix[k, j] = -np.sin(angle)
    return matrix
