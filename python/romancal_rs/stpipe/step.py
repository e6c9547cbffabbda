"""A step: one piece of work on a data model, with parameters, a log and a place to save to."""

from __future__ import annotations

import inspect
import logging
import os
import time
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .._files import local_path
from ..errors import ArgumentTypeError
from . import calls, hooks, output, runlog
from .calls import Call
from .parameters import REQUIRED
from .progress import READ
from .run import Run, RunError, StepReport
from .saving import SavingStep

if TYPE_CHECKING:
    from .checkpoint import Checkpoint


#: Why a step that is not to run is skipped.
SKIP_IS_SET = "its skip parameter is set"


class Step(SavingStep):
    """Base class of all steps: subclasses give ``process``, and may give ``spec``.

    A step holds only its parameters. What belongs to a run is in a `Run`, so that one step may run
    in several threads at the same time, and may be sent to other processes.

    Raises
    ------
    ParameterError
        If a parameter is unknown, or its spec forbids the value.
    """

    spec = """
        input_dir = directory(default=None, role=place)  # Directory of inputs named without one
        pre_hooks = hooks(default=list())  # What runs before the step: classes, functions, commands
        post_hooks = hooks(default=list())  # What runs after the step
        skip = boolean(default=False)  # Skip this step
    """

    # --- made, and run, with parameters from all sources

    @classmethod
    def call(
        cls,
        *args: Any,
        config_file: str | os.PathLike[str] | None = None,
        logcfg: str | os.PathLike[str] | None = None,
        **parameters: Any,
    ) -> Any:
        """Make a step, with parameters from all sources, and run it.

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

        Examples
        --------
        >>> from romancal_rs.pipeline import ExposurePipeline
        >>> image = ExposurePipeline.call("exposure_uncal.asdf", references="references")
        >>> image.meta.cal_step.ramp_fit
        'COMPLETE'
        """
        from . import config, configure

        file = None if config_file is None else config.load(config_file)
        input = args[0] if args else None
        step = configure.build(cls, input, config=file, parameters=parameters)
        return Run(step, logcfg=logcfg)(*args)

    @classmethod
    def from_cmdline(cls, arguments: list[str]) -> Step:
        """Run what a command line says, and save the result.

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
        """Write the step's parameters to a parameter file, which repeats the run.

        Parameters
        ----------
        path : str or path
            Name of the file; its directory must exist.

        Returns
        -------
        path
            Where the file was written.
        """
        from . import config

        return config.dump(self, path)

    # --- running

    def load_modules(self) -> None:
        """Import modules that several threads must not import at the same time."""

    def process(self, *args: Any) -> Any:
        """Do the work of the step; every step defines it.

        Parameters
        ----------
        *args : object
            The inputs: usually one data model.

        Returns
        -------
        object
            The result: usually a data model.
        """
        raise NotImplementedError(f"{type(self).__name__} does not define process()")

    def run(self, *args: Any) -> Any:
        """Run the step: open its log, do the work, complete the metadata, save if asked.

        Parameters
        ----------
        *args : path, file object or data model
            What ``process`` works on. A model given by the caller is left as it is: the result
            is another one, sharing the arrays that did not change.

        Returns
        -------
        object
            The result of ``process``; of a skipped step its input, marked SKIPPED.

        Examples
        --------
        >>> from romancal_rs.dq_init import DQInitStep
        >>> step = DQInitStep(references="references")
        >>> ramp = step.run("exposure_uncal.asdf")
        >>> ramp.meta.cal_step.dq_init
        'COMPLETE'
        """
        run = None if self.parent is None else calls.run_of(self)
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
        with calls.calling(run, self, host) as call:
            call.input_name = output.name_of_open(args[0]) if args else None
            if args and isinstance(args[0], str | os.PathLike):
                call.input_name = local_path(args[0])
                args = (self._find_input(call.input_name), *args[1:])
            opened = tuple(self.open_input(arg) for arg in args)
            if call.is_outermost:
                run.args = tuple(map(self.recorded_input, args, opened))
            args = opened
            with run.timed(self.name):
                result = self._run_logged(run, args, process)
            if call.is_outermost:
                lines, run.log_lines = run.log_lines, None
                for model in self._as_list(result):
                    self.keep_log(model, lines or [])
                    self.keep_record(model, run.args)
            if not self.skip and (self.save_results or self.output_file is not None):
                self._save_result(result)
        return result

    def _is_outermost(self) -> bool:
        """Whether the user called the step, and not a pipeline that it is part of."""
        run = calls.run_of(self)
        return run is None or run.step is self

    @property
    def _run(self) -> Run:
        """The run at hand."""
        run = calls.run_of(self)
        if run is None:
            raise RunError(
                f"{self.name}: this works only during a run: "
                "run(...) and call(...) make one, process(...) does not"
            )
        return run

    @property
    def _call(self) -> Call:
        """The call of this step that goes on, or an empty one."""
        return calls.call_of(self) or Call(Run(self), self, None)

    def run_as(self, process: Callable[..., Any], *args: Any) -> Any:
        """Run the step within the current run, with another function in place of ``process``.

        For a pipeline that takes the steps before this one together with it.

        Parameters
        ----------
        process : callable
            Does the work; takes `args`.
        *args : object
            The inputs of the step.

        Returns
        -------
        object
            What `process` returned.
        """
        return self._run_within(self._run, args, process=process)

    def hook_of_command(self, command: str) -> Step:
        """The step that runs a shell command as a hook of this one.

        Parameters
        ----------
        command : str
            The command, see `SystemCall`.

        Returns
        -------
        Step
        """
        from . import subproc

        return subproc.hook_of_command(command, self)

    def _run_logged(
        self, run: Run, args: tuple[Any, ...], process: Callable[..., Any] | None
    ) -> Any:
        if self.skip:
            return self.skip_run(args[0] if args else None, self.why_skip_is_set())
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
        run = calls.run_of(self)
        if run is not None:
            run.notify(self, "start")

    def _report(self, status: str, seconds: float) -> None:
        """Reports the end of the step to the run at hand."""
        run = calls.run_of(self)
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
            with call.run.timed(READ) if call.is_outermost else nullcontext():
                self.before_process(args)  # which opens files, and looks for those of references
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
        """Subtract the time that other steps took from the last report of this step.

        Parameters
        ----------
        seconds : float
            The time [s].
        """
        self._run.reports[-1].seconds -= seconds

    def begin_together(self) -> None:
        """Begin a step whose work the pipeline does together with that of other steps."""
        calls.begin_together(self)

    def leave_together(self) -> None:
        """End the call of a step of `begin_together`, if it has not ended yet."""
        calls.end_together(self)

    def end_together(self, result: Any, skipped: str, seconds: float) -> None:
        """End a step of `begin_together`: complete the metadata of the result in place.

        Parameters
        ----------
        result : data model
            The result, which all these steps made together.
        skipped : str
            Why the step had nothing to do; empty if it had.
        seconds : float
            What it took of the time [s].
        """
        self._notify_start()
        self.mark(result, not skipped, skipped)
        if not self.skip:
            self.finalize_result(result, list(self._call.references_used.items()))
        status = self.status_of(result)
        if skipped:
            self.tell_skipped(status, skipped)
        else:
            self.log.info("Step %s done, together with others", self.name)
        self._report(status, seconds)
        calls.end_together(self)

    def tell_skipped(self, status: str, reason: str, *, is_usual: bool = False) -> None:
        """Log that the step does not run, as a warning unless that is expected.

        Parameters
        ----------
        status : str
            What its entry says: SKIPPED, or N/A for an exposure that it is not for.
        reason : str
            Why it does not run, in a few words.
        is_usual : bool
            Whether the step says that it is as it should be.
        """
        self._log_skipped(reason, is_usual=is_usual or self.skip or status == "N/A")

    def _log_skipped(self, reason: str, *, is_usual: bool) -> None:
        # What a file has set that the user did not name may come as a surprise.
        is_surprise = self.skip and self.skipped_by is not None
        level = logging.INFO if is_usual and not is_surprise else logging.WARNING
        self.log.log(level, "Step %s skipped: %s", self.name, reason)

    def why_skip_is_set(self) -> str:
        """The log's words for a step that was told not to run.

        Returns
        -------
        str
        """
        if not self.skipped_by:
            return SKIP_IS_SET
        return f"skip is set by {os.path.basename(self.skipped_by)}, a parameter reference"

    def skip_run(self, input: Any, reason: str) -> Any:
        """Skip the step: report it, and return its input marked SKIPPED.

        Parameters
        ----------
        input : path, file object or data model
            The input of the step as the caller gave it.
        reason : str
            Why, in a few words, for the log.

        Returns
        -------
        object
            The input.
        """
        self._notify_start()
        self._log_skipped(reason, is_usual=True)
        result = self.skip_input(input)
        self._report("SKIPPED", 0.0)
        return result

    def _find_input(self, name: str) -> str:
        if self.input_dir and not os.path.dirname(name):
            return os.path.join(self.input_dir, name)
        return name

    # --- what subclasses for one mission fill in

    def open_input(self, input: Any) -> Any:
        """Open an input for ``process``; subclasses open what only they know.

        Parameters
        ----------
        input : path, file object or data model
            The input of the step as the caller gave it.

        Returns
        -------
        object
            What ``process`` gets: here the input itself.
        """
        return input

    def recorded_input(self, input: Any, opened: Any) -> Any:
        """What the record of a run names as its input.

        Parameters
        ----------
        input : path, file object or data model
            The input of the step as the caller gave it.
        opened : object
            What `open_input` returned for `input`.

        Returns
        -------
        object
            Here `opened`.
        """
        return opened

    def _open_checkpoint(self, args: tuple[Any, ...]) -> Checkpoint | None:
        """What keeps the results of the steps, where a pipeline has a place for it."""
        return None

    def before_process(self, args: tuple[Any, ...]) -> None:
        """Check what can go wrong before the work begins.

        Parameters
        ----------
        args : tuple
            The inputs of the step.
        """

    def skip_input(self, input: Any) -> Any:
        """The result of a step that does not run: its input, which subclasses mark.

        Parameters
        ----------
        input : path, file object or data model
            The input of the step as the caller gave it.

        Returns
        -------
        object
            The input.
        """
        return input

    def mark(self, model: Any, success: bool, reason: str = "") -> None:
        """Record in a model, in place, that the step was done or skipped.

        Parameters
        ----------
        model : data model
            The result of the step.
        success : bool
            Whether the step was done; otherwise it was skipped.
        reason : str, optional
            Why it was skipped.
        """

    def finalize_result(self, model: Any, reference_files_used: list[tuple[str, str]]) -> None:
        """Complete the metadata of a result before it is saved.

        Parameters
        ----------
        model : object
            The model.
        reference_files_used : list of (str, str)
            Reference types and file names.
        """

    def keep_log(self, model: Any, lines: list[str]) -> None:
        """Add the log messages of the run to a result, in place, before it is saved.

        Parameters
        ----------
        model : data model
            The result.
        lines : list of str
            The log messages of the run so far.
        """

    def keep_record(self, model: Any, args: tuple[Any, ...]) -> None:
        """Add what the run was made with to a result, in place, before it is saved.

        Parameters
        ----------
        model : data model
            The result.
        args : tuple
            The inputs of the run.
        """

    def status_of(self, result: Any) -> str:
        """The status of a step that ran, for its report: COMPLETE or SKIPPED.

        Parameters
        ----------
        result : data model
            The result of the step.

        Returns
        -------
        {"COMPLETE", "SKIPPED"}
        """
        return "COMPLETE"

    # --- checks

    def _check_required(self) -> None:
        for name, parameter in self.parameters.items():
            if parameter.default is REQUIRED:
                getattr(self, name)  # tells that it is to be set

    def _check_number_of_inputs(self, args: tuple[Any, ...]) -> None:
        wanted = inspect.signature(self.process)
        try:
            wanted.bind(*args)
        except TypeError:
            n = len(wanted.parameters)
            raise ArgumentTypeError(
                f"{self.name} takes {n} input{'' if n == 1 else 's'} "
                f"({', '.join(wanted.parameters)}), got {len(args)}"
            ) from None
