"""What the pages of `docs` say in words; their blocks of code run in tests/docs."""

import argparse
import re
from pathlib import Path

import pytest

from romancal_rs import cli
from romancal_rs.cli.batch import TASKS
from romancal_rs.pipeline import plan

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"


def headings(page: Path) -> set[str]:
    """Of a page, as links name them."""
    found = re.findall(r"^#+ (.*)$", page.read_text(), flags=re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-") for heading in found}


def links() -> list[tuple[str, str]]:
    """Of the pages to one another."""
    return [
        (page.relative_to(DOCS).as_posix(), target)
        for page in sorted(DOCS.rglob("*.md"))
        for target in re.findall(r"\]\(([\w./-]*(?:#[\w-]+)?)\)", page.read_text())
    ]


@pytest.mark.parametrize(("page", "target"), links())
def test_links_lead_somewhere(page, target):
    name, _, heading = target.partition("#")
    path = (DOCS / page).parent / name if name else DOCS / page
    assert path.exists()
    if heading:
        assert heading in headings(path)


def test_walls_are_told_for_the_parameters_that_make_them():
    page = (DOCS / "reference/steps.md").read_text()
    for parameter in (*plan.BEFORE, *plan.AFTER):
        assert re.search(rf"^\| .*`{parameter}`", page, flags=re.MULTILINE)


def test_the_deviations_are_numbered_in_order_and_name_tests_that_there_are():
    """Numbers stood several times, and a list began anew."""
    text = (DOCS / "explanation/deviations.md").read_text()
    entries = re.findall(r"^(\d+)\. (.*?)(?=^\d+\. |^#|^$|\Z)", text, re.MULTILINE | re.DOTALL)
    assert [int(number) for number, _ in entries] == list(range(1, len(entries) + 1))
    for number, entry in entries[8:]:  # the first have one file for them all
        assert re.search(r"tests/|test_|rust/|same\s+file", entry), number
    for path in re.findall(r"`((?:tests|rust)/[\w/]+(?:\.\w+)?)`", text):
        assert (ROOT / path).exists(), path
    sources = [*(ROOT / "tests").rglob("*.py"), *(ROOT / "rust" / "src").rglob("*.rs")]
    code = "\n".join(path.read_text() for path in sources)
    for name in re.findall(r"`(test_\w+|[a-z]+(?:_[a-z0-9]+){5,})`", text):
        assert re.search(rf"(def|fn) {name}\b", code), name


@pytest.mark.parametrize(
    "page", [*DOCS.rglob("*.md"), ROOT / "README.md"], ids=lambda page: page.name
)
def test_commands_that_are_named_in_lines_exist(page):
    text = re.sub(r"^```.*?^```$", "", page.read_text(), flags=re.DOTALL | re.MULTILINE)
    for command in re.findall(r"`romancal-rs\s+([a-z-]+)[^`]*`", text):
        assert command in cli.COMMANDS or command in ("--help", "--version")


#: The pages on batches.
OF_BATCHES = ("how-to/batch.md", "how-to/remote.md")


@pytest.mark.parametrize("page", OF_BATCHES)
def test_options_that_the_pages_on_batches_name_exist(page):
    known: set[str] = set()
    for task in TASKS.values():
        parser = argparse.ArgumentParser()
        task.add_arguments(parser)
        if hasattr(task, "add_arguments_of_target"):
            parser.explain = None
            task.add_arguments_of_target(parser, [])
        known |= {option for action in parser._actions for option in action.option_strings}
    text = re.sub(r"^```.*?^```$", "", (DOCS / page).read_text(), flags=re.DOTALL | re.MULTILINE)
    code = " ".join(re.findall(r"`([^`]+)`", text))
    named = re.findall(r"(?<!\S)--\w[\w.-]*", code)
    assert named
    assert [name for name in named if name not in known and "NAME" not in name] == []
