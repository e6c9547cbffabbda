"""Parts of the page that tell how the exposure came to be: header, steps, messages."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any

from .._version import software_version
from ..datamodels import ImageModel, RampModel, ScienceRawModel
from ..stpipe.recipes import LEFT_OUT
from .gathered import Gathered
from .html import Html, details, element, facts, join, section, table, what_to_look_at
from .records import look, text_of
from .remarks import remarks

__all__ = ["footer", "header", "messages", "steps"]

_KINDS = {
    ImageModel: "rate image (Level 2)",
    RampModel: "ramp",
    ScienceRawModel: "raw exposure (Level 1)",
}
#: What the links to the parts of the page are called.
_PARTS = {
    "pictures": "Pictures",
    "sky": "Sky",
    "histograms": "Histograms",
    "flags": "Flags",
    "jumps": "Jumps",
    "border": "Reference pixels",
    "steps": "Steps",
    "messages": "Messages",
}


def header(of: Gathered, shown: Collection[str]) -> Html:
    """Name, facts and what stands out; `shown` are the parts that there are."""
    record = of.record
    times = look(of.meta, "exposure.exposure_time")
    number = text_of(look(of.meta, "exposure.ma_table_number"))
    table_name = text_of(look(of.meta, "exposure.ma_table_name"))
    table_name = f"{table_name} ({number})" if table_name and number else table_name or number
    frame = look(of.meta, "exposure.frame_time")
    resultants = f"{of.n_resultants} resultants" if of.n_resultants else ""
    if resultants and _is_number(frame):
        resultants += f", {frame:g} s a read"
    recipe = f"{record.recipe}: {record.reason}" if record.reason else record.recipe
    effective = look(of.meta, "exposure.effective_exposure_time")
    told = {
        "kind": _KINDS[type(of.model)]
        + (f", of {of.model.era}" if of.model.era != "today" else ""),
        "detector": text_of(look(of.meta, "instrument.detector")),
        "optical element": text_of(look(of.meta, "instrument.optical_element")),
        "exposure type": text_of(look(of.meta, "exposure.type")),
        "start": text_of(look(of.meta, "exposure.start_time")),
        "MA table": table_name,
        "read pattern": resultants,
        "exposure time": f"{times:.2f} s" if _is_number(times) else "",
        "effective exposure time": f"{effective:.2f} s" if _is_number(effective) else "",
        "pixels": " x ".join(map(str, of.model.shape)),
        "observation": text_of(look(of.meta, "observation.observation_id"))
        or text_of(look(of.meta, "observation.obs_id")),
        "target": text_of(look(of.meta, "target.catalog_name"))
        or text_of(look(of.meta, "target.proposer_name")),
        "recipe": recipe,
        "software": ", ".join(
            f"{name} {version}".strip() for name, version in record.software.items()
        ),
    }
    links = [element("a", name, href=f"#{key}") for key, name in _PARTS.items() if key in shown]
    return join(
        [
            element("h1", of.name),
            facts(told),
            what_to_look_at(list(remarks(of.findings, record)), "Nothing stands out."),
            element("nav", *links, aria_label="parts of the page"),
        ]
    )


def steps(of: Gathered) -> Html | None:
    """The section with the steps."""
    record = of.record
    steps = [step for step in record.steps if step.status or step.seconds or step.references]
    if not steps:
        return None
    fit_finds_jumps = of.algorithm in ("gls", "likely")
    rows = []
    for step in steps:
        status = f"{step.status}: {step.note}" if step.note else step.status
        if step.name == "jump" and step.status == "INCOMPLETE" and fit_finds_jumps:
            status = "not needed: the fit finds jumps"
        elif step.status == "INCOMPLETE" and step.name in LEFT_OUT.get(record.recipe, ()):
            status = f"not in the recipe {record.recipe}"
        rows.append((step.name, status, step.seconds))
    # A pipeline's own time is what it does besides its steps.
    rows += [(name, "", seconds) for name, seconds in record.besides]
    parts: list[Html] = [table("Steps in their order", ("step", "status", "seconds"), rows, "llr")]
    for first, last, seconds in record.groups:
        parts.append(element("p", f"{first} to {last} in one pass: {seconds} s together."))
    columns = [element("div", *parts)]
    references = [
        (
            reference.reftype.upper(),
            step.name,
            element("span", reference.name, title=reference.path, class_="name"),
            element("span", reference.sha256[:12], title=reference.sha256 or None, class_="name"),
        )
        for step in steps
        for reference in step.references
    ]
    if references:
        heading = ("type", "step", "file", "sha256")
        columns.append(table("References", heading, references, "llll"))
    elif names := _names_of_references(of):
        columns.append(table("References", ("type", "file"), names, "ll"))
    parts = [element("div", *columns, class_="columns")]
    if record.changed:
        heading = ("of", "parameter", "value", "default")
        caption = "Parameters that are not at their defaults"
        parts.append(table(caption, heading, record.changed, "llll"))
    elif record.runs:
        parts.append(element("p", "All parameters that change a result are at their defaults."))
    return section("steps", "Steps and references", *parts)


def _names_of_references(of: Gathered) -> list[tuple[str, str]]:
    """Those of ``meta.ref_file``, for products of other software."""
    block = look(of.meta, "ref_file")
    if not hasattr(block, "items"):
        return []
    return [
        (str(reftype).upper(), name)
        for reftype, name in block.items()
        if isinstance(name, str) and name not in ("N/A", "?", "")
    ]


def messages(of: Gathered) -> Html | None:
    """The section with the log messages."""
    messages = of.record.messages
    if not messages:
        return None
    warnings = [
        element("p", f"{message.level} {message.step}: {message.text}", class_="warning")
        for message in of.record.warnings
    ]
    lines = []
    for message in messages:
        line = " ".join(
            part
            for part in (message.time[11:19], message.level, message.step, message.text)
            if part
        )
        lines += [element("mark", line) if message.is_warning else line, "\n"]
    n = len(messages)
    folded = details(f"All {n} messages" if n > 1 else "The one message", element("pre", *lines))
    return section("messages", "Messages", *warnings, folded)


def footer(of: Gathered) -> Html:
    """The last lines of the page."""
    source = of.model.source
    told = f"Written by romancal-rs {software_version()}"
    return element("footer", f"{told} from {Path(source).absolute()}." if source else f"{told}.")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
