"""Scalars of heads are what PyYAML makes of them, whichever way they are written."""

import pytest
import yaml

from romancal_rs import _yaml_head

TEXTS = (
    "12 -0x1f 0b101 0o17 017 1_000 190:20:30 1e5 1.0e+5 1.5 .5 .inf -.INF .nan ~ null Null yes No "
    "TRUE off y 2027-03-01 2027-03-01T10:00:00Z 2001-12-14t21:59:43.10-05:00 = << WFI01 a.b/c '12' "
    "'yes' \"1.5\" \"\\x41\" !!str 12 !!int '12' !!float 1 !!bool 'yes' !!null x !!binary aGk= "
)


def texts():
    words = iter(TEXTS.split())
    for word in words:
        yield f"{word} {next(words)}" if word.startswith("!!") else word


@pytest.mark.parametrize("text", [*texts(), "", "a" * 65, "1" * 65, "'" + "b" * 200 + "'"])
def test_a_scalar_is_what_pyyaml_makes_of_it(text):
    if text == "=":  # which PyYAML takes for a value of its own kind, and cannot make
        expected = "="
    elif text == "<<":
        expected = "<<"
    else:
        expected = yaml.safe_load(f"- {text}")[0]
    for _ in range(2):  # also when it is known
        found = _yaml_head.parse_tagged(f"- {text}".encode())[0]
        assert type(found) is type(expected)
        assert found == expected or (found != found and expected != expected)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("2027-13-01", "timestamp"),
        ("!!int x", "int"),
        ("!!float a.b", "float"),
        ("!!bool 7", "bool"),
    ],
)
def test_a_scalar_that_is_not_of_its_kind_is_named_with_its_line(text, kind):
    for _ in range(2):
        with pytest.raises(_yaml_head.HeadError, match=rf"line 2: '.*' is no {kind}"):
            _yaml_head.parse_tagged(f"-\n- {text}".encode())
