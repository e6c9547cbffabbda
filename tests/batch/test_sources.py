"""Which exposures the words of a user mean."""

from __future__ import annotations

import io
import os
from pathlib import Path

import pytest

from romancal_rs.batch.sources import find
from romancal_rs.errors import InputError


@pytest.fixture
def folder(tmp_path) -> Path:
    """Three raw exposures, one of them in a subdirectory, a product, and notes."""
    names = ("a_uncal.asdf", "b_uncal.asdf", "deep/c_uncal.asdf", "a_cal.asdf", "notes.txt")
    for name in names:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    return tmp_path


def names(words, **how) -> list[str]:
    return [source.name for source in find(words, **how)]


def test_of_a_directory_the_raw_exposures_are_taken(folder):
    assert names([str(folder)]) == ["a_uncal.asdf", "b_uncal.asdf"]
    assert names([str(folder)], recursive=True) == ["a_uncal.asdf", "b_uncal.asdf", "c_uncal.asdf"]


def test_files_come_as_they_are_named_and_patterns_by_name(folder):
    assert names(["b_uncal.asdf", "a_cal.asdf"], base=folder) == ["b_uncal.asdf", "a_cal.asdf"]
    assert names([f"{folder}/[ba]_uncal.asdf"]) == ["a_uncal.asdf", "b_uncal.asdf"]
    assert names([f"{folder}/**/c_*.asdf"]) == ["c_uncal.asdf"]


def test_paths_are_absolute_and_tell_where_they_come_from(folder):
    (folder / "list.txt").write_text("# the best\n\n  deep/c_uncal.asdf\n")
    (source,) = find(["@list.txt"], base=folder)
    assert source.input == str(folder / "deep/c_uncal.asdf")
    assert source.origin == f"{folder}/list.txt, line 3"


def test_a_list_holds_words_of_all_kinds_relative_to_it(folder):
    (folder / "deep/list.txt").write_text("../a_uncal.asdf\n.\ns3://bucket/x_uncal.asdf\n@more")
    (folder / "deep/more").write_text("../b_*.asdf")
    wanted = ["a_uncal.asdf", "c_uncal.asdf", "x_uncal.asdf", "b_uncal.asdf"]
    assert names([f"@{folder}/deep/list.txt"]) == wanted


def test_standard_input_is_a_list(folder):
    stdin = io.StringIO("a_uncal.asdf\n# not\nb_uncal.asdf\n")
    assert names(["-"], base=folder, stdin=stdin) == ["a_uncal.asdf", "b_uncal.asdf"]


def test_of_an_association_the_science_members_are_taken(folder):
    (folder / "x_asn.json").write_text(
        '{"products": [{"members": ['
        '{"expname": "a_uncal.asdf", "exptype": "science"},'
        '{"expname": "cat.parquet", "exptype": "catalog"},'
        '{"expname": "deep/c_uncal.asdf", "exptype": "science"}]}]}'
    )
    assert names([str(folder / "x_asn.json")]) == ["a_uncal.asdf", "c_uncal.asdf"]


ROWS = [("WFI01", "a_uncal.asdf", "two words"), ("WFI02", "deep/c_uncal.asdf", 'a "quoted" one')]


@pytest.mark.parametrize("delimiter", [",", " "])
def test_a_table_that_astropy_wrote_is_read(folder, delimiter):
    from astropy.table import Table

    table = Table(rows=ROWS, names=("detector", "l1_s3_uri", "remark"))
    table.meta["comments"] = ["l1_s3_uri,none"]
    path = folder / "manifest.ecsv"
    table.write(path, format="ascii.ecsv", delimiter=delimiter)
    assert names([str(path)]) == ["a_uncal.asdf", "c_uncal.asdf"]


def test_a_parquet_table_is_read_and_the_column_named(folder):
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    table = pyarrow.table({"where": [row[1] for row in ROWS], "n": [1, 2]})
    parquet.write_table(table, folder / "manifest.parquet")
    path = str(folder / "manifest.parquet")
    assert names([path], column="where") == ["a_uncal.asdf", "c_uncal.asdf"]
    with pytest.raises(InputError, match=r"no column wher; did you mean 'where'.* of where, n"):
        find([path], column="wher")


def test_a_csv_of_urls_needs_nothing_that_is_local(folder):
    path = folder / "urls.csv"
    path.write_text("l1_s3_uri,n\ns3://b/k/x_uncal.asdf,1\nhttps://h/y_uncal.asdf?sig=1,2\n")
    assert names([str(path)]) == ["x_uncal.asdf", "y_uncal.asdf"]


def test_a_file_that_is_named_twice_is_there_once(folder):
    (folder / "link_to_deep").symlink_to(folder / "deep")
    words = ["deep/c_uncal.asdf", "link_to_deep", f"{folder}/deep/*"]
    assert names(words, base=folder) == ["c_uncal.asdf"]


def test_two_files_of_one_name_are_an_error_that_names_both(folder):
    (folder / "deep/a_uncal.asdf").touch()
    (folder / "list.txt").write_text("deep/a_uncal.asdf")
    with pytest.raises(InputError) as caught:
        find([str(folder), f"@{folder}/list.txt"])
    assert f"{folder}/a_uncal.asdf ({folder})" in str(caught.value)
    assert f"{folder}/deep/a_uncal.asdf ({folder}/list.txt, line 1)" in str(caught.value)


