"""Sphinx settings; the build treats warnings as errors."""

import sys
from pathlib import Path

from abscopal import __version__

project = "abscopal"
author = "abscopal contributors"
copyright = "2026, abscopal contributors"
release = __version__
sys.path.insert(0, str(Path(__file__).parent / "_ext"))
extensions = ["myst_parser", "mathml", "model_directive"]
html_math_renderer = "mathml"
myst_enable_extensions = ["dollarmath", "amsmath", "deflist", "colon_fence"]
myst_heading_anchors = 3
source_suffix = {".md": "markdown"}
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = f"abscopal {release}"
html_static_path = ["_static"]
