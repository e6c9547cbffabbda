"""A CRDS cache made of a directory chooses as the directory does."""

from __future__ import annotations

import ast
import hashlib
import json
import os
import shutil
import subprocess
import tempfile
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import product
from pathlib import Path

import pytest
from examples import examples
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from romancal_rs.reference_types import KNOWN_TYPES
from romancal_rs.references import (
    AmbiguousReferenceError,
    CrdsCache,
    CrdsStore,
    DirectoryStore,
    ExposureKeys,
    ReferenceFileError,
    ReferenceNotFoundError,
)
from romancal_rs.references.crds_cache.store import header_of
from romancal_rs.references.librarian import build as build_module
from romancal_rs.references.librarian import build_cache

KEYS = ExposureKeys(
    detector="WFI01",
    optical_element="F158",
    exposure_type="WFI_IMAGE",
    start_time=datetime(2027, 6, 1, 12),
    n_resultants=8,
    ma_table_name="IM_8",
    ma_table_number=5,
)
DETECTOR = "ROMAN.META.INSTRUMENT.DETECTOR"
START = "ROMAN.META.EXPOSURE.START_TIME"


class Directory:
    """Writes reference files that consist of a head alone, and builds the cache beside them."""

    def __init__(self, path: Path) -> None:
        self.path = path / "refs"
        self.cache = path / "cache"
        self.path.mkdir()

    def add(
        self,
        name: str,
        reftype: str,
        detector: str | None = "WFI01",
        element: str | None = None,
        useafter: str = "2026-01-01T00:00:00",
        instrument: str | None = "WFI",
        **exposure: object,
    ) -> Path:
        stated = {"name": instrument, "detector": detector, "optical_element": element}
        stated = {key: value for key, value in stated.items() if value is not None}
        exposure = {key: value for key, value in exposure.items() if value is not None}
        path = self.path / name
        path.write_text(
            "#ASDF 1.0.0\n%YAML 1.1\n%TAG ! tag:stsci.edu:asdf/\n--- !core/asdf-1.1.0\n"
            "roman: !<asdf://stsci.edu/datamodels/roman/tags/reference_files/any-2.0.0>\n"
            f"  meta:\n    reftype: {reftype}\n    instrument: {json.dumps(stated)}\n"
            f"    exposure: {json.dumps(exposure)}\n    useafter: !time/time-1.4.0 {useafter}\n"
            "...\n"
        )
        return path

    def build(self):
        return build_cache(self.path, self.cache)

    def rules(self, reftype: str, serial: int = 1) -> str:
        """The text of the rules, without their header."""
        path = self.cache / f"mappings/roman/roman_wfi_{reftype}_{serial:04d}.rmap"
        return path.read_text().partition("selector = ")[2]

    def refused(self, kind: type[Exception]) -> str:
        """The message with which a build is refused, which changes nothing."""
        before = contents(self.cache)
        with pytest.raises(kind) as caught:
            self.build()
        assert contents(self.cache) == before
        return str(caught.value)


@pytest.fixture
def refs(tmp_path):
    return Directory(tmp_path)


def contents(directory: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(directory)): path.read_bytes()
        for path in directory.rglob("*")
        if path.is_file()
    }


def answer(store, reftype: str, keys: ExposureKeys) -> str:
    try:
        return store.find(reftype, keys).reference.name
    except AmbiguousReferenceError:
        return "ambiguous"
    except ReferenceNotFoundError:
        return "none"


def crds_store(refs: Directory) -> CrdsStore:
    return CrdsStore(CrdsCache.at(refs.cache))


# --- what is written


def test_the_latest_useafter_wins_though_an_older_file_names_the_element(refs):
    refs.add("any.asdf", "FLAT", useafter="2026-01-01T00:00:00")
    refs.add("f158.asdf", "FLAT", element="F158", useafter="2025-01-01T00:00:00")
    refs.build()
    assert refs.rules("flat") == (
        "Match({\n"
        "    ('WFI01', 'F158') : UseAfter({\n"
        "        '2025-01-01 00:00:00' : 'f158.asdf',\n"
        "        '2026-01-01 00:00:00' : 'any.asdf',\n"
        "    }),\n"
        "    ('WFI01', 'N/A') : UseAfter({\n"
        "        '2026-01-01 00:00:00' : 'any.asdf',\n"
        "    }),\n"
        "})\n"
    )


