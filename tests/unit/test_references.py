"""Which reference file fits an exposure: each rule, and what is said when none does."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from types import SimpleNamespace

import pytest

from romancal_rs import datamodels
from romancal_rs.errors import InputError
from romancal_rs.references import (
    AmbiguousReferenceError,
    DirectoryStore,
    ExposureKeys,
    ReferenceFileError,
    ReferenceMismatchError,
    ReferenceNotFoundError,
    check_reference,
    open_store,
    resolve,
)

START = datetime(2027, 6, 1, 12)
KEYS = ExposureKeys(
    detector="WFI07",
    optical_element="F158",
    exposure_type="WFI_IMAGE",
    start_time=START,
    n_resultants=8,
    ma_table_name="IM_8",
    ma_table_number=5,
)
SEED_ERA = Path(__file__).parents[1] / "data" / "seed_era"
SAMPLE = Path(__file__).parents[2] / ".." / "shared" / "sample"


class Directory:
    """Writes reference files that consist of a head alone."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def add(
        self,
        name: str,
        reftype: str,
        *,
        detector="WFI07",
        element=None,
        useafter="2027-01-01T00:00:00",
        exposure=None,
        instrument="WFI",
        more="",
    ) -> Path:
        element = f", optical_element: {element}" if element else ""
        exposure = f"    exposure: {exposure}\n" if exposure else ""
        path = self.path / name
        path.write_text(
            "#ASDF 1.0.0\n%YAML 1.1\n%TAG ! tag:stsci.edu:asdf/\n--- !core/asdf-1.1.0\n"
            "roman: !<asdf://stsci.edu/datamodels/roman/tags/reference_files/any-2.0.0>\n"
            f"  meta:\n    reftype: {reftype}\n"
            f"    instrument: {{name: {instrument}, detector: {detector or '~'}{element}}}\n"
            f"{exposure}    useafter: !time/time-1.4.0 {useafter}\n{more}...\n"
        )
        return path

    def find(self, reftype: str, keys: ExposureKeys = KEYS):
        return DirectoryStore(self.path).find(reftype, keys)

    def found(self, reftype: str, keys: ExposureKeys = KEYS) -> str:
        return self.find(reftype, keys).reference.name

    def miss(self, reftype: str, keys: ExposureKeys = KEYS) -> str:
        with pytest.raises(ReferenceNotFoundError) as caught:
            self.find(reftype, keys)
        return str(caught.value)


@pytest.fixture
def refs(tmp_path):
    return Directory(tmp_path)


# --- the keys of an exposure


def exposure(start_time):
    return SimpleNamespace(
        meta=SimpleNamespace(
            instrument=SimpleNamespace(name="WFI", detector="WFI07", optical_element="F158"),
            exposure=SimpleNamespace(
                type="WFI_IMAGE",
                start_time=start_time,
                nresultants=8,
                ma_table_name="IM_8",
                ma_table_number=5,
            ),
        )
    )


def test_keys_from_a_model_with_an_astropy_time():
    from astropy.time import Time

    assert ExposureKeys.from_model(exposure(Time("2027-06-01T12:00:00", scale="utc"))) == KEYS


def test_times_are_compared_in_utc():
    from astropy.time import Time

    # TAI - UTC is 37 s since 2017.
    keys = ExposureKeys.from_model(exposure(Time("2027-06-01T12:00:37", scale="tai")))
    assert keys.start_time == START
    for time in (
        START.replace(tzinfo=UTC),
        datetime(2027, 6, 1, 14, tzinfo=timezone(timedelta(hours=2))),
        "2027-06-01T12:00:00.000",
    ):
        assert ExposureKeys.from_model(exposure(time)).start_time == START


def test_keys_of_an_exposure_without_read_out_metadata():
    model = exposure(START)
    for name in ("nresultants", "ma_table_name", "ma_table_number"):
        delattr(model.meta.exposure, name)
    keys = ExposureKeys.from_model(model)
    assert (keys.n_resultants, keys.ma_table_name, keys.ma_table_number) == (None, None, None)


def test_keys_of_the_same_exposure_are_equal_whatever_else_it_says():
    assert replace(KEYS, metadata={"meta.telescope": "ROMAN"}) == KEYS


# --- the keys of an exposure's file


def both_ways(path):
    with datamodels.open(path) as model:
        return ExposureKeys.from_file(path), ExposureKeys.from_model(model)


