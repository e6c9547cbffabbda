"""A run: what steps find, open, save, log and report, from a user's call to its result.

A step is its class and its parameters. What it does at the time lies on the `Run`, which is made
for each call from outside, so that one step may run many times at once. A context variable says
which call of which step goes on, and so which run it is part of: runs in several threads keep
apart, and a thread that a step starts with a copy of its context belongs to the step's run.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import RomancalError
from ..references import Match, RunDigests, Store
from . import logconfig, runlog

if TYPE_CHECKING:
    from ..datamodels import DataModel
    from .base import StepBase
    from .checkpoint import Checkpoint
    from .recipes import Recipe
    from .step import Step

__all__ = ["Run", "RunError", "StepReport"]


class RunError(RomancalError, RuntimeError):
    """What is asked of a run that has been, or while there is none."""


@dataclass
class StepReport:
    """What one step did in a run.

    Attributes
    ----------
    name : str
    status : str
        COMPLETE or SKIPPED.
    seconds : float
        The time that it took [s].
    references : dict of str to str
        The names of the reference files that it used, by type.
    """

    name: str
    status: str
    seconds: float
    references: dict[str, str] = field(default_factory=dict)


class Run:
    """One run of a step, or of a pipeline with its steps. It is called once, as the step would be::

        run = Run(ExposurePipeline(references="refs/", save_results=True))
        image = run("r0000101001001001001_01101_0001_WFI01_uncal.asdf")
        print(run.reports, run.saved_files)

    ``step.run(...)`` does the same, and gives the result alone. A second call is a `RunError`.

    Parameters
    ----------
    step : Step
        The outermost step. A run does not change it.
    logcfg : path, optional
        A logging configuration file.
    verbose : bool
        Show all log messages.
    observer : callable, optional
        Called as ``observer(step, event)`` when a step starts and ends: "start", "end".

    Attributes
    ----------
    result : object
        What the step returned; None before.
    reports : list of StepReport
        What the steps did, in the order in which they ended.
    saved_files : list of Path
        The files that were written, in order.
    """

    def __init__(
        self,
        step: Step,
        *,
        logcfg: str | os.PathLike[str] | None = None,
        verbose: bool = False,
        observer: Callable[[Step, str], None] | None = None,
    ) -> None:
        self.step = step
        self.logcfg = logcfg
        self.verbose = verbose
        self.observer = observer
        self.result: Any = None
        self.reports: list[StepReport] = []
        self.saved_files: list[Path] = []
        #: What the outermost step works on.
        self.args: tuple[Any, ...] = ()
        #: The log messages so far; None once they are in the result.
        self.log_lines: list[str] | None = None
        #: Keeps the results of the steps, while there is a place for it.
        self.checkpoint: Checkpoint | None = None
        #: The recipe that the outermost step told.
        self.recipe: Recipe | None = None
        #: The references that were found, by what was looked for.
        self.found_references: dict[Any, Match] = {}
        self.digests = RunDigests()
        #: For what the threads of one run look for and open once.
        self.lock = threading.RLock()
        self._stores: dict[Any, Store | None] = {}
        self._models: dict[str, DataModel] = {}
        self._has_begun = False
        self.has_ended = False

    def __call__(self, *args: Any) -> Any:
        """Runs the step on what its ``process`` takes, and returns its result."""
        if self._has_begun:
            raise RunError(f"this run of {self.step.name} has been: make another one")
        self._has_begun = True
        if threading.current_thread() is not threading.main_thread():
            self.step.load_modules()
        with logconfig.applied(self.logcfg, self.verbose), runlog.recording() as self.log_lines:
            try:
                self.result = self.step._run_within(self, args)
            finally:
                self.log_lines = None
                self.close()
        return self.result

    def notify(self, step: Step, event: str) -> None:
        """Tells the observer of a step's start or end."""
        if self.observer is not None:
            self.observer(step, event)

    def store(self, key: Any, open_store: Callable[[], Store | None]) -> Store | None:
        """A place where references are looked for; opened once."""
        with self.lock:
            if key not in self._stores:
                self._stores[key] = open_store()
            return self._stores[key]

    def opened(self, path: str | os.PathLike[str]) -> DataModel:
        """The model of a reference file; opened once, and closed at the end of the run."""
        from .. import datamodels

        name = os.fspath(path)
        with self.lock:
            if name not in self._models:
                self._models[name] = datamodels.open(name)
            return self._models[name]

    def close(self) -> None:
        """Ends the run, and closes what is open."""
        self.has_ended = True
        self.digests.close()
        with self.lock:
            models, self._models = self._models, {}
        for model in models.values():
            model.close()


