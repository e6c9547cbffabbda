"""The table of outcomes, as other programs read it."""

from __future__ import annotations

import csv
import json
from dataclasses import fields

import pytest
from batch.records import outcome_of, planned

from romancal_rs.batch import table
from romancal_rs.batch.outcome import Kind, Outcome
from romancal_rs.batch.table import columns, write_table
from romancal_rs.errors import InputError

ATTRIBUTES = [field.name for field in fields(Outcome)]


@pytest.fixture
def outcomes() -> list[Outcome]:
    """One with everything, one that failed with a message that is hard to quote."""
    return [
        outcome_of(
            planned(1),
            product_stamp=[345, 1_800_000_000_123_456_789],
            seconds={"read": 0.25, "write": 0.5},
            flags={"JUMP_DET": 7},
            cal_step={"dark": "COMPLETE"},
            references={"dark": "roman_wfi_dark_0001.asdf"},
            median_rate=1.5,
            bytes_in=3_000_000_000,
        ),
        outcome_of(planned(2), flags={"HOT": 2}),
        outcome_of(
            planned(3, "WFI02"),
            Kind.BAD_INPUT,
            message='/raw/a, "b".asdf: no ASDF file, but “text”',
            software={},
        ),
    ]


def test_parquet_has_flat_and_typed_columns(outcomes, tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet")
    read = parquet.read_table(write_table(outcomes, tmp_path / "a.parquet"))
    types = {field.name: str(field.type) for field in read.schema}
    assert set(types.values()) == {"string", "int64", "double"}
    assert types["median_rate"] == types["seconds.read"] == types["wall_s"] == "double"
    assert types["bytes_in"] == types["product_stamp.mtime_ns"] == types["flags.HOT"] == "int64"
    found = read.to_pydict()
    assert found["kind"] == ["done", "done", "bad_input"]
    assert found["message"][2] == outcomes[2].message
    assert found["bytes_in"] == [3_000_000_000, 0, 0]
    assert found["product_stamp.mtime_ns"] == [1_800_000_000_123_456_789, None, None]
    assert found["seconds.read"] == [0.25, None, None]
    assert found["flags.JUMP_DET"] == [7, 0, None]
    assert found["flags.HOT"] == [0, 2, None]
    assert found["references.dark"] == ["roman_wfi_dark_0001.asdf", None, None]
    assert found["software.numpy"] == ["2.1.0", "2.1.0", None]
    assert found["median_rate"] == [1.5, None, None]
    assert list(dict.fromkeys(name.partition(".")[0] for name in types)) == [
        *ATTRIBUTES,
    ]


def test_csv_is_read_by_astropy_and_by_python(outcomes, tmp_path):
    from astropy.table import Table

    path = write_table(outcomes, tmp_path / "a.csv")
    assert path.read_bytes().count(b"\r\n") == 4
    read = Table.read(path, format="ascii.csv")
    assert read.colnames == ATTRIBUTES
    assert list(read["bytes_in"]) == [3_000_000_000, 0, 0]
    assert read["median_rate"][0] == 1.5
    assert read["message"][2] == outcomes[2].message
    with path.open(newline="", encoding="utf-8") as file:
        first, second, third = csv.DictReader(file)
    assert json.loads(first["seconds"]) == {"read": 0.25, "write": 0.5}
    assert json.loads(first["product_stamp"]) == [345, 1_800_000_000_123_456_789]
    assert (second["median_rate"], json.loads(second["flags"])) == ("", {"HOT": 2})
    assert third["message"] == outcomes[2].message


def test_json_lines_give_the_outcomes_back(outcomes, tmp_path):
    path = write_table(outcomes, tmp_path / "a.jsonl")
    lines = path.read_bytes().splitlines()
    assert [Outcome.from_row(json.loads(line)) for line in lines] == outcomes


def test_a_directory_gets_parquet_where_pyarrow_is_there(outcomes, tmp_path, monkeypatch):
    pytest.importorskip("pyarrow")
    assert write_table(outcomes, tmp_path).name == "outcomes.parquet"
    monkeypatch.setattr(table, "find_spec", lambda name: None)
    assert write_table(outcomes, tmp_path).name == "outcomes.jsonl"
    with pytest.raises(InputError, match=r"needs pyarrow.*or name a \.csv or \.jsonl file"):
        write_table(outcomes, tmp_path / "b.parquet")


def test_other_suffixes_are_refused_and_leave_nothing(outcomes, tmp_path):
    with pytest.raises(InputError, match=r"a\.xlsx: a table is written as \.parquet, \.csv"):
        write_table(outcomes, tmp_path / "a.xlsx")
    assert list(tmp_path.iterdir()) == []


def test_a_table_without_rows_has_columns(tmp_path):
    assert write_table([], tmp_path / "a.csv").read_text().split("\n")[0].split(",")[:2] == [
        "input",
        "kind",
    ]
    found = columns([])
    assert found["input"] == (str, [])
    assert found["median_rate"] == (float, [])


def test_a_table_that_fails_leaves_the_old_one(outcomes, tmp_path):
    path = write_table(outcomes, tmp_path / "a.csv")
    before = path.read_bytes()
    with pytest.raises(AttributeError):
        write_table([*outcomes, None], path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]