def test_of_two_files_with_the_same_useafter_the_one_for_the_element_wins(refs):
    refs.add("any.asdf", "FLAT")
    refs.add("a158.asdf", "FLAT", element="F158")
    refs.build()
    store = crds_store(refs)
    assert answer(store, "flat", KEYS) == "a158.asdf"
    assert answer(store, "flat", replace(KEYS, optical_element="F129")) == "any.asdf"


def test_the_header_is_that_of_a_reference_map_with_its_checksum(refs):
    refs.add("mask.asdf", "MASK")
    refs.build()
    text = (refs.cache / "mappings/roman/roman_wfi_mask_0001.rmap").read_text()
    rest = "".join(line for line in text.splitlines(True) if "sha1sum" not in line)
    assert ast.literal_eval(text.partition("header = ")[2].partition("\n\n")[0]) == {
        "classes": ("Match", "UseAfter"),
        "derived_from": "generated from the metadata of reference files",
        "file_ext": ".asdf",
        "filekind": "MASK",
        "filetype": "MASK",
        "instrument": "WFI",
        "mapping": "REFERENCE",
        "name": "roman_wfi_mask_0001.rmap",
        "observatory": "ROMAN",
        "parkey": ((DETECTOR,), (START,)),
        "sha1sum": hashlib.sha1(rest.encode()).hexdigest(),
        "suffix": "mask",
        "text_descr": "Mask",
    }


def test_the_cache_is_laid_out_by_instrument_and_has_a_default_context(refs):
    files = [refs.add("mask.asdf", "MASK"), refs.add("photom.asdf", "PHOTOM")]
    built = refs.build()
    assert built.context == "roman_0001.pmap"
    assert (built.n_files, built.n_copied, built.notes) == (2, 2, ())
    assert built.mappings == (
        "roman_0001.pmap",
        "roman_wfi_0001.imap",
        "roman_wfi_mask_0001.rmap",
        "roman_wfi_photom_0001.rmap",
    )
    there = contents(refs.cache)
    assert sorted(there) == [
        "config/roman/ref_cache_subdir_mode",
        "config/roman/server_config",
        *(f"mappings/roman/{name}" for name in built.mappings),
        "references/roman/wfi/mask.asdf",
        "references/roman/wfi/photom.asdf",
    ]
    assert there["config/roman/ref_cache_subdir_mode"].strip() == b"instrument"
    assert there["references/roman/wfi/mask.asdf"] == files[0].read_bytes()
    config = ast.literal_eval(there["config/roman/server_config"].decode())
    assert config["latest_context"] == config["operational_context"] == "roman_0001.pmap"
    assert config["observatory"] == "roman"
    assert config["bad_files_list"] == []


def test_the_file_that_a_link_names_is_copied(refs, tmp_path):
    elsewhere = refs.add("mask.asdf", "MASK").rename(tmp_path / "elsewhere.asdf")
    (refs.path / "mask.asdf").symlink_to(elsewhere)
    refs.build()
    copied = refs.cache / "references/roman/wfi/mask.asdf"
    assert not copied.is_symlink()
    assert copied.read_bytes() == elsewhere.read_bytes()


def test_exposure_types_that_differ_in_nothing_share_a_row(refs):
    refs.add("r.asdf", "READNOISE", p_exptype="WFI_IMAGE|WFI_FLAT|")
    refs.build()
    assert "    ('WFI01', 'WFI_FLAT|WFI_IMAGE') : UseAfter({\n" in refs.rules("readnoise")


def test_a_photom_is_for_its_detector_or_for_all(refs):
    refs.add("photom.asdf", "PHOTOM", detector=None)
    refs.build()
    assert "    () : UseAfter({\n" in refs.rules("photom")
    assert answer(crds_store(refs), "photom", KEYS) == "photom.asdf"


def test_photoms_for_detectors_and_for_all_side_by_side(refs):
    refs.add("all.asdf", "PHOTOM", detector=None)
    refs.add("mine.asdf", "PHOTOM")
    refs.add("newer.asdf", "PHOTOM", detector=None, useafter="2027-05-01T00:00:00")
    refs.build()
    assert "    ('WFI01',) : UseAfter({\n" in refs.rules("photom")
    for start, detector in product(("2027-02-01", "2027-05-02"), ("WFI01", "WFI08")):
        keys = replace(KEYS, detector=detector, start_time=datetime.fromisoformat(start))
        expected = "newer" if start == "2027-05-02" else "mine" if detector == "WFI01" else "all"
        assert answer(DirectoryStore(refs.path), "photom", keys) == f"{expected}.asdf"
        assert answer(crds_store(refs), "photom", keys) == f"{expected}.asdf"


