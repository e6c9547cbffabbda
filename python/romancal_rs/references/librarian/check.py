"""What is wrong with the reference files of a directory, or of a CRDS context."""

from __future__ import annotations

import warnings
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from ..._asdf_damage import damage
from ..._yaml_head import HeadError
from ...errors import one_line
from ...reference_types import KNOWN_TYPES, TYPES, Size, pixels, type_of
from ..crds_cache import CrdsCache, MissingFileError
from ..crds_cache.cache import is_cache
from ..crds_cache.mapping import ReferenceMap, special
from ..crds_cache.selector import Row
from ..errors import ReferenceFileError, ReferenceNotFoundError
from ..head import ReferenceHead, read_head
from ..rules import SPECTRAL_ELEMENTS, is_parameter_type, needs_detector
from ..store import DirectoryStore
from .build_rules import INSTRUMENT, TypeRules
from .check_rules import ContextRules, contradictions
from .survey import needed_types

if TYPE_CHECKING:
    from ...datamodels import DataModel

FULL_SIZE = (4096, 4096)

#: Told how many files of how many have been looked at.
Progress = Callable[[int, int], None]


@dataclass
class Findings:
    """What a check found.

    Attributes
    ----------
    place : str
        What was checked.
    problems : list of str
        ``file: what is wrong``, one line each.
    absent : list of str
        Likewise, of the reference files that rules name and that are not in the cache.
    hints : list of str
        What may be as it should.
    n_rules, n_files : int
        The rule files and the reference files that were looked at.
    """

    place: str
    problems: list[str] = field(default_factory=list)
    absent: list[str] = field(default_factory=list)
    hints: list[str] = field(default_factory=list)
    n_rules: int = 0
    n_files: int = 0


def check(place: str | Path, progress: Progress | None = None) -> Findings:
    """Check a directory of references, or a context of a CRDS cache.

    Files are read whole. Nothing of them is executed, and nothing is fetched.

    Parameters
    ----------
    place : str or Path
        A directory of references; the directory of a cache, of which the context that counts there
        is checked; or a context, such as ``roman_0017.pmap`` or ``latest``, of the cache that the
        environment names.
    progress : callable, optional
        Called as ``progress(done, total)`` before each file, and at the end.

    Raises
    ------
    ReferenceFileError
        If there is no such place, or it cannot be read.
    """
    directory = Path(place)
    if is_cache(directory):
        cache, name = CrdsCache.at(directory), None
    elif directory.is_dir():
        return check_directory(directory, progress)
    else:
        name = str(place)
        if not (name.endswith(".pmap") or name in ("latest", "roman-latest")):
            raise ReferenceNotFoundError(
                f"{name}: there is no such directory, and it is not a context such as "
                "roman_0017.pmap or latest"
            )
        found = CrdsCache.from_environment()
        if found is None:
            raise ReferenceNotFoundError(
                f"context {name}: there is no CRDS cache; set CRDS_PATH to its directory"
            )
        cache = found
    cache.ignore_checksum = False  # to look for what others pass over
    return check_context(cache, cache.resolve_context(name), progress)


def check_directory(directory: Path, progress: Progress | None = None) -> Findings:
    """Check the reference files of a directory, see `check`.

    Parameters
    ----------
    directory : Path
    progress : callable

    Raises
    ------
    ReferenceFileError
        If there is no such directory, or it cannot be read.
    """
    store = DirectoryStore(directory)
    heads = store.heads
    found = Findings(str(directory), problems=list(store.unreadable))
    found.n_files = len(heads) + len(store.unreadable)
    _check_files(heads, found, progress)
    usable = [head for head in heads if _is_usable(head)]
    _check_overlaps(usable, found)
    found.hints += _gaps(usable)
    return found


