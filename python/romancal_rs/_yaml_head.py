"""Reads the YAML document at the start of an ASDF file, as plain values, dicts and lists.

An ASDF file starts with a YAML document; the arrays follow in binary blocks. Only that document is
read. Tags are left out or kept beside their values, but never followed, so that whatever a file
carries, known or not, nothing of it runs, and neither asdf nor astropy is imported, which keeps it
a matter of milliseconds.
"""

from __future__ import annotations

import re
from functools import lru_cache
from pathlib import Path
from typing import IO, Any

import yaml

from ._files import open_regular
from ._tagged import Tagged
from .errors import RomancalError

MAGIC = b"#ASDF"
_END_OF_HEAD = re.compile(rb"\n\.\.\.\r?\n")
_CHUNK = 64 * 1024
# Heads are some kilobytes; polynomials written inline make them a few hundred.
MAX_HEAD_BYTES = 8 * 1024 * 1024
MAX_DEPTH = 200  # a distortion of many steps reaches about 30
MAX_VALUES = 100_000  # polynomials written inline make some ten thousand
_NULLS = frozenset({"", "~", "null", "Null", "NULL"})
_YAML = "tag:yaml.org,2002:"
#: Types of YAML that are more than text.
_SCALARS = frozenset(
    _YAML + name for name in ("null", "bool", "int", "float", "timestamp", "binary")
)
# libyaml's parser where PyYAML was built with it (all its wheels are); the same result either way.
_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


_RESOLVER = yaml.resolver.Resolver()  # neither has a state
_CONSTRUCTOR = yaml.constructor.SafeConstructor()
_LONGEST_WORD = 64


class HeadError(RomancalError):
    """The head of a file cannot be read; the message says why, in a few words, without the name."""


class Mapping(dict[str, Any]):
    """A mapping of the document, which also knows on which line each of its keys stands."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: dict[str, int] = {}


def read_head_text(path: Path) -> bytes:
    """Read up to the end of the YAML document, and no byte of the arrays beyond one chunk."""
    with open_regular(path) as file:
        return read_text(file)


def read_text(file: IO[bytes]) -> bytes:
    """Read the YAML document that begins where the file stands.

    Raises
    ------
    HeadError
        If the file is not ASDF, or the document has no end.
    """
    head = bytearray(file.read(_CHUNK))
    if not head.startswith(MAGIC):
        raise HeadError("not an ASDF file")
    searched = 0
    while (end := _END_OF_HEAD.search(head, searched)) is None:
        if len(head) >= MAX_HEAD_BYTES:
            raise HeadError(f"its head does not end within {MAX_HEAD_BYTES // 2**20} MiB")
        searched = max(0, len(head) - len(b"\n...\r"))  # an end marker may straddle two chunks
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
    stack on a file that is nested deeply enough. What comes through can be given to them, and can
    be walked through by whoever does not know of aliases.

    Raises
    ------
    HeadError
        If it is nested too deeply, holds too many values (each alias stands for all that it
        names), an alias of nothing or of what it is in, or a key twice.
    YAMLError
        If it is not YAML.
    """
    return _Builder(text).tree()


def parse_tagged(text: bytes) -> Any:
    """As `parse`, with numbers, booleans and dates as YAML has them, and tagged values as `Tagged`.

    The tags of YAML's own types are followed, others kept.
    """
    return _TaggedBuilder(text).tree()


