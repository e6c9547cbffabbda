"""What a product says of the run that made it, and how that run can be repeated.

``meta.cal_runs`` is a list with an entry for each run that had a hand in the product, the last one
at the end: its software, parameters, input and references.
"""

from __future__ import annotations

import datetime
import os
import platform
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .. import _core, datamodels
from .._asdf_blocks import head_digest
from .._version import software_version
from ..errors import RomancalError, one_line
from ..references.digest import sha256_of
from . import config
from .parameters import ParameterError, ParameterSpec, Role

if TYPE_CHECKING:
    from ..datamodels import DataModel
    from .roman import RomanStep
    from .run import Run

_LIBRARIES = ("numpy", "asdf", "astropy", "gwcs", "rad")
_PACKAGE = __name__.partition(".")[0]
#: Stands in a record for a parameter that no file can hold.
IN_MEMORY = "in memory: "
#: The parameters that make a run execute other code.
_HOOKS = ("pre_hooks", "post_hooks")
#: Roles of parameters that are not repeated: where results go is for whoever repeats a run to say,
#: and of references the record names the files themselves.
_NOT_REPEATED = {Role.PLACE, Role.PRODUCT, Role.STORE}


class NoRecordError(RomancalError):
    """A file does not say which run made it."""


# --- recording


def record(step: RomanStep, args: tuple[Any, ...], result: DataModel) -> dict[str, Any]:
    """The entry of a run, at its end.

    Parameters
    ----------
    step : RomanStep
        The outermost step.
    args : tuple
        What it was run on.
    result : DataModel
        What it made of that.
    """
    return {
        **_with_roles(config.tree_of(step, in_memory=_name_in_memory), step),
        **_describe_recipe(step),
        "date": datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%S"),
        "software": {
            "romancal-rs": software_version(),
            "python": platform.python_version(),
            **_versions(),
        },
        "threads": _core.num_threads(),
        "seconds": {name: round(taken, 3) for name, taken in step._run.seconds.items()},
        "inputs": [_describe_input(arg, step._run) for arg in args],
        "references": _describe_references(step, result),
    }


@cache
def _versions() -> dict[str, str]:
    """Those of the libraries; a process keeps to what it has imported."""
    return {name: version(name) for name in _LIBRARIES}


def _with_roles(tree: dict[str, Any], step: Any) -> dict[str, Any]:
    """What a parameter file holds, and the roles by which not all of it is repeated."""
    tree["roles"] = _roles(step.parameters, tree["parameters"])
    for part in tree.get("steps", ()):
        _with_roles(part, step.step(part["name"]))
    return tree


def _roles(spec: ParameterSpec, values: Mapping[str, Any]) -> dict[str, Any]:
    """The roles of the parameters that are set but not repeated; those of a section are a dict."""
    roles: dict[str, Any] = {
        name: spec[name].role.value
        for name, value in values.items()
        if name in spec and spec[name].role in _NOT_REPEATED and value
    }
    for name, section in spec.sections.items():
        if of_section := _roles(section, values.get(name, {})):
            roles[name] = of_section
    return roles


def _name_in_memory(value: Any) -> str:
    name = value.meta.get("filename") if hasattr(value, "meta") else None
    return f"{IN_MEMORY}{type(value).__name__}{f' {name}' if name else ''}"


def _describe_recipe(step: RomanStep) -> dict[str, Any]:
    """Name and reason; nothing for a step that does not work on an exposure."""
    recipe = step._run.recipe
    return {} if recipe is None else {"recipe": recipe._asdict()}


def _describe_input(arg: Any, run: Run) -> dict[str, Any]:
    if not isinstance(arg, str | os.PathLike):
        return {"filename": _name_in_memory(arg)}
    path = Path(arg).absolute()
    origin = run.origins.get(path)
    return {
        "filename": path.name,
        "path": str(path) if origin is None else origin.url,
        "head_sha256": head_digest(path),
        **({} if origin is None else {"version": origin.version}),
    }


