"""Makes a CRDS cache of a directory of reference files."""

from __future__ import annotations

import os
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from pprint import pformat
from typing import Any

from ..._files import copy, write_text
from ...reference_types import KNOWN_TYPES
from ..crds_cache import CrdsCache, RuleFileError
from ..crds_cache.cache import OBSERVATORY
from ..crds_cache.literal import MAX_BYTES, LiteralError, parse_sections
from ..crds_cache.mapping import checksum
from ..digest import has_same_content
from ..errors import AmbiguousReferenceError, ReferenceFileError, ReferenceNotFoundError
from ..head import ReferenceHead
from ..rules import is_parameter_type, needs_detector
from ..store import DirectoryStore
from .build_rules import END_OF_TIME, INSTRUMENT, TypeRules, listed

#: Says in a pipeline map that it was made here, so that another one can follow.
_MADE_BY = "romancal-rs references build-cache"
# Rule files that are derived from something "generated" have no rule file before them.
_GENERATED = "generated from the metadata of reference files"
_LAST_SERIAL = 9999  # the names of rule files have four digits
_FILE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._\-]{0,122}\.asdf")
_PARAMETER_TYPE = re.compile(r"PARS-[A-Z0-9\-]{1,28}")


@dataclass(frozen=True)
class BuiltCache:
    """What was written.

    Attributes
    ----------
    context : str
        The name of the pipeline map, which is now the cache's default.
    n_files : int
        The reference files that its rules name.
    n_copied : int
        Those of them that were not in the cache before.
    mappings : tuple of str
        The rule files: the pipeline map, the instrument map, the reference maps.
    notes : tuple of str
        What was left out, and where the rules choose though the directory does not.
    """

    context: str
    n_files: int
    n_copied: int
    mappings: tuple[str, ...]
    notes: tuple[str, ...]


def build_cache(directory: Path, target: Path) -> BuiltCache:
    """Write a CRDS cache that holds the reference files of a directory and rules for them.

    For each exposure the rules choose the file that the directory gives. Files that no step uses,
    and files that cannot be read, are left out and noted. A cache that was made like this before
    gets another context, which becomes its default.

    Parameters
    ----------
    directory : Path
        Holds ``*.asdf`` reference files.
    target : Path
        The directory of the cache, for ``CRDS_PATH``; made if need be.

    Returns
    -------
    BuiltCache

    Raises
    ------
    ReferenceNotFoundError
        If the directory does not exist, or holds no file to make rules for.
    AmbiguousReferenceError
        If two files are equally good for an exposure.
    ReferenceFileError
        If rules cannot say what a file says, another file of the same name is in the cache, or the
        cache was not made like this. In all these cases nothing was written.
    OSError
        If the cache cannot be written. Its default context is then what it was.
    """
    directory, target = Path(directory), Path(target)
    if target.exists() and not target.is_dir():
        raise ReferenceFileError(f"{target}: is not a directory, and cannot become a cache")
    if any(target.glob("*.asdf")):
        raise ReferenceFileError(
            f"{target}: holds reference files, and would be taken for a cache; name another "
            "directory"
        )
    with _alone(target / "config" / OBSERVATORY / ".build-cache.lock"):
        return _build(directory, target)


@contextmanager
def _alone(lock: Path) -> Iterator[None]:
    """Keep other builds out: two would give out the same numbers."""
    made = [parent for parent in lock.parents if not parent.exists()]
    lock.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.close(os.open(lock, os.O_CREAT | os.O_EXCL | os.O_WRONLY))
    except FileExistsError:
        raise ReferenceFileError(
            f"{lock}: another build is at work in this cache; remove this file if there is none"
        ) from None
    try:
        yield
    finally:
        lock.unlink(missing_ok=True)
        with suppress(OSError):  # what is not empty stays
            for directory in made:
                directory.rmdir()


