"""What the scheduler makes of the changes that its informers report.

A pod with a node belongs into the cache, a pod without one into the queue; each change is turned
into the cluster events that may wake refused pods. A change that means nothing to scheduling (a
heartbeat, a status) changes nothing here.

In Kubernetes: pkg/scheduler/eventhandlers.go.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kubelab.api.objects import Obj, get, key_of, name_of, uid_of
from kubelab.client.informer import Informer, by_namespace
from kubelab.scheduler import wakeups
from kubelab.scheduler.podinfo import PodInfo, parse_pod
from kubelab.scheduler.wakeups import ClusterEvent, node_events, pod_events

if TYPE_CHECKING:
    from kubelab.scheduler.scheduler import Scheduler

# Kinds that the scheduler watches, and the handler of their changes.
KINDS = {
    "v1/Node": "on_node",
    "v1/Namespace": "",
    "v1/Service": "",
    "v1/ReplicationController": "",
    "apps/v1/ReplicaSet": "",
    "apps/v1/StatefulSet": "",
    "policy/v1/PodDisruptionBudget": "",
    "v1/PersistentVolume": "on_volume_object",
    "v1/PersistentVolumeClaim": "on_volume_object",
    "storage.k8s.io/v1/StorageClass": "on_volume_object",
    "storage.k8s.io/v1/CSINode": "on_volume_object",
    "storage.k8s.io/v1/CSIDriver": "on_volume_object",
    "storage.k8s.io/v1/CSIStorageCapacity": "on_volume_object",
    "storage.k8s.io/v1/VolumeAttachment": "on_volume_object",
    "v1/Pod": "on_pod",
}
FINISHED = ("Succeeded", "Failed")


class InformerLister:
    """Reads objects from the scheduler's informers."""

    def __init__(self, scheduler: Scheduler) -> None:
        self.scheduler = scheduler
        self.informers: dict[str, Informer] = {}

    def get(self, kind: str, key: str) -> Obj | None:
        """One object."""
        informer = self.informers.get(kind)
        return informer.get(key) if informer else None

    def list(self, kind: str, namespace: str = "") -> list[Obj]:
        """All objects, or those of a namespace."""
        informer = self.informers.get(kind)
        return informer.list(namespace) if informer else []


