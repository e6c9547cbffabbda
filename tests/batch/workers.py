"""What processes do that tests start: these functions are found by the name of this module.

That of a test module is known to pytest alone.
"""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

from romancal_rs.batch.remote import Scratch
from romancal_rs.batch.worker import Chunk, ChunkResult, Job


def tell_surroundings(job: Job, chunk: Chunk) -> ChunkResult:
    """In place of calibrating."""
    (task,) = chunk.tasks
    text = f"{os.environ.get('NEW_HERE', '')} {os.environ.get('OLD_HERE', '')} {os.getcwd()}"
    return ChunkResult([task.exposure.outcome("done", text)])


def sleep(job: Job, chunk: Chunk) -> ChunkResult:
    time.sleep(1)
    return tell_surroundings(job, chunk)


def end(job: Job, chunk: Chunk) -> ChunkResult:
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError


def fetch_in_process(url: str, directory: Path, start, ends) -> None:
    scratch = Scratch(directory)
    start.wait()
    ends.put(scratch.fetch(url).read_bytes() == bytes(5_000_000))


def hold_in_process(url: str, directory: Path, held) -> None:
    scratch = Scratch(directory)
    scratch.fetch(url)
    held.set()
    signal.pause()


def own_in_process(directory: Path, made) -> None:
    scratch = Scratch(directory)
    (scratch.own_directory() / "product.asdf").write_bytes(bytes(10))
    made.set()
    signal.pause()
