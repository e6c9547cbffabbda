"""CRDS caches: contexts, layouts, files, and what is said when something is missing."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest

from romancal_rs.references import (
    AmbiguousReferenceError,
    CrdsCache,
    CrdsStore,
    DirectoryStore,
    ExposureKeys,
    ReferenceFileError,
    ReferenceNotFoundError,
    RuleFileError,
    StoreChain,
    open_store,
)
from romancal_rs.references.crds_cache.mapping import checksum

KEYS = ExposureKeys(
    detector="WFI07",
    optical_element="F158",
    exposure_type="WFI_IMAGE",
    start_time=datetime(2027, 6, 1, 12),
)
DETECTOR, ELEMENT, TYPE, START = (
    f"ROMAN.META.{name}"
    for name in (
        "INSTRUMENT.DETECTOR",
        "INSTRUMENT.OPTICAL_ELEMENT",
        "EXPOSURE.TYPE",
        "EXPOSURE.START_TIME",
    )
)
NOW = ((DETECTOR, ELEMENT), (START,))
FLATS = """Match({
    ('WFI01', 'F158') : UseAfter({'2020-01-01 00:00:00' : 'flat_1.asdf'}),
    ('WFI07', 'F158') : UseAfter({
        '2020-01-01 00:00:00' : 'flat_2.asdf',
        '2027-06-01 12:00:00' : 'flat_3.asdf',
        '2028-01-01 00:00:00' : 'flat_4.asdf',
    }),
    ('WFI07', 'N/A') : UseAfter({'2010-01-01 00:00:00' : 'flat_5.asdf'}),
})"""


class Cache:
    """Writes a CRDS cache with one context."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.mappings, self.references, self.config = (
            path / part / "roman" for part in ("mappings", "references", "config")
        )
        for directory in (self.mappings, self.references / "wfi", self.config):
            directory.mkdir(parents=True)
        self.types: dict[str, str] = {}
        self.context("roman_0001.pmap")
        self.configure(latest_context="roman_0001.pmap")

    def context(self, name: str) -> None:
        self.map(name, "PIPELINE", ("ROMAN.META.INSTRUMENT.NAME",), {"WFI": "roman_wfi_0001.imap"})

    def configure(self, **config) -> None:
        (self.config / "server_config").write_text(repr(config))

    def map(self, name: str, kind: str, parkey, selector, **header) -> Path:
        """Writes a rule file with its checksum."""
        header = {
            "mapping": kind,
            "parkey": parkey,
            "name": name,
            "derived_from": "made by hand",
            "observatory": "ROMAN",
            "instrument": "WFI",
            "filekind": "FLAT",
        } | header
        lines = "".join(f"    {key!r} : {value!r},\n" for key, value in header.items())
        text = f"header = {{\n{lines}    'sha1sum' : '?',\n}}\n\nselector = {selector}\n"
        path = self.mappings / name
        path.write_text(text.replace("'?'", repr(checksum(text))))
        return path

    def rules(self, reftype: str, selector: str, parkey=NOW, **header) -> Path:
        """Adds the rules of a type, and the files that they name."""
        name = f"roman_wfi_{reftype}_0001.rmap"
        self.types[reftype.upper()] = name
        self.map("roman_wfi_0001.imap", "INSTRUMENT", ("REFTYPE",), self.types)
        path = self.map(name, "REFERENCE", parkey, selector, filekind=reftype.upper(), **header)
        for word in selector.split("'"):
            if word.endswith(".asdf") and "/" not in word:
                (self.references / "wfi" / word).write_text("")
        return path

    @property
    def store(self) -> CrdsStore:
        return CrdsStore(CrdsCache.at(self.path))

    def found(self, reftype: str = "flat", keys: ExposureKeys = KEYS) -> str:
        match = self.store.find(reftype, keys)
        return getattr(match.reference, "name", match.reference)

    def miss(self, reftype: str = "flat", keys: ExposureKeys = KEYS) -> str:
        with pytest.raises(ReferenceFileError) as caught:
            self.store.find(reftype, keys)
        assert "\n" not in str(caught.value)
        return str(caught.value)