# --- values and dates


@pytest.mark.parametrize(("milliseconds", "found"), [(-1, "none"), (0, "g.asdf"), (1, "g.asdf")])
@pytest.mark.parametrize("fraction", [0, 1, 123, 345, 789, 999])
def test_a_file_counts_from_its_very_thousandth_on(refs, fraction, milliseconds, found):
    start = datetime(2027, 3, 4, 5, 6, 7, fraction * 1000)
    refs.add("g.asdf", "GAIN", useafter=start.isoformat())
    refs.build()
    keys = replace(KEYS, start_time=start + timedelta(milliseconds=milliseconds))
    assert answer(DirectoryStore(refs.path), "gain", keys) == found
    assert answer(crds_store(refs), "gain", keys) == found


def test_a_fraction_of_a_thousandth_counts_from_the_next_thousandth_on(refs):
    # Metadata of exposures have no finer times.
    refs.add("g.asdf", "GAIN", useafter="2027-01-01T00:00:00.000001")
    refs.build()
    store = crds_store(refs)
    second = datetime(2027, 1, 1)
    assert answer(store, "gain", replace(KEYS, start_time=second)) == "none"
    later = replace(KEYS, start_time=second + timedelta(milliseconds=1))
    assert answer(store, "gain", later) == "g.asdf"


@pytest.mark.parametrize(
    ("exposure_type", "element", "found"),
    [
        ("WFI_GRISM", "GRISM", "r.asdf"),
        ("WFI_SPECTRAL", "GRISM", "r.asdf"),
        ("WFI_SPECTRAL", "PRISM", "none"),
        ("WFI_IMAGE", "GRISM", "none"),
    ],
)
def test_a_type_of_2022_is_also_that_of_today_with_its_element(refs, exposure_type, element, found):
    refs.add("r.asdf", "READNOISE", type="WFI_GRISM")
    refs.build()
    keys = replace(KEYS, exposure_type=exposure_type, optical_element=element)
    assert answer(crds_store(refs), "readnoise", keys) == found


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({}, "cube.asdf"),
        ({"n_resultants": 6}, "mean.asdf"),
        ({"n_resultants": None}, "mean.asdf"),
        ({"ma_table_number": 6}, "mean.asdf"),
        ({"ma_table_name": "other"}, "mean.asdf"),
    ],
)
def test_a_dark_for_each_resultant_is_for_its_read_out_alone(refs, changes, found):
    refs.add("mean.asdf", "DARK", useafter="2025-01-01T00:00:00")
    refs.add("cube.asdf", "DARK", ngroups=8, ma_table_name="IM_8", ma_table_number=5)
    refs.build()
    assert answer(crds_store(refs), "dark", replace(KEYS, **changes)) == found


def test_a_longer_dark_of_the_ma_table_is_for_shorter_exposures_in_rules_too(refs):
    refs.add("long.asdf", "DARK", ngroups=8, ma_table_name="IM_8", useafter="2026-01-01T00:00:00")
    refs.add("own.asdf", "DARK", ngroups=6, ma_table_name="IM_8", useafter="2025-01-01T00:00:00")
    refs.add("unknown.asdf", "DARK", ngroups=9, useafter="2026-01-01T00:00:00")
    refs.build()
    store = crds_store(refs)
    for n, found in ((8, "long.asdf"), (7, "long.asdf"), (6, "own.asdf"), (1, "long.asdf")):
        of_length = replace(KEYS, n_resultants=n)
        assert answer(DirectoryStore(refs.path), "dark", of_length) == found
        assert answer(store, "dark", of_length) == found


def test_a_dark_for_the_element_comes_before_a_later_one_for_another(refs):
    refs.add("d158.asdf", "DARK", element="F158", useafter="2025-01-01T00:00:00")
    refs.add("d129.asdf", "DARK", element="F129", useafter="2026-01-01T00:00:00")
    refs.build()
    store = crds_store(refs)
    assert answer(store, "dark", KEYS) == "d158.asdf"
    assert answer(store, "dark", replace(KEYS, optical_element="F062")) == "d129.asdf"


