"""All that is wrong with a file: its bytes, its content by the mission's schema, its numbers."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from .. import _html
from .._asdf_damage import damage
from .._files import existing_or_local, open_regular
from .._yaml_head import HeadError
from ..datamodels import DataModel, ModelError, _checks
from ..datamodels import _schema as schemas
from ..datamodels._kinds import class_of, read_any
from ..datamodels._tree import TODAY, Tree, Unread, flatten
from ..errors import InputError, RomancalError, one_line, shortened
from ..reference_types import KNOWN_TYPES, type_of
from ..references.head import read_head
from ..references.librarian.check import metadata_problems, parameter_problems, type_problems
from ._describing import read_parquet_head
from ._description import Plain
from ._exposure_checks import exposure_findings, wcs_findings
from ._finding import Finding
from ._number_checks import number_findings

__all__ = ["Finding", "Verdict", "validate_file"]

_LONGEST = 300
#: Places in which the checks of exposures take what the schema says for granted.
_IS_OF_EXPOSURE = re.compile(r"(meta(\.(exposure\b.*|cal_step))?|data|dq|groupdq|pixeldq)$")


@dataclass(frozen=True)
class Verdict:
    """What is wrong with a file.

    Attributes
    ----------
    file : str
    findings : tuple of Finding
        Errors, and notes of what may be as it should.
    """

    file: str
    findings: tuple[Finding, ...] = ()

    @property
    def errors(self) -> tuple[Finding, ...]:
        """What breaks the rules of the mission."""
        return tuple(finding for finding in self.findings if finding.is_error)

    @property
    def notes(self) -> tuple[Finding, ...]:
        """What is odd, but breaks no rule."""
        return tuple(finding for finding in self.findings if not finding.is_error)

    @property
    def is_sound(self) -> bool:
        """Whether there is no error."""
        return not self.errors

    def __str__(self) -> str:
        numbers = [
            _html.number_of(found, word)
            for word, found in (("error", self.errors), ("note", self.notes))
            if found
        ]
        if self.is_sound:
            numbers.insert(0, "nothing is wrong")
        lines = [f"{self.file}: {finding}" for finding in self.findings]
        return "\n".join([*lines, f"{self.file}: {', '.join(numbers)}"])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        told = _html.number_of(self.errors, "error"), _html.number_of(self.notes, "note")
        rows = [("error" if f.is_error else "note", f.place, f.problem) for f in self.findings]
        return _html.block(_html.heading(self.file, *told), _html.table(rows))

    def to_json(self) -> dict[str, Plain]:
        """The verdict as JSON has it.

        Returns
        -------
        dict of str to object
            ``file``, ``is_sound``, ``errors`` and ``notes``, each with place and problem.
        """

        def plain(findings: tuple[Finding, ...]) -> list[Plain]:
            return [{"place": found.place, "problem": found.problem} for found in findings]

        return {
            "file": self.file,
            "is_sound": self.is_sound,
            "errors": plain(self.errors),
            "notes": plain(self.notes),
        }


def validate_file(path: str | os.PathLike[str]) -> Verdict:
    """Find all that is wrong with a file, which is read whole.

    Looked at are, as far as the file has them: its blocks and their checksums; all that breaks the
    mission's schema; types and shapes of arrays; the read pattern, times and WCS of an exposure;
    flags, errors and variances; and of a reference or parameter file what `references check` looks
    at. Nothing of a file is executed.

    Parameters
    ----------
    path : str or path
        An ASDF file, an association (.json) or a catalogue (.parquet). ``~`` and ``$VARIABLES`` are
        expanded.

    Returns
    -------
    Verdict
        A file that is no ASDF, or damaged, has an error that says so.

    Raises
    ------
    OSError
        If there is no such file, or the system does not let it be read.
    InputError
        If it is a URL.

    Examples
    --------
    >>> from romancal_rs.inspection import validate_file
    >>> validate_file("exposure_cal.asdf").is_sound
    True
    """
    path = existing_or_local(path)
    open_regular(path).close()  # what cannot be read is not wrong
    suffix = Path(path).suffix.lower()
    checks = {".json": _association, ".parquet": _catalogue}.get(suffix, _asdf)
    findings = dict.fromkeys(
        Finding(found.place, shortened(one_line(found.problem), _LONGEST), found.is_error)
        for found in checks(path)
    )
    return Verdict(path, tuple(sorted(findings, key=lambda found: not found.is_error)))


def _bare(error: object, path: str) -> str:
    """The text of an error without the name of the file."""
    return one_line(str(error).removeprefix(f"{path}: "))


def _association(path: str) -> Iterator[Finding]:
    from ..batch import remote
    from ..batch.associations import read_association

    try:
        members = read_association(path).members
    except InputError as error:
        yield Finding("", _bare(error, path))
        return
    for member in members:
        if not remote.is_url(member.name) and not (Path(path).parent / member.name).exists():
            yield Finding(member.name, "there is no such file beside the association", False)


def _catalogue(path: str) -> Iterator[Finding]:
    try:
        schema, _ = read_parquet_head(path)
    except ModelError as error:
        yield Finding("", _bare(error, path))
        return
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        pq.read_table(path)
    except (pa.ArrowException, OSError) as error:
        yield Finding("", f"a column cannot be read: {one_line(error)}")
    stated = (schema.metadata or {}).get(b"roman.meta.filename")
    yield from _name_findings(path, stated.decode(errors="replace") if stated else None)


def _name_findings(path: str, stated: object) -> Iterator[Finding]:
    if isinstance(stated, str) and stated not in ("?", Path(path).name):
        yield Finding("meta.filename", f"says {stated!r}; the file has another name", False)


def _asdf(path: str) -> Iterator[Finding]:
    try:
        tree = read_any(path)
    except ModelError as error:
        yield Finding("", _bare(error, path))
        return
    try:
        yield from (Finding("", text) for text in damage(Path(path)))
        yield from _content(path, tree)
    finally:
        tree.close()


def _content(path: str, tree: Tree) -> Iterator[Finding]:
    if not tree.tag:
        yield from _foreign(path, tree)
        return
    name = tree.tag.removeprefix(schemas.TAGS)
    cls = class_of(tree)
    model = None if cls is None else cls._view(tree, owner=False)
    if tree.origin is not None:
        what = f"a file of {tree.origin.era}; checked is what it is read as, {name}"
        yield Finding("", what, False)
    broken: list[Finding] = []
    if schemas.schema_uri(tree.tag) is None:
        yield _unknown_series(name)
    else:
        # What is added as it is saved, of files that had no place for it.
        checked = tree if model is None or model.era == TODAY else model._to_write()
        broken = list(_schema_findings(checked, is_as_stored=checked is tree))
    yield from broken
    yield from _name_findings(path, tree.data["meta"].get("filename"))
    if isinstance(tree.data["meta"].get("reftype"), str):
        yield from _reference(path, model)
    yield from number_findings(tree)
    # What breaks the schema there is no exposure to look at.
    if model is not None and not any(_IS_OF_EXPOSURE.match(found.place) for found in broken):
        yield from _guarded(path, lambda: exposure_findings(model))
    yield from _guarded(path, lambda: wcs_findings(tree))


def _unknown_series(name: str) -> Finding:
    if not re.search(r"-\d+\.\d+\.\d+$", name):
        return Finding("", f"the tag {name} states no version of a schema, such as 2.1.0")
    return Finding(
        "",
        f"written by the schema {name}, which the installed rad {version('rad')} does not have; "
        "its content is not checked, a newer version of rad may know it",
        False,
    )


def _guarded(path: str, check: Callable[[], Iterator[Finding]]) -> Iterator[Finding]:
    """Findings of a check; what cannot be read, or made, is one."""
    try:
        yield from check()
    except (RomancalError, OSError) as error:
        yield Finding("", _bare(error, path))


def _foreign(path: str, tree: Tree) -> Iterator[Finding]:
    if "roman" in tree.data:
        yield Finding("roman", "no object with a tag of the mission")
    elif {"class", "parameters"} <= tree.data.keys():
        yield from (Finding("", problem) for problem in parameter_problems(Path(path)))
    else:
        yield Finding("", "no Roman data: there is no schema to check it against", False)


def _schema_findings(tree: Tree, *, is_as_stored: bool) -> Iterator[Finding]:
    for problem in _checks.problems(tree.data, tree.place().schema, ()):
        yield Finding(problem.path, problem.rule)
    for name, value in flatten(tree.data) if is_as_stored else ():
        if isinstance(value, Unread) and hasattr(value, "dtype"):
            yield from _type_in_file(tree, name, value)


def _type_in_file(tree: Tree, name: str, value: Any) -> Iterator[Finding]:
    """Half and single precision are the same in memory, but not in a file."""
    place = tree.place(*(int(key) if key.isdigit() else key for key in name.split(".")))
    wanted, stored = place.keyword("datatype"), value.dtype.newbyteorder("=").name
    if wanted == "float16" and stored == "float32" and place.keyword("exact_datatype"):
        yield Finding(name, "float32 in the file, where the schema has float16")


def _reference(path: str, model: DataModel | None) -> Iterator[Finding]:
    try:
        head = read_head(Path(path))
    except HeadError as error:
        yield Finding("", str(error))
        return
    if head is None or head.reftype not in KNOWN_TYPES:
        return
    problems = list(metadata_problems(head))
    if model is not None:
        shapes = {name: tuple(array.shape) for name, array in model.arrays()}
        if type_of(head.reftype).model:
            problems += type_problems(head, model)
        problems += type_of(head.reftype).layout_problems(shapes)
    yield from (Finding("", problem) for problem in problems)
