"""The photom step: writes the flux conversion of PHOTOM into the metadata; no pixel changes."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from . import _lazy
from .errors import InputError
from .stpipe import RomanStep
from .stpipe.recipes import FLIGHT, OF_2022

if TYPE_CHECKING:
    from .datamodels import ImageModel

__all__ = ["PhotomStep"]

__dir__ = _lazy.listing(__all__)


class PhotomStep(RomanStep):
    """Copy the flux conversion and the pixel area of the optical element into the metadata.

    Takes and returns an `ImageModel <romancal_rs.datamodels.ImageModel>`: its data do not
    change. In the recipe ``2022`` the step is only for exposures of type WFI_IMAGE.
    """

    spec = """
        photom = output_file(default=None)  #! Save the calibrated result to this file
    """
    class_alias = "photom"
    cal_step_name = "photom"
    builds_on: ClassVar[tuple[str, ...]] = ("ramp_fit",)
    is_repeatable = True
    default_suffix = "photom"
    by_recipe: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        OF_2022: {"exposure_types": ("WFI_IMAGE",), "default_suffix": "phot"},
    }
    reference_file_types: ClassVar[list[str]] = ["photom"]

    def process(self, input: Any) -> ImageModel:
        from .datamodels import ImageModel

        image = self.prepare(input, ImageModel)
        if reason := self.idle(image):
            set_photometry(image, Photometry())
            return self.end_skipped(image, reason)
        file = self.get_reference_file(image, "photom")
        if file == "N/A":
            forget_placeholders(image)
            return self.skip_without(image, "photom")
        element = image.meta.instrument.optical_element.upper()
        source = file if isinstance(file, str) else "override_photom"
        with self.get_reference_file_model(image, "photom") as reference:
            if self.recipe_of(image) == FLIGHT and element not in reference.phot_table:
                photometry, reason = Photometry(), f"PHOTOM has no row for {element}"
            else:
                photometry = photometry_of(reference.phot_table, element, source=source)
                reason = f"PHOTOM gives no flux conversion for {element}"
        set_photometry(image, photometry)
        if photometry.conversion_megajanskys is None:
            return self.end_skipped(image, reason, is_usual=not is_imaging_filter(element))
        area = photometry.pixel_area
        of_pixels = "unknown area" if area is None else f"{area:.6g} sr"
        self.log.info(
            "%s: 1 DN/s is %.6g MJy/sr, of pixels of %s",
            *(element, photometry.conversion_megajanskys, of_pixels),
        )
        self.record_step_status(image, self.cal_step_name)
        if self.photom is not None:
            self.save_to(image, self.photom)
        return image


def is_imaging_filter(optical_element: str) -> bool:
    """Whether it is a filter, such as F158: the dispersing elements and DARK have no conversion."""
    return re.fullmatch(r"F\d{3}", optical_element) is not None


@dataclass(frozen=True)
class Photometry:
    """The flux calibration of one optical element; None where there is none.

    Attributes
    ----------
    conversion_megajanskys, conversion_megajanskys_uncertainty : float or None
        Surface brightness of a rate of 1 DN/s, and its uncertainty [MJy/sr].
    pixel_area : float or None
        Nominal area of a pixel [sr].
    """

    conversion_megajanskys: float | None = None
    conversion_megajanskys_uncertainty: float | None = None
    pixel_area: float | None = None


def photometry_of(
    table: Mapping[str, Mapping[str, Any]], optical_element: str, *, source: str = "PHOTOM"
) -> Photometry:
    """Look up the row of an optical element in the table of a PHOTOM reference.

    Parameters
    ----------
    table : mapping
        Of each optical element: ``photmjsr``, ``uncertainty`` [MJy/sr] and ``pixelareasr`` [sr].
    optical_element : str
    source : str
        How an error message names the table.

    Returns
    -------
    Photometry
        Placeholders (-999999), NaN and infinity are no values.

    Raises
    ------
    InputError
        If the table has no such row.
    """
    row = table.get(optical_element)
    if row is None:
        raise InputError(
            f"{source}: the table has no row for {optical_element}; it has {', '.join(table)}"
        )
    values = (row[name] for name in ("photmjsr", "uncertainty", "pixelareasr"))
    return Photometry(*(value if is_known(value) else None for value in values))


def is_known(value: Any) -> bool:
    """Whether a value of the flux calibration is a number, and no placeholder of one."""
    from .datamodels import is_unknown

    return value is not None and math.isfinite(value) and not is_unknown(value)


def forget_placeholders(image: ImageModel) -> None:
    """Sets to null what stands for an unknown number in ``meta.photometry``."""
    known = image.meta.get("photometry")
    if isinstance(known, Mapping):
        image.meta["photometry"] = {
            name: None if isinstance(value, float | int) and not is_known(value) else value
            for name, value in known.items()
        }


def set_photometry(image: ImageModel, photometry: Photometry) -> None:
    """Store the numbers in ``meta.photometry``.

    The manual's names (``conversion_microjanskys``, ``pixelarea_arcsecsq`` ...) follow from them.
    """
    known = image.meta.get("photometry")
    kept = known if isinstance(known, Mapping) else {}
    image.meta["photometry"] = {**kept, **asdict(photometry)}
