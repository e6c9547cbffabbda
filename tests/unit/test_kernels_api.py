"""What the array functions take, refuse and say."""

import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable

import numpy as np
import pytest

from romancal_rs import ReadPattern, kernels
from romancal_rs.errors import RomancalError

SHAPE = (6, 8, 10)
PATTERN = ReadPattern.evenly_spaced(6, 10.0)

Arguments = dict[str, object]


def arrays(shape: tuple[int, int, int] = SHAPE) -> Arguments:
    ramp = 100 + 50 * np.arange(shape[0], dtype=np.float32)[:, None, None]
    return {
        "data": np.ascontiguousarray(np.broadcast_to(ramp, shape)),
        "groupdq": np.zeros(shape, np.uint8),
        "pixeldq": np.zeros(shape[1:], np.uint32),
    }


def plane(value: float, shape: tuple[int, ...] = SHAPE[1:]) -> np.ndarray:
    return np.full(shape, value, np.float32)


def saturation() -> Arguments:
    ref_dq = np.zeros(SHAPE[1:], np.uint32)
    return arrays() | {"threshold": plane(300), "ref_dq": ref_dq}


def linearity() -> Arguments:
    coeffs = np.zeros((3, *SHAPE[1:]), np.float32)
    coeffs[1] = 2
    return arrays() | {"coeffs": coeffs, "ref_dq": np.zeros(SHAPE[1:], np.uint32)}


def dark() -> Arguments:
    arguments = arrays() | {
        "dark": np.ones(SHAPE, np.float32),
        "ref_dq": np.zeros(SHAPE[1:], np.uint32),
    }
    del arguments["groupdq"]
    return arguments


def jump() -> Arguments:
    return arrays() | {"gain": plane(2), "read_noise": plane(5), "read_pattern": PATTERN}


def flat() -> Arguments:
    names = ["data", "var_poisson", "var_rnoise", "dumo", "flat", "flat_err"]
    images: Arguments = {name: plane(2) for name in names}
    return images | {name: np.zeros(SHAPE[1:], np.uint32) for name in ("dq", "flat_dq")}


def flight_flat() -> Arguments:
    return flat() | {"err": plane(3)}


def image_dark() -> Arguments:
    arguments: Arguments = {name: plane(2) for name in ("data", "rate")}
    return arguments | {name: np.zeros(SHAPE[1:], np.uint32) for name in ("dq", "ref_dq")}


def rates() -> Arguments:
    return {"data": plane(2), "dq": np.zeros(SHAPE[1:], np.uint32), "err": plane(1)}


CALLS: dict[str, tuple[Callable[..., object], Callable[[], Arguments], set[str]]] = {
    "flag_saturation": (kernels.flag_saturation, saturation, {"groupdq", "pixeldq"}),
    "correct_linearity": (kernels.correct_linearity, linearity, {"data", "pixeldq"}),
    "subtract_dark": (kernels.subtract_dark, dark, {"data", "pixeldq"}),
    "detect_jumps": (kernels.detect_jumps, jump, {"groupdq", "pixeldq"}),
    "fit_ramps": (kernels.fit_ramps, jump, set()),
    "apply_flat": (
        kernels.apply_flat,
        flat,
        {"data", "dq", "var_poisson", "var_rnoise", "dumo"},
    ),
    "divide_by_flat": (
        kernels.divide_by_flat,
        flight_flat,
        {"data", "dq", "err", "var_poisson", "var_rnoise", "dumo"},
    ),
    "subtract_dark_from_image": (kernels.subtract_dark_from_image, image_dark, {"data", "dq"}),
    "image_statistics": (kernels.image_statistics, rates, set()),
}
#: Those that work on images.
OF_IMAGES = ("apply_flat", "divide_by_flat", "subtract_dark_from_image", "image_statistics")
ARGUMENTS = [
    (function, argument)
    for function, (_, make, _) in CALLS.items()
    for argument in make()
    if argument != "read_pattern"
]
CHANGED = [
    (function, argument) for function, argument in ARGUMENTS if argument in CALLS[function][2]
]


