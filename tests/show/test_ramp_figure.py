"""The picture of a pixel's ramp: what it shows, in words that can be read."""

import dataclasses
import itertools
import math

import numpy as np
import pytest

from romancal_rs import dqflags
from romancal_rs.show.ramp_record import PixelRamp, Product
from romancal_rs.show.segments import Segment

pytest.importorskip("matplotlib")

from matplotlib.colors import to_hex

from romancal_rs.show.ramp_figure import draw_pixel_ramp
from romancal_rs.show.theme import LIGHT

JUMP, SATURATED, BAD = dqflags.JUMP_DET, dqflags.SATURATED, dqflags.DO_NOT_USE
TIMES = np.array([5.0, 15.0, 25.0, 35.0, 45.0, 55.0])


def made_by_hand(**changes) -> PixelRamp:
    """2 DN/s from 100 DN on, 500 DN of a hit before resultant 4, saturated in the last."""
    samples = 100.0 + 2.0 * TIMES + 500.0 * (np.arange(6) >= 3)
    samples[5] = 9000.0
    ramp = PixelRamp(
        name="r0000101001001001001_0001_wfi01_f158_cal.asdf",
        title="WFI01, F158, WFI_IMAGE, 2027-06-01 00:00:00 UTC, MA table 4 (C2A_IMG_HLWAS)",
        x=100,
        y=200,
        times=TIMES,
        reads=[[1], [2, 3], [4, 6], [7, 8, 9], [10], [11, 12]],
        stages=[
            ("as read", (samples - 50.0).astype(np.float32)),
            ("refpix", (samples - 40.0).astype(np.float32)),
            ("as fitted", samples.astype(np.float32)),
        ],
        groupdq=np.array([0, 0, 0, JUMP, 0, SATURATED], np.uint8),
        flags=JUMP | SATURATED,
        algorithm="gls",
        rate=2.0,
        err=0.05,
        var_poisson=0.0016,
        var_rnoise=0.0009,
        chisq=1.5,
        n_differences=3,
        gain=2.0,
        read_noise=5.0,
        segments=[Segment(0, 2, 2.0, 0.05, 100.0), Segment(3, 4, 2.0, 0.05, 600.0)],
        after=[("dark_current", 1.99), ("flatfield", 2.01)],
        product=Product(2.01, 0.05, JUMP | SATURATED, 2.01),
        neighbourhood=np.arange(21 * 21, dtype=np.float32).reshape(21, 21),
        corner=(90, 190),
    )
    return dataclasses.replace(ramp, **changes)


WITHOUT_RATE = {
    "groupdq": np.full(6, SATURATED | BAD, np.uint8),
    "rate": 0.0,
    "err": 0.0,
    "segments": [],
    "n_differences": 0,
}
#: What is drawn.
CASES = {
    "usual": {},
    "all flags": {"groupdq": np.array([0, *(1 << n for n in range(2, 7))], np.uint8)},
    "without a rate": WITHOUT_RATE,
    "corner": {"x": 0, "y": 0, "corner": (0, 0), "neighbourhood": np.ones((11, 11), np.float32)},
    "without raw": {"stages": [("as fitted", np.arange(6, dtype=np.float32))]},
    "not a number": {"neighbourhood": np.full((21, 21), np.nan, np.float32)},
    "notes": {
        "product": Product(2.02, 0.05, JUMP, 2.01),
        "notes": ["GAIN: /a/long/path/to/references/roman_wfi_gain_0009.asdf in place of " * 3],
    },
}


def test_neighbours_that_are_not_to_be_used_have_a_colour_of_their_own():
    pixels = np.arange(21 * 21, dtype=np.float32).reshape(21, 21)
    pixels[3, 4] = np.nan
    figure = draw_pixel_ramp(made_by_hand(neighbourhood=pixels))
    (axes,) = (axes for axes in figure.axes if "neighbours" in axes.get_title())
    assert axes.get_title().endswith("; red: not to be used")
    (image,) = axes.get_images()
    assert to_hex(image.to_rgba(image.get_array())[3, 4]) == LIGHT.unusable.lower()


