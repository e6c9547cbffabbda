"""The kernels against the library of the 2022 system, file by file (``tests/data/golden``).

Which pixels agree, and how closely, is what the README beside the files says. Its known deviations
are left out here and stated in ``tests/unit/test_kernels_deviations.py``.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from romancal_rs import ReadPattern, dqflags, kernels

GOLDEN = Path(__file__).parents[1] / "data" / "golden"
UNUSABLE = dqflags.SATURATED | dqflags.DO_NOT_USE

Arrays = dict[str, NDArray]


def load(name: str) -> Arrays:
    with np.load(GOLDEN / f"{name}.npz") as file:
        return {key: file[key] for key in file.files}


def names(kind: str) -> list[str]:
    found = sorted(path.stem for path in GOLDEN.glob(f"{kind}_*.npz"))
    assert found, f"no {kind} files in {GOLDEN}"
    return found


@pytest.fixture(params=[1, 2, 3], ids=["1-thread", "2-threads", "3-threads"])
def band_rows(request: pytest.FixtureRequest) -> Iterator[int]:
    """Run on so many threads, with bands low enough that each has several."""
    before = kernels.num_threads()
    kernels.set_num_threads(request.param)
    yield 5
    kernels.set_num_threads(before)


@pytest.mark.parametrize("name", names("saturation"))
def test_saturation(name: str, band_rows: int) -> None:
    file = load(name)
    groupdq, pixeldq = file["in_groupdq"].copy(), file["in_pixeldq"].copy()
    kernels.flag_saturation(
        file["in_data"],
        groupdq,
        pixeldq,
        file["in_threshold"],
        file["in_ref_dq"],
        band_rows=band_rows,
    )
    np.testing.assert_array_equal(groupdq, file["out_groupdq"])
    np.testing.assert_array_equal(pixeldq, file["out_pixeldq"])


@pytest.mark.parametrize("name", names("linearity"))
def test_linearity(name: str, band_rows: int) -> None:
    file = load(name)
    data, pixeldq = file["in_data"].copy(), file["in_pixeldq"].copy()
    kernels.correct_linearity(
        data, file["in_groupdq"], pixeldq, file["in_coeffs"], file["in_ref_dq"], band_rows=band_rows
    )
    np.testing.assert_allclose(data, file["out_data"], rtol=1e-6)
    np.testing.assert_array_equal(pixeldq, file["out_pixeldq"])


def read_noise(file: Arrays) -> NDArray[np.float32]:
    return (file["in_readnoise_cds"] / np.sqrt(2)).astype(np.float32)


def patterns(n_resultants: int, n_reads: int, group_time: float) -> list[ReadPattern]:
    """The same even pattern, made in two ways."""
    reads = [[i * n_reads + k + 1 for k in range(n_reads)] for i in range(n_resultants)]
    return [
        ReadPattern.evenly_spaced(n_resultants, group_time, n_reads),
        ReadPattern.from_reads(reads, group_time / n_reads),
    ]


@pytest.mark.parametrize("made", [0, 1], ids=["evenly_spaced", "from_reads"])
@pytest.mark.parametrize("name", names("jump"))
def test_jump(name: str, made: int, band_rows: int) -> None:
    file = load(name)
    # Evenly spaced jumps do not depend on the time between resultants.
    pattern = patterns(len(file["in_data"]), int(file["in_nframes"]), 24.32)[made]
    groupdq, pixeldq = file["in_groupdq"].copy(), file["in_pixeldq"].copy()
    kernels.detect_jumps(
        file["in_data"],
        groupdq,
        pixeldq,
        file["in_gain"],
        read_noise(file),
        pattern,
        rejection_threshold=float(file["in_rejection_threshold"]),
        three_group_rejection_threshold=float(file["in_three_group_rejection_threshold"]),
        four_group_rejection_threshold=float(file["in_four_group_rejection_threshold"]),
        flag_4_neighbors=bool(file["in_flag_4_neighbors"]),
        max_jump_to_flag_neighbors=float(file["in_max_jump_to_flag_neighbors"]),
        min_jump_to_flag_neighbors=float(file["in_min_jump_to_flag_neighbors"]),
        band_rows=band_rows,
    )
    np.testing.assert_array_equal(groupdq, file["out_groupdq"])
    np.testing.assert_array_equal(pixeldq, file["out_pixeldq"])


def simple_and_tail(file: Arrays) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Pixels of positive gain with flags of jumps only; and those with a saturated tail besides."""
    groupdq = file["in_groupdq"]
    gain = file["in_gain"] > 0
    simple = gain & ((groupdq & ~np.uint8(dqflags.JUMP_DET)) == 0).all(axis=0)
    saturated = (groupdq & dqflags.SATURATED) != 0
    only_tail = (np.diff(saturated.astype(int), axis=0) >= 0).all(axis=0) & ~saturated[0]
    others = ~np.uint8(dqflags.JUMP_DET | dqflags.SATURATED)
    tail = gain & only_tail & saturated[-1] & ((groupdq & others) == 0).all(axis=0)
    return simple, tail