@pytest.fixture
def cache(tmp_path) -> Cache:
    cache = Cache(tmp_path / "cache")
    cache.rules("flat", FLATS)
    return cache


# --- what is chosen


def test_the_latest_date_that_is_not_after_the_start_wins(cache):
    assert cache.found() == "flat_3.asdf"  # that very instant
    earlier = replace(KEYS, start_time=datetime(2027, 6, 1, 11, 59, 59, 999000))
    assert cache.found(keys=earlier) == "flat_2.asdf"
    later = replace(KEYS, start_time=datetime(2028, 1, 1))
    assert cache.found(keys=later) == "flat_4.asdf"


def test_a_value_counts_more_than_na_and_the_next_best_rule_is_tried(cache):
    other = replace(KEYS, optical_element="F062")
    assert cache.found(keys=other) == "flat_5.asdf"
    # Nothing for F158 is early enough: the rule for any element is.
    assert cache.found(keys=replace(KEYS, start_time=datetime(2015, 1, 1))) == "flat_5.asdf"


def test_the_match_says_why_and_what_came_second(cache):
    match = cache.store.find("FLAT", KEYS)
    assert match.reference == cache.references / "wfi" / "flat_3.asdf"
    assert match.context == "roman_0001.pmap"
    assert match.rule == (
        "DETECTOR WFI07, OPTICAL_ELEMENT F158, useafter 2027-06-01 12:00:00 "
        "in roman_wfi_flat_0001.rmap"
    )
    assert match.runner_up == (
        "flat_2.asdf (DETECTOR WFI07, OPTICAL_ELEMENT F158, useafter 2020-01-01 00:00:00)"
    )


def test_equal_rules_are_merged_by_date_and_the_greater_name_wins(cache):
    cache.rules(
        "dark",
        "Match({('WFI07', 'N/A'): UseAfter({'2020-01-01 00:00:00': 'a.asdf'}),"
        " ('N/A', 'F158'): UseAfter({'2021-01-01 00:00:00': 'b.asdf',"
        " '2020-01-01 00:00:00': 'c.asdf'})})",
    )
    assert cache.found("dark") == "b.asdf"
    assert cache.found("dark", replace(KEYS, start_time=datetime(2020, 6, 1))) == "c.asdf"


def test_equal_rules_that_must_not_be_merged_are_ambiguous(cache):
    selector = (
        "Match({('WFI07', 'N/A'): UseAfter({'2020-01-01 00:00:00': 'a.asdf'}),"
        " ('N/A', 'F158'): UseAfter({'2021-01-01 00:00:00': 'b.asdf'})})"
    )
    cache.rules("dark", selector, merge_overlaps=False)
    with pytest.raises(AmbiguousReferenceError) as caught:
        cache.store.find("dark", KEYS)
    message = str(caught.value)
    for part in (
        "more than one DARK for INSTRUMENT.DETECTOR WFI07, INSTRUMENT.OPTICAL_ELEMENT F158, "
        "EXPOSURE.START_TIME 2027-06-01T12:00:00.000 in the CRDS cache",
        str(cache.mappings),
        "context roman_0001.pmap (roman_wfi_dark_0001.rmap): 2 rules match equally well",
        "a.asdf",
        "b.asdf",
        "override_dark",
    ):
        assert part in message


@pytest.mark.parametrize("word", ["N/A", "OMIT", "TEMP_N/A", "TEMP_OMIT"])
def test_na_and_omit_skip_the_step_wherever_they_stand(cache, word):
    cache.rules("dark", f"Match({{('WFI07', 'F158'): '{word}'}})")
    assert cache.found("dark") == "N/A"
    cache.rules("dark", f"Match({{('N/A', 'F158'): UseAfter({{'2020-01-01': '{word}'}})}})")
    assert cache.found("dark") == "N/A"
    cache.types["DARK"] = word
    cache.rules("gain", "UseAfter({'2020-01-01': 'g.asdf'})", ((START,),))
    assert cache.found("dark") == "N/A"
    assert cache.found("gain") == "g.asdf"


