"""Calibrate many exposures, and record what became of each.

Called again it goes on where it was: what is done, and would be the same, is not done again.
Without a SOURCE it carries out the newest plan of the destination.
"""

from __future__ import annotations

import argparse
import contextlib
import signal
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

from ..._exit_status import ExitStatus
from ...errors import ArgumentError, InputError, RomancalError
from ..options import add_quiet
from ..parser import seldom
from ..signals import terminate
from ..streams import complain
from .kinds import RERUN, number_or_auto, positive, seconds, size
from .options import add_arguments_of_target as add_arguments_of_target
from .options import add_scratch, add_shared_arguments, check_place, scratch_of
from .plan import make_plan
from .runs import run_of

if TYPE_CHECKING:
    from ...batch.carry_out import Batch, BatchOptions
    from ...batch.plan import Plan
    from ...batch.remaining import Remaining
    from ...batch.state import RunDirectory

#: What comes within this time of the first signal is the same request [s]: `timeout` sends two.
_ONCE = 1.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_shared_arguments(parser)
    add_quiet(parser)
    seldom(
        parser.add_argument(
            "--run", metavar="ID", dest="run_id", help="the run to continue, if no SOURCE is given"
        )
    )
    group = parser.add_argument_group("how it is done")
    seldom(
        group.add_argument(
            "--engine",
            choices=("processes", "serial", "dask"),
            default="processes",
            help="processes of this machine (default), serial: in this process, or a dask cluster",
        )
    )
    seldom(
        group.add_argument(
            "--scheduler",
            metavar="ADDRESS|FILE",
            help="of a Dask cluster (default: start one here)",
        )
    )
    group.add_argument("--workers", metavar="N", type=positive, help="as many as there are cores")
    seldom(
        group.add_argument(
            "--threads",
            metavar="N|auto",
            type=number_or_auto,
            help="of each worker (auto: one, or more where there are fewer exposures than cores)",
        )
    )
    group.add_argument("--shard", metavar="I/N", help="only the I-th of N parts of the exposures")
    seldom(
        group.add_argument(
            "--by",
            choices=("exposure", "detector"),
            default="exposure",
            help="what the parts are made by: equal numbers (default), or whole detectors",
        )
    )
    group.add_argument("--timeout", metavar="S", type=seconds, help="longest time for an exposure")
    seldom(
        group.add_argument(
            "--memory-limit", metavar="SIZE", type=size, help="memory of a worker, such as 4GB"
        )
    )
    add_scratch(group)
    group = parser.add_argument_group("what to calibrate again, and when to stop")
    group.add_argument(
        "--rerun",
        choices=RERUN,
        default="changed",
        help="changed: what would be another product now (default); failed: also what failed "
        "before; all; never: only what has neither product nor outcome",
    )
    seldom(
        group.add_argument(
            "--retries",
            metavar="N",
            type=positive,
            default=3,
            help="how often to try an exposure that fails for a reason outside of it (3)",
        )
    )
    seldom(
        group.add_argument(
            "--keep-going", action="store_true", help="go on after 20 equal failures in a row"
        )
    )
    seldom(
        group.add_argument("--fail-fast", action="store_true", help="stop after the first failure")
    )
    group.add_argument("--dry-run", action="store_true", help="say what would be done, and why")
    seldom(
        group.add_argument(
            "--progress",
            choices=("auto", "bar", "lines", "json", "none"),
            default="auto",
            help="auto: a bar on a terminal, else a line every 10 s",
        )
    )
    seldom(
        group.add_argument(
            "--associations",
            action="store_true",
            help="write an association of the products of each exposure, for the next stage",
        )
    )


def run(options: argparse.Namespace) -> int:
    from ...batch.outcome import Kind, kind_of_error, message_of

    if options.quiet and options.progress not in ("auto", "none"):
        options.parser.error(f"--quiet shows no progress: leave out --progress {options.progress}")
    try:
        return _run(options)
    except (OSError, RomancalError) as error:
        is_lasting = kind_of_error(error) is not Kind.TRANSIENT
        if is_lasting or getattr(options, "verbose", False) or isinstance(error, BrokenPipeError):
            raise
        complain(f"romancal-rs: error: {message_of(error)}")
        return ExitStatus.CALL_AGAIN


def _run(options: argparse.Namespace) -> int:
    from ...batch.carry_out import Batch
    from ...batch.planning import plan_notes, plan_problems

    how = _batch_options(options)
    plan, directory = _planned(options)
    batch = Batch(plan, directory, how)
    n = len(batch.exposures)
    print(f"{plan.settings.destination}: {n} exposure{'' if n == 1 else 's'}: {batch.remaining}")
    if batch.remaining.problems:
        print(f"{len(batch.remaining.problems)} cannot be calibrated:")
        print("\n".join(f"  {line}" for line in plan_problems(plan)))
    for line in plan_notes(plan):
        print(f"note: {line}")
    if options.dry_run:
        return 1 if _have_failed(batch.remaining) else 0
    sys.stdout.flush()  # before what progress shows
    counts: Counter[str] = Counter()
    with _stopped_by_sigterm(batch) as signals:
        try:
            why = _carry_out(batch, counts, "none" if options.quiet else options.progress)
        except KeyboardInterrupt:
            complain("romancal-rs: what is done stays done: the same command goes on")
            raise
    _tell(batch, counts, options)
    if signals:
        complain("romancal-rs: terminated: what was in work has ended; the same command goes on")
        return ExitStatus.CALL_AGAIN
    return _status(batch, counts, why)


