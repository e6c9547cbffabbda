"""Sphinx makes the site of these pages: `make docs`, which needs no network.

Notebooks are run, unless the environment variable DOCS_NOTEBOOKS is ``off``: then they are shown
without results. What they gave is kept in build/notebooks until they change.
"""

from __future__ import annotations

import os
import sys
import tomllib
from pathlib import Path

DOCS = Path(__file__).parent
sys.path.insert(0, str(DOCS / "_ext"))

from romancal_docs import public  # noqa: E402

from romancal_rs import __version__  # noqa: E402

project = "romancal-rs"
author = "The romancal-rs developers"
copyright = f"{author}, BSD-3-Clause"
version = release = __version__

extensions = [
    "myst_nb",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.intersphinx",
    "sphinx_copybutton",
    "sphinx_design",
    "romancal_docs",
]
exclude_patterns = ["_build", "_ext", "_templates", "inventories"]
templates_path = ["_templates"]
nitpicky = True
smartquotes = False  # which would make other characters of -- and ...

# --- pages

myst_enable_extensions = ["colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 4  # as GitHub makes them
html_math_renderer = "mathml"

# --- notebooks

nb_execution_mode = "off" if os.environ.get("DOCS_NOTEBOOKS") == "off" else "cache"
nb_execution_raise_on_error = True
nb_execution_in_temp = True  # what they write is not for the sources
nb_execution_cache_path = str(DOCS.parent / "build" / "notebooks")
nb_execution_timeout = 600  # of a cell, on the slowest of machines
nb_ipywidgets_js = {}  # which pages would load from elsewhere

# --- docstrings

default_role = "py:obj"
autodoc_typehints = "none"  # the docstrings tell of types, with shapes and units
autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
autosummary_generate = True
autosummary_ignore_module_all = False
autosummary_imported_members = True  # packages offer what their modules define
autosummary_context = {"elsewhere": public.offered_elsewhere()}
numpydoc_show_class_members = False  # each has an entry on the page of its class
numpydoc_xref_param_type = True
numpydoc_xref_ignore = "all"  # but for what is listed here
numpydoc_xref_aliases = {
    "bool": ":class:`python:bool`",
    "callable": "collections.abc.Callable",
    "iterable": "collections.abc.Iterable",
    "mapping": "collections.abc.Mapping",
    "sequence": "collections.abc.Sequence",
    "array_like": "numpy.typing.ArrayLike",
    "Quantity": "astropy.units.Quantity",
    "Path": "pathlib.Path",
    "HDUList": "astropy.io.fits.HDUList",
    "WCS": "gwcs.wcs.WCS",
    **public.pages(),
}

# --- other projects: what we name of them is in text files, which need no network

intersphinx_mapping = {
    name: (address, f"inventories/{name}.txt")
    for name, address in {
        "asdf": "https://asdf.readthedocs.io/en/stable/",
        "astropy": "https://docs.astropy.org/en/stable/",
        "gwcs": "https://gwcs.readthedocs.io/en/stable/",
        "numpy": "https://numpy.org/doc/stable/",
        "python": "https://docs.python.org/3/",
    }.items()
}

# --- the look

html_theme = "pydata_sphinx_theme"
toc_object_entries_show_parents = "hide"  # names of methods alone: with classes they were cut
html_title = "romancal-rs"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_show_sourcelink = False
ADDRESSES = tomllib.loads((DOCS.parent / "pyproject.toml").read_text("utf-8"))["project"].get(
    "urls", {}
)
html_sidebars = {"index": [], "start": []}  # which have no pages beside them
html_theme_options = {
    "icon_links": [
        {"name": "Source", "url": ADDRESSES[name], "icon": "fa-solid fa-code"}
        for name in ("Repository", "Source")
        if name in ADDRESSES
    ][:1],
    "navbar_end": ["theme-switcher", "navbar-icon-links"],
    "show_prev_next": True,
    "show_toc_level": 2,
    "collapse_navigation": True,  # the pages of the API would list all of it
    "navigation_with_keys": False,
    "secondary_sidebar_items": ["page-toc"],
    "footer_start": ["copyright"],
    "footer_end": ["theme-version"],
}