def test_old_maps_ask_for_the_date_and_time_of_the_observation(cache):
    parkey = ((DETECTOR,), ("META.OBSERVATION.DATE", "META.OBSERVATION.TIME"))
    table = "UseAfter({'2027-06-01 12:00:00': 'new.asdf', '2020-01-01 00:00:00': 'old.asdf'})"
    for prefix in ("", "ROMAN."):
        names = tuple(f"{prefix}{name}" for name in parkey[1])
        cache.rules("mask", f"Match({{('WFI07',): {table}}})", ((DETECTOR,), names))
        assert cache.found("mask") == "new.asdf"
        before = replace(KEYS, start_time=datetime(2027, 6, 1, 11, 59, 59))
        assert cache.found("mask", before) == "old.asdf"
    # What the exposure says itself counts, not its start.
    metadata = {"meta.observation.date": "2021-01-01", "meta.observation.time": "00:00:00"}
    assert cache.found("mask", replace(KEYS, metadata=metadata)) == "old.asdf"


def test_parkey_names_any_metadata(cache):
    parkey = (("ROMAN.META.VISIT.STATUS",), (START,))
    cache.rules("gain", "Match({'OK': UseAfter({'2020-01-01': 'g.asdf'})})", parkey)
    assert cache.found("gain", replace(KEYS, metadata={"meta.visit.status": "ok"})) == "g.asdf"
    message = cache.miss("gain")
    assert "VISIT.STATUS UNDEFINED" in message
    assert "nearest: g.asdf (STATUS OK)" in message


def test_relevance_and_omission_are_decided_by_the_exposure(cache):
    spectral = replace(KEYS, exposure_type="WFI_SPECTRAL")
    table = "Match({('WFI07', 'N/A'): UseAfter({'2020-01-01': 'x.asdf'})})"
    parkey = ((DETECTOR, TYPE), (START,))
    cache.rules("dark", table, parkey, rmap_relevance=f"({TYPE} == 'WFI_IMAGE')")
    assert (cache.found("dark"), cache.found("dark", spectral)) == ("x.asdf", "N/A")
    cache.rules("dark", table, parkey, rmap_omit=f"({TYPE} in ('WFI_IMAGE', 'WFI_FLAT'))")
    assert (cache.found("dark"), cache.found("dark", spectral)) == ("N/A", "x.asdf")


def test_a_condition_that_cannot_be_decided_is_passed_over_with_a_warning(cache, caplog):
    cache.rules("dark", "UseAfter({'2020-01-01': 'x.asdf'})", ((START,),), rmap_omit="(NOWHERE)")
    assert cache.found("dark") == "x.asdf"
    assert "NOWHERE is not a match key" in caplog.text


def test_a_type_that_is_not_required_is_na_where_nothing_matches(cache):
    nothing = "Match({('WFI01', 'F158'): 'x.asdf'})"
    cache.rules("dark", nothing, reffile_required="no")
    assert cache.found("dark") == "N/A"
    for required in ("yes", "none"):
        cache.rules("dark", nothing, reffile_required=required)
        assert cache.miss("dark").startswith("no DARK for ")


# --- what is said


def test_a_miss_lists_keys_place_and_the_nearest_rules(cache):
    keys = replace(KEYS, detector="WFI01", start_time=datetime(2019, 1, 1))
    assert cache.miss(keys=keys) == (
        "no FLAT for INSTRUMENT.DETECTOR WFI01, INSTRUMENT.OPTICAL_ELEMENT F158, "
        f"EXPOSURE.START_TIME 2019-01-01T00:00:00.000 in the CRDS cache {cache.mappings}, context "
        "roman_0001.pmap (roman_wfi_flat_0001.rmap): no rule matches; 5 FLATs there; nearest: "
        "flat_1.asdf (useafter 2020-01-01 00:00:00), flat_5.asdf (DETECTOR WFI07), "
        "flat_2.asdf (DETECTOR WFI07, useafter 2020-01-01 00:00:00)"
    )


