"""Rule files: the pipeline map, the instrument maps, and the reference maps of a context."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from .conditioning import NOT_APPLICABLE, UNDEFINED
from .errors import AmbiguousMatchError, BadParameterError, NoMatchError, RuleFileError
from .literal import MAX_BYTES, LiteralError, SelectorCall, parse_sections
from .relevance import Condition, ConditionError
from .selector import Match, Row, Settings, UseAfter, build

OMIT = "OMIT"
_NOT_APPLICABLE = frozenset({"N/A", "TEMP_N/A", "n/a", "temp_n/a"})
_OMITTED = frozenset({"OMIT", "TEMP_OMIT", "omit"})

_log = logging.getLogger(__name__)


def special(choice: str) -> str | None:
    """``"N/A"`` or ``"OMIT"`` where a rule says one of them instead of a file."""
    if choice in _NOT_APPLICABLE:
        return NOT_APPLICABLE
    return OMIT if choice in _OMITTED else None


class Header(dict[str, Any]):
    """The header of a rule file. Text is in lower case, but for expressions in parentheses."""

    def __init__(self, values: Mapping[str, Any], required: Iterable[str]) -> None:
        super().__init__({key: _lowered(value) for key, value in values.items()})
        missing = [key for key in required if key not in self]
        if missing:
            raise RuleFileError(f"its header lacks {', '.join(missing)}")


@dataclass(frozen=True)
class ContextMap:
    """A pipeline map (instrument: instrument map) or instrument map (type: reference map).

    Attributes
    ----------
    name : str
    header : Header
    selections : dict of str to str
        Names of files, ``N/A`` or ``OMIT``; keys are in lower case.
    """

    name: str
    header: Header
    selections: Mapping[str, str]

    @classmethod
    def load(cls, path: Path, *, ignore_checksum: bool = False) -> ContextMap:
        """Read a pipeline map or an instrument map.

        Raises
        ------
        RuleFileError
        """
        required = ["mapping", "parkey", "name", "derived_from", "observatory"]
        if path.suffix == ".imap":
            required.append("instrument")
        try:
            header, selector = _read(path, required, ignore_checksum)
            if not isinstance(selector, dict):
                raise RuleFileError("its selector should be a dictionary of rule files")
            for key, name in selector.items():
                if not isinstance(key, str) or not isinstance(name, str):
                    raise RuleFileError(f"its selector has {key!r}: {name!r} where names should be")
        except RuleFileError as error:
            raise RuleFileError(f"{path}: {error}") from None
        return cls(path.name, header, {key.lower(): name for key, name in selector.items()})


class ReferenceMap:
    """The rules for one reference type of one instrument.

    Parameters
    ----------
    path : Path
    ignore_checksum : bool
        Whether a checksum that is wrong or missing does not matter.

    Raises
    ------
    RuleFileError
        If it cannot be read, is malformed, holds what rules do not consist of, or its checksum
        is wrong. The message names the file and, where there is one, the line.
    """

    def __init__(self, path: Path, *, ignore_checksum: bool = False) -> None:
        self.name = path.name
        required = ["mapping", "parkey", "name", "derived_from", "observatory"]
        try:
            self.header, call = _read(path, [*required, "instrument", "filekind"], ignore_checksum)
            if not isinstance(call, SelectorCall):
                raise RuleFileError("its selector should be Match({...}) or UseAfter({...})")
            self._build(call)
        except RuleFileError as error:
            raise RuleFileError(f"{path}: {error}") from None

    def _build(self, call: SelectorCall) -> None:
        header, parkeys = self.header, self.header["parkey"]
        if not isinstance(parkeys, tuple | list):
            raise RuleFileError(f"its parkey is {parkeys!r}, not a tuple")
        self.selector: Match | UseAfter = build(call, parkeys, Settings.from_header(header))
        #: Keys that the text has more than once; only the last counts.
        self.duplicates = list(_duplicates(call))
        #: Names of the metadata that the rules look at.
        self.parameters = self._parameters(parkeys)
        relevance = _text(header, "rmap_relevance", "always").replace("always", "True")
        self._relevance = Condition(relevance, self.parameters, "rmap_relevance")
        self._omission = Condition(
            _text(header, "rmap_omit", "False"), self.parameters, "rmap_omit"
        )
        relevances = header.get("parkey_relevance", {})
        if not isinstance(relevances, dict):
            raise RuleFileError("its parkey_relevance is not a dictionary")
        self._key_relevance = {
            str(key).lower(): Condition(str(source), self.parameters, f"parkey_relevance of {key}")
            for key, source in relevances.items()
        }
        comments = _names("comment_parkeys", header.get("comment_parkeys", ()))
        self._comments = frozenset(key.lower() for key in comments)
        self._is_required = _text(header, "reffile_required", "none") in ("yes", "none")

    def _parameters(self, parkeys: Iterable[Any]) -> tuple[str, ...]:
        names: list[str] = []
        for level in parkeys:
            names.extend([level] if isinstance(level, str) else _names("parkey", level))
        switch = _text(self.header, "reffile_switch", "none").upper()
        if switch != "NONE":
            names.append(switch)
        names.extend(_names("extra_keys", self.header.get("extra_keys", ())))
        return tuple(names)

    def best_reference(self, header: Mapping[str, str]) -> str:
        """Choose the file for an exposure.

        Parameters
        ----------
        header : dict of str to str
            The exposure's metadata: conditioned values by names in capitals.

        Returns
        -------
        str
            The name of a file, ``"N/A"`` (this exposure does not need the type), or
            ``"OMIT"``.

        Raises
        ------
        NoMatchError
            If no rule fits.
        BadParameterError
            If the exposure lacks what the rules look at, or has a value that they do not know.
        AmbiguousMatchError
            If several files fit equally well.
        """
        header = self.minimal(header)
        if _decided(self._omission, header, self.name, otherwise=False):
            return OMIT
        if not _decided(self._relevance, header, self.name, otherwise=True):
            return NOT_APPLICABLE
        header = self.relevant(header)
        try:
            choice = self.selector.choose(header)
        except (NoMatchError, BadParameterError, AmbiguousMatchError):
            if self._is_required:
                raise
            return NOT_APPLICABLE
        if not isinstance(choice, str):
            raise AmbiguousMatchError("several rules match equally well, each with its own file")
        return special(choice) or choice

    def minimal(self, header: Mapping[str, str]) -> dict[str, str]:
        """What the rules look at, by their names; what the exposure lacks is UNDEFINED."""
        return {name: find_value(header, name) for name in self.parameters}

    def relevant(self, header: Mapping[str, str]) -> dict[str, str]:
        """The metadata, with ``N/A`` for those that say nothing for this exposure."""
        result = dict(header)
        for name in self.parameters:
            if name.lower() in self._comments:
                result[name] = NOT_APPLICABLE
            elif (condition := self._key_relevance.get(name.lower())) is not None:
                try:
                    if not condition.holds(header):
                        result[name] = NOT_APPLICABLE
                except ConditionError as error:
                    raise BadParameterError(f"{condition.source}: {error}") from None
        return result

    def asks_in_conditions(self, name: str) -> bool:
        """Whether a condition of the header, and not only the selector, names this metadatum."""
        conditions = (self._relevance, self._omission, *self._key_relevance.values())
        return any(name.lower() in condition.source.lower() for condition in conditions)

    @cached_property
    def rows(self) -> tuple[Row, ...]:
        """All ways through the rules."""
        return tuple(self.selector.rows())


def checksum(text: str) -> str:
    """SHA-1 of a rule file without the lines that mention it, which is what it is to state."""
    lines = [line for line in text.splitlines(keepends=True) if "sha1sum" not in line]
    return hashlib.sha1("".join(lines).encode()).hexdigest()


def _read(path: Path, required: Iterable[str], ignore_checksum: bool) -> tuple[Header, Any]:
    try:
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise RuleFileError(
                f"{size / 2**20:.1f} MiB; a rule file has at most {MAX_BYTES // 2**20} MiB"
            )
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise RuleFileError("there is no such rule file") from None
    except OSError as error:
        raise RuleFileError(f"cannot be read ({error.strerror})") from None
    except UnicodeDecodeError:
        raise RuleFileError("is not UTF-8 text") from None
    try:
        sections = parse_sections(text)
    except LiteralError as error:
        raise RuleFileError(str(error)) from None
    for section in ("header", "selector"):
        if section not in sections:
            raise RuleFileError(f"has no {section}")
    values = sections["header"]
    if not isinstance(values, dict) or not all(isinstance(key, str) for key in values):
        raise RuleFileError("its header should be a dictionary by names")
    header = Header(values, required)
    if not ignore_checksum and header.get("sha1sum") != checksum(text):
        stated = header.get("sha1sum")
        problem = f"is not that of its text, {checksum(text)}" if stated else "is missing"
        raise RuleFileError(
            f"its sha1sum {problem}: the file was changed or damaged "
            "(CRDS_IGNORE_MAPPING_CHECKSUM=1 ignores it)"
        )
    return header, sections["selector"]


def _duplicates(call: SelectorCall) -> Iterable[str]:
    yield from call.duplicates
    for value in call.items.values():
        if isinstance(value, SelectorCall):
            yield from _duplicates(value)


def _lowered(value: Any) -> Any:
    if isinstance(value, str) and not (value.startswith("(") and value.endswith(")")):
        return value.lower()
    return value


def _text(header: Mapping[str, Any], key: str, default: str) -> str:
    value = header.get(key, default)
    if not isinstance(value, str):
        raise RuleFileError(f"its {key} is {value!r}, not text")
    return value


def _names(key: str, value: Any) -> Iterable[str]:
    if not isinstance(value, tuple | list) or not all(isinstance(name, str) for name in value):
        raise RuleFileError(f"its {key} has {value!r} where a tuple of names should be")
    return value


def find_value(header: Mapping[str, str], name: str) -> str:
    """The value of a match parameter, which some rules name without its first part."""
    for spelling in (name.upper(), f"ROMAN.{name.upper()}"):
        if spelling in header:
            return header[spelling]
    return UNDEFINED


def _decided(condition: Condition, header: Mapping[str, str], name: str, otherwise: bool) -> bool:
    """Whether a condition holds; one that cannot be decided is ignored, with a warning."""
    try:
        return condition.holds(header)
    except ConditionError as error:
        _log.warning("%s: %s cannot be decided (%s)", name, condition.source, error)
        return otherwise
