"""A step: one piece of work on a data model, with parameters, a log and a place to save to."""

from __future__ import annotations

import inspect
import logging
import os
import time
from collections.abc import Callable, Mapping
from copy import copy
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from .._files import local_path
from ..errors import ArgumentTypeError, nearest
from . import elsewhere, hooks, output, runlog
from . import run as runs
from .parameters import REQUIRED, ParameterError, ParameterSpec, Section, Setting
from .run import Call, Run, RunError, StepReport

if TYPE_CHECKING:
    from .checkpoint import Checkpoint


#: Why a step that is not to run is skipped.
SKIP_IS_SET = "its skip parameter is set"


class _StepType(type):
    """Reads a class's spec once, and closes an instance to misspelt attributes once it is made."""

    parameters: ParameterSpec
    #: What a pipeline's spec has under [steps] [[name]]: other defaults for its steps.
    step_defaults: dict[str, ParameterSpec]

    def __init__(cls, name: str, bases: tuple[type, ...], namespace: dict[str, Any]) -> None:
        super().__init__(name, bases, namespace)
        cls.parameters = ParameterSpec.of_class(cls)
        cls.step_defaults = cls.parameters.sections.pop("steps", ParameterSpec()).sections
        steps = namespace.get("step_defs", getattr(cls, "step_defs", {}))
        for step in cls.step_defaults:
            if step not in steps:
                raise ParameterError(
                    f"{name}: spec of [steps]: no step {step!r}{nearest(step, steps)}"
                )

    def __call__(cls, *args: Any, **kwargs: Any) -> Any:
        step = super().__call__(*args, **kwargs)
        step._made = True
        return step


