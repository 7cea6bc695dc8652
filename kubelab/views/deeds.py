"""What can be done to a cluster from a view: stop and start, delete, apply, tell its story.

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
FAULTS = ("stop", "start", "stop_node", "start_node")


def do(view: View, what: str, kind: str = "", name: str = "", text: str = "") -> View:
    """Does a deed; returns the view in which it happened: this one, or a new what-if."""
    if view.is_past:
        view.alert = PAST
        view = view.fork()
    cluster = view.cluster
    if what in FAULTS:
        getattr(cluster.faults, what)(name)
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


def story_of(view: Any) -> str:
    """The chain of causes of the step shown, as prose to take along."""
    return str(view.story())
