"""Whether products are what would be made, and why they are not."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import exposure_variants as variants
import pytest

from romancal_rs.batch import current, identity
from romancal_rs.batch.current import outcomes_by_key, reason_of, why_not_current
from romancal_rs.batch.outcome import Kind, Outcome
from romancal_rs.batch.plan import Plan, Settings
from romancal_rs.batch.planning import make_plan
from romancal_rs.batch.remaining import what_remains
from romancal_rs.batch.sources import find
from romancal_rs.batch.state import RecordWriter, RunDirectory
from romancal_rs.pipeline import ExposurePipeline


@pytest.fixture(scope="module")
def made(simulated, tmp_path_factory) -> Path:
    """A directory with an exposure, its references, and its product."""
    directory = tmp_path_factory.mktemp("made")
    shutil.copytree(simulated.references, directory / "references")
    path = variants.exposure(simulated.exposure, directory, 1)
    ExposurePipeline(
        references=str(directory / "references"),
        output_dir=str(directory / "products"),
        save_results=True,
    ).run(path)
    return directory


@pytest.fixture
def plan_for(made, tmp_path) -> Callable[..., Plan]:
    """Plans for a copy of that directory, in which everything may be changed."""
    shutil.copytree(made, tmp_path, dirs_exist_ok=True)

    def plan(**parameters) -> Plan:
        settings = Settings(
            "roman_elp",
            str(tmp_path / "products"),
            references=str(tmp_path / "references"),
            parameters=parameters,
        )
        return make_plan(find([str(tmp_path)]), settings)

    return plan


def reasons(plan: Plan, *args, **how) -> list[str]:
    return why_not_current(plan.exposures[0], plan, *args, **how)


def test_a_product_is_current_after_it_was_moved_with_its_input(plan_for):
    assert reasons(plan_for()) == []


def test_the_key_of_a_plan_follows_from_the_product_as_well(plan_for):
    plan = plan_for()
    (exposure,) = plan.exposures
    record = current.last_record(exposure.product)
    assert exposure.key == identity.exposure_key(
        record["inputs"][0]["head_sha256"],
        record["class"],
        identity.parameters_digest(
            identity.parameters_of(record, ExposurePipeline, is_record=True)
        ),
        identity.references_digest(identity.used_by_record(record["references"])),
        identity.of_software(record["software"]),
    )


def test_another_input_of_the_same_name_is_a_reason(plan_for, simulated, tmp_path):
    variants.exposure(simulated.exposure, tmp_path, 1, changes={"electronics: A": "electronics: B"})
    (line,) = reasons(plan_for())
    assert line == "input: another r0000101001001001001_0001_wfi01_f158_uncal.asdf"


def test_another_parameter_is_a_reason(plan_for):
    assert reasons(plan_for(steps={"rampfit": {"rejection_threshold": "6"}})) == [
        "parameters: steps.rampfit.rejection_threshold"
    ]
    assert reasons(plan_for(save_calibrated_ramp="True")) == ["parameters: save_calibrated_ramp"]


def test_another_reference_is_a_reason(plan_for, tmp_path):
    newer = {"2020-01-01T00:00:00": "2021-01-01T00:00:00"}
    for name in ("gain", "dark"):
        path = tmp_path / "references" / f"roman_wfi_{name}_0001.asdf"
        variants.variant(path, path.with_name(f"newer_{name}.asdf"), newer)
    plan = plan_for()
    assert reasons(plan) == ["references: DARK, GAIN"]
    assert reasons(plan, ignore=("references",)) == []


def test_a_reference_that_is_done_without_is_a_reason(plan_for):
    assert reasons(plan_for(override_flat="N/A")) == ["references: FLAT"]


def test_other_software_is_a_reason(plan_for):
    plan = plan_for()
    newer = replace(plan, software={**plan.software, "gwcs": "99.0"})
    (line,) = reasons(newer)
    assert line == f"software: gwcs {plan.software['gwcs']}"
    assert reasons(newer, ignore=("software", "references")) == []


def test_several_reasons_are_all_told(plan_for):
    plan = plan_for(override_flat="N/A", recipe="flight")
    newer = replace(plan, software=dict.fromkeys(plan.software, "99.0"))
    assert [reason_of(line) for line in reasons(newer)] == ["parameters", "references", "software"]


def damage_head(content: bytes) -> bytes:
    return content.replace(b"roman: !<asdf", b"roman: [<asdf", 1)


def without_record(content: bytes) -> bytes:
    return content.replace(b"\n    cal_runs:", b"\n    cal_rums:", 1)


def damage_record(content: bytes) -> bytes:
    before, line, record = content.partition(b"\n    cal_runs:")
    return before + line + record.replace(b" inputs:", b" imputs:", 1)


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (lambda content: content[:3000], "product: truncated: its head has no end"),
        (lambda content: content[:-2000], r"product: truncated: \d+ bytes, but its blocks need"),
        (lambda content: b"", "product: not an ASDF file"),
        (damage_head, "product: its head is not valid YAML"),
        (without_record, r"product: it does not say what made it \(meta.cal_runs\)"),
        (damage_record, r"product: its record of a run \(meta.cal_runs\) is damaged"),
    ],
)
def test_a_product_that_is_no_product_is_a_reason(plan_for, damage, told):
    plan = plan_for()
    product = Path(plan.exposures[0].product)
    product.write_bytes(damage(product.read_bytes()))
    (line,) = reasons(plan, ignore=("product",))  # which cannot be ignored
    assert re.match(told, line)
    product.unlink()
    assert reasons(plan) == ["product: there is none"]


def outcome_of(plan: Plan) -> Outcome:
    """What a batch records of the product of its first exposure."""
    (exposure,) = plan.exposures
    status = os.stat(exposure.product)
    stamp = [status.st_size, status.st_mtime_ns]
    return Outcome(
        exposure.input,
        Kind.DONE,
        product=exposure.product,
        key=exposure.key,
        product_stamp=stamp,
    )


def test_a_record_of_the_very_file_is_enough(plan_for):
    plan = plan_for()
    Path(plan.exposures[0].product).write_bytes(b"not looked at")
    assert reasons(plan, outcome_of(plan)) == []


@pytest.mark.parametrize(
    "other", [{"key": "other"}, {"product_stamp": [1, 2]}, {"product": "x"}, {"kind": Kind.FAILED}]
)
def test_a_record_of_something_else_is_not(plan_for, other):
    plan = plan_for()
    outcome = replace(outcome_of(plan), **other)
    assert reasons(plan, outcome) == []  # by the product itself
    Path(plan.exposures[0].product).write_bytes(b"looked at")
    if "product_stamp" not in other:
        outcome = replace(outcome, product_stamp=outcome_of(plan).product_stamp)
    assert reasons(plan, outcome) == ["product: not an ASDF file"]


def test_records_of_all_runs_are_found_by_key(plan_for, tmp_path):
    state = tmp_path / "state"
    plan, other = plan_for(), plan_for(recipe="flight")
    for each, kind in ((plan, Kind.DONE), (other, Kind.FAILED)):
        directory = RunDirectory.of(each, state)
        each.write(directory.path)
        writer = RecordWriter(directory, "w")
        writer.end(replace(outcome_of(each), kind=kind))
        writer.close()
    found = outcomes_by_key(state)
    kinds = {key: outcome.kind for key, outcome in found.items()}
    assert kinds == {plan.exposures[0].key: Kind.DONE, other.exposures[0].key: Kind.FAILED}
    assert outcomes_by_key(tmp_path / "none") == {}


def test_what_remains_is_counted_by_its_reasons(plan_for, simulated, tmp_path):
    for number in (2, 3):
        variants.exposure(simulated.exposure, tmp_path, number)
    (tmp_path / "x_uncal.asdf").write_text("no ASDF")
    plan = plan_for()
    first, second = (
        exposure.product for exposure in plan.exposures if exposure.name[21:25] in ("0001", "0002")
    )
    shutil.copy(first, second)
    found = what_remains(plan, plan.exposures, {})
    assert str(found) == "1 current, 1 new, 1 would be redone: input"
    assert len(found.problems) == 1
    asked_for = what_remains(plan, plan.exposures, {}, rerun="all")
    assert (
        str(asked_for) == "0 current, 1 new, 1 would be redone: asked for, 1 would be redone: input"
    )
    never = what_remains(plan, plan.exposures, {}, rerun="never")
    assert str(never) == "2 current, 1 new"