class EventHandlers:
    """Handlers of the informers' reports."""

    def __init__(self, scheduler: Scheduler) -> None:
        self.scheduler = scheduler

    def watch(self, kind: str) -> None:
        """Begins to watch a kind."""
        scheduler = self.scheduler
        informer = scheduler.inform(kind)
        scheduler.lister.informers[kind] = informer
        if kind == "v1/Service":
            informer.index("namespace", by_namespace)
        if KINDS[kind]:
            informer.subscribe(f"events.{KINDS[kind]}")

    # Nodes.

    def on_node(self, old: Obj | None, new: Obj | None) -> None:
        """A node came, changed or went."""
        scheduler = self.scheduler
        if new is None:
            name = name_of(old)
            gone = scheduler.cache.get(name)
            scheduler.cache.remove_node(name)
            if gone is not None:
                scheduler.wake(ClusterEvent(wakeups.NODE, wakeups.DELETE, gone, None))
            return
        if old is not None and not _node_changed(old, new):
            return
        before = scheduler.cache.nodes.get(name_of(new))
        after = scheduler.cache.set_node(new)
        for event in node_events(before, after):
            scheduler.wake(event)

    # Pods.

    def on_pod(self, old: Obj | None, new: Obj | None) -> None:
        """A pod came, changed or went."""
        if new is not None and get(new, "status", "phase") in FINISHED:
            new = None
        if new is None:
            if old is not None:
                self._gone(key_of(old))
            return
        if old is not None and uid_of(old) != uid_of(new):
            # Another pod of the same name; that the first one went was missed.
            self._gone(key_of(old))
            old = None
        if get(new, "spec", "nodeName"):
            self._placed(old, new)
        else:
            self._waiting(old, new)

    def _gone(self, key: str) -> None:
        scheduler = self.scheduler
        scheduler.queue.remove(key)
        scheduler.binder.drop(key)
        nominated = scheduler.nominator.find(key)
        scheduler.nominator.remove(key)
        pod = scheduler.cache.remove_pod(key)
        if pod is not None:
            scheduler.wake(ClusterEvent(wakeups.ASSIGNED_POD, wakeups.DELETE, pod, None))
        elif nominated is not None:
            self._place_free(nominated)

    def _place_free(self, pod: PodInfo) -> None:
        """A nominated pod held its place, as a bound one does, against pods of no higher
        priority."""
        event = ClusterEvent(wakeups.ASSIGNED_POD, wakeups.DELETE, pod, None)
        self.scheduler.wake(event, pod.priority)

    def _placed(self, old: Obj | None, new: Obj) -> None:
        """A pod that is bound to a node."""
        scheduler = self.scheduler
        cache, key = scheduler.cache, key_of(new)
        known = cache.pods.get(key)
        fresh = known is None or key in cache.assumed
        if not fresh and old is not None and not _pod_changed(old, new):
            return
        pod = parse_pod(new)
        if known is None or not cache.confirm(pod):
            cache.add_pod(pod)
        if fresh:
            scheduler.queue.remove(key)
            scheduler.nominator.remove(key)
            scheduler.wake(ClusterEvent(wakeups.ASSIGNED_POD, wakeups.ADD, None, pod))
        elif known is not None:
            for event in pod_events(wakeups.ASSIGNED_POD, known, pod):
                scheduler.wake(event)

    def _waiting(self, old: Obj | None, new: Obj) -> None:
        """A pod without a node."""
        scheduler = self.scheduler
        queue, key = scheduler.queue, key_of(new)
        if key in scheduler.cache.assumed:
            if get(new, "metadata", "deletionTimestamp"):
                # It will not be bound any more, and holds no place.
                gone = scheduler.cache.forget(key)
                scheduler.binder.unwanted(key)
                scheduler.wake(ClusterEvent(wakeups.ASSIGNED_POD, wakeups.DELETE, gone, None))
            return
        scheduler_name = get(new, "spec", "schedulerName", default="default-scheduler")
        if scheduler_name not in scheduler.profiles:
            return
        queued = queue.pods.get(key)
        if queued is None:
            pod = parse_pod(new)
            self._nominated(pod, old, new)
            if queue.add(pod, scheduler.now):
                scheduler.turn()
            return
        if old is not None and not _pod_changed(old, new):
            queued.pod = queued.pod._replace(obj=new)
            self._nominated(queued.pod, old, new)
            return
        pod, before = parse_pod(new), queued.pod
        self._nominated(pod, old, new)
        if queue.update(pod, pod_events(wakeups.OWN_POD, before, pod), scheduler.now):
            scheduler.turn()

    def _nominated(self, pod: PodInfo, old: Obj | None, new: Obj) -> None:
        """Follows a nomination that somebody wrote into the pod's status, or took out of it."""
        nominator = self.scheduler.nominator
        before = get(old, "status", "nominatedNodeName", default="")
        after = get(new, "status", "nominatedNodeName", default="")
        if after and (nominator.node_of.get(pod.key) is None or before != after):
            nominator.add(pod, after)
        elif before and not after and nominator.node_of.get(pod.key) == before:
            nominator.remove(pod.key)
        else:
            nominator.update(pod)
        if before and before != after:
            self._place_free(pod)

    # Volumes and what belongs to them.

    def on_volume_object(self, old: Obj | None, new: Obj | None) -> None:
        """A claim, volume, class or driver came, changed or went."""
        scheduler = self.scheduler
        obj = new or old
        assert obj is not None
        kind = obj["kind"]
        action = wakeups.UPDATE
        if old is None:
            action = wakeups.ADD
        elif new is None:
            action = wakeups.DELETE
        if kind == "PersistentVolumeClaim":
            scheduler.binder.claim_changed()
        if kind == "PersistentVolume" and get(obj, "spec", "claimRef"):
            scheduler.handle.assumed_volumes.pop(name_of(obj), None)
        scheduler.wake(ClusterEvent(kind, action, old, new))


def _node_changed(old: Obj, new: Obj) -> bool:
    """Whether anything that scheduling reads is different."""
    return (
        old.get("spec") != new.get("spec")
        or old["metadata"].get("labels") != new["metadata"].get("labels")
        or get(old, "status", "allocatable") != get(new, "status", "allocatable")
        or get(old, "status", "images") != get(new, "status", "images")
    )


def _pod_changed(old: Obj, new: Obj) -> bool:
    """Whether anything that scheduling reads is different."""
    before, after = old["metadata"], new["metadata"]
    return (
        old["spec"] != new["spec"]
        or before.get("labels") != after.get("labels")
        or before.get("deletionTimestamp") != after.get("deletionTimestamp")
        or before.get("ownerReferences") != after.get("ownerReferences")
        or _held(old) != _held(new)
    )


def _held(pod: Obj) -> list[tuple[str, Obj, Obj]]:
    """What the containers are allotted, which differs from the spec while they are resized."""
    return [
        (entry["name"], entry.get("allocatedResources"), entry.get("resources"))
        for entry in get(pod, "status", "containerStatuses", default=())
        if entry.get("allocatedResources") or entry.get("resources")
    ]
