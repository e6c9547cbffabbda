"""Where on the sky a detector looked: its outline, and its place among the eighteen."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .charts import INK, SERIES, new_figure, style, svg
from .html import Html
from .records import look

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["Footprint", "draw_field", "draw_footprint"]

#: Science pixels along a side of a detector, and their size on the sky.
_SIDE_ARCSEC = 4088 * 0.11
_BESIDE = 0.9
#: The field is drawn only where the outline is turned as the telescope was [deg].
_TURNED_OTHERWISE = 5.0
_NUMBER = re.compile(r"[-+]?\d+(?:\.\d*)?(?:[eE][-+]?\d+)?")


@dataclass(frozen=True, eq=False)
class Footprint:
    """The outline of an image on the sky.

    Attributes
    ----------
    corners : ndarray, (4, 2), float64
        RA and Dec [deg] of the lower left, upper left, upper right and lower right corner.
    source : str
        Where it comes from.
    """

    corners: NDArray[np.float64]
    source: str

    @classmethod
    def of(cls, model: Any) -> Footprint | None:
        """That of ``meta.wcsinfo.s_region``, else of the corners of ``meta.wcs``; None for none."""
        text = look(model.meta, "wcsinfo.s_region")
        if isinstance(text, str):
            numbers = [float(number) for number in _NUMBER.findall(text)]
            if len(numbers) == 8 and _is_on_sky(corners := np.reshape(numbers, (4, 2))):
                return cls(corners, "meta.wcsinfo.s_region")
        if getattr(model, "has_wcs", False):
            from .._footprint import footprint

            corners = footprint(model.meta.wcs)
            if _is_on_sky(corners):
                return cls(corners, "meta.wcs")
        return None

    @property
    def centre(self) -> tuple[float, float]:
        """RA and Dec of the middle of the corners [deg]."""
        lon, lat = np.radians(self.corners).T
        x, y, z = np.array(
            [np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)]
        ).mean(axis=1)
        return (
            float(np.degrees(np.arctan2(y, x)) % 360),
            float(np.degrees(np.arctan2(z, np.hypot(x, y)))),
        )

    def offsets(self, points: NDArray[np.float64] | None = None) -> NDArray[np.float64]:
        """East and north of the centre in the tangent plane, (n_points, 2) [arcmin]."""
        lon, lat = np.radians(self.corners if points is None else points).T
        lon_0, lat_0 = np.radians(self.centre)
        turn = lon - lon_0
        depth = np.sin(lat_0) * np.sin(lat) + np.cos(lat_0) * np.cos(lat) * np.cos(turn)
        east = np.cos(lat) * np.sin(turn) / depth
        north = (np.cos(lat_0) * np.sin(lat) - np.sin(lat_0) * np.cos(lat) * np.cos(turn)) / depth
        return np.degrees(np.stack([east, north], axis=-1)) * 60


def _is_on_sky(corners: NDArray[np.float64]) -> bool:
    is_finite = bool(np.isfinite(corners).all())
    return is_finite and bool((np.abs(corners[:, 1]) <= 90).all()) and bool(np.ptp(corners) > 0)


def draw_footprint(footprint: Footprint, key: str, title: str) -> Html:
    """The outline, north up and east to the left, with the directions of columns and rows."""
    with style():
        figure, axes = new_figure(0, right=_BESIDE)
        places = footprint.offsets()
        outline = np.vstack([places, places[:1]])
        axes.fill(outline[:, 0], outline[:, 1], color=SERIES[0], alpha=0.15)
        axes.plot(outline[:, 0], outline[:, 1], color=SERIES[0])
        origin = places[0]
        for corner, name in ((places[3], "columns"), (places[1], "rows")):
            direction = (corner - origin) * 0.3
            axes.annotate(
                "",
                xy=tuple(origin + direction),
                xytext=tuple(origin),
                arrowprops={"arrowstyle": "->", "color": SERIES[1], "linewidth": 1.2},
            )
            inwards = (places.mean(axis=0) - origin) * 0.22
            axes.annotate(
                name,
                tuple(origin + direction * 1.15 + inwards),
                color=SERIES[1],
                ha="center",
                va="center",
                fontsize=8.5,
            )
        axes.plot(*origin, marker="o", color=SERIES[1])
        _sky_axes(axes, np.full(2, 1.2 * np.abs(places).max()))
        return svg(figure, key, title)


def draw_field(footprint: Footprint, model: Any, key: str, title: str) -> Html | None:
    """The eighteen detectors on the sky and this one among them, to some arcsec.

    None where the exposure does not say which it is, or how it is turned, or where its WCS has it
    turned otherwise, as those of made-up distortions do.
    """
    from ..simulate.pointing import V3_Y_ANGLE, detector_position

    detector, roll = look(model.meta, "instrument.detector"), look(model.meta, "wcsinfo.roll_ref")
    names = [f"WFI{number:02}" for number in range(1, 19)]
    if detector not in names or not isinstance(roll, int | float) or not np.isfinite(roll):
        return None
    along_rows = footprint.offsets()[1] - footprint.offsets()[0]
    turned_by = np.degrees(np.arctan2(*along_rows)) - roll - V3_Y_ANGLE
    if abs((turned_by + 90) % 180 - 90) > _TURNED_OTHERWISE:
        return None
    at = np.array([detector_position(name) for name in names]) / 60
    at -= at[names.index(detector)]
    angle = np.radians(roll)
    # The position angle of V3 is counted from north through east.
    turn = turned(angle)
    side = _SIDE_ARCSEC / 60 / 2
    square = np.array([[-side, -side], [-side, side], [side, side], [side, -side], [-side, -side]])
    lean = np.radians(V3_Y_ANGLE)
    square = square @ turned(lean).T
    with style():
        figure, axes = new_figure(0, right=_BESIDE)
        places = at @ turn.T
        outlines = square @ turn.T
        for name, place in zip(names, places, strict=True):
            is_this = name == detector
            outline = outlines + place
            axes.fill(
                outline[:, 0],
                outline[:, 1],
                facecolor=SERIES[0] if is_this else "none",
                edgecolor=SERIES[0] if is_this else INK,
                alpha=0.85 if is_this else 0.5,
                linewidth=0.8,
            )
            if not is_this:
                axes.annotate(
                    name[3:], tuple(place), ha="center", va="center", fontsize=8.5, color=INK
                )
        middle = (places.max(axis=0) + places.min(axis=0)) / 2
        _sky_axes(axes, np.ptp(places, axis=0) / 2 + 2 * side, middle)
        return svg(figure, key, title)


def turned(angle: float) -> NDArray[np.float64]:
    """The matrix that turns (x, y) by an angle from y to x [radian], as position angles go."""
    return np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])


def _sky_axes(axes: Axes, size: NDArray[np.float64], middle: Any = (0.0, 0.0)) -> None:
    """North up and east to the left; `size` is half of what is shown [arcmin]."""
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    unit, factor = ("arcsec", 60.0) if size.max() < 0.5 else ("arcmin", 1.0)
    axes.set_aspect("equal", anchor="NW")
    axes.set_xlim(middle[0] + size[0], middle[0] - size[0])
    axes.set_ylim(middle[1] - size[1], middle[1] + size[1])
    for axis, name in ((axes.xaxis, "east"), (axes.yaxis, "north")):
        axis.set_major_locator(MaxNLocator(nbins=7, steps=[1, 2, 5, 10]))
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value * factor:g}"))
        axis.set_label_text(f"{name} [{unit}]")
