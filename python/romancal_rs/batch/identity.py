"""What a product follows from, in a few digests: from a plan, and from a product's own record."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from .._version import software_version
from ..references import NOT_APPLICABLE
from ..references.digest import sha256_of
from ..stpipe import config
from ..stpipe.parameters import ParameterSpec, Role
from .plan import Pin

#: The libraries whose versions count beside this package's own.
_LIBRARIES = ("rad", "numpy", "asdf", "gwcs")
#: Roles of parameters that say where results go, how they are stored and how fast they come.
#: References count by what they are, wherever they were found.
_NEUTRAL_ROLES = frozenset((Role.PLACE, Role.PRODUCT, Role.SAVING, Role.SPEED, Role.STORE))


def software() -> dict[str, str]:
    """The versions of what makes a product, as its record names them."""
    return {"romancal-rs": software_version(), **{name: version(name) for name in _LIBRARIES}}


def of_software(recorded: Mapping[str, Any]) -> dict[str, str]:
    """What counts of the versions that a record names."""
    return {name: str(recorded.get(name, "")) for name in ("romancal-rs", *_LIBRARIES)}


def exposure_key(
    head_sha256: str,
    step_class: str,
    parameters_sha256: str,
    references_sha256: str,
    versions: Mapping[str, str],
) -> str:
    """One digest of all that a product follows from.

    Parameters
    ----------
    head_sha256 : str
        Digest of the input's head.
    step_class : str
        Path of the class, as `romancal_rs.stpipe.config.class_path` gives it.
    parameters_sha256, references_sha256 : str
        See `parameters_digest` and `references_digest`.
    versions : dict of str to str
        See `software`.
    """
    return _digest([head_sha256, step_class, parameters_sha256, references_sha256, dict(versions)])


def parameters_of(
    tree: Mapping[str, Any], step_class: type, *, is_record: bool = False
) -> dict[str, Any]:
    """The parameters of a step, and of its steps, that its result follows from.

    Parameters
    ----------
    tree : dict
        As `romancal_rs.stpipe.config.tree_of` gives it, or the record of a run.
    step_class : type
    is_record : bool
        Whether it is a record: what a file contained that was an input then, it does not say, so
        that such a parameter never is the same.

    Returns
    -------
    dict
        By dotted name, as on a command line: ``steps.rampfit.rejection_threshold``.
    """
    found = dict(_parameters(tree, step_class, "", is_record))
    # An override for all steps is like a reference of the store.
    spec: ParameterSpec = step_class.parameters  # type: ignore[attr-defined]
    overrides = {name for name, parameter in spec.items() if parameter.role is Role.REFERENCE}
    return {name: value for name, value in found.items() if name not in overrides}


def parameters_digest(parameters: Mapping[str, Any]) -> str:
    """A digest of what `parameters_of` gives."""
    return _digest(dict(parameters))


def default_parameters(step_class: Any) -> dict[str, Any]:
    """The same of a step that was given none."""
    return parameters_of(config.tree_of(step_class(), in_memory=repr), step_class)


def different(one: Mapping[str, Any], other: Mapping[str, Any]) -> list[str]:
    """The names of the parameters that are not the same, or are in one alone."""
    return [
        name
        for name in dict.fromkeys((*one, *other))
        if name not in one or name not in other or one[name] != other[name]
    ]


def _parameters(
    tree: Mapping[str, Any], step_class: Any, prefix: str, is_record: bool
) -> Iterator[tuple[str, Any]]:
    spec = getattr(step_class, "parameters", ParameterSpec())
    yield from _values(tree["parameters"], spec, prefix, is_record)
    for step in tree.get("steps", ()):
        name = step["name"]
        sub_class = getattr(step_class, "step_defs", {}).get(name)
        yield from _parameters(step, sub_class, f"{prefix}steps.{name}.", is_record)


def _values(
    values: Mapping[str, Any], spec: ParameterSpec, prefix: str, is_record: bool
) -> Iterator[tuple[str, Any]]:
    for name, value in values.items():
        if isinstance(value, Mapping):
            section = spec.sections.get(name, ParameterSpec())
            yield from _values(value, section, f"{prefix}{name}.", is_record)
            continue
        role = spec[name].role if name in spec else Role.VALUE
        if role in _NEUTRAL_ROLES:
            continue
        if role is Role.REFERENCE and isinstance(value, str):
            value = os.path.basename(value)
        elif role is Role.INPUT and isinstance(value, str) and not is_record:
            value = {"sha256": sha256_of(value)}
        yield f"{prefix}{name}", value


#: By type, name and SHA-256 of each file that is used for it; of N/A the name alone.
UsedReferences = dict[str, list[tuple[str, str]]]


def used_by_plan(pins: Sequence[Pin]) -> UsedReferences:
    """The references of a set of pins, without parameter references, which are parameters."""
    return _collected(
        (pin.reftype.removeprefix(OVERRIDE), pin.path, pin.sha256)
        for pin in pins
        if not pin.reftype.startswith(PARAMETERS)
    )


def used_by_record(recorded: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> UsedReferences:
    """The references that the record of a run names for its steps."""
    return _collected(
        (reftype, entry["path"], entry.get("sha256", ""))
        for entries in recorded.values()
        for reftype, entry in entries.items()
    )


def references_digest(used: UsedReferences) -> str:
    """A digest of the references that are used, whichever steps share them."""
    return _digest(used)


#: What the names of pins begin with that a store does not answer with, and those of parameters.
OVERRIDE = "override_"
PARAMETERS = "pars-"


def _collected(entries: Any) -> UsedReferences:
    found: dict[str, set[tuple[str, str]]] = {}
    for reftype, path, sha256 in entries:
        name = path if path == NOT_APPLICABLE else Path(path).name
        found.setdefault(reftype, set()).add((name, sha256))
    return {reftype: sorted(found[reftype]) for reftype in sorted(found)}


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()
