"""What a node may do: what its role says, and of private objects only those of its own pods.

Secrets, config maps, claims and volumes are shown to a node if a pod that is bound to it speaks of
them. There is no list of permissions: each request looks at the pods of the node as they are now.

In Kubernetes: plugin/pkg/auth/authorizer/node, which keeps a graph. Left out: volume attachments,
resource claims, CSI drivers' secrets.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from kubelab.api.objects import EMPTY, NOTHING, Obj, get, namespace_of

if TYPE_CHECKING:
    from kubelab.apiserver.rbac import Ask
    from kubelab.apiserver.server import APIServer

GROUP, USER = "system:nodes", "system:node:"
PRIVATE = ("secrets", "configmaps", "persistentvolumeclaims", "persistentvolumes")


def node_of(user: str, groups: Any) -> str:
    """The node whose kubelet asks, or the empty string."""
    return user.removeprefix(USER) if user.startswith(USER) and GROUP in groups else ""


def refusal(server: APIServer, node: str, ask: Ask) -> str:
    """Why a node may not see a private object; empty if it may or the object is not private."""
    if ask.group or ask.resource not in PRIVATE or ask.path:
        return ""
    if ask.verb not in ("get", "list", "watch"):
        return "can only read resources of this type"
    if not ask.name:
        return "can only read namespaced object of this type" if not ask.namespace else (
            "No Object name found"
        )  # fmt: skip
    for pod in server.caches["/registry/pods/"].objects.values():
        if get(pod, "spec", "nodeName") != node:
            continue
        if ask.resource == "persistentvolumes":
            if ask.name in _volumes(server, pod):
                return ""
        elif namespace_of(pod) == ask.namespace and (ask.resource, ask.name) in _named(pod):
            return ""
    return f"no relationship found between node '{node}' and this object"


def _named(pod: Obj) -> Iterator[tuple[str, str]]:
    """The objects that a pod speaks of: resource and name."""
    spec = pod.get("spec") or EMPTY
    for secret in spec.get("imagePullSecrets") or NOTHING:
        yield "secrets", secret.get("name", "")
    for volume in spec.get("volumes") or NOTHING:
        for source in (volume, *get(volume, "projected", "sources", default=NOTHING)):
            named = source.get("secret") or EMPTY
            yield "secrets", named.get("secretName") or named.get("name", "")
            yield "configmaps", get(source, "configMap", "name", default="")
        claim = get(volume, "persistentVolumeClaim", "claimName")
        if claim:
            yield "persistentvolumeclaims", claim
    for field in ("initContainers", "containers", "ephemeralContainers"):
        for container in spec.get(field) or NOTHING:
            for row in container.get("envFrom") or NOTHING:
                yield "secrets", get(row, "secretRef", "name", default="")
                yield "configmaps", get(row, "configMapRef", "name", default="")
            for row in container.get("env") or NOTHING:
                source = row.get("valueFrom") or EMPTY
                yield "secrets", get(source, "secretKeyRef", "name", default="")
                yield "configmaps", get(source, "configMapKeyRef", "name", default="")


def _volumes(server: APIServer, pod: Obj) -> list[str]:
    claims = [name for resource, name in _named(pod) if resource == "persistentvolumeclaims"]
    cache = server.caches["/registry/persistentvolumeclaims/"].objects
    keys = [f"{namespace_of(pod)}/{name}" for name in claims]
    return [get(cache[key], "spec", "volumeName", default="") for key in keys if key in cache]
