"""One thing that is wrong with a file."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Finding:
    """Something that is wrong with a file, or may be.

    Attributes
    ----------
    place : str
        Dotted name of the value; empty for the file itself.
    problem : str
        What is there, and what would be right.
    is_error : bool
        False for a note of what may be as it should.
    """

    place: str
    problem: str
    is_error: bool = True

    def __str__(self) -> str:
        kind = "error" if self.is_error else "note"
        return f"{kind}: {self.place}: {self.problem}" if self.place else f"{kind}: {self.problem}"
