"""The one place that draws on a terminal: consoles of Rich, bars of progress, and tables.

A bar is drawn on standard error, at the bottom of a terminal. What is printed meanwhile, on either
standard stream, appears above it, as it is: lines are not broken, so that paths stay whole.
Elsewhere (in a file, a pipe, or where TERM says that the terminal can only print) there is no bar.
"""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, TextIO, cast

from .streams import is_silent, is_terminal

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderableType
    from rich.progress_bar import ProgressBar
    from rich.text import Text

__all__ = ["Working", "can_draw", "console", "fit", "print_table", "table_lines", "working"]

#: What takes less is not worth a bar [s].
SHOWN_AFTER = 1.0
#: How often a bar is drawn anew [1/s].
_REFRESH_RATE = 5.0
#: As wide as no table is.
_UNLIMITED = 10_000
#: The widest bar, and the share of the terminal that it takes at most.
_BAR_WIDTH, _BAR_SHARE = 40, 6


def can_draw(stream: TextIO | None) -> bool:
    """Whether a stream is a terminal on which lines can be drawn over."""
    is_dumb = os.environ.get("TERM") in ("dumb", "unknown")
    return is_terminal(stream) and not is_dumb and not is_silent()


def console(stream: TextIO, *, is_drawn_on: bool | None = None) -> Console:
    """A console of Rich on a stream, which takes texts as they are: no markup, no highlights.

    Parameters
    ----------
    stream : text file
        Colours are for terminals alone, and not where NO_COLOR is set.
    is_drawn_on : bool, optional
        Whether to take it for a terminal; by default as it is.
    """
    from rich.console import Console

    return Console(
        file=stream,
        force_terminal=is_drawn_on,
        force_jupyter=False,
        markup=False,
        emoji=False,
        highlight=False,
    )


def fit(console: Console) -> None:
    """Makes a console as wide as the terminal is now that its own stream goes to."""
    with contextlib.suppress(OSError, ValueError):  # no terminal: as wide as Rich takes it for
        console.width = os.get_terminal_size(console.file.fileno()).columns


# --- tables


def table_lines(
    columns: Sequence[str], rows: Sequence[Sequence[str]], right: Sequence[str] = ()
) -> list[str]:
    """A table as plain text: aligned columns with two blanks between, as wide as it has to be.

    Parameters
    ----------
    columns : sequence of str
        What is above each column.
    rows : sequence of sequence of str
        Several lines in a cell are joined with commas.
    right : sequence of str
        Which of the columns are aligned at their right.
    """
    plain = [[cell.replace("\n", ", ") for cell in row] for row in (columns, *rows)]
    widths = [max(map(len, cells)) for cells in zip(*plain, strict=True)]
    return [
        "  ".join(
            f"{cell:>{width}}" if name in right else f"{cell:<{width}}"
            for cell, width, name in zip(row, widths, columns, strict=True)
        ).rstrip()
        for row in plain
    ]


def print_table(
    columns: Sequence[str],
    rows: Sequence[Sequence[str]],
    right: Sequence[str] = (),
    *,
    last_is_sum: bool = False,
) -> None:
    """Prints a table on standard output: drawn on a terminal, elsewhere as `table_lines` does.

    Cells are never cut: a table that is wider than the terminal goes on in its next line.

    Parameters
    ----------
    columns, rows, right
        As of `table_lines`.
    last_is_sum : bool
        Whether to set the last row apart from the others.
    """
    if not can_draw(sys.stdout):
        print("\n".join(table_lines(columns, rows, right)))
        return
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.HORIZONTALS, show_edge=False, pad_edge=False, header_style="bold")
    for name in columns:
        table.add_column(Text(name), justify="right" if name in right else "left", no_wrap=True)
    for index, row in enumerate(rows):
        if last_is_sum and index == len(rows) - 1:
            table.add_section()
        table.add_row(*(Text(cell) for cell in row))
    drawn = console(sys.stdout)
    drawn.width = _UNLIMITED  # the table takes what it needs
    with drawn.capture() as captured:
        drawn.print(table)
    print("\n".join(line.rstrip() for line in captured.get().splitlines()))


# --- progress


class Working:
    """Something that goes on, and how far it is.

    It never goes back, nor beyond its end.

    Attributes
    ----------
    description : str
        What goes on.
    total : float or None
        Where it ends; None where nobody knows.
    done : float
        How far it is.
    """

    def __init__(self, description: str, total: float | None = None) -> None:
        self.description = description
        self.total = total
        self.done = 0.0
        self._lock = threading.Lock()

    def describe(self, description: str) -> None:
        """Says what goes on now."""
        self.description = description

    def advance(self, amount: float = 1) -> None:
        """So much more is done."""
        with self._lock:
            self.done = self._up_to_total(self.done + max(amount, 0))

    def reach(self, done: float, total: float | None = None) -> None:
        """So much is done by now, of that total if it was not known before."""
        with self._lock:
            self.total = total if self.total is None else self.total
            self.done = self._up_to_total(max(done, self.done))

    def tell(self, description: str, done: float) -> None:
        """Says what goes on now, and how far all is."""
        self.describe(description)
        self.reach(done)

    def count(self, description: str, done: float, total: float) -> None:
        """Says how far something is; another description is another work, from its beginning."""
        with self._lock:
            if description != self.description:
                self.description, self.done = description, 0.0
            self.total = total
            self.done = self._up_to_total(max(done, self.done))

    def _up_to_total(self, done: float) -> float:
        return done if self.total is None else min(done, self.total)


