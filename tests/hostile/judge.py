"""Runs the cases of the corpus, and judges how they end."""

from __future__ import annotations

import collections
import contextlib
import itertools
import json
import os
import queue
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from hostile.cases import SAME, Case, Place, Sound
from hostile.corpus import directory_of
from hostile.runner import SECONDS_TO_WAIT

_OUTCOMES = {1: "error", 2: "usage", 64: "no data"}
#: A warning of a run, in its log.
_WARNING = re.compile(r"\d{4}-\d\d-\d\d [\d:,]+ - stpipe[\w.]* - WARNING - ")
#: How much more memory than the sound exposure a case may take.
MOST_MEMORY = 1.5


@dataclass
class Outcome:
    """How a case ended.

    Attributes
    ----------
    case : Case
    outcome : str
        ``error``, ``usage``, ``no data``, ``result`` (a valid product), ``same`` (that of the sound
        exposure), or what must not be: ``traceback``, ``crash``, ``hang``.
    message : str
        What it said.
    peak : float
        Peak memory, as a multiple of that of a run on the sound exposure.
    problem : str
        What is wrong with it; empty for nothing.
    """

    case: Case
    outcome: str
    message: str
    peak: float
    problem: str

    def __str__(self) -> str:
        what = f"{self.case.kind} | {self.case.name} | {self.outcome}, {self.peak:.2f}"
        return f"{what} | {self.problem} | {self.message[:500]}"


class Server:
    """A process that runs cases one by one."""

    def __init__(self, sound: Sound) -> None:
        runner = Path(__file__).with_name("runner.py")
        self._process = subprocess.Popen(
            [sys.executable, str(runner), str(sound.exposure), str(sound.references)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=_environment(),
        )

    def run(self, directory: Path, words: list[str], env: dict[str, str]) -> dict:
        case = {"directory": str(directory), "words": words, "env": env}
        self._process.stdin.write(json.dumps(case) + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())

    def close(self) -> None:
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()


class FreshProcess:
    """Runs each case in a separate process, as a user does."""

    def run(self, directory: Path, words: list[str], env: dict[str, str]) -> dict:
        command = [sys.executable, "-m", "romancal_rs", *words]
        with (directory / "stdout").open("w") as out, (directory / "stderr").open("w") as err:
            run = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                cwd=directory,
                env=_environment() | env,
            )
            try:
                status = run.wait(SECONDS_TO_WAIT)
            except subprocess.TimeoutExpired:
                run.kill()
                run.wait()
                return {"status": -9, "in_time": False, "peak": 0}
        return {"status": status, "in_time": True, "peak": 0}

    def close(self) -> None:
        pass


def _environment() -> dict[str, str]:
    """What the machine has of references is not for the cases to find."""
    own = ("CRDS_", "ROMANCAL_RS_REFERENCES")
    return {key: value for key, value in os.environ.items() if not key.startswith(own)}


