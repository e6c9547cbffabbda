"""``--debug`` and ``--verbose``: the debugger and the traceback, on demand only."""

import pdb

import pytest

from romancal_rs.cli import main


@pytest.fixture
def arguments(simulated):
    return ["run", "roman_elp", "nowhere_uncal.asdf", f"--references={simulated.references}"]


def test_debug_starts_the_debugger_where_the_error_was_raised(arguments, monkeypatch):
    shown = []
    monkeypatch.setattr(pdb, "post_mortem", shown.append)
    with pytest.raises(FileNotFoundError):
        main([*arguments, "--debug"])
    (traceback,) = shown
    while traceback.tb_next is not None:
        traceback = traceback.tb_next
    assert traceback.tb_frame.f_code.co_filename.endswith("_files.py")  # which opens files


def test_verbose_shows_messages_and_traceback(arguments, capsys):
    with pytest.raises(FileNotFoundError):
        main([*arguments, "--verbose"])
    assert (
        "stpipe.ExposurePipeline - INFO - Step ExposurePipeline running" in capsys.readouterr().err
    )


def test_otherwise_there_is_one_line(arguments, capsys):
    assert main(arguments) == 1
    assert capsys.readouterr().err == (
        "romancal-rs: error: nowhere_uncal.asdf: No such file or directory\n"
    )
