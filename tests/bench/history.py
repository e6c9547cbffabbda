"""Instructions and bytes per pixel of each kernel, by commit: what does not depend on the machine.

Run by ``make bench-history``, which measures the commit that is checked out, puts its rows into
``docs/explanation/history.csv``, in place of those it had, writes the tables of
``docs/explanation/benchmark-history.md`` anew, and says what costs more than in the commit before.
``python tests/bench/history.py --at COMMIT`` measures another commit, from a copy of its files.
"""

from __future__ import annotations

import argparse
import csv
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from dataclasses import astuple, dataclass, fields
from pathlib import Path

ROOT = Path(__file__).parents[2]
TABLE = ROOT / "docs" / "explanation" / "history.csv"
PAGE = ROOT / "docs" / "explanation" / "benchmark-history.md"
KERNELS = ("saturation", "linearity", "dark", "jump", "ramp fit", "chain")
#: A side of the image in pixels.
SIZE = 128
#: What may cost so much more than in the commit before, and nothing is said.
TOLERANCE = 0.03
NAMES = {
    "instructions": "instructions per pixel",
    "moved": "bytes per pixel, read and written",
    "peak": "bytes per pixel held at most",
}
_BEGIN, _END = "<!-- begin: tables -->\n", "<!-- end: tables -->\n"


class BenchError(Exception):
    """What cannot be measured here, in a line."""


@dataclass(frozen=True)
class Row:
    """What a kernel costs per pixel of 8 resultants.

    Attributes
    ----------
    commit : str
        The first ten digits of it; ``+`` after them for a tree with changes.
    date : str
        Of the commit.
    rustc : str
        Version of the compiler.
    kernel : str
    instructions : float
        That are executed.
    moved : float
        Bytes of the heap that are read or written.
    peak : float
        Bytes of the heap held at one time, those of the inputs and references as well.
    """

    commit: str
    date: str
    rustc: str
    kernel: str
    instructions: float
    moved: float
    peak: float


def read_rows(path: Path) -> list[Row]:
    """The rows of a table; none where there is no file.

    Raises
    ------
    BenchError
        If a line is no row.
    """
    if not path.exists():
        return []
    names = [field.name for field in fields(Row)]
    with path.open(newline="", encoding="utf-8") as file:
        reader = csv.reader(file)
        if (found := next(reader, [])) != names:
            raise BenchError(f"{path}: the columns are {found}, not {names}")
        rows = []
        for words in reader:
            try:
                texts, numbers = words[:4], [float(word) for word in words[4:]]
                rows.append(Row(*texts, *numbers))
            except (TypeError, ValueError) as error:
                raise BenchError(f"{path}, line {reader.line_num}: {error}") from None
    return rows


