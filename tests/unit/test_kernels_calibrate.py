"""What `kernels.calibrate` takes, refuses and says, and what its results are."""

import dataclasses
import pickle
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from romancal_rs import ReadPattern, dqflags, kernels
from romancal_rs.kernels import Kernel

SHAPE = (6, 16, 18)
IMAGE = SHAPE[1:]
PATTERN = ReadPattern.evenly_spaced(6, 10.0)
SHORTER = ReadPattern.evenly_spaced(5, 10.0)
NO_FLAGS = np.zeros(IMAGE, np.uint32)


def plane(value: float, shape: tuple[int, ...] = IMAGE) -> np.ndarray:
    return np.full(shape, value, np.float32)


def polynomial(factor: float = 2.0, shape: tuple[int, ...] = IMAGE) -> np.ndarray:
    """The coefficients that multiply a ramp."""
    return np.stack([plane(0, shape), plane(factor, shape)])


def counts() -> np.ndarray:
    """100, 150, 200 ... DN in all pixels, 10 s apart."""
    ramp = 100 + 50 * np.arange(SHAPE[0], dtype=np.uint16)
    return np.ascontiguousarray(np.broadcast_to(ramp[:, None, None], SHAPE))


def all_kernels(**changes: Kernel) -> list[Kernel]:
    made = {
        "saturation": kernels.saturation(plane(50_000), NO_FLAGS),
        "linearity": kernels.linearity(polynomial(), NO_FLAGS),
        "dark": kernels.dark_rate(plane(1), NO_FLAGS, PATTERN),
        "jump": kernels.jump(plane(2), plane(5), PATTERN),
    }
    return list((made | changes).values())


def the_fit() -> kernels.Fit:
    return kernels.ramp_fit(plane(2), plane(5), PATTERN)


def planes_of(fit: kernels.RampFit) -> dict[str, bytes]:
    names = [field.name for field in dataclasses.fields(fit) if field.name != "optional"]
    return {name: getattr(fit, name).tobytes() for name in names}


def test_hand_computed_rates() -> None:
    calibrated = kernels.calibrate(counts(), all_kernels(), the_fit())
    # 50 DN in 10 s, doubled, less 1 DN/s.
    np.testing.assert_allclose(calibrated.fit.slope, 9.0, rtol=1e-6)
    assert calibrated.fit.slope.shape == IMAGE
    assert calibrated.fit.optional is None
    assert calibrated.unsaturated


def test_kernels_work_in_the_order_in_which_they_are_given() -> None:
    double = kernels.linearity(polynomial(2), NO_FLAGS)
    subtract = kernels.dark_rate(plane(1), NO_FLAGS, PATTERN)

    def rate(*steps: Kernel) -> float:
        return kernels.calibrate(counts(), steps, the_fit()).fit.slope[0, 0]

    assert rate(double, subtract) == pytest.approx(9, rel=1e-6)
    assert rate(subtract, double) == pytest.approx(8, rel=1e-6)
    assert rate(double, double) == pytest.approx(20, rel=1e-6)
    assert rate() == pytest.approx(5, rel=1e-6)


def test_the_image_is_without_the_border() -> None:
    raw = counts()
    raw[:, :4] = raw[:, -4:] = raw[:, :, :4] = raw[:, :, -4:] = 7
    image = kernels.calibrate(raw, [], the_fit(), border=4).fit
    assert image.slope.shape == image.dq.shape == (8, 10)
    np.testing.assert_allclose(image.slope, 5.0, rtol=1e-6)
    assert kernels.calibrate(raw, [], the_fit(), border=8).fit.slope.shape == (0, 2)


def test_time_is_told_of_reading_each_kernel_and_the_fit() -> None:
    double = kernels.linearity(polynomial(), NO_FLAGS)
    took = kernels.calibrate(counts(), [double, *all_kernels(), double], the_fit()).nanoseconds
    names = ["linearity", "saturation", "linearity", "dark", "jump", "linearity"]
    assert [name for name, _ in took] == ["read", *names, "fit"]
    assert all(type(time) is int and time > 0 for _, time in took)


