"""The demonstration and the simulate command."""

from __future__ import annotations

import re
import sys

import numpy as np
import pytest

from romancal_rs import show
from romancal_rs.cli import main

ROOT = "r0000101001001001001_0001_wfi01_f158"


def png_size(path):
    """Width and height from the header of a PNG."""
    header = path.read_bytes()[:24]
    assert header[:8] == b"\x89PNG\r\n\x1a\n"
    return int.from_bytes(header[16:20], "big"), int.from_bytes(header[20:24], "big")


def test_demo_prints_the_comparison_and_writes_its_files(tmp_path, capsys):
    out = tmp_path / "out"
    assert main(["demo", "--output-dir", str(out), "--size", "200", "--resultants", "6"]) == 0
    printed = capsys.readouterr().out
    for name in ("uncal.asdf", "ramp.asdf", "cal.asdf", "wcs.asdf", "demo.png", "truth.npz"):
        assert (out / f"{ROOT}_{name}").is_file()
        assert f"{ROOT}_{name}" in printed
    assert len(list((out / "references").glob("*.asdf"))) == 13
    width, height = png_size(out / f"{ROOT}_demo.png")
    assert width > 1000
    assert height > 1000

    row = re.search(r"all of these +(\d+) +([+-][\d.]+) +([+-][\d.]+) +([\d.]+)", printed)
    n_pixels, _, pull, spread = (float(number) for number in row.groups())
    assert n_pixels > 0.7 * 192 * 192
    # What is left of the noise that pixels share moves all of so small an exposure together.
    assert abs(pull) < 0.05
    assert abs(spread - 1) < 0.03
    found = re.search(r"(\d+) hits, (\d+) found \([\d.]+%\), (\d+) missed", printed)
    n_hits, n_found, n_missed = (int(number) for number in found.groups())
    assert n_hits > 20
    assert n_found + n_missed == n_hits
    assert n_found >= 0.95 * n_hits
    found = re.search(r"(\d+) false jumps in (\d+) samples", printed)
    n_false, n_samples = (int(number) for number in found.groups())
    # At 4.5 sigma 2e-5 of samples, and as many again beside hits.
    assert n_false < 2e-4 * n_samples
    assert "\x1b" not in printed


def test_simulate_prints_what_it_wrote_and_the_next_command(tmp_path, capsys):
    out = tmp_path / "my files"
    arguments = ["simulate", str(out), "--rows", "30", "--cols", "41", "--detector", "WFI05"]
    arguments += ["--read-pattern", "1;2-3;4-8", "--optical-element", "PRISM", "--seed", "7"]
    assert main(arguments) == 0
    printed = capsys.readouterr().out
    root = "r0000101001001001001_0001_wfi05_prism"
    assert (out / f"{root}_uncal.asdf").is_file()
    assert (out / f"{root}_truth.npz").is_file()
    assert "30 x 41 pixels, 3 resultants, WFI05, PRISM, seed 7" in printed
    assert f"run roman_elp '{out}/{root}_uncal.asdf' --references '{out}/references'" in printed

    from romancal_rs import datamodels

    with datamodels.open(out / f"{root}_uncal.asdf") as raw:
        assert raw.data.shape == (3, 30, 41)
        assert raw.meta.exposure.type == "WFI_SPECTRAL"


def test_simulate_takes_the_amplitudes_of_a_flight_readout_and_leaves_it_out(tmp_path, capsys):
    from romancal_rs import datamodels

    small = ["--rows", "24", "--cols", "128", "--resultants", "2", "--reads", "1"]
    made = {}
    for name, options in {
        "flight": [],
        "silent": [f"--{name}=0" for name in ("bias-pattern", "correlated-noise", "dark-decay")],
        "ideal": ["--readout=ideal"],
    }.items():
        assert main(["simulate", str(tmp_path / name), *small, *options]) == 0
        assert ("--recipe 2022" in capsys.readouterr().out) == (name == "ideal")
        with datamodels.open(tmp_path / name / f"{ROOT}_uncal.asdf") as raw:
            made[name] = np.array(raw.data, dtype=int)
        assert len(list((tmp_path / name / "references").iterdir())) == (
            9 if name == "ideal" else 13
        )
    assert (made["flight"] - made["ideal"]).mean() > 50
    # What is left is the nonlinearity of the converters.
    assert 0 < np.abs(made["silent"] - made["ideal"]).max() < 10
    assert main(["simulate", str(tmp_path / "no"), *small, "--readout=2022"]) == 1
    assert "readout: must be flight or ideal, got '2022'" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["simulate", "demo"])
def test_impossible_sizes_end_in_one_line(command, tmp_path, capsys):
    out = tmp_path / "out"
    where = [str(out)] if command == "simulate" else ["--output-dir", str(out)]
    assert main([command, *where, "--size", "5"]) == 1
    error = capsys.readouterr().err
    assert "rows: must be between 9 and 4096, got 5" in error
    assert error.count("\n") == 1
    assert not out.exists()


def test_the_picture_of_a_demo_is_named_after_the_image_that_it_shows(tmp_path, monkeypatch):
    drawn = []
    save = show.save
    monkeypatch.setattr(
        show, "save", lambda figure, path: drawn.append(figure) or save(figure, path)
    )
    assert main(["demo", "--output-dir", str(tmp_path), "--size", "150", "--resultants", "3"]) == 0
    assert drawn[0].texts[0].get_text() == f"{ROOT}_cal.asdf"


def test_a_demo_without_matplotlib_leaves_the_picture_out_and_tells_how_it_comes(
    tmp_path, capsys, monkeypatch
):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    assert main(["demo", "--output-dir", str(tmp_path), "--size", "150", "--resultants", "3"]) == 0
    printed = capsys.readouterr().out
    assert "No picture: " in printed
    assert 'pip install "romancal-rs[plot]"' in printed
    assert "demo.png" not in printed
    assert not list(tmp_path.glob("*.png"))
    assert (tmp_path / f"{ROOT}_cal.asdf").is_file()
