"""Linearity by reads against the step of romancal 1.1 (``tests/data/flight``)."""

from pathlib import Path

import numpy as np
import pytest

from romancal_rs import ReadPattern, dqflags, kernels

GOLDEN = Path(__file__).parents[1] / "data" / "flight" / "golden"
PATHS = sorted(GOLDEN.glob("linearity_*.npz"))


@pytest.fixture(params=PATHS, ids=lambda path: path.stem)
def golden(request):
    with np.load(request.param) as archive:
        return {key: archive[key] for key in archive.files}


def corrected(golden, **how):
    """The ramp of a file and its flags, corrected."""
    ramp = [golden[f"in_{name}"].copy() for name in ("data", "groupdq", "pixeldq")]
    ends = np.cumsum(golden["in_read_pattern_lengths"])[:-1]
    reads = [part.tolist() for part in np.split(golden["in_read_pattern_reads"], ends)]
    inl = None
    if "in_inl_value" in golden:
        inl = golden["in_inl_value"], golden["in_inl_correction"]
    kernels.linearize_reads(
        *ramp,
        golden["in_lin"],
        golden["in_lin_dq"],
        golden["in_ilin"],
        ReadPattern.from_reads(reads, 3.04),
        inl=inl,
        **how,
    )
    return ramp


def test_there_are_six_files():
    assert len(PATHS) == 6


@pytest.mark.parametrize("max_threads", [1, 2, 3])
def test_linearize_reads(golden, max_threads):
    data, groupdq, pixeldq = corrected(golden, max_threads=max_threads, band_rows=3)
    np.testing.assert_array_equal(pixeldq, golden["out_pixeldq"])
    # Samples that are not to be used, or NaN, set the rate there (docs/deviations.md).
    bad = (golden["in_groupdq"] & dqflags.DO_NOT_USE != 0) | np.isnan(golden["in_data"])
    judged = ~bad.any(axis=0)
    assert judged.mean() > 0.9
    expected = golden["out_data"]
    np.testing.assert_array_equal(np.isnan(data[:, judged]), np.isnan(expected[:, judged]))
    unit = np.spacing(np.abs(expected[:, judged]))
    assert np.nanmax(np.abs(data - expected)[:, judged] / unit) <= 1
    # NaN is flagged here.
    flags = golden["out_groupdq"] | np.isnan(expected) * np.uint8(dqflags.DO_NOT_USE)
    np.testing.assert_array_equal(groupdq[:, judged], flags[:, judged])
    # In single reads no rate is needed: those that are judged differ in nothing but NaN.
    if golden["in_read_pattern_lengths"].max() == 1:
        finite = ~np.isnan(expected)
        np.testing.assert_array_equal(data[finite], expected[finite])


@pytest.mark.parametrize("band_rows", [1, 4, 100])
def test_bands_do_not_matter(golden, band_rows):
    for one, other in zip(corrected(golden), corrected(golden, band_rows=band_rows), strict=True):
        assert one.tobytes() == other.tobytes()
