"""Eviction: before a node runs out of memory or disk, its kubelet ends pods, one at a time.

Every 10 s the signals are compared with their thresholds. A threshold that is met makes a condition
of the node, which keeps pods away (a taint) and stays for 5 minutes after the signal has cleared.
Then something is given up: of a full disk first the images that nobody uses; else one pod, and that
in order: first those that use more than they asked for, of them the least important, of those the
one that is furthest above what it asked for. The pod is Failed and stays so.

In Kubernetes: pkg/kubelet/eviction (eviction_manager.go, helpers.go). Left out: soft thresholds,
inodes, the OOM killer of a whole node.
Beside the default thresholds this kubelet has one for process numbers: `pid.available<10%`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from kubelab.api import quantity
from kubelab.api.objects import EMPTY, Obj, get
from kubelab.kubelet import actions, nodestatus, volumes
from kubelab.kubelet.usage import memory
from kubelab.runtime.container import Container
from kubelab.sim.kernel import SECOND

if TYPE_CHECKING:
    from kubelab.kubelet.kubelet import Kubelet
    from kubelab.kubelet.podworker import PodWorker

MEBIBYTE = 1 << 20
MEMORY_THRESHOLD = 100 * MEBIBYTE
DISK_SHARE = 10
# The process numbers of a node, and how many must be left.
PIDS = 32768
PIDS_THRESHOLD = PIDS * 10 // 100
TRANSITION_NS = 300 * SECOND
GRACE_SECONDS = 1
CRITICAL = 2_000_000_000
RESOURCES = {
    "MemoryPressure": "memory", "DiskPressure": "ephemeral-storage", "PIDPressure": "pids",
}  # fmt: skip


class Shortage(NamedTuple):
    """A signal beyond its threshold."""

    condition: str
    threshold: int
    available: int


def amount(value: int) -> str:
    """A number of bytes as a binary quantity: `100Mi`, `53Ki`, `17`."""
    for suffix, size in (("Gi", 1 << 30), ("Mi", MEBIBYTE), ("Ki", 1 << 10)):
        if value and value % size == 0:
            return f"{value // size}{suffix}"
    return str(value)


def is_critical(pod: Obj) -> bool:
    """Whether a pod must not be evicted: static, or as important as the system's own."""
    annotations = get(pod, "metadata", "annotations", default=EMPTY)
    if annotations.get("kubernetes.io/config.source", "api") != "api":
        return True
    return int(get(pod, "spec", "priority", default=0) or 0) >= CRITICAL


