"""What a static pod's manifest leaves open, filled in by the kubelet itself.

Pods from the API server come with their defaults; a file on the disk does not. Only what the
kubelet reads is filled in; the mirror gets the rest from the API server.

In Kubernetes: SetObjectDefaults_Pod of pkg/apis/core/v1, which the kubelet calls in
pkg/kubelet/config/common.go.
"""

from __future__ import annotations

from typing import Any

from kubelab.api.objects import Obj, freeze
from kubelab.runtime import images

PROBE = {
    "timeoutSeconds": 1, "periodSeconds": 10, "successThreshold": 1, "failureThreshold": 3,
}  # fmt: skip


def filled(spec: Obj) -> Obj:
    """The specification of a pod with its defaults."""
    made: dict[str, Any] = {
        "restartPolicy": "Always", "terminationGracePeriodSeconds": 30, "dnsPolicy": "ClusterFirst",
        "enableServiceLinks": True, "securityContext": {}, "schedulerName": "default-scheduler",
        **spec,
    }  # fmt: skip
    for field in ("containers", "initContainers"):
        if made.get(field):
            made[field] = [_container(item) for item in made[field]]
    return freeze(made)  # type: ignore[no-any-return]


def _container(container: Obj) -> dict[str, Any]:
    made: dict[str, Any] = {
        "imagePullPolicy": _pull_policy(container.get("image", "")),
        "terminationMessagePath": "/dev/termination-log", "terminationMessagePolicy": "File",
        "resources": {}, **container,
    }  # fmt: skip
    limits = made["resources"].get("limits") or {}
    if limits:
        asked = {**limits, **(made["resources"].get("requests") or {})}
        made["resources"] = {**made["resources"], "requests": asked}
    for name in ("livenessProbe", "readinessProbe", "startupProbe"):
        if made.get(name):
            made[name] = _probe(made[name])
    return made


def _probe(probe: Obj) -> dict[str, Any]:
    made: dict[str, Any] = {**PROBE, **probe}
    if "httpGet" in made:
        made["httpGet"] = {"path": "/", "scheme": "HTTP", **made["httpGet"]}
    return made


def _pull_policy(image: str) -> str:
    try:
        reference = images.parse(image)
    except images.InvalidName:
        return "IfNotPresent"
    latest = reference.tag == "latest" or not (reference.tag or reference.digest)
    return "Always" if latest else "IfNotPresent"
