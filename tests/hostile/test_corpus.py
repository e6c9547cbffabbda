"""Whatever a file holds: one line that says what is wrong, or the right result."""

from __future__ import annotations

import dataclasses
import os
import random
from pathlib import Path

import pytest
from hostile.cases import ERROR, RESULT, SAME, Case
from hostile.corpus import cases
from hostile.judge import Bench, table


@pytest.fixture(scope="module")
def bench(tmp_path_factory) -> Bench:
    return Bench(tmp_path_factory.mktemp("hostile"))


@pytest.mark.slow
def test_every_case_ends_as_it_should(bench):
    """A third of the cases, in children of a process that has imported everything.

    ``make hostile`` tries all (HOSTILE_EVERY=1). ``-s`` shows the table; HOSTILE_REPORT names a
    file to write the message of each case to.
    """
    found = cases()
    assert len({(case.kind, case.name) for case in found}) == len(found)
    found = found[:: int(os.environ.get("HOSTILE_EVERY", "3"))]
    assert len(found) >= 300
    outcomes = bench.try_all(found)
    print(f"\n{table(outcomes)}")
    report = os.environ.get("HOSTILE_REPORT")
    if report:
        Path(report).write_text("".join(f"{outcome}\n" for outcome in outcomes))
    assert len(outcomes) == len(found)
    assert [str(outcome) for outcome in outcomes if outcome.problem] == []


@pytest.mark.slow
def test_a_process_of_its_own_ends_the_same(bench):
    """Some of the cases, each as a user runs it."""
    by_kind: dict[str, list[Case]] = {}
    for case in cases():
        by_kind.setdefault(case.kind, []).append(case)
    some = [random.Random(kind).choice(of_kind) for kind, of_kind in by_kind.items()]
    outcomes = bench.try_all(some, fresh=True)
    assert [str(outcome) for outcome in outcomes if outcome.problem] == []


def _sound(name: str, expected: frozenset[str], change=lambda place: None) -> Case:
    def write(place) -> list[str]:
        change(place)
        return place.run()

    return Case(name, "judge", write, expected, "")


def test_the_judge_finds_what_it_looks_for(bench, monkeypatch):
    def leave(place) -> None:
        (place.directory / "out").mkdir()
        (place.directory / "out" / ".0123456789abcdef.part").write_bytes(b"half")

    def lose(place) -> None:
        place.reference("gain")

    wrong = [
        (_sound("no error", ERROR), "same (status 0), not error"),
        (_sound("left", RESULT, leave), "one product was expected"),
        (_sound("no result", SAME, lose), "error (status 1), not same"),
        (dataclasses.replace(_sound("no name", ERROR, lose), names="dark"), "does not name dark"),
    ]
    outcomes = bench.try_all([case for case, _ in wrong], servers=1)
    for outcome, (_, problem) in zip(outcomes, wrong, strict=True):
        assert problem in outcome.problem
    monkeypatch.setattr("hostile.judge.MOST_MEMORY", 0.1)
    (outcome,) = bench.try_all([_sound("memory", SAME)], servers=1)
    assert "times the memory" in outcome.problem