class Eviction:
    """The eviction manager of one kubelet."""

    def __init__(self, kubelet: Kubelet) -> None:
        self.kubelet = kubelet
        # When each condition was last seen to hold.
        self.met: dict[str, int] = {}
        # Whether anything may be other than at the last look; most looks find that nothing is.
        self.changed = True
        self.short = False
        # Pods that may not use more than so much of the disk, by uid: they are always looked at.
        self.limited: dict[str, None] = {}

    def pressures(self) -> tuple[str, ...]:
        """The conditions that hold, or held until a short time ago."""
        now = self.kubelet.now
        return tuple(
            name
            for name in ("MemoryPressure", "DiskPressure", "PIDPressure")
            if name in self.met and now - self.met[name] <= TRANSITION_NS
        )

    def running(self, worker: PodWorker) -> list[Container]:
        """The running containers of a pod."""
        held = self.kubelet.runtime.containers
        return [held[record.id] for record in worker.records() if held[record.id].running]

    def used(self, worker: PodWorker) -> dict[str, int]:
        """The memory that each container of a pod uses."""
        return {c.config.name: memory(worker.pod, c) for c in self.running(worker)}

    def shortages(self) -> list[Shortage]:
        """The signals that are beyond their thresholds now, memory first."""
        kubelet = self.kubelet
        status = get(kubelet.manifest, "status", default=EMPTY)
        capacity = get(status, "capacity", default=None) or nodestatus.CAPACITY
        found = []
        total = quantity.value(capacity.get("memory", nodestatus.CAPACITY["memory"]))
        used = sum(sum(self.used(worker).values()) for worker in kubelet.workers.values())
        available = max(0, total - used)
        if available < MEMORY_THRESHOLD:
            found.append(Shortage("MemoryPressure", MEMORY_THRESHOLD, available))
        if kubelet.runtime.disk.full:
            size = quantity.value(
                capacity.get("ephemeral-storage", nodestatus.CAPACITY["ephemeral-storage"])
            )
            found.append(Shortage("DiskPressure", size * DISK_SHARE // 100, 0))
        if kubelet.runtime.pids_gone:
            found.append(Shortage("PIDPressure", PIDS_THRESHOLD, 0))
        return found

    def look(self) -> None:
        """One round: what is beyond its threshold is told, and one thing is given up for it."""
        kubelet = self.kubelet
        if self.changed:
            self.changed = False
            workers = kubelet.workers.values()
            self.limited = {worker.uid: None for worker in workers if _is_limited(worker.pod)}
        elif not self.limited and not self.short and not self._exhausted():
            return
        for uid in self.limited:
            worker = kubelet.workers.get(uid)
            if worker is not None and not worker.ending.begun and not worker.settled:
                message = self._beyond_own_limit(worker)
                if message:
                    self.evict(worker, message)
                    return
        found = self.shortages()
        self.short = bool(found)
        for shortage in found:
            self.met[shortage.condition] = kubelet.now
        if not found:
            return
        shortage = found[0]
        resource = RESOURCES[shortage.condition]
        kubelet.note(short_of=resource, available=shortage.available)
        kubelet.node.recorder.event(
            kubelet.node.reference, "Warning", "EvictionThresholdMet",
            f"Attempting to reclaim {resource}",
        )  # fmt: skip
        if resource == "ephemeral-storage" and self._drop_images():
            return
        chosen = self._first(resource)
        if chosen is not None:
            self.evict(chosen, self._message(chosen, shortage, resource))

    def _exhausted(self) -> bool:
        """Whether something of the machine has run out that no pod's start or end tells of."""
        runtime = self.kubelet.runtime
        return runtime.disk.full or runtime.pids_gone

    def _drop_images(self) -> bool:
        """Deletes the images that no container uses; whether there were any."""
        runtime = self.kubelet.runtime
        used = {held.status.image: None for held in runtime.containers.values()}
        unused = [name for name in runtime.images.images if name not in used]
        for name in unused:
            self.kubelet.call_runtime("", 0, "image_removed", "remove_image", (name,), ())
        return bool(unused)

    def _first(self, resource: str) -> PodWorker | None:
        """The pod that goes first."""
        rows = []
        for worker in self.kubelet.workers.values():
            if worker.ending.begun or worker.settled or is_critical(worker.pod):
                continue
            used = sum(self.used(worker).values()) if resource == "memory" else 0
            above = used - _asked(worker.pod, resource)
            priority = int(get(worker.pod, "spec", "priority", default=0) or 0)
            rows.append(((above <= 0, priority, -above, worker.key), worker))
        return min(rows, key=_rank)[1] if rows else None

    def _message(self, worker: PodWorker, shortage: Shortage, resource: str) -> str:
        """Why the pod goes, in the kubelet's words."""
        text = (
            f"The node was low on resource: {resource}. Threshold quantity: "
            f"{amount(shortage.threshold)}, available: {amount(shortage.available)}. "
        )
        used = self.used(worker) if resource == "memory" else {}
        for container in actions.containers(worker.pod):
            name = container["name"]
            asked = get(container, "resources", "requests", resource, default="0")
            if used.get(name, 0) > quantity.value(asked):
                text += (
                    f"Container {name} was using {amount(used[name])}, request is {asked}, "
                    f"has larger consumption of {resource}. "
                )
        return text

    def _beyond_own_limit(self, worker: PodWorker) -> str:
        """Why a pod that uses more of the disk than it may has to go; empty if it does not."""
        disk = self.kubelet.runtime.disk
        for volume in volumes.volumes(worker.pod):
            limit = get(volume, "emptyDir", "sizeLimit")
            files = disk.volumes.get(volumes.host_path(worker.pod, volume)) if limit else None
            if files and sum(map(len, files.values())) > quantity.value(limit):
                return f'Usage of EmptyDir volume "{volume["name"]}" exceeds the limit "{limit}". '
        for container in self.running(worker):
            found = actions.find(worker.pod, container.config.name)
            limit = get(found[0], "resources", "limits", "ephemeral-storage") if found else None
            process = container.process
            if limit is None or process is None:
                continue
            used = sum(map(len, process.files.own.values()))
            used += sum(len(line) + 1 for _, line in process.lines)
            if used > quantity.value(limit):
                name = container.config.name
                return f'Container {name} exceeded its local ephemeral storage limit "{limit}". '
        return ""

    def evict(self, worker: PodWorker, message: str) -> None:
        """The pod has failed; it gets a second to end."""
        self.kubelet.note(pod=worker.key, evicts=message.strip())
        self.kubelet.promote()
        worker.event("Warning", "Evicted", message)
        worker.verdict = ("Failed", "Evicted", message)
        worker.disrupted = message
        worker.stopping.shortest_ns = GRACE_SECONDS * SECOND
        worker.begin_end("it is evicted", GRACE_SECONDS)


def _is_limited(pod: Obj) -> bool:
    """Whether a pod says how much of the disk it may use."""
    return any(get(volume, "emptyDir", "sizeLimit") for volume in volumes.volumes(pod)) or any(
        get(container, "resources", "limits", "ephemeral-storage")
        for container in actions.containers(pod)
    )


def _asked(pod: Obj, resource: str) -> int:
    return sum(
        quantity.value(get(container, "resources", "requests", resource, default="0"))
        for container in actions.containers(pod)
    )


def _rank(row: tuple[tuple[bool, int, int, str], PodWorker]) -> tuple[bool, int, int, str]:
    return row[0]
