"""What the array functions take for what: lists of reads, numbers, and flags that are left out."""

import inspect

import numpy as np
import pytest

from romancal_rs import ReadPattern, dqflags, kernels

READS = [[1], [2, 3], [4, 5, 6], [8]]
FRAME_TIME = 3.04
PATTERN = ReadPattern.from_reads(READS, FRAME_TIME)
SHAPE = (8, 12)


def full(number):
    return np.full(SHAPE, number, np.float32)


def ramps():
    rng = np.random.default_rng(11)
    rates = rng.uniform(0, 50, SHAPE)
    return (10 + rates * PATTERN.times[:, None, None]).astype(np.float32)


def no_flags():
    return np.zeros((len(READS), *SHAPE), np.uint8), np.zeros(SHAPE, np.uint32)


COEFFS = np.stack([full(0), full(1.1), full(1e-7)])
FITS = {"fit_ramps": kernels.fit_ramps, "fit_likelihood": kernels.fit_likelihood}


@pytest.mark.parametrize("name", FITS)
def test_a_fit_needs_no_flags_and_takes_numbers_and_reads(name):
    data = ramps()
    image = FITS[name](
        data, gain=1.8, read_noise=7.0, read_pattern=READS, frame_time=FRAME_TIME, max_threads=1
    )
    same = FITS[name](data, *no_flags(), full(1.8), full(7.0), PATTERN)
    for plane in kernels.PLANES:
        np.testing.assert_array_equal(getattr(image, plane), getattr(same, plane), plane)


def changed_by(function, *arguments, **keywords):
    data = ramps()
    function(data, *arguments, **keywords)
    return data


@pytest.mark.parametrize(
    ("short", "whole"),
    [
        (
            lambda: changed_by(kernels.correct_linearity, coeffs=COEFFS),
            lambda: changed_by(kernels.correct_linearity, *no_flags(), COEFFS, no_flags()[1]),
        ),
        (
            lambda: changed_by(
                kernels.linearize_reads,
                coeffs=COEFFS,
                inverse_coeffs=None,
                read_pattern=READS,
                frame_time=FRAME_TIME,
            ),
            lambda: changed_by(
                kernels.linearize_reads, *no_flags(), COEFFS, no_flags()[1], None, PATTERN
            ),
        ),
        (
            lambda: changed_by(
                kernels.subtract_dark_rate, rate=0.5, read_pattern=READS, frame_time=FRAME_TIME
            ),
            lambda: changed_by(
                kernels.subtract_dark_rate, no_flags()[1], full(0.5), no_flags()[1], PATTERN
            ),
        ),
        (
            lambda: changed_by(kernels.subtract_dark, dark=ramps()),
            lambda: changed_by(kernels.subtract_dark, no_flags()[1], ramps(), no_flags()[1]),
        ),
        (
            lambda: changed_by(kernels.subtract_dark_decay, 5.0, 9.0, FRAME_TIME, READS, "WFI01"),
            lambda: changed_by(kernels.subtract_dark_decay, 5.0, 9.0, FRAME_TIME, PATTERN, "WFI01"),
        ),
    ],
    ids=["linearity", "reads", "dark rate", "dark", "decay"],
)
def test_a_correction_without_flags_is_that_with_flags_of_0(short, whole):
    found = short()
    assert not np.array_equal(found, ramps())
    np.testing.assert_array_equal(found, whole())


def test_flags_of_samples_are_made_in_the_array_that_is_given():
    data = ramps()
    data[2:, 3, 4] += 5000
    groupdq, pixeldq = no_flags()
    kernels.detect_jumps(
        data, groupdq, gain=1.8, read_noise=7.0, read_pattern=READS, frame_time=FRAME_TIME
    )
    assert groupdq[2, 3, 4] == dqflags.JUMP_DET
    kernels.flag_saturation(data, groupdq, threshold=4000)
    assert groupdq[:, 3, 4].tolist() == [0, 0, 4 | 2, 2]
    # As asked for by its array, with the flags of pixels.
    kernels.flag_saturation(data, groupdq, pixeldq, full(np.nan), no_flags()[1])
    assert (pixeldq == dqflags.NO_SAT_CHECK).all()


