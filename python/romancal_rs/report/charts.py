"""Charts as SVG in the page: text is the browser's, and colours are those of the page's style.

matplotlib draws in colours that stand for others: what is drawn in them takes the colour of the
text, of lines or of a series from the style sheet, and so fits a light page and a dark one.
"""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .html import Html, element

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from .measure import Distribution

__all__ = ["bars", "histogram", "lines", "new_figure", "png", "svg"]

INK, LINE = "#010203", "#010204"
SERIES = ("#010301", "#010302", "#010303")
#: What the colours of the drawing are in the page.
_IN_PAGE = {
    INK: "currentColor",
    LINE: "var(--line)",
    **{colour: f"var(--series-{number})" for number, colour in enumerate(SERIES, 1)},
}
_IMAGE = re.compile(r'"data:image/png;base64,([^"]+)"')
_STYLE: Any = {
    "svg.fonttype": "none",
    "font.size": 9.5,
    "axes.labelsize": 9.5,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.facecolor": "none",
    "axes.linewidth": 0.7,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": LINE,
    "grid.linewidth": 0.6,
    "figure.facecolor": "none",
    "legend.frameon": False,
    "legend.fontsize": 9,
    "legend.labelcolor": INK,
    "savefig.facecolor": "none",
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "xtick.labelsize": 9,
    "ytick.labelsize": 9,
    "xtick.direction": "out",
    "ytick.direction": "out",
    "lines.linewidth": 1.4,
    "lines.markersize": 4,
}
#: Charts are so wide that their text can be read on a narrow screen; what lies around the axes is
#: the same for all, which spares matplotlib to draw each twice for its layout [inches].
WIDTH, HEIGHT = 4.6, 2.9
_LEFT, _BOTTOM, _TOP, _RIGHT = 0.66, 0.47, 0.1, 0.12
_FOR_LEGEND = 0.3
#: Up to so many pixels powers of ten alone would be too few numbers on an axis.
_FINE_TICKS = 1000.0
_SUPERSCRIPTS = str.maketrans("-0123456789", "\N{SUPERSCRIPT MINUS}⁰¹²³⁴⁵⁶⁷⁸⁹")


def style() -> Any:
    """The style of charts: to be entered before a figure is made, until it is drawn."""
    import matplotlib

    return matplotlib.rc_context(_STYLE)


def new_figure(
    height: float = HEIGHT, right: float = _RIGHT, *, has_legend: bool = False
) -> tuple[Figure, Axes]:
    """A figure with axes, in `style`.

    Parameters
    ----------
    height : float, optional
        Of the figure; 0 for axes that are a square.
    right : float, optional
        What is left free beside the axes [inches].
    has_legend : bool, optional
        Whether there is room for a line above the axes, for what would hide curves inside.
    """
    from matplotlib.figure import Figure

    across = WIDTH - _LEFT - right
    top = _FOR_LEGEND if has_legend else _TOP
    height = height or across + _BOTTOM + top
    figure = Figure(figsize=(WIDTH, height))
    up = height - _BOTTOM - top
    place = (_LEFT / WIDTH, _BOTTOM / height, across / WIDTH, up / height)
    return figure, figure.add_axes(place)


def svg(figure: Figure, key: str, title: str) -> Html:
    """A figure as an element of the page.

    Parameters
    ----------
    figure : Figure
    key : str
        Goes before each id in it, so that those of several figures differ.
    title : str
        What it shows, for those who cannot see it.
    """
    import matplotlib

    buffer = io.StringIO()
    with matplotlib.rc_context({"svg.hashsalt": key, "svg.id": None}):
        figure.savefig(buffer, format="svg", metadata={"Date": None})
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    for what in ("metadata", "style"):
        text = re.sub(rf"<{what}\b.*?</{what}>", "", text, flags=re.DOTALL)
    view = re.search(r'viewBox="([^"]*)"', text)
    content = text[text.index(">") + 1 : text.rindex("</svg>")]
    content = re.sub(r"<defs>\s*</defs>\s*", "", content)
    content = re.sub(r'\bid="([^"]*)"', rf'id="{key}-\1"', content)
    content = re.sub(r'(xlink:href="|url\()#', rf"\1#{key}-", content)
    content = content.replace("xlink:href=", "href=")
    content = re.sub(r"\n\s*", "\n", content)
    for colour, in_page in _IN_PAGE.items():
        content = content.replace(colour, in_page)
    content = _IMAGE.sub(lambda match: f'"{_smaller(match[1])}"', content)
    return element(
        "svg",
        element("title", title, id=f"{key}-title"),
        Html(content.strip()),
        viewBox=view[1] if view else None,
        role="img",
        aria_labelledby=f"{key}-title",
        class_="chart",
    )


def _smaller(encoded: str) -> str:
    """An image of few colours with a palette: a third of the size that the pixels take as RGBA."""
    from PIL import Image

    with Image.open(io.BytesIO(base64.b64decode(encoded))) as image:
        pixels = np.ascontiguousarray(np.asarray(image.convert("RGBA")))
    colours, indices = np.unique(pixels.view(np.uint32)[..., 0], return_inverse=True)
    if len(colours) > 256:
        return f"data:image/png;base64,{encoded}"
    palette = colours.view(np.uint8).reshape(-1, 4)
    return png(indices.reshape(pixels.shape[:2]).astype(np.uint8), palette)


