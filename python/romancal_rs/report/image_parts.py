"""Parts of the page that show an image: pictures, its place on the sky, histograms."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import dqflags
from ..datamodels import ImageModel
from . import charts, pictures, sky
from .gathered import Gathered
from .html import Html, element, figure, grid, section, table
from .measure import ChiSquare, Distribution, distribution, usable_image
from .records import look, text_of

__all__ = ["histograms", "pictures_of", "place_on_the_sky"]


def pictures_of(of: Gathered) -> Html | None:
    """The section with pictures of the image."""
    model = of.model
    if not isinstance(model, ImageModel):
        return _pictures_of_ramp(of)
    if "data" not in model:
        return None
    data, dq = model.stored("data"), of.dq
    bad = None if of.usable is None else ~of.usable
    unit = of.unit
    shown = [
        figure(
            pictures.image(data, bad, "rate", "The rate", f"rate [{unit}]"),
            "Rate. The scale shows the noise of the sky, and compresses bright sources. Red: no "
            "usable pixel.",
        )
    ]
    if "err" in model:
        shown.append(
            figure(
                pictures.image(
                    *(model.stored("err"), bad, "err", "The error", f"error [{unit}]"),
                    colours="viridis",
                ),
                "Standard error of the rate; red as in the rate.",
            )
        )
    if dq is not None:
        shown.append(_flag_map(of, dq))
    return section("pictures", "Pictures", grid(*shown))


def _pictures_of_ramp(of: Gathered) -> Html | None:
    """The last resultant minus the first: what was collected."""
    model = of.model
    if "data" not in model or len(model.shape) != 3:
        return None
    data = model.stored("data")
    signal = data[-1].astype(np.float32)
    what = "Resultant 1."
    if len(data) > 1:
        signal -= data[0]
        what = f"Resultant {len(data)} minus resultant 1."
    shown = [figure(pictures.image(signal, None, "signal", "The signal", "signal [DN]"), what)]
    dq = of.dq
    if dq is not None:
        shown.append(_flag_map(of, dq))
    return section("pictures", "Pictures", grid(*shown))


def _flag_map(of: Gathered, dq: NDArray[np.uint32]) -> Html:
    shown, counts = pictures.flag_map(dq, "dq", "Map of the flags")
    told = ", ".join(f"{name} {count:,}" for name, count in counts.items())
    return figure(
        shown,
        f"Flags, the gravest of each pixel: {told}. The fainter, the fewer pixels of a cell.",
    )


def place_on_the_sky(of: Gathered) -> Html | None:
    """The section with the place of the image on the sky."""
    footprint = sky.Footprint.of(of.model)
    if footprint is None:
        if isinstance(of.model, ImageModel):
            of.findings.has_sky = False
        return None
    of.findings.has_sky = True
    ra, dec = footprint.centre
    shown = [
        figure(
            sky.draw_footprint(footprint, "footprint", "Outline on the sky, north up"),
            f"Outline around RA {ra:.6f}, Dec {dec:+.6f} deg; north is up, east to the left. "
            "The dot is the first pixel.",
        )
    ]
    field = sky.draw_field(footprint, of.model, "field", "The detectors on the sky")
    if field is not None:
        detector = text_of(look(of.meta, "instrument.detector"))
        shown.append(
            figure(
                field,
                f"The field of view, to some arcsec: {detector} (filled) and the other detectors.",
            )
        )
    names = ("lower left", "upper left", "upper right", "lower right")
    corners = table(
        f"Corners, of {footprint.source}",
        ("corner", "RA [deg]", "Dec [deg]"),
        [
            (name, f"{ra:.6f}", f"{dec:+.6f}")
            for name, (ra, dec) in zip(names, footprint.corners, strict=True)
        ],
        "lrr",
    )
    return section("sky", "Place on the sky", grid(*shown, corners))


def histograms(of: Gathered) -> Html | None:
    """The section with histograms of the arrays."""
    model = of.model
    dq, usable = of.dq, of.usable
    if not isinstance(model, ImageModel) or dq is None or usable is None:
        return None
    of.findings.n_pixels, of.findings.n_usable = usable.size, int(np.count_nonzero(usable))
    unit = of.unit
    ones = np.ones(usable.shape, np.float32)
    shown: list[Html] = []
    rows: list[tuple[str, ...]] = []
    for name, title, label in (
        ("data", "Rate", f"rate [{unit}]"),
        ("err", "Error", f"error [{unit}]"),
    ):
        found = distribution(model.stored(name), usable, ones=ones) if name in model else None
        if found is None:
            continue
        if name == "data":
            of.findings.rate = found
        drawn = charts.histogram(
            found, f"histogram-{name}", f"Histogram of the {title.lower()}", label
        )
        shown.append(figure(drawn, f"{title} of usable pixels.{_outside(found)}"))
        rows.append(_row(f"{title} [{unit}]", found))
    if "chisq" in model:
        chart, row = _chi_square(of, model.stored("chisq"), usable, dq, ones)
        shown.append(chart)
        rows += row
    if not rows:
        return section(
            "histograms", "Histograms", element("p", "No usable pixel has a finite value.")
        )
    numbers = table(
        "Numbers of usable pixels; sigma is 1.4826 times the median absolute deviation",
        ("", "pixels", "min", "median", "max", "sigma"),
        rows,
        "lrrrrr",
    )
    return section("histograms", "Histograms", grid(*shown), numbers)


def _chi_square(
    of: Gathered,
    chisq: NDArray[Any],
    usable: NDArray[np.bool_],
    dq: NDArray[np.uint32],
    ones: NDArray[np.float32],
) -> tuple[Html, list[tuple[str, ...]]]:
    """Of the pixels whose differences are all used: of others the number is not kept."""
    whole = usable & usable_image(dq, dqflags.IN_SAMPLE_AND_PIXEL)
    whole[: of.record.masked_rows] = False  # no flag of the pixel tells of those
    degrees = of.n_resultants - 2
    algorithm = of.algorithm
    expected = None
    if algorithm in ("gls", "likely") and degrees > 0:
        expected = ChiSquare(degrees)
    top = None if expected is None else degrees + 6 * (2 * degrees) ** 0.5
    found = distribution(chisq, whole, top=top, ones=ones)
    if found is None:
        told = "Chi squared: no usable pixel has all of its samples."
        return element("figure", element("figcaption", told)), []
    of.findings.chi_square, of.findings.expected = found, expected
    curve, label = None, ""
    if expected is not None:
        curve = expected.counts(found.edges, found.numbers.count)
        label = f"expected, {degrees} degree{'' if degrees == 1 else 's'} of freedom"
    drawn = charts.histogram(
        *(found, "histogram-chisq", "Histogram of chi squared", "chi squared", curve, label)
    )
    caption = "Chi squared of the fit, of usable pixels without a flag of any sample."
    if expected is not None:
        caption += (
            f" Its median is {found.numbers.median:.3g}, expected {expected.median:.3g}: "
            f"{of.n_resultants - 1} differences of resultants less one."
        )
    elif algorithm == "ols":
        caption += (
            " No curve is expected: this fit (ols) takes neighbouring differences, which share "
            "the noise of a resultant, for independent."
        )
    else:
        caption += " No curve is drawn: the product does not say which fit made it."
    return figure(drawn, caption + _outside(found)), [_row("Chi squared", found)]


def _row(name: str, found: Distribution) -> tuple[str, ...]:
    numbers = found.numbers
    values = (numbers.minimum, numbers.median, numbers.maximum, numbers.sigma)
    return name, f"{numbers.count:,}", *(f"{value:.4g}" for value in values)


def _outside(found: Distribution) -> str:
    """How many values the histogram leaves out."""
    parts = [
        f"{count:,} {where}"
        for count, where in ((found.below, "lower"), (found.above, "higher"))
        if count
    ]
    return f" Not shown: {' and '.join(parts)}." if parts else ""
