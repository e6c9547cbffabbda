"""Gets from a CRDS server what a cache lacks, through the observatory's own client.

The client is the package ``crds``, which ``pip install romancal-rs[crds]`` brings. It is asked for
files only, and only where ``CRDS_SERVER_URL`` names a server: choosing references needs neither.
"""

from __future__ import annotations

import importlib.util
import os

from .cache import CrdsCache

SERVER_VARIABLE = "CRDS_SERVER_URL"
ADVICE = (
    "copy it there from a machine that has it, or install the client (pip install "
    f"'romancal-rs[crds]') and set {SERVER_VARIABLE}, such as https://roman-crds.stsci.edu"
)


class Fetcher:
    """Fetches rule files and reference files into a cache.

    Parameters
    ----------
    cache : CrdsCache
    """

    def __init__(self, cache: CrdsCache) -> None:
        self.cache = cache

    @classmethod
    def if_wanted(cls, cache: CrdsCache) -> Fetcher | None:
        """A fetcher where the client is installed and a server is named, else None."""
        wanted = os.environ.get(SERVER_VARIABLE) and importlib.util.find_spec("crds")
        return cls(cache) if wanted else None

    def context(self, name: str | None) -> str:
        raise NotImplementedError

    def mappings(self, context: str) -> None:
        raise NotImplementedError

    def reference(self, context: str, name: str) -> None:
        raise NotImplementedError
