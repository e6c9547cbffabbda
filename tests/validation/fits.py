"""Holds the fits against the best that the ramps allow: part of ``make validate``.

Writes `docs/explanation/validation-fits.md` and the table of goals in
`docs/explanation/validation.md`. What romancal 1.1.0 makes of the same ramps is kept in
`fits_peer.json`, which ``--peer PYTHON`` writes anew with an environment that has it
(``make validate-peer``).
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import time
from collections.abc import Iterator
from pathlib import Path

from .compare import Value
from .estimators import ESTIMATORS, PIPELINES, Peer
from .fits_report import write
from .goals import GOALS
from .ramps import PATTERNS
from .yardsticks import SATURATING, Case, Measures, Results, of_ramps, of_saturating

DOCS = Path(__file__).parents[2] / "docs" / "explanation"
PEER_FILE = Path(__file__).with_name("fits_peer.json")


def collect(cases: Iterator[tuple[Case, dict[str, Measures]]]) -> Results:
    start, results = time.perf_counter(), {}
    for case, by_name in cases:
        results[case] = by_name
        if case.kind in ("clean", "saturating"):
            elapsed = time.perf_counter() - start
            print(
                f"{elapsed:4.0f} s  {case.kind:10} {case.pattern:11} {case.condition}", flush=True
            )
    return results


def save(results: Results, path: Path) -> None:
    """One case a line: values with their errors."""
    lines = []
    for case, by_name in sorted(results.items()):
        key = json.dumps(f"{case.kind}, {case.pattern}, {case.condition}")
        rounded = {
            name: {k: [float(f"{x:.7g}") for x in (v.value, v.error)] for k, v in measures.items()}
            for name, measures in by_name.items()
        }
        lines.append(f"{key}: {json.dumps(rounded)}")
    path.write_text("{\n" + ",\n".join(lines) + "\n}\n")


def load(path: Path) -> Results:
    results: Results = {}
    for key, by_name in json.loads(path.read_text()).items():
        kind, pattern, condition = key.split(", ")
        results[Case(kind, pattern, condition)] = {
            name: {k: Value(*v) for k, v in measures.items()} for name, measures in by_name.items()
        }
    return results


def same_ramps(results: Results, other: Results) -> bool:
    """Whether both were measured on the same ramps: what is best for them tells."""
    for case, by_name in results.items():
        theirs = other.get(case)
        if theirs is None:
            return False
        for mine, their in zip(by_name["best"].values(), theirs["best"].values(), strict=True):
            if abs(mine.value - their.value) > 1e-5 * max(abs(mine.value), mine.error):
                return False
    return True


def with_peer(results: Results, peer: Results) -> Results:
    """The results with romancal's, if they are of the same ramps."""
    if not same_ramps(results, peer):
        print(f"{PEER_FILE.name} is of other ramps and left out: make validate-peer makes it anew")
        return results
    return {case: by_name | {"peer": peer[case]["peer"]} for case, by_name in results.items()}


def main() -> None:
    parser = argparse.ArgumentParser(prog="validation.fits", description=__doc__)
    parser.add_argument("--peer", type=Path, metavar="PYTHON", help="measure romancal instead")
    parser.add_argument(
        "--pixels", type=float, default=1.0, metavar="FACTOR",
        help="so many times the pixels; with another factor than 1 nothing is written",
    )  # fmt: skip
    options = parser.parse_args()
    scale = options.pixels
    start = time.perf_counter()
    if options.peer:
        with Peer(options.peer) as peer:
            results = collect(
                itertools.chain(
                    of_ramps({"peer": peer.fit}, PATTERNS, scale),
                    of_saturating({"peer": (peer.saturation_flags, peer.fit)}, SATURATING, scale),
                )
            )
        if scale == 1:
            save(results, PEER_FILE)
            print(f"wrote {os.path.relpath(PEER_FILE)} in {time.perf_counter() - start:.0f} s")
        return
    results = collect(
        itertools.chain(
            of_ramps(ESTIMATORS, PATTERNS, scale), of_saturating(PIPELINES, SATURATING, scale)
        )
    )
    if scale == 1 and PEER_FILE.exists():
        results = with_peer(results, load(PEER_FILE))
    for goal in GOALS:
        print(f"{goal.verdict(results):16} {goal.quantity}")
    if scale == 1:
        write(DOCS / "validation-fits.md", DOCS / "validation.md", results)
        print(f"wrote docs/explanation/validation-fits.md in {time.perf_counter() - start:.0f} s")


if __name__ == "__main__":
    main()
