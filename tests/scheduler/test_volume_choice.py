"""Volumes more closely: which one is chosen, what is said of several, which changes wake a pod."""

from __future__ import annotations

from typing import Any

import pytest

from kubelab.api.objects import Obj, freeze, with_
from kubelab.scheduler.framework import Handle
from kubelab.scheduler.memo import Memo
from kubelab.scheduler.nominator import Nominator
from kubelab.scheduler.plugins.nodevolumelimits import NodeVolumeLimits
from kubelab.scheduler.plugins.volumebinding import VolumeBinding
from kubelab.scheduler.plugins.volumezone import VolumeZone
from kubelab.scheduler.podinfo import parse_pod
from kubelab.scheduler.wakeups import ClusterEvent
from tests.scheduler.lab import ZONE, Lab, Objects, Scene, node, pod
from tests.scheduler.test_volumes import claim, storage_class, uses, volume

NODES = [node("a"), node("b")]
BIND = ("VolumeBinding", "node(s) didn't find available persistent volumes to bind")
DELAYED = storage_class("WaitForFirstConsumer")


def reserved(obj: Obj, name: str, uid: str = "") -> Obj:
    """A volume that is kept for a claim."""
    owner = {"namespace": "default", "name": name, **({"uid": uid} if uid else {})}
    return with_(obj, ("spec", "claimRef"), freeze(owner))


def reasons(*objects: Obj, pod_uses: tuple[str, ...] = ("data",)) -> dict[str, Any]:
    """Each node's verdict on a pod with these claims."""
    volumes = [{**uses(name), "name": f"v{i}"} for i, name in enumerate(pod_uses)]
    return Lab(NODES, objects=list(objects)).reasons(pod("p", volumes=volumes))


def test_kept_for_the_claim() -> None:
    """A volume kept for the claim is the only one, even where another one would fit the node."""
    kept, other = reserved(volume("kept", on="a"), "data"), volume("other", on="b")
    assert reasons(claim("data"), DELAYED, kept, other) == {"a": None, "b": BIND}


def test_kept_for_another() -> None:
    """A volume kept for another claim, or an earlier claim of the same name, is not taken."""
    for kept in (reserved(volume("pv"), "else"), reserved(volume("pv"), "data", "uid-before")):
        assert reasons(claim("data"), DELAYED, kept) == {"a": BIND, "b": BIND}
    assert reasons(claim("data"), DELAYED, reserved(volume("pv"), "data", "uid-data"))["a"] is None


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("spec", "volumeMode"), "Block"),
        (("spec", "storageClassName"), "slow"),
        (("spec", "volumeAttributesClassName"), "gold"),
        (("spec", "capacity", "storage"), "1023Mi"),
        (("spec", "accessModes"), ("ReadOnlyMany",)),
        (("status", "phase"), "Released"),
        (("metadata", "deletionTimestamp"), "2025-01-01T00:00:00Z"),
    ],
)
def test_not_alike(path: tuple[str, ...], value: Any) -> None:
    """A volume must be alike in mode, class, attributes, size and access, free and staying."""
    other = with_(volume("pv"), path, freeze(value))
    assert reasons(claim("data"), DELAYED, volume("pv"))["a"] is None
    assert reasons(claim("data"), DELAYED, other)["a"] == BIND


def test_first_wrong_volume_speaks() -> None:
    """Of several bound claims the first whose volume is missing or elsewhere gives the reason."""
    gone, there = claim("gone", volume="none"), claim("there", volume="pv")
    away = volume("pv", on="b")
    first = Lab(NODES, objects=[gone, there, away])
    plugin = VolumeBinding()
    for names, words in (
        (("there", "gone"), "node(s) didn't match PersistentVolume's node affinity"),
        (
            ("gone", "there"),
            "node(s) unavailable due to one or more pvc(s) bound to non-existent pv(s)",
        ),
    ):
        cycle = first.cycle(pod("p", volumes=[uses(name) for name in names]))
        assert plugin.pre_filter(cycle) is None
        status = plugin.filter(cycle, first.info("a"))
        assert status is not None
        assert status.reasons == (words,)


def test_somebody_elses_ephemeral_claim() -> None:
    """A claim with an ephemeral volume's name that the pod does not own is refused in words."""
    template = {"spec": {"accessModes": ["ReadWriteOnce"]}}
    volumes = [{"name": "v", "ephemeral": {"volumeClaimTemplate": template}}]
    outcome = Lab(NODES, objects=[claim("p-v")]).decide(pod("p", volumes=volumes))
    assert outcome.message() == (
        "0/2 nodes are available: PVC default/p-v was not created for pod default/p "
        "(pod is not owner)."
    )


def test_a_class_for_no_place() -> None:
    """An empty topology term allows no node; one with the node's zone allows it."""
    zones = [node("a", labels={ZONE: "1"}), node("b", labels={ZONE: "2"})]
    made = storage_class("WaitForFirstConsumer", "csi.example.com")
    term = {"matchLabelExpressions": [{"key": ZONE, "values": ["1"]}]}
    for terms, free in (([{}], []), ([{}, term], ["a"])):
        objects = [claim("data"), with_(made, ("allowedTopologies",), freeze(terms))]
        found = Lab(zones, objects=objects).reasons(pod("p", volumes=[uses("data")]))
        assert [name for name, status in found.items() if status is None] == free


