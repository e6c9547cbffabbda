"""What the tests of the manual share: its words as printed, and a directory to run them in.

`romancal` is read as `romancal_rs`, `roman_datamodels.datamodels` as `romancal_rs.datamodels`, and
`strun` as `romancal-rs run`. Class paths on command lines and in parameter files stay as printed.
"""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest

from romancal_rs.cli import main

DATA = Path(__file__).parent / "data"
#: The exposures of the manual's examples, without the suffix.
FIRST = "r0008308002010007027_06311_0019_WFI01"
SECOND = "r0000101001001001001_01101_0001_WFI01"


def unwrapped(text: str) -> str:
    """The text without the line breaks that the page has put in, which arrows mark."""
    return re.sub(r"[ ]*\n[ ]*[→↪↳]", "", text)


class Page:
    """Runs what the manual prints, in a directory that has the files it names."""

    first = FIRST
    second = SECOND

    def __init__(self, directory: Path, simulated, capsys) -> None:
        self.directory = directory
        self.simulated = simulated
        self.capsys = capsys

    def strun(self, line: str, status: int = 0) -> SimpleNamespace:
        """Runs a command line as printed; what it printed is returned."""
        words = shlex.split(unwrapped(line).replace("\\  \n", "\n").strip(" \n$>"))
        assert words.pop(0) == "strun"
        try:
            got = main(["run", *words])
        except SystemExit as stop:
            got = stop.code or 0
        out, err = self.capsys.readouterr()
        assert got == status, err
        return SimpleNamespace(out=out, err=err)

    def python(self, code: str, **names) -> SimpleNamespace:
        """Runs a snippet as printed; the names it leaves are returned."""
        code = code.replace("roman_datamodels.datamodels", "romancal_rs.datamodels")
        code = re.sub(r"\bromancal\.", "romancal_rs.", unwrapped(code))
        code = re.sub(r"^>>> ", "", code, flags=re.MULTILINE)
        space = {"__name__": "manual_example", **names}
        exec(compile(code, "manual", "exec"), space)
        return SimpleNamespace(**space)

    def write(self, name: str, text: str) -> Path:
        """A file with a text as printed."""
        path = self.directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(unwrapped(text).lstrip("\n"))
        return path

    def copy(self, name: str, target: str | None = None) -> Path:
        """A parameter file of `data`."""
        return Path(shutil.copy(DATA / name, self.directory / (target or name)))

    def reference(self, reftype: str, name: str) -> Path:
        """A reference of the exposure, under another name."""
        (path,) = self.simulated.references.glob(f"*_{reftype}_*.asdf")
        return Path(shutil.copy(path, self.directory / name))

    def own_references(self, monkeypatch, **files: str) -> Path:
        """A directory of references with further files in it, by their names without extension."""
        directory = Path(shutil.copytree(self.simulated.references, self.directory / "store"))
        for name, text in files.items():
            (directory / f"{name}.asdf").write_text(PREAMBLE + text + "...\n")
        monkeypatch.setenv("ROMANCAL_RS_REFERENCES", str(directory))
        return directory

    def made(self, pattern: str = "*", under: str = ".") -> list[str]:
        """Names of the products: of the files that were not there from the start."""
        return sorted(path.name for path in (self.directory / under).glob(f"{pattern}.asdf"))


PREAMBLE = """\
#ASDF 1.0.0
#ASDF_STANDARD 1.5.0
%YAML 1.1
%TAG ! tag:stsci.edu:asdf/
--- !core/asdf-1.1.0
"""


@pytest.fixture(scope="session")
def products(simulated, tmp_path_factory) -> dict[str, Path]:
    """The exposure after each of the steps up to the fit."""
    from romancal_rs.pipeline import ExposurePipeline
    from romancal_rs.stpipe import Run

    directory = tmp_path_factory.mktemp("products")
    made = {}
    source = simulated.exposure
    for name, step_class in ExposurePipeline.step_defs.items():
        step = step_class(
            save_results=True, output_dir=str(directory), references=str(simulated.references)
        )
        run = Run(step)
        run(source)
        (source,) = run.saved_files
        made[name] = source
        if name == "rampfit":
            break
    return made


@pytest.fixture
def page(simulated, tmp_path, monkeypatch, capsys) -> Page:
    """An empty directory, but for the exposures of the manual's examples."""
    directory = tmp_path / "here"
    directory.mkdir()
    monkeypatch.chdir(directory)
    monkeypatch.setenv("ROMANCAL_RS_REFERENCES", str(simulated.references))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("STPIPE_DISABLE_CRDS_STEPPARS", raising=False)
    for name in (FIRST, SECOND):
        (directory / f"{name}_uncal.asdf").symlink_to(simulated.exposure)
    return Page(directory, simulated, capsys)


@pytest.fixture
def ramps(page, products) -> None:
    """The exposures are ramps, although their names say raw.

    The manual runs steps such as jump on raw exposures, which
    docs/explanation/deviations.md makes an error.
    """
    for name in (FIRST, SECOND):
        exposure = page.directory / f"{name}_uncal.asdf"
        exposure.unlink()
        exposure.symlink_to(products["dark_current"])


@pytest.fixture
def later(page, products) -> Page:
    """The same, with the products that some examples begin with."""
    for suffix, name in (("dqinit", "dq_init"), ("linearity", "linearity")):
        (page.directory / f"{SECOND}_{suffix}.asdf").symlink_to(products[name])
    return page
