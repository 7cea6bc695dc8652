"""Claims and volumes: bound, provisioned, protected and given back."""

from __future__ import annotations

from typing import Any

from kubelab import Cluster
from kubelab.api.objects import get

CLAIM = """
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: data}
spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}
"""
POD = """
apiVersion: v1
kind: Pod
metadata: {name: db}
spec:
  containers:
  - name: c
    image: "kubelab/sleep:1"
    volumeMounts: [{name: v, mountPath: /data}]
  volumes: [{name: v, persistentVolumeClaim: {claimName: data}}]
"""


def phase(c: Cluster, kind: str, name: str) -> str:
    return str(get(c.get(kind, name), "status", "phase"))


def events(c: Cluster, kind: str) -> list[tuple[str, str, int]]:
    """Reason, message and count of the Events of objects of a kind."""
    return [
        (event["reason"], event["message"], event.get("count", 1))
        for event in c.list("Event", "default")
        if event["involvedObject"]["kind"] == kind
    ]


def exists(c: Cluster, kind: str, name: str) -> bool:
    return any(item["metadata"]["name"] == name for item in c.list(kind))


def volume(name: str, size: str, **spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": name},
        "spec": {
            "capacity": {"storage": size}, "accessModes": ["ReadWriteOnce"],
            "hostPath": {"path": f"/mnt/{name}"}, "storageClassName": "", **spec,
        },
    }  # fmt: skip


def claim(name: str, size: str, **spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": name},
        "spec": {
            "accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": size}}, **spec,
        },
    }  # fmt: skip


def test_a_claim_of_the_default_class_waits_for_its_first_pod() -> None:
    """Default class, then a wait told by Event; the pod's node brings a volume, both are Bound."""
    c = Cluster(nodes=2)
    c.settle()
    c.apply(CLAIM)
    c.run(1)
    assert c.get("PersistentVolumeClaim", "data")["spec"]["storageClassName"] == "standard"
    assert phase(c, "PersistentVolumeClaim", "data") == "Pending"
    waiting = "waiting for first consumer to be created before binding"
    assert ("WaitForFirstConsumer", waiting, 1) in events(c, "PersistentVolumeClaim")
    c.run(40)
    assert ("WaitForFirstConsumer", waiting, 3) in events(c, "PersistentVolumeClaim")
    c.apply(POD)
    assert c.run_until("pod/db condition=Ready", timeout=30)
    held = c.get("PersistentVolumeClaim", "data")
    name = f"pvc-{held['metadata']['uid']}"
    assert held["spec"]["volumeName"] == name
    assert held["status"] == {
        "phase": "Bound", "accessModes": ["ReadWriteOnce"], "capacity": {"storage": "1Gi"},
    }  # fmt: skip
    made = c.get("PersistentVolume", name)
    assert made["status"]["phase"] == "Bound"
    assert made["spec"]["persistentVolumeReclaimPolicy"] == "Delete"
    node = c.get("Pod", "db")["spec"]["nodeName"]
    terms = made["spec"]["nodeAffinity"]["required"]["nodeSelectorTerms"]
    assert terms[0]["matchExpressions"][0]["values"] == [node]
    told = [reason for reason, _, _ in events(c, "PersistentVolumeClaim")]
    assert told == [
        "WaitForFirstConsumer", "ExternalProvisioning", "Provisioning", "ProvisioningSucceeded",
    ] or told == [
        "WaitForFirstConsumer", "Provisioning", "ExternalProvisioning", "ProvisioningSucceeded",
    ]  # fmt: skip


def test_a_claim_in_use_is_kept_until_its_pod_is_gone() -> None:
    """pvc-protection holds the claim, then claim and provisioned volume go."""
    c = Cluster(nodes=1)
    c.apply(CLAIM)
    c.apply(POD)
    assert c.run_until("pod/db condition=Ready", timeout=60)
    name = c.get("PersistentVolumeClaim", "data")["spec"]["volumeName"]
    c.delete("PersistentVolumeClaim", "data")
    c.run(20)
    held = c.get("PersistentVolumeClaim", "data")
    assert held["metadata"]["deletionTimestamp"]
    assert held["metadata"]["finalizers"] == ["kubernetes.io/pvc-protection"]
    c.delete("Pod", "db")
    c.run(40)
    assert not exists(c, "PersistentVolumeClaim", "data")
    assert not exists(c, "PersistentVolume", name)


def test_the_smallest_fitting_volume_is_taken() -> None:
    """Of three volumes the smallest that is large enough; one that is promised comes first."""
    c = Cluster(nodes=1)
    promised = {"claimRef": {"name": "own", "namespace": "default"}}
    c.apply([
        volume("big", "10Gi"), volume("small", "1Gi"), volume("middle", "3Gi"),
        volume("promised", "8Gi", **promised),
    ])  # fmt: skip
    c.settle()
    assert phase(c, "PersistentVolume", "big") == "Available"
    c.apply([claim("want", "2Gi", storageClassName=""), claim("own", "2Gi", storageClassName="")])
    c.settle()
    bound = {n: c.get("PersistentVolumeClaim", n)["spec"]["volumeName"] for n in ("want", "own")}
    assert bound == {"want": "middle", "own": "promised"}
    assert c.get("PersistentVolumeClaim", "want")["status"]["capacity"] == {"storage": "3Gi"}


def test_a_retained_volume_is_released_and_not_given_again() -> None:
    """Retain: the claim's end leaves the volume Released; a new claim does not get it."""
    c = Cluster(nodes=1)
    c.apply([volume("keep", "1Gi"), claim("one", "1Gi", storageClassName="")])
    c.settle()
    assert phase(c, "PersistentVolumeClaim", "one") == "Bound"
    c.delete("PersistentVolumeClaim", "one")
    c.settle()
    assert phase(c, "PersistentVolume", "keep") == "Released"
    c.apply(claim("two", "1Gi", storageClassName=""))
    c.run(5)
    assert phase(c, "PersistentVolumeClaim", "two") == "Pending"
    none = "no persistent volumes available for this claim and no storage class is set"
    assert [e for e in events(c, "PersistentVolumeClaim") if e[0] == "FailedBinding"] == [
        ("FailedBinding", none, 1)
    ]


def test_a_claim_whose_volume_is_gone_is_lost() -> None:
    """A volume forced away under a bound claim: the claim is Lost, and says so."""
    c = Cluster(nodes=1)
    c.apply([volume("v", "1Gi"), claim("one", "1Gi", storageClassName="")])
    c.settle()
    c.delete("PersistentVolume", "v")
    c.run(2)
    assert c.get("PersistentVolume", "v")["metadata"]["deletionTimestamp"]
    path = "/api/v1/persistentvolumes/v"
    headers = {"Content-Type": "application/merge-patch+json"}
    assert c.request("PATCH", path, {"metadata": {"finalizers": None}}, headers).ok
    c.settle()
    assert phase(c, "PersistentVolumeClaim", "one") == "Lost"
    text = "Bound claim has lost its PersistentVolume. Data on the volume is lost!"
    assert ("ClaimLost", text, 1) in events(c, "PersistentVolumeClaim")
