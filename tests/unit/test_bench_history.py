"""The history of what kernels cost per pixel: its table, and what is said of it."""

from dataclasses import replace

import pytest
from bench.history import (
    PAGE,
    TABLE,
    BenchError,
    Row,
    by_commit,
    crept,
    merged,
    number_after,
    read_rows,
    tables,
    with_tables,
    worse,
    write_rows,
)

OLD = Row("aaaaaaaaaa", "2026-11-01T00:00:00+00:00", "1.90.0", "chain", 400.0, 200.0, 150.0)
NEW = replace(OLD, commit="bbbbbbbbbb", date="2026-11-02T00:00:00+00:00")

#: What valgrind 3.19 wrote for `true`.
CALLGRIND = "==7== Events    : Ir\n==7== Collected : 150123\n==7== I   refs:      150,123\n"
DHAT = """==8== Total:     32,825 bytes in 3 blocks
==8== At t-gmax: 32,824 bytes in 2 blocks
==8== At t-end:  0 bytes in 0 blocks
==8== Reads:     1,219 bytes
==8== Writes:    1,206 bytes
"""


def test_the_numbers_of_valgrind_are_read():
    assert number_after("Collected", CALLGRIND) == 150123
    assert number_after("At t-gmax", DHAT) == 32824
    assert number_after("Reads", DHAT) + number_after("Writes", DHAT) == 2425
    with pytest.raises(BenchError, match="valgrind does not tell 'Collected'"):
        number_after("Collected", DHAT)


def test_rows_come_back_as_they_were_written(tmp_path):
    rows = [OLD, replace(OLD, kernel="ramp fit", instructions=170.3), NEW]
    write_rows(tmp_path / "history.csv", rows)
    assert read_rows(tmp_path / "history.csv") == rows
    assert read_rows(tmp_path / "none.csv") == []


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("commit,date\n", r"the columns are \['commit', 'date'\]"),
        ("HEAD\na,b,c,chain,1,2\n", "line 2: .*peak"),
        ("HEAD\na,b,c,chain,1,2,many\n", "line 2: could not convert"),
    ],
)
def test_a_damaged_table_is_told_by_its_line(tmp_path, text, said):
    path = tmp_path / "history.csv"
    path.write_text(text.replace("HEAD", "commit,date,rustc,kernel,instructions,moved,peak"))
    with pytest.raises(BenchError, match=f"history.csv.*{said}"):
        read_rows(path)


def test_a_commit_has_its_rows_once_and_what_is_not_committed_goes():
    again = replace(NEW, instructions=390.0)
    changed = replace(NEW, commit="bbbbbbbbbb+")
    assert merged([OLD, NEW], [again]) == [OLD, again]
    assert merged([OLD, NEW], [changed]) == [OLD, changed]
    assert merged([OLD, changed], [NEW]) == [OLD, NEW]
    assert merged([NEW], [OLD]) == [OLD, NEW]


def test_three_per_cent_more_is_told_and_less_is_not():
    assert worse([OLD, NEW], NEW.commit) == []
    assert worse([OLD], OLD.commit) == []
    just = replace(NEW, instructions=412.0, moved=100.0)
    assert worse([OLD, just], NEW.commit) == []
    more = replace(NEW, instructions=440.0, rustc="1.95.0")
    assert worse([OLD, more], NEW.commit) == [
        "chain: 440.0 instructions per pixel, 400.0 at aaaaaaaaaa: 10.0 % more, "
        "by another compiler than 1.90.0"
    ]
    held = replace(NEW, moved=0.0, peak=165.0)
    assert worse([replace(OLD, moved=0.0), held], NEW.commit) == [
        "chain: 165.0 bytes per pixel held at most, 150.0 at aaaaaaaaaa: 10.0 % more"
    ]
    # A kernel that the commit before had not has nothing to be compared with.
    assert worse([OLD, replace(NEW, kernel="jump", peak=999.0)], NEW.commit) == []


def test_small_steps_that_add_up_are_told():
    """Each was below the three per cent that are told of one step."""
    middle = replace(NEW, instructions=410.0)
    last = replace(NEW, commit="cccccccccc", instructions=418.0)
    rows = [OLD, middle, last]
    assert worse(rows, middle.commit) == worse(rows, last.commit) == []
    assert crept(rows, middle.commit) == crept(rows, OLD.commit) == []
    assert crept(rows, last.commit) == ["chain: 418.0 instructions per pixel, 400.0 at aaaaaaaaaa"]


def test_the_page_has_the_rows_of_the_table():
    rows = read_rows(TABLE)
    page = PAGE.read_text(encoding="utf-8")
    assert with_tables(page, rows) == page
    assert rows == merged(rows, [])
    for kernels in by_commit(rows).values():
        assert all(row.instructions > 0 and row.peak > 0 for row in kernels.values())


def test_a_line_of_the_page_is_a_commit():
    lines = [line for line in tables([OLD, NEW]).splitlines() if "aaaaaaaaaa" in line]
    assert lines == [
        f"| aaaaaaaaaa | 2026-11-01 | 1.90.0 |  |  |  |  |  | {number} |"
        for number in ("400.0", "200.0", "150.0")
    ]
