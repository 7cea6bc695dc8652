"""In-place resize: a running pod gets other resources, without a restart where that can be.

What the manifest wishes, what the node has granted (`allocatedResources`) and what the containers
run with (`resources`) are three things. A wish that fits on the node is granted as a whole; one
that never can is Infeasible, one that cannot yet is Deferred and tried again. Granted resources are
then given to the containers; one whose policy for what changes says RestartContainer is restarted.

In Kubernetes: pkg/kubelet/allocation and kuberuntime_manager.go (doPodResizeAction).
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from kubelab.api import quantity
from kubelab.api.objects import EMPTY, NOTHING, Obj, freeze, get, with_
from kubelab.kubelet import actions, admission, nodestatus
from kubelab.runtime.cri import RUNNING, Answer
from kubelab.sim.kernel import SECOND

if TYPE_CHECKING:
    from kubelab.kubelet.podworker import PodWorker

RETRY_NS = 30 * SECOND
RESIZED = ("cpu", "memory")
TYPES = ("PodResizePending", "PodResizeInProgress")


class Resizing:
    """The resources of one pod: wished, granted, in force."""

    def __init__(self, worker: PodWorker) -> None:
        self.worker = worker
        # By container: what is granted, and what it runs with.
        self.granted: dict[str, Obj] = {}
        self.actual: dict[str, Obj] = {}
        # Why a wish is not granted: reason and message; and the generation that is being done.
        self.pending: tuple[str, str] | None = None
        self.in_progress = 0
        self.tells = ""

    @property
    def pod(self) -> Obj:
        """The pod with what is granted."""
        made = self.worker.pod
        for field in ("containers", "initContainers"):
            rows = get(made, "spec", field, default=NOTHING)
            if any(self.granted.get(row["name"], row.get("resources")) is not row.get("resources")
                   for row in rows):  # fmt: skip
                changed = [
                    with_(row, ("resources",), self.granted.get(row["name"], EMPTY)) for row in rows
                ]
                made = with_(made, ("spec", field), changed)
        return made

    def of(self, container: Obj) -> tuple[Obj, Obj]:
        """What a container is granted, and what it runs with."""
        wished = container.get("resources") or EMPTY
        granted = self.granted.get(container["name"], wished)
        return granted, self.actual.get(container["name"], granted)

    def look(self) -> None:
        """Is another size wished than is granted? Can it be?"""
        worker = self.worker
        rows = [*actions.init_containers(worker.pod), *actions.containers(worker.pod)]
        wished = {row["name"]: row.get("resources") or EMPTY for row in rows}
        if not self.granted:
            self.granted, self.actual = dict(wished), dict(wished)
        if wished == self.granted:
            self.pending = None
            return
        self.pending = self._problem()
        if self.pending is not None:
            reason, message = self.pending
            if reason == "Deferred":
                worker.retry(RETRY_NS)
            self._tell("Warning", f"Resize{reason}", f"Pod resize {reason}", worker.pod, message)
            return
        self.granted = wished
        self.in_progress = get(worker.pod, "metadata", "generation", default=1)
        worker.kubelet.note(pod=worker.key, resizes=True)
        self._tell("Normal", "ResizeStarted", "Pod resize started", worker.pod)

    def _problem(self) -> tuple[str, str] | None:
        """Why the node cannot grant the wish."""
        worker = self.worker
        kubelet = worker.kubelet
        node = kubelet.node.node or kubelet.manifest
        allocatable = get(node, "status", "allocatable", default=None) or nodestatus.CAPACITY
        for name, amount in sorted(admission.requests(worker.pod).items()):
            capacity = admission.number(name, allocatable.get(name, "0"))
            if name in RESIZED and amount > capacity:
                text = f"{name}, requested: {amount}, capacity: {capacity}"
                return "Infeasible", f"Node didn't have enough capacity: {text}"
        refusal = admission.too_little(worker, allocatable)
        return ("Deferred", refusal[1]) if refusal is not None else None

    def action(self, state: actions.State) -> actions.Action | None:
        """The next thing to do for what is granted; None if there is nothing."""
        if not self.in_progress:
            return None
        worker = self.worker
        for container in [*actions.init_containers(worker.pod), *actions.containers(worker.pod)]:
            name = container["name"]
            granted, actual = self.of(container)
            record = state.current(name)
            if granted == actual:
                continue
            self.actual[name] = granted
            if record is None or record.state != RUNNING:
                continue
            if self._restarts(container, granted, actual):
                why = f"Container {name} resize requires restart"
                return actions.Action(actions.KILL, name, why, "resize")
            limit = get(granted, "limits", "memory")
            worker.kubelet.cri(
                worker, "resizing.updated", "update_container_resources", record.id,
                quantity.value(limit) if limit is not None else 0,
            )  # fmt: skip
            return actions.Action("update", name)
        if any(state.current(row["name"]) is None or
               state.current(row["name"]).state != RUNNING  # type: ignore[union-attr]
               for row in actions.containers(worker.pod)):  # fmt: skip
            return None
        generation, self.in_progress = self.in_progress, 0
        worker.unreported = True
        worker.kubelet.note(pod=worker.key, resized=True)
        granted_pod = self.pod
        self._tell("Normal", "ResizeCompleted", "Pod resize completed", granted_pod, "", generation)
        return None

    def updated(self, answer: Answer) -> None:
        """The runtime has changed a container's limits."""
        self.worker.progressed()
        self.worker.advance()

    def _restarts(self, container: Obj, granted: Obj, actual: Obj) -> bool:
        policies = {
            row["resourceName"]: row["restartPolicy"] for row in container.get("resizePolicy") or ()
        }
        for name in RESIZED:
            changed = any(
                get(granted, field, name) != get(actual, field, name)
                for field in ("requests", "limits")
            )
            if changed and policies.get(name) == "RestartContainer":
                return True
        return False

    def _tell(
        self, type_: str, reason: str, text: str, pod: Obj, error: str = "", generation: int = 0
    ) -> None:
        """The Event, once for each outcome of each wish."""
        generation = generation or get(pod, "metadata", "generation", default=1)
        said: dict[str, Any] = {}
        for field in ("initContainers", "containers"):
            rows = [
                {"name": row["name"], "resources": _sorted(row.get("resources") or EMPTY)}
                for row in get(pod, "spec", field, default=NOTHING)
                if field == "containers" or actions.is_sidecar(row)
            ]
            if rows:
                said[field] = rows
        said["generation"] = generation
        if error:
            said["error"] = error
        message = f"{text}: {json.dumps(said, separators=(',', ':'), ensure_ascii=False)}"
        if message != self.tells:
            self.tells = message
            self.worker.event(type_, reason, message)

    def conditions(self) -> list[tuple[str, str, str, str]]:
        """The conditions that say how far a resize has come."""
        rows = []
        if self.pending is not None:
            rows.append((TYPES[0], "True", *self.pending))
        if self.in_progress:
            rows.append((TYPES[1], "True", "", ""))
        return rows


def _sorted(resources: Obj) -> Any:
    return freeze({
        field: dict(sorted(resources[field].items()))
        for field in ("limits", "requests") if resources.get(field)
    })  # fmt: skip
