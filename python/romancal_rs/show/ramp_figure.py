"""Draws the ramp of one pixel: its samples, the fit, what the fit leaves, and its neighbours."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import dqflags
from .theme import DARK, LIGHT, Theme

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from .ramp_record import PixelRamp

__all__ = ["draw_pixel_ramp"]

_SIZE = (12.0, 7.2)  # [inch]
#: Characters in a line of the facts, and of the notes.
_FACT_WIDTH = 38
_NOTE_WIDTH = 160
#: How samples with a flag are marked.
_MARKERS = {
    dqflags.JUMP_DET: ("^", 11),
    dqflags.SATURATED: ("s", 12),
    dqflags.DO_NOT_USE: ("x", 9),
}
_OTHER_MARKERS = ("D", "v", "P", "*", "h")
#: Of the names of facts, and of a line of them [point].
_NAME_WIDTH, _LINE_HEIGHT = 84, 12.5
#: What of the facts the headings of the figure tell.
_IN_HEADING = ("file", "exposure")
#: Rates outside of these percentiles are drawn as these.
_PERCENTILES = (1.0, 99.0)


def draw_pixel_ramp(ramp: PixelRamp, *, dark: bool = False, figure: Figure | None = None) -> Figure:
    """Draw the ramp of a pixel.

    Parameters
    ----------
    ramp : PixelRamp
        What to draw, see `pixel_ramp`.
    dark : bool, optional
        On dark ground.
    figure : matplotlib.figure.Figure, optional
        An empty one to draw into, such as one of pyplot; its size is changed. A new one otherwise.

    Returns
    -------
    matplotlib.figure.Figure
        With the ramp above what the fit leaves of it, and the neighbourhood above the facts.
    """
    from .notebook import Picture

    theme = DARK if dark else LIGHT
    with theme.applied():
        if figure is None:
            figure = Picture()
        figure.set_facecolor(theme.background)
        figure.set_size_inches(_SIZE)
        figure.set_layout_engine("constrained")
        halves: Any = figure.subfigures(1, 2, width_ratios=(1.7, 1.0), wspace=0.02)
        left, right = halves
        for part in (left, right):
            part.set_facecolor(theme.background)
        upper, lower = left.subplots(
            2, 1, sharex=True, gridspec_kw={"height_ratios": (1.7, 1.0), "hspace": 0.03}
        )
        neighbours, facts = right.subplots(2, 1, gridspec_kw={"height_ratios": (1.5, 1.0)})
        _draw_samples(upper, ramp, theme)
        _draw_residuals(lower, ramp, theme)
        _draw_neighbours(neighbours, ramp, theme)
        _write_facts(facts, ramp, theme)
        figure.suptitle(f"{ramp.name}, pixel X {ramp.x}, Y {ramp.y}\n{ramp.title}", fontsize=10.5)
        if ramp.notes:
            notes = [
                line
                for note in ramp.notes
                for line in textwrap.wrap(f"note: {note}", _NOTE_WIDTH, subsequent_indent="  ")
            ]
            figure.supxlabel("\n".join(notes), fontsize=8, ha="left", x=0.01)
        figure.draw_without_rendering()  # the layout is made with the sizes of the theme
    return figure


def _draw_samples(axes: Axes, ramp: PixelRamp, theme: Theme) -> None:
    if ramp.raw is not None:
        axes.plot(
            *(ramp.times, ramp.raw),
            linestyle="none",
            marker="o",
            markersize=5,
            markerfacecolor="none",
            color=theme.curves[5],
            label="as read",
        )
    axes.plot(
        *(ramp.times, ramp.corrected),
        linestyle="none",
        marker="o",
        markersize=5,
        color=theme.curves[0],
        label="as fitted (corrected)",
        zorder=3,
    )
    _draw_lines(axes, ramp, theme, minus_line=False)
    _mark_flags(axes, ramp, ramp.corrected, theme)
    _mark_hits(axes, ramp, theme)
    axes.set_ylabel("signal [DN]")
    axes.tick_params(labelbottom=False)
    axes.grid(True, linewidth=0.5)
    axes.margins(x=0.04, y=0.08)
    axes.legend(loc="lower left", bbox_to_anchor=(0.0, 1.0), ncols=4, borderaxespad=0.2)


def _draw_residuals(axes: Axes, ramp: PixelRamp, theme: Theme) -> None:
    n_reads = np.array([len(reads) for reads in ramp.reads])
    axes.axhline(0.0, color=theme.curves[1], linewidth=1.2)
    _draw_lines(axes, ramp, theme, minus_line=True)
    axes.errorbar(
        *(ramp.times, ramp.residuals),
        yerr=ramp.read_noise / np.sqrt(n_reads) if np.isfinite(ramp.read_noise) else None,
        linestyle="none",
        marker="o",
        markersize=5,
        color=theme.curves[0],
        elinewidth=1.0,
    )
    _mark_flags(axes, ramp, ramp.residuals, theme)
    _mark_hits(axes, ramp, theme)
    axes.set_xlabel("mean time of the resultant [s]")
    axes.set_ylabel("as fitted - line [DN]")
    axes.grid(True, linewidth=0.5)
    axes.margins(y=0.12)
    if not ramp.segments:
        axes.set_ylim(-1.0, 1.0)
        axes.text(0.5, 0.7, _why_no_line(ramp), transform=axes.transAxes, ha="center")
    else:
        axes.text(
            *(0.01, 0.97, "bars: noise of the reads"),
            transform=axes.transAxes,
            va="top",
            fontsize=8,
        )


def _why_no_line(ramp: PixelRamp) -> str:
    if ramp.has_rate:
        return "a rate of one sample: no line"
    return "no rate: fewer than two samples in a row can be used"


def _draw_lines(axes: Axes, ramp: PixelRamp, theme: Theme, *, minus_line: bool) -> None:
    """The lines of the segments, and by how much the error of the slope turns them."""
    is_first = True
    for segment in ramp.segments:
        times = np.linspace(ramp.times[segment.first], ramp.times[segment.last], 50)
        values = np.zeros(50) if minus_line else segment.offset + segment.slope * times
        middle = np.mean(ramp.times[segment.first : segment.last + 1])
        turn = segment.slope_err * np.abs(times - middle)
        labels = ("fit", "its error") if is_first else ("_", "_")
        is_first = False
        if not minus_line:
            axes.plot(times, values, color=theme.curves[1], linewidth=1.5, label=labels[0])
        axes.fill_between(
            *(times, values - turn, values + turn),
            color=theme.curves[1],
            alpha=0.25,
            linewidth=0,
            label=labels[1],
        )


def _mark_flags(axes: Axes, ramp: PixelRamp, values: Any, theme: Theme) -> None:
    """Marks the samples of each flag; those without a value at the bottom."""
    colours = [theme.unusable, *theme.curves[2:]]
    others = iter(_OTHER_MARKERS)
    shown = np.asarray(values, np.float64)
    for number, bit in enumerate(1 << n for n in range(8)):
        chosen = (ramp.groupdq & bit) != 0
        if not chosen.any():
            continue
        marker, size = _MARKERS.get(bit, (next(others, "."), 8))
        (name,) = dqflags.names(bit, dqflags.group)
        axes.plot(
            *(ramp.times[chosen], shown[chosen]),
            linestyle="none",
            marker=marker,
            markersize=size,
            markerfacecolor="none",
            markeredgewidth=1.4,
            color=colours[number % len(colours)],
            label=name,
            zorder=4,
        )


def _mark_hits(axes: Axes, ramp: PixelRamp, theme: Theme) -> None:
    """A line in the difference before each sample that is flagged."""
    is_first = True
    for g in np.flatnonzero(ramp.groupdq & dqflags.JUMP_DET):
        if g == 0:
            continue
        axes.axvline(
            (ramp.times[g - 1] + ramp.times[g]) / 2,
            color=theme.curves[3],
            linestyle="--",
            linewidth=1.0,
            label="hit" if is_first else "_",
        )
        is_first = False


def _draw_neighbours(axes: Axes, ramp: PixelRamp, theme: Theme) -> None:
    from matplotlib import colormaps
    from matplotlib.patches import Rectangle

    pixels = ramp.neighbourhood
    left, bottom = ramp.corner
    n_rows, n_cols = pixels.shape
    finite = pixels[np.isfinite(pixels)]
    low, high = np.percentile(finite, _PERCENTILES) if finite.size else (0.0, 1.0)
    image = axes.imshow(
        pixels,
        origin="lower",
        cmap=colormaps[theme.map].with_extremes(bad=theme.unusable),
        vmin=low,
        vmax=high if high > low else low + 1.0,
        extent=(left - 0.5, left + n_cols - 0.5, bottom - 0.5, bottom + n_rows - 0.5),
        interpolation="nearest",
    )
    for width, colour in ((3.2, "black"), (1.4, "white")):  # seen on any colour
        axes.add_patch(
            Rectangle(
                *((ramp.x - 0.5, ramp.y - 0.5), 1, 1),
                fill=False,
                edgecolor=colour,
                linewidth=width,
            )
        )
    of_what = "product" if ramp.product is not None else "made anew"
    title = f"rate of the neighbours ({of_what})"
    if finite.size < pixels.size:
        title += "; red: not to be used"
    axes.set_title(title, fontsize=9)
    axes.set_xlabel("X [pixel]")
    axes.set_ylabel("Y [pixel]")
    axes.locator_params(axis="x", integer=True, nbins=max(n_cols // 4, 1))
    axes.locator_params(axis="y", integer=True, nbins=max(n_rows // 4, 1))
    axes.figure.colorbar(image, ax=axes, label="DN/s", extend="both", fraction=0.05)


def _write_facts(axes: Axes, ramp: PixelRamp, theme: Theme) -> None:
    axes.axis("off")
    rows: list[tuple[str, str]] = []
    for name, text in ramp.facts().items():
        if name in _IN_HEADING:
            continue
        first, *others = textwrap.wrap(text.replace("+-", "±"), _FACT_WIDTH) or [""]
        rows += [(name, first), *(("", line) for line in others)]
    for number, row in enumerate(rows):
        for text, right, colour in zip(row, (0, _NAME_WIDTH), ("grey", theme.text), strict=True):
            axes.annotate(
                *(text, (0.0, 1.0)),
                xycoords="axes fraction",
                xytext=(right, -_LINE_HEIGHT * number),
                textcoords="offset points",
                va="top",
                fontsize=8,
                color=colour,
            ).set_in_layout(False)  # they would take the room of the image
