"""Who plays in the scenes: a few manifests, as short as they can be."""

from __future__ import annotations

from typing import Any

__all__ = ["client", "deployment", "pod", "service"]


def pod(name: str, cpu: str = "", *, labels: dict[str, str] | None = None, image: str = "nginx",
        env: dict[str, str] | None = None, container: dict[str, Any] | None = None,
        **spec: Any) -> dict[str, Any]:  # fmt: skip
    """A pod of one container."""
    main: dict[str, Any] = {"name": "main", "image": image}
    if cpu:
        main["resources"] = {"requests": {"cpu": cpu}}
    if env:
        main["env"] = [{"name": key, "value": value} for key, value in env.items()]
    return {
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": labels or {}},
        "spec": {"containers": [main | (container or {})], **spec},
    }  # fmt: skip


def client() -> dict[str, Any]:
    """A pod that only waits, so that requests can be sent from it."""
    container = {"command": ["sleep", "1000000"]}
    return pod("client", image="busybox:1", container=container)


def deployment(
    name: str, replicas: int = 3, namespace: str = "default", **container: Any
) -> dict[str, Any]:
    """A Deployment of a small web server with a readiness probe."""
    labels = {"app": name}
    main = {
        "name": "main", "image": "kubelab/http:1", "ports": [{"containerPort": 8080}],
        "readinessProbe": {"httpGet": {"path": "/ready", "port": 8080}, "periodSeconds": 2},
        **container,
    }  # fmt: skip
    return {
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "replicas": replicas, "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": [main]}},
        },
    }  # fmt: skip


def service(
    name: str, selector: str = "", namespace: str = "default", **spec: Any
) -> dict[str, Any]:
    """A Service on port 80 for the pods of a Deployment."""
    return {
        "apiVersion": "v1", "kind": "Service", "metadata": {"name": name, "namespace": namespace},
        "spec": {"selector": {"app": selector or name},
                 "ports": [{"port": 80, "targetPort": 8080}], **spec},
    }  # fmt: skip
