"""A step: one piece of work on a data model, with parameters, a log and a place to save to."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from copy import copy
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from .._files import local_path
from ..errors import nearest
from ..references import Match, RunDigests
from . import elsewhere, hooks, logconfig, output, runlog
from .parameters import REQUIRED, ParameterError, ParameterSpec, Section, Setting

if TYPE_CHECKING:
    from .checkpoint import Checkpoint


@dataclass
class StepReport:
    """What one step did in a run."""

    name: str
    status: str
    seconds: float
    references: dict[str, str] = field(default_factory=dict)


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
    _running = False
    #: Whether a run of the outermost step goes on.
    _is_in_run = False

    def __init__(
        self,
        name: str | None = None,
        parent: Step | None = None,
        config_file: str | os.PathLike[str] | None = None,
        **parameters: Any,
    ) -> None:
        self.name = name or type(self).__name__
        self.parent = parent
        self.config_file = None if config_file is None else os.fspath(config_file)
        self.log = runlog.step_logger(self.qualified_name)
        #: What the steps of the last run did, in order; kept by the outermost step.
        self.reports: list[StepReport] = []
        #: Called as `observer(step, event)` when a step starts and ends: "start", "end".
        self.observer: Callable[[Step, str], None] | None = None
        self._input_name: str | None = None
        #: What the run at hand works on.
        self._args: tuple[Any, ...] = ()
        self._references_used: dict[str, str] = {}
        self._matches_used: dict[str, Match] = {}
        #: The references that the run at hand found, kept by the outermost step.
        self._found_references: dict[Any, Any] = {}
        self._stores: dict[Any, Any] = {}
        #: The models of their files by path, open until the run ends.
        self._open_references: dict[str, Any] = {}
        self._digests = RunDigests()
        self._saved: list[Path] = []
        #: The log messages of the run at hand, until they are in its result.
        self._log_lines: list[str] | None = None
        self._checkpoint: Checkpoint | None = None
        self._logcfg: str | os.PathLike[str] | None = None
        self._verbose = False
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
        if not self._made or self._running or name.startswith("_"):
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
        step._logcfg = logcfg
        return step.run(*args)

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
        from ..cli.run import step_from_cmdline

        return step_from_cmdline(arguments, cls)

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
        outermost = self.parent is None
        if outermost:
            self._begin()
        if args and isinstance(args[0], str | os.PathLike):
            self._input_name = local_path(args[0])
            args = (self._find_input(self._input_name), *args[1:])
        args = tuple(self.open_input(arg) for arg in args)
        self._references_used, self._matches_used = {}, {}
        self._args = args
        with self._recorded() if outermost else nullcontext():
            result = self._run_logged(args)
            if outermost:
                lines, self._log_lines = self._log_lines, None
                for model in self._as_list(result):
                    self.keep_log(model, lines or [])
                    self.keep_record(model, args)
            if self.save_results or self.output_file is not None:
                self._save_result(result)
        return result

    def _begin(self) -> None:
        """Forgets what the last run left."""
        self.reports = []
        self._saved = []
        self._forget_references()
        self._input_name = None

    def _forget_references(self) -> None:
        self._close_references()
        self._found_references = {}
        self._stores = {}
        self._digests = RunDigests()

    @contextmanager
    def _recorded(self) -> Iterator[None]:
        """Keeps the run's log messages, and shows them as the user wants."""
        with logconfig.applied(self._logcfg, self._verbose), runlog.recording() as self._log_lines:
            self._is_in_run = True
            try:
                yield
            finally:
                self._log_lines, self._args = None, ()
                self._is_in_run = False
                self._close_references()

    def _close_references(self) -> None:
        self._digests.close()
        for reference in self._open_references.values():
            reference.close()
        self._open_references = {}

    __call__ = run

    def _run_logged(self, args: tuple[Any, ...]) -> Any:
        if self.skip:
            return self.skip_run(args[0] if args else None, "its skip parameter is set")
        self._notify("start")
        started = time.perf_counter()
        self.log.info("Step %s running", self.name)
        self._check_required()
        self._check_output_dir()
        checkpoint = self.root._checkpoint
        if checkpoint is None or self.parent is None:
            result = self._work(*args)
        else:
            result = checkpoint.run(self, args, self._work)
        seconds = time.perf_counter() - started
        self.log.info("Step %s done in %.2f s", self.name, seconds)
        self.root.reports.append(
            StepReport(self.name, self.status_of(result), seconds, dict(self._references_used))
        )
        self._notify("end")
        return result

    def _work(self, *args: Any) -> Any:
        """What the step does with its arguments: hooks, ``process``, and the results' metadata."""
        with runlog.owner(self.log):
            args = hooks.run_pre_hooks(self, args)
            self.before_process(args)
            self._checkpoint = self._open_checkpoint(args)
            self._running = True
            try:
                result = self.process(*args)
            finally:
                self._running = False
                self._checkpoint = None
            result = hooks.run_post_hooks(self, result)
        for model in self._as_list(result):
            self.finalize_result(model, list(self._references_used.items()))
        return result

    def begin_together(self) -> None:
        """Begins a step whose work its pipeline does, together with that of others."""
        self._references_used, self._matches_used = {}, {}
        self._notify("start")

    def end_together(self, result: Any, success: bool, seconds: float) -> None:
        """Ends such a step: completes the metadata of the result, in place, and reports."""
        self.mark(result, success)
        self.finalize_result(result, list(self._references_used.items()))
        status = "COMPLETE" if success else "SKIPPED"
        if success:
            self.log.info("Step %s done, together with others", self.name)
        self.root.reports.append(
            StepReport(self.name, status, seconds, dict(self._references_used))
        )
        self._notify("end")

    def skip_run(self, input: Any, reason: str) -> Any:
        """Does not run the step: reports it, and returns its input, marked SKIPPED."""
        self._notify("start")
        self.log.info("Step %s skipped: %s", self.name, reason)
        result = self.skip_input(input)
        self.root.reports.append(StepReport(self.name, "SKIPPED", 0.0))
        self._notify("end")
        return result

    def _notify(self, event: str) -> None:
        observer = self.root.observer
        if observer is not None:
            observer(self, event)

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
            base = str(model.meta.get("filename") or "") or base
        base = base or f"{self.name}{self.output_ext}"
        suffix = suffix or self.suffix or self.default_suffix or type(self).__name__.lower()
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
        lines = self.root._log_lines
        if lines is not None:
            model = self.as_saved(model, lines)
        self.write_model(model, path)
        self.log.info("Saved %s", path)
        self.root._saved.append(path)
        return path

    def write_model(self, model: Any, path: Path) -> None:
        """Writes a product; subclasses may say how."""
        model.save(path)

    @property
    def saved_files(self) -> list[Path]:
        """The files that the last run wrote, in order."""
        return list(self.root._saved)
