"""Every code block of every page runs, or is checked.

The examples of a page run one after the other in one directory, as its reader would run them. In
`tests/page_harness`, `running.py` says what a block may be, `worlds.py` what the directory holds,
`pages.py` what single pages need besides, and `exceptions.py` what does not run, and why.
"""

from __future__ import annotations

import re

import pytest
from page_harness import comparing, exceptions
from page_harness.blocks import Block, blocks_of
from page_harness.pages import PAGES, ROOT, blocks, page_names, path_of
from page_harness.running import BlockError, PageRun

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("page", [name for name in page_names() if blocks(name)])
def test_the_blocks_of_a_page_do_what_it_says(page, page_run):
    for block in blocks(page):
        if not any(exception.covers(block) for exception in exceptions.BLOCKS):
            page_run.run(block)
    check = PAGES[page].check if page in PAGES else None
    if check:
        check(page_run, blocks(page), path_of(page).read_text(encoding="utf-8"))


def test_no_exception_is_out_of_date():
    """Each is of a block that there is, on a page that there is."""
    pages = page_names()
    found = [block for page in pages for block in blocks(page)]
    for exception in exceptions.BLOCKS:
        assert any(map(exception.covers, found)), exception
    lines = [line for block in found for line in block.text.splitlines()]
    for pattern in exceptions.COMMANDS:
        assert any(re.match(rf"(\$ )?{pattern}(?!\S)", line) for line in lines), pattern
    reasons = [*exceptions.COMMANDS.values(), *(exception.why for exception in exceptions.BLOCKS)]
    for path in re.findall(r"(?:tests|rust)/[\w/.]+\w", "\n".join(reasons)):
        assert (ROOT / path).exists(), path
    assert PAGES.keys() <= set(pages)


@pytest.mark.parametrize(
    ("command", "runs"),
    [
        ('pip install "romancal-rs[s3]"', False),
        ("python -m pip install x", False),
        ("python3 -m venv .venv", False),
        ("source roman/bin/activate", False),
        ("pip list", True),
        ("source <(romancal-rs completion bash)", True),
        ("romancal-rs demo", True),
    ],
)
def test_which_commands_run(command, runs):
    assert (exceptions.why_not_run(command) == "") == runs


def test_an_extra_that_does_not_exist_is_found():
    with pytest.raises(AssertionError, match="nonsense"):
        exceptions.why_not_run('pip install "romancal-rs[nonsense]"')


# --- the harness itself


def a_run(tmp_path) -> PageRun:
    return PageRun(tmp_path)


def block(language: str, text: str, file: str = "") -> Block:
    return Block("page.md", 1, language, text, file)


def test_blocks_are_found_in_lists_and_notes(tmp_path):
    page = tmp_path / "page.md"
    page.write_text(
        "1. An item\n\n   ```sh\n   a \\\n     b\n   ```\n\n"
        "`x.ini`, a file:\n\n```ini\n[a]\n```\n\n"
        "````{note}\nText\n\n```python\n1\n```\n````\n\n"
        "```{toctree}\nindex\n```\n\n    indented\n"
    )
    assert blocks_of(page, "page.md") == [
        Block("page.md", 4, "sh", "a \\\n  b\n", ""),
        Block("page.md", 11, "ini", "[a]\n", "x.ini"),
        Block("page.md", 18, "python", "1\n", ""),
        Block("page.md", 26, "indented", "indented\n", ""),
    ]


@pytest.mark.parametrize(
    "wrong",
    [
        block("", "anything\n"),
        block("indented", "anything\n"),
        block("fortran", "END\n"),
        block("python", "len('abc')  # 4\n"),
        block("python", "print('abc')  # 'abd'\n"),
        block("python", "print((5, 6))  # (5, 7): without the border\n"),
        block("sh", "false\n"),
        block("sh", "pip install x && false\n"),
        block("sh", "romancal-rs info no_such_file.asdf\n"),
        block("sh", "make no-such-target\n"),
        block("console", "$ echo one\ntwo\n"),
        block("console", "$ romancal-rs --version\nromancal-rs 99.0\n"),
        block("text", "what nobody printed\n"),
    ],
)
def test_a_block_that_does_not_do_what_it_says_fails(wrong, tmp_path):
    with pytest.raises(BlockError):
        a_run(tmp_path).run(wrong)


def test_a_block_that_raises_says_where(tmp_path):
    with pytest.raises(ZeroDivisionError) as caught:
        a_run(tmp_path).run(block("python", "a = 1\na / 0\n"))
    assert caught.value.__notes__ == ["at page.md:2: a / 0"]


@pytest.mark.parametrize(
    ("language", "text"),
    [("ini", "[*]\nlevel = LOUD\n"), ("ini", "no_class = 1\n"), ("json", "{,}")],
)
def test_content_that_its_reader_refuses_fails(language, text, tmp_path):
    with pytest.raises(ValueError, match=r"\S"):
        a_run(tmp_path).run(block(language, text))


def test_blocks_of_a_page_share_names_and_files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run = a_run(tmp_path)
    run.run(block("python", "a = [1]\n"))
    run.run(block("python", "a + [2]  # [1, 2]\nprint(*a, 3)\n"))
    run.run(block("text", "1 3\n"))
    run.run(block("sh", "echo $((1 + 1)) > 'a file'  # a comment\n"))
    run.run(block("console", "$ cat a*e\n2\n$ romancal-rs --nonsense\n...\n$ echo $?\n2\n"))


@pytest.mark.parametrize(
    ("shown", "printed", "same"),
    [
        ("a  b", "a    b\n", True),
        ("a b", "ab\n", False),
        ("took 0.6 s", "took 12.25 s\n", True),
        ("took 0.6 m", "took 0.7 m\n", False),
        ("a\n...\nd", "a\nb\nc\nd\n", True),
        ("a\n...\nd", "a\nd\n", True),
        ("a\nd", "a\nb\nd\n", False),
        ("x ... z", "x y z\n", True),
        ("1.5 DN", "1.6 DN\n", False),
    ],
)
def test_what_may_differ_between_what_is_shown_and_printed(shown, printed, same):
    assert (comparing.differences(shown, printed) == "") == same