def csi(name: str, handle: str) -> Obj:
    """A volume of a CSI driver."""
    source = freeze({"driver": "csi.example.com", "volumeHandle": handle})
    return with_(volume(name), ("spec", "csi"), source)


def test_still_attached() -> None:
    """A volume that is only still attached counts, and once more for the pod that asks for it."""
    limit = freeze({
        "apiVersion": "storage.k8s.io/v1", "kind": "CSINode", "metadata": {"name": "a"},
        "spec": {"drivers": [{"name": "csi.example.com", "allocatable": {"count": 1}}]},
    })  # fmt: skip
    attached = freeze({
        "apiVersion": "storage.k8s.io/v1", "kind": "VolumeAttachment", "metadata": {"name": "x"},
        "spec": {"nodeName": "a", "source": {"persistentVolumeName": "pv"}},
    })  # fmt: skip
    objects = [claim("data", volume="pv"), csi("pv", "h1"), limit]
    assert reasons(*objects)["a"] is None
    assert reasons(*objects, attached)["a"] == (
        "NodeVolumeLimits",
        "node(s) exceed max volume count",
    )


def test_claims_used_twice() -> None:
    """A claim of one pod only counts once, however many pods use it; one that leaves frees it."""
    one = claim("data", volume="pv", modes=["ReadWriteOncePod"])
    users = [pod(name, "a", volumes=[uses("data")]) for name in "uv"]
    scene = Scene(
        node("a"), one, volume("pv"), *users, pod("p", priority=9, volumes=[uses("data")])
    )
    decision = scene.scheduler.explain("default/p")
    assert decision is not None
    assert len(decision.victims) == 1


def event(kind: str, old: Any, new: Any) -> ClusterEvent:
    """A change of an object."""
    return ClusterEvent(kind, "Update", freeze(old), freeze(new))


def limits(count: int) -> Any:
    return {"spec": {"drivers": [{"name": "d", "allocatable": {"count": count}}]}}


WAKES: list[tuple[Any, ClusterEvent, bool]] = [
    (NodeVolumeLimits, event("CSINode", limits(1), limits(2)), True),
    (NodeVolumeLimits, event("CSINode", limits(2), limits(1)), False),
    (VolumeBinding, event("CSINode", limits(1), limits(2)), False),
    (VolumeBinding, event("CSIStorageCapacity", {"capacity": "1Gi"}, {"capacity": "2Gi"}), True),
    (VolumeBinding, event("CSIStorageCapacity", {"capacity": "2Gi"}, {"capacity": "1Gi"}), False),
    (
        VolumeBinding,
        event("CSIStorageCapacity", {"capacity": "2Gi"}, {"maximumVolumeSize": "1Gi"}),
        False,
    ),
    (
        VolumeBinding,
        event("CSIDriver", {"spec": {"storageCapacity": True}}, {"spec": {}}),
        True,
    ),
    (
        VolumeBinding,
        event("CSIDriver", {"spec": {}}, {"spec": {"storageCapacity": True}}),
        False,
    ),
    (VolumeBinding, event("StorageClass", {"parameters": {}}, {"parameters": {"a": "b"}}), False),
    (VolumeBinding, event("PersistentVolume", {"spec": {}}, {"spec": {"a": 1}}), True),
    (
        VolumeZone,
        event("PersistentVolume", {"metadata": {}}, {"metadata": {"labels": {"a": ""}}}),
        False,
    ),
    (
        VolumeZone,
        event("PersistentVolume", {"metadata": {}}, {"metadata": {"labels": {ZONE: "1"}}}),
        True,
    ),
]  # fmt: skip


@pytest.mark.parametrize(("plugin", "change", "wakes"), WAKES)
def test_what_wakes(plugin: Any, change: ClusterEvent, wakes: bool) -> None:
    """A change wakes a pod with a claim only if it can make more possible than before."""
    lab = Lab(NODES)
    handle = Handle(Objects([]), lab.cache, Nominator(), Memo())
    waiting = parse_pod(pod("p", volumes=[uses("data")]))
    assert plugin().hint(handle, waiting, change) is wakes


def misses(scene: Scene) -> dict[str, str]:
    """The closest miss of each refused node."""
    (event,) = [one for one in scene.world.trace if one.verb == "schedule_one"]
    return {name: row["miss"] for name, row in event.detail["rejected"].items()}


def test_closest_miss() -> None:
    """What would have to be different: a volume, a place, a limit, another user gone."""
    waiting = pod("p", volumes=[uses("data")])
    zones = [node("a", labels={ZONE: "1"}), node("b", labels={ZONE: "1"})]
    bound = claim("data", volume="pv")
    assert misses(Scene(node("a"), claim("data"), DELAYED, waiting)) == {
        "a": "a free volume of 1Gi for the claim data"
    }
    assert misses(Scene(*NODES, bound, volume("pv", on="b"), waiting)) == {
        "a": "a volume pv that may be used on this node"
    }
    assert misses(
        Scene(*zones, bound, volume("pv", labels={ZONE: "2__3"}), waiting)
    ) == dict.fromkeys("ab", f"the node label {ZONE}=2 or 3")
    alone = claim("data", volume="pv", modes=["ReadWriteOncePod"])
    other = pod("u", "a", volumes=[uses("data")])
    assert misses(Scene(node("a"), alone, volume("pv"), other, waiting)) == {
        "a": "no other pod that uses the claim default/data"
    }
