"""How much memory of its own a process takes.

The resident size that most tools watch counts files that are mapped, such as references, of which
the system can have the memory back at any time: a worker that maps 1.2 GB of them is not near its
end. What a process cannot give back is its anonymous memory, ``RssAnon`` in Linux.
"""

from __future__ import annotations

import os
import sys
import threading
from pathlib import Path

__all__ = ["MemoryWatch", "anonymous_bytes"]

#: In pages: size, resident size, and of that what is of files or shared.
_PAGES = Path("/proc/self/statm")
_EVERY = 0.25  # seconds: an exposure's arrays live longer
#: Exit status of a process that took too much memory: that of one killed by the system.
TOO_MUCH = 137


def anonymous_bytes() -> int:
    """The anonymous memory of this process [bytes]; 0 where the system does not tell.

    It is ``RssAnon`` of ``/proc/self/status``, which the system takes longer to write.
    """
    try:
        resident, shared = _PAGES.read_bytes().split()[1:3]
    except OSError:
        return 0
    return (int(resident) - int(shared)) * os.sysconf("SC_PAGE_SIZE")


class MemoryWatch:
    """Looks at the memory of this process while it works.

    Parameters
    ----------
    limit : int or None
        Where it takes more [bytes], the process ends at once, before the system runs out of memory
        and chooses a process by itself.
    """

    def __init__(self, limit: int | None = None) -> None:
        self._limit = limit
        self._peak = 0
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None
        if anonymous_bytes():
            self._thread = threading.Thread(target=self._watch, name="memory", daemon=True)
            self._thread.start()

    def begin(self) -> None:
        """The peak is that from now on."""
        self._peak = anonymous_bytes()

    @property
    def peak(self) -> int:
        """The largest value seen since `begin` [bytes]."""
        self._peak = max(self._peak, anonymous_bytes())
        return self._peak

    def _watch(self) -> None:
        while not self._stopped.wait(_EVERY):
            now = anonymous_bytes()
            self._peak = max(self._peak, now)
            if self._limit is not None and now > self._limit:
                print(
                    f"romancal-rs: a worker takes {now >> 20} MiB, more than its limit of "
                    f"{self._limit >> 20} MiB: it ends",
                    file=sys.stderr,
                    flush=True,
                )
                os._exit(TOO_MUCH)

    def close(self) -> None:
        """Stop watching."""
        self._stopped.set()
        if self._thread is not None:
            self._thread.join()