def test_kernels_say_what_they_change() -> None:
    assert {kernel.name: kernel.changes for kernel in all_kernels()} == {
        "saturation": ["groupdq", "pixeldq"],
        "linearity": ["data", "pixeldq"],
        "dark": ["data", "pixeldq"],
        "jump": ["groupdq", "pixeldq"],
    }
    assert repr(all_kernels()[0]) == "<Kernel saturation>"


def test_a_fit_says_which_it_is() -> None:
    gain, read_noise = np.ones((2, 3), np.float32), np.ones((2, 3), np.float32)
    for make in (kernels.likelihood_fit, kernels.ramp_fit):
        assert repr(make(gain, read_noise, PATTERN)) == f"<Fit {make.__name__}>"


@pytest.mark.parametrize("number", [np.uint16, np.float32])
def test_nothing_that_is_given_is_changed(number: type) -> None:
    given = {
        "raw": counts().astype(number),
        "groupdq": np.zeros(SHAPE, np.uint8),
        "pixeldq": np.full(IMAGE, 1024, np.uint32),
        "threshold": plane(220),
        "coeffs": polynomial(),
        "dark": np.ones(SHAPE, np.float32),
        "gain": plane(2),
        "read_noise": plane(5),
    }
    given["raw"][3:, 5, 5] += 3000  # a jump that reaches the neighbours
    before = pickle.dumps(given)
    for array in given.values():
        array.flags.writeable = False
    steps = [
        kernels.linearity(given["coeffs"], NO_FLAGS),
        kernels.dark(given["dark"], NO_FLAGS),
        kernels.jump(given["gain"], given["read_noise"], PATTERN),
        kernels.saturation(given["threshold"], NO_FLAGS),
    ]
    fit = kernels.ramp_fit(given["gain"], given["read_noise"], PATTERN)
    flags = {"groupdq": given["groupdq"], "pixeldq": given["pixeldq"]}
    image = kernels.calibrate(given["raw"], steps, fit, **flags).fit
    assert (image.dq & 1024).all()
    assert (image.dq & dqflags.SATURATED).all()
    assert image.dq[5, 5] & dqflags.JUMP_DET
    assert pickle.dumps(given) == before


def test_ramps_of_samples_give_what_their_counts_give() -> None:
    of_counts = kernels.calibrate(counts(), all_kernels(), the_fit())
    of_samples = kernels.calibrate(counts().astype(np.float32), all_kernels(), the_fit())
    assert planes_of(of_samples.fit) == planes_of(of_counts.fit)


def test_a_ramp_that_has_been_worked_on_goes_on_where_it_is() -> None:
    first, *others = all_kernels()
    whole = kernels.calibrate(counts(), [first, *others], the_fit())
    data, groupdq = counts().astype(np.float32), np.zeros(SHAPE, np.uint8)
    pixeldq = NO_FLAGS.copy()
    kernels.flag_saturation(data, groupdq, pixeldq, plane(50_000), NO_FLAGS)
    rest = kernels.calibrate(data, others, the_fit(), groupdq=groupdq, pixeldq=pixeldq)
    assert planes_of(rest.fit) == planes_of(whole.fit)


def test_arrays_may_be_shared_as_none_is_changed() -> None:
    ramp = counts().astype(np.float32)
    flags = np.full(IMAGE, 1024, np.uint32)
    same = plane(2)
    steps = [kernels.dark(ramp, flags), kernels.jump(same, same, PATTERN)]
    fit = kernels.ramp_fit(same, same, PATTERN)
    image = kernels.calibrate(ramp, steps, fit, pixeldq=flags).fit
    assert not image.slope.any()
    assert (image.dq == 1024).all()


def test_a_kernel_goes_by_its_arrays_as_they_are_when_it_runs() -> None:
    coeffs = polynomial(2)
    kernel = kernels.linearity(coeffs, NO_FLAGS)
    coeffs[1] = 3
    np.testing.assert_allclose(kernels.calibrate(counts(), [kernel], the_fit()).fit.slope, 15, 1e-6)
    del coeffs
    np.testing.assert_allclose(kernels.calibrate(counts(), [kernel], the_fit()).fit.slope, 15, 1e-6)


