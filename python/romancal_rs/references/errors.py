"""What can go wrong while looking for a reference file."""

from __future__ import annotations

from collections.abc import Iterable

from ..errors import RomancalError

#: Names the directory of reference files where nothing else does.
ENVIRONMENT_VARIABLE = "ROMANCAL_RS_REFERENCES"


class ReferenceFileError(RomancalError):
    """A reference file cannot be used, or it is not clear which one to use."""


class ReferenceNotFoundError(ReferenceFileError, FileNotFoundError):
    """There is no reference file (or no directory of them) where one was looked for."""


class NoStoreError(ReferenceNotFoundError):
    """No place that holds reference files is named.

    Parameters
    ----------
    *reftypes : str
        The types that are needed.
    """

    def __init__(self, *reftypes: str) -> None:
        self.reftypes = reftypes
        super().__init__(
            f"no {', '.join(name.upper() for name in reftypes)}: no place with reference files is "
            f"named. Give a directory with --references DIR (references= in Python) or "
            f"{ENVIRONMENT_VARIABLE}, a CRDS cache with CRDS_PATH, or a file with "
            f"override_{reftypes[0].lower()} (N/A skips the step)"
        )


class AmbiguousReferenceError(ReferenceFileError):
    """Two reference files fit an exposure equally well."""


class ReferenceMismatchError(ReferenceFileError):
    """A reference file that was named by hand is of another type or for another detector."""


def all_in_one(failures: Iterable[ReferenceFileError], hint: str = "") -> ReferenceFileError:
    """One error that tells all failures, each once.

    Parameters
    ----------
    failures : iterable of ReferenceFileError
        At least one.
    hint : str
        What would help, told at the end.

    Returns
    -------
    ReferenceFileError
    """
    error = _one_of(list(failures))
    if hint:
        between = "\n  " if "\n" in str(error) else ". "
        error.args = (f"{error}{between}{hint}",)
    return error


def _one_of(failures: list[ReferenceFileError]) -> ReferenceFileError:
    if len(failures) == 1:
        return failures[0]
    messages = dict.fromkeys(str(e) for e in failures if not isinstance(e, NoStoreError))
    without_store = [error for error in failures if isinstance(error, NoStoreError)]
    needed = dict.fromkeys(name for error in without_store for name in error.reftypes)
    if needed and not messages:
        return NoStoreError(*needed)
    if needed:
        messages[str(NoStoreError(*needed))] = None
    if len(messages) == 1:
        return failures[0]
    lines = "\n  ".join(messages)
    return ReferenceFileError(f"these references are missing or do not fit:\n  {lines}")
