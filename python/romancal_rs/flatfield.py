"""The flatfield step: divides by the flat field, FLAT."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from . import _lazy, dqflags, kernels
from ._told import n_flagged, sparse_median
from .border import BORDER, SCIENCE
from .stpipe import RomanStep
from .stpipe.recipes import FLIGHT, OF_2022

if TYPE_CHECKING:
    import numpy as np

    from .datamodels import FlatRefModel, ImageModel

__all__ = ["FlatFieldStep"]

__dir__ = _lazy.listing(__all__)

BUILDS_ON_IN_2022 = ("dq_init", "saturation", "linearity", "dark", "jump", "ramp_fit")


class FlatFieldStep(RomanStep):
    """Divide the rate image by the flat field, and propagate its error.

    Takes and returns an `ImageModel <romancal_rs.datamodels.ImageModel>`. The step is
    for direct images; in the recipe ``2022`` only for those of type WFI_IMAGE. In that recipe the
    error is computed from the variances, with that of the flat. In the recipe ``flight`` it is
    divided like the rate, and includes the variance of the flat only if a parameter asks for it.
    """

    spec = """
        include_var_flat = auto_boolean(default='auto')  #! Add the error of the flat; auto: in 2022
    """
    class_alias = "flatfield"
    other_aliases = ("flat_field",)
    cal_step_name = "flat_field"
    builds_on: ClassVar[tuple[str, ...]] = (
        "dq_init",
        "saturation",
        "linearity",
        "dark",
        "ramp_fit",
    )
    default_suffix = "flat"
    other_suffixes = ("flatfield",)
    exposure_types: ClassVar[tuple[str, ...]] = ("WFI_IMAGE", "WFI_LOLO", "WFI_WFSC")
    by_recipe: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        OF_2022: {"builds_on": BUILDS_ON_IN_2022, "exposure_types": ("WFI_IMAGE",)},
    }
    reference_file_types: ClassVar[list[str]] = ["flat"]

    def process(self, input: Any) -> ImageModel:
        from .datamodels import ImageModel

        arrays = ["data", "dq", "err", "var_poisson", "var_rnoise", "dumo"]
        image = self.prepare(input, ImageModel, arrays)
        if reason := self.reason_to_skip(image):
            return self.end_skipped(image, reason)
        in_flight = self.recipe_of(image) == FLIGHT
        with self.get_reference_file_model(image, "flat") as flat:
            if in_flight:
                response = divide_by_flat(
                    image, flat, include_var_flat=self.include_var_flat is True
                )
            else:
                if self.include_var_flat is False:
                    self.log.warning(
                        "include_var_flat = False has no effect: recipe %s always includes it",
                        OF_2022,
                    )
                response = apply_flat(image, flat)
            self.log.info(
                "Divided by the flat, %.4g (median); %d of %d pixels have none (NO_FLAT_FIELD)",
                *(sparse_median(response), n_flagged(image.dq, dqflags.NO_FLAT_FIELD)),
                image.dq.size,
            )
        self.record_step_status(image, self.cal_step_name)
        return image


def apply_flat(image: ImageModel, flat: FlatRefModel) -> np.ndarray:
    """Flat-fields `image`, also its `dumo`, in place, by the rules of the manual.

    A flat of the full frame is trimmed. An image without `var_rnoise` has it as what `err` has
    besides `var_poisson`.

    Returns
    -------
    ndarray
        The response that it was divided by.
    """
    import numpy as np

    var_rnoise = image.get("var_rnoise")
    if var_rnoise is None:
        var_rnoise = np.maximum(np.square(image.err) - image.var_poisson, np.float32(0))
    of_flat = flat_arrays(image, flat)
    image.var_flat, image.err = kernels.apply_flat(
        *(image.data, image.dq, image.var_poisson, var_rnoise),
        *of_flat,
        dumo=image.get("dumo"),
    )
    return of_flat[0]


def divide_by_flat(image: ImageModel, flat: FlatRefModel, *, include_var_flat: bool) -> np.ndarray:
    """The same by the rules of flight; a `var_flat` of before goes where none is included."""
    of_flat = flat_arrays(image, flat)
    var_flat = kernels.divide_by_flat(
        *(image.data, image.dq, image.err, image.var_poisson),
        *of_flat,
        var_rnoise=image.get("var_rnoise"),
        dumo=image.get("dumo"),
        include_var_flat=include_var_flat,
    )
    if var_flat is not None:
        image.var_flat = var_flat
    elif "var_flat" in image:
        del image["var_flat"]
    return of_flat[0]


def flat_arrays(image: ImageModel, flat: FlatRefModel) -> list[np.ndarray]:
    """Response, error and flags of a flat, without the border that the image lacks."""
    n_rows, n_cols = image.data.shape
    arrays = [flat.stored(name) for name in ("data", "err", "dq")]
    if arrays[0].shape == (n_rows + 2 * BORDER, n_cols + 2 * BORDER):
        arrays = [array[SCIENCE] for array in arrays]
    return arrays