def check_error(function: str, argument: str, value: object, error: type, match: str = "") -> None:
    """Such a value of an argument is an error that names it, and nothing is changed."""
    call, make, _ = CALLS[function]
    arguments = make()
    arguments[argument] = value
    before = pickle.dumps(arguments)
    with pytest.raises(error, match=rf"^{argument}: .*{match}"):
        call(**arguments)
    assert pickle.dumps(arguments) == before


@pytest.mark.parametrize(("function", "argument"), ARGUMENTS)
def test_another_dtype_is_a_type_error(function: str, argument: str) -> None:
    array = CALLS[function][1]()[argument]
    assert isinstance(array, np.ndarray)
    check_error(function, argument, array.astype(np.float64), TypeError, "got float64")
    swapped = array.astype(array.dtype.newbyteorder())
    if array.dtype.itemsize > 1:
        check_error(function, argument, swapped, TypeError)
    check_error(function, argument, array.tolist(), TypeError, "got list")


@pytest.mark.parametrize(("function", "argument"), ARGUMENTS)
def test_another_shape_is_a_shape_error(function: str, argument: str) -> None:
    array = CALLS[function][1]()[argument]
    assert isinstance(array, np.ndarray)
    if argument == "data":  # The others are measured by it.
        check_error(function, argument, array[0], kernels.ShapeError, "dimensions")
        return
    smaller = np.ascontiguousarray(array[..., :-1])
    check_error(function, argument, smaller, kernels.ShapeError, "expected shape")
    check_error(function, argument, array[None], kernels.ShapeError, "dimensions")
    assert issubclass(kernels.ShapeError, ValueError)


def test_shape_errors_travel_between_processes() -> None:
    with pytest.raises(kernels.ShapeError) as caught:
        kernels.subtract_dark(**(dark() | {"data": np.zeros((0, *SHAPE[1:]), np.float32)}))
    copy = pickle.loads(pickle.dumps(caught.value))
    assert type(copy) is kernels.ShapeError
    assert str(copy) == str(caught.value)


def test_errors_of_arrays_are_of_the_packages_family() -> None:
    ramp = jump()
    for change, kind in (
        ({"data": ramp["data"].astype(float)}, kernels.ArgumentTypeError),  # type: ignore[union-attr]
        ({"data": ramp["data"][..., ::2]}, kernels.ArgumentError),  # type: ignore[index]
        ({"gain": plane(2, (1, 1))}, kernels.ShapeError),
        ({"max_threads": 0}, kernels.ArgumentError),
    ):
        with pytest.raises(RomancalError) as caught:
            kernels.fit_ramps(**(ramp | change))
        assert type(caught.value) is kind


@pytest.mark.parametrize(("function", "argument"), ARGUMENTS)
def test_columns_have_to_be_contiguous(function: str, argument: str) -> None:
    array = CALLS[function][1]()[argument]
    assert isinstance(array, np.ndarray)
    check_error(function, argument, np.asfortranarray(array), ValueError, "C order")
    wide = np.repeat(array, 2, axis=-1)[..., ::2]
    check_error(function, argument, wide, ValueError, "C order")


@pytest.mark.parametrize(("function", "argument"), CHANGED)
def test_what_is_changed_in_place_cannot_be_read_only(function: str, argument: str) -> None:
    array = CALLS[function][1]()[argument]
    assert isinstance(array, np.ndarray)
    array.flags.writeable = False
    check_error(function, argument, array, ValueError, "read-only")
    overlapping = np.lib.stride_tricks.as_strided(
        array.copy(), array.shape, (*array.strides[:-2], 0, array.strides[-1]), writeable=True
    )
    check_error(function, argument, overlapping, ValueError, "in place")


