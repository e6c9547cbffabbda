"""The command `show`: what it writes where, and what it says of what cannot be."""

from __future__ import annotations

import sys
from pathlib import Path

import matplotlib
import pytest

from romancal_rs import show
from romancal_rs.cli import main
from romancal_rs.cli.options import pixel_flags
from romancal_rs.cli.windows import fit_window
from romancal_rs.datamodels import ImageModel, testing
from romancal_rs.dqflags import pixel


@pytest.fixture
def product(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    image = ImageModel(testing.create_wfi_image((40, 60)))
    image.data[:] = 1.5
    image.dq[3, 4] = pixel["DEAD"]
    Path("out").mkdir()
    return str(image.save("out/r0001_wfi01_cal.asdf"))


def png_size(path):
    """Width and height from the header of a PNG."""
    header = Path(path).read_bytes()[:24]
    assert header[:8] == b"\x89PNG\r\n\x1a\n"
    return int.from_bytes(header[16:20], "big"), int.from_bytes(header[20:24], "big")


def test_a_picture_is_written_beside_the_user_by_the_name_of_its_file(product, capsys):
    assert main(["show", product]) == 0
    assert capsys.readouterr().out == "wrote r0001_wfi01_cal.png\n"
    width, height = png_size("r0001_wfi01_cal.png")
    assert width > 1500
    assert height > 1500


def test_previews_and_thumbnails_have_names_and_sizes_of_their_own(product, capsys):
    assert main(["show", "--preview", product]) == 0
    assert main(["show", "--thumbnail", product]) == 0
    assert capsys.readouterr().out.split() == [
        *("wrote", "r0001_wfi01_cal_preview.png"),
        *("wrote", "r0001_wfi01_cal_thumbnail.png"),
    ]
    assert png_size("r0001_wfi01_cal_preview.png") == (27 * 60, 27 * 40)
    assert png_size("r0001_wfi01_cal_thumbnail.png") == (4 * 60, 4 * 40)


def test_the_output_is_a_file_of_its_format_or_a_directory(product, capsys, simulated):
    assert main(["show", product, "--array=data", "-o", "a.svg"]) == 0
    assert Path("a.svg").read_text().startswith("<?xml")
    raw = str(simulated.exposure)
    assert main(["show", "--thumbnail", product, raw, "-o", "out"]) == 0
    names = ["r0001_wfi01_cal_thumbnail.png", f"{simulated.exposure.stem}_thumbnail.png"]
    assert [path.name for path in sorted(Path("out").glob("*.png"))] == sorted(names)
    assert "wrote out/r0001_wfi01_cal_thumbnail.png\n" in capsys.readouterr().out


def test_flags_and_themes_reach_the_picture(product, monkeypatch):
    from romancal_rs import show

    asked = {}
    draw = show.picture
    monkeypatch.setattr(show, "picture", lambda file, **how: asked.update(how) or draw(file, **how))
    assert main(["show", product, "--dark", "--flag=dead,hot", "--flag", "JUMP_DET"]) == 0
    assert asked == {"arrays": [], "flags": ["dead", "hot", "JUMP_DET"], "theme": "dark"}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["-o", "a.pgn"], "a.pgn: expected a picture, which ends in .png, .pdf, .svg, .jpg; did"),
        (["-o", "a"], "a: expected a picture, which ends in .png"),
        (["--preview", "-o", "a.pdf"], "a.pdf: a preview is a PNG; give a name that ends in .png"),
        (["--array", "dat"], "r0001_wfi01_cal.asdf: no array 'dat'; did you mean 'data'?"),
        (["--flag", "DEAT"], "'DEAT' is not a flag of a pixel; did you mean 'DEAD'?"),
        (["--thumbnail", "--flag=HOT"], "--flag is for pictures with axes; leave out --thumbnail"),
        (["-o", "no/a.png"], "no/a.png: there is no such directory"),
        (["out/r0001_wfi01_cal.asdf"], "r0001_wfi01_cal.png: is for both "),
        (["missing.asdf"], "missing.asdf: No such file"),
        (["out/r0001_wfi01_cal.asdf", "-o", "a.png"], "a.png: is for 2 pictures; give a directory"),
    ],
)
def test_what_cannot_be_is_told_in_one_line(product, capsys, options, message):
    assert main(["show", product, *options]) == 1
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert not Path("a.png").exists()


def test_the_shell_completes_flags_in_the_case_that_was_begun():
    assert pixel_flags("NO_S") == ["NO_SAT_CHECK"]
    assert pixel_flags("hot,no_l") == ["hot,no_lin_corr"]
    assert not any("RESERVED" in name for name in pixel_flags(""))


def test_windows_need_a_display(product, capsys, monkeypatch):
    monkeypatch.setattr(sys, "platform", "linux")
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    assert main(["show", product, "--window"]) == 1
    assert "--window: there is no display" in capsys.readouterr().err
    monkeypatch.setenv("DISPLAY", ":0")  # and a matplotlib that draws into files alone
    monkeypatch.setenv("MPLBACKEND", "agg")
    monkeypatch.setitem(matplotlib.rcParams, "backend", "agg")
    for words in ([], ["--ramp=3,4"]):
        assert main(["show", product, "--window", *words]) == 1
        assert "leave it out to write a PNG" in capsys.readouterr().err


def test_what_draws_a_whole_file_is_not_for_the_ramp_of_a_pixel(product, capsys):
    for option in ("--preview", "--thumbnail", "--array=data", "--flag=HOT"):
        assert main(["show", product, "--ramp=3,4", option]) == 1
        name = option.partition("=")[0]
        assert f"{name} is for pictures of a whole FILE" in capsys.readouterr().err


def test_a_window_is_no_larger_than_screens_are(product):
    """It was as large as the file is, of which screens show a corner."""
    figure = show.picture(product)
    width, height = figure.get_size_inches()
    fit_window(figure)
    assert figure.bbox.height == pytest.approx(900)
    assert figure.bbox.width == pytest.approx(900 * width / height)


def test_without_matplotlib_the_extra_is_named_before_anything_is_read(capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    assert main(["show", "missing.asdf"]) == 1
    expected = 'romancal-rs show needs matplotlib, which is not installed: pip install "romancal-rs'
    assert expected in capsys.readouterr().err


def test_options_of_a_ramp_alone_are_told_what_they_are_for(product, capsys):
    assert main(["show", product, "--table"]) == 1
    assert "--table is for the ramp of a pixel: give --ramp=X,Y" in capsys.readouterr().err
    assert main(["show", product, product, "--ramp=3,4"]) == 1
    assert "--ramp draws a pixel of one FILE, got 2" in capsys.readouterr().err
