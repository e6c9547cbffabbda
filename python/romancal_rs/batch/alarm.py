"""A limit of time for what runs in this process."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from .outcome import TooLongError

__all__ = ["alarm"]


@contextmanager
def alarm(seconds: float) -> Iterator[None]:
    """Raises a `TooLongError` in the ``with`` block once it has taken that long.

    It comes between two instructions of Python: what is stuck in a library is not interrupted.
    Only the main thread can be, where the system has alarms; elsewhere there is no limit.
    """
    is_main = threading.current_thread() is threading.main_thread()
    if not is_main or not hasattr(signal, "setitimer"):
        yield
        return

    def ring(number: int, frame: FrameType | None) -> None:
        raise TooLongError(f"it took longer than {seconds:g} s (--timeout)")

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
