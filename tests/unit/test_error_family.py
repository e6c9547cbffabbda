"""Whatever the package raises on purpose is a `RomancalError`, and a built-in error as before."""

import ast
import builtins
import importlib
import inspect
import pkgutil
from collections.abc import Iterator
from pathlib import Path

import pytest

import romancal_rs
from romancal_rs import errors
from romancal_rs.errors import RomancalError

PACKAGE = Path(romancal_rs.__file__).parent

#: Built-in errors that Python itself, or whoever calls, understands by their type.
PROTOCOL = {"AttributeError", "EOFError", "KeyError", "NotImplementedError", "StopIteration"}

#: Functions that may raise a built-in error, and who gives it a name.
ALLOWED = {
    ("_asdf_blocks.py", None): "whoever reads a file catches them, and knows the file",
    ("references/crds_cache/client.py", None): "a program of its own, whose errors are an answer",
    ("references/index.py", "parse"): "an index that is wrong is made again",
    ("stpipe/logconfig.py", "read_level"): "_read_section adds the file and the option",
    ("stpipe/logconfig.py", "_read_handlers"): "_read_section adds the file and the option",
    ("stpipe/logconfig.py", "_read_format"): "_read_section adds the file and the option",
}


def modules() -> Iterator[str]:
    for found in pkgutil.walk_packages([str(PACKAGE)], "romancal_rs."):
        if not found.name.endswith("__main__"):
            yield found.name


@pytest.mark.parametrize("name", list(modules()))
def test_exception_classes_outside_of_the_family(name):
    module = importlib.import_module(name)
    own = [
        found
        for found in vars(module).values()
        if inspect.isclass(found)
        and issubclass(found, Exception)  # what asks the process to end is none
        and found.__module__.startswith("romancal_rs")
        and not issubclass(found, RomancalError)
    ]
    assert own == []


def _is_builtin_error(node: ast.Raise) -> str | None:
    """The name of the built-in error that a statement raises."""
    made = node.exc.func if isinstance(node.exc, ast.Call) else node.exc
    if not isinstance(made, ast.Name):
        return None
    found = getattr(builtins, made.id, None)
    if not (inspect.isclass(found) and issubclass(found, Exception)):
        return None
    return made.id


def _names_a_file(node: ast.Raise, name: str) -> bool:
    """Whether it is an OSError of a file: number, text and name."""
    found = getattr(builtins, name)
    return issubclass(found, OSError) and isinstance(node.exc, ast.Call) and len(node.exc.args) == 3


def _raised(path: Path) -> Iterator[tuple[str | None, str, int]]:
    """Function, error and line of what a module raises and does not catch in the same function."""

    def visit(node: ast.AST, function: str | None, caught: frozenset[str]):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            function, caught = node.name, frozenset()
        if isinstance(node, ast.Raise):
            name = _is_builtin_error(node)
            if name and name not in caught and not _names_a_file(node, name):
                yield function, name, node.lineno
        if isinstance(node, ast.Try):
            names = frozenset(
                part.id
                for handler in node.handlers
                if handler.type is not None
                for part in ast.walk(handler.type)
                if isinstance(part, ast.Name)
            )
            broad = {"ValueError", "TypeError"} if "Exception" in names else set()
            for child in node.body:
                yield from visit(child, function, caught | names | broad)
            for child in [*node.handlers, *node.orelse, *node.finalbody]:
                yield from visit(child, function, caught)
            return
        for child in ast.iter_child_nodes(node):
            yield from visit(child, function, caught)

    yield from visit(ast.parse(path.read_text(encoding="utf-8")), None, frozenset())


def test_built_in_errors_raised_for_the_user_to_see():
    found = []
    for path in sorted(PACKAGE.rglob("*.py")):
        name = path.relative_to(PACKAGE).as_posix()
        for function, error, line in _raised(path):
            is_allowed = (name, None) in ALLOWED or (name, function) in ALLOWED
            if error not in PROTOCOL and not is_allowed:
                found.append(f"{name}:{line}: {error} in {function}")
    assert found == []


def test_allowed_places_that_raise_nothing_any_more():
    for (name, function), reason in ALLOWED.items():
        raised = list(_raised(PACKAGE / name))
        assert any(function in (None, where) for where, _, _ in raised), (name, function, reason)


@pytest.mark.parametrize(
    ("path", "base"),
    [
        ("datamodels.FileFormatError", ValueError),
        ("datamodels.ModelTypeError", TypeError),
        ("datamodels.ValidationError", ValueError),
        ("errors.ArgumentError", ValueError),
        ("errors.ArgumentTypeError", TypeError),
        ("errors.InputError", ValueError),
        ("kernels.ShapeError", ValueError),
        ("references.ReferenceNotFoundError", FileNotFoundError),
        ("stpipe.parameters.ParameterError", ValueError),
        ("stpipe.parameters.UnknownParameterError", AttributeError),
    ],
)
def test_users_excepts_of_built_in_errors_go_on_working(path, base):
    module, _, name = path.rpartition(".")
    found = getattr(importlib.import_module(f"romancal_rs.{module}"), name)
    assert issubclass(found, base)
    assert issubclass(found, RomancalError)


def test_a_list_of_errors_keeps_its_lines_and_any_other_text_has_one():
    assert errors.as_list("these are missing:\n  a\x1b\n  b") == "these are missing:\n  a\\x1b\n  b"
    assert errors.as_list("these are missing:\nromancal-rs: all is well") == (
        "these are missing: romancal-rs: all is well"
    )
    assert errors.as_list("one\n  two") == "one two"
