"""Reads a page as a browser does, as far as tests ask."""

from __future__ import annotations

import re
from html.parser import HTMLParser

VOID = {"br", "img", "meta"}


class Page(HTMLParser):
    """The elements and texts of a page.

    Attributes
    ----------
    elements : list of (str, dict)
        Names and attributes, in their order.
    text : str
        All of it, but style sheets.
    faults : list of str
        End tags that do not fit.
    """

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.faults: list[str] = []
        self._open: list[str] = []
        self._words: list[str] = []
        self.feed(html)
        self.close()
        self.faults += [f"{name} is left open" for name in self._open]
        self.text = re.sub(r"\s+", " ", " ".join(self._words))

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag):
        if not self._open or self._open.pop() != tag:
            self.faults.append(f"</{tag}> ends nothing")

    def handle_data(self, data):
        if "style" not in self._open:
            self._words.append(data.strip())

    def named(self, *names: str) -> list[dict[str, str]]:
        """The attributes of all elements of some names."""
        return [attributes for name, attributes in self.elements if name in names]

    @property
    def ids(self) -> list[str]:
        return [attributes["id"] for _, attributes in self.elements if "id" in attributes]

    @property
    def addresses(self) -> list[str]:
        """What the page asks for, or leads to."""
        keys = ("href", "src", "xlink:href", "action", "data", "poster", "srcset")
        return [
            value
            for _, attributes in self.elements
            for key, value in attributes.items()
            if key in keys
        ]


def rows_of(html: str, caption: str) -> list[list[str]]:
    """The texts of the cells of a table, without those of its head."""
    table = next(
        table
        for table in re.findall(r"<table>.*?</table>", html, re.DOTALL)
        if f"<caption>{caption}" in table
    )
    body = table.split("<tbody>")[1]
    return [
        [Page(cell).text for cell in re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row, re.DOTALL)]
        for row in re.findall(r"<tr>(.*?)</tr>", body, re.DOTALL)
    ]
