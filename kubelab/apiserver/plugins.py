"""Admission plugins that concern few kinds or few callers.

Defaults: a claim without a class gets the default StorageClass, an Ingress the default
IngressClass, a pod on a node the labels of its zone. Refusals: a node may touch only what is its
own (NodeRestriction); certificates are approved and signed only by who may do so for their signer;
a change that uses more than before must fit the quota, too.

In Kubernetes: plugin/pkg/admission/{storage/storageclass/setdefault, network/defaultingressclass,
podtopologylabels, noderestriction, certificates, resourcequota}.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from kubelab.api import errors
from kubelab.api.kinds import Kind
from kubelab.api.objects import (
    EMPTY,
    NOTHING,
    Obj,
    annotations_of,
    get,
    labels_of,
    name_of,
    uid_of,
    with_,
)
from kubelab.apiserver import admission_quota, rbac
from kubelab.apiserver.pending import Pending

if TYPE_CHECKING:
    from kubelab.apiserver.server import APIServer

NODES, NODE_USER = "system:nodes", "system:node:"
TOPOLOGY = ("topology.kubernetes.io/zone", "topology.kubernetes.io/region")
# The labels of Kubernetes' own that a kubelet may give its node.
KUBELET_LABELS = (
    "kubernetes.io/hostname", "kubernetes.io/arch", "kubernetes.io/os",
    "node.kubernetes.io/instance-type", "beta.kubernetes.io/arch", "beta.kubernetes.io/os",
    "beta.kubernetes.io/instance-type", "topology.kubernetes.io/region",
    "topology.kubernetes.io/zone", "failure-domain.beta.kubernetes.io/region",
    "failure-domain.beta.kubernetes.io/zone",
)  # fmt: skip
KUBELET_SPACES = ("kubelet.kubernetes.io", "node.kubernetes.io")
MIRROR = "kubernetes.io/config.mirror"
GROWING = {("", "Service"): "v1/Service", ("", "PersistentVolumeClaim"): "v1/PersistentVolumeClaim"}


def fill(
    server: APIServer, pending: Pending, kind: Kind, operation: str, obj: Obj, old: Obj | None
) -> Obj:
    """What the plugins add to an object that is made or changed. Raises ApiError."""
    if NODES in pending.request.groups:
        restrict(server, pending, kind, operation, obj, old)
    if operation == "CREATE" and not pending.route.subresource:
        filler = FILLERS.get((kind.group, kind.kind))
        if filler is not None:
            obj = filler(server, pending, obj)
    return obj


def check(
    server: APIServer,
    pending: Pending,
    kind: Kind,
    operation: str,
    obj: Obj | None,
    old: Obj | None,
) -> None:
    """What the plugins refuse of what is valid. Raises ApiError."""
    if operation == "DELETE" and NODES in pending.request.groups:
        restrict(server, pending, kind, operation, obj, old)
    if kind.kind == "CertificateSigningRequest" and obj is not None:
        _certificate(server, pending, kind, obj, old)
    counted = GROWING.get((kind.group, kind.kind))
    if counted and operation == "UPDATE" and obj is not None and not pending.route.subresource:
        problem = admission_quota.check(
            server, counted, obj, pending.route.namespace, dry=pending.dry, old=old
        )
        if problem:
            raise errors.forbidden(kind, name_of(obj), problem)


# Defaults.


def _default(objects: Iterable[Obj], annotation: str) -> Obj | None:
    """The newest object that is marked as the default; of several the first by name."""
    marked = [obj for obj in objects if annotations_of(obj).get(annotation) == "true"]
    newest = max((o["metadata"]["creationTimestamp"] for o in marked), default="")
    found = [obj for obj in marked if obj["metadata"]["creationTimestamp"] == newest]
    return min(found, key=name_of, default=None)


def _storage_class(server: APIServer, pending: Pending, obj: Obj) -> Obj:
    """A claim that names no class, not even the empty one, gets the default one."""
    spec = obj.get("spec")
    beta = "volume.beta.kubernetes.io/storage-class"
    if not spec or spec.get("storageClassName") is not None or beta in annotations_of(obj):
        return obj
    classes = server.caches["/registry/storageclasses/"].all()
    found = _default(classes, "storageclass.kubernetes.io/is-default-class")
    if found is None:
        return obj
    pending.passes("DefaultStorageClass")
    return with_(obj, ("spec", "storageClassName"), name_of(found))  # type: ignore[no-any-return]


def _ingress_class(server: APIServer, pending: Pending, obj: Obj) -> Obj:
    """An Ingress that names no class gets the default one."""
    old = "kubernetes.io/ingress.class"
    if get(obj, "spec", "ingressClassName") is not None or old in annotations_of(obj):
        return obj
    classes = server.caches["/registry/ingressclasses/"].all()
    found = _default(classes, "ingressclass.kubernetes.io/is-default-class")
    if found is None:
        return obj
    pending.passes("DefaultIngressClass")
    return with_(obj, ("spec", "ingressClassName"), name_of(found))  # type: ignore[no-any-return]


def topology(server: APIServer, pod: Obj, node: str) -> Obj:
    """A pod that is bound gets the zone and region of its node as labels."""
    labels = labels_of(server.cached("/registry/minions/", node) or EMPTY)
    for key in TOPOLOGY:
        if labels.get(key) and labels_of(pod).get(key) != labels[key]:
            pod = with_(pod, ("metadata", "labels", key), labels[key])
    return pod


FILLERS: dict[tuple[str, str], Callable[[Any, Pending, Obj], Obj]] = {
    ("", "PersistentVolumeClaim"): _storage_class,
    ("networking.k8s.io", "Ingress"): _ingress_class,
}

# Certificates.


def _certificate(
    server: APIServer, pending: Pending, kind: Kind, obj: Obj, old: Obj | None
) -> None:
    signer = get(obj, "spec", "signerName", default="")
    door = pending.route.subresource
    if door == "approval":
        _may(server, pending, obj, kind, "approve", signer)
    elif door == "status" and get(old, "status", "certificate") != get(
        obj, "status", "certificate"
    ):
        _may(server, pending, obj, kind, "sign", signer)
    elif not door and old is None and signer == "kubernetes.io/kube-apiserver-client":
        try:
            asked = base64.b64decode(get(obj, "spec", "request", default=""))
            held = base64.b64decode(b"".join(asked.split(b"\n")[1:-2])) + asked
        except (binascii.Error, ValueError):
            return
        if b"system:masters" in held:
            text = f"use of {signer} signer with system:masters group is not allowed"
            raise errors.forbidden(kind, name_of(obj), text)


def _may(server: APIServer, pending: Pending, obj: Obj, kind: Kind, verb: str, signer: str) -> None:
    """Whether somebody may act for a signer, or for all signers of its domain."""
    domain = f"{signer.partition('/')[0]}/*"
    for name in (signer, domain):
        ask = rbac.Ask(verb, "certificates.k8s.io", "signers", "", "", name)
        if rbac.allows(server, pending.request.user, pending.request.groups, ask)[0]:
            pending.passes({"approve": "CertificateApproval"}.get(verb, "CertificateSigning"))
            return
    text = f'user not permitted to {verb} requests with signerName "{signer}"'
    raise errors.forbidden(kind, name_of(obj), text)


# Nodes.


def restrict(
    server: APIServer,
    pending: Pending,
    kind: Kind,
    operation: str,
    obj: Obj | None,
    old: Obj | None,
) -> None:
    """NodeRestriction. Raises ApiError 403 where a node reaches beyond itself."""
    user = pending.request.user
    if not user.startswith(NODE_USER):
        return
    node = user.removeprefix(NODE_USER)
    door, name = pending.route.subresource, pending.route.name or name_of(obj or old or EMPTY)
    problem = ""
    if kind.kind == "Pod":
        problem = _node_pod(server, node, door, operation, obj, old)
    elif kind.kind == "Node":
        problem = _node_itself(node, name, operation, obj, old)
    elif kind.kind == "PersistentVolumeClaim" and door != "status":
        problem = "may only update PVC status"
    elif kind.kind == "Lease":
        if pending.route.namespace != "kube-node-lease":
            problem = 'can only access leases in the "kube-node-lease" system namespace'
        elif name != node:
            problem = "can only access node lease with the same name as the requesting node"
    elif kind.kind == "CSINode" and name != node:
        problem = "can only access CSINode with the same name as the requesting node"
    if problem:
        raise errors.forbidden(kind, name, problem)
    pending.passes("NodeRestriction")


def _node_pod(
    server: APIServer, node: str, door: str, operation: str, obj: Obj | None, old: Obj | None
) -> str:
    if door == "status":
        if get(old, "spec", "nodeName") != node:
            return (
                f'node "{node}" can only update pod status for pods with spec.nodeName set to '
                "itself"
            )
        if labels_of(old or EMPTY) != labels_of(obj or EMPTY):
            return f'node "{node}" cannot update labels through pod status'
        return ""
    if door:
        return f"unexpected pod subresource \"{door}\", only 'status' and 'eviction' are allowed"
    if operation == "DELETE":
        if get(old, "spec", "nodeName") != node:
            return f'node "{node}" can only delete pods with spec.nodeName set to itself'
        return ""
    if operation != "CREATE" or obj is None:
        return (
            f'unexpected operation "{operation}", node "{node}" can only create and delete mirror '
            "pods"
        )
    return _mirror_pod(server, node, obj)


def _mirror_pod(server: APIServer, node: str, pod: Obj) -> str:
    """A node makes only the mirrors of its own static pods, and gives them no access."""
    owners = get(pod, "metadata", "ownerReferences", default=NOTHING)
    own = f'node "{node}"'
    if MIRROR not in annotations_of(pod):
        return f'pod does not have "{MIRROR}" annotation, {own} can only create mirror pods'
    if get(pod, "spec", "nodeName") != node:
        return f"{own} can only create pods with spec.nodeName set to itself"
    if len(owners) > 1:
        return f"{own} can only create pods with a single owner reference set to itself"
    itself = f"{own} can only create pods with an owner reference set to itself"
    if not owners:
        return itself
    owner = owners[0]
    if (owner.get("apiVersion"), owner.get("kind"), owner.get("name")) != ("v1", "Node", node):
        return itself
    if not owner.get("controller"):
        return f"{own} can only create pods with a controller owner reference set to itself"
    if owner.get("blockOwnerDeletion"):
        return f"{own} must not set blockOwnerDeletion on an owner reference"
    uid = uid_of(server.cached("/registry/minions/", node) or EMPTY)
    if owner.get("uid") != uid:
        return f"node {node} UID mismatch: expected {owner.get('uid')} got {uid}"
    if get(pod, "spec", "serviceAccountName"):
        return f"{own} can not create pods that reference a service account"
    for volume in get(pod, "spec", "volumes", default=NOTHING):
        for field, word in (("secret", "secrets"), ("configMap", "configmaps"),
                            ("persistentVolumeClaim", "persistentvolumeclaims")):  # fmt: skip
            if volume.get(field) is not None:
                return f"{own} can not create pods that reference {word}"
    return ""


def _node_itself(node: str, name: str, operation: str, obj: Obj | None, old: Obj | None) -> str:
    if name != node:
        return f'node "{node}" is not allowed to modify node "{name}"'
    if obj is None:
        return ""
    before, after = labels_of(old or EMPTY), labels_of(obj)
    changed = sorted(k for k in {**before, **after} if before.get(k) != after.get(k))
    forbidden = ", ".join(key for key in changed if _forbidden_label(key))
    if operation == "CREATE":
        if forbidden:
            return f'node "{node}" is not allowed to set the following labels: {forbidden}'
        return ""
    if get(old, "spec", "taints", default=NOTHING) != get(obj, "spec", "taints", default=NOTHING):
        return f'node "{node}" is not allowed to modify taints'
    return f"is not allowed to modify labels: {forbidden}" if forbidden else ""


def _forbidden_label(key: str) -> bool:
    """Labels by which work is steered to nodes are not a node's to give."""
    space = key.partition("/")[0] if "/" in key else ""
    restricted = "node-restriction.kubernetes.io"
    if space == restricted or space.endswith(f".{restricted}"):
        return True
    official = any(
        space == domain or space.endswith(f".{domain}") for domain in ("kubernetes.io", "k8s.io")
    )
    known = key in KUBELET_LABELS or any(
        space == domain or space.endswith(f".{domain}") for domain in KUBELET_SPACES
    )
    return official and not known