def test_an_unknown_type_lists_those_that_are_there(cache):
    message = cache.miss("dark")
    assert "no DARK for" in message
    assert "roman_wfi_0001.imap has no rules for dark, only flat" in message


def test_an_exposure_of_another_instrument_is_told_apart(cache):
    assert "no rules for instrument CGI, only wfi" in cache.miss(
        keys=replace(KEYS, instrument="CGI")
    )


def test_a_missing_file_is_named_with_the_way_to_get_it(cache):
    (cache.references / "wfi" / "flat_3.asdf").unlink()
    message = cache.miss()
    assert "the reference file flat_3.asdf is not in the CRDS cache" in message
    assert str(cache.references / "wfi") in message
    assert "romancal-rs[crds]" in message
    cache.rules("flat", FLATS).unlink()
    message = cache.miss()
    assert "the rule file roman_wfi_flat_0001.rmap" in message
    assert "romancal-rs[crds]" in message


@pytest.mark.parametrize(
    "name", ["../../secret.asdf", "/etc/passwd", "..", ".hidden", "a/b.asdf", "a\\\\b", "", "a\\0"]
)
def test_names_that_leave_the_cache_are_refused(cache, name):
    cache.rules("dark", f"UseAfter({{'2020-01-01': '{name}'}})", ((START,),))
    assert "is not a plain file name" in cache.miss("dark")
    cache.types["GAIN"] = name.encode().decode("unicode_escape") or "."
    cache.map("roman_wfi_0001.imap", "INSTRUMENT", ("REFTYPE",), cache.types)
    assert "is not a plain file name" in cache.miss("gain")


def test_withdrawn_files_are_refused_unless_they_are_allowed(cache, monkeypatch):
    cache.configure(latest_context="roman_0001.pmap", bad_files_list=["flat_3.asdf"])
    assert "flat_3.asdf: this reference was withdrawn" in cache.miss()
    monkeypatch.setenv("CRDS_ALLOW_BAD_REFERENCES", "1")
    assert cache.found() == "flat_3.asdf"
    cache.configure(latest_context="roman_0001.pmap", bad_files_list=["roman_wfi_flat_0001.rmap"])
    assert "these rules were withdrawn" in cache.miss()
    monkeypatch.setenv("CRDS_ALLOW_BAD_RULES", "true")
    assert cache.found() == "flat_3.asdf"


def test_checksums_are_ignored_on_demand(cache, monkeypatch):
    path = cache.mappings / "roman_wfi_flat_0001.rmap"
    path.write_text(path.read_text().replace("flat_3", "flat_2"))
    assert "sha1sum" in cache.miss()
    monkeypatch.setenv("CRDS_IGNORE_MAPPING_CHECKSUM", "1")
    assert cache.found() == "flat_2.asdf"
    monkeypatch.setenv("CRDS_IGNORE_MAPPING_CHECKSUM", "maybe")
    with pytest.raises(RuleFileError, match=r"CRDS_IGNORE_MAPPING_CHECKSUM=maybe: expected 1 or 0"):
        CrdsCache.at(cache.path)


# --- contexts and layouts


def test_the_context_comes_from_the_argument_the_environment_or_the_cache(cache, monkeypatch):
    for number in (2, 3):
        cache.context(f"roman_000{number}.pmap")
    rules = CrdsCache.at(cache.path)
    assert rules.resolve_context() == "roman_0001.pmap"
    monkeypatch.setenv("CRDS_CONTEXT", "roman_0002.pmap")
    assert rules.resolve_context() == "roman_0002.pmap"
    assert rules.resolve_context("roman_0003.pmap") == "roman_0003.pmap"
    for name in ("latest", "roman-latest", "roman-operational"):
        assert rules.resolve_context(name) == "roman_0001.pmap"
        monkeypatch.setenv("CRDS_CONTEXT", name)
        assert rules.resolve_context() == "roman_0001.pmap"


