"""Volumes: claims that are missing, bound, or bound when the pod gets its node."""

from __future__ import annotations

from typing import Any

import pytest

from kubelab.api.objects import Obj, freeze
from tests.scheduler.lab import HOSTNAME, ZONE, Lab, Scene, node, pod


def claim(name: str, **more: Any) -> Obj:
    """A PersistentVolumeClaim; `volume` binds it."""
    bound = more.get("volume")
    annotations = {"pv.kubernetes.io/bind-completed": "yes"} if bound else {}
    spec = {
        "accessModes": more.get("modes", ["ReadWriteOnce"]),
        "storageClassName": more.get("storage_class", "fast"),
        "resources": {"requests": {"storage": more.get("size", "1Gi")}},
        **({"volumeName": bound} if bound else {}),
    }
    meta = {"name": name, "namespace": "default", "uid": f"uid-{name}", "annotations": annotations}
    return freeze(
        {
            "apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": meta, "spec": spec,
            "status": {"phase": more.get("phase", "Bound" if bound else "Pending")},
        }
    )  # fmt: skip


def volume(name: str, on: str = "", **more: Any) -> Obj:
    """A PersistentVolume, perhaps of one node."""
    spec: dict[str, Any] = {
        "capacity": {"storage": more.get("size", "1Gi")},
        "accessModes": ["ReadWriteOnce"],
        "storageClassName": "fast",
    }
    if on:
        expression = {"key": HOSTNAME, "operator": "In", "values": [on]}
        spec["nodeAffinity"] = {
            "required": {"nodeSelectorTerms": [{"matchExpressions": [expression]}]}
        }
    meta = {"name": name, "labels": more.get("labels", {})}
    return freeze(
        {
            "apiVersion": "v1", "kind": "PersistentVolume", "metadata": meta, "spec": spec,
            "status": {"phase": "Available"},
        }
    )  # fmt: skip


def storage_class(mode: str, provisioner: str = "kubernetes.io/no-provisioner") -> Obj:
    """The class `fast`."""
    return freeze(
        {
            "apiVersion": "storage.k8s.io/v1", "kind": "StorageClass",
            "metadata": {"name": "fast"}, "provisioner": provisioner, "volumeBindingMode": mode,
        }
    )  # fmt: skip


def uses(name: str) -> dict[str, Any]:
    """A volume of a pod: the claim of this name."""
    return {"name": "v", "persistentVolumeClaim": {"claimName": name}}


