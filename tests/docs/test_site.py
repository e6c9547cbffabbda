"""The site is built without a warning, its links hold, and its tables say what the code does."""

from __future__ import annotations

import importlib.util
import inspect
import os
import re
import shutil
import signal
import subprocess
import sys
import zlib
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from romancal_rs._exit_status import ExitStatus, of_command
from romancal_rs.cli import COMMANDS, all_commands, main
from romancal_rs.reference_types import TYPES
from romancal_rs.stpipe.registry import classes

pytest.importorskip("sphinx")
bs4 = pytest.importorskip("bs4")

ROOT = Path(__file__).parents[2]
CONFIGURATION = ("_ext", "_static", "_templates", "inventories", "conf.py")
#: Attributes by which a page loads something.
LOADS = {"script": "src", "link": "href", "img": "src", "iframe": "src", "source": "src"}


def built(project: Path, output: Path, **variables: str) -> subprocess.CompletedProcess:
    """Builds the pages of ``project/docs``; without network, and without running notebooks."""
    nowhere = {"http_proxy": "http://127.0.0.1:9", "https_proxy": "http://127.0.0.1:9"}
    path = os.pathsep.join(filter(None, map(os.path.abspath, sys.path)))
    return subprocess.run(
        [
            *(sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "-b", "html"),
            *("-d", str(output.parent / "doctrees"), str(project / "docs"), str(output)),
        ],
        env={**os.environ, **nowhere, "DOCS_NOTEBOOKS": "off", "PYTHONPATH": path, **variables},
        capture_output=True,
        text=True,
    )


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    """The site, of a copy of the pages: the build writes stubs beside them."""
    project = tmp_path_factory.mktemp("project")
    shutil.copytree(
        ROOT / "docs", project / "docs", ignore=shutil.ignore_patterns("generated", "__pycache__")
    )
    for entry in ROOT.iterdir():
        if entry.name not in ("docs", "build"):
            (project / entry.name).symlink_to(entry)
    done = built(project, project / "site")
    assert (done.returncode, done.stderr) == (0, "")
    return project / "site"