@pytest.mark.parametrize(
    ("word", "told"),
    [
        ("a_uncl.asdf", r"a_uncl.asdf: there is no such file or directory; near to it: a_uncal"),
        ("depp/x.asdf", r"/depp/x.asdf: there is no such file or directory; .* has no depp"),
        ("empty", r"/empty: no \*_uncal.asdf in it$"),
        ("above", r"/above: no .* in it, but in its subdirectories: --recursive looks there"),
        ("products", r"/products: no .* in it, but 1 other .asdf files: '.*/\*.asdf' takes them"),
        ("x*.asdf", r"/x\*.asdf: no file name matches this pattern"),
        ("@loop", r"/loop, line 1: .*/loop: the list names itself"),
        ("@nothing", r"/nothing: it names no source"),
        ("@gone", r"/gone: there is no such list"),
        ("@wrong", r"/wrong, line 2: .*/b_uncl.asdf: there is no such file"),
        ("no_asn.json", r"/no_asn.json: no member of type science; types there: background"),
        ("missing_asn.json", r"/missing_asn.json: .*/gone_uncal.asdf: there is no such file"),
        ("short.csv", r"/short.csv, line 4: 1 values for 2 columns"),
        ("gap.csv", r"/gap.csv, line 2: l1_s3_uri is empty"),
        ("column.csv", r"no column l1_s3_uri; did you mean 'l2_s3_uri'.*--column names another"),
        ("gs://bucket/x.asdf", r"only local paths are supported"),
    ],
)
def test_a_word_that_finds_nothing_says_so(folder, word, told):
    for name, text in {
        "empty/x.txt": "",
        "above/in/a_uncal.asdf": "",
        "products/x_cal.asdf": "",
        "loop": "@loop",
        "nothing": "# nothing\n",
        "wrong": "a_uncal.asdf\nb_uncl.asdf\n",
        "no_asn.json": '{"products": [{"members": [{"expname": "x", "exptype": "background"}]}]}',
        "missing_asn.json": '{"products": [{"members": '
        '[{"expname": "gone_uncal.asdf", "exptype": "science"}]}]}',
        "short.csv": "l1_s3_uri,n\n\na_uncal.asdf,1\nb_uncal.asdf\n",
        "gap.csv": "l1_s3_uri,n\n,1\n",
        "column.csv": "l2_s3_uri,n\na_uncal.asdf,1\n",
    }.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    with pytest.raises(InputError, match=told):
        find([word], base=folder)


def test_all_words_that_find_nothing_are_told_at_once(folder):
    with pytest.raises(InputError) as caught:
        find(["x.asdf", "a_uncal.asdf", "y.asdf"], base=folder)
    first, second, third = str(caught.value).split("\n")
    assert first == "these sources cannot be used:"
    assert second.startswith(f"  {folder}/x.asdf: there is no")
    assert third.startswith(f"  {folder}/y.asdf: there is no")


def test_a_dollar_in_a_name_that_is_there_stays(tmp_path, monkeypatch):
    monkeypatch.setenv("HERE", os.fspath(tmp_path))
    (tmp_path / "$x_uncal.asdf").touch()
    assert names(["$x_uncal.asdf"], base=tmp_path) == ["$x_uncal.asdf"]
    assert names(["$HERE"]) == ["$x_uncal.asdf"]


def test_all_wrong_lines_of_a_list_are_told_at_once(folder):
    """The first was told, and the next when that was mended."""
    (folder / "list.txt").write_text("x_uncal.asdf\na_uncal.asdf\ny\nz\n@w\n")
    with pytest.raises(InputError) as caught:
        find(["@list.txt"], base=folder)
    heading, *lines = str(caught.value).split("\n  ")
    assert heading == f"{folder}/list.txt: these lines cannot be used:"
    assert [line.partition(": ")[0] for line in lines[:3]] == [
        f"{folder}/list.txt, line {number}" for number in (1, 3, 4)
    ]
    assert lines[3:] == ["and 1 more"]


def test_all_files_of_a_table_that_are_not_there_are_told_at_once(folder):
    """The first was told, and the next when that was mended."""
    (folder / "t.csv").write_text("l1_s3_uri\nx\na_uncal.asdf\ny\n")
    with pytest.raises(InputError, match="these files are not there:") as caught:
        find(["t.csv"], base=folder)
    lines = str(caught.value).split("\n  ")[1:]
    assert [line.partition(": ")[0] for line in lines] == [
        f"{folder}/t.csv, line {number}" for number in (2, 4)
    ]


@pytest.mark.parametrize(
    ("name", "told"),
    [("notes.txt", "is named with an @: @"), ("table.fits", "tables are read as .ecsv, .csv")],
)
def test_a_list_or_table_that_is_taken_for_an_exposure_says_so(folder, name, told):
    """It was planned as an exposure that is no ASDF file."""
    (folder / name).touch()
    with pytest.raises(InputError, match=told):
        find([name], base=folder)
