"""Types of command-line options."""

from __future__ import annotations

import argparse

from .._files import local_path
from ..errors import InputError


def path(word: str) -> str:
    """The path that a word means; a URL is wrong usage."""
    try:
        return local_path(word)
    except InputError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
