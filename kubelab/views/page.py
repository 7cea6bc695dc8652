"""The page's own files: the module that draws in a browser, and its style sheet, as one text each.

A notebook's page loads the module from a blob, where no relative import can be resolved; so the
files are joined here, in the order in which they build on each other. Nothing is asked of another
host.

In Kubernetes: nothing like it.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from kubelab.views.palette import stylesheet

HERE = Path(__file__).parent
MODULE = ("pieces.js", "panels.js", "view.js")


@lru_cache(maxsize=1)
def module() -> str:
    """The ES module of all views."""
    return "\n".join((HERE / name).read_text("utf-8") for name in MODULE)


@lru_cache(maxsize=1)
def style() -> str:
    """The style sheet of all views: the colours of both themes, then the rest."""
    return stylesheet() + (HERE / "view.css").read_text("utf-8")