def test_an_older_server_calls_its_default_operational(cache):
    cache.context("roman_0002.pmap")
    cache.configure(operational_context="roman_0002.pmap", observatory="roman")
    assert cache.store.context == "roman_0002.pmap"


def test_wrong_contexts_are_told(cache, monkeypatch):
    rules = CrdsCache.at(cache.path)
    for name, complaint in {
        "roman_0009.pmap": "context roman_0009.pmap is not in the CRDS cache",
        "roman_wfi_0001.imap": "is not a context",
        "../roman_0001.pmap": "not a plain file name",
        "2024-01-01T00:00:00": "is not a context",
    }.items():
        with pytest.raises(RuleFileError, match=complaint):
            rules.resolve_context(name)
    (cache.config / "server_config").unlink()
    with pytest.raises(RuleFileError, match=r"no default context.*there: roman_0001.pmap"):
        CrdsCache.at(cache.path).resolve_context()


def test_a_hostile_server_config_does_not_run(cache, tmp_path):
    mark = tmp_path / "mark"
    (cache.config / "server_config").write_text(f"open({str(mark)!r}, 'w')")
    with pytest.raises(RuleFileError, match=r"server_config: line 1"):
        CrdsCache.at(cache.path).resolve_context()
    assert not mark.exists()


def test_the_layout_is_read_and_else_found(cache):
    mode = cache.config / "ref_cache_subdir_mode"
    by_instrument = cache.references / "wfi" / "flat_3.asdf"
    flat = cache.references / "flat_3.asdf"
    assert cache.store.find("flat", KEYS).reference == by_instrument
    mode.write_text("instrument\n")
    assert cache.store.find("flat", KEYS).reference == by_instrument
    mode.write_text("flat")
    assert "flat_3.asdf is not in" in cache.miss()
    by_instrument.rename(flat)
    assert cache.store.find("flat", KEYS).reference == flat
    mode.unlink()
    assert cache.store.find("flat", KEYS).reference == flat
    mode.write_text("upside down")
    assert "'upside down'; expected instrument or flat" in cache.miss()


def test_the_environment_is_read_when_the_cache_is_opened():
    places = {
        "CRDS_PATH": ("/c/mappings/roman", "/c/references/roman", "/c/config/roman"),
        "CRDS_PATH_SINGLE": ("/c/mappings", "/c/references", "/c/config"),
    }
    for name, expected in places.items():
        cache = CrdsCache.from_environment({name: "/c"})
        assert cache is not None
        assert tuple(map(str, (cache.mappings, cache.references, cache.config))) == expected
    cache = CrdsCache.from_environment(
        {"CRDS_PATH": "/c", "CRDS_MAPPATH": "/m", "CRDS_REFPATH_SINGLE": "/r", "CRDS_REFPATH": "/x"}
    )
    assert cache is not None
    assert (str(cache.mappings), str(cache.references)) == ("/m/roman", "/r")
    assert CrdsCache.from_environment({"CRDS_CONTEXT": "latest"}) is None
    with pytest.raises(RuleFileError, match="CRDS_REFPATH"):
        CrdsCache.from_environment({"CRDS_MAPPATH": "/m"})


# --- the places in turn


def test_a_directory_comes_before_the_cache(cache, tmp_path, monkeypatch):
    directory = tmp_path / "refs"
    directory.mkdir()
    monkeypatch.setenv("CRDS_PATH", str(cache.path))
    store = open_store(directory)
    assert isinstance(store, StoreChain)
    assert store.find("flat", KEYS).context == "roman_0001.pmap"
    (directory / "mine.asdf").write_text(
        "#ASDF 1.0.0\n%YAML 1.1\n--- \nroman:\n  meta: {reftype: FLAT, "
        "useafter: 2020-01-01T00:00:00, "
        "instrument: {name: WFI, detector: WFI07, optical_element: F158}}\n...\n"
    )
    match = open_store(directory).find("flat", KEYS)
    assert (match.reference, match.context) == (directory / "mine.asdf", None)
    with pytest.raises(ReferenceNotFoundError) as caught:
        open_store(directory).find("flat", replace(KEYS, detector="WFI02"))
    assert f"in {directory}" in str(caught.value)
    assert f"in the CRDS cache {cache.mappings}" in str(caught.value)


