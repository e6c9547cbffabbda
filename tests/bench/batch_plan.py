"""What it takes to plan a batch of many exposures, and to see which of them are done.

Makes files with the head of a raw exposure each, of 18 detectors and 4 optical elements, whose
arrays are holes in the file, and references for all of them::

    python tests/bench/batch_plan.py 100000 /tmp/batch-plan

Prints CPU seconds of this process and its children, and the peak of memory. The directory is left
for another run; remove it when you are done.
"""

from __future__ import annotations

import argparse
import os
import resource
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

from romancal_rs._asdf_blocks import find_first_block, read_blocks
from romancal_rs.batch.outcome import Kind, Outcome
from romancal_rs.batch.plan import Plan, Settings
from romancal_rs.batch.planning import make_plan, plan_problems
from romancal_rs.batch.remaining import what_remains
from romancal_rs.batch.sources import find
from romancal_rs.simulate import SimulationConfig, simulate

DETECTORS = [f"WFI{i:02d}" for i in range(1, 19)]
ELEMENTS = ["F106", "F129", "F158", "F184"]
#: Of the exposure that is simulated; what replaces them is as long.
DETECTOR, ELEMENT, START = "WFI01", "F158", "2027-06-01T00:00:00"
SECONDS_APART = 200


def make(n_exposures: int, directory: Path) -> None:
    """Writes the exposures and the references, unless they are there."""
    config = SimulationConfig(
        rows=64, cols=128, n_resultants=6, n_reads=4, detector=DETECTOR, start_time=START
    )
    made = simulate(config, directory / "simulated")
    references = directory / "references"
    references.mkdir(exist_ok=True)
    for path in made.reference_files.values():
        copy_reference(path, references)
    head, headers, size = parts(made.exposure)
    for i in range(n_exposures):
        visit, in_visit = divmod(i, len(DETECTORS))
        detector, element = DETECTORS[in_visit], ELEMENTS[visit % len(ELEMENTS)]
        start = datetime.fromisoformat(START) + timedelta(seconds=SECONDS_APART * visit)
        number = f"{visit:05d}"
        name = f"r00001010010010{number}_0001_{detector.lower()}_{element.lower()}_uncal.asdf"
        place = directory / "exposures" / detector
        place.mkdir(parents=True, exist_ok=True)
        if (place / name).exists():
            continue
        own = head.replace(START.encode(), start.isoformat().encode())
        own = own.replace(DETECTOR.encode(), detector.encode())
        own = own.replace(ELEMENT.encode(), element.encode())
        own = own.replace(made.exposure.name.encode(), name.encode().ljust(len(made.exposure.name)))
        assert len(own) == len(head)
        with (place / name).open("wb") as file:
            file.write(own)
            for position, header in headers:
                file.seek(position)
                file.write(header)
            file.truncate(size)


def copy_reference(path: Path, directory: Path) -> None:
    """Copies a reference for all detectors and, if it is for an element, for all of these."""
    content = path.read_bytes()
    end = content.find(b"\n...\n")
    head = content[:end]
    elements = ELEMENTS if ELEMENT.encode() in head else [ELEMENT]
    for detector in DETECTORS:
        for element in elements:
            own = head.replace(DETECTOR.encode(), detector.encode())
            own = own.replace(ELEMENT.encode(), element.encode())
            name = f"{path.stem}_{detector.lower()}_{element.lower()}.asdf"
            (directory / name).write_bytes(own + content[end:])


def parts(exposure: Path) -> tuple[bytes, list[tuple[int, bytes]], int]:
    """Its head, the headers of its blocks by their positions, and its size."""
    with exposure.open("rb") as file:
        first = find_first_block(file)
        blocks = list(read_blocks(file, first))
        file.seek(0)
        head = file.read(first)
    return head, [(b.position, b.header()) for b in blocks], blocks[-1].end


@contextmanager
def measured(what: str) -> Iterator[None]:
    """Prints what the block takes."""
    began, before = time.perf_counter(), cpu()
    yield
    wall, used = time.perf_counter() - began, cpu() - before
    own, children = (
        resource.getrusage(who).ru_maxrss / 1024
        for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    )
    print(
        f"{what:<44}{used:8.2f} s CPU {wall:8.2f} s wall, peak so far {own:6.0f} MB, of a child "
        f"{children:5.0f} MB",
        flush=True,
    )


def cpu() -> float:
    """CPU seconds so far, of this process and of its children that have ended [s]."""
    return sum(
        usage.ru_utime + usage.ru_stime
        for usage in map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    )


def outcomes(plan: Plan) -> dict[str, Outcome]:
    """Records of products that are empty files."""
    found = {}
    for exposure in plan.exposures:
        path = Path(exposure.product)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
        status = path.stat()
        found[exposure.key] = Outcome(
            input=exposure.input,
            kind=Kind.DONE,
            product=exposure.product,
            key=exposure.key,
            product_stamp=[status.st_size, status.st_mtime_ns],
        )
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("n_exposures", type=int)
    parser.add_argument("directory", type=Path)
    parser.add_argument("--processes", type=int, help="that read heads")
    options = parser.parse_args()
    directory = options.directory.absolute()
    os.environ["ROMANCAL_RS_CACHE"] = str(directory / "cache")
    with measured("files made"):
        make(options.n_exposures, directory)
    with measured("sources found"):
        sources = find([str(directory / "exposures")], recursive=True)
    settings = Settings(
        "roman_elp", str(directory / "products"), references=str(directory / "references")
    )
    with measured("plan made"):
        plan = make_plan(sources, settings, processes=options.processes)
    print(f"{len(plan.exposures)} exposures, {len(plan.sets)} sets of references")
    for line in plan_problems(plan)[:5]:
        print(line)
    with measured("plan made again, references digested"):
        plan = make_plan(sources, settings, processes=options.processes)
    with measured("plan written"):
        path = plan.write(directory / f"run-{time.time_ns()}")
    print(f"{path.stat().st_size / 1e6:.0f} MB")
    with measured("plan read"):
        plan = Plan.read(path)
    with measured("no products: currency of all"):
        print(what_remains(plan, plan.exposures, {}))
    known = outcomes(plan)
    with measured("products with records: currency of all"):
        print(what_remains(plan, plan.exposures, known))
    software = {**plan.software, "romancal-rs": "0"}
    changed = replace(plan, exposures=plan.exposures[:1000], software=software)
    with measured("1000 products without records"):
        print(what_remains(changed, changed.exposures, {}))


if __name__ == "__main__":
    sys.exit(main())