@pytest.fixture(params=CASES)
def ramp(request) -> PixelRamp:
    return made_by_hand(**CASES[request.param])


def axes_of(figure) -> dict:
    """Axes by the words along them."""
    return {axes.get_ylabel(): axes for axes in figure.axes}


def drawn_texts(figure) -> list:
    """The texts that are drawn, and where they are on the canvas: of ticks those within limits."""
    from matplotlib.text import Text

    figure.canvas.draw()
    renderer = figure.canvas.get_renderer()
    drawn = []
    for axes in figure.axes:
        beside = [axes.title, axes.xaxis.label, axes.yaxis.label] if axes.axison else []
        drawn += [*beside, *axes.texts]
        if axes.get_legend() is not None:
            drawn += axes.get_legend().get_texts()
        for axis in (axes.xaxis, axes.yaxis) if axes.axison else ():
            low, high = sorted(axis.get_view_interval())
            for tick in axis.get_major_ticks():
                if low <= tick.get_loc() <= high:
                    drawn += [label for label in (tick.label1, tick.label2) if label.get_visible()]
    drawn += figure.findobj(lambda a: isinstance(a, Text) and a.axes is None and a.figure is figure)
    unique = {id(text): text for text in drawn if text.get_text().strip()}
    return [(text.get_text(), text.get_window_extent(renderer)) for text in unique.values()]


@pytest.mark.parametrize("dark", [False, True])
def test_no_word_leaves_the_picture_or_covers_another(ramp, dark):
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    figure = draw_pixel_ramp(ramp, dark=dark)
    FigureCanvasAgg(figure)
    texts = drawn_texts(figure)
    width, height = figure.canvas.get_width_height()
    for word, box in texts:
        assert box.x0 >= -1, word
        assert box.y0 >= -1, word
        assert box.x1 <= width + 1, word
        assert box.y1 <= height + 1, word
    for (one, first), (other, second) in itertools.combinations(texts, 2):
        overlap_x = min(first.x1, second.x1) - max(first.x0, second.x0)
        overlap_y = min(first.y1, second.y1) - max(first.y0, second.y0)
        # The boxes of neighbouring lines share a pixel or two of their margins.
        assert overlap_x <= 1 or overlap_y <= 3, (one, other)


def test_axes_have_names_units_and_numbers():
    figure = draw_pixel_ramp(made_by_hand())
    axes = axes_of(figure)
    assert {"signal [DN]", "as fitted - line [DN]", "Y [pixel]", "DN/s"} <= set(axes)
    assert axes["as fitted - line [DN]"].get_xlabel() == "mean time of the resultant [s]"
    assert axes["Y [pixel]"].get_xlabel() == "X [pixel]"
    assert axes["Y [pixel]"].get_title() == "rate of the neighbours (product)"
    for name in ("signal [DN]", "as fitted - line [DN]", "Y [pixel]", "DN/s"):
        low, high = axes[name].get_ylim()
        assert sum(low <= tick <= high for tick in axes[name].get_yticks()) >= 2, name


def test_samples_flags_and_lines_are_where_they_belong():
    ramp = made_by_hand()
    axes = axes_of(draw_pixel_ramp(ramp))["signal [DN]"]
    lines = {line.get_label(): line for line in axes.lines}
    assert lines["as read"].get_ydata().tolist() == ramp.raw.tolist()
    assert lines["as fitted (corrected)"].get_ydata().tolist() == ramp.corrected.tolist()
    assert lines["JUMP_DET"].get_xdata().tolist() == [35.0]
    assert lines["SATURATED"].get_xdata().tolist() == [55.0]
    # Between resultants 3 and 4.
    assert set(lines["hit"].get_xdata()) == {30.0}
    assert lines["fit"].get_ydata()[[0, -1]].tolist() == [110.0, 150.0]
    shown = [text.get_text() for text in axes.get_legend().get_texts()]
    assert shown == ["as read", "as fitted (corrected)", "fit", "its error", "SATURATED",
                     "JUMP_DET", "hit"]  # fmt: skip


