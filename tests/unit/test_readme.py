"""What the README says works."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", README, flags=re.DOTALL)


def test_the_kernel_example_runs():
    (example,) = [block for block in blocks("python") if "kernels" in block]
    exec(compile(example, "README.md", "exec"), {})


def test_the_pipeline_example_runs(simulated, tmp_path, monkeypatch):
    (example,) = [block for block in blocks("python") if "ExposurePipeline" in block]
    (name,) = re.findall(r'"(\w+_uncal\.asdf)"', example)
    monkeypatch.chdir(tmp_path)
    Path(name).symlink_to(simulated.exposure)
    Path("refs").symlink_to(simulated.references)
    namespace = {}
    exec(compile(example, "README.md", "exec"), namespace)
    assert namespace["image"].meta.cal_step.photom == "COMPLETE"
    assert sorted(path.name for path in tmp_path.iterdir()) == [name, "refs"]


@pytest.mark.parametrize("target", re.findall(r"\]\((?!https)([\w./-]*(?:#[\w-]+)?)\)", README))
def test_links_lead_somewhere(target):
    name, _, heading = target.partition("#")
    page = ROOT / (name or "README.md")
    assert page.is_file()
    if heading:
        headings = re.findall(r"^#+ (.*)$", page.read_text(), flags=re.MULTILINE)
        anchors = [re.sub(r"[^\w -]", "", text).lower().replace(" ", "-") for text in headings]
        assert heading in anchors


def test_commands_are_in_the_makefile():
    makefile = (ROOT / "Makefile").read_text()
    for target in re.findall(r"^make (\w+)", "\n".join(blocks("sh")), flags=re.MULTILINE):
        assert re.search(rf"^{target}:", makefile, flags=re.MULTILINE), target
