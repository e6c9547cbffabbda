"""A directory of reference files."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property
from pathlib import Path

from .._yaml_head import HeadError
from .errors import ReferenceNotFoundError
from .head import ReferenceHead, read_head
from .keys import ExposureKeys
from .match import Match
from .rules import Candidate, choose, compare, describe, is_parameter_type

_SHOWN = 3  # nearest misses, and unreadable files, that an error message lists


class DirectoryStore:
    """Finds reference files in one directory by what the files say about themselves.

    The directory's ``*.asdf`` files (not those of its subdirectories) are looked through once, at
    the first search; files that are added later are seen by a new store. Files of unknown types
    and files that are no references do no harm.

    Parameters
    ----------
    directory : str or Path

    Raises
    ------
    ReferenceNotFoundError
        If there is no such directory.
    """

    def __init__(self, directory: str | Path) -> None:
        self.directory = Path(directory)
        if not self.directory.is_dir():
            what = "is not a directory" if self.directory.exists() else "does not exist"
            raise ReferenceNotFoundError(
                f"references: {self.directory} {what}; give a directory of *.asdf reference files"
            )

    def find(self, reftype: str, keys: ExposureKeys) -> Match:
        """Find the file of one type that fits an exposure.

        Parameters
        ----------
        reftype : str
            Such as ``"flat"``; upper or lower case.
        keys : ExposureKeys

        Raises
        ------
        ReferenceNotFoundError
            If no file fits. The message says what was looked for, and what is there instead.
        AmbiguousReferenceError
            If two files fit equally well.
        """
        reftype = reftype.upper()
        candidates = [
            Candidate(head, compare(head, keys)) for head in self.heads if head.reftype == reftype
        ]
        fitting = [candidate.head for candidate in candidates if not candidate.differences]
        if not fitting:
            raise ReferenceNotFoundError(self._not_found(reftype, keys, candidates))
        head, note = choose(fitting, keys)
        return Match(head.path, note)

    @property
    def has_parameters(self) -> bool:
        """Whether the directory holds parameter references."""
        return any(is_parameter_type(head.reftype) for head in self.heads)

    def find_parameters(self, reftypes: Iterable[str], keys: ExposureKeys) -> Path | None:
        """Find the parameter reference of a step, which there need not be.

        Parameters
        ----------
        reftypes : iterable of str
            What it may be called, such as ``PARS-JUMPSTEP``; the first that fits is taken.
        keys : ExposureKeys

        Raises
        ------
        AmbiguousReferenceError
            If two files fit equally well.
        """
        for reftype in reftypes:
            fitting = [h for h in self.heads if h.reftype == reftype and not compare(h, keys)]
            if fitting:
                return choose(fitting, keys)[0].path
        return None

    @property
    def heads(self) -> list[ReferenceHead]:
        """The reference files of the directory, by name."""
        return self._contents[0]

    @property
    def unreadable(self) -> list[str]:
        """The files that could not be read, each with the reason: ``name: reason``."""
        return self._contents[1]

    @cached_property
    def _contents(self) -> tuple[list[ReferenceHead], list[str]]:
        heads, unreadable = [], []
        for path in sorted(self.directory.glob("*.asdf")):
            if path.name.startswith("."):  # hidden: half-written files of other programs
                continue
            try:
                head = read_head(path)
            except HeadError as error:
                unreadable.append(f"{path.name}: {error}")
            else:
                if head is not None:
                    heads.append(head)
        return heads, unreadable

    def _not_found(self, reftype: str, keys: ExposureKeys, candidates: list[Candidate]) -> str:
        message = f"no {reftype} for {describe(reftype, keys)} in {self.directory}: "
        if candidates:
            plural = "" if len(candidates) == 1 else "s"
            candidates = sorted(candidates, key=lambda candidate: len(candidate.differences))
            nearest = [
                f"{candidate.head.path.name} ({', '.join(candidate.differences)})"
                for candidate in candidates[:_SHOWN]
            ]
            message += f"{len(candidates)} {reftype}{plural} there; nearest: {', '.join(nearest)}"
        else:
            types = sorted({head.reftype for head in self.heads})
            message += f"no {reftype} there at all, only {', '.join(types) or 'no reference files'}"
        if self.unreadable:
            shown = "; ".join(self.unreadable[:_SHOWN])
            more = len(self.unreadable) - _SHOWN
            message += f"; not readable: {shown}" + (f" and {more} more" if more > 0 else "")
        return message
