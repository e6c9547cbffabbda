"""Print what makes the shell complete romancal-rs commands, aliases and parameters.

For bash: eval "$(romancal-rs completion bash)", the same for zsh; for fish: romancal-rs completion
fish | source. Put the line into the shell's start-up file to keep it.
"""

from __future__ import annotations

import argparse

SHELLS = ("bash", "zsh", "fish", "powershell")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("shell", choices=SHELLS, help="the shell to print it for")


def run(options: argparse.Namespace) -> int:
    from argcomplete.shell_integration import shellcode

    print(shellcode(["romancal-rs"], shell=options.shell))
    return 0