def _build(directory: Path, target: Path) -> BuiltCache:
    cache = CrdsCache.at(target)
    _check_origin(cache)
    heads, notes = _usable(DirectoryStore(directory))
    if not heads:
        problem = f"no reference files for rules in {directory}"
        raise ReferenceNotFoundError(listed(problem, notes) if notes else problem)
    rules = [TypeRules(reftype, group) for reftype, group in sorted(heads.items())]
    if ambiguous := [message for of_type in rules for message in of_type.ambiguous]:
        raise AmbiguousReferenceError(
            f"{listed(f'no rules for {directory}', ambiguous)}; remove all but one of each"
        )
    if taken := [note for of_type in rules for note in of_type.notes]:
        notes.append(listed("rules choose where the directory does not", taken, most=1))
    named = {name for of_type in rules for name in of_type.files}
    files = {head.path.name: head.path for group in heads.values() for head in group}
    notes += [f"{name}: another file always comes first" for name in sorted(files.keys() - named)]
    place = cache.reference_directories(INSTRUMENT)[0]
    new = [files[name] for name in sorted(named) if _is_new(files[name], place)]
    texts = _mapping_texts(cache.mappings, rules)

    place.mkdir(parents=True, exist_ok=True)
    for path in new:
        copy(path, place / path.name)
    # Each after what it names.
    mappings = tuple(texts)
    for name in reversed(mappings):
        write_text(cache.mappings / name, texts[name])
    config = target / "config" / OBSERVATORY
    if not (config / "ref_cache_subdir_mode").exists():
        write_text(config / "ref_cache_subdir_mode", "instrument\n")
    write_text(config / "server_config", _server_config(cache.server_config, mappings[0]))
    return BuiltCache(mappings[0], len(named), len(new), mappings, tuple(notes))


# --- reference files


def _usable(store: DirectoryStore) -> tuple[dict[str, list[ReferenceHead]], list[str]]:
    """The files to make rules for, by type, and what is to be said of the others."""
    heads: dict[str, list[ReferenceHead]] = defaultdict(list)
    notes = [f"cannot be read: {problem}" for problem in store.unreadable]
    unused: dict[str, list[str]] = defaultdict(list)
    odd = []
    for head in store.heads:
        kind, name = head.reftype, head.path.name
        if kind not in KNOWN_TYPES and not _PARAMETER_TYPE.fullmatch(kind):
            unused[kind].append(name)
        elif head.instrument != INSTRUMENT and not (
            head.instrument is None and is_parameter_type(kind)
        ):
            notes.append(f"{name}: is for instrument {head.instrument}, not {INSTRUMENT}")
        elif needs_detector(kind) and head.detector is None:
            notes.append(f"{name}: names no detector")
        elif head.useafter > END_OF_TIME:
            notes.append(f"{name}: its useafter is later than any exposure")
        elif not _FILE_NAME.fullmatch(name):
            odd.append(repr(name))
        else:
            heads[kind].append(head)
    if odd:
        raise ReferenceFileError(
            f"{listed(f'names in {store.directory} that cannot be in rules', odd)}; use letters, "
            "digits, dots, - and _, at most 128 in all, and begin with a letter or digit"
        )
    notes += [listed(f"no step uses type {kind}", names) for kind, names in unused.items()]
    return heads, notes


def _is_new(path: Path, place: Path) -> bool:
    """Whether a file is not yet in the cache."""
    there = place / path.name
    if not there.exists():
        return True
    if not has_same_content(path, there):
        raise ReferenceFileError(
            f"{there}: is there already and is not the same as {path}; rename the new file, or "
            "build another cache"
        )
    return False


# --- rule files


