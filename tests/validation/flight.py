"""How far rates are off after the flight steps, for all 18 detectors: ``make validate-flight``.

Each detector is simulated with all that the flight steps remove (`docs/how-to/simulate.md`), and
with the peculiarities of its own: maps, bias, channels, the direction in which its rows are read,
the decay of its dark signal, the converters, and, of WFI18, the transient. The sky is a staircase:
every pixel has one of the rates of `RATES`, in turn, so that each channel, row and column has all
of them. There are no stars, hits or defects, and jumps are not looked for: what is measured is what
the steps up to the fit leave.

**Bias** is the mean of (rate - true rate) over its root mean square about that mean; its standard
error is one over the root of the number of pixels. **Width** is that of (rate - true rate) / err.

Correlated noise leaves an offset that all pixels of an exposure share, since the lines that are
taken off rest on the reference pixels alone: hence several exposures of each detector. *one
exposure* is the standard deviation of the bias from exposure to exposure; what is more than one
over the root of the number of its pixels is that offset.
"""

from __future__ import annotations

import argparse
import logging
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from romancal_rs import datamodels
from romancal_rs.border import SCIENCE
from romancal_rs.pipeline import ExposurePipeline
from romancal_rs.simulate import SimulationConfig
from romancal_rs.simulate.config import DETECTORS
from romancal_rs.simulate.cosmic_rays import make_cosmic_rays
from romancal_rs.simulate.detector import Detector, make_detector
from romancal_rs.simulate.electronics import make_electronics
from romancal_rs.simulate.metadata import exposure_metadata
from romancal_rs.simulate.pointing import point
from romancal_rs.simulate.ramp import expose
from romancal_rs.simulate.references import write_references

RATES = (0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1000.0)  # DN/s
#: Short enough that 1000 DN/s fill no pixel, with gaps and resultants of several lengths.
PATTERN = ((1,), (2, 3), (4, 5), (6, 7, 8), (9, 10, 11), (12, 13), (15, 16))
#: Steps that are not what is measured.
LEFT_OUT = {
    "rampfit": {"use_ramp_jump_detection": False},
    "jump": {"skip": True},
    "flatfield": {"skip": True},
    "photom": {"skip": True},
}


@dataclass(frozen=True)
class Bin:
    """The pixels of one rate."""

    rate: float
    bias: float
    width: float
    pixels: int

    @property
    def uncertainty(self) -> float:
        """Standard error of the bias."""
        return float(1 / np.sqrt(self.pixels))


def configuration(
    detector: str,
    rows: int,
    cols: int,
    seed: int,
    *,
    even: bool = False,
    correlated_noise: float = 2.0,
) -> SimulationConfig:
    return SimulationConfig(
        rows=rows,
        cols=cols,
        read_pattern=None if even else PATTERN,
        detector=detector,
        seed=seed,
        background=0.0,
        star_density=0.0,
        cosmic_ray_rate=0.0,
        bad_pixel_fraction=0.0,
        correlated_noise=correlated_noise,
    )


def staircase(detector: Detector) -> NDArray[np.float32]:
    """Light [electron/s] that gives each pixel one of the rates, in turn along rows and columns."""
    row, col = np.indices(detector.gain.shape)
    rate = np.asarray(RATES, np.float32)[(row * 5 + col) % len(RATES)]
    return np.where(detector.response > 0, rate * detector.gain, 0).astype(np.float32)


def make(config: SimulationConfig, directory: Path) -> tuple[Path, NDArray[np.float64]]:
    """The raw exposure, its references beside it, and the true rate inside the border [DN/s]."""
    detector, pointing = make_detector(config), point(config)
    write_references(config, detector, pointing, directory / "references")
    light = staircase(detector)
    ramp = expose(
        config,
        detector,
        light + detector.dark_current,
        make_cosmic_rays(config, detector.response > 0),
        make_electronics(config),
    )
    path = directory / f"{config.root}_uncal.asdf"
    tree = {"meta": exposure_metadata(config, pointing), "data": ramp.data, "amp33": ramp.amp33}
    datamodels.ScienceRawModel(tree).save(path)
    return path, (light.astype(np.float64) / detector.gain)[SCIENCE]


def residuals(config: SimulationConfig, fit: str = "gls") -> tuple[NDArray[np.float64], ...]:
    """True rate, measured minus true, and stated error of each good pixel [DN/s]."""
    with tempfile.TemporaryDirectory() as directory:
        path, rate = make(config, Path(directory))
        references = str(path.parent / "references")
        steps = LEFT_OUT | {"rampfit": {**LEFT_OUT["rampfit"], "algorithm": fit}}
        with ExposurePipeline.call(
            str(path), references=references, recipe="flight", steps=steps
        ) as image:
            good = np.asarray(image.dq) == 0
            measured = np.asarray(image.data, np.float64)
            return rate[good], (measured - rate)[good], np.asarray(image.err, np.float64)[good]


def bins(
    rate: NDArray[np.float64], off: NDArray[np.float64], err: NDArray[np.float64]
) -> list[Bin]:
    """Bias and width at each rate."""
    nearest = np.abs(np.log(rate[:, None] / np.asarray(RATES))).argmin(axis=1)
    result = []
    for index, of_bin in enumerate(RATES):
        inside = nearest == index
        result.append(
            Bin(
                of_bin,
                float(off[inside].mean() / off[inside].std()),
                float((off[inside] / err[inside]).std()),
                int(inside.sum()),
            )
        )
    return result


def main() -> None:
    parser = argparse.ArgumentParser(prog="validation.flight", description=__doc__)
    parser.add_argument("--rows", type=int, default=128)
    parser.add_argument("--cols", type=int, default=4096)
    parser.add_argument("--exposures", type=int, default=4, help="of each detector")
    parser.add_argument("--detectors", nargs="*", default=DETECTORS)
    parser.add_argument("--even", action="store_true", help="8 resultants of 8 reads instead")
    parser.add_argument("--fit", default="gls", help="rampfit.algorithm: gls, likely or ols")
    parser.add_argument("--correlated-noise", type=float, default=2.0, help="of a read [DN]")
    options = parser.parse_args()
    logging.disable(logging.WARNING)
    print(f"{'bias, sigma':12}" + "".join(f"{rate:>9g}" for rate in RATES) + "  DN/s")
    together: list[tuple[NDArray[np.float64], ...]] = []
    for detector in options.detectors:
        size = (detector, options.rows, options.cols)
        kind = {"even": options.even, "correlated_noise": options.correlated_noise}
        exposures = [
            residuals(configuration(*size, seed, **kind), options.fit)
            for seed in range(1, options.exposures + 1)
        ]
        together += exposures
        of_detector = bins(*(np.concatenate(parts) for parts in zip(*exposures, strict=True)))
        print(f"{detector:12}" + "".join(f"{b.bias:+9.4f}" for b in of_detector), flush=True)
    of_all = bins(*(np.concatenate(parts) for parts in zip(*together, strict=True)))
    print(f"{'all':12}" + "".join(f"{b.bias:+9.4f}" for b in of_all))
    print(f"{'its error':12}" + "".join(f"{b.uncertainty:9.4f}" for b in of_all))
    if len(together) > 1:
        scatter = np.std([[b.bias for b in bins(*parts)] for parts in together], axis=0, ddof=1)
        print(f"{'one exposure':12}" + "".join(f"{rms:9.4f}" for rms in scatter))
    print(f"{'width':12}" + "".join(f"{b.width:9.3f}" for b in of_all))
    print(f"{'pixels':12}" + "".join(f"{b.pixels:9d}" for b in of_all))


if __name__ == "__main__":
    main()
