"""What stands out in an exposure, in plain words: what a person should look at first."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from .measure import ChiSquare, Distribution
from .records import Record

__all__ = ["Findings", "percent", "remarks"]

#: From which share of the pixels a flag is worth a word.
MANY_UNUSABLE, MANY_SATURATED, MANY_JUMPS = 0.05, 0.01, 0.10
#: By how much the median of chi squared may differ from what is expected.
CHI_SQUARE_OFF = 0.10
#: By how much the pixels of a resultant may have in common after the correction, in its spread.
BORDER_OFF = 0.5


@dataclass
class Findings:
    """What is known of an exposure when its page is written.

    Attributes
    ----------
    n_pixels, n_usable : int
        Of the image; 0 where there is none.
    flags : dict of str to int
        Pixels by flag.
    rate, chi_square : Distribution or None
    expected : ChiSquare or None
        None where the fit's chi squared has no such distribution.
    has_sky : bool or None
        Whether the place on the sky is known; None where it need not be.
    is_corrected : bool
        Whether the numbers of the border are after the correction.
    common, spread : float
        The largest median of a resultant's reference pixels, and the mean of their spreads [DN].
    """

    n_pixels: int = 0
    n_usable: int = 0
    flags: dict[str, int] = field(default_factory=dict)
    rate: Distribution | None = None
    chi_square: Distribution | None = None
    expected: ChiSquare | None = None
    has_sky: bool | None = None
    is_corrected: bool = False
    common: float = 0.0
    spread: float = 0.0


def remarks(found: Findings, record: Record) -> Iterator[str]:
    """What stands out, the gravest first.

    Yields
    ------
    str
        A sentence each.
    """
    n_pixels = found.n_pixels
    if n_pixels and not found.n_usable:
        yield "No pixel is usable: all are flagged DO_NOT_USE."
    elif n_pixels and (n_bad := n_pixels - found.n_usable) > MANY_UNUSABLE * n_pixels:
        yield f"{percent(n_bad, n_pixels)} of the pixels are not to be used (DO_NOT_USE)."
    saturated = found.flags.get("SATURATED", 0)
    if saturated > MANY_SATURATED * n_pixels:
        yield f"{percent(saturated, n_pixels)} of the pixels saturated during the exposure."
    if (jumps := found.flags.get("JUMP_DET", 0)) > MANY_JUMPS * n_pixels:
        yield f"{percent(jumps, n_pixels)} of the pixels have a jump, more than cosmic rays make."
    if found.rate is not None and found.rate.numbers.median < 0:
        yield f"The median rate is negative: {found.rate.numbers.median:.4g}."
    yield from _of_chi_square(found)
    if found.is_corrected and found.common > BORDER_OFF * found.spread > 0:
        yield (
            f"After the correction the reference pixels of a resultant still lie "
            f"{found.common:.2g} DN from their level together, with a spread of "
            f"{found.spread:.2g} DN."
        )
    yield from _of_record(record)
    if found.has_sky is False:
        yield "It has no place on the sky: neither an outline (s_region) nor a WCS."


def _of_chi_square(found: Findings) -> Iterator[str]:
    if found.chi_square is None or found.expected is None:
        return
    median, expected = found.chi_square.numbers.median, found.expected.median
    ratio = median / expected
    if abs(ratio - 1) <= CHI_SQUARE_OFF:
        return
    what = (
        "the noise is larger than gain and read noise say, or ramps are not straight lines"
        if ratio > 1
        else "the noise is smaller than gain and read noise say"
    )
    yield (
        f"The median of chi squared is {median:.3g}, {ratio:.2f} times the {expected:.3g} that is "
        f"expected: {what}."
    )


def _of_record(record: Record) -> Iterator[str]:
    if n := len(record.warnings):
        yield f"{n} warning{'' if n == 1 else 's'} {'was' if n == 1 else 'were'} logged: see below."
    missing = [f"{reftype.upper()} ({step})" for step, reftype in record.missing]
    if missing:
        yield f"No reference was used where one is usual: {', '.join(missing)}."
    for status, word in (("SKIPPED", "skipped"), ("FAILED", "failed")):
        names = [step.name for step in record.steps if step.status == status]
        if names:
            yield f"Step{'' if len(names) == 1 else 's'} {word}: {', '.join(names)}."


def percent(count: float, total: float) -> str:
    """A share in percent, in as many digits as it takes to tell it from none and from all."""
    if not total:
        return "0 %"
    share = 100 * count / total
    if 0 < share < 0.001:
        return "under 0.001 %"
    if share > 99.99 and count != total:
        return "over 99.99 %"
    digits = 0 if share in (0, 100) else 3 if share < 0.1 else 2 if share < 10 else 1
    return f"{share:.{digits}f} %"
