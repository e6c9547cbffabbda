"""Docstrings of everything public hold to numpydoc's rules: what the API pages and `help` show."""

from __future__ import annotations

import ast
import dataclasses
import inspect
import re
import textwrap
from collections.abc import Iterator
from enum import Enum
from typing import Any

import numpydoc.validate
import pytest
from numpydoc.docscrape import get_doc_object
from public_objects import INSIDE, PUBLIC, Public, function_of

import romancal_rs
from romancal_rs import _core
from romancal_rs.errors import RomancalError

#: Rules of numpydoc that every public docstring keeps, https://numpydoc.readthedocs.io/en/latest/validation.html.
KEPT = {
    *("GL01", "GL02", "GL03", "GL05", "GL06", "GL07", "GL09", "GL10"),  # sections and their order
    "GL08",  # there is a docstring
    *("SS01", "SS02", "SS03", "SS04", "SS06"),  # a summary: one sentence on one line
    *("PR01", "PR02", "PR03"),  # the parameters, all of them, under their names, in their order
    *("PR04", "PR05", "PR06", "PR10"),  # the type of each
    *("PR07", "PR08", "PR09"),  # what each is
    *("RT01", "RT02", "RT04", "RT05", "YD01"),  # what comes back
}
#: Rules that are not asked for, and why.
LEFT_OUT = {
    "ES01": "a summary that says everything needs no second paragraph",
    "EX01": "what people use most has examples, which test_doctests.py runs; a property needs none",
    "RT03": "where the summary says what comes back, a description would repeat it",
    "SA01": "pages link from the text; most functions have no relative",
    "SA02": "as SA01",
    "SA03": "as SA01",
    "SA04": "as SA01",
    "SS05": "a guess from a final s: many summaries are nouns, as in 'Units of the arrays.'",
}
#: Rules for the modules that are parts of a package: what their docstrings say is right, though
#: a parameter whose name and type tell everything may be left out.
KEPT_INSIDE = KEPT - {"PR01", "PR04", "PR07", "PR08", "PR09", "RT01", "YD01"}


def is_inherited(item: Public) -> bool:
    """Whether it has no docstring because it does what its base class says of it."""
    if item.owner is None or function_of(item.value).__doc__:
        return False
    member = item.name.rpartition(".")[2]
    bases = [vars(base)[member] for base in item.owner.__mro__[1:] if member in vars(base)]
    return any(function_of(base).__doc__ for base in bases)


def faults(item: Public, kept: set[str]) -> list[str]:
    """What numpydoc finds, by our rules."""
    if is_inherited(item):
        return []
    validator = numpydoc.validate.Validator(get_doc_object(item.value))
    if not validator.raw_doc:
        return ["GL08: The object does not have a docstring"]
    told = numpydoc.validate.validate(item.name)["errors"]
    if inspect.isclass(item.value):
        if dataclasses.is_dataclass(item.value):
            told = [*without_parameters(told), *attribute_faults(item.value)]
        elif not says_how_it_is_made(item.value):
            told = without_parameters(told)
    if (item.owner or item.value) in vars(_core).values():  # compiled: there are no quotes to place
        told = [(code, message) for code, message in told if code != "GL02"]
    return [f"{code}: {message}" for code, message in told if code in kept]


def without_parameters(told: list[tuple[str, str]]) -> list[tuple[str, str]]:
    return [(code, message) for code, message in told if code not in ("PR01", "PR02", "PR03")]


def says_how_it_is_made(cls: type) -> bool:
    """Whether its docstring has to say so: not of exceptions, which we raise, nor of protocols and
    enumerations, which nobody makes, nor of a class that leaves it to its base class."""
    if issubclass(cls, BaseException | Enum) or getattr(cls, "_is_protocol", False):
        return False
    return "__init__" in vars(cls) or hasattr(type(cls), "__signature__") or "__new__" in vars(cls)


def attribute_faults(cls: type) -> Iterator[tuple[str, str]]:
    """Of a dataclass the fields are documented as parameters or as attributes."""
    doc = get_doc_object(cls)
    sections = [*doc["Parameters"], *doc["Attributes"]]
    told = {name for names, _, _ in sections for name in names.split(", ")}
    fields = {field.name for field in dataclasses.fields(cls) if not field.name.startswith("_")}
    if missing := fields - told:
        yield "PR01", f"Attributes {sorted(missing)} not documented"
    known = fields | set(dir(cls))
    if unknown := told - known:
        yield "PR02", f"Unknown attributes {sorted(unknown)}"


