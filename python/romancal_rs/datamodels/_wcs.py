"""The model of the WCS product, which is saved beside a Level 2 image."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

from .._described_wcs import raw_frame_of
from ..border import BORDER
from . import _schema
from ._base import DataModel
from ._defaults import conform
from ._errors import ModelError
from ._tree import Described, Tree, deep_copy

if TYPE_CHECKING:
    from gwcs import WCS

    from .._transforms import Box
    from ._exposures import ImageModel


class WfiWcsModel(DataModel):
    """The world coordinates of an exposure: `wcs_l2` of its image, `wcs_l1` of its raw frame."""

    _kind = "wfi_wcs"
    _new_version = "2.1.0"

    @classmethod
    def from_image(cls, image: ImageModel) -> WfiWcsModel:
        """The WCS product of an image.

        Parameters
        ----------
        image : ImageModel
            Where the WCS (shared) and the metadata (copied) come from, of which the product has
            what its schema names. It also fixes the series of the tag; the first one that has such
            products where its own has none.

        Raises
        ------
        ModelError
            If the image has no WCS.
        """
        if not image.has_wcs:
            where = f"{image.source}: " if image.source else ""
            raise ModelError(f"{where}the image has no WCS: assign_wcs attaches it")
        old = image._tree
        tag = _schema.tag_beside(old.tag, cls._kind) or cls.new_tag()
        wcs: Any = old.data["meta"]["wcs"]
        raw: Any
        if isinstance(wcs, Described):
            raw = Described(raw_frame_of(wcs.description, BORDER))
        else:
            wcs = image.meta.wcs
            raw = wcs_of_raw_frame(wcs)
        content: dict[str, Any] = {"wcs_l2": wcs, "wcs_l1": raw}
        tree = Tree(content, tag, header=old.header)
        place = tree.place("meta")
        meta = {
            name: deep_copy(old.data["meta"][name])
            for name in place.names
            if name in old.data["meta"]
        }
        content["meta"] = conform(meta, place)
        return cls._view(tree, owner=True)


def wcs_of_raw_frame(wcs: WCS) -> WCS:
    """The WCS of an exposure with its border, from that of the image without it.

    Its bounding box reaches as far beyond that of the image as the border does.
    """
    box: Box | None = None
    if wcs.bounding_box is not None:
        (left, right), (bottom, top) = wcs.bounding_box.bounding_box(order="F")
        box = ((left, right + 2 * BORDER), (bottom, top + 2 * BORDER))
    return shifted_wcs(wcs, -BORDER, -BORDER, box)


def shifted_wcs(wcs: WCS, x: float, y: float, box: Box | None) -> WCS:
    """The WCS of pixels that are counted from another one.

    Parameters
    ----------
    wcs : gwcs.WCS
        It shares its parts with the result, so that a file has them once.
    x, y : float
        Where the new pixel (0, 0) is in the old count.
    box : ((float, float), (float, float)) or None
        Where the result holds: limits of x and of y, in the new count.
    """
    from astropy.modeling.models import Shift
    from gwcs import WCS

    (detector, first), *others = [(step.frame, step.transform) for step in wcs.pipeline]
    first = copy.copy(first)
    if wcs.bounding_box is not None:
        del first.bounding_box  # which is of the old count
    shifted = Shift(x) & Shift(y) | first
    shifted.inputs = first.inputs
    result = WCS([(detector, shifted), *others], name=wcs.name)
    if box is not None:
        result.bounding_box = box
    return result
