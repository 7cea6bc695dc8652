"""The disruption controller: how many pods may be evicted now.

For each PodDisruptionBudget it counts the pods that are selected and healthy, and how many must
be; what is over may be disrupted. The eviction subresource of the API server takes from that
number, and notes the pod in `status.disruptedPods` until its deletion is seen, so that two
evictions never spend the same allowance.

In Kubernetes: pkg/controller/disruption/disruption.go. Left out: custom resources with a scale.
"""

from __future__ import annotations

from typing import Any

from kubelab.api.objects import (
    EMPTY,
    Obj,
    controller_of,
    freeze,
    get,
    key_of,
    labels_of,
    name_of,
    namespace_of,
    with_,
)
from kubelab.api.selectors import compile_selector
from kubelab.client.controller import Controller
from kubelab.client.informer import by_namespace
from kubelab.controllers import conditions
from kubelab.controllers.pods import is_over, is_ready, is_terminating
from kubelab.controllers.rolling import scaled, wished
from kubelab.sim.kernel import SECOND, parse_timestamp

# An eviction that was granted but whose deletion was never seen is forgotten after so long.
PATIENCE_SECONDS = 120
CONTROLLERS = (
    "apps/v1/Deployment", "apps/v1/ReplicaSet", "apps/v1/StatefulSet", "v1/ReplicationController",
)  # fmt: skip


class DisruptionController(Controller):
    """Keeps the status of each budget."""

    name = "disruption"

    def begin(self) -> None:
        self.budgets = self.watch("policy/v1/PodDisruptionBudget", "on_budget")
        self.budgets.index("namespace", by_namespace)
        self.owners = {kind.rpartition("/")[2]: self.watch(kind) for kind in CONTROLLERS}
        self.pods = self.watch("v1/Pod", "on_pod")
        self.pods.index("namespace", by_namespace)

    def event_source(self) -> str:
        return "controllermanager"

    def on_budget(self, old: Obj | None, new: Obj | None) -> None:
        """A budget has changed."""
        if new is not None:
            self.enqueue(key_of(new))

    def on_pod(self, old: Obj | None, new: Obj | None) -> None:
        """A pod has changed: the budgets that select it are counted again."""
        pod = new if new is not None else old
        assert pod is not None
        budgets = self.budgets.indexed("namespace", namespace_of(pod))
        if not budgets or (old is not None and new is not None and _facts(old) == _facts(new)):
            return
        for budget in budgets:
            selector = compile_selector(budget["spec"].get("selector"))
            if any(item is not None and selector.matches(labels_of(item)) for item in (old, new)):
                self.enqueue(key_of(budget))

    def sync(self, key: str) -> None:
        """Counts one budget."""
        budget = self.budgets.get(key)
        if budget is None:
            return
        selector = compile_selector(budget["spec"].get("selector"))
        pods = [
            pod
            for pod in self.pods.indexed("namespace", namespace_of(budget))
            if selector.matches(labels_of(pod)) and not is_over(pod)
        ]
        expected, desired = self._wish(budget, pods)
        disrupted = self._disrupted(budget, pods)
        healthy = sum(
            is_ready(pod) and not is_terminating(pod) and name_of(pod) not in disrupted
            for pod in pods
        )
        allowed = max(0, healthy - desired) if expected > 0 else 0
        self.note(wish=desired, seen=healthy, act=f"allow {allowed}")
        status = self._status(budget, expected, desired, healthy, allowed, disrupted)
        if status != budget.get("status"):
            self.update_status(with_(budget, ("status",), status))

    def _wish(self, budget: Obj, pods: list[Obj]) -> tuple[int, int]:
        """How many pods there are to be, and how many of them healthy."""
        spec = budget["spec"]
        if spec.get("maxUnavailable") is not None:
            expected = self._scale(pods)
            return expected, max(0, expected - scaled(spec["maxUnavailable"], expected, up=True))
        minimum = spec.get("minAvailable", 1)
        expected = self._scale(pods) if isinstance(minimum, str) else len(pods)
        return expected, scaled(minimum, expected, up=True)

    def _scale(self, pods: list[Obj]) -> int:
        """What the controllers of the pods wish for together."""
        sizes: dict[str, int] = {}
        for pod in pods:
            owner = self._controller(pod)
            parent = self._controller(owner) if owner is not None else None
            top = parent if parent is not None else owner
            if top is not None:
                sizes[f"{top['kind']}/{name_of(top)}"] = wished(top)
        return sum(sizes.values())

    def _controller(self, obj: Obj) -> Obj | None:
        ref = controller_of(obj)
        informer = self.owners.get(ref["kind"]) if ref is not None else None
        if ref is None or informer is None:
            return None
        return informer.get(f"{namespace_of(obj)}/{ref['name']}")

    def _disrupted(self, budget: Obj, pods: list[Obj]) -> dict[str, str]:
        """The evictions that were granted and whose deletion is not seen yet."""
        here = {name_of(pod) for pod in pods if not is_terminating(pod)}
        held = {}
        for name, since in get(budget, "status", "disruptedPods", default=EMPTY).items():
            left = parse_timestamp(since) + PATIENCE_SECONDS * SECOND - self.process.now
            if name in here and left > 0:
                held[name] = since
                self.enqueue_after(self.key, left / SECOND)
        return held

    def _status(
        self,
        budget: Obj,
        expected: int,
        desired: int,
        healthy: int,
        allowed: int,
        disrupted: dict[str, str],
    ) -> Obj:
        generation = budget["metadata"].get("generation", 0)
        state = ("True", "SufficientPods") if allowed else ("False", "InsufficientPods")
        old = conditions.find(conditions.of(budget), "DisruptionAllowed")
        since = self.process.timestamp
        if old is not None and old["status"] == state[0]:
            since = old["lastTransitionTime"]
        condition = {
            "type": "DisruptionAllowed", "status": state[0], "observedGeneration": generation,
            "lastTransitionTime": since, "reason": state[1], "message": "",
        }  # fmt: skip
        status: dict[str, Any] = {
            "observedGeneration": generation, "disruptionsAllowed": allowed,
            "currentHealthy": healthy, "desiredHealthy": desired, "expectedPods": expected,
            "conditions": [condition],
        }  # fmt: skip
        if disrupted:
            status["disruptedPods"] = disrupted
        return freeze(status)  # type: ignore[no-any-return]


def _facts(pod: Obj) -> tuple[object, ...]:
    """What of a pod a budget counts."""
    return is_ready(pod), is_terminating(pod), is_over(pod), labels_of(pod)
