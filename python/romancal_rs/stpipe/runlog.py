"""Log messages of a run: kept for the product from INFO upwards, and shown where they should be.

Steps log to ``stpipe.<pipeline>.<step>``. Such a logger lets everything through to a filter, which
hands each message to `_take`. That keeps what belongs to the run at hand, and shows what the run's
logging configuration admits: that of `romancal_rs.stpipe.logconfig`, or else what the user set up
with Python's ``logging``.

Libraries log to loggers of their own, and their messages end at the root logger. While runs are
under way, a handler of ours is there beside those of the user: what was logged during a step's work
it hands to `_take` as well, in a copy with the step's name. The user's handlers get what a library
logs from Python's logging, as ever. The root logger's level and its other handlers are left alone.

What belongs to which run is in context variables, so that runs in several threads keep apart.
"""

from __future__ import annotations

import copy
import logging
import re
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

from .._ansi import level_in_colour, takes_colours
from ..errors import RomancalError

LOGGER_NAME = "stpipe"
#: Stands for a letter of a level until that is coloured.
_MARK = "\ue000"
DEFAULT_FORMAT = "%(asctime)s - %(name)s - %(levelname)s - %(message)s"


class BreakLevelError(RomancalError):
    """A step logged a message at or above its ``break_level``.

    Attributes
    ----------
    record : logging.LogRecord
        The message.
    """

    record: logging.LogRecord


@dataclass(frozen=True)
class Display:
    """What becomes of the messages of one step.

    Attributes
    ----------
    level : int
        What is below is not shown.
    handlers : tuple of logging.Handler, optional
        Where it is shown. These take the place of handlers for the terminal that the user attached
        to the root logger or ``stpipe``; his others get the messages, too. None: only his.
    break_level : int, optional
        A message at or above it stops the run.
    break_source : str
        Where the break level was set, for the error.
    """

    level: int
    handlers: tuple[logging.Handler, ...] | None = None
    break_level: int | None = None
    break_source: str = ""


class ConsoleHandler(logging.Handler):
    """Writes to what is ``sys.stdout`` or ``sys.stderr`` at the time of each message.

    On a terminal levels have colours; all else is the same to the byte.
    """

    def __init__(self, stream_name: str, format: str = DEFAULT_FORMAT) -> None:
        super().__init__()
        self.stream_name = stream_name
        self.setFormatter(logging.Formatter(format))

    def emit(self, record: logging.LogRecord) -> None:
        stream = getattr(sys, self.stream_name)
        if stream is None or getattr(stream, "closed", False):  # print takes None for stdout
            return
        try:
            text = self._coloured(record) if takes_colours(stream) else self.format(record)
            print(text, file=stream, flush=True)
        except Exception:
            self.handleError(record)

    def _coloured(self, record: logging.LogRecord) -> str:
        """The message with its level in colour, which does not count for the width of a column."""
        level, marked = record.levelname, copy.copy(record)
        marked.levelname = _MARK * len(level)
        parts = re.split(f"({_MARK}+)", self.format(marked))
        parts[1::2] = [level_in_colour(level[: len(marks)], level) for marks in parts[1::2]]
        return "".join(parts)


class _UtcFormatter(logging.Formatter):
    converter = staticmethod(time.gmtime)