def test_the_pixel_is_marked_among_its_neighbours():
    axes = axes_of(draw_pixel_ramp(made_by_hand()))["Y [pixel]"]
    (image,) = axes.images
    assert image.get_extent() == [89.5, 110.5, 189.5, 210.5]
    assert {patch.get_xy() for patch in axes.patches} == {(99.5, 199.5)}


def test_the_error_turns_the_line_about_its_middle():
    axes = axes_of(draw_pixel_ramp(made_by_hand()))["as fitted - line [DN]"]
    first, second = (band.get_paths()[0].vertices for band in axes.collections[:2])
    # 10 s from the middle of the first segment, 5 s from that of the second; 0.05 DN/s.
    assert max(first[:, 1]) == pytest.approx(0.5)
    assert max(second[:, 1]) == pytest.approx(0.25)


def test_a_ramp_without_a_line_says_why():
    figure = draw_pixel_ramp(made_by_hand(**WITHOUT_RATE))
    texts = [text.get_text() for text in axes_of(figure)["as fitted - line [DN]"].texts]
    assert texts == ["no rate: fewer than two samples in a row can be used"]


def test_a_figure_of_the_callers_is_drawn_into():
    from matplotlib.figure import Figure

    own = Figure()
    assert draw_pixel_ramp(made_by_hand(), figure=own) is own


# --- the numbers in words


def test_a_notebook_shows_the_facts_and_unfolds_the_numbers():
    html = made_by_hand()._repr_html_()
    assert "<td>rate of the fit</td><td>2 +- 0.05 DN/s (gls)</td>" in html
    assert html.index("<details><summary>numbers") < html.index("100.000")


def test_the_table_has_the_numbers():
    ramp = made_by_hand()
    lines = ramp.table().splitlines()
    assert "pixel               X 100, Y 200 in Level 2; column 104, row 204 in Level 1" in lines
    assert "rate of the fit     2 +- 0.05 DN/s (gls)" in lines
    assert "error from          photons 0.04, reads 0.03 DN/s" in lines
    assert "chi2                1.5 (expected 2 +- 2.0)" in lines
    assert "product             2.01 +- 0.05 DN/s; made anew: the same" in lines
    assert "flags               SATURATED JUMP_DET" in lines
    rows = [line.split() for line in lines]
    assert ["3", "4", "6", "25.000", "100.000", "110.000", "150.000", "150.000", "0.000"] in rows
    assert ["4", "7-9", "35.000", "620.000", "630.000", "670.000", "670.000", "0.000",
            "JUMP_DET"] in rows  # fmt: skip
    assert ["6", "11-12", "55.000", "8950.000", "8960.000", "9000.000", "-", "-",
            "SATURATED"] in rows  # fmt: skip
    assert ["4-5", "2.000", "0.050", "600.000"] in rows


def test_columns_are_aligned():
    lines = made_by_hand().table().splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith("resultant"))
    ends = [lines[start + i].find("s]") for i in (1,)]
    assert lines[start].find("time") + len("time") == ends[0] + len("s]")


def test_another_rate_than_that_of_the_product_is_told_in_its_errors():
    product = Product(rate=2.0, err=0.05, flags=0, made_anew=2.1)
    assert not product.agrees
    assert product.told() == "made anew: 2.1, +0.1 (+2 sigma)"
    assert Product(rate=0.0, err=0.0, flags=1, made_anew=0.5).told() == "made anew: 0.5, +0.5"
    assert Product(rate=math.nan, err=0.0, flags=1, made_anew=math.nan).agrees