@dataclass
class Call:
    """One call of a step within a run.

    Attributes
    ----------
    run : Run
    step : Step or None
        None where what is found is for a step that does not run.
    outer : Call or None
        The one that goes on around it, in whatever run.
    host : Step or None
        What the step is a hook of, and takes for its parent meanwhile.
    input_name : str or None
        The path that the step was called with.
    suffix : str or None
        What the names of its products end with, where the step decides that as it goes.
    references_used : dict of str to str
        The names of the references that it used, by type.
    matches_used : dict of str to Match
    together : dict of Step to Call
        Steps whose work this one does, together with that of others.
    """

    run: Run
    step: Step | None
    outer: Call | None
    host: Step | None = None
    input_name: str | None = None
    suffix: str | None = None
    references_used: dict[str, str] = field(default_factory=dict)
    matches_used: dict[str, Match] = field(default_factory=dict)
    together: dict[StepBase, Call] = field(default_factory=dict)

    @property
    def is_outermost(self) -> bool:
        """Whether it is what the user called."""
        return self.outer is None or self.outer.run is not self.run


#: The call that goes on now, in this context.
_innermost: ContextVar[Call | None] = ContextVar("innermost", default=None)


def _calls() -> Iterator[Call]:
    """The calls that go on, from the inside out.

    A thread may outlive the run whose context it has.
    """
    call = _innermost.get()
    while call is not None:
        if not call.run.has_ended:
            yield call
        call = call.outer


@contextmanager
def calling(run: Run, step: Step | None, host: Step | None = None) -> Iterator[Call]:
    """A call of a step that goes on inside the ``with`` block, in this context."""
    call = Call(run, step, _innermost.get(), host)
    token = _innermost.set(call)
    try:
        yield call
    finally:
        _innermost.reset(token)


def call_of(step: StepBase) -> Call | None:
    """The call of a step that goes on; the innermost of several."""
    for call in _calls():
        if call.step is step:
            return call
        if step in call.together:
            return call.together[step]
    return None


def run_of(step: StepBase) -> Run | None:
    """The run at hand that a step is part of: one of its own, or of a pipeline around it."""
    owners: list[StepBase] = []
    owner: StepBase | None = step
    while owner is not None:
        owners.append(owner)
        owner = owner.parent
    for call in _calls():
        if any(call.run.step is owner for owner in owners):
            return call.run
    return None


@contextmanager
def at_hand(step: Step) -> Iterator[Run]:
    """The run that a step is part of; outside of runs, one for the time of the ``with`` block.

    What was found is kept while a run goes on: outside of runs files may come and go.
    """
    run = run_of(step)
    if run is not None:
        yield run
        return
    run = Run(step)
    try:
        with calling(run, None):
            yield run
    finally:
        run.close()


def begin_together(step: Step) -> None:
    """Begins a call of a step whose work the innermost call does."""
    outer = _innermost.get()
    if outer is not None:
        outer.together[step] = Call(outer.run, step, outer)


def end_together(step: Step) -> None:
    """Ends such a call."""
    for call in _calls():
        if call.together.pop(step, None) is not None:
            return