def _describe_references(step: RomanStep, result: DataModel) -> dict[str, Any]:
    """Of each step, what it used for the exposure that a result was made of."""
    used: dict[str, Any] = {}
    ran = {report.name for report in step._run.reports}
    for part in _parts(step):
        if part is not step and part.name not in ran:
            continue
        entries = {}
        for reftype, match in part.found_references(result).items():
            if isinstance(match.reference, Path):
                digest = part._run.digest_of(match.reference)
                path = match.reference.absolute()
                origin = part._run.origins.get(path)
                name = str(path) if origin is None else origin.url
                entries[reftype] = {"path": name, "sha256": digest}
            else:
                reference = match.reference
                entries[reftype] = {
                    "path": reference if isinstance(reference, str) else _name_in_memory(reference)
                }
        if entries:
            used[part.name] = entries
    return used


def _parts(step: Any) -> list[RomanStep]:
    return [step, *step.substeps()]


# --- repeating


@dataclass
class Reproduction:
    """How to repeat the run that made a product.

    Attributes
    ----------
    parameters : dict
        The content of a parameter file.
    inputs : list of str
        What to run it on.
    missing : list of str
        What stands in the way of the same result, or may make another one, one line each.
    other_code : list of str
        What the parameter file runs that is not of this package: classes and hooks.
    """

    parameters: dict[str, Any]
    inputs: list[str]
    missing: list[str] = field(default_factory=list)
    other_code: list[str] = field(default_factory=list)


def reproduction(product: str | os.PathLike[str]) -> Reproduction:
    """Finds out how to repeat the last run that made a product.

    Raises
    ------
    OSError
        If the file cannot be read.
    ModelError
        If it is no Roman file.
    NoRecordError
        If it holds no record of a run.
    """
    product = Path(product)
    with datamodels.open(product) as model:
        if "cal_runs" not in model.meta:
            raise NoRecordError(
                f"{product}: it holds no record of a run (meta.cal_runs): it was not made by a "
                "step of romancal-rs, or by an older version"
            )
        try:
            return _reproduction(model.meta.cal_runs[-1].copy(), product.absolute().parent)
        except (KeyError, TypeError, IndexError, AttributeError, ValueError) as error:
            raise NoRecordError(
                f"{product}: its record of a run (meta.cal_runs) is damaged: {one_line(error)}"
            ) from error


def _reproduction(run: Mapping[str, Any], directory: Path) -> Reproduction:
    result = Reproduction(_without_places(run), [])
    for entry in run["inputs"]:
        _add_input(result, entry, directory)
    _add_references(result, run["references"])
    for step in _steps(run):
        _add_code(result, step)
    for name, recorded in run["software"].items():
        installed = _installed(name)
        if installed != recorded:
            result.missing.append(f"{name} {recorded}: this is {installed or 'not installed'}")
    return result