def test_a_simulated_exposure_has_the_same_keys_as_file_and_as_model(simulated):
    from_file, from_model = both_ways(simulated.exposure)
    assert from_file == from_model
    assert from_file.metadata == from_model.metadata
    assert from_file.n_resultants == 6
    assert from_file.metadata["meta.exposure.nresultants"] == "6"


@pytest.mark.skipif(not SAMPLE.is_dir(), reason="../shared/sample is not there")
def test_a_third_party_simulation_has_the_same_keys_as_file_and_as_model():
    path = SAMPLE / "r0000101001001001001_0001_wfi07_f158_uncal.asdf"
    from_file, from_model = both_ways(path)
    assert from_file == from_model
    assert from_file.metadata == from_model.metadata
    assert {
        "meta.exposure.hga_move": "False",
        "meta.exposure.start_time": "2027-06-01T03:12:45.000",
        "meta.file_date": "2026-11-22T09:14:14.053",
        "meta.instrument.detector": "WFI07",
        "meta.visit.dither.primary_name": "NONE",
    }.items() <= from_file.metadata.items()
    assert not any("read_pattern" in name for name in from_file.metadata)


@pytest.mark.parametrize(
    "name", ["r0000101001001001001_01101_0001_WFI01_uncal.asdf", "expected_cal.asdf"]
)
def test_an_exposure_of_2022_has_the_same_keys_as_file_and_as_model(name):
    from_file, from_model = both_ways(SEED_ERA / name)
    assert from_file == from_model
    assert from_file == ExposureKeys(
        "WFI01", "F158", "WFI_IMAGE", datetime(2026, 11, 1), 8, "High Latitude Imaging", 1
    )
    for keys in (from_file, from_model):
        assert keys.metadata["meta.exposure.nresultants"] == "8"
        assert keys.metadata["meta.exposure.start_time"] == "2026-11-01T00:00:00.000"
        assert keys.metadata["meta.instrument.optical_element"] == "F158"


HEAD = (
    "#ASDF 1.0.0\n--- !core/asdf-1.1.0\nroman:\n  meta:\n"
    "    instrument: {name: WFI, detector: WFI07, optical_element: F158}\n"
    "    exposure: {type: WFI_IMAGE, start_time: '2027-06-01T12:00:00', nresultants: 8,\n"
    "      ma_table_name: IM_8, ma_table_number: 5}\n...\n"
)


def test_numbers_and_booleans_of_a_file_are_text_as_python_writes_it(tmp_path):
    path = tmp_path / "x.asdf"
    more = "    Other: {a: true, b: 1.0e-05, c: -0.5, d: '007', e: null, f: [1], G: {h: x}}\n"
    path.write_text(HEAD.replace("    exposure", f"{more}    exposure"))
    keys = ExposureKeys.from_file(path)
    assert keys == KEYS
    assert {k: v for k, v in keys.metadata.items() if "other" in k} == {
        "meta.other.a": "True",
        "meta.other.b": "1e-05",
        "meta.other.c": "-0.5",
        "meta.other.d": "007",
        "meta.other.g.h": "x",
    }


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        (", detector: WFI07", "", "is not an exposure: its head has no meta.instrument.detector"),
        ("type: WFI_IMAGE, ", "", "is not an exposure: its head has no meta.exposure.type"),
        ("start_time: ", "x: ", "is not an exposure: its head has no meta.exposure.start_time"),
        ("meta:", "other:", "is not an exposure: its head has no roman.meta"),
        ("roman:", "- roman:", "is not an exposure: its head has no roman.meta"),
        ("roman:", "roman: [", "its head is not valid YAML"),
        ("#ASDF", "ASDF", "not an ASDF file"),
        ("'2027-06-01T12:00:00'", "soon", "its meta.exposure.start_time 'soon' is not an ISO time"),
        (
            "'2027-06-01T12:00:00'",
            "{scale: tai, value: '2027-06-01T12:00:00'}",
            "its meta.exposure.start_time is on the time scale tai, not utc",
        ),
        ("nresultants: 8", "nresultants: x", "its meta.exposure.nresultants is 'x', not a whole "),
    ],
)
def test_a_file_that_is_no_exposure_is_an_error_that_names_what_is_missing(
    tmp_path, old, new, reason
):
    path = tmp_path / "x.asdf"
    path.write_text(HEAD.replace(old, new))
    with pytest.raises(InputError) as caught:
        ExposureKeys.from_file(path)
    assert str(caught.value).startswith(f"{path}: {reason}")
    assert "\n" not in str(caught.value)


