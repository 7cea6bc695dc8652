"""Taint eviction: pods leave a node whose NoExecute taint they do not tolerate, or not for ever.

A pod that tolerates all NoExecute taints of its node without limit stays. One that tolerates them
for `tolerationSeconds` (300 by default for a node that is not ready or unreachable) is deleted so
long after the taint appeared, unless the taint goes first. One that does not tolerate is deleted
at once. The deletion is an ordinary one: on a dead node the pod stays Terminating until somebody
can say that it has ended.

In Kubernetes: pkg/controller/tainteviction/taint_eviction.go.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from kubelab.api.objects import Obj, get, key_of, name_of, namespace_of, uid_of
from kubelab.api.rest import Response
from kubelab.client.controller import Controller
from kubelab.client.informer import by_node
from kubelab.controllers.nodetaints import taints_of
from kubelab.controllers.pods import is_over, is_terminating
from kubelab.sim.kernel import SECOND

REASON = "TaintManagerEviction"


class Eviction(NamedTuple):
    """A deletion that is due: of whom, when, and since when that is planned."""

    uid: str
    due_ns: int
    since_ns: int


def driving_taints(node: Obj) -> list[Obj]:
    """The NoExecute taints of a node."""
    return [item for item in taints_of(node) if item["effect"] == "NoExecute"]


def tolerates(toleration: Obj, taint: Obj) -> bool:
    """Whether a toleration covers a taint."""
    if toleration.get("effect") not in (None, "", taint["effect"]):
        return False
    if toleration.get("key") and toleration["key"] != taint["key"]:
        return False
    if toleration.get("operator", "Equal") == "Exists":
        return True
    return bool(toleration.get("value", "") == taint.get("value", ""))


def patience_seconds(taints: Sequence[Obj], pod: Obj) -> float | None:
    """How long a pod bears these taints: 0 not at all, None for ever."""
    limits = []
    for taint in taints:
        used = [t for t in get(pod, "spec", "tolerations", default=()) if tolerates(t, taint)]
        if not used:
            return 0
        limits += [t["tolerationSeconds"] for t in used if t.get("tolerationSeconds") is not None]
    return max(0, min(limits)) if limits else None


class TaintEvictionController(Controller):
    """Deletes pods from tainted nodes. Its keys are those of pods."""

    name = "taint-eviction"

    def begin(self) -> None:
        self.planned: dict[str, Eviction] = {}
        # The NoExecute taints of the nodes that have any.
        self.tainted: dict[str, list[Obj]] = {}
        self.nodes = self.watch("v1/Node", "on_node")
        self.pods = self.watch("v1/Pod", "on_pod")
        self.pods.index("node", by_node)

    def on_node(self, old: Obj | None, new: Obj | None) -> None:
        """The taints of a node may have changed."""
        node = new if new is not None else old
        assert node is not None
        name = name_of(node)
        taints = driving_taints(new) if new is not None else []
        if taints == self.tainted.get(name, []):
            return
        if taints:
            self.tainted[name] = taints
        else:
            del self.tainted[name]
        for pod in self.pods.indexed("node", name):
            self.enqueue(key_of(pod))

    def on_pod(self, old: Obj | None, new: Obj | None) -> None:
        """A pod has come to a node, or its tolerations have changed."""
        pod = new if new is not None else old
        assert pod is not None
        if key_of(pod) in self.planned or by_node(pod) in self.tainted:
            before = get(old, "spec", default=None) if old is not None else None
            if new is None or before != new["spec"] or is_terminating(new):
                self.enqueue(key_of(pod))

    def sync(self, key: str) -> None:
        """Plans, cancels or carries out the eviction of one pod."""
        pod, plan = self.pods.get(key), self.planned.get(key)
        if pod is None or is_terminating(pod) or is_over(pod):
            self.planned.pop(key, None)
            return
        if plan is not None and plan.uid != uid_of(pod):
            plan = self.planned.pop(key, None) and None
        taints = self.tainted.get(by_node(pod), [])
        patience = patience_seconds(taints, pod)
        words = ", ".join(taint["key"] for taint in taints) or "none"
        self.note(taints=words, patience="for ever" if patience is None else f"{patience} s")
        if not taints or patience is None:
            if plan is not None:
                del self.planned[key]
                self.note(act="cancel")
                self._tell(pod, f"Cancelling deletion of Pod {key}")
            return
        now = self.process.now
        since = plan.since_ns if plan is not None else now
        due = since + round(patience * SECOND)
        if due > now:
            self.planned[key] = Eviction(uid_of(pod), due, since)
            self.note(act=f"plan in {(due - now) / SECOND:.0f} s")
            self.enqueue_after(key, (due - now) / SECOND)
            return
        self.note(act="delete 1")
        self._tell(pod, f"Marking for deletion Pod {key}")
        self._mark(pod)

    def _tell(self, pod: Obj, text: str) -> None:
        self.recorder.event(pod, "Normal", REASON, text)

    def _mark(self, pod: Obj) -> None:
        """Notes in the pod why it goes; the deletion follows."""
        condition = {
            "type": "DisruptionTarget", "status": "True",
            "lastTransitionTime": self.process.timestamp,
            "reason": "DeletionByTaintManager",
            "message": "Taint manager: deleting due to NoExecute taint",
        }  # fmt: skip
        patch = {"metadata": {"uid": uid_of(pod)}, "status": {"conditions": [condition]}}
        space, name = namespace_of(pod), name_of(pod)
        self.patch("v1/Pod", space, name, patch, "marked", subresource="status")

    def marked(self, response: Response) -> None:
        """The reason stands in the pod: now it is deleted."""
        pod = self.pods.get(self.key)
        if response.ok and pod is not None:
            self.delete("v1/Pod", namespace_of(pod), name_of(pod))