@pytest.mark.parametrize("function", [kernels.flag_saturation, kernels.detect_jumps])
def test_flags_that_are_the_result_are_asked_for(function):
    with pytest.raises(TypeError, match="groupdq"):
        function(ramps())


def test_images_take_numbers_and_leave_out_flags_of_references():
    rate, dq = full(4.0), no_flags()[1]
    kernels.subtract_dark_from_image(rate, dq, 1.0)
    assert (rate == 3).all()
    assert kernels.image_statistics(rate, err=1.0).median == 3
    variances = full(2.0), full(1.0)
    var_flat, err = kernels.apply_flat(rate, dq, *variances, full(0.5), 0.25)
    assert (rate == 6).all()
    np.testing.assert_array_equal(var_flat, (6 / 0.5) ** 2 * 0.25**2)  # 9
    np.testing.assert_array_equal(err, np.sqrt(np.float32(2 * 4 + 1 * 4 + 9)))
    assert kernels.divide_by_flat(rate, dq, err, variances[0], full(2.0)) is None
    assert (rate == 3).all()


def test_kernels_take_lists_of_reads_and_leave_out_flags_of_references():
    fit = kernels.likelihood_fit(full(1.8), full(7.0), READS, frame_time=FRAME_TIME)
    short = [
        kernels.saturation(full(400), partial="concave", read_pattern=READS, frame_time=FRAME_TIME),
        kernels.linearity(COEFFS),
        kernels.dark_rate(full(0.5), read_pattern=READS, frame_time=FRAME_TIME),
        kernels.jump(full(1.8), full(7.0), READS, frame_time=FRAME_TIME),
    ]
    flags = no_flags()[1]
    whole = [
        kernels.saturation(full(400), flags, partial="concave", read_pattern=PATTERN),
        kernels.linearity(COEFFS, flags),
        kernels.dark_rate(full(0.5), flags, PATTERN),
        kernels.jump(full(1.8), full(7.0), PATTERN),
    ]
    found = kernels.calibrate(ramps(), short, fit)
    expected = kernels.calibrate(
        ramps(), whole, kernels.likelihood_fit(full(1.8), full(7), PATTERN)
    )
    for plane in kernels.PLANES:
        np.testing.assert_array_equal(getattr(found.fit, plane), getattr(expected.fit, plane))


def test_the_transient_takes_the_frame_time_it_asks_for_with_a_list():
    reads = [[i] for i in range(1, 7)]
    pattern = ReadPattern.from_reads(reads, FRAME_TIME)
    first, second = np.ones((2, 6, 32, 32), np.float32)
    first[0] += np.linspace(300, 100, 32)[:, None]
    second[:] = first
    groupdq, pixeldq = np.zeros(first.shape, np.uint8), np.zeros((32, 32), np.uint32)
    found = kernels.correct_wfi18_transient(first, frame_time=FRAME_TIME, read_pattern=reads)
    same = kernels.correct_wfi18_transient(second, groupdq, pixeldq, FRAME_TIME, pattern)
    assert found == same
    np.testing.assert_array_equal(first, second)


# --- errors name the argument


