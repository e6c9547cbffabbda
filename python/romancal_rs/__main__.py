"""``romancal-rs``, and ``python -m romancal_rs``, from their first moment.

Nothing is imported before Ctrl-C is looked after: it may come at once.
"""

from __future__ import annotations

import sys


def script() -> None:
    """The command, as a separate process."""
    try:
        from .cli import script as command
    except KeyboardInterrupt:
        sys.stderr.write("romancal-rs: interrupted\n")
        sys.exit(130)
    command()


if __name__ == "__main__":
    script()
