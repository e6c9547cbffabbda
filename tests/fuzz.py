"""Laws of the kernels and of the files on ever more cases, round by round, until one breaks.

Run by ``make fuzz``. Each round has another seed, which is printed and written to the log; what
breaks is printed with the smallest case that was found. A round tries the laws of
``rust/tests/laws.rs`` on a million cases, and ten times as many examples as the ordinary tests of
what is in ``tests/property``.
"""

from __future__ import annotations

import argparse
import datetime
import os
import subprocess
import sys
from pathlib import Path

LAWS = 6
LOG = Path("build/fuzz.log")


def note(text: str) -> None:
    line = f"{datetime.datetime.now():%Y-%m-%d %H:%M:%S} {text}"
    print(line, flush=True)
    with LOG.open("a") as log:
        print(line, file=log)


def broken(what: str, command: list[str], **variables: str) -> bool:
    """Runs a command; whether it failed."""
    note(f"{what} begins")
    status = subprocess.run(command, env=os.environ | variables).returncode
    note(f"{what} {'BROKE' if status else 'holds'}")
    return status != 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, help="so many and no more")
    parser.add_argument("--seed", type=int, help="of the first round (default: the time)")
    parser.add_argument("--cases", type=int, default=1_000_000, help="of the kernels, in a round")
    parser.add_argument("--factor", type=int, default=10, help="times the examples of the tests")
    arguments = parser.parse_args()
    LOG.parent.mkdir(exist_ok=True)
    seed = arguments.seed
    if seed is None:
        seed = int(datetime.datetime.now().timestamp())
    done = 0
    while arguments.rounds is None or done < arguments.rounds:
        begin = f"round {done + 1}, seed {seed}:"
        if arguments.cases and broken(
            f"{begin} {arguments.cases} cases of the kernels",
            ["cargo", "test", "--release", "--locked", "--quiet", "--test", "laws"],
            PROPTEST_CASES=str(-(-arguments.cases // LAWS)),
            PROPTEST_RNG_SEED=str(seed),
        ):
            return 1
        if arguments.factor and broken(
            f"{begin} {arguments.factor} times the examples of the tests",
            [sys.executable, "-m", "pytest", "-q", f"--hypothesis-seed={seed}", "tests/property"],
            FUZZ_FACTOR=str(arguments.factor),
        ):
            return 1
        seed, done = seed + 1, done + 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