@pytest.mark.parametrize(
    ("read_pattern", "frame_time", "error", "message"),
    [
        (
            [[1], [3, 2]],
            3.0,
            kernels.ArgumentError,
            "^read_pattern: .* increase, got 2 after 3 in resultant 1",
        ),
        ([[1], ["a"]], 3.0, kernels.ArgumentTypeError, "^read_pattern: .* got str in resultant 1"),
        ([1, 2], 3.0, kernels.ArgumentTypeError, "^read_pattern: .* got int in resultant 0"),
        (READS, None, kernels.ArgumentError, "^frame_time: expected the time of one read"),
        (READS, -1.0, kernels.ArgumentError, "^frame_time: .* positive .* got -1"),
        (READS, "3", kernels.ArgumentTypeError, "^frame_time: .* got str"),
        (PATTERN, 3.0, kernels.ArgumentError, "^frame_time: goes with a list of reads"),
        (None, 3.0, kernels.ArgumentTypeError, "^read_pattern: .* got NoneType"),
        (7, 3.0, kernels.ArgumentTypeError, "^read_pattern: .* got int"),
    ],
)
def test_a_wrong_read_pattern_is_named(read_pattern, frame_time, error, message):
    with pytest.raises(error, match=message):
        kernels.jump(full(1), full(1), read_pattern, frame_time=frame_time)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((READS, None), "^frame_time: expected a number of seconds, got NoneType"),
        (([[1], "23"], 3.0), "^reads: .* got str in resultant 1"),
        (([[1], [2.5]], 3.0), "^reads: expected whole numbers, got float in resultant 1"),
        ((iter(READS), 3.0), "^reads: expected a list of read numbers for each resultant, got"),
    ],
)
def test_from_reads_names_the_argument_of_a_wrong_type(arguments, message):
    with pytest.raises(kernels.ArgumentTypeError, match=message):
        ReadPattern.from_reads(*arguments)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([1, "x"], [1, 1], 1.0), "^times: expected numbers of seconds, got str"),
        (("12", [1, 1], 1.0), "^times: expected numbers of seconds, got str"),
        (([1, 2], [1, 1.5], 1.0), "^n_reads: expected whole numbers, got float"),
        (([1, 2], 1, 1.0), "^n_reads: expected whole numbers, got int"),
        (([1, 2], [1, 1], None), "^group_time: expected a number of seconds, got NoneType"),
        (([1, 2], [1, 1], 1.0, "x"), "^frame_time: expected a number of seconds, got str"),
    ],
)
def test_a_pattern_names_the_argument_of_a_wrong_type(arguments, message):
    with pytest.raises(kernels.ArgumentTypeError, match=message):
        ReadPattern(*arguments)


def test_a_read_number_beyond_64_bits_is_named_with_its_resultant():
    with pytest.raises(kernels.ArgumentError, match=r"^reads: .*, got 1\d+ in resultant 1$"):
        ReadPattern.from_reads([[1], [10**30]], 3.0)
    with pytest.raises(kernels.ArgumentError, match=r"^reads: .*, got 0 in resultant 0$"):
        ReadPattern.from_reads([[0], [2]], 3.0)


def test_evenly_spaced_names_its_arguments():
    for arguments, message in [
        ((2.5, 1.0), "^n_resultants: expected a whole number, got float"),
        ((2, "a"), "^group_time: expected a number of seconds, got str"),
        ((2, 1.0, "a"), "^n_reads: expected a whole number, got str"),
        ((2, 1.0, 1, "a"), "^frame_time: expected a number of seconds, got str"),
    ]:
        with pytest.raises(kernels.ArgumentTypeError, match=message):
            ReadPattern.evenly_spaced(*arguments)


NEEDED = {
    kernels.correct_linearity: "coeffs",
    kernels.fit_ramps: "gain",
    kernels.fit_likelihood: "gain",
    kernels.subtract_dark: "dark",
    kernels.image_statistics: "err",
}


@pytest.mark.parametrize("function", NEEDED, ids=lambda function: function.__name__)
def test_what_is_needed_is_named_where_it_is_left_out(function):
    data = full(1) if function is kernels.image_statistics else ramps()
    pattern = {"read_pattern": PATTERN} if "fit" in function.__name__ else {}
    with pytest.raises(
        kernels.ArgumentTypeError, match=f"^{NEEDED[function]}: expected .*, got nothing$"
    ):
        function(data, **pattern)
    shown = str(inspect.signature(function).parameters[NEEDED[function]])
    assert shown.endswith("= <needed>")


def test_a_read_pattern_that_is_left_out_is_named():
    with pytest.raises(
        kernels.ArgumentTypeError, match=r"^read_pattern: expected a ReadPattern, or"
    ):
        kernels.fit_ramps(ramps(), gain=1.8, read_noise=7.0)
