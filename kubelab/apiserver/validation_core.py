"""Validation of the rest of the core group: data, volumes, quotas, nodes.

In Kubernetes: pkg/apis/core/validation/validation.go.
"""

from __future__ import annotations

import json
from base64 import b64decode
from collections.abc import Callable
from typing import Any

from kubelab.api import quantity
from kubelab.api.fielderrors import not_allowed, required, too_long, unsupported, wrong
from kubelab.apiserver import formats, internal_form
from kubelab.apiserver.validation_meta import Errors, each_wrong, selector
from kubelab.apiserver.validation_pods import template
from kubelab.apiserver.validation_volumes import SOURCES, sources
from kubelab.sim.tree import EMPTY, Obj

DATA_LIMIT_BYTES = 1024 * 1024
ACCESS_MODES = ("ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod")
EFFECTS = ("NoSchedule", "PreferNoSchedule", "NoExecute")
FROZEN = "field is immutable when `immutable` is set"
REDACTED = "<secret contents redacted>"
_CLAIM_UPDATE = (
    "spec is immutable after creation except resources.requests and volumeAttributesClassName "
    "for bound claims"
)
# The keys that a Secret of a type must have.
SECRET_KEYS = {
    "kubernetes.io/tls": ("tls.crt", "tls.key"),
    "kubernetes.io/dockercfg": (".dockercfg",),
    "kubernetes.io/dockerconfigjson": (".dockerconfigjson",),
    "kubernetes.io/ssh-auth": ("ssh-privatekey",),
}
_QUOTA_RESOURCES = (
    "cpu", "memory", "ephemeral-storage", "requests.cpu", "requests.memory", "requests.storage",
    "requests.ephemeral-storage", "limits.cpu", "limits.memory", "limits.ephemeral-storage",
    "pods", "resourcequotas", "services", "replicationcontrollers", "secrets", "configmaps",
    "persistentvolumeclaims", "services.nodeports", "services.loadbalancers",
)  # fmt: skip


def config_map(obj: Obj) -> Errors:
    """A ConfigMap."""
    data, binary = obj.get("data") or EMPTY, obj.get("binaryData") or EMPTY
    for key in sorted(data):
        yield from each_wrong(f"data[{key}]", key, formats.config_key(key))
        if key in binary:
            yield wrong(f"data[{key}]", key, "duplicate of key present in binaryData")
    for key in sorted(binary):
        yield from each_wrong(f"binaryData[{key}]", key, formats.config_key(key))
    size = sum(len(text.encode()) for text in (*data.values(), *binary.values()))
    if size > DATA_LIMIT_BYTES:
        yield too_long("", DATA_LIMIT_BYTES)


