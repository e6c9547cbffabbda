"""Parameter files: what they say, read and written.

A parameter file names a class and gives values to parameters of it, and of its steps where it is a
pipeline::

    #ASDF 1.0.0
    --- !core/asdf-1.1.0
    class: romancal_rs.pipeline.ExposurePipeline
    parameters: {save_calibrated_ramp: true}
    steps:
    - class: romancal_rs.ramp_fitting.RampFitStep
      name: rampfit
      parameters: {rejection_threshold: 5}
    ...

The older form, in ConfigObj's syntax, is read as well::

    class = "romancal_rs.pipeline.ExposurePipeline"
    save_calibrated_ramp = true
    [steps]
      [[rampfit]]
        rejection_threshold = 5

Values are kept as the text that the file holds, with the place where it holds it; the step's spec
gives them their type. Reading a file never runs anything that it names.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import yaml
from configobj import ConfigObj, ConfigObjError

from .. import _yaml_head
from .._files import local_path, open_regular, replacing
from ..errors import one_line
from . import ini
from .parameters import ParameterError, ParameterSpec, Role, Setting

if TYPE_CHECKING:
    from .step import Step

#: Says where an option is, by the names of the sections around it and its own.
_Place: TypeAlias = Callable[[Sequence[str]], str]

#: Keys beside the parameters that either form may have.
_ASDF_KEYS = ("class", "name", "parameters", "steps", "meta", "asdf_library", "history")


@dataclass
class StepConfig:
    """What a parameter file, or a part of it, says about one step.

    Attributes
    ----------
    path : str or None
        The file, against whose directory relative paths are meant.
    class_name, name : str or None
    parameters : dict of str to Setting
        Sections of a spec are nested dictionaries.
    steps : list of StepConfig
        Of the steps of a pipeline, each with a name, a class, or both.
    """

    path: str | None = None
    class_name: str | None = None
    name: str | None = None
    parameters: dict[str, Any] = field(default_factory=dict)
    steps: list[StepConfig] = field(default_factory=list)

    @property
    def directory(self) -> str | None:
        return None if self.path is None else os.path.dirname(os.path.abspath(self.path))


def is_parameter_file(name: str) -> bool:
    """Whether a word on the command line means a parameter file, rather than a class."""
    return name.endswith((".asdf", ".cfg", ".yaml", ".yml")) or os.sep in name


def load(path: str | os.PathLike[str]) -> StepConfig:
    """Reads a parameter file.

    Raises
    ------
    FileNotFoundError
        If there is none.
    ParameterError
        If it is not one; the message names the file and, where it can, the line.
    """
    path = local_path(path)
    with open_regular(path) as file:
        start = file.read(5)
        size = os.fstat(file.fileno()).st_size
    if start != _yaml_head.MAGIC and size > _yaml_head.MAX_HEAD_BYTES:
        raise ParameterError(f"{path}: not a parameter file: it has {size} bytes")
    if start == _yaml_head.MAGIC or path.endswith((".asdf", ".yaml", ".yml")):
        return _load_asdf(path, start)
    return _load_configobj(path)


def _load_asdf(path: str, start: bytes) -> StepConfig:
    try:
        if start == _yaml_head.MAGIC:
            text = _yaml_head.read_head_text(Path(path))
        else:
            text = Path(path).read_bytes()
        tree = _yaml_head.parse(text)
    except _yaml_head.HeadError as error:
        raise ParameterError(f"{path}: not a parameter file: {error}") from error
    except yaml.YAMLError as error:
        raise ParameterError(f"{path}: not a parameter file: {_yaml_problem(error)}") from error
    if not isinstance(tree, _yaml_head.Mapping) or tree.get("class") is None:
        raise ParameterError(f"{path}: not a parameter file: it names no class")
    return _asdf_step(path, tree)


def _yaml_problem(error: yaml.YAMLError) -> str:
    """What is wrong with a text that is no YAML, and on which line."""
    mark = getattr(error, "problem_mark", None)
    problem = getattr(error, "problem", None)
    if mark is None or not problem:
        return one_line(error)
    return f"line {mark.line + 1}: {one_line(problem)}"


def _asdf_step(path: str, tree: _yaml_head.Mapping) -> StepConfig:
    for key in tree:
        if key not in _ASDF_KEYS:
            raise ParameterError(
                f"{path}, line {tree.lines[key]}: {key!r} belongs under 'parameters', or is "
                f"none of {', '.join(_ASDF_KEYS)}"
            )
    steps = tree.get("steps") or []
    if isinstance(steps, Mapping):
        raise ParameterError(
            f"{path}, line {tree.lines['steps']}: steps must be a list, each with its class or name"
        )
    config = StepConfig(path, _text(tree, "class", path), _text(tree, "name", path))
    parameters = tree.get("parameters") or {}
    if not isinstance(parameters, _yaml_head.Mapping) and parameters:
        raise ParameterError(
            f"{path}, line {tree.lines['parameters']}: parameters must be a mapping such as "
            f"{{threshold: 5}}, not {parameters!r}"
        )
    config.parameters = _asdf_settings(path, parameters)
    for item in steps:
        if not isinstance(item, _yaml_head.Mapping) or not ("class" in item or "name" in item):
            raise ParameterError(
                f"{path}, line {tree.lines['steps']}: each of the steps needs a class or a name"
            )
        config.steps.append(_asdf_step(path, item))
    return config


def _asdf_settings(path: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
    lines = getattr(parameters, "lines", {})
    return {
        key: _asdf_settings(path, value)
        if isinstance(value, Mapping)
        else Setting(value, f"{path}, line {lines[key]}")
        for key, value in parameters.items()
    }


def _text(tree: _yaml_head.Mapping, key: str, path: str) -> str | None:
    value = tree.get(key)
    if value is not None and not isinstance(value, str):
        raise ParameterError(f"{path}, line {tree.lines[key]}: {key} must be a word, not {value!r}")
    return value


def _load_configobj(path: str) -> StepConfig:
    try:
        text = Path(path).read_text(encoding="utf-8-sig")
        content = ConfigObj(text.splitlines(), interpolation=False, raise_errors=True)
    except (ConfigObjError, UnicodeError) as error:
        raise ParameterError(f"{path}: not a parameter file: {ini.what_is_wrong(error)}") from error
    if "class" not in content:
        raise ParameterError(f"{path}: not a parameter file: it names no class")
    return _configobj_step(path, content, partial(ini.place, path, ini.lines_of_options(text)))


def _configobj_step(
    path: str, section: Mapping[str, Any], place: _Place, within: tuple[str, ...] = ()
) -> StepConfig:
    for key in ("class", "name"):
        if not isinstance(section.get(key, ""), str):
            raise ParameterError(
                f"{place((*within, key))}: {key} must be a word, not {section[key]!r}"
            )
    steps = section.get("steps", {})
    if not isinstance(steps, Mapping) or not all(isinstance(s, Mapping) for s in steps.values()):
        raise ParameterError(
            f"{path}, section [steps]: it must hold a section [[step]] for each step"
        )
    config = StepConfig(path, section.get("class"), section.get("name"))
    config.parameters = _configobj_settings(section, place, within, ("class", "name", "steps"))
    for name, content in steps.items():
        step = _configobj_step(path, content, place, (*within, "steps", name))
        step.name = name
        config.steps.append(step)
    return config


def _configobj_settings(
    section: Mapping[str, Any],
    place: _Place,
    within: tuple[str, ...],
    besides: tuple[str, ...] = (),
) -> dict[str, Any]:
    return {
        key: _configobj_settings(value, place, (*within, key))
        if isinstance(value, Mapping)
        else Setting(None if value == "None" else value, place((*within, key)))
        for key, value in section.items()
        if key not in besides
    }


# --- writing


def dump(step: Step, path: str | os.PathLike[str]) -> Path:
    """Writes all parameters of a step to a parameter file, which runs the same again.

    Raises
    ------
    ParameterError
        If a parameter holds something that no file can: a model in memory, a function without a
        name.
    """
    return write(tree_of(step), path)


def write(tree: dict[str, Any], path: str | os.PathLike[str]) -> Path:
    """Writes what `tree_of` gives as a parameter file."""
    import datetime

    import asdf

    path = Path(local_path(path))
    tree["meta"] = {
        "author": "<SPECIFY>",
        "date": datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%S"),
        "description": f"Parameters for calibration step {tree['class']}",
        "instrument": {"name": "<SPECIFY>"},
        "origin": "<SPECIFY>",
        "pedigree": "<SPECIFY>",
        "reftype": "<SPECIFY>",
        "telescope": "<SPECIFY>",
        "useafter": "<SPECIFY>",
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as file:
        asdf.AsdfFile(tree).write_to(file)
    return path


def tree_of(step: Step, in_memory: Callable[[Any], str] | None = None) -> dict[str, Any]:
    """The content of a parameter file: class, name, all parameters, and the same of the steps.

    Parameters
    ----------
    step : Step
    in_memory : callable, optional
        Gives the text that stands for a value that no file can hold.

    Raises
    ------
    ParameterError
        If there is such a value, and no text for it.
    """
    tree: dict[str, Any] = {
        "class": class_path(type(step)),
        "name": step.name,
        "parameters": {
            name: _writable(step, name, getattr(step, name), step.parameters, in_memory)
            for name in [*step.parameters, *step.parameters.sections]
            if name in step.__dict__
        },
    }
    if step.step_defs:
        tree["steps"] = [tree_of(substep, in_memory) for substep in step.substeps()]
    return tree


def class_path(step_class: type) -> str:
    """The path that a class is found by."""
    return f"{step_class.__module__}.{step_class.__qualname__}"


def _writable(
    step: Step,
    name: str,
    value: Any,
    spec: ParameterSpec,
    in_memory: Callable[[Any], str] | None,
) -> Any:
    if isinstance(value, dict):
        section = spec.sections[name]
        return {key: _writable(step, key, item, section, in_memory) for key, item in value.items()}
    if isinstance(value, list):
        return [_writable(step, name, item, spec, in_memory) for item in value]
    parameter = spec[name]
    if parameter.is_path and isinstance(value, str) and value != "N/A":
        if parameter.type_name == "output_file" and not os.path.dirname(value):
            value = os.path.join(step.search_attr("output_dir") or "", value)
        return os.path.abspath(value)
    if value is None or isinstance(value, str | int | float | bool):
        return value
    qualified = f"{getattr(value, '__module__', '')}.{getattr(value, '__qualname__', '<')}"
    if parameter.role is Role.HOOKS and "<" not in qualified:
        return qualified
    if in_memory is not None:
        return in_memory(value)
    raise ParameterError(
        f"{step.name}: {name} holds a {type(value).__name__} in memory, which a parameter file "
        "cannot; save it to a file and give its path, or give the path of a function"
    )
