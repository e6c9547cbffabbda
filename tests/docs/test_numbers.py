"""Every number that was measured says how to get it again.

What a page measured stands in tables of decimal numbers, and in sentences on what something takes.
Each needs a source in its section, or in a section around it: a target of the Makefile, a file of
the tests, a benchmark of cargo, or a link to a page of measurements. What is named has to exist.
"""

from __future__ import annotations

import re

import pytest
from page_harness.pages import ROOT, page_names, path_of

MAKEFILE = (ROOT / "Makefile").read_text()
#: What names a way to get a number.
SOURCE = re.compile(
    r"`make (?P<target>[a-z][\w-]*)"
    r"|`(?:python )?(?P<file>tests/[\w./-]+)"
    r"|`python -m (?P<module>validation[\w.]*)"
    r"|`cargo bench(?: --bench (?P<bench>\w+))?`"
    r"|\]\((?:[\w./-]*/)?(?:performance|validation|validation-fits)\.md"
)
#: A cell that was measured: a decimal number, also with its error, or in bold.
MEASURED = re.compile(r"^\**[-+]?\d[\d,]*\.\d+(?: ± [\d.]+)?\**$")
#: A sentence that says what something takes.
TAKES = re.compile(
    r"\b(?:takes?|took|costs?|needs?|within|up to)\b[^.]*?\b\d+(?:\.\d+)? ?"
    r"(?:s|ms|ns|us|seconds|minutes|hours|MB|GB|MiB|GiB)\b"
)


def sections(text: str) -> list[tuple[str, list[str]]]:
    """Each section's own text, and those of the sections around it, from the outermost."""
    found, around = [], [(0, "")]
    text = re.sub(r"^ *```.*?^ *```$", "", text, flags=re.DOTALL | re.MULTILINE)
    parts = re.split(r"^(#+) .*$", text, flags=re.MULTILINE)
    for level, own in zip([0, *map(len, parts[1::2])], parts[::2], strict=True):
        around = [(outer, told) for outer, told in around if outer < level]
        found.append((own, [told for _, told in around]))
        around.append((level, own))
    return found


def is_measured(paragraph: str) -> bool:
    rows = [line.strip("| ").split("|") for line in paragraph.splitlines() if line[:1] == "|"]
    cells = [cell.strip() for row in rows for cell in row[1:]]
    if rows:
        is_of_parameters = "default" in paragraph.splitlines()[0]
        return not is_of_parameters and sum(map(bool, map(MEASURED.match, cells))) >= 3
    return TAKES.search(" ".join(paragraph.split())) is not None


def without_source(text: str) -> list[str]:
    """The beginnings of paragraphs and tables whose numbers have no source."""
    return [
        paragraph.strip()[:200]
        for own, around in sections(text)
        for paragraph in own.split("\n\n")
        if is_measured(paragraph.strip()) and not SOURCE.search("\n".join([own, *around]))
    ]


@pytest.mark.parametrize("page", page_names())
def test_measured_numbers_have_a_source(page):
    assert without_source(path_of(page).read_text(encoding="utf-8")) == []


@pytest.mark.parametrize("page", page_names())
def test_sources_exist(page):
    text = path_of(page).read_text(encoding="utf-8")
    for found in SOURCE.finditer(text):
        target, file, module, bench = found.group("target", "file", "module", "bench")
        if target:
            assert re.search(rf"^{target}:", MAKEFILE, re.MULTILINE), target
        if file:
            assert list(ROOT.glob(file.rstrip("."))), file
        if module:
            assert list((ROOT / "tests").glob(module.replace(".", "/") + "*")), module
        if bench:
            assert (ROOT / "rust" / "benches" / f"{bench}.rs").exists(), bench


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("# A\n\n| a | b |\n| - | - |\n| x | 1.5 | 2.5 | 3.5 |\n", 1),
        ("# A\n\n`make bench`:\n\n| a | b |\n| - | - |\n| x | 1.5 | 2.5 | 3.5 |\n", 0),
        ("# A\n\n`make bench`\n\n## B\n\nIt takes 3 s.\n", 0),
        ("# A\n\n## B\n\n`make bench`\n\n## C\n\nIt takes 3 s.\n", 1),
        ("# A\n\nIt takes three arguments, 2 at least.\n", 0),
    ],
)
def test_what_has_no_source_is_found(text, found):
    assert len(without_source(text)) == found
