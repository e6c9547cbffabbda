"""``show --ramp`` as it is called: which pixel, what is written, what is told."""

import argparse
import csv
from pathlib import Path

import pytest

from romancal_rs.cli import show_ramp
from romancal_rs.errors import InputError
from romancal_rs.pipeline import ExposurePipeline


@pytest.fixture(scope="module")
def product(simulated, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("product")
    ExposurePipeline.call(
        str(simulated.exposure),
        references=str(simulated.references),
        save_results=True,
        output_dir=str(out),
    )
    return next(out.glob("*_cal.asdf"))


def parse(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("file")
    parser.add_argument("-o", "--output")
    parser.add_argument("--dark", action="store_true")
    parser.add_argument("--window", action="store_true")
    show_ramp.add_arguments(parser)
    return parser.parse_args(words)


def test_the_picture_is_named_after_the_exposure_and_the_pixel(
    product, tmp_path, monkeypatch, capsys
):
    pytest.importorskip("matplotlib")
    monkeypatch.chdir(tmp_path)
    assert show_ramp.run(parse(str(product), "--ramp=20,10")) == 0
    name = product.name.replace("_cal.asdf", "_ramp_20_10.png")
    assert capsys.readouterr().out == f"wrote {name}\n"
    assert Path(name).read_bytes().startswith(b"\x89PNG")
    (tmp_path / "pictures").mkdir()
    assert show_ramp.run(parse(str(product), "--ramp=20,10", "--dark", "-o", "pictures")) == 0
    assert (tmp_path / "pictures" / name).is_file()


def test_the_numbers_alone_need_no_picture(product, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert show_ramp.run(parse(str(product), "--ramp=20,10", "--table")) == 0
    told = capsys.readouterr().out
    assert "X 20, Y 10 in Level 2; column 24, row 14 in Level 1" in told
    assert "made anew: the same" in told
    assert list(tmp_path.iterdir()) == []


def test_the_numbers_are_written_with_their_units(product, tmp_path, capsys):
    from astropy.table import Table

    from romancal_rs.show.look import pixel_ramp

    ramp = pixel_ramp(product, 20, 10)
    for name in ("ramp.csv", "ramp.ecsv"):
        words = (str(product), "--ramp=20,10", f"--table={tmp_path / name}")
        assert show_ramp.run(parse(*words)) == 0
    with (tmp_path / "ramp.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [float(row["time [s]"]) for row in rows] == ramp.times.tolist()
    assert [float(row["as read [DN]"]) for row in rows] == ramp.raw.tolist()
    table = Table.read(tmp_path / "ramp.ecsv")
    assert table["time"].unit == "s"
    assert table["residual"].unit == "adu"
    assert table["residual"].tolist() == ramp.residuals.tolist()
    assert table.meta["gain"] == ramp.facts()["gain"]
    capsys.readouterr()


def test_a_table_of_no_kind_and_a_picture_of_no_kind_are_refused_first(tmp_path):
    missing = str(tmp_path / "none.asdf")  # which is not looked for yet
    with pytest.raises(InputError, match=r"expected a name in \.csv or \.ecsv"):
        show_ramp.run(parse(missing, "--ramp=20,10", "--table=ramp.txt"))
    pytest.importorskip("matplotlib")
    with pytest.raises(InputError, match=r"ends in \.png"):
        show_ramp.run(parse(missing, "--ramp=20,10", "-o", "ramp.pgn"))


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--ramp", "20"), "expected X,Y, two whole numbers such as 100,200; got '20'"),
        (("--ramp", "20,1.5"), "expected X,Y"),
        (("--sky", "270.1"), "expected RA,DEC, two numbers in degrees"),
        (("--sky", "270.1,-91"), "DEC from -90 to 90 degrees; got '270.1,-91'"),
        (("--sky", "nan,0"), "RA from 0 to 360"),
        (("--ramp=1,1", "--sky=1,1"), "not allowed with argument"),
    ],
)
def test_what_is_no_pixel_is_wrong_usage(words, told, capsys):
    with pytest.raises(SystemExit) as caught:
        parse("x.asdf", *words)
    assert caught.value.code == 2
    assert told in capsys.readouterr().err
