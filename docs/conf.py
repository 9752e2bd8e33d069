"""The documents as a site: the same Markdown files, by Sphinx and MyST (make docs).

The source folder is the project's root, so that links between documents, to figures and to code are
those that work in the files as they are.

Formulas are drawn by MathJax in the reader's browser. The site holds a copy of it, so that neither
building nor reading needs a network.
"""

import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]
_PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]

project = _PROJECT["name"]
author = copyright = "rf_limits authors"
release = _PROJECT["version"]
extensions = ["myst_parser", "sphinx.ext.mathjax", "sphinx-mathjax-offline"]
myst_heading_anchors = 3  # as GitHub makes them
myst_enable_extensions = ["dollarmath"]
root_doc = "README"
PAGES = {
    "Start": ["docs/getting-started", "docs/story", "results/README"],
    "Studies": ["docs/dynamics", "docs/samples", "docs/power"],
    "Theory": ["docs/theory", "docs/notation"],
    "Use": [
        "docs/fields",
        "docs/python",
        "docs/certify",
        "docs/results",
        "docs/report",
        "docs/live",
        "docs/batch",
        "docs/large",
        "docs/performance",
        "docs/determinism",
    ],
    "Change": ["docs/extending", "docs/architecture", "CONTRIBUTING"],
    "More": ["docs/faq", "benchmarks/README", "benchmarks/accelerators"],
}
include_patterns = ["README.md", *(f"{page}.md" for part in PAGES.values() for page in part)]
html_theme = "alabaster"
html_theme_options = {"fixed_sidebar": True, "page_width": "1080px", "show_powered_by": False}
html_show_sourcelink = False


def _with_contents(app, docname, source):
    """Adds the list of pages to the first one, which as a file has none."""
    if docname == root_doc:
        for caption, pages in PAGES.items():
            lines = "\n".join(f"/{page}" for page in pages)
            source[0] += f"\n```{{toctree}}\n:hidden:\n:caption: {caption}\n\n{lines}\n```\n"


def setup(app):
    """Connects the function above."""
    app.connect("source-read", _with_contents)
