"""Threads that an interrupt of the main thread does not leave waiting for ever."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from types import FrameType
from typing import Any

#: Windows has no SIGHUP.
_ENDING = [
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
]


class Threads(ThreadPoolExecutor):
    """A `ThreadPoolExecutor` to which tasks can be given while Ctrl-C is pressed.

    Giving a task takes a lock that the threads take as well, and an exception that a handler of a
    signal raises in between leaves it locked: the threads, and whoever joins them, wait for ever.
    """

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        with signals_held_back():
            return super().submit(fn, *args, **kwargs)


@contextlib.contextmanager
def signals_held_back() -> Iterator[None]:
    """Call the handlers of signals that ask the process to end after the block, if they come in it.

    In other threads than the main one, which hear of no signals, nothing is done.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[tuple[int, FrameType | None]] = []

    def hold_back(number: int, frame: FrameType | None) -> None:
        came.append((number, frame))

    handlers = {}
    try:
        for number in _ENDING:
            handler = signal.getsignal(number)
            if callable(handler):  # neither ignored nor left to the system
                handlers[number] = handler
                signal.signal(number, hold_back)
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
        for number, frame in came:
            handlers[signal.Signals(number)](number, frame)
