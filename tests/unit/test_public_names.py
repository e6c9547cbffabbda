"""What `dir` lists of the package, and what people and type checkers find by it."""

import importlib
import inspect
import pkgutil
import subprocess
import sys

import pytest

import romancal_rs

#: Modules of the package that are parts of others, or whose functions those offer.
NOT_LISTED = {
    *("border", "cli", "guide_window", "image_statistics", "picture", "reference_types"),
    "snowballs",
}
PACKAGES = [
    *("romancal_rs", "romancal_rs.batch", "romancal_rs.datamodels", "romancal_rs.kernels"),
    *("romancal_rs.datamodels.testing", "romancal_rs.pipeline", "romancal_rs.references"),
    *("romancal_rs.references.crds_cache", "romancal_rs.references.librarian"),
    *("romancal_rs.simulate", "romancal_rs.stpipe"),
]


@pytest.mark.parametrize("name", PACKAGES)
def test_dir_lists_what_a_package_offers_and_nothing_else(name):
    package = importlib.import_module(name)
    assert dir(package) == sorted(package.__all__)
    for public in dir(package):
        value = getattr(package, public)
        assert value is getattr(package, public)
        if inspect.ismodule(value):
            assert value.__name__ == f"{name}.{public}"
    with pytest.raises(AttributeError, match=f"module '{name}' has no attribute 'import_module'"):
        _ = package.import_module


def test_every_module_that_is_not_private_is_listed():
    found = {module.name for module in pkgutil.iter_modules(romancal_rs.__path__)}
    listed = {name for name in dir(romancal_rs) if inspect.ismodule(getattr(romancal_rs, name))}
    assert {name for name in found if not name.startswith("_")} - NOT_LISTED == listed


def test_importing_the_package_is_enough_and_imports_none_of_it():
    code = (
        "import sys\n"
        "before = set(sys.modules)\n"
        "import romancal_rs\n"
        "dir(romancal_rs)\n"
        "print(sorted(n for n in set(sys.modules) - before if 'romancal' in n or n == 'numpy'))\n"
        "print(romancal_rs.dqflags.pixel.SATURATED)\n"
        "print(romancal_rs.calibrate_all.__name__)\n"
        "print(romancal_rs.flatfield.FlatFieldStep.__name__)\n"
        "print(romancal_rs.datamodels.testing.create_ramp.__name__)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == [
        "['romancal_rs', 'romancal_rs._lazy']",
        *("2", "calibrate_all", "FlatFieldStep", "create_ramp"),
    ]


def test_star_imports_bring_what_is_listed():
    names: dict = {}
    exec("from romancal_rs.kernels import *", names)
    assert {*names} - {"__builtins__"} == {*romancal_rs.kernels.__all__}
