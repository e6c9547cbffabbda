"""Saturation against that of today's system, romancal 1.1, by file (``tests/data/flight``)."""

from pathlib import Path

import numpy as np
import pytest

from romancal_rs import ReadPattern, dqflags, kernels

GOLDEN = Path(__file__).parents[1] / "data" / "flight" / "golden"


def reads_of(file):
    """The read numbers of each resultant."""
    ends = np.cumsum(file["in_read_pattern_lengths"])
    return [part.tolist() for part in np.split(file["in_read_pattern_reads"], ends[:-1])]


@pytest.mark.parametrize("way", [(1, 1), (3, 2), (7, 3), (None, None)])
@pytest.mark.parametrize(
    "path", sorted(GOLDEN.glob("saturation_*.npz")), ids=lambda path: path.stem
)
def test_saturation(path, way):
    with np.load(path) as archive:
        file = {key: archive[key] for key in archive.files}
    data, groupdq, pixeldq = (file[f"in_{name}"].copy() for name in ("data", "groupdq", "pixeldq"))
    band_rows, max_threads = way
    kernels.flag_saturation(
        *(data, groupdq, pixeldq, file["in_threshold"], file["in_ref_dq"]),
        n_pix_grow_sat=int(file["in_n_pix_grow_sat"]),
        partial="mean_read",
        read_pattern=ReadPattern.from_reads(reads_of(file), 3.04),
        backup=int(file["in_backup"]),
        band_rows=band_rows,
        max_threads=max_threads,
    )
    np.testing.assert_array_equal(pixeldq, file["out_pixeldq"])
    expected = file["out_groupdq"].copy()
    # There, NaN is a sample like any other (deviation 34).
    expected[np.isnan(data)] |= dqflags.DO_NOT_USE
    np.testing.assert_array_equal(groupdq, expected)


def flags_of(pixel, *, threshold=50_000, ref_dq=0, **parameters):
    data = np.array(pixel, np.float32).reshape(-1, 1, 1)
    groupdq, pixeldq = np.zeros(data.shape, np.uint8), np.zeros((1, 1), np.uint32)
    threshold, ref_dq = np.full((1, 1), threshold, np.float32), np.full((1, 1), ref_dq, np.uint32)
    pattern = ReadPattern.from_reads([[2 * g + 1, 2 * g + 2] for g in range(len(data))], 3.04)
    parameters = {"partial": "mean_read", "read_pattern": pattern, **parameters}
    kernels.flag_saturation(data, groupdq, pixeldq, threshold, ref_dq, **parameters)
    return groupdq.ravel().tolist()


def test_a_pixel_without_a_threshold_is_never_saturated():
    # With a reference read added, counts reach beyond 65535 DN.
    assert flags_of([60_000, 70_000], threshold=np.nan) == [0, 0]
    assert flags_of([60_000, 70_000], ref_dq=dqflags.NO_SAT_CHECK) == [0, 0]
    assert flags_of([60_000, 70_000], threshold=65_536) == [dqflags.DO_NOT_USE, dqflags.SATURATED]


@pytest.mark.parametrize("partial", ["mean_read", "concave"])
def test_nan_is_not_to_be_used(partial):
    flags = flags_of([np.nan, 100, np.nan], partial=partial)
    assert flags == [dqflags.DO_NOT_USE, 0, dqflags.DO_NOT_USE]
    # The rules of 2022 leave it to the fit.
    assert flags_of([np.nan, 100, np.nan], partial="none") == [0, 0, 0]


def test_a_sample_below_zero_is_above_the_floor_of_an_encoded_exposure():
    # A count of 95 that was sent with an offset of 100.
    bad = dqflags.AD_FLOOR | dqflags.DO_NOT_USE
    assert flags_of([-5, -100], floor=-100) == [0, bad]


def test_wrong_parameters_say_what_is_wrong():
    with pytest.raises(
        kernels.ArgumentError, match=r"partial: expected none, mean_.* or concave, got m"
    ):
        flags_of([1], partial="m")
    with pytest.raises(kernels.ArgumentError, match=r"read_pattern: expected one, where partial"):
        flags_of([1], read_pattern=None)
    with pytest.raises(kernels.ArgumentError, match=r"read_pattern: .*frame_time"):
        flags_of([1], read_pattern=ReadPattern([1.0], [2], 1.0))
    with pytest.raises(kernels.ArgumentError, match=r"backup: expected a number .* got -1"):
        flags_of([1], backup=-1)
    with pytest.raises(kernels.ArgumentError, match=r"read_pattern: .*as many resultants"):
        flags_of([1], read_pattern=ReadPattern.from_reads([[1], [2]], 1.0))
