"""The Lease by which an API server is known to live: `apiserver-<hash>` in kube-system.

Each replica makes one of its own name when it starts and renews it every 10 s; after an hour
without renewal it would count as gone.

In Kubernetes: pkg/controlplane/instance.go (the apiserver identity lease) and
k8s.io/component-helpers/apimachinery/lease.
"""

from __future__ import annotations

import base64
import hashlib

from kubelab.api import kinds
from kubelab.api.objects import Obj, freeze
from kubelab.api.rest import MERGE_PATCH, Request, url
from kubelab.sim.kernel import micro_timestamp

RENEW_SECONDS, LEASE_SECONDS = 10, 3600
NAMESPACE = "kube-system"
KIND = kinds.named("coordination.k8s.io/v1/Lease")
USER, GROUPS = "system:apiserver", ("system:masters",)
PATCH = Obj({"Content-Type": MERGE_PATCH})


def lease_name(host: str) -> str:
    """The name of the Lease of the API server on a machine."""
    digest = hashlib.sha256(host.encode()).digest()[:16]
    return f"apiserver-{base64.b32encode(digest).decode().rstrip('=').lower()}"


def creation(host: str, identity: str, now_ns: int) -> Request:
    """The request that makes the Lease; it fails where there is one from before."""
    name = lease_name(host)
    body = freeze({
        "apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
        "metadata": {
            "name": name, "namespace": NAMESPACE,
            "labels": {
                "apiserver.kubernetes.io/identity": "kube-apiserver",
                "kubernetes.io/hostname": host,
            },
        },
        "spec": _spec(name, identity, now_ns),
    })  # fmt: skip
    return Request("POST", url(KIND, NAMESPACE), body=body, user=USER, groups=GROUPS)


def renewal(host: str, identity: str, now_ns: int) -> Request:
    """The request that renews it."""
    name = lease_name(host)
    body = freeze({"spec": _spec(name, identity, now_ns)})
    path = url(KIND, NAMESPACE, name)
    return Request("PATCH", path, headers=PATCH, body=body, user=USER, groups=GROUPS)


def _spec(name: str, identity: str, now_ns: int) -> Obj:
    return freeze({  # type: ignore[no-any-return]
        "holderIdentity": f"{name}_{identity}", "leaseDurationSeconds": LEASE_SECONDS,
        "renewTime": micro_timestamp(now_ns),
    })  # fmt: skip
