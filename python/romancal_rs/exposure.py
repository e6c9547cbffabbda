"""What steps need to know of an exposure beyond its arrays: reads, state, why it is unusable."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from . import _lazy, dqflags
from .border import BORDER, SCIENCE
from .errors import InputError, NoScienceDataError, one_line, shortened
from .kernels import ReadPattern

if TYPE_CHECKING:
    from .datamodels import (
        DataModel,
        ImageModel,
        RampModel,
        Replacement,
        ScienceRawModel,
        ValidationError,
    )

__all__ = [
    "check_exposure",
    "check_for_step",
    "check_ramp",
    "check_usable",
    "describe",
    "invalid",
    "is_fully_saturated",
    "make_product_valid",
    "read_order",
    "read_pattern",
    "thread_cap",
]

__dir__ = _lazy.listing(__all__)


def describe(model: DataModel) -> str:
    """What messages call a model: the file it came from, else its file name.

    Parameters
    ----------
    model : DataModel
        The model.

    Returns
    -------
    str
    """
    filename = model.meta.get("filename")
    return model.source or (str(filename) if filename not in (None, "?") else "the exposure")


def check_ramp(model: ScienceRawModel | RampModel) -> None:
    """Check that there are resultants, and pixels inside the border.

    Parameters
    ----------
    model : ScienceRawModel or RampModel
        The exposure.

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


#: What every step goes by, to find references and to record what it did. What else a step needs
#: and does not find, it tells itself.
_USED_BY_ALL = (
    "meta.instrument",
    *(f"meta.exposure.{name}" for name in ("type", "start_time")),
    "meta.cal_step",
    "meta.ref_file",
)
#: Blocks to which steps add names.
_ADDED_TO = ("meta.cal_step.", "meta.ref_file.")


def _is_used(place: str, names: tuple[str, ...] = _USED) -> bool:
    """Whether the pipeline goes by what stands at a place, or by a part of it."""
    return any(f"{place}.".startswith(f"{name}.") or name.startswith(f"{place}.") for name in names)


def check_for_step(model: ScienceRawModel | RampModel | ImageModel) -> None:
    """Check what every step needs: the arrays of an exposure, and a few of its metadata.

    Parameters
    ----------
    model : ScienceRawModel, RampModel or ImageModel
        The exposure.

    Raises
    ------
    InputError
        Naming the exposure, the place in it, and what is wrong.
    """
    from .datamodels import ScienceRawModel

    # A raw exposure records no steps.
    names = _USED_BY_ALL[:-2] if isinstance(model, ScienceRawModel) else _USED_BY_ALL
    blocks = dict.fromkeys(name.split(".")[1] for name in names)
    for problem in model.metadata_problems(blocks):
        is_addition = problem.is_missing and problem.place.startswith(_ADDED_TO)
        if _is_used(problem.place, names) and not is_addition:
            raise InputError(f"{describe(model)}: {_told(problem)}")
    if "meta.cal_step" in names and not isinstance(model.meta.get("cal_step"), Mapping):
        # Which the schemas of images do not ask for.
        raise InputError(f"{describe(model)}: meta.cal_step: required but missing")
    _check_arrays(model)
    _check_records(model)