def test_two_darks_of_which_each_states_something_else_compete_as_in_the_directory(refs):
    refs.add("image.asdf", "DARK", element="F129", useafter="2027-01-01T00:00:00", type="WFI_IMAGE")
    refs.add("eight.asdf", "DARK", useafter="2025-01-01T00:00:00", ngroups=8)
    refs.build()
    store = crds_store(refs)
    assert answer(store, "dark", KEYS) == "eight.asdf"
    assert answer(store, "dark", replace(KEYS, optical_element="F129")) == "image.asdf"
    assert answer(store, "dark", replace(KEYS, n_resultants=6)) == "image.asdf"
    assert answer(store, "dark", replace(KEYS, exposure_type="WFI_FLAT")) == "eight.asdf"


def test_of_darks_for_other_elements_with_one_date_the_last_name_is_taken_and_noted(refs):
    refs.add("d129.asdf", "DARK", element="F129")
    refs.add("d158.asdf", "DARK", element="F158")
    built = refs.build()
    store = crds_store(refs)
    assert answer(store, "dark", replace(KEYS, optical_element="F129")) == "d129.asdf"
    assert answer(store, "dark", replace(KEYS, optical_element="F062")) == "d158.asdf"
    assert built.notes == (
        "rules choose where the directory does not: d158.asdf of 2 equally good DARK files for "
        "detector WFI01, and elements without one, from 2026-01-01T00:00:00 on",
    )


@pytest.mark.parametrize(
    ("element", "why"),
    [
        ("F158|F129", "use letters"),
        ("F1*", "use letters"),
        ("(F158)", "another meaning"),
        ("{F158}", "another meaning"),
        ("", "use letters"),
        ("'", "use letters"),
        (">5", "use letters"),
        ("*", "another meaning"),
        ("any", "another meaning"),
        ("N/A", "another meaning"),
        ("not F158", "another meaning"),
        ("BETWEEN 1 2", "another meaning"),
        ("UNDEFINED", "another meaning"),
        ("f158", "there it is 'F158'"),
    ],
)
def test_a_value_that_means_something_else_in_rules_is_refused(refs, element, why):
    path = refs.add("flat.asdf", "FLAT", element=element)
    message = refs.refused(ReferenceFileError)
    assert message.startswith(f"{path}: optical_element {element!r} cannot be a value of rules: ")
    assert why in message


def test_values_that_differ_in_capitals_alone_are_refused(refs):
    for i, name in enumerate(["IM_8", "im_8"]):
        refs.add(f"{i}.asdf", "DARK", ngroups=8, ma_table_name=name)
    assert refs.refused(ReferenceFileError).endswith(
        "1.asdf: ma_table_name 'im_8' cannot be a value of rules: another file has 'IM_8', and "
        "rules do not tell them apart"
    )


@pytest.mark.parametrize("name", ["a b.asdf", "-a.asdf", "ä.asdf", f"{'a' * 124}.asdf"])
def test_a_name_that_cannot_be_in_rules_is_refused(refs, name):
    refs.add(name, "MASK")
    assert repr(name) in refs.refused(ReferenceFileError)


def test_a_name_of_128_letters_is_not_too_long(refs):
    refs.add(f"{'a' * 123}.asdf", "MASK")
    assert refs.build().n_files == 1


# --- what is left out, what is refused


def test_files_that_cannot_be_in_rules_are_noted(refs):
    refs.add("mask.asdf", "MASK")
    refs.add("own1.asdf", "OWNTYPE")
    refs.add("own2.asdf", "OWNTYPE")
    refs.add("pars.asdf", "PARS-../../A", detector=None)
    refs.add("miri.asdf", "GAIN", instrument="MIRI")
    refs.add("nowhere.asdf", "GAIN", detector=None)
    refs.add("never.asdf", "GAIN", useafter="9999-12-31T23:59:59.999999")
    (refs.path / "x.asdf").write_text("no ASDF")
    built = refs.build()
    assert built.n_files == 1
    assert sorted(built.notes) == [
        "cannot be read: x.asdf: not an ASDF file",
        "miri.asdf: is for instrument MIRI, not WFI",
        "never.asdf: its useafter is later than any exposure",
        "no step uses type OWNTYPE: own1.asdf, own2.asdf",
        "no step uses type PARS-../../A: pars.asdf",
        "nowhere.asdf: names no detector",
    ]
    assert os.listdir(refs.cache / "references/roman/wfi") == ["mask.asdf"]


