"""What a batch has come to: counts, failures by cause, speed, and what it was made with."""

from __future__ import annotations

import heapq
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from .._asdf_blocks import head_digest
from .._exit_status import ExitStatus
from .._threads import Threads
from ..errors import InputError
from . import remote
from .causes import Cause, causes
from .current import is_version
from .heads import patiently
from .outcome import Kind, Outcome
from .pace import Pace, busy_seconds
from .plan import Plan, ReferenceSet
from .state import RunState

__all__ = ["Contradiction", "InWork", "SetUse", "Summary", "Totals", "contradictions"]

#: Over how long the speed is taken while something is left [s].
_WINDOW = 300.0
_N_SLOWEST = 20
#: How many remote products are asked for at a time.
_AT_A_TIME = 16


@dataclass(frozen=True)
class InWork:
    """An exposure that a worker began and has not ended; the worker may be gone.

    Attributes
    ----------
    input, worker, host : str
    since : float
        Seconds since 1970.
    """

    input: str
    worker: str
    host: str
    since: float


@dataclass(frozen=True)
class SetUse:
    """A set of references, and for how many exposures of the plan it is."""

    reference_set: ReferenceSet
    n_exposures: int


@dataclass(frozen=True)
class Contradiction:
    """A product that is not what its row says.

    Attributes
    ----------
    input, product : str
    what : str
        What is wrong with it.
    """

    input: str
    product: str
    what: str


@dataclass(frozen=True)
class Totals:
    """What the exposures that ended took together.

    Attributes
    ----------
    busy_s : float
        How long any was worked on [s]; pauses do not count.
    cpu_s : float
        Of their last attempts [s].
    bytes_in, bytes_out : int
    peak_rss_anon : int
        The most of any worker [bytes].
    n_workers, n_hosts : int
    """

    busy_s: float = 0.0
    cpu_s: float = 0.0
    bytes_in: int = 0
    bytes_out: int = 0
    peak_rss_anon: int = 0
    n_workers: int = 0
    n_hosts: int = 0

    @classmethod
    def of(cls, worked: Sequence[tuple[float, Outcome]]) -> Totals:
        """Those of outcomes, each with when it was written [s since 1970]."""
        outcomes = [outcome for _, outcome in worked]
        return cls(
            busy_s=busy_seconds((at - outcome.wall_s, at) for at, outcome in worked),
            cpu_s=sum(outcome.cpu_s for outcome in outcomes),
            bytes_in=sum(outcome.bytes_in for outcome in outcomes),
            bytes_out=sum(outcome.bytes_out for outcome in outcomes),
            peak_rss_anon=max((outcome.peak_rss_anon for outcome in outcomes), default=0),
            n_workers=len({outcome.worker for outcome in outcomes} - {""}),
            n_hosts=len({outcome.host for outcome in outcomes} - {""}),
        )


@dataclass(frozen=True)
class Summary:
    """What a batch has come to.

    Attributes
    ----------
    n_exposures : int
        Of the plan.
    counts : dict of Kind to int
        Exposures by their last outcome, without those that are in work (again); kinds of which
        there are none are left out. What the plan knows that it cannot be calibrated counts, also
        where no worker has seen it.
    left : int
        Exposures that nobody has begun.
    in_work : tuple of InWork
        The oldest first.
    n_again : int
        How often an exposure was taken to its end beyond the first time.
    pace : Pace
        Of the last minutes where something is left, else of all.
    totals : Totals
    causes : tuple of Cause
    by_detector : dict of (str, str) to dict of str to int
        Of each detector and optical element the kinds, ``in work`` and ``left``.
    slowest : tuple of Outcome
        The slowest first.
    sets : tuple of SetUse
    software : dict of str to dict of str to int
        Of each program the versions, with the number of exposures that ended with them; 0 for one
        that only the plan names.
    """

    n_exposures: int
    counts: Mapping[Kind, int]
    left: int
    in_work: tuple[InWork, ...]
    n_again: int
    pace: Pace
    totals: Totals
    causes: tuple[Cause, ...]
    by_detector: Mapping[tuple[str, str], Mapping[str, int]]
    slowest: tuple[Outcome, ...]
    sets: tuple[SetUse, ...]
    software: Mapping[str, Mapping[str, int]]

    @classmethod
    def of(cls, plan: Plan, state: RunState, *, now: float | None = None) -> Summary:
        """The summary of a plan by what its records say.

        Parameters
        ----------
        plan : Plan
        state : RunState
            Of exposures that are not in the plan nothing is told.
        now : float, optional
            Seconds since 1970; the clock's by default.
        """
        outcomes = outcomes_of(plan, state)
        ended: list[Outcome] = []
        counts: Counter[Kind] = Counter()
        table: dict[tuple[str, str], Counter[str]] = {}
        in_work = []
        for exposure in plan.exposures:
            outcome = outcomes.get(exposure.input)
            if exposure.input in state.begun:
                worker, since = state.begun[exposure.input]
                in_work.append(InWork(exposure.input, worker, state.hosts.get(worker, ""), since))
                what = "in work"
            elif outcome is None:
                what = "left"
            else:
                ended.append(outcome)
                counts[outcome.kind] += 1
                what = outcome.kind.value
            place = exposure.detector, exposure.optical_element
            table.setdefault(place, Counter())[what] += 1
        left = len(plan.exposures) - len(ended) - len(in_work)
        worked = [
            (state.ended[outcome.input], outcome)
            for outcome in ended
            if outcome.wall_s > 0 and outcome.input in state.ended
        ]
        totals = Totals.of(worked)
        now = time.time() if now is None else now
        used = Counter(exposure.references for exposure in plan.exposures)
        return cls(
            n_exposures=len(plan.exposures),
            counts={kind: counts[kind] for kind in Kind if counts[kind]},
            left=left,
            in_work=tuple(sorted(in_work, key=lambda work: (work.since, work.input))),
            n_again=sum(state.counts.get(exposure.input, 1) - 1 for exposure in plan.exposures),
            pace=_pace(worked, totals, left + len(in_work), now),
            totals=totals,
            causes=causes(ended),
            by_detector={place: dict(table[place]) for place in sorted(table)},
            slowest=tuple(
                heapq.nsmallest(
                    _N_SLOWEST,
                    (outcome for outcome in ended if outcome.wall_s > 0),
                    key=lambda outcome: (-outcome.wall_s, outcome.input),
                )
            ),
            sets=tuple(SetUse(one, used[name]) for name, one in plan.sets.items()),
            software=_software(plan, ended),
        )

    @property
    def n_good(self) -> int:
        """How many exposures have a good product."""
        return sum(count for kind, count in self.counts.items() if kind.is_good)

    @property
    def n_failed(self) -> int:
        """How many exposures failed."""
        return sum(count for kind, count in self.counts.items() if not kind.is_good)

    @property
    def exit_status(self) -> ExitStatus:
        """OK where all is good, ERROR where one failed for good, CALL_AGAIN where more may come.

        CALL_AGAIN (75, EX_TEMPFAIL) is that of a batch with exposures left or in work, or whose
        failures may end otherwise when they are tried again.
        """
        if any(not (kind.is_good or kind.may_change) for kind in self.counts):
            return ExitStatus.ERROR
        return ExitStatus.OK if self.n_good == self.n_exposures else ExitStatus.CALL_AGAIN


