"""The assign_wcs step: attaches the world coordinates, from DISTORTION and the pointing.

The WCS is a chain of frames, each with the transform to the next::

    detector --distortion--> v2v3 --aberration--> v2v3vacorr --attitude--> world
    [pixel]                 [arcsec]             [arcsec]                  [deg, ICRS]

- *distortion* comes from the reference file: pixels, counted from 0, to the telescope's angles.
- *aberration*: the telescope's velocity makes the plate scale appear larger or smaller by a factor
  s: v' = v_ref + s (v - v_ref). In the recipe of 2022 the chain has no frame v2v3vacorr where there
  is no such factor; in that of flight the frame is always there.
- *attitude*: rotates the point (v2_ref, v3_ref) to (ra_ref, dec_ref), with V3 there at the position
  angle roll_ref, east of north. With R_k(a) a right-handed rotation of vectors by a about axis k::

      sky = R_z(ra_ref) R_y(-dec_ref) R_x(-roll_ref) R_y(v3_ref) R_z(-v2_ref)  telescope
"""

from __future__ import annotations

import math
import numbers
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, TypeGuard

from . import _lazy
from ._footprint import box_of, corners_of, limits, polygon, to_sky_of
from .errors import InputError, one_line
from .exposure import describe
from .stpipe import RomanStep
from .stpipe.recipes import FLIGHT, OF_2022

if TYPE_CHECKING:
    import numpy as np
    from astropy.modeling import Model
    from gwcs import WCS

    from ._transforms import Box, Transform
    from .datamodels import DataModel, DistortionRefModel, ImageModel

__all__ = ["AssignWcsStep"]

__dir__ = _lazy.listing(__all__)

_ARCSEC_PER_DEGREE = 3600.0
#: How the footprint begins; the system of flight has two blanks before the numbers.
_POLYGON = {OF_2022: "POLYGON ICRS ", FLIGHT: "POLYGON ICRS  "}
_TRANSFORM = "coordinate_distortion_transform"
#: Places along each axis of an image where a WCS is looked at.
_N_PLACES = 9


class AssignWcsStep(RomanStep):
    """Attach the world coordinate system, and its footprint on the sky, to an image.

    Takes and returns an `ImageModel <romancal_rs.datamodels.ImageModel>`, which gets ``meta.wcs``.
    """

    class_alias = "assign_wcs"
    cal_step_name = "assign_wcs"
    is_repeatable = True
    default_suffix = "assignwcs"
    by_recipe: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        OF_2022: {"default_suffix": "assign_wcs"},
    }
    reference_file_types: ClassVar[list[str]] = ["distortion"]

    def process(self, input: Any) -> ImageModel:
        from .datamodels import ImageModel

        image = self.prepare(input, ImageModel)
        if reason := self.reason_to_skip(image):
            return self.end_skipped(image, reason)
        with self.get_reference_file_model(image, "distortion") as distortion:
            assign_wcs(
                image,
                distortion,
                recipe=self.recipe_of(image),
                warn=self.log.warning,
            )
        self.log.info("s_region: %s", image.meta.wcsinfo.get("s_region"))
        self.record_step_status(image, self.cal_step_name)
        return image


def assign_wcs(
    image: ImageModel,
    distortion: DistortionRefModel,
    *,
    recipe: str,
    warn: Callable[[str], object],
) -> None:
    """Set ``meta.wcs`` and ``meta.wcsinfo.s_region`` of an image.

    Parameters
    ----------
    image : ImageModel
        Changed in place. Its footprint stays as it is where a corner has no position on the sky.
    distortion : DistortionRefModel
    recipe : str
        ``flight`` or ``2022``.
    warn : callable
        Gets what is unusual, in words.

    Raises
    ------
    InputError
        If a pointing keyword is missing, or not a finite number, or the distortion has no values.
    """
    from ._described_wcs import describe_wcs
    from .datamodels import Described

    known = _known_transform(distortion)
    transform: Any = _checked_transform(distortion) if known is None else None
    shape = (image.shape[0], image.shape[1])
    how: dict[str, Any] = pointing(image)
    how["scale_factor"] = aberration_scale(image, recipe, warn)
    wcs: Described | WCS
    try:
        if known is not None:
            stated = known.box if recipe == FLIGHT else None
            described = describe_wcs(known, stated or box_of(shape), **how)
            wcs, to_sky, box = Described(described.description), described.to_sky, described.box
        else:
            stated = stated_box(transform) if recipe == FLIGHT else None
            wcs = build_wcs(transform, shape, bounding_box=stated, **how)
            to_sky, box = to_sky_of(wcs), limits(wcs)
        corners = corners_of(to_sky, box)
        is_finite_there = all(map(math.isfinite, corners.ravel()))
        if not is_finite_there and not has_positions(to_sky, box):
            raise ValueError("no part of the image has a position on the sky")
    except Exception as error:
        raise InputError(
            f"{describe(distortion)}: its transform cannot be used: {one_line(error)}"
        ) from error
    image.meta.wcs = wcs
    if is_finite_there:
        image.meta.wcsinfo.s_region = s_region(corners, recipe)
    else:
        warn(
            f"{describe(distortion)}: a corner of the image has no position on the sky: "
            "meta.wcsinfo.s_region stays as it is"
        )


