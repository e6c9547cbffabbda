"""What commands return to the shell: all that there is, for the code, the help and the pages."""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum
from types import MappingProxyType
from typing import Self


class ExitStatus(IntEnum):
    """The exit status of a command: a number that knows what it means."""

    meaning: str

    OK = 0, "all is well"
    ERROR = 1, "an error, which is told on standard error"
    WRONG_USAGE = 2, "wrong usage: an option, a parameter or a configuration file"
    NO_SCIENCE_DATA = 64, "the exposure holds no science data"
    CALL_AGAIN = 75, "what is left may go better the next time: call it again"
    HUNG_UP = 129, "ended by SIGHUP: the terminal was closed"
    INTERRUPTED = 130, "ended by Ctrl-C (SIGINT)"
    TERMINATED = 143, "ended by SIGTERM, which kill and schedulers send"

    def __new__(cls, number: int, meaning: str) -> Self:
        status = int.__new__(cls, number)
        status._value_ = number
        status.meaning = meaning
        return status


OK, ERROR, WRONG_USAGE = ExitStatus.OK, ExitStatus.ERROR, ExitStatus.WRONG_USAGE
CALL_AGAIN, TERMINATED = ExitStatus.CALL_AGAIN, ExitStatus.TERMINATED
_NO_SCIENCE_DATA = {ExitStatus.NO_SCIENCE_DATA: ExitStatus.NO_SCIENCE_DATA.meaning}
_UNREADABLE = {ERROR: "a file cannot be read"}

#: What a status means of a command that has a meaning of its own for it, by the command's name.
OF_COMMANDS: Mapping[str, Mapping[ExitStatus, str]] = MappingProxyType(
    {
        "calibrate": _NO_SCIENCE_DATA,
        "run": _NO_SCIENCE_DATA,
        "batch plan": {
            OK: "all exposures can be calibrated",
            ERROR: "one cannot",
        },
        "batch run": {
            OK: "all exposures are done, current, or hold no science data",
            ERROR: "some failed for good",
            CALL_AGAIN: "what is left may go better the next time (call it again), also after "
            "SIGTERM",
            TERMINATED: "ended by a second SIGTERM",
        },
        "batch status": {
            OK: "all exposures are done, current, or hold no science data",
            ERROR: "one failed for good",
            CALL_AGAIN: "the rest is left, in work, or may end otherwise when it is tried again",
            WRONG_USAGE: "no batch is there, or wrong usage",
        },
        "batch report": {
            OK: "the files are written",
            ERROR: "with --check: a product is not what its row says",
            WRONG_USAGE: "no batch is there, or wrong usage",
        },
        "info": _UNREADABLE,
        "validate": {
            OK: "there is no error; there may be notes",
            ERROR: "a file has an error, or cannot be read",
        },
        "diff": {
            OK: "the products are the same",
            ERROR: "they differ",
            WRONG_USAGE: "trouble: wrong usage, or a file that cannot be read",
        },
        "reproduce": {
            ERROR: "something stands in the way of the same result; the file is written all the "
            "same",
        },
        "references find": {ERROR: "there is no reference of a type"},
        "references list": _UNREADABLE,
        "references check": {ERROR: "there is a problem"},
    }
)


def of_command(command: str) -> dict[ExitStatus, str]:
    """What a command's statuses mean where it has meanings of its own, the lowest number first."""
    return dict(sorted(OF_COMMANDS.get(command, {}).items()))
