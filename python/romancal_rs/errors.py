"""Errors whose message is written for the person who runs the pipeline."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import ClassVar

from . import _lazy
from ._exit_status import ExitStatus

__all__ = [
    "ArgumentError",
    "ArgumentTypeError",
    "InputError",
    "NoScienceDataError",
    "RomancalError",
    "ShapeError",
    "ThreadPoolError",
]

__dir__ = _lazy.listing(__all__)

#: With some punctuation around it [characters].
_LONGEST_PATH = 4096 + 16


class RomancalError(Exception):
    """Base class: what was wrong, with which file or argument, and what would be right.

    Attributes
    ----------
    exit_status : int
        What the command line returns for it.
    """

    exit_status: ClassVar[int] = ExitStatus.ERROR


class NoScienceDataError(RomancalError):
    """The exposure holds nothing to calibrate: no resultants, or no usable science pixel."""

    exit_status = ExitStatus.NO_SCIENCE_DATA


class InputError(RomancalError, ValueError):
    """An input is of the wrong kind, has a wrong value, or does not fit the others."""


class ArgumentError(RomancalError, ValueError):
    """An argument of an array function has a value, or a memory layout, that is not accepted."""


class ArgumentTypeError(RomancalError, TypeError):
    """An argument has a type, or an array has a dtype, that is not accepted."""


class ShapeError(ArgumentError):
    """An array does not have the shape that the other arguments ask for."""


class ThreadPoolError(RomancalError, RuntimeError):
    """The system does not give the threads that were asked for."""


def one_line(what: object) -> str:
    """The text of an error in one line: white space is one blank, control characters are escaped.

    Of an error without a text, its type.
    """
    text = " ".join(str(what).split()) or type(what).__name__
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def as_list(text: str) -> str:
    """The text of an error that is a list, in lines: a heading with a colon, and indented items.

    Any other text in one line, as of `one_line`.
    """
    heading, *items = text.split("\n")
    if heading.endswith(":") and all(item.startswith("  ") for item in items):
        return "\n".join([one_line(heading), *(f"  {one_line(item)}" for item in items)])
    return one_line(text)


def shortened(text: str, most: int = 1000) -> str:
    """The text with lines that a person can read: the middle of a long one is left out.

    Paths stay whole: what begins or ends with a part of one is longer for it.
    """
    return "\n".join(
        _shortened_line(line, most) if len(line) > most else line for line in text.split("\n")
    )


def _shortened_line(line: str, most: int) -> str:
    begin, end = most - most // 5, len(line) - most // 5
    before, after = line.rfind(" ", 0, begin) + 1, line.find(" ", begin)
    after = len(line) if after < 0 else after
    if _may_be_path(line[before:after]):
        begin = after
    before, after = line.rfind(" ", 0, end) + 1, line.find(" ", end)
    if _may_be_path(line[before : len(line) if after < 0 else after]):
        end = before
    if not line[begin:end].strip():
        return line
    return f"{line[:begin].rstrip()} ... {line[end:].lstrip()}"


def _may_be_path(word: str) -> bool:
    return os.sep in word and len(word) <= _LONGEST_PATH


def nearest(name: str, candidates: Iterable[str]) -> str:
    """``; did you mean 'x'?``, or nothing where no candidate is near."""
    import difflib

    matches = difflib.get_close_matches(name, list(candidates), n=1, cutoff=0.6)
    return f"; did you mean {matches[0]!r}?" if matches else ""
