"""Draws panels into axes: images with their numbers, maps of flags, curves and arrows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from . import panels as kinds
from .flags import CATEGORIES
from .scaling import round_ticks, stretch
from .sky import Sky
from .theme import Theme

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["Slot", "draw", "draw_compass", "painted"]

#: The power of the share of a cell with which its colour covers the ground.
_VISIBILITY = 1 / 3

#: How far the colour of a cell covers the ground at least, if any pixel has the flag.
_LEAST = 0.5

#: The ratio of the sides of an image beyond which its pixels are no longer drawn as squares.
_LONGEST = 4.0


@dataclass(frozen=True)
class Slot:
    """The place of a panel in a figure, without what is written around it.

    Attributes
    ----------
    left, bottom, side : float
        In inches.
    size : (float, float)
        Of the figure, in inches.
    """

    left: float
    bottom: float
    side: float
    size: tuple[float, float]

    def rectangle(
        self, left: float, bottom: float, width: float, height: float
    ) -> tuple[float, float, float, float]:
        """As shares of the figure, of inches from the corner of the slot."""
        width_all, height_all = self.size
        return (
            (self.left + left) / width_all,
            (self.bottom + bottom) / height_all,
            width / width_all,
            height / height_all,
        )

    def fitted(self, shape: tuple[int, int]) -> tuple[float, float]:
        """Width and height [inches] of an image of so many rows and columns."""
        n_rows, n_cols = shape
        ratio = min(max(n_cols / n_rows, 1 / _LONGEST), _LONGEST)
        return (self.side, self.side / ratio) if ratio >= 1 else (self.side * ratio, self.side)


def draw(figure: Figure, slot: Slot, panel: kinds.Panel, theme: Theme) -> Axes:
    """Draws a panel; the theme must be applied."""
    return _DRAWN[type(panel)](figure, slot, panel, theme)


def _image(figure: Figure, slot: Slot, panel: kinds.Image, theme: Theme) -> Axes:
    from matplotlib import colormaps
    from matplotlib.patches import Patch

    axes, right = _pixel_axes(figure, slot, panel, panel.sky)
    colours = colormaps[theme.sky if panel.is_sky else theme.map]
    norm = stretch(panel.cells)
    shown = _show(axes, panel, panel.cells, colours.with_extremes(bad=theme.unusable), norm)
    if np.isfinite(panel.cells).any():
        _colour_bar(figure, slot, panel.shape, right, shown, panel.unit)
    handles = []
    if panel.n_unusable:
        total = panel.shape[0] * panel.shape[1]
        label = f"{panel.left_out}: {_pixels(panel.n_unusable, total)}"
        handles.append(Patch(facecolor=theme.unusable, edgecolor=theme.text, lw=0.5, label=label))
    _legend(axes, slot, handles, panel.notes, theme)
    if panel.sky is not None:
        draw_compass(axes, slot.fitted(panel.shape), panel.shape, panel.sky)
    return axes


def _flag_map(figure: Figure, slot: Slot, panel: kinds.FlagMap, theme: Theme) -> Axes:
    from matplotlib.patches import Patch

    axes, _ = _pixel_axes(figure, slot, panel)
    _show(axes, panel, painted(panel.shares, theme))
    total = panel.shape[0] * panel.shape[1]
    handles = [
        Patch(
            facecolor=colour,
            edgecolor=theme.text,
            lw=0.5,
            label=f"{category.name}: {_pixels(count, total)}",
        )
        for category, count, colour in zip(CATEGORIES, panel.counts, theme.categories, strict=True)
    ]
    notes = ["a pixel has the colour of its gravest flag", *_of_cells(panel), *panel.notes]
    _legend(axes, slot, handles[::-1], notes, theme)
    return axes


def _layer(figure: Figure, slot: Slot, panel: kinds.Layer, theme: Theme) -> Axes:
    from matplotlib.colors import LinearSegmentedColormap, PowerNorm, to_rgb
    from matplotlib.patches import Patch

    axes, right = _pixel_axes(figure, slot, panel)
    colour = theme.categories[1]
    ground, full = np.array(to_rgb(theme.background)), np.array(to_rgb(colour))
    shades = np.array([ground + _LEAST * (full - ground), full])
    colours = LinearSegmentedColormap.from_list("share", shades)
    flagged = np.where(panel.share > 0, panel.share, np.nan)
    norm = PowerNorm(_VISIBILITY, 1 / max(panel.cell, 2) ** 2, 1)
    shown = _show(axes, panel, flagged, colours.with_extremes(bad=theme.background), norm)
    if panel.cell > 1:
        _colour_bar(figure, slot, panel.shape, right, shown, "share of a cell's pixels", ends=False)
    total = panel.shape[0] * panel.shape[1]
    label = f"flagged: {_pixels(panel.count, total)}"
    patch = Patch(facecolor=colour, edgecolor=theme.text, lw=0.5, label=label)
    _legend(axes, slot, [patch], [*_of_cells(panel), *panel.notes], theme)
    return axes


def _curves(figure: Figure, slot: Slot, panel: kinds.Curves, theme: Theme) -> Axes:
    axes = figure.add_axes(slot.rectangle(0, 0, slot.side, slot.side))
    for curve in panel.curves:
        colour = theme.curves[curve.colour % len(theme.curves)]
        named = bool(len(curve.x)) and isinstance(curve.x[0], str)
        x = np.arange(len(curve.x)) if named else np.asarray(curve.x, float)
        dashes = "--" if curve.colour >= len(theme.curves) and curve.style == "-" else ""
        if curve.low is not None and curve.style == "o":
            y = np.asarray(curve.y)
            below, above = y - np.asarray(curve.low), np.asarray(curve.high) - y
            axes.errorbar(
                x, y, [below, above], fmt="o", ms=5, capsize=3, color=colour, label=curve.label
            )
        else:
            axes.plot(x, curve.y, dashes or curve.style, ms=4, color=colour, label=curve.label)
            if curve.low is not None:
                axes.fill_between(x, curve.low, curve.high, color=colour, alpha=0.25, lw=0)
        if named:
            axes.set_xticks(x, curve.x, rotation=90 if len(x) > 6 else 0)
    if panel.x_log:
        axes.set_xscale("log")
    if panel.y_log:
        axes.set_yscale("log")
    axes.set_title(panel.title)
    axes.set_ylabel(panel.y_label)
    axes.set_xlabel("\n".join([panel.x_label, *panel.notes]))
    axes.grid(True, lw=0.5)
    axes.set_axisbelow(True)
    labelled = [curve for curve in panel.curves if curve.label]
    if labelled:
        # Many lines leave no room for their names among them; few may run below these.
        beside = {"loc": "upper left", "bbox_to_anchor": (1.02, 1), "borderaxespad": 0}
        within = {"loc": "best", "frameon": True, "edgecolor": "none", "framealpha": 0.85}
        axes.legend(**(beside if len(labelled) > 3 else within))
    return axes


def _arrows(figure: Figure, slot: Slot, panel: kinds.Arrows, theme: Theme) -> Axes:
    axes, _ = _pixel_axes(figure, slot, panel)
    lengths = np.hypot(panel.dx, panel.dy)
    longest = float(lengths.max()) or 1.0
    # The longest arrow is as long as the arrows are apart.
    apart = max(panel.shape) / max(1.0, np.sqrt(lengths.size) - 1)
    axes.quiver(
        panel.x,
        panel.y,
        panel.dx,
        panel.dy,
        angles="xy",
        scale_units="xy",
        scale=longest / apart,
        color=theme.curves[0],
        width=0.004,
    )
    margin = 0.06
    axes.set_xlim(-0.5 - margin * panel.shape[1], panel.shape[1] * (1 + margin) - 0.5)
    axes.set_ylim(-0.5 - margin * panel.shape[0], panel.shape[0] * (1 + margin) - 0.5)
    _legend(axes, slot, [], panel.notes, theme)
    return axes


def _sky_grid(figure: Figure, slot: Slot, panel: kinds.SkyGrid, theme: Theme) -> Axes:
    axes, _ = _pixel_axes(figure, slot, panel, panel.sky)
    # Contours of what pixels are at: a WCS need not have an inverse.
    axes.coords.grid(grid_type="contours", color=theme.faint, linewidth=0.8)
    draw_compass(axes, slot.fitted(panel.shape), panel.shape, panel.sky)
    _legend(axes, slot, [], panel.notes, theme)
    return axes


_DRAWN: dict[type[kinds.Panel], Callable[..., Axes]] = {
    kinds.Arrows: _arrows,
    kinds.Curves: _curves,
    kinds.FlagMap: _flag_map,
    kinds.Image: _image,
    kinds.Layer: _layer,
    kinds.SkyGrid: _sky_grid,
}


def painted(shares: NDArray[Any], theme: Theme) -> NDArray[np.float32]:
    """The colours of a map of flags, (rows, cols, 3): the graver a category, the later it covers.

    Parameters
    ----------
    shares : ndarray, (n_categories, rows, cols)
        Of `romancal_rs.show.flags.category_shares`.
    """
    from matplotlib.colors import to_rgb

    colours = np.empty((*shares.shape[1:], 3), np.float32)
    colours[:] = to_rgb(theme.background)
    for share, name in zip(shares, theme.categories, strict=True):
        cover = np.where(share > 0, _LEAST + (1 - _LEAST) * share**_VISIBILITY, 0)[..., None]
        colours += cover.astype(np.float32) * (np.array(to_rgb(name), np.float32) - colours)
    return colours


def _pixel_axes(
    figure: Figure, slot: Slot, panel: Any, sky: Sky | None = None
) -> tuple[Any, float]:
    """Axes of rows and columns; on the sky these are above and at the right.

    Returns
    -------
    Axes
    float
        Where something else may stand at the right of them, in inches from the left of the slot.
    """
    n_rows, n_cols = panel.shape
    width, height = slot.fitted(panel.shape)
    place = slot.rectangle(0, slot.side - height, width, height)
    title = panel.title
    if sky is None:
        axes = figure.add_axes(place)
        _number_pixels(axes)
        axes.set_title(title)
        free = width + 0.15
    else:
        from astropy.visualization.wcsaxes import WCSAxes

        axes = WCSAxes(figure, place, wcs=sky.for_axes)
        figure.add_axes(axes)
        _name_sky(axes, sky, n_cols / 2, n_rows / 2)
        beside = figure.add_axes(place)
        beside.patch.set_visible(False)
        beside.set_xlim(-0.5, n_cols - 0.5)
        beside.set_ylim(-0.5, n_rows - 0.5)
        beside.xaxis.tick_top()
        beside.xaxis.set_label_position("top")
        beside.yaxis.tick_right()
        beside.yaxis.set_label_position("right")
        _number_pixels(beside)
        beside.set_title(title)
        free = width + 0.75
    axes.set_xlim(-0.5, n_cols - 0.5)
    axes.set_ylim(-0.5, n_rows - 0.5)
    axes.set_aspect("auto")  # the place has the ratio of the image already
    return axes, free


def _number_pixels(axes: Axes) -> None:
    from matplotlib.ticker import MaxNLocator

    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(MaxNLocator(nbins=6, steps=[1, 2, 5, 10], integer=True))
    axes.set_xlabel("column")
    axes.set_ylabel("row")


def _name_sky(axes: Any, sky: Sky, x: float, y: float) -> None:
    """Numbers and names right ascension and declination, each at the side that it changes along."""
    ra_along_x = sky.ra_runs_along_x(x, y)
    # Of a slanted image a side sees but a part of all values.
    n_ticks = 6 + round(5 * sky.obliqueness(x, y))
    ra, dec = axes.coords
    for coordinate, name, side in (
        (ra, "right ascension (ICRS) [deg]", "b" if ra_along_x else "l"),
        (dec, "declination (ICRS) [deg]", "l" if ra_along_x else "b"),
    ):
        coordinate.set_format_unit("deg", decimal=True, show_decimal_unit=False)
        coordinate.set_axislabel(name, minpad=1.0)
        coordinate.set_axislabel_position(side)
        coordinate.set_ticks_position(side)
        coordinate.set_ticklabel_position(side)
        coordinate.set_ticks(number=n_ticks)
        coordinate.set_ticklabel(exclude_overlapping=True)


def _show(
    axes: Any, panel: Any, values: NDArray[Any], colours: Any = None, norm: Any = None
) -> Any:
    rows, cols = values.shape[:2]
    extent = (-0.5, cols * panel.cell - 0.5, -0.5, rows * panel.cell - 0.5)
    limits = axes.get_xlim(), axes.get_ylim()
    shown = axes.imshow(
        values,
        origin="lower",
        cmap=colours,
        norm=norm,
        extent=extent,
        interpolation="nearest",
        aspect="auto",
    )
    # The last cells may reach beyond the image.
    axes.set_xlim(limits[0])
    axes.set_ylim(limits[1])
    return shown


def _colour_bar(
    figure: Figure,
    slot: Slot,
    shape: tuple[int, int],
    left: float,
    shown: Any,
    label: str,
    ends: bool = True,
) -> None:
    _, height = slot.fitted(shape)
    place = slot.rectangle(left, slot.side - height, 0.16, height)
    bar = figure.colorbar(shown, cax=figure.add_axes(place), extend="both" if ends else "neither")
    norm = shown.norm
    # Of low bars fewer numbers find a place.
    ticks = round_ticks(norm.vmin, norm.vmax, lambda value: float(norm(value)), 0.3 / height)
    bar.set_ticks(ticks, labels=[f"{tick:.6g}" for tick in ticks])
    bar.minorticks_off()
    bar.set_label(label)


def _legend(axes: Any, slot: Slot, handles: list[Any], notes: list[str], theme: Theme) -> None:
    """What colours mean, and lines of words, under the numbers of the axes."""
    from matplotlib.transforms import ScaledTranslation

    figure = axes.figure
    at_corner = axes.transAxes + ScaledTranslation(0, -0.52, figure.dpi_scale_trans)
    rows = 0
    if handles:
        columns = 1 if len(handles) == 1 else 2
        axes.legend(
            handles=handles,
            loc="upper left",
            bbox_to_anchor=(0, 0),
            bbox_transform=at_corner,
            ncols=columns,
            borderaxespad=0,
            borderpad=0,
            handlelength=1.2,
            columnspacing=1.5,
        )
        rows = -(-len(handles) // columns)
    below = at_corner + ScaledTranslation(0, -0.2 * rows, figure.dpi_scale_trans)
    if notes:
        axes.text(0, 0, "\n".join(notes), transform=below, va="top", ha="left", linespacing=1.4)


def draw_compass(axes: Any, size: tuple[float, float], shape: tuple[int, int], sky: Sky) -> None:
    """Draws arrows to the north and to the east into the upper right corner of an image.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
        In pixels of the image, which fills them.
    size : (float, float)
        Their width and height in inches.
    shape : (n_rows, n_cols)
        Of the image.
    sky : Sky
    """
    from matplotlib.patheffects import withStroke

    n_rows, n_cols = shape
    width, height = size
    directions = sky.north_and_east((n_cols - 1) / 2, (n_rows - 1) / 2)
    edge = [withStroke(linewidth=3, foreground="black")]
    # Pixels of one inch, so that arrows have one length where pixels are no squares.
    per_inch = np.array([n_cols / width, n_rows / height])
    start = np.array([n_cols - 0.5, n_rows - 0.5]) - 0.6 * per_inch
    for name, direction in zip("NE", directions, strict=True):
        on_paper = direction / per_inch
        on_paper /= np.hypot(*on_paper)
        arrow = axes.annotate(
            "",
            xy=start + 0.36 * on_paper * per_inch,
            xytext=start,
            arrowprops={
                "arrowstyle": "->",
                "color": "white",
                "lw": 1.5,
                "path_effects": edge,
                "shrinkA": 0,
                "shrinkB": 0,
            },
        )
        arrow.set_gid(f"compass {name}")
        axes.text(
            *(start + 0.46 * on_paper * per_inch),
            name,
            color="white",
            ha="center",
            va="center",
            weight="bold",
            path_effects=edge,
        )


def _pixels(count: int, total: int) -> str:
    """A number of pixels, and their share where there are any."""
    noun = "pixel" if count == 1 else "pixels"
    percent = 100 * count / total
    share = f" ({percent:.1f}%)" if percent >= 10 else f" ({percent:.2g}%)" if count else ""
    return f"{count:,} {noun}{share}"


def _of_cells(panel: kinds.Pixels) -> Iterator[str]:
    if panel.cell > 1:
        yield (
            f"cells of {panel.cell} x {panel.cell} pixels; stronger colours: more of these have it"
        )
