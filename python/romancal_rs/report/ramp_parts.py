"""Parts of the page that tell of ramps: flags and saturation, jumps, reference pixels."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from .. import dqflags
from ..datamodels import ScienceRawModel
from ..errors import RomancalError, one_line
from . import border, charts, pictures
from .gathered import Gathered, inside
from .html import Html, element, figure, grid, join, section, table
from .measure import first_flagged, flagged_samples
from .records import look, text_of
from .remarks import percent

__all__ = ["flags", "jumps", "reference_pixels"]

_FREQUENT = 6


def flags(of: Gathered) -> Html | None:
    """The section with the flags."""
    dq = of.dq
    if dq is None:
        return None
    counts = dqflags.counts(dq)
    of.findings.flags = counts
    if not of.findings.n_pixels:
        of.findings.n_pixels = dq.size
        of.findings.n_usable = dq.size - counts.get("DO_NOT_USE", 0)
    if not counts:
        return section("flags", "Flags", element("p", "No flag is set."))
    rows = [(name, f"{count:,}", percent(count, dq.size)) for name, count in counts.items()]
    frequent = sorted(counts, key=lambda name: -counts[name])[:_FREQUENT]
    maps = []
    for name in counts:
        if name in frequent:
            bits = dqflags.pixel.get(name, 0) or 1 << int(name.removeprefix("BIT_"))
            alt = f"Map of the pixels that are flagged {name}"
            share = percent(counts[name], dq.size)
            drawn, largest = pictures.share_map(dq, bits, alt)
            darkest = f"; darkest: {percent(largest, 1)} of a cell" if largest < 1 else ""
            maps.append(figure(drawn, f"{name}, {share}{darkest}"))
    return section(
        "flags",
        "Flags",
        element(
            "div",
            table(f"Flags of {dq.size:,} pixels", ("flag", "pixels", "share"), rows, "lrr"),
            element(
                "div",
                element("h3", "Where the most frequent are"),
                element("div", *maps, class_="small-grid"),
                class_="wide",
            ),
            class_="columns",
        ),
        _saturation(of, counts, dq.size),
    )


def _saturation(of: Gathered, counts: dict[str, int], n_pixels: int) -> Html:
    n_saturated = counts.get("SATURATED", 0)
    told = f"{n_saturated:,} pixels saturated ({percent(n_saturated, n_pixels)})."
    parts = [element("h3", "Saturation")]
    if not n_saturated:
        return join([*parts, element("p", "No pixel saturated.")])
    groupdq = None
    if of.ramp is not None and "groupdq" in of.ramp:
        groupdq = inside(of.ramp.stored("groupdq"))
    if groupdq is None:
        told += (
            " In which resultant is known where the ramp is kept: calibrate with "
            "--save_calibrated_ramp=true, which puts it beside the image."
        )
        return join([*parts, element("p", told)])
    first = first_flagged(groupdq, dqflags.SATURATED)
    when = [int(number) for number in np.flatnonzero(first)]
    if when:
        told += f" The first of them in resultant {when[0] + 1}."
    drawn = charts.bars(
        [int(count) for count in first],
        *("saturation", "Pixels by the first resultant in which they are saturated", "pixels"),
    )
    caption = "Pixels by the first resultant in which they are saturated."
    return join([*parts, element("p", told), grid(figure(drawn, caption))])


def jumps(of: Gathered) -> Html | None:
    """The section with the jumps."""
    if isinstance(of.model, ScienceRawModel):
        return None
    counts, source = _jump_counts(of)
    if counts is None:
        told = "The product does not list them."
        if of.ramp is of.model:
            told = "The ramp has none: where the fit finds them, the image lists them."
        elif of.algorithm == "ols":
            told += (
                " Calibrated with --save_calibrated_ramp=true, the ramp beside the image has them "
                "among its flags."
            )
        else:
            told += " Calibrated by romancal-rs with --steps.rampfit.record_jumps=true it does."
        return section("jumps", "Jumps", element("p", told))
    total = int(sum(counts))
    share = percent(total, of.findings.n_pixels * max(1, len(counts) - 1))
    drawn = charts.bars(counts, "jump-bars", "Jumps in each resultant", "jumps")
    caption = (
        f"{total:,} jumps, by {source}: {share} of the differences between resultants. One "
        "counts for the resultant in which it shows first, so that the first has none."
    )
    return section("jumps", "Jumps", grid(figure(drawn, caption)))


def _jump_counts(of: Gathered) -> tuple[list[int] | None, str]:
    """How many samples of each resultant are flagged as a jump, and what tells it."""
    if "jump_indices" in of.model:
        indices = np.asarray(of.model.stored("jump_indices"))
        n_resultants = of.n_resultants
        if indices.ndim == 2 and indices.shape[1] == 3:
            numbers = indices[:, 0]
            numbers = numbers[(numbers >= 0) & (numbers < max(n_resultants, 1 << 10))]
            counted = np.bincount(numbers.astype(np.intp), minlength=n_resultants)
            return [int(count) for count in counted], "jump_indices of the product"
    if of.ramp is not None and "groupdq" in of.ramp:
        groupdq = inside(of.ramp.stored("groupdq"))
        counted = flagged_samples(groupdq, dqflags.JUMP_DET)
        if counted.any() or of.algorithm == "ols":
            return [int(count) for count in counted], "the flags of the ramp's samples"
    return None, ""


def reference_pixels(of: Gathered) -> Html | None:
    """The section with the reference pixels."""
    before, after = None, None
    flags = {} if of.raw is of.model else border.flags_of(of.model)
    try:
        if of.raw is not None:
            before = border.of_raw(of.raw, flags)
    except RomancalError as error:
        of.raw_note = one_line(error)
    status = text_of(look(of.meta, "cal_step.refpix"))
    is_corrected = status == "COMPLETE"
    if of.raw is not of.model:
        after = border.of_model(of.model)
    if before is None and after is None:
        return None
    if is_corrected and after is not None:
        of.findings.is_corrected = True
        of.findings.common = float(np.abs(after.median).max())
        of.findings.spread = float(after.sigma.mean())
    elif after is not None and before is not None:
        after = None  # it is the same
    kept = "after the correction" if is_corrected else "as they were read out"
    series = {
        name: one
        for name, one in (("as they were read out", before), (kept, after))
        if one is not None
    }
    return section("border", "Reference pixels", *_border_parts(of, series, status))


def _border_parts(of: Gathered, series: dict[str, border.Residuals], status: str) -> Iterator[Html]:
    yield element(
        "p",
        "The frame of 4 pixels sees no light. What is left in each resultant, after "
        "each pixel's mean over the resultants is subtracted, is noise of the read-out: the "
        "median is common to all pixels, sigma is not.",
    )
    if of.raw is not of.model:
        if status != "COMPLETE":
            yield element("p", f"They were not corrected (refpix: {status or 'not done'}).")
        elif len(series) == 1 and of.raw_note:
            yield element("p", f"Before the correction: not known. {of.raw_note}")
        elif of.raw_note:
            yield element("p", f"Before the correction: {of.raw_note}", class_="warning")
    drawn = [
        figure(
            charts.lines(
                {name: getattr(one, what) for name, one in series.items()},
                *(f"border-{what}", f"{title} of the reference pixels", f"{title} [DN]"),
            ),
            f"{title} of each resultant.",
        )
        for what, title in (("median", "Median"), ("sigma", "Sigma"))
    ]
    yield grid(*drawn)
    rows = [
        (
            name,
            f"{one.n_pixels:,}",
            f"{np.sqrt(np.mean(one.median**2)):.3f}",
            f"{np.abs(one.median).max():.3f}",
            f"{one.sigma.mean():.3f}",
        )
        for name, one in series.items()
    ]
    heading = ("", "pixels", "rms of medians [DN]", "largest [DN]", "mean sigma [DN]")
    yield table("Reference pixels over all resultants", heading, rows, "lrrrr")
