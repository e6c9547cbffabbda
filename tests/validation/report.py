"""The tables and plots of `docs/explanation/validation.md`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from .compare import SIZE_EDGES, Comparison, Row, beyond, completeness

if TYPE_CHECKING:
    from matplotlib.axes import Axes

BEGIN, END = "<!-- made by make validate: begin -->", "<!-- end -->"
NAMES = {
    "bias": "bias",
    "pull_width": "pull width",
    "saturated": "saturated pixels",
    "unusable": "unusable pixels",
    "false": "false positives",
    "hit_bias": "bias of hit pixels",
    "hit_pull_width": "pull width of hit pixels",
    "found": "hits found",
}
# Colours that colour-blind readers can tell apart.
EVEN, UNEVEN, EXPECTED = "#0072b2", "#d55e00", "#404040"


def all_z(rows: Sequence[Row]) -> dict[str, list[float]]:
    """The z of all comparisons, by measure."""
    table: dict[str, list[float]] = {name: [] for name in NAMES}
    for row in rows:
        for name, comparison in row.comparisons().items():
            table[name].append(comparison.z)
    return table


def combined(z: Sequence[float]) -> float:
    """Shows what all comparisons of a measure have in common: normal with a width of 1."""
    return float(sum(z) / np.sqrt(len(z))) if len(z) else 0.0


def markdown(header: Sequence[str], lines: Sequence[Sequence[str]], left: int = 1) -> str:
    """A table of which the first `left` columns are text."""
    rule = ["---"] * left + ["---:"] * (len(header) - left)
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (header, rule, *lines))


def pattern_name(row: Row) -> str:
    exposure = row.exposure
    return f"{exposure.number}. {len(exposure.pattern)} {'even' if exposure.even else 'uneven'}"


def _signed(value: float) -> str:
    return f"{value:+.2f}"


def rates_table(rows: Sequence[Row]) -> str:
    """Bias and pull width, exposure by exposure."""
    lines = []
    for row in rows:
        cells = [pattern_name(row), f"{row.exposure.rate:g}", f"{row.exposure.frame_time:g}"]
        bias, pull = row.comparison("bias"), row.comparison("pull_width")
        if bias is None or pull is None:
            cells += ["no usable sample"] + [""] * 6
        else:
            # The error of the mean if the stated errors were right.
            n = row.product.unusable.total - row.product.unusable.count
            unit = row.product.err / np.sqrt(n)
            cells += [
                f"{100 * bias.product.value / row.exposure.rate:+.3g}",
                f"{bias.product.value / unit:+.1f}",
                f"{bias.expected.value / unit:+.1f}",
                _signed(bias.z),
                *(f"{value.value:.4f}" for value in (pull.product, pull.expected)),
                _signed(pull.z),
            ]
        lines.append(cells)
    header = ["exposure", "rate", "frame", "bias, %", "bias", "expected", "z"]
    return markdown([*header, "pull width", "expected", "z"], lines)


def jumps_table(rows: Sequence[Row]) -> str:
    """False positives and hits, exposure by exposure."""
    lines = []
    for row in rows:
        comparisons = row.comparisons()
        if "false" not in comparisons and "found" not in comparisons:
            continue
        cells = [pattern_name(row), f"{row.exposure.rate:g}"]
        false = row.comparison("false")
        assert false is not None
        cells += [f"{1e6 * value.value:.0f}" for value in (false.product, false.expected)]
        cells.append(_signed(false.z) if "false" in comparisons else "")
        for name, scale in (("found", 100), ("hit_pull_width", 1)):
            comparison = comparisons.get(name)
            if comparison is None:
                cells += [""] * 3
                continue
            values = (comparison.product, comparison.expected)
            cells += [f"{scale * value.value:.{1 if scale > 1 else 3}f}" for value in values]
            cells.append(_signed(comparison.z))
        bias = comparisons.get("hit_bias")
        cells.append(_signed(bias.z) if bias else "")
        lines.append(cells)
    header = ["exposure", "rate", "false, 1e-6", "expected", "z", "found, %", "expected", "z"]
    return markdown([*header, "hit pull width", "expected", "z", "hit bias, z"], lines)


def completeness_table(rows: Sequence[Row]) -> str:
    """Share of hits found by size: product, expected, z, for each kind of ramp."""
    table = completeness(rows)
    header = ["sigma"]
    for kind in table:
        header += [f"{kind}, %", "expected", "z"]
    lines = []
    for i, (low, high) in enumerate(pairwise(SIZE_EDGES)):
        cells = [f"{low:g} to {high:g}"]
        for comparisons in table.values():
            comparison = comparisons[i]
            values = (comparison.product, comparison.expected)
            cells += [f"{100 * value.value:.1f}" for value in values]
            cells.append(_signed(comparison.z))
        lines.append(cells)
    return markdown(header, lines)


def summary_table(rows: Sequence[Row]) -> str:
    """How the z of each measure are distributed."""
    table = {NAMES[name]: z for name, z in all_z(rows).items() if z}
    by_size = [c.z for comparisons in completeness(rows).values() for c in comparisons]
    everything = [value for z in table.values() for value in z]
    table |= {"all of these": everything, "hits found, by size": by_size}
    lines = []
    for name, z in table.items():
        cells = [name, str(len(z))]
        for limit, count, chance in beyond(z):
            if limit < 4:
                cells.append(f"{count} ({chance:.1f})")
        # No combined z of different measures.
        common = _signed(combined(z)) if name != "all of these" else ""
        spread = f"{np.std(z):.2f}" if len(z) > 1 else ""
        lines.append([*cells, f"{max(map(abs, z)):.2f}", spread, common])
    header = ["measure", "comparisons", "beyond 2 (by chance)", "beyond 3 (by chance)"]
    return markdown([*header, "largest", "width of z", "combined"], lines)


def repeats_table(repeats: Sequence[tuple[Row, str, list[Comparison]]]) -> str:
    """What became of comparisons beyond 3 with other random numbers."""
    lines = [
        [
            pattern_name(row),
            f"{row.exposure.rate:g}",
            NAMES[name],
            _signed(row.comparisons()[name].z),
            ", ".join(_signed(comparison.z) for comparison in again),
            _signed(combined([comparison.z for comparison in again])),
        ]
        for row, name, again in repeats
    ]
    return markdown(["exposure", "rate", "measure", "z", "z of repeats", "combined"], lines, left=1)


def write(
    page: Path, rows: Sequence[Row], repeats: Sequence[tuple[Row, str, list[Comparison]]]
) -> None:
    """Replace the generated part of the page, and the plots in the directory of its name."""
    if repeats:
        outliers = "Beyond 3, and the same exposures with other random numbers:\n\n"
        outliers += repeats_table(repeats)
    else:
        outliers = "No exposure has a comparison beyond 3."
    sections = [
        ("Summary", f"{summary_table(rows)}\n\n{outliers}"),
        ("Rates", f"{rates_table(rows)}\n\n{_images('bias', 'pull_width')}"),
        ("Jumps by size", f"{completeness_table(rows)}\n\n{_images('completeness')}"),
        ("Jumps by exposure", f"{jumps_table(rows)}\n\n{_images('false_positives')}"),
    ]
    generated = "\n\n".join(
        [f"Made with NumPy {np.__version__}.", *(f"### {t}\n\n{body}" for t, body in sections)]
    )
    replace_generated(page, generated)
    draw_all(rows, page.with_suffix(""))


def replace_generated(page: Path, generated: str, begin: str = BEGIN, end: str = END) -> None:
    """Replace what is between two marks of a page."""
    before, _, rest = page.read_text().partition(begin)
    after = rest.partition(end)[2]
    page.write_text(f"{before}{begin}\n\n{generated}\n\n{end}{after}")


def _images(*names: str) -> str:
    alt = {
        "bias": "Bias against rate",
        "pull_width": "Pull width against rate",
        "completeness": "Share of hits found against their size",
        "false_positives": "False positives against the number of resultants",
    }
    return "\n".join(f"![{alt[name]}](validation/{name}.png)" for name in names)


def draw_all(rows: Sequence[Row], directory: Path) -> None:
    """Draw the four plots; points are the product, crosses or lines the independent simulation."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    directory.mkdir(exist_ok=True)
    for name, draw in (
        ("bias", draw_bias),
        ("pull_width", draw_pull_width),
        ("completeness", draw_completeness),
        ("false_positives", draw_false_positives),
    ):
        figure = Figure(figsize=(8, 6), dpi=100, layout="constrained")
        FigureCanvasAgg(figure)
        top, bottom = figure.subplots(2, 1, sharex=True, height_ratios=(2, 1))
        draw(rows, top, bottom)
        figure.legend(*top.get_legend_handles_labels(), loc="outside upper center", ncols=4)
        bottom.axhspan(-3, 3, color="#eeeeee", zorder=0)
        bottom.axhline(0, color="grey", lw=0.8)
        bottom.set_ylim(-4.5, 4.5)
        bottom.set_ylabel("z")
        # Without the version of the library in it the same picture is the same file.
        figure.savefig(directory / f"{name}.png", metadata={"Software": None})


