"""The pages of nodes, namespaces, quotas and configuration.

In Kubernetes: k8s.io/kubectl/pkg/describe/describe.go.
"""

from __future__ import annotations

import base64
from fractions import Fraction
from typing import Any

from kubelab.api import kinds, quantity
from kubelab.api.errors import ApiError
from kubelab.api.objects import Obj, get, labels_of, name_of, namespace_of
from kubelab.kubectl.page import NONE, Page, when
from kubelab.kubectl.session import Session

POD = kinds.named("v1/Pod")
LEASE = kinds.named("coordination.k8s.io/v1/Lease")
QUOTA = kinds.named("v1/ResourceQuota")
LIMITS = kinds.named("v1/LimitRange")
ROLE = "node-role.kubernetes.io/"


def _node(session: Session, page: Page, node: Obj, events: Any) -> None:
    labels = labels_of(node)
    roles = [key[len(ROLE) :] for key in labels if key.startswith(ROLE) and key != ROLE]
    page.write(0, f"Name:\t{name_of(node)}")
    page.write(0, f"Roles:\t{','.join(sorted(roles)) or NONE}")
    page.marks(node)
    page.write(0, f"CreationTimestamp:\t{when(node['metadata'].get('creationTimestamp'))}")
    taints = [
        f"{t['key']}={t['value']}:{t['effect']}" if t.get("value") else f"{t['key']}:{t['effect']}"
        for t in get(node, "spec", "taints", default=())
    ]
    page.lines("Taints", taints or [NONE])
    unschedulable = "true" if get(node, "spec", "unschedulable") else "false"
    page.write(0, f"Unschedulable:\t{unschedulable}")
    _lease(session, page, name_of(node))
    conditions = get(node, "status", "conditions", default=())
    if conditions:
        page.write(0, "Conditions:")
        page.write(1, "Type\tStatus\tLastHeartbeatTime\tLastTransitionTime\tReason\tMessage")
        page.write(
            1, "----\t------\t-----------------\t------------------\t------\t-------"
        )  # fmt: skip
        for row in conditions:
            page.write(
                1, f"{row['type']} \t{row['status']} \t{when(row.get('lastHeartbeatTime'))} \t"
                f"{when(row.get('lastTransitionTime'))} \t{row.get('reason', '')} \t"
                f"{row.get('message', '')}",
            )  # fmt: skip
    page.write(0, "Addresses:")
    for row in get(node, "status", "addresses", default=()):
        page.write(1, f"{row['type']}:\t{row['address']}")
    for title in ("Capacity", "Allocatable"):
        amounts = get(node, "status", title.lower(), default={})
        if amounts:
            page.write(0, f"{title}:")
        for name in sorted(amounts):
            page.write(1, f"{name}:\t{amounts[name]}")
    _system(page, node)
    _resources(session, page, node)
    page.events(events)


def _lease(session: Session, page: Page, name: str) -> None:
    try:
        lease = session.get(LEASE, "kube-node-lease", name)
    except ApiError as error:
        page.write(0, f"Lease:\tFailed to get lease: {error.status.get('message')}")
        return
    page.write(0, "Lease:")
    page.write(1, f"HolderIdentity:\t{get(lease, 'spec', 'holderIdentity', default='<unset>')}")
    for title, field in (("AcquireTime", "acquireTime"), ("RenewTime", "renewTime")):
        stamp = get(lease, "spec", field)
        page.write(1, f"{title}:\t{when(stamp) if stamp else '<unset>'}")


def _system(page: Page, node: Obj) -> None:
    info = get(node, "status", "nodeInfo", default={})
    page.write(0, "System Info:")
    for title, field in (
        ("Machine ID", "machineID"), ("System UUID", "systemUUID"), ("Boot ID", "bootID"),
        ("Kernel Version", "kernelVersion"), ("OS Image", "osImage"),
        ("Operating System", "operatingSystem"), ("Architecture", "architecture"),
        ("Container Runtime Version", "containerRuntimeVersion"),
        ("Kubelet Version", "kubeletVersion"),
    ):  # fmt: skip
        page.write(1, f"{title}:\t{info.get(field, '')}")
    for title, value in (
        ("PodCIDR", get(node, "spec", "podCIDR")),
        ("PodCIDRs", ",".join(get(node, "spec", "podCIDRs", default=()))),
        ("ProviderID", get(node, "spec", "providerID")),
    ):
        if value:
            page.write(0, f"{title}:\t{value}")


Amounts = dict[str, Fraction]