def check_context(cache: CrdsCache, context: str, progress: Progress | None = None) -> Findings:
    """Check the rules of a context, and those of its reference files that are in the cache.

    See `check`.

    Parameters
    ----------
    cache : CrdsCache
    context : str
        The name of a pipeline map.
    progress : callable
    """
    rules = ContextRules(cache, context)
    place = str(cache.mappings / context)
    found = Findings(place, problems=rules.problems, n_rules=len(rules.names))
    named_by: dict[tuple[str, str], list[tuple[ReferenceMap, Row]]] = defaultdict(list)
    for instrument, _, of_type in rules.maps:
        for row in of_type.rows:
            if not special(row.choice):
                named_by[instrument, row.choice].append((of_type, row))
    heads: dict[Path, ReferenceHead] = {}
    for (instrument, name), rows in sorted(named_by.items()):
        if name in cache.bad_files:
            found.problems.append(f"{name}: was withdrawn; {rows[0][0].name} names it")
        try:
            path = cache.locate(name, instrument)
        except MissingFileError:
            found.absent.append(f"{name}: is not in the cache; {rows[0][0].name} names it")
            continue
        except ReferenceFileError as error:
            if name not in cache.bad_files:
                found.problems.append(str(error))
            continue
        found.n_files += 1
        try:
            head = read_head(path)
        except HeadError as error:
            found.problems.append(f"{name}: {error}")
            continue
        if head is None:
            found.problems.append(f"{name}: is not a reference file: it has no meta.reftype")
            continue
        heads[path] = head
        found.problems += (f"{name}: {text}" for text in contradictions(head, rows))
    _check_files(list(heads.values()), found, progress)
    return found


# --- single files


def _check_files(
    heads: Collection[ReferenceHead], found: Findings, progress: Progress | None
) -> None:
    sizes: dict[str, tuple[str, Size]] = {}
    for done, head in enumerate(heads):
        if progress is not None:
            progress(done, len(heads))
        name = head.path.name
        problems = metadata_problems(head)
        if damaged := _damage(head.path):
            problems += damaged
        elif head.reftype in KNOWN_TYPES:
            of_content, size = _check_content(head)
            problems += of_content
            if size is not None:
                sizes[name] = head.reftype, size
        elif is_parameter_type(head.reftype):
            problems += parameter_problems(head.path)
        found.problems += (f"{name}: {problem}" for problem in dict.fromkeys(problems))
    if progress is not None and heads:
        progress(len(heads), len(heads))
    found.problems += _size_problems(sizes)


def metadata_problems(head: ReferenceHead) -> list[str]:
    """What a reference file lacks in its metadata, so that it fits no exposure."""
    if head.reftype not in KNOWN_TYPES:
        return []
    problems = []
    if head.instrument is None:
        problems.append("names no instrument, and fits no exposure")
    if needs_detector(head.reftype) and head.detector is None:
        problems.append("names no detector, and fits no exposure")
    return problems


def _damage(path: Path) -> list[str]:
    try:
        return list(damage(path))
    except (HeadError, OSError) as error:
        return [f"cannot be read ({error})"]


def _check_content(head: ReferenceHead) -> tuple[list[str], Size | None]:
    """What is wrong with the arrays and the metadata of a file, and the size of its arrays."""
    # They take long to import, and looking for references does without.
    from ... import datamodels

    kind = type_of(head.reftype)
    problems: list[str] = []
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model = datamodels.open(head.path)
        with model:
            shapes = {name: tuple(array.shape) for name, array in model.arrays()}
            problems += type_problems(head, model)
            model.validate()
            model.read_objects()
    except datamodels.ValidationError as error:
        problems.append(one_line(error.problem))
    except Exception as error:  # whatever a file holds, the others are looked at
        return [one_line(str(error).removeprefix(f"{head.path}: "))], None
    problems += kind.layout_problems(shapes)
    images = (shapes.get(array.name, ()) for array in kind.images)
    sizes = {(shape[-2], shape[-1]) for shape in images if len(shape) > 1}
    return problems, sizes.pop() if len(sizes) == 1 else None


def type_problems(head: ReferenceHead, model: DataModel) -> Iterator[str]:
    """How the content of a file is of another type than it says; see `check`."""
    from ...datamodels import reference_model

    if not isinstance(model, reference_model(head.reftype)):
        yield f"says that it is a {head.reftype}, but is a {type(model).__name__}"


