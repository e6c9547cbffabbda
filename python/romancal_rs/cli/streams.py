"""Standard streams that may be missing, full or gone."""

from __future__ import annotations

import contextlib
import os
import re
import sys
from collections.abc import Iterator
from contextvars import ContextVar
from typing import Any, TextIO, cast

from .._ansi import coloured, takes_colours

#: Stands for the name of a file in errors of standard output.
OUTPUT = "standard output"

#: What a message begins with that is of a kind, after the name of the command.
_KIND = re.compile(r"(?<=: )(?:error|warning)(?=: )")
_COLOURS = {"error": "red", "warning": "yellow"}


def complete() -> None:
    """Gives a process the standard streams that it was started without, into nothing.

    Otherwise the next file that is opened takes the place of a missing one, and gets what
    libraries write to it.
    """
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: SIM115


def is_terminal(stream: TextIO | None) -> bool:
    """Whether a standard stream is there, and a terminal."""
    return stream is not None and not getattr(stream, "closed", False) and stream.isatty()


def complain(message: str) -> None:
    """Writes a line to standard error, if that can be; on a terminal, what it is in colour."""
    if sys.stderr is not None:  # None, and print writes to standard output
        if takes_colours(sys.stderr):
            message = _KIND.sub(lambda kind: coloured(kind[0], _COLOURS[kind[0]]), message, count=1)
        with contextlib.suppress(OSError, ValueError):
            print(message, file=sys.stderr, flush=True)


#: Whether a command is to print nothing but errors.
_is_silent: ContextVar[bool] = ContextVar("is_silent", default=False)


@contextlib.contextmanager
def silent(is_silent: bool = True) -> Iterator[None]:
    """In the block, if so it is to be, standard output goes nowhere, and no bar is drawn."""
    if not is_silent:
        yield
        return
    token = _is_silent.set(True)
    try:
        with (
            open(os.devnull, "w", encoding="utf-8") as nowhere,
            contextlib.redirect_stdout(nowhere),
        ):
            yield
    finally:
        _is_silent.reset(token)


def is_silent() -> bool:
    """Whether nothing is to be shown but errors."""
    return _is_silent.get()


class _Output:
    """Standard output, whose errors are told from those of files by their name."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        with _named(self._stream):
            return self._stream.write(text)

    def flush(self) -> None:
        with _named(self._stream):
            self._stream.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


@contextlib.contextmanager
def _named(stream: TextIO) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        error.filename = OUTPUT
        with contextlib.suppress(OSError):  # so that Python does not fail on it again at its end
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, stream.fileno())
            os.close(nowhere)
        raise


@contextlib.contextmanager
def named_output() -> Iterator[None]:
    """In the block, what standard output fails with has `OUTPUT` as its file name.

    It is flushed at the end, to fail there rather than when Python ends.
    """
    stream = sys.stdout
    sys.stdout = cast("TextIO", _Output(stream))
    try:
        try:
            yield
        except SystemExit:  # after a help text
            sys.stdout.flush()
            raise
        sys.stdout.flush()
    finally:
        sys.stdout = stream
