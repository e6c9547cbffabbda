"""The connections of this process, and the thread in which they are served.

All go through one event loop in a separate thread, so that any thread may call. It is not that of
fsspec, which a forked child of some versions takes for its own, and then waits for in vain.
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import os
import threading
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from ...errors import InputError

_Result = TypeVar("_Result")

#: Seconds that a server may leave a connection silent, if not 60.
TIMEOUT_VARIABLE = "ROMANCAL_RS_REMOTE_TIMEOUT"
_TIMEOUT_S = 60.0
# What is left to be undone when a transfer is interrupted gets this long, and closing at the end.
_CLEAN_UP_S = 5.0
_CLOSE_S = 1.0

_lock = threading.Lock()
# Both by process, as those of the parent are useless in a forked child.
_file_systems: dict[tuple[int, str], Any] = {}
_loops: dict[int, asyncio.AbstractEventLoop] = {}


def timeout_s() -> float:
    """How long a server may be silent [s].

    Raises
    ------
    InputError
        If the variable of the environment is no positive number.
    """
    text = os.environ.get(TIMEOUT_VARIABLE)
    if not text:
        return _TIMEOUT_S
    with contextlib.suppress(ValueError):
        if 0 < float(text) < float("inf"):
            return float(text)
    raise InputError(f"{TIMEOUT_VARIABLE} = {text}: expected a positive number of seconds")


def file_system(name: str, url: str, make: Callable[[asyncio.AbstractEventLoop], Any]) -> Any:
    """The file system of that name, made for the loop if this process has none.

    Raises
    ------
    InputError
        If a library is not installed.
    """
    key = os.getpid(), name
    with _lock:
        if key not in _file_systems:
            try:
                _file_systems[key] = make(_own_loop())
            except ImportError as error:
                raise InputError(
                    f"{url}: reading and writing there needs more packages: "
                    f'pip install "romancal-rs[s3]" ({error})'
                ) from error
        return _file_systems[key]


def _own_loop() -> asyncio.AbstractEventLoop:
    """The loop of this process, which runs."""
    if os.getpid() not in _loops:
        loop = _loops[os.getpid()] = asyncio.new_event_loop()
        threading.Thread(target=loop.run_forever, name="romancal-rs-remote", daemon=True).start()
        if len(_loops) == 1:
            atexit.register(close)
    return _loops[os.getpid()]


def run(loop: asyncio.AbstractEventLoop, work: Coroutine[Any, Any, _Result]) -> _Result:
    """Waits for the work, which the loop does. If the waiting is interrupted, so is the work."""
    task_ended, answered = threading.Event(), threading.Event()

    async def watched() -> _Result:
        try:
            return await work
        finally:
            task_ended.set()

    future = asyncio.run_coroutine_threadsafe(watched(), loop)
    future.add_done_callback(lambda _: answered.set())
    try:
        # A signal that another thread takes does not wake this one.
        while not answered.wait(1.0):
            pass
    except BaseException:
        if future.cancel():
            task_ended.wait(_CLEAN_UP_S)
        raise
    return future.result()


def close() -> None:
    """Closes the connections of this process; the next call opens new ones."""
    with _lock:
        own = [key for key in _file_systems if key[0] == os.getpid()]
        to_close = [_file_systems.pop(key) for key in own]
    for system in to_close:
        with contextlib.suppress(Exception):  # at the end of the process nothing is left to be told
            future = asyncio.run_coroutine_threadsafe(_close(system), system.loop)
            future.result(_CLOSE_S)


async def _close(system: Any) -> None:
    connection = await system.set_session()
    await connection.close()


def _renew_lock() -> None:
    global _lock
    _lock = threading.Lock()


if hasattr(os, "register_at_fork"):  # another thread of the parent may have held it
    os.register_at_fork(after_in_child=_renew_lock)
