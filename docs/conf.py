"""The documentation: pages in Markdown, the interface from docstrings, tables and charts from committed results."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(1, str(Path(__file__).parents[1] / "benchmarks"))

import rapidmask

project = "rapidmask"
author = "the rapidmask authors"
release = version = rapidmask.__version__
copyright = author

extensions = ["myst_parser", "sphinx.ext.autodoc", "numpydoc", "directives"]
html_title = f"rapidmask {release}"

# Docstrings: `name` refers to what has that name, types stand in the text.
default_role = "py:obj"
autodoc_typehints = "none"
autodoc_preserve_defaults = True
autodoc_member_order = "bysource"
numpydoc_show_class_members = False
numpydoc_class_members_toctree = False
add_module_names = False
python_use_unqualified_type_names = True

# Pages
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3
suppress_warnings = ["myst.strikethrough"]
pygments_style = "a11y-high-contrast-light"

# Nothing is fetched by a reader's browser: no web fonts, no scripts or styles from elsewhere.
html_theme = "pydata_sphinx_theme"
html_static_path = ["static"]
html_css_files = ["style.css"]
html_copy_source = False
html_show_sourcelink = False
html_show_sphinx = False
html_favicon = "static/mark.svg"
html_theme_options = {
    "logo": {"text": "rapidmask", "image_light": "static/mark.svg", "image_dark": "static/mark.svg"},
    "show_toc_level": 2,
    "navigation_depth": 2,
    "show_nav_level": 2,
    "header_links_before_dropdown": 6,
    "pygments_light_style": "a11y-high-contrast-light",
    "pygments_dark_style": "a11y-high-contrast-dark",
    "footer_start": ["copyright"],
    "footer_end": [],
    "navbar_align": "left",
    "back_to_top_button": False,
}
html_sidebars = {"index": []}
