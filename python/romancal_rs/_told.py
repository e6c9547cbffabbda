"""Numbers that a step's message tells, at no cost that matters."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Any

    import numpy as np

#: Pixels that are looked at at once: fresh memory for a whole image takes longer than to count.
_AT_ONCE = 1 << 16
#: Of how many rows, and columns, one is looked at for a median.
_SPARSE = 8


def n_flagged(flags: np.ndarray[Any, Any], flag: int) -> int:
    """How many pixels have a flag.

    Parameters
    ----------
    flags : ndarray of uint8 or uint32, (n_rows, n_cols), or (n_resultants, n_rows, n_cols)
        Of the latter a pixel counts once that has it in any resultant.
    flag : int
    """
    import numpy as np

    n_rows = max(1, _AT_ONCE // max(1, flags.shape[-1]))
    wanted = flags.dtype.type(flag)
    total = 0
    for first in range(0, flags.shape[-2], n_rows):
        band = flags[..., first : first + n_rows, :]
        if band.ndim == 3:
            band = np.bitwise_or.reduce(band, axis=0)
        total += int(np.count_nonzero(band & wanted))
    return total


def sparse_median(values: np.ndarray[Any, Any]) -> float:
    """The median of each eighth pixel of each eighth row that is finite; NaN if none is.

    Parameters
    ----------
    values : ndarray, (n_rows, n_cols), float32
    """
    import numpy as np

    some = values[::_SPARSE, ::_SPARSE]
    some = some[np.isfinite(some)]
    return float(np.median(some)) if some.size else float("nan")
