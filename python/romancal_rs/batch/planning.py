"""Makes a plan: heads are read, and references found, before a pixel is touched.

References, and the parameters that a reference store sets, are looked for once for all exposures
that a store does not tell apart, with one of them as representative: it goes through the checks
that a run begins with, so that what is wrong is told in the words of a run.
"""

from __future__ import annotations

import contextlib
import datetime
from collections import Counter
from collections.abc import Callable, Collection, Hashable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ..errors import InputError, shortened
from ..references import ReferenceFileError, distinguishing
from ..stpipe import ParameterError, config
from . import identity, remote
from .causes import Cause, base_name, causes
from .checking import SetCheck, StepMaker
from .heads import ExposureHead, read_heads
from .outcome import Kind, TransientError, kind_of_error, message_of
from .plan import Plan, PlannedExposure, Problem, ReferenceSet, Settings
from .sources import Source

__all__ = ["Selection", "Tell", "detector_name", "make_plan", "plan_notes", "plan_problems"]

#: Called with what is done, how much of it, and how much there is.
Tell = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Selection:
    """Which exposures of the sources are wanted; all by default.

    Attributes
    ----------
    detectors, elements : tuple of str
        Names, in any case.
    after, before : datetime or None
        Of the start of the exposure, UTC: from `after` on, and up to but not at `before`.
    """

    detectors: tuple[str, ...] = ()
    elements: tuple[str, ...] = ()
    after: datetime.datetime | None = None
    before: datetime.datetime | None = None

    def wants(self, head: ExposureHead) -> bool:
        """Whether an exposure is wanted; one whose head cannot be read is."""
        keys = head.keys
        if keys is None:
            return True
        return (
            _is_among(keys.detector, self.detectors)
            and _is_among(keys.optical_element, self.elements)
            and (self.after is None or self.after <= keys.start_time)
            and (self.before is None or keys.start_time < self.before)
        )


def detector_name(text: str) -> str:
    """``WFI07`` of ``7``."""
    return f"WFI{int(text):02d}" if text.isdecimal() else text


def _is_among(name: str, names: tuple[str, ...]) -> bool:
    return not names or name.upper() in {wanted.upper() for wanted in names}


def make_plan(
    sources: Sequence[Source],
    settings: Settings,
    *,
    selection: Selection | None = None,
    tell: Tell | None = None,
    processes: int | None = None,
    scratch: remote.Scratch | None = None,
    command: str = "",
) -> Plan:
    """Plans what is to be done with exposures.

    Parameters
    ----------
    sources : sequence of Source
        See `romancal_rs.batch.sources.find`.
    settings : Settings
    selection : Selection, optional
    tell : callable, optional
        Called as ``tell("heads read", 250, 100000)`` now and then.
    processes : int, optional
        How many processes read heads, see `romancal_rs.batch.heads.read_heads`.
    scratch : Scratch, optional
        Takes what is fetched of remote files, and lets go of it; the user's own by default.
    command : str
        What repeats it.

    Returns
    -------
    Plan
        An exposure that cannot be calibrated has a `Problem` in it.

    Raises
    ------
    ParameterError
        If the class, the parameter file or a parameter is wrong.
    InputError
        If no exposure is chosen, or two would have the same product.
    ReferenceFileError
        If the place of the references cannot be used at all.
    TransientError
        If a server does not give what is needed, for a reason that may pass.
    """
    with contextlib.closing(scratch or remote.Scratch()) as scratch:
        planner = _Planner(settings, tell or (lambda what, done, total: None), scratch)
        return planner.plan(sources, selection or Selection(), processes, command)


@dataclass
class _Row:
    """What is kept of a head, and what becomes of it."""

    exposure: PlannedExposure
    filename: str = ""


