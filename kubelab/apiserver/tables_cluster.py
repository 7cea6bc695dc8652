"""The rows of nodes, namespaces, configuration, storage and Events.

In Kubernetes: pkg/printers/internalversion/printers.go.
"""

from __future__ import annotations

from typing import Any

from kubelab.api.durations import UNKNOWN, since
from kubelab.api.objects import Obj, annotations_of, get, labels_of, name_of
from kubelab.apiserver.tables_cells import NONE, UNSET, age

MODES = {
    "ReadWriteOnce": "RWO", "ReadOnlyMany": "ROX", "ReadWriteMany": "RWX",
    "ReadWriteOncePod": "RWOP",
}  # fmt: skip
ROLE = "node-role.kubernetes.io/"


def _spec(obj: Obj, *path: str, default: Any = "") -> Any:
    return get(obj, "spec", *path, default=default)


def node_word(node: Obj) -> str:
    """Whether a node is ready, and whether pods may come to it."""
    ready = [c for c in get(node, "status", "conditions", default=()) if c["type"] == "Ready"]
    words = ["Ready" if c["status"] == "True" else "NotReady" for c in ready] or ["Unknown"]
    if _spec(node, "unschedulable"):
        words.append("SchedulingDisabled")
    return ",".join(words)


def node_roles(node: Obj) -> str:
    """The roles that a node's labels give it."""
    roles = [
        key[len(ROLE) :] if key.startswith(ROLE) else value
        for key, value in labels_of(node).items()
        if (key.startswith(ROLE) and key != ROLE) or (key == "kubernetes.io/role" and value)
    ]
    return ",".join(sorted(dict.fromkeys(roles))) or NONE


def _node(obj: Obj, now_ns: int) -> list[Any]:
    info = get(obj, "status", "nodeInfo", default={})
    addresses = get(obj, "status", "addresses", default=())

    def address(type_: str) -> str:
        return next((a["address"] for a in addresses if a["type"] == type_), NONE)

    kernel, architecture = info.get("kernelVersion"), info.get("architecture")
    if kernel and architecture:
        kernel = f"{kernel} ({architecture})"
    return [
        name_of(obj), node_word(obj), node_roles(obj), age(obj, now_ns),
        info.get("kubeletVersion", ""), address("InternalIP"), address("ExternalIP"),
        info.get("osImage") or UNKNOWN, kernel or UNKNOWN,
        info.get("containerRuntimeVersion") or UNKNOWN,
    ]  # fmt: skip


def _namespace(obj: Obj, now_ns: int) -> list[Any]:
    return [name_of(obj), get(obj, "status", "phase", default=""), age(obj, now_ns)]


def _config_map(obj: Obj, now_ns: int) -> list[Any]:
    return [
        name_of(obj), len(obj.get("data") or ()) + len(obj.get("binaryData") or ()),
        age(obj, now_ns),
    ]  # fmt: skip


def _secret(obj: Obj, now_ns: int) -> list[Any]:
    return [name_of(obj), obj.get("type", ""), len(obj.get("data") or ()), age(obj, now_ns)]


def _aged(obj: Obj, now_ns: int) -> list[Any]:
    return [name_of(obj), age(obj, now_ns)]


def _quota(obj: Obj, now_ns: int) -> list[Any]:
    requests: list[str] = []
    limits: list[str] = []
    hard, used = (get(obj, "status", field, default={}) for field in ("hard", "used"))
    for resource in sorted(hard):
        text = f"{resource}: {used.get(resource, '0')}/{hard[resource]}"
        (limits if resource.startswith("limits.") else requests).append(text)
    return [name_of(obj), ", ".join(requests), ", ".join(limits), age(obj, now_ns)]


def _event(obj: Obj, now_ns: int) -> list[Any]:
    about = obj.get("involvedObject") or obj.get("regarding") or {}
    source = obj.get("source") or obj.get("deprecatedSource") or {}
    first = obj.get("firstTimestamp") or obj.get("deprecatedFirstTimestamp") or obj.get("eventTime")
    last = obj.get("lastTimestamp") or obj.get("deprecatedLastTimestamp") or first
    count = obj.get("count") or obj.get("deprecatedCount") or 1
    if obj.get("series"):
        last, count = obj["series"].get("lastObservedTime"), obj["series"].get("count")
    kind = about.get("kind", "").lower()
    return [
        since(last, now_ns), obj.get("type", ""), obj.get("reason", ""),
        f"{kind}/{about['name']}" if about.get("name") else kind, about.get("fieldPath", ""),
        event_source(obj, source), (obj.get("message") or obj.get("note") or "").strip(),
        since(first, now_ns), count, name_of(obj),
    ]  # fmt: skip


