"""The stage: a view as a widget in a notebook page, one class for all kinds of view.

The page begins with the whole picture (a synced trait) and then gets numbered updates that carry
only the pieces that changed; a page that missed one, or was opened later, asks for the whole.
Buttons and keys come back as small commands. A callback may run on another thread than the cells,
so all work is done under the cluster's lock, and what goes wrong is said in the view, since a
traceback would be seen by nobody.

In Kubernetes: nothing like it. anywidget carries it; where that is not installed, or KUBELAB_STILL
is set, a view shows its still form alone.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

from kubelab.views import deeds, page
from kubelab.views.desk import all_desks, lock_of

if TYPE_CHECKING:
    from kubelab.views.view import View

# Where no cell can be told apart, so many shown views are kept at most.
VIEWS_KEPT = 20

# The views shown by each cell of the notebook, so that a cell run again closes its earlier ones.
_SHOWN: dict[str, list[Live]] = {}
_HOOKED: list[bool] = []


@lru_cache(maxsize=1)
def widget_class() -> Any:
    """The widget's class, or None where anywidget is not installed."""
    try:
        import anywidget
        import traitlets
    except ImportError:
        return None

    class Stage(anywidget.AnyWidget):
        """A view in a page; what it shows is made by `Live`."""

        _esm = page.module()
        _css = page.style()
        whole = traitlets.Dict().tag(sync=True)

    return Stage


def show(view: View) -> dict[str, str]:
    """The view's widget as display data; empty where there is none."""
    made = widget_class()
    if made is None:
        return {}
    if view.live is None:
        view.live = Live(view, made())
    _keep(view.live)
    _hook()
    bundle = view.live.widget._repr_mimebundle_()
    data = bundle[0] if isinstance(bundle, tuple) else bundle
    only = "application/vnd.jupyter.widget-view+json"
    return {only: data[only]} if data and only in data else {}


class Live:
    """A view's side of its page: what was sent, and what is answered to commands."""

    def __init__(self, view: View, widget: Any) -> None:
        self.view = view
        self.widget = widget
        self.number = 0
        self.sent: dict[str, Any] = {}
        self.cell = ""
        # Tables can be long; they are sent while the page shows them.
        self.tables = False
        self.fork: Live | None = None
        self.panel: Any = None
        widget.on_msg(self.received)
        widget.whole = self.whole()

    def whole(self) -> dict[str, Any]:
        """The whole picture with its number."""
        state = self.view.state()
        self.number += 1
        self.sent = {piece.key: piece for piece in state["picture"].pieces}
        return {
            "number": self.number,
            "height": state["picture"].height,
            "order": list(self.sent),
            "changed": [p.to_json() for p in self.sent.values()],
            "head": self.head(state),
            "base": 0,
        }

    def update(self) -> dict[str, Any]:
        """What changed since the last picture, with the number it builds on."""
        state = self.view.state()
        pieces = {piece.key: piece for piece in state["picture"].pieces}
        changed = [p.to_json() for key, p in pieces.items() if self.sent.get(key) != p]
        order = list(pieces)
        same = order == list(self.sent)
        self.number += 1
        self.sent = pieces
        out = {
            "number": self.number,
            "height": state["picture"].height,
            "changed": changed,
            "head": self.head(state),
            "base": self.number - 1,
        }
        # Of a thousand things that keep their places the page need not be told the order again.
        return out if same else {**out, "order": order}

    def head(self, state: dict[str, Any]) -> dict[str, Any]:
        """The head as the page needs it now."""
        head = dict(state["head"])
        if not self.tables:
            head["tables"] = []
        return head

    def refresh(self) -> None:
        """Draws again in the page."""
        self.widget.send({"update": self.update()})

    def received(self, widget: Any, content: dict[str, Any], buffers: Any) -> None:
        """A command from the page."""
        with lock_of(self.view.cluster):
            try:
                if content.get("command") == "whole":
                    widget.send({"update": self.whole()})
                else:
                    self.view_command(content)
            except Exception as error:
                self.view.alert = f"That did not work: {error}"
                try:
                    self.refresh()
                except Exception as worse:
                    widget.send({"alert": f"This view cannot be drawn: {worse}"})

    def view_command(self, content: dict[str, Any]) -> None:
        """Does what a button or key asks for."""
        view, command = self.view, content.get("command")
        if command in ("step", "back", "first", "mine", "now", "settle", "act", "pin"):
            getattr(view, command)()
        elif command == "run":
            view.run(float(content.get("seconds", 10)))
        elif command == "jump":
            view.jump(int(content["event"]))
        elif command == "climb":
            view.climb(str(content["by"]))
        elif command == "scrub":
            ids = view.stops.ids
            at = int(content["position"])
            if 1 <= at <= len(ids):
                view.scrub(ids[at - 1])
        elif command == "fork":
            self.beside(view.fork())
        elif command == "rewind":
            view.rewind()
        elif command == "table":
            self.tables = bool(content.get("open"))
            self.refresh()
        elif command == "until":
            view.until(str(content.get("text", "")).strip())
        elif command == "guess":
            view.guess(str(content.get("value", "")), int(content.get("sure", 1)))
        elif command == "use":
            self.shown_in(view.use(str(content.get("name", "")), str(content.get("value", ""))))
        elif command == "dock":
            dock(view)
        elif command == "do":
            words = {key: str(content.get(key, "")) for key in ("kind", "name", "text")}
            self.shown_in(deeds.do(view, str(content.get("what", "")), **words))
        elif command == "story":
            self.widget.send({"story": deeds.story_of(view)})
        elif command == "select":
            kind, name = str(content.get("kind", "")), str(content.get("name", ""))
            if kind == "outcome":
                self.shown_in(view.descend(name))
            else:
                view.select(kind, name)
        else:
            raise ValueError(f"the page asked for {command!r}, which no view knows")

    def shown_in(self, where: View) -> None:
        """What was done has happened in this view, or in a what-if that is to be shown."""
        if where is not self.view and where.live is None:
            self.beside(where)
            self.refresh()

    def beside(self, view: View) -> None:
        """Shows a what-if below this view; the one before it is closed."""
        if self.fork is not None:
            self.fork.close()
        made = widget_class()
        self.fork = view.live = Live(view, made())
        self.widget.send({"fork": self.fork.widget.model_id})

    def close(self) -> None:
        """Takes the widget away; its page empties and its memory is free."""
        if self.fork is not None:
            self.fork.close()
        self.view.live = None
        if self.panel is not None:
            self.panel.close()
        self.widget.close()


