"""Sphinx makes the site of these pages: `make docs`, which needs no network."""

from romancal_rs import __version__

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
]
exclude_patterns = ["_build"]

myst_heading_anchors = 4
nb_execution_mode = "off"

html_theme = "pydata_sphinx_theme"
html_title = "romancal-rs"
