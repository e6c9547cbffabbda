"""How this package uses the `asdf` library.

`asdf` loads the extensions of every installed package before it opens the first file. That takes
seconds, brings in `gwcs` and `astropy.modeling`, and, where the mission's own library is
installed, a second set of classes for the same tags. Here each call names the extensions it
needs, in a configuration that holds for that call and thread only: nothing is registered
globally, and whatever else is installed does not matter.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from importlib.metadata import distribution, version
from typing import TYPE_CHECKING, Any

from .._asdf_blocks import MAGIC
from . import _schema

if TYPE_CHECKING:
    from asdf.config import AsdfConfig
    from asdf.extension import Extension, ExtensionProxy

#: Packages whose extensions read plain data (numbers, arrays, software records).
PLAIN = ("asdf",)
#: ... and times.
TIMES = ("asdf-astropy", "asdf")
#: ... and transforms and world coordinate systems.
OBJECTS = ("asdf-astropy", "gwcs", "asdf")


@cache
def _extensions_of(package: str) -> tuple[ExtensionProxy, ...]:
    from asdf.extension import ExtensionProxy

    found = distribution(package)
    with _manifests_read_by_libyaml():
        return tuple(
            ExtensionProxy(extension, package_name=package, package_version=found.version)
            for point in found.entry_points.select(group="asdf.extensions")
            for extension in point.load()()
        )


@contextmanager
def _manifests_read_by_libyaml() -> Iterator[None]:
    """Has `asdf` read the manifests of extensions by libyaml, in a tenth of the time.

    It calls ``yaml.safe_load``, which is written in Python; dozens of manifests take it a second.
    Should a later version of it read them otherwise, that is what happens.
    """
    import yaml
    from asdf.extension import _manifest

    class LibYaml:
        @staticmethod
        def safe_load(text: Any) -> Any:
            return yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))

    if getattr(_manifest, "yaml", None) is not yaml:
        yield
        return
    _manifest.yaml = LibYaml
    try:
        yield
    finally:
        _manifest.yaml = yaml


def load_objects() -> None:
    """Import what transforms and world coordinates need, before it is needed."""
    for package in OBJECTS:
        _extensions_of(package)


@contextmanager
def configured(packages: Sequence[str]) -> Iterator[AsdfConfig]:
    """Settings of `asdf` for one call: extensions of the named packages, no hidden copies."""
    import asdf

    with asdf.config_context() as config:
        # asdf offers no public way to leave its scan out. Should a later version rename this
        # attribute, the scan comes back and all still works, only slower.
        config._extensions = [e for package in packages for e in _extensions_of(package)]
        # The models check their content themselves.
        config.validate_on_read = False
        config.legacy_fill_schema_defaults = False
        # A view is written as what it shows, not as all of the array it looks into.
        config.default_array_save_base = False
        # What cannot be made is an error, as what is not there is; `asdf` only warns.
        config.warn_on_failed_conversion = False
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", asdf.exceptions.AsdfWarning)
            yield config


def has_blocks_at(handle: Any, positions: Sequence[int]) -> bool:
    """Whether an open file has its blocks where their headers are.

    `asdf` takes them from the index at the end of the file, which may say anything. It offers no
    public way to ask; should a later version keep them elsewhere, they are not looked at.
    """
    blocks = getattr(getattr(handle, "_blocks", None), "blocks", None)
    if blocks is None:
        return True
    after_magic = [block.offset for block in blocks]
    return after_magic == [position + len(MAGIC) for position in positions]


class Tagged:
    """A value on its way into a file, with the mission's tag that it carries there."""

    def __init__(self, tag: str, value: Any) -> None:
        self.tag = tag
        self.value = value


@cache
def writing_extension(root_tag: str, roman_tags: tuple[str, ...]) -> ExtensionProxy:
    """The extension that writes `Tagged` values, under the name of the mission's extension."""
    from asdf.extension import Converter, Extension, ExtensionProxy, TagDefinition

    class TaggedConverter(Converter):  # type: ignore[misc]
        tags = roman_tags
        types = (Tagged,)

        def select_tag(self, obj: Tagged, tags: Any, ctx: Any) -> str:
            return obj.tag

        def to_yaml_tree(self, obj: Tagged, tag: str, ctx: Any) -> Any:
            return obj.value

        def from_yaml_tree(self, node: Any, tag: str, ctx: Any) -> Any:
            raise NotImplementedError("this extension only writes")

    class RomanExtension(Extension):  # type: ignore[misc]
        extension_uri = _schema.extension_uri(root_tag)
        tags = tuple(TagDefinition(tag) for tag in roman_tags)
        converters = (TaggedConverter(),)

    extension: Extension = RomanExtension()
    return ExtensionProxy(
        extension, package_name="romancal-rs", package_version=version("romancal-rs")
    )


def in_order(config: AsdfConfig, tag: str, names: Sequence[str]) -> ExtensionProxy:
    """An extension for writing, which has the object of a tag list its names in this order.

    `asdf` sorts them by the alphabet unless a schema of the tag says otherwise. Names that are not
    listed come last. Files do not mention the extension.
    """
    from asdf.extension import Extension, ExtensionProxy, TagDefinition

    uri = f"asdf://romancal-rs/order/{tag.rpartition('/tags/')[2]}"
    listed = ", ".join(names)
    config.add_resource_mapping({uri: f"%YAML 1.1\n---\npropertyOrder: [{listed}]\n".encode()})

    class InOrder(Extension):  # type: ignore[misc]
        extension_uri = "asdf://romancal-rs/extensions/order-1.0.0"
        tags = (TagDefinition(tag, schema_uris=[uri]),)

    return ExtensionProxy(InOrder(), package_name="romancal-rs")