def test_kernels_serve_several_threads_at_once() -> None:
    steps, fit = all_kernels(), the_fit()
    expected = planes_of(kernels.calibrate(counts(), steps, fit).fit)
    with ThreadPoolExecutor(6) as pool:
        calls = [pool.submit(kernels.calibrate, counts(), steps, fit) for _ in range(60)]
    assert all(planes_of(call.result().fit) == expected for call in calls)


@pytest.mark.parametrize("tile", [{"band_rows": 1}, {"tile_cols": 5}, {"tile_cols": 1}])
def test_tiles_may_be_small_or_larger_than_the_image(tile: dict[str, int]) -> None:
    raw = counts()
    raw[3:, 4, 4] += 3000
    expected = planes_of(kernels.calibrate(raw, all_kernels(), the_fit()).fit)
    huge = dict.fromkeys(tile, 2**63 - 1)
    for way in (tile, huge):
        assert planes_of(kernels.calibrate(raw, all_kernels(), the_fit(), **way).fit) == expected


@pytest.mark.parametrize("tile", [{}, {"band_rows": 3, "tile_cols": 5}])
def test_jumps_are_listed_of_what_is_inside_the_border(tile: dict[str, int]) -> None:
    raw = counts()
    raw[3:] += 5000  # in all pixels, the border's too
    fit = kernels.likelihood_fit(plane(2), plane(5), PATTERN, record_jumps=True)
    calibrated = kernels.calibrate(raw, [], fit, border=4, **tile)
    expected = [(3, row, col) for row in range(4, 12) for col in range(4, 14)]
    found = calibrated.found[-1]["jump_indices"]
    assert [tuple(index) for index in found] == expected


def test_whether_any_good_pixel_is_unsaturated_is_told_of_what_is_inside_the_border() -> None:
    step = [kernels.saturation(plane(150), NO_FLAGS)]
    raw = counts()
    assert kernels.calibrate(raw, step, the_fit()).unsaturated  # in the first resultant
    raw[0] = 200
    assert not kernels.calibrate(raw, step, the_fit()).unsaturated
    raw[0, 0, 0] = 100
    assert kernels.calibrate(raw, step, the_fit()).unsaturated
    assert not kernels.calibrate(raw, step, the_fit(), border=4).unsaturated
    do_not_use = np.ones(IMAGE, np.uint32)
    assert not kernels.calibrate(raw, step, the_fit(), pixeldq=do_not_use).unsaturated


def test_counts_are_restored_before_kernels_see_them() -> None:
    read = np.full(IMAGE, 1000, np.uint16)
    sent = counts() + np.uint16(30)
    sent[2, 3, 3] = 0
    step = [kernels.saturation(plane(1350), NO_FLAGS, floor=-30)]
    image = kernels.calibrate(sent, step, the_fit(), reference_read=read, offset=30).fit
    # 1100 to 1350 DN: the last is saturated. The others rise by 50 DN in 10 s.
    np.testing.assert_allclose(image.slope, 5.0, rtol=1e-6)
    assert (image.dq & dqflags.SATURATED).all()

    assert np.argwhere(image.dq & dqflags.AD_FLOOR).tolist() == [[3, 3]]


MAKERS: dict[str, Callable[[], object]] = {
    "threshold": lambda: kernels.saturation(plane(1).astype(float), NO_FLAGS),
    "ref_dq": lambda: kernels.saturation(plane(1), NO_FLAGS.astype(np.int32)),
    "coeffs": lambda: kernels.linearity(polynomial().astype(float), NO_FLAGS),
    "dark": lambda: kernels.dark(np.ones(SHAPE), NO_FLAGS),
    "rate": lambda: kernels.dark_rate(np.ones(IMAGE), NO_FLAGS, PATTERN),
    "gain": lambda: kernels.jump(np.ones(IMAGE), plane(1), PATTERN),
    "read_noise": lambda: kernels.ramp_fit(plane(1), np.ones(IMAGE), PATTERN),
}


@pytest.mark.parametrize("argument", MAKERS)
def test_another_dtype_is_refused_where_the_kernel_is_made(argument: str) -> None:
    with pytest.raises(kernels.ArgumentTypeError, match=rf"^{argument}: expected dtype "):
        MAKERS[argument]()