def _have_failed(remaining: Remaining) -> bool:
    """Whether it is known by now that some fail."""
    known = [exposure.problem.kind for exposure in remaining.problems if exposure.problem]
    known += [outcome.kind for outcome in remaining.settled]
    return not all(kind.is_good for kind in known)


def _planned(options: argparse.Namespace) -> tuple[Plan, RunDirectory]:
    """A new plan of the sources; without any, the newest one of the destination."""
    from ...batch.api import write_plan
    from ...batch.identity import software
    from ...batch.state import RunDirectory, run_directories, state_of

    check_place(options, may_write=not options.dry_run)
    if options.words[1:] if options.is_class_named else options.words:
        plan = make_plan(options, scratch_of(options))
        if options.dry_run:  # nothing is written
            return plan, RunDirectory.of(plan, state_of(plan.settings.destination, options.state))
        return plan, write_plan(plan, options.state)
    runs = run_directories(state_of(options.to, options.state))
    if not runs:
        options.parser.error(
            f"{options.to}: there is no plan yet: name the exposures: files, directories, lists, "
            "tables or URLs"
        )
    directory = run_of(options, runs)
    plan = directory.read_plan()
    if dict(plan.software) != software():
        made_by = plan.software.get("romancal-rs")
        options.parser.error(
            f"{directory.plan_path}: made by other versions (romancal-rs {made_by}): name the "
            "exposures again, for a plan of this one"
        )
    return plan, directory


def _batch_options(options: argparse.Namespace) -> BatchOptions:
    try:
        made = _how(options)
    except (ArgumentError, InputError) as error:
        options.parser.error(str(error))
    return made


def _how(options: argparse.Namespace) -> BatchOptions:
    from ...batch.carry_out import BatchOptions
    from ...batch.remaining import Shard

    return BatchOptions(
        engine=options.engine,
        workers=options.workers,
        threads=options.threads,
        scheduler=options.scheduler,
        shard=None if options.shard is None else Shard.parse(options.shard, options.by),
        retries=options.retries,
        timeout=options.timeout,
        rerun=options.rerun,
        ignore=options.ignore,
        keep_going=options.keep_going,
        fail_fast=options.fail_fast,
        scratch=options.scratch,
        scratch_limit=options.scratch_limit,
        memory_limit=options.memory_limit,
    )


def _carry_out(batch: Batch, counts: Counter[str], mode: str) -> str:
    """Counts the outcomes by their class, and says why it stopped before its end, if it did."""
    from ...batch.progress import Progress
    from ...batch.supervise import StoppedError

    bytes_in = n_worked = 0
    total = len(batch.exposures)
    todo = {exposure.input for exposure in batch.remaining.todo}
    with contextlib.closing(Progress(total, stream=sys.stderr, mode=mode)) as progress:

        def show() -> None:
            left = total - counts.total()
            progress.update(counts, left, bytes_in, batch.in_work(), n_worked)

        batch.observer = show
        show()
        with contextlib.closing(batch.outcomes()) as outcomes:
            try:
                for outcome in outcomes:
                    counts[outcome.kind.value] += 1
                    if outcome.input in todo:
                        n_worked += 1
                        bytes_in += outcome.bytes_in if outcome.started else 0
                    show()
            except StoppedError as stopped:
                return str(stopped)
    return ""


@contextlib.contextmanager
def _stopped_by_sigterm(batch: Batch) -> Iterator[list[float]]:
    """Has what asks the process to end wait for the exposures in work, and begin no others.

    Where it asks again, the process ends at once. Gives a list of the times when it asked [s].
    """
    signals: list[float] = []

    def stop(number: int, frame: FrameType | None) -> None:
        now = time.monotonic()
        if signals and now - signals[0] >= _ONCE:
            terminate(number)
        signals.append(now)
        batch.stop("asked to end (SIGTERM)")

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield signals
    finally:
        signal.signal(signal.SIGTERM, before)


def _tell(batch: Batch, counts: Counter[str], options: argparse.Namespace) -> None:
    """Prints what came of it, and writes the report."""
    from ...batch.report import write_report
    from ...batch.table import default_name

    print(", ".join(f"{number} {kind}" for kind, number in counts.most_common()) or "nothing done")
    if batch.options.shard is not None:
        return  # the others are not at their end
    place = batch.directory.path
    try:
        written = write_report(batch.directory, place, table=place / default_name())
        if options.associations:
            outcomes = batch.directory.state().outcomes.values()
            products = [outcome.product for outcome in outcomes if outcome.product]
            written += _associate(products, batch)
    except (OSError, RomancalError) as error:
        complain(f"romancal-rs: warning: no report: {error}")
        return
    for name in written:
        print(f"wrote {name}")


def _associate(products: list[str], batch: Batch) -> list[Path]:
    """Writes the associations; those of remote products name their neighbours, and go to them."""
    from ...batch import remote
    from ...batch.associations import write_associations

    directory, destination = batch.directory.path, batch.plan.settings.destination
    if not remote.is_url(destination):
        return write_associations(products, directory)
    written = write_associations([directory / remote.name_of(url) for url in products], directory)
    for path in written:
        remote.upload(path, f"{destination}/{path.name}")
    return written


def _status(batch: Batch, counts: Counter[str], why: str) -> int:
    from ...batch.outcome import Kind

    if why:
        complain(f"romancal-rs: stopped: {why}")
    bad = [Kind(name) for name in counts if not Kind(name).is_good]
    if any(not kind.may_change for kind in bad):
        return ExitStatus.ERROR
    is_short = counts.total() < len(batch.exposures)
    return ExitStatus.CALL_AGAIN if bad or is_short else ExitStatus.OK