@pytest.mark.parametrize("function", list(CALLS))
def test_what_is_only_read_can_be_read_only(function: str) -> None:
    call, make, changed = CALLS[function]
    arguments = make()
    expected = make()
    call(**expected)
    for name, value in arguments.items():
        if name not in changed and isinstance(value, np.ndarray):
            value.flags.writeable = False
    call(**arguments)
    for name in changed:
        np.testing.assert_array_equal(arguments[name], expected[name])


def test_arrays_that_share_memory_are_refused() -> None:
    arguments = dark()
    arguments["dark"] = arguments["data"]
    with pytest.raises(ValueError, match=r"^dark: shares memory"):
        kernels.subtract_dark(**arguments)


def pairs() -> list[tuple[str, str, str]]:
    """Arrays of a call, the first of which is changed in place."""
    return [
        (function, changed, other)
        for function, changed in CHANGED
        for same, other in ARGUMENTS
        if same == function and other != changed
    ]


@pytest.mark.parametrize(("function", "changed", "other"), pairs())
def test_arrays_of_the_same_bytes_are_refused(function: str, changed: str, other: str) -> None:
    call, make, _ = CALLS[function]
    arguments = make()
    memory = bytearray(max(arguments[name].nbytes for name in (changed, other)))
    for name in (changed, other):
        array = arguments[name]
        view = np.frombuffer(memory, array.dtype, array.size).reshape(array.shape)
        arguments[name] = view
    with pytest.raises(ValueError, match=rf"({changed}|{other}): shares memory with ") as caught:
        call(**arguments)
    assert str(caught.value).endswith("is changed in place")
    assert not any(memory)


def test_bytes_within_the_elements_of_another_array_are_refused() -> None:
    arguments = saturation()
    memory = bytearray(4 * 6)
    arguments["data"] = np.frombuffer(memory, np.float32).reshape(6, 1, 1)
    arguments["groupdq"] = np.frombuffer(memory, np.uint8)[1::4].reshape(6, 1, 1)
    for name in ("pixeldq", "threshold", "ref_dq"):
        arguments[name] = np.ascontiguousarray(arguments[name][:1, :1])
    with pytest.raises(ValueError, match=r"^groupdq: shares memory with data"):
        kernels.flag_saturation(**arguments)


def test_neighbours_in_memory_do_not_share_it() -> None:
    both = np.ones((2, *SHAPE), np.float32)
    dq = np.zeros((2, *SHAPE[1:]), np.uint32)
    kernels.subtract_dark(both[0], dq[0], both[1, :, ::-1], dq[1])
    assert not both[0].any()
    assert both[1].all()
    # Two columns of one table.
    both = np.ones((*SHAPE[:2], 2), np.float32)
    dq = np.zeros((SHAPE[1], 2), np.uint32)
    kernels.subtract_dark(both[..., 0, None], dq[:, 0, None], both[..., 1, None], dq[:, 1, None])
    assert not both[..., 0].any()
    assert both[..., 1].all()


def test_rows_interleaved_with_those_of_another_array_are_refused() -> None:
    # To tell that none is shared would take more than a look at the strides.
    rows = np.zeros((*SHAPE[:2], 2, SHAPE[2]), np.float32)
    arguments = dark() | {"data": rows[:, :, 0], "dark": rows[:, :, 1]}
    with pytest.raises(ValueError, match=r"^dark: shares memory with data"):
        kernels.subtract_dark(**arguments)


@pytest.mark.parametrize("function", list(CALLS))
def test_trimmed_views_are_used_where_they_are(function: str) -> None:
    call, make, changed = CALLS[function]
    expected = make()
    call(**expected)
    framed: Arguments = {}
    for name, value in make().items():
        if not isinstance(value, np.ndarray):
            framed[name] = value
            continue
        border = [(0, 0)] * (value.ndim - 2) + [(4, 4), (4, 4)]
        framed[name] = np.pad(value, border, constant_values=7)
    trimmed = {
        name: value[..., 4:-4, 4:-4] if isinstance(value, np.ndarray) else value
        for name, value in framed.items()
    }
    call(**trimmed)
    for name in changed:
        np.testing.assert_array_equal(trimmed[name], expected[name])
        outside = np.ones(framed[name].shape, bool)
        outside[..., 4:-4, 4:-4] = False
        assert (framed[name][outside] == 7).all()


