"""How this package uses the `asdf` library: to make objects, to write, and to print.

`asdf` loads the extensions of every installed package before it opens the first file. That takes
seconds, brings in `gwcs` and `astropy.modeling`, and, where the mission's own library is
installed, a second set of classes for the same tags. Here each call names the extensions it
needs, in a configuration that holds for that call and thread only: nothing is registered
globally, and whatever else is installed does not matter.
"""

from __future__ import annotations

import importlib
import re
import threading
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import cache, cached_property
from importlib.metadata import distribution
from typing import TYPE_CHECKING, Any, Self

from .._private_parts import extension_record, serialization_context, use_only
from .._tagged import Tagged
from ._extensions import CORE, DESCRIBING, HOLD_TAGS_BACK, SOFTWARE, TIME, is_installed

if TYPE_CHECKING:
    import asdf
    from asdf.config import AsdfConfig
    from asdf.extension import (
        ConverterProxy,
        ExtensionManager,
        ExtensionProxy,
        SerializationContext,
    )

#: The version of the ASDF standard that files are written in; its arrays may be of half precision.
STANDARD = "1.6.0"

#: For printing, no extensions are needed.
NOTHING: tuple[str, ...] = ()
#: Packages whose extensions write plain data and times.
TIMES = ("asdf-astropy", "asdf")
#: ... and transforms and world coordinate systems.
OBJECTS = ("asdf-astropy", "gwcs", "asdf")

#: For what is of the whole process meanwhile: which warnings are shown.
_one_at_a_time = threading.RLock()


@cache
def _extensions_of(package: str) -> tuple[ExtensionProxy, ...]:
    found = distribution(package)
    with _one_at_a_time:
        import asdf
        from asdf.extension import ExtensionProxy

        resources = asdf.get_config().resource_manager
        with asdf.config_context() as config:
            config.add_resource_mapping(_BriefManifests(resources))
            return tuple(
                ExtensionProxy(extension, package_name=package, package_version=found.version)
                for point in found.entry_points.select(group="asdf.extensions")
                for extension in point.load()()
            )


class _BriefManifests(Mapping[str, bytes]):
    """The manifests of extensions, of tags but their names.

    `asdf` reads dozens of them, in Python letter by letter: so it takes a quarter of the time.
    Titles and descriptions are for people only; the schemas of tags are to check what is read and
    written, which is not left to `asdf`.

    Parameters
    ----------
    resources : mapping of str to bytes
        All that `asdf` has by URI.
    """

    _TAG = re.compile(rb"^( *)-( +)tag_uri: (.*)\n(?:\1 \2.*\n|[ \t]*\n)*", re.M)
    _FOR_PEOPLE = re.compile(rb"^( *)(?:title|description):.*\n(?:\1 +.*\n|[ \t]*\n)*", re.M)

    def __init__(self, resources: Mapping[str, bytes]) -> None:
        self._resources = resources

    def __getitem__(self, uri: str) -> bytes:
        text = self._FOR_PEOPLE.sub(b"", self._resources[uri] + b"\n")
        return self._TAG.sub(rb"\1- \3\n", text)

    def __iter__(self) -> Iterator[str]:
        return (uri for uri in self._resources if "/manifests/" in uri)

    def __len__(self) -> int:
        return sum(1 for _ in self)


def load_libraries() -> None:
    """Import the libraries that read times, which every exposure has.

    Packages whose modules import each other, as these do, are not safe to be imported by two
    threads at once: one of them may see a module that is only there in part.
    """
    with _one_at_a_time:
        importlib.import_module("astropy.time")


def load_objects() -> None:
    """Import what transforms and world coordinates need, as `load_libraries` does for times."""
    with _one_at_a_time:
        importlib.import_module("gwcs")
        for package in OBJECTS:
            _extensions_of(package)


@contextmanager
def configured(packages: Sequence[str]) -> Iterator[AsdfConfig]:
    """Settings of `asdf` for one call: extensions of the named packages, no hidden copies."""
    # Outside of the context, where `asdf` keeps for all that follows what it finds.
    extensions = [extension for package in packages for extension in _extensions_of(package)]
    import asdf

    with asdf.config_context() as config:
        use_only(config, extensions)
        # The models check their content themselves.
        config.validate_on_read = False
        config.legacy_fill_schema_defaults = False
        # What cannot be made is an error, as what is not there is; `asdf` only warns.
        config.warn_on_failed_conversion = False
        with _one_at_a_time, warnings.catch_warnings():
            warnings.simplefilter("ignore", asdf.exceptions.AsdfWarning)
            yield config


def context(standard: str | None) -> Any:
    """What `asdf` needs to know to make objects of a file; within `configured`.

    Parameters
    ----------
    standard : str or None
        The version of the ASDF standard that the file says; one that `asdf` does not know is as
        good as none.
    """
    import asdf

    try:
        return asdf.AsdfFile(version=standard, ignore_unrecognized_tag=True)
    except ValueError:
        return asdf.AsdfFile(ignore_unrecognized_tag=True)


