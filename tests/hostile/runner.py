"""Runs command lines, each in a child that is forked from a process that has imported everything.

As a script it reads cases from its standard input, one JSON object a line, and answers each with
what became of it. A child has a time limit, and its peak memory is measured; what it prints goes
to files of the case's directory.
"""

from __future__ import annotations

import json
import os
import re
import resource
import select
import signal
import sys
import traceback
from pathlib import Path

SECONDS = 10  # of work; a busy machine does not count
SECONDS_TO_WAIT = 600  # only so that a hang ends: a busy machine counts
#: More than any case may take: it only protects the machine.
ADDRESS_SPACE = 3 << 30
CRASH = 70


def main() -> None:
    warm_up(*sys.argv[1:3])
    for line in sys.stdin:
        print(json.dumps(run(json.loads(line))), flush=True)


def warm_up(exposure: str, references: str) -> None:
    """Does once what each process does once: a whole run, which keeps nothing, and imports."""
    from romancal_rs.cli import main as command_line
    from romancal_rs.datamodels import load_objects

    load_objects()
    words = ["run", "roman_elp", exposure, f"--references={references}", "--save_results=false"]
    with open(os.devnull, "w") as null:
        kept = os.dup(1)
        os.dup2(null.fileno(), 1)
        status = command_line(words)
        sys.stdout.flush()
        os.dup2(kept, 1)
    assert status == 0


def run(case: dict) -> dict:
    """What became of one case: exit status (negative for a signal), seconds, peak memory."""
    directory = Path(case["directory"])
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        _run_child(case, directory, writing)
    os.close(writing)
    # The pipe closes when the child ends, however it does.
    ready, _, _ = select.select([reading], [], [], SECONDS_TO_WAIT)
    told = os.read(reading, 100) if ready else b""
    os.close(reading)
    if not ready:
        os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    code = os.waitstatus_to_exitcode(status)
    in_time = bool(ready) and code != -signal.SIGXCPU
    return {"status": code, "in_time": in_time, "peak": int(told or 0)}


def _run_child(case: dict, directory: Path, writing: int) -> None:
    status = CRASH
    try:
        os.environ.update(case["env"])
        os.chdir(directory)
        for descriptor, name in ((1, "stdout"), (2, "stderr")):
            os.dup2(os.open(f"{directory}/{name}", os.O_CREAT | os.O_WRONLY, 0o666), descriptor)
        # Standard input that never answers: what reads it hangs.
        os.dup2(os.pipe()[0], 0)
        size = int(re.search(r"VmSize:\s+(\d+)", Path("/proc/self/status").read_text())[1])
        resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
        resource.setrlimit(resource.RLIMIT_AS, (size * 1024 + ADDRESS_SPACE,) * 2)
        Path("/proc/self/clear_refs").write_text("5")  # the peak so far
        from romancal_rs.cli import main as command_line

        status = command_line(case["words"])
    except SystemExit as stop:
        status = stop.code if isinstance(stop.code, int) else CRASH
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        peak = re.search(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text())[1]
        os.write(writing, peak.encode())
        os._exit(status)


if __name__ == "__main__":
    main()
