"""Look into the places that hold reference files, and make copies and rules of them."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from . import terminal
from .options import path
from .streams import complain

if TYPE_CHECKING:
    from ..references import Store
    from ..references.librarian import Choice

_SHOWN = 3  # files that rules name and that are not in the cache


class Task:
    """One of the things that the command does."""

    def __init__(
        self,
        doc: str,
        add_arguments: Callable[[argparse.ArgumentParser], None],
        run: Callable[[argparse.Namespace], int],
    ) -> None:
        self.__doc__ = doc
        self.add_arguments = add_arguments
        self.run = run


def _add_source(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--references",
        metavar="DIR",
        type=path,
        help="directory of references, or of a CRDS cache (default: ROMANCAL_RS_REFERENCES)",
    )
    parser.add_argument(
        "--context",
        metavar="CONTEXT",
        help="context of the CRDS cache, such as roman_0017.pmap (default: CRDS_CONTEXT)",
    )


# --- find


def _add_find(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", metavar="FILE", type=path, help="an exposure")
    parser.add_argument(
        "types", metavar="TYPE", nargs="*", default=[], help="only these reference types"
    )
    _add_source(parser)


def _find(options: argparse.Namespace) -> int:
    from ..references import ExposureKeys
    from ..references.librarian import check_types, idle_steps, recipe_of_file, survey

    types = check_types(options.types)
    keys = ExposureKeys.from_file(Path(options.file))
    recipe = recipe_of_file(options.file)
    store = _open(options)
    choices = survey(keys, store, recipe.name, types)
    print(options.file)
    print(
        f"  {keys.detector}, {keys.optical_element}, {keys.exposure_type}, "
        f"{keys.start_time.isoformat()}, {keys.n_resultants} resultants"
    )
    print(f"  recipe {recipe.name}: {recipe.reason}")
    for step in idle_steps(keys, recipe.name):
        print(f"  {step} does not run on {keys.exposure_type}")
    place: Store | None = None
    width = max((len(choice.reftype) for choice in choices), default=0)
    for choice in choices:
        if choice.place is not None and choice.place is not place:
            place = choice.place
            print(f"from {place.location}")
        print("\n".join(_lines_of(choice, width)))
    missing = [choice.reftype for choice in choices if choice.error is not None]
    if missing:
        return _failed(f"{options.file}: no reference for {', '.join(missing)}")
    return 0


def _lines_of(choice: Choice, width: int) -> Iterable[str]:
    steps = ", ".join(choice.steps)
    if choice.match is None:
        yield f"  {choice.reftype:<{width}}  MISSING  (for {steps})"
        yield f"    {choice.error}"
        return
    reference = choice.match.reference
    yield f"  {choice.reftype:<{width}}  {getattr(reference, 'name', reference)}  (for {steps})"
    if choice.match.rule:
        yield f"    by: {choice.match.rule}"
    yield f"    else: {choice.match.runner_up or 'nothing'}"
    if choice.match.note:
        yield f"    note: {choice.match.note}"


# --- list


def _add_list(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "types", metavar="TYPE", nargs="*", default=[], help="only these reference types"
    )
    _add_source(parser)


def _list(options: argparse.Namespace) -> int:
    from ..references.librarian import check_types, entries, places

    status = 0
    for place in places(_open(options)):
        with terminal.working(f"reading heads in {place.location}"):
            found, problems = entries(place)
        types = check_types(options.types, {entry.reftype for entry in found})
        rows = [
            (
                entry.reftype,
                entry.detector or "-",
                entry.optical_element or "-",
                entry.exposure_type or "-",
                entry.useafter or "-",
                f"{entry.file}  ({entry.remark})" if entry.remark else entry.file,
            )
            for entry in found
            if not types or entry.reftype in types
        ]
        print(place.location)
        heading = ("type", "detector", "element", "exposure type", "useafter", "file")
        _print_table([heading, *rows])
        for problem in problems:
            print(f"not readable: {problem}")
        if problems:
            status = _failed(f"{place.location}: {len(problems)} not readable")
    return status


def _print_table(rows: Sequence[Sequence[str]]) -> None:
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    for row in rows:
        cells = (f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True))
        print(f"  {'  '.join(cells)}".rstrip())


# --- check, export, build-cache


def _add_check(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "place",
        metavar="DIR|CONTEXT",
        type=path,
        help="a directory of references or of a CRDS cache; or a context of the cache of CRDS_PATH",
    )
    parser.add_argument(
        "--verbose", "-v", action="store_true", help="name all files that are not in the cache"
    )


def _check(options: argparse.Namespace) -> int:
    from ..references.librarian import check

    with terminal.working("checking files") as work:
        found = check(options.place, work.reach)
    shown = found.absent if options.verbose else found.absent[:_SHOWN]
    for problem in (*found.problems, *shown):
        print(problem)
    if more := len(found.absent) - len(shown):
        print(f"{more} more files are not in the cache (--verbose names them)")
    for hint in found.hints:
        print(f"note: {hint}")
    if problems := len(found.problems) + len(found.absent):
        return _failed(f"{found.place}: {problems} problem{'' if problems == 1 else 's'}")
    rules = f"{found.n_rules} rule files, " if found.n_rules else ""
    print(f"{found.place}: {rules}{found.n_files} reference files, no problem")
    return 0


def _add_export(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("files", metavar="FILE", nargs="+", type=path, help="exposures")
    parser.add_argument("--to", metavar="DIR", type=path, required=True, help="where to copy to")
    _add_source(parser)


def _export(options: argparse.Namespace) -> int:
    from ..references.librarian import export

    with terminal.working("looking for references") as work:
        files = [Path(file) for file in options.files]
        exported = export(files, Path(options.to), _open(options), tell=work.count)
    for name in exported.copied:
        print(f"copied {name}")
    if exported.kept:
        print(f"{len(exported.kept)} files were there already")
    print(f"{exported.n_bytes / 1e6:.1f} MB copied to {options.to}; to use them:")
    print(f"  romancal-rs run roman_elp FILE --references {options.to}")
    return 0


def _add_build_cache(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("directory", metavar="DIR", type=path, help="a directory of references")
    parser.add_argument(
        "--to",
        metavar="CACHE",
        type=path,
        required=True,
        help="directory of the cache; made if missing",
    )


def _build_cache(options: argparse.Namespace) -> int:
    from ..references.librarian import build_cache

    with terminal.working(f"building {options.to}"):
        built = build_cache(Path(options.directory), Path(options.to))
    for note in built.notes:
        print(f"note: {note}")
    print(
        f"{options.to}: context {built.context}, {len(built.mappings)} rule files, "
        f"{built.n_files} reference files ({built.n_copied} copied); to use it:"
    )
    print(f"  export CRDS_PATH={options.to}")
    return 0


def _open(options: argparse.Namespace) -> Store:
    from ..references import ReferenceNotFoundError, open_store

    store = open_store(options.references, options.context)
    if store is None:
        raise ReferenceNotFoundError(
            "no place with reference files is named: give a directory with --references DIR, or "
            "set ROMANCAL_RS_REFERENCES or CRDS_PATH"
        )
    return store


def _failed(message: str) -> int:
    complain(f"romancal-rs: error: {message}")
    return 1


TASKS = {
    "find": Task("Show which files an exposure would use, and why.", _add_find, _find),
    "list": Task("List the reference files that are there.", _add_list, _list),
    "check": Task("Tell what is missing, wrong or ambiguous.", _add_check, _check),
    "export": Task("Copy what exposures need, for another machine.", _add_export, _export),
    "build-cache": Task(
        "Make a CRDS cache of a directory of references.", _add_build_cache, _build_cache
    ),
}
