"""Values with the tags that they carry in an ASDF file."""

from __future__ import annotations

from typing import Any


class Tagged:
    """A value that was read from a file, or is on its way into one, with its tag."""

    __slots__ = ("tag", "value")

    def __init__(self, tag: str, value: Any) -> None:
        self.tag = tag
        self.value = value

    def __repr__(self) -> str:
        return f"<{self.tag} {self.value!r}>"