@cache
def knows_descriptions() -> bool:
    """Whether the installed libraries can read all tags of `DESCRIBING`.

    Which tags asdf-astropy has depends on what else is installed: it is asked unless that is known.
    """
    if not all(extension.is_installed for extension in DESCRIBING):
        return False
    if not any(map(is_installed, HOLD_TAGS_BACK)):
        return True
    there = {extension.extension_uri for extension in _extensions_of("asdf-astropy")}
    return {found.uri for found in DESCRIBING if found.package == "asdf-astropy"} <= there


def made(description: Tagged) -> Any:
    """The object of astropy or gwcs that a description, with its arrays in memory, says."""
    load_objects()
    with configured(OBJECTS):
        import asdf

        return asdf.yamlutil.tagged_tree_to_custom_tree(for_asdf(description), context(STANDARD))


def for_asdf(value: Any) -> Any:
    """A tree with the tagged values of `asdf` in place of `Tagged`."""
    from asdf.tagged import tag_object

    if isinstance(value, Tagged):
        return tag_object(value.tag, for_asdf(value.value))
    if isinstance(value, dict):
        return {key: for_asdf(item) for key, item in value.items()}
    if isinstance(value, list):
        return [for_asdf(item) for item in value]
    return value


#: Which package has the objects of a tag that begins so; the first that fits.
_PACKAGES = {
    "tag:stsci.edu:gwcs/": "gwcs",
    "tag:stsci.edu:asdf/core/": "asdf",
    "tag:stsci.edu:asdf/": "asdf-astropy",
    "tag:astropy.org:astropy/": "asdf-astropy",
}


def package_of(tag: str) -> str | None:
    """The package that makes the objects of a tag; None if it is none that is used here."""
    return next((name for start, name in _PACKAGES.items() if tag.startswith(start)), None)


class Converters:
    """What writes objects: the converters of `asdf`, which is imported when one is needed.

    Parameters
    ----------
    packages : sequence of str
        Whose converters there are; for a ``with`` block, which `configured` then holds for.
    """

    def __init__(self, packages: Sequence[str]) -> None:
        self._packages = packages
        self._stack = ExitStack()
        #: What a file says of the extensions that were used for it, by URI.
        self._used: dict[str | None, Tagged] = {}
        if knows_descriptions():
            self.use(CORE)  # which is of every file
        else:
            manager = self._manager
            import asdf

            self._use(manager.get_converter_for_type(asdf.tags.core.Software))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self._stack.close()

    @cached_property
    def _file(self) -> asdf.AsdfFile:
        """What the context belongs to."""
        self._stack.enter_context(configured(self._packages))
        import asdf

        return asdf.AsdfFile(version=STANDARD)

    @property
    def _manager(self) -> ExtensionManager:
        return self._file.extension_manager

    @cached_property
    def context(self) -> SerializationContext:
        """For converters."""
        return serialization_context(self._file)

    def _use(self, converter: ConverterProxy) -> None:
        extension = converter.extension
        if extension.extension_uri not in self._used:
            self._used[extension.extension_uri] = _record(extension)

    def use(self, tag: str) -> None:
        """Notes that something is written with a tag of `DESCRIBING`, without a converter."""
        extension = next(found for found in DESCRIBING if tag.startswith(found.tags))
        if extension.uri not in self._used:
            self._used[extension.uri] = extension.record()

    def of(self, value: Any) -> tuple[Any, str, ConverterProxy] | None:
        """The object that is written for one, its tag and its converter; None if there is none."""
        tried: list[ConverterProxy] = []
        while self._manager.handles_type(type(value)):
            converter = self._manager.get_converter_for_type(type(value))
            tag = converter.select_tag(value, self.context)
            if tag is not None:
                self._use(converter)
                return value, tag, converter
            # It leaves the object, in another shape, to another converter.
            if converter in tried:
                return None
            tried.append(converter)
            value = converter.to_yaml_tree(value, None, self.context)
        return None

    def date(self, value: Any) -> Tagged | None:
        """How a file has a time that is a date in UTC, as all of its times are; None for others."""
        kind = type(value)
        if kind.__name__ != "Time" or kind.__module__.partition(".")[0] != "astropy":
            return None
        is_date = value.format in ("isot", "iso") and value.scale == "utc" and value.isscalar
        if not is_date or value.masked or not knows_descriptions():
            return None
        self.use(TIME)
        return Tagged(TIME, str(value.value))

    def records(self) -> list[Tagged]:
        """What a file says of the extensions that were used for it."""
        return list(self._used.values())


@cache
def _record(extension: ExtensionProxy) -> Tagged:
    import asdf

    record = extension_record(asdf.AsdfFile(version=STANDARD), extension)
    software = asdf.tags.core.Software
    return Tagged(
        CORE + "extension_metadata-1.0.0",
        {
            name: Tagged(SOFTWARE, dict(value)) if isinstance(value, software) else value
            for name, value in sorted(record.items())
        },
    )


@cache
def library() -> Tagged:
    """What a file says of the library that it was made by."""
    return Tagged(
        SOFTWARE,
        {
            "author": "The ASDF Developers",
            "homepage": "http://github.com/asdf-format/asdf",
            "name": "asdf",
            "version": distribution("asdf").version,
        },
    )
