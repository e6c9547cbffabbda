"""What is looked at after a page ran, beyond what the page itself shows."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from romancal_rs import datamodels
from romancal_rs.batch import remote
from romancal_rs.datamodels import testing
from romancal_rs.exposure import read_pattern
from romancal_rs.linearity import LinearityStep
from romancal_rs.stpipe import Run

from .blocks import Block

if TYPE_CHECKING:
    from .running import PageRun

RAW = "r0000101001001001001_0001_wfi07_f158_uncal.asdf"


def batches_are_complete(run: PageRun, blocks: list[Block], text: str) -> None:
    for told in ("1 new", "1 done", "1 current", "4711"):
        assert told in run.transcript
    assert run.names["outcome"].kind == "current"
    assert len(list((run.directory / "calibrated").glob("*_cal.asdf"))) == 1
    products_are_on_s3(run, blocks, text)
    rows = re.findall(r"^\| (`.*?) \|", text, flags=re.MULTILINE)
    named = {name for row in rows for name in re.findall(r"`(\w+)`", row)}
    fields = vars(run.names["outcomes"][0])
    assert {field for field in fields if not field.startswith("_")} <= named


def products_are_on_s3(run: PageRun, blocks: list[Block], text: str) -> None:
    product = RAW.replace("_uncal", "_cal")
    assert [
        remote.name_of(url) for url, _ in remote.listed("s3://my-bucket/calibrated/", "*_cal.asdf")
    ] == [product]


def exports_and_cut_outs(run: PageRun, blocks: list[Block], text: str) -> None:
    assert run.names["part"].shape == (20, 30)
    assert run.names["ccd"].meta["DETECTOR"] == "WFI07"
    assert (run.directory / "image.fits").exists()
    assert (run.directory / "star_cal.asdf").exists()


def hooks_did_their_work(run: PageRun, blocks: list[Block], text: str) -> None:
    """1 was added before, what is below 0 cut after, and the command printed its result's begin."""
    model = datamodels.RampModel(testing.create_ramp((3, 16, 16)))
    model.data[:] = np.linspace(-5, 5, model.data.size, dtype="f4").reshape(model.data.shape)
    step = LinearityStep(override_linearity="N/A")
    step.pre_hooks = [run.names["AddOne"](constant=1)]
    step.post_hooks = [run.names["clip"], "head -c 5 {0}"]
    config_file = str(run.directory / "linearity.cfg")
    options: dict[str, Any] = {"config_file": config_file, "override_linearity": "N/A"}
    for result in (step.run(model), LinearityStep.call(model, **options)):
        assert result.data.tolist() == np.maximum(model.data + 1, 0).tolist()
        assert any(line.endswith("#ASDF") for line in result.meta.cal_logs)


def own_steps_work(run: PageRun, blocks: list[Block], text: str) -> None:
    names, references = run.names, {"references": str(run.directory / "refs")}
    with datamodels.open(run.directory / RAW.replace("_uncal", "_cal")) as image:
        less = names["SubtractStep"].call(image, level=2, **references)
        np.testing.assert_array_equal(less.data, image.data - np.float32(2))
        assert names["Reduce"](**references).run(image).meta.cal_step.flat_field == "COMPLETE"

    with datamodels.open(run.directory / "x_linearity.asdf") as ramp:
        less = names["GlowStep"].call(ramp, rate=0.5)
        assert less.meta.cal_step.glow == "COMPLETE"
        times = read_pattern(ramp).times.astype(np.float32)[:, None, None]
        np.testing.assert_array_equal(less.data, ramp.data - np.float32(0.5) * times)

    def rate(**parameters: Any) -> tuple[Any, Run]:
        made = Run(names["GlowPipeline"](**references, **parameters))
        return made(run.directory / RAW), made

    plain, _ = rate()
    image, made = rate(steps={"glow": {"rate": 0.5}})
    by_step, _ = rate(steps={"glow": {"rate": 0.5}}, fused=False)
    assert any("Step glow done, together with others" in line for line in image.meta.cal_logs)
    assert image.meta.cal_step.glow == "COMPLETE"
    reports = [report.name for report in made.reports]
    assert reports.index("glow") == reports.index("rampfit") - 1
    assert image.data.tobytes() == by_step.data.tobytes()
    # The flat is 1 but for some per cent, and a pixel that lost a jump or found one differs more.
    assert np.median(plain.data - image.data) == pytest.approx(0.5, rel=0.05)


def kernels_give_known_rates(run: PageRun, blocks: list[Block], text: str) -> None:
    np.testing.assert_allclose(run.names["image"].slope, 2.5, rtol=1e-5)
    np.testing.assert_allclose(run.names["calibrated"].fit.slope, 250 * 1.1 - 0.1, rtol=1e-5)
    stages = [line.split()[0] for line in run.printed.splitlines()[-5:]]
    assert stages == ["read", "saturation", "linearity", "dark", "fit"]
    told = re.findall(r"^\| (`.*?) \| .* \| (`.*?) \|$", text, re.M)
    changed = {name: changes for names, changes in told for name in re.findall(r"\w+", names)}
    for kernel in run.names["steps"]:
        assert re.findall(r"\w+", changed[kernel.name]) == kernel.changes


def metadata_print_as_a_tree(run: PageRun, blocks: list[Block], text: str) -> None:
    assert "├─exposure (" in run.transcript


def a_run_tells_of_its_step(run: PageRun, blocks: list[Block], text: str) -> None:
    made = run.names["run"]
    assert [(report.name, report.status) for report in made.reports] == [
        ("RampFitStep", "COMPLETE")
    ]
    assert made.saved_files == []
    assert run.names["image"].meta.ref_file.gain == "roman_wfi_gain_0007.asdf"


def python_saves_nothing(run: PageRun, blocks: list[Block], text: str) -> None:
    """The README says so, unless a parameter asks for it."""
    before = sorted(run.directory.rglob("*"))
    examples = [block for block in blocks if block.language == "python"]
    assert examples
    for block in examples:
        run.run(block)
    assert sorted(run.directory.rglob("*")) == before
    if "image" in run.names:
        assert run.names["image"].meta.cal_step.photom == "COMPLETE"
