"""How far a run is: one bar for its reading, its steps and its writing."""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Literal

from . import terminal

if TYPE_CHECKING:
    from ..stpipe import Observer, Progress, ProgressObserver, Step

#: What the steps of a full frame take, about, and reading and writing [s]. It tells how long a part
#: of the bar is, and no more: what lasts longer elsewhere only moves more slowly there.
WEIGHTS = {
    "dq_init": 2.0,
    "saturation": 2.0,
    "refpix": 4.0,
    "dark_decay": 0.3,
    "wfi18_transient": 0.5,
    "linearity": 8.0,
    "jump": 2.0,
    "rampfit": 5.0,
    "dark_current": 0.3,
    "assign_wcs": 0.1,
    "photom": 0.1,
    "flatfield": 0.6,
}
_WEIGHT_OF_OTHERS = 1.0
_READING, _WRITING = 2.0, 2.0
#: The share of what is left to write that a file takes, as nobody knows how many are to come.
_SHARE_OF_FILE = 0.95


@contextmanager
def display(step: Step) -> Iterator[tuple[Observer, ProgressObserver] | tuple[None, None]]:
    """What takes the `observer` and the `progress` of a run to the bar of a terminal.

    Where there is none to draw on, there is nobody to tell.
    """
    if not terminal.can_draw(sys.stderr):
        yield None, None
        return
    with terminal.working(step.name, 1.0, as_share=True) as work:
        follower = RunProgress(step, work.reach, work.describe)
        yield follower.observe, follower.take


class RunProgress:
    """Follows a run from 0 to at most 1.

    Parameters
    ----------
    step : Step
        The outermost.
    reach : callable
        Called with the share of the work that is done.
    describe : callable
        Called with what goes on.
    """

    def __init__(
        self, step: Step, reach: Callable[[float], None], describe: Callable[[str], None]
    ) -> None:
        self._outermost = step
        self._reach, self._describe = reach, describe
        #: The steps that are to run, until the run says it better.
        self._names: Collection[str] = tuple(step.step_defs) or (step.name,)
        self._ended: set[str] = set()
        #: What is done of those that go on, of what is to be read, and to be written.
        self._under_way = self._read = self._written = self._written_before = 0.0
        self._has_to_write = bool(step.save_results or step.output_file is not None)
        self._is_at_end = False

    def observe(self, step: Step, event: Literal["start", "end"]) -> None:
        """Takes in that a step starts or ends."""
        if event == "start":
            if step.name not in self._ended:
                self._describe(step.name)
            return
        if step is self._outermost:
            self._ended.update(self._names)
            self._is_at_end, self._read = True, 1.0
        elif step.parent is self._outermost:
            self._ended.add(step.name)
        self._under_way = 0.0
        self._show()

    def take(self, progress: Progress) -> None:
        """Takes in how far a piece of work is."""
        share = progress.done / progress.total if progress.total else 1.0
        if progress.unit == "steps":
            self._names = progress.steps or self._names
            return
        self._describe(str(progress))
        if progress.unit == "bytes read":
            self._read = max(self._read, share)
        elif progress.unit == "rows":
            if progress.done:  # what is read later counts no more: files that are mapped never do
                self._read = 1.0
            to_come = [name for name in progress.steps if name in self._names]
            going_on = set(to_come) - self._ended
            self._under_way = share * sum(map(_weight, going_on))
        elif self._is_at_end:  # what is written before is of a step
            if progress.done == 0:
                self._written_before = self._written
            left = 1.0 - self._written_before
            self._written = self._written_before + _SHARE_OF_FILE * left * share
        self._show()

    def _show(self) -> None:
        writing = _WRITING if self._has_to_write else 0.0
        whole = _READING + sum(map(_weight, self._names)) + writing
        ended = sum(_weight(name) for name in self._names if name in self._ended)
        done = _READING * self._read + ended + self._under_way + writing * self._written
        self._reach(min(done / whole, 1.0))


def _weight(name: str) -> float:
    return WEIGHTS.get(name, _WEIGHT_OF_OTHERS)
