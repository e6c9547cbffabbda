"""What the steps ask of an exposure beyond its arrays: cadence, state, what makes it unusable."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from . import dqflags
from .border import BORDER, SCIENCE
from .errors import InputError, NoScienceDataError, one_line, shortened
from .kernels import ReadPattern

if TYPE_CHECKING:
    from .datamodels import DataModel, ImageModel, RampModel, Replacement, ScienceRawModel


def describe(model: DataModel) -> str:
    """What a model is called in messages: the file it came from, else its file name."""
    filename = model.meta.get("filename")
    return model.source or (str(filename) if filename not in (None, "?") else "the exposure")


def check_ramp(model: ScienceRawModel | RampModel) -> None:
    """Checks that there are resultants, and pixels inside the border.

    Raises
    ------
    NoScienceDataError
        If the ramp has no resultants, or nothing but border.
    """
    n_resultants, n_rows, n_cols = model.shape
    if n_resultants == 0:
        raise NoScienceDataError(f"{describe(model)}: no science data: the ramp has 0 resultants")
    if min(n_rows, n_cols) <= 2 * BORDER:
        raise NoScienceDataError(
            f"{describe(model)}: no science data: {n_rows} x {n_cols} pixels are nothing but "
            f"the {BORDER} pixel wide border of reference pixels"
        )


#: The metadata that the steps go by, or add to: what breaks the schema there is always an error.
_USED = (
    "meta.instrument",
    *(
        f"meta.exposure.{name}"
        for name in (
            *("type", "start_time", "frame_time", "group_time", "read_pattern", "nresultants"),
            *("ma_table_name", "ma_table_number"),
        )
    ),
    *(f"meta.guide_star.window_{name}" for name in ("xstart", "xstop", "ystart", "ystop")),
    "meta.wcsinfo",
    "meta.velocity_aberration.scale_factor",
    "meta.cal_step",
    "meta.ref_file",
    "meta.cal_logs",
    "meta.cal_runs",
)


def _is_used(place: str) -> bool:
    """Whether the pipeline goes by what stands at a place, or by a part of it."""
    return any(f"{place}.".startswith(f"{used}.") or used.startswith(f"{place}.") for used in _USED)


def check_exposure(
    model: ScienceRawModel | RampModel, warn: Callable[[str], None] | None = None
) -> None:
    """Checks all that can be known to go wrong later, while nothing is done yet.

    Parameters
    ----------
    model
        The exposure.
    warn : callable, optional
        Called with a message for each place in the metadata that breaks the mission's schema and
        that no step goes by. Left out, such a place is an error.

    Raises
    ------
    InputError
        If metadata or arrays break the mission's schema: the result could not be saved.
    NoScienceDataError
        If the ramp has no resultants, or nothing but border.
    """
    from .datamodels import ValidationError

    problems = model.metadata_problems() if warn else []
    try:
        model.validate(metadata=warn is None)
    except ValidationError as error:
        problems = model.metadata_problems()
        can_go_on = problems and not any(_is_used(problem.place) for problem in problems)
        hint = "; validate = warn goes on, as no step uses it" if can_go_on and warn is None else ""
        raise InputError(f"{describe(model)}: {error.problem}{hint}") from error
    for problem in problems:
        what = f"{describe(model)}: {_told(problem)}"
        if warn is None or _is_used(problem.place):
            raise InputError(what)
        warn(f"{what}; no step uses it")
    check_ramp(model)
    read_pattern(model)
    for key, kind in (("cal_logs", str), ("cal_runs", Mapping)):  # which a run goes on with
        kept = model.meta.get(key, [])
        if isinstance(kept, str) or not isinstance(kept, Sequence):
            raise InputError(f"{describe(model)}: meta.{key} is no list")
        if not all(isinstance(item, kind) for item in kept):
            raise InputError(f"{describe(model)}: meta.{key} holds what no run has written")


def make_product_valid(model: DataModel, warn: Callable[[str], None]) -> None:
    """Sets what the schema of a product forbids in its metadata to unknown, in place.

    Parameters
    ----------
    model
        The product.
    warn : callable
        Called with a message for each such place.

    Raises
    ------
    InputError
        If the pipeline goes by what stands there.
    """
    for problem in model.metadata_problems():
        if _is_used(problem.place):
            raise InputError(f"{describe(model)}: {_told(problem)}")
    for problem in model.make_metadata_valid():
        warn(f"{_told(problem)}; the product has {problem.instead!r}")


def _told(replacement: Replacement) -> str:
    return f"{replacement.place}: {shortened(one_line(replacement.problem))}"


def read_pattern(model: ScienceRawModel | RampModel) -> ReadPattern:
    """The times and reads of the resultants, from ``meta.exposure``.

    Files of 2022 state the time between resultants (``group_time``), today's do not.

    Raises
    ------
    InputError
        If the metadata state no read pattern, an impossible one, or one of another length than
        the ramp.
    """
    from .datamodels import is_unknown

    exposure = model.meta.exposure
    pattern = exposure.get("read_pattern")
    frame_time = exposure.get("frame_time")
    if not pattern or frame_time is None:
        raise InputError(
            f"{describe(model)}: meta.exposure needs read_pattern and frame_time, "
            f"got {pattern!r} and {frame_time!r}"
        )
    reads = [list(resultant) for resultant in pattern]
    n_resultants = model.shape[0]
    stated = exposure.get("nresultants", n_resultants)
    if stated != n_resultants:
        raise InputError(
            f"{describe(model)}: meta.exposure.nresultants is {stated}, the data have "
            f"{n_resultants} resultants"
        )
    if len(reads) != n_resultants:
        raise InputError(
            f"{describe(model)}: meta.exposure.read_pattern has {len(reads)} resultants, "
            f"the data have {n_resultants}"
        )
    group_time = exposure.get("group_time")
    try:
        if group_time is not None and not is_unknown(group_time):
            return ReadPattern.evenly_spaced(n_resultants, group_time, len(reads[0]), frame_time)
        return ReadPattern.from_reads(reads, frame_time)
    except (TypeError, ValueError) as error:
        raise InputError(
            f"{describe(model)}: meta.exposure.read_pattern or frame_time: {error}"
        ) from error


def is_fully_saturated(model: RampModel) -> bool:
    """Whether every science pixel is saturated in every resultant.

    The reference pixels of the border see no light, and bad pixels and pixels without a saturation
    check need not saturate: they do not count.
    """
    exempt = dqflags.DO_NOT_USE | dqflags.NO_SAT_CHECK
    counted = (model.pixeldq[SCIENCE] & exempt) == 0
    # A pixel that saturates stays saturated, so that the first resultant decides.
    saturated = (model.groupdq[0][SCIENCE] & dqflags.SATURATED) != 0
    return bool(counted.any() and saturated[counted].all())


def check_usable(model: ImageModel, name: str = "") -> None:
    """Checks that the fit left something to work on.

    Parameters
    ----------
    model : ImageModel
    name : str
        What messages call the exposure that it was made of.

    Raises
    ------
    NoScienceDataError
        If every science pixel is DO_NOT_USE.
    """
    if all((row & dqflags.DO_NOT_USE).all() for row in model.dq):  # one usable row ends it
        raise NoScienceDataError(
            f"{name or describe(model)}: no science data: every science pixel is flagged DO_NOT_USE"
        )


def thread_cap(maximum_cores: str | int) -> int | None:
    """How many bands may be in flight: None for as many as the pool has threads.

    Parameters
    ----------
    maximum_cores : "none", "quarter", "half", "all", or int
        The steps' parameter; fractions are of the machine's cores.
    """
    if maximum_cores == "none":
        return None
    cores = os.cpu_count() or 1
    if isinstance(maximum_cores, int):
        return maximum_cores
    return max(1, cores // {"quarter": 4, "half": 2, "all": 1}[maximum_cores])
