"""The code blocks of a page, as a Markdown parser finds them, also within lists and notes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token

#: Directives of MyST whose content is Markdown, so that blocks may be in it.
OF_MARKDOWN = {"note", "tip", "warning", "important", "seealso", "dropdown", "admonition"}
#: Directives that hold no code: the site is built by them, without warnings. Those in the last two
#: lines are of `docs/_ext`, and make their tables of the code.
OF_SPHINX = {
    *("toctree", "figure", "image", "math", "eval-rst", "contents", "literalinclude"),
    *("autosummary", "autofunction", "autoclass", "automodule", "currentmodule", "include"),
    *("glossary", "grid", "grid-item-card", "card"),
    *("command-list", "commands", "exit-statuses", "exit-statuses-of-commands", "flags"),
    *("reference-arrays", "reference-types", "step-parameters"),
}
#: A name of a file, alone in code, with which a paragraph begins.
_FILE_NAME = re.compile(r"`([\w.-]+\.\w+)`")


@dataclass(frozen=True)
class Block:
    """A block of code on a page."""

    page: str
    line: int
    """Of the page, from 1, where the code begins."""
    language: str
    text: str
    file: str
    """The file whose content it is, where the paragraph before it begins with one and ends with a
    colon; else empty."""

    def __str__(self) -> str:
        return f"{self.page}:{self.line} ({self.language or 'no language'})"


def blocks_of(path: Path, page: str) -> list[Block]:
    """The blocks of a page, in their order."""
    return list(_blocks(path.read_text(encoding="utf-8"), page, 0))


def _blocks(text: str, page: str, before: int) -> Iterator[Block]:
    tokens = MarkdownIt("commonmark").parse(text)
    for index, token in enumerate(tokens):
        if token.type not in ("fence", "code_block"):
            continue
        assert token.map is not None
        is_fence = token.type == "fence"
        line = before + token.map[0] + 1 + is_fence
        # A block that is only indented has no language, and so cannot be checked.
        language = token.info.strip() if is_fence else "indented"
        content = token.content
        directive = re.match(r"\{([\w:-]+)\}\s*(.*)", language)
        if directive:
            name, language = directive[1], directive[2]
            if name in OF_SPHINX:
                continue
            content = re.sub(r"\A(:[\w-]+:.*\n)+\n?", "", content)
            if name in OF_MARKDOWN:
                yield from _blocks(content, page, line - 1)
                continue
            if name not in ("code-block", "code"):
                language = f"{{{name}}}"
        yield Block(page, line, language, content, _named_file(tokens[:index]))


def _named_file(before: list[Token]) -> str:
    """The file that the paragraph right before a block names as its own."""
    if len(before) < 2 or before[-1].type != "paragraph_close":
        return ""
    paragraph = before[-2].content
    found = _FILE_NAME.match(paragraph)
    return found[1] if found and paragraph.endswith(":") else ""
