"""Data models: the mission's files as Python objects.

`open` returns the model that fits a file. The models check what is assigned to them against the
mission's schemas, read files of today and of 2022 to 2024, and write today's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .. import _lazy
from ..border import BORDER
from ._asdf import knows_descriptions, load_libraries, load_objects
from ._base import DataModel
from ._defaults import Replacement, is_unknown
from ._encoding import ENCODING_ARRAYS, Encoding, encoding_offset
from ._errors import (
    FileFormatError,
    ModelError,
    ModelTypeError,
    UnknownModelError,
    ValidationError,
)
from ._exposure_parts import add_second_flags, check_arrays
from ._exposures import (
    ImageModel,
    RampFitOutputModel,
    RampModel,
    ScienceRawModel,
)
from ._inputs import can_open, path_of
from ._nodes import DNode, LNode
from ._opening import open
from ._references import (
    ApcorrRefModel,
    BamRefModel,
    DarkdecaysignalRefModel,
    DarkRefModel,
    DistortionRefModel,
    EpsfRefModel,
    FlatRefModel,
    GainRefModel,
    IntegralnonlinearityRefModel,
    InverselinearityRefModel,
    LinearityRefModel,
    MaskRefModel,
    PixelareaRefModel,
    ReadnoiseRefModel,
    ReferenceModel,
    RefpixRefModel,
    SaturationRefModel,
    WfiImgPhotomRefModel,
    noise_of_one_read,
    reference_model,
)
from ._schema import GUIDE_STAR_TYPES, SPECTRAL_TYPES
from ._tree import Described
from ._wcs import WfiWcsModel

if TYPE_CHECKING:
    from . import testing

__all__ = [
    "BORDER",
    "ENCODING_ARRAYS",
    "GUIDE_STAR_TYPES",
    "SPECTRAL_TYPES",
    "ApcorrRefModel",
    "BamRefModel",
    "DNode",
    "DarkRefModel",
    "DarkdecaysignalRefModel",
    "DataModel",
    "Described",
    "DistortionRefModel",
    "Encoding",
    "EpsfRefModel",
    "FileFormatError",
    "FlatRefModel",
    "GainRefModel",
    "ImageModel",
    "IntegralnonlinearityRefModel",
    "InverselinearityRefModel",
    "LNode",
    "LinearityRefModel",
    "MaskRefModel",
    "ModelError",
    "ModelTypeError",
    "PixelareaRefModel",
    "RampFitOutputModel",
    "RampModel",
    "ReadnoiseRefModel",
    "ReferenceModel",
    "RefpixRefModel",
    "Replacement",
    "SaturationRefModel",
    "ScienceRawModel",
    "UnknownModelError",
    "ValidationError",
    "WfiImgPhotomRefModel",
    "WfiWcsModel",
    "add_second_flags",
    "can_open",
    "check_arrays",
    "encoding_offset",
    "is_unknown",
    "knows_descriptions",
    "load_libraries",
    "load_objects",
    "noise_of_one_read",
    "open",
    "path_of",
    "reference_model",
    "testing",
]

if not TYPE_CHECKING:
    __getattr__, __dir__ = _lazy.public(__name__, __all__, modules=["testing"])