class Bench:
    """The sound files, and what a run makes of them."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._numbers = itertools.count()
        self.sound = Sound.make(directory / "sound")
        case = Case("sound", "sound", lambda place: place.run(), SAME, "")
        self.expected: dict[str, bytes] = {}
        self.peak = 0
        server = Server(self.sound)
        place, _, told = self._run(case, server)
        server.close()
        if told["status"]:
            raise AssertionError((place.directory / "stderr").read_text())
        self.peak = told["peak"]
        (product,), _ = _products(place.directory / "out")
        self.expected = _arrays(product)

    def try_all(
        self, cases: Iterable[Case], servers: int = 2, *, fresh: bool = False
    ) -> list[Outcome]:
        """Runs cases on some servers at once."""
        waiting: queue.SimpleQueue[tuple[int, Case]] = queue.SimpleQueue()
        for item in enumerate(cases):
            waiting.put(item)
        outcomes: dict[int, Outcome] = {}

        def work() -> None:
            server = FreshProcess() if fresh else Server(self.sound)
            with contextlib.closing(server), contextlib.suppress(queue.Empty):
                while True:
                    number, case = waiting.get_nowait()
                    outcomes[number] = self.judge(case, server)

        with ThreadPoolExecutor(servers) as pool:
            for working in [pool.submit(work) for _ in range(servers)]:
                working.result()
        return [outcomes[number] for number in sorted(outcomes)]

    def _run(self, case: Case, server: Server | FreshProcess) -> tuple[Place, list[str], dict]:
        directory = self.directory / f"{next(self._numbers):04}-{directory_of(case)}"
        directory.mkdir()
        place = Place(directory, self.sound)
        words = case.write(place)
        return place, words, server.run(directory, words, place.env)

    def judge(self, case: Case, server: Server | FreshProcess) -> Outcome:
        place, words, told = self._run(case, server)
        error = (place.directory / "stderr").read_text(errors="replace")
        lines = error.splitlines()
        message = lines[-1] if lines else ""
        peak = told["peak"] / self.peak if self.peak else 0.0
        made, beside = _products(place.directory / "out")
        status = told["status"]
        outcome = _OUTCOMES.get(status, "crash")
        if not told["in_time"]:
            outcome = "hang"
        elif "Traceback (most recent call last)" in error:
            outcome, message = "traceback", error[-300:]
        elif status == 0:
            arrays = _arrays(made[0]) if [path.suffix for path in made] == [".asdf"] else {}
            for path in beside:
                _arrays(path)
            outcome = "same" if arrays == self.expected else "result"
        problem = ""
        if outcome not in case.expected:
            problem = f"{outcome} (status {status}), not {' or '.join(sorted(case.expected))}"
        elif status != 0 and (made or beside):
            problem = f"it left {[path.name for path in made + beside]}"
        elif status == 0 and len(made) != ("run" in words[:1]):
            problem = f"one product was expected, not {[path.name for path in made]}"
        elif status in (1, 64) and not _is_one_line(lines) and not _is_report(words, lines):
            problem = "not one line"
        elif status and not _names(case, place, status, error):
            problem = f"it does not name {case.names}"
        elif status == 0 and not all(map(_WARNING.match, lines)):
            problem = "it says something, and goes on"
        elif any(len(line) > 2000 for line in lines):
            problem = "a line that is too long"
        elif peak > MOST_MEMORY:
            problem = f"{peak:.2f} times the memory"
        shutil.rmtree(place.directory)
        return Outcome(case, outcome, message, peak, problem)


def _products(directory: Path) -> tuple[list[Path], list[Path]]:
    """The products of a run, and what is saved beside them."""
    files = sorted(directory.iterdir()) if directory.is_dir() else []
    beside = [path for path in files if path.name.endswith("_wcs.asdf")]
    return [path for path in files if path not in beside], beside


def _is_one_line(lines: list[str]) -> bool:
    """One line, after warnings of the run; or a list of references, with a line for each."""
    lines = [line for line in lines if not _WARNING.match(line)]
    is_list = lines[0].endswith(":") if lines else False
    return (
        bool(lines)
        and lines[0].startswith("romancal-rs: error: ")
        and all(is_list and line.startswith("  ") for line in lines[1:])
    )


def _is_report(words: list[str], lines: list[str]) -> bool:
    """Whether a command says on its standard output what it found, and nothing went wrong."""
    return words[0] == "references" and not lines


def _names(case: Case, place: Place, status: int, told: str) -> bool:
    """Whether a message names the file; that there are no science data is said of the exposure."""
    if status == 64 and case.names != "bad_uncal.asdf":
        return place.sound.exposure.name in told
    return case.names in told


def _arrays(path: Path) -> dict[str, bytes]:
    from romancal_rs import datamodels

    with datamodels.open(path) as model:
        model.validate()
        return {name: np.asarray(model[name]).tobytes() for name, _ in model.arrays()}


def table(outcomes: list[Outcome]) -> str:
    """How many cases of each kind came to what."""
    counts = collections.Counter((outcome.case.kind, outcome.outcome) for outcome in outcomes)
    kinds = list(dict.fromkeys(outcome.case.kind for outcome in outcomes))
    names = sorted({name for _, name in counts})
    rows = [["", *names, "all"]]
    for kind in [*kinds, None]:
        row = [
            sum(n for (k, o), n in counts.items() if kind in (None, k) and o == name)
            for name in names
        ]
        rows.append([kind or "all", *(str(number or "") for number in row), str(sum(row))])
    return "\n".join(
        "".join(f"{cell:<18}" if i == 0 else f"{cell:>10}" for i, cell in enumerate(row))
        for row in rows
    )
