"""A pod's row: one word for the state of a thing that has many.

The word is the pod's phase, unless something more telling is known: a reason of the whole pod, the
first init container that is not done, or the container that waits or has ended. A pod that is being
deleted is `Terminating`, whatever its containers do.

In Kubernetes: printPod in pkg/printers/internalversion/printers.go.
"""

from __future__ import annotations

from typing import Any

from kubelab.api.durations import since
from kubelab.api.objects import Arr, Obj, freeze, get, name_of

COLUMNS = "Name!, Ready, Status, Restarts, Age, IP+, Node+, Nominated Node+, Readiness Gates+"
_SUCCEEDED = "The pod has completed successfully."


def _completed(reason: str, message: str) -> Arr:
    row = {"type": "Completed", "status": "True", "reason": reason, "message": message}
    return freeze([row])  # type: ignore[no-any-return]


COMPLETED = {
    "Succeeded": _completed("Succeeded", _SUCCEEDED),
    "Failed": _completed("Failed", "The pod failed."),
}


class Tally:
    """Counts over a pod's containers, and the word for it all."""

    def __init__(self, pod: Obj) -> None:
        spec, self.status = pod.get("spec") or {}, pod.get("status") or {}
        self.word = self.status.get("reason") or self.status.get("phase", "")
        self.restarts = 0
        self.restarted = ""
        self.ready = 0
        self.init = spec.get("initContainers") or ()
        self.sidecars = {c["name"] for c in self.init if c.get("restartPolicy") == "Always"}
        self.total = len(spec.get("containers") or ()) + len(self.sidecars)
        for condition in self.status.get("conditions") or ():
            if condition["type"] == "PodScheduled" and condition.get("reason") == "SchedulingGated":
                self.word = "SchedulingGated"
        initializing = self._init_containers()
        if not initializing or _is_true(self.status, "Initialized"):
            self._containers()
        if pod["metadata"].get("deletionTimestamp"):
            if self.status.get("reason") == "NodeLost":
                self.word = "Unknown"
            elif self.status.get("phase") not in COMPLETED:
                self.word = "Terminating"

    def _count(self, status: Obj) -> None:
        self.restarts += status.get("restartCount", 0)
        ended = get(status, "lastState", "terminated", "finishedAt", default="")
        self.restarted = max(self.restarted, ended)

    def _init_containers(self) -> bool:
        """Whether an init container is still to be done."""
        for index, status in enumerate(self.status.get("initContainerStatuses") or ()):
            self._count(status)
            ended = get(status, "state", "terminated")
            waits = get(status, "state", "waiting", "reason", default="")
            if ended is not None and ended.get("exitCode") == 0:
                continue
            if status["name"] in self.sidecars and status.get("started"):
                self.ready += bool(status.get("ready"))
                continue
            if ended is not None:
                self.word = f"Init:{_ending(ended)}"
            elif waits and waits != "PodInitializing":
                self.word = f"Init:{waits}"
            else:
                self.word = f"Init:{index}/{len(self.init)}"
            return True
        return False

    def _containers(self) -> None:
        """Restarts of init containers do not count any more, but those of sidecars do."""
        self.restarts, self.restarted = 0, ""
        for status in self.status.get("initContainerStatuses") or ():
            if status["name"] in self.sidecars:
                self._count(status)
        running = False
        for status in reversed(self.status.get("containerStatuses") or ()):
            self._count(status)
            ended = get(status, "state", "terminated")
            waits = get(status, "state", "waiting", "reason")
            if waits:
                self.word = waits
            elif ended is not None:
                self.word = _ending(ended)
            elif status.get("ready") and get(status, "state", "running") is not None:
                running = True
                self.ready += 1
        if self.word == "Completed" and running:
            self.word = "Running" if _is_true(self.status, "Ready") else "NotReady"


def _ending(terminated: Obj) -> str:
    if terminated.get("reason"):
        return str(terminated["reason"])
    if terminated.get("signal"):
        return f"Signal:{terminated['signal']}"
    return f"ExitCode:{terminated.get('exitCode', 0)}"


def _is_true(status: Any, type_: str) -> bool:
    return any(
        condition["type"] == type_ and condition["status"] == "True"
        for condition in status.get("conditions") or ()
    )


def cells(pod: Obj, now_ns: int) -> list[Any]:
    """The cells of a pod."""
    tally = Tally(pod)
    restarts = str(tally.restarts)
    if tally.restarts and tally.restarted:
        restarts += f" ({since(tally.restarted, now_ns)} ago)"
    gates = get(pod, "spec", "readinessGates", default=())
    true = sum(_is_true(tally.status, gate["conditionType"]) for gate in gates)
    return [
        name_of(pod), f"{tally.ready}/{tally.total}", tally.word, restarts,
        since(get(pod, "metadata", "creationTimestamp"), now_ns),
        get(pod, "status", "podIPs", 0, "ip") or get(pod, "status", "podIP") or "<none>",
        get(pod, "spec", "nodeName", default="<none>") or "<none>",
        get(pod, "status", "nominatedNodeName", default="<none>"),
        f"{true}/{len(gates)}" if gates else "<none>",
    ]  # fmt: skip
