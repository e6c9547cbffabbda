"""The ramp_fit step: GAIN and READNOISE references -> `kernels.ramp_fit`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from . import kernels
from .exposure import read_pattern, thread_cap
from .stpipe import FitStep, RomanStep
from .stpipe.recipes import OF_2022

if TYPE_CHECKING:
    import numpy as np

    from .datamodels import RampFitOutputModel, RampModel, ReadnoiseRefModel
    from .kernels import SegmentFits

__all__ = ["RampFitStep"]


class RampFitStep(FitStep):
    """Fit a count rate to each pixel's ramp, with optimal weights; trims the border.

    The result is a rate image in DN/s.
    """

    spec = """
        opt_name = output_file(default=None)  # Name of the optional product, instead of the usual
        maximum_cores = cores(default='none')  # Threads: none, quarter, half, all, or a number
        save_opt = boolean(default=False)  # Save the fits of the segments as well
        read_noise_is_cds = auto_boolean(default='auto')  # READNOISE is of a difference of reads
    """
    class_alias = "rampfit"
    other_aliases = ("ramp_fit",)
    cal_step_name = "ramp_fit"
    builds_on: ClassVar[tuple[str, ...]] = ("dq_init", "saturation", "linearity", "jump")
    by_recipe: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        OF_2022: {"builds_on": ("dq_init", "saturation", "linearity", "dark", "jump")},
    }
    default_suffix = "rampfit"
    other_suffixes = ("ramp_fit", "fitopt")
    reference_file_types: ClassVar[list[str]] = ["readnoise", "gain"]
    algorithm = "ols"
    weighting = "optimal"

    def needs_ramp(self) -> str:
        return "save_opt" if self.save_opt else ""

    def fit(self, exposure: Any, references: Mapping[str, Any]) -> kernels.Fit:
        return kernels.ramp_fit(
            *self._detector(references),
            read_pattern(exposure),
            lone_samples=self.takes_lone_samples(exposure),
        )

    def takes_lone_samples(self, exposure: Any) -> bool:
        """Whether a rate may be that of a single sample: by the manual, which knows no bias.

        Today's counts begin at thousands of DN: a single sample would turn those into light.
        """
        return self.recipe_of(exposure) == OF_2022

    def save_more(self, ramp: RampModel, references: Mapping[str, Any]) -> None:
        if not self.save_opt:
            return
        segments = kernels.fit_ramps(
            *(ramp.data, ramp.groupdq, ramp.pixeldq),
            *self._detector(references, tell=False),
            read_pattern(ramp),
            lone_samples=self.takes_lone_samples(ramp),
            optional=True,
            max_threads=thread_cap(self.maximum_cores),
        ).optional
        assert segments is not None
        product = optional_product(ramp, segments, references["gain"].data)
        self.mark(product, True)
        if self.opt_name:
            self.save_to(product, self.opt_name)
        else:
            self.save_model(product, "fitopt")

    def _detector(
        self, references: Mapping[str, Any], *, tell: bool = True
    ) -> tuple[np.ndarray, np.ndarray]:
        """Gain, and noise of one read."""
        gain = references["gain"].stored("data")
        return gain, single_read_noise(self, references["readnoise"], tell=tell)


def single_read_noise(
    step: RomanStep, readnoise: ReadnoiseRefModel, *, tell: bool = True
) -> np.ndarray:
    """The noise of one read [DN], from a READNOISE that holds it or sqrt(2) times it.

    Today's READNOISE files hold the noise of one read, those of 2022 that of the difference of
    two reads (correlated double sampling).

    Parameters
    ----------
    step : RomanStep
        Whose ``read_noise_is_cds`` says which it is, or ``"auto"``.
    readnoise : ReadnoiseRefModel
    tell : bool
        Whether the step's log tells what was taken.
    """
    from .datamodels import noise_of_one_read

    is_cds = readnoise.is_cds if step.read_noise_is_cds == "auto" else step.read_noise_is_cds
    why = (
        f"a file of {readnoise.era}"
        if step.read_noise_is_cds == "auto"
        else f"read_noise_is_cds = {is_cds}"
    )
    of_what = "a difference of two reads, divided by sqrt(2)" if is_cds else "one read"
    if tell:
        step.log.info("%s: READNOISE is the noise of %s (%s)", step.name, of_what, why)
    read_noise = readnoise.stored("data")
    return noise_of_one_read(read_noise) if is_cds else read_noise


def optional_product(
    ramp: RampModel, segments: SegmentFits, gain: np.ndarray
) -> RampFitOutputModel:
    """The fits of the segments, full frame, in electrons as the product's schema says."""
    import numpy as np

    from .datamodels import RampFitOutputModel

    per_dn = {
        name: getattr(segments, name) * gain
        for name in ("slope", "sigslope", "yint", "sigyint", "pedestal", "crmag")
    }
    per_dn_squared = {
        name: getattr(segments, name) * gain**2 for name in ("var_poisson", "var_rnoise")
    }
    # The weights are 1 / variance^2, so they go with the fourth power.
    weights = np.divide(
        segments.weights,
        gain**4,
        out=np.zeros_like(segments.weights),
        where=np.isfinite(gain) & (gain != 0),
    )
    return RampFitOutputModel.from_ramp(ramp, **per_dn, **per_dn_squared, weights=weights)
