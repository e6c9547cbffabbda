"""For people who keep reference files: what there is, what is wrong with it, copies, rules.

A run of a step or a pipeline needs none of this, and imports none of it.

>>> from pathlib import Path
>>> from romancal_rs.references.librarian import build_cache, check
>>> check("references").problems
[]
>>> build_cache(Path("references"), Path("cache")).context
'roman_0001.pmap'
"""

from ... import _lazy
from .build import BuiltCache, build_cache
from .check import Findings, check
from .export import Exported, export
from .survey import Choice, Entry, check_types, entries, idle_steps, places, recipe_of_file, survey

__all__ = [
    "BuiltCache",
    "Choice",
    "Entry",
    "Exported",
    "Findings",
    "build_cache",
    "check",
    "check_types",
    "entries",
    "export",
    "idle_steps",
    "places",
    "recipe_of_file",
    "survey",
]

__dir__ = _lazy.listing(__all__)