def dock(view: View) -> None:
    """Puts a view into a panel beside the notebook. Raises RuntimeError where there is none."""
    try:
        from sidecar import Sidecar
    except ImportError:
        raise RuntimeError(
            "a panel beside the notebook needs the package sidecar: pip install kubelab[lab]"
        ) from None
    made = widget_class()
    if made is None:
        raise RuntimeError("a panel beside the notebook needs the package anywidget")
    copy = type(view)(view.cluster, view.kind, dict(view.options), by=view.by)
    copy.live = Live(copy, made())
    panel = Sidecar(title=view.kind.name, anchor="split-right")
    panel.append_display_data(copy.live.widget)
    copy.live.panel = panel
    view.desk.docked.append(copy)
    _hook()


def _cell() -> str:
    """The id of the cell that is running, where the front end tells it."""
    try:
        from IPython import get_ipython

        parent = get_ipython().kernel.get_parent("shell")
        return str(parent["metadata"].get("cellId") or "")
    except Exception:
        return ""


def _keep(live: Live) -> None:
    """Closes the views that an earlier run of the same cell has shown."""
    cell = _cell()
    shown = _SHOWN.setdefault(cell, [])
    if live in shown:
        return
    for earlier in list(shown):
        same = earlier.view.kind is live.view.kind
        if (cell and same and earlier.view.cluster is not live.view.cluster) or (
            cell and same and earlier.view.options == live.view.options
        ):
            shown.remove(earlier)
            earlier.close()
    shown.append(live)
    if not cell and len(shown) > VIEWS_KEPT:
        shown.pop(0).close()


def _hook() -> None:
    """After each cell, the views whose cluster was moved by it are drawn again."""
    if _HOOKED:
        return
    try:
        from IPython import get_ipython

        get_ipython().events.register("post_run_cell", refresh_moved)
        _HOOKED.append(True)
    except Exception:
        return


def refresh_moved(*_: Any) -> None:
    """Draws again every shown view whose cluster has moved since it was drawn."""
    for desk in all_desks():
        for view in desk.views():
            if view.live is not None and view.is_stale:
                view.refresh()
