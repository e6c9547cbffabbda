"""For people who keep reference files: what there is, what is wrong with it, copies, rules.

A run of a step or a pipeline needs none of this, and imports none of it.

>>> check("refs/").problems                                 # doctest: +SKIP
['flat.asdf: names no detector, and fits no exposure']
>>> build_cache(Path("refs/"), Path("cache/")).context      # doctest: +SKIP
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
