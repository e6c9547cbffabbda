"""Laws of the array functions, for any ramp."""

import numpy as np
import pytest
from examples import examples
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from romancal_rs import ReadPattern, kernels

pytestmark = pytest.mark.usefixtures("three_threads")


@st.composite
def even_patterns(draw: st.DrawFn) -> ReadPattern:
    n_reads = draw(st.integers(1, 10))
    frame_time = draw(st.floats(0.5, 10))
    pause = draw(st.floats(0, 10))
    return ReadPattern.evenly_spaced(
        draw(st.integers(1, 20)), n_reads * frame_time + pause, n_reads, frame_time
    )


@st.composite
def uneven_patterns(draw: st.DrawFn) -> ReadPattern:
    steps = draw(
        st.lists(st.tuples(st.integers(1, 10), st.integers(0, 5)), min_size=1, max_size=20)
    )
    reads, last = [], 0
    for n_reads, pause in steps:
        reads.append(list(range(last + pause + 1, last + pause + n_reads + 1)))
        last += pause + n_reads
    return ReadPattern.from_reads(reads, draw(st.floats(0.5, 10)))


patterns = st.one_of(even_patterns(), uneven_patterns())


@given(
    pattern=patterns,
    log_rate=st.floats(-2, 2),
    gain=st.floats(0.5, 5),
    read_noise=st.floats(1, 30),
    threads=st.integers(1, 3),
)
@settings(max_examples=examples(200), deadline=None)
def test_a_ramp_without_noise_gives_its_rate(
    pattern: ReadPattern, log_rate: float, gain: float, read_noise: float, threads: int
) -> None:
    rate = 10**log_rate
    data = np.repeat((rate * pattern.times).astype(np.float32), 6).reshape(-1, 2, 3)
    groupdq, pixeldq = np.zeros(data.shape, np.uint8), np.zeros((2, 3), np.uint32)
    planes = [np.full((2, 3), value, np.float32) for value in (gain, read_noise)]
    kernels.detect_jumps(data, groupdq, pixeldq, *planes, pattern, max_threads=threads)
    assert not groupdq.any()
    fit = kernels.fit_ramps(data, groupdq, pixeldq, *planes, pattern, max_threads=threads)
    assert not fit.dq.any()
    if len(pattern) > 1:
        np.testing.assert_allclose(fit.slope, rate, rtol=1e-5)
        # As near to 0 as the rounding of the samples allows.
        assert np.all(np.abs(fit.dumo) <= 1e-5 * rate)
    else:
        # The mean time of one resultant is not the time of its last read.
        expected = rate * pattern.times[0] / pattern.group_time
        np.testing.assert_allclose(fit.slope, expected, rtol=1e-5)


floats = st.one_of(
    st.floats(width=32), st.floats(-100, 70000, width=32), st.floats(1, 10, width=32)
)


@st.composite
def cases(draw: st.DrawFn) -> tuple[dict[str, np.ndarray], ReadPattern]:
    """Ramps of any size from one pixel on, of any floats and flags."""
    pattern = draw(patterns)
    shape = (len(pattern), draw(st.integers(1, 9)), draw(st.sampled_from([1, 2, 63, 65])))
    flags = st.one_of(st.just(0), st.integers(0, 255))
    arrays = {
        "data": draw(
            hnp.arrays(np.float32, shape, elements=floats, fill=st.floats(0, 9, width=32))
        ),
        "groupdq": draw(hnp.arrays(np.uint8, shape, elements=flags, fill=st.just(0))),
        "pixeldq": draw(hnp.arrays(np.uint32, shape[1:])),
        "gain": draw(hnp.arrays(np.float32, shape[1:], elements=floats)),
        "read_noise": draw(hnp.arrays(np.float32, shape[1:], elements=floats)),
    }
    return arrays, pattern


@given(case=cases(), band_rows=st.integers(1, 10), threads=st.integers(1, 3))
@settings(max_examples=examples(100), deadline=None)
def test_bands_and_threads_do_not_matter_and_flags_are_only_added(
    case: tuple[dict[str, np.ndarray], ReadPattern], band_rows: int, threads: int
) -> None:
    arrays, pattern = case
    results = []
    for execution in [
        {"max_threads": 1, "band_rows": 1000},
        {"max_threads": threads, "band_rows": band_rows},
    ]:
        copies = {name: array.copy() for name, array in arrays.items()}
        kernels.flag_saturation(
            copies["data"],
            copies["groupdq"],
            copies["pixeldq"],
            copies["gain"],
            arrays["pixeldq"],
            n_pix_grow_sat=band_rows % 3,
            **execution,
        )
        kernels.detect_jumps(**copies, read_pattern=pattern, **execution)
        fit = kernels.fit_ramps(**copies, read_pattern=pattern, optional=True, **execution)
        for name in ("data", "gain", "read_noise"):
            assert copies[name].tobytes() == arrays[name].tobytes()
        for name in ("groupdq", "pixeldq"):
            assert np.array_equal(copies[name] & arrays[name], arrays[name])
        assert np.array_equal(fit.dq & copies["pixeldq"], copies["pixeldq"])
        assert fit.optional is not None
        outputs = [
            getattr(of, name)
            for of in (fit, fit.optional)
            for name in ("slope", "var_poisson", "var_rnoise")
        ]
        outputs += [fit.err, fit.chisq, fit.dumo, fit.optional.yint, fit.optional.crmag]
        results.append([array.tobytes() for array in [*copies.values(), *outputs]])
    assert results[0] == results[1]
