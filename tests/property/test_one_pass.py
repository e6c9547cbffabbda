"""The one pass gives the bits of the steps, whatever the exposure, the tiles and the threads."""

from collections.abc import Iterator

import numpy as np
import pytest
from examples import examples
from hypothesis import given, settings
from hypothesis import strategies as st

from romancal_rs import ReadPattern, kernels
from romancal_rs.border import SCIENCE
from romancal_rs.datamodels import Encoding

FIT = ("slope", "dq", "err", "var_poisson", "var_rnoise", "chisq", "dumo")


@pytest.fixture(autouse=True, scope="module")
def three_threads() -> Iterator[None]:
    before = kernels.num_threads()
    kernels.set_num_threads(3)
    yield
    kernels.set_num_threads(before)


class Exposure:
    """A raw exposure full of edge cases, with its references."""

    def __init__(self, seed: int, pattern: ReadPattern, n_rows: int, n_cols: int) -> None:
        rng = np.random.default_rng(seed)
        self.pattern = pattern
        n, image = len(pattern), (n_rows, n_cols)
        rate = 10 ** rng.uniform(-1, 3.2, image)
        ramp = 50 + rate * pattern.times[:, None, None] + rng.normal(0, 8, (n, *image))
        for g in range(1, n):  # hits of all sizes, some of which flag their neighbours
            ramp[g:, rng.random(image) < 0.03] += 10 ** rng.uniform(1, 4.5)
        self.raw = np.clip(ramp, 0, 65535).astype(np.uint16)
        self.encoding = Encoding()
        self.groupdq = rng.choice(
            np.array([0, 4, 1, 16], np.uint8), (n, *image), p=[0.97, *[0.01] * 3]
        )
        flags = np.array([0, 1, 1024, 1 << 21, 1 << 20], np.uint32)
        self.dq = [rng.choice(flags, image, p=[0.92, *[0.02] * 4]) for _ in range(4)]

        def plane(low: float, high: float) -> np.ndarray:
            """Values in that range, a few of them NaN."""
            values = rng.uniform(low, high, image).astype(np.float32)
            values[rng.random(image) < 0.01] = np.nan
            return values

        self.threshold = plane(20000, 60000)
        self.coeffs = np.stack([plane(-5, 5), plane(0.9, 1.1), plane(-1e-6, 1e-6)])
        self.dark = np.stack([plane(-1, 3) for _ in range(n)])
        self.gain = plane(0.5, 3)
        self.gain[rng.random(image) < 0.03] *= -1
        self.read_noise = plane(0, 15)

    def step_by_step(
        self, n_pix_grow_sat: int, partial: str, dark_is_rate: bool
    ) -> dict[str, np.ndarray]:
        data = self.encoding.samples(self.raw)
        groupdq, pixeldq = self.groupdq.copy(), self.dq[0].copy()
        self.encoding.flag_floor(self.raw, groupdq)
        _, saturation_dq, linearity_dq, dark_dq = self.dq
        kernels.flag_saturation(
            *(data, groupdq, pixeldq, self.threshold, saturation_dq),
            n_pix_grow_sat=n_pix_grow_sat,
            floor=self.encoding.floor,
            partial=partial,
            read_pattern=self.pattern,
        )
        kernels.correct_linearity(data, groupdq, pixeldq, self.coeffs, linearity_dq)
        if dark_is_rate:
            kernels.subtract_dark_rate(data, pixeldq, self.dark[0], dark_dq, self.pattern)
        else:
            kernels.subtract_dark(data, pixeldq, self.dark, dark_dq)
        if len(self.pattern) >= 3:
            kernels.detect_jumps(data, groupdq, pixeldq, self.gain, self.read_noise, self.pattern)
        fit = kernels.fit_ramps(data, groupdq, pixeldq, self.gain, self.read_noise, self.pattern)
        return {name: getattr(fit, name)[SCIENCE] for name in FIT}

    def in_one_pass(
        self,
        n_pix_grow_sat: int,
        partial: str,
        dark_is_rate: bool,
        in_file: bool,
        **way: int | None,
    ) -> dict[str, np.ndarray]:
        # As in a mapped file, where arrays begin at any byte and cannot be changed.
        place = unaligned if in_file else np.asarray
        mask, saturation_dq, linearity_dq, dark_dq = map(place, self.dq)
        gain, read_noise = place(self.gain), place(self.read_noise)
        steps = [
            kernels.saturation(
                place(self.threshold),
                saturation_dq,
                n_pix_grow_sat=n_pix_grow_sat,
                floor=self.encoding.floor,
                partial=partial,
                read_pattern=self.pattern,
            ),
            kernels.linearity(place(self.coeffs), linearity_dq),
            kernels.dark_rate(place(self.dark[0]), dark_dq, self.pattern)
            if dark_is_rate
            else kernels.dark(place(self.dark), dark_dq),
        ]
        if len(self.pattern) >= 3:
            steps.append(kernels.jump(gain, read_noise, self.pattern))
        read = self.encoding.reference_read
        calibrated = kernels.calibrate(
            place(self.raw),
            steps,
            kernels.ramp_fit(gain, read_noise, self.pattern),
            groupdq=place(self.groupdq),
            pixeldq=mask,
            reference_read=None if read is None else place(read),
            offset=self.encoding.offset,
            border=4,
            **way,
        )
        named = [name for name, _ in calibrated.nanoseconds]
        assert named == ["read", *(step.name for step in steps), "fit"]
        return {name: getattr(calibrated.fit, name) for name in FIT}


