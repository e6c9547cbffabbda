"""Colours of words on a terminal."""

from __future__ import annotations

import os
from typing import Any

#: What begins a colour, by its name.
_COLOURS = {"red": "\x1b[31m", "yellow": "\x1b[33m", "green": "\x1b[32m", "grey": "\x1b[90m"}
_BOLD_RED, _END = "\x1b[1;31m", "\x1b[0m"
_LEVELS = {
    "DEBUG": _COLOURS["grey"],
    "INFO": _COLOURS["green"],
    "WARNING": _COLOURS["yellow"],
    "ERROR": _COLOURS["red"],
    "CRITICAL": _BOLD_RED,
}


def takes_colours(stream: Any) -> bool:
    """Whether a stream is a terminal that shows colours, and the user wants them.

    Any value of ``NO_COLOR`` but an empty one says that he does not (https://no-color.org).
    """
    if os.environ.get("NO_COLOR") or os.environ.get("TERM") in ("dumb", "unknown"):
        return False
    if os.name == "nt" and "WT_SESSION" not in os.environ:  # a console that may print the codes
        return False
    try:
        return bool(stream.isatty())
    except (AttributeError, ValueError):  # there is none, or it is closed
        return False


def coloured(text: str, colour: str) -> str:
    """A text in a colour: red, yellow, green, grey."""
    return f"{_COLOURS[colour]}{text}{_END}"


def level_in_colour(text: str, level: str) -> str:
    """A text in the colour of a level of log messages; as it is if the level has none."""
    return f"{_LEVELS[level]}{text}{_END}" if level in _LEVELS else text
