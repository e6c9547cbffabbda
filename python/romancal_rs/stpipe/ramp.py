"""Steps on ramps: each is one kernel, or the fit, by itself or together with its neighbours."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, ClassVar

from .. import _core, kernels
from ..border import BORDER
from ..exposure import thread_cap
from .roman import RomanStep

if TYPE_CHECKING:
    import numpy as np

    from ..datamodels import DataModel, ImageModel, RampModel


class RampStep(RomanStep):
    """Base class of steps that are one kernel: subclasses define ``kernel``.

    A step that runs alone applies its kernel to a whole ramp. A pipeline takes each band of rows
    through the kernels of several steps, one after the other.
    """

    #: Number of threads; some steps have a parameter of this name.
    maximum_cores: str | int = "none"
    #: Whether it also works on images: such a subclass defines ``process_image``.
    takes_images: ClassVar[bool] = False

    def kernel(self, exposure: DataModel, references: Mapping[str, Any]) -> _core.Kernel:
        """The kernel for an exposure.

        Parameters
        ----------
        exposure : ScienceRawModel or RampModel
            What it is for; only its metadata and shape are to be used.
        references : mapping of str to data model
            The step's references by type.

        Returns
        -------
        Kernel
            See `romancal_rs.kernels`.
        """
        raise NotImplementedError(f"{type(self).__name__} does not define kernel()")

    def take(self, result: RampModel | ImageModel, found: Mapping[str, Any]) -> None:
        """Take over what the kernel found or made in addition to the ramp.

        Parameters
        ----------
        result : RampModel or ImageModel
            The ramp, or the image that was made of it. May be changed in place, but for the arrays
            that kernels and the fit make.
        found : mapping
            Numbers, and arrays, by the names that the kernel gives them.
        """

    def tell(self, result: RampModel | ImageModel, references: Mapping[str, Any]) -> None:
        """Log in one message what the step did to the result.

        Parameters
        ----------
        result : RampModel or ImageModel
            As of `take`.
        references : mapping of str to data model
            As of `kernel`.
        """

    def save_more(self, exposure: DataModel, references: Mapping[str, Any]) -> None:
        """Save further products that the step's parameters ask for.

        Parameters
        ----------
        exposure : ScienceRawModel or RampModel
            The exposure, as `kernel` gets it.
        references : dict of str to data model
            The references of the step, by reference type.
        """

    def process_image(self, image: ImageModel, references: Mapping[str, Any]) -> None:
        """Do the work on an image, if the step `takes_images`.

        Parameters
        ----------
        image : ImageModel
            The image; ``data`` and ``dq`` change in place.
        references : dict of str to data model
            The references of the step, by reference type.
        """

    def process(self, input: Any) -> RampModel | ImageModel:
        from ..datamodels import DataModel, ImageModel, RampModel

        classes = (RampModel, ImageModel) if self.takes_images else (RampModel,)
        model: Any = self.prepare(input, classes)
        if reason := self.reason_to_skip(model):
            return self.end_skipped(model, reason)
        is_callers = self._is_outermost() and isinstance(input, DataModel)  # and stays as it is
        with ExitStack() as stack:
            references = self.open_references(model, stack)
            if isinstance(model, ImageModel):
                model = model.copy_for_change(("data", "dq")) if is_callers else model
                self.process_image(model, references)
            else:
                kernel = self.kernel(model, references)
                model = model.copy_for_change(kernel.changes) if is_callers else model
                [(_, found)] = _core.apply(
                    [kernel],
                    *(model.data, model.groupdq, model.pixeldq),
                    *(thread_cap(self.maximum_cores), None, None),
                    self._run.rows_told([self], model.shape),
                )
                self.save_more(model, references)
                self.take(model, found)
                self.tell(model, references)
        self.mark(model, True)
        return model


class FitStep(RomanStep):
    """Base class of steps that make the rate image of a ramp: subclasses define ``fit``."""

    maximum_cores: str | int = "none"

    def fit(self, exposure: DataModel, references: Mapping[str, Any]) -> _core.Fit:
        """The fit for an exposure.

        Parameters
        ----------
        exposure : ScienceRawModel or RampModel
            The exposure; only its metadata and shape may be used.
        references : dict of str to data model
            The references of the step, by reference type.

        Returns
        -------
        Fit
            See `romancal_rs.kernels`.
        """
        raise NotImplementedError(f"{type(self).__name__} does not define fit()")

    def finds_jumps(self, exposure: DataModel) -> bool:
        """Whether the fit itself finds jumps, so that no earlier step has to.

        Parameters
        ----------
        exposure : DataModel
            The exposure.

        Returns
        -------
        bool
        """
        return False

    def needs_ramp(self, exposure: DataModel) -> str:
        """Which parameter asks for more than an image, so that the whole ramp is needed.

        Parameters
        ----------
        exposure : DataModel
            The exposure.

        Returns
        -------
        str
            Name of the parameter; empty if there is none.
        """
        return ""

    def fit_ramp(self, ramp: RampModel, references: Mapping[str, Any]) -> kernels.Calibrated:
        """Fit a whole ramp in memory.

        Parameters
        ----------
        ramp : RampModel
            The ramp.
        references : dict of str to data model
            The references of the step, by reference type.

        Returns
        -------
        Calibrated
            See `romancal_rs.kernels.calibrate`.
        """
        fit = self.fit(ramp, references)
        return calibrate_ramp(ramp, ramp.groupdq, fit, self.maximum_cores)

    def complete(
        self,
        image: ImageModel,
        exposure: DataModel,
        references: Mapping[str, Any],
        found: Mapping[str, Any],
    ) -> None:
        """Complete the image of an exposure, in place, with what the fit found.

        Parameters
        ----------
        image : ImageModel
            The image, which changes in place.
        exposure : DataModel
            The exposure.
        references : dict of str to data model
            The references of the step, by reference type.
        found : dict of str to object
            Numbers and arrays, by the names that the fit gives them.
        """

    def save_more(self, ramp: RampModel, references: Mapping[str, Any]) -> None:
        """Save the product that the parameter of `needs_ramp` asks for.

        Parameters
        ----------
        ramp : RampModel
            The ramp.
        references : dict of str to data model
            The references of the step, by reference type.
        """

    def process(self, input: Any) -> ImageModel | RampModel:
        from ..datamodels import RampModel

        ramp = self.prepare(input, RampModel)
        if reason := self.reason_to_skip(ramp):
            return self.end_skipped(ramp, reason)
        with ExitStack() as stack:
            references = self.open_references(ramp, stack)
            calibrated = self.fit_ramp(ramp, references)
            self.save_more(ramp, references)
            image = rate_image(ramp, calibrated.fit)
            self.complete(image, ramp, references, calibrated.found[-1])
        self.mark(image, True)
        return image


def calibrate_ramp(
    ramp: RampModel, groupdq: np.ndarray, fit: _core.Fit, maximum_cores: str | int
) -> kernels.Calibrated:
    """Fits what is inside the border of a ramp, whose samples have these flags."""
    return kernels.calibrate(
        ramp.data,
        [],
        fit,
        groupdq=groupdq,
        pixeldq=ramp.pixeldq,
        border=BORDER,
        max_threads=thread_cap(maximum_cores),
    )


def rate_image(ramp: RampModel, fit: kernels.RampFit) -> ImageModel:
    """The Level 2 image of a fit of what is inside the border of a ramp."""
    from ..datamodels import ImageModel

    return ImageModel.from_ramp(
        ramp,
        data=fit.slope,
        dq=fit.dq,
        err=fit.err,
        var_poisson=fit.var_poisson,
        var_rnoise=fit.var_rnoise,
        chisq=fit.chisq,
        dumo=fit.dumo,
    )
