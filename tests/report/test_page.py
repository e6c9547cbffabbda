"""The page of an exposure: what is on it, and that nothing in a file can break it."""

import re
import shutil
import sys

import numpy as np
import pytest
from report.pages import Page, rows_of

from romancal_rs import datamodels, dqflags, report
from romancal_rs.cli import main
from romancal_rs.datamodels import testing
from romancal_rs.errors import InputError, RomancalError

HEADINGS = [
    "Pictures",
    "Place on the sky",
    "Histograms",
    "Flags",
    "Jumps",
    "Reference pixels",
    "Steps and references",
    "Messages",
]
EVIL = "<script>alert(1)</script>&amp;\"'><img src=x onerror=alert(2)>"


def headings(html: str) -> list[str]:
    return [Page(text).text for text in re.findall(r"<h2[^>]*>(.*?)</h2>", html)]


def is_sound(html: str) -> Page:
    """Checks what holds of every page."""
    page = Page(html)
    assert not page.faults
    assert len(page.ids) == len(set(page.ids))
    for attributes in page.named("img"):
        assert attributes["alt"]
        assert attributes["src"].startswith("data:image/")
    for attributes in page.named("svg"):
        assert attributes["role"] == "img"
        assert attributes["aria-labelledby"] in page.ids
    for value in page.addresses:
        assert value.startswith(("#", "data:image/"))
        if value.startswith("#"):
            assert value[1:] in page.ids
    for target in re.findall(r"url\(([^)]*)\)", html):
        assert target.removeprefix("#") in page.ids
    assert not page.named("script", "link", "iframe", "object", "embed", "base", "form")
    assert not any(key.startswith("on") for _, found in page.elements for key in found)
    assert len(html.encode()) < 3e6
    return page


def test_the_page_of_an_image_has_all_parts(page):
    found = is_sound(page)
    assert headings(page) == HEADINGS
    assert [attributes["href"] for attributes in found.named("a")] == [
        f"#{name}"
        for name in (
            *("pictures", "sky", "histograms", "flags", "jumps", "border", "steps", "messages"),
        )
    ]
    for word in ("rate image (Level 2)", "WFI01", "F158", "6 resultants, 3.04 s a read"):
        assert word in found.text
    assert "flight: its file is of today" in found.text


def test_every_axis_has_a_name_and_numbers(page):
    charts = re.findall(r"<svg.*?</svg>", page, re.DOTALL)
    assert len(charts) == 11
    for chart in charts:
        texts = [Page(text).text for text in re.findall(r"<text[^>]*>(.*?)</text>", chart)]
        assert any(re.fullmatch(r"[-−]?[\d.]+|10[⁻⁰¹²³⁴⁵⁶⁷⁸⁹]+", text) for text in texts)
        assert any(re.search(r"[a-z]", text) for text in texts)
    labels = Page(page).text
    for label in ("rate [DN/s]", "error [DN/s]", "chi squared", "resultant", "east [arcsec]"):
        assert label in labels


def test_the_page_needs_nothing_but_itself(page):
    outside = re.sub(r"<text.*?</text>", "", page, flags=re.DOTALL)
    assert not re.search(r"https?://|@import|@font-face", outside)


def test_charts_take_their_colours_from_the_style(page):
    for chart in re.findall(r"<svg.*?</svg>", page, re.DOTALL):
        assert "currentColor" in chart
        assert "#0102" not in chart
        assert "#0103" not in chart
        assert not re.search(r"fill: #000000|stroke: #000000|fill: #ffffff", chart)


def test_flags_are_those_of_the_product(page, product):
    with datamodels.open(product) as image:
        counts, size = dqflags.counts(image.dq), image.dq.size
    rows = rows_of(page, "Flags of")
    assert {name: int(count.replace(",", "")) for name, count, _ in rows} == counts
    assert f"Flags of {size:,} pixels" in page


