"""Names in docstrings, which stand between single backquotes.

They are read from where the docstring is: `kernels.fit_ramps` in any module of the package is
`romancal_rs.kernels.fit_ramps`, and `RampFit.rate` is that of the one class of this name. A page
is named by its file, as `docs/how-to/simulate.md`. A word without a page, as the name of an
argument, and a private name are code.
"""

from __future__ import annotations

import importlib
from typing import Any

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.util.nodes import make_refnode

_PACKAGE = "romancal_rs"
_PAGES = "docs/"


def setup(app: Sphinx) -> None:
    app.connect("missing-reference", _resolve, priority=400)


def _resolve(
    app: Sphinx, env: BuildEnvironment, node: addnodes.pending_xref, content: nodes.TextElement
) -> Any:
    if node.get("refdomain") != "py":
        return None
    domain = env.domains.python_domain
    target, module = node["reftarget"], node.get("py:module") or ""
    page = target.removeprefix(_PAGES).removesuffix(".md")
    if target.startswith(_PAGES) and page in env.found_docs:
        title = env.titles[page].astext()
        return make_refnode(app.builder, node["refdoc"], page, "", nodes.inline("", title))
    found = [full for full in candidates(target, module) if full in domain.objects]
    found = found or _only_one([full for full in domain.objects if full.endswith(f".{target}")])
    if found:
        return domain.resolve_xref(
            env, node["refdoc"], app.builder, node["reftype"], found[0], node, content
        )
    if node["reftype"] == "obj" and ("." not in target or is_in_code(target, module)):
        return content
    return None


def candidates(target: str, module: str) -> list[str]:
    """What a name may mean in a module of the package, the nearest first."""
    found = []
    while module:
        found.append(f"{module}.{target}")
        module = module.rpartition(".")[0]
    return [*found, f"{_PACKAGE}.{target}"]


def is_in_code(target: str, module: str) -> bool:
    """Whether the code has something of this name, as private parts of it."""
    return any(map(_exists, [target, *candidates(target, module)]))


def _exists(full: str) -> bool:
    path, *names = full.split(".")
    try:
        part = importlib.import_module(path)
    except ImportError:
        return False
    for name in names:
        path = f"{path}.{name}"
        try:
            part = getattr(part, name, None) or importlib.import_module(path)
        except ImportError:
            return False
    return full.startswith(f"{_PACKAGE}.")


def _only_one(found: list[str]) -> list[str]:
    return found if len(found) == 1 else []