def _steps(run: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The record of the step that ran, and those of its steps."""
    return [run, *run.get("steps", ())]


def runs_of(product: DataModel) -> list[dict[str, Any]]:
    """The entries of ``meta.cal_runs``, copied; none where a product holds no record."""
    return [run.copy() for run in product.meta.get("cal_runs") or ()]


def values_of(step: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """The parameters of a record that are plain values, and what was given besides.

    Parameters
    ----------
    step : mapping
        An entry of ``meta.cal_runs``, or of its ``steps``.

    Returns
    -------
    values : dict
        Without what says where files are, references among them, and without hooks: whether to run
        code that a record names is for whoever repeats the run to say.
    others : list of str
        What is not among them, but had a hand in the result: hooks, another class, what was in
        memory; one line each.
    """
    parameters = step["parameters"]
    others = [f"{name}: {parameters[name]}" for name in _HOOKS if parameters.get(name)]
    values = {
        name: value
        for name, value in parameters.items()
        if name not in _HOOKS and not name.startswith("override_")
    }
    others += [f"{name}: {value}" for name, value in values.items() if is_in_memory(value)]
    if not step["class"].startswith(f"{_PACKAGE}."):
        others.append(f"the class {step['class']}")
    return _repeated(values, step["roles"]), others


def _without_places(run: Mapping[str, Any]) -> dict[str, Any]:
    """The part of a record that is a parameter file."""
    parameters = _repeated(run["parameters"], run["roles"])
    tree = {"class": run["class"], "name": run["name"], "parameters": parameters}
    if run.get("steps"):
        tree["steps"] = [_without_places(step) for step in run["steps"]]
    return tree


def _repeated(values: Mapping[str, Any], roles: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters of a record without those that are not repeated."""
    kept: dict[str, Any] = {}
    for name, value in values.items():
        if isinstance(value, dict):
            kept[name] = _repeated(value, roles.get(name, {}))
        elif Role(roles.get(name, "value")) not in _NOT_REPEATED and not is_in_memory(value):
            kept[name] = value
    return kept


def _add_input(result: Reproduction, entry: Mapping[str, Any], beside: Path) -> None:
    """Looks for an input where it was, then beside the product."""
    name, recorded = entry["filename"], entry.get("path")
    if recorded is None:
        result.missing.append(f"input {name}: no file; save it, and run on that")
        return
    found = [path for path in (Path(recorded), beside / name) if path.is_file()]
    result.inputs.append(str(found[0] if found else recorded))
    if not found:
        result.missing.append(f"input {recorded}: {_absent(recorded)}, nor beside the product")
    elif head_digest(found[0]) != entry["head_sha256"]:
        result.missing.append(f"input {found[0]}: changed since")


def _add_references(result: Reproduction, used: Mapping[str, Any]) -> None:
    """Names the references to the steps that used them."""
    steps = {step["name"]: step for step in result.parameters.get("steps", ())}
    for name, entries in used.items():
        parameters = steps.get(name, result.parameters)["parameters"]
        for reftype, entry in entries.items():
            path = entry["path"]
            if not is_in_memory(path):
                parameters[f"override_{reftype}"] = path
            if "sha256" not in entry:
                continue
            if not Path(path).is_file():
                text = f"{reftype.upper()} {path}: {_absent(path)}"
            elif sha256_of(path) != entry["sha256"]:
                text = f"{reftype.upper()} {path}: changed since; its sha256 was {entry['sha256']}"
            else:
                continue
            if text not in result.missing:
                result.missing.append(text)


def _absent(path: str) -> str:
    """What is wrong with a recorded path that is no local file."""
    return "not on this machine" if "://" in path else "there is no such file"


def _add_code(result: Reproduction, step: Mapping[str, Any]) -> None:
    """Tells what a step was given that is not of this package, or that no file can hold."""
    if not step["class"].startswith(f"{_PACKAGE}."):
        result.other_code.append(f"{step['name']}: {step['class']}")
    for key, value in step["parameters"].items():
        for item in value if isinstance(value, list) else [value]:
            if is_in_memory(item):
                result.missing.append(f"{step['name']}.{key}: {item}, which the run was given")
            elif key in _HOOKS:
                result.other_code.append(f"{step['name']}.{key}: {item}")


def is_in_memory(value: Any) -> bool:
    """Whether a record has a value, or a list of them, for something that no file can hold."""
    if isinstance(value, list):
        return any(is_in_memory(item) for item in value)
    return isinstance(value, str) and value.startswith(IN_MEMORY)


def _installed(name: str) -> str | None:
    if name == "python":
        return platform.python_version()
    if name == "romancal-rs":
        return software_version()
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def write(reproduction: Reproduction, path: str | os.PathLike[str]) -> Path:
    """Writes the parameter file.

    Raises
    ------
    ParameterError
        If the name is not that of a parameter file.
    """
    if not os.fspath(path).endswith(".asdf"):
        raise ParameterError(f"{path}: a parameter file is written as .asdf")
    return config.write(reproduction.parameters, path)