class _Planner:
    """Makes one plan."""

    def __init__(self, settings: Settings, tell: Tell, scratch: remote.Scratch) -> None:
        self.settings = settings
        self.tell = tell
        self.maker = StepMaker.of(settings, scratch)
        self.software = identity.software()
        self.defaults = identity.default_parameters(self.maker.step_class)
        self.sets: dict[str, ReferenceSet] = {}
        self._names: dict[Any, str] = {}
        self._numbers: dict[str, int] = {}

    def plan(
        self,
        sources: Sequence[Source],
        selection: Selection,
        processes: int | None,
        command: str,
    ) -> Plan:
        # Exposures that no store tells apart, and for which the same steps run.
        groups: dict[Hashable, list[_Row]] = {}
        rows: list[_Row] = []
        inputs = [source.input for source in sources]
        passed_over: set[tuple[str, str, datetime.datetime]] = set()
        for i, head in enumerate(read_heads(inputs, processes=processes), 1):
            if i % 250 == 0 or i == len(inputs):
                self.tell("heads read", i, len(inputs))
            if not selection.wants(head):
                if head.keys is not None and not rows:
                    keys = head.keys
                    passed_over.add((keys.detector, keys.optical_element, keys.start_time))
                continue
            row = _row_of(head)
            rows.append(row)
            if head.keys is not None and head.problem is None:
                key = (self._what_counts(head), head.shape, head.kind)
                groups.setdefault(key, []).append(row)
        if inputs and not rows:
            raise InputError(_none_is_chosen(len(inputs), passed_over))
        with self.maker.pool:
            # Those of one detector have references in common.
            in_order = sorted(groups.values(), key=lambda group: _order(group[0].exposure))
            for i, group in enumerate(in_order, 1):
                self._check(group)
                self.tell("sets of references found", i, len(groups))
        exposures = sorted((row.exposure for row in rows), key=_order)
        self._refuse_same_products(exposures)
        return Plan(
            settings=self.settings,
            exposures=exposures,
            sets=self.sets,
            software=self.software,
            created=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            command=command,
        )

    def _what_counts(self, head: ExposureHead) -> Hashable:
        keys = head.keys
        assert keys is not None
        in_stores = tuple(distinguishing(store, keys) for store in self.maker.stores)
        return keys.detector, keys.optical_element, keys.exposure_type, in_stores

    def _check(self, group: Sequence[_Row]) -> None:
        """Finds what a group uses, by the first of its exposures with which nothing is wrong."""
        for i, row in enumerate(group):
            exposure = row.exposure
            try:
                check = self.maker.check(exposure.input)
            except (ReferenceFileError, ParameterError) as error:
                # What it says is as true of the others.
                for other in group[i:]:
                    other.exposure = _with_problem(other.exposure, error, exposure)
                return
            except TransientError:
                raise  # nothing is wrong with the exposure
            except Exception as error:
                row.exposure = _with_problem(exposure, error, exposure)
                continue
            self._complete(group[i:], check)
            return

    def _complete(self, rows: Sequence[_Row], check: SetCheck) -> None:
        first = rows[0].exposure
        pins = check.pins
        given = identity.parameters_of(check.tree, self.maker.step_class)
        parameters = identity.parameters_digest(given)
        references = identity.references_digest(identity.used_by_plan(pins))
        same = (first.detector, first.optical_element, pins, parameters)
        name = self._names.get(same)
        if name is None:
            base = f"{first.detector}-{first.optical_element}".lower()
            number = self._numbers[base] = self._numbers.get(base, 0) + 1
            name = self._names[same] = f"{base}-{number}"
            changed = identity.different(given, self.defaults)
            values = {name: given[name] for name in changed if name in given}
            self.sets[name] = ReferenceSet(name, pins, references, parameters, values, check.notes)
        class_path = config.class_path(self.maker.step_class)
        for row in rows:
            exposure = row.exposure
            row.exposure = replace(
                exposure,
                product=check.product_of(exposure.input, row.filename),
                references=name,
                key=identity.exposure_key(
                    exposure.head_sha256, class_path, parameters, references, self.software
                ),
            )

    def _refuse_same_products(self, exposures: Sequence[PlannedExposure]) -> None:
        products: dict[str, str] = {}
        for exposure in exposures:
            if not exposure.product:
                continue
            if exposure.product == exposure.input:
                raise InputError(
                    f"{exposure.input}: its product would replace it; give another place or suffix"
                )
            other = products.setdefault(exposure.product, exposure.input)
            if other != exposure.input:
                raise InputError(
                    f"{other} and {exposure.input} would have the same product, "
                    f"{exposure.product}: leave one out, or calibrate them to two places"
                )


