"""The exposures of the plan through the product: its simulator, its references, its pipeline."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from romancal_rs import datamodels
from romancal_rs.border import SCIENCE
from romancal_rs.dqflags import pixel
from romancal_rs.pipeline import ExposurePipeline
from romancal_rs.simulate import SimulationConfig
from romancal_rs.simulate.cosmic_rays import CosmicRays
from romancal_rs.simulate.detector import Detector, make_detector, saturation_threshold
from romancal_rs.simulate.metadata import exposure_metadata
from romancal_rs.simulate.pointing import point
from romancal_rs.simulate.ramp import expose
from romancal_rs.simulate.references import write_references
from romancal_rs.simulate.scene import make_scene

from .plan import FULL_WELL, GAIN, PEDESTAL, Calibrated, Exposure, Hits, Truth, draw_hits


def configuration(exposure: Exposure) -> SimulationConfig:
    """Uniform light, no stars, no defects; the simulator's own particles are off."""
    return SimulationConfig(
        rows=exposure.size,
        cols=exposure.size,
        read_pattern=exposure.pattern,
        frame_time=exposure.frame_time,
        seed=exposure.seed,
        background=exposure.rate * GAIN,
        gain=GAIN,
        full_well=FULL_WELL,
        pedestal=PEDESTAL,
        star_density=0.0,
        cosmic_ray_rate=0.0,
        bad_pixel_fraction=0.0,
        readout="ideal",
    )


def truth_of(config: SimulationConfig, detector: Detector) -> Truth:
    maps = {
        "light": make_scene(config).rate,
        "dark": detector.dark_current,
        "response": detector.response,
        "gain": detector.gain,
        "read_noise": detector.read_noise,
        "full_well": detector.full_well,
        "nonlinearity": detector.nonlinearity,
        "threshold": saturation_threshold(detector, config.pedestal),
    }
    return Truth(**{name: values.astype(np.float64) for name, values in maps.items()})


def make(
    exposure: Exposure, directory: Path, *, gain_factor: float = 1.0
) -> tuple[Path, Truth, Hits]:
    """Write the raw exposure, and its references to ``references`` beside it.

    What `romancal_rs.simulate.simulate` does, but with particles of known size: its own come as
    tracks with a distribution of charges. With a `gain_factor` the GAIN reference is wrong by it.
    """
    config = configuration(exposure)
    detector, pointing = make_detector(config), point(config)
    references = write_references(config, detector, pointing, directory / "references")
    if gain_factor != 1:
        with datamodels.open(references["GAIN"]) as gain:
            wrong = gain.copy()
        wrong.data = np.asarray(wrong.data) * np.float32(gain_factor)
        wrong.save(references["GAIN"])
    truth = truth_of(config, detector)
    hits = draw_hits(exposure, truth, np.random.default_rng((exposure.seed, 2)))
    order = np.lexsort((hits.col, hits.row, hits.read))
    cosmic_rays = CosmicRays(
        read=hits.read[order].astype(np.int32),
        row=hits.row[order].astype(np.int32),
        col=hits.col[order].astype(np.int32),
        electrons=hits.electrons[order],
        direct=np.ones(order.size, bool),
    )
    ramp = expose(config, detector, truth.electron_rate.astype(np.float32), cosmic_rays)
    path = directory / f"{config.root}_uncal.asdf"
    tree = {"meta": exposure_metadata(config, pointing), "data": ramp.data, "amp33": ramp.amp33}
    datamodels.ScienceRawModel(tree).save(path)
    return path, truth, hits


def calibrate(path: Path, hits: Hits, **parameters: dict[str, float]) -> Calibrated:
    """Run the pipeline in the recipe of 2022, or with parameters of its steps."""
    references = str(path.parent / "references")
    with ExposurePipeline.call(
        str(path), references=references, recipe="2022", steps=parameters
    ) as image:
        dq = np.asarray(image.dq)
        return Calibrated(
            rate=np.asarray(image.data, np.float64),
            err=np.asarray(image.err, np.float64),
            jump=(dq & pixel["JUMP_DET"]) != 0,
            saturated=(dq & pixel["SATURATED"]) != 0,
            unusable=(dq & pixel["DO_NOT_USE"]) != 0,
            hits=hits,
        )


def inner(truth: Truth) -> np.ndarray:
    """True rates without the border [DN/s]."""
    return truth.rate[SCIENCE]
