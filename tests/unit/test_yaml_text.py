"""The writer of heads: what stands there, and that two readers of YAML read it so."""

import datetime
import math

import pytest
import yaml

from romancal_rs import _yaml_head
from romancal_rs._tagged import Tagged
from romancal_rs._yaml_text import document, scalar

LOADERS = {"C": getattr(yaml, "CSafeLoader", yaml.SafeLoader), "Python": yaml.SafeLoader}


def body(value) -> str:
    start, end = "%YAML 1.1\n%TAG ! tag:stsci.edu:asdf/\n---", "...\n"
    text = document(value)
    assert text.startswith(start)
    assert text.endswith(end)
    return text[len(start) : -len(end)]


def test_what_fits_stands_in_one_line_and_all_else_below_its_name():
    tree = {
        "exposure": {"read_pattern": [[1], [2, 3]], "start_time": Tagged("tag:x/time-1", "now")},
        "unit": [Tagged("tag:stsci.edu:asdf/unit/unit-1.0.0", "deg")],
        "steps": [{"name": "sky", "inverse": {"offset": [0.5, -1e-7]}}, [[1, 2], []], []],
        "nothing": {},
    }
    assert body(tree) == (
        "\n"
        "exposure:\n"
        "  read_pattern:\n"
        "    - [1]\n"
        "    - [2, 3]\n"
        "  start_time: !<tag:x/time-1> now\n"
        "unit: [!unit/unit-1.0.0 deg]\n"
        "steps:\n"
        "  - name: sky\n"
        "    inverse:\n"
        "      offset: [0.5, -1.0e-07]\n"
        "  - - [1, 2]\n"
        "    - []\n"
        "  - []\n"
        "nothing: {}\n"
    )


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, "null"),
        (True, "true"),
        (-7, "-7"),
        (0.1, "0.1"),
        (1e16, "1.0e+16"),
        (-math.inf, "-.inf"),
        (math.nan, ".nan"),
        (b"\xff", '!!binary "/w=="'),
        (datetime.date(2027, 3, 1), "2027-03-01"),
        ("WFI_IMAGE|", "WFI_IMAGE|"),
        ("a b/c-d_e.f (g)", "a b/c-d_e.f (g)"),
        ("No", "'No'"),
        ("null", "'null'"),
        ("12", "'12'"),
        ("2027-03-01", "'2027-03-01'"),
        ("", "''"),
        (" a", "' a'"),
        ("a: b", "'a: b'"),
        ("a #b", "'a #b'"),
        ("it's", "'it''s'"),
        ("Å", "'Å'"),
        ("a\n\tb", '"a\\n\\tb"'),
        ('"\\\x07', '"\\"\\\\\\x07"'),
        ("\x85\u2028\ufeff", '"\\x85\\u2028\\ufeff"'),
    ],
)
def test_a_value_is_quoted_where_it_would_be_taken_for_another(value, expected):
    assert scalar(value) == expected
    for loader in LOADERS.values():
        read = yaml.load(f"- {expected}\n", Loader=loader)[0]
        assert read == value or (read != read and value != value)
        assert type(read) is type(value)


@pytest.mark.parametrize("loader", LOADERS)
def test_names_may_be_of_any_length_and_no_text_at_all(loader):
    tree = {"k" * 3000: {"é" * 1000: [1]}, True: 1, 2: 2, 2.5: "x" * 5000, "1": 3, "y": 4}
    assert yaml.load(document(tree), Loader=LOADERS[loader]) == tree


def test_what_is_there_twice_is_written_once_and_may_hold_itself():
    shared = Tagged("tag:a", {"offset": 1.5})
    tree = {"there": [shared, shared], "back": shared, "empty": [[], []]}
    assert body(tree) == (
        "\n"
        "there:\n"
        "  - &id001 !<tag:a> {offset: 1.5}\n"
        "  - *id001\n"
        "back: *id001\n"
        "empty:\n"
        "  - []\n"
        "  - []\n"
    )
    assert _yaml_head.parse(document(tree).encode())["back"] == {"offset": "1.5"}
    ring: dict[str, object] = {"name": "ring"}
    ring["inverse"] = ring
    read = yaml.safe_load(document(ring))
    assert read["inverse"] is read


def test_what_has_no_place_in_yaml_is_refused():
    with pytest.raises(TypeError, match=r"YAML has no place for a builtins\.complex"):
        document({"x": [1j]})
