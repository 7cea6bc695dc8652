"""Questions in a notebook's page: one small widget, and the way to the learner's variables.

The page gets the whole state of its questions as one trait, and sends small commands back. Without
anywidget a question shows its still form, and everything can be called.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

from kubelab.views.palette import stylesheet

HERE = Path(__file__).parent
ONLY = "application/vnd.jupyter.widget-view+json"
# What was shown by each cell, so that a cell run again closes what it showed before.
_SHOWN: dict[str, list[Any]] = {}
SHOWN_KEPT = 40


def users_cluster() -> Any:
    """The cluster named `c` among the learner's variables; None if there is none."""
    try:
        from IPython import get_ipython
    except ImportError:
        return None
    shell = get_ipython()
    return shell.user_ns.get("c") if shell is not None else None


@lru_cache(maxsize=1)
def widget_class() -> Any:
    """The widget's class, or None where anywidget is not installed."""
    try:
        import anywidget
        import traitlets
    except ImportError:
        return None

    class Questions(anywidget.AnyWidget):
        """One or more questions with their buttons."""

        _esm = (HERE / "page.js").read_text(encoding="utf-8")
        # The same colours, for questions alone.
        _css = stylesheet().replace(".kl", ".klq") + (HERE / "page.css").read_text(encoding="utf-8")
        whole = traitlets.Dict().tag(sync=True)

    return Questions


def show(*questions: Any, folded: bool = False) -> dict[str, Any]:
    """The questions' widget as display data; empty where there is none."""
    made = widget_class()
    if made is None:
        return {}
    widget = made()

    def draw() -> None:
        widget.whole = {"folded": folded, "questions": [one.state() for one in questions]}

    def received(_: Any, content: dict[str, Any], __: Any) -> None:
        chosen = next((one for one in questions if one.id == content.get("id")), None)
        if chosen is None:
            return
        try:
            chosen.received(content)
        except Exception as error:
            # A traceback here would be seen by nobody.
            chosen.alert = f"That did not work: {error}"
        draw()

    draw()
    widget.on_msg(received)
    _keep(widget, "/".join(one.id for one in questions))
    bundle = widget._repr_mimebundle_()
    data = bundle[0] if isinstance(bundle, tuple) else bundle
    return {ONLY: data[ONLY]} if data and ONLY in data else {}


def _keep(widget: Any, name: str) -> None:
    for old in _SHOWN.pop(name, []):
        old.close()
    _SHOWN[name] = [widget]
    while len(_SHOWN) > SHOWN_KEPT:
        for old in _SHOWN.pop(next(iter(_SHOWN))):
            old.close()