def _none_is_chosen(n: int, there: Collection[tuple[str, str, datetime.datetime]]) -> str:
    detectors, elements, starts = (sorted(set(values)) for values in zip(*there, strict=True))
    return (
        f"no exposure of {n} is among those asked for: detectors there: "
        f"{', '.join(detectors)}; optical elements: {', '.join(elements)}; they start from "
        f"{starts[0].isoformat()} to {starts[-1].isoformat()}"
    )


def _row_of(head: ExposureHead) -> _Row:
    exposure = PlannedExposure(
        input=head.input,
        head_sha256=head.sha256,
        size=head.size,
        shape=head.shape,
        problem=head.problem,
    )
    keys = head.keys
    if keys is None:
        return _Row(exposure)
    exposure = replace(
        exposure,
        detector=keys.detector,
        optical_element=keys.optical_element,
        exposure_type=keys.exposure_type,
        start_time=keys.start_time.isoformat(),
        ma_table=keys.ma_table_name or str(keys.ma_table_number or ""),
        n_resultants=head.shape[0] if head.shape else keys.n_resultants or 0,
    )
    return _Row(exposure, keys.metadata.get("meta.filename", ""))


def _order(exposure: PlannedExposure) -> tuple[Any, ...]:
    return (
        *(exposure.detector, exposure.optical_element, exposure.ma_table, exposure.n_resultants),
        *(exposure.references, exposure.name, exposure.input),
    )


def _with_problem(
    exposure: PlannedExposure, error: Exception, of: PlannedExposure
) -> PlannedExposure:
    """An exposure with what the check of another one, or of itself, told."""
    kind = kind_of_error(error)
    if kind not in (Kind.NO_DATA, Kind.BAD_REFERENCE, Kind.BAD_PARAMETERS):
        kind = Kind.BAD_INPUT
    message = message_of(error)
    if exposure is not of:
        message = message.replace(of.input, exposure.input).replace(
            of.start_time, exposure.start_time
        )
    return replace(exposure, problem=Problem(kind, message, type(error).__name__))


def plan_problems(plan: Plan) -> list[str]:
    """What stands in the way of exposures: a line for each cause, the most frequent first.

    The line has the message for one of the exposures, and how many it is said of.
    """
    known = (
        exposure.outcome(exposure.problem.kind, exposure.problem.message)
        for exposure in plan.exposures
        if exposure.problem is not None
    )
    return [_line(cause) for cause in causes(known)]


def plan_notes(plan: Plan) -> list[str]:
    """What runs are going to warn of: a line for each cause, with how many exposures it is of."""
    counts = Counter(exposure.references for exposure in plan.exposures if exposure.references)
    numbers: Counter[str] = Counter()
    for name, reference_set in plan.sets.items():
        for note in reference_set.notes:
            numbers[note] += counts[name]
    return [
        f"{note}: {number} exposure{'' if number == 1 else 's'}"
        for note, number in numbers.most_common()
    ]


def _line(cause: Cause) -> str:
    name = base_name(cause.example.input)
    message = shortened(cause.example.message, 500)  # `batch status --json` has all of it
    if cause.count > 1:
        of = f" of {', '.join(cause.detectors)}" if len(cause.detectors) > 1 else ""
        return f"{cause.kind.value}: {message}: {cause.count} exposures{of}, such as {name}"
    where = "" if cause.example.input in message else f": {name}"
    return f"{cause.kind.value}: {message}{where}"
