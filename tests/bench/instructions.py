"""Instructions of each kernel and of the one pass, per pixel, on the AVX2 path.

Run by ``make bench``. Callgrind counts them, so that what else the machine is doing does not
matter; valgrind knows no AVX-512, so that the AVX2 path is taken. 512 x 512 pixels, 8 resultants,
1 % of the pixels irregular; the difference of three runs and one is counted, which leaves out the
beginning.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

SIZE = 512
KERNELS = ("saturation", "linearity", "dark", "jump", "ramp fit", "chain")
#: Of the flight recipe, on resultants of 8 reads.
OF_FLIGHT = (
    *("partial saturation", "partial saturation of romancal", "refpix", "dark decay"),
    *("wfi18 transient", "read linearity"),
)


def benchmark() -> str:
    """The program that runs one kernel so many times, built if need be."""
    command = ["cargo", "bench", "--locked", "--bench", "chain", "--no-run"]
    built = subprocess.run(command, check=True, capture_output=True, text=True)
    (path,) = re.findall(r"\((target/release/deps/chain-\w+)\)", built.stderr)
    return path


def instructions(program: str, kernel: str, repeats: int) -> int:
    """Instructions of the whole process."""
    environment = os.environ | {
        "CHAIN_KERNEL": kernel,
        "CHAIN_REPEATS": str(repeats),
        "CHAIN_SIZE": str(SIZE),
    }
    command = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", program]
    run = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
    (count,) = re.findall(r"Collected : (\d+)", run.stderr)
    return int(count)


def main() -> None:
    if shutil.which("valgrind") is None:
        sys.exit("no instructions counted: there is no valgrind (Debian: apt-get install valgrind)")
    os.chdir(Path(__file__).parents[2])
    program = benchmark()
    print(f"{'kernel':<31}{'instructions per pixel':>24}")
    for kernel in (*KERNELS, *OF_FLIGHT):
        count = instructions(program, kernel, 3) - instructions(program, kernel, 1)
        print(f"{kernel:<31}{count / 2 / SIZE**2:>24.1f}", flush=True)


if __name__ == "__main__":
    main()
