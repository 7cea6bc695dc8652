"""What is allowed and yet told: warnings about objects that are probably not as they were meant.

In Kubernetes: pkg/api/pod/warnings.go and its neighbours. Left out: most warnings about fields that
are deprecated.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from kubelab.api.kinds import Kind
from kubelab.sim.tree import EMPTY, Obj, get

# Where each kind has its pods.
PODS: dict[tuple[str, str], tuple[str, ...]] = {
    ("", "Pod"): (),
    ("", "PodTemplate"): ("template",),
    ("", "ReplicationController"): ("spec", "template"),
    ("apps", "DaemonSet"): ("spec", "template"),
    ("apps", "Deployment"): ("spec", "template"),
    ("apps", "ReplicaSet"): ("spec", "template"),
    ("apps", "StatefulSet"): ("spec", "template"),
    ("batch", "CronJob"): ("spec", "jobTemplate", "spec", "template"),
    ("batch", "Job"): ("spec", "template"),
}
_OLD_LABELS = {
    "beta.kubernetes.io/arch": ("v1.14", "kubernetes.io/arch"),
    "beta.kubernetes.io/os": ("v1.14", "kubernetes.io/os"),
    "failure-domain.beta.kubernetes.io/region": ("v1.17", "topology.kubernetes.io/region"),
    "failure-domain.beta.kubernetes.io/zone": ("v1.17", "topology.kubernetes.io/zone"),
    "beta.kubernetes.io/instance-type": ("v1.17", "node.kubernetes.io/instance-type"),
}


def warnings(kind: Kind, obj: Obj) -> list[str]:
    """The warnings about an object that is written."""
    path = PODS.get((kind.group, kind.kind))
    if path is None:
        return []
    spec = get(obj, *path, "spec", default=EMPTY)
    return list(_pod(spec, ".".join((*path, "spec"))))


def _pod(spec: Any, field: str) -> Iterator[str]:
    for label in spec.get("nodeSelector") or ():
        if label in _OLD_LABELS:
            since, instead = _OLD_LABELS[label]
            told = f'deprecated since {since}; use "{instead}" instead'
            yield f"{field}.nodeSelector[{label}]: {told}"
    for at, item in enumerate(spec.get("topologySpreadConstraints") or ()):
        if item.get("labelSelector") is None:
            told = "a null labelSelector results in matching no pod"
            yield f"{field}.topologySpreadConstraints[{at}].labelSelector: {told}"
    for key in ("initContainers", "containers"):
        for at, container in enumerate(spec.get(key) or ()):
            path = f"{field}.{key}[{at}]"
            yield from _ports(container.get("ports") or (), f"{path}.ports")
            yield from _variables(container.get("env") or (), f"{path}.env")


def _ports(ports: Any, field: str) -> Iterator[str]:
    seen: dict[tuple[Any, ...], int] = {}
    for at, port in enumerate(ports):
        held = (
            port.get("containerPort"), port.get("protocol") or "TCP",
            port.get("hostPort") or 0, port.get("hostIP") or "",
        )  # fmt: skip
        if held in seen:
            yield f"{field}[{at}]: duplicate port definition with {field}[{seen[held]}]"
        seen.setdefault(held, at)


def _variables(variables: Any, field: str) -> Iterator[str]:
    seen: list[str] = []
    for at, variable in enumerate(variables):
        name = variable.get("name") or ""
        if name in seen:
            yield (
                f'{field}[{at}]: hides previous definition of "{name}", '
                "which may be dropped when using apply"
            )
        seen.append(name)
