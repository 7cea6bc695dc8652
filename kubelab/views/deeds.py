"""What can be done to a cluster from a view: stop and start, cut and heal, delete, apply.

In the present a deed is done to the cluster itself, as the same call in a cell would do it. In the
past it is not: then the view is forked, and the deed is done in the what-if, so that looking back
never destroys anything.

In Kubernetes: kubectl; faults are not among its verbs.
"""

from __future__ import annotations

from typing import Any

from kubelab.views.facts import split
from kubelab.views.view import View

PAST = "The past stays as it was: this happens in the what-if beside it."
FAULTS = ("stop", "start", "stop_node", "start_node", "time_out")
DELAY_SECONDS = 1.0


def do(view: View, what: str, kind: str = "", name: str = "", text: str = "") -> View:
    """Does a deed; returns the view in which it happened: this one, or a new what-if."""
    if view.is_past:
        view.alert = PAST
        view = view.fork()
    cluster = view.cluster
    if what in FAULTS:
        getattr(cluster.faults, what)(name)
    elif what in ("cut", "cutoff", "heal", "drop", "delay"):
        _links(view, what, name, text)
    elif what == "delete":
        namespace, short = split(name)
        cluster.delete(kind, short, namespace or "default")
    elif what == "apply":
        cluster.apply(text)
    elif what == "request":
        source, _, url = text.partition(" ")
        url = url.strip()
        cluster.curl(source, url if "://" in url else f"http://{url}")
    else:
        raise ValueError(f"the page asked to {what!r}, which no view does")
    view.desk.selection = None if what == "delete" else view.desk.selection
    view.now()
    return view


def _links(view: View, what: str, name: str, text: str) -> None:
    """Cuts, heals or spoils links."""
    faults = view.cluster.faults
    if what == "heal":
        faults.heal()
    elif what == "cut":
        faults.partition(*parted(view, [float(word) for word in text.split()]))
    elif what == "cutoff":
        faults.partition([name], [other for other in peers(view.cluster, name) if other != name])
    else:
        start, _, end = name.partition(">")
        share = {"share": 1.0} if what == "drop" else {"share": 0.0, "delay": DELAY_SECONDS}
        faults.drop(start, end, **share)


def parted(view: View, line: list[float]) -> tuple[list[str], list[str]]:
    """The two groups that a line across the picture leaves. Raises ValueError for one group."""
    if view.kind.cut is None or len(line) != 4:
        raise ValueError("no links to cut in this view")
    x1, y1, x2, y2 = line

    def side(x: float, y: float) -> bool:
        return (x2 - x1) * (y - y1) - (y2 - y1) * (x - x1) > 0

    one, other = view.kind.cut(view.frame, view.picture(), side)
    if not one or not other:
        raise ValueError("all lie on one side of that line; draw it between them")
    return one, other


def peers(cluster: Any, name: str) -> list[str]:
    """What a member of etcd or a node can be cut off from."""
    parts = [str(part) for part in cluster.world.components]
    if name.startswith("etcd-"):
        return [part for part in parts if part.startswith("etcd-")]
    nodes = [part.partition("/")[2] for part in parts if part.startswith("kubelet/")]
    heads = ("etcd-", "apiserver-", "controller-manager", "scheduler")
    return [*(part for part in parts if part.startswith(heads)), *nodes]


def story_of(view: Any) -> str:
    """The chain of causes of the step shown, as prose to take along."""
    return str(view.story())
