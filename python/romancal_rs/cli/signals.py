"""What asks the process to end: Ctrl-C, and the signals that schedulers and closed terminals send.

All end a command in the same way: an exception goes through what is at work, which leaves nothing
half-written on its way.
"""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType
from typing import Any

from .._exit_status import ExitStatus

#: What ends a command, besides Ctrl-C, and what it is called. Windows has no SIGHUP.
_ENDING = {
    getattr(signal, name): said
    for name, said in (("SIGTERM", "terminated"), ("SIGHUP", "terminated: the terminal is gone"))
    if hasattr(signal, name)
}


class Terminated(KeyboardInterrupt):
    """A signal asked the process to end: whoever handles Ctrl-C handles it as well.

    Attributes
    ----------
    number : int
        Of the signal.
    """

    def __init__(self, number: int) -> None:
        super().__init__(f"signal {number}")
        self.number = number


def terminate(number: int, frame: FrameType | None = None) -> None:
    """The handler of such a signal."""
    raise Terminated(number)


@contextlib.contextmanager
def ending_as_ctrl_c() -> Iterator[list[KeyboardInterrupt]]:
    """In the block, SIGTERM and SIGHUP raise a `Terminated`.

    One that is ignored stays so (nohup ignores SIGHUP), and one that somebody handles is his.
    Gives a list of what was raised, by Ctrl-C too: what is interrupted may fail with an error
    of its own, as compiled modules do while they are imported, and the parser of arguments.
    """
    raised: list[KeyboardInterrupt] = []
    if threading.current_thread() is not threading.main_thread():
        yield raised  # only the main thread hears of signals
        return

    def end(number: int, frame: FrameType | None) -> None:
        raised.append(KeyboardInterrupt() if number == signal.SIGINT else Terminated(number))
        raise raised[-1]

    usual: dict[int, Any] = {number: signal.SIG_DFL for number in _ENDING}
    usual[signal.SIGINT] = signal.default_int_handler
    ours = {number: of for number, of in usual.items() if signal.getsignal(number) is of}
    try:
        for number in ours:
            signal.signal(number, end)
        yield raised
    finally:
        for number, before in ours.items():
            signal.signal(number, before)


def how_it_ended(interrupt: BaseException) -> tuple[str, int]:
    """What to say of a command that was asked to end, and its exit status: as a shell has it."""
    if isinstance(interrupt, Terminated):
        return _ENDING.get(signal.Signals(interrupt.number), "terminated"), 128 + interrupt.number
    return "interrupted", ExitStatus.INTERRUPTED


def end_at_once_from_now_on() -> None:
    """Has any further signal end the process, without a word: there is nothing left to undo."""
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGINT, *_ENDING):
            if signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, signal.SIG_DFL)
