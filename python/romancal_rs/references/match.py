"""What a place that holds reference files answers."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from .keys import ExposureKeys

#: Stands for "no reference; skip the step".
NOT_APPLICABLE = "N/A"


@dataclass(frozen=True)
class Match:
    """The reference to use.

    Attributes
    ----------
    reference : Path, data model or ``"N/A"``
        The file; a model that the caller gave; or ``"N/A"``, which skips the step.
    note : str or None
        Something the user should know about the choice; the caller logs it as a warning.
    context : str or None
        The CRDS context (``roman_0017.pmap``) whose rules chose it. None: no rules did.
    rule : str
        Why it was chosen, in a few words for a person: what the file, or the rule, is for.
    runner_up : str
        What would be used if it were not there, and why that comes second; empty for nothing.
    """

    reference: Any
    note: str | None = None
    context: str | None = None
    rule: str = ""
    runner_up: str = ""


class Store(Protocol):
    """A place that holds reference files: a directory, a CRDS cache, or several in turn."""

    @property
    def location(self) -> str:
        """Where it is, for messages and logs."""

    def find(self, reftype: str, keys: ExposureKeys) -> Match:
        """Find the reference of one type that fits an exposure.

        Parameters
        ----------
        reftype : str
            Reference type, such as ``"flat"``, in any case.
        keys : ExposureKeys
            What references are chosen by.

        Raises
        ------
        ReferenceNotFoundError
            If none fits. The message says what was looked for, where, and the nearest misses.
        AmbiguousReferenceError
            If two fit equally well.
        ReferenceFileError
            If the place cannot be read.
        """

    @property
    def has_parameters(self) -> bool:
        """Whether it holds parameter references."""

    def find_parameters(self, reftypes: Iterable[str], keys: ExposureKeys) -> Path | None:
        """Find the parameter reference of a step; there need not be one.

        Parameters
        ----------
        reftypes : iterable of str
            What it may be called, such as ``PARS-JUMPSTEP``; the first that fits is taken.
        keys : ExposureKeys
            What references are chosen by.
        """


@runtime_checkable
class LastingStore(Store, Protocol):
    """A store that may be kept, because it knows when it is out of date."""

    def is_current(self) -> bool:
        """Whether one that is opened now would answer the same."""


def distinguishing(store: Store | None, keys: ExposureKeys) -> Hashable:
    """The part of an exposure's keys on which the choice of references in a store depends.

    A store says it by a method of this name. One that has none may ask for anything.

    Parameters
    ----------
    store : Store or None
        The store.
    keys : ExposureKeys
        What references are chosen by.

    Returns
    -------
    Hashable
        Exposures for which it is equal get the same references.
    """
    if store is None:
        return None
    says = getattr(store, "distinguishing", None)
    return keys.identity if says is None else says(keys)
