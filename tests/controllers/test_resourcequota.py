"""The resource quota controller alone: it counts what there is."""

from __future__ import annotations

from typing import Any

from kubelab.controllers.resourcequota import ResourceQuotaController
from tests.controllers.stub import Scene


def pod(name: str, cpu: str, **status: Any) -> dict[str, Any]:
    return {
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": "default"},
        "spec": {"containers": [{"name": "c", "resources": {"requests": {"cpu": cpu}}}]},
        "status": status,
    }  # fmt: skip


def used(scene: Scene) -> dict[str, str]:
    return dict(scene.get("resourcequotas", "default/q")["status"]["used"])


def test_use_is_counted_and_counted_anew_when_a_pod_ends() -> None:
    """Pods and their requests are added up; one that is over counts no longer."""
    scene = Scene(ResourceQuotaController)
    scene.make({
        "apiVersion": "v1", "kind": "ResourceQuota",
        "metadata": {"name": "q", "namespace": "default"},
        "spec": {"hard": {"pods": "4", "requests.cpu": "2", "count/configmaps": "9"}},
    })  # fmt: skip
    scene.run(1)
    assert used(scene) == {"count/configmaps": "0", "pods": "0", "requests.cpu": "0"}
    scene.make(pod("a", "250m"))
    scene.make(pod("b", "1", phase="Running"))
    scene.run(1)
    assert used(scene) == {"count/configmaps": "0", "pods": "2", "requests.cpu": "1250m"}
    scene.server.remove("pods", "default/b")
    scene.make(pod("c", "1", phase="Succeeded"))
    scene.run(1)
    assert used(scene) == {"count/configmaps": "0", "pods": "1", "requests.cpu": "250m"}
