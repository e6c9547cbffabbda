"""From the words of a user to the exposures that they mean."""

from __future__ import annotations

import difflib
import glob
import os
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from .._files import existing_or_local
from ..errors import InputError, RomancalError
from . import remote
from .associations import read_association
from .heads import patiently
from .outcome import TransientError
from .tables import TABLES, read_column

__all__ = ["Source", "find"]

#: What is taken of a directory: raw exposures.
RAW = "*_uncal.asdf"
#: The column of a table that names the exposures, in the manifests of simulated surveys.
COLUMN = "l1_s3_uri"

#: What the names of lists, and of tables of other kinds, end with: they hold no exposure.
_LISTS = (".txt", ".lst", ".list")
_OTHER_TABLES = (".fits", ".fits.gz", ".tsv", ".vot", ".xlsx")

_GLOB = re.compile(r"[*?\[]")
_SHOWN = 3  # pairs of duplicates, and nearest names, that a message lists


@dataclass(frozen=True)
class Source:
    """An exposure that is to be worked on.

    Attributes
    ----------
    input : str
        Absolute path, or URL.
    origin : str
        Which word of the user, or which line of which file, named it.
    """

    input: str
    origin: str

    @property
    def name(self) -> str:
        """Base name of the input."""
        if remote.is_url(self.input):
            return remote.name_of(self.input)
        return os.path.basename(self.input)


def find(
    words: Iterable[str],
    *,
    recursive: bool = False,
    column: str | None = None,
    base: str | os.PathLike[str] | None = None,
    stdin: TextIO | None = None,
) -> list[Source]:
    """Finds the exposures that words mean.

    Parameters
    ----------
    words : iterable of str
        Of each kind, in any mixture: a file; a directory, of which the raw exposures
        (``*_uncal.asdf``) are taken; a pattern with ``*``, ``?`` and ``[]``; ``@FILE``, a list
        with one such word a line, ``#`` beginning a comment; ``-`` for such a list on standard
        input; an association (``.json``), of which the members of type ``science`` are taken; a
        table (``.ecsv``, ``.csv``, ``.parquet``); an ``s3://`` or ``https://`` URL.
    recursive : bool
        Whether to look in the subdirectories of a directory.
    column : str, optional
        The column of tables that names the exposures; ``l1_s3_uri`` by default.
    base : path, optional
        What relative paths are relative to; the current directory by default.
    stdin : file, optional
        What ``-`` reads.

    Returns
    -------
    list of Source
        In the order of the words, of a directory or a pattern by name. A file that is named twice
        is there once.

    Raises
    ------
    InputError
        If a word finds nothing, or two different files have the same name, as their products would
        have.
    TransientError
        If a server does not list a folder for a reason that may pass, also after a while.
    """
    finder = _Finder(recursive, column or COLUMN, stdin or sys.stdin)
    directory = os.path.abspath(base or "")
    sources: list[Source] = []
    failures: list[str] = []
    for word in words:
        try:
            sources.extend(finder.of_word(word, directory, word))
        except TransientError:
            raise
        except RomancalError as error:
            failures.append(str(error))
        except OSError as error:
            failures.append(f"{error.filename or word}: {error.strerror or error}")
    if failures:
        _refuse("these sources cannot be used:", failures)
    return _without_duplicates(sources)


def _refuse(heading: str, lines: Sequence[str]) -> None:
    if len(lines) == 1:
        raise InputError(lines[0])
    raise InputError("\n  ".join([heading, *lines]))


def _refuse_all(heading: str, failures: Sequence[str]) -> None:
    """Tells of the first failures, if there are any, and how many more there are."""
    if failures:
        more = len(failures) - _SHOWN
        _refuse(heading, [*failures[:_SHOWN], *([f"and {more} more"] if more > 0 else [])])


