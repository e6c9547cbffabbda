"""Damaged and hostile files, each made from a small sound one: what `test_corpus.py` tries.

`cases()` lists them: a name, a kind, a function that writes the files into a directory of the
case's own and returns the words of the command line, and how that may end. As a script it writes
them all, to be looked at::

    python tests/hostile/corpus.py DIRECTORY
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from hostile.cases import Case, Place, Sound
from hostile.damaged_arrays import arrays, numbers
from hostile.damaged_bytes import compressed, flipped, lying_blocks, truncated
from hostile.damaged_heads import metadata, texts
from hostile.damaged_rules import parameters, rules
from hostile.other_files import commands, files

KINDS = (truncated, flipped, lying_blocks, compressed, arrays, numbers, texts, metadata, files)
KINDS += (parameters, rules, commands)


def cases() -> list[Case]:
    """All cases, in an order that stays."""
    return [case for kind in KINDS for case in kind()]


def directory_of(case: Case) -> str:
    return re.sub(r"[^\w.+-]+", "_", f"{case.kind}-{case.name}")[:100].strip("_")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python tests/hostile/corpus.py DIRECTORY")
    root = Path(sys.argv[1])
    root.mkdir(parents=True)
    sound = Sound.make(root / "sound")
    found = cases()
    for number, case in enumerate(found):
        directory = root / f"{number:04}-{directory_of(case)}"
        directory.mkdir()
        place = Place(directory, sound)
        words = case.write(place)
        env = "".join(f"{name}={value} " for name, value in place.env.items())
        (directory / "COMMAND").write_text(f"{env}romancal-rs {' '.join(words)}\n")
    print(f"{len(found)} cases in {root}")
