"""Parts of docstrings as numpydoc has them: texts under titles."""

from __future__ import annotations

import inspect
import re

_TITLE = re.compile(r"^(\w[\w ]*)\n-{3,}\n", re.MULTILINE)


def parts(doc: str) -> tuple[str, dict[str, str]]:
    """What stands before the first section of a docstring, and the sections by their titles."""
    before, *others = _TITLE.split(inspect.cleandoc(doc))
    texts = (text.strip("\n") for text in others[1::2])
    return before.rstrip(), dict(zip(others[::2], texts, strict=True))


def section(title: str, text: str) -> str:
    return f"{title}\n{'-' * len(title)}\n{text}"
