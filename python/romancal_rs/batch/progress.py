"""What a batch shows while it runs: a bar in a terminal, elsewhere a line now and then."""

from __future__ import annotations

import contextlib
import json
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, TextIO

from ..cli.terminal import can_draw, console, fit
from ..errors import ArgumentError
from .outcome import Kind
from .pace import Pace

if TYPE_CHECKING:
    from rich.console import RenderableType

__all__ = ["MODES", "Progress"]

MODES = ("auto", "bar", "lines", "json", "none")

#: Over how long the speed is taken, and how far apart what it is taken from is [s].
_WINDOW, _SPACING = 300.0, 1.0
#: How often a bar is drawn anew, at most [s].
_REFRESH = 0.2


@dataclass(frozen=True)
class _View:
    """What is to be shown."""

    total: int
    counts: Mapping[str, int] = field(default_factory=dict)
    n_left: int = 0
    in_work: Sequence[str] = ()
    pace: Pace = field(default_factory=Pace)

    @property
    def n_ended(self) -> int:
        return self.total - self.n_left

    @property
    def n_failed(self) -> int:
        return sum(count for kind, count in self.counts.items() if not Kind(kind).is_good)

    def ended(self) -> str:
        return f"{self.n_ended:,} of {self.total:,}, {self.n_failed:,} failed"

    def __str__(self) -> str:
        return f"{self.ended()}; {self.pace}" if self.pace.n_exposures else self.ended()


class _Display(Protocol):
    def show(self, view: _View) -> None:
        """Shows what there is."""

    def end(self, view: _View) -> None:
        """Shows it for the last time."""


class Progress:
    """Shows how far a batch is.

    Where the stream cannot be written to, a batch goes on.

    Parameters
    ----------
    total : int
        Number of exposures.
    stream : text file
    mode : str
        ``bar`` for a terminal; ``lines``: one line every so often, and one at the end; ``json``:
        the same as objects, one to a line; ``none``; ``auto`` is ``bar`` in a terminal, and
        ``lines`` elsewhere.
    every : float
        How far apart lines are, at least [s].
    clock : callable
        Gives seconds that only grow.

    Raises
    ------
    ArgumentError
        If there is no such mode.
    """

    def __init__(
        self,
        total: int,
        *,
        stream: TextIO,
        mode: str = "auto",
        every: float = 10.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if mode not in MODES:
            raise ArgumentError(f"mode: {mode!r}, not one of {', '.join(MODES)}")
        self._view = _View(total, n_left=total)
        self._clock = clock
        self._shown = self._began = clock()
        self._samples: deque[tuple[float, int, int]] = deque()
        self._is_open = True
        if mode == "auto":
            mode = "bar" if can_draw(stream) else "lines"
        self._every = _REFRESH if mode == "bar" else every
        self._display: _Display | None = None
        with contextlib.suppress(OSError, ValueError):
            if mode == "bar":
                self._display = _Bar(total, stream)
            elif mode != "none":
                self._display = _Lines(stream, _as_json if mode == "json" else str)

    def update(
        self,
        counts: Mapping[str, int],
        n_left: int,
        bytes_in: int = 0,
        in_work: Sequence[str] = (),
        n_worked: int | None = None,
    ) -> None:
        """Takes in how far it is, and shows it if it is time.

        The speed counts from the first call on, so that it knows what a run before has done; what
        takes no work does not count. Nothing is shown between two calls: call it
        also while nothing ends.

        Parameters
        ----------
        counts : dict of Kind or str to int
            Exposures by their last outcome.
        n_left : int
            Exposures that have not ended, with those in work.
        bytes_in : int
            What was read since the beginning, in all.
        in_work : sequence of str
            Names of what is worked on.
        n_worked : int, optional
            Exposures that ended after some work; by default all that ended and are not current.
        """
        if not self._is_open:
            return
        now = self._clock()
        plain = {str(kind): count for kind, count in counts.items() if count}
        n_left = min(max(n_left, 0), self._view.total)
        if n_worked is None:
            n_worked = sum(plain.values()) - plain.get(Kind.CURRENT, 0)
        pace = self._pace(now, n_worked, bytes_in, n_left)
        self._view = _View(self._view.total, plain, n_left, tuple(in_work), pace)
        if now - self._shown >= self._every:
            self._shown = now
            self._try("show")

    def close(self) -> None:
        """Shows how it ended; nothing is shown afterwards."""
        if self._is_open:
            self._is_open = False
            self._try("end")

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def _try(self, what: str) -> None:
        if self._display is not None:
            with contextlib.suppress(OSError, ValueError):  # full, or closed
                getattr(self._display, what)(self._view)

    def _pace(self, now: float, n_worked: int, bytes_in: int, n_left: int) -> Pace:
        samples = self._samples
        if not samples:
            samples.append((self._began, n_worked, bytes_in))
        while len(samples) > 1 and samples[1][0] <= now - _WINDOW:
            samples.popleft()
        first = samples[0]
        if now - samples[-1][0] >= _SPACING:
            samples.append((now, n_worked, bytes_in))
        return Pace(
            max(n_worked - first[1], 0), max(bytes_in - first[2], 0), now - first[0], n_left
        )


def _as_json(view: _View) -> str:
    pace = view.pace
    return json.dumps(
        {
            "total": view.total,
            "counts": dict(view.counts),
            "left": view.n_left,
            "failed": view.n_failed,
            "in_work": list(view.in_work),
            "exposures_per_minute": round(pace.exposures_per_minute, 3),
            "megabytes_per_second": round(pace.megabytes_per_second, 3),
            "seconds_left": pace.seconds_left,
        }
    )


class _Lines:
    """One line after the other."""

    def __init__(self, stream: TextIO, text: Callable[[_View], str]) -> None:
        self._stream = stream
        self._text = text

    def show(self, view: _View) -> None:
        self._stream.write(f"{self._text(view)}\n")
        self._stream.flush()

    def end(self, view: _View) -> None:
        if view.n_ended or not view.total or self._text is _as_json:
            self.show(view)


class _Bar:
    """A bar, the speed and what is in work, drawn over itself; a line remains."""

    def __init__(self, total: int, stream: TextIO) -> None:
        from rich.console import Group
        from rich.progress import BarColumn, TextColumn
        from rich.progress import Progress as RichProgress
        from rich.text import Text

        class Shown(RichProgress):
            below: Sequence[str] = ()

            def get_renderable(self) -> RenderableType:
                lines = (Text(line, no_wrap=True, overflow="ellipsis") for line in self.below)
                return Group(super().get_renderable(), *lines)

        self._stream = stream
        self._console = console(stream, is_drawn_on=True)
        self._progress = Shown(
            BarColumn(bar_width=None),
            TextColumn("{task.description}", markup=False),
            console=self._console,
            auto_refresh=False,
            transient=True,
            expand=True,
        )
        self._task = self._progress.add_task(_View(total, n_left=total).ended(), total=total or 1)
        fit(self._console)
        self._progress.start()

    def show(self, view: _View) -> None:
        fit(self._console)
        names = ", ".join(name.rstrip("/").rpartition("/")[2] for name in view.in_work)
        self._progress.below = [str(view.pace), *([f"in work: {names}"] if names else [])]
        completed = view.n_ended if view.total else 1
        self._progress.update(self._task, completed=completed, description=view.ended())
        self._progress.refresh()

    def end(self, view: _View) -> None:
        try:
            self._progress.stop()
        finally:
            if view.n_ended or not view.total:  # else it did not begin, and an error follows
                self._stream.write(f"{view}\n")
                self._stream.flush()
