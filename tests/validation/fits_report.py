"""Tables and plots of `docs/explanation/validation-fits.md`, and the goals in `validation.md`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from math import erfc, sqrt
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from .compare import Value
from .goals import GOALS, RESULTANTS, Goal
from .ramps import PATTERNS
from .report import markdown, replace_generated
from .yardsticks import CLEAN_RATES, HIT_RATES, SATURATING, SIZES, Case, Results

if TYPE_CHECKING:
    from matplotlib.axes import Axes

GOALS_BEGIN, GOALS_END = "<!-- made by make validate, goals: begin -->", "<!-- goals: end -->"
TITLES = {
    "2022": "2022",
    "peer": "romancal 1.1.0",
    "likely": "`likely`",
    "gls": "`gls`",
    "gls, T = 18": "`gls`, T = 18",
}
# Colours that colour-blind readers can tell apart.
COLOURS = {"2022": "#d55e00", "peer": "#404040", "likely": "#009e73", "gls": "#0072b2"}
ESSENTIAL = ("none, 2022", "peer", "concave, gls")  # of flags and fits
FAINT, BRIGHT = (0.3, 1.0), (3.0, 10.0, 100.0)  # DN/s, of hits


def titles(results: Results) -> dict[str, str]:
    """Of the estimators that were measured, in the order of columns."""
    measured = {name for by_name in results.values() for name in by_name}
    return {name: title for name, title in TITLES.items() if name in measured}


# --- goals --------------------------------------------------------------------------------------


def goals_table(results: Results) -> str:
    with_peer = "peer" in titles(results)
    lines = []
    for goal in GOALS:
        saturating = goal.kind == "saturating"
        cells = [
            goal.quantity,
            limits(goal),
            extreme(goal, results, "none, 2022" if saturating else "2022"),
        ]
        if with_peer:
            cells.append(extreme(goal, results, "peer"))
        cells.append(extreme(goal, results, goal.estimator, error=True))
        worst = goal.worst(results, goal.estimator)
        cells += [
            f"{worst[0].pattern}, {condition(worst[0])}" if worst else "",
            goal.verdict(results),
        ]
        lines.append(cells)
    header = ["quantity", "goal", "2022", *(["romancal 1.1.0"] if with_peer else []), "`gls`"]
    return markdown([*header, "where", "met"], lines)


def limits(goal: Goal) -> str:
    low, high = goal.low / goal.unit, goal.high / goal.unit
    if low == -high:
        return f"± {high:g}"
    if np.isinf(high):
        return f">= {low:g}"
    return f"<= {high:g}" if np.isinf(low) else f"{low:g} to {high:g}"


def condition(case: Case) -> str:
    return case.condition if case.kind == "saturating" else f"{case.condition} DN/s"


def extreme(goal: Goal, results: Results, estimator: str, *, error: bool = False) -> str:
    """The value that is furthest out of the limits, or nearest to them."""
    worst = goal.worst(results, estimator)
    if worst is None:
        return ""
    value, spread = worst[1].value / goal.unit, worst[1].error / goal.unit
    if not error or spread == 0:
        return f"{value:.0f}" if abs(value) >= 1000 else f"{value:.4g}"
    digits = max(0, -int(np.floor(np.log10(spread))))
    return f"{value:.{digits}f} ± {spread:.{digits}f}"


# --- tables of the page -------------------------------------------------------------------------


def across(
    results: Results, kind: str, pattern: str, rates: Iterable[float], estimator: str, measure: str
) -> list[Value]:
    """A measure at several rates."""
    cases = [results.get(Case(kind, pattern, f"{rate:g}"), {}).get(estimator) for rate in rates]
    return [measures[measure] for measures in cases if measures and measure in measures]


Summary = Callable[[list[Value]], str]


def largest(digits: int, unit: float = 1.0) -> Summary:
    return lambda values: f"{max(v.value for v in values) / unit:.{digits}f}"


def smallest(digits: int, unit: float = 1.0) -> Summary:
    return lambda values: f"{min(v.value for v in values) / unit:.{digits}f}"


def furthest(digits: int) -> Summary:
    return lambda values: f"{max((v.value for v in values), key=abs):+.{digits}f}"


def span(digits: int) -> Summary:
    def text(values: list[Value]) -> str:
        low, high = (f"{f(v.value for v in values):.{digits}f}" for f in (min, max))
        return low if low == high else f"{low}-{high}"

    return text


def pooled(unit: float) -> Summary:
    """Mean of several, with the error of the mean."""

    def text(values: list[Value]) -> str:
        mean = np.mean([v.value for v in values]) / unit
        error = np.sqrt(np.sum([v.error**2 for v in values])) / len(values) / unit
        return f"{mean:.0f} ± {error:.0f}"

    return text


def by_pattern(
    results: Results,
    columns: Sequence[tuple[str, str, Sequence[float], str, Summary]],
    estimators: Sequence[str],
) -> str:
    """A line for each pattern and estimator; columns are title, kind, rates, measure, summary."""
    names = titles(results)
    lines = []
    for reads in PATTERNS:
        for name in (n for n in estimators if n in names):
            cells = [f"{reads.name} ({len(reads)})", names[name]]
            for _, kind, rates, measure, summary in columns:
                values = across(results, kind, reads.name, rates, name, measure)
                cells.append(summary(values) if values else "")
            if any(cells[2:]):
                lines.append(cells)
    return markdown(["pattern", "fit", *(column[0] for column in columns)], lines, left=2)


def clean_table(results: Results) -> str:
    faint, from_one = (0.0, 0.1, 0.3, 1.0), CLEAN_RATES[3:]
    return by_pattern(
        results,
        [
            ("rms / b", "clean", CLEAN_RATES, "rms", largest(4)),
            ("bias / b", "clean", CLEAN_RATES, "bias", furthest(4)),
            ("pull, 0-0.3 DN/s", "clean", CLEAN_RATES[:3], "pull", span(3)),
            ("pull, 1-300 DN/s", "clean", from_one, "pull", span(4)),
            ("the same, smoothed, 0.1-300", "clean", CLEAN_RATES[1:], "smooth pull", span(4)),
            ("weighted mean, 0.3 DN/s", "clean", (0.3,), "weighted bias", furthest(3)),
            ("the same, smoothed", "clean", (0.3,), "smooth weighted bias", furthest(3)),
            ("false, 0-1 DN/s, 1e-6", "clean", faint, "false", pooled(1e-6)),
            ("false, 3-300 DN/s, 1e-6", "clean", CLEAN_RATES[4:], "false", pooled(1e-6)),
        ],
        ("2022", "peer", "likely", "gls"),
    )


def sizes_table(results: Results) -> str:
    columns = [
        (f"{size} sigma, {label}", f"size {size}", rates, "found", smallest(1, 0.01))
        for label, rates in (("0.3-1 DN/s", FAINT), ("3-100 DN/s", BRIGHT))
        for size in SIZES
    ]
    return by_pattern(results, columns, ("2022", "peer", "likely", "gls", "gls, T = 18"))


def realistic_table(results: Results) -> str:
    columns: list[tuple[str, str, Sequence[float], str, Summary]] = []
    for label, rates in (("0.3-10 DN/s", HIT_RATES[:-1]), ("100 DN/s", HIT_RATES[-1:])):
        columns += [
            (f"rms / b, {label}", "realistic", rates, "rms", largest(3)),
            ("bias / b", "realistic", rates, "bias", furthest(3)),
            ("pull", "realistic", rates, "pull", largest(3)),
            ("> 5 b off, %", "realistic", rates, "far", largest(2, 0.01)),
            ("no rate, %", "realistic", rates, "no rate", largest(2, 0.01)),
        ]
    return by_pattern(results, columns, ("2022", "peer", "likely", "gls"))


def saturating_table(results: Results) -> str:
    lines = []
    formats = (
        ("filled used", 0.01, "{:.2f}"), ("good lost", 1, "{:.2f}"), ("jumps", 0.01, "{:.2f}"),
        ("bias", 1, "{:+.3f}"), ("rms", 1, "{:.3f}"), ("pull", 1, "{:.3f}"),
        ("far", 0.01, "{:.2f}"), ("no rate", 0.01, "{:.2f}"), ("worst", 0.01, "{:+.1f}"),
    )  # fmt: skip
    for reads in SATURATING:
        for what in ("no pedestal", "pedestal", "hits"):
            by_name = results.get(Case("saturating", reads.name, what), {})
            for name, measures in by_name.items():
                # All combinations are shown once.
                if name == "best" or (what != "no pedestal" and name not in ESSENTIAL):
                    continue
                title = "romancal 1.1.0, both" if name == "peer" else name
                values = [form.format(measures[key].value / unit) for key, unit, form in formats]
                lines.append([f"{reads.name}, {what}", title, *values])
    header = [
        "ramps", "flags, fit", "filled used, %", "good lost", "jumps, %", "bias / b", "rms / b",
        "pull", "> 5 b off, %", "no rate, %", "worst, %",
    ]  # fmt: skip
    return markdown(header, lines, left=2)


# --- pages --------------------------------------------------------------------------------------


def write(page: Path, goals_page: Path, results: Results) -> None:
    """Replace the generated parts of both pages, and the plots of the first."""
    pictures = page.with_suffix("")
    sections = [
        ("Ramps without hits", clean_table(results), ("fits_rms", "fits_pull")),
        ("Hits by size", sizes_table(results), ("fits_completeness",)),
        ("Hits of realistic sizes", realistic_table(results), ()),
        ("Ramps that saturate", saturating_table(results), ()),
    ]
    generated = f"Made with NumPy {np.__version__}."
    for title, table, names in sections:
        generated += f"\n\n### {title}\n\n{table}"
        for name in names:
            generated += f"\n\n![{ALT[name]}]({pictures.name}/{name}.png)"
    replace_generated(page, generated)
    replace_generated(goals_page, goals_table(results), GOALS_BEGIN, GOALS_END)
    draw_all(results, pictures)


ALT = {
    "fits_rms": "Excess of the scatter over the bound against rate",
    "fits_pull": "Pull width against rate",
    "fits_completeness": "Share of hits found against their size",
}


def draw_all(results: Results, directory: Path) -> None:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    directory.mkdir(exist_ok=True)
    for name, draw in (
        ("fits_rms", draw_rms),
        ("fits_pull", draw_pull),
        ("fits_completeness", draw_completeness),
    ):
        figure = Figure(figsize=(9, 4.2), dpi=100, layout="constrained")
        FigureCanvasAgg(figure)
        left, right = figure.subplots(1, 2, sharey=True)
        draw(results, left, right)
        figure.legend(*left.get_legend_handles_labels(), loc="outside upper center", ncols=5)
        # Without the version of the library in it the same picture is the same file.
        figure.savefig(directory / f"{name}.png", metadata={"Software": None})


def draw_bands(
    results: Results, axes: Axes, estimator: str, measure: str, few: bool, **style: object
) -> None:
    """Smallest to largest of a measure over the patterns of few, or of many, resultants."""
    chosen = [r.name for r in PATTERNS if (RESULTANTS[r.name] < 8) == few]
    measured = (across(results, "clean", name, CLEAN_RATES, estimator, measure) for name in chosen)
    values = np.array([[v.value for v in of_pattern] for of_pattern in measured if of_pattern])
    if not values.size:
        return
    x = np.arange(len(CLEAN_RATES))
    axes.fill_between(x, values.min(axis=0), values.max(axis=0), alpha=0.3, lw=1.2, **style)


def label_rates(left: Axes, right: Axes) -> None:
    for axes, title in ((left, "4 to 6 resultants"), (right, "8 to 16 resultants")):
        axes.set_title(title, fontsize=10)
        axes.set_xticks(range(len(CLEAN_RATES)), [f"{rate:g}" for rate in CLEAN_RATES])
        axes.set_xlabel("rate [DN/s]")
        axes.grid(alpha=0.3)


def draw_rms(results: Results, left: Axes, right: Axes) -> None:
    names = titles(results)
    for few, axes in ((True, left), (False, right)):
        for name in ("2022", "peer", "gls"):
            if name in names:
                style = {"color": COLOURS[name], "label": names[name].strip("`")}
                draw_bands(results, axes, name, "rms", few, **style)
        axes.axhline(1.003, color="grey", lw=0.8, ls="--", label="goal")
    left.set_yscale("function", functions=(compress, expand))
    left.set_yticks([1, 1.001, 1.003, 1.01, 1.03, 1.1, 1.2])
    left.set_ylim(0.9994, 1.3)
    left.set_ylabel("rms / b")
    label_rates(left, right)


def compress(ratio: np.ndarray) -> np.ndarray:
    """Linear within 0.1 % of 1, and logarithmic beyond."""
    return np.arcsinh((np.asarray(ratio) - 1) / 1e-3)


def expand(value: np.ndarray) -> np.ndarray:
    return 1 + 1e-3 * np.sinh(value)


def draw_pull(results: Results, left: Axes, right: Axes) -> None:
    names = titles(results)
    for few, axes in ((True, left), (False, right)):
        for name in ("2022", "peer", "gls"):
            if name in names:
                style = {"color": COLOURS[name], "label": names[name].strip("`")}
                draw_bands(results, axes, name, "pull", few, **style)
        style = {"color": "#e69f00", "label": "gls, smoothed"}
        draw_bands(results, axes, "gls", "smooth pull", few, **style)
        axes.axhline(1, color="grey", lw=0.8)
    left.set_ylabel("pull width")
    label_rates(left, right)


def draw_completeness(results: Results, left: Axes, right: Axes) -> None:
    # `likely` searches as romancal does.
    names = {name: title for name, title in titles(results).items() if name != "likely"}
    patterns = [reads.name for reads in PATTERNS if len(reads) >= 8]
    grid = np.linspace(SIZES[0], SIZES[-1], 101)
    for rates, axes in ((FAINT, left), (BRIGHT, right)):
        for name in names:
            found = [
                [
                    v.value
                    for pattern in patterns
                    for v in across(results, f"size {size}", pattern, rates, name, "found")
                ]
                for size in SIZES
            ]
            if not found[0]:
                continue
            means = [100 * (1 - np.mean(of_size)) for of_size in found]
            style = {"color": COLOURS[name.partition(",")[0]], "ls": "--" if "," in name else "-"}
            label = names[name].replace("`", "")
            # A logarithm has no place for none.
            shown = [(s, m) for s, m in zip(SIZES, means, strict=True) if m > 1e-3]
            axes.plot(*zip(*shown, strict=True), marker="o", ms=4, label=label, **style)
        known = [50 * erfc((size - 4.5) / sqrt(2)) for size in grid]
        axes.plot(grid, known, color="grey", lw=0.8, label="read known, 4.5 sigma")
        axes.set_title(f"{rates[0]:g} to {rates[-1]:g} DN/s, 8 to 16 resultants", fontsize=10)
        axes.set_xlabel("size of the hit [matched-filter sigma]")
        axes.set_yscale("log")
        axes.set_ylim(1e-3, 100)
        axes.set_xticks(SIZES)
        axes.grid(alpha=0.3)
    left.set_ylabel("hits missed [%]")
