"""What a product follows from, in a few digests: from a plan, and from a product's own record."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from .._version import software_version
from ..references import NOT_APPLICABLE
from ..references.digest import sha256_of
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


def parameters_digest(tree: Mapping[str, Any], step_class: type, *, is_record: bool = False) -> str:
    """A digest of the parameters of a step, and of its steps, that its result follows from.

    Parameters
    ----------
    tree : dict
        As `romancal_rs.stpipe.config.tree_of` gives it, or the record of a run.
    step_class : type
    is_record : bool
        Whether it is a record: what a file contained that was an input then, it does not say, so
        that such a parameter never is the same.
    """
    return _digest(_canonical(tree, step_class, is_record, is_outermost=True))


def _canonical(
    tree: Mapping[str, Any], step_class: Any, is_record: bool, is_outermost: bool = False
) -> dict[str, Any]:
    steps = {
        step["name"]: _canonical(step, step_class.step_defs.get(step["name"]), is_record)
        for step in tree.get("steps", ())
    }
    spec = getattr(step_class, "parameters", ParameterSpec())
    values = _values(tree["parameters"], spec, is_record)
    if is_outermost:  # an override for all steps is like a reference of the store
        overrides = [name for name, parameter in spec.items() if parameter.role is Role.REFERENCE]
        values = {name: value for name, value in values.items() if name not in overrides}
    return {"parameters": values, "steps": steps}


def _values(values: Mapping[str, Any], spec: ParameterSpec, is_record: bool) -> dict[str, Any]:
    kept: dict[str, Any] = {}
    for name, value in values.items():
        if isinstance(value, Mapping):
            section = spec.sections.get(name, ParameterSpec())
            kept[name] = _values(value, section, is_record)
            continue
        role = spec[name].role if name in spec else Role.VALUE
        if role in _NEUTRAL_ROLES:
            continue
        if role is Role.REFERENCE and isinstance(value, str):
            value = os.path.basename(value)
        elif role is Role.INPUT and isinstance(value, str) and not is_record:
            value = {"sha256": sha256_of(value)}
        kept[name] = value
    return kept


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
