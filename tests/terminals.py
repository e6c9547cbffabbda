"""Commands on terminals of their own, in children of a process that has imported everything.

A child begins in milliseconds, where a process of its own imports for most of a second.
``terminals.py SOCKET EXPOSURE REFERENCES`` is the process that they are children of: it takes
commands from the socket, each with a terminal, and answers with exit statuses.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import struct
import subprocess
import sys
from pathlib import Path


class Terminals:
    """Runs commands, each on a terminal of its own.

    Parameters
    ----------
    exposure, references : Path
        Of a run that is made once, before all commands.
    """

    def __init__(self, exposure: Path, references: Path) -> None:
        self._socket, theirs = socket.socketpair()
        words = [__file__, str(theirs.fileno()), str(exposure), str(references)]
        # Once all have imported what they need, there is nothing to warn of.
        self._process = subprocess.Popen(
            [sys.executable, "-W", "ignore", *words],
            pass_fds=[theirs.fileno()],
            env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        )
        theirs.close()

    def run(
        self, words: list[object], columns: int = 80, *, at_once: bool = False, **environment: str
    ) -> tuple[int, str]:
        """The exit status of a command, and all that it wrote.

        Parameters
        ----------
        words : list
            After ``romancal-rs``.
        columns : int
            Of the terminal.
        at_once : bool
            Whether bars do not wait for a second.
        **environment
            Variables, besides ours.
        """
        import fcntl
        import termios

        ours, theirs = os.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
        left_out = ("NO_COLOR", "COLUMNS", "LINES")
        own = {name: value for name, value in os.environ.items() if name not in left_out}
        case = {
            "words": [str(word) for word in words],
            "directory": os.getcwd(),
            "environment": {**own, "TERM": "xterm-256color", **environment},
            "at_once": at_once,
        }
        socket.send_fds(self._socket, [json.dumps(case).encode()], [theirs])
        os.close(theirs)
        written = b""
        with contextlib.suppress(OSError):  # the end of what nobody writes to any more
            while piece := os.read(ours, 1 << 16):
                written += piece
        os.close(ours)
        return int(self._socket.recv(100)), written.decode()

    def close(self) -> None:
        self._socket.close()
        self._process.wait()


def serve(connection: socket.socket) -> None:
    """Takes commands until there are no more; in a child it ends with the command."""
    while True:
        text, descriptors, _, _ = socket.recv_fds(connection, 1 << 20, 1)
        if not text:
            return
        (terminal,) = descriptors
        child = os.fork()
        if child == 0:
            connection.close()
            sys.exit(command(json.loads(text), terminal))
        os.close(terminal)
        _, status = os.waitpid(child, 0)
        connection.sendall(str(os.waitstatus_to_exitcode(status)).encode())


def command(case: dict, terminal: int) -> int:
    """Runs a command, with the terminal as its three streams."""
    from romancal_rs import cli

    os.environ.clear()
    os.environ.update(case["environment"])
    os.chdir(case["directory"])
    for descriptor in range(3):
        os.dup2(terminal, descriptor)
    os.close(terminal)
    sys.stdin = os.fdopen(0, closefd=False)
    sys.stdout = os.fdopen(1, "w", closefd=False)
    sys.stderr = os.fdopen(2, "w", errors="backslashreplace", closefd=False)
    if case["at_once"]:
        cli.terminal.SHOWN_AFTER = 0
    return cli.main(case["words"])


if __name__ == "__main__":
    from hostile.runner import warm_up

    warm_up(*sys.argv[2:])
    serve(socket.socket(fileno=int(sys.argv[1])))
