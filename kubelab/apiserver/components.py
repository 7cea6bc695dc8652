"""ComponentStatus: the health of the control plane's parts, as the API server sees it.

Nothing of it is stored. Each question is answered with what the server believes: it could not
answer if etcd did not, and of the scheduler and the controllers it only knows that they may ask.

In Kubernetes: pkg/registry/core/componentstatus, deprecated since 1.19.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kubelab.api import errors
from kubelab.api.objects import EMPTY, Obj, freeze, labels_of
from kubelab.api.rest import Response
from kubelab.apiserver import forms, reading
from kubelab.apiserver.pending import Pending

if TYPE_CHECKING:
    from kubelab.apiserver.server import APIServer

NAMES = ("controller-manager", "etcd-0", "scheduler")


def _status(name: str) -> Obj:
    condition = {"type": "Healthy", "status": "True", "message": "ok"}
    made: Obj = freeze({
        "kind": "ComponentStatus", "apiVersion": "v1", "metadata": {"name": name},
        "conditions": [condition],
    })  # fmt: skip
    return made


def one(server: APIServer, pending: Pending) -> Response:
    """GET of one component."""
    kind, name = pending.route.kind, pending.route.name
    if name not in NAMES:
        raise errors.failure(404, f"Component not found: {name}", "NotFound")
    return Response(200, EMPTY, forms.show(pending.request, kind, _status(name), server.now))


def many(server: APIServer, pending: Pending) -> Response:
    """GET of all components."""
    kind = pending.route.kind
    labels, fields = reading.chosen(kind, pending.request.query)
    found = [
        obj for obj in map(_status, NAMES) if labels.matches(labels_of(obj)) and fields.matches(obj)
    ]
    body = reading.as_list(kind, [reading.item(kind, obj) for obj in found], 0)
    body = Obj({**body, "metadata": EMPTY})
    return Response(200, EMPTY, forms.show(pending.request, kind, body, server.now))