def draw_points(
    rows: Sequence[Row],
    name: str,
    axis: Callable[[Row], float],
    unit: Callable[[Row], float],
    top: Axes,
    bottom: Axes,
) -> None:
    """A measure against something of the exposure, and z below."""
    chosen = [row for row in rows if name in row.comparisons()]
    chosen.sort(key=lambda row: (axis(row), row.exposure.number))
    values = [axis(row) for row in chosen]
    groups = sorted(set(values))
    # Exposures with the same value stand side by side.
    places = [
        groups.index(value) + 0.1 * (values[:i].count(value) - (values.count(value) - 1) / 2)
        for i, value in enumerate(values)
    ]
    for even, colour, label in ((True, EVEN, "even"), (False, UNEVEN, "uneven")):
        these = [i for i, row in enumerate(chosen) if row.exposure.even == even]
        x = [places[i] for i in these]
        comparisons = [chosen[i].comparisons()[name] for i in these]
        units = [unit(chosen[i]) for i in these]
        product = [c.product.value / u for c, u in zip(comparisons, units, strict=True)]
        # A share of nothing has no error of its own.
        errors = [
            max(c.product.error, c.expected.error) / u
            for c, u in zip(comparisons, units, strict=True)
        ]
        expected = [c.expected.value / u for c, u in zip(comparisons, units, strict=True)]
        top.errorbar(x, product, errors, fmt="o", ms=4, color=colour, label=f"product, {label}")
        label = None if even else "independent simulation"
        top.plot(x, expected, "x", ms=8, mew=1.0, color=EXPECTED, label=label)
        bottom.plot(x, [c.z for c in comparisons], "o", ms=4, color=colour)
    bottom.set_xticks(range(len(groups)), [f"{value:g}" for value in groups])