class TestVolumes:
    nodes = [node("a", labels={ZONE: "1"}), node("b", labels={ZONE: "2"})]

    def incoming(self, name: str = "data") -> Obj:
        return pod("p", volumes=[uses(name)])

    @pytest.mark.parametrize(
        ("objects", "message"),
        [
            ([], 'persistentvolumeclaim "data" not found'),
            (
                [claim("data"), storage_class("Immediate")],
                "pod has unbound immediate PersistentVolumeClaims",
            ),
            (
                [claim("data", volume="pv", phase="Lost")],
                'persistentvolumeclaim "data" bound to non-existent persistentvolume "pv"',
            ),
            ([claim("data", volume="pv")], 'persistentvolume "pv" not found'),
        ],
    )
    def test_pre_filter(self, objects: list[Obj], message: str) -> None:
        """Claims that are missing, lost or not bound keep the pod from every node."""
        outcome = Lab(self.nodes, objects=objects).decide(self.incoming())
        assert outcome.message() == f"0/2 nodes are available: {message}."

    def test_bound_to_a_node(self) -> None:
        """A bound volume's node affinity must match."""
        objects = [claim("data", volume="pv"), volume("pv", on="a")]
        found = Lab(self.nodes, objects=objects).reasons(self.incoming())
        words = "node(s) didn't match PersistentVolume's node affinity"
        assert found == {"a": None, "b": ("VolumeBinding", words)}

    def test_waits_for_consumer(self) -> None:
        """A delayed claim needs an available volume on the node, or a provisioner."""
        objects = [claim("data"), volume("pv", on="a"), storage_class("WaitForFirstConsumer")]
        found = Lab(self.nodes, objects=objects).reasons(self.incoming())
        words = "node(s) didn't find available persistent volumes to bind"
        assert found == {"a": None, "b": ("VolumeBinding", words)}
        objects[-1] = storage_class("WaitForFirstConsumer", "csi.example.com")
        assert Lab(self.nodes, objects=objects).reasons(self.incoming())["b"] is None

    def test_zone(self) -> None:
        """A bound volume's zone label must hold the node's zone."""
        objects = [claim("data", volume="pv"), volume("pv", labels={ZONE: "2__3"})]
        found = Lab(self.nodes, objects=objects).reasons(self.incoming())
        assert found == {"a": ("VolumeZone", "node(s) had no available volume zone"), "b": None}

    def test_one_pod_only(self) -> None:
        """A ReadWriteOncePod claim that any pod uses is taken, on every node."""
        objects = [claim("data", volume="pv", modes=["ReadWriteOncePod"]), volume("pv")]
        used = pod(
            "u", "a", volumes=[{"name": "v", "persistentVolumeClaim": {"claimName": "data"}}]
        )
        found = Lab(self.nodes, [used], objects).reasons(self.incoming())
        words = (
            "node(s) unavailable due to PersistentVolumeClaim with ReadWriteOncePod access mode "
            "already in-use by another pod"
        )
        assert found == dict.fromkeys("ab", ("VolumeRestrictions", words))

    def test_limit(self) -> None:
        """One more CSI volume than the node's driver can attach."""
        objects: list[Obj] = []
        for number in range(2):
            base = volume(f"pv{number}")
            csi = {"driver": "d", "volumeHandle": f"h{number}"}
            objects.append(freeze({**base, "spec": {**base["spec"], "csi": csi}}))
            objects.append(claim(f"data{number}", volume=f"pv{number}"))
        objects.append(
            freeze(
                {
                    "apiVersion": "storage.k8s.io/v1", "kind": "CSINode", "metadata": {"name": "a"},
                    "spec": {"drivers": [{"name": "d", "allocatable": {"count": 1}}]},
                }
            )
        )  # fmt: skip
        used = pod(
            "u", "a", volumes=[{"name": "v", "persistentVolumeClaim": {"claimName": "data0"}}]
        )
        found = Lab(self.nodes, [used], objects).reasons(self.incoming("data1"))
        assert found == {"a": ("NodeVolumeLimits", "node(s) exceed max volume count"), "b": None}


class TestBinding:
    def scene(self, *objects: Obj, provisioner: str = "kubernetes.io/no-provisioner") -> Scene:
        """Two nodes, a claim that waits for its pod, and the pod."""
        nodes = TestVolumes.nodes
        waiting = storage_class("WaitForFirstConsumer", provisioner)
        return Scene(*nodes, waiting, claim("data"), *objects, pod("p", volumes=[uses("data")]))

    def bind(self, scene: Scene, volume_name: str) -> None:
        """What the volume controller does."""
        old = scene.server.store["persistentvolumeclaims"]["default/data"]
        new = claim("data", volume=volume_name)
        scene.put(freeze({**new, "metadata": {**old["metadata"], **new["metadata"]}}))

    def test_volume_is_claimed_first(self) -> None:
        """The chosen volume gets its claimRef; the pod is bound when its claim is."""
        scene = self.scene(volume("pv", on="b"))
        owner = scene.server.store["persistentvolumes"]["pv"]["spec"]["claimRef"]
        assert (owner["namespace"], owner["name"]) == ("default", "data")
        assert scene.node_of("p") is None
        assert scene.get("default/p")["status"]["nominatedNodeName"] == "b"
        self.bind(scene, "pv")
        assert scene.node_of("p") == "b"

    def test_node_is_selected_for_provisioning(self) -> None:
        """A claim without a volume is told for which node one is to be made."""
        scene = self.scene(provisioner="csi.example.com")
        found = scene.server.store["persistentvolumeclaims"]["default/data"]["metadata"]
        decision = scene.scheduler.explain("default/p")
        assert decision is not None
        assert found["annotations"]["volume.kubernetes.io/selected-node"] == decision.node
        assert scene.node_of("p") is None
        self.bind(scene, "pv-new")
        assert scene.node_of("p") == decision.node

    def test_overdue(self) -> None:
        """After 600 s the pod goes back with an error, and is tried again."""
        scene = self.scene(volume("pv", on="b"))
        scene.run(601)
        assert scene.condition("p")["reason"] == "SchedulerError"
        assert scene.condition("p")["message"].startswith(
            'running PreBind plugin "VolumeBinding": binding volumes:'
        )