def outcomes_of(plan: Plan, state: RunState) -> dict[str, Outcome]:
    """The last outcome of each input of a plan that has one, in the order of the plan.

    It is that of the records, else what the plan itself knows to be wrong with the exposure.
    """
    found = {}
    for exposure in plan.exposures:
        if exposure.input in state.outcomes:
            found[exposure.input] = state.outcomes[exposure.input]
        elif exposure.problem is not None:
            found[exposure.input] = Outcome(
                input=exposure.input,
                kind=exposure.problem.kind,
                message=exposure.problem.message,
                error=exposure.problem.error,
                key=exposure.key,
                head_sha256=exposure.head_sha256,
                detector=exposure.detector,
                optical_element=exposure.optical_element,
                exposure_type=exposure.exposure_type,
                start_time=exposure.start_time,
                ma_table=exposure.ma_table,
                n_resultants=exposure.n_resultants,
                attempts=0,
            )
    return found


def contradictions(outcomes: Iterable[Outcome]) -> Iterator[Contradiction]:
    """The products that are not what their rows say: LSST calls them wonky.

    A product whose size and time of change are those of its row is not read, of any other its head.
    Of one with a URL the server is asked for its size and version.

    Raises
    ------
    TransientError
        If a server does not answer for a reason that may pass, also after a while.
    """
    made = [outcome for outcome in outcomes if outcome.kind in (Kind.DONE, Kind.CURRENT)]
    with Threads(_AT_A_TIME) as threads:
        are_remote = any(remote.is_url(outcome.product) for outcome in made)
        found = threads.map(_what_is_wrong, made) if are_remote else map(_what_is_wrong, made)
        for outcome, what in zip(made, found, strict=True):
            if what:
                yield Contradiction(outcome.input, outcome.product, what)


def _what_is_wrong(outcome: Outcome) -> str:
    if not outcome.product:
        return f"{outcome.kind.value}, and no product is named"
    if remote.is_url(outcome.product):
        return _what_is_wrong_there(outcome)
    path = Path(outcome.product)
    try:
        status = path.stat()
        if [status.st_size, status.st_mtime_ns] == list(outcome.product_stamp):
            return ""
        if not outcome.product_sha256:
            return "changed since, and the row has no digest to tell whether it is the same"
        return "" if head_digest(path) == outcome.product_sha256 else "not the file that was made"
    except FileNotFoundError:
        return "missing"
    except (OSError, ValueError) as error:  # a damaged head
        return f"cannot be read: {getattr(error, 'strerror', None) or error}"


def _what_is_wrong_there(outcome: Outcome) -> str:
    """The same of a remote product."""
    try:
        stat = patiently(lambda: remote.describe(outcome.product))
    except remote.RemoteNotFoundError:
        return "missing"
    except (remote.RemoteError, InputError) as error:
        return f"cannot be read: {error}"
    # That it was there already, a row may say without its version.
    is_told = outcome.kind is Kind.DONE or outcome.product_version
    return "not the file that was made" if is_told and not is_version(outcome, stat) else ""


def _pace(worked: Sequence[tuple[float, Outcome]], totals: Totals, n_left: int, now: float) -> Pace:
    """The speed, by the exposures that were worked on."""
    recent = [(at, outcome) for at, outcome in worked if now - _WINDOW < at <= now]
    if n_left and recent:
        begin = min(at - outcome.wall_s for at, outcome in recent)
        n_bytes = sum(outcome.bytes_in for _, outcome in recent)
        return Pace(len(recent), n_bytes, now - max(begin, now - _WINDOW), n_left)
    return Pace(len(worked), totals.bytes_in, totals.busy_s, n_left)


def _software(plan: Plan, ended: Iterable[Outcome]) -> dict[str, dict[str, int]]:
    counts: dict[str, Counter[str]] = {
        name: Counter({version: 0}) for name, version in plan.software.items()
    }
    for outcome in ended:
        for name, version in outcome.software.items():
            counts.setdefault(name, Counter())[version] += 1
    return {name: dict(versions) for name, versions in counts.items()}
