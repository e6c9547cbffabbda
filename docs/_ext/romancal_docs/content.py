"""Parts of pages: paragraphs, tables, sections and links."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import ClassVar

from docutils import nodes
from sphinx import addnodes
from sphinx.util.docutils import SphinxDirective

#: What a cell of a table may be.
Cell = str | nodes.Node | Sequence[nodes.Node]

_CODE = re.compile(r"``(.+?)``|`(.+?)`")


class Generated(SphinxDirective):
    """A directive whose content comes from the code: it is made anew in each build."""

    has_content = False
    option_spec: ClassVar = {}

    def run(self) -> list[nodes.Node]:
        self.env.note_reread()
        return list(self.content_nodes())

    def content_nodes(self) -> Iterable[nodes.Node]:
        """What stands where the directive is."""
        raise NotImplementedError

    def section(self, title: str, name: str, content: Iterable[nodes.Node]) -> nodes.section:
        """A section that other pages link to as ``#name``."""
        section = nodes.section("", nodes.title(title, title), *content, ids=[name], names=[name])
        self.env.domains.standard_domain.note_hyperlink_target(name, self.env.docname, name, title)
        return section


def inline(text: str) -> list[nodes.Node]:
    """A text in which code stands between backquotes, one or two."""
    parts: list[nodes.Node] = []
    end = 0
    for found in _CODE.finditer(text):
        parts.append(nodes.Text(text[end : found.start()]))
        parts.append(code(found[1] or found[2]))
        end = found.end()
    return [*parts, nodes.Text(text[end:])]


def code(text: str, name: str = "") -> nodes.literal:
    """A piece of code; with a name, one that can be linked to."""
    return nodes.literal(text, text, ids=[name] if name else [])


def codes(words: Iterable[str]) -> list[nodes.Node]:
    """Pieces of code with commas between them."""
    parts: list[nodes.Node] = []
    for word in words:
        parts += [nodes.Text(", ")] * bool(parts) + [code(word)]
    return parts


def paragraph(*content: Cell) -> nodes.paragraph:
    return nodes.paragraph("", "", *(part for cell in content for part in _parts(cell)))


def text_block(text: str) -> nodes.literal_block:
    """Lines that stay as they are."""
    return nodes.literal_block(text, text, language="text")


def prose(text: str) -> list[nodes.Node]:
    """Paragraphs; those that have lines with an indentation stay as they are."""
    return [
        text_block(part)
        if any(line.startswith(" ") for line in part.split("\n"))
        else paragraph(" ".join(part.split()))
        for part in text.strip().split("\n\n")
    ]


def table(head: Sequence[str], rows: Iterable[Sequence[Cell]]) -> nodes.table:
    """A table with a heading."""
    body = nodes.tbody("", *(_row(cells) for cells in rows))
    columns = [nodes.colspec(colwidth=1) for _ in head]
    group = nodes.tgroup("", *columns, nodes.thead("", _row(head)), body, cols=len(head))
    return nodes.table("", group, classes=["generated"])


def class_link(path: str, text: str = "") -> nodes.Node:
    """A link to the page of a class."""
    return _xref("py", "class", path, code(text or path))


def link(name: str, text: str) -> nodes.Node:
    """A link to what is called so on any page: a section of `Generated.section`, a heading."""
    return _xref("std", "ref", name, nodes.inline(text, text))


def _xref(domain: str, kind: str, target: str, shown: nodes.Node) -> nodes.Node:
    about = {"refdomain": domain, "reftype": kind, "reftarget": target}
    return addnodes.pending_xref("", shown, **about, refexplicit=True, refwarn=True)


def _row(cells: Sequence[Cell]) -> nodes.row:
    return nodes.row("", *(nodes.entry("", paragraph(cell)) for cell in cells))


def _parts(cell: Cell) -> Sequence[nodes.Node]:
    if isinstance(cell, str):
        return inline(cell)
    return [cell] if isinstance(cell, nodes.Node) else cell
