"""Ordinary work with client libraries from PyPI: the official one, kr8s, lightkube, and kopf."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from kubelab import Cluster

pytestmark = [pytest.mark.native, pytest.mark.slow, pytest.mark.filterwarnings("default")]

LABELS = {"app": "web"}
DEPLOYMENT = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": "web", "namespace": "default"},
    "spec": {
        "replicas": 2,
        "selector": {"matchLabels": LABELS},
        "template": {
            "metadata": {"labels": LABELS},
            "spec": {"containers": [{"name": "web", "image": "nginx:1.27"}]},
        },
    },
}


@pytest.fixture
def server():
    """A cluster that is served at twenty times the real pace."""
    cluster = Cluster(nodes=2)
    cluster.settle()
    with cluster.serve(speed=20) as running:
        yield running


def test_the_official_client(server):
    """Create, watch until ready, patch, scale, read the dynamic way, conflict, delete."""
    kubernetes = pytest.importorskip("kubernetes")
    client = kubernetes.config.new_client_from_config(server.kubeconfig)
    apps, core = kubernetes.client.AppsV1Api(client), kubernetes.client.CoreV1Api(client)
    apps.create_namespaced_deployment("default", DEPLOYMENT)
    watch = kubernetes.watch.Watch()
    for event in watch.stream(apps.list_namespaced_deployment, "default", timeout_seconds=60):
        if event["object"].status.ready_replicas == 2:
            watch.stop()
    pods = core.list_namespaced_pod("default", label_selector="app=web").items
    assert [pod.status.phase for pod in pods] == ["Running", "Running"]
    apps.patch_namespaced_deployment_scale("web", "default", {"spec": {"replicas": 1}})
    assert apps.read_namespaced_deployment_scale("web", "default").spec.replicas == 1
    dynamic = kubernetes.dynamic.DynamicClient(client)
    maps = dynamic.resources.get(api_version="v1", kind="ConfigMap")
    made = maps.create(body={"metadata": {"name": "m"}, "data": {"a": "b"}}, namespace="default")
    stale = made.to_dict()
    stale["metadata"]["resourceVersion"] = "1"
    with pytest.raises(kubernetes.client.ApiException) as caught:
        core.replace_namespaced_config_map("m", "default", stale)
    assert (caught.value.status, json.loads(caught.value.body)["reason"]) == (409, "Conflict")
    # The client gives what a deletion answers as it came.
    assert core.delete_namespaced_config_map("m", "default")["status"] == "Success"
    with pytest.raises(kubernetes.client.ApiException) as caught:
        core.read_namespaced_config_map("m", "default")
    assert caught.value.status == 404


def test_kr8s(server):
    """Objects that create themselves, wait, scale and delete."""
    kr8s = pytest.importorskip("kr8s")
    from kr8s.objects import Deployment

    api = kr8s.api(kubeconfig=server.kubeconfig)
    deployment = Deployment(DEPLOYMENT, api=api)
    deployment.create()
    deployment.wait("condition=Available", timeout=60)
    assert len(list(api.get("pods", namespace="default", label_selector="app=web"))) == 2
    deployment.scale(3)
    deployment.refresh()
    assert deployment.spec.replicas == 3
    deployment.label({"tier": "front"})
    assert deployment.labels["tier"] == "front"
    deployment.delete()


def test_lightkube(server):
    """Server-side apply, lists, waiting, and errors with their status."""
    lightkube = pytest.importorskip("lightkube")
    from lightkube.core.exceptions import ApiError
    from lightkube.resources.apps_v1 import Deployment
    from lightkube.resources.core_v1 import Pod

    config = lightkube.KubeConfig.from_file(server.kubeconfig)
    client = lightkube.Client(config=config, field_manager="tests")
    client.apply(Deployment.from_dict(DEPLOYMENT))
    client.wait(Deployment, "web", for_conditions=["Available"])
    assert len(list(client.list(Pod, labels=LABELS))) == 2
    with pytest.raises(ApiError) as caught:
        client.get(Pod, "nobody")
    assert (caught.value.status.code, caught.value.status.reason) == (404, "NotFound")
    client.delete(Deployment, "web")


OPERATOR = """
import kopf

@kopf.on.create("configmaps", labels={"watched": "yes"})
def made(name, patch, **_):
    patch.setdefault("data", {})["seen"] = name
"""


def test_a_kopf_operator(server, tmp_path: Path):
    """An operator hears of an object, changes it, and keeps its own notes on it."""
    kopf = pytest.importorskip("kopf")
    assert kopf
    (tmp_path / "operator_.py").write_text(OPERATOR, "utf-8")
    command = [sys.executable, "-m", "kopf", "run", "-A", "--standalone", "operator_.py"]
    env = {**os.environ, "KUBECONFIG": server.kubeconfig}
    with subprocess.Popen(
        command, cwd=tmp_path, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    ) as process:
        lines: list[str] = []
        reader = threading.Thread(target=lambda: lines.extend(process.stderr or ()))
        reader.start()
        body = {"metadata": {"name": "m", "labels": {"watched": "yes"}}}
        server.cluster.request("POST", "/api/v1/namespaces/default/configmaps", body)
        deadline = time.monotonic() + 40
        seen = None
        while seen != "m" and time.monotonic() < deadline:
            time.sleep(0.2)
            seen = (server.cluster.get("ConfigMap", "m").get("data") or {}).get("seen")
        process.terminate()
        process.wait(20)
        reader.join(5)
    assert seen == "m", "".join(lines[-20:])
