"""How processes of a batch are started: as copies of one that has imported what they need."""

from __future__ import annotations

import multiprocessing
import multiprocessing.spawn
import os
import signal
import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from multiprocessing.context import SpawnContext, SpawnProcess
from typing import Any

from ..errors import InputError

__all__ = ["adopt_surroundings", "is_orphan", "process_context", "surroundings"]

_lock = threading.Lock()
#: The process that this one is a copy of, where it is a worker.
_started_by: int | None = None


@contextmanager
def _without_main() -> Iterator[None]:
    """Has processes that this thread starts leave the user's script alone.

    They would import it, though nothing of it is needed: one without ``if __name__ == "__main__"``
    would begin the batch anew in each of them, and that of a standard input cannot be found.
    """
    with _lock:
        original = multiprocessing.spawn.get_preparation_data
        thread = threading.get_ident()

        def prepared(name: str) -> dict[str, Any]:
            data = original(name)
            if threading.get_ident() == thread:
                for key in ("init_main_from_name", "init_main_from_path"):
                    data.pop(key, None)
            return data

        multiprocessing.spawn.get_preparation_data = prepared
        try:
            yield
        finally:
            multiprocessing.spawn.get_preparation_data = original


@contextmanager
def _deaf_to_ctrl_c() -> Iterator[None]:
    """Has what this thread starts ignore what a terminal sends to all: it is for who starts it.

    That is Ctrl-C, and SIGHUP when it is closed: workers that end by themselves leave locks behind.
    """
    if threading.current_thread() is not threading.main_thread():
        yield  # which has no say in that
        return
    numbers = [getattr(signal, name) for name in ("SIGINT", "SIGHUP") if hasattr(signal, name)]
    before = [(number, signal.signal(number, signal.SIG_IGN)) for number in numbers]
    try:
        yield
    finally:
        for number, handler in before:
            signal.signal(number, handler)


@contextmanager
def _told_of_long_paths() -> Iterator[None]:
    """Says what to do where a socket in the directory of temporary files has too long a path."""
    try:
        yield
    except OSError as error:
        if "path too long" not in str(error):
            raise
        raise InputError(
            f"{tempfile.gettempdir()}: this path of the directory of temporary files is too long "
            "for a socket of worker processes; set TMPDIR to a shorter one"
        ) from None


class _SpawnProcess(SpawnProcess):
    @staticmethod
    def _Popen(process_obj: Any) -> Any:
        with _without_main():
            return SpawnProcess._Popen(process_obj)


class _SpawnContext(SpawnContext):
    Process = _SpawnProcess


if "forkserver" in multiprocessing.get_all_start_methods():
    from multiprocessing import forkserver
    from multiprocessing.context import ForkServerContext, ForkServerProcess

    class _ForkServerProcess(ForkServerProcess):
        @staticmethod
        def _Popen(process_obj: Any) -> Any:
            with _without_main():
                with _deaf_to_ctrl_c(), _told_of_long_paths():
                    forkserver.ensure_running()
                return ForkServerProcess._Popen(process_obj)

    class _ForkServerContext(ForkServerContext):
        Process = _ForkServerProcess


def process_context() -> Any:
    """How processes are started: none inherits what this one has open, or its threads.

    Where the system has it, a separate process imports what workers need, and they are copies of
    that: it takes a second or two each time otherwise.
    """
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return _SpawnContext()
    context = _ForkServerContext()
    context.set_forkserver_preload(["romancal_rs.batch.preloaded"])
    return context


def is_orphan() -> bool:
    """Whether whoever had this process started is gone, or what it is a copy of.

    Then nobody hears of what it does, and takes it for dead.
    """
    parent = multiprocessing.parent_process()
    if parent is not None and not parent.is_alive():
        return True
    return _started_by is not None and os.getppid() != _started_by


def surroundings() -> tuple[dict[str, str], str]:
    """The environment and the directory of this process, for `adopt_surroundings`."""
    return dict(os.environ), os.getcwd()


def adopt_surroundings(environment: Mapping[str, str], directory: str) -> None:
    """Takes on the environment and the directory of another process.

    What a process is a copy of may be older than they are. Called first of all, it also takes note
    of which process that is, for `is_orphan`.
    """
    global _started_by
    _started_by = os.getppid()
    for name in os.environ.keys() - environment.keys():
        del os.environ[name]
    os.environ.update(environment)
    os.chdir(directory)
