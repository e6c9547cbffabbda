"""Reads the YAML document at the start of an ASDF file, as nothing but text, dicts and lists.

An ASDF file starts with a YAML document; the arrays follow in binary blocks. Only that document is
read. Tags are not looked at, so that whatever a file carries, known or not, nothing of it runs, and
neither asdf nor astropy is imported, which keeps it a matter of milliseconds.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

MAGIC = b"#ASDF"
_END_OF_HEAD = re.compile(rb"\n\.\.\.\r?\n")
_CHUNK = 64 * 1024
# Heads are some kilobytes; polynomials written inline make them a few hundred.
MAX_HEAD_BYTES = 8 * 1024 * 1024
MAX_DEPTH = 200  # a distortion of many steps reaches about 30
_NULLS = frozenset({"", "~", "null", "Null", "NULL"})
# libyaml's parser where PyYAML was built with it (all its wheels are); the same result either way.
_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class HeadError(Exception):
    """The head of a file cannot be read; the message says why, in a few words, without the name."""


class Mapping(dict[str, Any]):
    """A mapping of the document, which also knows on which line each of its keys stands."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: dict[str, int] = {}


def read_head_text(path: Path) -> bytes:
    """Read up to the end of the YAML document, and no byte of the arrays beyond one chunk."""
    with path.open("rb") as file:
        head = bytearray(file.read(_CHUNK))
        if not head.startswith(MAGIC):
            raise HeadError("not an ASDF file")
        searched = 0
        while (end := _END_OF_HEAD.search(head, searched)) is None:
            if len(head) >= MAX_HEAD_BYTES:
                raise HeadError(f"its head does not end within {MAX_HEAD_BYTES // 2**20} MiB")
            searched = len(head) - len(b"\n...\r")  # an end marker may straddle two chunks
            more = file.read(_CHUNK)
            if not more and head.endswith(b"\n..."):  # written by hand, without a last line break
                return bytes(head[:-4])
            if not more:
                raise HeadError("truncated: its head has no end")
            head += more
    return bytes(head[: end.start()])


def read_tree(path: Path) -> Any:
    """Read and parse the head of a file.

    Raises
    ------
    HeadError
        If the file cannot be read, is not ASDF, or its head is cut off or not YAML.
    """
    try:
        return parse(read_head_text(path))
    except OSError as error:
        raise HeadError(f"cannot be read ({error.strerror})") from error
    except (yaml.YAMLError, ValueError) as error:
        raise HeadError("its head is not valid YAML") from error


def parse(text: bytes) -> Any:
    """Turn YAML into dicts, lists and text; nulls are None, and no tag is looked at.

    The parser's events are followed one by one, since PyYAML's own tree builders overflow the C
    stack on a file that is nested deeply enough.
    """
    events = yaml.parse(text, Loader=_Loader)
    anchors: dict[str, Any] = {}

    def build(event: yaml.Event, depth: int) -> Any:
        if depth > MAX_DEPTH:
            raise HeadError(f"its head is nested more than {MAX_DEPTH} levels deep")
        if isinstance(event, yaml.AliasEvent):
            return anchors.get(str(event.anchor))
        node: Any
        if isinstance(event, yaml.MappingStartEvent):
            node = Mapping()
            while not isinstance(start := next(events), yaml.MappingEndEvent):
                key = build(start, depth + 1)
                value = build(next(events), depth + 1)
                if isinstance(key, str) and key not in node:
                    node[key] = value
                    node.lines[key] = start.start_mark.line + 1 if start.start_mark else 0
        elif isinstance(event, yaml.SequenceStartEvent):
            node = []
            while not isinstance(start := next(events), yaml.SequenceEndEvent):
                node.append(build(start, depth + 1))
        else:
            assert isinstance(event, yaml.ScalarEvent)  # all that is left inside a document
            null = event.implicit[0] and event.value in _NULLS
            node = None if null else event.value
        if event.anchor is not None:
            anchors[event.anchor] = node
        return node

    for event in events:
        if isinstance(event, yaml.NodeEvent):
            return build(event, 0)
    return None