def _known_transform(distortion: DistortionRefModel) -> Transform | None:
    """The transform of a distortion, as far as it is of two coordinates to two, and known here.

    None where only the libraries know what it is, or it is in no file, but an object.
    """
    from ._transforms import NotUnderstoodError, understood
    from .datamodels import knows_descriptions

    description = distortion.description_of(_TRANSFORM)
    if description is None or not knows_descriptions():
        return None
    try:
        transform = understood(description)
    except NotUnderstoodError:
        return None
    return transform if len(transform.inputs) == len(transform.outputs) == 2 else None


def _checked_transform(distortion: DistortionRefModel) -> Model:
    """The transform of a distortion, as an object of `astropy`."""
    transform: Any = distortion[_TRANSFORM]
    n_axes = (getattr(transform, "n_inputs", 0), getattr(transform, "n_outputs", 0))
    if n_axes != (2, 2):
        raise InputError(
            f"{describe(distortion)}: coordinate_distortion_transform is not a transform of two "
            f"coordinates to two, but a {type(transform).__name__}"
        )
    return transform


def pointing(image: DataModel) -> dict[str, float]:
    """Take the five numbers that fix the attitude from ``meta.wcsinfo``.

    Returns
    -------
    dict
        v2_ref, v3_ref [arcsec], ra_ref, dec_ref, roll_ref [deg].

    Raises
    ------
    InputError
        If one is missing, a placeholder, or not a finite number.
    """
    from .datamodels import is_unknown

    wcsinfo = image.meta.get("wcsinfo")
    if not isinstance(wcsinfo, Mapping):
        raise InputError(f"{describe(image)}: meta.wcsinfo is {wcsinfo!r}; the WCS needs it")
    numbers = {}
    for key in ("v2_ref", "v3_ref", "ra_ref", "dec_ref", "roll_ref"):
        value = wcsinfo.get(key)
        if not is_finite(value) or is_unknown(value):
            raise InputError(
                f"{describe(image)}: meta.wcsinfo.{key} is {value}; the WCS needs a finite number"
            )
        numbers[key] = float(value)
    return numbers


def aberration_scale(image: ImageModel, recipe: str, warn: Callable[[str], object]) -> float | None:
    """Read the scale factor of the velocity aberration.

    Returns
    -------
    float or None
        In the recipe of flight 1 where the exposure has none, or one that cannot be, of which
        `warn` is told. In that of 2022 None for placeholders, which are not positive, and for
        exposures of 2022: they state a factor, but the system that they were made for does not
        apply it. A ``group_time`` marks these.
    """
    aberration = image.meta.get("velocity_aberration")
    scale = aberration.get("scale_factor") if isinstance(aberration, Mapping) else None
    possible = float(scale) if is_finite(scale) and scale > 0 else None
    if recipe == FLIGHT:
        if possible is not None:
            return possible
        if scale is not None:
            warn(
                f"{describe(image)}: meta.velocity_aberration.scale_factor is {scale}, which is no "
                "ratio of scales: 1 is used"
            )
        return 1.0
    if image.meta.exposure.get("group_time") is not None:
        return None
    return possible


def is_finite(value: Any) -> TypeGuard[float]:
    """Whether it is a number, and neither infinite nor NaN."""
    return isinstance(value, numbers.Real) and math.isfinite(value)


