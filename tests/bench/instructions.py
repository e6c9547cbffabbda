"""Instructions of each kernel and of the one pass, per pixel, on the AVX2 path.

Run by ``make bench``. Callgrind counts them, so that what else the machine is doing does not
matter; valgrind knows no AVX-512, so that the AVX2 path is taken. 512 x 512 pixels, 8 resultants,
1 % of the pixels irregular. ``make bench-history`` keeps some of them by commit.
"""

from __future__ import annotations

import shutil
import sys

from history import KERNELS, BenchError, benchmark, instructions

SIZE = 512
#: Of the flight recipe, on resultants of 8 reads.
OF_FLIGHT = (
    *("partial saturation", "partial saturation of romancal", "refpix", "dark decay"),
    *("wfi18 transient", "read linearity"),
)


def main() -> None:
    if shutil.which("valgrind") is None:
        sys.exit("no instructions counted: there is no valgrind (Debian: apt-get install valgrind)")
    try:
        program = benchmark()
        print(f"{'kernel':<31}{'instructions per pixel':>24}")
        for kernel in (*KERNELS, *OF_FLIGHT):
            print(f"{kernel:<31}{instructions(program, kernel, SIZE):>24.1f}", flush=True)
    except BenchError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