def parameter_problems(path: Path) -> list[str]:
    """What is wrong with a parameter file of a step or a pipeline."""
    from ...stpipe import config
    from ...stpipe.parameters import ParameterError

    try:
        config.load(path)
    except (ParameterError, OSError) as error:
        return [one_line(str(error).removeprefix(f"{path}: "))]
    return []


# --- files together


def _size_problems(sizes: Mapping[str, tuple[str, Size]]) -> list[str]:
    """Files of another size than that of the detector or, if it is but one, that of all others."""
    from ...border import BORDER

    full = {size for reftype, size in sizes.values() if not TYPES[reftype].may_be_trimmed}
    full = full or {size for _, size in sizes.values()}
    expected = next(iter(full)) if len(full) == 1 else FULL_SIZE
    reason = "" if expected == FULL_SIZE else " as in the other files"
    problems = []
    for name, (reftype, size) in sizes.items():
        allowed = TYPES[reftype].sizes(expected, BORDER)
        if size not in allowed:
            wanted = " or ".join(map(pixels, allowed))
            problems.append(f"{name}: its arrays are {pixels(size)}; expected {wanted}{reason}")
    return problems


def _is_usable(head: ReferenceHead) -> bool:
    """Whether a file may fit some exposure."""
    if is_parameter_type(head.reftype):
        return head.instrument in (None, INSTRUMENT)
    has_detector = head.detector is not None or not needs_detector(head.reftype)
    return head.reftype in KNOWN_TYPES and head.instrument == INSTRUMENT and has_detector


def _check_overlaps(heads: Iterable[ReferenceHead], found: Findings) -> None:
    by_type: dict[str, list[ReferenceHead]] = defaultdict(list)
    for head in heads:
        by_type[head.reftype].append(head)
    for reftype, group in sorted(by_type.items()):
        try:
            rules = TypeRules(reftype, group)
        except ReferenceFileError as error:
            found.hints.append(f"not looked for equally good {reftype} files: {error}")
            continue
        found.problems += rules.ambiguous
        # These matter only to exposures of elements for which there is no file at all.
        found.hints += rules.notes


def _gaps(heads: Iterable[ReferenceHead]) -> list[str]:
    """The detectors, and elements, for which there are some types and not others.

    Looked for are the types that the pipeline uses, and those that are there.
    """
    for_all: set[str] = set()
    detectors: dict[str, set[str]] = defaultdict(set)
    elements: dict[tuple[str, str], set[str | None]] = defaultdict(set)
    for head in heads:
        if not type_of(head.reftype).model or "detector" not in type_of(head.reftype).keys:
            continue
        if head.detector:
            detectors[head.reftype].add(head.detector)
            elements[head.reftype, head.detector].add(head.optical_element)
        elif not needs_detector(head.reftype):
            for_all.add(head.reftype)
    there = set().union(*detectors.values())
    used = needed_types()
    wanted = [kind for name, kind in TYPES.items() if name in used or name in detectors]
    hints = []
    for kind in wanted:
        missing = sorted(there - detectors[kind.reftype])
        if missing and "detector" in kind.keys and kind.reftype not in for_all:
            hints.append(f"no {kind.reftype} for {', '.join(missing)}")
    by_element = [kind for kind in wanted if "optical_element" in kind.keys]
    known_to = {kind.reftype for kind in by_element}
    named = {
        element
        for (reftype, _), names in elements.items()
        if reftype in known_to
        for element in names
        if element
    }
    for kind in by_element:
        reftype = kind.reftype
        for element in sorted(named):
            if kind.imaging_only and element.startswith(SPECTRAL_ELEMENTS):
                continue
            of_type = {name: elements[reftype, name] for name in sorted(detectors[reftype])}
            missing = [name for name, known in of_type.items() if not known & {element, None}]
            if missing:
                hints.append(f"no {reftype} of {element} for {', '.join(missing)}")
    return hints
