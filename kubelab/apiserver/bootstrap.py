"""What every cluster holds from its first moment on.

The API server makes these objects itself when it starts, unless they are there: the namespaces of
the system, the priority classes of the system, the Service `kubernetes` and the slice that says
where the API server listens.

In Kubernetes: pkg/controlplane (system namespaces, the kubernetes service) and
pkg/registry/scheduling/rest; the default roles and flow schemas have files of their own.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from kubelab.api import kinds
from kubelab.api.objects import EMPTY, Obj, freeze, merged, name_of, namespace_of
from kubelab.api.rest import Request, url
from kubelab.apiserver import default_roles, flow_schemas, stored
from kubelab.apiserver.pending import Write
from kubelab.sim.chance import Chance

NAMESPACES = ("kube-system", "default", "kube-public", "kube-node-lease")
USER = "system:apiserver"
PORT = 6443
# etcd takes 128 operations in one transaction.
MOST_WRITES = 120


def objects(address: str) -> list[Obj]:
    """The objects, in the order in which they are made; `address` is the API server's."""
    made: list[dict[str, object]] = [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}} for name in NAMESPACES
    ]
    for name, value, text in (
        ("system-node-critical", 2000001000, "Used for system critical pods that must not be "
         "moved from their current node."),
        ("system-cluster-critical", 2000000000, "Used for system critical pods that must run in "
         "the cluster, but can be moved to another node if necessary."),
    ):  # fmt: skip
        made.append({
            "apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass",
            "metadata": {"name": name}, "value": value, "description": text,
            "preemptionPolicy": "PreemptLowerPriority",
        })  # fmt: skip
    labels = {"component": "apiserver", "provider": "kubernetes"}
    made.append({
        "apiVersion": "v1", "kind": "Service",
        "metadata": {"name": "kubernetes", "namespace": "default", "labels": labels},
        "spec": {
            "clusterIP": "10.96.0.1", "type": "ClusterIP",
            "ports": [{"name": "https", "port": 443, "protocol": "TCP", "targetPort": PORT}],
        },
    })  # fmt: skip
    if address:
        ports = [{"name": "https", "port": PORT, "protocol": "TCP"}]
        made.append({
            "apiVersion": "v1", "kind": "Endpoints",
            "metadata": {
                "name": "kubernetes", "namespace": "default",
                "labels": {"endpointslice.kubernetes.io/skip-mirror": "true"},
            },
            "subsets": [{"addresses": [{"ip": address}], "ports": ports}],
        })  # fmt: skip
        made.append({
            "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice",
            "metadata": {
                "name": "kubernetes", "namespace": "default",
                "labels": {"kubernetes.io/service-name": "kubernetes"},
            },
            "addressType": "IPv4", "ports": ports,
            "endpoints": [{"addresses": [address], "conditions": {"ready": True}}],
        })  # fmt: skip
    return [freeze(obj) for obj in made]


def creation(obj: Obj) -> Request:
    """The request that makes an object of a new cluster."""
    kind = kinds.by_kind(obj["apiVersion"], obj["kind"])
    return Request("POST", url(kind, namespace_of(obj)), EMPTY, EMPTY, obj, USER)


def roles(chance: Chance, now: str) -> Iterator[Any]:
    """The transactions that write the default roles and flow schemas, unless there are some.

    etcd takes so many operations at once and no more.
    """
    writes = []
    for obj in (*default_roles.objects(), *flow_schemas.objects(now)):
        kind = kinds.by_kind(obj["apiVersion"], obj["kind"])
        metadata = merged(obj["metadata"], uid=chance.uid(), creationTimestamp=now)
        key = stored.path(kind, namespace_of(obj), name_of(obj))
        writes.append((key, merged(obj, metadata=metadata)))
    for at in range(0, len(writes), MOST_WRITES):
        (key, first), *others = writes[at : at + MOST_WRITES]
        write = Write(name_of(first), key, first, 0, first, extra=tuple(others))
        yield stored.transaction(write, 0)