def test_an_exposure_that_does_not_exist(tmp_path):
    with pytest.raises(InputError, match=r"none\.asdf: cannot be read \(No such file"):
        ExposureKeys.from_file(tmp_path / "none.asdf")


# --- date


def test_the_latest_useafter_not_after_the_start_wins(refs):
    refs.add("a.asdf", "GAIN", useafter="2026-01-01T00:00:00")
    refs.add("b.asdf", "GAIN", useafter="2027-05-31T00:00:00")
    refs.add("c.asdf", "GAIN", useafter="2027-03-01T00:00:00")
    refs.add("later.asdf", "GAIN", useafter="2027-06-01T12:00:00.001")
    assert refs.found("gain") == "b.asdf"


def test_a_useafter_at_the_very_start_counts(refs):
    refs.add("a.asdf", "GAIN", useafter="2026-01-01T00:00:00")
    refs.add("b.asdf", "GAIN", useafter="2027-06-01T12:00:00.000")
    assert refs.found("gain") == "b.asdf"


def test_only_later_files_is_a_miss_that_says_when(refs):
    refs.add("a.asdf", "GAIN", useafter="2028-01-01T00:00:00")
    assert "a.asdf (useafter 2028-01-01T00:00:00)" in refs.miss("gain")


def test_two_files_with_the_same_date_are_ambiguous(refs):
    refs.add("b.asdf", "GAIN")
    refs.add("a.asdf", "GAIN")
    refs.add("old.asdf", "GAIN", useafter="2020-01-01T00:00:00")
    refs.add("other.asdf", "GAIN", detector="WFI08")
    refs.add("third.asdf", "GAIN", detector="WFI08", instrument="CGI")
    refs.add("fourth.asdf", "GAIN", detector="WFI08", instrument="CGI", useafter="2026-01-01")
    with pytest.raises(AmbiguousReferenceError) as caught:
        refs.find("gain")
    assert str(caught.value) == (
        f"2 GAIN files in {refs.path} fit detector WFI07, instrument WFI at 2027-06-01T12:00:00 "
        "equally well, with the same useafter 2027-01-01T00:00:00: a.asdf, b.asdf; "
        "the nearest others: old.asdf (useafter 2020-01-01T00:00:00), other.asdf (detector WFI08), "
        "third.asdf (instrument CGI, detector WFI08) and 1 more; "
        "remove all but one, or name one with override_gain"
    )


def test_not_all_of_many_equal_files_are_listed(refs):
    for number in range(10, 22):
        refs.add(f"{number}.asdf", "GAIN")
    with pytest.raises(AmbiguousReferenceError, match=r": 10\.asdf, .*19\.asdf and 2 more; remove"):
        refs.find("gain")


# --- why a file was chosen


@pytest.mark.parametrize(
    ("reftype", "about", "rule"),
    [
        ("GAIN", {}, "detector WFI07"),
        ("FLAT", {"element": "F158"}, "detector WFI07, element F158"),
        ("FLAT", {}, "detector WFI07"),
        ("PHOTOM", {}, "detector WFI07"),
        ("PHOTOM", {"detector": None}, "instrument WFI"),
        ("BAM", {"detector": None}, "instrument WFI"),
        (
            "READNOISE",
            {"element": "F062", "exposure": "{p_exptype: 'WFI_IMAGE|WFI_FLAT|'}"},
            "detector WFI07, exposure type WFI_IMAGE|WFI_FLAT",
        ),
        (
            "DARK",
            {"element": "F158", "exposure": "{ngroups: 8, type: WFI_IMAGE, ma_table_name: IM_8}"},
            "detector WFI07, element F158, exposure type WFI_IMAGE, 8 resultants, "
            "MA table IM_8 (None)",
        ),
    ],
)
def test_a_match_says_what_its_file_is_for(refs, reftype, about, rule):
    refs.add("x.asdf", reftype, **about)
    match = refs.find(reftype)
    assert match.rule == f"{rule}, useafter 2027-01-01T00:00:00"
    assert match.runner_up == ""


