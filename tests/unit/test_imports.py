"""How the modules of the package depend on each other."""

import ast
from collections.abc import Iterator
from pathlib import Path

import romancal_rs

PACKAGE = Path(romancal_rs.__file__).parent


def modules() -> dict[str, Path]:
    """The files of the package by the dotted names of their modules."""
    names = {f"{PACKAGE.name}._core": PACKAGE / "_core.pyi"}  # compiled, and imports nothing
    for path in PACKAGE.rglob("*.py"):
        parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
        names[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return names


def statements(node: ast.AST) -> Iterator[ast.AST]:
    """All nodes below one, also within functions, but not what is there for type checkers only."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING":
            continue
        yield child
        yield from statements(child)


def imports(name: str, path: Path, known: dict[str, Path]) -> set[str]:
    """The modules of the package that a module imports."""
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    found = set()
    for node in statements(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) - node.level + 1]
            base = ".".join([*(above if node.level else ()), *filter(None, [node.module])])
            # A name is a module of its own, or a part of the module that it is taken from.
            whole = {f"{base}.{alias.name}" for alias in node.names}
            found.update(whole)
            if whole - known.keys():
                found.add(base)
    return (found & known.keys()) - {name}


def circles(graph: dict[str, set[str]]) -> list[list[str]]:
    """The largest sets of more than two modules in which each leads to each."""
    reached = {name: _reached(graph, name) for name in graph}
    sets = {frozenset(other for other in reached[name] if name in reached[other]) for name in graph}
    return sorted(sorted(found) for found in sets if len(found) > 2)


def _reached(graph: dict[str, set[str]], start: str) -> set[str]:
    found: set[str] = set()
    waiting = [start]
    while waiting:
        for name in graph[waiting.pop()] - found:
            found.add(name)
            waiting.append(name)
    return found


def test_a_circle_is_found():
    graph = {"a": {"b"}, "b": {"c"}, "c": {"a", "d"}, "d": {"e"}, "e": {"d"}, "f": {"a"}}
    assert circles(graph) == [["a", "b", "c"]]


def test_imports_within_functions_count_and_those_for_types_do_not(tmp_path):
    path = tmp_path / "one.py"
    path.write_text(
        "from typing import TYPE_CHECKING\n"
        "from . import two\n"
        "if TYPE_CHECKING:\n    from .three import Name\n"
        "def f():\n    from .four import name\n"
    )
    known = dict.fromkeys(("p", "p.one", "p.two", "p.three", "p.four"), path)
    assert imports("p.one", path, known) == {"p.two", "p.four"}


def test_no_circle_of_imports_goes_over_more_than_two_files():
    known = modules()
    found = circles({name: imports(name, path, known) for name, path in known.items()})
    # Those of the base classes of steps are left to take apart.
    found = [circle for circle in found if "romancal_rs.stpipe.step" not in circle]
    assert not found, "\n".join(" <-> ".join(circle) for circle in found)


def test_data_models_do_without_what_steps_ask_of_an_exposure():
    known = modules()
    graph = {name: imports(name, path, known) for name, path in known.items()}
    for name in known:
        if name.startswith("romancal_rs.datamodels"):
            assert "romancal_rs.exposure" not in _reached(graph, name)
