"""Exposures, and reference files, that differ in their heads alone: many from a simulated one."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

#: How the head of a file ends, with what follows it.
END = b"\n...\n"
DETECTOR, ELEMENT, START = "WFI01", "F158", "2027-06-01T00:00:00"


def variant(path: Path, to: Path, changes: Mapping[str, str]) -> Path:
    """A copy with other text in its head, each piece of which is as long as what it replaces."""
    content = path.read_bytes()
    end = content.index(END)
    head = content[:end]
    for old, new in changes.items():
        assert old.encode() in head, f"{path.name} has no {old}"
        assert len(old) == len(new), "the arrays would move"
        head = head.replace(old.encode(), new.encode())
    to.parent.mkdir(parents=True, exist_ok=True)
    to.write_bytes(head + content[end:])
    return to


def exposure(
    of: Path,
    directory: Path,
    number: int = 1,
    *,
    changes: Mapping[str, str] | None = None,
    **to: str,
) -> Path:
    """An exposure like another one.

    Parameters
    ----------
    of : Path
        Of WFI01 with F158 at the start of June 2027.
    directory : Path
    number : int
        The exposure's, in its name.
    changes : dict of str to str
        What else is other in its head.
    **to : str
        ``detector``, ``element``, ``start``.
    """
    detector, element = to.get("detector", DETECTOR), to.get("element", ELEMENT)
    name = f"r0000101001001001001_{number:04d}_{detector.lower()}_{element.lower()}_uncal.asdf"
    replaced = {
        of.name: name,
        DETECTOR: detector,
        ELEMENT: element,
        START: to.get("start", START),
        **(changes or {}),
    }
    return variant(of, directory / name, replaced)


def references(of: Path, directory: Path, detector: str, element: str = ELEMENT) -> None:
    """References like those of a directory for another detector."""
    for path in sorted(of.glob("*.asdf")):
        changes = {DETECTOR: detector}
        if ELEMENT.encode() in path.read_bytes():
            changes[ELEMENT] = element
        variant(path, directory / f"{path.stem}_{detector.lower()}_{element.lower()}.asdf", changes)