def _mapping_texts(place: Path, rules: Sequence[TypeRules]) -> dict[str, str]:
    """Names and texts of the rule files, each before those that it names."""
    reference_maps, selections = {}, {}
    for of_type in rules:
        reftype, kind = of_type.reftype, of_type.reftype.lower()
        name, header = _next(place, f"{OBSERVATORY}_{INSTRUMENT.lower()}_{kind}", "rmap")
        header |= {
            "classes": ("Match", "UseAfter"),
            "file_ext": ".asdf",
            "filekind": reftype,
            "filetype": reftype,
            "instrument": INSTRUMENT,
            "mapping": "REFERENCE",
            "parkey": of_type.parkey,
            "suffix": kind,
            "text_descr": reftype.capitalize(),
        }
        selections[reftype] = name
        reference_maps[name] = _text(name, header, of_type.selector())

    imap, header = _next(place, f"{OBSERVATORY}_{INSTRUMENT.lower()}", "imap")
    header |= {"instrument": INSTRUMENT, "mapping": "INSTRUMENT", "parkey": ("REFTYPE",)}
    imap_text = _text(imap, header, ["{", *_entries(selections), "}"])

    pmap, header = _next(place, OBSERVATORY, "pmap")
    header |= {
        "made_by": _MADE_BY,
        "mapping": "PIPELINE",
        "parkey": ("ROMAN.META.INSTRUMENT.NAME",),
    }
    pmap_text = _text(pmap, header, ["{", *_entries({INSTRUMENT: imap}), "}"])
    return {pmap: pmap_text, imap: imap_text, **reference_maps}


def _next(place: Path, stem: str, suffix: str) -> tuple[str, dict[str, Any]]:
    """The name of the next rule file of its kind, and what the header of each kind has."""
    name = re.compile(rf"{re.escape(stem)}_(\d{{4}})\.{suffix}")
    known = [int(found[1]) for path in place.glob("*") if (found := name.fullmatch(path.name))]
    last = max(known, default=0)
    if last >= _LAST_SERIAL:
        raise RuleFileError(
            f"{place}: {stem}_{last}.{suffix} has the last number there is; build another cache"
        )
    new = f"{stem}_{last + 1:04d}.{suffix}"
    return new, {
        "derived_from": f"{stem}_{last:04d}.{suffix}" if last else _GENERATED,
        "name": new,
        "observatory": OBSERVATORY.upper(),
    }


def _text(name: str, header: Mapping[str, Any], selector: Sequence[str]) -> str:
    """A rule file, one entry to a line."""

    def with_sum(sha1sum: str) -> str:
        lines = ["header = {", *_entries({**header, "sha1sum": sha1sum}), "}"]
        return "\n".join([*lines, "", f"selector = {selector[0]}", *selector[1:], ""])

    text = with_sum(checksum(with_sum("")))
    problem = f"more than {MAX_BYTES // 2**20} MiB" if len(text) > MAX_BYTES else ""
    try:
        parse_sections(text)
    except LiteralError as error:
        problem = str(error)
    if problem:
        raise ReferenceFileError(f"{name}: too many files for one rule file ({problem})")
    return text


def _entries(items: Mapping[str, Any]) -> Iterable[str]:
    return (f"    {name!r} : {value!r}," for name, value in sorted(items.items()))


# --- the cache


def _check_origin(cache: CrdsCache) -> None:
    """Refuse a cache of somebody else, whose next context would have the name of a new one."""
    default = cache.server_config.get("latest_context")
    for context in {*cache.contexts[-1:], *([str(default)] if default else [])}:
        there = (cache.mappings / context).is_file()
        if not there or cache.pipeline_map(context).header.get("made_by") != _MADE_BY:
            raise RuleFileError(
                f"{cache.mappings}: its context {context} was not made by build-cache; build "
                "another cache"
            )


def _server_config(known: Mapping[str, Any], context: str) -> str:
    """What the official client wants to know of its server when there is none."""
    contexts = dict.fromkeys(("edit_context", "latest_context", "operational_context"), context)
    values = {
        "bad_files_list": [],
        **known,
        **contexts,
        "force_remote_mode": False,
        "last_synced": datetime.now(UTC).isoformat(" ", timespec="seconds"),
        "observatory": OBSERVATORY,
    }
    return pformat(values) + "\n"
