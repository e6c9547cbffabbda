"""Where the value of a parameter comes from, and which source wins.

From the strongest to the weakest: the command line or the arguments of ``call``; the parameter file
that the user names; the step files that this one names (``config_file``); parameter references
(``pars-...``) of the reference store, those of the pipeline before those of its steps; the
pipeline's own defaults; the step's. The weakest are set first, and the stronger over them.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

from .._files import local_path
from ..errors import InputError
from . import config as config_files
from . import elsewhere
from .config import StepConfig
from .parameters import Parameter, ParameterError, ParameterSpec, Setting
from .registry import canonical_path

if TYPE_CHECKING:
    from ..references import Store
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
    store: Store | None = None,
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
    store : Store, optional
        Where to look for them, in place of what the parameters and the environment name.

    Raises
    ------
    ParameterError
        If a value is wrong; the message names the source.
    """
    config = config or StepConfig()
    parameters = dict(parameters or {})
    _check_class(step_class, config)
    step = _configured(step_class(name=config.name), config, parameters)
    if not parameter_references or are_parameter_references_off() or input is None:
        return step
    # Where the store and the input are, is for the stronger sources to say: they come first, to
    # be asked, and again over what the store has.
    from .. import references

    if store is None:
        named = getattr(step, "references", None), getattr(step, "context", None)
        store = references.open_store(*named)
    if store is None or not store.has_parameters:
        return step
    if isinstance(input, str | os.PathLike):
        input = step._find_input(local_path(input))
    weak = step_class(name=config.name)
    _apply_parameter_references(weak, input, store)
    return _configured(weak, config, parameters)


def _configured(step: Step, config: StepConfig, parameters: Mapping[str, Any]) -> Step:
    apply_config(step, config)
    step.set_parameters(parameters)
    return step


def apply_config(
    step: Step, config: StepConfig, *, from_store: bool = False, within: tuple[str, ...] = ()
) -> None:
    """Sets the parameters that a parameter file gives to a step and to the steps of a pipeline.

    Parameters
    ----------
    step : Step
        Changed in place.
    config : StepConfig
    from_store : bool
        Whether a reference store chose the file, not the user: it may then set parameters, but
        name no code; steps and parameters that this package lacks are ignored, with a warning.
    within : tuple of str
        The files whose ``config_file`` led here.
    """
    settings = dict(config.parameters)
    named = settings.pop("config_file", None)
    if named is not None:
        _refuse_from_store(from_store, named, "config_file")
        file = _step_file(step, named, config.directory, within)
        apply_config(step, file, within=(*within, os.path.realpath(str(file.path))))
    if config.path is not None and not from_store:
        step.config_file = config.path
    for name, setting in settings.items():
        if name in ("pre_hooks", "post_hooks") and isinstance(setting, Setting) and setting.value:
            _refuse_from_store(from_store, setting, name)
        if isinstance(setting, Setting) and elsewhere.changes_nothing(
            type(step), name, setting.value
        ):
            continue
        if from_store:
            setting = _without_unknown(step, step.parameters, name, setting)
        if setting is not None:
            _set(step, name, setting, config.directory)
            if from_store and name == "skip" and step.skip:
                step.skipped_by = os.fspath(config.path or "")
    for sub_config in config.steps:
        if not step.step_defs:
            raise ParameterError(f"{config.path}: {step.name} is a step, and has no steps itself")
        try:
            sub_step = _sub_step(cast("Pipeline", step), sub_config)
        except ParameterError as error:
            if not from_store:
                raise
            step.log.warning("%s: %s: ignored", config.path, error)
            continue
        if sub_step is None:
            continue
        if not from_store:
            _check_class(type(sub_step), sub_config)
        apply_config(sub_step, sub_config, from_store=from_store)


def _step_file(
    step: Step, named: Any, directory: str | None, within: tuple[str, ...]
) -> StepConfig:
    """The parameter file that ``config_file`` in another one names."""
    if not isinstance(named, Setting) or not isinstance(named.value, str):
        raise ParameterError(f"{step.name}: config_file must be the name of a file, not {named!r}")
    path = os.path.join(directory or "", local_path(named.value))
    given = f"{step.name}: config_file = {named.value!r} ({named.origin})"
    if os.path.realpath(path) in within:
        raise ParameterError(f"{given}: that file names itself")
    try:
        file = config_files.load(path)
    except OSError as error:
        reason = "there is no" if isinstance(error, FileNotFoundError) else f"{error.strerror}:"
        raise ParameterError(f"{given}: {reason} {path}") from None
    _check_class(type(step), file)
    return file


