"""Copies what exposures need, to take it to another machine."""

from __future__ import annotations

import pprint
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ..errors import InputError
from .crds_cache import CrdsCache, CrdsStore
from .crds_cache.cache import OBSERVATORY, is_cache
from .crds_cache.mapping import special
from .digest import sha256_of
from .errors import ReferenceFileError, all_in_one
from .files import replacing, write_text
from .keys import ExposureKeys
from .match import NOT_APPLICABLE, Store
from .store import DirectoryStore
from .survey import survey


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


def export(exposures: Sequence[Path], target: Path, store: Store) -> Exported:
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

    Raises
    ------
    ReferenceFileError
        If anything is missing for any exposure (then nothing is copied), or comes partly from a
        directory and partly from a cache.
    InputError
        If the target has another file of the same name, or anything else that would lead to other
        choices there. Nothing is copied then.
    """
    matches, failures = [], []
    wanted = []
    for exposure in exposures:
        keys = ExposureKeys.from_file(exposure)
        for choice in survey(keys, store):
            if choice.error is not None:
                failures.append(choice.error)
            elif choice.match is not None:
                matches.append(choice)
                wanted.append((exposure, keys, choice.reftype, choice.match.reference))
    if failures:
        raise all_in_one(failures)
    by_rules = {id(choice.place): choice.place for choice in matches}
    if len(by_rules) > 1:
        raise ReferenceFileError(
            "some references come from a directory and some from a CRDS cache, which no copy can "
            "hold together: give --references a place that has all of them"
        )
    files = {
        choice.match.reference: None
        for choice in matches
        if choice.match is not None and choice.match.reference != NOT_APPLICABLE
    }
    (place,) = by_rules.values()
    if isinstance(place, CrdsStore):
        plan = {
            file: Path("references", OBSERVATORY, file.parent.name, file.name)
            if file.parent != place.cache.references
            else Path("references", OBSERVATORY, file.name)
            for file in files
        }
        plan |= {
            place.cache.mappings / name: Path("mappings", OBSERVATORY, name)
            for name in _rule_files(place)
        }
        mode = "flat" if _is_flat(plan) else "instrument"
        _check_cache(target, place.context, mode)
        exported = _copy(plan, target)
        _write_config(place, target, mode)
        return exported
    _check_choices(target, list(files), wanted)
    return _copy({file: Path(file.name) for file in files}, target)


def _check_choices(
    target: Path, files: Sequence[Path], wanted: Sequence[tuple[Path, ExposureKeys, str, Path]]
) -> None:
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


def _is_flat(plan: dict[Path, Path]) -> bool:
    places = {path.parent for path in plan.values() if path.parts[0] == "references"}
    return places == {Path("references", OBSERVATORY)}


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


def _copy(plan: dict[Path, Path], target: Path) -> Exported:
    """Copy files to their places in the target, each at once."""
    for source, place in plan.items():
        _check_free(source, target / place)
    exported = Exported()
    for source, place in plan.items():
        destination = target / place
        if destination.exists():
            exported.kept.append(str(place))
            continue
        with replacing(destination) as temporary:
            shutil.copy2(source, temporary)
        exported.copied.append(str(place))
        exported.n_bytes += destination.stat().st_size
    return exported


def _check_free(source: Path, destination: Path) -> None:
    if not destination.exists():
        return
    same = source.stat().st_size == destination.stat().st_size
    if not same or sha256_of(source) != sha256_of(destination):
        raise InputError(f"{destination}: another file of this name is there; nothing was copied")
