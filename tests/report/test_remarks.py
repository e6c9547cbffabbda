"""What stands out, in plain words."""

from types import SimpleNamespace

import numpy as np
import pytest

from romancal_rs.report.measure import ChiSquare, distribution
from romancal_rs.report.records import Message, Record, Reference, StepRecord
from romancal_rs.report.remarks import Findings, remarks


def record_of(steps=(), messages=()):
    return Record(list(steps), [], [], list(messages), "", "", {}, [])


def of(**findings):
    return list(remarks(Findings(**findings), record_of()))


def values_of(median):
    values = np.full((3, 3), median, np.float32)
    return distribution(values, np.ones((3, 3), bool))


def test_nothing_stands_out_of_what_is_well():
    flags = {"DO_NOT_USE": 4, "SATURATED": 1, "JUMP_DET": 9}
    assert of(n_pixels=100, n_usable=96, flags=flags, rate=values_of(0.3), has_sky=True) == []


@pytest.mark.parametrize(
    ("findings", "told"),
    [
        ({"n_usable": 0}, "No pixel is usable"),
        ({"n_usable": 88}, "12.0 % of the pixels are not to be used"),
        ({"flags": {"SATURATED": 3}}, "3.00 % of the pixels saturated"),
        ({"flags": {"JUMP_DET": 30}}, "30.0 % of the pixels have a jump"),
        ({"rate": values_of(-0.25)}, "The median rate is negative: -0.25."),
        ({"has_sky": False}, "It has no place on the sky"),
        ({"is_corrected": True, "common": 3.0, "spread": 2.0}, "lie 3 DN from their level"),
    ],
)
def test_what_stands_out_is_told(findings, told):
    (sentence,) = of(**{"n_pixels": 100, "n_usable": 100, **findings})
    assert told in sentence


@pytest.mark.parametrize(
    ("factor", "told"),
    [(1.5, "1.50 times the 1.39 that is expected: the noise is larger"), (0.5, "is smaller")],
)
def test_chi_squared_that_is_off_is_told(factor, told):
    expected = ChiSquare(2)
    (sentence,) = of(chi_square=values_of(factor * expected.median), expected=expected)
    assert told in sentence
    assert of(chi_square=values_of(1.05 * expected.median), expected=expected) == []


def test_warnings_missing_references_and_steps_that_were_skipped_are_told():
    steps = [
        StepRecord("flatfield", "SKIPPED", references=[Reference("flat", "N/A")]),
        StepRecord("photom", "COMPLETE", references=[Reference("photom", "/refs/photom.asdf")]),
    ]
    messages = [Message("", "", "WARNING", "look"), Message("", "", "INFO", "fine")]
    told = list(remarks(Findings(), record_of(steps, messages)))
    assert told == [
        "1 warning was logged: see below.",
        "No reference was used where one is usual: FLAT (flatfield).",
        "Step skipped: flatfield.",
    ]


def test_a_message_is_taken_apart():
    message = Message.parse("2027-01-01T00:00:00.000Z :: stpipe.A.jump :: WARNING :: a :: b")
    assert (message.level, message.step, message.text) == ("WARNING", "jump", "a :: b")
    assert message.is_warning
    assert Message.parse("in another form") == Message("", "", "", "in another form")


def test_the_log_tells_of_seconds_and_of_what_was_skipped():
    said = [
        "Step dq_init done in 0.25 s",
        "Step refpix done, together with others",
        "Step wfi18_transient skipped: not for WFI07",
        "Steps dq_init to rampfit done in 3.5 s",
    ]
    steps = [{"name": name} for name in ("dq_init", "refpix", "wfi18_transient")]
    meta = {
        "cal_logs": [f"2027 :: stpipe.A :: INFO :: {text}" for text in said],
        "cal_step": {"dq_init": "COMPLETE", "refpix": "COMPLETE", "wfi18_transient": "N/A"},
        "cal_runs": [{"name": "A", "steps": steps}],
    }
    record = Record.of(SimpleNamespace(meta=meta))
    assert [(step.status, step.seconds, step.note) for step in record.steps] == [
        ("COMPLETE", "0.25", ""),
        ("COMPLETE", "with others", ""),
        ("N/A", "", "not for WFI07"),
    ]
    assert record.groups == [("dq_init", "rampfit", "3.5")]


def test_steps_of_one_pass_have_the_seconds_that_their_run_recorded():
    logged = ["Step refpix done, together with others", "Step rampfit done in 3.50 s"]
    seconds = {"read": 0.5, "refpix": 1.25, "rampfit": 2.0, "A": 0.125, "write": "soon"}
    meta = {
        "cal_logs": [f"2027 :: stpipe.A :: INFO :: {text}" for text in logged],
        "cal_runs": [
            {"name": "A", "steps": [{"name": "refpix"}, {"name": "rampfit"}], "seconds": seconds}
        ],
    }
    record = Record.of(SimpleNamespace(meta=meta))
    assert [(step.name, step.seconds) for step in record.steps] == [
        ("refpix", "1.25"),
        ("rampfit", "2.00"),
    ]
    assert record.besides == [("read", "0.50"), ("A", "0.12")]


def test_without_a_record_the_statuses_are_there():
    meta = {"cal_step": {"flat_field": "COMPLETE"}, "calibration_software_name": "RomanCAL"}
    record = Record.of(SimpleNamespace(meta={**meta, "calibration_software_version": "1.1.0"}))
    assert [(step.name, step.status) for step in record.steps] == [("flat_field", "COMPLETE")]
    assert record.software == {"RomanCAL": "1.1.0"}


def test_the_log_tells_of_rows_whose_first_resultant_is_not_used():
    said = "The first resultant of the 12 rows that are read first is not used: mask_rows is set"
    assert record_of(messages=[Message("", "", "WARNING", said)]).masked_rows == 12
    assert record_of().masked_rows == 0
