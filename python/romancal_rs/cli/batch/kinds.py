"""Types of options of batches."""

from __future__ import annotations

import argparse
import re

#: What is done again.
RERUN = ("changed", "failed", "all", "never")

_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([kmgt]?)(i?b)?", re.IGNORECASE)
_POWERS = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4}


def positive(text: str) -> int:
    """A whole number from 1."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r}: expected a whole number from 1")
    return int(text)


def number_or_auto(text: str) -> int | None:
    """A whole number from 1; None for ``auto``."""
    return None if text == "auto" else positive(text)


def seconds(text: str) -> float:
    """A time above 0 [s]."""
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0.0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r}: expected a number of seconds above 0")
    return value


def size(text: str) -> int:
    """A size in bytes: ``4GB`` is 4 x 1000^3, ``4GiB`` and ``4G`` are 4 x 1024^3."""
    match = _SIZE.fullmatch(text)
    if match is None or not float(match[1]):
        raise argparse.ArgumentTypeError(f"{text!r}: expected a size such as 4GB or 512MiB")
    base = 1000 if (match[3] or "").lower() == "b" else 1024
    return int(float(match[1]) * base ** _POWERS[match[2].lower()])
