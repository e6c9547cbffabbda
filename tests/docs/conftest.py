"""The directory that pages begin with, made once, and the state of a page while it runs."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from page_harness import worlds
from page_harness.pages import PAGES, Page
from page_harness.running import PageRun, program

import romancal_rs


@pytest.fixture(scope="session")
def world(tmp_path_factory) -> Path:
    return worlds.make_world(tmp_path_factory.mktemp("world"))


@pytest.fixture
def page_run(world, tmp_path, request, monkeypatch) -> Iterator[PageRun]:
    """A page in a directory of its own; of the page that the test is given as ``page``."""
    page = PAGES.get(request.node.callspec.params["page"], Page())
    environment, before = dict(os.environ), Path.cwd()
    modules = set(sys.modules)
    directory = worlds.linked(world, tmp_path / "page")
    (tmp_path / "bin").mkdir()
    program(tmp_path / "bin" / "romancal-rs")
    with contextlib.ExitStack() as stack:
        monkeypatch.chdir(directory)
        paths = [str(tmp_path / "bin"), str(Path(sys.executable).parent), os.environ["PATH"]]
        monkeypatch.setenv("PATH", os.pathsep.join(paths))
        # A relative path of modules means another one where a page begins.
        monkeypatch.setenv("PYTHONPATH", str(Path(romancal_rs.__file__).parents[1]))
        monkeypatch.setenv("HOME", str(tmp_path))
        monkeypatch.setenv("BROWSER", "true")
        monkeypatch.setenv("MPLBACKEND", "agg")
        monkeypatch.syspath_prepend(str(directory))
        for extra in page.extras:
            stack.enter_context(worlds.EXTRAS[extra](directory, monkeypatch))
        run = PageRun(directory, page.rewrite)
        stack.callback(run.close)
        yield run
    os.chdir(before)
    for name in set(sys.modules) - modules:
        file = getattr(sys.modules[name], "__file__", None) or ""
        if file.startswith(str(directory)):
            del sys.modules[name]
    os.environ.clear()
    os.environ.update(environment)
