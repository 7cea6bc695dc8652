"""The DaemonSet controller: one pod on every node that qualifies.

Each turn asks of every node whether it should run a pod (`nodematch.py`) and compares with the
pods that are there or on their way: a node without gets one, a node that no longer qualifies loses
its own, a failed pod is deleted so that another can follow. The pods are pinned to their node by
affinity and bound by the scheduler like all others. A new template replaces pods node by node:
with maxUnavailable the old pod goes first, with maxSurge the new one comes first.

In Kubernetes: pkg/controller/daemon (daemon_controller.go, update.go).
"""

from __future__ import annotations

from typing import Any, NamedTuple

from kubelab.api.objects import (
    Obj,
    annotations_of,
    controller_of,
    freeze,
    get,
    key_of,
    labels_of,
    name_of,
    namespace_of,
    uid_of,
    with_,
)
from kubelab.api.selectors import compile_selector
from kubelab.client.informer import by_namespace, by_owner
from kubelab.controllers import history
from kubelab.controllers.batches import Failure, PodBatches
from kubelab.controllers.history import HASH, TEMPLATE_GENERATION
from kubelab.controllers.nodematch import Verdict, judge, pinned, target_of
from kubelab.controllers.nodetaints import taints_of
from kubelab.controllers.ownership import claim, orphan_namespace
from kubelab.controllers.pods import (
    PodCounts,
    available_in_ns,
    from_template,
    is_ready,
    is_terminating,
    phase_of,
)
from kubelab.controllers.revisions import template_hash
from kubelab.controllers.rolling import scaled
from kubelab.sim.kernel import SECOND

BURST = 250
BACKOFF_SECONDS, BACKOFF_LIMIT_SECONDS = 1, 15 * 60
GENERATION_LABEL = "pod-template-generation"


class Plan(NamedTuple):
    """What a turn wants: nodes that are to get a pod, and pods that are to go."""

    create: list[str]
    delete: list[Obj]


