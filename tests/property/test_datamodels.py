"""Laws of the data models: what is written is what is read, and a refused value changes nothing."""

import math

import numpy as np
import pytest
from examples import examples
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from romancal_rs import datamodels
from romancal_rs.datamodels import GainRefModel, ImageModel, ScienceRawModel, testing

SLOW_FILES = settings(
    deadline=None,
    max_examples=examples(12),
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
SHAPES_2D = hnp.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=7)
SHAPES_3D = hnp.array_shapes(min_dims=3, max_dims=3, min_side=1, max_side=6)
# YAML has no place for surrogates and most control characters.
TEXTS = st.text(st.characters(min_codepoint=32, exclude_categories=("Cs", "Cc", "Cn", "Co")))


@SLOW_FILES
@given(
    cube=hnp.arrays(np.uint16, SHAPES_3D),
    title=TEXTS.filter(lambda text: len(text) <= 50),
    frame_time=st.floats(allow_nan=False, allow_infinity=False),
    compression=st.sampled_from([None, "lz4"]),
)
def test_an_exposure_is_read_as_it_was_written(cube, title, frame_time, compression, tmp_path):
    raw = ScienceRawModel(testing.create_wfi_science_raw(data=cube))
    raw.meta.exposure.ma_table_name = title
    raw.meta.exposure.frame_time = frame_time
    with datamodels.open(raw.save(tmp_path / "raw.asdf", compression=compression)) as again:
        np.testing.assert_array_equal(again.data, cube)
        assert again.data.dtype == np.uint16
        assert again.meta.exposure.ma_table_name == title
        assert again.meta.exposure.frame_time == frame_time
        assert again.meta.exposure.read_pattern == raw.meta.exposure.read_pattern


@SLOW_FILES
@given(values=hnp.arrays(np.float32, SHAPES_2D))
def test_single_precision_is_exact_in_files(values, tmp_path):
    gain = GainRefModel(testing.create_gain(data=values))
    with datamodels.open(gain.save(tmp_path / "gain.asdf")) as again:
        np.testing.assert_array_equal(again.data, values)


@SLOW_FILES
@given(values=hnp.arrays(np.float32, SHAPES_2D))
def test_half_precision_is_off_by_half_a_unit_at_most(values, tmp_path):
    image = ImageModel(testing.create_wfi_image(shape=values.shape, err=values))
    with datamodels.open(image.save(tmp_path / "im.asdf")) as again:
        read = again.err
    clipped = np.clip(values, -65504, 65504).astype(np.float64)
    np.testing.assert_array_equal(np.isnan(read), np.isnan(values))
    # 11 significant bits; below 2^-14 a fixed step of 2^-24.
    half_a_unit = np.maximum(np.abs(clipped) * 2**-11, 2**-25)
    good = np.isfinite(clipped)
    assert (np.abs(read - clipped)[good] <= half_a_unit[good]).all()
    assert np.isfinite(read[good]).all()


@given(
    name=st.sampled_from(["frame_time", "nresultants", "type", "start_time", "read_pattern"]),
    value=st.one_of(
        st.none(),
        st.binary(),
        st.dictionaries(st.text(), st.integers()),
        st.lists(st.text(min_size=1), min_size=1),
    ),
)
def test_a_refused_value_changes_nothing(name, value):
    raw = ScienceRawModel(testing.create_wfi_science_raw())
    before = raw.meta.copy()
    with pytest.raises(datamodels.ValidationError) as caught:
        raw.meta.exposure[name] = value
    assert caught.value.path.startswith(f"meta.exposure.{name}")
    assert raw.meta == before


@given(st.floats(min_value=1e-6, max_value=1e6))
def test_derived_photometry_scales_with_what_is_stored(value):
    image = ImageModel(testing.create_wfi_image())
    photometry = image.meta.photometry
    photometry.conversion_megajanskys = value
    photometry.pixel_area = value
    microjanskys = photometry.conversion_microjanskys * photometry.pixelarea_arcsecsq
    # uJy per pixel, by way of square arcseconds and directly.
    assert math.isclose(microjanskys, value * value * 1e12, rel_tol=1e-12)


@given(
    st.lists(
        st.dictionaries(st.text(min_size=1).filter(lambda s: "." not in s), st.integers()),
        max_size=4,
    )
)
def test_a_copy_is_equal_and_independent(extras):
    raw = ScienceRawModel(testing.create_wfi_science_raw())
    raw.meta.extras = extras
    other = raw.copy()
    assert other.meta == raw.meta
    other.meta.extras.append({"more": 1})
    assert raw.meta.extras == extras