@pytest.mark.parametrize("function", list(CALLS))
def test_an_image_without_pixels_is_a_result(function: str) -> None:
    call, make, _ = CALLS[function]
    for where in [np.s_[..., :0, :], np.s_[..., :0]]:
        arguments = {
            name: np.ascontiguousarray(value[where]) if isinstance(value, np.ndarray) else value
            for name, value in make().items()
        }
        call(**arguments)


@pytest.mark.parametrize("function", [name for name in CALLS if name not in OF_IMAGES])
def test_a_ramp_without_resultants_is_an_error(function: str) -> None:
    call, make, _ = CALLS[function]
    arguments = make() | {"data": np.zeros((0, *SHAPE[1:]), np.float32)}
    with pytest.raises(kernels.ShapeError, match=r"^data: .*at least one resultant"):
        call(**arguments)


@pytest.mark.parametrize("call", [kernels.detect_jumps, kernels.fit_ramps])
def test_the_read_pattern_has_to_fit(call: Callable[..., object]) -> None:
    arguments = jump() | {"read_pattern": ReadPattern.evenly_spaced(5, 10.0)}
    with pytest.raises(ValueError, match=r"^read_pattern: .* got 5 for 6"):
        call(**arguments)
    with pytest.raises(TypeError, match="read_pattern"):
        call(**(jump() | {"read_pattern": None}))


def test_parameters_have_to_make_sense() -> None:
    for name in ["rejection_threshold", "min_jump_to_flag_neighbors"]:
        for value in [np.nan, -1.0]:
            with pytest.raises(ValueError, match=f"^{name}: "):
                kernels.detect_jumps(**jump(), **{name: value})
    for number in [-1, 2**63, -(2**63) - 1, 10**9999]:
        with pytest.raises(ValueError, match=r"^n_pix_grow_sat: "):
            kernels.flag_saturation(**saturation(), n_pix_grow_sat=number)
    for name in ["max_threads", "band_rows"]:
        for number in [0, -1, 2**63, -(10**20)]:
            with pytest.raises(ValueError, match=f"^{name}: "):
                kernels.subtract_dark(**dark(), **{name: number})
        with pytest.raises(TypeError, match=name):
            kernels.subtract_dark(**dark(), **{name: 1.5})


def test_very_large_numbers_are_as_good_as_all() -> None:
    arguments = saturation()
    arguments["data"][2, 3, 3] = 1000
    huge = 2**63 - 1
    kernels.flag_saturation(**arguments, n_pix_grow_sat=huge, max_threads=huge, band_rows=huge)
    assert (arguments["groupdq"][2:] == 2).all()
    assert not arguments["groupdq"][:2].any()


def test_one_coefficient_is_not_a_correction() -> None:
    coeffs = np.ones((1, *SHAPE[1:]), np.float32)
    check_error("correct_linearity", "coeffs", coeffs, kernels.ShapeError, "at least 2")


