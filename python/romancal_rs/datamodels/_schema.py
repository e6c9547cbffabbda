"""The mission's schemas: finding them, and looking into them.

The schemas are the YAML files of the `rad` package. Only the few of them on the way to a value are
read, once.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from .._private_parts import rad_resources
from ._errors import ModelError

Schema = dict[str, Any]

ROOT = "asdf://stsci.edu/datamodels/roman/"
TAGS = ROOT + "tags/"
SCHEMAS = ROOT + "schemas/"

#: Exposure types of the 2022 manual that today's schemas no longer list.
MANUAL_SPECTRAL_TYPES = frozenset({"WFI_GRISM", "WFI_PRISM", "WFI_GRATING"})

#: Exposure types of guide stars, known by name only: no schema lists them.
GUIDE_STAR_TYPES = frozenset(
    {"WFI_WIM_ACQ", "WFI_WIM_TRACK", "WFI_WSM_ACQ1", "WFI_WSM_ACQ2", "WFI_WSM_TRACK"}
)

#: Exposure types whose light went through the grism or the prism, in the words of both eras.
SPECTRAL_TYPES = frozenset({"WFI_SPECTRAL"}) | MANUAL_SPECTRAL_TYPES

# Parts of the manual's metadata that today's schemas have dropped (today's ramp fit contains the
# jump step). They stay in the model as extras, and assignments to them are still checked.
DROPPED: dict[tuple[str, ...], Schema] = {
    ("meta", "cal_step", "jump"): {
        "type": "string",
        "enum": ["COMPLETE", "FAILED", "INCOMPLETE", "N/A", "SKIPPED"],
    },
    ("meta", "aperture"): {
        "type": "object",
        "properties": {"name": {"type": "string"}, "position_angle": {"type": "number"}},
    },
    ("meta", "target"): {
        "type": "object",
        "properties": {
            **{name: {"type": "string"} for name in ("proposer_name", "catalog_name", "type")},
            **{
                name: {"type": "number"}
                for stem in ("{}", "{}_uncertainty", "proper_motion_{}", "proposer_{}")
                for name in (stem.format("ra"), stem.format("dec"))
            },
        },
    },
}


def resources() -> Path:
    """Directory of the installed `rad` package's schemas and manifests."""
    directory = rad_resources()
    if directory is None:
        raise ModelError("the package `rad`, which holds the mission's schemas, is not installed")
    return directory


def _file_of(uri: str) -> Path:
    return resources() / "schemas" / (uri.removeprefix(SCHEMAS) + ".yaml")


@cache
def load(uri: str) -> Schema:
    """The schema of this URI, as it is in the file."""
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    return yaml.load(_file_of(uri).read_bytes(), Loader=loader)


@cache
def schema_uri(tag: str) -> str | None:
    """URI of the schema that belongs to a tag of the mission, None if `rad` has none."""
    name = tag.removeprefix(TAGS)
    for uri in (SCHEMAS + name, SCHEMAS + "tagged_scalars/" + name):
        if _file_of(uri).exists():
            return uri
    return None


@cache
def extension_uri(tag: str) -> str:
    """URI of the mission's ASDF extension that introduced a tag, named in the files we write."""
    pattern = re.compile(rf"tag_uri: {re.escape(tag)}\s")
    for path in _manifests():
        if pattern.search(path.read_text(encoding="utf-8")):
            return f"{ROOT}extensions/{path.stem}"
    raise ModelError(f"no manifest of the installed `rad` lists the tag {tag}")


@cache
def tag_beside(tag: str, kind: str) -> str | None:
    """The tag of another kind of object in the series that a tag is of.

    None if that series has no such kind.
    """
    pattern = re.compile(rf"tag_uri: ({re.escape(TAGS + kind)}-[\d.]+)\s")
    listed = re.compile(rf"tag_uri: {re.escape(tag)}\s")
    for path in _manifests():
        manifest = path.read_text(encoding="utf-8")
        found = pattern.search(manifest) if listed.search(manifest) else None
        if found:
            return found.group(1)
    return None


def _manifests() -> list[Path]:
    """Those of the mission's series, the oldest first."""

    def version(path: Path) -> list[int]:
        return [int(part) for part in path.stem.rpartition("-")[2].split(".")]

    return sorted((resources() / "manifests").glob("datamodels-*.yaml"), key=version)


def kind_of(tag: str) -> str:
    """The name in a tag, such as ``wfi_image`` or ``reference_files/dark``."""
    return tag.removeprefix(TAGS).rpartition("-")[0]


def is_mission_tag(tag: object) -> bool:
    return isinstance(tag, str) and tag.startswith(TAGS)


def _follow(ref: str) -> Schema:
    uri, _, fragment = ref.partition("#/")
    if not uri.startswith(SCHEMAS):
        # The one foreign reference: the old tagged `file_date` is a time.
        return {"tag": "tag:stsci.edu:asdf/time/time-1.*"}
    schema = load(uri)
    for key in fragment.split("/") if fragment else ():
        schema = schema[key]
    return schema


def parts(schema: Schema) -> Iterator[Schema]:
    """All schemas that hold at once for a value: this one, and what it refers to or combines."""
    yield schema
    if "$ref" in schema:
        yield from parts(_follow(schema["$ref"]))
    tag = schema.get("tag")
    if is_mission_tag(tag):
        uri = schema_uri(tag)
        if uri is not None:
            yield from parts(load(uri))
    for sub in schema.get("allOf", ()):
        yield from parts(sub)


def child(schema: Schema, key: str | int, path: tuple[str | int, ...] = ()) -> Schema:
    """The schema of one item of an object or array; {} if anything goes.

    `path` is the full path of the item; it finds the rules of metadata that only the manual has.
    """
    found: list[Schema] = []
    for part in parts(schema):
        if isinstance(key, int):
            items = part.get("items", {})
            if items:
                found.append(items)
            continue
        if key in part.get("properties", {}):
            found.append(part["properties"][key])
        found += [s for p, s in part.get("patternProperties", {}).items() if re.search(p, key)]
        for branch in part.get("anyOf", ()):
            sub = child(branch, key)
            if sub:
                found.append(sub)
    if not found:
        return DROPPED.get(path, {})  # type: ignore[arg-type]
    return found[0] if len(found) == 1 else {"allOf": found}


def required(schema: Schema) -> list[str]:
    """Names that an object must have, in the schema's order."""
    names: dict[str, None] = {}
    for part in parts(schema):
        names.update(dict.fromkeys(part.get("required", ())))
    return list(names)


def properties(schema: Schema) -> list[str]:
    """Names that an object may have, in the schema's order."""
    names: dict[str, None] = {}
    for part in parts(schema):
        names.update(dict.fromkeys(part.get("properties", ())))
    return list(names)


def keyword(schema: Schema, name: str) -> Any:
    """The value of the first keyword of that name among the schema's parts, or None."""
    return next((part[name] for part in parts(schema) if name in part), None)


def mission_tag(schema: Schema) -> str | None:
    """The mission's tag that a value must carry in the file, if any (series 1.0 to 1.3)."""
    return next((p["tag"] for p in parts(schema) if is_mission_tag(p.get("tag"))), None)


def dotted(path: tuple[str | int, ...]) -> str:
    return ".".join(str(key) for key in path) or "roman"


def spectral_to_today(value: str) -> str:
    """Exposure types joined by bars, with the manual's spectral types in today's word."""
    names = (name.strip() for name in value.split("|") if name.strip())
    today = dict.fromkeys(
        "WFI_SPECTRAL" if name in MANUAL_SPECTRAL_TYPES else name for name in names
    )
    return "".join(f"{name}|" for name in today)