def test_numbers_are_those_of_usable_pixels(page, product):
    with datamodels.open(product) as image:
        usable = image.data[(image.dq & dqflags.DO_NOT_USE) == 0]
        whole = (image.dq & dqflags.IN_SAMPLE_AND_PIXEL) == 0
        median_chisq = np.median(image.chisq[whole])
    (_, count, least, median, most, _), _, (_, n_whole, _, of_chisq, *_) = rows_of(page, "Numbers")
    assert int(count.replace(",", "")) == usable.size
    assert [float(least), float(median), float(most)] == pytest.approx(
        [usable.min(), np.median(usable), usable.max()], rel=1e-3
    )
    assert int(n_whole.replace(",", "")) == np.count_nonzero(whole)
    assert float(of_chisq) == pytest.approx(median_chisq, rel=1e-3)
    assert "expected, 4 degrees of freedom" in page  # five differences less one
    assert "3.36" in page  # the median of chi squared with four


def test_references_have_their_digests_and_changed_parameters_their_defaults(page, product):
    with datamodels.open(product) as image:
        used = image.meta.cal_runs[-1].references
        digest, path = used.flatfield.flat.sha256, used.flatfield.flat.path
    assert f'title="{digest}"' in page
    assert f'title="{path}"' in page
    assert ["FLAT", "flatfield", path.rpartition("/")[2], digest[:12]] in rows_of(
        page, "References"
    )
    changed = rows_of(page, "Parameters that are not at their defaults")
    assert ["rampfit", "rejection_threshold", "5.0", "4.5"] in changed
    assert not any(row[1] in ("output_dir", "references") for row in changed)


def test_steps_are_in_their_order_with_their_seconds(page):
    rows = rows_of(page, "Steps in their order")
    names = [row[0] for row in rows]
    assert {"read", "ExposurePipeline"} < set(names)
    assert names.index("dq_init") < names.index("rampfit") < names.index("flatfield")
    told = {name: (status, seconds) for name, status, seconds in rows}
    assert told["flatfield"][0] == "COMPLETE"
    worked = [seconds for status, seconds in told.values() if status == "COMPLETE"]
    assert all(float(seconds) >= 0 for seconds in worked)
    assert told["jump"][0] == "not needed: the fit finds jumps"
    assert told["wfi18_transient"][0].endswith("not for WFI01")


def test_jumps_are_counted_by_resultant(page, product):
    with datamodels.open(product) as image:
        n_jumps = len(image.jump_indices)
    assert f"{n_jumps:,} jumps, by jump_indices of the product" in page


def test_reference_pixels_are_shown_before_and_after(page):
    (before, *_), (after, *_) = rows_of(page, "Reference pixels over all")
    assert (before, after) == ("as they were read out", "after the correction")


def test_without_the_raw_exposure_reference_pixels_are_shown_after_alone(made, product, tmp_path):
    copy = tmp_path / product.name
    raw = next(made.glob("*_uncal.asdf"))
    copy.write_bytes(
        product.read_bytes().replace(str(raw.parent).encode(), b"x" * len(str(raw.parent)))
    )
    html = report.Report(copy).html()
    assert [row[0] for row in rows_of(html, "Reference pixels over all")] == [
        "after the correction"
    ]
    assert f"{raw.name}, is not in" in html
    assert "give the file, or its directory, by --raw" in html


def test_a_raw_exposure_that_is_given_is_taken(made, product, tmp_path, capsys):
    copy = tmp_path / product.name
    shutil.copy(product, copy)
    moved = tmp_path / "raw"
    moved.mkdir()
    shutil.copy(next(made.glob("*_uncal.asdf")), moved)
    output = tmp_path / "page.html"
    assert main(["report", str(copy), "--raw", str(moved), "-o", str(output)]) == 0
    assert len(rows_of(output.read_text(), "Reference pixels over all")) == 2
    other = next(moved.iterdir())
    with datamodels.open(other) as raw:
        changed = raw.copy()
    changed.meta.exposure.ma_table_name = "ANOTHER"
    changed.save(other, compression=None)
    assert main(["report", str(copy), "--raw", str(other), "-o", str(output)]) == 0
    assert "is not the file that it was made of, or has changed since" in output.read_text()
    assert main(["report", str(copy), "--raw", str(product), "-o", str(output)]) == 1
    assert "ImageModel: not a raw exposure" in capsys.readouterr().err


