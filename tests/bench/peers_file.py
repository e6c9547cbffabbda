"""The flight recipe from file to file beside romancal 1.1.0, on the same exposure: time and memory.

Run by ``make bench-peers``, which passes the Python of an environment with romancal 1.1.0. The
exposure is that of ``flight.py``: 4096 x 4096 pixels, 8 resultants of 8 reads, simulated once into
``build/bench``. romancal is given all of its references, so that it asks no server, its steps are
run one after the other, as its pipeline does, up to flat_field, and the image and its WCS are
saved; source_catalog and tweakreg, which need a server, are left out. Ours runs once before, so
that all files are in the page cache, and with two threads. Eight minutes, and 6 GB of memory.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from flight import run, simulated
from watching import watch

#: Steps of romancal: module, class, reference types.
STEPS = (
    ("dq_init", "DQInitStep", ("mask",)),
    ("saturation", "SaturationStep", ("saturation",)),
    ("refpix", "RefPixStep", ("refpix",)),
    ("dark_decay", "DarkDecayStep", ("darkdecaysignal",)),
    ("wfi18_transient", "WFI18TransientStep", ()),
    (
        "linearity",
        "LinearityStep",
        ("linearity", "inverselinearity", "integralnonlinearity"),
    ),
    ("ramp_fitting", "RampFitStep", ("readnoise", "gain")),
    ("dark_current", "DarkCurrentStep", ("dark",)),
    ("assign_wcs", "AssignWcsStep", ("distortion",)),
    ("photom", "PhotomStep", ("photom",)),
    ("flatfield", "FlatFieldStep", ("flat",)),
)


def run_romancal(exposure: Path, references: Path, out: Path) -> None:
    """The work of romancal's process; nothing of this package is imported."""
    import importlib

    import roman_datamodels

    out.mkdir(parents=True, exist_ok=True)
    os.environ.setdefault("CRDS_PATH", str(out / "crds"))  # where it may look in vain
    model = roman_datamodels.open(exposure)
    for module, name, reftypes in STEPS:
        step_class = getattr(importlib.import_module(f"romancal.{module}"), name)
        overrides = {
            f"override_{reftype}": str(next(references.glob(f"*_{reftype}_*.asdf")))
            for reftype in reftypes
        }
        # Not `run`, which wants to know of a server which references it has.
        model = step_class(**overrides).process(model)
        print(f"romancal: {module} done", file=sys.stderr, flush=True)
    model.save(out / exposure.name.replace("_uncal", "_cal"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("peer", help="Python that has romancal 1.1.0")
    parser.add_argument("--directory", type=Path, default=Path("build/bench/flight"))
    parser.add_argument("--run", nargs=3, type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.run:
        run_romancal(*options.run)
        return
    exposure = simulated(options.directory)
    references = exposure.parent / "references"
    run(exposure, references, 2, "wall")
    ours, _ = run(exposure, references, 2, "wall")
    command = [options.peer, __file__, options.peer, "--run", str(exposure), str(references)]
    theirs = watch([*command, str(options.directory / "romancal")], 2)
    print(f"{'file to file':<16}{'wall [s]':>10}{'CPU [s]':>10}{'RssAnon [MB]':>14}")
    for name, whole in (("romancal 1.1.0", theirs), ("romancal-rs", ours)):
        print(f"{name:<16}{whole.wall:>10.1f}{whole.cpu:>10.1f}{whole.peak:>14.0f}")
    print(f"{'ratio':<16}{theirs.wall / ours.wall:>10.1f}{theirs.cpu / ours.cpu:>10.1f}")


if __name__ == "__main__":
    main()
