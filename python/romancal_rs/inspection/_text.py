"""The description of a file as text, as ``romancal-rs info`` prints it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ._description import ArrayDescription, FileDescription, Plain
    from ._statistics import ArrayStatistics

_MOST_PARAMETERS = 40
_MOST_COLUMNS = 12
_MOST_RESULTANTS = 8


def lines_of(about: FileDescription) -> list[str]:
    """The lines that tell what a file holds."""
    return [
        f"  {_title(about)}",
        *_fields(about),
        *_section("steps", {k: v for k, v in about.steps.items() if v != "INCOMPLETE"}),
        *_section("references", about.references),
        *_section("parameters", _texts(about.parameters, _MOST_PARAMETERS)),
        *_section("members", {name: f"({kind})" for name, kind in about.members}),
        *_section("values", _texts(about.content, _MOST_PARAMETERS)),
        *_arrays(about),
        *_tables(about),
        *_section("objects", about.objects),
        *_flags(about.arrays),
    ]


def _title(about: FileDescription) -> str:
    series = f"{about.kind.rpartition('/')[2]}-{about.version}" if about.version else about.kind
    if about.read_as is not None:
        series += f" of {about.era}, read as {about.read_as.rpartition('/')[2]}"
    if about.model is not None:
        return f"{about.model}, {series}"
    if about.format == "asdf":
        kinds = {"asdf": "an ASDF file without Roman data", "parameters": "a parameter file"}
        return kinds.get(about.kind, f"{series}, a kind or series without a model here")
    return f"{series}, {about.format}"


def _fields(about: FileDescription) -> Iterator[str]:
    exposure, pointing, target = about.exposure, about.pointing, about.target
    program, software = about.program, about.software
    numbers = ("program", "execution_plan", "pass", "segment", "observation", "visit", "exposure")
    observation = ", ".join(
        f"{name.removeprefix('execution_')} {program[name]}" for name in numbers if name in program
    )
    ma_table = [exposure[key] for key in ("ma_table_name", "ma_table_number") if key in exposure]
    told: dict[str, Plain] = {
        "reference type": about.reference.get("type"),
        "use after": about.reference.get("use_after"),
        "exposure types": about.reference.get("exposure_types"),
        "pedigree": about.reference.get("pedigree"),
        "description": about.reference.get("description"),
        "program title": program.get("title"),
        "observation": observation,
        "detector": about.instrument.get("detector"),
        "optical element": about.instrument.get("optical_element"),
        "exposure type": exposure.get("type"),
        "start": exposure.get("start_time"),
        "middle": exposure.get("mid_time"),
        "end": exposure.get("end_time"),
        "exposure [s]": _rounded(exposure.get("exposure_time"), 6),
        "effective [s]": _rounded(exposure.get("effective_exposure_time"), 6),
        "frame time [s]": _rounded(exposure.get("frame_time"), 6),
        "MA table": ", ".join(map(str, ma_table)),
        "reads": reads(exposure.get("read_pattern")),
        "sky cell": pointing.get("skycell"),
        "RA, Dec [deg]": _pair(pointing),
        "PA [deg]": _rounded(pointing.get("position_angle"), 6),
        "footprint": pointing.get("footprint"),
        "target": target.get("name"),
        "target [deg]": _pair(target),
        "aperture": target.get("aperture"),
        "MJy/sr per DN/s": _rounded(about.photometry.get("conversion_megajanskys"), 6),
        "recipe": about.recipe,
        "software": " ".join(str(software[k]) for k in ("name", "version") if k in software),
        "written": software.get("file_date"),
    }
    for title, value in told.items():
        if value not in (None, ""):
            yield f"  {title:<16}{' ' if len(title) > 15 else ''}{_one_line(value)}"
    how = " and ".join(about.compression).replace("none", "not compressed")
    arrays = f", arrays of {_bytes(about.data_size)}, {how}" if about.data_size else ""
    yield f"  {'size':<16}{_bytes(about.size)}{arrays}"


def reads(pattern: Plain) -> str:
    """A read pattern in few words: the reads of each resultant, or how many there are in all.

    >>> reads([[1], [2, 3, 4], [7]])
    '3 resultants of reads 1, 2-4, 7'
    """
    if not isinstance(pattern, Sequence) or isinstance(pattern, str) or not pattern:
        return ""
    resultants = [list(reads) for reads in pattern if isinstance(reads, Sequence)]
    in_all = [read for resultant in resultants for read in resultant]
    counts = {len(resultant) for resultant in resultants}
    number = f"{len(resultants)} resultant{'s' if len(resultants) > 1 else ''}"
    if len(counts) == 1 and len(resultants) > 1 and in_all == list(range(1, len(in_all) + 1)):
        n = counts.pop()
        return f"{number} of {n} read{'s' if n > 1 else ''} each, 1-{len(in_all)}"
    texts = list(map(_ranges, resultants))
    if len(texts) > _MOST_RESULTANTS:
        texts[_MOST_RESULTANTS - 2 : -2] = ["..."]
    return f"{number} of reads {', '.join(texts)}"


def _ranges(numbers: Sequence[Plain]) -> str:
    """Whole numbers, those in a row by the first and the last."""
    runs: list[list[int]] = []
    for number in numbers:
        if not isinstance(number, int):
            return "?"
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    return "+".join(f"{run[0]}-{run[-1]}" if len(run) > 1 else str(run[0]) for run in runs)


def _rounded(number: Plain, digits: int) -> Plain:
    return round(number, digits) if isinstance(number, float) else number


def _pair(place: Mapping[str, Plain]) -> str:
    ra, dec = place.get("ra"), place.get("dec")
    if not isinstance(ra, int | float) or not isinstance(dec, int | float):
        return ""
    return f"{ra:.6f}, {dec:+.6f}"


def _bytes(size: int) -> str:
    return f"{size / 1e6:.1f} MB" if size >= 1e6 else f"{size / 1e3:.1f} kB"


def _one_line(value: Plain) -> str:
    from ..errors import one_line

    return one_line(value)


def _section(title: str, entries: Mapping[str, str]) -> list[str]:
    if not entries:
        return []
    width = max(18, *(len(key) + 2 for key in entries))
    return [f"  {title}", *(f"    {key:<{width}}{_one_line(v)}" for key, v in entries.items())]


def _texts(values: Mapping[str, Plain], most: int) -> dict[str, str]:
    shown = {key: str(value) for key, value in list(values.items())[:most]}
    if more := len(values) - len(shown):
        shown["..."] = f"{more} more (--json shows all that is kept, --tree the file)"
    return shown


def _arrays(about: FileDescription) -> list[str]:
    if not about.arrays:
        return []
    rows: list[tuple[str, ...]] = []
    for array in about.arrays:
        size = " x ".join(map(str, array.shape)) + (f" {array.unit}" if array.unit else "")
        rows.append((array.name, array.dtype, size, *_numbers(array.statistics)))
        for i, plane in enumerate(array.planes):
            rows.append((f"  {array.name}[{i}]", "", "", *_numbers(plane)))
    is_read = any(array.statistics for array in about.arrays)
    title = "  arrays"
    if is_read:
        rows.insert(0, ("", "", "", "min", "median", "max", "NaN"))
    rows = [(*row, *[""] * (len(rows[0]) - len(row))) for row in rows]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for row in rows:
        left = [f"{row[0]:<{widths[0]}}", f"{row[1]:<{max(8, widths[1])}}"]
        left += [f"{row[2]:<{widths[2]}}"] if is_read else [row[2]]
        right = [f"{cell:>{width}}" for cell, width in zip(row[3:], widths[3:], strict=True)]
        lines.append(
            f"    {left[0]}  {' '.join([left[1], *left[2:]])}  {'  '.join(right)}".rstrip()
        )
    excluded = next(
        (a.statistics.n_excluded for a in about.arrays if a.statistics and a.statistics.n_excluded),
        0,
    )
    if excluded:
        title += f" (DO_NOT_USE left out of images: {_count(excluded, 'pixel')})"
    return [title, *lines]


def _numbers(statistics: ArrayStatistics | None) -> tuple[str, ...]:
    if statistics is None:
        return ()
    values = (statistics.minimum, statistics.median, statistics.maximum)
    return *("-" if v is None else f"{v:.6g}" for v in values), str(statistics.n_nan)


def _tables(about: FileDescription) -> Iterator[str]:
    for table in about.tables:
        names = [column.name for column in table.columns]
        if more := len(names) - _MOST_COLUMNS:
            names = names[:_MOST_COLUMNS] + ([f"... ({more} more)"] if more > 0 else [])
        yield "  table" + (f" {table.name}" if table.name else "")
        yield (
            f"    {_count(table.n_rows, 'row')}, {_count(len(table.columns), 'column')}: "
            + ", ".join(names)
        )


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def _flags(arrays: Sequence[ArrayDescription]) -> Iterator[str]:
    for array in arrays:
        if array.flags:
            yield from _section(
                f"flags of {array.name}", {name: str(n) for name, n in array.flags.items()}
            )
