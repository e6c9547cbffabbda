"""Pre- and post-hooks: what a user has run right before and right after a step's own work."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..errors import RomancalError
from . import registry, runlog
from .base import StepBase
from .importing import import_object
from .parameters import ParameterError

if TYPE_CHECKING:
    from .step import Step

_DOTTED_PATH = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)+")


class HookError(RomancalError):
    """A hook failed; the message names it and its step, and the error's cause is its own error."""


@dataclass(frozen=True)
class _Hook:
    """One entry of ``pre_hooks`` or ``post_hooks``: what to run, and what to call it."""

    label: str
    target: StepBase | Callable[..., Any]


def run_pre_hooks(step: Step, args: tuple[Any, ...]) -> tuple[Any, ...]:
    """Runs the hooks before a step.

    Parameters
    ----------
    step : Step
        Of the outermost step of a run, all hooks of all its steps are looked up first: a wrong
        name is an error before anything has run.
    args : tuple
        What the step is run with. A hook that is a Step gets a copy of a model that the caller of
        the run owns; a function gets the very object.

    Returns
    -------
    tuple
        What ``process`` is to get.

    Raises
    ------
    ParameterError
        If an entry is nothing that can be run.
    HookError
        If a hook fails.
    """
    is_outermost = step._is_outermost()
    if is_outermost:
        check_hooks(step)
    of_caller = args if is_outermost else ()
    for hook in _hooks(step, "pre"):
        if _is_python_step(hook.target):
            args = tuple(_copy_if_in(of_caller, arg) for arg in args)
        value = _run(hook, step, args, args)
        if isinstance(value, tuple):
            args = value
        elif value is not None:
            args = (value, *args[1:])
    return args


def run_post_hooks(step: Step, result: Any) -> Any:
    """Runs the hooks after a step.

    Parameters
    ----------
    step : Step
    result : object
        What ``process`` returned: one object, or a list or tuple of several. Each hook gets it as
        one list, which it may change in place.

    Returns
    -------
    object
        What the step is to return.

    Raises
    ------
    ParameterError
        If an entry is nothing that can be run.
    HookError
        If a hook fails.
    """
    for hook in _hooks(step, "post"):
        results = step._as_list(result)
        value = _run(hook, step, (results,), tuple(results))
        if value is None or value is results:
            result = _from_list(results, result)
        elif isinstance(value, list | tuple) and len(value) == 1:
            result = value[0]
        else:
            result = value
    return result


def check_hooks(step: Step) -> None:
    """Looks up the hooks of a step and of all steps in it, without running any.

    Raises
    ------
    ParameterError
        If an entry is nothing that can be run. The hooks of skipped steps do not matter.
    """
    if step.skip:
        return
    for kind in ("pre", "post"):
        _hooks(step, kind)
    for substep in step.substeps():
        check_hooks(substep)


# --- from an entry to what it means


def _hooks(step: Step, kind: str) -> list[_Hook]:
    hooks = []
    for number, entry in enumerate(getattr(step, f"{kind}_hooks"), start=1):
        label = f"{kind}-hook {number} ({_describe(entry)})"
        try:
            hooks.append(_Hook(label, _target(step, entry)))
        except ParameterError as error:
            raise ParameterError(f"{_full_name(step)}: {label}: {error}") from error
    return hooks


def _target(step: Step, entry: Any) -> StepBase | Callable[..., Any]:
    found = _find(step, entry.strip()) if isinstance(entry, str) else entry
    if isinstance(found, str):
        return step.hook_of_command(found)
    if isinstance(found, type):
        if issubclass(found, StepBase):
            return found(parent=step)
        raise ParameterError("a class, but no Step; give a Step, a function or a shell command")
    if isinstance(found, StepBase) and any(found is owner for owner in _owners(step)):
        raise ParameterError("a step cannot be a hook of itself")
    if callable(found):
        return found
    raise ParameterError(
        f"a {type(found).__name__}; give the path of a Step class or of a function, "
        "one of these itself, or a shell command"
    )


def _find(step: Step, entry: str) -> object:
    """What a path stands for; a string that is no path is a shell command, and comes back."""
    import shutil

    if not entry:
        raise ParameterError("empty; give the path of a Step class or of a function, or a command")
    if not _DOTTED_PATH.fullmatch(entry):
        return entry
    try:
        return import_object(registry.canonical_path(entry), _directories(step))
    except ParameterError as error:
        if shutil.which(entry) is not None:
            return entry
        advice = f"; to run the file of that name, write ./{entry}" if os.path.exists(entry) else ""
        raise ParameterError(f"no class or function: {error}{advice}") from error


def _directories(step: Step) -> list[str]:
    """Where the parameter files of a step and of the pipelines around it lie."""
    files = [owner.config_file for owner in _owners(step) if owner.config_file is not None]
    return list(dict.fromkeys(os.path.dirname(os.path.abspath(file)) for file in files))


def _owners(step: Step | None) -> Iterator[Step]:
    """The step and the pipelines around it, from the inside out."""
    while step is not None:
        yield step
        step = step.parent


def _describe(entry: Any) -> str:
    if isinstance(entry, str):
        return entry.strip()
    if hasattr(entry, "__qualname__"):
        return f"{getattr(entry, '__module__', None) or 'builtins'}.{entry.__qualname__}"
    return f"{type(entry).__name__} {getattr(entry, 'name', '')}".strip()


def _full_name(step: Step) -> str:
    return step.qualified_name.removeprefix(f"{runlog.LOGGER_NAME}.")


# --- running


def _run(hook: _Hook, step: Step, args: tuple[Any, ...], one_by_one: tuple[Any, ...]) -> Any:
    """Runs a hook: a command with the values one by one, anything else with `args`."""
    target = hook.target
    try:
        if not isinstance(target, StepBase):
            step.log.info("Running %s", hook.label)
            return target(*args)
        if target.skip:
            step.log.info("Skipped %s: its skip parameter is set", hook.label)
            return None
        step.log.info("Running %s", hook.label)
        values = one_by_one if target.is_command else args
        return target._run_within(step._run, values, host=step)
    except (Exception, SystemExit) as error:  # a hook's sys.exit(0) must not pass for success
        raise HookError(
            f"{_full_name(step)}: {hook.label} failed: {type(error).__name__}: {error}"
        ) from error


def _is_python_step(target: Any) -> bool:
    return isinstance(target, StepBase) and not target.is_command and not target.skip


def _copy_if_in(of_caller: tuple[Any, ...], arg: Any) -> Any:
    """Steps inside others change the models that they get in place: not those of the caller."""
    is_model = hasattr(arg, "meta") and hasattr(arg, "copy")
    return arg.copy() if is_model and any(arg is item for item in of_caller) else arg


def _from_list(results: list[Any], before: Any) -> Any:
    """The result for a list that a hook may have changed, of the kind that it was before."""
    if isinstance(before, list):
        return results
    if isinstance(before, tuple):
        return tuple(results)
    if len(results) == 1:
        return results[0]
    return tuple(results) or None
