"""Tells whoever wants to know what is read from files, and written to them.

What listens is in a context variable: it hears of what is done in its own context, not of what
other threads do for somebody else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from typing import Protocol


class Listener(Protocol):
    """Hears of reading and writing."""

    def reading(self, name: str, n_bytes: int) -> AbstractContextManager[None]:
        """Bytes of a file are read, and unpacked, inside the ``with`` block."""

    def wrote(self, name: str, n_bytes: int, total: int) -> None:
        """So many bytes of all the arrays of a file are written by now."""


_listener: ContextVar[Listener | None] = ContextVar("listener", default=None)


@contextmanager
def heard_by(listener: Listener) -> Iterator[None]:
    """Has a listener hear of what is read and written inside the ``with`` block."""
    token = _listener.set(listener)
    try:
        yield
    finally:
        _listener.reset(token)


def reading(name: str, n_bytes: int) -> AbstractContextManager[None]:
    """To be entered while bytes of a file are read."""
    listener = _listener.get()
    return nullcontext() if listener is None else listener.reading(name, n_bytes)


def counter_of_writing(name: str, total: int) -> Callable[[int], None]:
    """What is to be called with a number of bytes when they are written."""
    listener = _listener.get()
    if listener is None:
        return lambda n_bytes: None
    written = 0

    def count(n_bytes: int) -> None:
        nonlocal written
        written += n_bytes
        listener.wrote(name, written, total)

    count(0)
    return count
