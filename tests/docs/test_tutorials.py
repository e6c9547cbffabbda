"""The tutorials run as a reader would run them: each in an empty directory, without network."""

import os
import re
import resource
import tempfile
from pathlib import Path

import matplotlib
import nbformat
import pytest
from nbclient import NotebookClient

TUTORIALS = Path(__file__).parents[2] / "docs" / "tutorials"
NOTEBOOKS = sorted(TUTORIALS.glob("*.ipynb"))
SECONDS = 600  # before a cell is given up, on the slowest of machines

#: A cell with this tag shows a warning that the text explains.
SHOWS_WARNING = "shows-warning"
#: Nobody listens there.
NO_PROXY_SERVER = "http://127.0.0.1:9"

each_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


@pytest.fixture
def alone(tmp_path, monkeypatch):
    """An empty directory to run in, with a home beside it, temporary files, and no network."""
    places = {name: tmp_path / name for name in ("work", "home", "jupyter")}
    for place in places.values():
        place.mkdir()
    # Sockets of worker processes lie in it: their paths must be short.
    with tempfile.TemporaryDirectory() as short:
        places["tmp"] = Path(short)
        set_environment(places, monkeypatch)
        yield places


def set_environment(places, monkeypatch):
    for name in list(os.environ):
        if name.startswith(("ROMANCAL_RS_", "CRDS_", "XDG_", "JUPYTER")):
            monkeypatch.delenv(name)
    for name in ("http_proxy", "https_proxy", "ftp_proxy", "all_proxy"):
        monkeypatch.setenv(name, NO_PROXY_SERVER)
        monkeypatch.setenv(name.upper(), NO_PROXY_SERVER)
    monkeypatch.setenv("HOME", str(places["home"]))
    monkeypatch.setenv("TMPDIR", str(places["tmp"]))
    for name in ("IPYTHONDIR", "JUPYTER_RUNTIME_DIR", "JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR"):
        monkeypatch.setenv(name, str(places["jupyter"]))
    paths = [
        os.path.abspath(path) for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path
    ]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(paths))
    # The list of fonts takes seconds to make: that of this process serves.
    monkeypatch.setenv("MPLCONFIGDIR", matplotlib.get_cachedir())


def files_in(directory):
    """All files below a directory, by their relative paths, with their sizes."""
    paths = (path for path in directory.rglob("*") if path.is_file())
    return {str(path.relative_to(directory)): path.stat().st_size for path in paths}


def cpu_seconds_of_children():
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


@each_notebook
def test_a_tutorial_runs_without_errors_and_warnings(path, alone, record_property):
    notebook, before = nbformat.read(path, 4), files_in(TUTORIALS)
    start = cpu_seconds_of_children()
    NotebookClient(
        notebook,
        timeout=SECONDS,
        kernel_name="python3",
        resources={"metadata": {"path": str(alone["work"])}},
    ).execute()
    cpu_seconds = cpu_seconds_of_children() - start
    record_property("cpu_seconds", cpu_seconds)
    print(f"{path.stem}: {cpu_seconds:.1f} s of processor time")

    for cell in notebook.cells:
        if cell.cell_type != "code" or SHOWS_WARNING in cell.metadata.get("tags", ()):
            continue
        named = [o.data for o in cell.outputs if "text/plain" in o.get("data", {})]
        figures = [data for data in named if re.match("<(Figure|Picture) ", data["text/plain"])]
        assert all("image/png" in data for data in figures), cell.source
        on_stderr = [o.text for o in cell.outputs if o.get("name") == "stderr"]
        assert not on_stderr, f"{cell.source}\n\n{''.join(on_stderr)}"
    assert {place.name for place in alone["work"].iterdir()} <= {"tutorial-data"}
    # Dask keeps its locks there.
    assert not [name for name in files_in(alone["tmp"]) if not name.endswith(".lock")]
    assert not [name for name in files_in(alone["home"]) if not name.startswith(".")]
    assert not [name for name in files_in(alone["home"]) if "romancal" in name]
    assert files_in(TUTORIALS) == before


@each_notebook
def test_a_tutorial_is_kept_without_its_results(path):
    notebook = nbformat.read(path, 4)
    nbformat.validate(notebook)
    for cell in notebook.cells:
        assert set(cell.metadata) <= {"tags"}, cell.source
        if cell.cell_type == "code":
            assert cell.outputs == []
            assert cell.execution_count is None
    assert notebook.metadata.kernelspec.name == "python3"


@each_notebook
def test_a_tutorial_begins_with_its_title_and_how_long_it_takes(path):
    first = nbformat.read(path, 4).cells[0]
    assert first.cell_type == "markdown"
    assert re.match(r"# \S", first.source)
    assert re.search(r"\d+ minutes", first.source)
    assert "pip install" in first.source


@each_notebook
def test_the_index_lists_a_tutorial(path):
    index = (TUTORIALS / "index.md").read_text(encoding="utf-8")
    (toctree,) = re.findall(r"```{toctree}\n(.*?)```", index, flags=re.DOTALL)
    assert path.stem in toctree.split()
    assert f"({path.name})" in index
    assert f"<{path.name}>`" in index  # to download


def test_there_are_tutorials():
    assert len(NOTEBOOKS) == 7
