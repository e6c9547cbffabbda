"""Runs the plan and writes `docs/explanation/validation.md`: ``make validate``.

With ``--gain-factor`` or ``--threshold`` the product is told something wrong, to see how it shows;
then, and with other random numbers (``--repeat``), nothing is written.
"""

from __future__ import annotations

import argparse
import logging
import os
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from . import independent, product
from .compare import Comparison, Row, beyond, completeness, measure
from .plan import Exposure, plan
from .report import NAMES, all_z, combined, write

PAGE = Path(__file__).parents[2] / "docs" / "explanation/validation.md"
REPEATS = 10


def run(exposure: Exposure, gain_factor: float = 1.0, threshold: float | None = None) -> Row:
    """One exposure by the product and by the independent simulation."""
    with tempfile.TemporaryDirectory() as directory:
        path, truth, hits = product.make(exposure, Path(directory), gain_factor=gain_factor)
        jump = {} if threshold is None else {"jump": {"rejection_threshold": threshold}}
        calibrated = product.calibrate(path, hits, **jump)
    expected = independent.run(exposure, truth)
    rate = product.inner(truth)
    return Row(exposure, measure(exposure, calibrated, rate), measure(exposure, expected, rate))


def main() -> None:
    parser = argparse.ArgumentParser(prog="validation", description=__doc__)
    parser.add_argument("--gain-factor", type=float, default=1.0)
    parser.add_argument("--threshold", type=float)
    parser.add_argument("--repeat", type=int, default=0)
    options = parser.parse_args()
    logging.disable(logging.WARNING)
    start = time.perf_counter()
    rows = []
    for exposure in plan():
        exposure = replace(exposure, repeat=options.repeat)
        row = run(exposure, options.gain_factor, options.threshold)
        rows.append(row)
        z = "  ".join(f"{name} {c.z:+.1f}" for name, c in row.comparisons().items())
        shape = f"{len(exposure.pattern)} {'even' if exposure.even else 'uneven'}"
        print(
            f"{time.perf_counter() - start:4.0f} s  {exposure.number:2}  {shape:10}"
            f"{exposure.rate:7g} DN/s  z: {z or 'no usable sample'}",
            flush=True,
        )

    print(
        "combined z:", ", ".join(f"{NAMES[k]} {combined(z):+.1f}" for k, z in all_z(rows).items())
    )
    z = [value for of_measure in all_z(rows).values() for value in of_measure]
    z += [c.z for comparisons in completeness(rows).values() for c in comparisons]
    for limit, count, chance in beyond(z):
        print(f"{count} of {len(z)} comparisons beyond {limit:g}; by chance {chance:.2f}")
    if options != parser.parse_args([]):
        return
    write(PAGE, rows, repeat_outliers(rows))
    print(f"wrote {os.path.relpath(PAGE)} in {time.perf_counter() - start:.0f} s")


def repeat_outliers(rows: list[Row]) -> list[tuple[Row, str, list[Comparison]]]:
    """Whatever is beyond 3, again with other random numbers: by chance it does not come back."""
    repeats = []
    for row in rows:
        names = [name for name, c in row.comparisons().items() if abs(c.z) > 3]
        if not names:
            continue
        print(f"repeating exposure {row.exposure.number} {REPEATS} times: {', '.join(names)}")
        again = [run(replace(row.exposure, repeat=i)).comparisons() for i in range(1, REPEATS + 1)]
        repeats += [(row, name, [c[name] for c in again if name in c]) for name in names]
    return repeats


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as cache:
        # The indices of reference directories that are gone again.
        os.environ["ROMANCAL_RS_CACHE"] = cache
        main()
