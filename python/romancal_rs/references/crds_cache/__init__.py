"""A CRDS cache, read natively: pipeline map, instrument map, reference map, file.

The rules are the Calibration Reference Data System's, as its users' guide describes them and its
client applies them; nothing of a rule file is executed, and no server is asked.
"""

from ... import _lazy
from .cache import CrdsCache, MissingFileError
from .errors import AmbiguousMatchError, BadParameterError, NoMatchError, RuleFileError
from .store import CrdsStore

__all__ = [
    "AmbiguousMatchError",
    "BadParameterError",
    "CrdsCache",
    "CrdsStore",
    "MissingFileError",
    "NoMatchError",
    "RuleFileError",
]

__dir__ = _lazy.listing(__all__)