def test_hand_computed_results() -> None:
    arguments = saturation()
    kernels.flag_saturation(**arguments)
    assert arguments["groupdq"][:, 0, 0].tolist() == [0, 0, 0, 0, 2, 2]

    arguments = linearity()
    kernels.correct_linearity(**arguments)
    assert arguments["data"][:, 0, 0].tolist() == [200, 300, 400, 500, 600, 700]

    arguments = dark()
    kernels.subtract_dark(**arguments)
    assert arguments["data"][:, 0, 0].tolist() == [99, 149, 199, 249, 299, 349]

    arguments = jump()
    # Noise: 50 DN / 2 + 2 x 25 DN^2 is 8.66^2; 600 DN are 69 sigma, and reach the neighbours.
    arguments["data"][3:, 2, 2] += 600
    kernels.detect_jumps(**arguments)
    assert np.argwhere(arguments["groupdq"]).tolist() == [
        [3, 1, 2],
        [3, 2, 1],
        [3, 2, 2],
        [3, 2, 3],
        [3, 3, 2],
    ]

    fit = kernels.fit_ramps(**jump())
    np.testing.assert_allclose(fit.slope, 5.0, rtol=1e-6)
    # 5 DN/s over 2 e-/DN and 50 s; 5^2 DN^2 over 100 s^2 (2.5^2 + 1.5^2 + 0.5^2) 2.
    np.testing.assert_allclose(fit.var_poisson, 0.05, rtol=1e-6)
    np.testing.assert_allclose(fit.var_rnoise, 25 / 1750, rtol=1e-6)
    assert fit.optional is None
    assert fit.dq.dtype == np.uint32

    arguments = flat()
    var_flat, err = kernels.apply_flat(**arguments)
    assert arguments["data"][0, 0] == 1
    assert arguments["var_poisson"][0, 0] == 0.5
    assert var_flat[0, 0] == 1
    np.testing.assert_allclose(err, np.sqrt(2), rtol=1e-7)

    arguments = flight_flat()
    assert kernels.divide_by_flat(**arguments) is None
    assert arguments["err"][0, 0] == 1.5
    arguments = flight_flat()
    var_flat = kernels.divide_by_flat(**arguments, include_var_flat=True)
    assert var_flat[0, 0] == 1
    np.testing.assert_allclose(arguments["err"], np.sqrt(3.25), rtol=1e-7)


def test_fewer_than_three_resultants_have_no_jumps_but_flags_of_the_gain() -> None:
    arguments = arrays((2, *SHAPE[1:])) | {
        "gain": plane(-1),
        "read_noise": plane(1),
        "read_pattern": ReadPattern.evenly_spaced(2, 10.0),
    }
    arguments["data"][1] = 30000
    kernels.detect_jumps(**arguments)
    assert not arguments["groupdq"].any()
    assert (arguments["pixeldq"] == 1 | 1 << 19).all()


def test_the_shape_of_the_optional_product() -> None:
    arguments = jump()
    arguments["groupdq"][[2, 4], 0, 0] = 4
    arguments["groupdq"][[0, 1, 2, 3, 5], 1, 1] = 1
    fit = kernels.fit_ramps(**arguments, optional=True)
    assert fit.optional is not None
    assert fit.optional.slope.shape == (3, *SHAPE[1:])
    assert fit.optional.crmag.shape == (2, *SHAPE[1:])
    np.testing.assert_array_equal(fit.optional.crmag[:, 0, 0], [50, 50])
    assert not fit.optional.slope[1:, 2, 2].any()
    # The single sample of 300 DN over the 10 s of a group.
    np.testing.assert_allclose(fit.optional.slope[:, 1, 1], [30, 0, 0])
    plain = kernels.fit_ramps(**jump(), optional=True).optional
    assert plain is not None
    assert plain.slope.shape[0] == plain.crmag.shape[0] == 1


def test_read_patterns() -> None:
    even = ReadPattern.evenly_spaced(3, 6.0, 2)
    assert even == ReadPattern.from_reads([[1, 2], [3, 4], [5, 6]], 3.0)
    assert even != ReadPattern.evenly_spaced(3, 6.0, 2, frame_time=2.0)
    assert even.times.tolist() == [4.5, 10.5, 16.5]
    assert even.times.dtype == np.float64
    assert even.n_reads.tolist() == [2, 2, 2]
    assert even.group_time == 6.0
    assert len(even) == 3
    assert eval(repr(even)) == even
    assert pickle.loads(pickle.dumps(even)) == even
    uneven = ReadPattern.from_reads([[2], [3, 4, 5], [9]], 2.0)
    assert uneven.times.tolist() == [4.0, 8.0, 18.0]
    assert uneven.group_time == 4.0


