"""Every series of the mission's files, with the version of its library that belongs to it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
#: Versions of `roman_datamodels` and `rad`, and the series of the files that they write.
SERIES = {"1.0": "2.0.0", "1.1": "2.1.0", "1.2": "2.2.0"}

pytestmark = pytest.mark.slow


def run(script, *arguments, library):
    path = os.pathsep.join(filter(None, [str(library), os.environ.get("PYTHONPATH")]))
    done = subprocess.run(
        [sys.executable, TESTS / script, *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


@pytest.fixture(scope="module")
def libraries():
    """Directories with each version of the library, without what it needs, which is here.

    They are made once and kept.
    """
    made = {}
    for version in SERIES:
        root = TESTS.parent / "build" / f"roman_datamodels-{version}"
        complete = root / "complete"
        if not complete.exists():
            packages = [f"roman_datamodels=={version}.*", f"rad=={version}.*"]
            command = [sys.executable, "-m", "pip", "install", "--no-deps", "--upgrade"]
            done = subprocess.run(
                [*command, "--target", str(root / "packages"), *packages],
                capture_output=True,
                text=True,
            )
            if done.returncode:
                reason = (done.stderr.strip().splitlines() or ["no message"])[-1]
                pytest.skip(f"pip cannot install {' and '.join(packages)}: {reason}")
            complete.touch()
        made[version] = root / "packages"
    return made


@pytest.fixture(scope="module")
def directories(libraries, tmp_path_factory):
    """For each version a directory with what its library wrote and what came of it here."""
    made = {}
    for version, library in libraries.items():
        made[version] = tmp_path_factory.mktemp("series")
        run("mission_library.py", "write", made[version], library=library)
    return made


@pytest.fixture(scope="module")
def here(libraries, directories):
    """What this package, with the newest schemas, found and made in each directory."""
    found = json.loads(run("all_series.py", *directories.values(), library=libraries["1.2"]))
    return {version: found[str(directory)] for version, directory in directories.items()}


@pytest.fixture(scope="module")
def there(libraries, directories, here):
    """What each version of the library reads in the files that this package wrote."""
    made = {}
    for version, directory in directories.items():
        paths = sorted(
            path
            for path in directory.rglob("*.asdf")
            if path.parent not in (directory, directory / "references")
            or path.name.startswith("new_")
        )
        if version == "1.0":  # new files are of a series that came later
            paths = [path for path in paths if not path.name.startswith("new_")]
        found = json.loads(run("mission_library.py", "read", *paths, library=libraries[version]))
        made[version] = {
            str(Path(name).relative_to(directory)): content for name, content in found.items()
        }
    return made


@pytest.mark.parametrize("version", SERIES)
def test_files_of_the_library_open_and_validate_here(here, version):
    tags = here[version]["tags"]
    for kind in ("wfi_science_raw", "ramp", "wfi_image"):
        assert f"{kind}-{SERIES[version]}" in tags
    assert len(tags) == (13 if version == "1.2" else 12)
    assert ("bam-2.0.0" in tags) == (version == "1.2")


@pytest.mark.parametrize("version", SERIES)
def test_an_exposure_of_each_series_gives_its_rate(here, version):
    """40 DN per read of 2 s, a flat of 0.5: 40 DN/s. A series 2.2.0 ended in `dq2 missing`."""
    for rates in here[version]["rates"]:
        assert rates == pytest.approx([40.0, 40.0], rel=1e-6)


@pytest.mark.parametrize("version", SERIES)
def test_products_open_and_validate_in_the_library_of_their_series(there, version):
    found = there[version]
    series = SERIES[version]
    expected = {
        "one_pass/x_cal.asdf": ("ImageModel", f"wfi_image-{series}"),
        "by_step/x_cal.asdf": ("ImageModel", f"wfi_image-{series}"),
        "by_step/x_ramp.asdf": ("RampModel", f"ramp-{series}"),
        "by_step/x_fitopt.asdf": ("RampFitOutputModel", "ramp_fit_output-1.7.0"),
        "rewritten/x_uncal.asdf": ("ScienceRawModel", f"wfi_science_raw-{series}"),
        "rewritten/dark.asdf": ("DarkRefModel", "dark-2.0.0"),
        "rewritten/wfiimgphotom.asdf": ("WfiImgPhotomRefModel", "wfi_img_photom-2.0.0"),
    }
    if version == "1.2":
        expected["rewritten/bam.asdf"] = ("BamRefModel", "bam-2.0.0")
    if version != "1.0":
        expected["new_wfi_image.asdf"] = ("ImageModel", "wfi_image-2.1.0")
    for name, (model, tag) in expected.items():
        assert (found[name]["class"], found[name]["tag"].rpartition("/")[2]) == (model, tag), name


def test_second_flags_are_zero_where_no_reference_has_any(here, there):
    assert here["1.2"]["second_flags"] == [[], []]
    assert here["1.1"]["second_flags"] == [None, None]
    assert there["1.2"]["one_pass/x_cal.asdf"]["arrays"]["dq2"] == ["uint32", 0]
    assert there["1.2"]["by_step/x_ramp.asdf"]["arrays"]["pixeldq2"] == ["uint32", 0]
    assert "dq2" not in there["1.1"]["one_pass/x_cal.asdf"]["arrays"]


def test_second_flags_of_references_are_added(here, there):
    """MASK: 1 at the first science pixel, 2 at row 2, column 1, where the FLAT has 4."""
    for flags in here["1.2"]["with_flags"]:
        assert flags == [[0, 0, 1], [2, 1, 2 | 4]]
    assert here["1.1"]["with_flags"] == [None, None]
    for name in ("flags", "flags_by_step"):
        assert there["1.2"][f"{name}/x_cal.asdf"]["arrays"]["dq2"] == ["uint32", 2]


def test_metadata_of_series_2_2_0_reach_the_product(here):
    assert "bam" in here["1.2"]["ref_file"]
    assert "wfi_acm_z_defocus_size" in here["1.2"]["visit"]
    assert "bam" not in here["1.1"]["ref_file"]


@pytest.mark.parametrize("version", SERIES)
def test_viewers_find_the_image_first(there, version):
    """They show the first image of a file; it was `chisq`."""
    names = list(there[version]["one_pass/x_cal.asdf"]["arrays"])
    second = ["dq2"] if version == "1.2" else []
    assert names[: 4 + len(second)] == ["data", "dq", *second, "err", "var_poisson"]
