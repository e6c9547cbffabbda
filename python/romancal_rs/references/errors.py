"""What can go wrong while looking for a reference file."""

from __future__ import annotations

from ..errors import RomancalError


class ReferenceFileError(RomancalError):
    """A reference file cannot be used, or it is not clear which one to use."""


class ReferenceNotFoundError(ReferenceFileError, FileNotFoundError):
    """There is no reference file (or no directory of them) where one was looked for."""


class AmbiguousReferenceError(ReferenceFileError):
    """Two reference files fit an exposure equally well."""


class ReferenceMismatchError(ReferenceFileError):
    """A reference file that was named by hand is of another type or for another detector."""