def test_the_runner_up_is_the_next_best_that_fits(refs):
    refs.add("best.asdf", "FLAT", element="F158")
    refs.add("oldest.asdf", "FLAT", useafter="2020-01-01T00:00:00")
    refs.add("other.asdf", "FLAT", element="F129", useafter="2027-05-01T00:00:00")
    assert refs.find("flat").runner_up == "oldest.asdf (useafter 2020-01-01T00:00:00)"
    refs.add("old.asdf", "FLAT", useafter="2025-01-01T00:00:00")
    assert refs.find("flat").runner_up == "old.asdf (useafter 2025-01-01T00:00:00)"
    refs.add("any.asdf", "FLAT")
    assert refs.find("flat").runner_up == "any.asdf (for any element)"


def test_a_newer_dark_for_another_element_is_the_runner_up(refs):
    refs.add("mine.asdf", "DARK", element="F158")
    refs.add("f062.asdf", "DARK", element="F062", useafter="2027-05-01T00:00:00")
    assert refs.find("dark").runner_up == "f062.asdf (element F062)"


def test_of_two_darks_with_the_same_date_the_one_for_no_filter_comes_second(refs):
    refs.add("mine.asdf", "DARK", element="F158")
    refs.add("dark.asdf", "DARK", element="DARK")
    assert refs.find("dark").runner_up == "dark.asdf (element DARK)"


# --- instrument, detector


@pytest.mark.parametrize(
    "reftype",
    [
        *("MASK", "SATURATION", "LINEARITY", "DARK", "GAIN", "READNOISE", "DISTORTION", "FLAT"),
        *("PHOTOM", "REFPIX", "INVERSELINEARITY", "INTEGRALNONLINEARITY", "EPSF"),
    ],
)
def test_the_detector_counts(refs, reftype):
    refs.add("other.asdf", reftype, detector="WFI08", useafter="2027-05-01T00:00:00")
    assert "detector WFI08" in refs.miss(reftype)
    refs.add("mine.asdf", reftype)
    assert refs.found(reftype) == "mine.asdf"


@pytest.mark.parametrize("reftype", ["PHOTOM", "BAM", "DARKDECAYSIGNAL", "MATABLE"])
def test_a_file_without_a_detector_is_for_all_where_the_type_allows_it(refs, reftype):
    refs.add("x.asdf", reftype, detector=None)
    assert refs.found(reftype) == "x.asdf"
    refs.add("other.asdf", "GAIN", detector=None)
    assert "GAIN there" in refs.miss("gain")


def test_a_photom_for_the_detector_comes_before_one_for_all(refs):
    refs.add("all.asdf", "PHOTOM", detector=None)
    refs.add("mine.asdf", "PHOTOM")
    assert refs.found("photom") == "mine.asdf"
    assert refs.find("photom").runner_up == "all.asdf (for any detector)"
    refs.add("newer.asdf", "PHOTOM", detector=None, useafter="2027-05-01T00:00:00")
    assert refs.found("photom") == "newer.asdf"


@pytest.mark.parametrize("reftype", ["PHOTOM", "GAIN"])
def test_the_instrument_counts(refs, reftype):
    refs.add("x.asdf", reftype, instrument="CGI")
    assert "instrument CGI" in refs.miss(reftype)


# --- optical element


@pytest.mark.parametrize("reftype", ["FLAT", "DISTORTION"])
def test_the_element_counts_where_a_file_has_one(refs, reftype):
    refs.add("other.asdf", reftype, element="F129", useafter="2027-05-01T00:00:00")
    assert "element F129" in refs.miss(reftype)
    refs.add("any.asdf", reftype)
    assert refs.found(reftype) == "any.asdf"
    refs.add("mine.asdf", reftype, element="F158", useafter="2027-02-01T00:00:00")
    assert refs.found(reftype) == "mine.asdf"


def test_of_two_with_the_same_date_the_one_for_the_element_wins(refs):
    refs.add("any.asdf", "FLAT")
    refs.add("mine.asdf", "FLAT", element="F158")
    assert refs.found("flat") == "mine.asdf"


@pytest.mark.parametrize("reftype", ["MASK", "SATURATION", "LINEARITY", "GAIN", "READNOISE"])
def test_the_element_does_not_count_for_other_types(refs, reftype):
    refs.add("x.asdf", reftype, element="F129")
    match = refs.find(reftype)
    assert match.reference.name == "x.asdf"
    assert match.note is None


def test_a_dark_for_another_element_is_used_with_a_note_if_there_is_no_better_one(refs):
    refs.add("f062.asdf", "DARK", element="F062", useafter="2027-05-01T00:00:00")
    match = refs.find("dark")
    assert match.reference.name == "f062.asdf"
    assert "f062.asdf was made for element F062" in match.note