@contextlib.contextmanager
def working(
    description: str,
    total: float | None = None,
    *,
    as_share: bool = False,
    after: float | None = None,
) -> Iterator[Working]:
    """A bar on the terminal that lasts as long as the ``with`` block, once that takes a second.

    Inside another such block nothing more is shown.

    Parameters
    ----------
    description : str
        What goes on.
    total : float, optional
        Where it ends. Without it the bar only shows that something goes on.
    as_share : bool
        Whether to show how far it is in per cent alone, and not how many of how many.
    after : float
        When to begin to show it [s]; `SHOWN_AFTER` by default.

    Yields
    ------
    Working
        Takes what goes on, and how far it is, from any thread; whether or not it is shown.
    """
    work = Working(description, total)
    stream = sys.stderr
    if isinstance(stream, _Above) or not can_draw(stream):
        yield work
        return
    shown = _Shown(work, stream, as_share=as_share)
    timer = threading.Timer(SHOWN_AFTER if after is None else after, shown.start)
    timer.daemon = True
    with _above(shown):
        timer.start()
        try:
            yield work
        except BaseException:
            shown.stop()
            raise
        else:
            shown.stop(is_complete=True)
        finally:
            timer.cancel()


class _Shown:
    """Draws what goes on."""

    def __init__(self, work: Working, stream: TextIO, *, as_share: bool) -> None:
        from rich.live import Live

        self.lock = threading.RLock()
        self._work = work
        self._as_share = as_share
        self._began = time.monotonic()
        self._console = console(stream)
        self._live = Live(
            console=self._console,
            get_renderable=self._frame,
            refresh_per_second=_REFRESH_RATE,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        self._is_on = self._has_ended = False

    def _frame(self) -> RenderableType:
        """One line. It is drawn some times a second: a table would take twice as long."""
        from rich.progress_bar import ProgressBar
        from rich.text import Text

        work = self._work
        seconds = int(time.monotonic() - self._began)
        columns = self._console.width
        width = min(_BAR_WIDTH, columns // _BAR_SHARE)
        bar = ProgressBar(
            total=work.total,
            completed=work.done,
            width=width,
            complete_style="green",
            finished_style="green",
        )
        description, share = work.description, ""
        if work.total is not None:
            done = work.done / work.total if work.total else 1.0
            share = f" {int(100 * done):3d} %"
            if not self._as_share:
                description = f"{description}: {work.done:,.0f} of {work.total:,.0f}"
        text = Text(no_wrap=True).append(share)
        text.append(f" {seconds // 60}:{seconds % 60:02d}", "cyan").append(f" {description}")
        text.truncate(max(columns - width, 0), overflow="ellipsis")
        return _Line(bar, text)

    def start(self) -> None:
        """Begins to draw."""
        with self.lock, contextlib.suppress(OSError, ValueError):
            if not self._has_ended:
                self._is_on = True
                self._live.start(refresh=True)

    def stop(self, *, is_complete: bool = False) -> None:
        """Ends the drawing: leaves nothing, after the full bar where all is done."""
        with self.lock, contextlib.suppress(OSError, ValueError):
            self._has_ended = True
            if self._is_on:
                if is_complete and self._work.total is not None:
                    self._work.reach(self._work.total)
                    self._live.refresh()
                self._is_on = False
                self._live.stop()

    def write_above(self, text: str) -> None:
        """Writes whole lines above what is drawn."""
        self._console.print(_AsItIs(text), crop=False, end="")

    @property
    def is_on(self) -> bool:
        """Whether something is drawn now."""
        return self._is_on


class _Line:
    """A bar, and text beside it."""

    def __init__(self, bar: ProgressBar, text: Text) -> None:
        self._bar = bar
        self._text = text

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Any]:
        yield from self._bar.__rich_console__(console, options)
        yield self._text


class _AsItIs:
    """Text that Rich passes on, with its colours if it has any."""

    def __init__(self, text: str) -> None:
        self._text = text

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Any]:
        from rich.segment import Segment

        yield Segment(self._text)


class _Above:
    """A standard stream on a terminal, while something may be drawn below its lines."""

    def __init__(self, stream: TextIO, shown: _Shown) -> None:
        self._stream = stream
        self._shown = shown
        self._begun = ""

    def write(self, text: str) -> int:
        with self._shown.lock:
            lines, newline, rest = (self._begun + text).rpartition("\n")
            if not self._shown.is_on:
                self._stream.write(self._begun + text)
                rest = ""
            elif newline:
                self._shown.write_above(lines + newline)
            self._begun = rest
        return len(text)

    def close_line(self) -> None:
        """Writes what no end of line has come for."""
        self._stream.write(self._begun)
        self._begun = ""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


@contextlib.contextmanager
def _above(shown: _Shown) -> Iterator[None]:
    """Has what is printed inside the ``with`` block appear above what is drawn."""
    before = sys.stdout, sys.stderr
    err = _Above(sys.stderr, shown)
    out = _Above(sys.stdout, shown) if is_terminal(sys.stdout) else None
    sys.stderr = cast("TextIO", err)
    if out is not None:
        sys.stdout = cast("TextIO", out)
    try:
        yield
    finally:
        sys.stdout, sys.stderr = before
        for stream in (err, out):
            if stream is not None:
                with contextlib.suppress(OSError, ValueError):
                    stream.close_line()