def test_a_directory_without_references_is_refused(refs):
    refs.add("own.asdf", "OWNTYPE")
    assert refs.refused(ReferenceNotFoundError) == (
        f"no reference files for rules in {refs.path}: no step uses type OWNTYPE: own.asdf"
    )


def test_a_directory_that_is_not_there_is_refused(refs):
    refs.path.rmdir()
    assert "does not exist" in refs.refused(ReferenceNotFoundError)


def test_files_that_are_equally_good_are_refused_by_name(refs):
    for name in ("a.asdf", "b.asdf"):
        refs.add(name, "FLAT", element="F158")
        refs.add(f"gain_{name}", "GAIN")
    assert refs.refused(AmbiguousReferenceError) == (
        f"no rules for {refs.path}: 2 FLAT files: a.asdf, b.asdf are equally good for detector "
        "WFI01, optical_element F158 from 2026-01-01T00:00:00 on, 2 GAIN files: gain_a.asdf, "
        "gain_b.asdf are equally good for detector WFI01 from 2026-01-01T00:00:00 on; remove all "
        "but one of each"
    )


def test_darks_that_are_equally_good_for_their_own_element_are_refused(refs):
    for name in ("a.asdf", "b.asdf"):
        refs.add(name, "DARK", element="F158")
    assert (
        "2 DARK files: a.asdf, b.asdf are equally good for detector WFI01, optical_element F158"
        in (refs.refused(AmbiguousReferenceError))
    )


# --- again, and what goes wrong on the way


def test_a_second_build_makes_the_next_context(refs):
    refs.add("old.asdf", "GAIN")
    refs.build()
    first = contents(refs.cache)
    refs.add("new.asdf", "GAIN", useafter="2027-01-01T00:00:00")
    refs.add("mask.asdf", "MASK")
    built = refs.build()
    assert built.context == "roman_0002.pmap"
    assert (built.n_files, built.n_copied) == (3, 2)
    assert built.mappings[2:] == ("roman_wfi_gain_0002.rmap", "roman_wfi_mask_0001.rmap")
    cache = CrdsCache.at(refs.cache)
    assert cache.resolve_context() == "roman_0002.pmap"
    assert cache.pipeline_map("roman_0002.pmap").header["derived_from"] == "roman_0001.pmap"
    gain = cache.reference_map("roman_0002.pmap", "WFI", "gain")
    assert gain.header["derived_from"] == "roman_wfi_gain_0001.rmap"
    # The first one is as it was.
    assert answer(CrdsStore(cache, "roman_0001.pmap"), "gain", KEYS) == "old.asdf"
    assert answer(CrdsStore(cache, "roman_0002.pmap"), "gain", KEYS) == "new.asdf"
    second = contents(refs.cache)
    assert {name for name in first if second[name] != first[name]} == {"config/roman/server_config"}


def test_what_was_withdrawn_stays_withdrawn(refs):
    refs.add("gain.asdf", "GAIN")
    refs.build()
    config = refs.cache / "config/roman/server_config"
    known = ast.literal_eval(config.read_text())
    config.write_text(repr({**known, "bad_files_list": ["old.asdf"]}))
    refs.build()
    assert CrdsCache.at(refs.cache).bad_files == {"old.asdf"}


def test_another_file_of_the_same_name_is_refused(refs):
    path = refs.add("gain.asdf", "GAIN")
    refs.build()
    path.write_bytes(path.read_bytes().replace(b"2026", b"2025"))
    there = refs.cache / "references/roman/wfi/gain.asdf"
    assert refs.refused(ReferenceFileError) == (
        f"{there}: is there already and is not the same as {path}; rename the new file, or build "
        "another cache"
    )


def test_the_cache_of_somebody_else_is_refused(refs):
    refs.add("gain.asdf", "GAIN")
    refs.build()
    # As after a visit of the official client to its server.
    config = refs.cache / "config/roman/server_config"
    config.write_text("{'latest_context': 'roman_0040.pmap', 'observatory': 'roman'}")
    assert "its context roman_0040.pmap was not made by build-cache" in refs.refused(
        ReferenceFileError
    )