def check_exposure(
    model: ScienceRawModel | RampModel, warn: Callable[[str], None] | None = None
) -> None:
    """Check before the work begins for everything that is known to fail later.

    Parameters
    ----------
    model : ScienceRawModel or RampModel
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
    from . import datamodels

    problems = model.metadata_problems() if warn else []
    try:
        model.validate(metadata=warn is None)
    except datamodels.ValidationError as error:
        raise invalid(model, error, is_hinted=warn is None) from error
    _check_arrays(model)
    for problem in problems:
        what = f"{describe(model)}: {_told(problem)}"
        if warn is None or _is_used(problem.place):
            raise InputError(what)
        warn(f"{what}; no step uses it")
    check_ramp(model)
    read_pattern(model)
    _check_records(model)


def _check_arrays(model: ScienceRawModel | RampModel | ImageModel) -> None:
    from . import datamodels

    try:
        datamodels.check_arrays(model)
    except datamodels.ValidationError as error:
        raise InputError(f"{describe(model)}: {error.path}: {error.rule}") from error


def _check_records(model: DataModel) -> None:
    """Checks the messages and records of earlier runs, which a run goes on with."""
    for key, kind in (("cal_logs", str), ("cal_runs", Mapping)):
        kept = model.meta.get(key, [])
        if isinstance(kept, str) or not isinstance(kept, Sequence):
            raise InputError(f"{describe(model)}: meta.{key} is not a list")
        if not all(isinstance(item, kind) for item in kept):
            raise InputError(f"{describe(model)}: meta.{key} has content that no run wrote")


def invalid(model: DataModel, error: ValidationError, *, is_hinted: bool) -> InputError:
    """The error for a model that breaks the mission's schema.

    Parameters
    ----------
    model : DataModel
        What it is named after.
    error : ValidationError
        What its check told.
    is_hinted : bool
        Whether to say so where ``validate = warn`` would go on.

    Returns
    -------
    InputError
    """
    problems = model.metadata_problems() if is_hinted and error.path.startswith("meta") else []
    can_go_on = problems and not any(_is_used(problem.place) for problem in problems)
    hint = "; validate = warn goes on, as no step uses it" if can_go_on else ""
    return InputError(f"{describe(model)}: {error.problem}{hint}")


def make_product_valid(model: DataModel, warn: Callable[[str], None]) -> None:
    """Set what the schema of a product forbids in its metadata to unknown, in place.

    Nothing is changed if the pipeline uses one of these places: such a product cannot be saved.

    Parameters
    ----------
    model : DataModel
        The product.
    warn : callable
        Called with a message for each such place.
    """
    used = [problem for problem in model.metadata_problems() if _is_used(problem.place)]
    for problem in used:
        warn(f"{describe(model)}: {_told(problem)}; it cannot be saved like that")
    if not used:
        for problem in model.make_metadata_valid():
            warn(f"{_told(problem)}; the product has {problem.instead!r}")


def _told(replacement: Replacement) -> str:
    return f"{replacement.place}: {shortened(one_line(replacement.problem))}"


def read_pattern(model: ScienceRawModel | RampModel) -> ReadPattern:
    """The times and reads of the resultants, from ``meta.exposure``.

    Files of 2022 state the time between resultants (``group_time``), today's do not.

    Parameters
    ----------
    model : ScienceRawModel or RampModel
        The exposure.

    Returns
    -------
    ReadPattern

    Raises
    ------
    InputError
        If the metadata state no read pattern, an impossible one, or one of another length than
        the ramp.

    Examples
    --------
    >>> from romancal_rs import datamodels
    >>> from romancal_rs.exposure import read_pattern
    >>> with datamodels.open("exposure_uncal.asdf") as raw:
    ...     print(len(read_pattern(raw)))
    6
    """
    return _read_pattern(model, model.meta.exposure.get("frame_time"))


def read_order(model: ScienceRawModel | RampModel) -> ReadPattern:
    """The reads of the resultants, for callers that do not need their times.

    Where the exposure does not state how long one takes, it is the unit of time.

    Parameters
    ----------
    model : ScienceRawModel or RampModel
        The exposure.

    Returns
    -------
    ReadPattern

    Raises
    ------
    InputError
        As `read_pattern`.
    """
    from .datamodels import is_unknown

    frame_time = model.meta.exposure.get("frame_time")
    return _read_pattern(model, 1.0 if is_unknown(frame_time) else frame_time)


def _read_pattern(model: ScienceRawModel | RampModel, frame_time: Any) -> ReadPattern:
    from .datamodels import is_unknown

    exposure = model.meta.exposure
    pattern = exposure.get("read_pattern")
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

    Parameters
    ----------
    model : RampModel
        The ramp.

    Returns
    -------
    bool
    """
    exempt = dqflags.DO_NOT_USE | dqflags.NO_SAT_CHECK
    counted = (model.pixeldq[SCIENCE] & exempt) == 0
    # All resultants: a flag that an exposure brings along does not go on to the later ones.
    return bool(counted.any()) and all(
        (flags[SCIENCE][counted] & dqflags.SATURATED).all() for flags in model.groupdq
    )


def check_usable(model: ImageModel, name: str = "") -> None:
    """Check that the fit left something to work on.

    Parameters
    ----------
    model : ImageModel
        The image.
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
    """How many bands of rows may be processed at the same time.

    Parameters
    ----------
    maximum_cores : "none", "quarter", "half", "all", or int
        The steps' parameter; fractions are of the machine's cores.

    Returns
    -------
    int or None
        None for as many as the pool has threads.
    """
    if maximum_cores == "none":
        return None
    cores = os.cpu_count() or 1
    if isinstance(maximum_cores, int):
        return maximum_cores
    return max(1, cores // {"quarter": 4, "half": 2, "all": 1}[maximum_cores])