@pytest.mark.parametrize("element", ["F158", "DARK", None])
def test_a_dark_for_this_or_no_element_wins_over_a_newer_one_for_another(refs, element):
    refs.add("f062.asdf", "DARK", element="F062", useafter="2027-05-01T00:00:00")
    refs.add("mine.asdf", "DARK", element=element)
    match = refs.find("dark")
    assert match.reference.name == "mine.asdf"
    assert match.note is None


# --- exposure type


@pytest.mark.parametrize("reftype", ["DARK", "READNOISE"])
@pytest.mark.parametrize(
    ("in_file", "fits"),
    [
        ("{type: WFI_IMAGE, p_exptype: 'WFI_FLAT|WFI_IMAGE|'}", True),
        ("{type: WFI_IMAGE, p_exptype: 'WFI_FLAT | WFI_IMAGE |'}", True),
        ("{type: WFI_IMAGE, p_exptype: 'WFI_FLAT|WFI_SPECTRAL|'}", False),
        ("{type: WFI_FLAT, p_exptype: 'WFI_IMAGE|'}", True),
        ("{type: WFI_IMAGE}", True),
        ("{type: WFI_FLAT}", False),
        ("{p_exptype: 'WFI_IM|'}", False),
        (None, True),
    ],
)
def test_the_exposure_type_counts_where_a_file_has_one(refs, reftype, in_file, fits):
    refs.add("x.asdf", reftype, exposure=in_file)
    if fits:
        assert refs.found(reftype) == "x.asdf"
    else:
        assert "exposure type WFI_" in refs.miss(reftype)


@pytest.mark.parametrize("reftype", ["FLAT", "GAIN"])
def test_the_exposure_type_does_not_count_for_other_types(refs, reftype):
    refs.add("x.asdf", reftype, exposure="{type: WFI_FLAT}")
    assert refs.found(reftype) == "x.asdf"


@pytest.mark.parametrize(
    ("exposure_type", "element", "in_file", "fits"),
    [
        ("WFI_SPECTRAL", "GRISM", "WFI_GRISM|", True),
        ("WFI_SPECTRAL", "PRISM", "WFI_GRISM|", False),
        ("WFI_GRISM", "GRISM", "WFI_SPECTRAL|", True),
        ("WFI_IMAGE", "F158", "WFI_SPECTRAL|", False),
    ],
)
def test_spectral_exposures_go_by_the_names_of_both_eras(
    refs, exposure_type, element, in_file, fits
):
    refs.add("x.asdf", "READNOISE", exposure=f"{{p_exptype: '{in_file}'}}")
    keys = replace(KEYS, exposure_type=exposure_type, optical_element=element)
    if fits:
        assert refs.found("readnoise", keys) == "x.asdf"
    else:
        refs.miss("readnoise", keys)


# --- per-group darks


@pytest.mark.parametrize(
    ("exposure", "differs"),
    [
        ("{ngroups: 8, ma_table_name: IM_8, ma_table_number: 5}", None),
        ("{ngroups: 8}", None),
        ("{ngroups: 6, ma_table_name: IM_8, ma_table_number: 5}", "6 resultants"),
        ("{ngroups: 8, ma_table_name: IM_9, ma_table_number: 5}", r"MA table IM_9 \(5\)"),
        ("{ngroups: 8, ma_table_name: IM_8, ma_table_number: 6}", r"MA table IM_8 \(6\)"),
    ],
)
def test_a_dark_of_2022_needs_the_read_out_it_was_made_for(refs, exposure, differs):
    refs.add("x.asdf", "DARK", exposure=exposure)
    if differs is None:
        assert refs.found("dark") == "x.asdf"
    else:
        with pytest.raises(ReferenceNotFoundError, match=rf"x\.asdf \({differs}\)"):
            refs.find("dark")