@pytest.mark.parametrize("stage", ["first", "second"])
@pytest.mark.parametrize("at", ["copy", "rules"])
def test_a_build_that_fails_midway_leaves_the_default_context(refs, monkeypatch, at, stage):
    refs.add("a.asdf", "GAIN")
    if stage == "second":
        refs.build()
    refs.add("b.asdf", "MASK")
    refs.add("c.asdf", "SATURATION")

    def full(source, target, length):
        if Path(source.name).name == "c.asdf":
            target.write(b"half")
            raise OSError(28, "No space left on device")
        copy(source, target, length)

    copy, write = shutil.copyfileobj, build_module.write_text

    def full_for_rules(path, text):
        if path.suffix == ".pmap":
            raise OSError(28, "No space left on device", str(path))
        write(path, text)

    with monkeypatch.context() as patch:
        if at == "copy":
            patch.setattr(shutil, "copyfileobj", full)
        else:
            patch.setattr(build_module, "write_text", full_for_rules)
        with pytest.raises(OSError, match="No space left on device") as caught:
            refs.build()
    expected = "c.asdf" if at == "copy" else f"roman_000{1 if stage == 'first' else 2}.pmap"
    assert Path(caught.value.filename).name == expected
    assert not [name for name in contents(refs.cache) if name.endswith(".part")]
    assert (refs.cache / "references/roman/wfi/c.asdf").exists() == (at == "rules")
    if stage == "first":
        assert not (refs.cache / "config/roman/server_config").exists()
    else:
        assert CrdsCache.at(refs.cache).resolve_context() == "roman_0001.pmap"
    refs.build()
    assert answer(crds_store(refs), "saturation", KEYS) == "c.asdf"


# --- the law

DATES = [
    "2026-01-01T00:00:00",
    "2026-06-01T00:00:00.123",
    "2027-01-01T00:00:00",
    "2027-01-01T00:00:00.001",
    "2027-02-01T12:34:56.789",
    "2028-01-01T00:00:59.999",
]
ELEMENTS = ["F158", "F129", "F062", "GRISM", "PRISM", "DARK"]
EXPOSURE_TYPES = ["WFI_IMAGE", "WFI_SPECTRAL", "WFI_GRISM", "WFI_PRISM", "WFI_FLAT"]
READ_OUTS = [(8, "IM_8", 5), (6, "IM_8", 5), (8, "other", 5), (8, "IM_8", 7), (None, None, None)]
REFTYPES = [*sorted(KNOWN_TYPES), "PARS-JUMPSTEP"]


@st.composite
def files(draw):
    """What each of some files says; of two types at most, so that they compete."""
    reftypes = draw(st.lists(st.sampled_from(REFTYPES), min_size=1, max_size=2, unique=True))

    def optional(values):
        return st.none() | st.sampled_from(values)

    file = st.fixed_dictionaries(
        {
            "reftype": st.sampled_from(reftypes),
            "detector": st.sampled_from(["WFI01", "WFI02"]),
            "element": optional(ELEMENTS),
            "useafter": st.sampled_from(DATES),
            "p_exptype": optional(
                ["WFI_IMAGE|", "WFI_IMAGE|WFI_FLAT", "WFI_GRISM|WFI_IMAGE", "WFI_SPECTRAL|"]
            ),
            "ngroups": optional([6, 8]),
            "ma_table_name": optional(["IM_8"]),
            "ma_table_number": optional([5]),
        }
    )
    return draw(st.lists(file, min_size=1, max_size=8))


def exposures(dates):
    instants = {
        datetime.fromisoformat(date) + timedelta(milliseconds=step)
        for date in dates
        for step in (-1, 0)
    }
    grid = product(["WFI01", "WFI02"], ELEMENTS, EXPOSURE_TYPES, sorted(instants), READ_OUTS)
    return [
        ExposureKeys(detector, element, exposure_type, start, *read_out)
        for detector, element, exposure_type, start, read_out in grid
    ]


@settings(deadline=None, max_examples=examples(30), suppress_health_check=list(HealthCheck))
@given(files=files(), data=st.data())
def test_the_cache_chooses_as_the_directory_for_every_exposure(files, data):
    with tempfile.TemporaryDirectory() as place:
        refs = Directory(Path(place))
        for i, stated in enumerate(files):
            refs.add(f"r{i}.asdf", **stated)
        directory = DirectoryStore(refs.path)
        reftypes = sorted({stated["reftype"] for stated in files})
        all_exposures = exposures({stated["useafter"] for stated in files})
        try:
            built = refs.build()
        except AmbiguousReferenceError:
            questions = product(reftypes, all_exposures)
            assert any(answer(directory, *question) == "ambiguous" for question in questions)
            return
        store = crds_store(refs)
        random = data.draw(st.randoms(use_true_random=False))
        for keys in random.sample(all_exposures, min(150, len(all_exposures))):
            for reftype in reftypes:
                expected = answer(directory, reftype, keys)
                if expected == "ambiguous":
                    assert any("elements without one" in note for note in built.notes)
                else:
                    assert answer(store, reftype, keys) == expected, (reftype, keys)