def build_wcs(
    distortion: Model,
    shape: tuple[int, int],
    *,
    v2_ref: float,
    v3_ref: float,
    ra_ref: float,
    dec_ref: float,
    roll_ref: float,
    scale_factor: float | None = None,
    bounding_box: Box | None = None,
) -> WCS:
    """Chain distortion, velocity aberration and attitude into a WCS.

    Parameters
    ----------
    distortion : astropy.modeling.Model
        Pixels (x, y), counted from 0, to (V2, V3) [arcsec]. It is not changed.
    shape : (int, int)
        Rows and columns of the image.
    v2_ref, v3_ref : float
        The fiducial point in the telescope's frame [arcsec].
    ra_ref, dec_ref : float
        The fiducial point on the sky, ICRS [deg].
    roll_ref : float
        Position angle of V3 at the fiducial point, east of north [deg].
    scale_factor : float, optional
        Velocity aberration: apparent over true plate scale. None leaves the frame out.
    bounding_box : ((float, float), (float, float)), optional
        Where the WCS holds, limits of x and of y; the image with its pixel edges if left out:
        ((-0.5, n_cols - 0.5), (-0.5, n_rows - 0.5)).

    Returns
    -------
    gwcs.WCS
    """
    from .datamodels import load_objects

    load_objects()
    from astropy import units as u
    from astropy.coordinates import ICRS
    from gwcs import WCS, coordinate_frames

    def telescope_frame(name: str) -> coordinate_frames.Frame2D:
        return coordinate_frames.Frame2D(
            name=name, axes_order=(0, 1), axes_names=("v2", "v3"), unit=(u.arcsec, u.arcsec)
        )

    detector = coordinate_frames.Frame2D(name="detector", axes_order=(0, 1), unit=(u.pix, u.pix))
    world = coordinate_frames.CelestialFrame(reference_frame=ICRS(), name="world")
    attitude = attitude_transform(v2_ref, v3_ref, ra_ref, dec_ref, roll_ref)
    # The WCS sets a bounding box on it, and the reference is not ours to change.
    distortion = distortion.copy()
    distortion.inputs, distortion.outputs = ("x", "y"), ("v2", "v3")
    chain = [(detector, distortion)]
    if scale_factor is None:
        chain += [(telescope_frame("v2v3"), attitude)]
    else:
        aberration = aberration_transform(scale_factor, v2_ref, v3_ref)
        chain += [
            (telescope_frame("v2v3"), aberration),
            (telescope_frame("v2v3vacorr"), attitude),
        ]
    wcs = WCS([*chain, (world, None)])
    wcs.bounding_box = bounding_box or box_of(shape)
    return wcs


def stated_box(transform: Model) -> Box | None:
    """Where a transform of pixels says that it holds: limits of x and of y; None if it does not."""
    try:
        box = transform.bounding_box
    except NotImplementedError:
        return None
    return box.bounding_box(order="F")


def aberration_transform(scale_factor: float, v2_ref: float, v3_ref: float) -> Model:
    """(V2, V3) stretched by a factor about the fiducial point [arcsec]."""
    from astropy.modeling.models import Identity, Scale, Shift

    if scale_factor == 1:
        return Identity(2)
    model = Scale(scale_factor) & Scale(scale_factor) | (
        Shift((1 - scale_factor) * v2_ref) & Shift((1 - scale_factor) * v3_ref)
    )
    model.name = "DVA_Correction"
    return model


def attitude_transform(
    v2_ref: float, v3_ref: float, ra_ref: float, dec_ref: float, roll_ref: float
) -> Model:
    """(V2, V3) [arcsec] to (RA, Dec) [deg], RA from 0 to 360: a rotation by five Euler angles."""
    from astropy.modeling.models import RotationSequence3D, Scale
    from gwcs.geometry import CartesianToSpherical, SphericalToCartesian

    from ._described_wcs import attitude_angles

    # RotationSequence3D turns the axes, not the vectors: its angles have the other sign.
    angles = attitude_angles(v2_ref, v3_ref, ra_ref, dec_ref, roll_ref)
    model = (
        Scale(1 / _ARCSEC_PER_DEGREE) & Scale(1 / _ARCSEC_PER_DEGREE)
        | SphericalToCartesian(wrap_lon_at=180)
        | RotationSequence3D(angles, axes_order="zyxyz")
        | CartesianToSpherical(wrap_lon_at=360)
    )
    model.name = "v23tosky"
    return model


def has_positions(to_sky: Callable[..., Any], box: Box) -> bool:
    """Whether any of some places all over a bounding box has a position on the sky."""
    import numpy as np

    (left, right), (bottom, top) = box
    x, y = np.meshgrid(np.linspace(left, right, _N_PLACES), np.linspace(bottom, top, _N_PLACES))
    ra, dec = to_sky(x, y)
    return bool(np.any(np.isfinite(ra) & np.isfinite(dec)))


def s_region(corners: np.ndarray, recipe: str) -> str:
    """Write a polygon on the sky as a recipe's system does, to 1e-9 degrees."""
    return polygon(corners, _POLYGON[recipe])
