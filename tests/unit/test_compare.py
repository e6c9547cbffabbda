"""Two products side by side: what is told of differences that were made by hand."""

import json
import math

import numpy as np
import pytest
from astropy.modeling.models import Identity, Shift
from astropy.time import Time

from romancal_rs import dqflags
from romancal_rs.assign_wcs import build_wcs
from romancal_rs.compare import ALWAYS_DIFFERENT, Extent, Size, compare
from romancal_rs.compare._arrays import Tolerance, compare_arrays
from romancal_rs.datamodels import GainRefModel, ImageModel, RampModel, testing
from romancal_rs.errors import InputError

SHAPE = (6, 9)
POINTING = {"v2_ref": 0.0, "v3_ref": 0.0, "ra_ref": 10.0, "dec_ref": 20.0, "roll_ref": 0.0}


@pytest.fixture
def a():
    image = ImageModel(testing.create_wfi_image(shape=SHAPE))
    image.data = np.arange(54, dtype=np.float32).reshape(SHAPE)
    image.err = np.full(SHAPE, 2.0, np.float32)
    image.meta.file_date = Time("2027-06-01T00:00:00")
    return image


@pytest.fixture
def b(a):
    return a.copy()


def difference(comparison, name):
    (found,) = [array for array in comparison.arrays if array.name == name]
    return found


def test_a_copy_is_the_same_and_says_what_was_looked_at(a, b):
    found = compare(a, b)
    assert found.same
    assert {array.name for array in found.arrays} == {name for name, _ in a.arrays()}
    assert difference(found, "data").n_pixels == 54
    assert found.metadata.n_compared > 50
    assert str(found).splitlines()[-1] == "A and B are the same"


def test_sizes_places_and_sigmas_of_differences_are_those_that_were_made(a, b):
    b.data[1, 2] += 1.0
    b.data[4, 2] -= 8.0
    b.data[4, 7] += 4.0
    found = difference(compare(a, b), "data")
    assert (found.n_differ, found.n_pixels) == (3, 54)
    assert found.size == Size(median=4.0, largest=8.0)
    assert found.sigma == Size(median=2.0, largest=4.0)  # of errors of 2 everywhere
    assert found.worst == (4, 2)
    assert found.worst_values == (38.0, 30.0)
    assert found.extents == (Extent(1, 4, 2), Extent(2, 7, 2))
    assert found.relative is None


def test_sigmas_are_those_of_the_errors_of_the_first(a, b):
    b.data[0, 3] += 1.0
    b.data[0, 4] += 1.0
    b.err[:] = 0.5
    a.err[0, 4] = 0.0  # of which there is no sigma
    assert difference(compare(a, b), "data").sigma == Size(0.5, 0.5)
    assert difference(compare(b, a), "data").sigma == Size(2.0, 2.0)


def test_arrays_without_errors_are_told_as_shares(a, b):
    b.err[0, :3] = (2.5, 3.0, 1.0)
    found = difference(compare(a, b), "err")
    assert found.size == Size(1.0, 1.0)
    assert found.relative == 0.5
    assert found.sigma is None


def test_nan_is_equal_to_nan_and_to_nothing_else(a, b):
    a.data[2, 2] = b.data[2, 2] = np.nan
    assert compare(a, b).same
    b.data[3, 3] = b.data[3, 4] = np.nan
    a.data[5, 5] = np.nan
    found = difference(compare(a, b), "data")
    assert found.n_differ == 3
    assert found.nan_only == (1, 2)
    assert found.size is None  # no difference is a number


def test_infinities_are_equal_to_themselves(a, b):
    a.data[0, 0] = b.data[0, 0] = np.inf
    assert compare(a, b).same
    b.data[0, 0] = -np.inf
    assert difference(compare(a, b), "data").size == Size(math.inf, math.inf)
    text = json.dumps(compare(a, b).to_dict(), allow_nan=False)  # which JSON has not
    assert json.loads(text)["arrays"][0]["size"] == {"median": None, "largest": None}


def test_flags_are_counted_by_name_for_each_side(a, b):
    a.dq[0, 0] = dqflags.SATURATED | dqflags.JUMP_DET
    b.dq[0, 0] = dqflags.SATURATED | dqflags.HOT
    b.dq[1, 1] = dqflags.HOT | 1 << 14
    found = difference(compare(a, b), "dq")
    assert found.flags == {"JUMP_DET": (1, 0), "HOT": (0, 2), "BIT_14": (0, 1)}
    assert found.n_differ == 2
    assert "HOT: only in A 0, only in B 2" in str(compare(a, b))


