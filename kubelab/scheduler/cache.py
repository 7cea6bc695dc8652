"""The scheduler's picture of the nodes and the pods on them, kept up to date by events.

A `NodeInfo` never changes: a pod that comes or goes, a new label or taint makes a new one. So a
cycle reads a consistent picture, and "what if" costs nothing (`node.minus(pod)`). Which nodes have
changed is noted, so that whoever remembered something about them can tell whether it still holds.
Pods that the scheduler has placed but that are not yet bound are *assumed*: they count like bound
ones. Terminating pods count until they are gone; finished ones do not count.

Nodes are listed zone by zone in turn: the first node of each zone, then the second of each.

In Kubernetes: pkg/scheduler/backend/cache (cache.go, node_tree.go) and framework.NodeInfo.
"""

from __future__ import annotations

from typing import NamedTuple

from kubelab.api.objects import EMPTY, Obj, get
from kubelab.scheduler.matching import Taint
from kubelab.scheduler.podinfo import HostPort, PodInfo
from kubelab.scheduler.resources import Resources, amounts, resources

ZONE_LABELS = ("topology.kubernetes.io/zone", "failure-domain.beta.kubernetes.io/zone")
CHANGES_KEPT = 1024
REGION_LABELS = ("topology.kubernetes.io/region", "failure-domain.beta.kubernetes.io/region")


class NodeInfo(NamedTuple):
    """One node, parsed, with the pods on it; `obj` is None while only its pods are known."""

    name: str
    obj: Obj | None = None
    labels: Obj = EMPTY
    taints: tuple[Taint, ...] = ()
    unschedulable: bool = False
    allocatable: Resources = Resources()
    max_pods: int = 0
    zone: str = ""
    # Sizes of the images on the node, by every name they have.
    images: Obj = EMPTY
    pods: tuple[PodInfo, ...] = ()
    with_affinity: tuple[PodInfo, ...] = ()
    with_anti_affinity: tuple[PodInfo, ...] = ()
    requested: Resources = Resources()
    nonzero_cpu: int = 0
    nonzero_memory: int = 0
    ports: tuple[HostPort, ...] = ()

    def plus(self, pod: PodInfo) -> NodeInfo:
        """The node with one more pod."""
        return self._replace(
            pods=(*self.pods, pod),
            with_affinity=(*self.with_affinity, pod) if pod.has_affinity else self.with_affinity,
            with_anti_affinity=(
                (*self.with_anti_affinity, pod) if pod.anti_affinity else self.with_anti_affinity
            ),
            requested=self.requested.plus(pod.requests),
            nonzero_cpu=self.nonzero_cpu + pod.nonzero_cpu,
            nonzero_memory=self.nonzero_memory + pod.nonzero_memory,
            ports=self.ports + pod.ports if pod.ports else self.ports,
        )

    def minus(self, pod: PodInfo) -> NodeInfo:
        """The node without a pod that is on it (known by its key)."""
        key = pod.key
        own = next((other for other in self.pods if other.key == key), None)
        if own is None:
            return self
        pods = tuple(other for other in self.pods if other is not own)
        ports = self.ports
        if own.ports:
            ports = tuple(port for other in pods for port in other.ports)
        return self._replace(
            pods=pods,
            with_affinity=tuple(other for other in self.with_affinity if other is not own),
            with_anti_affinity=tuple(o for o in self.with_anti_affinity if o is not own),
            requested=self.requested.minus(own.requests),
            nonzero_cpu=self.nonzero_cpu - own.nonzero_cpu,
            nonzero_memory=self.nonzero_memory - own.nonzero_memory,
            ports=ports,
        )

    def described_by(self, obj: Obj) -> NodeInfo:
        """The same pods on the node as the Node object describes it now."""
        status, spec = obj.get("status") or EMPTY, obj.get("spec") or EMPTY
        labels = get(obj, "metadata", "labels", default=EMPTY)
        allocatable = amounts(status.get("allocatable"))
        images: dict[str, int] = {}
        for image in status.get("images") or ():
            for name in image.get("names") or ():
                images.setdefault(name, image.get("sizeBytes") or 0)
        return self._replace(
            obj=obj,
            labels=labels,
            taints=tuple(
                Taint(item["key"], item.get("value") or "", item["effect"])
                for item in spec.get("taints") or ()
            ),
            unschedulable=bool(spec.get("unschedulable")),
            allocatable=resources(allocatable),
            max_pods=allocatable.get("pods", 0),
            zone=zone_of(labels),
            images=Obj(images),
        )


def zone_of(labels: Obj) -> str:
    """Region and zone of a node as one key; nodes without either form one zone, the empty one."""
    zone = next((labels[key] for key in ZONE_LABELS if key in labels), "")
    region = next((labels[key] for key in REGION_LABELS if key in labels), "")
    return f"{region}:\x00:{zone}" if zone or region else ""


