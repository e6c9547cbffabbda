"""Names in docstrings, which stand between single backquotes.

They are read from where the docstring is: ``kernels.fit_ramps`` in any module of the package is
``romancal_rs.kernels.fit_ramps``. A name without a page, as that of an argument, is code.
"""

from __future__ import annotations

from typing import Any

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment

_PACKAGE = "romancal_rs"


def setup(app: Sphinx) -> None:
    app.connect("missing-reference", _resolve, priority=400)


def _resolve(
    app: Sphinx, env: BuildEnvironment, node: addnodes.pending_xref, content: nodes.TextElement
) -> Any:
    if node.get("refdomain") != "py":
        return None
    domain = env.domains.python_domain
    target = node["reftarget"]
    for full in candidates(target, node.get("py:module") or ""):
        if full in domain.objects:
            node["reftarget"] = full
            return domain.resolve_xref(
                env, node["refdoc"], app.builder, node["reftype"], full, node, content
            )
    if node["reftype"] == "obj" and not node.get("refexplicit") and "." not in target:
        return content
    return None


def candidates(target: str, module: str) -> list[str]:
    """What a name may mean in a module of the package."""
    found = []
    while module:
        found.append(f"{module}.{target}")
        module = module.rpartition(".")[0]
    return [*found, f"{_PACKAGE}.{target}"]