def draw_bias(rows: Sequence[Row], top: Axes, bottom: Axes) -> None:
    draw_points(rows, "bias", rate_of, lambda row: row.product.err, top, bottom)
    top.set_ylabel("bias / stated error of a pixel")
    top.set_yscale("symlog", linthresh=0.02)
    top.set_yticks([-100, -1, -0.1, -0.01, 0, 0.01, 0.1, 1])
    top.set_ylim(-500, 5)
    top.axhline(0, color="grey", lw=0.8)
    bottom.set_xlabel("rate [DN/s]; in each group from few resultants to many")


def draw_pull_width(rows: Sequence[Row], top: Axes, bottom: Axes) -> None:
    draw_points(rows, "pull_width", rate_of, lambda row: 1.0, top, bottom)
    top.set_ylabel("pull width")
    low, high = 0.8, 1.12
    top.set_ylim(low, high)
    top.axhline(1, color="grey", lw=0.8)
    outside = [
        row for row in rows if (c := row.comparison("pull_width")) and c.product.value > high
    ]
    if outside:
        beyond_it = ", ".join(str(row.exposure.number) for row in outside)
        top.text(0.99, 0.97, f"outside: {beyond_it}", transform=top.transAxes, ha="right", va="top")
    bottom.set_xlabel("rate [DN/s]; in each group from few resultants to many")


def draw_false_positives(rows: Sequence[Row], top: Axes, bottom: Axes) -> None:
    draw_points(rows, "false", lambda row: len(row.exposure.pattern), lambda row: 1.0, top, bottom)
    top.set_yscale("symlog", linthresh=1e-5)
    top.set_ylim(0, 2)
    top.set_ylabel("pixels with a false jump")
    bottom.set_xlabel("resultants; in each group from even to uneven")


def rate_of(row: Row) -> float:
    return row.exposure.rate


def draw_completeness(rows: Sequence[Row], top: Axes, bottom: Axes) -> None:
    x = np.array([(low + high) / 2 for low, high in pairwise(SIZE_EDGES)])
    colours = (EVEN, UNEVEN, "#009e73", "#cc79a7")
    for i, (kind, comparisons) in enumerate(completeness(rows).items()):
        expected = [100 * c.expected.value for c in comparisons]
        product = [100 * c.product.value for c in comparisons]
        errors = [100 * c.product.error for c in comparisons]
        top.plot(x, expected, color=colours[i], lw=1)
        top.errorbar(x, product, errors, fmt="o", ms=4, color=colours[i], label=kind)
        z = [c.z for c in comparisons]
        bottom.plot(x + 0.08 * (i - 1.5), z, "o", ms=4, color=colours[i])
    top.set_ylabel("hits found [%]")
    top.text(
        0.99,
        0.03,
        "points: product\nlines: independent simulation",
        transform=top.transAxes,
        ha="right",
    )
    bottom.set_xlabel("size of the hit [sigma of the difference that first sees it]")
