"""HTML that cannot be broken by what it tells of: all text is escaped where it is put in."""

from __future__ import annotations

import html
from collections.abc import Iterable, Mapping, Sequence

__all__ = ["Html", "details", "document", "element", "facts", "figure", "grid", "join", "section"]
__all__ += ["table", "what_to_look_at"]

#: Elements without an end tag.
_VOID = frozenset({"br", "img", "meta"})


class Html(str):
    """Text that is HTML already, as `element` makes it. Any other text is escaped."""

    __slots__ = ()


def element(name: str, /, *content: str | None, **attributes: str | None) -> Html:
    """An element.

    Parameters
    ----------
    name : str
        Of the element.
    *content : str or None
        What is in it. Text is escaped, `Html` is not; None and empty text are left out.
    **attributes : str or None
        Escaped, too. An underscore at the end of a name is dropped (``class_``), others become
        hyphens (``aria_label``); an attribute that is None is left out.
    """
    words = [name]
    for key, value in attributes.items():
        if value is not None:
            words.append(f'{key.rstrip("_").replace("_", "-")}="{html.escape(value)}"')
    start = f"<{' '.join(words)}>"
    return Html(start if name in _VOID else f"{start}{join(content)}</{name}>")


def join(parts: Iterable[str | None]) -> Html:
    """Parts one after the other; those that are no `Html` are escaped."""
    kept = (part for part in parts if part)
    return Html("".join(part if isinstance(part, Html) else html.escape(part) for part in kept))


def table(
    caption: str,
    heading: Sequence[str],
    rows: Iterable[Sequence[str]],
    align: str,
) -> Html:
    """A table that scrolls by itself where it is wider than the page.

    Parameters
    ----------
    caption : str
        What it shows.
    heading : sequence of str
        Of the columns; none is written where all are empty.
    rows : iterable of sequence of str
        The first cell of each is its heading.
    align : str
        A letter for each column: ``l`` or ``r``, the latter for numbers.
    """
    kinds = ["number" if letter == "r" else None for letter in align]
    head = None
    if any(heading):
        cells = [
            element("th", cell, scope="col", class_=kind)
            for cell, kind in zip(heading, kinds, strict=True)
        ]
        head = element("thead", element("tr", *cells))
    body = []
    for first, *rest in rows:
        cells = [element("th", first, scope="row", class_=kinds[0])]
        cells += [
            element("td", cell, class_=kind) for cell, kind in zip(rest, kinds[1:], strict=True)
        ]
        body.append(element("tr", *cells))
    shown = element("table", element("caption", caption), head, element("tbody", *body))
    return element("div", shown, class_="scroll", tabindex="0", role="region", aria_label=caption)


def details(summary: str, *content: str | None, is_open: bool = False) -> Html:
    """What is folded away until somebody asks for it."""
    return element("details", element("summary", summary), *content, open="" if is_open else None)


def section(key: str, title: str, *content: str | None) -> Html:
    """A part of the page with a heading; `key` is what links name it by."""
    heading = element("h2", title, id=f"{key}-heading")
    return element("section", heading, *content, id=key, aria_labelledby=f"{key}-heading")


def figure(content: Html, caption: str) -> Html:
    """A picture or chart with what it shows."""
    return element("figure", content, element("figcaption", caption))


def grid(*content: Html) -> Html:
    """Figures beside each other, as many as there is room for."""
    return element("div", *content, class_="grid")


def facts(of: Mapping[str, str]) -> Html:
    """Names and values; those without a value are left out."""
    return element(
        "dl",
        *(
            element("div", element("dt", name), element("dd", value))
            for name, value in of.items()
            if value
        ),
    )


def what_to_look_at(remarks: Sequence[str], otherwise: str) -> Html:
    """What stands out, or what is said where nothing does."""
    told = (
        element("ul", *(element("li", remark) for remark in remarks))
        if remarks
        else element("p", otherwise)
    )
    kind = "remarks stands-out" if remarks else "remarks"
    return element("div", element("strong", "What to look at"), told, class_=kind)


def document(title: str, body: Iterable[str | None], style: str) -> Html:
    """A whole page: it needs no other file, no network and no script.

    Parameters
    ----------
    title : str
    body : iterable of str
        The parts of the page.
    style : str
        Style sheet.
    """
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="color-scheme", content="light dark"),
        element("title", title),
        element("style", Html(style)),
    )
    main = element("main", *body)
    page = element("html", head, element("body", main, class_="rr"), lang="en")
    return Html(f"<!DOCTYPE html>\n{page}\n")
