"""Names in docstrings, which stand between single backquotes.

They are read from where the docstring is: `kernels.fit_ramps` in any module of the package is
`romancal_rs.kernels.fit_ramps`, and `RampFit.rate` is that of the one class of this name. A page
is named by its file, as `docs/how-to/simulate.md`. A word without a page, as the name of an
argument, and a private name are code.
"""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Collection
from typing import Any

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.util.nodes import make_refnode

from . import public

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
    found = _known(target, module, domain.objects)
    owner, _, attribute = target.rpartition(".")
    if not found and attribute in _attributes(owner):  # which is told on the page of its class
        found = _known(owner, module, domain.objects)
    if found:
        return domain.resolve_xref(
            env, node["refdoc"], app.builder, node["reftype"], found[0], node, content
        )
    if node["reftype"] == "obj" and ("." not in target or is_code(target, module)):
        return content
    return None


def _known(target: str, module: str, pages: Collection[str]) -> list[str]:
    """What has a page and may be meant, the best first."""
    found = [full for full in candidates(target, module) if full in pages]
    if not found and ("." in target or target[:1].isupper()):
        found = _only_one([full for full in pages if full.endswith(f".{target}")])
    return found


def _attributes(name: str) -> set[str]:
    """What instances of a public class hold."""
    classes = [part for part, where in public.places().items() if where[0].endswith(f".{name}")]
    return {attribute for part in classes for attribute in inspect.get_annotations(part)}


def candidates(target: str, module: str) -> list[str]:
    """What a name may mean in a module of the package, the nearest first."""
    found = []
    while module:
        found.append(f"{module}.{target}")
        module = module.rpartition(".")[0]
    return [*found, f"{_PACKAGE}.{target}"]


def is_code(target: str, module: str) -> bool:
    """Whether a dotted name without a page is as it should be.

    It may be that of a private part of the package, or one that does not begin with a module, as
    ``optional.crmag`` of a result. Any other may be wrong.
    """
    full = [target, *candidates(target, module)]
    if any(_exists(name) for name in full if name.startswith(f"{_PACKAGE}.")):
        return True
    first = target.partition(".")[0]
    return not any(_exists(name.removesuffix(target) + first) for name in full)


def _exists(full: str) -> bool:
    path, *names = full.split(".")
    try:
        part = importlib.import_module(path)
        for name in names:
            path = f"{path}.{name}"
            part = getattr(part, name, None) or importlib.import_module(path)
    except ImportError:
        return False
    return True


def _only_one(found: list[str]) -> list[str]:
    return found if len(found) == 1 else []