def test_a_read_pattern_knows_the_time_of_a_read() -> None:
    assert ReadPattern.from_reads([[2], [3, 4]], 2.5).frame_time == 2.5
    assert ReadPattern.evenly_spaced(3, 24.0, 8).frame_time == 3.0
    unknown = ReadPattern([1.0, 2.0], [1, 1], 1.0)
    assert unknown.frame_time is None
    assert eval(repr(unknown)) == unknown == pickle.loads(pickle.dumps(unknown))
    known = ReadPattern([1.0, 2.0], [1, 1], 1.0, 1.0)
    assert known.frame_time == 1.0
    assert known != unknown
    assert eval(repr(known)) == known == pickle.loads(pickle.dumps(known))
    with pytest.raises(ValueError, match=r"frame_time: .*got 0"):
        ReadPattern([1.0, 2.0], [1, 1], 1.0, 0.0)


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda: ReadPattern.evenly_spaced(0, 1.0), "n_resultants"),
        (lambda: ReadPattern.evenly_spaced(-3, 1.0), "n_resultants"),
        (lambda: ReadPattern.evenly_spaced(3, 0.0), "group_time"),
        (lambda: ReadPattern.evenly_spaced(3, np.nan), "group_time"),
        (lambda: ReadPattern.evenly_spaced(3, 1.0, 0), "n_reads"),
        (lambda: ReadPattern.evenly_spaced(3, 1.0, 1, -1.0), "frame_time"),
        (lambda: ReadPattern.evenly_spaced(3, 10.0, 2, 5.1), "frame_time: .*fit in the group"),
        (lambda: ReadPattern.evenly_spaced(1025, 1.0), "n_resultants: .*1024.*got 1025"),
        (lambda: ReadPattern.evenly_spaced(10**20, 1.0), "n_resultants: .*1024.*got 1000000"),
        (lambda: ReadPattern.evenly_spaced(3, 1.0, 10**7), "n_reads: .*1000000"),
        (lambda: ReadPattern.from_reads([[2**62, 2**62 + 1]], 1.0), "reads: .*1 to 1000000"),
        (lambda: ReadPattern.from_reads([[10**30]], 1.0), "reads: .*1 to 1000000"),
        (lambda: ReadPattern([1.0], [10**30], 1.0), "n_reads: .*1000000"),
        (lambda: ReadPattern.from_reads([], 1.0), "reads: .*at least one resultant"),
        (lambda: ReadPattern.from_reads([[1], []], 1.0), "reads: .*none in resultant 1"),
        (lambda: ReadPattern.from_reads([[0]], 1.0), "reads: .*from 1"),
        (lambda: ReadPattern.from_reads([[1], [1]], 1.0), "reads: .*increase"),
        (lambda: ReadPattern.from_reads([[1, 3]], 1.0), "reads: .*consecutive"),
        (lambda: ReadPattern.from_reads([[1]], np.inf), "frame_time"),
        (lambda: ReadPattern([1.0, np.nan], [1, 1], 1.0), "times: .*finite"),
        (lambda: ReadPattern([1.0, 1.0], [1, 1], 1.0), "times: .*increase"),
        (lambda: ReadPattern([1.0, 2.0], [1], 1.0), "n_reads"),
    ],
)
def test_wrong_read_patterns_say_what_is_wrong(make: Callable[[], ReadPattern], match: str) -> None:
    with pytest.raises(ValueError, match=match):
        make()


