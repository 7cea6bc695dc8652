"""Subresources: the doors into an object beside its own.

`status` goes the general way (`registry.update` and `registry.patched`); here are those that do
something else: scale, binding, eviction, finalize, approval and the ephemeral containers.

In Kubernetes: pkg/registry/apps/*/storage (scale), pkg/registry/core/pod/storage (binding,
eviction), pkg/registry/core/namespace/storage (finalize).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from kubelab.api import errors, kinds
from kubelab.api.objects import (
    EMPTY,
    NOTHING,
    Arr,
    Obj,
    freeze,
    get,
    merged,
    name_of,
    namespace_of,
    uid_of,
    with_,
)
from kubelab.api.rest import Response
from kubelab.apiserver import (
    connecting,
    decoding,
    ephemeral,
    eviction,
    plugins,
    proxying,
    reading,
    registry,
    scaling,
    stored,
    tokens,
)
from kubelab.apiserver.pending import Pending, Write
from kubelab.sim.kernel import timestamp

if TYPE_CHECKING:
    from kubelab.apiserver.server import APIServer


# Pods.


def binding(server: APIServer, pending: Pending) -> Write:
    """POST of a Binding: the pod is on its node from now on."""
    body = decoding.tree(pending.request) or EMPTY
    node = get(body, "target", "name", default="")
    if not node:
        raise errors.failure(500, "target.name: Required value")
    old, revision = registry.current(server, pending)
    kind, name = pending.route.kind, name_of(old)
    uid = get(body, "metadata", "uid")
    if uid and uid != uid_of(old):
        raise errors.conflict(
            kind,
            name,
            f"Precondition failed: UID in precondition: {uid}, UID in object meta: {uid_of(old)}",
        )
    bound = get(old, "spec", "nodeName")
    problem = ""
    if get(old, "metadata", "deletionTimestamp"):
        problem = f"pod {name} is being deleted, cannot be assigned to a host"
    elif bound:
        problem = f'pod {name} is already assigned to node "{bound}"'
    elif get(old, "spec", "schedulingGates"):
        problem = f"pod {name} has non-empty .spec.schedulingGates"
    if problem:
        raise errors.conflict(kinds.named("v1/Pod"), name, problem, subresource="binding")
    new = plugins.topology(server, with_(old, ("spec", "nodeName"), node), node)
    annotations = get(body, "metadata", "annotations", default=EMPTY)
    for key, value in annotations.items():
        new = with_(new, ("metadata", "annotations", key), value)
    new = with_(new, ("status", "conditions"), _scheduled(server, old))
    new = with_(new, ("status",), merged(new["status"], nominatedNodeName=None))
    new = with_(new, ("metadata",), merged(new["metadata"], resourceVersion=None))
    key = stored.path(kind, namespace_of(old), name)
    answer = freeze({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success",
                     "code": 201})  # fmt: skip
    pending.passes("binding")
    return Write(name, key, new, revision, answer, 201, stamp=False)


def _scheduled(server: APIServer, pod: Obj) -> Arr:
    """The pod's conditions with PodScheduled true."""
    condition = {
        "type": "PodScheduled", "status": "True", "lastProbeTime": None,
        "lastTransitionTime": timestamp(server.now),
    }  # fmt: skip
    others = [c for c in get(pod, "status", "conditions", default=NOTHING)
              if c["type"] != "PodScheduled"]  # fmt: skip
    return Arr([*others, freeze(condition)])


def ephemeral_containers(server: APIServer, pending: Pending) -> Write | Response:
    """PATCH or PUT of the containers that are added to a running pod for a look inside."""
    old, _ = registry.current(server, pending)
    if pending.request.method == "GET":
        return Response(200, EMPTY, old)
    writer = registry.patched if pending.request.method == "PATCH" else registry.update
    outcome = writer(server, pending)
    if isinstance(outcome, Write) and outcome.obj is not None:
        problems = ephemeral.problems(old, outcome.obj)
        if problems:
            raise errors.invalid(pending.route.kind, name_of(old), problems)
    return outcome


# Namespaces.


def finalize(server: APIServer, pending: Pending) -> Write | Response:
    """PUT of a namespace whose finalizers have done their work."""
    body = decoding.tree(pending.request) or EMPTY
    old, revision = registry.current(server, pending)
    asked = get(body, "metadata", "resourceVersion")
    if asked and asked != str(revision):
        raise errors.conflict(pending.route.kind, name_of(old))
    new = with_(old, ("spec", "finalizers"), get(body, "spec", "finalizers", default=NOTHING))
    new = with_(new, ("metadata",), merged(new["metadata"], resourceVersion=None))
    key = stored.path(pending.route.kind, "", name_of(old))
    metadata = new["metadata"]
    over = metadata.get("deletionTimestamp") and not metadata.get("finalizers")
    if over and not get(new, "spec", "finalizers"):
        return Write(name_of(old), key, None, revision, new)
    return Write(name_of(old), key, new, revision, new)


def unstored(server: APIServer, pending: Pending) -> Write | Response:
    """Kinds that are only answered: a Binding; reviews are not judged yet."""
    if pending.route.kind.kind == "Binding" and pending.request.method == "POST":
        name = get(decoding.tree(pending.request), "metadata", "name", default="")
        pod = kinds.named("v1/Pod")
        pending.route = pending.route._replace(kind=pod, name=name, subresource="binding")
        return binding(server, pending)
    if pending.route.verb not in pending.route.kind.verbs:
        raise errors.method_not_allowed()
    text = f"{pending.route.kind.kind} is not answered yet"
    raise errors.failure(501, text, "NotImplemented")


def unserved(server: APIServer, pending: Pending) -> Response:
    """What is known but not built yet says so."""
    resource = f"{pending.route.kind.plural}/{pending.route.subresource}"
    raise errors.failure(501, f"{resource} is not simulated yet", "NotImplemented")


def status(server: APIServer, pending: Pending) -> Write | Response:
    """GET, PUT and PATCH of the status alone."""
    if pending.request.method == "GET":
        old, _ = registry.current(server, pending)
        return reading.present(server, pending, 200, old)
    if pending.request.method == "PATCH" and not decoding.header(pending.request, "Content-Type"):
        raise errors.unsupported_patch_type()
    writer = registry.patched if pending.request.method == "PATCH" else registry.update
    return writer(server, pending)


HANDLERS: dict[tuple[str, str], Callable[[Any, Pending], Write | Response | None]] = {
    ("*", "scale"): scaling.scale,
    ("*", "status"): status,
    ("*", "approval"): status,
    ("*", "resize"): status,
    ("Pod", "binding"): binding,
    ("Pod", "eviction"): eviction.evict,
    ("Pod", "ephemeralcontainers"): ephemeral_containers,
    ("Namespace", "finalize"): finalize,
    ("Pod", "log"): connecting.log,
    ("Pod", "exec"): connecting.command,
    ("Pod", "attach"): connecting.command,
    ("Pod", "portforward"): connecting.port_forward,
    ("Pod", "proxy"): proxying.pod_proxy,
    ("Service", "proxy"): proxying.service_proxy,
    ("Node", "proxy"): proxying.node_proxy,
    ("ServiceAccount", "token"): tokens.request,
}
