"""How far rate images of a third party's simulation lie from its truth: ``make validate-sample``.

The sample is a directory with two Level 1 exposures of 512 x 512 pixels, which carry a number that
ends in ``_0001`` (`even`: 8 resultants of 8 reads) and ``_0002`` (`uneven`: 9 resultants of 1 to 10
reads), their ``references``, and ``truth_even.npz`` and ``truth_uneven.npz``. A product is the rate
image of one of them, by this package or by romancal, as an ASDF file *before the flat field*, as
the truth has none; it is shown by the name of its directory. Without products both exposures are
calibrated here, in the recipe of 2022 without the jump step.

**Pull**: (slope - expected) / err, as the product has them, where `expected` is the true count rate
(in electrons, dark included) over the GAIN, less the DARK's rate.

**Pixels**: all but the border, the ones in MASK, those that a particle hit in any read, and those
that reach the SATURATION threshold in any resultant. The raw exposure tells the latter, and not the
flags of the product, so that all products are measured in the same pixels. Pulls that are not
finite are left out; the columns count what is left.

**Bins** are of the true rate over the gain [DN/s]. *median* and *width* are of the pulls: half of
what lies between their 16th and 84th percentiles, and 1.4826 times the median of what they are away
from their median (*MAD*). Each is 1 for a normal distribution of that standard deviation.

**Against the bound**: (slope - expected) / b, where b is the error of the best linear estimate
(`ramps.py`) for GAIN, READNOISE and the true rate of each pixel. *rms* is the standard deviation;
*flagged* is the share with JUMP_DET. In pixels that one particle hit, and that are neither in MASK
nor saturated, b is for a hit of unknown size in the known read.
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
from romancal_rs.border import BORDER, SCIENCE
from romancal_rs.cli import main as romancal_rs
from romancal_rs.dqflags import pixel

from .ramps import Reads, best_of_each

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


@dataclass(frozen=True)
class AgainstBound:
    """Of the pixels of one bin, or of all that were hit, in units of the bound."""

    rms: float
    width: float
    flagged: float
    pixels: int

    @classmethod
    def of(cls, errors: NDArray[Any], flagged: NDArray[np.bool_]) -> AgainstBound:
        p16, p84 = np.percentile(errors, [16, 84])
        return cls(float(errors.std()), float((p84 - p16) / 2), float(flagged.mean()), errors.size)


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

    def unsaturated(self, kind: str) -> NDArray[np.bool_]:
        """Pixels that are good in the reference and do not saturate; full frame."""
        with datamodels.open(self.exposure(kind)) as raw:
            samples = datamodels.Encoding.of(raw).samples(raw.stored("data"))
        saturated = np.any(samples >= self.reference("saturation"), axis=0)
        return ~saturated & (self.reference("mask", "dq") == 0)

    def clean(self, kind: str) -> NDArray[np.bool_]:
        """Those of them that were not hit."""
        with np.load(self.directory / f"truth_{kind}.npz") as truth:
            hit = np.any(truth["cr_electrons"] != 0, axis=0)
        return ~hit & self.unsaturated(kind)

    def hit_reads(self, kind: str) -> NDArray[np.int64]:
        """The read of the hit in pixels with one, 0 in those with none or more; full frame."""
        with np.load(self.directory / f"truth_{kind}.npz") as truth:
            hits, shape = truth["cr_list"], truth["rate_electrons"].shape
        # Their rows and columns do not count the border.
        place = (hits["y"] + BORDER, hits["x"] + BORDER)
        reads, count = np.zeros((2, *shape), np.int64)
        reads[place] = hits["read"]
        np.add.at(count, place, 1)
        return np.where(count == 1, reads, 0)

    def bound(self, kind: str) -> NDArray[np.float64]:
        """Error of the best linear estimate; full frame, infinite where there is none [DN/s]."""
        with datamodels.open(self.exposure(kind)) as raw:
            exposure = raw.meta.exposure
            pattern = tuple(tuple(reads) for reads in exposure.read_pattern)
            reads = Reads(kind, pattern, exposure.frame_time)
        rate, hit_reads = self.true_rate(kind), self.hit_reads(kind)
        gain, noise = self.reference("gain"), self.reference("readnoise")
        known = np.isfinite(rate) & np.isfinite(noise) & (gain > 0)
        bound = np.full(rate.shape, np.inf)
        for row in range(len(rate)):
            some = (row, known[row])
            unused = np.zeros((len(pattern) - 1, known[row].sum()))
            _, bound[some] = best_of_each(
                reads, unused, rate[some], unused == 0, hit_reads[some],
                gain=gain[some], noise=noise[some],
            )  # fmt: skip
        return bound


def kind_of(product: Path) -> str:
    """Which of the two exposures a product is of, by its name."""
    for number, kind in KINDS.items():
        if number in product.name:
            return kind
    raise SystemExit(f"{product.name}: the name says neither _0001_ nor _0002_")


@dataclass(frozen=True)
class Product:
    """A rate image of the sample, without its border.

    Attributes
    ----------
    error, err : ndarray
        Measured minus expected, and what the product states [DN/s].
    rate : ndarray
        True, dark included [DN/s].
    jump : ndarray of bool
        Pixels with JUMP_DET.
    """

    kind: str
    error: NDArray[np.float64]
    err: NDArray[np.float64]
    rate: NDArray[np.float64]
    jump: NDArray[np.bool_]

    @classmethod
    def read(cls, sample: Sample, path: Path) -> Product:
        kind = kind_of(path)
        with datamodels.open(path) as image:
            if image.meta.cal_step.flat_field == "COMPLETE":
                raise SystemExit(f"{path}: has its flat field; measured is what comes before")
            slope, err = np.array(image.data, np.float64), np.array(image.err, np.float64)
            jump = (np.array(image.dq) & pixel["JUMP_DET"]) != 0
        rate = sample.true_rate(kind)[SCIENCE]
        expected = rate - sample.reference("dark", "dark_slope")[SCIENCE]
        return cls(kind, slope - expected, err, rate, jump)

    def bins(self, good: NDArray[np.bool_]) -> dict[tuple[float, float], NDArray[np.bool_]]:
        """The good pixels by the bin of their true rate; without bins that have none."""
        bins = {(low, high): good & (self.rate >= low) & (self.rate < high) for low, high in BINS}
        return {limits: inside for limits, inside in bins.items() if inside.any()}


def measure(sample: Sample, path: Path) -> dict[tuple[float, float], Pulls]:
    """The pulls of a product, by the bin of the true rate; without bins that have no pixel."""
    product = Product.read(sample, path)
    with np.errstate(divide="ignore", invalid="ignore"):
        pull = product.error / product.err
    good = sample.clean(product.kind)[SCIENCE] & np.isfinite(pull)
    return {limits: Pulls.of(pull[inside]) for limits, inside in product.bins(good).items()}


def measure_against_bound(sample: Sample, path: Path) -> dict[str, AgainstBound]:
    """A product's errors by the bin of the true rate, and in pixels with a hit."""
    product = Product.read(sample, path)
    kind = product.kind
    bound = sample.bound(kind)[SCIENCE]
    error = product.error / bound
    known = np.isfinite(error) & np.isfinite(bound)
    bins = {
        f"{low:g} - {high:g}": inside
        for (low, high), inside in product.bins(sample.clean(kind)[SCIENCE] & known).items()
    }
    bins["hit"] = ((sample.hit_reads(kind) > 0) & sample.unsaturated(kind))[SCIENCE] & known
    return {
        name: AgainstBound.of(error[inside], product.jump[inside])
        for name, inside in bins.items()
        if inside.any()
    }


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
            f"{name:<38}{kind_of(product):<8}{low:>5g} - {high:<4g}{pulls.median:>+9.3f}"
            f"{pulls.width:>8.3f}{pulls.mad:>8.3f}{pulls.pixels:>8}",
            flush=True,
        )


def show_against_bound(sample: Sample, name: str, product: Path) -> None:
    for pixels, measured in measure_against_bound(sample, product).items():
        print(
            f"{name:<38}{kind_of(product):<8}{pixels:^12}{measured.rms:>9.3f}"
            f"{measured.width:>8.3f}{100 * measured.flagged:>11.3f}{measured.pixels:>8}",
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
    columns = f"{'product':<38}{'reads':<8}{'DN/s':^12}"
    with tempfile.TemporaryDirectory() as directory:
        ours = [] if parsed.products else list(calibrate(sample, Path(directory), options))
        products = [(" ".join(["romancal-rs", *options]), path) for path in ours]
        products += [(path.parent.name, path) for path in parsed.products]
        print(f"{columns}{'median':>9}{'width':>8}{'MAD':>8}{'pixels':>8}")
        for name, product in products:
            show(sample, name, product)
        print(f"\n{columns}{'rms / b':>9}{'width/b':>8}{'flagged, %':>11}{'pixels':>8}")
        for name, product in products:
            show_against_bound(sample, name, product)


if __name__ == "__main__":
    main()
