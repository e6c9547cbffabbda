"""Several places that hold reference files, asked in turn."""

from __future__ import annotations

import logging
from collections.abc import Hashable, Iterable, Sequence
from functools import cached_property
from pathlib import Path

from .errors import AmbiguousReferenceError, ReferenceFileError, ReferenceNotFoundError
from .keys import ExposureKeys
from .match import LastingStore, Match, Store, distinguishing

_log = logging.getLogger(__name__)


class StoreChain:
    """Takes a reference from the first place that has one.

    Parameters
    ----------
    stores : sequence of Store
        The places, in the order in which they are asked.
    """

    def __init__(self, stores: Sequence[Store]) -> None:
        self.stores = tuple(stores)

    @property
    def location(self) -> str:
        """The places, for messages."""
        return ", then ".join(store.location for store in self.stores)

    def find(self, reftype: str, keys: ExposureKeys) -> Match:
        """Find the reference of one type that fits an exposure.

        Parameters
        ----------
        reftype : str
            Reference type, such as ``"flat"``, in any case.
        keys : ExposureKeys
            What references are chosen by.

        Returns
        -------
        Match

        Raises
        ------
        ReferenceNotFoundError
            If no place has one; the message is that of each of them.
        AmbiguousReferenceError
            If two fit equally well in the first place that has any.
        """
        failures = []
        for store in self.stores:
            try:
                return store.find(reftype, keys)
            except AmbiguousReferenceError:
                raise
            except ReferenceFileError as error:
                failures.append(str(error))
        raise ReferenceNotFoundError("; and ".join(failures))

    def is_current(self) -> bool:
        """Whether all places are as they were.

        Returns
        -------
        bool
        """
        return all(isinstance(s, LastingStore) and s.is_current() for s in self.stores)

    def distinguishing(self, keys: ExposureKeys) -> Hashable:
        """The part of the keys on which the choice depends in any of the places.

        Parameters
        ----------
        keys : ExposureKeys
            What references are chosen by.

        Returns
        -------
        Hashable
            Equal for two exposures that get the same references.
        """
        return tuple(distinguishing(store, keys) for store in self.stores)

    @property
    def has_parameters(self) -> bool:
        """Whether any place holds parameter references."""
        return bool(self._with_parameters)

    def find_parameters(self, reftypes: Iterable[str], keys: ExposureKeys) -> Path | None:
        """Find the parameter reference of a step in the first place that has one.

        Parameters
        ----------
        reftypes : iterable of str
            Reference types in the order in which they are tried.
        keys : ExposureKeys
            What references are chosen by.

        Returns
        -------
        path or None
            None if no place has one.
        """
        reftypes = list(reftypes)
        for store in self._with_parameters:
            if path := store.find_parameters(reftypes, keys):
                return path
        return None

    @cached_property
    def _with_parameters(self) -> list[Store]:
        found = []
        for store in self.stores:
            try:
                if store.has_parameters:
                    found.append(store)
            except ReferenceFileError as error:
                # The first place may have all that is needed, and a run need no parameters.
                _log.warning("No parameter references are looked for: %s", error)
        return found