@pytest.mark.parametrize(
    ("exposure", "fits"),
    [
        ("{ngroups: 9, ma_table_name: IM_8, ma_table_number: 5}", True),
        ("{ngroups: 9, ma_table_name: '?', ma_table_number: 5}", True),
        ("{ngroups: 9, ma_table_name: IM_8, ma_table_number: 6}", False),
        ("{ngroups: 9, ma_table_name: '?', ma_table_number: -999999}", False),
        ("{ngroups: 9}", False),
    ],
)
def test_a_longer_dark_of_the_same_ma_table_serves_by_its_first_planes(refs, exposure, fits):
    refs.add("x.asdf", "DARK", exposure=exposure, useafter="2026-06-01T00:00:00")
    if fits:
        assert refs.found("dark") == "x.asdf"
    else:
        assert "9 resultants" in refs.miss("dark")
    own = "{ngroups: 8, ma_table_name: IM_8, ma_table_number: 5}"
    refs.add("own.asdf", "DARK", exposure=own, useafter="2026-01-01T00:00:00")
    assert refs.found("dark") == "own.asdf"  # though it is earlier


def test_a_placeholder_is_no_other_ma_table(refs):
    refs.add(
        "x.asdf", "DARK", exposure="{ngroups: 8, ma_table_name: '?', ma_table_number: -999999}"
    )
    assert refs.found("dark") == "x.asdf"


@pytest.mark.parametrize(("shape", "fits"), [("[8, 64, 64]", True), ("[7, 64, 64]", False)])
def test_a_dark_with_an_image_per_resultant_needs_as_many(refs, shape, fits):
    refs.add("x.asdf", "DARK", more=f"  data: {{source: 0, shape: {shape}}}\n")
    if fits:
        assert refs.found("dark") == "x.asdf"
    else:
        assert "7 resultants" in refs.miss("dark")


def test_a_dark_that_is_a_rate_fits_any_read_out(refs):
    refs.add(
        "x.asdf",
        "DARK",
        exposure="{type: WFI_IMAGE, ma_table_name: IM_9, ma_table_number: 9}",
        more="  dark_slope: {source: 0, shape: [64, 64]}\n",
    )
    assert refs.found("dark") == "x.asdf"


# --- the directory and its other files


def test_files_that_are_no_references_do_no_harm(refs):
    refs.add("gain.asdf", "GAIN")
    refs.add("strange.asdf", "NO_SUCH_TYPE")
    refs.add(".hidden.asdf", "GAIN")
    refs.add("gain.txt", "GAIN")
    (refs.path / "x.asdf").write_bytes(b"not ASDF")
    (refs.path / "directory.asdf").mkdir()
    (refs.path / "cal.asdf").write_text("#ASDF 1.0.0\n---\nroman: {meta: {filename: x}}\n...\n")
    assert refs.found("gain") == "gain.asdf"


def test_a_store_reads_the_heads_once(refs):
    refs.add("a.asdf", "GAIN")
    store = DirectoryStore(refs.path)
    store.find("gain", KEYS)
    (refs.path / "a.asdf").write_bytes(b"gone")
    assert store.find("gain", KEYS).reference.name == "a.asdf"


def test_a_miss_says_what_was_looked_for_where_and_what_is_there(refs):
    refs.add("one.asdf", "FLAT", detector="WFI01", element="F129", useafter="2028-01-01T00:00:00")
    refs.add("two.asdf", "FLAT", detector="WFI02", element="F129")
    refs.add("seven.asdf", "FLAT", element="F129")
    refs.add("eight.asdf", "FLAT", detector="WFI08", element="F087")
    (refs.path / "x.asdf").write_bytes(b"not ASDF")
    assert refs.miss("flat") == (
        "no FLAT for detector WFI07, element F158, instrument WFI at 2027-06-01T12:00:00 "
        f"in {refs.path}: 4 FLATs there; nearest: seven.asdf (element F129), "
        "eight.asdf (detector WFI08, element F087), two.asdf (detector WFI02, element F129); "
        "not readable: x.asdf: not an ASDF file"
    )


def test_the_nearest_differ_least_then_are_closest_in_time_then_come_first_by_name(refs):
    refs.add("a.asdf", "GAIN", detector="WFI01", useafter="2020-01-01T00:00:00")
    refs.add("d.asdf", "GAIN", detector="WFI02", useafter="2027-05-31T12:00:00")  # a day before
    refs.add("c.asdf", "GAIN", detector="WFI03", useafter="2027-05-31T12:00:00")
    refs.add("b.asdf", "GAIN", useafter="2027-06-02T11:00:00")  # 23 hours after
    refs.add("0.asdf", "GAIN", detector="WFI05", useafter="2027-06-01T13:00:00")
    assert refs.miss("gain").endswith(
        "5 GAINs there; nearest: b.asdf (useafter 2027-06-02T11:00:00), "
        "c.asdf (detector WFI03), d.asdf (detector WFI02)"
    )


