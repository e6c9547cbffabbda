"""A run: what steps find, open, save, log and report, from a user's call to its result.

A step is its class and its parameters. What it does at the time lies on the `Run`, which is made
for each call from outside, so that one step may run many times at once. `calls` knows which run
goes on.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from .. import _traffic, references
from ..errors import RomancalError
from ..references import Match, Store
from . import _outline, logconfig, runlog
from .pool import HeldReference, ReferencePool
from .progress import READ, Clock, Observer, Progress, ProgressObserver
from .sought import SoughtSoFar

if TYPE_CHECKING:
    from ..datamodels import DataModel
    from .base import StepBase
    from .checkpoint import Checkpoint
    from .recipes import Recipe
    from .referencing import ReferencingStep
    from .step import Step

__all__ = ["Origin", "Run", "RunError", "StepReport"]


class RunError(RomancalError, RuntimeError):
    """Something was asked of a run that has ended, or outside of a run."""


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

    def _repr_html_(self) -> str:
        return _outline.report_as_html(self)


@dataclass(frozen=True)
class Origin:
    """Where a local copy of a file comes from, which a product names in place of the copy.

    Attributes
    ----------
    url : str
    version : str
        What tells this version of the file from others; empty if nothing does.
    """

    url: str
    version: str = ""


class Run:
    """One run of a step, or of a pipeline with its steps.

    Call it once with the inputs of the step. ``step.run(...)`` does the same, and returns only the
    result. A second call is a `RunError`.

    Parameters
    ----------
    step : Step
        The outermost step. A run does not change it.
    pool : ReferencePool, optional
        What was opened for earlier runs, and stays open for later ones.
    store : Store, optional
        Where references are looked for in place of what the outermost step's ``references`` and
        ``context``, or the environment, name. Steps in it with a directory or a context of their
        own keep to that.
    logcfg : path, optional
        A logging configuration file.
    verbose : bool
        Show all log messages.
    observer : callable, optional
        Called as ``observer(step, event)`` when a step starts and ends: "start", "end". Steps that
        are taken together start and end at the end of that; one that is skipped does both at once.
    progress : callable, optional
        Called with a `Progress` a few times a second while arrays are read, rows go through steps,
        and products are written; and first of all with the steps that are to come.
    write_later : callable, optional
        Takes over to write the result: it is called with a function that does so, which may be
        another thread, after the run.
    origins : mapping of Path to Origin, optional
        Where local copies come from, inputs and references, by their absolute paths: the record of
        the run names that.

    Attributes
    ----------
    result : object
        What the step returned; None before.
    reports : list of StepReport
        What the steps did, in the order in which they ended.
    saved_files : list of Path
        The files that were written, or are to be, in order.
    seconds : dict of str to float
        Where the time went [s]: by the names of the steps, and "read" and "write" for files. A
        pipeline's own is what it did besides. Each moment is counted once.

    Examples
    --------
    >>> from romancal_rs.pipeline import ExposurePipeline
    >>> from romancal_rs.stpipe import Run
    >>> run = Run(ExposurePipeline(references="references"))
    >>> image = run("exposure_uncal.asdf")
    >>> [report.status for report in run.reports][:3]
    ['COMPLETE', 'COMPLETE', 'COMPLETE']
    """

    def __init__(
        self,
        step: Step,
        *,
        pool: ReferencePool | None = None,
        store: Store | None = None,
        logcfg: str | os.PathLike[str] | None = None,
        verbose: bool = False,
        observer: Observer | None = None,
        progress: ProgressObserver | None = None,
        write_later: Callable[[Callable[[], None]], None] | None = None,
        origins: Mapping[Path, Origin] | None = None,
    ) -> None:
        self.step = step
        self.logcfg = logcfg
        self.verbose = verbose
        self.observer = observer
        self.progress = progress
        self.write_later = write_later
        self.origins = dict(origins or {})
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
        #: The keys by which references were looked for.
        self.sought = SoughtSoFar()
        #: The references that were found, by what was looked for.
        self.found_references: dict[Any, Match] = {}
        #: For what the threads of one run look for and open once.
        self.lock = threading.RLock()
        self._pool = pool
        self._own_pool: ReferencePool | None = None
        self._store = store
        self._stores: dict[Any, Store | None] = {}
        self._held: dict[str, HeldReference] = {}
        self._inputs: dict[str, DataModel] = {}
        #: The messages that are logged only once, so far.
        self._told: set[Any] = set()
        self._clock = Clock(step.name)
        self._n_bytes_read = self._n_bytes_of_inputs = 0
        self._has_begun = False
        self.has_ended = False

    def __repr__(self) -> str:
        return f"<Run of {self.step.name}: {len(self.reports)} steps ended>"

    def _repr_html_(self) -> str:
        return _outline.run_as_html(self)

    def __call__(self, *args: Any) -> Any:
        """Runs the step on what its ``process`` takes, and returns its result."""
        if self._has_begun:
            raise RunError(f"this run of {self.step.name} has ended: make another Run")
        self._has_begun = True
        if threading.current_thread() is not threading.main_thread():
            self.step.load_modules()
        self._clock = Clock(self.step.name)
        for path in args:
            if isinstance(path, str | os.PathLike):
                with suppress(OSError, ValueError):  # which is told where it is opened
                    self._n_bytes_of_inputs += os.path.getsize(path)
        with (
            logconfig.applied(self.logcfg, self.verbose),
            _traffic.heard_by(self),
            runlog.recording() as self.log_lines,
        ):
            try:
                self.result = self.step._run_within(self, args)
            finally:
                self.log_lines = None
                self.close()
                self._clock.stop()
        return self.result

    # --- what it tells while it goes on

    @property
    def seconds(self) -> dict[str, float]:
        """Time by what it was spent on [s]."""
        return self._clock.seconds

    def timed(self, name: str) -> AbstractContextManager[None]:
        """Count the time of a ``with`` block, without what is counted inside it.

        Parameters
        ----------
        name : str
            What the time is counted for.

        Returns
        -------
        context manager
        """
        return self._clock.of(name)

    def share_out(self, name: str, shares: Mapping[str, float]) -> None:
        """Divide the time that was counted for a name among others.

        Parameters
        ----------
        name : str
            The name.
        shares : dict of str to float
            Names, with their parts of the time in any unit.
        """
        self._clock.share_out(name, shares)

    def notify(self, step: Step, event: Literal["start", "end"]) -> None:
        """Tell the observer that a step starts or ends.

        Parameters
        ----------
        step : Step
            The step.
        event : {"start", "end"}
            What happens.
        """
        if self.observer is not None:
            self.observer(step, event)

    def tell_plan(self, steps: Sequence[Step]) -> None:
        """Tell the observer which steps are to come.

        Parameters
        ----------
        steps : sequence of Step
            The steps in their order.
        """
        if self.progress is not None:
            names = tuple(step.name for step in steps)
            self.progress(Progress(self.step.name, 0, len(steps), "steps", names))

    def rows_told(
        self, steps: Sequence[Step], shape: Sequence[int]
    ) -> Callable[[int], None] | None:
        """The function that tells the observer how many pixels have been processed.

        Parameters
        ----------
        steps : sequence of Step
            The steps that work together.
        shape : sequence of int
            Shape of the exposure, (n_resultants, n_rows, n_cols).

        Returns
        -------
        callable or None
            Takes the number of rows; None if nobody observes.
        """
        tell = self.progress
        if tell is None:
            return None
        n_rows, n_cols = shape[-2:]
        names = tuple(step.name for step in steps)
        what = names[0] if len(names) == 1 else f"{names[0]} to {names[-1]}"

        def told(n_pixels: int) -> None:
            tell(Progress(what, min(n_pixels // n_cols, n_rows), n_rows, "rows", names))

        told(0)
        return told

    @contextmanager
    def reading(self, name: str, n_bytes: int) -> Iterator[None]:
        """Tell the observer that a file is going to be read.

        Parameters
        ----------
        name : str
            What it is called in messages.
        n_bytes : int
            The number of bytes.

        Yields
        ------
        None
            The block reads the file.
        """
        self._tell_reading(name)
        with self.timed(READ):
            yield
        self._n_bytes_read += n_bytes
        self._tell_reading(name)

    def _tell_reading(self, name: str) -> None:
        if self.progress is not None:
            of_files = sum(held.stamp[0] for held in list(self._held.values()))
            total = max(self._n_bytes_of_inputs + of_files, self._n_bytes_read)
            what = f"reading {os.path.basename(name)}"
            self.progress(Progress(what, self._n_bytes_read, total, "bytes read"))

    def wrote(self, name: str, n_bytes: int, total: int) -> None:
        """Tell the observer how much of a file was written.

        Parameters
        ----------
        name : str
            What it is called in messages.
        n_bytes : int
            The number of bytes.
        total : int
            The number of bytes of the whole file.
        """
        if self.progress is not None:
            self.progress(Progress(f"writing {name}", n_bytes, total, "bytes written"))

    def tell_once(self, log: logging.Logger, message: str, *args: Any) -> None:
        """Log a message at level INFO, unless this logger has logged it in this run.

        Parameters
        ----------
        log : logging.Logger
            The logger.
        message : str
            The message, with placeholders as of `logging`.
        *args : object
            Values for the placeholders.
        """
        told = log.name, message, args
        with self.lock:
            if told in self._told:
                return
            self._told.add(told)
        log.info(message, *args)

    # --- references and inputs

    def is_pinned(self, step: StepBase) -> bool:
        """Whether a step looks for references in the store that the run was given.

        Parameters
        ----------
        step : StepBase
            The step.

        Returns
        -------
        bool
        """
        if self._store is None:
            return False
        owner: StepBase | None = step
        while owner is not None and owner is not self.step:
            if any(owner.__dict__.get(name) is not None for name in ("references", "context")):
                return False
            owner = owner.parent
        return owner is self.step

    def store(self, step: ReferencingStep) -> Store | None:
        """The store where a step looks for its references; it is opened once.

        Parameters
        ----------
        step : ReferencingStep
            The step.

        Returns
        -------
        Store or None
            None if no place is known.
        """
        key = step._source_key()
        with self.lock:
            if key not in self._stores:
                self._stores[key] = self._store_of(step)
            return self._stores[key]

    def _store_of(self, step: ReferencingStep) -> Store | None:
        if self.is_pinned(step):
            return self._store
        source = step._source()
        return self.pool.store(*source, partial(references.open_store, *source))

    @property
    def pool(self) -> ReferencePool:
        """The pool that was given, or one for this run alone."""
        if self._pool is not None:
            return self._pool
        with self.lock:
            if self._own_pool is None:
                self._own_pool = ReferencePool()
            return self._own_pool

    def reference(self, path: str | os.PathLike[str]) -> HeldReference:
        """A reference file, which is opened once and held until the end of the run.

        Parameters
        ----------
        path : str or path
            The file.

        Returns
        -------
        HeldReference
        """
        name = os.fspath(path)
        with self.lock, self.timed(READ):
            if name not in self._held:
                self._tell_reading(name)
                self._held[name] = self.pool.hold(name)
            return self._held[name]

    def opened(self, path: str | os.PathLike[str]) -> DataModel:
        """The model of a reference file; it must not be changed.

        Parameters
        ----------
        path : str or path
            The file.

        Returns
        -------
        DataModel
        """
        return self.reference(path).model

    def keep_input(self, path: str | os.PathLike[str], model: DataModel) -> None:
        """Keep the model of an input that was opened for a check, for `take_input`.

        Parameters
        ----------
        path : str or path
            The file.
        model : DataModel
            The open model.
        """
        self._inputs[os.fspath(path)] = model

    def take_input(self, path: str | os.PathLike[str]) -> DataModel | None:
        """A model that `keep_input` kept; the caller has to close it.

        Parameters
        ----------
        path : str or path
            The file.

        Returns
        -------
        DataModel or None
            None if there is none.
        """
        return self._inputs.pop(os.fspath(path), None)

    def start_digest(self, match: Match) -> None:
        """Begin to compute the SHA-256 of the file of a match.

        Parameters
        ----------
        match : Match
            The reference that was chosen.
        """
        # Nothing is written into a CRDS cache.
        reference, beside = self.reference(match.reference), not match.context
        self.pool.start_digest(reference, match.reference, beside=beside)

    def digest_of(self, path: Path) -> str:
        """The SHA-256 of a file in hexadecimal, after `start_digest`; waits for it.

        Parameters
        ----------
        path : str or path
            The file.

        Returns
        -------
        str

        Raises
        ------
        OSError
            If the file cannot be read.
        RunError
            If `start_digest` was not called for it.
        """
        digest = self.reference(path).digest
        if digest is None:
            raise RunError(f"{path}: start_digest was not called for it")
        with self.timed(READ):
            return digest.result()

    def close(self) -> None:
        """End the run, and release what it used."""
        self.has_ended = True
        while self._inputs:
            self._inputs.popitem()[1].close()
        with self.lock:
            held, self._held = self._held, {}
            if held:
                self.pool.let_go(held.values())
            if self._own_pool is not None:
                self._own_pool.close()
