"""Rule files of CRDS: what is read, what is refused, and that nothing of them runs."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from romancal_rs.references import RuleFileError
from romancal_rs.references.crds_cache import BadParameterError
from romancal_rs.references.crds_cache.literal import MAX_BYTES, LiteralError, parse_sections
from romancal_rs.references.crds_cache.mapping import ContextMap, ReferenceMap, checksum

HEADER = """header = {
    'derived_from' : 'made by hand',
    'filekind' : 'FLAT',
    'instrument' : 'WFI',
    'mapping' : 'REFERENCE',
    'name' : 'roman_wfi_flat_0001.rmap',
    'observatory' : 'ROMAN',
    'parkey' : (('ROMAN.META.INSTRUMENT.DETECTOR',), ('ROMAN.META.EXPOSURE.START_TIME',)),
    'sha1sum' : '%s',
}
"""
SOUND = HEADER + "selector = Match({('WFI01',): UseAfter({'2020-01-01 00:00:00': 'a.asdf'})})\n"


def write(directory: Path, text: str, *, name: str = "roman_wfi_flat_0001.rmap") -> Path:
    """A rule file with its right checksum."""
    path = directory / name
    path.write_text(text.replace("%s", checksum(text)))
    return path


def refusal(path: Path) -> str:
    with pytest.raises(RuleFileError) as caught:
        ReferenceMap(path)
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith(f"{path}: ")
    return message.removeprefix(f"{path}: ")


def test_a_sound_file_chooses(tmp_path):
    rules = ReferenceMap(write(tmp_path, SOUND))
    header = {
        "ROMAN.META.INSTRUMENT.DETECTOR": "WFI01",
        "ROMAN.META.EXPOSURE.START_TIME": "2020-01-01T00:00:00.000",
    }
    assert rules.best_reference(header) == "a.asdf"


def test_sections_are_literals():
    text = "header = {'a': (1, -2.5, [True, None]), 'b': 1e-3}\ncomment = '''two\nlines'''\n"
    sections = parse_sections(text + "selector = {'WFI': 'x.imap'}  # a word, an import\n")
    assert sections == {
        "header": {"a": (1, -2.5, [True, None]), "b": 0.001},
        "comment": "two\nlines",
        "selector": {"WFI": "x.imap"},
    }


HOSTILE = {
    "call": ("selector = __import__('os').system('touch {mark}')", "'__import__'"),
    "open": ("selector = open('{mark}', 'w')", "'open'"),
    "call in a key": ("selector = Match({(open('{mark}', 'w'),): 'a'})", "'open'"),
    "attribute": ("selector = Match({}).__class__", "'__class__'"),
    "attribute of known words": ("selector = Match.Match", "is no literal"),
    "import": ("import os", "'import'"),
    "lambda": ("selector = lambda: 1", "'lambda'"),
    "f-string": ("selector = f'{open}'", "'f'"),
    "comprehension": ("selector = {x for x in ()}", "'x'"),
    "walrus": ("selector = (header := 1)", "is no literal"),
    "annotation": ("selector: Match({}) = 1", "expected an assignment"),
    "condition": ("selector = 1if 1else 2", "'1i'"),
    "unpacking": ("selector = Match(**{})", "'*'"),
    "subscript": ("selector = Match({})['a']", "is no literal"),
    "bytes": ("selector = b'x'", "'b'"),
    "complex number": ("selector = 1j", "'1j'"),
    "call of a literal": ("selector = True({})", "can be called"),
    "another selector": ("selector = Bracket({})", "'Bracket'"),
    "two dictionaries": ("selector = Match({}, {})", "takes one dictionary"),
    "unhashable key": ("selector = Match({[1]: 'a'})", "cannot be a key"),
    "other names": ("rules = {}", "'rules'"),
    "backslash": ("selector = Match(\\\n{})", "'\\\\'"),
    "control character": ("selector = Match({})\0", "'\\x00'"),
    "open string": ("selector = 'a", "unterminated"),
    "many brackets": ("selector = " + "(" * 100_000 + ")" * 100_000, "nested more than"),
    "nested selectors": (
        "selector = " + "Match({'a': " * 20_000 + "'x'" + "})" * 20_000,
        "nested more than",
    ),
    "nested minus": ("selector = " + "-" * 1_000_000 + "1", "'--'"),
    "long sum": ("selector = 1" + " - 1" * 90_000, "'1 -'"),
    "many strings": ("selector = " + "'a' " * 3_000_000, "strings, commas and brackets"),
    "many escaped quotes": ("selector = '''" + "\\'" * 1_000_000, "unterminated"),
    "a late import": ("selector = {" + "'a': 'b',\n" * 90_000 + "}\nimport os", "'import'"),
    "many numbers": ("1\n" * 7_000_000, "words and numbers"),
    "many words": ("header\n" * 2_000_000, "words and numbers"),
    "many statements": ("comment = 1\n" * 1_000_000, "assignments"),
    "many annotations": ("header:header\n" * 1_000_000, "strings, commas and brackets"),
    "many comparisons": ("selector = " + "header==" * 1_000_000 + "1", "assignments"),
    "many entries": ("selector = {" + "1:1," * 790_000 + "}", "strings, commas and brackets"),
    "half a character": (r"selector = Match({'\ud800': 'a'})", "is not text"),
    "a long number": ("selector = " + "9" * 1_000_000, "is no number of rules"),
}


@pytest.mark.parametrize("key", ["NOT " * 5000 + "WFI01", "#" * 20_000])
def test_a_key_of_many_levels_is_refused(tmp_path, key):
    assert "nested more than" in refusal(write(tmp_path, SOUND.replace("WFI01", key)))


def test_a_substitution_by_itself_ends(tmp_path):
    header = HEADER.replace(
        "'sha1sum'", "'substitutions' : {'%D' : {'B' : 'C', 'C' : 'B'}}, 'sha1sum'"
    ).replace("%D", "ROMAN.META.INSTRUMENT.DETECTOR")
    path = write(tmp_path, SOUND.replace(HEADER, header))
    with pytest.raises(BadParameterError, match="DETECTOR B is none of WFI01"):
        ReferenceMap(path).best_reference({"ROMAN.META.INSTRUMENT.DETECTOR": "B"})


def test_not_applicable_of_an_exposure_counts_nothing_even_where_a_glob_fits_it(tmp_path):
    # The glob counts 0 like the other key, so that both tables are merged and the later file wins.
    table = "UseAfter({'2020-01-01 00:00:00': '%F'})"
    keys = f"('*',): {table.replace('%F', 'a.asdf')}, ('WFI02',): {table.replace('%F', 'b.asdf')}"
    rules = ReferenceMap(write(tmp_path, HEADER + f"selector = Match({{{keys}}})\n"))
    header = {
        "ROMAN.META.INSTRUMENT.DETECTOR": "N/A",
        "ROMAN.META.EXPOSURE.START_TIME": "2020-01-01T00:00:00.000",
    }
    assert rules.best_reference(header) == "b.asdf"


@pytest.mark.parametrize("case", HOSTILE)
def test_hostile_text_is_refused_at_once_with_its_line(tmp_path, case):
    text, complaint = HOSTILE[case]
    mark = tmp_path / "mark"
    path = write(tmp_path, HEADER + text.replace("{mark}", str(mark)))
    started = time.thread_time()
    message = refusal(path)
    assert time.thread_time() - started < 5  # of CPU time, whatever else the machine does
    assert complaint in message
    assert message.startswith("line ")
    assert not mark.exists()


def test_the_line_is_that_of_the_offence(tmp_path):
    text = HEADER + 'comment = """\n1\n2\n"""\n\nselector = exit()\n'
    assert refusal(write(tmp_path, text)).startswith(f"line {text.count(chr(10), 0, -1) + 1}: ")


def test_a_file_of_17_mib_is_refused_without_being_read(tmp_path, monkeypatch):
    path = tmp_path / "roman_wfi_flat_0001.rmap"
    with path.open("wb") as file:
        file.truncate(MAX_BYTES + 1)
    monkeypatch.setattr(Path, "read_text", lambda *args, **kwargs: pytest.fail("was read"))
    assert "at most 16 MiB" in refusal(path)


def test_a_deep_condition_is_refused(tmp_path):
    for expression in ("(" + "not " * 200_000 + "True)", "(" * 90 + "1" + ",)" * 90):
        text = SOUND.replace(
            "    'sha1sum'", f"    'rmap_relevance' : '{expression}',\n    'sha1sum'"
        )
        message = refusal(write(tmp_path, text))
        assert "rmap_relevance" in message


@pytest.mark.parametrize(
    "expression",
    ["(open('x'))", "(A.__class__)", "([x for x in ()])", "(A + 'x')", "(A[0])", "(lambda: 1)"],
)
def test_a_condition_that_is_none_is_refused(tmp_path, expression):
    escaped = expression.replace("'", "\\'")
    text = SOUND.replace("    'sha1sum'", f"    'rmap_omit' : '{escaped}',\n    'sha1sum'")
    assert "holds more than match keys" in refusal(write(tmp_path, text))


def test_a_wrong_checksum_is_refused_unless_it_is_to_be_ignored(tmp_path):
    path = write(tmp_path, SOUND)
    path.write_text(path.read_text().replace("a.asdf", "b.asdf"))
    assert "sha1sum is not that of its text" in refusal(path)
    assert ReferenceMap(path, ignore_checksum=True).rows[0].choice == "b.asdf"


def test_a_missing_checksum_is_refused(tmp_path):
    path = tmp_path / "roman_wfi_flat_0001.rmap"
    path.write_text(SOUND.replace("    'sha1sum' : '%s',\n", ""))
    assert "sha1sum is missing" in refusal(path)


def test_the_checksum_is_sha1_of_the_other_lines():
    # printf 'a\nb\n' | sha1sum
    assert checksum("a\n'sha1sum' : 'x'\nb\n") == "05dec960e24d918b8a73a1c53bcbbaac2ee5c2e0"


@pytest.mark.parametrize("key", ["parkey", "filekind", "instrument", "derived_from", "mapping"])
def test_a_header_must_be_complete(tmp_path, key):
    lines = [line for line in SOUND.splitlines() if f"'{key}'" not in line]
    assert refusal(write(tmp_path, "\n".join(lines) + "\n")) == f"its header lacks {key}"


@pytest.mark.parametrize(
    ("selector", "complaint"),
    [
        ("Match({('WFI01', 'F158'): 'a.asdf'})", "should have 1 values"),
        ("Match({'WFI01': 'a.asdf', ('wfi01',): 'b.asdf'})", "more than once"),
        ("Match({'WFI01': 7})", "leads to 7"),
        ("Match({'(WFI.*)': 'a.asdf'})", "regular expressions"),
        ("Match({'BETWEEN 3 2': 'a.asdf'})", "BETWEEN lower upper"),
        ("Match({'WFI01': UseAfter({1: 'a.asdf'})})", "should be text"),
        ("UseAfter({'2020-01-01': Match({'a': UseAfter({})})})", "nested deeper"),
    ],
)
def test_unsound_selectors_are_refused_with_their_line(tmp_path, selector, complaint):
    message = refusal(write(tmp_path, HEADER + f"selector = {selector}\n"))
    assert complaint in message
    assert message.startswith("line 11: ")


def test_a_context_map_leads_to_names(tmp_path):
    text = HEADER + "selector = {'FLAT': 'roman_wfi_flat_0001.rmap', 'AREA': 'N/A'}\n"
    imap = ContextMap.load(write(tmp_path, text, name="roman_wfi_0001.imap"))
    assert imap.selections == {"flat": "roman_wfi_flat_0001.rmap", "area": "N/A"}
    bad = write(tmp_path, HEADER + "selector = {'FLAT': 1}\n", name="roman_wfi_0002.imap")
    with pytest.raises(RuleFileError, match=r"roman_wfi_0002.imap: .*'FLAT': 1"):
        ContextMap.load(bad)


def test_text_that_is_no_utf8_or_missing_is_refused(tmp_path):
    path = tmp_path / "roman_wfi_flat_0001.rmap"
    assert refusal(path) == "there is no such rule file"
    path.write_bytes(b"header = '\xff'")
    assert refusal(path) == "is not UTF-8 text"


def test_a_parser_error_never_leaves_as_something_else():
    for text in ("header = {", ")", "header = = 1", "\ufeff", "selector = {1: }", "header"):
        with pytest.raises(LiteralError):
            parse_sections(text)


@pytest.mark.parametrize(
    "entry",
    [
        "'extra_keys' : 5,",
        "'extra_keys' : None,",
        "'comment_parkeys' : (5,),",
        "'comment_parkeys' : 'DETECTOR',",
        "'parkey' : (('A',), ('B',), 5),",
        "'parkey' : (('A',), (5,)),",
        "'parkey' : 5,",
        "'substitutions' : 5,",
        "'reffile_required' : 5,",
        "'rmap_omit' : 5,",
        "'parkey_relevance' : 5,",
    ],
)
def test_an_odd_header_is_refused_by_name(tmp_path, entry):
    text = SOUND.replace("    'sha1sum'", f"    {entry}\n    'sha1sum'")
    key = entry.split("'")[1]
    assert key in refusal(write(tmp_path, text))


def test_a_negative_number_after_a_comment_is_no_subtraction(tmp_path):
    text = HEADER + "selector = Match({\n    # of old\n    -1 : 'a.asdf',\n    2: 'b.asdf'})\n"
    rules = ReferenceMap(write(tmp_path, text))
    header = {"ROMAN.META.INSTRUMENT.DETECTOR": "-1.0"}
    assert rules.best_reference(header) == "a.asdf"


def test_a_key_with_too_few_values_is_not_blamed_on_substitutions(tmp_path):
    path = tmp_path / "roman_wfi_flat_0001.rmap"
    path.write_text(
        "header = {'derived_from': 'x', 'filekind': 'FLAT', 'instrument': 'WFI', "
        "'mapping': 'REFERENCE', 'name': 'x', 'observatory': 'ROMAN', 'parkey': "
        "(('ROMAN.META.INSTRUMENT.DETECTOR', 'ROMAN.META.INSTRUMENT.OPTICAL_ELEMENT'), "
        "('ROMAN.META.EXPOSURE.START_TIME',))}\n"
        "selector = Match({('WFI01',): UseAfter({'2020-01-01 00:00:00': 'a.asdf'})})\n"
    )
    with pytest.raises(RuleFileError, match=r"Match key .*WFI01.* should have 2 values"):
        ReferenceMap(path, ignore_checksum=True)
