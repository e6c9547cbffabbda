"""The constants that a module offers, with the comments that explain them in the code."""

from __future__ import annotations

import importlib
import inspect
import sys
from collections.abc import Iterable

from docutils import nodes
from sphinx import addnodes
from sphinx.pycode import ModuleAnalyzer

from .content import Generated, prose
from .public import names_of

_PACKAGE = "romancal_rs"
#: The longest value that is shown [characters].
_LONGEST = 200


class Constants(Generated):
    """The constants of a module that are explained: ``{constants} romancal_rs.show``."""

    required_arguments = 1

    def content_nodes(self) -> Iterable[nodes.Node]:
        module = importlib.import_module(self.arguments[0])
        entries = []
        for name in names_of(module):
            part = getattr(module, name)
            if inspect.isroutine(part) or inspect.isclass(part) or inspect.ismodule(part):
                continue
            if callable(getattr(part, "__wrapped__", None)):  # a function whose results are kept
                continue
            if comment := comment_of(module.__name__, name):
                entries.append(self._entry(module.__name__, name, repr(part), comment))
        return [nodes.rubric(text="Constants"), *entries] if entries else []

    def _entry(self, module: str, name: str, shown: str, comment: str) -> nodes.Node:
        full = f"{module}.{name}"
        signature = addnodes.desc_signature("", "", ids=[full], module=module)
        signature += addnodes.desc_name(name, name)
        if "\n" not in shown and len(shown) <= _LONGEST:
            signature += addnodes.desc_annotation("", f" = {shown}")
        self.env.domains.python_domain.note_object(full, "data", full)
        kind = {"domain": "py", "objtype": "data", "desctype": "data", "classes": ["py", "data"]}
        return addnodes.desc("", signature, addnodes.desc_content("", *prose(comment)), **kind)


def comment_of(module_name: str, name: str) -> str:
    """The ``#:`` comment, or docstring, of a constant, in the module that defines it."""
    parts = sorted(other for other in sys.modules if other.startswith(f"{_PACKAGE}."))
    parts.sort(key=lambda other: (other != module_name, not other.startswith(f"{module_name}.")))
    for other in parts:
        if (getattr(sys.modules[other], "__file__", None) or "").endswith(".py"):
            found = ModuleAnalyzer.for_module(other).find_attr_docs().get(("", name))
            if found:
                return "\n".join(found)
    return ""
