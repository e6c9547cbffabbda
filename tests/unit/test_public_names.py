"""What `dir` lists of the package, and what people and type checkers find by it."""

import importlib
import inspect
import pkgutil
import re
import subprocess
import sys
from fnmatch import fnmatch

import pytest

import romancal_rs

#: Modules of the package that are parts of others, or whose functions those offer.
NOT_LISTED = {
    *("border", "cli", "guide_window", "image_statistics", "reference_types"),
    *("snowballs", "step"),
}
PACKAGES = [
    *("romancal_rs", "romancal_rs.batch", "romancal_rs.datamodels", "romancal_rs.kernels"),
    *("romancal_rs.compare", "romancal_rs.fits", "romancal_rs.inspection", "romancal_rs.report"),
    *("romancal_rs.datamodels.testing", "romancal_rs.pipeline", "romancal_rs.references"),
    *("romancal_rs.references.crds_cache", "romancal_rs.references.librarian"),
    *("romancal_rs.show", "romancal_rs.simulate", "romancal_rs.stpipe"),
    *("romancal_rs.assign_wcs", "romancal_rs.dark_current", "romancal_rs.dark_decay"),
    *("romancal_rs.dq_init", "romancal_rs.errors", "romancal_rs.exposure"),
    *("romancal_rs.flatfield", "romancal_rs.jump", "romancal_rs.linearity", "romancal_rs.photom"),
    *("romancal_rs.ramp_fitting", "romancal_rs.refpix", "romancal_rs.saturation"),
    *("romancal_rs.step", "romancal_rs.wfi18_transient"),
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


#: Where a type cannot be said, and why.
ANY = {
    "*.stpipe.*": "a step takes and returns what its class says, and parameters are of its spec",
    "*Step.*": "as an input anything that opens; a reference is of any model",
    "*.ExposurePipeline.*": "as of steps",
    "*.batch.outcome.Outcome.*_row": "a row of JSON",
    "*.datamodels._base.DataModel.*": "content is of any type; so is an array of any name",
    "*.datamodels._nodes.*": "content is of any type",
    "*.datamodels._tree.Unread.__init__": "content is of any type",
    "*.kernels._results.Calibrated.__init__": "numbers and arrays by name",
    "*.references.keys.ExposureKeys.from_*": "a model of any library, a head of any structure",
    "*.references.match.Match.__init__": "a path, a model, or N/A, which the caller tells apart",
}


def functions_of(value):
    """The public functions that a class has of this package; of a function itself."""
    if inspect.isfunction(value):
        yield value
    for base in value.__mro__ if inspect.isclass(value) else ():
        for name, item in vars(base).items() if base.__module__.startswith("romancal_rs") else ():
            item = getattr(item, "__func__", getattr(item, "fget", item))
            if not inspect.isfunction(item):
                continue
            is_public = name == "__init__" or not name.startswith("_")
            if is_public and getattr(item, "__module__", "").startswith("romancal_rs"):
                yield item


def test_public_functions_are_typed_without_any_where_it_can_be_said():
    modules = [getattr(romancal_rs, name) for name in dir(romancal_rs)]
    modules = [module for module in modules if inspect.ismodule(module)]
    modules += [importlib.import_module(name) for name in PACKAGES]
    untyped, with_any = set(), set()
    for module in modules:
        for name in getattr(module, "__all__", dir(module)):
            value = getattr(module, name)
            is_own = getattr(value, "__module__", "").startswith("romancal_rs")
            if name.startswith("_") or not is_own:
                continue
            for function in map(inspect.unwrap, functions_of(value)):
                where = f"{function.__module__}.{function.__qualname__}"
                if "return" not in function.__annotations__ and "<lambda>" not in where:
                    untyped.add(where)
                if re.search(r"\bAny\b", str(function.__annotations__)):
                    with_any.add(where)
    assert not {name for name in untyped if not name.endswith("__init__")}  # as dataclasses make it
    surprising = {name for name in with_any if not any(fnmatch(name, known) for known in ANY)}
    assert not surprising
    for known in ANY:  # none that has no reason any more
        assert any(fnmatch(name, known) for name in with_any), known
