"""The constants that a module offers, with the comments that explain them in the code."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterable

from docutils import nodes
from sphinx import addnodes
from sphinx.pycode import ModuleAnalyzer

from .content import Generated, prose

_PACKAGE = "romancal_rs"


class Constants(Generated):
    """Constants of a module: ``{constants} romancal_rs.show FORMATS PREVIEW``."""

    required_arguments = 1
    final_argument_whitespace = True

    def content_nodes(self) -> Iterable[nodes.Node]:
        module_name, *names = self.arguments[0].split()
        module = importlib.import_module(module_name)
        for name in names:
            full = f"{module_name}.{name}"
            shown = repr(getattr(module, name))
            signature = addnodes.desc_signature("", "", ids=[full], module=module_name)
            signature += addnodes.desc_name(name, name)
            signature += addnodes.desc_annotation("", f" = {shown}")
            yield addnodes.desc(
                "",
                signature,
                addnodes.desc_content("", *prose(comment_of(module_name, name))),
                domain="py",
                objtype="data",
                desctype="data",
                classes=["py", "data"],
            )
            self.env.domains.python_domain.note_object(full, "data", full)


def comment_of(module_name: str, name: str) -> str:
    """The ``#:`` comment, or docstring, of a constant in the module that defines it."""
    parts = [
        other
        for other in sorted(sys.modules)
        if other == module_name or other.startswith(f"{_PACKAGE}.")
    ]
    parts.sort(key=lambda other: not other.startswith(module_name))
    for other in parts:
        if getattr(sys.modules[other], "__file__", "").endswith(".py"):
            found = ModuleAnalyzer.for_module(other).find_attr_docs().get(("", name))
            if found:
                return "\n".join(found)
    return ""
