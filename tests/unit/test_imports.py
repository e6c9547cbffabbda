"""How the modules of the package depend on each other."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import romancal_rs

PACKAGE = Path(romancal_rs.__file__).parent
WING = "romancal_rs.references.librarian"


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
            child = ast.Module(child.orelse, [])
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


def import_graph() -> dict[str, set[str]]:
    """The modules of the package, and for each of them those that it imports by name."""
    known = modules()
    return {name: imports(name, path, known) for name, path in known.items()}


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
        "else:\n    from .five import Name\n"
        "def f():\n    from .four import name\n"
    )
    known = dict.fromkeys(("p", "p.one", "p.two", "p.three", "p.four", "p.five"), path)
    assert imports("p.one", path, known) == {"p.two", "p.four", "p.five"}


def test_the_imports_of_the_package_are_found():
    graph = import_graph()
    assert "romancal_rs.datamodels" in graph[f"{WING}.check"]  # within a function
    assert f"{WING}.survey" in graph[WING]
    assert WING in graph["romancal_rs.cli.references"]
    assert "romancal_rs.references" in graph["romancal_rs.stpipe.run"]
    assert "romancal_rs.datamodels" not in graph["romancal_rs.stpipe.step"]  # for types alone


def test_no_circle_of_imports_goes_over_more_than_two_files():
    found = circles(import_graph())
    assert not found, "\n".join(" <-> ".join(circle) for circle in found)


def test_data_models_do_without_what_steps_ask_of_an_exposure():
    graph = import_graph()
    for name in graph:
        if name.startswith("romancal_rs.datamodels"):
            assert "romancal_rs.exposure" not in _reached(graph, name)


def test_what_makes_and_configures_steps_knows_no_more_than_their_base():
    graph = import_graph()
    for name in ("stpipe.config", "stpipe.configure", "stpipe.find_class", "stpipe.hooks"):
        reached = _reached(graph, f"romancal_rs.{name}")
        assert "romancal_rs.stpipe.step" not in reached, name
    assert not {
        name
        for name in _reached(graph, "romancal_rs.stpipe.base")
        if name.startswith("romancal_rs.cli") or name.endswith((".config", ".configure", ".hooks"))
    }


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
