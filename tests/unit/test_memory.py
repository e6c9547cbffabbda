"""Memory that is kept for the next exposure is not cleared again."""

import subprocess
import sys

import pytest

FAULTS = """
import resource, sys
import numpy as np
from romancal_rs.stpipe import reuse_memory

if sys.argv[1] == "reuse" and not reuse_memory():
    print("no such C library")
    sys.exit()


def exposure():
    planes = [np.empty(1 << 24, np.float32) for _ in range(4)]
    for plane in planes:
        plane[:] = 1


exposure()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(3):
    exposure()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def faults(how: str) -> int:
    output = subprocess.run(
        [sys.executable, "-c", FAULTS, how], capture_output=True, check=True, text=True
    ).stdout.strip()
    if not output.isdigit():
        pytest.skip(output)
    return int(output)


def test_pages_of_arrays_that_are_gone_are_used_again():
    assert faults("reuse") <= 8
    # Twelve planes of 64 MiB, in pages of 2 MiB at most.
    assert faults("as ever") >= 12 * 32