def write_rows(path: Path, rows: Iterable[Row]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow([field.name for field in fields(Row)])
        for row in rows:
            writer.writerow([*astuple(row)[:4], *(f"{number:.1f}" for number in astuple(row)[4:])])


def merged(rows: Iterable[Row], new: Iterable[Row]) -> list[Row]:
    """All rows by date; new ones replace those of their commit, and of a tree with changes."""
    new = list(new)
    commits = {row.commit.rstrip("+") for row in new}
    kept = [
        row
        for row in rows
        if row.commit.rstrip("+") not in commits and not row.commit.endswith("+")
    ]
    return sorted([*kept, *new], key=lambda row: row.date)  # of equal dates as they were


def by_commit(rows: Iterable[Row]) -> dict[str, dict[str, Row]]:
    """The rows of each commit, by kernel, in their order."""
    found: dict[str, dict[str, Row]] = {}
    for row in rows:
        found.setdefault(row.commit, {})[row.kernel] = row
    return found


def worse(rows: Iterable[Row], commit: str, tolerance: float = TOLERANCE) -> list[str]:
    """What costs more at a commit than at the one before it in the table, a line for each."""
    commits = by_commit(rows)
    place = list(commits).index(commit)
    if place == 0:
        return []
    before = list(commits.values())[place - 1]
    lines = []
    for kernel, row in commits[commit].items():
        old = before.get(kernel)
        for name, words in NAMES.items() if old else ():
            then, now = getattr(old, name), getattr(row, name)
            if now > then * (1 + tolerance):
                more = f"{100 * (now / then - 1):.1f} % more" if then else "all of it new"
                if row.rustc != old.rustc:
                    more += f", by another compiler than {old.rustc}"
                lines.append(f"{kernel}: {now:.1f} {words}, {then:.1f} at {old.commit}: {more}")
    return lines


def crept(rows: Iterable[Row], commit: str, tolerance: float = TOLERANCE) -> list[str]:
    """What costs more at a commit than at the cheapest one before it, a line for each.

    Small steps add up: none of them is told by `worse`.
    """
    rows = list(rows)
    earlier = rows[: [row.commit for row in rows].index(commit)]
    lines = []
    for row in rows:
        of_kernel = [old for old in earlier if old.kernel == row.kernel]
        if row.commit != commit or not of_kernel:
            continue
        for name, words in NAMES.items():
            best = min(of_kernel, key=lambda old: getattr(old, name))
            then, now = getattr(best, name), getattr(row, name)
            if now > then * (1 + tolerance):
                lines.append(f"{row.kernel}: {now:.1f} {words}, {then:.1f} at {best.commit}")
    return lines


def tables(rows: Iterable[Row]) -> str:
    """A table in Markdown for each quantity, a line for each commit."""
    commits = by_commit(rows)
    texts = []
    for name, words in NAMES.items():
        lines = [
            f"{words[0].upper()}{words[1:]}:\n",
            f"| commit | date | rustc | {' | '.join(KERNELS)} |",
            f"| --- | --- | --- |{' ---: |' * len(KERNELS)}",
        ]
        for commit, kernels in commits.items():
            one = next(iter(kernels.values()))
            cells = [
                f"{getattr(kernels[kernel], name):.1f}" if kernel in kernels else ""
                for kernel in KERNELS
            ]
            lines.append(f"| {commit} | {one.date[:10]} | {one.rustc} | {' | '.join(cells)} |")
        texts.append("\n".join(lines) + "\n")
    return "\n".join(texts)


def with_tables(page: str, rows: Iterable[Row]) -> str:
    """The text of the page, with the tables of these rows."""
    head, _, rest = page.partition(_BEGIN)
    _, _, tail = rest.partition(_END)
    return f"{head}{_BEGIN}\n{tables(rows)}\n{_END}{tail}"


# --- measuring


def counted(program: Path, kernel: str, repeats: int, *tool: str, size: int = SIZE) -> str:
    """What valgrind tells of the benchmark, which runs one kernel so many times."""
    environment = os.environ | {
        "CHAIN_KERNEL": kernel,
        "CHAIN_REPEATS": str(repeats),
        "CHAIN_SIZE": str(size),
    }
    run = subprocess.run(
        ["valgrind", *tool, str(program)], capture_output=True, text=True, env=environment
    )
    if run.returncode:
        raise BenchError(f"{kernel}: valgrind ended with {run.returncode}: {run.stderr[-500:]}")
    return run.stderr


def number_after(name: str, told: str) -> int:
    """The number that a tool of valgrind gives after a name."""
    found = re.search(rf"{re.escape(name)}\s*:\s+([\d,]+)", told)
    if not found:
        raise BenchError(f"valgrind does not tell {name!r}: {told[-500:]}")
    return int(found[1].replace(",", ""))


def instructions(program: Path, kernel: str, size: int = SIZE) -> float:
    """Per pixel: the difference of three runs and one, which leaves out the beginning."""
    tool = ("--tool=callgrind", "--callgrind-out-file=/dev/null")
    one, three = (
        number_after("Collected", counted(program, kernel, n, *tool, size=size)) for n in (1, 3)
    )
    return (three - one) / 2 / size**2


def measured(program: Path, kernel: str) -> tuple[float, float, float]:
    """Instructions, bytes moved, and bytes held at most, per pixel."""
    tool = ("--tool=dhat", "--dhat-out-file=/dev/null")
    one, three = (counted(program, kernel, n, *tool) for n in (1, 3))
    moved = [number_after("Reads", told) + number_after("Writes", told) for told in (one, three)]
    return (
        instructions(program, kernel),
        (moved[1] - moved[0]) / 2 / SIZE**2,
        number_after("At t-gmax", one) / SIZE**2,
    )


def output_of(*command: str, cwd: Path = ROOT) -> str:
    run = subprocess.run(command, capture_output=True, text=True, cwd=cwd)
    if run.returncode:
        raise BenchError(f"{' '.join(command)}: {run.stderr[-1500:].strip()}")
    return run.stdout.strip()


def benchmark(tree: Path = ROOT) -> Path:
    """The program of `rust/benches/chain.rs`, built as wheels are."""
    command = ["cargo", "bench", "--locked", "--bench", "chain", "--no-run"]
    environment = {"CARGO_TARGET_DIR": str(ROOT / "target")} | os.environ
    built = subprocess.run(command, capture_output=True, text=True, cwd=tree, env=environment)
    found = re.findall(r"\(([^()]*chain-\w+)\)", built.stderr)
    if built.returncode or not found:
        raise BenchError(f"{' '.join(command)}: {built.stderr[-1500:].strip()}")
    return (tree / found[-1]).resolve()


def rows_of(commit: str | None) -> list[Row]:
    """Measures a commit; None for what is checked out, with its changes."""
    name = output_of("git", "rev-parse", "--short=10", commit or "HEAD")
    date = output_of("git", "show", "--no-patch", "--format=%cI", name)
    changed = commit is None and output_of("git", "status", "--porcelain", "rust", "Cargo.lock")
    rustc = output_of("rustc", "--version").split()[1]
    tree = ROOT
    if commit is not None:
        tree = ROOT / "target" / "history"  # always there: what else is built stays
        shutil.rmtree(tree, ignore_errors=True)
        with tempfile.TemporaryDirectory() as directory:
            archive = Path(directory) / "tree.tar"
            output_of("git", "archive", f"--output={archive}", name)
            shutil.unpack_archive(archive, tree, filter="data")
    program = benchmark(tree)
    label = f"{name}+" if changed else name
    rows = []
    for kernel in KERNELS:
        row = Row(label, date, rustc, kernel, *measured(program, kernel))
        print(
            f"{kernel:<12}{row.instructions:>9.1f} instructions, {row.moved:>8.1f} bytes moved, "
            f"{row.peak:>8.1f} bytes held, per pixel",
            flush=True,
        )
        rows.append(row)
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--at", metavar="COMMIT", help="measure this one, not what is checked out")
    options = parser.parse_args()
    if shutil.which("valgrind") is None:
        sys.exit("nothing is counted: there is no valgrind (Debian: apt-get install valgrind)")
    try:
        new = rows_of(options.at)
        rows = merged(read_rows(TABLE), new)
    except BenchError as error:
        sys.exit(f"nothing is written: {error}")
    write_rows(TABLE, rows)
    PAGE.write_text(with_tables(PAGE.read_text(encoding="utf-8"), rows), encoding="utf-8")
    if since_the_best := crept(rows, new[0].commit):
        print("\n".join(["", "more than it once was:", *since_the_best]))
    lines = worse(rows, new[0].commit)
    if lines:
        sys.exit("\n".join(["", f"MORE THAN {100 * TOLERANCE:.0f} % WORSE:", *lines]))
    print(f"nothing costs more than {100 * TOLERANCE:.0f} % more than in the commit before")


if __name__ == "__main__":
    main()