def test_importing_the_kernels_does_not_import_the_file_libraries() -> None:
    code = (
        "import sys; from romancal_rs import ReadPattern, kernels, dqflags;"
        "print(sorted({'asdf', 'astropy', 'gwcs', 'matplotlib', 'scipy'} & set(sys.modules)))"
    )
    output = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, check=True, text=True
    )
    assert output.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("value", "expected"), [("3", "3"), ("0", "error"), ("99999", "error"), ("many", "error")]
)
def test_the_environment_sets_the_number_of_threads(value: str, expected: str) -> None:
    code = """
from romancal_rs import kernels
try:
    print(kernels.num_threads())
except ValueError as error:
    assert str(error).startswith("ROMANCAL_RS_NUM_THREADS: "), error
    print("error")
"""
    output = subprocess.run(
        [sys.executable, "-c", code],
        env={"ROMANCAL_RS_NUM_THREADS": value},
        capture_output=True,
        check=True,
        text=True,
    )
    assert output.stdout.strip() == expected


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({"OMP_NUM_THREADS": "3"}, 3),
        ({"OMP_NUM_THREADS": "3,2"}, 3),
        ({"OMP_NUM_THREADS": "3", "ROMANCAL_RS_NUM_THREADS": "5"}, 5),
        ({"OMP_NUM_THREADS": "no number"}, len(os.sched_getaffinity(0))),
        ({}, len(os.sched_getaffinity(0))),
    ],
)
def test_openmp_s_number_of_threads_counts_where_ours_is_not_set(environment, expected) -> None:
    code = "from romancal_rs import kernels; print(kernels.num_threads())"
    others = {key: value for key, value in os.environ.items() if "NUM_THREADS" not in key}
    output = subprocess.run(
        [sys.executable, "-c", code],
        env=others | environment,
        capture_output=True,
        check=True,
        text=True,
    )
    assert int(output.stdout) == expected


def test_the_number_of_threads_can_be_set() -> None:
    before = kernels.num_threads()
    try:
        kernels.set_num_threads(3)
        assert kernels.num_threads() == 3
        for slip in (0, -1, 100_000, 10**20):
            with pytest.raises(ValueError, match=rf"^threads: expected .* 1 to 1024, got {slip}"):
                kernels.set_num_threads(slip)
        assert kernels.num_threads() == 3
    finally:
        kernels.set_num_threads(before)


