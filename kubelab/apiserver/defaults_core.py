"""Defaults of the core group, of discovery and of storage, pods left aside.

In Kubernetes: pkg/apis/core/v1/defaults.go, and those of discovery and storage.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

from kubelab.apiserver import defaults_pods
from kubelab.apiserver.defaults_pods import PROTOCOL
from kubelab.apiserver.filling import each, filled, put, within
from kubelab.sim.tree import EMPTY, Obj, freeze

SERVICE = Obj({"sessionAffinity": "None", "type": "ClusterIP"})
STICKY = freeze({"sessionAffinityConfig": {"clientIP": {"timeoutSeconds": 10800}}})
EVENT = freeze({
    "source": {}, "firstTimestamp": None, "lastTimestamp": None, "eventTime": None,
    "reportingComponent": "", "reportingInstance": "",
})  # fmt: skip
VOLUME = Obj({"persistentVolumeReclaimPolicy": "Retain", "volumeMode": "Filesystem"})
CSI_DRIVER = freeze({
    "attachRequired": True, "podInfoOnMount": False, "volumeLifecycleModes": ["Persistent"],
    "storageCapacity": False, "fsGroupPolicy": "ReadWriteOnceWithFSType",
    "requiresRepublish": False, "seLinuxMount": False,
})  # fmt: skip


def service(obj: Obj) -> Obj:
    """A Service; addresses and node ports are the allocator's."""
    return within(obj, "spec", _service_spec)  # type: ignore[no-any-return]


def _service_spec(spec: Any) -> Any:
    spec = filled(spec, SERVICE)
    if spec["sessionAffinity"] == "None" and spec.get("sessionAffinityConfig"):
        spec = Obj({key: item for key, item in spec.items() if key != "sessionAffinityConfig"})
    if spec["sessionAffinity"] == "ClientIP":
        spec = filled(spec, STICKY)
    spec = each(spec, "ports", _service_port)
    kind = spec["type"]
    outside = kind in ("NodePort", "LoadBalancer")
    if outside or (kind == "ClusterIP" and spec.get("externalIPs")):
        spec = filled(spec, Obj({"externalTrafficPolicy": "Cluster"}))
    if kind == "LoadBalancer":
        spec = filled(spec, Obj({"allocateLoadBalancerNodePorts": True}))
    if kind != "ExternalName":
        spec = filled(spec, Obj({"internalTrafficPolicy": "Cluster"}))
    return spec


def _service_port(port: Any) -> Any:
    port = filled(port, PROTOCOL)
    if not port.get("targetPort") and port.get("port") is not None:
        port = put(port, "targetPort", port["port"])
    return port


def secret(obj: Obj) -> Obj:
    """A Secret: its plain texts are folded into the data."""
    obj = filled(obj, Obj({"type": "Opaque"}))
    texts = obj.get("stringData")
    if texts is None:
        return obj
    data = dict(obj.get("data") or ())
    for key, text in texts.items():
        data[key] = base64.b64encode(text.encode()).decode()
    rest = {key: item for key, item in obj.items() if key != "stringData"}
    return Obj({**rest, "data": Obj(data)}) if data else Obj(rest)


def endpoints(obj: Obj) -> Obj:
    """An Endpoints."""
    return each(  # type: ignore[no-any-return]
        obj, "subsets", lambda part: each(part, "ports", lambda port: filled(port, PROTOCOL))
    )


def replication_controller(obj: Obj) -> Obj:
    """A ReplicationController: labels and selector follow from its template."""
    spec = obj.get("spec")
    if spec is None:
        return obj
    spec = within(filled(spec, Obj({"replicas": 1})), "template", defaults_pods.template)
    labels = ((spec.get("template") or EMPTY).get("metadata") or EMPTY).get("labels")
    if labels:
        spec = filled(spec, Obj({"selector": labels}))
        metadata = filled(obj.get("metadata") or EMPTY, Obj({"labels": labels}))
        obj = put(obj, "metadata", metadata)
    return put(obj, "spec", spec)  # type: ignore[no-any-return]