def unaligned(array: np.ndarray) -> np.ndarray:
    memory = np.frombuffer(b"\0" + array.tobytes(), np.uint8)[1:]
    placed = memory.view(array.dtype).reshape(array.shape)
    assert array.dtype.itemsize == 1 or not placed.flags.aligned
    return placed


@st.composite
def patterns(draw: st.DrawFn) -> ReadPattern:
    steps = draw(st.lists(st.tuples(st.integers(1, 5), st.integers(0, 3)), min_size=1, max_size=9))
    if draw(st.booleans()):
        return ReadPattern.evenly_spaced(len(steps), 5.0 * steps[0][0], steps[0][0])
    reads, last = [], 0
    for n_reads, pause in steps:
        reads.append(list(range(last + pause + 1, last + pause + n_reads + 1)))
        last += pause + n_reads
    return ReadPattern.from_reads(reads, 3.04)


@given(
    seed=st.integers(0, 2**32 - 1),
    pattern=patterns(),
    n_rows=st.integers(9, 40),
    n_cols=st.one_of(st.integers(9, 40), st.integers(60, 140)),
    n_pix_grow_sat=st.sampled_from([0, 0, 1, 3]),
    partial=st.sampled_from(["none", "mean_read", "concave", "concave"]),
    dark_is_rate=st.booleans(),
    in_file=st.booleans(),
    threads=st.integers(1, 3),
    band_rows=st.none() | st.integers(1, 40),
    tile_cols=st.none() | st.integers(1, 40) | st.just(64),
    offset=st.sampled_from([0, 0, 1, 700]),
    has_reference_read=st.booleans(),
)
@settings(max_examples=examples(150), deadline=None)
def test_one_pass_gives_the_bits_of_the_steps(
    seed: int,
    pattern: ReadPattern,
    n_rows: int,
    n_cols: int,
    n_pix_grow_sat: int,
    partial: str,
    dark_is_rate: bool,
    in_file: bool,
    threads: int,
    band_rows: int | None,
    tile_cols: int | None,
    offset: int,
    has_reference_read: bool,
) -> None:
    exposure = Exposure(seed, pattern, n_rows, n_cols)
    reads = np.random.default_rng(seed).integers(0, 9000, (n_rows, n_cols), np.uint16)
    exposure.encoding = Encoding(reads if has_reference_read else None, None, offset)
    expected = exposure.step_by_step(n_pix_grow_sat, partial, dark_is_rate)
    way = {"max_threads": threads, "band_rows": band_rows, "tile_cols": tile_cols}
    image = exposure.in_one_pass(n_pix_grow_sat, partial, dark_is_rate, in_file, **way)
    for name in FIT:
        assert image[name].shape == (n_rows - 8, n_cols - 8)
        np.testing.assert_array_equal(
            image[name].view(np.uint32), expected[name].view(np.uint32), err_msg=name
        )
