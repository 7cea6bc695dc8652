"""What a manifest may ask for that this cluster does not simulate: said in a warning.

Everything valid is stored, as a real API server would; but a learner must not believe that
something happens which does not. So each such wish is named in a warning of the answer (header
`Warning`).

In Kubernetes: nothing like it; there a wish without an implementation is silently kept.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from kubelab.api.kinds import CustomKind, Kind
from kubelab.api.objects import EMPTY, NOTHING, Obj, get

# Kinds that are stored and shown, but that nothing acts upon.
IDLE = {
    "Ingress": "no ingress controller runs here",
}
VOLUMES = ("emptyDir", "configMap", "secret", "projected", "downwardAPI", "hostPath",
           "persistentVolumeClaim", "ephemeral")  # fmt: skip
POD_FIELDS = {
    "hostPID": "namespaces of processes are not simulated",
    "hostIPC": "namespaces of processes are not simulated",
    "shareProcessNamespace": "namespaces of processes are not simulated",
    "runtimeClassName": "one runtime serves all pods",
    "resourceClaims": "devices are not simulated",
}


def deprecations(kind: Kind) -> list[str]:
    """What Kubernetes itself says to whoever uses a kind that is on its way out."""
    if isinstance(kind, CustomKind):
        return [kind.deprecation] if kind.deprecation else []
    if kind.kind == "Endpoints":
        return ["v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice"]
    if kind.kind == "ComponentStatus":
        return ["v1 ComponentStatus is deprecated in v1.19+"]
    return []


def warnings(kind: Kind, obj: Obj) -> list[str]:
    """One sentence for each thing asked for that nothing here will do."""
    found: list[str] = []
    if isinstance(kind, CustomKind):
        return found
    if kind.kind == "CustomResourceDefinition" and get(obj, "spec", "conversion", "webhook"):
        found.append(
            "spec.conversion.webhook: kubelab calls no webhooks; objects are converted as with "
            "strategy None"
        )
    if kind.kind in IDLE:
        found.append(f"kubelab stores this {kind.kind}, but does not act on it: {IDLE[kind.kind]}")
    spec, path = _pod_spec(kind, obj)
    if spec is not None:
        found += [f"kubelab does not simulate {text}" for text in _pod(spec, path)]
    return found


def _pod_spec(kind: Kind, obj: Obj) -> tuple[Any, str]:
    if kind.kind == "Pod":
        return obj.get("spec"), "spec"
    if kind.kind == "CronJob":
        path = ("spec", "jobTemplate", "spec", "template", "spec")
    else:
        path = ("spec", "template", "spec")  # type: ignore[assignment]
    return get(obj, *path), ".".join(path)


def _pod(spec: Obj, path: str) -> Iterator[str]:
    for field, reason in POD_FIELDS.items():
        if spec.get(field):
            yield f"{path}.{field}: {reason}"
    for index, volume in enumerate(spec.get("volumes") or NOTHING):
        for source in volume:
            if source != "name" and source not in VOLUMES:
                yield f"{path}.volumes[{index}].{source}: the pod will wait for this volume"
    for field in ("initContainers", "containers"):
        for index, container in enumerate(spec.get(field) or NOTHING):
            if container.get("volumeDevices"):
                yield f"{path}.{field}[{index}].volumeDevices: block devices"
            for resource in get(container, "resources", "limits", default=EMPTY):
                if "/" in resource or resource.startswith("hugepages-"):
                    yield (
                        f"{path}.{field}[{index}].resources.limits[{resource}]: it only counts "
                        "for scheduling"
                    )