class DaemonSetController(PodBatches):
    """Keeps one pod on each node for each DaemonSet."""

    name = "daemonset"

    def begin(self) -> None:
        self.counts = PodCounts()
        self.by_uid: dict[str, str] = {}
        # Verdicts of nodes for each DaemonSet, as long as neither has changed.
        self.verdicts: dict[str, dict[str, Verdict]] = {}
        # Of each node with failing pods: the pause before the next is deleted, and when it ends.
        self.pauses: dict[str, tuple[int, int]] = {}
        self.sets = self.watch("apps/v1/DaemonSet", "on_set")
        self.sets.index("namespace", by_namespace)
        self.nodes = self.watch("v1/Node", "on_node")
        self.revisions = self.watch(history.KIND, "on_revision")
        self.revisions.index("owner", by_owner)
        self.pods = self.watch("v1/Pod", "on_pod")
        self.pods.index("owner", by_owner)
        self.pods.index("orphans", orphan_namespace)

    def on_set(self, old: Obj | None, new: Obj | None) -> None:
        """A DaemonSet has changed."""
        if new is None:
            assert old is not None
            self.by_uid.pop(uid_of(old), None)
            self.verdicts.pop(key_of(old), None)
            return
        if old is None or old["spec"] != new["spec"]:
            self.verdicts[key_of(new)] = {}
        self.by_uid[uid_of(new)] = key_of(new)
        self.enqueue(key_of(new))

    def on_node(self, old: Obj | None, new: Obj | None) -> None:
        """A node has come or gone, or its labels or taints have changed."""
        if old is not None and new is not None:
            if labels_of(old) == labels_of(new) and taints_of(old) == taints_of(new):
                return
        node = new if new is not None else old
        for item in self.sets:
            self.verdicts.get(key_of(item), {}).pop(name_of(node), None)
            self.enqueue(key_of(item))

    def on_revision(self, old: Obj | None, new: Obj | None) -> None:
        """A template has been remembered, or forgotten."""
        for item in (old, new):
            key = self.by_uid.get(by_owner(item)) if item is not None else None
            if key:
                self.enqueue(key)

    def on_pod(self, old: Obj | None, new: Obj | None) -> None:
        """A pod has changed: its owner may have to act."""
        for uid in self.counts.move(old, new):
            if uid in self.by_uid:
                self.enqueue(self.by_uid[uid])
        if new is None or controller_of(new) is not None:
            return
        if old is None or labels_of(old) != labels_of(new):
            for owner in self.sets.indexed("namespace", namespace_of(new)):
                if compile_selector(owner["spec"].get("selector")).matches(labels_of(new)):
                    self.enqueue(key_of(owner))

    # One turn.

    def sync(self, key: str) -> None:
        """Compares nodes and pods of one DaemonSet."""
        owner = self.sets.get(key)
        if owner is None:
            return
        selector = compile_selector(owner["spec"].get("selector"))
        orphans = self.pods.indexed("orphans", namespace_of(owner))
        owned = self.pods.indexed("owner", uid_of(owner))
        if selector.empty or claim(self, owner, selector, owned, orphans):
            return
        if is_terminating(owner):
            return
        revisions = self.revisions.indexed("owner", uid_of(owner))
        current = history.find(revisions, history.data_of(owner))
        if current is None:
            self._remember(owner, history.newest(revisions) + 1)
            return
        if history.renumber(self, current, revisions):
            return
        mark = labels_of(current)[HASH]
        by_node = self._by_node(owner)
        plan = self._plan(owner, by_node)
        if not plan.create and not plan.delete:
            plan = self._update(owner, by_node, mark)
            live = [f"{name_of(owner)}-{labels_of(pod).get(HASH)}" for pod in owned]
            history.prune(self, owner, revisions, [*live, name_of(current)])
        wish = sum(self._verdict(owner, node).run for node in self.nodes)
        counts = {"create": len(plan.create), "delete": len(plan.delete)}
        acts = [f"{word} {count}" for word, count in counts.items() if count]
        seen = self.counts.count(uid_of(owner), "ready", "unready")
        self.note(wish=wish, seen=seen, act=", ".join(acts) or "—")
        create = [self._pod(owner, node, mark) for node in plan.create[:BURST]]
        self.act(owner, create, plan.delete[:BURST])

    def _remember(self, owner: Obj, number: int) -> None:
        mark = template_hash(owner["spec"]["template"], get(owner, "status", "collisionCount"))
        labels = {**get(owner, "spec", "template", "metadata", "labels", default={}), HASH: mark}
        generation = annotations_of(owner).get(TEMPLATE_GENERATION)
        notes = {TEMPLATE_GENERATION: generation} if generation else {}
        self.note(act=f"keep template as revision {number}")
        self.create(history.make(owner, mark, labels, number, notes))

    def _by_node(self, owner: Obj) -> dict[str, list[Obj]]:
        """The DaemonSet's pods by the node that they are for, oldest first."""
        groups: dict[str, list[Obj]] = {}
        for pod in self.pods.indexed("owner", uid_of(owner)):
            groups.setdefault(target_of(pod), []).append(pod)
        for pods in groups.values():
            pods.sort(key=lambda pod: (pod["metadata"]["creationTimestamp"], name_of(pod)))
        return groups

    def _verdict(self, owner: Obj, node: Obj) -> Verdict:
        known = self.verdicts.setdefault(key_of(owner), {})
        verdict = known.get(name_of(node))
        if verdict is None:
            verdict = known[name_of(node)] = judge(owner["spec"]["template"]["spec"], node)
        return verdict

    def _plan(self, owner: Obj, by_node: dict[str, list[Obj]]) -> Plan:
        """Which nodes lack a pod, and which pods have no business where they are."""
        plan = Plan([], [])
        for node in self.nodes:
            verdict, pods = self._verdict(owner, node), by_node.get(name_of(node), [])
            if verdict.run and not pods:
                plan.create.append(name_of(node))
            elif not verdict.stay:
                plan.delete.extend(pod for pod in pods if not is_terminating(pod))
            else:
                self._weed(owner, pods, plan)
        return plan

    def _weed(self, owner: Obj, pods: list[Obj], plan: Plan) -> None:
        """Takes out pods that are over, and all but one of several."""
        running = []
        for pod in pods:
            if is_terminating(pod):
                continue
            if phase_of(pod) == "Failed":
                self._fail(owner, pod, plan)
            elif phase_of(pod) == "Succeeded":
                text = f"Found succeeded daemon pod {key_of(pod)} on node {target_of(pod)}"
                text += ", will try to delete it"
                self.recorder.event(owner, "Normal", "SucceededDaemonPod", text)
                plan.delete.append(pod)
            else:
                running.append(pod)
        if not self._surge(owner):
            plan.delete.extend(running[1:])

    def _fail(self, owner: Obj, pod: Obj, plan: Plan) -> None:
        """Deletes a failed pod, but not more often than the node's back-off allows."""
        spot, now = f"{uid_of(owner)}/{target_of(pod)}", self.process.now
        pause, due = self.pauses.get(spot, (0, 0))
        if now < due:
            self.enqueue_after(self.key, (due - now) / SECOND)
            return
        pause = min(pause * 2 or BACKOFF_SECONDS, BACKOFF_LIMIT_SECONDS)
        self.pauses[spot] = (pause, now + pause * SECOND)
        text = f"Found failed daemon pod {key_of(pod)} on node {target_of(pod)}"
        text += ", will try to kill it"
        self.recorder.event(owner, "Warning", "FailedDaemonPod", text)
        plan.delete.append(pod)

    def _surge(self, owner: Obj) -> int:
        """How many nodes may have an old and a new pod at a time."""
        wish = sum(self._verdict(owner, node).run for node in self.nodes)
        rule = get(owner, "spec", "updateStrategy", "rollingUpdate", default={})
        return scaled(rule.get("maxSurge"), wish, up=True)

    def _update(self, owner: Obj, by_node: dict[str, list[Obj]], mark: str) -> Plan:
        """The next nodes whose pod is to be replaced by one of the new template."""
        plan = Plan([], [])
        if get(owner, "spec", "updateStrategy", "type", default="RollingUpdate") == "OnDelete":
            return plan
        wish = sum(self._verdict(owner, node).run for node in self.nodes)
        rule = get(owner, "spec", "updateStrategy", "rollingUpdate", default={})
        surge = self._surge(owner)
        limit = surge or scaled(rule.get("maxUnavailable", 1), wish, up=True) or 1
        candidates: list[Obj] = []
        busy = 0
        for node in self.nodes:
            if not self._verdict(owner, node).run:
                continue
            pods = [pod for pod in by_node.get(name_of(node), []) if not is_terminating(pod)]
            new = next((pod for pod in pods if labels_of(pod).get(HASH) == mark), None)
            old = next((pod for pod in pods if labels_of(pod).get(HASH) != mark), None)
            if surge:
                if old is not None and new is not None:
                    if self._is_available(owner, new):
                        plan.delete.append(old)
                    else:
                        busy += 1
                elif old is not None:
                    candidates.append(old)
            elif old is None or new is not None:
                busy += new is None or old is not None or not self._is_available(owner, new)
            elif not self._is_available(owner, old):
                plan.delete.append(old)
            else:
                candidates.append(old)
        chosen = candidates[: max(0, limit - busy)]
        if surge:
            plan.create.extend(target_of(pod) for pod in chosen)
        else:
            plan.delete.extend(chosen)
        return plan

    def _is_available(self, owner: Obj, pod: Obj) -> bool:
        wait = owner["spec"].get("minReadySeconds", 0)
        left = available_in_ns(pod, wait, self.process.now)
        if left:
            self.enqueue_after(self.key, left / SECOND)
        return left == 0

    def _pod(self, owner: Obj, node: str, mark: str) -> Obj:
        labels = {HASH: mark}
        generation = annotations_of(owner).get(TEMPLATE_GENERATION)
        if generation:
            labels[GENERATION_LABEL] = generation
        pod = from_template(owner["spec"]["template"], owner, labels=labels)
        return with_(pod, ("spec",), pinned(pod["spec"], node))  # type: ignore[no-any-return]

    # The status.

    def finish(self, owner: Obj, failure: Failure) -> None:
        now = self.sets.get(self.key)
        if now is None or uid_of(now) != uid_of(owner):
            return
        status = self.status(now)
        if status != now.get("status"):
            self.update_status(with_(now, ("status",), status))

    def status(self, owner: Obj) -> Obj:
        """The status as nodes and pods are now."""
        by_node = self._by_node(owner)
        revisions = self.revisions.indexed("owner", uid_of(owner))
        current = history.find(revisions, history.data_of(owner))
        mark = labels_of(current).get(HASH) if current is not None else None
        desired = scheduled = misplaced = ready = updated = up = 0
        for node in self.nodes:
            pods = by_node.get(name_of(node))
            if not self._verdict(owner, node).run:
                misplaced += bool(pods)
                continue
            desired += 1
            if not pods:
                continue
            scheduled += 1
            ready += is_ready(pods[0])
            up += self._is_available(owner, pods[0])
            updated += labels_of(pods[0]).get(HASH) == mark
        status: dict[str, Any] = {
            "currentNumberScheduled": scheduled, "numberMisscheduled": misplaced,
            "desiredNumberScheduled": desired, "numberReady": ready,
            "observedGeneration": owner["metadata"].get("generation", 0),
        }  # fmt: skip
        optional = {
            "updatedNumberScheduled": updated, "numberAvailable": up,
            "numberUnavailable": desired - up,
        }  # fmt: skip
        status |= {name: count for name, count in optional.items() if count}
        collisions = get(owner, "status", "collisionCount")
        if collisions is not None:
            status["collisionCount"] = collisions
        return freeze(status)  # type: ignore[no-any-return]
