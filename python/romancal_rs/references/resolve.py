"""From a reference type to the reference: overrides first, then the store."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, cast

from .._files import local_path, path_in
from .._yaml_head import HeadError
from ..errors import ArgumentTypeError
from ..reference_types import KNOWN_TYPES
from .chain import StoreChain
from .crds_cache import CrdsCache, CrdsStore
from .crds_cache.cache import is_cache
from .crds_cache.fetch import Fetcher
from .errors import (
    ENVIRONMENT_VARIABLE,
    NoStoreError,
    ReferenceFileError,
    ReferenceMismatchError,
    ReferenceNotFoundError,
)
from .head import read_head
from .keys import ExposureKeys
from .match import NOT_APPLICABLE, Match, Store
from .rules import fits_detector
from .store import DirectoryStore

if TYPE_CHECKING:
    from ..datamodels import DataModel


def open_store(
    references: str | Path | Store | None = None, context: str | None = None
) -> Store | None:
    """Open what a user named: a directory of references, then a CRDS cache.

    The environment is read now.

    Parameters
    ----------
    references : str, Path, Store or None
        A directory of reference files, or of a CRDS cache; or a store that is open already: it is
        returned as it is. None means the environment variable ``ROMANCAL_RS_REFERENCES``.
    context : str or None
        The context of the CRDS cache, which ``CRDS_PATH`` names: ``roman_0017.pmap``, ``latest``.
        None means the environment variable ``CRDS_CONTEXT``, or the cache's default.

    Returns
    -------
    Store or None
        None if nothing is named anywhere.

    Raises
    ------
    ReferenceNotFoundError
        If the directory does not exist, or a context is given and no cache.
    RuleFileError
        If the context that is given is not in the cache.

    Examples
    --------
    >>> from romancal_rs.references import open_store
    >>> open_store("references").location
    'references'
    """
    if references is not None and not isinstance(references, str | os.PathLike):
        return references
    cache = CrdsCache.from_environment()
    directory = Path(local_path(references)) if references else path_in(ENVIRONMENT_VARIABLE)
    if directory is not None and is_cache(directory):
        return _chained(None, CrdsCache.at(directory), context)
    return _chained(None if directory is None else DirectoryStore(directory), cache, context)


def with_cache(store: Store, context: str | None = None) -> Store | None:
    """A store, followed by the CRDS cache of the environment if there is one.

    Parameters
    ----------
    store : Store
        The open store.
    context : str or None
        As of `open_store`, which says what is raised.

    Returns
    -------
    Store or None
    """
    return _chained(store, CrdsCache.from_environment(), context)


def _chained(first: Store | None, cache: CrdsCache | None, context: str | None) -> Store | None:
    stores: list[Store] = [] if first is None else [first]
    if cache is not None:
        by_rules = CrdsStore(cache, context, Fetcher.if_wanted(cache))
        if context:
            _ = by_rules.context  # one that is asked for must be there, whoever has the files
        stores.append(by_rules)
    elif context:
        raise ReferenceNotFoundError(
            f"context {context}: there is no CRDS cache; set CRDS_PATH to its directory"
        )
    return StoreChain(stores) if len(stores) > 1 else next(iter(stores), None)


def resolve(
    reftype: str,
    keys: ExposureKeys,
    store: Store | None,
    override: str | os.PathLike[str] | DataModel | None = None,
) -> Match:
    """Find the reference of one type for an exposure.

    Parameters
    ----------
    reftype : str
        Such as ``"flat"``.
    keys : ExposureKeys
    store : Store or None
    override : str, Path, data model or None
        Wins over the store. The string ``"N/A"`` says that the step is to be skipped.

    Raises
    ------
    ReferenceNotFoundError
        If the override does not exist, no file fits, or there is neither override nor store.
    ReferenceMismatchError
        If the override is of another type or for another detector.
    AmbiguousReferenceError
        If two files fit equally well.

    Examples
    --------
    >>> from romancal_rs.references import ExposureKeys, open_store, resolve
    >>> keys = ExposureKeys.from_file("exposure_uncal.asdf")
    >>> resolve("dark", keys, store=open_store("references")).reference.name
    'roman_wfi_dark_0001.asdf'
    """
    if override is not None:
        return _resolve_override(reftype, keys, override)
    if store is None:
        raise NoStoreError(reftype)
    return store.find(reftype, keys)


def check_reference(reference: DataModel, reftype: str, keys: ExposureKeys, name: str) -> None:
    """Check that an open reference is of the wanted type and for the exposure's detector.

    Parameters
    ----------
    reference : data model
        The open reference.
    reftype : str
        The wanted reference type.
    keys : ExposureKeys
        The keys of the exposure.
    name : str
        How an error message names the reference: a file or an argument.

    Raises
    ------
    ReferenceMismatchError
    """
    meta = reference.meta
    instrument = getattr(meta, "instrument", None)
    detector = getattr(instrument, "detector", None)
    _check(getattr(meta, "reftype", None), detector, reftype, keys, name)


def _resolve_override(
    reftype: str, keys: ExposureKeys, override: str | os.PathLike[str] | DataModel
) -> Match:
    argument = f"override_{reftype.lower()}"
    if isinstance(override, str) and override == NOT_APPLICABLE:
        return Match(NOT_APPLICABLE)
    if hasattr(override, "meta"):
        check_reference(
            cast("DataModel", override), reftype, keys, f"{argument} (a {type(override).__name__})"
        )
        return Match(override)
    if not isinstance(override, str | os.PathLike):
        raise ArgumentTypeError(
            f"{argument}: expected a path, a data model or 'N/A', got {type(override).__name__}"
        )
    path = Path(override)
    if not path.is_file():
        raise ReferenceNotFoundError(f"{argument}: there is no file {path}")
    try:
        head = read_head(path)
    except HeadError as error:
        raise ReferenceFileError(f"{argument}: {path}: {error}") from error
    reftype_found = None if head is None else head.reftype
    detector_found = None if head is None else head.detector
    _check(reftype_found, detector_found, reftype, keys, f"{argument}: {path}")
    return Match(path)


def _check(
    found_type: str | None,
    found_detector: str | None,
    reftype: str,
    keys: ExposureKeys,
    name: str,
) -> None:
    reftype = reftype.upper()
    if found_type is None:
        raise ReferenceMismatchError(f"{name}: is not a reference file; expected a {reftype}")
    if reftype in KNOWN_TYPES and str(found_type).upper() != reftype:
        raise ReferenceMismatchError(f"{name}: is a {found_type}; expected a {reftype}")
    if not fits_detector(reftype, found_detector, keys.detector):
        raise ReferenceMismatchError(
            f"{name}: is for detector {found_detector}; the exposure is of {keys.detector}"
        )