def event_source(obj: Obj, source: Any) -> str:
    """Who reported an Event."""
    component = source.get("component")
    instance = source.get("host")
    if not component:
        component = obj.get("reportingComponent") or obj.get("reportingController") or ""
        instance = obj.get("reportingInstance")
    return f"{component}, {instance}" if instance else component


def _modes(modes: Any) -> str:
    return ",".join(dict.fromkeys(MODES.get(mode, mode) for mode in modes or ()))


def _volume(obj: Obj, now_ns: int) -> list[Any]:
    claim = _spec(obj, "claimRef", default=None)
    phase = get(obj, "status", "phase", default="")
    return [
        name_of(obj), _spec(obj, "capacity", "storage"), _modes(_spec(obj, "accessModes")),
        _spec(obj, "persistentVolumeReclaimPolicy"),
        "Terminating" if get(obj, "metadata", "deletionTimestamp") else phase,
        f"{claim.get('namespace', '')}/{claim.get('name', '')}" if claim else "",
        _spec(obj, "storageClassName"), _spec(obj, "volumeAttributesClassName", default=UNSET),
        get(obj, "status", "reason", default=""), age(obj, now_ns),
        _spec(obj, "volumeMode", default=UNSET),
    ]  # fmt: skip


def _claim(obj: Obj, now_ns: int) -> list[Any]:
    phase = get(obj, "status", "phase", default="")
    volume = _spec(obj, "volumeName")
    return [
        name_of(obj), "Terminating" if get(obj, "metadata", "deletionTimestamp") else phase, volume,
        get(obj, "status", "capacity", "storage", default="") if volume else "",
        _modes(get(obj, "status", "accessModes")) if volume else "", _spec(obj, "storageClassName"),
        _spec(obj, "volumeAttributesClassName", default=UNSET), age(obj, now_ns),
        _spec(obj, "volumeMode", default=UNSET),
    ]  # fmt: skip


def _default_mark(obj: Obj) -> str:
    is_default = annotations_of(obj).get("storageclass.kubernetes.io/is-default-class") == "true"
    return f"{name_of(obj)} (default)" if is_default else name_of(obj)


def _storage_class(obj: Obj, now_ns: int) -> list[Any]:
    return [
        _default_mark(obj), obj.get("provisioner"), obj.get("reclaimPolicy", "Delete"),
        obj.get("volumeBindingMode", "Immediate"), bool(obj.get("allowVolumeExpansion")),
        age(obj, now_ns),
    ]  # fmt: skip


def _csi_driver(obj: Obj, now_ns: int) -> list[Any]:
    audiences = [request.get("audience", "") for request in _spec(obj, "tokenRequests") or ()]
    return [
        name_of(obj), _spec(obj, "attachRequired", default=True),
        _spec(obj, "podInfoOnMount", default=False), _spec(obj, "storageCapacity", default=False),
        ",".join(audiences) or UNSET, _spec(obj, "requiresRepublish", default=False),
        ",".join(_spec(obj, "volumeLifecycleModes") or ()) or NONE, age(obj, now_ns),
    ]  # fmt: skip


def _csi_node(obj: Obj, now_ns: int) -> list[Any]:
    return [name_of(obj), len(_spec(obj, "drivers") or ()), age(obj, now_ns)]


def _attachment(obj: Obj, now_ns: int) -> list[Any]:
    return [
        name_of(obj), _spec(obj, "attacher"), _spec(obj, "source", "persistentVolumeName"),
        _spec(obj, "nodeName"), get(obj, "status", "attached", default=False), age(obj, now_ns),
    ]  # fmt: skip


def _attributes_class(obj: Obj, now_ns: int) -> list[Any]:
    return [name_of(obj), obj.get("driverName", ""), age(obj, now_ns)]


