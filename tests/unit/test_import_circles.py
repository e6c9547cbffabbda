"""Which module imports which: no circles, and nothing in a run that a run does not need."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import romancal_rs

PACKAGE = Path(romancal_rs.__file__).parent
#: The parts of the package in which no circle is longer than two files.
FREE_OF_CIRCLES = ("romancal_rs.references",)
WING = "romancal_rs.references.librarian"

Graph = Mapping[str, set[str]]


def module_name(path: Path) -> str:
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def import_statements(node: ast.AST) -> Iterator[ast.Import | ast.ImportFrom]:
    """All of them, those within functions too; not those that only a type checker sees."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import | ast.ImportFrom):
            yield child
        elif isinstance(child, ast.If) and "TYPE_CHECKING" in ast.dump(child.test):
            for statement in child.orelse:
                yield from import_statements(ast.Module([statement], []))
        else:
            yield from import_statements(child)


def imported_names(statement: ast.Import | ast.ImportFrom, package: str) -> Iterator[list[str]]:
    """For each name that is imported, the modules that it may be or come from, the likeliest first.

    Parameters
    ----------
    statement : ast.Import or ast.ImportFrom
    package : str
        In which the statement stands: what one dot means.
    """
    if isinstance(statement, ast.Import):
        yield from ([alias.name] for alias in statement.names)
        return
    origin = statement.module or ""
    if statement.level:
        above = package.split(".")[: len(package.split(".")) - statement.level + 1]
        origin = ".".join([*above, *([origin] if origin else [])])
    yield from ([f"{origin}.{alias.name}", origin] for alias in statement.names)


def import_graph() -> Graph:
    """The modules of the package, and for each of them those that it imports by name."""
    paths = {module_name(path): path for path in PACKAGE.rglob("*.py")}
    graph: dict[str, set[str]] = {}
    for name, path in paths.items():
        package = name if path.name == "__init__.py" else name.rpartition(".")[0]
        graph[name] = set()
        for statement in import_statements(ast.parse(path.read_text(encoding="utf-8"))):
            for candidates in imported_names(statement, package):
                found = next((module for module in candidates if module in paths), name)
                graph[name] |= {found} - {name}
    return graph


def reached_from(start: str, graph: Graph) -> set[str]:
    reached: set[str] = set()
    waiting = [start]
    while waiting:
        for name in graph[waiting.pop()] - reached:
            reached.add(name)
            waiting.append(name)
    return reached


def circles(graph: Graph) -> list[list[str]]:
    """The groups of modules each of which imports every other, if only by way of others."""
    reach = {name: reached_from(name, graph) for name in graph}
    groups = {
        frozenset(other for other in reach[name] if name in reach[other])
        for name in graph
        if name in reach[name]
    }
    return sorted(sorted(group) for group in groups)


def test_circles_are_found():
    graph = {"a": {"b"}, "b": {"c", "e"}, "c": {"a"}, "d": {"a"}, "e": {"f"}, "f": {"e"}}
    assert circles(graph) == [["a", "b", "c"], ["e", "f"]]


def test_imports_within_functions_count_and_those_for_type_checkers_do_not():
    graph = import_graph()
    assert "romancal_rs.datamodels" in graph[f"{WING}.check"]  # within a function
    assert f"{WING}.survey" in graph[WING]
    assert WING in graph["romancal_rs.cli.references"]
    assert "romancal_rs.references" in graph["romancal_rs.stpipe.roman"]  # from .. import
    assert "romancal_rs.datamodels" not in graph["romancal_rs.stpipe.step"]  # for types alone


def test_no_import_circle_is_longer_than_two_files():
    found = [
        circle
        for circle in circles(import_graph())
        if len(circle) > 2 and any(name.startswith(FREE_OF_CIRCLES) for name in circle)
    ]
    assert found == []


def test_a_run_does_not_import_what_only_keepers_of_references_need(simulated, tmp_path):
    arguments = [
        *("run", "roman_elp", str(simulated.exposure)),
        *(f"--references={simulated.references}", f"--output_dir={tmp_path}"),
    ]
    code = (
        "import sys\n"
        "from romancal_rs.cli import main\n"
        f"status = main({arguments})\n"
        f"print(status, [name for name in sys.modules if name.startswith({WING!r})])\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "0 []"
    assert list(tmp_path.glob("*_cal.asdf"))