def test_flags_of_samples_have_the_names_of_samples():
    ramp = RampModel(testing.create_ramp(shape=(3, 8, 8)))
    other = ramp.copy()
    other.groupdq[2, 7, 5] = dqflags.WFI18_TRANSIENT
    other.data[1:, 4, 4] += 3.0
    found = compare(ramp, other)
    assert difference(found, "groupdq").flags == {"WFI18_TRANSIENT": (0, 1)}
    assert difference(found, "data").extents == (Extent(1, 2, 2), Extent(4, 4, 1), Extent(4, 4, 1))
    assert "in planes 1 to 2 (2 of 3), row 4, column 4" in str(found)


@pytest.mark.parametrize(
    ("tolerance", "n_differ"),
    [({}, 3), ({"atol": 0.5}, 2), ({"rtol": 0.1}, 1), ({"atol": 0.5, "rtol": 0.1}, 0)],
)
def test_tolerances_are_those_of_numpy(a, b, tolerance, n_differ):
    a.data[0, :3] = (10.0, 0.2, 40.0)
    b.data[0, :3] = (11.0, 0.6, 42.0)
    b.dq[0, 0] = 1
    found = compare(a, b, **tolerance)
    close = np.isclose(a.data, b.data, **{"rtol": 0.0, "atol": 0.0, **tolerance})
    assert difference(found, "data").n_differ == np.count_nonzero(~close) == n_differ
    assert difference(found, "dq").n_differ == 1  # flags are never near


def test_a_model_is_not_taken_for_the_file_that_it_came_from(a, tmp_path):
    path = str(a.save(tmp_path / "a_cal.asdf"))
    with ImageModel(path) as image:
        found = compare(path, image)
    assert (found.a, found.b) == (path, f"{path} (in memory)")
    assert compare(a, a).a == "A (in memory)"


def test_no_finite_number_is_near_an_infinite_one(a, b):
    a.data[0, :4] = (1.0, np.inf, np.inf, -np.inf)
    b.data[0, :4] = (-np.inf, 1.0, np.inf, np.inf)
    found = difference(compare(a, b, rtol=1e-3, atol=1e-3), "data")
    close = np.isclose(a.data, b.data, rtol=1e-3, atol=1e-3)
    assert found.n_differ == np.count_nonzero(~close) == 3


def test_a_tolerance_is_no_negative_number(a):
    with pytest.raises(InputError, match="rtol = -1: expected a number from 0"):
        compare(a, a, rtol=-1)


def test_arrays_that_one_side_lacks_or_has_of_another_shape_are_told(a, b):
    del a["var_flat"]
    b["chisq"] = np.zeros((3, 3), np.float32)
    found = compare(a, b)
    assert difference(found, "var_flat").missing_in == "A"
    assert difference(found, "chisq").shapes == (SHAPE, (3, 3))
    assert not difference(found, "var_flat").same
    assert not difference(found, "chisq").same
    assert "only in B" in str(found)
    assert "6 x 9 in A, 3 x 3 in B: not compared" in str(found)


@pytest.mark.parametrize(
    ("first", "second", "lines"),
    [
        (["a", "b"], ["a", "c"], ["1 of 2 differ (50 %)", "in place 1"]),
        ([True, False], [True, True], ["largest at place 1: 0 in A, 1 in B"]),
        (3.0, 4.0, ["1 of 1 differ (100 %)", "largest: 3 in A, 4 in B"]),
        ([1 + 2j, 3], [1 + 5j, 3], ["|A - B|: median 3, largest 3"]),
        ([1, 2], [1.0, 2.5], ["int64 in A, float64 in B", "|A - B|: median 0.5, largest 0.5"]),
        (np.zeros((0, 3)), np.zeros((0, 3)), ["same 0 values"]),
        (np.zeros((2, 2, 2, 2)), np.eye(2), ["2 x 2 x 2 x 2 in A, 2 x 2 in B: not compared"]),
        ([2**62], [2**62 + 2**40], ["|A - B|: median 1.1e+12, largest 1.1e+12"]),
    ],
)
def test_arrays_of_any_kind_are_told(first, second, lines):
    found = compare_arrays("x", np.array(first), np.array(second), tolerance=Tolerance())
    told = list(found.lines())
    assert [line for line in lines if line not in told] == []
    assert found.same == (lines == ["same 0 values"])