class _Keeper(logging.Handler):
    """Keeps messages as lines of text."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self.lines: list[str] = []
        self.setFormatter(
            _UtcFormatter(
                "%(asctime)s.%(msecs)03dZ :: %(name)s :: %(levelname)s :: %(message)s",
                "%Y-%m-%dT%H:%M:%S",
            )
        )

    def emit(self, record: logging.LogRecord) -> None:
        try:
            self.lines.append(self.format(record))
        except Exception:
            self.handleError(record)


class _Listener(logging.Handler):
    """Hears at the root logger what libraries log while runs are under way."""

    def __init__(self) -> None:
        super().__init__()
        self._runs = 0
        self._runs_lock = threading.Lock()

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """Each run puts it in place, the last one to end takes it away."""
        root = logging.getLogger()
        with self._runs_lock:
            root.addHandler(self)  # which does nothing where it is there already
            self._runs += 1
        try:
            yield
        finally:
            with self._runs_lock:
                self._runs -= 1
                if self._runs == 0:
                    root.removeHandler(self)

    def handle(self, record: logging.LogRecord) -> bool:
        # Not emit: that would hold this handler's lock while others work, and invite a deadlock.
        owner = _owner.get()
        had = _handlers(record.name)
        if owner is not None:
            of_step = copy.copy(record)
            of_step.name = owner.name
            _take(of_step, had)
        elif not had and logging.lastResort is not None:
            _hand_to([logging.lastResort], record)  # Python sees a handler here, and does not
        return True


_LISTENER = _Listener()
_DEFAULT_HANDLER = ConsoleHandler("stderr")

#: The collectors of messages in this thread: one for each current run.
_keepers: ContextVar[tuple[_Keeper, ...]] = ContextVar("keepers", default=())
#: The logger of the step that is running.
_owner: ContextVar[logging.Logger | None] = ContextVar("owner", default=None)
#: Gives the display for a logger's name; None outside of `showing`.
_display_of: ContextVar[Callable[[str], Display] | None] = ContextVar("display_of", default=None)


def step_logger(qualified_name: str) -> logging.Logger:
    """The logger of a step; its messages are kept while a run is being recorded."""
    logger = logging.getLogger(qualified_name)
    if _divert not in logger.filters:
        logger.setLevel(logging.DEBUG)
        logger.addFilter(_divert)
    return logger


@contextmanager
def recording() -> Iterator[list[str]]:
    """Collects, formatted, what steps log inside the ``with`` block, in this thread."""
    keeper = _Keeper()
    token = _keepers.set((*_keepers.get(), keeper))
    try:
        yield keeper.lines
    finally:
        _keepers.reset(token)


@contextmanager
def owner(logger: logging.Logger) -> Iterator[None]:
    """Makes what libraries log inside the ``with`` block, in this thread, messages of a step.

    Parameters
    ----------
    logger : logging.Logger
        The step's logger. Around it there has to be a `showing` block.
    """
    token = _owner.set(logger)
    try:
        yield
    finally:
        _owner.reset(token)


def is_showing() -> bool:
    """Whether a `showing` block is under way, in this thread."""
    return _display_of.get() is not None


def as_python_logging(name: str) -> Display:
    """The display of a step without a configuration: what the user set up with ``logging``."""
    stpipe = logging.getLogger(LOGGER_NAME)
    if stpipe.level or _handlers(LOGGER_NAME):
        return Display(stpipe.getEffectiveLevel())
    return Display(logging.WARNING)


@contextmanager
def showing(display_of: Callable[[str], Display] = as_python_logging) -> Iterator[None]:
    """Shows what steps log inside the ``with`` block, in this thread, as a configuration says.

    Parameters
    ----------
    display_of : callable
        Gives the `Display` for a logger's name.
    """
    token = _display_of.set(display_of)
    try:
        with _LISTENER.in_place():
            yield
    finally:
        _display_of.reset(token)


def _divert(record: logging.LogRecord) -> bool:
    """The filter of step loggers: nothing is left to do for Python's logging."""
    _take(record)
    return False


def _take(record: logging.LogRecord, had: Sequence[logging.Handler] = ()) -> None:
    """Keeps a step's message, shows it, and stops the run where its level asks for that.

    Parameters
    ----------
    record : logging.LogRecord
        Has the name of the step's logger.
    had : sequence of logging.Handler
        Those that Python's logging gives the message to, as one of a library.
    """
    _hand_to(_keepers.get(), record)
    display = (_display_of.get() or as_python_logging)(record.name)
    if record.levelno >= display.level:
        handlers = _handlers(record.name)
        if display.handlers is not None:
            attached = [handler for handler in handlers if not _is_console(handler)]
            handlers = [*display.handlers, *attached]
        if not handlers and not had:
            handlers = [_DEFAULT_HANDLER]
        if any(_is_console(handler) and _admits(handler, record) for handler in had):
            handlers = [handler for handler in handlers if not _is_console(handler)]
        _hand_to([handler for handler in handlers if handler not in had], record)
    if display.break_level is not None and record.levelno >= display.break_level:
        error = BreakLevelError(
            f"{record.name.removeprefix(LOGGER_NAME + '.')} logged at level {record.levelname}: "
            f"{record.getMessage()!r}; break_level = {logging.getLevelName(display.break_level)} "
            f"in {display.break_source} stops the run"
        )
        error.record = record
        raise error


def _handlers(name: str) -> list[logging.Handler]:
    """The handlers that Python's logging calls for a logger, but for ours."""
    found: list[logging.Handler] = []
    logger: logging.Logger | None = logging.getLogger(name)
    while logger is not None:
        found.extend(handler for handler in logger.handlers if handler is not _LISTENER)
        logger = logger.parent if logger.propagate else None
    return found


def _admits(handler: logging.Handler, record: logging.LogRecord) -> bool:
    return record.levelno >= handler.level


def _hand_to(handlers: Iterable[logging.Handler], record: logging.LogRecord) -> None:
    for handler in handlers:
        if _admits(handler, record):
            handler.handle(record)


def _is_console(handler: logging.Handler) -> bool:
    if isinstance(handler, logging.StreamHandler):
        return handler.stream in (sys.stdout, sys.stderr, sys.__stdout__, sys.__stderr__)
    return isinstance(handler, ConsoleHandler)
