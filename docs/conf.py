"""Sphinx settings; the build treats warnings as errors."""

from abscopal import __version__

project = "abscopal"
author = "abscopal contributors"
copyright = "2026, abscopal contributors"  # noqa: A001
release = __version__
extensions = ["myst_parser"]
myst_enable_extensions = ["dollarmath", "amsmath", "deflist", "colon_fence"]
myst_heading_anchors = 3
source_suffix = {".md": "markdown"}
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = f"abscopal {release}"
html_static_path = ["_static"]
# Formulas are set as text by the browser's own MathML where it can; no script is fetched.
extensions.append("sphinx.ext.mathjax")
mathjax_path = ""
