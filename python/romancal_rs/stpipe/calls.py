"""Which step of which run is at work: the calls that go on, in a context variable.

Runs in several threads keep apart, and a thread that a step starts with a copy of its context
belongs to the step's run.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ..references import Match
from .run import Run

if TYPE_CHECKING:
    from .base import StepBase
    from .step import Step


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


#: The current call in this context.
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
    call = _innermost.get()
    while call is not None:  # not by `_calls`: it is asked for some thousand times in a run
        if not call.run.has_ended:
            if call.step is step:
                return call
            if step in call.together:
                return call.together[step]
        call = call.outer
    return None


def run_of(step: StepBase) -> Run | None:
    """The current run of a step: its own, or that of a pipeline around it."""
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