class Step(metaclass=_StepType):
    """Base class of all steps: subclasses give ``process``, and may give ``spec``.

    A step holds its parameters, and nothing of its runs: one object may run in several threads at
    once, and be sent to other processes (see `Run`).

    Parameters
    ----------
    name : str, optional
        Used in log messages; the class name by default.
    parent : Step, optional
        The pipeline that the step is part of.
    config_file : path, optional
        The parameter file that the step was configured with.
    **parameters
        Values for the parameters that ``spec`` declares.

    Raises
    ------
    ParameterError
        If a parameter is unknown, or its spec forbids the value.
    """

    spec = """
        input_dir = directory(default=None, role=place)  # Of the input, where its name has none
        output_dir = directory(default=None, role=place)  # Of output files, made when missing
        output_ext = string(default='.asdf', role=saving)  # Extension of output files
        output_file = output_file(default=None, role=place)  # To derive the output's name from
        output_use_index = boolean(default=True, role=saving)  # Number several results
        output_use_model = boolean(default=False, role=saving)  # Name it after meta.filename
        pre_hooks = hooks(default=list())  # What runs before the step: classes, functions, commands
        post_hooks = hooks(default=list())  # What runs after it
        save_results = boolean(default=False, role=saving)  # Save the result
        search_output_file = boolean(default=True, role=saving)  # Use the pipeline's output_file
        skip = boolean(default=False)  # Skip this step
        suffix = string(default=None, role=saving)  # What the output's name ends with
    """

    #: Short name of the class on the command line.
    class_alias: ClassVar[str | None] = None
    #: Further names of it there, and in the pipelines that have it.
    other_aliases: ClassVar[tuple[str, ...]] = ()
    #: What the names of its products end with, unless the suffix parameter says otherwise.
    default_suffix: str | None = None
    #: What else names may end with that it takes or made: it gives way to the suffix of a product.
    other_suffixes: ClassVar[tuple[str, ...]] = ()
    reference_file_types: ClassVar[list[str]] = []

    _made = False

    def __init__(
        self,
        name: str | None = None,
        parent: Step | None = None,
        config_file: str | os.PathLike[str] | None = None,
        **parameters: Any,
    ) -> None:
        self.name = name or type(self).__name__
        self._parent = parent
        self.config_file = None if config_file is None else os.fspath(config_file)
        for key, parameter in self.parameters.items():
            if parameter.default is not REQUIRED:
                self.__dict__[key] = copy(parameter.default)  # no two steps share a list
        for key, section in self.parameters.sections.items():
            self.__dict__[key] = Section(section, f"{self.name}.{key}")
        self.set_parameters(parameters)

    # --- parameters

    def set_parameters(self, values: Mapping[str, Any]) -> None:
        """Sets several parameters; an unknown name is an error that names the nearest."""
        for key, value in values.items():
            if key not in self.parameters and key not in self.parameters.sections:
                raise self.unknown_parameter(key, value)
            setattr(self, key, value)

    def unknown_parameter(self, name: str, value: Any = None) -> Any:
        """The error for a value that is given to a parameter that the step has not."""
        return self.parameters.unknown(
            name,
            self.name,
            tuple(self.__dict__),
            origin=value.origin if isinstance(value, Setting) else "",
            version=elsewhere.version_with(type(self), name),
        )

    def __setattr__(self, name: str, value: Any) -> None:
        parameter = self.parameters.get(name)
        if parameter is not None:
            value = parameter.validate(value, self.name)
        elif name in self.parameters.sections:
            self.__dict__[name].set_all(value)
            return
        elif self._is_closed_to(name):
            raise self.unknown_parameter(name)
        super().__setattr__(name, value)

    def _is_closed_to(self, name: str) -> bool:
        """A step's own code may set what it likes; from outside it is most likely a typo."""
        if not self._made or name.startswith("_") or runs.call_of(self) is not None:
            return False
        return name not in self.__dict__ and not hasattr(type(self), name)

    def __getattr__(self, name: str) -> Any:
        if name in type(self).parameters:
            raise ParameterError(
                f"{self.__dict__.get('name', type(self).__name__)}: {name} has no default: set it"
            )
        raise AttributeError(
            f"{type(self).__name__} has no attribute {name!r}"
            f"{nearest(name, [*type(self).parameters, *self.__dict__])}"
        )

    def get_pars(self) -> dict[str, Any]:
        """All parameters with their values; those that have none yet are left out."""
        names = [*self.parameters, *self.parameters.sections]
        return {name: self.__dict__[name] for name in names if name in self.__dict__}

    @property
    def parent(self) -> Step | None:
        """The pipeline that the step is part of; of a hook that runs, the step around it."""
        call = runs.call_of(self)
        if call is not None and call.host is not None:
            return call.host
        return self.__dict__.get("_parent")

    @property
    def log(self) -> logging.Logger:
        """The step's logger."""
        return runlog.step_logger(self.qualified_name)

    @property
    def qualified_name(self) -> str:
        """Name of the step's logger: ``stpipe.<pipeline>.<step>``."""
        parent = runlog.LOGGER_NAME if self.parent is None else self.parent.qualified_name
        return f"{parent}.{self.name}"

    @property
    def root(self) -> Step:
        """The outermost pipeline that the step is part of, or the step itself."""
        return self if self.parent is None else self.parent.root

    def search_attr(self, name: str) -> Any:
        """The first value that is not None, of the step or the pipelines around it."""
        value = getattr(self, name, None)
        if value is None and self.parent is not None:
            return self.parent.search_attr(name)
        return value

    # --- running

    @classmethod
    def call(
        cls,
        *args: Any,
        config_file: str | os.PathLike[str] | None = None,
        logcfg: str | os.PathLike[str] | None = None,
        **parameters: Any,
    ) -> Any:
        """Makes a step, with parameters from all sources, and runs it.

        Parameters
        ----------
        *args : path, file object or data model
            What ``process`` works on.
        config_file : path, optional
            A parameter file.
        logcfg : path, optional
            A logging configuration file.
        **parameters
            Values of the step's parameters, which win over those of the file;
            ``steps={name: {...}}`` for those of a pipeline's steps.

        Returns
        -------
        object
            The result of ``process``. Nothing is saved unless a parameter asks for it.
        """
        from . import config, configure

        file = None if config_file is None else config.load(config_file)
        input = args[0] if args else None
        step = configure.build(cls, input, config=file, parameters=parameters)
        return Run(step, logcfg=logcfg)(*args)

    @classmethod
    def from_cmdline(cls, arguments: list[str]) -> Step:
        """Runs what a command line says, and saves the result.

        Parameters
        ----------
        arguments : list of str
            As after ``romancal-rs run``; for a class that can run, its name may be left out.

        Returns
        -------
        Step
            The step, after its run.
        """
        from ..cli.run import run_from_cmdline

        return run_from_cmdline(arguments, cls).step

    def export_config(self, path: str | os.PathLike[str]) -> Path:
        """Writes the step's parameters to a parameter file, which runs the same again."""
        from . import config

        return config.dump(self, path)

    def process(self, *args: Any) -> Any:
        """The work itself; every step gives its own."""
        raise NotImplementedError(f"{type(self).__name__} does not define process()")

    def run(self, *args: Any) -> Any:
        """Runs the step: opens its log, does the work, completes the metadata, saves if asked.

        Parameters
        ----------
        *args : path, file object or data model
            What ``process`` works on. A model given by the caller is left as it is: the result
            is another one, sharing the arrays that did not change.

        Returns
        -------
        object
            The result of ``process``; of a skipped step its input, marked SKIPPED.
        """
        run = None if self.parent is None else runs.run_of(self)
        return Run(self)(*args) if run is None else self._run_within(run, args)

    __call__ = run

    def _run_within(
        self,
        run: Run,
        args: tuple[Any, ...],
        host: Step | None = None,
        process: Callable[..., Any] | None = None,
    ) -> Any:
        """Runs the step in a run, as a hook of `host` if there is one.

        `process`, where it is given, does the work in place of the step's own.
        """
        with runs.calling(run, self, host) as call:
            call.input_name = output.name_of_open(args[0]) if args else None
            if args and isinstance(args[0], str | os.PathLike):
                call.input_name = local_path(args[0])
                args = (self._find_input(call.input_name), *args[1:])
            opened = tuple(self.open_input(arg) for arg in args)
            if call.is_outermost:
                run.args = tuple(map(self.recorded_input, args, opened))
            args = opened
            result = self._run_logged(run, args, process)
            if call.is_outermost:
                lines, run.log_lines = run.log_lines, None
                for model in self._as_list(result):
                    self.keep_log(model, lines or [])
                    self.keep_record(model, run.args)
            if self.save_results or self.output_file is not None:
                self._save_result(result)
        return result

    def _is_outermost(self) -> bool:
        """Whether the user called the step, and not a pipeline that it is part of."""
        run = runs.run_of(self)
        return run is None or run.step is self

    @property
    def _run(self) -> Run:
        """The run at hand."""
        run = runs.run_of(self)
        if run is None:
            raise RunError(f"{self.name}: this is for the time of a run, and there is none")
        return run

    @property
    def _call(self) -> Call:
        """The call of this step that goes on, or an empty one."""
        return runs.call_of(self) or Call(Run(self), self, None)

    @property
    def _input_name(self) -> str | None:
        """The path that the step was called with."""
        call = runs.call_of(self)
        return None if call is None else call.input_name

    def run_as(self, process: Callable[..., Any], *args: Any) -> Any:
        """Runs the step within the run at hand, but has a function do the work of ``process``.

        For a pipeline that takes the steps before this one together with it.
        """
        return self._run_within(self._run, args, process=process)

    def run_pre_hooks(self, args: tuple[Any, ...]) -> tuple[Any, ...]:
        """Runs the hooks of a step whose work another does; returns what it gets."""
        with runlog.owner(self.log):
            return hooks.run_pre_hooks(self, args)

    def _run_logged(
        self, run: Run, args: tuple[Any, ...], process: Callable[..., Any] | None
    ) -> Any:
        if self.skip:
            return self.skip_run(args[0] if args else None, SKIP_IS_SET)
        self._notify_start()
        started = time.perf_counter()
        self.log.info("Step %s running", self.name)
        self._check_required()
        self._check_output_dir()
        if run.checkpoint is None:
            result = self._work(args, process)
        else:
            result = run.checkpoint.run(self, args, lambda *args: self._work(args, process))
        seconds = time.perf_counter() - started
        self.log.info("Step %s done in %.2f s", self.name, seconds)
        self._report(self.status_of(result), seconds)
        return result

    def _notify_start(self) -> None:
        run = runs.run_of(self)
        if run is not None:
            run.notify(self, "start")

    def _report(self, status: str, seconds: float) -> None:
        """Reports the end of the step to the run at hand."""
        run = runs.run_of(self)
        if run is not None:
            used = dict(self._call.references_used)
            run.reports.append(StepReport(self.name, status, seconds, used))
            run.notify(self, "end")

    def _work(self, args: tuple[Any, ...], process: Callable[..., Any] | None) -> Any:
        """What the step does with its arguments: hooks, ``process``, and the results' metadata."""
        call = self._call
        with runlog.owner(self.log):
            args = hooks.run_pre_hooks(self, args)
            self._check_number_of_inputs(args)
            self.before_process(args)
            if call.is_outermost:
                call.run.checkpoint = self._open_checkpoint(args)
            try:
                result = (process or self.process)(*args)
            finally:
                if call.is_outermost:
                    call.run.checkpoint = None
            result = hooks.run_post_hooks(self, result)
        for model in self._as_list(result):
            self.finalize_result(model, list(call.references_used.items()))
        return result

    def report_less(self, seconds: float) -> None:
        """Takes off the report of this step, the last so far, what others took of its time [s]."""
        self._run.reports[-1].seconds -= seconds

    def begin_together(self) -> None:
        """Begins a step whose work its pipeline does, together with that of others."""
        runs.begin_together(self)
        self._notify_start()

    def end_together(self, result: Any, skipped: str, seconds: float) -> None:
        """Ends such a step: completes the metadata of the result, in place, and reports.

        Parameters
        ----------
        result : data model
        skipped : str
            Why the step had nothing to do; empty if it had.
        seconds : float
            What it took of the time [s].
        """
        self.mark(result, not skipped)
        if not self.skip:
            self.finalize_result(result, list(self._call.references_used.items()))
        if skipped:
            level = logging.INFO if self.skip else logging.WARNING
            self.log.log(level, "Step %s skipped: %s", self.name, skipped)
        else:
            self.log.info("Step %s done, together with others", self.name)
        self._report("SKIPPED" if skipped else "COMPLETE", seconds)
        runs.end_together(self)

    def skip_run(self, input: Any, reason: str) -> Any:
        """Does not run the step: reports it, and returns its input, marked SKIPPED."""
        self._notify_start()
        self.log.info("Step %s skipped: %s", self.name, reason)
        result = self.skip_input(input)
        self._report("SKIPPED", 0.0)
        return result

    @staticmethod
    def _as_list(result: Any) -> list[Any]:
        if result is None:
            return []
        return list(result) if isinstance(result, list | tuple) else [result]

    def _find_input(self, name: str) -> str:
        if self.input_dir and not os.path.dirname(name):
            return os.path.join(self.input_dir, name)
        return name

    # --- what subclasses for one mission fill in

    def open_input(self, input: Any) -> Any:
        """What ``process`` gets of an input; subclasses open what only they know."""
        return input

    def recorded_input(self, input: Any, opened: Any) -> Any:
        """What the record of a run names as its input, which `open_input` made `opened` of."""
        return opened

    def _open_checkpoint(self, args: tuple[Any, ...]) -> Checkpoint | None:
        """What keeps the results of the steps, where a pipeline has a place for it."""
        return None

    def before_process(self, args: tuple[Any, ...]) -> None:
        """Checks what can go wrong, before the work begins."""

    def skip_input(self, input: Any) -> Any:
        """The result of a step that does not run: its input; subclasses mark it."""
        return input

    def mark(self, model: Any, success: bool) -> None:
        """Records in a model that the step was done, or skipped."""

    def finalize_result(self, model: Any, reference_files_used: list[tuple[str, str]]) -> None:
        """Completes the metadata of a result before it is saved."""

    def keep_log(self, model: Any, lines: list[str]) -> None:
        """Adds the run's log messages to a result before it is saved."""

    def keep_record(self, model: Any, args: tuple[Any, ...]) -> None:
        """Adds what the run was made with to a result before it is saved."""

    def as_saved(self, model: Any, lines: list[str]) -> Any:
        """What to save of a product while the run goes on, with its log messages so far."""
        return model

    def status_of(self, result: Any) -> str:
        """COMPLETE or SKIPPED, for the report of a step that ran."""
        return "COMPLETE"

    def remove_suffix(self, name: str) -> str:
        """Removes a known suffix from a file name without extension."""
        return output.remove_suffix(name)

    # --- saving

    def _check_required(self) -> None:
        for name, parameter in self.parameters.items():
            if parameter.default is REQUIRED:
                getattr(self, name)  # tells that it is to be set

    def _check_number_of_inputs(self, args: tuple[Any, ...]) -> None:
        wanted = inspect.signature(self.process)
        try:
            wanted.bind(*args)
        except TypeError:
            raise ArgumentTypeError(
                f"{self.name} takes {len(wanted.parameters)} input(s) "
                f"({', '.join(wanted.parameters)}), got {len(args)}"
            ) from None

    def _check_output_dir(self) -> None:
        path = self.output_dir
        if path is not None and os.path.exists(path) and not os.path.isdir(path):
            raise ParameterError(f"{self.name}: output_dir = {path!r}: that is a file")

    def _save_result(self, result: Any) -> None:
        if self.skip:
            return
        results = [item for item in self._as_list(result) if hasattr(item, "save")]
        for index, model in enumerate(results):
            numbered = len(results) > 1 and self.output_use_index
            self.save_model(model, index=index if numbered else None)

    def decide_suffix(self, suffix: str) -> None:
        """Says what the product's name ends with, where only ``process`` sees what it is.

        It holds for the run at hand. The ``suffix`` parameter wins over it, and it over
        ``default_suffix``.
        """
        self._call.suffix = suffix

    def make_output_path(
        self, suffix: str | None = None, model: Any = None, index: int | None = None
    ) -> Path:
        """Where a product of this step goes.

        The name derives from ``output_file``, or from the input's name; a known suffix gives way
        to the step's own.
        """
        asked_for = self.search_attr("output_file") if self.search_output_file else self.output_file
        base = asked_for or self.search_attr("_input_name")
        if (self.output_use_model or base is None) and model is not None:
            base = output.usable_name(model.meta.get("filename")) or base
        base = base or f"{self.name}{self.output_ext}"
        suffix = suffix or self.suffix or self._call.suffix or self.default_suffix
        suffix = suffix or type(self).__name__.lower()
        directory = self.search_attr("output_dir")
        if directory is None and asked_for is not None:
            directory = os.path.dirname(asked_for) or None
        return output.output_path(base, suffix, self.output_ext, directory, index)

    def save_model(self, model: Any, suffix: str | None = None, index: int | None = None) -> Path:
        """Saves a product under its derived name."""
        return self.save_to(model, self.make_output_path(suffix, model, index))

    def save_to(self, model: Any, path: str | os.PathLike[str]) -> Path:
        """Saves a product under a name of its own; the name's directory is made when missing."""
        path = Path(local_path(path))
        directory = self.search_attr("output_dir")
        if directory is not None and not path.parent.parts:
            path = Path(directory) / path
        if not path.suffix:
            path = path.with_suffix(self.output_ext)
        path.parent.mkdir(parents=True, exist_ok=True)
        run = runs.run_of(self)
        if run is not None and run.log_lines is not None:
            model = self.as_saved(model, run.log_lines)
        self.write_model(model, path)
        self.log.info("Saved %s", path)
        if run is not None:
            run.saved_files.append(path)
        return path

    def write_model(self, model: Any, path: Path) -> None:
        """Writes a product; subclasses may say how."""
        model.save(path)
