"""Linearity read by read: its arguments, and the kernel that the step makes of references."""

import numpy as np
import pytest

from romancal_rs import ReadPattern, _core, datamodels, dqflags, kernels
from romancal_rs.datamodels import testing
from romancal_rs.linearity import LinearityStep, read_level_kernel

PAIRS = ReadPattern.from_reads([[1, 2], [3, 4]], 3.04)
NO_LIN_CORR, DO_NOT_USE = dqflags.NO_LIN_CORR, dqflags.DO_NOT_USE


def polynomial(shape, *terms):
    """The same coefficients for all pixels."""
    return np.multiply.outer(terms, np.ones(shape)).astype(np.float32)


def ramp_of(n_rows, n_cols, seed=1):
    """A ramp of two resultants, and its flags."""
    rng = np.random.default_rng(seed)
    first = rng.uniform(0, 20000, (n_rows, n_cols))
    data = np.stack([first, first + rng.uniform(0, 20000, first.shape)]).astype(np.float32)
    return data, np.zeros(data.shape, np.uint8), np.zeros(first.shape, np.uint32)


def corrected(inverse, inl=None, *, pattern=PAIRS, shape=(2, 2), **how):
    """A ramp corrected by L = x + 1e-6 x^2, and its flags."""
    ramp = ramp_of(*shape)
    coeffs, flags = polynomial(shape, 0, 1, 1e-6), np.zeros(shape, np.uint32)
    kernels.linearize_reads(*ramp, coeffs, flags, inverse, pattern, inl=inl, **how)
    return ramp


def table(n_channels):
    """A table of nodes, and corrections that differ from channel to channel."""
    rng = np.random.default_rng(2)
    return np.arange(0, 65536, 64, dtype=np.uint16), rng.uniform(-9, 9, (n_channels, 1024))


def test_without_an_inverse_each_resultant_has_the_polynomial_of_its_mean():
    data, _, _ = ramp_of(2, 2)
    x = data.astype(float)
    expected = x + np.float64(np.float32(1e-6)) * x**2
    np.testing.assert_allclose(corrected(None)[0], expected, rtol=1e-7)
    # And so it has with a single resultant, which has no rate.
    single = data[:1].copy()
    arrays = single, np.zeros(single.shape, np.uint8), np.zeros((2, 2), np.uint32)
    inverse = polynomial((2, 2), 0, 1, -1e-6)
    coeffs, flags = polynomial((2, 2), 0, 1, 1e-6), np.zeros((2, 2), np.uint32)
    pattern = ReadPattern.from_reads([[1, 2, 3]], 3.04)
    kernels.linearize_reads(*arrays, coeffs, flags, inverse, pattern)
    np.testing.assert_allclose(single, expected[:1], rtol=1e-7)


def test_the_channel_is_that_of_the_column_in_the_image():
    shape = (3, 300)
    nodes, corrections = table(3)
    inverse = polynomial(shape, 0, 1, -1e-6)
    whole = corrected(inverse, (nodes, corrections), shape=shape)[0]
    before = ramp_of(*shape)[0]
    for channel in range(3):
        cols = np.s_[..., 128 * channel : 128 * (channel + 1)]
        data = before[cols].copy()
        arrays = data, np.zeros(data.shape, np.uint8), np.zeros(data.shape[1:], np.uint32)
        coeffs = polynomial(data.shape[1:], 0, 1, 1e-6)
        inverse = polynomial(data.shape[1:], 0, 1, -1e-6)
        own = nodes, corrections[channel : channel + 1]
        kernels.linearize_reads(*arrays, coeffs, arrays[2].copy(), inverse, PAIRS, inl=own)
        np.testing.assert_array_equal(data, whole[cols])


@pytest.mark.parametrize("tile_cols", [1, 64, 100, 128])
@pytest.mark.parametrize("max_threads", [1, 2, 3])
def test_tiles_of_columns_do_not_matter(tile_cols, max_threads):
    shape = (3, 300)
    inverse = polynomial(shape, 0, 1, -1e-6)
    whole = corrected(inverse, table(3), shape=shape)
    cut = ramp_of(*shape)
    coeffs, flags = polynomial(shape, 0, 1, 1e-6), np.zeros(shape, np.uint32)
    kernel = kernels.read_linearity(coeffs, flags, inverse, PAIRS, inl=table(3))
    _core.apply([kernel], *cut, max_threads, 2, tile_cols)
    for one, other in zip(whole, cut, strict=True):
        assert one.tobytes() == other.tobytes()


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"inl": table(2)}, kernels.ArgumentError, "inl: .* got 2 for 300 columns, which are 3"),
        ({"inl": (table(3)[0][:-1], table(3)[1])}, kernels.ShapeError, "corrections: .*1023"),
        ({"inl": (table(3)[0][::-1], table(3)[1])}, kernels.ArgumentError, "values: .*increase"),
        ({"inl": (np.arange(9.0), table(3)[1])}, kernels.ArgumentTypeError, "values: .*uint16"),
        ({"inverse": np.zeros((1, 3, 300), np.float32)}, kernels.ShapeError, "inverse_coeffs"),
        ({"inverse": np.zeros((2, 3, 9), np.float32)}, kernels.ShapeError, "inverse_coeffs"),
        (
            {"pattern": ReadPattern([4.56, 10.64], [2, 2], 6.08)},
            kernels.ArgumentError,
            "frame_time",
        ),
        ({"pattern": ReadPattern.from_reads([[1]], 3.0)}, kernels.ArgumentError, "1 for 2"),
    ],
)
def test_what_does_not_fit_is_told(change, error, message):
    arguments = {"inverse": polynomial((3, 300), 0, 1), "inl": None, "pattern": PAIRS} | change
    with pytest.raises(error, match=message):
        corrected(**arguments, shape=(3, 300))


