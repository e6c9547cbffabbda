"""Reference pixels: the law in NumPy, and what is wrong in romancal 1.1.0."""

import numpy as np
import pytest

from romancal_rs import datamodels, kernels
from romancal_rs.datamodels import testing
from romancal_rs.errors import InputError
from romancal_rs.pipeline import ExposurePipeline
from romancal_rs.refpix import RefPixStep

BAD_REF_PIXEL = 1 << 17
N_ROWS, WIDTH, PAUSE = 9, 128, 12
CYCLE = WIDTH + PAUSE
BORDER_ROWS = [0, 1, 2, 3, N_ROWS - 4, N_ROWS - 3, N_ROWS - 2, N_ROWS - 1]
SWITCHES = ("remove_offset", "remove_trends", "cosine_interpolate", "fft_interpolate")


class Case:
    """A ramp of two channels with noise, drifts, and coefficients of any kind."""

    def __init__(self, seed=1, n_resultants=4, n_channels=2):
        rng = np.random.default_rng(seed)
        n_cols = n_channels * WIDTH
        drift = rng.normal(0, 5, (n_resultants, 1, 1)) + np.linspace(0, 3, N_ROWS)[:, None]
        self.data = (rng.normal(9000, 20, (N_ROWS, n_cols)) + drift).astype(np.float32)
        self.data += rng.normal(0, 4, self.data.shape).astype(np.float32)
        amp33 = rng.normal(5000, 20, (N_ROWS, WIDTH)) + drift
        self.amp33 = (amp33 + rng.normal(0, 4, amp33.shape)).round().astype(np.uint16)
        self.pixeldq = np.zeros((N_ROWS, n_cols), np.uint32)
        shape = (3, n_channels, N_ROWS * CYCLE // 2 + 1)
        parts = rng.normal(0, 0.3, (2, *shape))
        self.coefficients = parts[0] + 1j * parts[1]

    def corrected(self, **options):
        """Copies of data and amp33, corrected."""
        data, amp33 = self.data.copy(), self.amp33.copy()
        kernels.correct_reference_pixels(data, amp33, self.pixeldq, *self.coefficients, **options)
        return data, amp33

    def law(self, **options):
        """The same in float64: data - (slope t + level) - correction."""
        return law(self.data, self.amp33, self.pixeldq, self.coefficients, **options)


def law(
    data,
    amp33,
    pixeldq,
    coefficients,
    *,
    remove_offset=True,
    remove_trends=True,
    cosine_interpolate=True,
    fft_interpolate=True,
):
    n_resultants, n_rows, n_cols = data.shape
    n_channels, length = n_cols // WIDTH, n_rows * CYCLE
    data = data.astype(float)
    in_border = np.ones((n_rows, n_cols), bool)
    in_border[4:-4, 4:-4] = False
    bad = in_border & (pixeldq & BAD_REF_PIXEL != 0)
    data[:, bad] = 0
    samples = np.concatenate([data, amp33.astype(float)], axis=2)
    is_valid = np.isfinite(samples)
    is_valid[:, :, :n_cols] &= ~bad
    is_valid[:, :, n_cols:] &= amp33 != 0
    n_valid = is_valid.sum(axis=0)
    means = np.where(is_valid, samples, 0).sum(axis=0) / np.maximum(n_valid, 1)
    if not remove_offset:
        means[:] = 0
    values = np.where(is_valid, samples - means, 0)

    times = np.arange(length).reshape(n_rows, CYCLE)[:, :WIDTH] - (length - 1) / 2
    lines = np.zeros((n_resultants, n_channels + 1, n_rows, WIDTH))
    in_time = [in_time_order(values, c, n_channels) for c in range(n_channels + 1)]
    valid = [in_time_order(is_valid, c, n_channels) for c in range(n_channels + 1)]
    if remove_trends:
        for g, c in np.ndindex(n_resultants, n_channels + 1):
            use = np.zeros((n_rows, WIDTH), bool)
            use[BORDER_ROWS] = valid[c][g][BORDER_ROWS]
            lines[g, c] = np.polyval(np.polyfit(times[use], in_time[c][g][use], 1), times)
    flat = [
        np.where(v, s - lines[:, c], 0) for c, (s, v) in enumerate(zip(in_time, valid, strict=True))
    ]

    sequence = np.zeros((n_resultants, n_rows, CYCLE))
    sequence[:, :, :WIDTH] = flat[-1]
    known = np.zeros_like(sequence)
    known[:, :, :WIDTH] = valid[-1]
    sequence, known = (a.reshape(n_resultants, length) for a in (sequence, known))
    if cosine_interpolate:
        # In single precision the last weight is not quite 0.
        angles = np.arange(1, 33, dtype=np.float32) * np.float32(np.pi / 32)
        kernel = np.sin(angles).astype(float)
        for g in range(n_resultants):
            sums = np.convolve(sequence[g], kernel)[15 : 15 + length]
            weights = np.convolve(known[g], kernel)[15 : 15 + length]
            filled = np.where(weights != 0, sums / np.where(weights != 0, weights, 1), 0)
            sequence[g] = np.where(known[g] > 0, sequence[g], filled)
    filter_ = (1 + np.cos(2 * np.pi * np.arange(length // 2 + 1) / length)) / 2
    in_pause = np.arange(length) % CYCLE >= WIDTH
    for _ in range(3 if fft_interpolate else 0):
        smooth = np.fft.irfft(filter_ * np.fft.rfft(sequence), length)
        sequence = np.where(in_pause, smooth, sequence)
    new_amp33 = sequence.reshape(n_resultants, n_rows, CYCLE)[:, :, :WIDTH] + means[:, n_cols:]
    new_amp33[:, n_valid[:, n_cols:] == 0] = 0

    def border(c):
        alone = np.zeros((n_resultants, n_rows, CYCLE))
        alone[:, :, :4] = flat[c][:, :, :4]
        return np.fft.rfft(alone.reshape(n_resultants, length)) * (CYCLE / 4)

    left, right, amp = border(0), border(n_channels - 1), np.fft.rfft(sequence)
    for c in range(n_channels):
        gamma, zeta, alpha = coefficients[:, c]
        spectrum = left * gamma + right * zeta + amp * alpha
        correction = np.fft.irfft(spectrum, length) * (length + 2) / length
        correction = correction.reshape(n_resultants, n_rows, CYCLE)[:, :, :WIDTH]
        line = lines[:, c]
        if c % 2:
            correction, line = correction[:, :, ::-1], line[:, :, ::-1]
        cols = slice(c * WIDTH, (c + 1) * WIDTH)
        data[:, :, cols] -= correction + np.where(bad[:, cols], 0, line)
    return data, np.clip(new_amp33, 0, 65535)


def in_time_order(array, channel, n_channels):
    of_channel = array[:, :, channel * WIDTH : (channel + 1) * WIDTH]
    return of_channel[:, :, ::-1] if channel % 2 and channel < n_channels else of_channel


def agree(case, **options):
    data, amp33 = case.corrected(**options)
    expected, expected_amp33 = case.law(**options)
    # Numbers of 9000 are rounded to 0.001: the result, and lines whose level is as high.
    tolerance = 2e-3 if options.get("remove_offset") is False else 1.1e-3
    np.testing.assert_allclose(data, expected, rtol=0, atol=tolerance)
    np.testing.assert_allclose(amp33, expected_amp33, rtol=0, atol=0.502)
    return data, amp33


@pytest.mark.parametrize("n_channels", [2, 4])
def test_the_law(n_channels):
    case = Case(n_channels=n_channels)
    data, amp33 = agree(case)
    change = (case.data - data).std()
    assert change > 3  # there is something to agree on
    assert (amp33 != case.amp33).any()


def test_missing_reference_samples_of_all_kinds():
    case = Case(2)
    rng = np.random.default_rng(3)
    case.pixeldq[rng.integers(0, N_ROWS, 6), rng.choice([0, 1, 2, 255, 254], 6)] |= BAD_REF_PIXEL
    case.pixeldq[2, 100:120] |= BAD_REF_PIXEL
    case.data[1, 1, 30], case.data[2, 7, 2], case.data[0, 4, 254] = np.nan, np.nan, np.inf
    case.amp33[0, 3, 5:60], case.amp33[2, 0, 17], case.amp33[:, 6, 100] = 0, 0, 0
    agree(case)


@pytest.mark.parametrize("switch", SWITCHES)
def test_each_switch_does_what_it_says(switch):
    # romancal hands them over by position, each to the one before it.
    case = Case(4)
    case.amp33[1, 3, 20:30] = 0
    case.pixeldq[1, 2] = BAD_REF_PIXEL
    with_it, _ = case.corrected()
    without, _ = agree(case, **{switch: False})
    assert np.abs(with_it - without).max() > 0.1


def without_coefficients(shape):
    """Of as many rows and columns: only lines are removed."""
    return np.zeros((3, shape[1] // WIDTH, shape[0] * CYCLE // 2 + 1), complex)


def of_amp33(shape):
    """The correction is the sequence of the 33rd amplifier itself, in every channel."""
    coefficients = without_coefficients(shape)
    coefficients[2] = 1
    return coefficients


def test_other_sizes_than_that_of_the_detector_have_channels_of_their_own():
    # romancal takes 4096 columns for granted: 512 came out as 640.
    case = Case(5, n_channels=4)
    data, _ = agree(case)
    assert data.shape == (4, N_ROWS, 512)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"gamma": (4, 631)}, r"gamma: expected shape \(2, 631\), got \(4, 631\)"),
        ({"zeta": (2, 281)}, r"zeta: expected shape \(2, 631\), got \(2, 281\)"),
        ({"alpha": (1, 631)}, r"alpha: expected shape \(2, 631\), got \(1, 631\)"),
        ({"amp33": (4, 9, 64)}, r"amp33: expected shape \(4, 9, 128\), got \(4, 9, 64\)"),
        (
            {"data": (4, 9, 200)},
            r"data: expected .* channels of 128 columns, got shape \(4, 9, 200\)",
        ),
        ({"data": (4, 7, 256)}, r"data: expected .* at least 8 rows"),
        ({"data": (1, 9, 256)}, r"data: expected .* at least 2 resultants"),
        ({"pixeldq": (8, 256)}, r"pixeldq: expected shape \(9, 256\), got \(8, 256\)"),
    ],
)
def test_arrays_of_another_shape_are_an_error_that_names_them(change, message):
    case = Case()
    arrays = {
        "data": case.data,
        "amp33": case.amp33,
        "pixeldq": case.pixeldq,
        **dict(zip(("gamma", "zeta", "alpha"), case.coefficients, strict=True)),
    }
    for name, shape in change.items():
        arrays[name] = np.zeros(shape, arrays[name].dtype)
    if "data" in change:
        arrays["pixeldq"] = np.zeros(change["data"][1:], np.uint32)
    with pytest.raises(kernels.ShapeError, match=message.replace("got shape", "got")):
        kernels.correct_reference_pixels(**arrays)


def test_amp33_and_coefficients_are_named_where_they_do_not_fit():
    case = Case()
    case.amp33.flags.writeable = False
    with pytest.raises(kernels.ArgumentError, match=r"amp33: .* read-only"):
        kernels.correct_reference_pixels(case.data, case.amp33, case.pixeldq, *case.coefficients)
    with pytest.raises(kernels.ArgumentTypeError, match="amp33: expected dtype uint16"):
        kernels.refpix(case.amp33.astype(float), *case.coefficients)
    with pytest.raises(kernels.ArgumentTypeError, match="amp33: expected a NumPy array"):
        kernels.correct_reference_pixels(case.data, None, case.pixeldq, *case.coefficients)
    with pytest.raises(kernels.ArgumentTypeError, match="zeta: expected dtype complex128"):
        kernels.refpix(
            Case().amp33, case.coefficients[0], case.coefficients[1].real, case.coefficients[2]
        )


def flat_ramp(levels, n_cols=256):
    """9000 DN, and a level for each resultant in the first and last four rows."""
    data = np.full((len(levels), N_ROWS, n_cols), 9000, np.float32)
    data[:, BORDER_ROWS] += np.array(levels, np.float32)[:, None, None]
    amp33 = np.full((len(levels), N_ROWS, WIDTH), 5000, np.uint16)
    return data, amp33, np.zeros((N_ROWS, n_cols), np.uint32)


@pytest.mark.parametrize(("zero_is_missing", "expected"), [(False, 9015), (True, 9025)])
def test_a_sample_that_equals_its_mean_gets_its_line_removed(zero_is_missing, expected):
    # 0 after the mean is removed is a value like any other.
    data, amp33, pixeldq = flat_ramp([10, 5, -15])
    data[:, 4, 50] = 9025, 9050, 9000
    data[:, 4, 51] = 9024, 9050, 9000
    coefficients = without_coefficients(pixeldq.shape)
    kernels.correct_reference_pixels(
        data, amp33, pixeldq, *coefficients, zero_is_missing=zero_is_missing
    )
    np.testing.assert_allclose(data[:, 4, 50], [expected, 9045, 9015], atol=1e-3)
    np.testing.assert_allclose(data[:, 4, 51], [9014, 9045, 9015], atol=1e-3)


def test_a_dead_sample_of_the_33rd_amplifier_is_missing():
    # Its count of 0 was taken for a sample 5000 DN below the others.
    data, amp33, pixeldq = flat_ramp([0, 0, 0])
    amp33[:, :, :] = np.array([5010, 5000, 4990], np.uint16)[:, None, None]
    amp33[1, 5, 40] = 0
    expected = data.copy()
    kernels.correct_reference_pixels(data, amp33, pixeldq, *of_amp33(pixeldq.shape))
    np.testing.assert_allclose(data, expected, atol=1e-3)
    # Levels are removed with the lines; the gap has the mean of the other two.
    assert (amp33 == 5000).all()


def test_a_nan_stays_alone():
    # One in the border made the whole cube NaN, or all of a channel.
    for y, x in [(4, 1), (1, 60), (8, 255), (5, 100)]:
        case = Case(6)
        case.data[1, y, x] = np.nan
        data, _ = agree(case)
        assert np.argwhere(np.isnan(data)).tolist() == [[1, y, x]]


def test_a_single_resultant_is_an_error_and_the_step_skipped(caplog):
    # The whole cube became NaN.
    ramp = datamodels.RampModel(testing.create_ramp((1, 16, 128)))
    ramp.data = np.full((1, 16, 128), 9000, np.float32)
    reference = datamodels.RefpixRefModel(testing.create_refpix((1, 1121)))
    result = RefPixStep.call(ramp, override_refpix=reference)
    assert result.meta.cal_step.refpix == "SKIPPED"
    assert "it needs 2 resultants, there is 1" in caplog.text
    np.testing.assert_array_equal(result.data, ramp.data)


def test_the_correction_has_the_gain_that_coefficients_are_made_for():
    # L + 2 over L, to be kept. Of two resultants' deviations from their mean, alone.
    rng = np.random.default_rng(7)
    deviation = rng.integers(-40, 40, (N_ROWS, WIDTH))
    data, amp33, pixeldq = flat_ramp([0, 0])
    amp33[0], amp33[1] = 5000 + deviation, 5000 - deviation
    before = amp33.copy()
    others = dict.fromkeys(SWITCHES[1:], False)
    kernels.correct_reference_pixels(data, amp33, pixeldq, *of_amp33(pixeldq.shape), **others)
    change = deviation * (N_ROWS * CYCLE + 2) / (N_ROWS * CYCLE)
    np.testing.assert_allclose(data[0, :, :WIDTH], 9000 - change, atol=1e-3)
    # Odd channels are read from right to left.
    np.testing.assert_allclose(data[0, :, WIDTH:], 9000 - change[:, ::-1], atol=1e-3)
    np.testing.assert_allclose(data[1, :, :WIDTH], 9000 + change, atol=1e-3)
    np.testing.assert_array_equal(amp33, before)


def test_flags_of_science_pixels_mean_nothing_and_bad_reference_pixels_are_zeroed():
    # A science pixel that is flagged BAD_REF_PIXEL became 0.
    case = Case(8)
    expected, _ = case.corrected()
    case.pixeldq[4:-4, 4:-4] = 0xFFFFFFFF
    data, _ = case.corrected()
    np.testing.assert_array_equal(data, expected)
    data, amp33, pixeldq = flat_ramp([10, 5, -15])
    pixeldq[4, 2] = BAD_REF_PIXEL
    kernels.correct_reference_pixels(data, amp33, pixeldq, *without_coefficients(pixeldq.shape))
    assert (data[:, 4, 2] == 0).all()


def test_amp33_is_rounded_and_cut_to_16_bits():
    # Cut to a whole number, after its sign was dropped.
    data, amp33, pixeldq = flat_ramp([0, 0, 0])
    amp33[:, 4, :] = np.array([9, 2, 2], np.uint16)[:, None]
    amp33[:, BORDER_ROWS] = np.array([5016, 5009, 5001], np.uint16)[:, None, None]
    kernels.correct_reference_pixels(data, amp33, pixeldq, *without_coefficients(pixeldq.shape))
    # Less levels of 7.33, 0.33 and -7.67.
    assert (amp33[:, 4] == np.array([2, 2, 10])[:, None]).all()
    assert (amp33[:, 0] == 5009).all()
    amp33[:, 4, :] = np.array([3, 0, 0], np.uint16)[:, None]
    amp33[:, BORDER_ROWS] = np.array([5016, 5009, 5001], np.uint16)[:, None, None]
    kernels.correct_reference_pixels(data, amp33, pixeldq, *without_coefficients(pixeldq.shape))
    assert (amp33[0, 4] == 0).all()


def test_a_sample_of_amp33_that_is_missing_in_all_resultants_stays_missing():
    # It became 0, 1 or 2: what is filled in, and a mean of 0.
    case = Case(11)
    case.amp33[:, 5, 30:33] = 0
    case.amp33[1, 5, 40] = 0
    _, amp33 = agree(case)
    assert np.argwhere(amp33.min(axis=0) == 0).tolist() == [[5, 30], [5, 31], [5, 32]]
    assert (amp33[:, 5, 30:33] == 0).all()


def test_coefficients_of_single_precision_are_taken():
    case = Case(12)
    case.coefficients = case.coefficients.astype(np.complex64)
    data, amp33 = case.corrected()
    case.coefficients = case.coefficients.astype(np.complex128)
    expected, expected_amp33 = case.corrected()
    np.testing.assert_array_equal(data, expected)
    np.testing.assert_array_equal(amp33, expected_amp33)


@pytest.fixture
def ramp():
    case = Case(9)
    model = datamodels.RampModel(testing.create_ramp(case.data.shape))
    model.data, model.amp33 = case.data, case.amp33
    return model


def test_the_step_updates_the_ramp_its_border_and_the_33rd_amplifier(ramp):
    case = Case(9)
    reference = datamodels.RefpixRefModel(testing.create_refpix((2, N_ROWS * CYCLE // 2 + 1)))
    for name, coefficients in zip(("gamma", "zeta", "alpha"), case.coefficients, strict=True):
        reference[name] = coefficients
    result = RefPixStep.call(ramp, override_refpix=reference, remove_trends=False)
    data, amp33 = case.corrected(remove_trends=False)
    np.testing.assert_array_equal(result.data, data)
    np.testing.assert_array_equal(result.amp33, amp33)
    np.testing.assert_array_equal(result.border_ref_pix_left, data[:, :, :4])
    np.testing.assert_array_equal(result.border_ref_pix_right, data[:, :, -4:])
    np.testing.assert_array_equal(result.border_ref_pix_top, data[:, :4])
    np.testing.assert_array_equal(result.border_ref_pix_bottom, data[:, -4:])
    assert result.meta.cal_step.refpix == "COMPLETE"
    # What the caller passed stays as it was.
    np.testing.assert_array_equal(ramp.data, case.data)
    np.testing.assert_array_equal(ramp.amp33, case.amp33)


def reference_of(coefficients):
    model = datamodels.RefpixRefModel(testing.create_refpix((2, N_ROWS * CYCLE // 2 + 1)))
    for name, array in zip(("gamma", "zeta", "alpha"), coefficients, strict=True):
        model[name] = array
    return model


def warnings_of(caplog):
    records = [r for r in caplog.records if r.levelname == "WARNING"]
    return [r.getMessage() for r in records if "first (INCOMPLETE" not in r.getMessage()]


def test_coefficients_that_are_not_finite_are_told_and_0(ramp, tmp_path, caplog):
    # A single one made a channel NaN, and nothing said so.
    coefficients = Case(9).coefficients
    coefficients[0, 1, 7], coefficients[2, 0, 9] = np.nan, complex(0, np.inf)
    path = tmp_path / "spoiled_refpix.asdf"
    reference_of(coefficients).save(path)
    result = RefPixStep.call(ramp, override_refpix=str(path))
    assert warnings_of(caplog) == [
        "2 coefficients of the REFPIX spoiled_refpix.asdf are not finite: they count as 0"
    ]
    coefficients[~np.isfinite(coefficients)] = 0
    expected = RefPixStep.call(ramp, override_refpix=reference_of(coefficients))
    np.testing.assert_array_equal(result.data, expected.data)
    assert np.isfinite(result.data).all()


def test_reference_samples_of_which_none_is_usable_are_told(ramp, caplog):
    ramp.amp33 = np.zeros_like(ramp.amp33)
    pixeldq = np.array(ramp.pixeldq)
    pixeldq[:, :4] |= BAD_REF_PIXEL
    ramp.pixeldq = pixeldq
    RefPixStep.call(ramp, override_refpix=reference_of(Case(9).coefficients))
    assert warnings_of(caplog) == [
        f"There is no usable sample of {what} in some resultant: nothing is known of it"
        for what in ("the left border", "amp33, the 33rd amplifier")
    ]


def test_amp33_of_another_shape_is_an_error_that_names_the_exposure(ramp):
    # It named no file.
    ramp.meta.filename = "r0_wfi01_uncal.asdf"
    ramp.meta.exposure.frame_time = 3.04
    ramp.amp33 = ramp.amp33[:, :, :64].copy()
    message = (
        r"r0_wfi01_uncal.asdf: amp33: expected shape \(4, 9, 128\) for data of shape "
        r"\(4, 9, 256\), got \(4, 9, 64\)"
    )
    with pytest.raises(InputError, match=message):
        RefPixStep.call(ramp, override_refpix=reference_of(Case(9).coefficients))
    # Before the first step begins, and before a reference is looked for.
    with pytest.raises(InputError, match=message):
        ExposurePipeline.call(ramp, recipe="flight", steps={"assign_wcs": {"skip": True}})


def test_the_step_without_a_reference_is_skipped(ramp):
    assert RefPixStep.call(ramp, override_refpix="N/A").meta.cal_step.refpix == "SKIPPED"


@pytest.mark.parametrize("n_pix_grow_sat", [0, 2])
def test_the_one_pass_gives_the_bits_and_the_border_of_the_functions(n_pix_grow_sat):
    case = Case(10, n_channels=4)
    shape = case.pixeldq.shape
    threshold, no_flags = np.full(shape, 9010, np.float32), np.zeros(shape, np.uint32)
    saturation = kernels.saturation(threshold, no_flags, n_pix_grow_sat=n_pix_grow_sat)
    refpix = kernels.refpix(case.amp33, *case.coefficients)
    pattern = kernels.ReadPattern.evenly_spaced(4, 3.0)
    ones = np.ones(shape, np.float32)
    fit = kernels.ramp_fit(ones, ones, pattern)

    data, amp33 = case.data.copy(), case.amp33.copy()
    groupdq, pixeldq = np.zeros(data.shape, np.uint8), case.pixeldq.copy()
    kernels.flag_saturation(
        data, groupdq, pixeldq, threshold, no_flags, n_pix_grow_sat=n_pix_grow_sat
    )
    kernels.correct_reference_pixels(data, amp33, pixeldq, *case.coefficients)
    inside = np.s_[..., 4:-4, 4:-4]
    rows = [np.ascontiguousarray(a[inside]) for a in (data, groupdq, pixeldq, ones, ones)]
    expected = kernels.fit_ramps(*rows, pattern)
    for max_threads, band_rows, tile_cols in [
        (1, None, None),
        (2, 2, None),
        (3, 3, 60),
        (3, 1, 512),
    ]:
        result = kernels.calibrate(
            case.data,
            [saturation, refpix],
            fit,
            border=4,
            max_threads=max_threads,
            band_rows=band_rows,
            tile_cols=tile_cols,
        )
        np.testing.assert_array_equal(result.fit.slope, expected.slope)
        found = result.found[1]
        np.testing.assert_array_equal(found["amp33"], amp33)
        np.testing.assert_array_equal(found["border_ref_pix_left"], data[:, :, :4])
        np.testing.assert_array_equal(found["border_ref_pix_right"], data[:, :, -4:])
        np.testing.assert_array_equal(found["border_ref_pix_top"], data[:, :4])
        np.testing.assert_array_equal(found["border_ref_pix_bottom"], data[:, -4:])
