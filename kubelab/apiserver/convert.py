"""Versions of one kind: what is stored, and what a client asked for.

Every kind is stored in one version. Two kinds are served in another one too: Events (as
events.k8s.io/v1, with other names for the same fields) and HorizontalPodAutoscalers
(autoscaling/v1, which knows only cpu). A write is converted on its way in, a read on its way out.

In Kubernetes: the generated conversions of pkg/apis/*.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from kubelab.api import kinds
from kubelab.api.kinds import CustomKind, Kind
from kubelab.api.objects import EMPTY, Obj, get, merged
from kubelab.apiserver import customresources

# Fields of an Event: in v1, and in events.k8s.io/v1.
EVENT_FIELDS = (
    ("involvedObject", "regarding"),
    ("message", "note"),
    ("reportingComponent", "reportingController"),
    ("source", "deprecatedSource"),
    ("firstTimestamp", "deprecatedFirstTimestamp"),
    ("lastTimestamp", "deprecatedLastTimestamp"),
    ("count", "deprecatedCount"),
)


def stored_kind(kind: Kind) -> Kind:
    """The row of the version in which a kind is judged: the first of its directory.

    A custom resource is judged in the version that the client uses, and stored by `at_rest`.
    """
    return kind if type(kind) is CustomKind else _stored_kind(kind)


@cache
def _stored_kind(kind: Kind) -> Kind:
    return kinds.versions(kind)[0]


def at_rest(kind: Kind, obj: Obj) -> Obj:
    """An object that is judged in its version, as it is put into the store."""
    return customresources.stored(kind, obj) if type(kind) is CustomKind else obj


def to_stored(kind: Kind, obj: Obj) -> Obj:
    """An object in the version that the client used, as it is stored."""
    target = stored_kind(kind)
    if target is kind:
        return obj
    return _convert(obj, kind, target)


def from_stored(kind: Kind, obj: Obj) -> Obj:
    """A stored object in the version that the client asked for."""
    if obj.get("kind") != kind.kind:
        return obj
    if type(kind) is CustomKind:
        return customresources.shown(kind, obj)
    source = stored_kind(kind)
    if source is kind:
        return obj
    return _convert(obj, source, kind)


def _convert(obj: Obj, source: Kind, target: Kind) -> Obj:
    if source.kind == "Event":
        pairs = EVENT_FIELDS if not source.group else [(b, a) for a, b in EVENT_FIELDS]
        renamed = dict(pairs)
        obj = Obj({renamed.get(field, field): value for field, value in obj.items()})
    elif source.kind == "HorizontalPodAutoscaler":
        obj = _autoscaler(obj, to_v1=target.version == "v1")
    return merged(obj, apiVersion=target.api_version)


def _v1_status(status: Any) -> Obj:
    """The status of an autoscaler in v1, which knows the use of cpu alone."""
    out = {"currentReplicas": 0, "desiredReplicas": 0, **status}
    out.pop("conditions", None)
    for metric in out.pop("currentMetrics", None) or ():
        used = get(metric, "resource", "current", "averageUtilization")
        if get(metric, "resource", "name") == "cpu" and used is not None:
            out["currentCPUUtilizationPercentage"] = used
    return Obj(out)


def _autoscaler(obj: Obj, *, to_v1: bool) -> Obj:
    spec: dict[str, Any] = dict(obj.get("spec") or {})
    if to_v1:
        for metric in spec.pop("metrics", None) or ():
            if get(metric, "resource", "name") == "cpu":
                target = get(metric, "resource", "target", "averageUtilization")
                spec["targetCPUUtilizationPercentage"] = target
        return merged(obj, spec=spec, status=_v1_status(obj.get("status") or EMPTY))
    percent = spec.pop("targetCPUUtilizationPercentage", None)
    if percent is not None:
        target = {"type": "Utilization", "averageUtilization": percent}
        spec["metrics"] = [{"type": "Resource", "resource": {"name": "cpu", "target": target}}]
    return merged(obj, spec=spec)