def test_a_cache_can_take_the_place_of_the_directory(cache):
    store = open_store(cache.path)
    assert isinstance(store, CrdsStore)
    assert store.find("flat", KEYS).reference.name == "flat_3.asdf"


def test_without_a_cache_there_is_no_context(tmp_path):
    with pytest.raises(ReferenceNotFoundError, match=r"context roman_0001.pmap: .* set CRDS_PATH"):
        open_store(context="roman_0001.pmap")
    assert open_store() is None
    assert isinstance(open_store(tmp_path), DirectoryStore)


def test_parameter_references_are_found_by_name(cache):
    assert not cache.store.has_parameters
    parkey = ((), (START,))
    cache.rules("pars-jumpstep", "Match({(): UseAfter({'2020-01-01': 'p.asdf'})})", parkey)
    assert cache.store.has_parameters
    names = ["PARS-JUMP", "PARS-JUMPSTEP"]
    assert cache.store.find_parameters(names, KEYS) == cache.references / "wfi" / "p.asdf"
    early = replace(KEYS, start_time=datetime(2019, 1, 1))
    assert cache.store.find_parameters(names, early) is None
    assert cache.store.find_parameters(["PARS-JUMP"], KEYS) is None
    cache.types["PARS-JUMPSTEP"] = "N/A"
    cache.map("roman_wfi_0001.imap", "INSTRUMENT", ("REFTYPE",), cache.types)
    assert not cache.store.has_parameters


def test_a_cache_of_other_observatories_has_no_parameters(tmp_path):
    (tmp_path / "mappings" / "jwst").mkdir(parents=True)
    assert not CrdsStore(CrdsCache.at(tmp_path)).has_parameters


def test_a_context_that_is_asked_for_must_be_there_whoever_has_the_files(
    cache, tmp_path, monkeypatch
):
    monkeypatch.setenv("CRDS_PATH", str(cache.path))
    (tmp_path / "refs").mkdir()
    with pytest.raises(RuleFileError, match=r"roman_0009.pmap is not in the CRDS cache"):
        open_store(tmp_path / "refs", "roman_0009.pmap")


def test_a_directory_serves_though_the_cache_has_no_default_context(
    cache, tmp_path, monkeypatch, caplog
):
    (cache.config / "server_config").unlink()
    monkeypatch.setenv("CRDS_PATH", str(cache.path))
    (tmp_path / "refs").mkdir()
    store = open_store(tmp_path / "refs")
    assert not store.has_parameters
    assert "No parameter references are looked for: the CRDS cache has no default" in caplog.text


def test_a_cache_of_roman_alone_can_take_the_place_of_a_directory(cache, tmp_path):
    single = tmp_path / "single"
    for part in ("mappings", "references", "config"):
        (cache.path / part / "roman").rename((single / part).mkdir(parents=True) or single / part)
    assert open_store(single).find("flat", KEYS).reference.name == "flat_3.asdf"


def test_a_name_that_leaves_the_cache_is_told_with_the_map_that_has_it(cache):
    cache.rules("dark", "UseAfter({'2020-01-01': '../x.asdf'})", ((START,),))
    assert "roman_wfi_dark_0001.rmap: '../x.asdf' is not a plain file name" in cache.miss("dark")
    cache.map("roman_0001.pmap", "PIPELINE", ("A",), {"WFI": "../roman_wfi_0001.imap"})
    assert "roman_0001.pmap: '../roman_wfi_0001.imap' is not a plain file name" in cache.miss(
        "dark"
    )
