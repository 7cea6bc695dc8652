"""Storage that is attached, grown, or made for one pod: who waits for what, and what is told."""

from __future__ import annotations

from typing import Any

import pytest

from kubelab import ApiError, Cluster
from kubelab.api.objects import get
from tests.stories.test_storage import claim, events, exists, volume


def pod(name: str, node: str, command: str, **source: Any) -> dict[str, Any]:
    """A pod on a node that sees a volume under /data."""
    return {
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": name},
        "spec": {
            "nodeName": node, "terminationGracePeriodSeconds": 1,
            "containers": [{
                "name": "c", "image": "busybox", "command": ["sh", "-c", command],
                "volumeMounts": [{"name": "v", "mountPath": "/data"}],
            }],
            "volumes": [{"name": "v", **(source or {
                "persistentVolumeClaim": {"claimName": "data"}})}],
        },
    }  # fmt: skip


def disk(**spec: Any) -> dict[str, Any]:
    """A volume that a CSI driver serves to one node at a time."""
    made = volume("disk", "1Gi", csi={"driver": "disks.example.com", "volumeHandle": "vol-1"})
    del made["spec"]["hostPath"]
    return {**made, "spec": {**made["spec"], **spec}}


@pytest.fixture(scope="module")
def attached() -> Cluster:
    """A pod on node-1 that has written to an attached volume."""
    cluster = Cluster(2, dns=False)
    cluster.apply([
        disk(), claim("data", "1Gi", storageClassName=""),
        pod("one", "node-1", "echo hello > /data/x; sleep 3600"),
    ])  # fmt: skip
    cluster.settle()
    cluster.run(5)
    return cluster


def test_a_volume_is_attached_before_it_is_mounted(attached: Cluster) -> None:
    """There is a VolumeAttachment, and the node tells what is attached and in use."""
    (held,) = attached.list("VolumeAttachment")
    assert held["spec"] == {
        "attacher": "disks.example.com", "nodeName": "node-1",
        "source": {"persistentVolumeName": "disk"},
    }  # fmt: skip
    assert held["status"] == {"attached": True}
    unique = "kubernetes.io/csi/disks.example.com^vol-1"
    status = attached.get("Node", "node-1")["status"]
    assert status["volumesAttached"] == [{"name": unique, "devicePath": ""}]
    assert status["volumesInUse"] == [unique]
    text = 'AttachVolume.Attach succeeded for volume "disk" '
    assert ("SuccessfulAttachVolume", text, 1) in events(attached, "Pod")


def test_a_second_node_waits_until_the_first_has_let_go(attached: Cluster) -> None:
    """Multi-Attach error; after the first pod is gone the second one sees what it wrote."""
    cluster = attached.fork()
    cluster.apply(pod("two", "node-2", "cat /data/x; sleep 3600"))
    cluster.run(10)
    assert get(cluster.get("Pod", "two"), "status", "phase") == "Pending"
    text = 'Multi-Attach error for volume "disk" Volume is already used by pod(s) one'
    assert any(row[:2] == ("FailedAttachVolume", text) for row in events(cluster, "Pod"))
    cluster.delete("Pod", "one")
    assert cluster.run_until("pod/two condition=Ready", 20)
    assert cluster.kubectl("logs two") == "hello\n"
    assert [item["spec"]["nodeName"] for item in cluster.list("VolumeAttachment")] == ["node-2"]


def test_a_dead_node_keeps_a_volume_for_six_minutes(attached: Cluster) -> None:
    """Its pod is deleted by force; only 6 minutes later is the volume detached all the same."""
    cluster = attached.fork()
    cluster.faults.stop_node("node-1")
    cluster.run(60)
    cluster.kubectl("delete pod one --force --grace-period=0")
    cluster.apply(pod("two", "node-2", "cat /data/x; sleep 3600"))
    cluster.run(350)
    assert get(cluster.get("Pod", "two"), "status", "phase") == "Pending"
    assert cluster.run_until("pod/two condition=Ready", 30)


