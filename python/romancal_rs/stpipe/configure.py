"""Where the value of a parameter comes from, and which source wins.

From the strongest to the weakest: the command line or the arguments of ``call``; the parameter file
that the user names; the step files that this one names (``config_file``); parameter references
(``pars-...``) of the reference store, those of the pipeline before those of its steps; the
pipeline's own defaults; the step's. The weakest are set first, and the stronger over them.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from . import config as config_files
from .config import StepConfig
from .parameters import Parameter, ParameterError, ParameterSpec, Setting
from .registry import canonical_path

if TYPE_CHECKING:
    from .pipeline import Pipeline
    from .step import Step

#: Set to one of these, the environment variable turns parameter references off.
_TRUE = ("1", "true", "t", "yes", "y")
DISABLE_VARIABLE = "STPIPE_DISABLE_CRDS_STEPPARS"


def build(
    step_class: type[Step],
    input: Any = None,
    *,
    config: StepConfig | None = None,
    parameters: Mapping[str, Any] | None = None,
    parameter_references: bool = True,
) -> Step:
    """Makes a step with the parameters of all sources.

    Parameters
    ----------
    step_class : type
    input : path, file object or data model, optional
        What the step is going to run on: parameter references are chosen for it.
    config : StepConfig, optional
        The parameter file that the user names.
    parameters : dict, optional
        What the user gives directly; ``steps`` is a dictionary of such dictionaries.
    parameter_references : bool
        Whether to look for parameter references in the reference store.

    Raises
    ------
    ParameterError
        If a value is wrong; the message names the source.
    """
    config = config or StepConfig()
    parameters = dict(parameters or {})
    _check_class(step_class, config)
    step = step_class(name=config.name)
    disabled = os.environ.get(DISABLE_VARIABLE, "").lower() in _TRUE
    if parameter_references and not disabled and input is not None:
        source = parameters.get("references") or config.parameters.get("references")
        _apply_parameter_references(step, input, source, config)
    apply_config(step, config)
    step.set_parameters(parameters)
    return step


def apply_config(step: Step, config: StepConfig, *, from_store: bool = False) -> None:
    """Sets the parameters that a parameter file gives to a step and to the steps of a pipeline.

    Parameters
    ----------
    step : Step
        Changed in place.
    config : StepConfig
    from_store : bool
        Whether a reference store chose the file, not the user: it may then set parameters, but
        name no code.
    """
    from .pipeline import Pipeline

    settings = dict(config.parameters)
    named = settings.pop("config_file", None)
    if named is not None:
        _refuse_from_store(from_store, named, "config_file")
        path = os.path.join(config.directory or "", str(named.value))
        try:
            file = config_files.load(path)
        except FileNotFoundError:
            raise ParameterError(
                f"{step.name}: config_file = {named.value!r} ({named.origin}): there is no {path}"
            ) from None
        _check_class(type(step), file)
        apply_config(step, file)
    if config.path is not None and not from_store:
        step.config_file = config.path
    for name, setting in settings.items():
        if name in ("pre_hooks", "post_hooks") and setting.value:
            _refuse_from_store(from_store, setting, name)
        _set(step, name, setting, config.directory)
    for sub_config in config.steps:
        if not isinstance(step, Pipeline):
            raise ParameterError(f"{config.path}: {step.name} is a step, and has no steps itself")
        sub_step = _sub_step(step, sub_config)
        if not from_store:
            _check_class(type(sub_step), sub_config)
        apply_config(sub_step, sub_config, from_store=from_store)


def _set(step: Step, name: str, setting: Any, directory: str | None) -> None:
    if name in step.parameters.sections:
        setattr(step, name, _absolute_section(step.parameters.sections[name], setting, directory))
    elif name in step.parameters:
        setattr(step, name, _absolute(step.parameters[name], setting, directory))
    else:
        origin = setting.origin if isinstance(setting, Setting) else f"section [{name}]"
        raise step.parameters.unknown(name, step.name, origin=origin)


def _absolute(parameter: Parameter, setting: Setting, directory: str | None) -> Setting:
    """A relative path in a file is relative to that file."""
    value = setting.value
    is_relative = isinstance(value, str) and value not in ("", "N/A") and directory is not None
    if parameter.is_path and is_relative:
        return Setting(os.path.join(str(directory), str(value)), setting.origin)
    return setting


def _absolute_section(
    spec: ParameterSpec, values: Mapping[str, Any], directory: str | None
) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for name, value in values.items():
        if name in spec.sections:
            result[name] = _absolute_section(spec.sections[name], value, directory)
        else:
            result[name] = _absolute(spec[name], value, directory) if name in spec else value
    return result


def _sub_step(pipeline: Pipeline, config: StepConfig) -> Step:
    """The step that a part of a parameter file means: by its name, else by its class."""
    if config.name is not None:
        return pipeline.step(config.name)
    wanted = canonical_path(config.class_name or "").rpartition(".")[2]
    names = [name for name, cls in pipeline.step_defs.items() if cls.__name__ == wanted]
    if len(names) != 1:
        what = "no step" if not names else "several steps"
        raise ParameterError(
            f"{config.path}: {pipeline.name} has {what} of class {config.class_name}; "
            f"give its name: {', '.join(names or pipeline.step_defs)}"
        )
    return pipeline.step(names[0])


def _check_class(step_class: type[Step], config: StepConfig) -> None:
    """Checks that a parameter file is for this class, or for one that it derives from."""
    if config.class_name is None:
        return
    wanted = canonical_path(config.class_name).rpartition(".")[2]
    if wanted not in [base.__name__ for base in step_class.__mro__]:
        raise ParameterError(
            f"{config.path} is for {config.class_name}, not for {step_class.__name__}"
        )


def _refuse_from_store(from_store: bool, setting: Setting, name: str) -> None:
    if from_store:
        raise ParameterError(
            f"{name} = {setting.value!r} ({setting.origin}): a parameter reference may set "
            "parameters, but name no code and no files to load"
        )


def _apply_parameter_references(step: Step, input: Any, source: Any, config: StepConfig) -> None:
    """Sets what the parameter references of the store give: of the steps, then of the pipeline."""
    from .. import references
    from .pipeline import Pipeline

    if isinstance(source, Setting):
        value = source.value
        given = value not in (None, "", "None")
        source = os.path.join(config.directory or "", str(value)) if given else None
    store = references.open_store(source)
    if store is None or not store.has_parameters:
        return
    from .. import datamodels

    with datamodels.open(input) as model:
        keys = references.ExposureKeys.from_model(model)
    steps: list[Step] = [step]
    if isinstance(step, Pipeline):
        steps = [*(step.step(name) for name in step.step_defs), step]
    for target in steps:
        path = store.find_parameters(_reference_names(target), keys)
        if path is not None:
            target.log.info("Parameters from %s", path)
            apply_config(target, config_files.load(path), from_store=True)


def _reference_names(step: Step) -> list[str]:
    """What a parameter reference of a step may be called: ``pars-jumpstep``, or ``pars-jump``."""
    names = [type(step).__name__.lower(), step.name.lower()]
    if step.class_alias:
        names.append(step.class_alias)
    return [f"PARS-{name.upper()}" for name in dict.fromkeys(names)]
