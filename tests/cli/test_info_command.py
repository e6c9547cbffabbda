"""`romancal-rs info`: what it prints of one file and of several, for people and for programs."""

import json
from pathlib import Path

import numpy as np
import pytest

from romancal_rs import datamodels, dqflags
from romancal_rs.cli import main
from romancal_rs.datamodels import testing
from romancal_rs.inspection._text import reads

SEED_ERA = Path(__file__).parents[1] / "data" / "seed_era"


@pytest.fixture
def image(tmp_path) -> Path:
    model = datamodels.ImageModel(testing.create_wfi_image(shape=(4, 5)))
    model.data = np.arange(20, dtype=np.float32).reshape(4, 5)
    model.data[0, 1], model.data[3, 4] = np.nan, 1e6
    model.dq[3, 4] = dqflags.DO_NOT_USE
    return model.save(tmp_path / "image.asdf")


def printed(capsys, *words: object, status: int = 0) -> str:
    assert main(["info", *map(str, words)]) == status
    return capsys.readouterr().out


def test_several_files_one_after_the_other(simulated, image, capsys):
    out = printed(capsys, simulated.exposure, image)
    assert out.splitlines()[:2] == [
        str(simulated.exposure),
        "  ScienceRawModel, wfi_science_raw-2.1.0",
    ]
    assert f"\n{image}\n  ImageModel, wfi_image-2.1.0\n" in out
    assert "\n  RA, Dec [deg]   269.856004, +66.050311\n" in out
    assert "\n  start           2027-06-01T00:00:00.000\n" in out


def test_one_bad_file_does_not_stop_the_others(image, tmp_path, capsys):
    text = tmp_path / "notes.txt"
    text.write_text("notes")
    words = [str(tmp_path / "nowhere.asdf"), str(text), str(tmp_path), str(image)]
    assert main(["info", *words]) == 1
    out, err = capsys.readouterr()
    assert out.startswith(f"{image}\n  ImageModel")
    assert err.splitlines() == [
        f"romancal-rs: error: {words[0]}: No such file or directory",
        f"romancal-rs: error: {text}: not an ASDF file: it starts with b'notes'",
        f"romancal-rs: error: {tmp_path}: Is a directory",
    ]


def test_a_line_each(simulated, image, capsys):
    reference = simulated.references / "roman_wfi_flat_0001.asdf"
    raw, product, flat = printed(capsys, "-1", simulated.exposure, image, reference).splitlines()
    assert raw.split() == [
        *(str(simulated.exposure), "wfi_science_raw", "WFI01", "F158"),
        *("2027-06-01T00:00:00", "6", "72.96", "raw"),
    ]
    assert product.split() == [str(image), "wfi_image", "WFI01", "F158", "-", "2", "-", "0/11"]
    assert flat.split()[1:] == ["flat", "WFI01", "F158", "2020-01-01T00:00:00", "-", "-", "-"]
    starts = {
        line.index(f" {kind} ")
        for line, kind in zip(
            (raw, product, flat), ("wfi_science_raw", "wfi_image", "flat"), strict=True
        )
    }
    assert len(starts) == 1


def test_a_terminal_gets_a_heading(image, capsys, monkeypatch):
    monkeypatch.setattr("romancal_rs.cli.info.is_terminal", lambda stream: True)
    heading, line = printed(capsys, "-1", image).splitlines()
    assert heading.split() == [
        *("FILE", "KIND", "DETECTOR", "ELEMENT", "START", "RESULTANTS", "EXPOSURE[s]", "STATUS")
    ]
    assert line.index("wfi_image") == heading.index("KIND")


def test_json_is_an_array_with_an_object_for_each_file(image, tmp_path, capsys):
    missing = tmp_path / "nowhere.asdf"
    out = printed(capsys, "--json", "--stats", missing, image, status=1)
    failed, told = json.loads(out)
    assert failed == {"file": str(missing), "error": f"{missing}: No such file or directory"}
    assert (told["file"], told["kind"], told["status"]) == (str(image), "wfi_image", "0/11")
    assert told["exposure"]["read_pattern"] == [[1], [2]]
    numbers = {array["name"]: array for array in told["arrays"]}
    # 0, 2 ... 18 without NaN and what is not to be used.
    assert numbers["data"]["statistics"]["median"] == 9.5
    assert numbers["dq"]["flags"] == {"DO_NOT_USE": 1}
    assert isinstance(told["size"], int)


def test_numbers_on_request(image, capsys):
    assert "median" not in printed(capsys, image)
    lines = printed(capsys, "--stats", image).splitlines()
    (heading,) = [line for line in lines if line.startswith("  arrays")]
    assert heading == "  arrays (DO_NOT_USE left out of images: 1 pixel)"
    at = lines.index(heading)
    assert lines[at + 1].split() == ["min", "median", "max", "NaN"]
    data = next(line.split() for line in lines[at:] if line.startswith("    data "))
    assert data == ["data", "float32", "4", "x", "5", "0", "9.5", "18", "1"]
    assert lines[lines.index("  flags of dq") + 1].split() == ["DO_NOT_USE", "1"]


def test_the_tree_of_a_file_without_a_model(tmp_path, capsys):
    import asdf

    path = tmp_path / "other.asdf"
    asdf.AsdfFile({"target": {"name": "M31"}, "flux": np.zeros(3)}).write_to(path)
    out = printed(capsys, "--tree", path)
    assert "name (str): M31" in out
    assert "flux (NDArrayType): shape=(3,), dtype=float64" in out


def test_control_characters_of_a_file_do_not_reach_the_terminal(image, capsys):
    """The tree had them as they were; times had digits of rounding."""
    with datamodels.open(image) as model:
        model.meta.program.title = "\x1b[31mred\a"
        model.meta.exposure.exposure_time = 139.14867999999998
        model.save(image)
    for words in ([], ["--tree"], ["-1"], ["--stats"]):
        out = printed(capsys, *words, image)
        assert "\x1b" not in out
        assert "\a" not in out
    assert r"title (str): \x1b[31mred\x07" in printed(capsys, "--tree", image)
    assert "exposure [s]    139.14868\n" in printed(capsys, image)


def test_other_files_say_what_they_are(tmp_path, capsys):
    import asdf

    path = tmp_path / "other.asdf"
    asdf.AsdfFile({"target": {"name": "M31"}, "flux": np.zeros(3)}).write_to(path)
    out = printed(capsys, path)
    assert "\n  an ASDF file without Roman data\n" in out
    assert "\n    target.name       M31\n" in out
    assert "\n    flux  float64  3\n" in out


@pytest.mark.parametrize(
    ("pattern", "words"),
    [
        ([[1, 2], [3, 4]], "2 resultants of 2 reads each, 1-4"),
        ([[1], [2], [3]], "3 resultants of 1 read each, 1-3"),
        ([[1], [2, 3, 4], [7]], "3 resultants of reads 1, 2-4, 7"),
        ([[1, 3, 4], [5, 6, 9]], "2 resultants of reads 1+3-4, 5-6+9"),
        ([[1, 2, 3]], "1 resultant of reads 1-3"),
        ([[1]] + [[n, n + 1] for n in range(2, 30, 3)],
         "11 resultants of reads 1, 2-3, 5-6, 8-9, 11-12, 14-15, ..., 26-27, 29-30"),
        ([], ""),
        (None, ""),
        ("?", ""),
    ],
)  # fmt: skip
def test_read_patterns_in_few_words(pattern, words):
    assert reads(pattern) == words