def amounts_of(pod: Obj, field: str) -> Amounts:
    """What a pod asks for, or may use: its containers together, or its largest init container."""
    spec = pod.get("spec") or {}
    total: Amounts = {}
    for container in spec.get("containers") or ():
        for name, text in (get(container, "resources", field) or {}).items():
            total[name] = total.get(name, Fraction(0)) + quantity.parse(text)
    sidecars: Amounts = {}
    for container in spec.get("initContainers") or ():
        stays = container.get("restartPolicy") == "Always"
        for name, text in (get(container, "resources", field) or {}).items():
            amount = quantity.parse(text) + sidecars.get(name, Fraction(0))
            if stays:
                sidecars[name] = amount
                total[name] = total.get(name, Fraction(0)) + quantity.parse(text)
            total[name] = max(total.get(name, Fraction(0)), amount)
    return total


def _text(name: str, amount: Fraction) -> str:
    if name in ("memory", "ephemeral-storage") or name.startswith("hugepages-"):
        return quantity.write(amount, quantity.BINARY)
    return quantity.write(amount, quantity.DECIMAL)


def _share(name: str, amounts: Amounts, allocatable: Any) -> str:
    amount = amounts.get(name, Fraction(0))
    whole = quantity.parse(allocatable.get(name, "0"))
    percent = int(amount / whole * 100) if whole else 0
    return f"{_text(name, amount)} ({percent}%)"


def _resources(session: Session, page: Page, node: Obj) -> None:
    fields = f"spec.nodeName={name_of(node)},status.phase!=Succeeded,status.phase!=Failed"
    pods = session.list(POD, "", "", fields)
    allocatable = get(node, "status", "allocatable") or get(node, "status", "capacity") or {}
    page.write(0, f"Non-terminated Pods:\t({len(pods)} in total)")
    head = [
        "Namespace", "Name", "", "CPU Requests", "CPU Limits", "Memory Requests", "Memory Limits",
        "Age",
    ]  # fmt: skip
    page.write(1, "\t".join(head))
    page.write(1, "\t".join("-" * len(word) for word in head))
    totals: dict[str, Amounts] = {"requests": {}, "limits": {}}
    for pod in pods:
        held = {field: amounts_of(pod, field) for field in totals}
        cells = [
            _share(name, held[field], allocatable)
            for name in ("cpu", "memory") for field in ("requests", "limits")
        ]  # fmt: skip
        age = page.ago(pod["metadata"].get("creationTimestamp"))
        row = "\t".join([namespace_of(pod), name_of(pod), "", *cells, age])
        page.write(1, row)
        for field, amounts in held.items():
            for name, amount in amounts.items():
                totals[field][name] = totals[field].get(name, Fraction(0)) + amount
    page.write(0, "Allocated resources:\n  (Total limits may be over 100 percent, i.e., "
                  "overcommitted.)")  # fmt: skip
    page.write(1, "Resource\tRequests\tLimits")
    page.write(1, "--------\t--------\t------")
    for name in ("cpu", "memory", "ephemeral-storage"):
        shares = [_share(name, totals[field], allocatable) for field in totals]
        page.write(1, "\t".join([name, *shares]))
    for name in sorted(allocatable):
        if name.startswith("hugepages-"):
            shares = [_share(name, totals[field], allocatable) for field in totals]
            page.write(1, "\t".join([name, *shares]))


# Namespaces, quotas and limits.


def _namespace(session: Session, page: Page, obj: Obj, events: Any) -> None:
    page.write(0, f"Name:\t{name_of(obj)}")
    page.marks(obj)
    page.write(0, f"Status:\t{get(obj, 'status', 'phase', default='')}")
    quotas = session.list(QUOTA, name_of(obj))
    limits = session.list(LIMITS, name_of(obj))
    page.write(0, "\nResource Quotas" if quotas else "\nNo resource quota.")
    for quota in quotas:
        page.write(1, f"Name:\t{name_of(quota)}")
        _scopes(page, quota, 1)
        page.write(1, "Resource\tUsed\tHard")
        page.write(1, "--------\t---\t---")
        for row in _quota_rows(quota):
            page.write(1, row)
    page.write(0, "\nResource Limits" if limits else "\nNo LimitRange resource.")
    for held in limits:
        _limit_rows(page, held, " ")


