"""The extensions of ASDF whose tags this package writes without importing what converts objects.

These are of `asdf`, asdf-astropy and gwcs, which take longer to be imported than a small exposure
takes to be calibrated. The versions of the tags are those that gwcs 1.0 and asdf-astropy 0.11
write. gwcs reads them since 0.22: it has all manifests of asdf-wcs-schemas, whatever its version.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, distribution
from importlib.util import find_spec
from pathlib import Path

from .._tagged import Tagged

CORE = "tag:stsci.edu:asdf/core/"
SOFTWARE = CORE + "software-1.0.0"
TIME = "tag:stsci.edu:asdf/time/time-1.4.0"

#: Where these are of earlier versions, asdf-astropy does without its latest tags.
HOLD_TAGS_BACK = ("dkist", "stdatamodels")


@dataclass(frozen=True)
class Extension:
    """An extension, as the history of a file names it.

    Attributes
    ----------
    tags : str
        How its tags begin, those that are written.
    uri : str
    package : str
        Whose converters it has.
    oldest : tuple of int
        The first version of the package that has it for sure.
    schemas : str or None
        The package of its manifest, where a file names one.
    manifest : str
        Name of the manifest in that package.
    """

    tags: str
    uri: str
    package: str
    oldest: tuple[int, ...]
    schemas: str | None = None
    manifest: str = ""

    @property
    def is_installed(self) -> bool:
        """Whether the package is recent enough, and has the manifest at hand."""
        if not is_installed(self.package) or _version(self.package) < self.oldest:
            return False
        return self.schemas is None or _has_manifest(self.schemas, self.manifest)

    @cache  # noqa: B019 (there are but those of this module)
    def record(self) -> Tagged:
        """What the history of a file says of it: always the same, as it is once in a file."""
        content: dict[str, object] = {
            "extension_class": "asdf.extension._manifest.ManifestExtension",
            "extension_uri": self.uri,
        }
        if self.schemas is not None:
            content["manifest_software"] = _software(self.schemas)
        content["software"] = _software(self.package)
        return Tagged(CORE + "extension_metadata-1.0.0", content)


_FORMAT = "asdf://asdf-format.org/"
#: All of them.
DESCRIBING = (
    Extension(
        CORE, _FORMAT + "core/extensions/core-1.6.0", "asdf", (4, 1), "asdf_standard", "core-1.6.0"
    ),
    Extension(
        "tag:stsci.edu:asdf/time/",
        _FORMAT + "astronomy/extensions/astronomy-1.2.0",
        "asdf-astropy",
        (0, 11),
        "asdf_standard",
        "astronomy-1.2.0",
    ),
    Extension(
        "tag:stsci.edu:asdf/unit/",
        "asdf://astropy.org/astropy/extensions/units-1.3.0",
        "asdf-astropy",
        (0, 11),
    ),
    Extension(
        "tag:stsci.edu:asdf/transform/",
        _FORMAT + "transform/extensions/transform-1.7.0",
        "asdf-astropy",
        (0, 11),
        "asdf_transform_schemas",
        "transform-1.7.0",
    ),
    Extension(
        "tag:astropy.org:astropy/coordinates/",
        _FORMAT + "astronomy/coordinates/extensions/coordinates-1.0.0",
        "asdf-astropy",
        (0, 11),
        "asdf_coordinates_schemas",
        "coordinates-1.0.0",
    ),
    Extension(
        "tag:stsci.edu:gwcs/",
        _FORMAT + "astronomy/gwcs/extensions/gwcs-1.4.0",
        "gwcs",
        (0, 22),
        "asdf_wcs_schemas",
        "gwcs-1.4.0",
    ),
)


def is_installed(package: str) -> bool:
    """Whether a package is there; it is not imported."""
    try:
        distribution(package)
    except PackageNotFoundError:
        return False
    return True


def _version(package: str) -> tuple[int, ...]:
    """The first two numbers of a version."""
    parts = distribution(package).version.split(".")[:2]
    return tuple(int(part) if part.isdecimal() else 0 for part in parts)


def _software(package: str) -> Tagged:
    return Tagged(SOFTWARE, {"name": package, "version": distribution(package).version})


def _has_manifest(package: str, name: str) -> bool:
    spec = find_spec(package)
    places = (spec and spec.submodule_search_locations) or ()
    return any(any(Path(place).glob(f"resources/**/{name}.yaml")) for place in places)
