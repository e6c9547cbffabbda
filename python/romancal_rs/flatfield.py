"""The flatfield step: FLAT reference -> `kernels.apply_flat`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from . import kernels
from .border import BORDER, SCIENCE
from .stpipe import RomanStep
from .stpipe.recipes import OF_2022

if TYPE_CHECKING:
    from .datamodels import FlatRefModel, ImageModel

__all__ = ["FlatFieldStep"]

BUILDS_ON_IN_2022 = ("dq_init", "saturation", "linearity", "dark", "jump", "ramp_fit")


class FlatFieldStep(RomanStep):
    """Divide the rate image by the flat field, and propagate its error.

    It is for direct images; in the recipe of 2022 for those of type WFI_IMAGE alone.
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

        image = self.prepare(input, ImageModel, ["data", "dq", "var_poisson", "var_rnoise", "dumo"])
        if reason := self.reason_to_skip(image):
            return self.end_skipped(image, reason)
        with self.get_reference_file_model(image, "flat") as flat:
            apply_flat(image, flat)
        self.record_step_status(image, self.cal_step_name)
        return image


def apply_flat(image: ImageModel, flat: FlatRefModel) -> None:
    """Flat-fields `image`, also its `dumo`, in place; a flat of the full frame is trimmed."""
    n_rows, n_cols = image.data.shape
    arrays = [flat.stored(name) for name in ("data", "err", "dq")]
    if arrays[0].shape == (n_rows + 2 * BORDER, n_cols + 2 * BORDER):
        arrays = [array[SCIENCE] for array in arrays]
    dumo = image.dumo if "dumo" in image else None  # which older series do not have
    image.var_flat, image.err = kernels.apply_flat(
        image.data, image.dq, image.var_poisson, image.var_rnoise, *arrays, dumo=dumo
    )