def test_a_node_out_of_service_gives_its_volumes_up_at_once(attached: Cluster) -> None:
    """The taint says that the machine is off: pods and attachments go without waiting."""
    cluster = attached.fork()
    cluster.faults.stop_node("node-1")
    cluster.run(60)
    cluster.kubectl("delete pod one --wait=false")
    cluster.kubectl("taint node node-1 node.kubernetes.io/out-of-service=shutdown:NoExecute")
    cluster.apply(pod("two", "node-2", "cat /data/x; sleep 3600"))
    assert cluster.run_until("pod/two condition=Ready", 60)


def test_a_claim_grows_if_its_class_lets_it() -> None:
    """The volume first, then the claim; a class that does not allow it makes the API refuse."""
    cluster = Cluster(1, dns=False)
    grow = {
        "apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": {"name": "grow"},
        "provisioner": "kubelab.dev/directory", "allowVolumeExpansion": True,
    }  # fmt: skip
    cluster.apply([grow, claim("data", "1Gi", storageClassName="grow"), claim("fixed", "1Gi")])
    cluster.settle()
    more = '{"spec":{"resources":{"requests":{"storage":"2Gi"}}}}'
    cluster.kubectl(["patch", "pvc", "data", "-p", more])
    cluster.settle()
    held = cluster.get("PersistentVolumeClaim", "data")
    assert held["status"]["capacity"] == {"storage": "2Gi"}
    assert not held["status"].get("conditions")
    (made,) = cluster.list("PersistentVolume")
    assert made["spec"]["capacity"] == {"storage": "2Gi"}
    reasons = [row[0] for row in events(cluster, "PersistentVolumeClaim")]
    assert {"ExternalExpanding", "Resizing", "VolumeResizeSuccessful"} <= {*reasons}
    with pytest.raises(ApiError, match="only dynamically provisioned pvc can be resized"):
        cluster.apply(claim("fixed", "2Gi"))


def test_an_ephemeral_claim_goes_with_its_pod() -> None:
    """The controller makes `<pod>-<volume>`, owned by the pod; a foreign claim is not taken."""
    cluster = Cluster(1, dns=False)
    template = {"spec": {
        "accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}},
    }}  # fmt: skip
    made = pod("db", "", "sleep 3600", ephemeral={"volumeClaimTemplate": template})
    del made["spec"]["nodeName"]
    cluster.apply(made)
    cluster.settle()
    owner = cluster.get("PersistentVolumeClaim", "db-v")["metadata"]["ownerReferences"][0]
    assert (owner["kind"], owner["name"]) == ("Pod", "db")
    assert get(cluster.get("Pod", "db"), "status", "phase") == "Running"
    cluster.delete("Pod", "db")
    cluster.settle()
    cluster.run(5)
    assert not exists(cluster, "PersistentVolumeClaim", "db-v")


def test_data_lies_where_the_volume_lies() -> None:
    """A claim that is made again under its name finds nothing of the one before."""
    cluster = Cluster(1, dns=False)
    for number in (1, 2):
        pods = pod("p", "", "cat /data/x; echo hi > /data/x; sleep 3600")
        cluster.apply([claim("data", "1Gi"), pods])
        cluster.settle()
        log = cluster.kubectl("logs p")
        assert log == "cat: can't open '/data/x': No such file or directory\n", number
        cluster.delete("Pod", "p")
        cluster.delete("PersistentVolumeClaim", "data")
        cluster.settle()


def test_what_a_mount_needs_must_be_there() -> None:
    """A claim that is not bound and a directory that is missing keep the pod waiting, in words."""
    cluster = Cluster(1, dns=False)
    cluster.settle()
    cluster.apply([
        pod("claims", "node-1", "sleep 3600"),
        pod("looks", "node-1", "sleep 3600", hostPath={"path": "/data", "type": "Directory"}),
    ])  # fmt: skip
    cluster.run(3)
    told = [text for reason, text, _ in events(cluster, "Pod") if reason == "FailedMount"]
    assert told == [
        "Unable to attach or mount volumes: unmounted volumes=[v], unattached volumes=[], failed "
        "to process volumes=[v]: error processing PVC default/data: failed to fetch PVC from API "
        'server: persistentvolumeclaims "data" not found',
        'MountVolume.SetUp failed for volume "v" : hostPath type check failed: /data is not a '
        "directory",
    ]
