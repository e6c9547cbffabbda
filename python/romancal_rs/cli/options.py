"""Options that several commands have, and types of their values."""

from __future__ import annotations

import argparse
import logging
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from typing import Any, TypeAlias

from .._files import local_path
from ..errors import InputError

#: Gives the words that may follow what was typed of a value.
Completer: TypeAlias = Callable[..., list[str]]


def path(word: str) -> str:
    """The path that a word means; a URL is wrong usage."""
    if not word:
        raise argparse.ArgumentTypeError("an empty name; expected that of a file or directory")
    try:
        return local_path(word)
    except InputError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


# --- messages


def add_quiet(parser: argparse._ActionsContainer, what: str = "print errors only") -> None:
    parser.add_argument("--quiet", "-q", action="store_true", help=what)


def add_message_options(parser: argparse.ArgumentParser) -> None:
    """Adds what is shown of log messages, and where: of these, some exclude each other."""
    group = parser.add_argument_group("messages")
    how_many = group.add_mutually_exclusive_group()
    add_quiet(how_many, "print errors only: no summary, no progress")
    how_many.add_argument(
        "--verbose", "-v", action="store_true", help="show all messages, and tracebacks of errors"
    )
    completed_by(
        how_many.add_argument(
            "--log-level",
            metavar="LEVEL",
            type=_level,
            help="show messages of level DEBUG, INFO, WARNING ... and above",
        ),
        _levels,
    )
    group.add_argument(
        "--log-file",
        metavar="FILE",
        type=path,
        help="also write messages of level INFO (or LEVEL) and above to a file",
    )
    group.add_argument("--logcfg", metavar="FILE", type=path, help="logging configuration file")


def shown_messages(options: argparse.Namespace) -> AbstractContextManager[None]:
    """In a ``with`` block, messages are shown as the options say."""
    from ..stpipe import logconfig

    level = logging.DEBUG if options.verbose else options.log_level
    return logconfig.applied(
        options.logcfg,
        overrides=logconfig.Overrides(level, options.quiet, options.log_file),
    )


def _level(word: str) -> int:
    from ..stpipe.logconfig import read_level

    try:
        return read_level(word)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{word}: {error}") from None


def _levels(prefix: str, **_: Any) -> list[str]:
    from ..stpipe.logconfig import LEVELS

    found = [level for level in LEVELS if level.startswith(prefix.upper())]
    return [level.lower() for level in found] if prefix.islower() else found


# --- what the shell completes


def completed_by(action: argparse.Action, completer: Completer) -> None:
    """Has the shell complete the values of an option, or argument."""
    action.completer = completer  # type: ignore[attr-defined]


def one_of(*words: str) -> Completer:
    """Completes to one of some words."""

    def complete(prefix: str, **_: Any) -> list[str]:
        return [word for word in words if word.lower().startswith(prefix.lower())]

    return complete


def directories(prefix: str, **_: Any) -> list[str]:
    """Completes to directories."""
    from argcomplete.completers import DirectoriesCompleter

    return list(DirectoriesCompleter()(prefix))


def files(prefix: str, **_: Any) -> list[str]:
    """Completes to files, whatever they are."""
    from argcomplete.completers import FilesCompleter

    return list(FilesCompleter()(prefix))


def products(prefix: str, **_: Any) -> list[str]:
    """Completes to files of the mission: exposures, products, references; to any without them."""
    from argcomplete.completers import FilesCompleter

    return list(FilesCompleter(("asdf",))(prefix)) or files(prefix)


def nothing(prefix: str, **_: Any) -> list[str]:
    """Completes to nothing: what a number may be, no shell knows."""
    return []


def _in_list(prefix: str, words: Iterable[str]) -> list[str]:
    before, comma, last = prefix.rpartition(",")
    found = [word for word in words if word.startswith(last.upper())]
    return [f"{before}{comma}{word}" for word in found]


def detectors(prefix: str, **_: Any) -> list[str]:
    """Completes to detectors; after a comma, to another one."""
    return _in_list(prefix, [f"WFI{number:02}" for number in range(1, 19)])


def pixel_flags(prefix: str, **_: Any) -> list[str]:
    """Completes to flags of pixels, in the case that was typed; after a comma, to another one."""
    from .. import dqflags

    found = _in_list(prefix, [name for name in dqflags.pixel if "RESERVED" not in name])
    last = prefix.rpartition(",")[2]
    return [words.lower() for words in found] if last.islower() else found


def exposure_types(prefix: str, **_: Any) -> list[str]:
    """Completes to exposure types of the mission."""
    from ..simulate.config import EXPOSURE_TYPES

    return one_of(*EXPOSURE_TYPES)(prefix)


def optical_elements(prefix: str, **_: Any) -> list[str]:
    """Completes to optical elements; after a comma, to another one."""
    from ..simulate.config import EXPOSURE_TYPES

    return _in_list(prefix, dict.fromkeys(name for of in EXPOSURE_TYPES.values() for name in of))
