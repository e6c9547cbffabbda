"""How a process that calibrates one exposure after the other uses its memory."""

from __future__ import annotations

import ctypes

#: Parameters of `mallopt` of the GNU C library, in its ``malloc.h``.
_TRIM_THRESHOLD, _MMAP_MAX = -1, -4
_MOST = 2**31 - 1


def reuse_memory() -> bool:
    """Keep the memory of deleted arrays in this process, for the arrays of the next exposure.

    The GNU C library gives blocks of more than 32 MB, as the planes of a full frame are, back to
    the system, which then clears as many pages for the next ones: that is up to a fifth of the
    processor time of an exposure. The process keeps as much as it ever used at one time, but for
    what is beyond 2 GB at the end of its heap. It holds for all that is allocated from now on, by
    whatever library, until the process ends: so it is for a process that does nothing else.

    Returns
    -------
    bool
        Whether it could be done; False for other C libraries, where nothing changes.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return False
    return bool(mallopt(_MMAP_MAX, 0)) and bool(mallopt(_TRIM_THRESHOLD, _MOST))