def test_another_number_of_axes_is_refused_where_the_kernel_is_made() -> None:
    with pytest.raises(kernels.ShapeError, match=r"^coeffs: expected 3 dimensions"):
        kernels.linearity(plane(1), NO_FLAGS)
    with pytest.raises(TypeError, match="read_pattern"):
        kernels.jump(plane(1), plane(1), None)  # type: ignore[arg-type]


SMALLER = (IMAGE[0] - 1, IMAGE[1])
WRONG: list[tuple[Callable[[], Kernel], str]] = [
    (
        lambda: kernels.saturation(plane(1, SMALLER), NO_FLAGS),
        r"saturation: threshold: expected shape \(16, 18\), got \(15, 18\)",
    ),
    (
        lambda: kernels.linearity(polynomial(2, SMALLER), NO_FLAGS),
        r"linearity: coeffs: expected shape \(2, 16, 18\), got \(2, 15, 18\)",
    ),
    (
        lambda: kernels.linearity(polynomial(), NO_FLAGS[:-1]),
        r"linearity: ref_dq: expected shape \(16, 18\), got \(15, 18\)",
    ),
    (
        lambda: kernels.linearity(polynomial()[:1], NO_FLAGS),
        "linearity: coeffs: .* at least 2 coefficients",
    ),
    (
        lambda: kernels.dark(np.ones((5, *IMAGE), np.float32), NO_FLAGS),
        r"dark: dark: expected shape \(6, 16, 18\), got \(5, 16, 18\)",
    ),
    (
        lambda: kernels.dark_rate(plane(1, SMALLER), NO_FLAGS, PATTERN),
        r"dark: rate: expected shape \(16, 18\)",
    ),
    (
        lambda: kernels.jump(plane(1, SMALLER), plane(1), PATTERN),
        r"jump: gain: expected shape \(16, 18\)",
    ),
    (lambda: kernels.dark_rate(plane(1), NO_FLAGS, SHORTER), "dark: read_pattern: .* 5 for 6"),
    (lambda: kernels.jump(plane(1), plane(1), SHORTER), "jump: read_pattern: .* got 5 for 6"),
    (
        lambda: kernels.jump(plane(1), plane(1), PATTERN, rejection_threshold=-1),
        "jump: rejection_threshold: expected a number, at least 0, got -1",
    ),
]


@pytest.mark.parametrize(("make", "match"), WRONG)
def test_what_does_not_fit_the_exposure_names_the_kernel(
    make: Callable[[], Kernel], match: str
) -> None:
    for steps in ([make()], [*all_kernels(), make()]):
        with pytest.raises(kernels.ArgumentError, match=f"^{match}"):
            kernels.calibrate(counts(), steps, the_fit())


def test_a_fit_that_does_not_fit_the_exposure_is_refused() -> None:
    for fit, match in (
        (kernels.ramp_fit(plane(1), plane(1), SHORTER), "read_pattern: .* got 5 for 6"),
        (kernels.ramp_fit(plane(1, SMALLER), plane(1), PATTERN), "gain: expected shape"),
    ):
        with pytest.raises(kernels.ArgumentError, match=match):
            kernels.calibrate(counts(), [], fit)


def test_what_is_no_kernel_and_no_fit_is_refused() -> None:
    with pytest.raises(TypeError, match="Kernel"):
        kernels.calibrate(counts(), [plane(1)], the_fit())  # type: ignore[list-item]
    with pytest.raises(TypeError, match="Fit"):
        kernels.calibrate(counts(), [], all_kernels()[0])  # type: ignore[arg-type]


@pytest.mark.parametrize("number", [np.int16, np.uint32, np.float64, ">u2", ">f4"])
def test_raw_of_another_dtype_is_refused(number: object) -> None:
    with pytest.raises(kernels.ArgumentTypeError, match=r"^raw: expected dtype .*, got "):
        kernels.calibrate(counts().astype(number), [], the_fit())  # type: ignore[call-overload]


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (lambda raw: raw[0], r"^raw: expected 3 dimensions, got shape \(16, 18\)"),
        (lambda raw: raw[:0], "at least one resultant"),
        (np.asfortranarray, "^(raw|data): expected an array in C order"),
    ],
)
@pytest.mark.parametrize("number", [np.uint16, np.float32])
def test_raw_of_another_shape_or_order_is_refused(
    change: Callable[[np.ndarray], np.ndarray], match: str, number: type
) -> None:
    with pytest.raises(kernels.ArgumentError, match=match):
        kernels.calibrate(change(counts().astype(number)), [], the_fit())