def _component_status(obj: Obj, now_ns: int) -> list[Any]:
    status, message, error = "Unknown", "", ""
    for condition in obj.get("conditions") or ():
        if condition["type"] == "Healthy":
            status = "Healthy" if condition["status"] == "True" else "Unhealthy"
            message, error = condition.get("message", ""), condition.get("error", "")
    return [name_of(obj), status, message, error]


def _claim_state(obj: Obj, now_ns: int) -> list[Any]:
    words = []
    if get(obj, "metadata", "deletionTimestamp"):
        words.append("deleted")
    if get(obj, "status", "allocation"):
        words.append("allocated")
    elif not words:
        words.append("pending")
    if get(obj, "status", "reservedFor"):
        words.append("reserved")
    return [name_of(obj), ",".join(words), age(obj, now_ns)]


def _resource_slice(obj: Obj, now_ns: int) -> list[Any]:
    return [
        name_of(obj), _spec(obj, "nodeName", default=UNSET), _spec(obj, "driver"),
        _spec(obj, "pool", "name"), age(obj, now_ns),
    ]  # fmt: skip


def _lease(obj: Obj, now_ns: int) -> list[Any]:
    return [name_of(obj), _spec(obj, "holderIdentity"), age(obj, now_ns)]


def _runtime_class(obj: Obj, now_ns: int) -> list[Any]:
    return [name_of(obj), obj.get("handler", ""), age(obj, now_ns)]


def _priority_class(obj: Obj, now_ns: int) -> list[Any]:
    return [
        name_of(obj), obj.get("value", 0), bool(obj.get("globalDefault")), age(obj, now_ns),
        obj.get("preemptionPolicy", ""),
    ]  # fmt: skip


ROWS: dict[str, tuple[str, Any]] = {
    "Node": (
        "Name!, Status, Roles, Age, Version, Internal-IP+, External-IP+, OS-Image+, "
        "Kernel-Version+, Container-Runtime+", _node,
    ),
    "Namespace": ("Name!, Status, Age", _namespace),
    "ConfigMap": ("Name!, Data, Age", _config_map),
    "Secret": ("Name!, Type, Data, Age", _secret),
    "ServiceAccount": ("Name!, Age", _aged),
    "ResourceQuota": ("Name!, Request, Limit, Age", _quota),
    "Event": (
        "Last Seen, Type, Reason, Object, Subobject+, Source+, Message, First Seen+, Count+, "
        "Name!+", _event,
    ),
    "PersistentVolume": (
        "Name!, Capacity, Access Modes, Reclaim Policy, Status, Claim, StorageClass, "
        "VolumeAttributesClass, Reason, Age, VolumeMode+", _volume,
    ),
    "PersistentVolumeClaim": (
        "Name!, Status, Volume, Capacity, Access Modes, StorageClass, VolumeAttributesClass, Age, "
        "VolumeMode+", _claim,
    ),
    "StorageClass": (
        "Name!, Provisioner, ReclaimPolicy, VolumeBindingMode, AllowVolumeExpansion, Age",
        _storage_class,
    ),
    "CSIDriver": (
        "Name!, AttachRequired?, PodInfoOnMount?, StorageCapacity?, TokenRequests, "
        "RequiresRepublish?, Modes, Age", _csi_driver,
    ),
    "CSINode": ("Name!, Drivers#, Age", _csi_node),
    "VolumeAttachment": ("Name!, Attacher!, PV, Node, Attached?, Age", _attachment),
    "VolumeAttributesClass": ("Name!, DriverName, Age", _attributes_class),
    "ComponentStatus": ("Name!, Status, Message, Error", _component_status),
    "DeviceClass": ("Name!, Age", _aged),
    "ResourceClaim": ("Name!, State, Age", _claim_state),
    "ResourceClaimTemplate": ("Name!, Age", _aged),
    "ResourceSlice": ("Name!, Node, Driver, Pool, Age", _resource_slice),
    "Lease": ("Name!, Holder, Age", _lease),
    "RuntimeClass": ("Name!, Handler, Age", _runtime_class),
    "PriorityClass": ("Name!, Value#, Global-Default?, Age, PreemptionPolicy", _priority_class),
}  # fmt: skip