def secret(obj: Obj) -> Errors:
    """A Secret: what it must hold depends on its type."""
    data, kind = obj.get("data") or EMPTY, obj.get("type") or ""
    for key in sorted(data):
        yield from each_wrong(f"data[{key}]", key, formats.config_key(key))
    if sum(len(text) * 3 // 4 for text in data.values()) > DATA_LIMIT_BYTES:
        yield too_long("data", DATA_LIMIT_BYTES)
    for key in SECRET_KEYS.get(kind, ()):
        if key not in data:
            yield required(f"data[{key}]")
        elif key.startswith(".docker"):
            yield from _json(data[key], f"data[{key}]")
    if kind == "kubernetes.io/basic-auth" and not ("username" in data or "password" in data):
        yield required("data[username]")
        yield required("data[password]")
    if kind == "kubernetes.io/service-account-token":
        name = ((obj.get("metadata") or EMPTY).get("annotations") or EMPTY).get(
            "kubernetes.io/service-account.name"
        )
        if not name:
            yield required("metadata.annotations[kubernetes.io/service-account.name]")


def _json(encoded: str, field: str) -> Errors:
    text = b64decode(encoded).decode("utf-8", "replace")
    try:
        json.loads(text)
    except ValueError as error:
        at = getattr(error, "pos", len(text))
        if at >= len(text.rstrip()):
            yield wrong(field, REDACTED, "unexpected end of JSON input")
        else:
            message = f"invalid character '{text[at]}' looking for beginning of value"
            yield wrong(field, REDACTED, message)


def config_map_update(old: Obj, new: Obj) -> Errors:
    """A ConfigMap that is immutable stays as it is."""
    yield from _kept(old, new, ("data", "binaryData"))
    yield from config_map(new)


def secret_update(old: Obj, new: Obj) -> Errors:
    """A Secret keeps its type, and an immutable one its data."""
    if old.get("type") != new.get("type"):
        yield wrong("type", new.get("type") or "", formats.IMMUTABLE)
    yield from _kept(old, new, ("data",))
    yield from secret(new)


def _kept(old: Obj, new: Obj, fields: tuple[str, ...]) -> Errors:
    if not old.get("immutable"):
        return
    if not new.get("immutable"):
        yield not_allowed("immutable", FROZEN)
    for field in fields:
        if (old.get(field) or EMPTY) != (new.get(field) or EMPTY):
            yield not_allowed(field, FROZEN)


def claim(obj: Obj) -> Errors:
    """A PersistentVolumeClaim."""
    spec = obj.get("spec") or EMPTY
    modes = spec.get("accessModes") or ()
    if not modes:
        yield required("spec.accessModes", "at least 1 access mode is required")
    yield from selector(spec.get("selector"), "spec.selector")
    yield from _modes(modes)
    storage = ((spec.get("resources") or EMPTY).get("requests") or EMPTY).get("storage")
    if storage is None:
        yield required("spec.resources[storage]")
    elif quantity.parse(storage) <= 0:
        yield wrong("spec.resources[storage]", storage, "must be greater than zero")
    if spec.get("volumeMode") not in (None, "Block", "Filesystem"):
        yield unsupported("spec.volumeMode", spec["volumeMode"], ["Block", "Filesystem"])
    name = spec.get("storageClassName")
    if name:
        yield from each_wrong("spec.storageClassName", name, formats.subdomain(name))


def _modes(modes: Any) -> Errors:
    for mode in modes:
        if mode not in ACCESS_MODES:
            yield unsupported("spec.accessModes", mode, ACCESS_MODES)


def claim_update(old: Obj, new: Obj) -> Errors:
    """A claim may grow and be bound, and nothing else."""
    before, after = old.get("spec") or EMPTY, new.get("spec") or EMPTY
    if before is after:
        return
    yield from claim(new)
    free = ["resources", "volumeAttributesClassName"]
    if not before.get("volumeName"):
        free.append("volumeName")
        # A claim that named no class, not even the empty one, may be given the default one.
        if before.get("storageClassName") is None:
            free.append("storageClassName")
    if any(before.get(key) != after.get(key) for key in {**before, **after} if key not in free):
        wished = {**after, **{key: before[key] for key in free if key in before}}
        forms = internal_form.claim_spec(before), internal_form.claim_spec(wished)
        yield not_allowed("spec", f"{_CLAIM_UPDATE}\n{internal_form.difference(*forms)}")
        return
    held = ((before.get("resources") or EMPTY).get("requests") or EMPTY).get("storage", "0")
    asked = ((after.get("resources") or EMPTY).get("requests") or EMPTY).get("storage", "0")
    if quantity.compare(asked, held) < 0:
        message = "field can not be less than status.capacity"
        yield not_allowed("spec.resources.requests.storage", message)


def volume(obj: Obj) -> Errors:
    """A PersistentVolume."""
    spec = obj.get("spec") or EMPTY
    modes, capacity = spec.get("accessModes") or (), spec.get("capacity")
    if not modes:
        yield required("spec.accessModes")
    yield from _modes(modes)
    if not capacity:
        yield required("spec.capacity")
    if not capacity or "storage" not in capacity or len(capacity) > 1:
        yield unsupported("spec.capacity", capacity, ["storage"])
    for name, amount in (capacity or EMPTY).items():
        if quantity.parse(amount) <= 0:
            yield wrong(f"spec.capacity[{name}]", amount, "must be greater than zero")
    if spec.get("persistentVolumeReclaimPolicy") not in (None, "Delete", "Recycle", "Retain"):
        value = spec["persistentVolumeReclaimPolicy"]
        allowed = ["Delete", "Recycle", "Retain"]
        yield unsupported("spec.persistentVolumeReclaimPolicy", value, allowed)
    if any(spec.get(source) is not None for source in SOURCES):
        yield from sources(spec, "spec")
    else:
        yield required("spec", "must specify a volume type")


def limit_range(obj: Obj) -> Errors:
    """A LimitRange: minimum, default request, default and maximum must not cross."""
    for at, item in enumerate((obj.get("spec") or EMPTY).get("limits") or ()):
        path = f"spec.limits[{at}]"
        low, high = item.get("min") or EMPTY, item.get("max") or EMPTY
        default, request = item.get("default") or EMPTY, item.get("defaultRequest") or EMPTY
        for name in sorted({**low, **high, **default, **request}):
            yield from _crossing(
                name, path, low.get(name), high.get(name), default.get(name), request.get(name)
            )


def _crossing(name: str, path: str, low: Any, high: Any, default: Any, request: Any) -> Errors:
    def above(one: Any, other: Any) -> bool:
        return one is not None and other is not None and quantity.compare(one, other) > 0

    if above(low, high):
        message = f"min value {low} is greater than max value {high}"
        yield wrong(f"{path}.min[{name}]", low, message)
    if above(low, request):
        message = f"min value {low} is greater than default request value {request}"
        yield wrong(f"{path}.defaultRequest[{name}]", request, message)
    if above(request, high):
        message = f"default request value {request} is greater than max value {high}"
        yield wrong(f"{path}.defaultRequest[{name}]", request, message)
    if above(request, default):
        message = f"default request value {request} is greater than default limit value {default}"
        yield wrong(f"{path}.defaultRequest[{name}]", request, message)
    if above(low, default):
        message = f"min value {low} is greater than default value {default}"
        yield wrong(f"{path}.default[{name}]", low, message)
    if above(default, high):
        message = f"default value {default} is greater than max value {high}"
        yield wrong(f"{path}.default[{name}]", high, message)


def resource_quota(obj: Obj) -> Errors:
    """A ResourceQuota."""
    hard = (obj.get("spec") or EMPTY).get("hard") or EMPTY
    for name in sorted(hard):
        path = f"spec.hard[{name}]"
        yield from each_wrong(path, name, formats.qualified(name))
        if "/" not in name and name not in _QUOTA_RESOURCES and "hugepages-" not in name:
            yield wrong(path, name, "must be a standard resource type or fully qualified")
            yield wrong(path, name, "must be a standard resource for quota")
        if quantity.parse(hard[name]) < 0:
            yield wrong(path, hard[name], formats.NOT_NEGATIVE)


def node(obj: Obj) -> Errors:
    """A Node: its taints."""
    for at, taint in enumerate((obj.get("spec") or EMPTY).get("taints") or ()):
        path = f"spec.taints[{at}]"
        key, value = taint.get("key") or "", taint.get("value") or ""
        yield from each_wrong(f"{path}.key", key, formats.qualified(key))
        yield from each_wrong(f"{path}.value", value, formats.label_value(value))
        effect = taint.get("effect") or ""
        if not effect:
            yield required(f"{path}.effect")
        elif effect not in EFFECTS:
            yield unsupported(f"{path}.effect", effect, EFFECTS)


def pod_template(obj: Obj) -> Errors:
    """A PodTemplate."""
    yield from template(obj.get("template") or EMPTY, "template")


CREATE: dict[tuple[str, str], Callable[[Obj], Errors]] = {
    ("", "ConfigMap"): config_map,
    ("", "LimitRange"): limit_range,
    ("", "Node"): node,
    ("", "PersistentVolume"): volume,
    ("", "PersistentVolumeClaim"): claim,
    ("", "PodTemplate"): pod_template,
    ("", "ResourceQuota"): resource_quota,
    ("", "Secret"): secret,
}
UPDATE: dict[tuple[str, str], Callable[[Obj, Obj], Errors]] = {
    ("", "ConfigMap"): config_map_update,
    ("", "PersistentVolumeClaim"): claim_update,
    ("", "Secret"): secret_update,
}