class _Builder:
    """Makes the tree of a document, and counts its values as if aliases were written out."""

    def __init__(self, text: bytes) -> None:
        self._events = yaml.parse(text, Loader=_Loader)
        self._n_values = 0
        # Of each anchor its value, the number of values in it, and how deeply they are nested.
        self._anchors: dict[str, tuple[Any, int, int]] = {}

    def tree(self) -> Any:
        trees = [
            self._build(event, 0)[0] for event in self._events if isinstance(event, yaml.NodeEvent)
        ]
        if len(trees) > 1:  # readers differ in which of them counts
            raise HeadError("its head holds more than one YAML document")
        return trees[0] if trees else None

    def _build(self, event: yaml.Event, depth: int) -> tuple[Any, int]:
        """A value, and how deeply what it holds is nested."""
        before = self._n_values
        node: Any
        height = 0
        if isinstance(event, yaml.AliasEvent):
            if event.anchor not in self._anchors:
                raise HeadError(f"{_line(event)}: *{event.anchor} refers to nothing")
            node, number, height = self._anchors[event.anchor]
            self._count(number, depth + height)
            return node, height
        self._count(1, depth)
        if isinstance(event, yaml.MappingStartEvent):
            node = Mapping()
            while not isinstance(start := next(self._events), yaml.MappingEndEvent):
                key, height_of_key = self._build(start, depth + 1)
                value, height_of_value = self._build(next(self._events), depth + 1)
                height = max(height, height_of_key + 1, height_of_value + 1)
                if key is None or isinstance(key, dict | list | Tagged):
                    continue
                if key in node:  # readers differ in which of the two counts
                    raise HeadError(f"{_line(start)}: the key {key!r} appears twice")
                node[key] = value
                node.lines[key] = start.start_mark.line + 1 if start.start_mark else 0
        elif isinstance(event, yaml.SequenceStartEvent):
            node = []
            while not isinstance(start := next(self._events), yaml.SequenceEndEvent):
                value, height_of_value = self._build(start, depth + 1)
                height = max(height, height_of_value + 1)
                node.append(value)
        else:
            assert isinstance(event, yaml.ScalarEvent)  # all that is left inside a document
            node = self._scalar(event)
        node = self._with_tag(event, node)
        if event.anchor is not None:
            self._anchors[event.anchor] = node, self._n_values - before, height
        return node, height

    def _scalar(self, event: yaml.ScalarEvent) -> Any:
        null = event.implicit[0] and event.value in _NULLS
        return None if null else event.value

    def _with_tag(self, event: yaml.Event, node: Any) -> Any:
        return node

    def _count(self, number: int, depth: int) -> None:
        self._n_values += number
        if self._n_values > MAX_VALUES:
            raise HeadError(f"its head holds more than {MAX_VALUES} values")
        if depth > MAX_DEPTH:
            raise HeadError(f"its head is nested more than {MAX_DEPTH} levels deep")


class _TaggedBuilder(_Builder):
    """Follows the tags of YAML itself, and keeps the others."""

    def _scalar(self, event: yaml.ScalarEvent) -> Any:
        tag, text = event.tag, event.value
        try:
            if tag is None:
                if not event.implicit[0]:
                    return text
                return _word(text) if len(text) <= _LONGEST_WORD else _untagged(text)
            return _constructed(tag, text)
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
            tag = tag or _resolved(text)
            raise HeadError(f"{_line(event)}: {text[:40]!r} is no {tag[len(_YAML) :]}") from error

    def _with_tag(self, event: yaml.Event, node: Any) -> Any:
        tag = getattr(event, "tag", None)
        if tag == _YAML + "omap" and isinstance(node, list):
            return {k: v for item in node if isinstance(item, dict) for k, v in item.items()}
        if tag is None or tag == "!" or tag.startswith(_YAML):
            return node
        return Tagged(tag, node)


def _resolved(text: str) -> str:
    """The tag of text that has neither a tag nor quotes."""
    tag: str = _RESOLVER.resolve(yaml.ScalarNode, text, (True, False))  # type: ignore[no-untyped-call]
    return tag


def _constructed(tag: str, text: str) -> Any:
    """What text of a type of YAML stands for; other text is what it is."""
    if tag not in _SCALARS:
        return text
    return _CONSTRUCTOR.yaml_constructors[tag](_CONSTRUCTOR, yaml.ScalarNode(tag, text))


def _untagged(text: str) -> Any:
    """What text stands for that has neither a tag nor quotes."""
    return _constructed(_resolved(text), text)


#: Names and words come again and again.
_word = lru_cache(4096)(_untagged)


def _line(event: yaml.Event) -> str:
    return f"line {event.start_mark.line + 1}" if event.start_mark else "its head"
