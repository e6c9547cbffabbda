"""What became of each exposure of a batch: one flat record, which is a row of the table."""

from __future__ import annotations

import errno
from dataclasses import asdict, dataclass, field, fields
from enum import StrEnum
from typing import Any

from .._exit_status import ExitStatus
from ..errors import NoScienceDataError, RomancalError, as_list, one_line
from ..references import ReferenceFileError
from . import _outline

__all__ = ["Kind", "Outcome", "kind_of_error"]


class Kind(StrEnum):
    """The classes of outcomes.

    `DONE` and `CURRENT` have a product. Of the others, `TRANSIENT`, `LOST` and `CANCELLED` may end
    otherwise when they are tried again; the rest would end the same way.
    """

    DONE = "done"
    #: Not calibrated again: the product exists, and is what would be made now.
    CURRENT = "current"
    #: The exposure holds nothing to calibrate.
    NO_DATA = "no_data"
    BAD_INPUT = "bad_input"
    BAD_REFERENCE = "bad_reference"
    BAD_PARAMETERS = "bad_parameters"
    #: An unexpected error.
    FAILED = "failed"
    #: Something outside of the exposure failed: a disk, a network, memory.
    TRANSIENT = "transient"
    #: Its worker was gone before it ended.
    LOST = "lost"
    #: It crashed its process, also when it ran alone.
    CRASHED = "crashed"
    TIMEOUT = "timeout"
    CANCELLED = "cancelled"

    @property
    def is_good(self) -> bool:
        """Whether nothing is left to do, and nothing went wrong."""
        return self in (Kind.DONE, Kind.CURRENT, Kind.NO_DATA)

    @property
    def may_change(self) -> bool:
        """Whether the same exposure may end in another way, because the cause is outside of it."""
        return self in (Kind.TRANSIENT, Kind.LOST, Kind.CANCELLED)


#: Errors of the system that may not occur the next time.
_TRANSIENT_ERRORS = frozenset(
    {
        *(errno.EIO, errno.ENOSPC, errno.EDQUOT, errno.ESTALE, errno.EAGAIN, errno.ENOMEM),
        *(errno.EMFILE, errno.ENFILE, errno.EBUSY, errno.EINTR, errno.ETIMEDOUT, errno.EPIPE),
        *(errno.ECONNREFUSED, errno.ECONNRESET, errno.ECONNABORTED),
        *(errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN),
    }
)


class TransientError(RomancalError):
    """The surroundings failed, not the exposure: it may go better the next time."""

    exit_status = ExitStatus.CALL_AGAIN


class TooLongError(RomancalError):
    """An exposure took longer than it may."""


def kind_of_error(error: BaseException) -> Kind:
    """The class of outcome that an error makes of an exposure."""
    cause: BaseException | None = error
    while cause is not None:  # whatever was made of it on its way
        if isinstance(cause, TooLongError):
            return Kind.TIMEOUT
        if _is_transient(cause):
            return Kind.TRANSIENT
        cause = cause.__cause__
    return _kind_of_lasting(error)


def _is_transient(error: BaseException) -> bool:
    if isinstance(error, TransientError | MemoryError | TimeoutError | ConnectionError):
        return True
    return isinstance(error, OSError) and error.errno in _TRANSIENT_ERRORS


def _kind_of_lasting(error: BaseException) -> Kind:
    from ..datamodels import ModelError
    from ..errors import InputError
    from ..stpipe import HookError, ParameterError

    if isinstance(error, HookError) and isinstance(error.__cause__, RomancalError):
        return _kind_of_lasting(error.__cause__)  # a hook that says itself what is wrong
    if isinstance(error, NoScienceDataError):
        return Kind.NO_DATA
    if isinstance(error, ReferenceFileError):
        return Kind.BAD_REFERENCE
    if isinstance(error, ParameterError):
        return Kind.BAD_PARAMETERS
    if isinstance(error, InputError | ModelError | FileNotFoundError | PermissionError):
        return Kind.BAD_INPUT
    if isinstance(error, OSError) and error.errno == errno.EINVAL:  # not a regular file
        return Kind.BAD_INPUT
    return Kind.FAILED