def all_faults(items: list[Public], kept: set[str]) -> dict[str, list[str]]:
    return {item.name: found for item in items if (found := faults(item, kept))}


def test_public_docstrings_keep_the_rules():
    assert all_faults(PUBLIC, KEPT) == {}


def test_docstrings_of_parts_say_nothing_wrong():
    assert all_faults(INSIDE, KEPT_INSIDE) == {}


def test_every_rule_of_numpydoc_is_kept_or_left_out_for_a_reason():
    assert KEPT | LEFT_OUT.keys() == numpydoc.validate.ERROR_MSGS.keys()
    assert not KEPT & LEFT_OUT.keys()


def raised(function: Any) -> Iterator[type[RomancalError]]:
    """The errors of this package that the function raises itself."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    for node in ast.walk(tree):
        if isinstance(node, ast.Raise) and node.exc is not None:
            made = node.exc.func if isinstance(node.exc, ast.Call) else node.exc
            error = function.__globals__.get(made.id) if isinstance(made, ast.Name) else None
            if inspect.isclass(error) and issubclass(error, RomancalError):
                yield error


def test_errors_that_a_function_raises_are_documented():
    missing = set()
    for item in PUBLIC:
        function = function_of(item.value)
        if is_inherited(item) or not inspect.isfunction(function):
            continue
        raises = get_doc_object(function)["Raises"]
        told = {name for _, kind, _ in raises for name in kind.split(", ")}
        for error in raised(function):
            if not told & {base.__name__ for base in error.__mro__}:
                missing.add((item.name, error.__name__))
    assert missing == set()


#: How a type says its shape and dtype: ``ndarray, (n_rows, n_cols), float32``.
ARRAY_TYPE = re.compile(
    r"ndarray.*(\(.+\)|0-d|any shape|same shape).*"
    r"(u?int\d+|float\d+|complex\d+|bool|real numbers)"
)
KERNELS = [
    item
    for item in PUBLIC
    if inspect.isfunction(item.value) and item.name.startswith("romancal_rs.kernels.")
]
#: What computes nothing.
SETTINGS = {"num_threads", "set_num_threads"}


def test_arrays_of_kernels_have_shape_and_dtype():
    for item in KERNELS:
        doc = get_doc_object(item.value)
        for name, kind, _ in [*doc["Parameters"], *doc["Other Parameters"]]:
            assert "ndarray" not in kind or ARRAY_TYPE.search(kind), (item.name, name, kind)


def test_kernels_say_where_their_algorithm_comes_from():
    algorithms = [item for item in KERNELS if item.name.rpartition(".")[2] not in SETTINGS]
    assert [item.name for item in algorithms if not get_doc_object(item.value)["References"]] == []


@pytest.mark.parametrize(
    ("doc", "code"),
    [
        ("Does it\n", "SS03"),
        ("Do it.\n\nParameters\n----------\nn : int\n    Number.\n", "RT01"),
        ("Do it.\n\nReturns\n-------\nint\n", "PR01"),
        ("Do it.\n\nParameters\n----------\nn\n    Number.\n\nReturns\n-------\nint\n", "PR04"),
        ("Do it.\n\nParameters\n----------\nm : int\n    Number.\n", "PR02"),
        ("", "GL08"),
    ],
)
def test_a_docstring_that_breaks_a_rule_is_found(doc, code, monkeypatch):
    def double(n):
        return 2 * n

    double.__doc__ = doc
    monkeypatch.setattr(romancal_rs.dqflags, "double", double, raising=False)
    found = faults(Public("romancal_rs.dqflags.double", double), KEPT)
    assert code in {fault.partition(":")[0] for fault in found}


def test_compiled_classes_and_what_is_inherited_are_walked_too():
    names = {item.name for item in PUBLIC}
    assert romancal_rs.ReadPattern is _core.ReadPattern
    assert {"romancal_rs.ReadPattern", "romancal_rs.ReadPattern.times"} <= names
    assert {"romancal_rs.stpipe.Step.call", "romancal_rs.datamodels.DataModel.save"} <= names