class _Finder:
    """Takes words apart."""

    def __init__(self, recursive: bool, column: str, stdin: TextIO) -> None:
        self._recursive = recursive
        self._column = column
        self._stdin = stdin
        self._lists: list[str] = []  # that are being read, each named by the one before

    def of_word(self, word: str, directory: str, origin: str) -> Iterator[Source]:
        if word == "-":
            yield from self._of_lines(self._stdin, directory, "standard input")
        elif remote.is_url(word):
            for url in patiently(lambda: remote.expand(word)):
                yield Source(url, origin)
        elif word.startswith("@"):
            yield from self._of_list(_located(word[1:], directory))
        else:
            yield from self._of_path(_located(word, directory), origin)

    def _of_path(self, path: str, origin: str) -> Iterator[Source]:
        if os.path.isdir(path):
            yield from self._of_directory(path, origin)
        elif not os.path.exists(path):
            if not _GLOB.search(path):
                raise InputError(f"{path}: there is no such file or directory{_near(path)}")
            yield from self._of_pattern(path, origin)
        elif path.endswith(".json"):
            yield from self._of_association(path)
        elif path.endswith(TABLES):
            yield from self._of_table(path)
        elif path.endswith(_LISTS):
            raise InputError(f"{path}: a list of exposures is named with an @: @{path}")
        elif path.endswith(_OTHER_TABLES):
            raise InputError(f"{path}: tables are read as {', '.join(TABLES)}")
        else:
            yield Source(path, origin)

    def _of_directory(self, path: str, origin: str) -> Iterator[Source]:
        found = sorted(Path(path).rglob(RAW) if self._recursive else Path(path).glob(RAW))
        if not found:
            raise InputError(f"{path}: no {RAW} in it{self._other_files(Path(path))}")
        for file in found:
            yield Source(str(file), origin)

    def _other_files(self, directory: Path) -> str:
        """What else there is in a directory, in words."""
        if not self._recursive and next(directory.rglob(RAW), None) is not None:
            return ", but in its subdirectories: --recursive looks there"
        others = sum(1 for _ in directory.glob("*.asdf"))
        pattern = directory / "*.asdf"
        return f", but {others} other .asdf files: '{pattern}' takes them" if others else ""

    def _of_pattern(self, pattern: str, origin: str) -> Iterator[Source]:
        found = sorted(glob.glob(pattern, recursive=True))
        if not found:
            raise InputError(f"{pattern}: no file name matches this pattern")
        for path in found:
            yield from self._of_path(path, origin)

    def _of_list(self, path: str) -> Iterator[Source]:
        if os.path.realpath(path) in self._lists:
            raise InputError(f"{path}: the list names itself")
        self._lists.append(os.path.realpath(path))
        try:
            with open(path, encoding="utf-8") as lines:
                yield from self._of_lines(lines, os.path.dirname(path), path)
        except FileNotFoundError:
            raise InputError(f"{path}: there is no such list{_near(path)}") from None
        except UnicodeDecodeError as error:
            raise InputError(f"{path}: not a list of sources: it is not text") from error
        finally:
            self._lists.pop()

    def _of_lines(self, lines: Iterable[str], directory: str, name: str) -> Iterator[Source]:
        n_found = 0
        failures: list[str] = []
        for number, line in enumerate(lines, 1):
            word = line.strip()
            if not word or word.startswith("#"):
                continue
            origin = f"{name}, line {number}"
            if word == "-":
                raise InputError(f"{origin}: a list cannot name standard input")
            n_found += 1
            try:
                yield from _told_by(origin, self.of_word(word, directory, origin))
            except InputError as error:
                failures.append(str(error))
        _refuse_all(f"{name}: these lines cannot be used:", failures)
        if not n_found:
            raise InputError(f"{name}: it names no source")

    def _of_association(self, path: str) -> Iterator[Source]:
        members = read_association(path).members
        names = [member.name for member in members if member.is_science]
        if not names:
            kinds = ", ".join(sorted({member.kind for member in members})) or "none"
            raise InputError(f"{path}: no member of type science; types there: {kinds}")
        yield from self._of_files(((name, path) for name in names), os.path.dirname(path))

    def _of_table(self, path: str) -> Iterator[Source]:
        cells = read_column(path, self._column)
        if not cells:
            raise InputError(f"{path}: it has no rows")
        entries = ((cell, f"{path}, {where}") for where, cell in cells)
        yield from self._of_files(entries, os.path.dirname(path))

    def _of_files(self, entries: Iterable[tuple[str, str]], directory: str) -> Iterator[Source]:
        """The exposures of names and the places that have them: files or URLs, and no more."""
        failures: list[str] = []
        for name, origin in entries:
            if remote.is_url(name):
                yield Source(name, origin)
                continue
            path = _located(name, directory)
            if not os.path.isfile(path):
                failures.append(f"{origin}: {path}: there is no such file{_near(path)}")
                continue
            yield Source(path, origin)
        _refuse_all("these files are not there:", failures)


def _told_by(origin: str, sources: Iterator[Source]) -> Iterator[Source]:
    """The same, with the place that named them in errors."""
    try:
        yield from sources
    except TransientError as error:
        raise TransientError(f"{origin}: {error}") from error
    except RomancalError as error:
        raise InputError(f"{origin}: {error}") from error
    except OSError as error:
        raise InputError(f"{origin}: {error.filename}: {error.strerror}") from error


def _located(word: str, directory: str) -> str:
    word = remote.without_file_scheme(word)
    here = os.path.join(directory, word)
    if os.path.exists(here):
        return os.path.normpath(here)
    return os.path.normpath(os.path.join(directory, existing_or_local(word)))


def _near(path: str) -> str:
    """The names of the directory that are near to that of a path, in words."""
    directory, name = os.path.split(path)
    try:
        names = os.listdir(directory)
    except OSError:
        while directory and not os.path.isdir(directory):
            directory, missing = os.path.split(directory)
        return f"; {directory} has no {missing}"
    near = difflib.get_close_matches(name, names, n=_SHOWN, cutoff=0.6)
    return f"; near to it: {', '.join(near)}" if near else ""


def _without_duplicates(sources: Iterable[Source]) -> list[Source]:
    """The sources without those that are there already.

    Raises
    ------
    InputError
        If two others have the same name.
    """
    by_name: dict[str, Source] = {}
    pairs: list[str] = []
    for source in sources:
        known = by_name.setdefault(source.name, source)
        if known.input != source.input and not _is_same_file(known.input, source.input):
            pairs.append(_pair(known, source))
    if pairs:
        more = len(pairs) - _SHOWN
        shown = [*pairs[:_SHOWN], *([f"and {more} more pairs"] if more > 0 else [])]
        _refuse(
            "these exposures have the same names, and so would their products:",
            [f"{pairs[0]}: their products would have the same name"] if len(pairs) == 1 else shown,
        )
    return list(by_name.values())


def _is_same_file(one: str, other: str) -> bool:
    if remote.is_url(one) or remote.is_url(other):
        return False
    return os.path.realpath(one) == os.path.realpath(other)


def _pair(one: Source, other: Source) -> str:
    return " and ".join(
        source.input if source.origin == source.input else f"{source.input} ({source.origin})"
        for source in (one, other)
    )
