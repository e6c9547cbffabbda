"""The page of a batch: outcomes, failures, small pictures and links."""

from __future__ import annotations

import os
import re
import shutil
from dataclasses import replace

import pytest
from batch.records import BEGIN, begun, ended, outcome_of, plan_of, planned, run_of
from report.pages import Page, rows_of
from report.test_browser import BROWSER, measured

from romancal_rs.batch import Batch
from romancal_rs.batch.outcome import Kind
from romancal_rs.cli import main
from romancal_rs.errors import InputError
from romancal_rs.report import write_batch

EVIL = "<script>alert(1)</script>&\"'"


@pytest.fixture
def batch(product, tmp_path):
    """Three products, one of them gone, a failure, one in work and one left."""
    destination = tmp_path / "out put"
    destination.mkdir()
    exposures = [
        replace(exposure, product=str(destination / os.path.basename(exposure.product)))
        for exposure in (planned(i, f"WFI{i:02}") for i in range(1, 7))
    ]
    for exposure in exposures[:2]:
        shutil.copy(product, exposure.product)
    rows = [
        ended(outcome_of(exposures[0], wall_s=2.0, cpu_s=1.5, median_rate=0.25), 2),
        ended(outcome_of(exposures[1], Kind.CURRENT), 2),
        ended(outcome_of(exposures[2], wall_s=3.0, cpu_s=1.5, median_rate=0.5), 5),
        ended(outcome_of(exposures[3], Kind.FAILED, message=EVIL), 6),
        begun(exposures[4].input, 7),
    ]
    run = run_of(destination / ".romancal-rs-batch", plan_of(exposures, str(destination)), rows)
    return destination, run


def page_of(batch, **options):
    destination, run = batch
    path = write_batch(run, destination / "report.html", now=BEGIN + 10, **options)
    html = path.read_text()
    page = Page(html)
    assert not page.faults
    assert len(page.ids) == len(set(page.ids))
    assert not page.named("script")
    return html, page


def cards_of(html):
    gallery = re.search(r'<ul class="gallery">(.*?)</ul>', html, re.DOTALL)[1]
    return re.findall(r"<li>(.*?)</li>", gallery, re.DOTALL)


def test_outcomes_are_counted(batch):
    html, page = page_of(batch)
    assert [row[:3] for row in rows_of(html, "Outcomes")] == [
        ["done", "2", "33.3 %"],
        ["current", "1", "16.7 %"],
        ["failed", "1", "16.7 %"],
        ["in work", "1", "16.7 %"],
        ["left", "1", "16.7 %"],
        ["all", "6", ""],
    ]
    assert "1 exposure failed, of 1 cause." in page.text
    assert "2 are left or in work." in page.text
    assert ["WFI04", "0 of 1 (1)"] in rows_of(html, "A single number: all are good")


def test_products_have_pictures_and_failures_their_reasons(batch):
    html, page = page_of(batch)
    failed, first, second, gone = cards_of(html)
    assert "failed" in Page(failed).text
    assert EVIL in Page(failed).text
    for card, detector in ((first, "WFI01 F158 done"), (second, "WFI02 F158 current")):
        (picture,) = Page(card).named("img")
        assert picture["src"].startswith("data:image/jpeg;base64,")
        assert picture["alt"].startswith("Rate of r0000101001001001001")
        assert detector in Page(card).text
        assert "do not use" in card
    assert "median 0.25 DN/s" in first
    assert "median" in second  # its row has none: the product tells
    assert "the product is not there" in gone
    assert "median 0.5 DN/s" in gone
    assert EVIL in rows_of(html, "Failures by their cause")[0]
    assert page.text.count("<script>") == 2


def test_of_more_products_than_pictures_the_names_are_told(batch):
    html, page = page_of(batch, thumbnails=1)
    assert len(page.named("img")) == 1
    assert "2 more without a picture: --thumbnails 3 shows all." in page.text
    rows = rows_of(html, "Exposures without a picture")
    assert [row[1:3] for row in rows] == [["current", ""], ["done", "0.5"]]


def test_pages_of_products_are_written_and_linked(batch):
    destination, _run = batch
    told = []
    _html, page = page_of(batch, pages=True, progress=lambda *what: told.append(what))
    pages = sorted(destination.glob("*_cal.html"))
    assert len(pages) == 2
    links = {attributes["href"] for attributes in page.named("a")}
    assert links == {path.name for path in pages}
    assert all(path.read_text().startswith("<!DOCTYPE html>") for path in pages)
    assert told == [("pages", 1, 2), ("pages", 2, 2), *(("pictures", i, 3) for i in (1, 2, 3))]


def test_links_are_relative_and_quoted(batch, tmp_path):
    destination, run = batch
    (destination / f"{next(destination.glob('*_cal.asdf')).stem}.html").write_text("a page")
    elsewhere = tmp_path / "else" / "where"
    elsewhere.mkdir(parents=True)
    html = write_batch(run, elsewhere / "b.html").read_text()
    links = {attributes["href"] for attributes in Page(html).named("a")}
    (link,) = links
    assert link.startswith("../../out%20put/r0000101001001001001_0001")


def test_a_damaged_product_has_no_picture_and_the_page_is_written(batch):
    destination, _run = batch
    path = next(destination.glob("*0001_wfi01*_cal.asdf"))
    path.write_bytes(path.read_bytes()[:5000])
    _html, page = page_of(batch)
    assert len(page.named("img")) == 1


def test_the_command_writes_the_page_beside_the_products(batch, capsys):
    destination, run = batch
    assert main(["report", str(destination)]) == 0
    assert capsys.readouterr().out.startswith(f"wrote {destination / 'report.html'} (")
    assert main(["report", str(destination), "--run", run.path.name[:6], "-o", "x.html"][:4]) == 0


def test_a_directory_without_a_batch_is_told(tmp_path, capsys):
    with pytest.raises(SystemExit) as refused:
        main(["report", str(tmp_path)])
    assert refused.value.code == 2
    assert "there is no plan of a batch" in capsys.readouterr().err


def test_a_batch_of_which_nothing_has_ended_has_a_page(tmp_path):
    run = run_of(tmp_path / "state", plan_of([planned(1)], str(tmp_path)))
    html = write_batch(run, tmp_path / "report.html").read_text()
    assert "No exposure has ended yet." in html
    assert "Nothing was calibrated yet." in html


def test_a_run_may_be_named_by_the_directory_of_its_products(batch, tmp_path):
    """A directory of records was to be looked up, by functions that are not for users."""
    destination, run = batch
    pages = [tmp_path / "by_run.html", tmp_path / "by_path.html", tmp_path / "by_batch.html"]
    runs = (run, str(destination), Batch(run.read_plan(), run))
    for named, path in zip(runs, pages, strict=True):
        write_batch(named, path, now=BEGIN + 10)
    assert len({path.read_text() for path in pages}) == 1


def test_a_directory_of_no_batch_is_refused(tmp_path):
    with pytest.raises(InputError, match="no batch has its products here"):
        write_batch(tmp_path, tmp_path / "report.html")


@pytest.mark.skipif(not BROWSER, reason="neither chromium nor google-chrome is there")
@pytest.mark.parametrize("width", [400, 1600])
def test_a_browser_shows_it_whole(batch, tmp_path, width):
    html, _ = page_of(batch)
    found = measured(html, tmp_path, width)
    assert found["wide"] <= width
    assert found["pictures"]