def weights_do_not_matter(file: Arrays) -> NDArray[np.bool_]:
    """Pixels of which each segment has a signal-to-noise ratio of at most 5, or two samples."""
    noise = read_noise(file).astype(float) ** 2 / int(file["in_nframes"])
    result = np.ones(noise.shape, bool)
    for row, col in np.ndindex(noise.shape):
        gain = float(file["in_gain"][row, col])
        flags = file["in_groupdq"][:, row, col]
        samples = file["in_data"][:, row, col].astype(float)
        segments: list[list[int]] = []
        for i, flag in enumerate(flags):
            if flag & UNUSABLE:
                continue
            if not segments or flag & dqflags.JUMP_DET or flags[i - 1] & UNUSABLE:
                segments.append([])
            segments[-1].append(i)
        for segment in segments:
            signal = gain * (samples[segment[-1]] - samples[segment[0]])
            variance = gain**2 * noise[row, col] + signal
            ratio = signal / np.sqrt(variance) if variance > 0 else 0.0
            result[row, col] &= len(segment) <= 2 or ratio <= 5
    return result


@pytest.mark.parametrize("optional", [False, True], ids=["plain", "optional"])
@pytest.mark.parametrize("made", [0, 1], ids=["evenly_spaced", "from_reads"])
@pytest.mark.parametrize("name", names("ramp"))
def test_ramp_fit(name: str, made: int, optional: bool, band_rows: int) -> None:
    file = load(name)
    n_resultants = len(file["in_data"])
    group_time = float(file["in_group_time"])
    fit = kernels.fit_ramps(
        file["in_data"],
        file["in_groupdq"],
        file["in_pixeldq"],
        file["in_gain"],
        read_noise(file),
        patterns(n_resultants, int(file["in_nframes"]), group_time)[made],
        optional=optional,
        band_rows=band_rows,
    )
    simple, tail = simple_and_tail(file)
    same_slope = simple | (tail & weights_do_not_matter(file))
    assert simple.sum() > 100
    for pixels, field, rtol in [
        (same_slope, "slope", 1e-4),
        (simple | tail, "var_poisson", 1e-4),
        (simple | tail, "var_rnoise", 1e-6),
        (simple | tail, "err", 1e-4),
    ]:
        ours, theirs = getattr(fit, field)[pixels], file[f"out_{field}"][pixels]
        np.testing.assert_allclose(ours, theirs, rtol=rtol, err_msg=field)

    gain = file["in_gain"] > 0
    if n_resultants == 2:  # Deviation 5.
        first, second = file["in_groupdq"]
        gain &= ~(((first & dqflags.DO_NOT_USE) != 0) & ((second & dqflags.JUMP_DET) != 0))
    np.testing.assert_array_equal(fit.dq[gain], file["out_dq"][gain])

    if optional and "out_opt_slope" in file:
        compare_optional(fit.optional, file, group_time, simple, same_slope)


def compare_optional(
    ours: kernels.SegmentFits,
    file: Arrays,
    group_time: float,
    simple: NDArray[np.bool_],
    same_slope: NDArray[np.bool_],
) -> None:
    """The optional product, where the library means the same by it, in DN and seconds."""
    theirs = {key[8:]: file[key][0] for key in file if key.startswith("out_opt_")}
    # A bad resultant (deviation 2) may give a pixel more segments; none of those compared.
    n_segments = min(len(ours.slope), len(theirs["slope"]))
    slopes = ours.slope[:n_segments, same_slope]
    np.testing.assert_allclose(slopes, theirs["slope"][:n_segments, same_slope], rtol=1e-4)
    for field, rtol in [("var_poisson", 1e-4), ("var_rnoise", 1e-6)]:
        segments = getattr(ours, field)[:n_segments, simple]
        np.testing.assert_allclose(segments, theirs[field][:n_segments, simple], rtol=rtol)
    # In electrons per resultant, and 0 for a segment of one sample.
    in_electrons = ours.sigslope * file["in_gain"] * group_time
    fitted = theirs["sigslope"] != 0
    fitted &= simple
    np.testing.assert_allclose(
        in_electrons[: len(fitted)][fitted], theirs["sigslope"][fitted], rtol=1e-4
    )
    # The pedestal is a small difference of large numbers, which the library takes in float32.
    largest = np.abs(file["in_data"]).max(axis=0)[same_slope]
    difference = ours.pedestal[same_slope] - theirs["pedestal"][same_slope]
    assert np.all(np.abs(difference) <= 1e-4 * largest)
    # The library leaves out jumps that go down.
    jumps = (file["in_groupdq"][1:] & dqflags.JUMP_DET) != 0
    up = simple & ~(jumps & (np.diff(file["in_data"], axis=0) <= 0)).any(axis=0)
    np.testing.assert_allclose(ours.crmag[:, up], theirs["crmag"][:, up], rtol=1e-6)


def test_every_file_has_a_test() -> None:
    tested = {name for kind in ("saturation", "linearity", "jump", "ramp") for name in names(kind)}
    assert tested == {path.stem for path in GOLDEN.glob("*.npz")}