@pytest.mark.parametrize(
    ("reftype", "wanted"),
    [
        ("gain", "detector WFI07, instrument WFI at"),
        ("flat", "detector WFI07, element F158, instrument WFI at"),
        ("distortion", "detector WFI07, element F158, instrument WFI at"),
        ("readnoise", "detector WFI07, exposure type WFI_IMAGE, instrument WFI at"),
        (
            "dark",
            "detector WFI07, element F158, exposure type WFI_IMAGE, 8 resultants, "
            "MA table IM_8 (5), instrument WFI at",
        ),
        ("photom", "detector WFI07, instrument WFI at"),
        ("bam", "instrument WFI at"),
        (
            "pars-jumpstep",
            "detector WFI07, element F158, exposure type WFI_IMAGE, instrument WFI at",
        ),
    ],
)
def test_a_miss_lists_all_keys_that_the_type_is_looked_up_by(refs, reftype, wanted):
    assert refs.miss(reftype) == (
        f"no {reftype.upper()} for {wanted} 2027-06-01T12:00:00 in {refs.path}: "
        "no reference files there at all"
    )


def test_a_miss_names_the_types_that_are_there(refs):
    refs.add("a.asdf", "MASK")
    refs.add("b.asdf", "GAIN")
    assert refs.miss("flat").endswith("no FLAT there at all, only GAIN, MASK")


def test_a_miss_names_the_file_of_a_type_that_is_nearly_the_one(refs):
    refs.add("a.asdf", "MASK")
    refs.add("b.asdf", "LINEAPITY")
    assert refs.miss("linearity").endswith(
        "no LINEARITY there at all, only LINEAPITY, MASK; b.asdf says that it is a LINEAPITY"
    )


def test_a_miss_names_files_without_a_reference_type(refs):
    # Such as one whose `reftype` is damaged.
    path = refs.add("flat.asdf", "FLAT")
    path.write_text(path.read_text().replace("reftype", "reftyqe"))
    assert refs.miss("flat").endswith(
        ": no reference files there at all; without a reference type: flat.asdf"
    )


def test_a_store_says_where_it_is(tmp_path):
    assert DirectoryStore(tmp_path).location == str(tmp_path)


def test_a_directory_that_vanishes_is_an_error_that_names_it(refs):
    store = DirectoryStore(refs.path)
    refs.path.rmdir()
    with pytest.raises(ReferenceFileError, match=rf"{refs.path} cannot be read \(No such file"):
        store.find("gain", KEYS)


def test_a_directory_that_does_not_exist(tmp_path):
    with pytest.raises(ReferenceNotFoundError, match="nowhere does not exist"):
        DirectoryStore(tmp_path / "nowhere")
    (tmp_path / "file").touch()
    with pytest.raises(ReferenceNotFoundError, match="file is not a directory"):
        DirectoryStore(tmp_path / "file")


def test_the_environment_is_read_when_a_store_is_opened(tmp_path, monkeypatch):
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    monkeypatch.delenv("ROMANCAL_RS_REFERENCES", raising=False)
    assert open_store(None) is None
    monkeypatch.setenv("ROMANCAL_RS_REFERENCES", str(tmp_path / "a"))
    assert open_store(None).directory == tmp_path / "a"
    assert open_store(tmp_path / "b").directory == tmp_path / "b"  # the argument wins
    monkeypatch.setenv("ROMANCAL_RS_REFERENCES", str(tmp_path / "gone"))
    with pytest.raises(ReferenceNotFoundError, match="gone does not exist"):
        open_store(None)


def test_an_open_store_is_used_as_it_is(tmp_path):
    store = DirectoryStore(tmp_path)
    assert open_store(store) is store


# --- overrides


def fake_model(reftype="FLAT", detector="WFI07"):
    meta = SimpleNamespace(reftype=reftype, instrument=SimpleNamespace(detector=detector))
    return SimpleNamespace(meta=meta)


def test_an_override_wins_over_the_store(refs, tmp_path_factory):
    refs.add("flat.asdf", "FLAT", element="F158")
    # Neither date nor element count for a file that is named by hand.
    other = Directory(tmp_path_factory.mktemp("other")).add(
        "mine.asdf", "FLAT", element="F062", useafter="2030-01-01T00:00:00"
    )
    store = DirectoryStore(refs.path)
    assert resolve("flat", KEYS, store).reference == refs.path / "flat.asdf"
    assert resolve("flat", KEYS, store, str(other)).reference == other
    assert resolve("flat", KEYS, None, other).reference == other