@pytest.mark.skipif(not hasattr(signal, "pthread_kill"), reason="needs POSIX signals")
def test_ctrl_c_stops_a_call_between_bands() -> None:
    arguments = slow_arguments()
    groupdq = arguments["groupdq"]
    assert isinstance(groupdq, np.ndarray)
    main = threading.get_ident()
    ended = threading.Event()

    def interrupt() -> None:
        while not groupdq[8, 0].any() and not ended.is_set():  # until the call is under way
            time.sleep(0.001)
        signal.pthread_kill(main, signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    try:
        with pytest.raises(KeyboardInterrupt):
            kernels.detect_jumps(**arguments, max_threads=1)
    finally:
        ended.set()
        thread.join()
    # The first rows were done, and the last were not.
    assert groupdq[8, 0].all()
    assert not groupdq[8, -1].any()


def slow_arguments() -> Arguments:
    """For `detect_jumps`: no pixel is regular, all have a jump, and the call takes seconds."""
    shape = (16, 6000, 1000)
    ramp = np.zeros((16, 1, 1000), np.float32)
    ramp[8:] = 1000
    return {
        "data": np.broadcast_to(ramp, shape),
        "groupdq": np.zeros(shape, np.uint8),
        "pixeldq": np.zeros(shape[1:], np.uint32),
        "gain": plane(2, shape[1:]),
        "read_noise": plane(5, shape[1:]),
        "read_pattern": ReadPattern.evenly_spaced(16, 10.0),
    }


def test_other_threads_of_python_go_on_during_a_call() -> None:
    arguments = slow_arguments()
    groupdq = arguments["groupdq"]
    assert isinstance(groupdq, np.ndarray)
    ended = threading.Event()
    seen = []

    def look() -> None:
        # Python code that runs here sees rows done and rows to do: the call is under way.
        while not ended.is_set():
            if groupdq[8, 0].any() and not groupdq[8, -1].any():
                seen.append(True)
                return
            time.sleep(0.001)

    thread = threading.Thread(target=look)
    thread.start()
    kernels.detect_jumps(**arguments, max_threads=1)
    ended.set()
    thread.join()
    assert seen


@pytest.mark.parametrize("function", CALLS)
def test_threads_may_call_at_the_same_time(function: str) -> None:
    """On the same arrays where they are only read, and on arrays of their own."""
    call, make, changed = CALLS[function]
    expected = make()
    expected_result = results_of(call(**expected))
    shared = make()
    for argument, array in shared.items():
        if isinstance(array, np.ndarray) and argument not in changed:
            array.flags.writeable = False
    failures: list[str] = []

    def work() -> None:
        for _ in range(50):
            own = shared | {name: array.copy() for name, array in make().items() if name in changed}
            results = results_of(call(**own, band_rows=1))
            same = all(map(np.array_equal, results, expected_result))
            same &= all(np.array_equal(own[name], expected[name]) for name in changed)
            if not same:
                failures.append(function)

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


def results_of(result: object) -> tuple[np.ndarray, ...]:
    if result is None:
        return ()
    if isinstance(result, tuple):
        return result
    if isinstance(result, kernels.ImageStatistics):
        return (np.array([result.median, result.rms, result.good_pixel_fraction]),)
    names = ("slope", "dq", "var_poisson", "var_rnoise", "err", "chisq", "dumo")
    return tuple(getattr(result, name) for name in names)


def test_an_array_that_another_thread_is_changing_is_refused() -> None:
    arguments = slow_arguments()
    groupdq = arguments["groupdq"]
    assert isinstance(groupdq, np.ndarray)
    thread = threading.Thread(
        target=lambda: kernels.detect_jumps(**arguments, max_threads=1)  # type: ignore[arg-type]
    )
    thread.start()
    try:
        while not groupdq[8, 0].any():  # it is under way
            time.sleep(0.001)
        other = slow_arguments() | {"groupdq": groupdq}
        with pytest.raises(ValueError, match=r"^groupdq: .*call in another thread"):
            kernels.detect_jumps(**other)
        with pytest.raises(ValueError, match=r"^groupdq: .*call in another thread"):
            kernels.fit_ramps(**other)
    finally:
        thread.join()
    # The array is free again.
    kernels.fit_ramps(**slow_arguments() | {"groupdq": groupdq})


@pytest.mark.skipif(sys.platform != "linux", reason="fork is safe to rely on in Linux only")
@pytest.mark.parametrize("action", ["set", "use"])
def test_a_forked_process_has_threads_of_its_own(action: str) -> None:
    code = """
import os, sys
import numpy as np
from romancal_rs import kernels
data, dq = np.ones((2, 300, 300), "f4"), np.zeros((300, 300), "u4")
kernels.subtract_dark(data, dq, data.copy(), dq.copy())
child = os.fork()
if not child and sys.argv[1] == "set":
    kernels.set_num_threads(2)
    assert kernels.num_threads() == 2
kernels.subtract_dark(data, dq, data.copy(), dq.copy())
if child:
    sys.exit(os.waitpid(child, 0)[1])
os._exit(0)
"""
    subprocess.run([sys.executable, "-c", code, action], check=True, timeout=600)


@pytest.mark.skipif(sys.platform != "linux", reason="fork is safe to rely on in Linux only")
def test_a_pool_of_forked_processes_calls_after_use() -> None:
    code = """
import multiprocessing
import numpy as np
from romancal_rs import ReadPattern, kernels
def rate(scale):
    ramp = np.arange(1, 7, dtype="f4")[:, None, None] * np.full((6, 64, 64), scale, "f4")
    dq, flags = np.zeros((64, 64), "u4"), np.zeros(ramp.shape, "u1")
    ones = np.ones((64, 64), "f4")
    return round(float(kernels.fit_ramps(
        ramp, flags, dq, ones, ones, ReadPattern.evenly_spaced(6, 1.0)).slope.mean()), 4)
assert rate(3.0) == 3.0
with multiprocessing.get_context("fork").Pool(4) as pool:
    assert pool.map(rate, [1.0, 2.0, 4.0] * 20) == [1.0, 2.0, 4.0] * 20
assert rate(5.0) == 5.0
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=600)
