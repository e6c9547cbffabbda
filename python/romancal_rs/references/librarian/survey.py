"""Which references an exposure gets, all at once, and what there is to choose from."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ...errors import InputError, nearest
from ...reference_types import KNOWN_TYPES
from ..chain import StoreChain
from ..crds_cache import CrdsStore
from ..crds_cache.mapping import ReferenceMap, special
from ..crds_cache.selector import Row
from ..errors import NoStoreError, ReferenceFileError
from ..head import ReferenceHead
from ..keys import ExposureKeys
from ..match import NOT_APPLICABLE, Match, Store
from ..rules import is_parameter_type
from ..store import DirectoryStore

if TYPE_CHECKING:
    from ...stpipe.recipes import Recipe


@dataclass(frozen=True)
class Need:
    """A reference that the exposure pipeline looks for.

    Attributes
    ----------
    reftypes : tuple of str
        The type, in capitals; of a parameter reference, all that it may be called.
    steps : tuple of str
        The steps that use it, in the order of the pipeline.
    """

    reftypes: tuple[str, ...]
    steps: tuple[str, ...]


@dataclass(frozen=True)
class Choice:
    """What an exposure gets for one reference type.

    Attributes
    ----------
    reftype : str
    steps : tuple of str
        The steps that use it.
    place : Store or None
        Where the reference is from, one of `places`; None without a match.
    match : Match or None
    error : ReferenceFileError or None
        Why there is no match.
    """

    reftype: str
    steps: tuple[str, ...]
    place: Store | None = None
    match: Match | None = None
    error: ReferenceFileError | None = None


def places(store: Store) -> tuple[Store, ...]:
    """The places of a store, in the order in which they are asked.

    Parameters
    ----------
    store : Store
        A directory, a CRDS cache, or a chain of both.

    Returns
    -------
    tuple of Store
    """
    return store.stores if isinstance(store, StoreChain) else (store,)


def recipe_of_file(path: str | os.PathLike[str]) -> Recipe:
    """The recipe by which the exposure pipeline runs on the exposure in a file.

    Parameters
    ----------
    path : str or path
        Name of the file.

    Returns
    -------
    str
        ``2022`` or ``flight``.
    """
    from ... import datamodels
    from ...stpipe.recipes import recipe_for

    with datamodels.open(path) as exposure:
        return recipe_for(exposure)


def idle_steps(keys: ExposureKeys, recipe: str) -> tuple[str, ...]:
    """The steps of a recipe that do not run on exposures of a type.

    Parameters
    ----------
    keys : ExposureKeys
        What references are chosen by.
    recipe : str
        Name of the recipe: ``2022`` or ``flight``.

    Returns
    -------
    tuple of str
        Names of steps of the exposure pipeline.
    """

    def is_idle(step_class: Any) -> bool:
        types = step_class.in_recipe(recipe, "exposure_types")
        return bool(types) and keys.exposure_type not in types

    return tuple(name for name, step_class in _steps(recipe).items() if is_idle(step_class))


def _steps(recipe: str) -> dict[str, Any]:
    # Pipelines need references, so that references know them only while they work.
    from ...pipeline import ExposurePipeline
    from ...pipeline.order import in_recipe

    return {name: ExposurePipeline.step_defs[name] for name in in_recipe(ExposurePipeline, recipe)}


def needs(keys: ExposureKeys, recipe: str) -> list[Need]:
    """The references that the steps of the exposure pipeline use for an exposure, in its order.

    Parameters
    ----------
    keys : ExposureKeys
    recipe : str
        The recipe in which it runs.
    """
    idle = idle_steps(keys, recipe)
    steps: dict[str, list[str]] = {}
    for name, step_class in _steps(recipe).items():
        if name not in idle:
            for reftype in step_class.in_recipe(recipe, "reference_file_types"):
                steps.setdefault(reftype.upper(), []).append(name)
    return [Need((reftype,), tuple(names)) for reftype, names in steps.items()]


def needed_types() -> set[str]:
    """All types of references that the steps of the exposure pipeline use, in capitals."""
    from ...pipeline import ExposurePipeline
    from ...stpipe.parameters import reference_types

    return {reftype.upper() for reftype in reference_types(ExposurePipeline)}


def parameter_needs() -> list[Need]:
    """The parameter references of the exposure pipeline and of its steps."""
    from ...pipeline import ExposurePipeline
    from ...stpipe.configure import reference_names

    pipeline = ExposurePipeline()
    steps = [*pipeline.substeps(), pipeline]
    return [Need(tuple(reference_names(step)), (step.name,)) for step in steps]


def survey(
    keys: ExposureKeys, store: Store | None, recipe: str, reftypes: Collection[str] = ()
) -> list[Choice]:
    """Look up all references that the exposure pipeline uses for an exposure.

    Parameters
    ----------
    keys : ExposureKeys
    store : Store or None
    recipe : str
        The recipe in which the pipeline runs, see `recipe_of_file`.
    reftypes : collection of str
        The types to look up, in capitals; by default all. Parameter references come last, and only
        those that there are.

    Returns
    -------
    list of Choice
        In the order of the pipeline; what is missing or ambiguous has its error.

    Raises
    ------
    NoStoreError
        If there is no store.
    """
    wanted = [need for need in needs(keys, recipe) if not reftypes or need.reftypes[0] in reftypes]
    if store is None:
        names = [need.reftypes[0].lower() for need in wanted]
        raise NoStoreError(*(names or sorted(reftypes)))
    choices = []
    for need in wanted:
        reftype = need.reftypes[0]
        try:
            match = store.find(reftype, keys)
        except ReferenceFileError as error:
            choices.append(Choice(reftype, need.steps, error=error))
        else:
            choices.append(Choice(reftype, need.steps, _place_of(match, store), match))
    return [*choices, *_parameters(keys, store, reftypes)]


def _place_of(match: Match, store: Store) -> Store:
    by_rules = match.context is not None
    return next(place for place in places(store) if isinstance(place, CrdsStore) == by_rules)


def _parameters(keys: ExposureKeys, store: Store, reftypes: Collection[str]) -> Iterator[Choice]:
    if reftypes and not any(map(is_parameter_type, reftypes)):
        return
    from ...stpipe.configure import are_parameter_references_off

    if are_parameter_references_off() or not store.has_parameters:
        return
    for need in parameter_needs():
        if reftypes and not set(need.reftypes).intersection(reftypes):
            continue
        try:
            found = _parameter_match(need, keys, store)
        except ReferenceFileError as error:
            yield Choice(need.reftypes[0], need.steps, error=error)
        else:
            if found is not None:
                yield found


def _parameter_match(need: Need, keys: ExposureKeys, store: Store) -> Choice | None:
    """What a run would take, with the reason that only the place of one type gives."""
    for place in places(store):
        if not place.has_parameters:
            continue
        for reftype in need.reftypes:
            if place.find_parameters([reftype], keys) is not None:
                return Choice(reftype, need.steps, place, place.find(reftype, keys))
    return None


# --- what there is


@dataclass(frozen=True, order=True)
class Entry:
    """A reference file, or a rule that leads to one. What is not stated is empty.

    Attributes
    ----------
    reftype, detector, optical_element, exposure_type, useafter : str
    file : str
        Its name, ``N/A`` or ``OMIT``.
    remark : str
        What else it is chosen by; that it is not there.
    """

    reftype: str
    detector: str
    optical_element: str
    exposure_type: str
    useafter: str
    file: str
    remark: str = ""


# The columns of rules that have one in a list.
_COLUMNS = {
    "INSTRUMENT.DETECTOR": "detector",
    "INSTRUMENT.OPTICAL_ELEMENT": "optical_element",
    "EXPOSURE.TYPE": "exposure_type",
}


def check_types(reftypes: Iterable[str], there: Iterable[str] = ()) -> frozenset[str]:
    """Check reference types that a user named.

    Parameters
    ----------
    reftypes : iterable of str
        Reference types in any case.
    there : iterable of str
        Types that are known besides those of the pipeline's references.

    Returns
    -------
    frozenset of str
        The types in capitals.

    Raises
    ------
    InputError
        If there is no such type.
    """
    names = {name for need in parameter_needs() for name in need.reftypes}
    known = {*KNOWN_TYPES, *names, *there}
    for reftype in reftypes:
        if reftype.upper() not in known:
            raise InputError(
                f"{reftype}: there is no such reference type"
                f"{nearest(reftype.upper(), sorted(known))}; the types are "
                f"{', '.join(sorted(KNOWN_TYPES))}, and PARS-... for parameters"
            )
    return frozenset(reftype.upper() for reftype in reftypes)


def entries(place: Store) -> tuple[list[Entry], list[str]]:
    """List all reference files that a place knows.

    Parameters
    ----------
    place : DirectoryStore or CrdsStore
        The place.

    Returns
    -------
    tuple of (list of Entry, list of str)
        The files, sorted, and messages about files that could not be read.
    """
    if isinstance(place, DirectoryStore):
        return sorted(map(_entry_of_file, place.heads)), place.unreadable
    assert isinstance(place, CrdsStore)
    found: list[Entry] = []
    problems = []
    cache, context = place.cache, place.context
    for instrument, imap in cache.pipeline_map(context).selections.items():
        if special(imap):
            continue
        try:
            types = cache.instrument_map(context, instrument).selections
        except ReferenceFileError as error:
            problems.append(str(error))
            continue
        there = _names_in(cache.reference_directories(instrument))
        for reftype in types:
            try:
                rules = cache.reference_map(context, instrument, reftype)
            except ReferenceFileError as error:
                problems.append(str(error))
            else:
                found += _entries_of_rules(reftype.upper(), rules, there)
    return sorted(found), problems


def _entry_of_file(head: ReferenceHead) -> Entry:
    remark = "" if head.n_groups is None else f"{head.n_groups} resultants"
    if remark and (head.ma_table_name, head.ma_table_number) != (None, None):
        remark += f", MA table {head.ma_table_name} ({head.ma_table_number})"
    return Entry(
        head.reftype,
        head.detector or "",
        head.optical_element or "",
        "|".join(head.exposure_types),
        head.useafter.isoformat(),
        head.path.name,
        remark,
    )


def _entries_of_rules(
    reftype: str, rules: ReferenceMap | str, there: Collection[str]
) -> Iterator[Entry]:
    if isinstance(rules, str):
        yield Entry(reftype, "", "", "", "", rules)
        return
    for row in rules.rows:
        yield _entry_of_row(reftype, row, there)


def _entry_of_row(reftype: str, row: Row, there: Collection[str]) -> Entry:
    columns = dict.fromkeys(_COLUMNS.values(), "")
    remarks = []
    for parameter, key, _ in row.keys:
        name = parameter.upper().removeprefix("ROMAN.").removeprefix("META.")
        if name in _COLUMNS:
            columns[_COLUMNS[name]] = key
        elif key != NOT_APPLICABLE:
            remarks.append(f"{name.rpartition('.')[2]} {key}")
    file = special(row.choice) or row.choice
    if not special(row.choice) and row.choice not in there:
        remarks.append("not in the cache")
    useafter = ", ".join(date for _, date in row.dates)
    return Entry(reftype, **columns, useafter=useafter, file=file, remark=", ".join(remarks))


def _names_in(directories: Sequence[os.PathLike[str]]) -> frozenset[str]:
    names: set[str] = set()
    for directory in directories:
        if os.path.isdir(directory):
            names.update(os.listdir(directory))
    return frozenset(names)