class Page(HTMLParser):
    """What a page has to link to, and what it links to and loads."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.ids: set[str] = set()
        self.links: list[str] = []
        self.loaded: list[str] = []
        self.scripts: list[str] = []
        self._tag = ""
        self.feed(path.read_text("utf-8"))

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        of = dict(attributes)
        self._tag = tag
        self.ids.update(filter(None, (of.get("id"), of.get("name") if tag == "a" else None)))
        if tag == "a" and of.get("href"):
            self.links.append(of["href"])
        if of.get(LOADS.get(tag, "")):
            self.loaded.append(of[LOADS[tag]])

    def handle_data(self, data: str) -> None:
        if self._tag == "script":
            self.scripts.append(data)

    def handle_endtag(self, tag: str) -> None:
        self._tag = ""


@pytest.fixture(scope="module")
def pages(site) -> dict[Path, Page]:
    paths = (path.resolve() for path in site.rglob("*.html"))
    return {path: Page(path) for path in paths if "_static" not in path.parts}


@pytest.fixture(scope="module")
def reference(site):
    """Opens a page of the reference."""

    def soup(name: str):
        text = (site / "reference" / f"{name}.html").read_text("utf-8")
        return bs4.BeautifulSoup(text, "html.parser").find("article")

    return soup


def tables(part) -> list[list[list[str]]]:
    """The tables in a part of a page: rows of the texts of their cells, without the heading."""
    return [
        [[cell.get_text() for cell in row.find_all("td")] for row in table.find_all("tr")[1:]]
        for table in part.find_all("table")
    ]


def squeezed(text: str) -> str:
    return "".join(text.split())


# --- links


def test_links_within_the_site_hold(pages):
    broken = []
    for path, page in pages.items():
        for link in (*page.links, *page.loaded):
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            if not target.exists():
                broken.append(f"{path.name}: {link}")
            ids = pages[target].ids if target in pages else ()
            if target in pages and parts.fragment and unquote(parts.fragment) not in ids:
                broken.append(f"{path.name}: {link}")
    assert not broken


def test_no_page_loads_anything_from_elsewhere(site, pages):
    for path, page in pages.items():
        assert not [source for source in page.loaded if urlsplit(source).netloc], path.name
        assert not [text for text in page.scripts if re.search(r"https?://", text)], path.name
    for sheet in site.rglob("*.css"):
        found = re.findall(r"(?:url\(|@import)\s*[\"']?(?:https?:)?//\S+", sheet.read_text("utf-8"))
        assert not found, sheet.name


def test_names_of_other_projects_are_links(site):
    text = (site / "reference/api/generated/romancal_rs.kernels.fit_ramps.html").read_text("utf-8")
    assert 'href="https://numpy.org/doc/stable/reference/generated/numpy.ndarray.html' in text


def test_every_public_name_has_a_page(site):
    import romancal_rs

    found = {path.stem for path in (site / "reference/api/generated").glob("*.html")}
    for name in romancal_rs.__all__:
        module = getattr(romancal_rs, name)
        if not inspect.ismodule(module):
            continue
        assert module.__name__ in found
        text = (site / f"reference/api/generated/{module.__name__}.html").read_text("utf-8")
        for part in getattr(module, "__all__", ()):
            assert any(page.endswith(f".{part}") for page in found) or f">{part}<" in text, part


# --- commands


def help_of(command: str, capsys, *words: str) -> str:
    """What the command itself prints of its arguments, on a wide terminal."""
    for option in ("--help-all", "-h"):
        with pytest.raises(SystemExit) as ended:
            main([*command.split(), *words, option])
        printed = capsys.readouterr().out
        if ended.value.code == 0:
            return printed
    raise AssertionError(command)


@pytest.mark.parametrize("command", [name for name, _ in all_commands()])
def test_options_are_those_of_the_help(reference, capsys, monkeypatch, command):
    monkeypatch.setenv("COLUMNS", "100")
    told = help_of(command, capsys)
    part = reference("commands").find(id=f"command-{command.replace(' ', '-')}")
    options = set(re.findall(r"^  (?:-\w, )?(--?[\w.-]+)", told, re.MULTILINE))
    codes = {word for code in part.find_all("code") for word in re.split(r"[ ,]", code.get_text())}
    assert {"--help", "-h"} & options
    assert options <= codes
    for rows in tables(part):
        for cells in rows:
            if cells[0].startswith("-"):
                assert squeezed("".join(cells)) in squeezed(told), cells


def test_every_command_is_in_the_list_and_has_a_section(reference):
    part = reference("commands")
    assert [row[0].split(" ")[0].rstrip(",") for row in tables(part)[0]] == list(COMMANDS)
    sections = {heading.get_text().rstrip("#") for heading in part.find_all("h2")}
    assert sections == {f"romancal-rs {name}" for name, _ in all_commands()}


# --- exit statuses


def test_every_exit_status_of_the_code_is_told(reference):
    first, second = tables(reference("exit-statuses"))
    assert [int(row[0]) for row in first] == [int(status) for status in ExitStatus]
    assert {row[0] for row in second} <= {name for name, _ in all_commands()}
    for command, number, meaning in second:
        assert of_command(command)[ExitStatus(int(number))] == meaning
    for name, number in (("HUP", 129), ("INT", 130), ("TERM", 143)):
        if hasattr(signal, f"SIG{name}"):
            assert getattr(signal, f"SIG{name}") + 128 == number in list(ExitStatus)


def test_no_other_exit_status_is_in_the_code():
    known = {int(status) for status in ExitStatus}
    for path in (ROOT / "python/romancal_rs").rglob("*.py"):
        text = path.read_text("utf-8")
        for number in re.findall(r"(?:exit_status\b.*?=|sys\.exit\(|\.exit\() ?(\d+)\b", text):
            assert int(number) in known, path


# --- parameters of steps


def names_in_specs(step_class: type) -> list[str]:
    """The parameters of a step, as the text of its spec and its reference types have them."""
    names: dict[str, None] = {}
    for base in reversed(step_class.__mro__):
        text = inspect.cleandoc(base.__dict__.get("spec") or "")
        names.update(dict.fromkeys(re.findall(r"^(\w+) *=", text, re.MULTILINE)))
    steps = [step_class, *step_class.step_defs.values()]
    types = [kind for step in steps for kind in getattr(step, "reference_file_types", ())]
    return [*names, *dict.fromkeys(f"override_{kind}" for kind in types)]


@pytest.mark.parametrize("step_class", classes().values(), ids=lambda of: of.class_alias)
def test_every_parameter_is_told_with_its_default(reference, step_class):
    part = reference("step-parameters")
    shared, own = (
        [row for rows in tables(part.find(id=f"parameters-of-{name}")) for row in rows]
        for name in ("all", step_class.class_alias)
    )
    told = {row[0]: row for row in (*shared, *own)}
    assert len(told) == len(shared) + len(own)
    assert sorted(told) == sorted(names_in_specs(step_class))
    step = step_class()
    for name, (_, _, default, meaning) in told.items():
        value = getattr(step, name)
        assert default == ("none" if value in (None, "", []) else str(value)), name
        assert meaning


def test_names_in_the_notes_on_parameters_exist():
    text = (ROOT / "docs/reference/steps.md").read_text("utf-8")
    notes = text.partition("| step | parameter | what it means |")[2].partition("\n\n")[0]
    known = {cls.class_alias: cls.parameters for cls in classes().values()}
    rows = [line.split("|") for line in notes.splitlines()[2:]]
    assert len(rows) > 10
    for _, steps, names, *_ in rows:
        for step in steps.split(","):
            for name in re.findall(r"`(\w+)`", names):
                assert name in known[step.strip().replace("pipeline", "roman_elp")], name


# --- flags and reference types


@pytest.mark.parametrize("kind", ["pixel", "group"])
def test_flags_are_those_of_the_missions_library(reference, kind):
    theirs = pytest.importorskip("roman_datamodels.dqflags")
    pixel, group = tables(reference("flags"))
    told = {
        name: (int(bit), int(value))
        for bit, value, names, meaning in (pixel if kind == "pixel" else group)
        for name in names.split(", ")
        if meaning
    }
    for flag in getattr(theirs, kind):
        if flag.value:
            assert told[flag.name] == (int(flag.value).bit_length() - 1, int(flag.value))


def test_users_of_reference_types_are_those_that_the_steps_command_tells(reference, capsys):
    assert main(["steps"]) == 0
    used: dict[str, set[str]] = {}
    for line in capsys.readouterr().out.splitlines()[2:]:
        aliases, _, types = re.split(r"  +", f"{line}   ", maxsplit=2)
        for reftype in filter(None, types.strip().split(", ")):
            used.setdefault(reftype, set()).add(aliases.split(", ")[0])
    rows, _ = tables(reference("reference-types"))
    assert {row[0]: set(filter(None, row[1].split(", "))) for row in rows} == {
        reftype: used.get(reftype, set()) for reftype in TYPES
    }


@pytest.mark.parametrize("reftype", sorted(TYPES))
def test_every_type_is_told_with_its_keys_and_arrays(reference, reftype):
    of_types, of_arrays = tables(reference("reference-types"))
    (row,) = (row for row in of_types if row[0] == reftype)
    kind = TYPES[reftype]
    detector, element, exposure_type, model = row[2:]
    assert bool(detector) == ("detector" in kind.keys)
    assert bool(element) == kind.has_key("optical_element")
    assert bool(exposure_type) == ("exposure_type" in kind.keys)
    assert model == kind.model
    arrays = {row[1]: row[2:] for row in of_arrays if row[0] == reftype}
    assert list(arrays) == [array.name for array in kind.arrays]
    for array in kind.arrays:
        dtype, axes, unit = arrays[array.name]
        assert (dtype, unit) == (array.dtype, array.unit or "none")
        assert axes.split(";")[0] == ", ".join(array.axes)


# --- the extension by itself


@pytest.fixture
def small(tmp_path) -> Path:
    """A project with no page yet, and the configuration of the site."""
    shutil.copytree(
        ROOT / "docs",
        tmp_path / "docs",
        ignore=lambda path, names: [
            name for name in names if Path(path) == ROOT / "docs" and name not in CONFIGURATION
        ],
    )
    (tmp_path / "pyproject.toml").symlink_to(ROOT / "pyproject.toml")
    return tmp_path


def test_formulas_are_shown_without_a_script(small):
    (small / "docs/index.md").write_text(
        "# Page\n\nOf $x^2$:\n\n$$\ny = \\frac{a}{\\bar{t}_i}\n$$\n"
    )
    done = built(small, small / "site")
    assert (done.returncode, done.stderr) == (0, "")
    text = (small / "site/index.html").read_text("utf-8")
    assert re.search(r"<msup>\s*<mi>x</mi>\s*<mn>2</mn>\s*</msup>", text)
    assert "<mfrac>" in text
    assert re.search(r"<msub><mover>.*</mover><mi>i</mi></msub>", text)  # it had lost its bar
    assert not re.search(r"<script[^>]*mathjax", text, re.IGNORECASE)


def test_a_wrong_name_in_a_docstring_is_a_warning(small):
    text = "# Page\n\n```{eval-rst}\nOf `kernels.fit_rampz`, `word`, and `optional.crmag`.\n```\n"
    (small / "docs/index.md").write_text(text)
    done = built(small, small / "site")
    assert done.returncode == 1
    assert re.findall(r"target not found: (\S+)", done.stderr) == ["kernels.fit_rampz"]


def test_lists_of_names_are_renewed_from_an_inventory():
    spec = importlib.util.spec_from_file_location("renew", ROOT / "docs/inventories/renew.py")
    renew = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(renew)
    lines = "pkg.Thing py:class 1 api/thing.html#$ -\npkg py:module 0 api/pkg.html#module-$ -\n"
    head = "# Sphinx inventory version 2\n# Project: Pkg\n# Version: 3\n"
    inventory = f"{head}# The rest is compressed using zlib.\n".encode() + zlib.compress(
        lines.encode()
    )
    renewed = renew.renewed("# a list\npkg.Thing class old.html\npkg\n", inventory)
    assert renewed == (
        "# Sphinx inventory version 1\n# Project: Pkg\n# Version: 3\n"
        "pkg mod api/pkg.html\npkg.Thing class api/thing.html\n"
    )
    with pytest.raises(KeyError, match="other"):
        renew.renewed("other\n", inventory)
