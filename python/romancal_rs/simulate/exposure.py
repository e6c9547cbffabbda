"""One simulated exposure from its configuration to its files."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .._files import local_path, replacing
from .config import SimulationConfig
from .cosmic_rays import CosmicRays, make_cosmic_rays
from .detector import PIXEL_KINDS, Detector, flat_field, make_detector
from .electronics import make_electronics
from .encoding import encode
from .metadata import exposure_metadata
from .pointing import point
from .ramp import Ramp, expose
from .references import ab_magnitudes, write_references
from .scene import Scene, make_scene

#: Which share of the work of a full frame is done, about, when these are.
_MADE, _REFERENCES, _SKY, _EXPOSED, _WRITTEN = 0.10, 0.25, 0.30, 0.95, 0.97


@dataclass(frozen=True)
class SimulatedExposure:
    """What `simulate` wrote.

    Attributes
    ----------
    exposure : Path
        The Level 1 file.
    references : Path
        The directory of reference files.
    truth : Path
        The truth, an ``.npz`` file; `docs/how-to/simulate.md` lists its arrays.
    reference_files : dict of str to Path
        Each reference type with its file.
    """

    exposure: Path
    references: Path
    truth: Path
    reference_files: dict[str, Path]

    def _repr_html_(self) -> str:
        from .. import _html

        places = [(name, getattr(self, name)) for name in ("exposure", "references", "truth")]
        files = [(reftype, path.name) for reftype, path in self.reference_files.items()]
        return _html.block(
            _html.heading("SimulatedExposure", self.exposure.name),
            _html.table(places),
            _html.details("reference files", _html.table(files)),
        )


def simulate(
    config: SimulationConfig,
    output_dir: str | os.PathLike[str],
    *,
    threads: int | None = None,
    tell: Callable[[str, float], None] = lambda what, share: None,
) -> SimulatedExposure:
    """Simulate an exposure and write it with its reference files and the truth.

    Parameters
    ----------
    config : SimulationConfig
        What to simulate.
    output_dir : path
        Made where it does not exist. Files of the same names are replaced. Exposures of several
        detectors may share it; those of another size, seed or optical element of the same detector
        may not.
    threads : int, optional
        How many threads accumulate charge (the number of CPUs). The result does not depend on it.
    tell : callable, optional
        Called as ``tell("writing FILE", 0.2)`` with what goes on, and about which share of all the
        work is done.

    Returns
    -------
    SimulatedExposure

    Examples
    --------
    >>> from romancal_rs.simulate import SimulationConfig, simulate
    >>> made = simulate(SimulationConfig(rows=32, cols=128, n_resultants=3), "simulated")
    >>> made.exposure.name
    'r0000101001001001001_0001_wfi01_f158_uncal.asdf'
    """
    from .. import datamodels

    directory = Path(local_path(output_dir))
    directory.mkdir(parents=True, exist_ok=True)
    tell("making a detector", 0.0)
    pointing = point(config)
    detector = make_detector(config)
    reference_files = write_references(
        config,
        detector,
        pointing,
        directory / "references",
        tell=lambda name, share: tell(f"writing {name}", _between(_MADE, _REFERENCES, share)),
    )

    tell("making the sky", _REFERENCES)
    scene = make_scene(config)
    electron_rate = scene.rate * detector.response + detector.dark_current
    cosmic_rays = make_cosmic_rays(config, detector.response > 0)
    electronics = make_electronics(config)
    ramp = expose(
        config,
        detector,
        electron_rate,
        cosmic_rays,
        electronics,
        threads=threads,
        tell=lambda rows: tell(
            f"reading out: {rows:,} of {config.rows:,} rows",
            _between(_SKY, _EXPOSED, rows / config.rows),
        ),
    )

    exposure_path = directory / f"{config.root}_uncal.asdf"
    tell(f"writing {exposure_path.name}", _EXPOSED)
    arrays = {"data": ramp.data, "amp33": ramp.amp33}
    if config.encoded:
        arrays = encode(config, detector, ramp, electronics)
    tree = {"meta": exposure_metadata(config, pointing), **arrays}
    datamodels.ScienceRawModel(tree).save(exposure_path, compression=None)
    truth_path = directory / f"{config.root}_truth.npz"
    tell(f"writing {truth_path.name}", _WRITTEN)
    _save_truth(truth_path, config, detector, scene, electron_rate, cosmic_rays, ramp)
    return SimulatedExposure(exposure_path, directory / "references", truth_path, reference_files)


def _between(start: float, end: float, share: float) -> float:
    return start + (end - start) * share


def _save_truth(
    path: Path,
    config: SimulationConfig,
    detector: Detector,
    scene: Scene,
    electron_rate: np.ndarray,
    cosmic_rays: CosmicRays,
    ramp: Ramp,
) -> None:
    """Write what an ideal pipeline would find."""
    rate_before_flat = scene.rate * detector.response / detector.gain
    # Without a flat value the pipeline leaves a pixel as it is.
    flat = np.where(
        detector.is_kind("dead", "no_flat", "reference"),
        np.float32(1),
        flat_field(detector, config.gain),
    )
    with replacing(path) as file:
        np.savez(
            file,
            rate=rate_before_flat / flat,
            rate_before_flat=rate_before_flat,
            rate_electrons=electron_rate,
            pixel_kind=detector.kind,
            pixel_kind_names=np.array(PIXEL_KINDS),
            saturated_read=ramp.saturated_read,
            cr_read=cosmic_rays.read,
            cr_resultant=cosmic_rays.resultant(config.pattern),
            cr_row=cosmic_rays.row,
            cr_col=cosmic_rays.col,
            cr_electrons=cosmic_rays.electrons,
            cr_direct=cosmic_rays.direct,
            star_x=scene.star_x,
            star_y=scene.star_y,
            star_flux=scene.star_flux,
            star_ab_mag=ab_magnitudes(config, scene.star_flux),
        )
