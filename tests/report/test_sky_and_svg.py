"""Where on the sky an outline lies, and what becomes of matplotlib's drawings."""

import base64
import io
import re
from types import SimpleNamespace

import numpy as np
import pytest
from report.pages import Page

from romancal_rs import dqflags
from romancal_rs.report import charts, pictures, sky
from romancal_rs.report.html import Html, element, table


def model_of(s_region, **meta):
    wcsinfo = {"s_region": s_region, **meta}
    instrument = {"detector": "WFI07"}
    return SimpleNamespace(meta={"wcsinfo": wcsinfo, "instrument": instrument}, has_wcs=False)


def test_an_outline_is_read_of_s_region():
    found = sky.Footprint.of(model_of("POLYGON ICRS  10.5 -1 10.5 1e0 11 1 11 -1.0"))
    assert found is not None
    assert found.corners.tolist() == [[10.5, -1], [10.5, 1], [11, 1], [11, -1]]


@pytest.mark.parametrize(
    "s_region",
    [None, "", 3, "POLYGON ICRS 1 2 3", "POLYGON ICRS 1 95 2 95 2 96 1 96", "POLYGON" + " 1" * 8],
)
def test_what_is_no_outline_is_none(s_region):
    assert sky.Footprint.of(model_of(s_region)) is None


def test_offsets_are_in_the_tangent_plane_across_the_first_meridian():
    """A square of 2 arcmin on the equator around RA 0: east is where RA grows."""
    arcmin = 1 / 60
    corners = [[360 - arcmin, -arcmin], [360 - arcmin, arcmin], [arcmin, arcmin], [arcmin, -arcmin]]
    found = sky.Footprint(np.array(corners), "here")
    ra, dec = found.centre
    assert min(ra, 360 - ra) < 1e-9
    assert abs(dec) < 1e-9
    assert found.offsets() == pytest.approx(
        np.array([[-1, -1], [-1, 1], [1, 1], [1, -1]]), abs=1e-6
    )


def test_an_outline_around_the_pole_is_a_square():
    corners = np.array([[ra, 90 - 1 / 60] for ra in (0, 90, 180, 270)], float)
    places = sky.Footprint(corners, "here").offsets()
    sides = np.linalg.norm(places - np.roll(places, 1, axis=0), axis=1)
    assert sides == pytest.approx(np.full(4, np.sqrt(2)), rel=1e-6)


def test_the_field_is_drawn_where_the_outline_is_turned_as_the_telescope_was():
    square = "POLYGON ICRS 0.01 -0.01 0.01 0.01 -0.01 0.01 -0.01 -0.01"  # rows point north
    found = sky.Footprint.of(model_of(square))
    assert found is not None
    along = model_of(square, roll_ref=60.0)  # V3 is 60 deg from the rows
    across = model_of(square, roll_ref=20.0)
    drawn = sky.draw_field(found, along, "field", "The field")
    assert drawn is not None
    assert {f"{number:02}" for number in range(1, 19)} - {"07"} <= set(Page(drawn).text.split())
    assert sky.draw_field(found, across, "field", "The field") is None


def drawing(key):
    return charts.bars([1, 2, 3], key, "Three bars", "bars & more")


def test_ids_of_two_drawings_differ():
    first, second = Page(drawing("a")), Page(drawing("b"))
    assert first.ids
    assert not set(first.ids) & set(second.ids)
    assert all(name.startswith("a-") for name in first.ids)
    assert not first.faults


def test_the_same_drawing_has_the_same_text():
    assert drawing("a") == drawing("a")


def test_a_drawing_has_a_title_for_those_who_cannot_see_it():
    assert "<title" in drawing("a")
    assert "Three bars" in Page(drawing("a")).text
    assert "bars &amp; more" in drawing("a")


def test_powers_of_ten_are_plain_text():
    from romancal_rs.report.measure import distribution

    values = np.geomspace(1e-5, 1e5, 900, dtype=np.float32).reshape(30, 30)
    found = distribution(values, np.ones(values.shape, bool))
    assert found is not None
    drawn = charts.histogram(found, "h", "A histogram", "value")
    assert "10⁻⁴" in drawn
    assert "10⁴" in drawn
    assert ">100<" in drawn


def decoded(address):
    from PIL import Image

    return np.asarray(
        Image.open(io.BytesIO(base64.b64decode(address.partition(",")[2]))).convert("RGBA")
    )


def test_a_palette_keeps_the_pixels():
    palette = np.array([[0, 0, 0, 0], [255, 0, 10, 128], [1, 2, 3, 255]], np.uint8)
    indices = np.array([[0, 1, 2], [2, 2, 1]], np.uint8)
    np.testing.assert_array_equal(decoded(charts.png(indices, palette)), palette[indices])


def test_a_map_of_a_flag_is_opaque_where_all_of_a_cell_have_it():
    dq = np.zeros((256, 256), np.uint32)
    dq[:2, :2] = dqflags.HOT  # a cell at the lower left
    dq[254, 255] = dqflags.HOT  # a quarter of one at the upper right
    drawn, largest = pictures.share_map(dq, dqflags.HOT, "Hot & bothered")
    pixels = decoded(re.search(r'src="([^"]*)"', drawn)[1])
    assert largest == 1
    assert pixels.shape == (128, 128, 4)
    assert pixels[-1, 0, 3] == 255
    assert 0 < pixels[0, -1, 3] < 255
    assert np.count_nonzero(pixels[..., 3]) == 2
    assert 'alt="Hot &amp; bothered"' in drawn


def test_text_is_escaped_and_html_is_not():
    made = element("p", "a < b & c", Html("<b>c</b>"), None, title='"&')
    assert made == '<p title="&quot;&amp;">a &lt; b &amp; c<b>c</b></p>'


def test_tables_tell_rows_and_columns_apart():
    page = Page(table("Sizes", ("name", "size"), [("one", "1")], "lr"))
    assert not page.faults
    assert [attributes.get("scope") for attributes in page.named("th")] == ["col", "col", "row"]
    assert [attributes.get("class") for attributes in page.named("td")] == ["number"]
    assert "Sizes" in page.text
