"""What can go wrong while rules choose a reference file."""

from __future__ import annotations

from ..errors import ReferenceFileError


class RuleFileError(ReferenceFileError):
    """A rule file, or the cache around it, is missing or cannot be used."""


class NoMatchError(ReferenceFileError):
    """No rule fits, or all files that fit are too new; the next best rule may be tried."""


class BadParameterError(ReferenceFileError):
    """The exposure's metadata lack a value, or have one that the rules do not know."""


class AmbiguousMatchError(ReferenceFileError):
    """Several rules fit equally well and do not add up to one table."""
