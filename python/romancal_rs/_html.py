"""HTML for notebooks: tables and parts that unfold, in whatever colours the notebook has.

All text is escaped: what files say is not to be trusted.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape

from .errors import one_line

#: Texts are cut at so many characters, and lists after so many items: a notebook is to stay short.
LONGEST_TEXT = 120
MOST_ITEMS = 24

#: Notebooks have rules of their own for cells, which only more specific ones overrule: JupyterLab
#: names two classes in its own, for which the class is named twice.
_STYLE = (
    "<style>div.romancal-rs.romancal-rs table{margin:0}"
    "div.romancal-rs.romancal-rs :is(th,td)"
    "{text-align:left;vertical-align:top;padding:0 1em 0 0}"
    "div.romancal-rs details>div{margin-left:1.2em}</style>"
)


class Html(str):
    """HTML: what may go into other HTML as it is."""

    __slots__ = ()


def text(value: object) -> Html:
    """A value in one line, cut where it is long; `Html` as it is."""
    if isinstance(value, Html):
        return value
    words = one_line(value) if str(value) else ""
    if len(words) > LONGEST_TEXT:
        words = f"{words[: LONGEST_TEXT - 1]}…"
    return Html(escape(words))


def lines(values: Iterable[object]) -> Html:
    """Values under each other, each as `text`."""
    return Html("<br>".join(map(text, values)))


def heading(name: str, *notes: object) -> Html:
    """The first line: what it is, and what is said of it."""
    rest = "".join(f" · {text(note)}" for note in notes if note)
    return Html(f"<div><b>{text(name)}</b>{rest}</div>")


def table(rows: Iterable[Sequence[object]], head: Sequence[object] = ()) -> Html:
    """Rows of cells, under a head if there is one; nothing where there are no rows."""
    lines = [_row(row, "td") for row in rows]
    if not lines:
        return Html("")
    if head:
        lines.insert(0, _row(head, "th"))
    return Html(f"<table>{''.join(lines)}</table>")


def _row(cells: Sequence[object], tag: str) -> str:
    inside = "".join(f"<{tag}>{text(cell)}</{tag}>" for cell in cells)
    return f"<tr>{inside}</tr>"


def details(summary: object, *content: Html, is_open: bool = False) -> Html:
    """A part that unfolds under its summary; nothing where it is empty."""
    if not any(content):
        return Html("")
    opened = " open" if is_open else ""
    inside = "".join(content)
    return Html(f"<details{opened}><summary>{text(summary)}</summary><div>{inside}</div></details>")


def tree(mapping: Mapping[str, object]) -> Html:
    """A mapping as lines, of which those that are mappings themselves unfold."""
    lines = []
    for key, value in mapping.items():
        if isinstance(value, Mapping) and value:
            lines.append(details(f"{key} ({len(value)})", tree(value)))
        else:
            lines.append(Html(f"<div>{text(key)}: {text(_shortened(value))}</div>"))
    return Html("".join(lines))


def _shortened(value: object) -> object:
    if isinstance(value, list) and len(value) > MOST_ITEMS:
        return f"{len(value)} items: {str(value[:MOST_ITEMS])[:-1]}, …]"
    return value


def preformatted(lines: str) -> Html:
    """Text as it would be printed."""
    return Html(f"<pre>{escape(lines)}</pre>")


def number_of(rows: Sequence[object], noun: str) -> str:
    """``1 array``, ``2 arrays``."""
    return f"{len(rows)} {noun}{'' if len(rows) == 1 else 's'}"


def block(*parts: Html) -> str:
    """All of it, as ``_repr_html_`` returns it."""
    return f'{_STYLE}<div class="romancal-rs">{"".join(parts)}</div>'