def limit_range(obj: Obj) -> Obj:
    """A LimitRange: what a container gets that says nothing."""
    return within(  # type: ignore[no-any-return]
        obj, "spec", lambda spec: each(spec, "limits", _limit)
    )


def _limit(item: Any) -> Any:
    if item.get("type") != "Container":
        return item
    default = {**(item.get("max") or EMPTY), **(item.get("default") or EMPTY)}
    request = {**(item.get("min") or EMPTY), **default, **(item.get("defaultRequest") or EMPTY)}
    out = dict(item)
    if default:
        out["default"] = Obj(default)
    if request:
        out["defaultRequest"] = Obj(request)
    return item if out == item else Obj(out)


def node(obj: Obj) -> Obj:
    """A Node: all of its capacity may be used unless it says otherwise."""
    obj = filled(obj, Obj({"spec": EMPTY}))
    capacity = (obj.get("status") or EMPTY).get("capacity")
    if capacity:
        obj = within(obj, "status", lambda held: filled(held, Obj({"allocatable": capacity})))
    return obj


def volume(obj: Obj) -> Obj:
    """A PersistentVolume."""
    return within(  # type: ignore[no-any-return]
        obj, "spec", lambda spec: defaults_pods.volume(filled(spec, VOLUME))
    )


def claim(obj: Obj) -> Obj:
    """A PersistentVolumeClaim."""
    return within(obj, "spec", defaults_pods.claim_spec)  # type: ignore[no-any-return]


def endpoint_slice(obj: Obj) -> Obj:
    """An EndpointSlice; what it has none of is null, since protobuf knows no empty list."""
    empty = {key: None for key in ("endpoints", "ports") if not obj.get(key)}
    if empty:
        obj = Obj({**obj, **empty})
    obj = each(obj, "ports", lambda port: filled(port, Obj({"name": "", "protocol": "TCP"})))
    return each(  # type: ignore[no-any-return]
        obj, "endpoints", lambda endpoint: filled(endpoint, Obj({"conditions": EMPTY}))
    )


def plain(**defaults: Any) -> Callable[[Obj], Obj]:
    """Defaults of fields of the object itself."""
    frozen = freeze(defaults)
    return lambda obj: filled(obj, frozen)


def in_spec(**defaults: Any) -> Callable[[Obj], Obj]:
    """Defaults of fields of the spec, if there is one."""
    frozen = freeze(defaults)
    return lambda obj: within(obj, "spec", lambda spec: filled(spec, frozen))


def _csi_node(obj: Obj) -> Obj:
    """No driver is written as null, since protobuf cannot tell an empty list from none."""
    spec = obj.get("spec") or EMPTY
    if spec.get("drivers") or ("drivers" in spec and spec["drivers"] is None):
        return obj
    return Obj({**obj, "spec": Obj({**spec, "drivers": None})})


DEFAULTS: dict[tuple[str, str], Callable[[Obj], Obj]] = {
    ("", "Endpoints"): endpoints,
    ("", "Event"): plain(**EVENT),
    ("", "LimitRange"): limit_range,
    ("", "Namespace"): plain(spec={}),
    ("", "Node"): node,
    ("", "PersistentVolume"): volume,
    ("", "PersistentVolumeClaim"): claim,
    ("", "Pod"): defaults_pods.pod,
    ("", "PodTemplate"): lambda obj: within(obj, "template", defaults_pods.template),
    ("", "ReplicationController"): replication_controller,
    ("", "ResourceQuota"): plain(spec={}),
    ("", "Secret"): secret,
    ("", "Service"): service,
    ("discovery.k8s.io", "EndpointSlice"): endpoint_slice,
    ("storage.k8s.io", "CSIDriver"): in_spec(**CSI_DRIVER),
    ("storage.k8s.io", "CSINode"): _csi_node,
    ("storage.k8s.io", "StorageClass"): plain(
        reclaimPolicy="Delete", volumeBindingMode="Immediate"
    ),
    ("coordination.k8s.io", "Lease"): plain(spec={}),
}