class Cache:
    """All nodes by name, all placed pods by key."""

    def __init__(self) -> None:
        self.nodes: dict[str, NodeInfo] = {}
        self.pods: dict[str, PodInfo] = {}
        self.assumed: dict[str, None] = {}
        # Zones in the order of first appearance, each with its nodes.
        self.zones: dict[str, dict[str, None]] = {}
        # How many nodes have an image; and its size, as the first of them said.
        self.image_nodes: dict[str, int] = {}
        self.image_sizes: dict[str, int] = {}
        # Names of nodes that hold pods with terms of their own.
        self.with_affinity: dict[str, None] = {}
        self.with_anti_affinity: dict[str, None] = {}
        self.order: list[str] | None = None
        self.listed: list[NodeInfo] = []
        self.positions: dict[str, int] = {}
        # The places of nodes that have changed since the epoch began; a new one begins when the
        # order changes, or the list grows too long.
        self.epoch = 0
        self.changed: list[int] = []

    def ordered(self) -> list[NodeInfo]:
        """All nodes, zone by zone in turn. The list is the cache's own: it is only read."""
        if self.order is None:
            self.order = self._round_robin()
            self.listed = [self.nodes[name] for name in self.order]
            self.positions = {name: index for index, name in enumerate(self.order)}
            self._new_epoch()
        return self.listed

    def _new_epoch(self) -> None:
        self.epoch += 1
        self.changed = []

    def get(self, name: str) -> NodeInfo | None:
        """A node that exists."""
        node = self.nodes.get(name)
        return node if node is not None and node.obj is not None else None

    def __len__(self) -> int:
        return len(self.ordered())

    # Nodes.

    def set_node(self, obj: Obj) -> NodeInfo:
        """A node was added or changed."""
        name = obj["metadata"]["name"]
        old = self.nodes.get(name, NodeInfo(name))
        new = old.described_by(obj)
        if old.obj is None or old.zone != new.zone:
            self._leave_zone(old)
            self.zones.setdefault(new.zone, {})[name] = None
            self.order = None
        if old.images != new.images:
            self._count_images(old, -1)
            self._count_images(new, 1)
        self._put(new)
        return self.nodes[name]

    def remove_node(self, name: str) -> None:
        """A node is gone; what is still bound to it is remembered in case it comes back."""
        node = self.nodes.get(name)
        if node is None or node.obj is None:
            return
        self._leave_zone(node)
        self._count_images(node, -1)
        self.order = None
        bare = NodeInfo(name)
        for pod in node.pods:
            bare = bare.plus(pod)
        self._put(bare)

    def _leave_zone(self, node: NodeInfo) -> None:
        names = self.zones.get(node.zone)
        if names is not None and node.obj is not None:
            del names[node.name]
            if not names:
                del self.zones[node.zone]

    def _count_images(self, node: NodeInfo, sign: int) -> None:
        for name in node.images:
            count = self.image_nodes.get(name, 0) + sign
            if count:
                self.image_nodes[name] = count
                self.image_sizes.setdefault(name, node.images[name])
            else:
                self.image_nodes.pop(name, None)
                self.image_sizes.pop(name, None)

    def _round_robin(self) -> list[str]:
        zones = [list(names) for names in self.zones.values()]
        longest = max(map(len, zones), default=0)
        return [names[turn] for turn in range(longest) for names in zones if turn < len(names)]

    # Pods.

    def assume(self, pod: PodInfo) -> None:
        """The scheduler has placed a pod (its `node` is set); it counts from now on."""
        self.add_pod(pod)
        self.assumed[pod.key] = None

    def forget(self, key: str) -> PodInfo | None:
        """An assumed pod could not be bound after all."""
        return self.remove_pod(key) if key in self.assumed else None

    def add_pod(self, pod: PodInfo) -> None:
        """A pod is bound to its node, or has changed there."""
        known = self.pods.get(pod.key)
        if known is not None:
            self.remove_pod(pod.key)
        self.pods[pod.key] = pod
        node = self.nodes.get(pod.node, NodeInfo(pod.node))
        self._put(node.plus(pod))

    def confirm(self, pod: PodInfo) -> bool:
        """Whether a pod was assumed just so; then it is bound now and nothing else changes."""
        known = self.pods.get(pod.key)
        if known is None or known.node != pod.node:
            return False
        self.assumed.pop(pod.key, None)
        return known._replace(obj=pod.obj, node=pod.node) == pod

    def remove_pod(self, key: str) -> PodInfo | None:
        """A pod has left its node."""
        pod = self.pods.pop(key, None)
        if pod is None:
            return None
        self.assumed.pop(key, None)
        node = self.nodes[pod.node].minus(pod)
        if node.obj is None and not node.pods:
            del self.nodes[pod.node]
            self.with_affinity.pop(pod.node, None)
            self.with_anti_affinity.pop(pod.node, None)
        else:
            self._put(node)
        return pod

    def _put(self, node: NodeInfo) -> None:
        name = node.name
        self.nodes[name] = node
        place = self.positions.get(name) if self.order is not None else None
        if place is not None:
            self.listed[place] = node
            self.changed.append(place)
            if len(self.changed) > CHANGES_KEPT + 2 * len(self.listed):
                self._new_epoch()
        for names, pods in (
            (self.with_affinity, node.with_affinity),
            (self.with_anti_affinity, node.with_anti_affinity),
        ):
            if pods:
                names[name] = None
            else:
                names.pop(name, None)
