"""Files as the mission's libraries of 2022 to 2024 wrote them, of a few pixels."""

from pathlib import Path
from typing import Any

import asdf
import numpy as np
from asdf.tagged import TaggedDict, TaggedString
from asdf.tags.core import ExtensionMetadata, Software
from astropy.time import Time

from romancal_rs.datamodels import _asdf

TAGS = "asdf://stsci.edu/datamodels/roman/tags/"
FRAME_TIME = 3.0


def write(path: Path, kind: str, content: dict[str, Any], version: str) -> Path:
    """A file of tag ``-1.0.0`` that names the version of ``roman-datamodels`` that wrote it."""
    extension = ExtensionMetadata(
        extension_class="asdf.extension._manifest.ManifestExtension",
        extension_uri="asdf://stsci.edu/datamodels/roman/extensions/datamodels-1.0",
        software=Software(name="roman-datamodels", version=version),
    )
    tree = {
        "history": {"extensions": [extension]},
        "roman": TaggedDict(content, f"{TAGS}{kind}-1.0.0"),
    }
    with _asdf.configured(_asdf.TIMES):  # without the schemas of today
        asdf.AsdfFile(tree, version="1.5.0").write_to(path)
    return path


def with_unit(array: np.ndarray, unit: str) -> TaggedDict:
    """An array with a unit, as astropy's converter writes it."""
    text = TaggedString(unit)
    text._tag = "tag:astropy.org:astropy/units/unit-1.0.0"
    return TaggedDict({"value": array, "unit": text}, "tag:stsci.edu:asdf/unit/quantity-1.1.0")


def reference_meta(reftype: str) -> dict[str, Any]:
    return {
        "author": "nobody",
        "description": "made up",
        "instrument": {"detector": "WFI01", "name": "WFI", "optical_element": "F158"},
        "origin": "STSCI",
        "pedigree": "DUMMY",
        "reftype": reftype,
        "telescope": "ROMAN",
        "useafter": Time("2020-01-01T00:00:00"),
    }
