"""Copies what exposures need, to take it to another machine."""

from __future__ import annotations

import pprint
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

from ..._files import copy, write_text
from ...errors import InputError
from ..crds_cache import CrdsCache, CrdsStore
from ..crds_cache.cache import OBSERVATORY, is_cache
from ..crds_cache.mapping import special
from ..digest import has_same_content
from ..errors import ReferenceFileError, all_in_one
from ..keys import ExposureKeys
from ..match import NOT_APPLICABLE, Store
from ..store import DirectoryStore
from .survey import recipe_of_file, survey

#: An exposure, its keys, a reference type, and the reference that it uses.
Wanted = tuple[Path, ExposureKeys, str, Any]


@dataclass
class Exported:
    """What was done.

    Attributes
    ----------
    copied, kept : list of str
        Names of files, relative to the target; `kept` were there already, with the same content.
    n_bytes : int
        Bytes that were copied.
    """

    copied: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)
    n_bytes: int = 0


#: Takes what is counted, how many of them are done, and of how many.
Tell: TypeAlias = Callable[[str, int, int], None]


def _tell_nobody(what: str, done: int, total: int) -> None:
    """For who is not told."""


def export(
    exposures: Sequence[Path], target: Path, store: Store, *, tell: Tell = _tell_nobody
) -> Exported:
    """Copy all references that exposures need, and no others.

    From a directory of references the files are copied as they are. From a CRDS cache, a cache is
    made: with the context's rule files, the references that are needed, and the context as its
    default. Either way ``--references TARGET`` makes the same choices there.

    Parameters
    ----------
    exposures : sequence of Path
    target : Path
        Made where it is missing.
    store : Store
    tell : callable, optional
        Called as ``tell("files copied", 3, 12)`` from time to time.

    Raises
    ------
    ReferenceFileError
        If anything is missing for any exposure (then nothing is copied), or comes partly from a
        directory and partly from a cache.
    InputError
        If the target has another file of the same name, or anything else that would lead to other
        choices there. Nothing is copied then.
    """
    wanted: list[Wanted] = []
    sources: list[Store] = []
    failures = []
    for index, exposure in enumerate(exposures):
        tell("exposures looked at", index, len(exposures))
        keys = ExposureKeys.from_file(exposure)
        for choice in survey(keys, store, recipe_of_file(exposure).name):
            if choice.error is not None:
                failures.append(choice.error)
            elif choice.match is not None and choice.place is not None:
                wanted.append((exposure, keys, choice.reftype, choice.match.reference))
                if choice.place not in sources:
                    sources.append(choice.place)
    if failures:
        raise all_in_one(failures)
    if len(sources) > 1:
        raise ReferenceFileError(
            "some references come from a directory and some from a CRDS cache, which no copy can "
            "hold together: give --references a place that has all of them"
        )
    (source,) = sources
    references = (reference for *_, reference in wanted if reference != NOT_APPLICABLE)
    files = list(dict.fromkeys(references))
    if isinstance(source, CrdsStore):
        return _export_cache(files, target, source, tell)
    _check_choices(target, files, wanted)
    return _copy({file: Path(file.name) for file in files}, target, tell)


def _export_cache(files: Sequence[Path], target: Path, source: CrdsStore, tell: Tell) -> Exported:
    """Make a cache of the files and of the rule files of the context."""
    root = Path("references", OBSERVATORY)
    is_flat = all(file.parent == source.cache.references for file in files)
    plan = {file: root / file.relative_to(source.cache.references) for file in files}
    plan |= {
        source.cache.mappings / name: Path("mappings", OBSERVATORY, name)
        for name in _rule_files(source)
    }
    mode = "flat" if is_flat else "instrument"
    _check_cache(target, source.context, mode)
    exported = _copy(plan, target, tell)
    _write_config(source, target, mode)
    return exported


def _check_choices(target: Path, files: Sequence[Path], wanted: Sequence[Wanted]) -> None:
    """Check that what the target holds already does not come before what is going to be copied."""
    if is_cache(target):
        raise InputError(f"{target}: is a CRDS cache; export files of a directory elsewhere")
    if not target.is_dir():
        return
    with tempfile.TemporaryDirectory() as directory:
        for file in [*files, *target.glob("*.asdf")]:
            link = Path(directory, file.name)
            if not link.exists():
                link.symlink_to(file.absolute())
        together = DirectoryStore(directory)
        for exposure, keys, reftype, reference in wanted:
            try:
                name = together.find(reftype, keys).reference.name
            except ReferenceFileError as error:
                problem = str(error).replace(directory, str(target))
                raise InputError(f"{target}: with the files there, {problem}") from None
            if name != reference.name:
                raise InputError(
                    f"{target}: holds {name}, which would be the {reftype} of {exposure} there, "
                    f"not {reference.name}; export to another directory"
                )


def _check_cache(target: Path, context: str, mode: str) -> None:
    """Check that the target is no cache of another context or layout."""
    cache = CrdsCache.at(target)
    there = cache.server_config.get("latest_context", context)
    if there != context:
        raise InputError(
            f"{target}: is a CRDS cache whose context is {there}; export {context} elsewhere"
        )
    layout = target / "config" / OBSERVATORY / "ref_cache_subdir_mode"
    if layout.is_file() and (known := layout.read_text().strip()) != mode:
        raise InputError(f"{target}: is a CRDS cache of the layout {known}, not {mode}")


def _rule_files(place: CrdsStore) -> list[str]:
    """The maps of a context that are there."""
    cache, context = place.cache, place.context
    names = [context]
    for instrument, imap in cache.pipeline_map(context).selections.items():
        if special(imap) or not (cache.mappings / imap).is_file():
            continue
        rules = cache.instrument_map(context, instrument).selections.values()
        names += [imap, *(name for name in rules if not special(name))]
    return [name for name in dict.fromkeys(names) if (cache.mappings / name).is_file()]


def _write_config(place: CrdsStore, target: Path, mode: str) -> None:
    """What names the default context, last: without it, a copy is not yet a cache."""
    directory = target / "config" / OBSERVATORY
    config = {
        **place.cache.server_config,
        "observatory": OBSERVATORY,
        "latest_context": place.context,
        "operational_context": place.context,
    }
    write_text(directory / "ref_cache_subdir_mode", f"{mode}\n")
    write_text(directory / "server_config", pprint.pformat(config) + "\n")


def _copy(plan: dict[Path, Path], target: Path, tell: Tell) -> Exported:
    """Copy files to their places in the target, each at once."""
    for source, place in plan.items():
        there = target / place
        if there.exists() and not has_same_content(source, there):
            raise InputError(f"{there}: another file of this name is there; nothing was copied")
    exported = Exported()
    for index, (source, place) in enumerate(plan.items()):
        tell("files copied", index, len(plan))
        destination = target / place
        if destination.exists():
            exported.kept.append(str(place))
            continue
        copy(source, destination)
        exported.copied.append(str(place))
        exported.n_bytes += destination.stat().st_size
    return exported
