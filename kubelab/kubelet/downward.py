"""The downward API: what a container can be told about its own pod.

In Kubernetes: pkg/fieldpath and pkg/api/v1/resource (ExtractContainerResourceValue).
"""

from __future__ import annotations

import re
from typing import NamedTuple

from kubelab.api import quantity
from kubelab.api.objects import EMPTY, Obj, get, name_of, namespace_of, uid_of
from kubelab.kubelet import nodestatus


class Context(NamedTuple):
    """What the pod's object does not say: its address, and the node's."""

    pod_ip: str
    host_ip: str
    node_name: str
    allocatable: Obj
    # All addresses of the pod and of the node, with commas between.
    pod_ips: str = ""
    host_ips: str = ""


def field(pod: Obj, path: str, context: Context) -> str:
    """The text of a fieldRef's path."""
    found = re.fullmatch(r"metadata\.(labels|annotations)\['(.*)'\]", path)
    if found is not None:
        return str(get(pod, "metadata", found[1], found[2], default=""))
    if path in ("metadata.labels", "metadata.annotations"):
        held = get(pod, *path.split("."), default=EMPTY)
        lines = [f'{key}="{_escaped(held[key])}"' for key in sorted(held)]
        return "\n".join(lines)
    values = {
        "metadata.name": name_of(pod),
        "metadata.namespace": namespace_of(pod),
        "metadata.uid": uid_of(pod),
        "spec.nodeName": context.node_name,
        "spec.serviceAccountName": get(pod, "spec", "serviceAccountName", default="default"),
        "status.hostIP": context.host_ip,
        "status.hostIPs": context.host_ips or context.host_ip,
        "status.podIP": context.pod_ip,
        "status.podIPs": context.pod_ips or context.pod_ip,
    }
    return str(values.get(path, ""))


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def resource(container: Obj, reference: Obj, context: Context) -> str:
    """The number of a resourceFieldRef; without a limit it is what the node has."""
    kind, _, name = reference["resource"].partition(".")
    amount = get(container, "resources", kind, name)
    if amount is None and kind == "limits":
        amount = context.allocatable.get(name, nodestatus.CAPACITY.get(name, "0"))
    divisor = reference.get("divisor") or "1"
    number = quantity.parse(amount or "0")
    unit = quantity.parse(divisor) or quantity.parse("1")
    return str(quantity.ceiling(number / unit))


def value(pod: Obj, item: Obj, context: Context) -> str:
    """The text of an item that has a fieldRef or a resourceFieldRef."""
    if "fieldRef" in item:
        return field(pod, item["fieldRef"]["fieldPath"], context)
    reference = item["resourceFieldRef"]
    for container in get(pod, "spec", "containers", default=()):
        if container["name"] == reference.get("containerName"):
            return resource(container, reference, context)
    return ""
