"""Defaults of pods and of the pod templates in workloads.

A template gets what a pod gets, except that requests are taken from limits, and host ports and
service links filled in, only in the pod itself.

In Kubernetes: pkg/apis/core/v1/defaults.go.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from kubelab.api import quantity
from kubelab.apiserver.filling import each, filled, filled_zero, put, within
from kubelab.sim.tree import EMPTY, Obj, freeze, merged

CONTAINER = freeze({
    "resources": {},
    "terminationMessagePath": "/dev/termination-log",
    "terminationMessagePolicy": "File",
})  # fmt: skip
POD_SPEC = freeze({
    "restartPolicy": "Always",
    "terminationGracePeriodSeconds": 30,
    "dnsPolicy": "ClusterFirst",
    "securityContext": {},
    "schedulerName": "default-scheduler",
})  # fmt: skip
PROBE = freeze({
    "timeoutSeconds": 1, "periodSeconds": 10, "successThreshold": 1, "failureThreshold": 3,
})  # fmt: skip
HTTP_GET = Obj({"path": "/", "scheme": "HTTP"})
PROTOCOL = Obj({"protocol": "TCP"})
MODE = Obj({"defaultMode": 420})
API_VERSION = Obj({"apiVersion": "v1"})
DIVISOR = Obj({"divisor": "0"})
CLAIM_SPEC = Obj({"volumeMode": "Filesystem", "resources": EMPTY})

# Defaults of the sources of volumes.
SOURCES: dict[str, Obj] = {
    "hostPath": Obj({"type": ""}),
    "secret": MODE,
    "configMap": MODE,
    "iscsi": Obj({"iscsiInterface": "default"}),
    "rbd": Obj({"pool": "rbd", "user": "admin", "keyring": "/etc/ceph/keyring"}),
    "azureDisk": Obj(
        {"cachingMode": "ReadWrite", "kind": "Shared", "fsType": "ext4", "readOnly": False}
    ),
    "scaleIO": Obj({"storageMode": "ThinProvisioned", "fsType": "xfs"}),
}


def pod(obj: Obj) -> Obj:
    """A Pod."""
    obj = within(obj, "spec", _pod_spec_of_pod)
    return within(obj, "status", _status)  # type: ignore[no-any-return]


def _status(status: Any) -> Any:
    """A condition says when it was last looked at, even if it never was."""
    return each(status, "conditions", _condition)


def _condition(condition: Any) -> Any:
    return condition if "lastProbeTime" in condition else put(condition, "lastProbeTime", None)


def _pod_spec_of_pod(spec: Any) -> Any:
    spec = each(pod_spec(spec), "containers", _requests)
    spec = each(spec, "initContainers", _requests)
    if spec.get("resources"):
        spec = put(spec, "resources", _pod_level(spec))
    if spec.get("hostNetwork"):
        spec = each(spec, "containers", _host_ports)
        spec = each(spec, "initContainers", _host_ports)
    return filled(spec, _LINKS)


_LINKS = Obj({"enableServiceLinks": True})


def _requests(container: Any) -> Any:
    """Requests that are not given equal the limits."""
    resources = container["resources"]
    limits, requests = resources.get("limits"), resources.get("requests") or EMPTY
    if not limits or all(name in requests for name in limits):
        return container
    return put(container, "resources", put(resources, "requests", Obj({**limits, **requests})))


def _pod_level(spec: Any) -> Any:
    """Requests of the whole pod: the containers' together, else the pod's own limits."""
    resources = spec["resources"]
    requests, limits = dict(resources.get("requests") or ()), resources.get("limits") or EMPTY
    for name in ("cpu", "memory"):
        given = [
            quantity.parse(container["resources"]["requests"][name])
            for container in spec.get("containers") or ()
            if name in (container["resources"].get("requests") or EMPTY)
        ]
        if name in requests or (not given and name not in limits):
            continue
        family = quantity.BINARY if name == "memory" else quantity.DECIMAL
        together = sum(given, Fraction(0))
        requests[name] = quantity.write(together, family) if given else limits[name]
    for name, limit in limits.items():
        requests.setdefault(name, limit)
    if requests == (resources.get("requests") or EMPTY):
        return resources
    return put(resources, "requests", Obj(requests))


def _host_ports(container: Any) -> Any:
    return each(container, "ports", _host_port)


def _host_port(port: Any) -> Any:
    return filled_zero(port, Obj({"hostPort": port["containerPort"]}))


def template(obj: Any) -> Any:
    """A PodTemplateSpec."""
    return within(filled(obj, Obj({"metadata": EMPTY})), "spec", pod_spec)


def pod_spec(spec: Any) -> Any:
    """A PodSpec; the account's old field says what the new one says."""
    spec = filled(spec, POD_SPEC)
    account = spec.get("serviceAccountName") or spec.get("serviceAccount")
    if account and (spec.get("serviceAccountName"), spec.get("serviceAccount")) != (account,) * 2:
        spec = merged(spec, serviceAccountName=account, serviceAccount=account)
    spec = each(spec, "volumes", volume)
    spec = each(spec, "initContainers", container)
    spec = each(spec, "containers", container)
    return each(spec, "ephemeralContainers", container)