SCOPES = {
    "Terminating": "Matches all pods that have an active deadline. These pods have a limited "
    "lifespan on a node before being actively terminated by the system.",
    "NotTerminating": "Matches all pods that do not have an active deadline. These pods usually "
    "include long running pods whose container command is not expected to terminate.",
    "BestEffort": "Matches all pods that do not have resource requirements set. These pods have a "
    "best effort quality of service.",
    "NotBestEffort": "Matches all pods that have at least one resource requirement set. These pods "
    "have a burstable or guaranteed quality of service.",
}


def _scopes(page: Page, quota: Obj, level: int) -> None:
    """Which pods a quota counts."""
    scopes = sorted(get(quota, "spec", "scopes", default=()))
    if not scopes:
        return
    page.write(level, f"Scopes:\t{', '.join(scopes)}")
    indent = "  " if level else " "
    for scope in scopes:
        if scope in SCOPES:
            page.write(0, f"{indent}* {SCOPES[scope]}")


def _quota_rows(quota: Obj) -> list[str]:
    hard, used = (get(quota, "status", field, default={}) for field in ("hard", "used"))
    return [f"{name}\t{used.get(name, '0')}\t{hard[name]}" for name in sorted(hard)]


def _quota(session: Session, page: Page, obj: Obj, events: Any) -> None:
    page.head(obj)
    _scopes(page, obj, 0)
    page.write(0, "Resource\tUsed\tHard")
    page.write(0, "--------\t----\t----")
    for row in _quota_rows(obj):
        page.write(0, row)


def _limits(session: Session, page: Page, obj: Obj, events: Any) -> None:
    page.head(obj)
    _limit_rows(page, obj, "")


def _limit_rows(page: Page, obj: Obj, indent: str) -> None:
    head = ("Type", "Resource", "Min", "Max", "Default Request", "Default Limit",
            "Max Limit/Request Ratio")  # fmt: skip
    page.write(0, indent + "\t".join(head))
    page.write(0, indent + "\t".join("-" * len(word) for word in head))
    fields = ("min", "max", "defaultRequest", "default", "maxLimitRequestRatio")
    for limit in get(obj, "spec", "limits", default=()):
        names = sorted({name: True for field in fields for name in limit.get(field) or ()})
        for name in names:
            cells = [str((limit.get(field) or {}).get(name, "-")) for field in fields]
            page.write(0, indent + "\t".join([limit["type"], name, *cells]))


# Configuration.


def _config_map(session: Session, page: Page, obj: Obj, events: Any) -> None:
    page.head(obj)
    page.marks(obj)
    page.write(0, "\nData\n====")
    data = obj.get("data") or {}
    for key in sorted(data):
        page.write(0, f"{key}:\n----\n{data[key]}\n")
    page.write(0, "\nBinaryData\n====")
    binary = obj.get("binaryData") or {}
    for key in sorted(binary):
        page.write(0, f"{key}: {len(base64.b64decode(binary[key]))} bytes")
    page.write(0, "")
    page.events(events)


def _secret(session: Session, page: Page, obj: Obj, events: Any) -> None:
    page.head(obj)
    page.marks(obj)
    page.write(0, f"\nType:\t{obj.get('type', '')}")
    page.write(0, "\nData\n====")
    data = obj.get("data") or {}
    for key in sorted(data):
        content = base64.b64decode(data[key])
        if key == "token" and obj.get("type") == "kubernetes.io/service-account-token":
            page.write(0, f"{key}:\t{content.decode()}")
        else:
            page.write(0, f"{key}:\t{len(content)} bytes")


def _service_account(session: Session, page: Page, obj: Obj, events: Any) -> None:
    page.head(obj)
    page.marks(obj)
    names = [ref["name"] for ref in obj.get("imagePullSecrets") or ()]
    page.lines("Image pull secrets", names or [NONE])
    page.events(events)


def _priority_class(session: Session, page: Page, obj: Obj, events: Any) -> None:
    page.write(0, f"Name:\t{name_of(obj)}")
    page.write(0, f"Value:\t{obj.get('value', 0)}")
    page.write(0, f"GlobalDefault:\t{str(bool(obj.get('globalDefault'))).lower()}")
    page.write(0, f"PreemptionPolicy:\t{obj.get('preemptionPolicy', 'PreemptLowerPriority')}")
    page.write(0, f"Description:\t{obj.get('description', '')}")
    page.annotations("Annotations", get(obj, "metadata", "annotations", default={}))
    page.events(events)


PAGES = {
    "Node": _node, "Namespace": _namespace, "ResourceQuota": _quota, "LimitRange": _limits,
    "ConfigMap": _config_map, "Secret": _secret, "ServiceAccount": _service_account,
    "PriorityClass": _priority_class,
}  # fmt: skip
