"""romancal 1.1.0 beside this package: its product of an exposure, and its later steps on ours.

Run with the Python of an environment that has romancal 1.1.0; nothing of this package is imported.
The exposure has 512 x 512 pixels, and the references come from a CRDS cache, so that it asks no
server::

    romancal-rs simulate sim --size 512 --detector WFI07 --seed 7
    romancal-rs calibrate sim/*_uncal.asdf --references sim/references --output-dir ours
    romancal-rs references build-cache sim/references --to cache
    export CRDS_PATH=cache CRDS_SERVER_URL=https://crds-serverless-mode.stsci.edu
    python tests/validation/later_peer.py sim/*_uncal.asdf ours/*_cal.asdf theirs
    romancal-rs diff ours/*_cal.asdf theirs/*_cal.asdf

An aperture correction, which the source catalogue needs, is made up here, and the catalogue itself
serves tweakreg in place of Gaia's: what is shown is that the steps take the product.
"""

import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from sample_peer import fit_to_crop

warnings.simplefilter("ignore")


def calibrate(exposure: str, out: Path) -> None:
    """The exposure pipeline without the steps that this package has not."""
    from romancal.pipeline import ExposurePipeline

    fit_to_crop()
    skipped = {"source_catalog": {"skip": True}, "tweakreg": {"skip": True}}
    result = ExposurePipeline.call(exposure, save_results=True, output_dir=str(out), steps=skipped)
    print("ExposurePipeline gives", [type(part).__name__ for part in result])


def aperture_correction(element: str, path: Path) -> str:
    """Writes an APCORR with a curve of growth out to 20 pixels."""
    from roman_datamodels.datamodels import ApcorrRefModel

    model = ApcorrRefModel.create_fake_data()
    radii = np.linspace(0.5, 20, 10)
    fractions = 1 - np.exp(-radii / 3)
    model.data = {
        element: {
            "ap_corrections": 1 / fractions,
            "ee_fractions": fractions,
            "ee_radii": radii,
            "sky_background_rin": 24.0,
            "sky_background_rout": 28.0,
        }
    }
    model.save(path)
    return str(path)


def later_steps(product: str, out: Path) -> Iterator[tuple[str, Callable[[], Any]]]:
    """Each step by its name, and what runs it on the product."""
    import roman_datamodels as rdm
    from romancal.datamodels.library import ModelLibrary
    from romancal.flux import FluxStep
    from romancal.outlier_detection import OutlierDetectionStep
    from romancal.pipeline import MosaicPipeline
    from romancal.resample import ResampleStep
    from romancal.skymatch import SkyMatchStep
    from romancal.source_catalog import SourceCatalogStep
    from romancal.tweakreg import TweakRegStep

    def opened() -> Any:
        model = rdm.open(product)
        model.validate()
        return model

    apcorr = aperture_correction(opened().meta.instrument.optical_element, out / "apcorr.asdf")

    def catalogue(image: Any) -> Any:
        catalog, _ = SourceCatalogStep.call(
            image, fit_psf=False, bkg_boxsize=100, override_apcorr=apcorr
        )
        return catalog.source_catalog

    def aligned() -> Any:
        image = opened()
        sources = catalogue(image)
        # Without a fit of the PSF there are centroids only; tweakreg wants these names.
        sources["x"], sources["y"] = sources["x_centroid"], sources["y_centroid"]
        gaia = out / "stars.ecsv"
        sources[["ra", "dec"]].write(gaia, format="ascii.ecsv", overwrite=True)
        if "source_catalog" not in image.meta:
            image.meta["source_catalog"] = {}
        image.meta.source_catalog["tweakreg_catalog"] = sources
        TweakRegStep.call(ModelLibrary([image]), abs_refcat=str(gaia), save_results=False)
        return f"tweakreg is {image.meta.cal_step.tweakreg}"

    yield "SourceCatalogStep", lambda: f"{len(catalogue(opened()))} sources"
    yield "TweakRegStep", aligned
    yield "FluxStep", lambda: FluxStep.call(opened())
    for step in (SkyMatchStep, OutlierDetectionStep, ResampleStep):
        yield step.__name__, lambda step=step: step.call(ModelLibrary([opened()]))
    without = {"source_catalog": {"skip": True}}
    yield "MosaicPipeline", lambda: MosaicPipeline.call(product, steps=without)


def main(exposure: str, product: str, directory: str) -> None:
    out = Path(directory)
    out.mkdir(parents=True, exist_ok=True)
    calibrate(exposure, out)
    for name, run in later_steps(product, out):
        result = run()
        told = result if isinstance(result, str) else f"gives {type(result).__name__}"
        print(f"{name}: runs, {told}", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
