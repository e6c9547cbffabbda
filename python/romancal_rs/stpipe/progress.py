"""What a run tells while it goes on: how far it is, and where its time goes."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    from .step import Step

__all__ = ["READ", "WRITE", "Clock", "Observer", "Progress", "ProgressObserver"]

#: What a clock calls the reading and the writing of files.
READ, WRITE = "read", "write"


@dataclass(frozen=True)
class Progress:
    """A piece of work of a run, and how much of it is done.

    Attributes
    ----------
    what : str
        What goes on: "saturation to rampfit", "reading FILE", "writing FILE".
    done, total : int
        How much of it is done, of how much.
    unit : str
        What is counted: "rows" of an exposure on their way through `steps`; "bytes" read of all
        files that are open, or written of one; "steps": none is done yet, but these are to come.
    steps : tuple of str
        The names of the steps whose work it is.
    """

    what: str
    done: int
    total: int
    unit: Literal["rows", "bytes read", "bytes written", "steps"]
    steps: tuple[str, ...] = ()

    def __str__(self) -> str:
        if self.unit == "rows" and self.done == 0:  # files are opened, and some look ahead
            return f"{self.what}: getting ready"
        if self.unit == "rows":
            return f"{self.what}: {self.done:,} of {self.total:,} rows"
        return self.what


#: Called when a step starts, and when it ends. Steps that are taken together start as they end.
Observer: TypeAlias = "Callable[[Step, Literal['start', 'end']], None]"
#: Called a few times a second with the current work.
ProgressObserver: TypeAlias = "Callable[[Progress], None]"


class Clock:
    """Shares out the time of a run: each moment belongs to what was begun last and goes on.

    Only the thread that made it is looked at.

    Parameters
    ----------
    name : str
        Whose the time is while nothing else goes on.

    Attributes
    ----------
    seconds : dict of str to float
        By name, of what has gone on so far [s]; their sum is the time since the clock was made, or
        up to when it was stopped.
    """

    def __init__(self, name: str) -> None:
        self.seconds: dict[str, float] = {}
        self._names = [name]
        self._since = time.perf_counter()
        self._thread = threading.get_ident()

    def stop(self) -> None:
        """Counts the time up to now."""
        now = time.perf_counter()
        name = self._names[-1]
        self.seconds[name] = self.seconds.get(name, 0.0) + now - self._since
        self._since = now

    @contextmanager
    def of(self, name: str) -> Iterator[None]:
        """The time of the ``with`` block, but for what goes on inside it, belongs to `name`."""
        if threading.get_ident() != self._thread:
            yield
            return
        self.stop()
        self._names.append(name)
        try:
            yield
        finally:
            self.stop()
            self._names.pop()

    def share_out(self, name: str, shares: Mapping[str, float]) -> None:
        """Gives the time that belongs to `name` to others, in these proportions."""
        whole = sum(shares.values())
        if threading.get_ident() != self._thread or not whole:
            return
        seconds = self.seconds.pop(name, 0.0)
        for other, share in shares.items():
            self.seconds[other] = self.seconds.get(other, 0.0) + seconds * share / whole