# --- the official client

CLIENT = os.environ.get("CRDS_CLIENT_PYTHON")
ASK_CLIENT = """
import json, sys
import crds

answers = []
for reftype, header in json.load(sys.stdin):
    found = crds.getrecommendations(header, reftypes=[reftype], observatory="roman")[reftype]
    answers.append("none" if found.startswith("NOT FOUND") else found)
reftype, header = "mask", {**header, "ROMAN.META.INSTRUMENT.DETECTOR": "WFI01"}
answers.append(crds.getreferences(header, reftypes=[reftype], observatory="roman")[reftype])
print(json.dumps(answers))
"""


@pytest.mark.skipif(
    not CLIENT, reason="CRDS_CLIENT_PYTHON names no Python with the official client, crds"
)
def test_the_official_client_chooses_the_same_files(refs):
    refs.add("roman_wfi_mask_0001.asdf", "MASK")
    refs.add("My-Mask.v2.asdf", "MASK", detector="WFI02", useafter="2027-01-01T00:00:00.345")
    refs.add("photom.asdf", "PHOTOM")
    refs.add("flat.asdf", "FLAT")
    refs.add("flat158.asdf", "FLAT", element="F158", useafter="2025-01-01T00:00:00")
    refs.add("grism.asdf", "READNOISE", p_exptype="WFI_GRISM|WFI_IMAGE")
    refs.add("dark129.asdf", "DARK", element="F129", p_exptype="WFI_IMAGE|WFI_FLAT|")
    refs.add("cube.asdf", "DARK", useafter="2027-01-01T00:00:00.001", ngroups=8)
    refs.add("pars.asdf", "PARS-JUMPSTEP", detector=None, type="WFI_IMAGE")
    refs.build()
    refs.build()
    directory = DirectoryStore(refs.path)
    questions, expected = [], []
    for keys in exposures(["2025-01-01T00:00:00", "2027-01-01T00:00:00.345"])[::7]:
        for reftype in sorted({head.reftype for head in directory.heads}):
            questions.append((reftype.lower(), header_of(keys)))
            expected.append(answer(directory, reftype, keys))
    before = contents(refs.cache)
    done = subprocess.run(
        [str(CLIENT), "-c", ASK_CLIENT],
        input=json.dumps(questions),
        env={
            **{key: value for key, value in os.environ.items() if not key.startswith("CRDS_")},
            "CRDS_PATH": str(refs.cache),
            "CRDS_SERVER_URL": "https://crds-serverless-mode.stsci.edu",
        },
        capture_output=True,
        text=True,
        check=True,
    )
    *answers, path = json.loads(done.stdout.splitlines()[-1])
    assert answers == expected
    assert {"none", "cube.asdf", "My-Mask.v2.asdf", "flat158.asdf"} <= set(answers)
    assert path == str(refs.cache / "references/roman/wfi/roman_wfi_mask_0001.asdf")
    assert contents(refs.cache) == before


def test_a_target_that_cannot_become_a_cache_is_refused(refs, tmp_path):
    refs.add("gain.asdf", "GAIN")
    with pytest.raises(ReferenceFileError, match=r"refs: holds reference files"):
        build_cache(refs.path, refs.path)
    (tmp_path / "file").write_text("")
    with pytest.raises(ReferenceFileError, match=r"file: is not a directory"):
        build_cache(refs.path, tmp_path / "file")


def test_two_builds_into_one_cache_keep_apart(refs, tmp_path):
    refs.add("gain.asdf", "GAIN")
    lock = tmp_path / "cc" / "config" / "roman" / ".build-cache.lock"
    lock.parent.mkdir(parents=True)
    lock.touch()
    with pytest.raises(ReferenceFileError, match=r"another build is at work"):
        build_cache(refs.path, tmp_path / "cc")
    lock.unlink()
    assert build_cache(refs.path, tmp_path / "cc").context == "roman_0001.pmap"
    assert not lock.exists()
