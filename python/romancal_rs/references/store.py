"""A directory of reference files."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from difflib import get_close_matches
from functools import cached_property
from pathlib import Path

from .errors import AmbiguousReferenceError, ReferenceNotFoundError
from .head import ReferenceHead
from .index import DirectoryIndex
from .keys import ExposureKeys
from .match import Match
from .rules import (
    Candidate,
    compare,
    describe,
    describe_file,
    is_parameter_type,
    nearest,
    needs_detector,
    note_on,
    rank,
)

_SHOWN = 3  # nearest candidates, and unreadable files, that an error message lists
_SHOWN_EQUALS = 10  # files of which one message asks to remove all but one


class DirectoryStore:
    """Finds reference files in one directory by what the files say about themselves.

    The directory's ``*.asdf`` files (not those of its subdirectories) are looked through once, at
    the first search; files that are added later are seen by a new store. Files of unknown types
    and files that are no references do no harm. What the files say is kept in an index, so that
    only new and changed files are read (see `DirectoryIndex`).

    Parameters
    ----------
    directory : str or Path
        The directory.

    Raises
    ------
    ReferenceNotFoundError
        If there is no such directory.

    Examples
    --------
    >>> from romancal_rs.references import DirectoryStore, ExposureKeys
    >>> store = DirectoryStore("references")
    >>> keys = ExposureKeys.from_file("exposure_uncal.asdf")
    >>> store.find("flat", keys).reference.name
    'roman_wfi_flat_0001.asdf'
    """

    def __init__(self, directory: str | Path) -> None:
        self.directory = Path(directory)
        self._useafters: dict[str, list[datetime]] = {}
        if not self.directory.is_dir():
            what = "is not a directory" if self.directory.exists() else "does not exist"
            raise ReferenceNotFoundError(
                f"references: {self.directory} {what}; give a directory of *.asdf reference files"
            )

    @property
    def location(self) -> str:
        """The directory, as it was named."""
        return str(self.directory)

    def find(self, reftype: str, keys: ExposureKeys) -> Match:
        """Find the file of one type that fits an exposure.

        Parameters
        ----------
        reftype : str
            Such as ``"flat"``; upper or lower case.
        keys : ExposureKeys
            What references are chosen by.

        Returns
        -------
        Match

        Raises
        ------
        ReferenceNotFoundError
            If no file fits. The message says what was looked for, and what is there instead.
        AmbiguousReferenceError
            If two files fit equally well.
        ReferenceFileError
            If the directory cannot be read.
        """
        reftype = reftype.upper()
        ranked = self._ranked(reftype, keys)
        if not ranked:
            raise ReferenceNotFoundError(self._not_found(reftype, keys))
        head = ranked[0].head
        return Match(
            head.path,
            note_on(head, keys),
            rule=describe_file(head),
            runner_up=_listed(ranked[1:2], 1),
        )

    def is_current(self) -> bool:
        """Whether each file of the directory still has the size and time that the store knows.

        Returns
        -------
        bool
        """
        return self._index.is_current()

    def distinguishing(self, keys: ExposureKeys) -> Hashable:
        """The part of the keys on which the choice of references depends.

        Parameters
        ----------
        keys : ExposureKeys
            What references are chosen by.

        Returns
        -------
        Hashable
            All keys; of the start time only which files come before it.
        """
        useafters = self._useafters_for(keys.detector)
        same = replace(keys, start_time=datetime.min, metadata={})
        return same, bisect_right(useafters, keys.start_time)

    def _useafters_for(self, detector: str) -> list[datetime]:
        """The dates of the files that may be for a detector, in order."""
        if detector not in self._useafters:
            found = {
                head.useafter
                for reftype in self._index.reftypes
                for head in self._index.heads(
                    reftype, detector if needs_detector(reftype) else None
                )
            }
            self._useafters[detector] = sorted(found)
        return self._useafters[detector]

    @property
    def has_parameters(self) -> bool:
        """Whether the directory holds parameter references."""
        return any(is_parameter_type(reftype) for reftype in self._index.reftypes)

    def find_parameters(self, reftypes: Iterable[str], keys: ExposureKeys) -> Path | None:
        """Find the parameter reference of a step; there need not be one.

        Parameters
        ----------
        reftypes : iterable of str
            What it may be called, such as ``PARS-JUMPSTEP``; the first that fits is taken.
        keys : ExposureKeys
            What references are chosen by.

        Returns
        -------
        path or None
            None if there is none.

        Raises
        ------
        AmbiguousReferenceError
            If two files fit equally well.
        """
        for reftype in reftypes:
            ranked = self._ranked(reftype, keys)
            if ranked:
                return ranked[0].head.path
        return None

    @property
    def heads(self) -> list[ReferenceHead]:
        """The reference files of the directory, by name."""
        index = self._index
        heads = [head for reftype in index.reftypes for head in index.heads(reftype)]
        return sorted(heads, key=lambda head: head.path)

    @property
    def unreadable(self) -> list[str]:
        """The files that could not be read, each with the reason: ``name: reason``."""
        return self._index.unreadable

    @cached_property
    def _index(self) -> DirectoryIndex:
        return DirectoryIndex(self.directory)

    def _ranked(self, reftype: str, keys: ExposureKeys) -> list[Candidate]:
        """The files that fit, the best first, which no other equals."""
        detector = keys.detector if needs_detector(reftype) else None
        heads = self._index.heads(reftype, detector)
        ranked = rank((head for head in heads if not compare(head, keys)), keys)
        if len(ranked) > 1 and not ranked[1].differences:
            raise AmbiguousReferenceError(self._ambiguous(reftype, keys, ranked))
        return ranked

    def _candidates(self, reftype: str, keys: ExposureKeys) -> list[Candidate]:
        return [Candidate(head, compare(head, keys)) for head in self._index.heads(reftype)]

    def _ambiguous(self, reftype: str, keys: ExposureKeys, ranked: list[Candidate]) -> str:
        equals = [candidate for candidate in ranked if not candidate.differences]
        others = ranked[len(equals) :] + nearest(self._candidates(reftype, keys), keys)
        message = (
            f"{len(equals)} {reftype} files in {self.location} fit {describe(reftype, keys)} "
            f"equally well, with the same useafter {ranked[0].head.useafter.isoformat()}: "
            f"{_listed(equals, _SHOWN_EQUALS)}; "
        )
        if others:
            message += f"the nearest others: {_listed(others, _SHOWN)}; "
        return f"{message}remove all but one, or name one with override_{reftype.lower()}"

    def _not_found(self, reftype: str, keys: ExposureKeys) -> str:
        message = f"no {reftype} for {describe(reftype, keys)} in {self.location}: "
        candidates = nearest(self._candidates(reftype, keys), keys)
        if candidates:
            plural = "" if len(candidates) == 1 else "s"
            message += (
                f"{len(candidates)} {reftype}{plural} there; nearest: "
                f"{', '.join(map(str, candidates[:_SHOWN]))}"
            )
        else:
            types = self._index.reftypes
            message += (
                f"no {reftype} there at all, only {', '.join(types)}"
                if types
                else "no reference files there at all"
            )
            for misspelt in get_close_matches(reftype, types, n=1, cutoff=0.8):
                name = self._index.heads(misspelt)[0].path.name
                message += f"; {name} says that it is a {misspelt}"
            if others := self._index.others:
                message += f"; without a reference type: {_some(others, ', ')}"
        if unreadable := self.unreadable:
            message += f"; not readable: {_some(unreadable, '; ')}"
        return message


def _some(names: Sequence[str], separator: str) -> str:
    more = len(names) - _SHOWN
    return separator.join(names[:_SHOWN]) + (f" and {more} more" if more > 0 else "")


def _listed(candidates: Sequence[Candidate], most: int) -> str:
    shown = ", ".join(map(str, candidates[:most]))
    more = len(candidates) - most
    return f"{shown} and {more} more" if more > 0 else shown
