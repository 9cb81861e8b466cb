"""Sphinx: what `make docs` builds. Pages under `generated/` come from the package itself (see generate.py)."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from generate import generate

generate(Path(__file__).parent / "generated")

project = "Sequela"
author = "The Sequela authors"
copyright = "The Sequela authors, Apache-2.0"
extensions = ["myst_parser"]
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3
exclude_patterns = ["_build", "data"]
html_theme = "furo"
html_title = "Sequela"
