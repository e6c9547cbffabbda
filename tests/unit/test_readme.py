"""Where the README leads; its blocks of code run in tests/docs."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()


@pytest.mark.parametrize("target", re.findall(r"\]\((?!https)([\w./-]*(?:#[\w-]+)?)\)", README))
def test_links_lead_somewhere(target):
    name, _, heading = target.partition("#")
    page = ROOT / (name or "README.md")
    assert page.is_file()
    if heading:
        headings = re.findall(r"^#+ (.*)$", page.read_text(), flags=re.MULTILINE)
        anchors = [re.sub(r"[^\w -]", "", text).lower().replace(" ", "-") for text in headings]
        assert heading in anchors
