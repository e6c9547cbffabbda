"""How far rate images of a third party's simulation lie from its truth: ``make validate-sample``.

The sample is a directory with two Level 1 exposures of 512 x 512 pixels, which carry a number that
ends in ``_0001`` (`even`: 8 resultants of 8 reads) and ``_0002`` (`uneven`: 9 resultants of 1 to 10
reads), their ``references``, and ``truth_even.npz`` and ``truth_uneven.npz``. A product is the rate
image of one of them, by this package or by romancal, as an ASDF file *before the flat field*, as
the truth has none; it is shown by the name of its directory. Without products both exposures are
calibrated here, without the jump step.

**Pull**: (slope - expected) / err, as the product has them, where `expected` is the true count rate
(in electrons, dark included) over the GAIN, less the DARK's rate.

**Pixels**: all but the border, the ones in MASK, those that a particle hit in any read, and those
that reach the SATURATION threshold in any resultant. The raw exposure tells the latter, and not the
flags of the product, so that all products are measured in the same pixels. Pulls that are not
finite are left out; the columns count what is left.

**Bins** are of the true rate over the gain [DN/s]. *median* and *width* are of the pulls: half of
what lies between their 16th and 84th percentiles, and 1.4826 times the median of what they are away
from their median (*MAD*). Each is 1 for a normal distribution of that standard deviation.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator
from contextlib import redirect_stdout
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from romancal_rs import datamodels
from romancal_rs.border import SCIENCE
from romancal_rs.cli import main as romancal_rs

KINDS = {"_0001_": "even", "_0002_": "uneven"}
BINS = ((0.0, 0.5), (0.5, 1.0), (1.0, 3.0), (3.0, 10.0), (10.0, 50.0))  # DN/s
MAD_TO_SIGMA = 1.4826
UP_TO_THE_RATE = ("--steps.jump.skip=true", "--steps.flatfield.skip=true")


@dataclass(frozen=True)
class Pulls:
    """Of the pixels of one bin."""

    median: float
    width: float
    mad: float
    pixels: int

    @classmethod
    def of(cls, pulls: NDArray[Any]) -> Pulls:
        p16, p50, p84 = np.percentile(pulls, [16, 50, 84])
        mad = MAD_TO_SIGMA * np.median(np.abs(pulls - p50))
        return cls(float(p50), float((p84 - p16) / 2), float(mad), pulls.size)


class Sample:
    """The directory of the exposures, their references and their truth."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.references = directory / "references"

    def exposure(self, kind: str) -> Path:
        (number,) = (number for number, name in KINDS.items() if name == kind)
        return next(self.directory.glob(f"*{number}*_uncal.asdf"))

    def reference(self, reftype: str, name: str = "data") -> NDArray[Any]:
        """An array of a reference file, full frame."""
        with datamodels.open(next(self.references.glob(f"*_{reftype}_*.asdf"))) as model:
            return np.array(model[name])

    def true_rate(self, kind: str) -> NDArray[np.float64]:
        """Count rate over gain, dark included; full frame [DN/s]."""
        with np.load(self.directory / f"truth_{kind}.npz") as truth:
            return truth["rate_electrons"] / self.reference("gain")

    def clean(self, kind: str) -> NDArray[np.bool_]:
        """Pixels that are good in the reference, were not hit, and do not saturate; full frame."""
        with np.load(self.directory / f"truth_{kind}.npz") as truth:
            hit = np.any(truth["cr_electrons"] != 0, axis=0)
        with datamodels.open(self.exposure(kind)) as raw:
            samples = datamodels.Encoding.of(raw).samples(raw.stored("data"))
        saturated = np.any(samples >= self.reference("saturation"), axis=0)
        return ~hit & ~saturated & (self.reference("mask", "dq") == 0)


def kind_of(product: Path) -> str:
    """Which of the two exposures a product is of, by its name."""
    for number, kind in KINDS.items():
        if number in product.name:
            return kind
    raise SystemExit(f"{product.name}: the name says neither _0001_ nor _0002_")


def measure(sample: Sample, product: Path) -> dict[tuple[float, float], Pulls]:
    """The pulls of a product, by the bin of the true rate; without bins that have no pixel."""
    kind = kind_of(product)
    with datamodels.open(product) as image:
        if image.meta.cal_step.flat_field == "COMPLETE":
            raise SystemExit(f"{product}: has its flat field; measured is what comes before")
        slope, err = np.array(image.data, np.float64), np.array(image.err, np.float64)
    rate, clean = sample.true_rate(kind)[SCIENCE], sample.clean(kind)[SCIENCE]
    expected = rate - sample.reference("dark", "dark_slope")[SCIENCE]
    with np.errstate(divide="ignore", invalid="ignore"):
        pull = (slope - expected) / err
    clean &= np.isfinite(pull)
    bins = {(low, high): clean & (rate >= low) & (rate < high) for low, high in BINS}
    return {limits: Pulls.of(pull[inside]) for limits, inside in bins.items() if inside.any()}


def calibrate(sample: Sample, out: Path, options: list[str]) -> Iterator[Path]:
    """Both exposures up to the rate, by this package, with options of ``romancal-rs run``."""
    for kind in KINDS.values():
        exposure = sample.exposure(kind)
        arguments = ["run", "roman_elp", str(exposure), f"--references={sample.references}"]
        arguments += [f"--output_dir={out}", *UP_TO_THE_RATE, *options]
        with redirect_stdout(StringIO()):
            status = romancal_rs(arguments)
        if status:
            raise SystemExit(f"{exposure.name}: the pipeline failed, see above")
        yield out / exposure.name.replace("_uncal", "_cal")


def show(sample: Sample, name: str, product: Path) -> None:
    for (low, high), pulls in measure(sample, product).items():
        print(
            f"{name:<28}{kind_of(product):<8}{low:>5g} - {high:<4g}{pulls.median:>+9.3f}"
            f"{pulls.width:>8.3f}{pulls.mad:>8.3f}{pulls.pixels:>8}",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="validation.sample",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="Other options, such as --recipe=2022, go to the pipeline.",
    )
    parser.add_argument("sample", type=Path, help="directory of the sample")
    parser.add_argument("products", type=Path, nargs="*", help="rate images of it")
    parsed, options = parser.parse_known_args()
    sample = Sample(parsed.sample)
    header = f"{'product':<28}{'reads':<8}{'DN/s':^12}{'median':>9}{'width':>8}{'MAD':>8}"
    with tempfile.TemporaryDirectory() as directory:
        ours = [] if parsed.products else list(calibrate(sample, Path(directory), options))
        print(f"{header}{'pixels':>8}")
        for product in ours:
            show(sample, " ".join(["romancal-rs", *options]), product)
        for product in parsed.products:
            show(sample, product.parent.name, product)


if __name__ == "__main__":
    main()
