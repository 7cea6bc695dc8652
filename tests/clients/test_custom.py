"""Client libraries at work on a resource of one's own: definition, objects, watches, operators."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from kubelab import Cluster

pytestmark = [pytest.mark.native, pytest.mark.slow, pytest.mark.filterwarnings("default")]

GROUP, VERSION, PLURAL = "toys.example", "v1", "trains"
CRD: dict[str, Any] = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": f"{PLURAL}.{GROUP}"},
    "spec": {
        "group": GROUP,
        "scope": "Namespaced",
        "names": {"plural": PLURAL, "singular": "train", "kind": "Train"},
        "versions": [{
            "name": VERSION, "served": True, "storage": True,
            "subresources": {"status": {}, "scale": {
                "specReplicasPath": ".spec.cars", "statusReplicasPath": ".status.cars"}},
            "schema": {"openAPIV3Schema": {"type": "object", "properties": {
                "spec": {"type": "object", "properties": {
                    "cars": {"type": "integer", "minimum": 0},
                    "colour": {"type": "string", "default": "red"}}},
                "status": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
            }}},
        }],
    },
}  # fmt: skip
API_VERSION = f"{GROUP}/{VERSION}"
PATH = f"/apis/{API_VERSION}/namespaces/default/{PLURAL}"


def train(name: str, cars: int = 1) -> dict[str, Any]:
    """An object of the kind."""
    return {
        "apiVersion": API_VERSION, "kind": "Train", "metadata": {"name": name},
        "spec": {"cars": cars},
    }  # fmt: skip


@pytest.fixture(scope="module")
def server():
    """A served cluster in which the kind is defined."""
    cluster = Cluster(nodes=1)
    cluster.settle()
    cluster.apply(CRD)
    cluster.settle()
    with cluster.serve(speed=20) as running:
        yield running


def eventually(holds: Callable[[], Any], seconds: float = 60) -> Any:
    """What a function gives, as soon as it is true."""
    deadline = time.monotonic() + seconds
    while not (found := holds()) and time.monotonic() < deadline:
        time.sleep(0.1)
    return found


def test_the_official_client_on_a_custom_resource(server, tmp_path):
    """Custom objects, the dynamic client, server-side apply, scale, a watch, a file of YAML."""
    kubernetes = pytest.importorskip("kubernetes")
    client = kubernetes.config.new_client_from_config(server.kubeconfig)
    custom = kubernetes.client.CustomObjectsApi(client)
    place = (GROUP, VERSION, "default", PLURAL)
    made = custom.create_namespaced_custom_object(*place, train("ice"))
    assert made["spec"] == {"cars": 1, "colour": "red"}
    version = made["metadata"]["resourceVersion"]
    custom.patch_namespaced_custom_object(*place, "ice", {"spec": {"cars": 2}})
    status = {"status": {"cars": 2}}
    custom.patch_namespaced_custom_object_status(
        *place, "ice", status, _content_type="application/merge-patch+json"
    )
    scale = custom.get_namespaced_custom_object_scale(*place, "ice")
    assert (scale["spec"]["replicas"], scale["status"]["replicas"]) == (2, 2)
    watch = kubernetes.watch.Watch()
    seen = []
    for event in watch.stream(
        custom.list_namespaced_custom_object, *place, resource_version=version, timeout_seconds=20
    ):
        seen.append(event["type"])
        if event["object"].get("status"):
            watch.stop()
    assert seen == ["MODIFIED", "MODIFIED"]
    dynamic = kubernetes.dynamic.DynamicClient(client)
    trains = dynamic.resources.get(api_version=API_VERSION, kind="Train")
    applied = trains.server_side_apply(
        body=train("ice", 5), namespace="default", field_manager="me", force_conflicts=True
    )
    assert applied.spec.cars == 5
    assert [item.metadata.name for item in trains.get(namespace="default").items] == ["ice"]
    path = tmp_path / "trains.yaml"
    config = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "many"}}
    path.write_text(yaml.dump_all([config, {**config, "metadata": {"name": "more"}}]), "utf-8")
    kubernetes.utils.create_from_yaml(client, str(path))
    with pytest.raises(kubernetes.utils.FailToCreateError):
        kubernetes.utils.create_from_yaml(client, str(path))
    trains.delete(name="ice", namespace="default")
    with pytest.raises(kubernetes.client.ApiException) as caught:
        custom.get_namespaced_custom_object(*place, "ice")
    assert caught.value.status == 404


def test_leader_election_of_the_official_client(server):
    """Who holds the Lease leads."""
    pytest.importorskip("kubernetes")
    from kubernetes import config
    from kubernetes.leaderelection import electionconfig, leaderelection
    from kubernetes.leaderelection.resourcelock.leaselock import LeaseLock

    config.load_kube_config(server.kubeconfig)
    led = threading.Event()
    election = leaderelection.LeaderElection(
        electionconfig.Config(
            LeaseLock("crown", "default", "me"), lease_duration=4, renew_deadline=3,
            retry_period=1, onstarted_leading=led.set, onstopped_leading=lambda: None,
        )
    )  # fmt: skip
    threading.Thread(target=election.run, daemon=True).start()
    assert led.wait(30)
    held = eventually(lambda: server.cluster.get("Lease", "crown")["spec"].get("holderIdentity"))
    assert held == "me"


def test_kr8s_both_ways(server):
    """A class for the kind, in plain and in asynchronous code; patches, waits and watches."""
    kr8s = pytest.importorskip("kr8s")
    asynchronous = pytest.importorskip("kr8s.asyncio")
    from kr8s.asyncio.objects import new_class as async_class
    from kr8s.objects import new_class

    api = kr8s.api(kubeconfig=server.kubeconfig)
    Train = new_class("Train", API_VERSION, namespaced=True)
    made = Train(
        {"metadata": {"name": "tgv", "namespace": "default"}, "spec": {"cars": 1}}, api=api
    )
    made.create()
    made.patch({"status": {"phase": "rolling"}}, subresource="status")
    made.refresh()
    assert made.raw["status"]["phase"] == "rolling" and made.raw["spec"]["colour"] == "red"
    assert [item.name for item in api.get(f"{PLURAL}.{GROUP}", namespace="default")] == ["tgv"]

    async def later() -> list[str]:
        there = await asynchronous.api(kubeconfig=server.kubeconfig)
        kind = async_class("Train", API_VERSION, namespaced=True, asyncio=True)
        seen = []
        async for what, obj in there.watch(kind, namespace="default"):
            seen.append(f"{what} {obj.name}")
            if what == "DELETED":
                return seen
            await obj.delete()
        return seen

    seen = asyncio.run(asyncio.wait_for(later(), 60))
    assert (seen[0], seen[-1]) == ("ADDED tgv", "DELETED tgv")


def test_lightkube_on_a_generic_resource(server):
    """Apply twice, conflicts, the status, a watch and a deletion of all."""
    lightkube = pytest.importorskip("lightkube")
    from lightkube.core.exceptions import ApiError
    from lightkube.generic_resource import create_namespaced_resource
    from lightkube.types import PatchType

    Train = create_namespaced_resource(GROUP, VERSION, "Train", PLURAL)
    config = lightkube.KubeConfig.from_file(server.kubeconfig)
    client = lightkube.Client(config=config, field_manager="me", namespace="default")
    made = client.apply(Train(**train("maglev", 3)))
    assert made.spec["colour"] == "red"
    with pytest.raises(ApiError) as caught:
        client.apply(Train(**train("maglev", 4)), field_manager="other")
    assert caught.value.status.reason == "Conflict"
    client.apply(Train(**train("maglev", 4)), field_manager="other", force=True)
    client.patch(Train.Status, "maglev", {"status": {"cars": 4}}, patch_type=PatchType.MERGE)
    kinds = []
    for what, obj in client.watch(Train, resource_version=made.metadata.resourceVersion):
        kinds.append((what, obj.spec["cars"]))
        if obj.status:
            break
    assert kinds == [("MODIFIED", 4), ("MODIFIED", 4)]
    client.deletecollection(Train)
    assert list(client.list(Train)) == []


OPERATOR = """
import kopf