def test_a_ramp_tells_when_pixels_saturated():
    groupdq = np.zeros((4, 20, 20), np.uint8)
    groupdq[2:, 10, 5:8] = dqflags.SATURATED
    groupdq[3:, 12, 5] = dqflags.SATURATED
    groupdq[0:, 1, 1] = dqflags.SATURATED  # of the border, which does not count
    ramp = testing.create_ramp((4, 20, 20), groupdq=groupdq, read_pattern=[[1], [2], [3], [4]])
    html = report.Report(datamodels.RampModel(ramp)).html()
    text = is_sound(html).text
    assert "4 pixels saturated (2.78 %). The first of them in resultant 3." in text
    assert ["SATURATED", "4", "2.78 %"] in rows_of(html, "Flags of 144 pixels")


def test_the_ramp_beside_an_image_is_found(made, product, monkeypatch):
    from romancal_rs.report import gathered

    with datamodels.open(product) as image:
        found = gathered.Gathered(image)
        with found.with_others():
            assert found.ramp.source == str(next(made.glob("*_ramp.asdf")))
            assert found.raw.source == str(next(made.glob("*_uncal.asdf")))


@pytest.mark.parametrize(
    ("pattern", "kind", "parts"),
    [
        (
            "*_ramp.asdf",
            "ramp",
            ["Pictures", "Flags", "Jumps", "Reference pixels", "Steps and references", "Messages"],
        ),
        ("*_uncal.asdf", "raw exposure (Level 1)", ["Pictures", "Reference pixels"]),
    ],
)
def test_ramps_have_the_parts_that_they_can(made, pattern, kind, parts):
    html = report.Report(next(made.glob(pattern))).html()
    assert kind in is_sound(html).text
    assert headings(html) == parts


def evil_image(tmp_path, name="plain"):
    """An image whose every text is an attack."""
    node = testing.create_wfi_image((20, 20), read_pattern=[[1], [2], [3]])
    image = datamodels.ImageModel(node)
    image.meta.filename = EVIL
    image.meta.cal_logs = [f"2027-01-01T00:00:00.000Z :: stpipe.{EVIL} :: WARNING :: {EVIL}", EVIL]
    image.meta.exposure.ma_table_name = EVIL[:50]
    image.meta["cal_recipe"] = EVIL
    image.meta["cal_runs"] = [
        {
            "class": EVIL,
            "name": EVIL,
            "parameters": {EVIL: EVIL},
            "recipe": {"name": EVIL, "reason": EVIL},
            "software": {EVIL: EVIL},
            "references": {EVIL: {EVIL: {"path": f"/{EVIL}", "sha256": EVIL}}},
            "steps": [{"name": EVIL, "class": EVIL, "parameters": [EVIL]}, EVIL, 3],
        },
        "no run",
    ]
    return image


def test_what_a_file_says_is_text_and_nothing_else(tmp_path):
    html = report.Report(evil_image(tmp_path)).html()
    found = is_sound(html)
    assert found.text.count("<script>alert(1)</script>&amp;") >= 8
    assert not any("onerror" in attributes for _, attributes in found.elements)


def test_the_name_of_a_file_is_text_and_nothing_else(product, tmp_path):
    path = tmp_path / "<b onclick=alert(1)>&quot;.asdf"
    path.write_bytes(product.read_bytes())
    found = is_sound(report.Report(path).html())
    assert "<b onclick=alert(1)>&quot;.asdf" in found.text
    assert not found.named("b")


@pytest.mark.parametrize(
    "runs", [None, 3, "text", [], [None], [{"steps": 5, "references": [1]}], [{"recipe": "x"}]]
)
def test_a_damaged_record_is_left_out(runs):
    image = datamodels.ImageModel(testing.create_wfi_image((12, 12)))
    image.meta["cal_runs"] = runs
    assert "Flags" in headings(report.Report(image).html())


