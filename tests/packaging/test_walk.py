"""What CONTRIBUTING says of adding a step is all there is to do: its edits, made in a copy."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
#: The tests that know the steps of the pipeline: none may count them, or list them by hand.
OF_STEPS = (
    "tests/unit/test_imports.py",
    "tests/unit/test_registry.py",
    "tests/unit/test_step_order.py",
    "tests/unit/test_steps.py",
    "tests/pipeline/test_exposure_pipeline.py",
    "tests/cli/test_run.py",
)

TRIAL = """
import sys
import numpy as np
from romancal_rs import ReadPattern, _core, kernels
from romancal_rs.pipeline import ExposurePipeline
from romancal_rs.rate_offset import RateOffsetStep
from romancal_rs.simulate import SimulationConfig, simulate
from romancal_rs.stpipe import Run

made = simulate(SimulationConfig(rows=48, cols=128, n_resultants=6), sys.argv[1])

def run(rate, **parameters):
    steps = {"rate_offset": {"rate": rate}, "flatfield": {"skip": True}}
    run = Run(ExposurePipeline(references=str(made.references), steps=steps, **parameters))
    return run(made.exposure), [report.name for report in run.reports]

plain, _ = run(0.0)
fused, names = run(1.5)
by_step, _ = run(1.5, fused=False)
assert names.index("rate_offset") == names.index("rampfit") - 1
assert any("to rampfit running in one pass" in line for line in fused.meta.cal_logs)
for name, _ in fused.arrays():
    assert fused[name].tobytes() == by_step[name].tobytes(), name
# A rate is what the fit measures: no noise comes with it but that of the other weights.
good = (plain.dq == 0) & (fused.dq == 0)
assert good.mean() > 0.5
assert abs(np.median((fused.data - plain.data)[good]) - 1.5) < 1e-3

# In every tile.
pattern = ReadPattern.from_reads([[1], [2, 3], [4, 5, 6]], 3.0)
raw = np.random.default_rng(1).integers(0, 9000, (3, 20, 150)).astype(np.uint16)
plane = np.full((20, 150), 2, np.float32)
kernel, fit = _core.rate_offset(1.5, pattern), kernels.ramp_fit(plane, plane, pattern)
whole = kernels.calibrate(raw, [kernel], fit)
for way in ({"band_rows": 3}, {"tile_cols": 128}, {"tile_cols": 7, "band_rows": 1}):
    tiled = kernels.calibrate(raw, [kernel], fit, **way)
    assert np.array_equal(tiled.fit.slope, whole.fit.slope)
print("the step works")
"""


def edits(text: str) -> list[tuple[str, str | None, str]]:
    """File, line after which to add (None: a new file), and lines, of each edit of a text."""
    found = []
    for told, block in re.findall(r"((?:(?!```).)*?)\n *```\w+\n(.*?)\n *```", text, flags=re.S):
        files = re.findall(r"(New file|In) `([^`]+)`", told)
        if files:
            kind, file = files[-1]
            anchors = re.findall(r"after\s+`([^`]+)`", told)
        lines = "".join(f"{line.removeprefix('   ')}\n" for line in block.split("\n"))
        found.append((file, anchors.pop(0) if kind == "In" else None, lines))
    return found


def the_walk() -> list[tuple[str, str | None, str]]:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    walk = text[text.index("## Adding a step") : text.index("## Adding a reference type")]
    return edits(walk)


def test_a_step_takes_six_files():
    files = {file for file, _, _ in the_walk()}
    assert len(files) == 6
    new = {file for file, anchor, _ in the_walk() if anchor is None}
    assert all((ROOT / file).exists() == (file not in new) for file in files)


@pytest.mark.skipif(shutil.which("cargo") is None, reason="a kernel is built with Rust")
def test_a_step_that_is_added_as_told_works_everywhere_and_breaks_no_test(tmp_path):
    # At the same place each time, so that builds are not kept for every run of the tests. What is
    # built from it is not optimised, and shares what `cargo test` has built.
    target = ROOT / "target"
    copy = target / "walk"
    shutil.rmtree(copy, ignore_errors=True)
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    for name in listed.stdout.split("\0"):
        if name and (ROOT / name).exists():
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, copy / name)
    for file, anchor, lines in the_walk():
        path = copy / file
        if anchor is None:
            path.write_text(lines, encoding="utf-8")
            continue
        before = path.read_text(encoding="utf-8").splitlines(keepends=True)
        (index,) = [i for i, line in enumerate(before) if line.rstrip("\n") == anchor]
        path.write_text("".join([*before[: index + 1], lines, *before[index + 1 :]]))
    environment = os.environ | {
        "CARGO_TARGET_DIR": str(target),
        "PYTHONPATH": str(copy / "python"),
        "PYO3_PYTHON": sys.executable,
    }

    def run(*command: str) -> None:
        done = subprocess.run(
            command, cwd=copy, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, (
            f"{' '.join(command)}\n{done.stdout[-4000:]}{done.stderr[-4000:]}"
        )

    run("cargo", "build", "--locked", "--features", "python")
    made = (target / "debug").glob("libromancal_rs_core.*")
    (library,) = [path for path in made if path.suffix in (".so", ".dylib")]
    shutil.copy(library, copy / "python" / "romancal_rs" / "_core.abi3.so")
    run(sys.executable, "-c", TRIAL, str(tmp_path / "made"))
    run(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-n", "0", *OF_STEPS)