def test_an_override_may_be_a_model_or_not_applicable():
    model = fake_model()
    assert resolve("flat", KEYS, None, model).reference is model
    assert resolve("flat", KEYS, None, "N/A").reference == "N/A"


def test_an_override_of_another_type_or_detector_is_an_error_that_names_it(refs):
    dark = refs.add("dark.asdf", "DARK")
    other = refs.add("other.asdf", "FLAT", detector="WFI08")
    with pytest.raises(ReferenceMismatchError, match=r"override_flat: .*dark\.asdf: is a DARK; "):
        resolve("flat", KEYS, None, dark)
    with pytest.raises(ReferenceMismatchError, match=r"other\.asdf: is for detector WFI08; .*07"):
        resolve("flat", KEYS, None, other)
    with pytest.raises(ReferenceMismatchError, match=r"a SimpleNamespace.*is a GAIN"):
        resolve("flat", KEYS, None, fake_model("GAIN"))
    with pytest.raises(ReferenceMismatchError, match="WFI08"):
        resolve("flat", KEYS, None, fake_model(detector="WFI08"))


def test_a_photom_override_is_for_the_detector_or_for_all(refs):
    path = refs.add("all.asdf", "PHOTOM", detector=None)
    assert resolve("photom", KEYS, None, path).reference == path
    other = refs.add("other.asdf", "PHOTOM", detector="WFI08")
    with pytest.raises(ReferenceMismatchError, match=r"other\.asdf: is for detector WFI08; .*07"):
        resolve("photom", KEYS, None, other)


def test_overrides_that_cannot_be_used(refs):
    with pytest.raises(ReferenceNotFoundError, match=r"override_flat: there is no file .*none"):
        resolve("flat", KEYS, None, refs.path / "none.asdf")
    (refs.path / "x.asdf").write_bytes(b"not ASDF")
    with pytest.raises(ReferenceFileError, match=r"override_flat: .*x\.asdf: not an ASDF file"):
        resolve("flat", KEYS, None, refs.path / "x.asdf")
    (refs.path / "cal.asdf").write_text("#ASDF 1.0.0\n---\nroman: {meta: {filename: x}}\n...\n")
    with pytest.raises(ReferenceMismatchError, match=r"cal\.asdf: is not a reference file"):
        resolve("flat", KEYS, None, refs.path / "cal.asdf")
    with pytest.raises(TypeError, match=r"override_flat: expected a path.* got int"):
        resolve("flat", KEYS, None, 3)


def test_without_store_or_override_the_error_says_how_to_name_one():
    with pytest.raises(ReferenceNotFoundError) as caught:
        resolve("flat", KEYS, None)
    for way in ("--references", "ROMANCAL_RS_REFERENCES", "override_flat", "N/A"):
        assert way in str(caught.value)


def test_check_reference_accepts_what_fits():
    check_reference(fake_model("GAIN"), "gain", KEYS, "x.asdf")


# --- whole sets of files

NINE = (
    "mask",
    "saturation",
    "linearity",
    "dark",
    "gain",
    "readnoise",
    "distortion",
    "flat",
    "photom",
)


def test_the_files_of_2022():
    keys = ExposureKeys(
        "WFI01", "F158", "WFI_IMAGE", datetime(2026, 11, 1), 8, "High Latitude Imaging", 1
    )
    store = DirectoryStore(SEED_ERA)
    for reftype in NINE:
        assert store.find(reftype, keys).reference.name == f"roman_wfi_{reftype}_fake.asdf"
    assert store.unreadable == []


@pytest.mark.skipif(not SAMPLE.is_dir(), reason="../shared/sample is not there")
def test_the_files_of_a_third_party_simulation():
    keys = ExposureKeys("WFI07", "F158", "WFI_IMAGE", datetime(2027, 6, 1, 3, 12, 45), 8)
    store = DirectoryStore(SAMPLE / "references")
    for reftype in NINE:
        match = store.find(reftype, keys)
        assert match.reference.name == f"roman_wfi_{reftype}_0007.asdf"
        assert (match.note is not None) == (reftype == "dark")  # it says F062
    assert {"REFPIX", "DARKDECAYSIGNAL"} <= {head.reftype for head in store.heads}
