"""The wheel: what it holds, and that it works where there is neither Rust nor this directory."""

import json
import os
import platform
import subprocess
import sys
import venv
import zipfile
from importlib.metadata import version
from pathlib import Path, PurePosixPath

import pytest

ROOT = Path(__file__).parents[2]
DIST = ROOT / "dist"
NAME = f"romancal_rs-{version('romancal-rs')}"


@pytest.fixture(scope="module")
def wheel() -> Path:
    wheels = list(DIST.glob(f"{NAME}-*.whl"))
    if len(wheels) != 1:
        pytest.skip(f"there is no wheel of {NAME} in {DIST}: `make wheel` builds it")
    return wheels[0]


def names(wheel: Path) -> list[str]:
    with zipfile.ZipFile(wheel) as file:
        return file.namelist()


def test_the_wheel_is_for_old_systems_and_any_python(wheel):
    python, abi, platforms = wheel.stem.removeprefix(f"{NAME}-").split("-")
    assert (python, abi) == ("cp311", "abi3")
    machine = platform.machine()
    assert f"manylinux_2_17_{machine}" in platforms.split(".")


def test_the_wheel_holds_the_package_and_nothing_else(wheel):
    held = set(names(wheel))
    package = {
        str(PurePosixPath("romancal_rs", *path.relative_to(ROOT / "python/romancal_rs").parts))
        for path in (ROOT / "python/romancal_rs").rglob("*")
        if path.is_file() and path.suffix in (".py", ".pyi", ".typed")
    }
    assert {name for name in held if name.startswith("romancal_rs/")} == {
        *package,
        "romancal_rs/_core.abi3.so",
    }
    about = {name.removeprefix(f"{NAME}.dist-info/") for name in held - package}
    assert about == {
        "romancal_rs/_core.abi3.so",
        *("METADATA", "RECORD", "WHEEL", "entry_points.txt", "licenses/LICENSE"),
        "sboms/romancal_rs_core.cyclonedx.json",
    }


def components(text: bytes | str) -> dict[str, str]:
    """Names and versions of what an SBOM lists."""
    bom = json.loads(text)
    assert bom["bomFormat"] == "CycloneDX"
    return {component["name"]: component["version"] for component in bom["components"]}


def test_the_wheel_lists_the_crates_it_is_made_of(wheel):
    with zipfile.ZipFile(wheel) as file:
        listed = components(file.read(f"{NAME}.dist-info/sboms/romancal_rs_core.cyclonedx.json"))
    assert {"pyo3", "numpy", "ndarray", "rayon", "half", "multiversion"} <= listed.keys()
    locked = (ROOT / "Cargo.lock").read_text()
    for name, number in listed.items():
        assert f'name = "{name}"\nversion = "{number}"' in locked


def test_the_packages_that_come_with_it_are_listed(wheel):
    listed = components((DIST / "romancal_rs.python.cyclonedx.json").read_text())
    assert {"romancal-rs", "numpy", "asdf", "astropy", "gwcs", "rad", "PyYAML"} <= listed.keys()
    # What tests need is not installed with it.
    assert not {"pytest", "hypothesis", "roman_datamodels", "crds"} & listed.keys()


def test_the_source_distribution_can_be_built(wheel):
    import tarfile

    with tarfile.open(DIST / f"{NAME}.tar.gz") as file:
        held = {name.removeprefix(f"{NAME}/") for name in file.getnames()}
    needed = {"Cargo.lock", "Cargo.toml", "LICENSE", "README.md", "pyproject.toml", "PKG-INFO"}
    assert needed <= held
    sources = [path for path in (ROOT / "rust").rglob("*.rs") if "target" not in path.parts]
    assert {path.relative_to(ROOT).as_posix() for path in sources} <= held


def test_the_source_distribution_holds_the_pages_and_no_rubbish(wheel):
    """Of what git does not know there is the metadata alone."""
    import tarfile

    with tarfile.open(DIST / f"{NAME}.tar.gz") as file:
        held = {name.removeprefix(f"{NAME}/") for name in file.getnames()}
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    tracked = {name for name in listed.stdout.split("\0") if (ROOT / name).exists()}
    assert held - tracked == {"PKG-INFO"}
    pages = {name for name in tracked if name.startswith("docs/")}
    assert {"CHANGELOG.md", "CITATION.cff", "CONTRIBUTING.md", "Makefile", *pages} <= held


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="the wheel is for Linux")
def test_the_demo_runs_in_an_empty_environment_without_rust(wheel, tmp_path):
    venv.create(tmp_path / "env", with_pip=True)
    python = tmp_path / "env/bin/python"
    # Of the environment, only what pip and a terminal need; and no way to a compiler.
    environment = {"PATH": str(python.parent), "HOME": str(tmp_path), "LANG": "C.UTF-8"}
    for name in os.environ:
        if name.lower().endswith("_proxy") or name.startswith(("PIP_", "SSL_", "REQUESTS_")):
            environment[name] = os.environ[name]

    def run(*command: str) -> str:
        done = subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=600
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    run(str(python), "-m", "pip", "install", "--quiet", "--only-binary=:all:", str(wheel))
    command = str(python.parent / "romancal-rs")
    assert run(command, "--version").strip() == f"romancal-rs {version('romancal-rs')}"
    where = run(str(python), "-c", "import romancal_rs; print(romancal_rs.__file__)")
    assert where.startswith(str(tmp_path))
    told = run(command, "demo", "--output-dir", "demo")
    assert "Files in demo" in told
    (product,) = (tmp_path / "demo").glob("*_cal.asdf")
    assert product.stat().st_size > 1_000_000
    assert 'pip install "romancal-rs[plot]"' in told
    assert not list((tmp_path / "demo").glob("*.png"))
    assert "ImageModel" in run(command, "info", str(product))

    extra = f"romancal-rs[plot] @ {wheel.as_uri()}"
    run(str(python), "-m", "pip", "install", "--quiet", "--only-binary=:all:", extra)
    run(command, "show", str(product), "-o", "picture.png")
    assert (tmp_path / "picture.png").read_bytes().startswith(b"\x89PNG")