def png(indices: NDArray[np.uint8], palette: NDArray[np.uint8]) -> str:
    """A PNG as the address that holds it.

    Parameters
    ----------
    indices : ndarray, (n_rows, n_cols), uint8
        Colour of each pixel, the uppermost row first.
    palette : ndarray, (n_colours, 4), uint8
        Red, green, blue and opacity.
    """
    from PIL import Image

    n_rows, n_cols = indices.shape
    image = Image.frombytes("P", (n_cols, n_rows), np.ascontiguousarray(indices).tobytes())
    image.putpalette(np.ascontiguousarray(palette[:, :3]).tobytes())
    buffer = io.BytesIO()
    opaque = bool((palette[:, 3] == 255).all())
    more = {} if opaque else {"transparency": palette[:, 3].tobytes()}
    image.save(buffer, format="png", **more)
    return f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"


def histogram(
    found: Distribution,
    key: str,
    title: str,
    label: str,
    expected: NDArray[np.float64] | None = None,
    expected_label: str = "",
) -> Html:
    """A histogram, pixels on a logarithmic axis.

    Parameters
    ----------
    found : Distribution
    key, title : str
        See `svg`.
    label : str
        Of the horizontal axis, with the unit.
    expected : ndarray, (n_bins,), optional
        What the counts should be.
    expected_label : str
        What the legend calls it.
    """
    from matplotlib.ticker import NullLocator

    with style():
        figure, axes = new_figure(has_legend=expected is not None)
        axes.stairs(found.counts, found.edges, fill=True, color=SERIES[0], alpha=0.35)
        axes.stairs(found.counts, found.edges, color=SERIES[0], label="measured")
        if found.is_logarithmic:
            log_axis(axes, "x")
        top = float(found.counts.max(initial=1))
        if expected is not None:
            middle = (found.edges[:-1] + found.edges[1:]) / 2
            axes.plot(middle, expected, color=SERIES[1], linestyle="--", label=expected_label)
            top = max(top, float(expected.max(initial=0)))
            _legend_above(axes)
        axes.axvline(found.numbers.median, color=INK, linewidth=0.8, linestyle=":")
        log_axis(axes, "y")
        axes.set_ylim(0.7, max(top, 1.0) * 2)
        if top > _FINE_TICKS:
            axes.yaxis.set_minor_locator(NullLocator())  # which take a third of the drawing
        axes.set_xlim(found.edges[0], found.edges[-1])
        axes.set_xlabel(label)
        axes.set_ylabel("pixels")
        return svg(figure, key, title)


def log_axis(axes: Axes, which: str) -> None:
    """Makes an axis logarithmic, with powers of ten written in plain text."""
    from matplotlib.ticker import FuncFormatter, NullFormatter

    def power(value: float, _: object) -> str:
        exponent = round(float(np.log10(value))) if value > 0 else 0
        if -3 <= exponent <= 3:
            return f"{10.0**exponent:g}"
        return f"10{str(exponent).translate(_SUPERSCRIPTS)}"

    axes.set(**{f"{which}scale": "log"})
    axis = axes.xaxis if which == "x" else axes.yaxis
    axis.set_major_formatter(FuncFormatter(power))
    axis.set_minor_formatter(NullFormatter())


def bars(counts: Sequence[float], key: str, title: str, ylabel: str, first: int = 1) -> Html:
    """A bar for each resultant; `first` is the number of the first one."""
    from matplotlib.ticker import MaxNLocator

    with style():
        figure, axes = new_figure(2.5)
        numbers = np.arange(first, first + len(counts))
        axes.bar(numbers, counts, color=SERIES[0], alpha=0.75, width=0.8)
        axes.grid(visible=False, axis="x")
        resultant_axis(axes, numbers)
        axes.set_ylabel(ylabel)
        axes.set_ylim(0, max(1.0, 1.08 * float(max(counts, default=0))))
        axes.yaxis.set_major_locator(MaxNLocator(nbins=6, integer=True, min_n_ticks=1))
        return svg(figure, key, title)


def lines(series: dict[str, NDArray[np.float64]], key: str, title: str, ylabel: str) -> Html:
    """A line for each series over the resultants."""
    with style():
        has_legend = len(series) > 1
        figure, axes = new_figure(2.6, has_legend=has_legend)
        markers = ("o", "s", "^")
        for (label, values), colour, marker in zip(series.items(), SERIES, markers, strict=False):
            numbers = np.arange(1, len(values) + 1)
            axes.plot(numbers, values, color=colour, marker=marker, label=label)
            resultant_axis(axes, numbers)
        axes.set_ylabel(ylabel)
        if has_legend:
            _legend_above(axes)
        return svg(figure, key, title)


def _legend_above(axes: Axes) -> None:
    axes.legend(
        loc="lower left", bbox_to_anchor=(0, 1), ncols=len(SERIES), borderaxespad=0.1, borderpad=0.1
    )


def resultant_axis(axes: Axes, numbers: NDArray[Any]) -> None:
    """Whole numbers along the axis of the resultants."""
    from matplotlib.ticker import MaxNLocator

    axes.xaxis.set_major_locator(MaxNLocator(nbins=9, integer=True, min_n_ticks=1))
    axes.set_xlim(numbers[0] - 0.7, numbers[-1] + 0.7)
    axes.set_xlabel("resultant")
