"""Plans and records of batches, made by hand."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from romancal_rs.batch.outcome import Kind, Outcome
from romancal_rs.batch.plan import Pin, Plan, PlannedExposure, Problem, ReferenceSet, Settings
from romancal_rs.batch.state import RunDirectory

#: When the records begin [s since 1970].
BEGIN = 1_800_000_000.0


def planned(
    number: int,
    detector: str = "WFI01",
    element: str = "F158",
    *,
    references: str = "wfi01-f158",
    problem: Problem | None = None,
) -> PlannedExposure:
    """An exposure of a plan; its name holds the number."""
    name = f"r0000101001001001001_{number:04}_{detector.lower()}_{element.lower()}"
    return PlannedExposure(
        input=f"/raw/{name}_uncal.asdf",
        product=f"/out/{name}_cal.asdf",
        references="" if problem else references,
        head_sha256=f"{number:064x}",
        key=f"key-{number}",
        size=1_000_000,
        detector=detector,
        optical_element=element,
        exposure_type="WFI_IMAGE",
        start_time="2027-03-01T00:00:00.000",
        ma_table="IM_60_6_S",
        n_resultants=6,
        problem=problem,
    )


def plan_of(exposures: Sequence[PlannedExposure], destination: str = "/out") -> Plan:
    """A plan with a set of references for each name that its exposures have."""
    names = sorted({exposure.references for exposure in exposures} - {""})
    return Plan(
        settings=Settings("romancal_rs.pipeline.ExposurePipeline", destination),
        exposures=list(exposures),
        sets={
            name: ReferenceSet(
                name,
                (
                    Pin("dark", f"/refs/{name}_dark.asdf", "d" * 64, (1, 2), "roman_0017.pmap"),
                    Pin("gain", "/refs/gain.asdf", "9" * 64, (3, 4), "roman_0017.pmap"),
                    Pin("apcorr", "N/A"),
                ),
                references_sha256="a" * 64,
                parameters_sha256="b" * 64,
            )
            for name in names
        },
        software={"romancal-rs": "0.9.0", "numpy": "2.1.0"},
        created="2027-01-15T08:00:00Z",
        command="romancal-rs batch run /raw --to /out",
    )


def outcome_of(exposure: PlannedExposure, kind: Kind = Kind.DONE, **values: object) -> Outcome:
    """What became of a planned exposure."""
    made = {} if kind not in (Kind.DONE, Kind.CURRENT) else {"product": exposure.product}
    return Outcome(
        **{
            "input": exposure.input,
            "kind": kind,
            "key": exposure.key,
            "detector": exposure.detector,
            "optical_element": exposure.optical_element,
            "worker": "w1",
            "host": "node1",
            "software": {"romancal-rs": "0.9.0", "numpy": "2.1.0"},
            **made,
            **values,
        }
    )


def begun(name: str, at: float, worker: str = "w1", host: str = "node1") -> dict:
    """The line of an exposure that begins, `at` seconds after `BEGIN`."""
    return {"begun": name, "worker": worker, "host": host, "at": BEGIN + at}


def ended(outcome: Outcome, at: float) -> dict:
    """The line of an exposure that has ended, `at` seconds after `BEGIN`."""
    return {"outcome": outcome.as_row(), "at": BEGIN + at}


def run_of(
    state: Path, plan: Plan, rows: Sequence[dict] = (), *, worker: str = "w1"
) -> RunDirectory:
    """The directory of a run, with the records of one worker."""
    run = RunDirectory.of(plan, state)
    plan.write(run.path)
    run.records.mkdir(exist_ok=True)
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    (run.records / f"{worker}.jsonl").write_text(lines)
    return run
