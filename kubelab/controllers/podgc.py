"""The pod garbage collector: pods that nobody else will ever take away.

Every twenty seconds it looks at four sorts of pods, each kept ready by the changes it hears of:
pods on a node that has been gone for forty seconds (they are failed and deleted at once, for no
kubelet is left to end them), pods that are to go from a node which a person has declared to be out
of service by a taint, pods that are to go and were never bound to a node, and pods that are over,
of which the oldest go when there are more than 12,500.

In Kubernetes: pkg/controller/podgc/gc_controller.go.
"""

from __future__ import annotations

from typing import Any

from kubelab.api.objects import Obj, get, key_of, name_of, namespace_of, uid_of
from kubelab.api.rest import Response
from kubelab.client.controller import Controller
from kubelab.client.informer import by_node
from kubelab.controllers.nodetaints import ready_status, taints_of
from kubelab.controllers.pods import is_over, is_terminating
from kubelab.sim.kernel import SECOND, Routine

LOOK_SECONDS = 20
QUARANTINE_SECONDS = 40
TERMINATED_LIMIT = 12_500
LOOK = "(all pods)"
OUT_OF_SERVICE = "node.kubernetes.io/out-of-service"


def is_out_of_service(node: Obj) -> bool:
    """Whether a node that is not ready has been declared to be off for sure."""
    tainted = any(taint["key"] == OUT_OF_SERVICE for taint in taints_of(node))
    return tainted and ready_status(node) != "True"


class PodGCController(Controller):
    """Takes away pods that are left over. Its keys are those of pods, and LOOK."""

    name = "pod-garbage-collector"

    def begin(self) -> None:
        # Since when each node is gone, and the pods that may have to go.
        self.gone: dict[str, int] = {}
        self.unbound: dict[str, None] = {}
        self.over: dict[str, None] = {}
        self.doomed: dict[str, str] = {}
        self.off: dict[str, None] = {}
        self.nodes = self.watch("v1/Node", "on_node")
        self.pods = self.watch("v1/Pod", "on_pod")
        self.pods.index("node", by_node)
        self.enqueue_after(LOOK, LOOK_SECONDS, background=True)

    def on_node(self, old: Obj | None, new: Obj | None) -> None:
        """A node has come or gone."""
        if new is not None:
            self.gone.pop(name_of(new), None)
            self.off.pop(name_of(new), None)
            if is_out_of_service(new):
                self.off[name_of(new)] = None
        elif old is not None:
            self.gone[name_of(old)] = self.process.now
            self.off.pop(name_of(old), None)

    def on_pod(self, old: Obj | None, new: Obj | None) -> None:
        """A pod has changed: it may be of one of the three sorts now, or no longer."""
        pod = new if new is not None else old
        assert pod is not None
        key = key_of(pod)
        for held in (self.unbound, self.over, self.doomed):
            held.pop(key, None)
        if new is None:
            return
        node = by_node(new)
        if node and self.nodes.synced and self.nodes.get(node) is None:
            self.gone.setdefault(node, self.process.now)
        if not node and is_terminating(new):
            self.unbound[key] = None
        if is_over(new):
            self.over[key] = None

    def sync(self, key: str) -> None:
        """The periodic look, or one pod that is to go."""
        if key == LOOK:
            self._look()
            return
        pod, why = self.pods.get(key), self.doomed.pop(key, "")
        if pod is None or not why:
            return
        self.note(act="delete 1", why=why)
        if why in ("node", "out of service") and not is_over(pod):
            self._fail(pod, gone=why == "node")
        else:
            self._delete(pod)

    def _look(self) -> None:
        """Finds the pods that are to go now."""
        now = self.process.now
        for node, since in list(self.gone.items()):
            pods = self.pods.indexed("node", node)
            if not pods and now - since > QUARANTINE_SECONDS * SECOND:
                del self.gone[node]
            elif now - since >= QUARANTINE_SECONDS * SECOND:
                self.doomed |= {key_of(pod): "node" for pod in pods}
        for node in self.off:
            leaving = [pod for pod in self.pods.indexed("node", node) if is_terminating(pod)]
            self.doomed |= {key_of(pod): "out of service" for pod in leaving}
        self.doomed |= dict.fromkeys(self.unbound, "unbound")
        if len(self.over) > TERMINATED_LIMIT:
            oldest = sorted(self.over, key=self._born)
            surplus = oldest[: len(self.over) - TERMINATED_LIMIT]
            self.doomed |= dict.fromkeys(surplus, "surplus")
        self.note(
            wish=0, seen=len(self.doomed), act=f"delete {len(self.doomed)}" if self.doomed else "—"
        )
        if self.doomed:
            self.process.promote()
        for key in list(self.doomed):
            self.enqueue(key)
        self.enqueue_after(LOOK, LOOK_SECONDS, background=True)

    def routine(self, key: str) -> Routine | None:
        """A look finds nothing while there is nothing that will have to go."""
        idle = not (self.gone or self.off or self.unbound or self.doomed)
        return Routine(LOOK_SECONDS * SECOND) if key == LOOK and idle else None

    def _born(self, key: str) -> tuple[str, str]:
        pod = self.pods.get(key)
        return str(get(pod, "metadata", "creationTimestamp", default="")), key

    def _fail(self, pod: Obj, *, gone: bool) -> None:
        """Writes that the pod has failed, and why; its deletion follows."""
        condition = {
            "type": "DisruptionTarget", "status": "True",
            "lastTransitionTime": self.process.timestamp,
            "reason": "DeletionByPodGC", "message": "PodGC: node no longer exists",
        }  # fmt: skip
        status: dict[str, Any] = {"phase": "Failed"}
        if gone:
            status["conditions"] = [condition]
        patch = {"metadata": {"uid": uid_of(pod)}, "status": status}
        space, name = namespace_of(pod), name_of(pod)
        self.patch("v1/Pod", space, name, patch, "failed", subresource="status")

    def failed(self, response: Response) -> None:
        """The pod has failed: now it can go."""
        pod = self.pods.get(self.key)
        if response.ok and pod is not None:
            self._delete(pod)

    def _delete(self, pod: Obj) -> None:
        body = {"gracePeriodSeconds": 0, "preconditions": {"uid": uid_of(pod)}}
        self.delete("v1/Pod", namespace_of(pod), name_of(pod), body=body)
