"""Renews the lists of what these pages name of other projects, from their own inventories.

The lists are in Sphinx's first, plain format: on each line a name, its kind and its page. To name
something new, add its name on a line of its own and run this:

    python docs/inventories/renew.py                      # from the sites of the projects
    python docs/inventories/renew.py numpy=objects.inv    # from files
"""

from __future__ import annotations

import sys
import urllib.request
from pathlib import Path

from sphinx.util.inventory import InventoryFile

HERE = Path(__file__).parent
HEAD = "# Sphinx inventory version 1\n# Project: {}\n# Version: {}\n"
SITES = {
    "asdf": "https://asdf.readthedocs.io/en/stable/",
    "astropy": "https://docs.astropy.org/en/stable/",
    "gwcs": "https://gwcs.readthedocs.io/en/stable/",
    "numpy": "https://numpy.org/doc/stable/",
    "python": "https://docs.python.org/3/",
}


def renewed(listed: str, inventory: bytes) -> str:
    """A list of names, with the kinds and pages that the project's own inventory has for them.

    Raises
    ------
    KeyError
        If it has no object of Python of such a name.
    """
    found = InventoryFile.loads(inventory, uri="").data
    names = sorted({line.split()[0] for line in listed.splitlines() if line[:1] not in ("#", "")})
    lines, about = [], None
    for name in names:
        kind = next((k for k in found if k.startswith("py:") and name in found[k]), None)
        if kind is None:
            raise KeyError(name)
        about = found[kind][name]
        kind = kind.removeprefix("py:").replace("module", "mod")  # as this format has it
        lines.append(f"{name} {kind} {about.uri.partition('#')[0]}\n")
    version = about.project_version if about else ""
    project = about.project_name if about else ""
    return HEAD.format(project, version or "-") + "".join(lines)


def main(words: list[str]) -> None:
    files = dict(word.split("=", 1) for word in words)
    for project in files or SITES:
        if project in files:
            inventory = Path(files[project]).read_bytes()
        else:
            with urllib.request.urlopen(f"{SITES[project]}objects.inv") as answer:
                inventory = answer.read()
        path = HERE / f"{project}.txt"
        path.write_text(renewed(path.read_text("utf-8"), inventory), "utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
