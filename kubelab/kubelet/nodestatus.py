"""The Node object: what a kubelet says of its machine.

Pure functions: from the manifest with which the machine was made, and from what the kubelet sees
now, to the object that is registered and the status that is reported. A manifest keeps what it says
of capacity, allocatable and labels; what it leaves open is that of a small machine.

In Kubernetes: pkg/kubelet/nodestatus/setters.go and pkg/kubelet/kubelet_node_status.go.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any, NamedTuple

from kubelab.api.objects import EMPTY, NOTHING, Obj, freeze, get, merged, name_of
from kubelab.runtime.cri import ImageStatus

VERSION = "v1.36.2"
PORT = 10250
CAPACITY: Obj = freeze(
    {
        "cpu": "4",
        "ephemeral-storage": "100Gi",
        "hugepages-1Gi": "0",
        "hugepages-2Mi": "0",
        "memory": "8Gi",
        "pods": "110",
    }
)
NETWORK_DOWN = (
    "container runtime network not ready: NetworkReady=false reason:NetworkPluginNotReady "
    "message:Network plugin returns error: cni plugin not initialized"
)
TAINT = "node.kubernetes.io/not-ready"
PRESSURES = (
    ("MemoryPressure", "KubeletHasSufficientMemory", "kubelet has sufficient memory available"),
    ("DiskPressure", "KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
    ("PIDPressure", "KubeletHasSufficientPID", "kubelet has sufficient PID available"),
)
PRESSED = {
    "MemoryPressure": ("KubeletHasInsufficientMemory", "kubelet has insufficient memory available"),
    "DiskPressure": ("KubeletHasDiskPressure", "kubelet has disk pressure"),
    "PIDPressure": ("KubeletHasInsufficientPID", "kubelet has insufficient PID available"),
}
# The most images that a node's status names.
IMAGES = 50


class Seen(NamedTuple):
    """What the kubelet sees of its machine now."""

    address: str
    runtime_version: str
    network_ready: bool
    runtime_ready: bool = True
    pressures: tuple[str, ...] = ()
    shutting_down: bool = False
    # All addresses, where the machine has one of each family.
    addresses: tuple[str, ...] = ()


def manifest(name: str) -> Obj:
    """The Node of a machine of which nothing else is said."""
    made: Obj = freeze({"apiVersion": "v1", "kind": "Node", "metadata": {"name": name}})
    return made


def registered(node: Obj, seen: Seen, timestamp: str) -> Obj:
    """The object with which a kubelet registers its node."""
    name = name_of(node)
    labels = {
        "beta.kubernetes.io/arch": "amd64",
        "beta.kubernetes.io/os": "linux",
        "kubernetes.io/arch": "amd64",
        "kubernetes.io/hostname": name,
        "kubernetes.io/os": "linux",
        **get(node, "metadata", "labels", default=EMPTY),
    }
    annotations = {
        "volumes.kubernetes.io/controller-managed-attach-detach": "true",
        **get(node, "metadata", "annotations", default=EMPTY),
    }
    metadata = {**node["metadata"], "labels": labels, "annotations": annotations}
    body = {"apiVersion": "v1", "kind": "Node", "metadata": metadata, "spec": node.get("spec", {})}
    made: Obj = freeze({**body, "status": status(node, EMPTY, seen, timestamp)})
    return made


def status(node: Obj, before: Obj, seen: Seen, timestamp: str) -> Obj:
    """The status of a node; `before` is the status that was reported last."""
    given = get(node, "status", default=EMPTY)
    capacity = get(given, "capacity", default=None) or get(given, "allocatable", default=CAPACITY)
    allocatable = get(given, "allocatable", default=None) or capacity
    digest = hashlib.sha256(name_of(node).encode()).hexdigest()
    old = get(before, "conditions", default=NOTHING)
    return freeze({  # type: ignore[no-any-return]
        "capacity": capacity,
        "allocatable": allocatable,
        "conditions": conditions(old, seen, timestamp),
        "addresses": get(given, "addresses", default=None) or [
            *({"type": "InternalIP", "address": address}
              for address in seen.addresses or (seen.address,)),
            {"type": "Hostname", "address": name_of(node)},
        ],
        "daemonEndpoints": {"kubeletEndpoint": {"Port": PORT}},
        "nodeInfo": {
            "machineID": digest[:32],
            "systemUUID": _uuid(digest),
            "bootID": _uuid(digest[32:]),
            "kernelVersion": "6.12.0-kubelab",
            "osImage": "Kubelab Linux 1.0",
            "containerRuntimeVersion": seen.runtime_version,
            "kubeletVersion": VERSION,
            "kubeProxyVersion": "",
            "operatingSystem": "linux",
            "architecture": "amd64",
            **get(given, "nodeInfo", default=EMPTY),
        },
    })  # fmt: skip


def _uuid(digits: str) -> str:
    """A UUID made of hexadecimal digits."""
    d = digits
    return f"{d[:8]}-{d[8:12]}-4{d[13:16]}-8{d[17:20]}-{d[20:32]}"


def conditions(before: Iterable[Obj], seen: Seen, timestamp: str) -> list[dict[str, Any]]:
    """The node's conditions, in Kubernetes' order; times are kept where nothing changed."""
    old = {item["type"]: item for item in before}
    rows: list[tuple[str, str, str, str]] = []
    for type_, reason, message in PRESSURES:
        pressed = type_ in seen.pressures
        if pressed:
            reason, message = PRESSED[type_]
        rows.append((type_, "True" if pressed else "False", reason, message))
    problems = []
    if not seen.runtime_ready:
        problems.append("container runtime is down")
    if not seen.network_ready:
        problems.append(NETWORK_DOWN)
    if seen.shutting_down:
        problems.append("node is shutting down")
    if problems:
        rows.append(("Ready", "False", "KubeletNotReady", f"[{', '.join(problems)}]"))
        if len(problems) == 1:
            rows[-1] = ("Ready", "False", "KubeletNotReady", problems[0])
    else:
        rows.append(("Ready", "True", "KubeletReady", "kubelet is posting ready status"))
    out = []
    for type_, state, reason, message in rows:
        known = old.get(type_)
        same = known is not None and known.get("status") == state
        changed = known.get("lastTransitionTime", timestamp) if same and known else timestamp
        out.append({
            "type": type_, "status": state, "lastHeartbeatTime": timestamp,
            "lastTransitionTime": changed, "reason": reason, "message": message,
        })  # fmt: skip
    return out


def images_of(images: Iterable[ImageStatus]) -> list[dict[str, Any]]:
    """The images that a node's status names, the largest first."""
    rows: dict[tuple[str, ...], int] = {}
    for item in sorted(images, key=_size):
        rows[item.names or (item.id, item.name)] = item.size_bytes
    return [{"names": list(names), "sizeBytes": size} for names, size in rows.items()][:IMAGES]


def _size(image: ImageStatus) -> tuple[int, str]:
    return -image.size_bytes, image.name


def without_heartbeats(node_status: Obj) -> Obj:
    """The status without the times that change at each look."""
    rows = [merged(row, lastHeartbeatTime=None) for row in node_status.get("conditions", ())]
    return merged(node_status, conditions=rows)