def test_a_pattern_knows_its_frame_time():
    assert PAIRS.frame_time == 3.04
    assert ReadPattern.evenly_spaced(2, 8.0, 2, 3.0).frame_time == 3.0
    assert ReadPattern([1.0], [1], 1.0).frame_time is None
    assert ReadPattern(PAIRS.times, PAIRS.n_reads, PAIRS.group_time, 3.04) == PAIRS


# --- the step


def models(shape, linearity, inverse=None):
    """An exposure of pairs, and its references."""
    exposure = datamodels.RampModel(testing.create_ramp(shape=(2, *shape)))
    exposure.meta.exposure["read_pattern"] = [[1, 2], [3, 4]]
    exposure.meta.exposure["frame_time"] = 3.04
    references = {"linearity": testing.create_linearity(linearity.shape, coeffs=linearity)}
    if inverse is not None:
        node = testing.create_inverselinearity(inverse.shape, coeffs=inverse)
        references["inverselinearity"] = node
    kinds = {
        "linearity": datamodels.LinearityRefModel,
        "inverselinearity": datamodels.InverselinearityRefModel,
    }
    return exposure, {reftype: kinds[reftype](node) for reftype, node in references.items()}


def test_the_kernel_of_the_references_is_that_of_their_arrays():
    shape = (16, 300)
    coeffs, inverse = polynomial(shape, 0, 1, 1e-6), polynomial(shape, 0, 1, -1e-6)
    exposure, references = models(shape, coeffs, inverse)
    nodes, corrections = table(3)
    node = testing.create_integralnonlinearity(3)
    for number, row in enumerate(corrections, 1):
        node["inl_table"][f"science_channel_{number:02d}"]["correction"] = row
    node["inl_table"]["science_channel_02"]["correction"] = None  # the schema allows it
    references["integralnonlinearity"] = datamodels.IntegralnonlinearityRefModel(node)
    result = ramp_of(*shape)
    kernel = LinearityStep().kernel(exposure, references)
    _core.apply([kernel], *result, None, None, None)
    corrections[1] = np.nan
    for one, other in zip(
        result, corrected(inverse, (nodes, corrections), shape=shape), strict=True
    ):
        np.testing.assert_array_equal(one, other)
    # Where the channel has no correction it is as if there were no table.
    without = corrected(inverse, shape=shape)[0]
    np.testing.assert_array_equal(result[0][..., 128:256], without[..., 128:256])
    assert (result[0][..., :128] != without[..., :128]).all()


def test_without_an_inverse_the_step_takes_each_resultant_for_one_read():
    shape = (16, 20)
    exposure, references = models(shape, polynomial(shape, 0, 1, 1e-6))
    result = ramp_of(*shape)
    _core.apply([read_level_kernel(exposure, references)], *result, None, None, None)
    np.testing.assert_array_equal(result[0], corrected(None, shape=shape)[0])


def test_an_integral_nonlinearity_without_nodes_corrects_nothing():
    shape = (16, 20)
    coeffs, inverse = polynomial(shape, 0, 1, 1e-6), polynomial(shape, 0, 1, -1e-6)
    exposure, references = models(shape, coeffs, inverse)
    node = testing.create_integralnonlinearity(1)
    node["value"] = None
    references["integralnonlinearity"] = datamodels.IntegralnonlinearityRefModel(node)
    result = ramp_of(*shape)
    _core.apply([read_level_kernel(exposure, references)], *result, None, None, None)
    np.testing.assert_array_equal(result[0], corrected(inverse, shape=shape)[0])


def test_a_pixel_whose_inverse_says_no_lin_corr_is_left_alone_and_flagged():
    shape = (16, 20)
    coeffs, inverse = polynomial(shape, 0, 1, 1e-6), polynomial(shape, 0, 1, -1e-6)
    exposure, references = models(shape, coeffs, inverse)
    flags = np.zeros(shape, np.uint32)
    flags[3, 4] = NO_LIN_CORR | DO_NOT_USE
    references["inverselinearity"].dq = flags
    result = ramp_of(*shape)
    _core.apply([read_level_kernel(exposure, references)], *result, None, None, None)
    np.testing.assert_array_equal(result[0][:, 3, 4], ramp_of(*shape)[0][:, 3, 4])
    assert result[2][3, 4] == NO_LIN_CORR
    assert np.count_nonzero(result[2]) == 1
    assert not references["linearity"].dq.any()
