"""Linearity read by read: its arguments, and the kernel that the step makes of references."""

import re

import numpy as np
import pytest

from romancal_rs import ReadPattern, _core, datamodels, dqflags, errors, kernels
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
        ({"inl": (table(3)[0] * 1j, table(3)[1])}, kernels.ArgumentTypeError, "values: .*complex"),
        ({"inl": (table(3)[0], table(3)[1] > 0)}, kernels.ArgumentTypeError, "corrections: .*bool"),
        ({"inl": ([0, 64], table(3)[1])}, kernels.ArgumentTypeError, "values: .*got list"),
        ({"inl": (table(3)[0], table(3)[1][0])}, kernels.ShapeError, "corrections: .*2 dim"),
        ({"inl": (np.full(1024, np.nan), table(3)[1])}, kernels.ArgumentError, "values: .*finite"),
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


@pytest.mark.parametrize("nodes", ["f4", "f8", "i4", "u8", ">u2", np.longdouble])
@pytest.mark.parametrize("numbers", ["f4", "i2", ">f8"])
def test_nodes_had_to_be_uint16_and_corrections_float64(nodes, numbers):
    shape = (3, 300)
    inverse = polynomial(shape, 0, 1, -1e-6)
    values, corrections = table(3)
    corrections = np.round(corrections)  # so that all of these dtypes hold them
    expected = corrected(inverse, (values, corrections), shape=shape)[0]
    inl = values.astype(nodes), corrections.astype(numbers)
    np.testing.assert_array_equal(corrected(inverse, inl, shape=shape)[0], expected)
    every_other = np.repeat(inl[0], 2)[::2], inl[1].T.copy().T
    np.testing.assert_array_equal(corrected(inverse, every_other, shape=shape)[0], expected)


@pytest.mark.parametrize("band_rows", [1, 2, 5])
@pytest.mark.parametrize("tile_cols", [None, 64, 100])
@pytest.mark.parametrize("max_threads", [1, 3])
def test_a_cut_sample_is_counted_once_however_tiles_overlap(band_rows, tile_cols, max_threads):
    shape = (7, 300)
    data, groupdq, pixeldq = ramp_of(*shape)
    rng = np.random.default_rng(3)
    data[rng.random(data.shape) < 0.1] = -2e6
    data[0, 2, 3] = np.nan
    coeffs, flags = polynomial(shape, 0, 1), np.zeros(shape, np.uint32)
    n_cut = np.count_nonzero(data == -2e6)
    chain = [
        kernels.read_linearity(coeffs, flags, None, PAIRS),
        # This one looks at neighbours, for which bands have pixels around them.
        kernels.saturation(np.full(shape, 6e4, np.float32), flags, n_pix_grow_sat=2),
    ]
    execution = max_threads, band_rows, tile_cols
    outcomes = _core.apply(chain, data, groupdq, pixeldq, *execution)
    assert outcomes[0][1] == {"n_cut": n_cut}


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


def test_an_exposure_that_did_not_say_how_long_a_read_takes_was_refused():
    shape = (16, 20)
    coeffs, inverse = polynomial(shape, 0, 1, 1e-6), polynomial(shape, 0, 1, -1e-6)
    exposure, references = models(shape, coeffs, inverse)
    exposure.meta.exposure["frame_time"] = -999999
    result = ramp_of(*shape)
    _core.apply([read_level_kernel(exposure, references)], *result, None, None, None)
    np.testing.assert_array_equal(result[0], corrected(inverse, shape=shape)[0])


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


@pytest.mark.parametrize("number", [np.nan, -np.inf])
def test_damaged_corrections_were_taken_for_none(number):
    shape = (16, 300)
    coeffs, inverse = polynomial(shape, 0, 1, 1e-6), polynomial(shape, 0, 1, -1e-6)
    exposure, references = models(shape, coeffs, inverse)
    node = testing.create_integralnonlinearity(3, meta={"filename": "inl.asdf"})
    correction = node["inl_table"]["science_channel_02"]["correction"]
    for damaged in (slice(17, 18), slice(17, None), slice(None)):
        correction[damaged] = number
        references["integralnonlinearity"] = datamodels.IntegralnonlinearityRefModel(node)
        where = "0" if damaged == slice(None) else "17"
        message = (
            f"inl.asdf: inl_table.science_channel_02.correction: expected finite numbers, or null "
            f"for none, got {number} at node {where}"
        )
        with pytest.raises(errors.InputError, match=f"^{re.escape(message)}$"):
            LinearityStep().kernel(exposure, references)


def test_nodes_that_do_not_increase_did_not_name_their_file():
    shape = (16, 20)
    coeffs, inverse = polynomial(shape, 0, 1, 1e-6), polynomial(shape, 0, 1, -1e-6)
    exposure, references = models(shape, coeffs, inverse)
    node = testing.create_integralnonlinearity(1, meta={"filename": "inl.asdf"})
    node["value"][7] = node["value"][6]
    references["integralnonlinearity"] = datamodels.IntegralnonlinearityRefModel(node)
    message = "inl.asdf: value: expected nodes that increase, got 384 after 384"
    with pytest.raises(errors.InputError, match=f"^{message}$"):
        LinearityStep().kernel(exposure, references)


def test_what_the_step_does_without_was_not_told(caplog):
    shape = (16, 20)
    coeffs, inverse = polynomial(shape, 0, 1, 1e-6), polynomial(shape, 0, 1, -1e-6)
    exposure, references = models(shape, coeffs, inverse)
    node = testing.create_integralnonlinearity(1)
    references["integralnonlinearity"] = datamodels.IntegralnonlinearityRefModel(node)
    LinearityStep().kernel(exposure, references)
    assert not caplog.records
    del references["inverselinearity"], references["integralnonlinearity"]
    LinearityStep().kernel(exposure, references)
    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [
        (
            "WARNING",
            "INVERSELINEARITY is N/A: each resultant is corrected as if it were a single read",
        ),
        ("WARNING", "INTEGRALNONLINEARITY is N/A: the A/D converters are taken to be linear"),
    ]


@pytest.mark.parametrize(
    ("n_cut", "told"), [(0, []), (1, ["1 sample beyond"]), (3, ["3 samples beyond"])]
)
def test_how_many_samples_were_cut_was_not_told(caplog, n_cut, told):
    shape = (16, 20)
    exposure, references = models(shape, polynomial(shape, 0, 1), polynomial(shape, 0, 1))
    exposure.data[0, 5, :n_cut] = 2e6
    exposure.data[1, 6, 7] = np.nan
    node = testing.create_integralnonlinearity(1)
    references["integralnonlinearity"] = datamodels.IntegralnonlinearityRefModel(node)
    overrides = {f"override_{reftype}": model for reftype, model in references.items()}
    result = LinearityStep.call(exposure, recipe="flight", **overrides)
    assert np.count_nonzero(result.data == 1e6) == n_cut
    cut = [record for record in caplog.records if "1e6" in record.getMessage()]
    assert [record.getMessage().split(" 1e6")[0] for record in cut] == told
    assert all(record.levelname == "WARNING" for record in cut)


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
