"""What pictures of exposures show: panels, words, colours and the sky."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from drawn_texts import assert_legible, texts_of, words_of
from skies import BY_30_DEGREES, DIAGONAL, MIRRORED, TURNED, gwcs_of

from romancal_rs import datamodels, show
from romancal_rs.datamodels import ImageModel, RampModel, ScienceRawModel, ValidationError, testing
from romancal_rs.dqflags import pixel
from romancal_rs.errors import ArgumentError, InputError
from romancal_rs.pipeline import ExposurePipeline
from romancal_rs.show.draw import painted
from romancal_rs.show.heading import wrapped
from romancal_rs.show.theme import THEMES


@pytest.fixture(scope="module")
def products(simulated, tmp_path_factory):
    """Files of one exposure: raw, ramp, image and WCS."""
    out = tmp_path_factory.mktemp("products")
    ExposurePipeline.call(
        str(simulated.exposure),
        references=str(simulated.references),
        output_dir=str(out),
        save_results=True,
        save_calibrated_ramp=True,
    ).close()
    found = {path.stem.rpartition("_")[2]: path for path in out.glob("*.asdf")}
    return {"uncal": simulated.exposure, **found}


@pytest.fixture(scope="module")
def image(products):
    with datamodels.open(products["cal"]) as model:
        yield model


def heading_of(figure) -> list[str]:
    return [text.get_text() for text in figure.texts]


def titles(figure) -> list[str]:
    return [axes.get_title() for axes in figure.axes if axes.get_title()]


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize(
    ("product", "expected"),
    [
        ("cal", ["Rate", "Error of the rate", "Flags", "Chi squared of the fit"]),
        (
            "ramp",
            [
                "Last minus first resultant",
                "Last resultant",
                "Flags, of pixels and of any resultant",
                "Science pixels since the first resultant",
            ],
        ),
        (
            "uncal",
            [
                "Last minus first resultant",
                "First resultant",
                "Last resultant",
                "Science pixels since the first resultant",
            ],
        ),
        ("wcs", ["The detector on the sky"]),
    ],
)
def test_every_product_has_its_panels_and_all_words_are_legible(products, product, expected, theme):
    figure = show.picture(products[product], theme=theme)
    assert titles(figure) == expected
    assert_legible(figure)
    assert figure.get_facecolor()[:3] == pytest.approx(
        (1, 1, 1) if theme == "light" else (0x15 / 255, 0x18 / 255, 0x1D / 255)
    )


def test_the_heading_tells_what_was_exposed_and_what_made_the_file(image):
    heading = " ".join(heading_of(show.picture(image)))
    meta = image.meta
    for part in (
        "r0000101001001001001_0001_wfi01_f158_cal.asdf",
        "WFI01",
        "F158",
        "WFI_IMAGE",
        "2027-06-01 00:00:00 UTC",
        f"MA table {meta.exposure.ma_table_number} ({meta.exposure.ma_table_name})",
        "6 resultants of 4 reads",
        f"{meta.exposure.exposure_time:g} s",
        f"romancal-rs {meta.calibration_software_version}",
        "recipe flight",
        f"gwcs {meta.cal_runs[-1]['software']['gwcs']}",
    ):
        assert part in heading


def test_the_rate_is_on_the_sky_and_has_pixels_too(image):
    figure = show.picture(image)
    texts = texts_of(figure)
    assert "right ascension (ICRS) [deg]" in texts
    assert "declination (ICRS) [deg]" in texts
    ra, dec = image.meta.wcs(59.5, 27.5)
    degrees = [float(t.replace("\N{MINUS SIGN}", "-")) for t in texts if _is_number(t)]
    assert sum(abs(number - ra) < 0.01 for number in degrees) >= 2
    assert sum(abs(number - dec) < 0.01 for number in degrees) >= 2
    # Columns are above the image, and at the right are its rows.
    columns = next(axes for axes in figure.axes if axes.get_title() == "Rate")
    assert columns.get_xlabel() == "column"
    assert columns.get_ylabel() == "row"
    assert columns.get_xlim() == (-0.5, 119.5)
    assert columns.get_ylim() == (-0.5, 55.5)


def _is_number(text: str) -> bool:
    return text.replace("\N{MINUS SIGN}", "").replace(".", "").isdigit()


def test_the_numbers_on_the_sky_are_where_the_wcs_has_them(image):
    """The tick of a declination at the left edge is at the row which has that declination there."""
    figure = show.picture(image)
    words = words_of(figure)
    sky = next(axes for axes in figure.axes if hasattr(axes, "coords"))
    box = sky.get_window_extent()
    dec_of = [image.meta.wcs(-0.5, row)[1] for row in (-0.5, 55.5)]
    beside = [w for w in words if w.right < box.x0 and _is_number(w.text) and w.text[:2] == "66"]
    beside = [w for w in beside if box.y0 < figure.bbox.height - (w.top + w.bottom) / 2 < box.y1]
    assert len(beside) >= 2
    for found in beside:
        height = figure.bbox.height - (found.top + found.bottom) / 2
        share = (height - box.y0) / box.height
        expected = dec_of[0] + share * (dec_of[1] - dec_of[0])
        assert float(found.text) == pytest.approx(expected, abs=0.03 * abs(np.diff(dec_of)[0]))


def test_north_and_east_are_marked(image):
    sky = next(axes for axes in show.picture(image).axes if hasattr(axes, "coords"))
    assert {"N", "E"} <= {text.get_text() for text in sky.texts}


@pytest.mark.parametrize(
    ("matrix", "at", "n_numbers"),
    [
        (BY_30_DEGREES, (0.0, 66.0), 2),  # right ascensions of 359 and of 0 degrees
        (TURNED, (150.0, -2.0), 4),
        (MIRRORED, (30.0, 89.9995), 1),  # the pole is in the image
        (DIAGONAL, (210.0, -89.0), 2),
    ],
)
def test_skies_that_are_turned_and_near_a_pole_are_legible(matrix, at, n_numbers):
    image = ImageModel(testing.create_wfi_image((80, 100)))
    image.meta.wcs = gwcs_of(matrix, at)
    figure = show.picture(image, theme="dark")
    assert_legible(figure)
    sky = next(axes for axes in figure.axes if hasattr(axes, "coords"))
    box = sky.get_window_extent()
    numbers = [w for w in words_of(figure) if _is_number(w.text)]
    height = figure.bbox.height
    below = [w for w in numbers if 0 < box.y0 - (height - w.top) < 40 and w.right < box.x1 + 40]
    beside = [w for w in numbers if w.right < box.x0 and height - w.bottom > box.y0 - 20]
    assert len(below) >= n_numbers
    assert len(beside) >= n_numbers


def test_the_unit_and_the_surface_brightness_are_told(image):
    texts = texts_of(show.picture(image))
    factor = image.meta.photometry.conversion_megajanskys
    assert f"1 DN / s = {factor:.4g} MJy / sr" in texts
    assert texts.count("DN / s") == 2


def test_an_image_without_a_wcs_has_pixels_alone_and_says_so():
    figure = show.picture(ImageModel(testing.create_wfi_image((40, 60))))
    assert not any(hasattr(axes, "coords") for axes in figure.axes)
    assert "no world coordinates" in texts_of(figure)
    assert_legible(figure)


def flagged():
    dq = np.zeros((1400, 1400), np.uint32)
    dq[700] = pixel["DO_NOT_USE"]
    dq[3, 5] = pixel["JUMP_DET"]
    dq[:10, 1000:1010] |= pixel["SATURATED"]
    dq[700, 5] |= pixel["SATURATED"]
    dq[1399, 1399] = pixel["WARM"]
    return dq


def test_flags_are_counted_in_the_legend():
    image = ImageModel(testing.create_wfi_image((1400, 1400), dq=flagged()))
    texts = texts_of(show.picture(image))
    assert "do not use: 1,400 pixels (0.071%)" in texts
    assert "saturated: 101 pixels (0.0052%)" in texts
    assert "jump: 1 pixel (5.1e-05%)" in texts
    assert "other flag: 1 pixel (5.1e-05%)" in texts
    assert texts.count("not usable: 1,400 pixels (0.071%)") == 3


def test_a_saturated_field_is_counted_as_saturated_though_a_graver_flag_covers_it():
    dq = np.full((40, 40), pixel["SATURATED"] | pixel["DO_NOT_USE"], np.uint32)
    dq[0, 0] = pixel["WARM"]
    texts = texts_of(show.picture(ImageModel(testing.create_wfi_image((40, 40), dq=dq))))
    assert "saturated: 1,599 pixels (99.9%)" in texts
    assert "do not use: 1,599 pixels (99.9%)" in texts
    assert "other flag: 1 pixel (0.062%)" in texts
    assert any("colour of its gravest flag" in text for text in texts)


def test_an_image_without_errors_and_flags_is_drawn_and_has_a_thumbnail():
    image = ImageModel(testing.create_wfi_image((40, 40)))
    del image["err"], image["dq"]
    assert titles(show.picture(image))[0] == "Rate"
    assert not {"Flags", "Error of the rate"} & set(titles(show.picture(image)))
    assert show.thumbnail(image).shape[2] == 3


def test_a_chi_squared_that_has_no_number_is_left_out():
    chisq = np.full((40, 40), np.nan, np.float32)
    figure = show.picture(ImageModel(testing.create_wfi_image((40, 40), chisq=chisq)))
    assert titles(figure) == ["Rate", "Error of the rate", "Flags"]


def test_an_image_without_a_usable_pixel_has_no_scale_of_colours():
    dq = np.full((40, 40), pixel["DO_NOT_USE"], np.uint32)
    figure = show.picture(ImageModel(testing.create_wfi_image((40, 40), dq=dq)))
    assert len(figure.axes) == len(titles(figure)) == 3


def test_a_lone_pixel_and_a_row_stand_out_in_the_map_of_a_large_detector():
    figure = show.picture(ImageModel(testing.create_wfi_image((1400, 1400), dq=flagged())))
    (shown,) = next(axes for axes in figure.axes if axes.get_title() == "Flags").get_images()
    colours = np.asarray(shown.get_array(), float)
    assert colours.shape == (467, 467, 3)  # cells of 3 x 3
    away = np.abs(colours - 1).max(axis=-1)
    assert away[1, 1] > 0.5  # a jump
    assert away[466, 466] > 0.2  # a warm pixel, which is grey
    assert away[233].min() > 0.5
    assert np.count_nonzero(away) < 467 + 4 * 5 + 2 + 1


def test_the_graver_category_covers_the_other_and_a_full_cell_has_its_colour():
    shares = np.zeros((4, 1, 3), np.float32)
    shares[1, 0, 0] = shares[3, 0, 1] = 1.0
    shares[1, 0, 2] = shares[3, 0, 2] = 0.5
    theme = THEMES["light"]
    jump, unusable, both = painted(shares, theme)[0]
    np.testing.assert_allclose(jump, [0, 0x72 / 255, 0xB2 / 255], atol=1e-6)
    np.testing.assert_allclose(unusable, [0xC0 / 255, 0x27 / 255, 0x2D / 255], atol=1e-6)
    assert np.linalg.norm(both - unusable) < np.linalg.norm(both - jump)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_categories_differ_in_lightness_for_who_does_not_see_red_or_green(theme):
    from matplotlib.colors import to_rgb

    def lightness(colour):
        linear = np.power(to_rgb(colour), 2.2)
        return (linear @ [0.2126, 0.7152, 0.0722]) ** (1 / 2.2)

    names = [*THEMES[theme].categories[1:], THEMES[theme].background]
    found = [lightness(name) for name in names]
    # Blue against red is told by hue by everybody.
    assert min(abs(a - b) for a, b in itertools.combinations(found[1:], 2)) > 0.15


def test_unusable_pixels_have_a_colour_of_their_own():
    dq = np.zeros((20, 20), np.uint32)
    dq[4, 7] = pixel["DO_NOT_USE"]
    data = np.random.default_rng(1).normal(1, 0.1, (20, 20)).astype(np.float32)
    data[9, 9] = np.nan
    data[4, 7] = 1e7
    figure = show.picture(ImageModel(testing.create_wfi_image(data=data, dq=dq)))
    (shown,) = figure.axes[0].get_images()
    np.testing.assert_array_equal(
        np.argwhere(np.ma.getmaskarray(shown.get_array())), [[4, 7], [9, 9]]
    )
    assert shown.norm.vmax < 2
    assert "not usable: 2 pixels (0.5%)" in texts_of(figure)


def test_a_map_of_one_flag_has_the_shares_of_its_cells():
    image = ImageModel(testing.create_wfi_image((1400, 1400), dq=flagged()))
    figure = show.picture(image, flags=["do_not_use", "WARM"])
    assert titles(figure) == ["DO_NOT_USE", "WARM"]
    (shown,) = figure.axes[0].get_images()
    shares = np.ma.filled(shown.get_array(), 0)
    np.testing.assert_allclose(shares[233], 1 / 3)
    assert np.count_nonzero(shares) == 467
    assert "flagged: 1,400 pixels (0.071%)" in texts_of(figure)
    assert_legible(figure)


def test_one_array_or_one_plane_can_be_drawn_alone(products):
    with datamodels.open(products["ramp"]) as ramp:
        figure = show.picture(ramp, arrays=["data.2", "pixeldq"])
        assert titles(figure) == ["data, plane 2 of 0 to 5", "pixeldq (flags)"]
        (shown,) = figure.axes[0].get_images()
        np.testing.assert_array_equal(shown.get_array(), ramp.data[2])
        assert len(titles(show.picture(ramp, arrays=["data"]))) == 6


def test_the_ramp_panel_has_the_median_of_the_science_pixels():
    data = np.zeros((3, 40, 40), np.uint16)
    data[:, 4:-4, 4:-4] = np.array([100, 110, 130], np.uint16)[:, None, None]
    reads = [[1], [2, 3], [4, 5, 6, 7]]
    raw = ScienceRawModel(testing.create_wfi_science_raw(data=data, read_pattern=reads))
    raw.meta.exposure.frame_time = 3.0
    figure = show.picture(raw)
    line = figure.axes[-1].get_lines()[0]
    np.testing.assert_allclose(line.get_xdata(), [3, 7.5, 16.5])
    np.testing.assert_allclose(line.get_ydata(), [0, 10, 30])
    assert "3 resultants of 1 to 4 reads" in " ".join(texts_of(figure))


def test_what_was_subtracted_on_board_is_added_again_to_single_resultants():
    data = np.full((2, 40, 40), 50, np.uint16)
    data[1] += 7
    read = np.full((40, 40), 900, np.uint16)
    raw = ScienceRawModel(testing.create_wfi_science_raw(data=data, reference_read=read))
    raw.meta.instrument.data_encoding_offset = 20
    shown = {axes.get_title(): axes.get_images() for axes in show.picture(raw).axes}
    np.testing.assert_allclose(shown["Last minus first resultant"][0].get_array(), 7)
    np.testing.assert_allclose(shown["Last resultant"][0].get_array(), 50 + 7 + 900 - 20)


def test_flags_of_a_sample_that_mean_another_thing_in_a_pixel_are_not_shown():
    groupdq = np.zeros((2, 40, 40), np.uint8)
    groupdq[1, 5, 5] = 4
    groupdq[0, 6, 6] = 128  # the transient of WFI18; of a pixel it would be an outlier
    pixeldq = np.zeros((40, 40), np.uint32)
    pixeldq[7, 7] = pixel["DEAD"]
    ramp = RampModel(testing.create_ramp((2, 40, 40), groupdq=groupdq, pixeldq=pixeldq))
    texts = texts_of(show.picture(ramp))
    assert "jump: 1 pixel (0.062%)" in texts
    assert "other flag: 1 pixel (0.062%)" in texts


def noisy(shape, seed=0):
    return np.random.default_rng(seed).normal(1, 0.1, shape).astype(np.float32)


@pytest.mark.parametrize(
    ("shape", "fill"),
    [
        ((8, 8), 0.0),
        ((30, 30), 3.25),
        ((30, 30), -1e20),
        ((1, 1), 1.0),
        ((700, 20), None),
        ((3, 1000), None),
    ],
)
def test_images_of_any_shape_and_of_constants_are_legible(shape, fill):
    data = noisy(shape) if fill is None else np.full(shape, fill, np.float32)
    figure = show.picture(ImageModel(testing.create_wfi_image(data=data)), arrays=["data", "dq"])
    assert_legible(figure)


@pytest.mark.parametrize("value", [np.nan, np.inf, 1.0])
def test_an_image_of_nothing_usable_is_legible(value):
    data = np.full((30, 40), value, np.float32)
    dq = np.full((30, 40), pixel["DO_NOT_USE"], np.uint32)
    figure = show.picture(ImageModel(testing.create_wfi_image(data=data, err=data, dq=dq)))
    assert_legible(figure)
    assert "not usable: 1,200 pixels (100.0%)" in texts_of(figure)


def test_what_nobody_knows_of_an_exposure_is_left_out():
    image = ImageModel(testing.create_wfi_image((30, 30)))
    image.meta.exposure.ma_table_name = "?"
    image.meta.exposure.exposure_time = -999999.0
    image.meta.filename = "?"
    image.meta.photometry.conversion_megajanskys = -999999.0
    figure = show.picture(image)
    assert not any("MJy" in text for text in texts_of(figure))
    heading = heading_of(figure)
    assert heading[0] == "ImageModel"
    assert not any("?" in line or "999999" in line for line in heading)


def test_a_long_heading_is_wrapped_at_the_edge_of_the_picture():
    image = ImageModel(testing.create_wfi_image((30, 30)))
    image.meta.filename = "r" + "0123456789" * 11 + ".asdf"
    image.meta.calibration_software_version = "1.2.3 " + "with words " * 10
    figure = show.picture(image, arrays=["data"])
    assert_legible(figure)
    together = "".join(texts_of(figure))
    assert image.meta.filename in together


def test_lines_are_broken_between_items_then_words_then_anywhere():
    measure = len
    assert wrapped(["ab", "cd"], 9, measure) == ["ab  \u00b7  cd"]
    assert wrapped(["ab", "cd"], 8, measure) == ["ab", "cd"]
    assert wrapped(["one two three", "x"], 8, measure) == ["one two", "three", "x"]
    assert wrapped(["abcdefghij"], 4, measure) == ["abcd", "efgh", "ij"]
    assert wrapped([], 4, measure) == []


def test_names_that_are_not_there_are_told_with_what_is(image):
    with pytest.raises(InputError, match=r"no array 'chisqr'; did you mean 'chisq'\? \(arrays are"):
        show.picture(image, arrays=["chisqr"])
    with pytest.raises(InputError, match=r"amp33\.99: nothing to draw in an array of shape \(6"):
        show.picture(image, arrays=["amp33.99"])
    with pytest.raises(ArgumentError, match=r"'JUMP' is not a flag of a pixel"):
        show.picture(image, flags=["JUMP"])
    with pytest.raises(ArgumentError, match="theme: expected light or dark, got 'grey'"):
        show.picture(image, theme="grey")


def test_flags_of_another_shape_are_told_and_the_data_can_be_drawn_alone():
    image = ImageModel(testing.create_wfi_image((30, 40)))
    image._tree.data["dq"] = np.zeros((30, 4), np.uint32)
    for draw in (show.picture, show.thumbnail):
        with pytest.raises(ValidationError, match=r"dq.*expected shape \(30, 40\)"):
            draw(image)
    assert titles(show.picture(image, arrays=["data"])) == ["data"]


@pytest.mark.parametrize("ending", show.FORMATS)
def test_a_picture_is_written_in_the_format_of_its_name(image, tmp_path, ending):
    starts = {"png": b"\x89PNG", "pdf": b"%PDF", "svg": b"<?xml", "jpg": b"\xff\xd8"}
    path = show.save(show.picture(image, arrays=["dq"]), tmp_path / f"a.b.{ending}")
    assert path.read_bytes().startswith(starts[ending])


def test_a_format_that_is_none_writes_nothing(image, tmp_path):
    figure = show.picture(image, arrays=["dq"])
    for name in ("a.pgn", "a", "a.asdf"):
        with pytest.raises(InputError, match=r"ends in \.png, \.pdf, \.svg, \.jpg"):
            show.save(figure, tmp_path / name)
    assert not list(tmp_path.iterdir())


def test_a_picture_can_be_drawn_into_a_figure_of_pyplot(image):
    from matplotlib.figure import Figure

    mine = Figure()
    assert show.picture(image, figure=mine) is mine
    assert "Rate" in titles(mine)


def test_a_closed_file_leaves_its_picture(products):
    figure = show.picture(products["cal"])  # the file is closed again
    assert_legible(figure)


def test_without_matplotlib_the_extra_is_named(image, monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "matplotlib", None)
    for draw in (show.picture, show.thumbnail, show.preview):
        with pytest.raises(ImportError, match=r'pip install "romancal-rs\[plot\]"'):
            draw(image)
