"""What this package uses of other libraries that they do not promise to keep.

All of it is here, and ``tests/unit/test_private_parts.py`` says which library moved what. One more
is in `romancal_rs.references.crds_cache.client`, which runs in a separate process.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from asdf import AsdfFile
    from asdf.config import AsdfConfig
    from asdf.extension import ExtensionProxy, SerializationContext


def use_only(config: AsdfConfig, extensions: Sequence[ExtensionProxy]) -> None:
    """Has `asdf` use these extensions, and not load those of every installed package.

    That takes seconds, and brings in a second set of classes for the mission's tags where
    `roman_datamodels` is installed. What `asdf` offers for adding or removing an extension, and for
    making an `AsdfFile`, loads all of them first.

    Parameters
    ----------
    config : asdf.config.AsdfConfig
        What ``asdf.config_context()`` gives: the change ends with its block.
    extensions : sequence of asdf.extension.ExtensionProxy
        The first that knows a tag or a type is used for it.
    """
    config._extensions = list(extensions)


def serialization_context(file: AsdfFile) -> SerializationContext:
    """What the converters of `asdf` are given, which it makes for itself as it writes a file."""
    return file._create_serialization_context()


def extension_record(file: AsdfFile, extension: ExtensionProxy) -> dict[str, Any]:
    """What `asdf` writes of an extension into the history of a file that it was used for.

    Of some extensions that names the package of their manifest, which has no other way out.
    """
    context = serialization_context(file)
    context._mark_extension_used(extension)
    tree: dict[str, Any] = {}
    file._update_extension_history(tree, context)
    return tree["history"]["extensions"][0]


@cache
def rad_resources() -> Path | None:
    """The directory of the schemas and manifests of `rad`; None if that is not installed.

    They are had through `asdf` as well, which loads those of every installed package for that.
    """
    spec = find_spec("rad")
    if spec is None or not spec.submodule_search_locations:
        return None
    return Path(spec.submodule_search_locations[0]) / "resources"