def _set(step: Step, name: str, setting: Any, directory: str | None) -> None:
    if isinstance(setting, Mapping) and name in step.parameters:
        raise ParameterError(f"{step.name}: {name} must be a value, not a section: {dict(setting)}")
    if name in step.parameters.sections and not isinstance(setting, Mapping):
        raise ParameterError(
            f"{step.name}: {name} = {setting.value!r} ({setting.origin}): that is a section; give "
            "a mapping of its parameters"
        )
    if name in step.parameters.sections:
        setattr(step, name, _absolute_section(step.parameters.sections[name], setting, directory))
    elif name in step.parameters:
        setattr(step, name, _absolute(step.parameters[name], setting, directory))
    else:
        given = setting if isinstance(setting, Setting) else Setting(setting, f"section [{name}]")
        raise step.unknown_parameter(name, given)


def _without_unknown(step: Step, spec: ParameterSpec, name: str, setting: Any) -> Any:
    """What is known here of a setting in a file that a store chose, or None: warns of the rest."""
    if name in spec.sections and isinstance(setting, Mapping):
        section = spec.sections[name]
        known = {key: _without_unknown(step, section, key, value) for key, value in setting.items()}
        return {key: value for key, value in known.items() if value is not None}
    if name in spec or name in spec.sections:
        return setting
    origin = setting.origin if isinstance(setting, Setting) else f"section [{name}]"
    version = elsewhere.version_with(type(step), name)
    of_version = "" if version is None else f"it is one of {version}, and "
    step.log.warning("%s has no parameter %r (%s): %signored", step.name, name, origin, of_version)
    return None


def _absolute(parameter: Parameter, setting: Setting, directory: str | None) -> Setting:
    """A relative path in a file is relative to that file."""
    if setting.value == "None" or isinstance(setting.value, os.PathLike):
        return setting
    try:
        return Setting(parameter.located(setting.value, directory), setting.origin)
    except InputError:  # told by the parameter, with its name
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


def _sub_step(pipeline: Pipeline, config: StepConfig) -> Step | None:
    """The step that a part of a parameter file means: by its name, else by its class.

    None if it is one of other software, and skipped.
    """
    name = config.name or elsewhere.step_of_class(config.class_name or "")
    if name is not None and pipeline.is_absent(name):
        pipeline.check_skipped(name, config.parameters.get("skip"))
        return None
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
            "parameters, but may not name code or files to load"
        )


def _apply_parameter_references(step: Step, input: Any, store: Store) -> None:
    """Sets what the parameter references of the store give: of the steps, then of the pipeline."""
    from .. import datamodels, references

    try:
        with datamodels.open(input) as model:
            keys = references.ExposureKeys.from_model(model)
    except (OSError, AttributeError, TypeError, ValueError):
        return  # the run finds the same fault of the input, and says what is wrong with it
    for target in (*step.substeps(), step):
        path = store.find_parameters(reference_names(target), keys)
        if path is not None:
            target.log.info("Parameters from %s", path)
            try:
                apply_config(target, config_files.load(path), from_store=True)
            except ParameterError as error:
                raise ParameterError(
                    f"{error}. A reference store chose this file; without such files: "
                    f"--disable-crds-steppars, or {DISABLE_VARIABLE}=true"
                ) from error


def are_parameter_references_off() -> bool:
    """Whether the environment turns parameter references off."""
    return os.environ.get(DISABLE_VARIABLE, "").lower() in _TRUE


def reference_names(step: Step) -> list[str]:
    """What a parameter reference of a step may be called: ``pars-jumpstep``, or ``pars-jump``."""
    names = [type(step).__name__.lower(), step.name.lower()]
    if step.class_alias:
        names.append(step.class_alias)
    return [f"PARS-{name.upper()}" for name in dict.fromkeys(names)]
