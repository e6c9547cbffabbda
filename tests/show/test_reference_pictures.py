"""What is drawn of reference files: images, planes, flags, and curves of tables."""

from __future__ import annotations

import numpy as np
import pytest
from drawn_texts import assert_legible, texts_of

from romancal_rs import datamodels, show
from romancal_rs.datamodels import RampFitOutputModel, testing
from romancal_rs.dqflags import pixel
from romancal_rs.errors import InputError
from romancal_rs.reference_types import KNOWN_TYPES
from romancal_rs.show.panels import Curves, FlagMap, Image
from romancal_rs.show.picture import panels_of
from romancal_rs.show.reference_files import spectrum

#: Of these there is nothing to see.
NUMBERS_ALONE = {"BAM"}


def reference(reftype, **content):
    node = getattr(testing, f"create_{reftype.lower()}")(**content)
    return datamodels.reference_model(reftype)(node)


def titles(figure) -> list[str]:
    return [axes.get_title() for axes in figure.axes if axes.get_title()]


@pytest.mark.parametrize("reftype", sorted(KNOWN_TYPES - NUMBERS_ALONE))
def test_a_made_up_file_of_every_type_is_legible(reftype):
    assert_legible(show.picture(reference(reftype)))


@pytest.mark.parametrize("reftype", sorted(NUMBERS_ALONE))
def test_where_there_is_nothing_to_draw_the_file_and_its_content_are_named(reftype, tmp_path):
    path = reference(reftype).save(tmp_path / "roman_wfi_bam_0001.asdf")
    with pytest.raises(
        InputError, match=r"roman_wfi_bam_0001\.asdf: nothing that can be drawn.*bam_quaternion"
    ):
        show.picture(path)
    with pytest.raises(InputError, match=r"bam_0001\.asdf: no image in a BamRefModel"):
        show.thumbnail(path)


def test_references_of_a_simulated_exposure_are_legible(simulated):
    for path in sorted(simulated.references.glob("*.asdf")):
        figure = show.picture(path, theme="dark")
        assert_legible(figure)
        with datamodels.open(path) as model:
            heading = " ".join(text.get_text() for text in figure.texts)
            assert heading.startswith(path.name)
            assert model.meta.reftype in heading
            assert "use after 2020-01-01" in heading


def test_the_lowest_terms_of_coefficients_and_the_last_are_drawn_and_then_flags():
    coeffs = np.zeros((11, 12, 12), np.float32)
    coeffs[1] = 1
    model = reference("LINEARITY", coeffs=coeffs, dq=np.zeros((12, 12), np.uint32))
    planes = [f"coeffs, plane {index} of 0 to 10" for index in (0, 1, 2, 3, 10)]
    assert titles(show.picture(model)) == [*planes, "dq (flags)"]


def test_a_dark_of_planes_is_its_first_and_its_last(tmp_path):
    cube = np.arange(5, dtype=np.float32)[:, None, None] * np.ones((1, 12, 12), np.float32)
    model = reference("DARK", data=cube)
    shown = [panel for panel in panels_of(model) if panel.title.startswith("data")]
    assert [panel.title for panel in shown] == [
        "data, plane 0 of 0 to 4",
        "data, plane 4 of 0 to 4",
    ]
    np.testing.assert_array_equal(shown[1].cells, 4)
    assert shown[1].unit == "DN"


def test_a_mask_names_its_flags_and_counts_them():
    dq = np.zeros((20, 30), np.uint32)
    dq[:4] |= pixel["REFERENCE_PIXEL"]
    dq[10, 10:12] = pixel["DEAD"] | pixel["DO_NOT_USE"]
    (panel,) = panels_of(reference("MASK", dq=dq))
    assert isinstance(panel, FlagMap)
    assert panel.counts == [122, 0, 0, 2]  # the dead ones have another flag, too
    told = " ".join(panel.notes).replace("\u00a0", " ")
    assert told == "DO_NOT_USE 2, DEAD 2, REFERENCE_PIXEL 120"


def test_the_lines_below_a_mask_with_all_flags_are_within_the_picture():
    dq = np.zeros((720, 700), np.uint32)
    dq[0, :32] = 1 << np.arange(32, dtype=np.uint32)
    figure = show.picture(reference("MASK", dq=dq))
    assert_legible(figure)
    assert any(text.startswith("cells of 2 x 2") for text in texts_of(figure))


def test_pixels_without_a_number_are_told_apart_from_flagged_ones():
    data = np.ones((20, 20), np.float32)
    data[3, 3:6] = np.nan
    figure = show.picture(reference("GAIN", data=data))
    assert "no number: 3 pixels (0.75%)" in texts_of(figure)
    assert "electron / DN" in texts_of(figure)


def test_integers_are_drawn_as_numbers():
    (panel,) = panels_of(reference("GAIN"), arrays=["data"])
    assert isinstance(panel, Image)
    model = reference("INTEGRALNONLINEARITY")
    (panel,) = panels_of(model, arrays=["value"])
    assert isinstance(panel, Curves)
    np.testing.assert_array_equal(panel.curves[0].y, model.value)
    assert panel.y_label == "DN"


def test_a_spectrum_is_the_median_of_channels_at_each_frequency():
    values = np.zeros((3, 9), complex)
    values[:, 4] = [1j, 3 + 4j, -2]
    panel = spectrum("gamma", values)
    (curve,) = panel.curves
    at = list(np.round(curve.x * 16, 6)).index(4)  # cycles in the 16 samples of the series
    assert (curve.low[at], curve.y[at], curve.high[at]) == (1, 2, 5)
    assert not panel.y_log  # zeros have no place on a logarithmic axis


def test_arrows_of_a_distortion_are_what_a_linear_transform_leaves():
    from astropy.modeling.models import Mapping, Polynomial2D

    # x' = 0.1 (x + 1e-5 x^2), y' = 0.1 y, in arcseconds.
    transform = Mapping((0, 1, 0, 1)) | (
        Polynomial2D(2, c1_0=0.1, c2_0=1e-6) & Polynomial2D(2, c0_1=0.1)
    )
    model = reference("DISTORTION", coordinate_distortion_transform=transform)
    (panel,) = panels_of(model)
    assert panel.shape == (4088, 4088)
    x = np.unique(panel.x)
    square = 1e-5 * x**2
    left = square - np.polyval(np.polyfit(x, square, 1), x)
    # The linear part of the fit is a little longer than 0.1 arcsec a pixel.
    longer = 1 + np.polyfit(x, square, 1)[0]
    np.testing.assert_allclose(panel.dx[: len(x)], left / longer, atol=1e-6)
    np.testing.assert_allclose(panel.dy, 0, atol=1e-9)
    (note,) = panel.notes
    assert note.startswith(f"the longest is {np.abs(left / longer).max():.2f} pixels")


def test_photometry_is_drawn_by_element_with_what_has_a_number():
    model = reference("PHOTOM")
    known = [name for name, row in model.phot_table.items() if row["photmjsr"] is not None]
    conversion, areas = panels_of(model)
    assert conversion.curves[0].x == known
    assert conversion.y_label == "MJy / sr for 1 DN / s"
    assert {curve.label for curve in areas.curves} <= set(model.phot_table)
    assert_legible(show.picture(model))


def test_the_optional_product_of_a_fit_is_drawn_by_its_first_segment():
    model = RampFitOutputModel(testing.create_ramp_fit_output((3, 12, 12)))
    found = titles(show.picture(model))
    assert "slope, plane 2 of 0 to 2" in found
    assert "pedestal" in found
