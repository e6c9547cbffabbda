"""Rule files of a CRDS cache as text, and what belongs to them while they are made."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Any

INSTRUMENT = "ROMAN.META.INSTRUMENT.NAME"
DETECTOR = "ROMAN.META.INSTRUMENT.DETECTOR"
ELEMENT = "ROMAN.META.INSTRUMENT.OPTICAL_ELEMENT"
EXPOSURE_TYPE = "ROMAN.META.EXPOSURE.TYPE"
NUMBER = "ROMAN.META.EXPOSURE.NRESULTANTS"
BOOLEAN = "ROMAN.META.EXPOSURE.TRUNCATED"
SUBARRAYS = ("SUBARRAY", "META.SUBARRAY.NAME")
START = ("ROMAN.META.EXPOSURE.START_TIME",)
OLD_START = ("ROMAN.META.OBSERVATION.DATE", "ROMAN.META.OBSERVATION.TIME")

WORDS = {
    DETECTOR: ["WFI01", "WFI02", "WFI03", "WFI11"],
    ELEMENT: ["F062", "F106", "F129", "F158", "F184", "GRISM", "PRISM"],
    EXPOSURE_TYPE: ["WFI_IMAGE", "WFI_SPECTRAL", "WFI_DARK", "WFI_FLAT"],
    BOOLEAN: ["T", "F", "TRUE", "false"],
    "SUBARRAY": ["GENERIC", "FULL", "CORNER"],
    "META.SUBARRAY.NAME": ["GENERIC", "FULL"],
}
NUMBERS = [1, 2, 4, 8, 16]


@dataclass
class Table:
    """One selector: its kind and its keys with their choices, in the order of the text."""

    kind: str
    items: list[tuple[Any, str | Table]]

    def text(self, indent: str = "") -> str:
        lines = [
            f"{indent}    {key!r} : "
            + (choice.text(indent + "    ") if isinstance(choice, Table) else repr(choice))
            for key, choice in self.items
        ]
        return "\n".join([f"{self.kind}({{", *(f"{line}," for line in lines), f"{indent}}})"])


@dataclass
class Lookup:
    """One question: a reference type and the metadata of an exposure."""

    reftype: str
    header: dict[str, str]
    tags: set[str] = field(default_factory=set)


@dataclass
class RuleSet:
    """The text of rule files by their names, and what to look up with them."""

    context: str
    files: dict[str, str]
    lookups: list[Lookup]


@dataclass
class ReferenceRules:
    """A reference map while it is made, and what it knows, for exposures that fit it."""

    header: dict[str, Any]
    selector: Table
    tags: set[str]
    known: dict[str, list[str]]
    dates: list[str]


def file_text(header: dict[str, Any], selector: str, comment: str | None = None) -> str:
    """A rule file with its checksum."""
    lines = [f"    {key!r} : {value!r}," for key, value in header.items()]
    parts = [["header = {", *lines, "}", ""], [f"selector = {selector}", ""]]
    if comment is not None:
        parts.insert(1, [f'comment = """{comment}"""', ""])
    without = "\n".join("\n".join(part) + "\n" for part in parts)
    return with_checksum(without)


def with_checksum(text: str) -> str:
    """The text with a line for its checksum, which covers all other lines."""
    kept = "".join(line for line in text.splitlines(True) if "sha1sum" not in line)
    digest = hashlib.sha1(kept.encode()).hexdigest()
    return kept.replace("header = {\n", f"header = {{\n    'sha1sum' : '{digest}',\n", 1)


def map_text(name: str, kind: str, parkey: tuple[str, ...], selector: dict[str, str]) -> str:
    """A pipeline map or an instrument map."""
    header = {"derived_from": "made by hand", "mapping": kind.upper(), "name": name}
    header |= {"observatory": "ROMAN", "parkey": parkey}
    if kind == "instrument":
        header["instrument"] = "WFI"
    lines = ["{", *(f"    {key!r} : {value!r}," for key, value in selector.items()), "}"]
    return file_text(header, "\n".join(lines))
