"""The refpix step against that of romancal 1.1.0, by file (``tests/data/flight``).

Where that is wrong is said in ``docs/explanation/deviations.md``;
here its rule of what is missing is on.
"""

from pathlib import Path

import numpy as np
import pytest

from romancal_rs import _core, datamodels, kernels
from romancal_rs.dq_init import DQInitStep
from romancal_rs.saturation import SaturationStep

GOLDEN = Path(__file__).parents[1] / "data" / "flight" / "golden"
SAMPLE = Path(__file__).parents[2].parent / "shared" / "sample"
BAD_REF_PIXEL = 1 << 17
#: Of samples of 10000 DN.
TOLERANCE = 2e-3


def corrected(file, **execution):
    """The ramp that our kernel makes of a file's, and what it finds."""
    data, width = file["in_data"].copy(), int(file["in_channel_width"])
    switches = ("remove_offset", "remove_trends", "cosine_interpolate", "fft_interpolate")
    kernel = _core.refpix(
        file["in_amp33"],
        *(file[f"in_{name}"].astype(np.complex128) for name in ("gamma", "zeta", "alpha")),
        *(bool(file[f"in_{switch}"]) for switch in switches),
        zero_is_missing=True,
        width=width,
        gap_kernel=int(file["in_n_channels"]),
    )
    how = {"max_threads": None, "band_rows": None, "tile_cols": None} | execution
    [(_, found)] = _core.apply([kernel], data, None, flags_of(file), **how)
    return data, found


def flags_of(file):
    """The flags of pixels; where the file's samples of bad reference pixels were used, none."""
    return file["in_pixeldq"] if file["in_zero_bad_ref_pix"] else np.zeros_like(file["in_pixeldq"])


def load(path):
    with np.load(path) as archive:
        return {key: archive[key] for key in archive.files}


@pytest.mark.parametrize("path", sorted(GOLDEN.glob("refpix_*.npz")), ids=lambda path: path.stem)
def test_refpix(path):
    file = load(path)
    data, found = corrected(file)
    # There a science pixel that is flagged BAD_REF_PIXEL is set to 0.
    judged = np.ones(data.shape[1:], bool)
    judged[4:-4, 4:-4] = flags_of(file)[4:-4, 4:-4] & BAD_REF_PIXEL == 0
    np.testing.assert_allclose(data[:, judged], file["out_data"][:, judged], rtol=0, atol=TOLERANCE)
    # There the absolute value is cut to a whole number; here the value is rounded, and at least 0.
    difference = found["amp33"].astype(int) - file["out_amp33"]
    assert np.isin(difference[found["amp33"] > 0], (0, 1)).all()
    for side in ("left", "right"):
        name = f"border_ref_pix_{side}"
        np.testing.assert_allclose(found[name], file[f"out_{name}"], rtol=0, atol=TOLERANCE)
    # What is found is the border of the ramp, to the bit.
    np.testing.assert_array_equal(found["border_ref_pix_left"], data[:, :, :4])
    np.testing.assert_array_equal(found["border_ref_pix_right"], data[:, :, -4:])
    np.testing.assert_array_equal(found["border_ref_pix_top"], data[:, :4])
    np.testing.assert_array_equal(found["border_ref_pix_bottom"], data[:, -4:])


@pytest.mark.parametrize("name", ["refpix_full", "refpix_small"])
def test_bits_depend_neither_on_threads_nor_on_tiles(name):
    file = load(GOLDEN / f"{name}.npz")
    data, found = corrected(file, max_threads=1)
    ways = [(2, 3, None), (3, 1, None), (2, None, 64), (3, 5, 32), (1, 2, 50), (3, 100, 4096)]
    for max_threads, band_rows, tile_cols in ways:
        way = {"max_threads": max_threads, "band_rows": band_rows, "tile_cols": tile_cols}
        again, found_again = corrected(file, **way)
        np.testing.assert_array_equal(again, data, err_msg=str(way))
        for key, array in found.items():
            np.testing.assert_array_equal(found_again[key], array, err_msg=f"{way} {key}")


@pytest.mark.skipif(not SAMPLE.is_dir(), reason=f"the third-party sample is not at {SAMPLE}")
@pytest.mark.parametrize("number", [1, 2])
def test_the_third_party_sample(number):
    """512 columns, which romancal was made to take; from its raw counts to the reference pixels."""
    file = load(GOLDEN / f"chain_sample{number}.npz")
    exposure = SAMPLE / f"r0000101001001001001_000{number}_wfi07_f158_uncal.asdf"
    references = SAMPLE / "references"
    reference = references / "roman_wfi_refpix_0007.asdf"
    ramp = SaturationStep.call(
        DQInitStep.call(exposure, references=references), references=references
    )
    rows, cols = file["in_rows"], file["in_cols"]

    with datamodels.open(reference) as model:
        coefficients = [np.array(model[name]) for name in ("gamma", "zeta", "alpha")]
    data, amp33 = np.array(ramp.data), np.array(ramp.amp33)
    kernels.correct_reference_pixels(data, amp33, ramp.pixeldq, *coefficients, zero_is_missing=True)
    on_grid = data[:, rows][:, :, cols]
    np.testing.assert_allclose(on_grid, file["out_refpix_data"], rtol=0, atol=TOLERANCE)
    sums = data.sum(axis=(1, 2), dtype=float)
    np.testing.assert_allclose(
        sums / data[0].size, file["out_refpix_sum"] / data[0].size, atol=1e-4
    )
    difference = amp33[:, rows][:, :, ::9].astype(int) - file["out_refpix_amp33"]
    assert np.isin(difference, (0, 1)).all()
