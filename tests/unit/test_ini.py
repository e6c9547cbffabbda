"""What is wrong in files of ConfigObj's syntax is told with its line."""

import pytest

from romancal_rs.stpipe import ParameterError, config, configure, ini
from romancal_rs.stpipe.checks import expected
from romancal_rs.stpipe.logconfig import LogConfig, LogConfigError


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("class = a.B\nskip true\n", "line 2: 'skip true': expected NAME = VALUE or [SECTION]"),
        ("class = a.B\nskip = 1\nskip = 0\n", "line 3: 'skip = 0': it is there twice"),
        ("class = a.B\n[steps\n", "line 2: '[steps': expected NAME = VALUE or [SECTION]"),
        ("class = a.B\n[steps]\n[steps]\n", "line 3: '[steps]': it is there twice"),
        ("class = a.B\n[[steps]]]\n", "line 2: '[[steps]]]': the brackets of a section are"),
        ("class = a.B\nx = 'open\n", 'line 2: "x = \'open": the value cannot be read: is a quote'),
    ],
)
def test_a_file_that_cannot_be_parsed(tmp_path, text, told):
    path = tmp_path / "pars.cfg"
    path.write_text(text)
    with pytest.raises(ParameterError) as info:
        config.load(path)
    assert str(info.value).startswith(f"{path}: not a parameter file: {told}")
    assert "\n" not in str(info.value)


def test_a_file_that_is_no_text(tmp_path):
    path = tmp_path / "pars.cfg"
    path.write_bytes(b"class = \xff\xfe\n")
    with pytest.raises(ParameterError, match="not a parameter file: it is no text in UTF-8"):
        config.load(path)


PARS = """# comment
class = romancal_rs.pipeline.ExposurePipeline
save_wcs = '''
recipe = not this one
'''
"recipe" = 2023
[steps]
  [[rampfit]]
    algorithm = gls
    rejection_threshold = -1
"""


def test_lines_of_options():
    assert ini.lines_of_options(PARS) == {
        ("class",): 2,
        ("save_wcs",): 3,
        ("recipe",): 6,
        ("steps", "rampfit", "algorithm"): 9,
        ("steps", "rampfit", "rejection_threshold"): 10,
    }


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        ("", "", "ExposurePipeline: save_wcs = .* \\({}, line 3\\): expected true or false$"),
        (
            "save_wcs = '''\nrecipe = not this one\n'''",
            "",
            "recipe = '2023' \\({}, line 4\\): expected one of auto, 2022, flight$",
        ),
    ],
)
def test_a_wrong_value_is_told_with_its_line(tmp_path, before, after, told):
    from romancal_rs.pipeline import ExposurePipeline

    path = tmp_path / "pars.cfg"
    path.write_text(PARS.replace(before, after))
    with pytest.raises(ParameterError, match=told.format(path)):
        configure.build(ExposurePipeline, config=config.load(path))


def test_a_wrong_value_of_a_step_is_told_with_its_line(tmp_path):
    from romancal_rs.pipeline import ExposurePipeline

    path = tmp_path / "pars.cfg"
    path.write_text(
        f"class = romancal_rs.pipeline.ExposurePipeline\n{PARS[PARS.index('[steps]') :]}"
    )
    with pytest.raises(ParameterError) as info:
        configure.build(ExposurePipeline, config=config.load(path))
    assert str(info.value) == (
        f"rampfit: rejection_threshold = '-1' ({path}, line 5): too small; expected a number from "
        "0 to 1e9"
    )


def test_a_logging_configuration_tells_the_line(tmp_path):
    path = tmp_path / "log.cfg"
    path.write_text("[*]\nlevel: INFO\nhandler stdout\n")
    with pytest.raises(LogConfigError) as info:
        LogConfig.read(path)
    told = "line 2: 'level: INFO': expected NAME = VALUE or [SECTION]"
    assert str(info.value) == f"{path} is not a logging configuration file: {told}"


@pytest.mark.parametrize(
    ("check", "words"),
    [
        ("integer", "a whole number"),
        ("integer(1, 9)", "a whole number from 1 to 9"),
        ("float(max=2)", "a number to 2"),
        ("float(min=0, default=1)", "a number from 0"),
        ("option('a', 'b', default='a')", "one of a, b"),
        ("string(default=None)", "a text"),
        ("string(min=2, max=4)", "a text with 2 to 4 characters"),
        ("float_list(min=2, max=2)", "a list of numbers with 2 items"),
        ("int_list(min=1)", "a list of whole numbers with 1 or more items"),
        ("cores(default='none')", "none, quarter, half, all, or a number of threads from 1"),
        ("references(default=None)", "a directory of reference files"),
        ("ip_addr", "ip_addr"),  # a type of ConfigObj that no step here has
    ],
)
def test_what_is_expected_in_words(check, words):
    assert expected(check) == words
