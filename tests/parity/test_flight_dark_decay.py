"""The times of reads, and the dark decay, against today's system (``tests/data/flight``)."""

from pathlib import Path

import numpy as np
import pytest

from romancal_rs import ReadPattern, kernels

GOLDEN = Path(__file__).parents[1] / "data" / "flight" / "golden"


def load(path):
    with np.load(path) as archive:
        return {key: archive[key] for key in archive.files}


def reads_of(file):
    """The read numbers of each resultant."""
    ends = np.cumsum(file["in_read_pattern_lengths"])
    return [part.tolist() for part in np.split(file["in_read_pattern_reads"], ends[:-1])]


@pytest.mark.parametrize("path", sorted(GOLDEN.glob("readtimes_*.npz")), ids=lambda path: path.stem)
def test_read_times(path):
    file = load(path)
    frame_time = float(file["in_frame_time"])
    of_rows, of_cols = kernels.read_times(f"WFI{file['in_sca']:02d}", frame_time)
    times = of_rows[file["in_rows"], None] + of_cols[file["in_cols"]]
    times += float(file["in_frame_number"]) * frame_time
    np.testing.assert_allclose(times, file["out_t"], rtol=0, atol=3.6e-15)


def counts(resultant, rows, cols):
    """The samples that the files were made with."""
    pattern = (131 * rows[:, None] + 17 * cols[None, :]) % 64
    return (1000 + 7 * resultant + 0.25 * pattern).astype(np.float32)


@pytest.mark.parametrize(
    "path", sorted(GOLDEN.glob("dark_decay_*.npz")), ids=lambda path: path.stem
)
def test_dark_decay(path):
    file = load(path)
    # One resultant leaves out a read, which is no read pattern here.
    reads = [reads for reads in reads_of(file) if np.ptp(reads) < len(reads)]
    assert len(reads) >= 2
    frame_time = float(file["in_frame_time"])
    for row, expected in zip(file["in_rows"], file["out_data"].swapaxes(0, 1), strict=True):
        cols = np.arange(4096)
        data = np.stack([counts(g, np.array([row]), cols) for g in range(len(reads))])
        kernels.subtract_dark_decay(
            data,
            float(file["in_amplitude"]),
            float(file["in_time_constant"]),
            frame_time,
            ReadPattern.from_reads(reads, frame_time),
            f"WFI{file['in_sca']:02d}",
            origin=(int(row), 0),
        )
        found = data[:, 0, file["in_cols"]]
        np.testing.assert_array_max_ulp(found, expected[: len(reads)], maxulp=1)


@pytest.mark.parametrize("way", [(1, 1), (3, 2), (7, 3)])
def test_bands_and_threads_do_not_matter(way):
    pattern = ReadPattern.from_reads([[1], [2, 3], [5, 6, 7]], 3.04)
    decay = (3.6, 13.5, 3.04, pattern, "WFI09")
    whole = np.full((3, 20, 300), 1000, np.float32)
    cut = whole.copy()
    kernels.subtract_dark_decay(whole, *decay, origin=(250, 100))
    band_rows, max_threads = way
    kernels.subtract_dark_decay(
        cut, *decay, origin=(250, 100), band_rows=band_rows, max_threads=max_threads
    )
    np.testing.assert_array_equal(whole, cut)
    assert (whole < 1000).all()


def test_time_does_not_run_backwards_in_a_frame_too_short_for_pauses():
    # There, rows 256, 512, ... are read before the rows before them.
    of_rows, of_cols = kernels.read_times("WFI18", 2.5)
    assert (np.diff(of_rows) > of_cols.max()).all()
    assert of_rows[-1] + of_cols.max() == pytest.approx(2.5, abs=1e-14)


def test_wrong_arguments_say_what_is_wrong():
    pattern = ReadPattern.from_reads([[1], [2]], 3.0)
    data = np.zeros((2, 4, 4), np.float32)

    def call(data=data, detector="WFI01", frame_time=3.0, **parameters):
        kernels.subtract_dark_decay(data, 1.0, 1.0, frame_time, pattern, detector, **parameters)

    with pytest.raises(
        kernels.ArgumentError, match=r"detector: expected WFI01 to WFI18, got WFI19"
    ):
        call(detector="WFI19")
    with pytest.raises(kernels.ArgumentError, match=r"origin: .* got -1"):
        call(origin=(-1, 0))
    with pytest.raises(kernels.ArgumentError, match=r"origin: .* got \(4093, 0\) for 4 x 4"):
        call(origin=(4093, 0))
    with pytest.raises(kernels.ArgumentError, match=r"frame_time: .* got 0"):
        call(frame_time=0.0)
    with pytest.raises(kernels.ArgumentError, match=r"read_pattern: .*as many resultants"):
        call(data[:1])
    for amplitude, time_constant, name in [
        (1.0, 0.001, "time_constant"),
        (1e308, 1.0, "amplitude"),
    ]:
        # They made the ramp NaN or infinite.
        with pytest.raises(kernels.ArgumentError, match=f"^{name}: expected"):
            kernels.subtract_dark_decay(data, amplitude, time_constant, 3.0, pattern, "WFI01")
    with pytest.raises(kernels.ArgumentTypeError, match=r"data: .*float32"):
        call(data.astype(float))
    with pytest.raises(kernels.ShapeError, match=r"^data: "):
        call(data[0])
    with pytest.raises(kernels.ArgumentError, match=r"frame_time: .* got NaN"):
        kernels.read_times("WFI01", np.nan)
