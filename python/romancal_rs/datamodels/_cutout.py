"""A part of an image as a separate image: `ImageModel.cutout`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..border import BORDER
from ..errors import InputError
from ._tree import Tree, deep_copy
from ._wcs import shifted_wcs

if TYPE_CHECKING:
    from astropy.coordinates import SkyCoord
    from gwcs import WCS

    from .._transforms import Box
    from ._exposures import ImageModel

#: How far from the middle of an image positions are looked for, in units of half its diagonal.
_NEAR = 3
#: Arrays of the raw frame, which has a border around the image, and their axes of rows and columns.
_OF_RAW_FRAME: dict[str, tuple[int | None, int | None]] = {
    "amp33": (1, None),
    **{f"border_ref_pix_{side}": (1, None) for side in ("left", "right")},
    **{f"border_ref_pix_{side}": (None, 2) for side in ("top", "bottom")},
    **{f"dq_border_ref_pix_{side}": (0, None) for side in ("left", "right")},
    **{f"dq_border_ref_pix_{side}": (None, 1) for side in ("top", "bottom")},
}


def cutout_tree(image: ImageModel, position: Any, size: Any) -> Tree:
    """The content of a cut-out; see `ImageModel.cutout`."""
    rows, cols = _place(image, position, size)
    old = image._tree
    content = {name: _cut(image, name, rows, cols) for name in image if name != "meta"}
    meta = {key: item for key, item in old.data["meta"].items() if key != "wcs"}
    meta = deep_copy(meta)
    wcs = image.meta.wcs if image.has_wcs else None
    if wcs is not None:
        wcs = shifted_wcs(wcs, cols.start, rows.start, _box(wcs, rows, cols))
        _update_footprint(meta, wcs)
    meta["wcs"] = wcs
    _note(
        meta,
        f"Cut out: rows {rows.start} to {rows.stop - 1}, columns {cols.start} to "
        f"{cols.stop - 1}, counted from 0, of {image.source or 'an image in memory'}",
    )
    content = {"meta": meta, **content}
    return Tree(content, old.tag, source=old.source, header=old.header, origin=old.origin)


def _place(image: ImageModel, position: Any, size: Any) -> tuple[slice, slice]:
    """The rows and columns of the image that a cut-out has."""
    from astropy.nddata import NoOverlapError, overlap_slices

    x, y = _pixel(image, position)
    n_rows, n_cols = _pixels(image, size, x, y)
    shape = (image.shape[0], image.shape[1])
    try:
        (rows, cols), _ = overlap_slices(shape, (n_rows, n_cols), (y, x), mode="trim")
    except NoOverlapError:
        raise InputError(
            f"{_named(image)}: a cut-out of {n_rows} rows and {n_cols} columns about "
            f"x = {x:.1f}, y = {y:.1f} has no pixel of the image, which has {shape[0]} rows and "
            f"{shape[1]} columns"
        ) from None
    return rows, cols


def _pixel(image: ImageModel, position: Any) -> tuple[float, float]:
    """x and y of a position, counted from 0."""
    if hasattr(position, "icrs"):
        if not position.isscalar:
            raise InputError(f"position: expected one, got {len(position)} of them")
        return _pixel_of_sky(image, position.icrs)
    try:
        x, y = (float(value) for value in position)
    except (TypeError, ValueError):
        raise InputError(
            f"position: expected a SkyCoord or (x, y) in pixels, got {position!r}"
        ) from None
    if not np.isfinite((x, y)).all():
        raise InputError(f"position: expected finite numbers, got {position!r}")
    return x, y


def _pixel_of_sky(image: ImageModel, sky: SkyCoord) -> tuple[float, float]:
    """x and y of a position on the sky, by the WCS that the image has in FITS.

    Not by the image's own inverse: of many distortions it is an approximation, or there is none.
    """
    from astropy.coordinates import SkyCoord
    from astropy.wcs import WCS

    from ..fits._sip import fit_sip

    wcs = _wcs(image, "position")
    n_rows, n_cols = image.shape
    middle, corner = (
        SkyCoord(*wcs(x, y, with_bounding_box=False), unit="deg")
        for x, y in (((n_cols - 1) / 2, (n_rows - 1) / 2), (-0.5, -0.5))
    )
    # Far from the image polynomials lead anywhere.
    if middle.separation(sky) < _NEAR * middle.separation(corner):
        written = WCS(fit_sip(wcs, (n_rows, n_cols)).header)
        x, y = written.all_world2pix(sky.ra.deg, sky.dec.deg, 0, quiet=True)
        if np.isfinite((x, y)).all():
            return float(x), float(y)
    raise InputError(
        f"{_named(image)}: position {sky.to_string('hmsdms', precision=2)} is not on the image"
    )


def _pixels(image: ImageModel, size: Any, x: float, y: float) -> tuple[int, int]:
    """Rows and columns of a size, in pixels or an angle."""
    from astropy.units import Quantity, pixel

    is_pair = (isinstance(size, Sequence) and len(size) == 2) or np.shape(size) == (2,)
    sizes = (size[0], size[1]) if is_pair else (size, size)
    numbers = []
    for axis, side in enumerate(sizes):
        number = side
        if isinstance(side, Quantity):
            if side.unit.is_equivalent("deg"):
                number = side.to_value("deg") / _scale(_wcs(image, "size"), x, y, axis)
            elif side.unit == pixel:
                number = side.value
        if not isinstance(number, (int, float, np.number)) or isinstance(number, bool):
            raise InputError(
                f"size: expected pixels or an angle, or two of them for rows and columns, "
                f"got {size!r}"
            )
        if not (np.isfinite(number) and round(float(number)) >= 1):
            raise InputError(f"size: expected at least a pixel, got {size!r}")
        numbers.append(round(float(number)))
    return numbers[0], numbers[1]


def _scale(wcs: WCS, x: float, y: float, axis: int) -> float:
    """Degrees of a pixel along an axis, 0 from row to row, at a place of an image."""
    from astropy.coordinates import SkyCoord

    dx, dy = (0.0, 0.5) if axis == 0 else (0.5, 0.0)
    ends = [
        SkyCoord(*wcs(x + sign * dx, y + sign * dy, with_bounding_box=False), unit="deg")
        for sign in (-1, 1)
    ]
    return float(ends[0].separation(ends[1]).deg)


def _wcs(image: ImageModel, argument: str) -> WCS:
    if not image.has_wcs:
        raise InputError(
            f"{argument}: {_named(image)} has no WCS, which assign_wcs attaches; give pixels"
        )
    return image.meta.wcs


def _cut(image: ImageModel, name: str, rows: slice, cols: slice) -> Any:
    """An item beside the metadata, cut where it is an array of the pixels of the image."""
    value = image._tree.data[name]
    if not hasattr(value, "dtype"):
        return deep_copy(value)
    array = image.stored(name)
    if name == "jump_indices":
        return _jumps_inside(array, rows, cols)
    row_axis, col_axis = _OF_RAW_FRAME.get(name, (None, None))
    if row_axis is None and col_axis is None:
        is_of_image = array.ndim >= 2 and array.shape[-2:] == image.shape
        return np.array(array[..., rows, cols] if is_of_image else array)
    n_rows, n_cols = image.shape
    part = [slice(None)] * array.ndim
    # As of the whole image, it begins with the border and ends with it.
    for axis, length, cut in ((row_axis, n_rows, rows), (col_axis, n_cols, cols)):
        if axis is not None and array.shape[axis] == length + 2 * BORDER:
            part[axis] = slice(cut.start, cut.stop + 2 * BORDER)
    return np.array(array[tuple(part)])


def _jumps_inside(jumps: np.ndarray, rows: slice, cols: slice) -> np.ndarray:
    """The samples of a list (resultant, row, column) that are inside."""
    _, row, col = jumps.T
    inside = (row >= rows.start) & (row < rows.stop) & (col >= cols.start) & (col < cols.stop)
    return jumps[inside] - np.array([0, rows.start, cols.start], jumps.dtype)


def _box(wcs: WCS, rows: slice, cols: slice) -> Box:
    """Where the WCS of a cut-out holds: all of it, but for what is beyond the box of the image."""
    from .._footprint import limits

    box = []
    of_image = (None, None) if wcs.bounding_box is None else limits(wcs)
    for cut, old in zip((cols, rows), of_image, strict=True):
        low, high = -0.5, cut.stop - cut.start - 0.5
        if old is not None and max(low, old[0] - cut.start) < min(high, old[1] - cut.start):
            low, high = max(low, old[0] - cut.start), min(high, old[1] - cut.start)
        box.append((low, high))
    return box[0], box[1]


def _update_footprint(meta: dict[str, Any], wcs: WCS) -> None:
    """Writes the new outline as the old one is written."""
    from .._footprint import footprint, polygon

    old = meta.get("wcsinfo", {}).get("s_region")
    corners = footprint(wcs)
    if isinstance(old, str) and np.isfinite(corners).all():
        start = re.match(r"POLYGON +\w+ +", old)
        meta["wcsinfo"]["s_region"] = polygon(corners, start[0] if start else "POLYGON ICRS  ")


def _note(meta: dict[str, Any], text: str) -> None:
    """Adds to the log of the product what was done, with the time, as the steps do."""
    from datetime import UTC, datetime

    now = datetime.now(UTC).isoformat(timespec="milliseconds").removesuffix("+00:00")
    meta.setdefault("cal_logs", []).append(f"{now}Z :: romancal_rs.cutout :: INFO :: {text}")


def _named(image: ImageModel) -> str:
    return image.source or "the image"