def container(obj: Any) -> Any:
    """A container of any sort."""
    obj = filled(obj, CONTAINER)
    if not obj.get("imagePullPolicy"):
        obj = put(obj, "imagePullPolicy", pull_policy(obj.get("image") or ""))
    obj = each(obj, "ports", lambda port: filled(port, PROTOCOL))
    obj = each(obj, "env", _env)
    for name in ("livenessProbe", "readinessProbe", "startupProbe"):
        obj = within(obj, name, _probe)
    return within(obj, "lifecycle", _lifecycle)


def pull_policy(image: str) -> str:
    """Always where the image has no tag or the tag `latest`, and no digest."""
    name, _, digest = image.partition("@")
    tag = name.rpartition("/")[2].partition(":")[2]
    return "Always" if tag == "latest" or (not tag and not digest) else "IfNotPresent"


def _env(variable: Any) -> Any:
    return within(variable, "valueFrom", _reference)


def _reference(source: Any) -> Any:
    """The reference to a field in env and downward API volumes."""
    source = within(source, "fieldRef", lambda ref: filled(ref, API_VERSION))
    return within(source, "resourceFieldRef", lambda ref: filled(ref, DIVISOR))


def _probe(probe: Any) -> Any:
    return _handler(filled_zero(probe, PROBE))


def _handler(handler: Any) -> Any:
    handler = within(handler, "httpGet", lambda get: filled(get, HTTP_GET))
    return within(handler, "grpc", lambda grpc: filled(grpc, Obj({"service": ""})))


def _lifecycle(lifecycle: Any) -> Any:
    return within(within(lifecycle, "postStart", _handler), "preStop", _handler)


def volume(obj: Any) -> Any:
    """A volume; one without a source is an empty directory."""
    if len(obj) == 1 and "name" in obj:
        return put(obj, "emptyDir", EMPTY)
    for source, defaults in SOURCES.items():
        if source in obj:
            obj = put(obj, source, filled(obj[source], defaults))
    obj = within(obj, "downwardAPI", lambda held: each(filled(held, MODE), "items", _reference))
    obj = within(obj, "projected", _projected)
    if get_reference := (obj.get("image") or EMPTY).get("reference"):
        policy = Obj({"pullPolicy": pull_policy(get_reference)})
        obj = within(obj, "image", lambda held: filled(held, policy))
    return within(obj, "ephemeral", lambda held: within(held, "volumeClaimTemplate", _claim))


def _projected(held: Any) -> Any:
    return each(filled(held, MODE), "sources", _source)


def _source(source: Any) -> Any:
    source = within(
        source, "serviceAccountToken", lambda token: filled(token, Obj({"expirationSeconds": 3600}))
    )
    return within(source, "downwardAPI", lambda api: each(api, "items", _reference))


def _claim(held: Any) -> Any:
    return within(filled(held, Obj({"metadata": EMPTY})), "spec", claim_spec)


def claim_spec(spec: Any) -> Any:
    """The spec of a PersistentVolumeClaim."""
    return filled(spec, CLAIM_SPEC)