def test_lists_of_jumps_are_compared_as_sets(a, b):
    a["jump_indices"] = np.array([[1, 2, 3], [1, 2, 4]], np.int16)
    b["jump_indices"] = np.array([[1, 2, 4], [1, 2, 3]], np.int16)
    assert compare(a, b).same
    b["jump_indices"] = np.array([[1, 2, 4], [2, 5, 5], [2, 5, 6]], np.int16)
    assert difference(compare(a, b), "jump_indices").entries_only == (1, 2)


def test_what_always_differs_is_passed_over_unless_asked_for(a, b):
    b.meta.file_date = Time("2028-06-01T00:00:00")
    b.meta.filename = "other_cal.asdf"
    b.meta.cal_logs.append("another line")
    found = compare(a, b)
    assert found.same
    assert found.metadata.ignored == ALWAYS_DIFFERENT
    found = compare(a, b, all_meta=True)
    assert not found.same
    assert set(found.metadata.differing) == {"meta.file_date", "meta.filename", "meta.cal_logs"}


def test_metadata_are_told_by_name_with_both_values(a, b):
    b.meta.instrument.detector = "WFI07"
    b.meta["extra"] = 3
    del b.meta["photometry"]
    found = compare(a, b).metadata
    assert found.differing == {"meta.instrument.detector": ("WFI01", "WFI07")}
    assert found.only_b == {"meta.extra": 3}
    assert {name.rpartition(".")[0] for name in found.only_a} == {"meta.photometry"}


def test_the_wcs_is_compared_on_the_sky(a, b):
    arcsec = Identity(2)  # a pixel of an arcsecond
    a.meta.wcs = build_wcs(arcsec, SHAPE, **POINTING)
    b.meta.wcs = build_wcs(arcsec, SHAPE, **POINTING)
    (found,) = compare(a, b).transforms
    assert (found.largest, found.same) == (0.0, True)
    b.meta.wcs = build_wcs(Shift(0.003) & Shift(0.004) | arcsec, SHAPE, **POINTING)
    (found,) = compare(a, b).transforms
    assert found.unit == "mas"
    assert found.largest == pytest.approx(5.0, rel=1e-6)
    assert not found.same
    b.meta.wcs = None
    assert [part.missing_in for part in compare(a, b).transforms] == ["B"]


def test_a_model_in_memory_is_the_same_as_its_file_of_half_precision(a, tmp_path):
    a.err[:] = np.linspace(0.1, 1e5, 54).reshape(SHAPE)  # of which half precision has few digits
    path = a.save(tmp_path / "a_cal.asdf")
    assert difference(compare(a, path), "err").same
    assert difference(compare(path, a), "err").same
    a.err[0, 0] *= 1.01
    assert difference(compare(path, a), "err").n_differ == 1


def test_large_arrays_are_put_together_from_strips(a, b):
    shape = (1200, 2000)
    for image, value in ((a, 1.0), (b, 2.0)):
        image.data = np.full(shape, value, np.float32)
    b.data[1100, 1500] = 7.0
    b.data[3] = 1.0
    found = difference(compare(a, b), "data")
    assert found.n_differ == 1199 * 2000
    assert found.size == Size(1.0, 6.0)
    assert found.worst == (1100, 1500)
    assert found.extents == (Extent(0, 1199, 1199), Extent(0, 1999, 2000))


def test_products_of_different_kinds_are_refused(a):
    ramp = RampModel(testing.create_ramp(shape=(3, 8, 8)))
    with pytest.raises(InputError, match=r"is a wfi_image, .* a ramp: only products of one kind"):
        compare(a, ramp)


def test_reference_files_are_compared_too():
    found = compare(*(GainRefModel(testing.create_gain(shape=(8, 8))) for _ in "ab"))
    assert found.kind == "gain"
    assert found.same


def test_products_of_kinds_without_a_model_are_compared_too(tmp_path):
    library = pytest.importorskip("roman_datamodels.datamodels")
    mosaic = library.MosaicModel.create_fake_data(shape=(20, 30))
    paths = [tmp_path / "a.asdf", tmp_path / "b.asdf"]
    mosaic.save(paths[0])
    mosaic.data[3, 4] += 1
    mosaic.save(paths[1])
    found = compare(*paths)
    assert found.kind == "wfi_mosaic"
    assert difference(found, "data").worst == (3, 4)
    assert difference(found, "context").same
