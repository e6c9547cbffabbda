"""Reference files: find the one that fits an exposure.

Three sources, in this order: an override that the user names for one type; a directory of
reference files, searched by what the files say about themselves; and a CRDS cache, searched by its
rules.

>>> from romancal_rs.references import ExposureKeys, open_store, resolve
>>> store = open_store("references")
>>> keys = ExposureKeys.from_file("exposure_uncal.asdf")
>>> resolve("flat", keys, store).reference.name
'roman_wfi_flat_0001.asdf'
"""

from .. import _lazy
from .background_digests import BackgroundDigests
from .chain import StoreChain
from .crds_cache import CrdsCache, CrdsStore, RuleFileError
from .errors import (
    ENVIRONMENT_VARIABLE,
    AmbiguousReferenceError,
    NoStoreError,
    ReferenceFileError,
    ReferenceMismatchError,
    ReferenceNotFoundError,
    all_in_one,
)
from .keys import ExposureKeys
from .match import NOT_APPLICABLE, LastingStore, Match, Store, distinguishing
from .resolve import (
    check_reference,
    open_store,
    resolve,
    with_cache,
)
from .store import DirectoryStore

__all__ = [
    "ENVIRONMENT_VARIABLE",
    "NOT_APPLICABLE",
    "AmbiguousReferenceError",
    "BackgroundDigests",
    "CrdsCache",
    "CrdsStore",
    "DirectoryStore",
    "ExposureKeys",
    "LastingStore",
    "Match",
    "NoStoreError",
    "ReferenceFileError",
    "ReferenceMismatchError",
    "ReferenceNotFoundError",
    "RuleFileError",
    "Store",
    "StoreChain",
    "all_in_one",
    "check_reference",
    "distinguishing",
    "open_store",
    "resolve",
    "with_cache",
]

__dir__ = _lazy.listing(__all__)