@pytest.mark.parametrize(
    ("argument", "array"),
    [
        ("groupdq", np.zeros((5, *IMAGE), np.uint8)),
        ("pixeldq", np.zeros(SMALLER, np.uint32)),
        ("reference_read", np.zeros(SMALLER, np.uint16)),
    ],
)
def test_flags_and_the_reference_read_have_to_fit(argument: str, array: np.ndarray) -> None:
    with pytest.raises(kernels.ShapeError, match=rf"^{argument}: expected shape "):
        kernels.calibrate(counts(), [], the_fit(), **{argument: array})
    with pytest.raises(kernels.ArgumentTypeError, match=rf"^{argument}: expected dtype "):
        kernels.calibrate(counts(), [], the_fit(), **{argument: array.astype(float)})


def test_a_border_that_leaves_no_room_is_refused() -> None:
    for border in (9, 2**63 - 1):
        with pytest.raises(kernels.ShapeError, match="room for the border"):
            kernels.calibrate(counts(), [], the_fit(), border=border)
    for number in (-1, 2**63):
        with pytest.raises(kernels.ArgumentError, match=f"^border: .*got {number}"):
            kernels.calibrate(counts(), [], the_fit(), border=number)


@pytest.mark.parametrize("name", ["max_threads", "band_rows", "tile_cols"])
def test_tiles_and_threads_are_at_least_one(name: str) -> None:
    for number in (0, -1, 2**63):
        with pytest.raises(kernels.ArgumentError, match=rf"^{name}: .* from 1 .* got {number}"):
            kernels.calibrate(counts(), [], the_fit(), **{name: number})


def test_results_travel_between_processes() -> None:
    calibrated = kernels.calibrate(counts(), all_kernels(), the_fit())
    again = pickle.loads(pickle.dumps(calibrated))
    assert type(again) is kernels.Calibrated
    assert type(again.fit) is kernels.RampFit
    assert planes_of(again.fit) == planes_of(calibrated.fit)
    assert again.unsaturated is calibrated.unsaturated
    assert again.nanoseconds == calibrated.nanoseconds


def test_kernels_and_fits_do_not_travel_as_they_borrow_arrays() -> None:
    for made in (*all_kernels(), the_fit()):
        with pytest.raises(TypeError, match=f"cannot pickle .*{type(made).__name__}"):
            pickle.dumps(made)


def test_fits_of_segments_travel_between_processes() -> None:
    flags = np.zeros(SHAPE, np.uint8)
    flags[3, 2, 2] = dqflags.JUMP_DET  # a jump makes two segments
    data = counts().astype(np.float32)
    fit = kernels.fit_ramps(data, flags, NO_FLAGS, plane(2), plane(5), PATTERN, optional=True)
    again = pickle.loads(pickle.dumps(fit))
    assert planes_of(again) == planes_of(fit)
    assert type(again.optional) is kernels.SegmentFits
    assert fit.optional is not None
    for field in dataclasses.fields(kernels.SegmentFits):
        array = getattr(fit.optional, field.name)
        np.testing.assert_array_equal(getattr(again.optional, field.name), array)
    assert again.optional.slope.shape == (2, *IMAGE)


def test_read_patterns_travel_between_processes() -> None:
    for pattern in (PATTERN, ReadPattern.from_reads([[2], [3, 4, 5], [9]], 2.0)):
        again = pickle.loads(pickle.dumps(pattern))
        assert again == pattern
        assert again.group_time == pattern.group_time
        assert again.times.tolist() == pattern.times.tolist()
        assert again.n_reads.tolist() == pattern.n_reads.tolist()


def test_results_cannot_be_changed_by_accident() -> None:
    fit = kernels.calibrate(counts(), [], the_fit()).fit
    with pytest.raises(dataclasses.FrozenInstanceError):
        fit.slope = fit.err  # type: ignore[misc]
    assert dataclasses.replace(fit, slope=fit.err).slope is fit.err
