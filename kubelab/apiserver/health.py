"""Whether the server is well: what is looked at, and how it is said.

A simulated server that answers at all is well, so every check says `ok`; a check can be asked for
alone, and left out.

In Kubernetes: k8s.io/apiserver/pkg/server/healthz. There etcd is really asked.
"""

from __future__ import annotations

from kubelab.api.objects import Obj
from kubelab.api.rest import Request, Response

TEXT = Obj({"Content-Type": "text/plain; charset=utf-8", "X-Content-Type-Options": "nosniff"})
PATHS = ("/healthz", "/livez", "/readyz")
ALIVE, READY = ("healthz", "livez"), ("readyz",)
ALL = (*ALIVE, *READY)
# What is looked at, and for which of the paths.
CHECKS: dict[str, tuple[str, ...]] = {
    "ping": ALL,
    "log": ALL,
    "loopback-serving-certificate": ALIVE,
    "etcd": ALIVE,
    "informer-sync": READY,
    "poststarthook/start-apiserver-admission-initializer": ALL,
    "poststarthook/generic-apiserver-start-informers": ALL,
    "poststarthook/max-in-flight-filter": ALL,
    "poststarthook/storage-object-count-tracker-hook": ALL,
    "poststarthook/start-apiextensions-informers": ALL,
    "poststarthook/start-apiextensions-controllers": ALL,
    "poststarthook/crd-informer-synced": ALL,
    "poststarthook/start-system-namespaces-controller": ALL,
    "poststarthook/peer-endpoint-reconciler-controller": ALL,
    "poststarthook/start-cluster-authentication-info-controller": ALL,
    "poststarthook/start-kube-apiserver-identity-lease-controller": ALL,
    "poststarthook/start-kube-apiserver-identity-lease-garbage-collector": ALL,
    "poststarthook/storage-readiness": ALL,
    "poststarthook/start-legacy-token-tracking-controller": ALL,
    "poststarthook/start-service-ip-repair-controllers": ALL,
    "poststarthook/rbac/bootstrap-roles": ALL,
    "poststarthook/scheduling/bootstrap-system-priority-classes": ALL,
    "poststarthook/priority-and-fairness-config-producer": ALL,
    "poststarthook/bootstrap-controller": ALL,
    "poststarthook/start-kubernetes-service-cidr-controller": ALL,
    "poststarthook/start-kube-aggregator-informers": ALL,
    "poststarthook/apiservice-status-local-available-controller": ALL,
    "poststarthook/apiservice-status-remote-available-controller": ALL,
    "poststarthook/apiservice-registration-controller": ALL,
    "poststarthook/apiservice-wait-for-first-sync": ALL,
    "poststarthook/apiservice-discovery-controller": ALL,
    "poststarthook/kube-apiserver-autoregistration": ALL,
    "autoregister-completion": ALL,
    "poststarthook/apiservice-openapi-controller": ALL,
    "poststarthook/apiservice-openapiv3-controller": ALL,
    "shutdown": READY,
}


def asked(path: str) -> bool:
    """Whether a path asks for health."""
    return path in PATHS or any(path.startswith(f"{root}/") for root in PATHS)


def answer(path: str, request: Request) -> Response:
    """The answer to a path of health."""
    root, _, check = path.strip("/").partition("/")
    names = [name for name in CHECKS if root in CHECKS[name]]
    if check:
        known = check in names
        return Response(200, TEXT, "ok") if known else Response(404, TEXT, "404 page not found\n")
    if "verbose" not in request.query:
        return Response(200, TEXT, "ok")
    left = [word for word in request.query.get("exclude", "").split(",") if word]
    lines = [f"[+]{name} {'excluded: ok' if name in left else 'ok'}" for name in names]
    unknown = ",".join(f'"{name}"' for name in left if name not in names)
    if unknown:
        lines.append(f"warn: some health checks cannot be excluded: no matches for {unknown}")
    return Response(200, TEXT, "\n".join([*lines, f"{root} check passed"]) + "\n")
