"""What the steps ask of an exposure beyond its arrays: cadence, science pixels, state."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from . import dqflags
from .errors import InputError, NoScienceDataError
from .kernels import ReadPattern

if TYPE_CHECKING:
    from .datamodels import DataModel, ImageModel, RampModel, ScienceRawModel

#: Width of the frame of reference pixels around the science pixels.
BORDER = 4

#: The science pixels of a full frame with its border.
SCIENCE = (slice(BORDER, -BORDER), slice(BORDER, -BORDER))


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


def check_exposure(model: ScienceRawModel | RampModel) -> None:
    """Checks all that can be known to go wrong later, while nothing is done yet.

    Raises
    ------
    InputError
        If metadata or arrays break the mission's schema: the result could not be saved.
    NoScienceDataError
        If the ramp has no resultants, or nothing but border.
    """
    from .datamodels import ValidationError

    try:
        model.validate()
    except ValidationError as error:
        raise InputError(f"{describe(model)}: {error.problem}") from error
    check_ramp(model)
    read_pattern(model)
    for key, kind in (("cal_logs", str), ("cal_runs", Mapping)):  # which a run goes on with
        kept = model.meta.get(key, [])
        if isinstance(kept, str) or not isinstance(kept, Sequence):
            raise InputError(f"{describe(model)}: meta.{key} is no list")
        if not all(isinstance(item, kind) for item in kept):
            raise InputError(f"{describe(model)}: meta.{key} holds what no run has written")


def read_pattern(model: ScienceRawModel | RampModel) -> ReadPattern:
    """The times and reads of the resultants, from ``meta.exposure``.

    Files of 2022 state the time between resultants (``group_time``), today's do not.

    Raises
    ------
    InputError
        If the metadata state no read pattern, an impossible one, or one of another length than
        the ramp.
    """
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
        if group_time is not None:
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
