"""The rampfit step: fits a rate to the ramp of each pixel, with GAIN and READNOISE."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

from . import _lazy, dqflags, kernels
from ._told import n_flagged
from .border import BORDER, SCIENCE
from .exposure import read_pattern, thread_cap
from .stpipe import FitStep, ParameterError, RomanStep
from .stpipe.parameters import given_parameters
from .stpipe.ramp import calibrate_ramp
from .stpipe.recipes import OF_2022

if TYPE_CHECKING:
    import numpy as np

    from .datamodels import ImageModel, RampFitOutputModel, RampModel, ReadnoiseRefModel
    from .kernels import SegmentFits

__all__ = ["RampFitStep"]

__dir__ = _lazy.listing(__all__)


#: What `kernels.fit_likelihood` knows, and so who finds jumps while it fits.
LIKELIHOOD = ("gls", "likely")
OLS = "ols"
#: Parameters of its search for jumps, and of what is done about snowballs.
OF_SEARCH = ("rejection_threshold", "use_ramp_jump_detection", "record_jumps")
OF_SNOWBALLS = (
    *("min_sat_area", "min_jump_area", "expand_factor", "min_sat_radius_extend"),
    *("sat_required_snowball", "sat_expand", "edge_size"),
)


class RampFitStep(FitStep):
    """Fit a count rate to each pixel's ramp, and find jumps at the same time.

    Takes a `RampModel <romancal_rs.datamodels.RampModel>` and returns an
    `ImageModel <romancal_rs.datamodels.ImageModel>`: the rate [DN/s], without the border
    of reference pixels. The algorithm ``gls`` is the likelihood fit of this package, ``likely``
    that of romancal 1.1; ``ols`` is the fit of 2022, which needs the jump step before it.
    """

    spec = """
        algorithm = option('auto', 'gls', 'likely', 'ols', default='auto')  #! ols in 2022, else gls
        rejection_threshold = float(default=4.5, min=0, max=1e9)  #!! For jumps; not for ols [sigma]
        use_ramp_jump_detection = boolean(default=True)  #! Look for jumps; not for ols
        average_hits = boolean(default=True)  # Average over the reads that a hit may be in; gls
        record_jumps = boolean(default=True)  # List flagged samples in jump_indices; not for ols
        include_var_rnoise = boolean(default=True)  # Keep the variance of read noise
        smooth_variance = boolean(default=False)  # Photon noise from the mean rate around a pixel
        expand_large_events = boolean(default=False)  #! Flag around snowballs; not for ols
        min_sat_area = float(default=1.0, min=0)  # Smallest saturated core of a snowball [pixels]
        min_jump_area = float(default=6.0, min=0)  # Smallest area of jumps of a snowball [pixels]
        expand_factor = float(default=1.9, min=1)  # Grow snowballs by this factor
        min_sat_radius_extend = float(default=0.5, min=0)  # Grow cores of a larger radius [pixels]
        sat_required_snowball = boolean(default=True)  # A snowball must have a saturated core
        sat_expand = integer(default=2, min=0)  # Grow saturated cores by this much [pixels]
        edge_size = integer(default=0, min=0)  # No core needed this near to the edge [pixels]
        opt_name = output_file(default=None)  # Name of the optional product, instead of the usual
        maximum_cores = cores(default='none')  # Threads: none, quarter, half, all, or a number
        save_opt = boolean(default=False)  # Save the fits of the segments as well; only for ols
        read_noise_is_cds = auto_boolean(default='auto')  # READNOISE is of read differences
    """
    class_alias = "rampfit"
    other_aliases = ("ramp_fit",)
    cal_step_name = "ramp_fit"
    builds_on: ClassVar[tuple[str, ...]] = ("dq_init", "saturation", "linearity")
    by_recipe: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        OF_2022: {"builds_on": ("dq_init", "saturation", "linearity", "dark", "jump")},
    }
    default_suffix = "rampfit"
    other_suffixes = ("ramp_fit", "fitopt")
    reference_file_types: ClassVar[list[str]] = ["readnoise", "gain"]
    weighting = "optimal"

    def algorithm_for(self, exposure: Any) -> str:
        """The fit algorithm for an exposure: gls, likely or ols.

        Parameters
        ----------
        exposure : ScienceRawModel or RampModel
            The exposure; its recipe decides where the parameter is ``default``.

        Returns
        -------
        str
        """
        if self.algorithm != "auto":
            return self.algorithm
        return OLS if self.recipe_of(exposure) == OF_2022 else "gls"

    def finds_jumps(self, exposure: Any) -> bool:
        return self.algorithm_for(exposure) in LIKELIHOOD

    def predecessors(self, exposure: Any) -> Sequence[str]:
        others = [name for name in super().predecessors(exposure) if name != "jump"]
        return others if self.finds_jumps(exposure) else [*others, "jump"]

    def needs_ramp(self, exposure: Any) -> str:
        if self.save_opt:
            return "save_opt"
        return "expand_large_events" if self._expands(exposure) else ""

    def fit(self, exposure: Any, references: Mapping[str, Any]) -> kernels.Fit:
        algorithm = self.algorithm_for(exposure)
        self._warn_of_no_use(algorithm)
        detector = self._detector(references)
        if algorithm == OLS:
            return kernels.ramp_fit(
                *detector,
                read_pattern(exposure),
                lone_samples=self.takes_lone_samples(exposure),
            )
        if self.save_opt:
            raise ParameterError(
                f"{self.name}: save_opt saves the fits of segments, but algorithm = {algorithm} "
                "has none: set algorithm = ols"
            )
        return kernels.likelihood_fit(
            *detector,
            read_pattern(exposure),
            rule=algorithm,
            rejection_threshold=self.rejection_threshold,
            find_jumps=self.use_ramp_jump_detection,
            average_hits=self.average_hits,
            record_jumps=self.record_jumps or self._expands(exposure),
        )

    def takes_lone_samples(self, exposure: Any) -> bool:
        """Whether a rate may come from a single sample, as in the recipe ``2022``.

        Today's counts begin at thousands of DN: a single sample would turn those into light.

        Parameters
        ----------
        exposure : ScienceRawModel or RampModel
            The exposure.

        Returns
        -------
        bool
        """
        return self.recipe_of(exposure) == OF_2022

    def complete(
        self,
        image: ImageModel,
        exposure: Any,
        references: Mapping[str, Any],
        found: Mapping[str, Any],
    ) -> None:
        self._tell(image, exposure)
        if self.recipe_of(exposure) == OF_2022 and self.finds_jumps(exposure):
            image.meta.cal_step["jump"] = "SKIPPED"  # as the log of the pipeline says
        if self.record_jumps and "jump_indices" in found:
            jumps = found["jump_indices"]
            jumps[:, 1:] -= BORDER
            image["jump_indices"] = jumps
        if self.smooth_variance and exposure.shape[0] > 1:  # without a rate there is nothing to do
            gain, read_noise = self._detector(references, tell=False)
            kernels.smooth_variance(
                *(image.data, image.dq, image.var_poisson, image.var_rnoise, image.err),
                *(gain[SCIENCE], read_noise[SCIENCE], read_pattern(exposure)),
                max_threads=thread_cap(self.maximum_cores),
            )
        if not self.include_var_rnoise:
            del image["var_rnoise"]

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

    def fit_ramp(self, ramp: RampModel, references: Mapping[str, Any]) -> kernels.Calibrated:
        calibrated = super().fit_ramp(ramp, references)
        if not self._expands(ramp):
            return calibrated
        return self._fit_around_snowballs(ramp, references, calibrated)

    def _tell(self, image: ImageModel, exposure: Any) -> None:
        """Tells what the fit found."""
        algorithm = self.algorithm_for(exposure)
        searched = self.finds_jumps(exposure) and self.use_ramp_jump_detection
        self.log.info(
            "%s%s: of %d pixels %d with a jump, %d without a rate or not to be used",
            *(algorithm, f" at {self.rejection_threshold:g} sigma" if searched else ""),
            image.dq.size,
            *(n_flagged(image.dq, flag) for flag in (dqflags.JUMP_DET, dqflags.DO_NOT_USE)),
        )

    def _warn_of_no_use(self, algorithm: str) -> None:
        """Warns of parameters that are given, and that what is given with them makes useless."""
        useless = set() if self.save_opt else {"opt_name"}
        if algorithm == OLS:
            useless |= {*OF_SEARCH, *OF_SNOWBALLS, "average_hits", "expand_large_events"}
        elif algorithm != "gls":
            useless.add("average_hits")
        if not self.expand_large_events:
            useless |= set(OF_SNOWBALLS)
        given = [name for name in given_parameters(self) if name in useless]
        if given:
            self.log.warning(
                "Setting %s has no effect with algorithm = %s, "
                "expand_large_events = %s, save_opt = %s",
                *(", ".join(given), algorithm),
                *(self.expand_large_events, self.save_opt),
            )

    def _expands(self, exposure: Any) -> bool:
        return self.expand_large_events and self.finds_jumps(exposure)

    def _fit_around_snowballs(
        self, ramp: RampModel, references: Mapping[str, Any], calibrated: kernels.Calibrated
    ) -> kernels.Calibrated:
        """Flags the surroundings of snowballs, and fits the pixels there anew.

        By ``gls`` without a search, which knows what JUMP_DET says: not the sample is bad, but the
        difference before it.
        """
        import numpy as np

        groupdq = ramp.groupdq.copy()
        groupdq[tuple(calibrated.found[-1]["jump_indices"].T)] |= dqflags.JUMP_DET
        before = groupdq.copy()
        n_snowballs = kernels.expand_large_events(
            groupdq,
            min_sat_area=self.min_sat_area,
            min_jump_area=self.min_jump_area,
            expand_factor=self.expand_factor,
            min_sat_radius_extend=self.min_sat_radius_extend,
            sat_required_snowball=self.sat_required_snowball,
            sat_expand=self.sat_expand,
            edge_size=self.edge_size,
        )
        changed = (groupdq != before).any(axis=0)[SCIENCE]
        self.log.info(
            "%d snowballs; %d pixels around them, or around saturated cores, fitted anew",
            *(n_snowballs, np.count_nonzero(changed)),
        )
        without_search = kernels.likelihood_fit(
            *self._detector(references, tell=False),
            read_pattern(ramp),
            find_jumps=False,
            record_jumps=True,
        )
        anew = calibrate_ramp(ramp, groupdq, without_search, self.maximum_cores)
        # A rate that is no more than a limit is none by further flags either.
        anew.fit.dq[:] |= calibrated.fit.dq & dqflags.DO_NOT_USE
        for name in kernels.PLANES:
            np.copyto(getattr(calibrated.fit, name), getattr(anew.fit, name), where=changed)
        return replace(calibrated, found=anew.found)

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
        step.log.info("READNOISE is the noise of %s (%s)", of_what, why)
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