@kopf.on.create("toys.example", "v1", "trains")
def made(spec, **_):
    return {"cars": spec["cars"]}

@kopf.on.update("toys.example", "v1", "trains", field="spec.cars")
def changed(old, new, **_):
    return {"from": old, "to": new}

@kopf.on.delete("toys.example", "v1", "trains")
def gone(name, **_):
    print("gone", name, flush=True)

@kopf.timer("toys.example", "v1", "trains", interval=0.5)
def ticked(patch, status, **_):
    patch.status["ticks"] = status.get("ticks", 0) + 1

@kopf.daemon("toys.example", "v1", "trains")
async def running(stopped, name, **_):
    print("running", name, flush=True)
    await stopped.wait()
"""


def test_a_kopf_operator_of_a_custom_resource(server, tmp_path: Path):
    """Creation, change, timer, daemon and deletion: status, finalizer, and the object is gone."""
    pytest.importorskip("kopf")
    (tmp_path / "operator_.py").write_text(OPERATOR, "utf-8")
    command = [sys.executable, "-m", "kopf", "run", "-A", "--standalone", "operator_.py"]
    env = {**os.environ, "KUBECONFIG": server.kubeconfig}
    request = server.cluster.request
    merge = {"Content-Type": "application/merge-patch+json"}
    with subprocess.Popen(
        command, cwd=tmp_path, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        lines: list[str] = []
        said: list[str] = []
        readers = [
            threading.Thread(target=lambda: lines.extend(process.stderr or ())),
            threading.Thread(target=lambda: said.extend(process.stdout or ())),
        ]
        for reader in readers:
            reader.start()
        request("POST", PATH, train("toy", 1))

        def status() -> Any:
            return request("GET", f"{PATH}/toy").body.get("status") or {}

        ticked = eventually(lambda: status().get("ticks", 0) > 1 and status().get("made"))
        finalizers = request("GET", f"{PATH}/toy").body["metadata"].get("finalizers")
        request("PATCH", f"{PATH}/toy", {"spec": {"cars": 2}}, merge)
        changed = eventually(lambda: status().get("changed/spec.cars"))
        request("DELETE", f"{PATH}/toy")
        gone = eventually(lambda: request("GET", f"{PATH}/toy").status == 404)
        process.terminate()
        process.wait(30)
        for reader in readers:
            reader.join(5)
    assert ticked and finalizers, "".join(lines[-20:])
    assert (changed["from"], changed["to"]) == (1, 2)
    assert gone and {"gone toy\n", "running toy\n"} <= set(said), "".join(lines[-20:])
