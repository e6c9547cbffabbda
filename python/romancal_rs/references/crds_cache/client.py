"""Asks the package ``crds`` for files, in a separate process, which `fetch` starts.

The client keeps its settings and answers for as long as it is loaded, takes a second to load, and
writes to the log; all of that ends with the process. As a script::

    python -P client.py '{"context": "roman_0017.pmap", "have": "DIR", "reference": null}'

It downloads into the cache that the environment names, writes that cache's ``server_config``, and
prints ``{"files": {NAME: PATH}}`` or ``{"error": REASON}``.
"""

from __future__ import annotations

import json
import os
import re
import socket
import sys
from pathlib import Path
from typing import Any

OBSERVATORY_VARIABLE = "CRDS_OBSERVATORY"
TIMEOUT_VARIABLE = "CRDS_CLIENT_TIMEOUT_SECONDS"

_NAME = re.compile(r"[A-Za-z0-9][\w.\-]*")
_RULES_NAME = re.compile(rf"{_NAME.pattern}\.[pir]map")
_LONGEST_REASON = 300  # a server in trouble may answer with a page


def fetch(context: str | None, have: str, reference: str | None) -> dict[str, str]:
    """Download a reference file, or the rule files of a context that are not there yet.

    Parameters
    ----------
    context : str or None
        None asks only what the server's default is.
    have : str
        The directory of the rule files that are there.
    reference : str or None
        None means the rule files.

    Returns
    -------
    dict of str to str
        Where each file is, by its name.
    """
    from crds.client import api
    from crds.core import heavy_client

    # The client limits how long it waits for an answer, but not for the content of a file.
    socket.setdefaulttimeout(float(os.environ[TIMEOUT_VARIABLE]))
    observatory = os.environ[OBSERVATORY_VARIABLE]
    server = api.get_server_info()
    if server.get("observatory") != observatory:
        raise ValueError(f"it serves {server.get('observatory')}, not {observatory}")
    heavy_client.cache_server_info(heavy_client.ConfigInfo(server), observatory)
    if context is None:
        return {}
    files: dict[str, str] = {}
    if reference is not None:
        files |= api.dump_references(context, baserefs=[_plain(reference, _NAME)])
        return files
    for name in api.get_mapping_names(context):
        if (Path(have) / _plain(name, _RULES_NAME)).is_file():
            continue
        try:
            files |= api.dump_mappings(context, mappings=[name])
        except Exception as error:
            raise ValueError(f"{name}: {reason(error)}") from None
    return files


def reason(error: BaseException) -> str:
    """What is at the bottom of an error, in one line."""
    while error.__cause__ is not None:
        error = error.__cause__
    text = " ".join(str(getattr(error, "reason", error)).split()) or type(error).__name__
    return text if len(text) <= _LONGEST_REASON else f"{text[:_LONGEST_REASON]}..."


def _plain(name: str, pattern: re.Pattern[str]) -> str:
    """A name that the client puts into the cache; to a path it would write as it is."""
    if not pattern.fullmatch(name):
        raise ValueError(f"{name!r} is not a plain file name, or not one of its kind")
    return name


def main() -> None:
    answers, sys.stdout = sys.stdout, sys.stderr  # whatever the client prints
    answer: dict[str, Any]
    try:
        answer = {"files": fetch(**json.loads(sys.argv[1]))}
    except Exception as error:
        answer = {"error": reason(error)}
    print(json.dumps(answer), file=answers)


if __name__ == "__main__":
    main()
