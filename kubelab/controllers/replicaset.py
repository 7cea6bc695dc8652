"""The ReplicaSet controller: as many pods as `spec.replicas` says. Read this first.

A change of a ReplicaSet or of one of its pods puts the ReplicaSet's key into the queue. `sync`
counts the pods that are active (not over, not terminating), subtracts from the wish, and creates
or deletes the difference (`batches.py`); what is deleted first is ranked in `pods.py`. When all of
that is answered the status is written; the key closes when the caches show it all, and only then
is the ReplicaSet looked at again.

In Kubernetes: pkg/controller/replicaset/replica_set.go; the same code runs ReplicationControllers
there too, through an adapter, as here by a subclass.
"""

from __future__ import annotations

from typing import Any

from kubelab.api.objects import (
    NOTHING,
    Obj,
    controller_of,
    freeze,
    get,
    key_of,
    labels_of,
    namespace_of,
    uid_of,
    with_,
)
from kubelab.api.selectors import LabelSelector, compile_selector
from kubelab.client.informer import by_namespace, by_owner
from kubelab.controllers import conditions
from kubelab.controllers.batches import Failure, PodBatches
from kubelab.controllers.ownership import claim, orphan_namespace
from kubelab.controllers.pods import (
    READY,
    TERMINATING,
    UNREADY,
    PodCounts,
    available_in_ns,
    first_to_go,
    from_template,
    is_active,
    is_terminating,
)
from kubelab.sim.kernel import SECOND

BURST = 500


class ReplicaSetController(PodBatches):
    """Keeps the number of each ReplicaSet's pods."""

    name = "replicaset"
    kind = "apps/v1/ReplicaSet"

    def begin(self) -> None:
        self.counts = PodCounts()
        self.by_uid: dict[str, str] = {}
        self.sets = self.watch(self.kind, "on_set")
        self.sets.index("namespace", by_namespace)
        self.sets.index("owner", by_owner)
        self.pods = self.watch("v1/Pod", "on_pod")
        self.pods.index("owner", by_owner)
        self.pods.index("orphans", orphan_namespace)

    def on_set(self, old: Obj | None, new: Obj | None) -> None:
        """A ReplicaSet has changed."""
        if new is None:
            assert old is not None
            self.by_uid.pop(uid_of(old), None)
            self.batches.pop(key_of(old), None)
            return
        self.by_uid[uid_of(new)] = key_of(new)
        self.enqueue(key_of(new))

    def on_pod(self, old: Obj | None, new: Obj | None) -> None:
        """A pod has changed: its owner may have to act; a pod without one may find an owner."""
        for uid in self.counts.move(old, new):
            if uid in self.by_uid:
                self.enqueue(self.by_uid[uid])
        if new is None or controller_of(new) is not None:
            return
        if old is None or labels_of(old) != labels_of(new) or controller_of(old) is not None:
            for owner in self.sets.indexed("namespace", namespace_of(new)):
                if self.selector(owner).matches(labels_of(new)):
                    self.enqueue(key_of(owner))

    def selector(self, owner: Obj) -> LabelSelector:
        """Which pods the owner selects."""
        return compile_selector(owner["spec"].get("selector"))

    # One turn.

    def sync(self, key: str) -> None:
        """Compares the wish with the pods that are there, and acts on the difference."""
        owner = self.sets.get(key)
        if owner is None:
            return
        uid = uid_of(owner)
        selector = self.selector(owner)
        orphans = [
            pod for pod in self.pods.indexed("orphans", namespace_of(owner)) if is_active(pod)
        ]
        strays = any(not selector.matches(dict(sort.labels)) for sort in self.counts.of(uid))
        owned = self.pods.indexed("owner", uid) if strays else ()
        if claim(self, owner, selector, owned, orphans):
            return
        wish = owner["spec"].get("replicas", 1)
        seen = self.counts.count(uid, READY, UNREADY)
        count = min(abs(wish - seen), BURST) if not is_terminating(owner) else 0
        if count and wish > seen:
            pod = from_template(owner["spec"]["template"], owner)
            self.act(owner, create=[pod] * count)
        else:
            self.act(owner, delete=self._surplus(owner, count) if count else ())
        word = "create" if wish > seen else "delete"
        self.note(wish=wish, seen=seen, act=f"{word} {count}" if count else "—")

    def _surplus(self, owner: Obj, count: int) -> list[Obj]:
        """The pods that are to go."""
        pods = [pod for pod in self.pods.indexed("owner", uid_of(owner)) if is_active(pod)]
        return first_to_go(pods, self._peers(owner, pods), self.process.now)[:count]

    def _peers(self, owner: Obj, pods: list[Obj]) -> list[Obj]:
        """The active pods of all ReplicaSets that have the same owner as this one."""
        ref = controller_of(owner)
        if ref is None:
            return pods
        return [
            pod
            for other in self.sets.indexed("owner", ref["uid"])
            for pod in self.pods.indexed("owner", uid_of(other))
            if is_active(pod)
        ]

    # The status.

    def finish(self, owner: Obj, failure: Failure) -> None:
        """Writes the status."""
        now = self.sets.get(self.key)
        if now is None or uid_of(now) != uid_of(owner):
            return
        status = self.status(now, failure)
        if status != now.get("status"):
            self.update_status(with_(now, ("status",), status))

    def status(self, owner: Obj, failure: Failure) -> Obj:
        """The status as the pods are now."""
        counts = self.counts.of(uid_of(owner))
        uid, wish = uid_of(owner), owner["spec"].get("replicas", 1)
        template = set(get(owner, "spec", "template", "metadata", "labels", default={}).items())
        ready = self.counts.count(uid, READY)
        numbers = {
            "fullyLabeledReplicas": sum(
                count
                for sort, count in counts.items()
                if sort.state in (READY, UNREADY) and template.issubset(sort.labels)
            ),
            "readyReplicas": ready,
            "availableReplicas": self._available(owner, ready, wish),
        }
        status: dict[str, Any] = {"replicas": self.counts.count(uid, READY, UNREADY)}
        status |= {name: count for name, count in numbers.items() if count}
        status |= self.terminating(self.counts.count(uid, TERMINATING))
        status["observedGeneration"] = owner["metadata"].get("generation", 0)
        held = list(get(owner, "status", "conditions", default=NOTHING))
        if failure[0] and conditions.find(held, "ReplicaFailure") is None:
            held = conditions.put(held, {
                "type": "ReplicaFailure", "status": "True",
                "lastTransitionTime": self.process.timestamp,
                "reason": failure[0], "message": failure[1],
            })  # fmt: skip
        elif not failure[0]:
            held = conditions.drop(held, "ReplicaFailure")
        if held:
            status["conditions"] = held
        return freeze(status)  # type: ignore[no-any-return]

    def terminating(self, count: int) -> dict[str, int]:
        """The field of the status that counts terminating pods."""
        return {"terminatingReplicas": count}

    def _available(self, owner: Obj, ready: int, wish: int) -> int:
        """How many have been ready for minReadySeconds; comes back when the next one will be."""
        wait = owner["spec"].get("minReadySeconds", 0)
        if not wait:
            return ready
        now = self.process.now
        times = [
            available_in_ns(pod, wait, now)
            for pod in self.pods.indexed("owner", uid_of(owner))
            if is_active(pod)
        ]
        soon = [time for time in times if time]
        if soon:
            self.enqueue_after(self.key, min(soon) / SECOND)
        return times.count(0)
