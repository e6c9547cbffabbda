"""`romancal-rs validate`: what is wrong, a line each, and the exit status that says whether."""

import json

import pytest

from romancal_rs.cli import main


@pytest.fixture
def spoilt(simulated, tmp_path):
    """A raw exposure with two errors, under another name."""
    path = tmp_path / "spoilt_uncal.asdf"
    content = simulated.exposure.read_bytes()
    for old, new in (
        (b"detector: WFI01", b"detector: WFI77"),
        (b"hga_move: f", b"hga_move: 'f' #"),
    ):
        assert old in content
        content = content.replace(old, new, 1)
    path.write_bytes(content)
    return path


def test_nothing_is_wrong(simulated, capsys):
    assert main(["validate", str(simulated.exposure)]) == 0
    assert capsys.readouterr().out == f"{simulated.exposure}: nothing is wrong\n"


def test_every_problem_is_a_line_and_the_last_counts_them(simulated, spoilt, capsys):
    assert main(["validate", str(spoilt), str(simulated.exposure)]) == 1
    out, err = capsys.readouterr()
    first, second, note, last, other = out.splitlines()
    assert first.startswith(f"{spoilt}: error: meta.exposure.hga_move: 'f' is not of type")
    assert second.startswith(f"{spoilt}: error: meta.instrument.detector: 'WFI77' is not one of")
    assert note.startswith(f"{spoilt}: note: meta.filename: says '{simulated.exposure.name}'")
    assert last == f"{spoilt}: 2 errors, 1 note"
    assert other == f"{simulated.exposure}: nothing is wrong"
    assert err == ""


def test_notes_alone_are_no_failure(simulated, tmp_path, capsys):
    path = tmp_path / "other_uncal.asdf"
    path.write_bytes(simulated.exposure.read_bytes())
    assert main(["validate", str(path)]) == 0
    assert capsys.readouterr().out.endswith(f"{path}: nothing is wrong, 1 note\n")


def test_a_file_that_is_not_there_does_not_stop_the_others(simulated, tmp_path, capsys):
    missing = tmp_path / "nowhere.asdf"
    assert main(["validate", str(missing), str(simulated.exposure)]) == 1
    out, err = capsys.readouterr()
    assert out == f"{simulated.exposure}: nothing is wrong\n"
    assert err == f"romancal-rs: error: {missing}: No such file or directory\n"


def test_json(simulated, spoilt, tmp_path, capsys):
    missing = tmp_path / "nowhere.asdf"
    words = [str(simulated.exposure), str(spoilt), str(missing)]
    assert main(["validate", "--json", *words]) == 1
    sound, wrong, failed = json.loads(capsys.readouterr().out)
    assert sound == {"file": words[0], "is_sound": True, "errors": [], "notes": []}
    assert (wrong["file"], wrong["is_sound"]) == (words[1], False)
    assert [found["place"] for found in wrong["errors"]] == [
        *("meta.exposure.hga_move", "meta.instrument.detector")
    ]
    assert wrong["notes"][0]["place"] == "meta.filename"
    assert failed == {"file": words[2], "error": f"{missing}: No such file or directory"}
