"""romancal-rs diff and export: what they print, what they write, and how they end."""

from __future__ import annotations

import json

import numpy as np
import pytest
from astropy.io import fits

from romancal_rs.cli import main
from romancal_rs.datamodels import GainRefModel, ImageModel, testing


@pytest.fixture
def product(tmp_path):
    image = ImageModel(testing.create_wfi_image(shape=(6, 9)))
    image.data = np.ones((6, 9), np.float32)
    return image.save(tmp_path / "r1_cal.asdf")


@pytest.fixture
def other(product, tmp_path):
    image = ImageModel(product)
    image.data[2, 3] = 1.5
    image.meta.instrument.detector = "WFI07"
    return image.save(tmp_path / "r2_cal.asdf")


@pytest.fixture
def command(capsys):
    def run(*arguments: object) -> tuple[int, str, str]:
        status = main([*map(str, arguments)])
        out, err = capsys.readouterr()
        return status, out, err

    return run


def test_diff_of_the_same_ends_with_0(product, command):
    status, out, err = command("diff", product, product)
    assert (status, err) == (0, "")
    assert out.splitlines()[-1] == "A and B are the same"
    assert command("diff", "--brief", product, product) == (0, "", "")


def test_diff_of_others_ends_with_1_and_tells_what(product, other, command):
    status, out, err = command("diff", product, other)
    assert (status, err) == (1, "")
    lines = [" ".join(line.split()) for line in out.splitlines()]
    assert f"B {other}" in lines
    assert "data 1 of 54 differ (1.9 %)" in lines
    assert "|A - B|: median 0.5, largest 0.5" in lines
    assert "largest at row 2, column 3: 1 in A, 1.5 in B" in lines
    assert "meta.instrument.detector: WFI01 in A, WFI07 in B" in lines
    assert any(line.startswith("not compared: meta.file_date, meta.filename") for line in lines)
    assert lines[-1] == "A and B differ"
    assert command("diff", "-q", product, other) == (1, f"{product} and {other} differ\n", "")


def test_diff_with_a_tolerance(product, other, command):
    assert "data same 54 values" in " ".join(
        command("diff", "--atol=0.5", product, other)[1].split()
    )


def test_diff_as_json(product, other, command):
    status, out, _ = command("diff", "--json", product, other)
    found = json.loads(out)
    assert status == 1
    assert found["same"] is False
    (data,) = [array for array in found["arrays"] if array["name"] == "data"]
    assert data["worst"] == [2, 3]
    assert data["size"] == {"median": 0.5, "largest": 0.5}


@pytest.mark.parametrize("what", ["missing", "kind", "format", "tolerance"])
def test_diff_ends_with_2_where_it_cannot_tell(what, product, tmp_path, command):
    text = tmp_path / "text.asdf"
    text.write_text("no product")
    gain = GainRefModel(testing.create_gain()).save(tmp_path / "gain.asdf")
    arguments, message = {
        "missing": ([product, tmp_path / "nix.asdf"], "nix.asdf: No such file or directory"),
        "kind": ([product, gain], "only products of one kind can be compared"),
        "format": ([product, text], "text.asdf: not an ASDF file"),
        "tolerance": ([product, product, "--rtol=-1"], "rtol = -1.0: expected a number from 0"),
    }[what]
    status, out, err = command("diff", *arguments)
    assert (status, out) == (2, "")
    assert message in err


def test_diff_of_wrong_usage_ends_with_2(product, capsys):
    with pytest.raises(SystemExit) as ended:
        main(["diff", str(product)])
    assert ended.value.code == 2


def test_export_writes_beside_whoever_asks(product, tmp_path, command, monkeypatch):
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    status, out, err = command("export", product)
    assert (status, err) == (0, "")
    assert [entry.name for entry in here.iterdir()] == ["r1_cal.fits"]
    lines = [" ".join(line.split()) for line in out.splitlines()]
    assert lines[:2] == ["r1_cal.fits", "SCI float32 6 x 9 DN/s"]
    assert lines[-1].startswith("left out: chisq, dumo, amp33, border_ref_pix_left")
    np.testing.assert_array_equal(fits.getdata("r1_cal.fits", "SCI"), 1)


@pytest.mark.parametrize("how", [["{}"], ["-o", "{}"], ["--output={}"]])
def test_export_writes_where_it_is_told_to(how, product, tmp_path, command):
    path = tmp_path / "x.fits"
    assert command("export", "-q", product, *(word.format(path) for word in how)) == (0, "", "")
    assert fits.getdata(path, "DQ").shape == (6, 9)


def test_export_replaces_a_file_only_if_asked(product, tmp_path, command):
    path = tmp_path / "x.fits"
    path.write_text("mine")
    status, _, err = command("export", product, path)
    assert status == 1
    assert "x.fits: there is a file of this name; --overwrite replaces it" in err
    assert path.read_text() == "mine"
    assert command("export", product, path, "--overwrite", "--all")[0] == 0
    assert fits.getdata(path, "BORDER_REF_PIX_LEFT").ndim == 3


def test_export_of_two_outputs_is_refused(product, command):
    status, _, err = command("export", product, "x.fits", "-o", "y.fits")
    assert status == 1
    assert "two files to write: x.fits and y.fits; give one" in err
