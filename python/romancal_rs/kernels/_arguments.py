"""What the array functions take besides arrays: numbers, lists of reads, and what is left out."""

from __future__ import annotations

import numbers
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final, cast

from .._core import ReadPattern
from ..errors import ArgumentError, ArgumentTypeError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class NotGiven:
    """What stands in the place of an argument that is needed, after others that are optional."""

    def __repr__(self) -> str:
        return "<needed>"


# Messages name the type of what they got: "gain: expected a NumPy array of float32, got nothing".
NotGiven.__name__ = "nothing"


#: Kernels refuse it by the name of the argument.
NEEDED: Final[Any] = NotGiven()

_READS = "a ReadPattern, or a list of read numbers for each resultant"


def pattern_of(
    read_pattern: ReadPattern | Sequence[Sequence[int]] | None,
    frame_time: float | None,
    *,
    is_of_all: bool = False,
) -> ReadPattern:
    """A read pattern, made if it is a list of reads.

    Parameters
    ----------
    read_pattern : ReadPattern or list of list of int
        Numbers of the reads of each resultant, as `ReadPattern.from_reads` takes them.
    frame_time : float or None
        Time of one read [s]: of a list.
    is_of_all : bool, optional
        Whether the function asks for `frame_time` in any case.

    Raises
    ------
    ArgumentTypeError, ArgumentError
        If it is neither, or the list cannot be a pattern, or `frame_time` is missing or too many.
    """
    if isinstance(read_pattern, ReadPattern):
        if frame_time is not None and not is_of_all:
            raise ArgumentError(
                "frame_time: goes with a list of reads, and read_pattern is a ReadPattern, which "
                "has its own"
            )
        return read_pattern
    if read_pattern is None or not hasattr(read_pattern, "__len__"):
        found = type(read_pattern).__name__
        raise ArgumentTypeError(f"read_pattern: expected {_READS}, got {found}")
    if frame_time is None:
        raise ArgumentError(
            "frame_time: expected the time of one read [s], as read_pattern is a list, got None"
        )
    try:
        return ReadPattern.from_reads(read_pattern, frame_time)
    except (ArgumentError, ArgumentTypeError) as error:
        text = str(error)
        if not text.startswith("reads:"):
            raise
        raise type(error)(f"read_pattern:{text.removeprefix('reads:')}") from None


def plane_of(value: NDArray[np.float32] | float, data: NDArray[np.float32]) -> NDArray[np.float32]:
    """A number for all pixels as an array; what is neither is for the kernel to refuse."""
    import numpy as np

    if not isinstance(value, numbers.Real) or isinstance(value, bool):
        return cast("NDArray[np.float32]", value)
    with np.errstate(over="ignore"):  # an infinite one is none
        return np.full(np.shape(data)[-2:], np.float32(value))


def sample_flags(flags: NDArray[np.uint8] | None, data: NDArray[np.float32]) -> NDArray[np.uint8]:
    """The flags of samples that were given, or as many that are 0."""
    import numpy as np

    return np.zeros(np.shape(data), np.uint8) if flags is None else flags


def pixel_flags(flags: NDArray[np.uint32] | None, data: NDArray[np.float32]) -> NDArray[np.uint32]:
    """The flags of pixels that were given; otherwise zeros, one for each pixel of `data`.

    The system provides memory of zeros only when it is used: zeros that no kernel reads take none.
    """
    import numpy as np

    return np.zeros(np.shape(data)[-2:], np.uint32) if flags is None else flags
