"""What a product records of how it came to be: steps, references, parameters, messages.

Whatever a file holds may be of any type, or damaged: what is not as it should be is left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..datamodels import DataModel

__all__ = ["Message", "Record", "Reference", "StepRecord", "look", "text_of"]

#: Parameters of these roles do not change the result: where it goes, and where references lie.
_OF_NO_ACCOUNT = frozenset({"place", "product", "store", "saving", "speed"})
#: What a block holds where nothing is known.
_UNKNOWN = (None, "", "?", "N/A")
_DONE = re.compile(r"Step (\w+) done in ([0-9.]+) s")
_WITH_OTHERS = re.compile(r"Step (\w+) done, together with others")
_SKIPPED = re.compile(r"Step (\w+) skipped: (.*)", re.DOTALL)
_MASKED_ROWS = re.compile(r"The first resultant of the (\d+) rows that are read first is not used")
_GROUP = re.compile(r"Steps (\w+) to (\w+) done in ([0-9.]+) s")


@dataclass(frozen=True)
class Message:
    """A message of the log.

    Attributes
    ----------
    time, source, level, text : str
        Empty but the text, for one in a form of its own.
    """

    time: str
    source: str
    level: str
    text: str

    @property
    def is_warning(self) -> bool:
        """Whether it is a warning, or worse."""
        return self.level in ("WARNING", "ERROR", "CRITICAL")

    @property
    def step(self) -> str:
        """The step that logged it."""
        return self.source.rpartition(".")[2]

    @classmethod
    def parse(cls, line: str) -> Message:
        """The message in a line of the log."""
        parts = line.split(" :: ", 3)
        return cls("", "", "", line) if len(parts) != 4 else cls(*(part.strip() for part in parts))


@dataclass(frozen=True)
class Reference:
    """A reference file that a step used.

    Attributes
    ----------
    reftype, path, sha256 : str
        The digest is empty where the product has none.
    """

    reftype: str
    path: str
    sha256: str = ""

    @property
    def name(self) -> str:
        """The file name."""
        return PurePosixPath(self.path.replace("\\", "/")).name or self.path


@dataclass
class StepRecord:
    """What a step did.

    Attributes
    ----------
    name : str
        As logs and parameters have it.
    status : str
        Of ``meta.cal_step``.
    seconds : str
        As the record of its run has them. Where that has none, as the log tells; in words where it
        was done together with others.
    note : str
        Why it was skipped.
    references : list of Reference
    """

    name: str
    status: str = ""
    seconds: str = ""
    note: str = ""
    references: list[Reference] = field(default_factory=list)


@dataclass(frozen=True)
class Record:
    """All of it.

    Attributes
    ----------
    steps : list of StepRecord
    groups : list of (str, str, str)
        First and last step of those that were done in one pass, and the seconds of all.
    changed : list of (str, str, str, str)
        Parameters that change a result and are not at their defaults: whose, name, value, default.
    messages : list of Message
    recipe, reason : str
    software : dict of str to str
        Versions by name.
    runs : list of dict
        ``meta.cal_runs``, what is a mapping of it.
    """

    steps: list[StepRecord]
    groups: list[tuple[str, str, str]]
    changed: list[tuple[str, str, str, str]]
    messages: list[Message]
    recipe: str
    reason: str
    software: dict[str, str]
    runs: list[Mapping[str, Any]]

    @property
    def warnings(self) -> list[Message]:
        """The messages that are warnings, or worse."""
        return [message for message in self.messages if message.is_warning]

    @property
    def missing(self) -> list[tuple[str, str]]:
        """Step and type of the references that a step did without."""
        return [
            (step.name, reference.reftype)
            for step in self.steps
            for reference in step.references
            if reference.path in _UNKNOWN
        ]

    @property
    def besides(self) -> list[tuple[str, str]]:
        """What else than its steps the last run took time for, and the seconds."""
        if not self.runs:
            return []
        steps = {step.name for step in self.steps}
        taken = _recorded_seconds(self.runs[-1]).items()
        return [(name, seconds) for name, seconds in taken if name not in steps]

    @property
    def masked_rows(self) -> int:
        """In how many rows, the first ones, wfi18_transient flagged the first resultant."""
        found = (_MASKED_ROWS.match(message.text) for message in self.messages)
        return max((int(match[1]) for match in found if match), default=0)

    @classmethod
    def of(cls, model: DataModel) -> Record:
        """That of an exposure."""
        meta = model.meta
        lines = sequence(plain_of(meta, "cal_logs"))
        messages = [Message.parse(str(line)) for line in lines]
        runs = [run for run in sequence(plain_of(meta, "cal_runs")) if isinstance(run, Mapping)]
        last = runs[-1] if runs else {}
        software = {
            str(name): text_of(version) for name, version in mapping(last.get("software")).items()
        }
        if not software and (name := look(meta, "calibration_software_name")):
            software = {text_of(name): text_of(look(meta, "calibration_software_version"))}
        recipe = mapping(last.get("recipe"))
        return cls(
            steps=list(_steps(meta, runs, messages)),
            groups=[
                (match[1], match[2], match[3])
                for message in messages
                if (match := _GROUP.match(message.text))
            ],
            changed=[change for run in runs for change in _changed(run)],
            messages=messages,
            recipe=text_of(recipe.get("name") or look(meta, "cal_recipe")),
            reason=text_of(recipe.get("reason")),
            software=software,
            runs=runs,
        )

    def step(self, name: str) -> Mapping[str, Any]:
        """The parameters that a step had in the last run that had it; empty if none did."""
        for run in reversed(self.runs):
            for part in (run, *sequence(run.get("steps"))):
                if isinstance(part, Mapping) and part.get("name") == name:
                    return mapping(part.get("parameters"))
        return {}


def look(node: Any, dotted: str) -> Any:
    """What lies at a dotted name; None if something on the way is not there."""
    for key in dotted.split("."):
        if not hasattr(node, "get"):
            return None
        node = node.get(key)
    return node


def text_of(value: Any) -> str:
    """A value as text; empty for one that says that nothing is known."""
    if value is None or value in ("", "?"):
        return ""
    return str(getattr(value, "isot", value))


def mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def sequence(value: Any) -> Sequence[Any]:
    return value if isinstance(value, list | tuple) else ()


def plain_of(node: Any, name: str) -> Any:
    """A block as dicts and lists."""
    from ..datamodels._nodes import plain

    return plain(node.get(name))


def _steps(
    meta: Any, runs: Sequence[Mapping[str, Any]], messages: Sequence[Message]
) -> Iterator[StepRecord]:
    """In the order of the runs, then what else has a status."""
    from ..stpipe.registry import steps_by_entry

    entries = {step.class_alias: entry for entry, step in steps_by_entry().items()}
    status = {
        str(key): text_of(value) for key, value in mapping(plain_of(meta, "cal_step")).items()
    }
    told_seconds, notes = _told(messages)
    records: dict[str, StepRecord] = {}
    for run in runs:
        seconds = told_seconds | _recorded_seconds(run)
        parts = [part for part in sequence(run.get("steps")) if isinstance(part, Mapping)]
        for part in parts or [run]:
            name = text_of(part.get("name"))
            told = status.pop(entries.get(name) or name, "")
            records[name] = StepRecord(name, told, seconds.get(name, ""), notes.get(name, ""))
        for name, used in mapping(run.get("references")).items():
            record = records.setdefault(str(name), StepRecord(str(name)))
            record.references = [
                Reference(
                    str(reftype),
                    text_of(mapping(entry).get("path")),
                    text_of(mapping(entry).get("sha256")),
                )
                for reftype, entry in mapping(used).items()
            ]
    yield from records.values()
    if not runs:
        for entry, told in status.items():
            yield StepRecord(entry, told)


def _recorded_seconds(run: Mapping[str, Any]) -> dict[str, str]:
    """What a run took for each of its steps, and for other things by their names."""
    return {
        str(name): f"{taken:.2f}"
        for name, taken in mapping(run.get("seconds")).items()
        if isinstance(taken, float)
    }


def _told(messages: Sequence[Message]) -> tuple[dict[str, str], dict[str, str]]:
    """What the log tells of the time of each step, and why it was skipped."""
    seconds, notes = {}, {}
    for message in messages:
        if match := _DONE.match(message.text):
            seconds[match[1]] = match[2]
        elif match := _WITH_OTHERS.match(message.text):
            seconds[match[1]] = "with others"
        elif match := _SKIPPED.match(message.text):
            notes[match[1]] = match[2]
    return seconds, notes


def _changed(run: Mapping[str, Any]) -> Iterator[tuple[str, str, str, str]]:
    """The parameters of a run, and of its steps, that are not at their defaults.

    Of classes that are not of this package nothing is known: they are not imported for this.
    """
    from ..stpipe.registry import classes

    known = {f"{step.__module__}.{step.__qualname__}": step for step in classes().values()}
    for part in (run, *sequence(run.get("steps"))):
        step_class = known.get(text_of(mapping(part).get("class")))
        if step_class is None:
            continue
        for name, value in mapping(part.get("parameters")).items():
            parameter = step_class.parameters.get(name)
            if parameter is None or parameter.role.value in _OF_NO_ACCOUNT:
                continue
            if value != parameter.default:
                yield text_of(part.get("name")), name, str(value), str(parameter.default)
