"""The models of reference files.

What is in each, and how its files are chosen, is in `romancal_rs.reference_types`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from ..reference_types import TYPES, ReferenceType, type_of
from . import _schema
from ._base import DataModel
from ._defaults import complete
from ._errors import UnknownModelError
from ._kinds import CLASSES
from ._tree import ERA_2022, Tree, Unread

if TYPE_CHECKING:
    from numpy.typing import NDArray


class ReferenceModel(DataModel):
    """What all models of reference files have in common.

    Attributes
    ----------
    reference_type : ReferenceType
        How its files are chosen, and the arrays that they hold.
    """

    reference_type: ClassVar[ReferenceType]
    _new_version = "2.0.0"

    def __init_subclass__(cls, reftype: str) -> None:
        cls.reference_type = TYPES[reftype]
        cls._kind = f"reference_files/{cls.reference_type.tag}"
        super().__init_subclass__()


class ApcorrRefModel(ReferenceModel, reftype="APCORR"):
    """APCORR: `data`, a row for each optical element: corrections to fluxes within an aperture.

    Each has `ap_corrections` of `ee_fractions` within `ee_radii`, and the radii of the ring that
    the sky is taken from, in arcseconds; in files of before 2025 in pixels.
    """


class BamRefModel(ReferenceModel, reftype="BAM"):
    """BAM: `bam_quaternion`, from the observatory's boresight to its guidance system. From rad 1.2.

    No step of this package uses it; Level 1 files of series 2.2.0 name it in ``meta.ref_file``.
    """


class DarkRefModel(ReferenceModel, reftype="DARK"):
    """DARK: `dark_slope` [DN/s] today, `data` [DN per resultant] in files of 2022; `dq`."""

    def _before_writing(self, tree: Tree) -> None:
        if "data" not in tree.data:
            return
        # The last series with a plane per resultant also has a rate. It does not follow from the
        # planes, whose times the file does not know: NaN.
        tree.tag = f"{_schema.TAGS}{self._kind}-1.2.0"
        for name in ("dark_slope", "dark_slope_error"):
            shape = tree.data["data"].shape[1:]
            tree.data.setdefault(name, np.full(shape, np.nan, np.float32))
        tree.data["meta"] = complete(tree.data["meta"], tree.place("meta"))


class DarkdecaysignalRefModel(ReferenceModel, reftype="DARKDECAYSIGNAL"):
    """DARKDECAYSIGNAL: `decay_table`, a row for each detector.

    Each has an `amplitude` [DN] and a `time_constant` [s], or null.
    """


class DistortionRefModel(ReferenceModel, reftype="DISTORTION"):
    """DISTORTION: `coordinate_distortion_transform`, from pixels to V2, V3 in arcseconds."""


class EpsfRefModel(ReferenceModel, reftype="EPSF"):
    """EPSF: `psf` (n_defocus, n_spectral_types, n_positions, n_rows, n_cols), point sources.

    The positions are ``meta.pixel_x`` and ``meta.pixel_y``; a file may have `extended_psf` as well.
    """


class FlatRefModel(ReferenceModel, reftype="FLAT"):
    """FLAT: `data`, `err`, `dq`."""


class GainRefModel(ReferenceModel, reftype="GAIN"):
    """GAIN: `data` [e-/DN]."""


class IntegralnonlinearityRefModel(ReferenceModel, reftype="INTEGRALNONLINEARITY"):
    """INTEGRALNONLINEARITY: what is to be added to a sample [DN], by channel of the read-out.

    `value` are the nodes; `inl_table` has a row for each channel, ``science_channel_01`` and so
    on, with the `correction` at each node, or null.
    """


class InverselinearityRefModel(ReferenceModel, reftype="INVERSELINEARITY"):
    """INVERSELINEARITY: `coeffs` (n_coeffs, n_rows, n_cols), from linear to measured DN; `dq`."""


class LinearityRefModel(ReferenceModel, reftype="LINEARITY"):
    """LINEARITY: `coeffs` (n_coeffs, n_rows, n_cols), `dq`."""


class MaskRefModel(ReferenceModel, reftype="MASK"):
    """MASK: `dq`."""


class PixelareaRefModel(ReferenceModel, reftype="AREA"):
    """AREA: `data`, the area of each pixel."""


class ReadnoiseRefModel(ReferenceModel, reftype="READNOISE"):
    """READNOISE: `data`, the noise of one read [DN]; in files of 2022 of a difference of two.

    In memory `data` are the numbers of the file. A model of 2022 is saved as today's files are:
    with the noise of one read.
    """

    @property
    def is_cds(self) -> bool:
        """Whether `data` is the noise of a difference of two reads (correlated double sampling)."""
        return self.era == ERA_2022

    def _before_writing(self, tree: Tree) -> None:
        array: Any = tree.data.get("data")
        if not self.is_cds or not hasattr(array, "dtype"):
            return
        of_two = array if isinstance(array, Unread) else Unread(lambda: array)
        tree.data["data"] = Unread(
            lambda: noise_of_one_read(of_two.read()), tuple(array.shape), array.dtype
        )


class RefpixRefModel(ReferenceModel, reftype="REFPIX"):
    """REFPIX: `gamma`, `zeta`, `alpha` (n_channels, n_frequencies), complex128.

    What of the left and of the right reference pixels, and of the reference output, is in the
    samples of a channel.
    """


class SaturationRefModel(ReferenceModel, reftype="SATURATION"):
    """SATURATION: `data`, the threshold [DN], and `dq`."""


class WfiImgPhotomRefModel(ReferenceModel, reftype="PHOTOM"):
    """PHOTOM: `phot_table`, a row for each optical element, in MJy/sr and sr."""


def noise_of_one_read(noise_of_two: NDArray[np.float32]) -> NDArray[np.float32]:
    """The noise of one read, from that of the difference of two reads.

    Parameters
    ----------
    noise_of_two : ndarray, any shape, float32
        Noise of the difference of two reads (correlated double sampling) [DN].

    Returns
    -------
    ndarray, same shape, float32
        `noise_of_two` divided by sqrt(2) [DN].
    """
    return noise_of_two / np.float32(np.sqrt(2.0))


def reference_model(reftype: str) -> type[DataModel]:
    """The model class of a reference type.

    Parameters
    ----------
    reftype : str
        Reference type, such as ``"dark"`` or ``"PHOTOM"``.

    Returns
    -------
    subclass of DataModel

    Raises
    ------
    UnknownModelError
        If there is no model for it.
    """
    tag = type_of(reftype.upper()).tag
    if not tag:
        raise UnknownModelError(f"no model for reference files of type {reftype!r}")
    return CLASSES[f"reference_files/{tag}"]
