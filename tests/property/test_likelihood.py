"""Laws of the likelihood fit, for any ramp."""

import numpy as np
import pytest
from examples import examples
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from romancal_rs import ReadPattern, dqflags, kernels

pytestmark = pytest.mark.usefixtures("three_threads")

NUMBERS = ("slope", "err", "var_poisson", "var_rnoise", "chisq", "dumo")


@st.composite
def patterns(draw: st.DrawFn) -> ReadPattern:
    steps = draw(st.lists(st.tuples(st.integers(1, 9), st.integers(0, 3)), min_size=1, max_size=12))
    reads, last = [], 0
    for n_reads, pause in steps:
        reads.append(list(range(last + pause + 1, last + pause + n_reads + 1)))
        last += pause + n_reads
    return ReadPattern.from_reads(reads, draw(st.floats(1, 5)))


any_floats = st.floats(width=32)
likely_floats = st.one_of(any_floats, st.floats(-100, 70000, width=32), st.floats(1, 9, width=32))


@st.composite
def cases(draw: st.DrawFn) -> tuple[dict[str, np.ndarray], ReadPattern]:
    """Ramps with steps in them, and any floats and flags here and there."""
    pattern = draw(patterns())
    shape = (len(pattern), draw(st.integers(1, 7)), draw(st.sampled_from([1, 9, 64, 67])))
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    rates = 10 ** random.uniform(-2, 3, shape[1:])
    ramps = rates * pattern.times[:, np.newaxis, np.newaxis] + random.normal(0, 4, shape)
    hits = np.where(random.random(shape) < 0.1, random.exponential(300, shape), 0)
    data = (ramps + hits.cumsum(axis=0)).astype(np.float32)
    odd = draw(hnp.arrays(np.float32, 5, elements=any_floats))
    places = random.integers(0, data.size, 5)
    data.flat[places] = odd
    flags = st.one_of(st.just(0), st.integers(0, 255))
    arrays = {
        "data": data,
        "groupdq": draw(hnp.arrays(np.uint8, shape, elements=flags, fill=st.just(0))),
        "pixeldq": draw(hnp.arrays(np.uint32, shape[1:])),
        "gain": draw(hnp.arrays(np.float32, shape[1:], elements=likely_floats)),
        "read_noise": draw(hnp.arrays(np.float32, shape[1:], elements=likely_floats)),
    }
    return arrays, pattern


@given(
    case=cases(),
    rule=st.sampled_from(["gls", "likely"]),
    threshold=st.floats(0, 10),
    band_rows=st.integers(1, 8),
    tile_cols=st.integers(1, 70),
    threads=st.integers(1, 3),
)
@settings(max_examples=examples(100), deadline=None)
def test_bands_tiles_and_threads_do_not_matter_and_flags_are_only_added(
    case: tuple[dict[str, np.ndarray], ReadPattern],
    rule: str,
    threshold: float,
    band_rows: int,
    tile_cols: int,
    threads: int,
) -> None:
    arrays, pattern = case
    parameters = {"rule": rule, "rejection_threshold": threshold}
    results = []
    for execution in [
        {"max_threads": 1, "band_rows": 1000},
        {"max_threads": threads, "band_rows": band_rows},
    ]:
        copies = {name: array.copy() for name, array in arrays.items()}
        fit = kernels.fit_likelihood(**copies, read_pattern=pattern, **parameters, **execution)
        for name in ("data", "pixeldq", "gain", "read_noise"):
            assert copies[name].tobytes() == arrays[name].tobytes()
        assert np.array_equal(copies["groupdq"] & arrays["groupdq"], arrays["groupdq"])
        added = copies["groupdq"] ^ arrays["groupdq"]
        assert not np.any(added & ~np.uint8(dqflags.JUMP_DET))
        assert np.array_equal(fit.dq & arrays["pixeldq"], arrays["pixeldq"])
        results.append([getattr(fit, name).tobytes() for name in (*NUMBERS, "dq")])
    in_tiles = kernels.calibrate(
        arrays["data"],
        [],
        kernels.likelihood_fit(arrays["gain"], arrays["read_noise"], pattern, **parameters),
        groupdq=arrays["groupdq"],
        pixeldq=arrays["pixeldq"],
        tile_cols=tile_cols,
        band_rows=band_rows,
        max_threads=threads,
    ).fit
    results.append([getattr(in_tiles, name).tobytes() for name in (*NUMBERS, "dq")])
    assert results[0] == results[1] == results[2]


@given(case=cases(), rule=st.sampled_from(["gls", "likely"]), average_hits=st.booleans())
@settings(max_examples=examples(100), deadline=None)
def test_every_number_is_finite_and_pixels_without_noise_are_not_to_be_used(
    case: tuple[dict[str, np.ndarray], ReadPattern], rule: str, average_hits: bool
) -> None:
    arrays, pattern = case
    fit = kernels.fit_likelihood(
        **arrays, read_pattern=pattern, rule=rule, average_hits=average_hits
    )
    for name in NUMBERS:
        assert np.isfinite(getattr(fit, name)).all()
    for name in NUMBERS[1:-1]:
        assert np.all(getattr(fit, name) >= 0)
    assert np.all((fit.err > 0) | ((fit.dq & dqflags.DO_NOT_USE) != 0))
    np.testing.assert_allclose(
        fit.err.astype(float) ** 2,
        fit.var_poisson.astype(float) + fit.var_rnoise,
        rtol=1e-5,
        atol=1e-37,
    )


@given(
    pattern=patterns(),
    log_rate=st.floats(-2, 3),
    gain=st.floats(0.5, 5),
    read_noise=st.floats(1, 30),
    rule=st.sampled_from(["gls", "likely"]),
)
@settings(max_examples=examples(200), deadline=None)
def test_a_ramp_without_noise_gives_its_rate(
    pattern: ReadPattern, log_rate: float, gain: float, read_noise: float, rule: str
) -> None:
    rate = 10**log_rate
    data = np.repeat((rate * pattern.times).astype(np.float32), 6).reshape(-1, 2, 3)
    groupdq, pixeldq = np.zeros(data.shape, np.uint8), np.zeros((2, 3), np.uint32)
    fit = kernels.fit_likelihood(data, groupdq, pixeldq, gain, read_noise, pattern, rule=rule)
    assert not groupdq.any()
    if len(pattern) == 1:  # which tells no rate
        assert np.all(fit.dq == dqflags.DO_NOT_USE)
    else:
        assert not fit.dq.any()
        np.testing.assert_allclose(fit.slope, rate, rtol=2e-5)
        assert np.all(np.abs(fit.dumo) <= 2e-5 * rate)
