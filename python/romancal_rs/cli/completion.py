"""Print what makes the shell complete romancal-rs commands, aliases and parameters.

For bash: eval "$(romancal-rs completion bash)", the same for zsh; for fish: romancal-rs completion
fish | source. Put the line into the shell's start-up file to keep it. It needs
argcomplete, which comes with pip install "romancal-rs[completion]".
"""

from __future__ import annotations

import argparse
from importlib.util import find_spec

from ..errors import RomancalError

SHELLS = ("bash", "zsh", "fish", "powershell")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("shell", choices=SHELLS, help="the shell to print it for")


def can_complete() -> bool:
    """Whether argcomplete is there, which comes with the extra ``completion``."""
    return find_spec("argcomplete") is not None


def run(options: argparse.Namespace) -> int:
    if not can_complete():
        raise RomancalError(
            "completion needs argcomplete, which is not installed: "
            'pip install "romancal-rs[completion]"'
        )
    from argcomplete.shell_integration import shellcode

    print(shellcode(["romancal-rs"], shell=options.shell))
    return 0