@dataclass(repr=False)  # it would take two thousand characters
class Outcome:
    """What became of one exposure.

    Attributes
    ----------
    input : str
        Path or URL of the raw exposure.
    kind : Kind
    message : str
        One line; empty where nothing is to be said.
    error : str
        The class of the error, if there was one.
    product : str
        Path or URL of the product, if there is one.
    key : str
        Digest of all that the product follows from, as the plan has it.
    head_sha256 : str
        Digest of the head of the input.
    detector, optical_element, exposure_type, start_time, ma_table : str
    n_resultants : int
    product_sha256 : str
        Digest of the head of the product.
    product_stamp : list of int
        Size [bytes] and time of change [ns] of the product; of a URL the size alone.
    product_version : str
        Of a URL what the server calls these contents: the ETag.
    attempts : int
    worker, host : str
    started : str
        ISO time, UTC.
    wall_s, cpu_s : float
        What it took [s], in all; CPU is that of the whole process meanwhile.
    seconds : dict of str to float
        Wall seconds of its parts: read, compute, wcs, write.
    peak_rss_anon : int
        Of the worker's memory, without files that are mapped [bytes].
    bytes_in, bytes_out : int
    cal_step : dict of str to str
    flags : dict of str to int
        Number of pixels of each DQ flag that is set at all.
    median_rate : float or None
        Of the usable pixels, in the product's unit.
    references : dict of str to str
        File names by type.
    references_sha256 : str
        One digest of the set of references.
    parameters_sha256 : str
    software : dict of str to str
    """

    input: str
    kind: Kind
    message: str = ""
    error: str = ""
    product: str = ""
    key: str = ""
    head_sha256: str = ""
    detector: str = ""
    optical_element: str = ""
    exposure_type: str = ""
    start_time: str = ""
    ma_table: str = ""
    n_resultants: int = 0
    product_sha256: str = ""
    product_stamp: list[int] = field(default_factory=list)
    product_version: str = ""
    attempts: int = 1
    worker: str = ""
    host: str = ""
    started: str = ""
    wall_s: float = 0.0
    cpu_s: float = 0.0
    seconds: dict[str, float] = field(default_factory=dict)
    peak_rss_anon: int = 0
    bytes_in: int = 0
    bytes_out: int = 0
    cal_step: dict[str, str] = field(default_factory=dict)
    flags: dict[str, int] = field(default_factory=dict)
    median_rate: float | None = None
    references: dict[str, str] = field(default_factory=dict)
    references_sha256: str = ""
    parameters_sha256: str = ""
    software: dict[str, str] = field(default_factory=dict)

    def __repr__(self) -> str:
        told = f": {self.message}" if self.message else ""
        return f"<Outcome {self.kind} of {self.input}{told}>"

    def _repr_html_(self) -> str:
        return _outline.outcome_as_html(self)

    def failed_by(self, error: BaseException) -> Outcome:
        """Add the class and message of an error, in place.

        Parameters
        ----------
        error : Exception
            What ended the exposure.

        Returns
        -------
        Outcome
            The same object.
        """
        self.kind = kind_of_error(error)
        self.message = message_of(error)
        self.error = type(error).__name__
        return self

    def as_row(self) -> dict[str, Any]:
        """The outcome as a dict of values that JSON can hold.

        Returns
        -------
        dict of str to object
        """
        return {**asdict(self), "kind": self.kind.value}

    @classmethod
    def from_row(cls, row: dict[str, Any]) -> Outcome:
        """The outcome that a row of a record describes.

        Parameters
        ----------
        row : dict of str to object
            As `as_row` makes it; items that a later version added are ignored.

        Returns
        -------
        Outcome
        """
        values = {name: value for name, value in row.items() if name in _ATTRIBUTES}
        return cls(**{**values, "kind": Kind(values["kind"])})


_ATTRIBUTES = frozenset(item.name for item in fields(Outcome))


def message_of(error: BaseException) -> str:
    """An error in one line, as the command line tells it."""
    if isinstance(error, OSError) and error.filename and error.strerror:
        return one_line(f"{error.filename}: {error.strerror}")
    if isinstance(error, RomancalError):
        heading, *items = as_list(str(error)).split("\n")
        return " ".join([heading, "; ".join(item.strip() for item in items)]).rstrip()
    text, kind = one_line(error), type(error).__name__
    return text if text == kind else f"{kind}: {text}"
