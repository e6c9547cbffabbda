"""Reads what a reference file says about itself, without opening it.

An ASDF file starts with a YAML document; the arrays follow in binary blocks. Only that document is
read, and only as text in dicts and lists: tags are not looked at, so that whatever a file carries,
known or not, nothing of it runs. Neither asdf nor astropy is imported, which keeps
looking through a directory of references a matter of milliseconds.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import yaml

from .keys import naive_utc

_MAGIC = b"#ASDF"
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


@dataclass(frozen=True)
class ReferenceHead:
    """What a reference file says about itself. A key that the file lacks is None.

    Attributes
    ----------
    path : Path
    reftype : str
        In capitals, such as ``DARK``.
    useafter : datetime
        The file is meant for exposures that start at this time (UTC) or later.
    instrument, detector, optical_element : str or None
    exposure_types : tuple of str
        The entries of ``exposure.p_exptype``, else ``exposure.type`` alone; empty without either.
    n_groups : int or None
        Number of resultants of a dark that holds one image for each of them.
    ma_table_name, ma_table_number : str or None, int or None
    """

    path: Path
    reftype: str
    useafter: datetime
    instrument: str | None = None
    detector: str | None = None
    optical_element: str | None = None
    exposure_types: tuple[str, ...] = ()
    n_groups: int | None = None
    ma_table_name: str | None = None
    ma_table_number: int | None = None


def read_head(path: Path) -> ReferenceHead | None:
    """Read the head of a reference file.

    Returns
    -------
    ReferenceHead or None
        None for a sound ASDF file that is no reference file: it has no ``roman.meta.reftype``.

    Raises
    ------
    HeadError
        If the file cannot be read, is not ASDF, is truncated within its head, is not YAML, or is a
        reference file without a usable ``useafter``.
    """
    try:
        tree = _parse(_read_yaml(path))
    except OSError as error:
        raise HeadError(f"cannot be read ({error.strerror})") from error
    except (yaml.YAMLError, ValueError) as error:
        raise HeadError("its head is not valid YAML") from error
    roman = _child(tree, "roman")
    meta = _child(roman, "meta")
    reftype = _text(_child(meta, "reftype"))
    if reftype is None:
        return None
    instrument, exposure = _child(meta, "instrument"), _child(meta, "exposure")
    return ReferenceHead(
        path=path,
        reftype=reftype.upper(),
        useafter=_time(_child(meta, "useafter")),
        instrument=_text(_child(instrument, "name")),
        detector=_text(_child(instrument, "detector")),
        optical_element=_text(_child(instrument, "optical_element")),
        exposure_types=_exposure_types(exposure),
        n_groups=_n_groups(roman, exposure),
        ma_table_name=_text(_child(exposure, "ma_table_name")),
        ma_table_number=_integer(_child(exposure, "ma_table_number")),
    )


def _read_yaml(path: Path) -> bytes:
    """Read up to the end of the YAML document, and no byte of the arrays beyond one chunk."""
    with path.open("rb") as file:
        head = bytearray(file.read(_CHUNK))
        if not head.startswith(_MAGIC):
            raise HeadError("not an ASDF file")
        searched = 0
        while (end := _END_OF_HEAD.search(head, searched)) is None:
            if len(head) >= MAX_HEAD_BYTES:
                raise HeadError(f"its head does not end within {MAX_HEAD_BYTES // 2**20} MiB")
            searched = len(head) - len(b"\n...\r")  # an end marker may straddle two chunks
            more = file.read(_CHUNK)
            if not more:
                raise HeadError("truncated: its head has no end")
            head += more
    return bytes(head[: end.start()])


def _parse(text: bytes) -> Any:
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
            node = {}
            while not isinstance(start := next(events), yaml.MappingEndEvent):
                key = build(start, depth + 1)
                value = build(next(events), depth + 1)
                if isinstance(key, str):
                    node.setdefault(key, value)
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


def _child(node: Any, key: str) -> Any:
    return node.get(key) if isinstance(node, dict) else None


def _text(node: Any) -> str | None:
    return node.strip() if isinstance(node, str) else None


def _integer(node: Any) -> int | None:
    text = _text(node)
    if text is None:
        return None
    try:
        return int(text)
    except ValueError:
        raise HeadError(f"{text!r} stands where a whole number is expected") from None


def _time(node: Any) -> datetime:
    """Read a time: ISO text, alone (tagged or not) or under ``value`` of a mapping."""
    scale = _text(_child(node, "scale"))
    if scale not in (None, "utc"):
        raise HeadError(f"its useafter is on the time scale {scale}, not utc")
    text = _text(_child(node, "value") if isinstance(node, dict) else node)
    if text is None:
        raise HeadError("has no useafter")
    try:
        return naive_utc(text)
    except ValueError:
        raise HeadError(f"its useafter {text!r} is not an ISO time") from None


def _exposure_types(exposure: Any) -> tuple[str, ...]:
    text = _text(_child(exposure, "p_exptype")) or _text(_child(exposure, "type")) or ""
    return tuple(name.strip() for name in text.split("|") if name.strip())


def _n_groups(roman: Any, exposure: Any) -> int | None:
    """Length of a per-group dark: said by files of 2022, else the first axis of a 3-D ``data``."""
    n_groups = _integer(_child(exposure, "ngroups"))
    if n_groups is not None:
        return n_groups
    shape = _child(_child(roman, "data"), "shape")
    if isinstance(shape, list) and len(shape) == 3:
        return _integer(shape[0])
    return None
