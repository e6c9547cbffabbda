"""The sample's exposures through romancal 1.1.0, for `sample.py` to measure: a rate image of each.

Run by ``make validate-sample``, with the Python of an environment that has romancal 1.1.0; nothing
of this package is imported. Its steps are for detectors of 4096 columns. These of its constants are
set for a crop of 512 x 512 pixels from the detector's first row and column:

- refpix: 4 channels of 128 columns; the kernel that fills gaps of the amplifier 33, as long there
  as there are channels, keeps its 32 samples.
- dark_decay: the map of the times at which pixels are read is cut to the first 512 rows and
  columns.

All references are given, so that it asks no server. Both of its fits run: `likely`, its default,
and `ols_cas22`. With ``--arrays`` the ramp after each step is kept as well, and each rate's arrays.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

SIZE, CHANNEL_WIDTH, KERNEL_LENGTH = 512, 128, 32
ALGORITHMS = ("likely", "ols_cas22")
RATE_ARRAYS = ("data", "err", "var_poisson", "var_rnoise", "chisq", "dumo", "dq", "jump_indices")


def fit_to_crop() -> None:
    """Changes romancal's constants, in this process."""
    from romancal.dark_decay import dark_decay
    from romancal.refpix import _data as refpix

    refpix.Const = SimpleNamespace(
        REF=4,
        PAD=12,
        CHAN_WIDTH=CHANNEL_WIDTH,
        N_DETECT_CHAN=SIZE // CHANNEL_WIDTH,
        N_COLUMNS=SIZE,
    )
    interpolate = refpix.ChannelView.cosine_interpolate

    def interpolate_as_full(view: Any) -> Any:
        # It takes the kernel's length from the number of channels of what it is given.
        channels = np.broadcast_to(view.detector[:1], (KERNEL_LENGTH, *view.detector.shape[1:]))
        interpolate(SimpleNamespace(detector=channels, amp33=view.amp33))  # in place
        return view

    refpix.ChannelView.cosine_interpolate = interpolate_as_full
    read_times = dark_decay.frame_read_times
    dark_decay.frame_read_times = lambda *args: read_times(*args)[:SIZE, :SIZE]


class Peer:
    """Its steps, with the references of a directory."""

    def __init__(self, references: Path) -> None:
        self.references = references

    def step(self, cls: type, *reftypes: str, **parameters: Any) -> Any:
        overrides = {
            f"override_{reftype}": str(next(self.references.glob(f"*_{reftype}_*.asdf")))
            for reftype in reftypes
        }
        return cls(**overrides, **parameters)

    def ramps(self, exposure: Path) -> Iterator[tuple[str, Any]]:
        """The ramp after each step up to the fit, by the step's name."""
        import roman_datamodels
        from romancal.dark_decay import DarkDecayStep
        from romancal.dq_init import DQInitStep
        from romancal.linearity import LinearityStep
        from romancal.refpix import RefPixStep
        from romancal.saturation import SaturationStep
        from romancal.wfi18_transient import WFI18TransientStep

        nonlinear = ("linearity", "inverselinearity", "integralnonlinearity")
        model = roman_datamodels.open(exposure)
        for name, step in {
            "dq_init": self.step(DQInitStep, "mask"),
            "saturation": self.step(SaturationStep, "saturation"),
            "refpix": self.step(RefPixStep, "refpix"),
            "dark_decay": self.step(DarkDecayStep, "darkdecaysignal"),
            "wfi18_transient": self.step(WFI18TransientStep),
            "linearity": self.step(LinearityStep, *nonlinear),
        }.items():
            # Not `run`, which wants to know of a server which references it has.
            model = step.process(model)
            yield name, model

    def rate(self, ramp: Any, algorithm: str) -> Any:
        """The rate image, less the dark; with a WCS, without which it could not be saved."""
        from romancal.assign_wcs import AssignWcsStep
        from romancal.dark_current import DarkCurrentStep
        from romancal.ramp_fitting import RampFitStep

        parameters = {"algorithm": algorithm, "include_var_rnoise": True}
        # A copy, as its fit changes the ramp.
        image = self.step(RampFitStep, "readnoise", "gain", **parameters).process(ramp.copy())
        image = self.step(DarkCurrentStep, "dark").process(image)
        return self.step(AssignWcsStep, "distortion").process(image)


def save_arrays(model: Any, names: tuple[str, ...], path: Path) -> None:
    """Each array in a file of its own, ``<path>_<name>.npy``."""
    for name in names:
        if name in model:
            np.save(path.with_name(f"{path.name}_{name}.npy"), np.asarray(model[name]))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("sample", type=Path, help="directory of the sample")
    parser.add_argument("out", type=Path, help="directory for the images")
    parser.add_argument("--arrays", action="store_true", help="keep what comes in between as well")
    options = parser.parse_args()
    os.environ.setdefault("CRDS_PATH", str(options.out / "crds"))  # where it may look in vain
    fit_to_crop()
    peer = Peer(options.sample / "references")
    for exposure in sorted(options.sample.glob("*_uncal.asdf")):
        name = exposure.name.removesuffix("_uncal.asdf")
        arrays = options.out / "arrays" / name
        arrays.parent.mkdir(parents=True, exist_ok=True)
        for step, ramp in peer.ramps(exposure):
            print(f"{name}: {step}", flush=True)
            if options.arrays:
                save_arrays(
                    ramp,
                    ("data", "groupdq", "pixeldq", "amp33"),
                    arrays.with_name(f"{name}_{step}"),
                )
        for algorithm in ALGORITHMS:
            print(f"{name}: {algorithm}", flush=True)
            image = peer.rate(ramp, algorithm)
            path = options.out / f"romancal-1.1.0-{algorithm}" / f"{name}_rate.asdf"
            path.parent.mkdir(parents=True, exist_ok=True)
            image.save(path)
            if options.arrays:
                save_arrays(image, RATE_ARRAYS, arrays.with_name(f"{name}_{algorithm}"))


if __name__ == "__main__":
    main()
