"""Whether other libraries still have what this package uses of them without their promise."""

import ast
import re
from pathlib import Path

import pytest

import romancal_rs
from romancal_rs import _private_parts

MOVED = "moved it: see romancal_rs/_private_parts.py"
PACKAGE = Path(romancal_rs.__file__).parent
#: The libraries that the package is built on.
LIBRARIES = "asdf|asdf_astropy|astropy|configobj|crds|gwcs|numpy|rad|roman_datamodels|yaml"


def test_asdf_takes_the_extensions_that_it_is_given():
    import asdf

    with asdf.config_context() as config:
        assert hasattr(config, "_extensions"), f"asdf: AsdfConfig._extensions; it {MOVED}"
        _private_parts.use_only(config, [])
        assert config.extensions == [], f"asdf: AsdfConfig._extensions; it {MOVED}"


def test_asdf_makes_what_its_converters_are_given_and_names_its_extensions():
    import asdf

    file = asdf.AsdfFile()
    for name in ("_create_serialization_context", "_update_extension_history"):
        assert hasattr(file, name), f"asdf: AsdfFile.{name}; it {MOVED}"
    context = _private_parts.serialization_context(file)
    assert isinstance(context, asdf.extension.SerializationContext)
    assert hasattr(context, "_mark_extension_used"), f"asdf: SerializationContext; it {MOVED}"
    core = file.extension_manager.get_converter_for_type(asdf.tags.core.Software).extension
    record = _private_parts.extension_record(file, core)
    assert record["extension_uri"].startswith("asdf://asdf-format.org/core/extensions/core-")
    assert record["software"] == {"name": "asdf", "version": asdf.__version__}
    assert record["manifest_software"]["name"] == "asdf_standard"


def test_rad_has_its_schemas_and_manifests_in_its_resources():
    resources = _private_parts.rad_resources()
    assert resources is not None
    for pattern in ("schemas/wfi_image-*.yaml", "manifests/datamodels-*.yaml"):
        assert list(resources.glob(pattern)), f"rad: resources/{pattern}; it {MOVED}"


def test_crds_keeps_what_its_server_said():
    pytest.importorskip("crds")
    from crds.core import heavy_client

    for name in ("cache_server_info", "ConfigInfo"):
        assert hasattr(heavy_client, name), (
            f"crds: core.heavy_client.{name}; it moved it: see references/crds_cache/client.py"
        )


def library_names(tree: ast.AST) -> dict[str, str]:
    """The names that libraries, and parts of them, have in a file: ``{"np": "numpy"}``."""
    names = {}
    for node in ast.walk(tree):
        for alias in getattr(node, "names", ()):
            if isinstance(node, ast.Import):
                part = alias.name
                names[alias.asname or part.partition(".")[0]] = part
            elif isinstance(node, ast.ImportFrom) and not node.level:
                names[alias.asname or alias.name] = f"{node.module}.{alias.name}"
    return {name: part for name, part in names.items() if re.match(rf"({LIBRARIES})\b", part)}


def private_parts(path: Path) -> list[str]:
    """What a file imports and uses of libraries that is private, or sets in their modules."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    libraries = library_names(tree)
    found = [part for part in libraries.values() if "._" in part]
    for node in ast.walk(tree):
        if not isinstance(node, ast.Attribute):
            continue
        text = ast.unparse(node)
        is_private = "._" in text or isinstance(node.ctx, ast.Store)
        # `config` is what asdf.config_context() gives.
        if (is_private and text.partition(".")[0] in libraries) or text.startswith("config._"):
            found.append(text)
    return found


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("from asdf._display import render_tree", ["asdf._display.render_tree"]),
        ("from asdf import _display", ["asdf._display"]),
        ("import numpy as np\nnp._core.x", ["np._core.x", "np._core"]),
        ("from asdf import config\nconfig.get_config = None", ["config.get_config"]),
        ("with c() as config:\n    config._extensions = []", ["config._extensions"]),
        ("from . import _asdf\n_asdf._x = 1\nimport asdf\nasdf.AsdfFile()", []),
    ],
)
def test_private_parts_are_found(tmp_path, code, expected):
    (tmp_path / "code.py").write_text(code)
    assert private_parts(tmp_path / "code.py") == expected


def test_one_file_uses_private_parts_of_other_libraries():
    found = {path.name: private_parts(path) for path in PACKAGE.rglob("*.py")}
    assert {name: parts for name, parts in found.items() if parts} == {
        "_private_parts.py": ["config._extensions"]
    }
