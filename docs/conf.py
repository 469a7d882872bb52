"""Sphinx configuration."""

from skseparate._version import __version__

project, release = "skseparate", __version__
copyright = "2026, the skseparate developers"
extensions = ["sphinx.ext.autodoc", "sphinx.ext.autosummary", "numpydoc"]
autosummary_generate = True
numpydoc_class_members_toctree = False
numpydoc_show_class_members = False
autodoc_default_options = {"members": True, "inherited-members": False}
html_theme = "alabaster"
exclude_patterns = ["_build"]
# docstrings inherited from scikit-learn point into its own documentation
suppress_warnings = ["ref.ref", "ref.term"]