def test_an_image_without_a_usable_pixel_has_a_page():
    dq = np.full((12, 12), dqflags.DO_NOT_USE, np.uint32)
    html = report.Report(
        datamodels.ImageModel(testing.create_wfi_image(dq=dq, shape=(12, 12)))
    ).html()
    assert "No pixel is usable: all are flagged DO_NOT_USE." in is_sound(html).text
    assert "No usable pixel has a finite value." in html


def test_an_image_of_nan_has_a_page():
    data = np.full((12, 12), np.nan, np.float32)
    is_sound(report.Report(datamodels.ImageModel(testing.create_wfi_image(data=data))).html())


@pytest.mark.parametrize("name", ["dq", "err", "chisq"])
def test_an_array_of_another_shape_is_named(name):
    image = datamodels.ImageModel(testing.create_wfi_image((12, 12)))
    image[name] = image[name][:8].copy()
    with pytest.raises(InputError, match=rf"{name}: expected shape \(12, 12\), as data has it"):
        report.Report(image).html()


def test_a_model_is_left_as_it_is(product):
    with datamodels.open(product) as image:
        before = image.copy()
        report.Report(image).html()
        assert image.to_flat_dict().keys() == before.to_flat_dict().keys()
        for name, array in before.arrays():
            np.testing.assert_array_equal(image[name], array)


def test_a_notebook_shows_the_page_as_a_part_of_its_own(product):
    html = report.Report(product)._repr_html_()
    page = is_sound(html)
    assert not page.named("html", "body", "main")
    assert page.elements[0][0] == "style"
    # Every rule is of elements within the report.
    css = re.search(r"<style>(.*?)</style>", html, re.DOTALL)[1]
    flat = re.sub(r"@media[^{]*\{(.*?\})\s*\}", r"\1", css, flags=re.DOTALL)
    selectors = [rule.split("{")[0] for rule in flat.split("}") if "{" in rule]
    assert selectors
    for selector in selectors:
        assert all(one.strip().startswith((".rr", "body.rr")) for one in selector.split(","))


def test_the_command_writes_a_page_here_and_tells_its_size(product, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["report", str(product)]) == 0
    written = tmp_path / f"{product.stem}.html"
    assert written.read_text().startswith("<!DOCTYPE html>")
    assert re.fullmatch(
        rf"wrote {re.escape(written.name)} \((\d+ kB|\d\.\d MB)\)\n", capsys.readouterr().out
    )
    assert [path.name for path in tmp_path.iterdir()] == [written.name]


def test_a_page_is_opened_in_a_browser_on_request(product, tmp_path, monkeypatch):
    opened = []
    monkeypatch.setattr("webbrowser.open", opened.append)
    page = tmp_path / "page.html"
    assert main(["report", str(product), "-o", str(page), "--open"]) == 0
    assert opened == [page.as_uri()]


def test_a_page_is_whole_or_as_it_was(product, tmp_path, monkeypatch):
    page = tmp_path / "page.html"
    page.write_text("before")
    monkeypatch.setattr("romancal_rs.report.charts.svg", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        report.write(product, page)
    assert page.read_text() == "before"
    assert [path.name for path in tmp_path.iterdir()] == ["page.html"]


def test_a_directory_that_is_not_there_is_named(product, tmp_path):
    with pytest.raises(FileNotFoundError, match="no such directory"):
        report.write(product, tmp_path / "no" / "page.html")


def test_a_reference_has_no_report(simulated):
    flat = next(simulated.references.glob("*_flat_*"))
    with pytest.raises(InputError, match="FlatRefModel: a report is of an exposure"):
        report.Report(flat).html()


@pytest.mark.parametrize("option", ["--pages", "--thumbnails=3", "--run=1"])
def test_options_of_a_batch_are_refused_for_a_file(product, option, capsys):
    with pytest.raises(SystemExit) as refused:
        main(["report", str(product), option])
    assert refused.value.code == 2
    assert f"{option.partition('=')[0]} is for the directory of a batch" in capsys.readouterr().err


def test_without_matplotlib_the_extra_is_named(product, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(RomancalError, match=r"romancal-rs\[plot\]"):
        report.Report(product)
