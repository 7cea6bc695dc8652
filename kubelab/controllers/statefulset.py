"""The StatefulSet controller: pods with names that last, one after the other.

Each turn goes through the ordinals from the lowest up and does the first thing that is missing:
make the claims and the pod, or wait until the pod is up, for with OrderedReady nothing is done
while a lower pod is not running and ready. Then surplus pods go, from the highest down, and then
pods of an old revision are deleted, again from the highest, down to the partition; their
successors come by the first rule. A pod that is Terminating still holds its name: nothing replaces
it before it is gone.

In Kubernetes: pkg/controller/statefulset/stateful_set_control.go. Left out: maxUnavailable (off by
default).
"""

from __future__ import annotations

from typing import Any

from kubelab.api.objects import (
    Obj,
    controller_of,
    freeze,
    get,
    key_of,
    labels_of,
    name_of,
    namespace_of,
    owners_of,
    uid_of,
    with_,
)
from kubelab.api.rest import Response
from kubelab.api.selectors import compile_selector
from kubelab.client.controller import Controller
from kubelab.client.informer import by_namespace, by_owner
from kubelab.controllers import history
from kubelab.controllers.ownership import claim, orphan_namespace
from kubelab.controllers.pods import available_in_ns, is_over, is_terminating
from kubelab.controllers.setpods import (
    claim_owners,
    claims,
    first_ordinal,
    is_available,
    is_healthy,
    is_parallel,
    is_rolling,
    is_up,
    new_pod,
    ordinal_of,
    ordinals,
    partition,
    revision_hash,
    revision_of,
)
from kubelab.sim.kernel import SECOND


class StatefulSetController(Controller):
    """Keeps the pods of each StatefulSet."""

    name = "statefulset"

    def begin(self) -> None:
        self.by_uid: dict[str, str] = {}
        self.sets = self.watch("apps/v1/StatefulSet", "on_set")
        self.sets.index("namespace", by_namespace)
        self.revisions = self.watch(history.KIND, "on_revision")
        self.revisions.index("owner", by_owner)
        self.volumes = self.watch("v1/PersistentVolumeClaim")
        self.pods = self.watch("v1/Pod", "on_pod")
        self.pods.index("owner", by_owner)
        self.pods.index("orphans", orphan_namespace)

    def on_set(self, old: Obj | None, new: Obj | None) -> None:
        """A StatefulSet has changed."""
        if new is None:
            assert old is not None
            self.by_uid.pop(uid_of(old), None)
            return
        self.by_uid[uid_of(new)] = key_of(new)
        self.enqueue(key_of(new))

    def on_revision(self, old: Obj | None, new: Obj | None) -> None:
        """A template has been remembered, or forgotten."""
        for item in (old, new):
            key = self.by_uid.get(by_owner(item)) if item is not None else None
            if key:
                self.enqueue(key)

    def on_pod(self, old: Obj | None, new: Obj | None) -> None:
        """A pod has changed: its owner may have to act."""
        self.on_revision(old, new)
        if new is None or controller_of(new) is not None:
            return
        for owner in self.sets.indexed("namespace", namespace_of(new)):
            if compile_selector(owner["spec"].get("selector")).matches(labels_of(new)):
                self.enqueue(key_of(owner))

    # One turn.

    def sync(self, key: str) -> None:
        """The first thing that is missing, and the status."""
        owner = self.sets.get(key)
        if owner is None:
            return
        selector = compile_selector(owner["spec"].get("selector"))
        pods = self.pods.indexed("owner", uid_of(owner))
        prefix = f"{name_of(owner)}-"
        orphans = [
            pod
            for pod in self.pods.indexed("orphans", namespace_of(owner))
            if name_of(pod).startswith(prefix) and ordinal_of(pod) >= 0
        ]
        if selector.empty or claim(self, owner, selector, pods, orphans):
            return
        revisions = self.revisions.indexed("owner", uid_of(owner))
        update = history.find(revisions, history.data_of(owner))
        if update is None:
            self._remember(owner, history.newest(revisions) + 1)
            return
        if history.renumber(self, update, revisions):
            return
        named = {name_of(item): item for item in revisions}
        current = named.get(get(owner, "status", "currentRevision", default=""), update)
        mine = {ordinal_of(pod): pod for pod in pods}
        wish = owner["spec"].get("replicas", 1)
        self.note(wish=wish, seen=len(pods), act="—")
        if not is_terminating(owner):
            self._step(owner, mine, current, update)
        status = self.status(owner, pods, name_of(current), name_of(update))
        if status != owner.get("status"):
            self.update_status(with_(owner, ("status",), status))
        live = [revision_of(pod) for pod in pods]
        history.prune(self, owner, revisions, [*live, name_of(current), name_of(update)])

    def _remember(self, owner: Obj, number: int) -> None:
        mark = revision_hash(owner, get(owner, "status", "collisionCount", default=0))
        labels = get(owner, "spec", "template", "metadata", "labels", default={})
        labels = {**labels, "controller.kubernetes.io/hash": mark}
        self.note(act=f"keep template as revision {number}")
        self.create(history.make(owner, mark, labels, number, {}))

    def _step(self, owner: Obj, mine: dict[int, Obj], current: Obj, update: Obj) -> None:
        """Goes through the ordinals as the policy asks."""
        ordered = not is_parallel(owner)
        wanted = ordinals(owner)
        for ordinal in wanted:
            if not self._see_to(owner, mine.get(ordinal), ordinal, current, update) and ordered:
                return
        surplus = sorted((number for number in mine if number not in wanted), reverse=True)
        # A claim that is to go with its pod must be the pod's before the pod goes.
        if [pod for pod in map(mine.get, surplus) if pod and self._own(owner, pod, surplus=True)]:
            return
        unwell = self._first_unwell(owner, mine)
        for number in surplus:
            pod = mine[number]
            if is_terminating(pod):
                if ordered:
                    self.note(act=f"wait for the end of {name_of(pod)}")
                    return
                continue
            if ordered and not is_available(owner, pod, self.process.now) and pod is not unwell:
                return
            self._drop(owner, pod)
            if ordered:
                return
        if is_rolling(owner):
            self._roll(owner, mine, update)

    def _first_unwell(self, owner: Obj, mine: dict[int, Obj]) -> Obj | None:
        for number in sorted(mine):
            if not is_healthy(owner, mine[number], self.process.now):
                return mine[number]
        return None

    def _see_to(self, owner: Obj, pod: Obj | None, ordinal: int, current: Obj, update: Obj) -> bool:
        """Sees that the pod of an ordinal is there; True if it is available."""
        if pod is None:
            self._make(owner, ordinal, current, update)
            return False
        self._own(owner, pod)
        if is_terminating(pod):
            self.note(act=f"wait for the end of {name_of(pod)}")
            return False
        if is_over(pod):
            self._drop(owner, pod)
            return False
        wait = owner["spec"].get("minReadySeconds", 0)
        left = available_in_ns(pod, wait, self.process.now) if is_up(pod) else None
        if left:
            self.enqueue_after(self.key, left / SECOND)
        if left != 0:
            self.note(act=f"wait for {name_of(pod)} to be ready")
        return left == 0

    def _own(self, owner: Obj, pod: Obj, *, surplus: bool = False) -> bool:
        """Gives a pod's claims the owners that the retention policy asks for; True if it had to."""
        changed = False
        for wished in claims(owner, ordinal_of(pod)):
            held = self.volumes.get(key_of(wished))
            if held is None or is_terminating(held):
                continue
            owners = claim_owners(owner, pod, held, surplus=surplus)
            if owners != list(owners_of(held)):
                self.note(act=f"change the owners of claim {name_of(held)}")
                self.update(with_(held, ("metadata", "ownerReferences"), owners), "owned")
                changed = True
        return changed

    def owned(self, response: Response) -> None:
        """A claim has its owners: what waited for that goes on."""
        self.enqueue(self.key)

    def _make(self, owner: Obj, ordinal: int, current: Obj, update: Obj) -> None:
        """Makes the claims of an ordinal, and then its pod."""
        missing = [
            item for item in claims(owner, ordinal) if self.volumes.get(key_of(item)) is None
        ]
        name = f"{name_of(owner)}-{ordinal}"
        if missing:
            self.note(act=f"create {len(missing)} claims for {name}")
            for item in missing:
                self.create(item, "claimed", name_of(item), name)
            return
        old = is_rolling(owner) and ordinal - first_ordinal(owner) < partition(owner)
        revision = current if old else update
        template = get(revision, "data", "spec", "template")
        body = {name: value for name, value in template.items() if name != "$patch"}
        self.note(act=f"create {name}")
        self.create(new_pod(owner, freeze(body), ordinal, name_of(revision)), "made", name)

    def claimed(self, response: Response, claim_name: str, pod: str) -> None:
        """A claim is there: the pod can follow."""
        owner = self.sets.get(self.key)
        if owner is None:
            return
        text = f"Create Claim {claim_name} Pod {pod} in StatefulSet {name_of(owner)}"
        self._tell(owner, "Create", text, response, "success")
        self.enqueue(self.key)

    def made(self, response: Response, name: str) -> None:
        """A pod is there."""
        owner = self.sets.get(self.key)
        if owner is not None:
            text = f"Create Pod {name} in StatefulSet {name_of(owner)}"
            self._tell(owner, "Create", text, response, "successful")

    def _drop(self, owner: Obj, pod: Obj) -> None:
        self.note(act=f"delete {name_of(pod)}")
        self.delete("v1/Pod", namespace_of(pod), name_of(pod), "dropped", name_of(pod))

    def dropped(self, response: Response, name: str) -> None:
        """A pod goes."""
        owner = self.sets.get(self.key)
        if owner is not None:
            text = f"Delete Pod {name} in StatefulSet {name_of(owner)}"
            self._tell(owner, "Delete", text, response, "successful")

    def _tell(self, owner: Obj, verb: str, text: str, response: Response, word: str) -> None:
        if response.ok:
            self.recorder.event(owner, "Normal", f"Successful{verb}", f"{text} {word}")
        elif response.status != 404:
            failed = f"{text} failed error: {response.message}"
            self.recorder.event(owner, "Warning", f"Failed{verb}", failed)

    def _roll(self, owner: Obj, mine: dict[int, Obj], update: Obj) -> None:
        """Deletes the next pod of an old revision, once all above it are well."""
        lowest = first_ordinal(owner) + partition(owner)
        for ordinal in reversed(ordinals(owner)):
            pod = mine.get(ordinal)
            if ordinal < lowest or pod is None:
                return
            if revision_of(pod) != name_of(update) and not is_terminating(pod):
                self._drop(owner, pod)
                return
            if not is_healthy(owner, pod, self.process.now):
                return

    def status(self, owner: Obj, pods: list[Obj], current: str, update: str) -> Obj:
        """The status as the pods are now."""
        now = self.process.now
        there = [pod for pod in pods if not is_terminating(pod)]
        counts = {
            "readyReplicas": sum(is_up(pod) for pod in pods),
            "currentReplicas": sum(revision_of(pod) == current for pod in there),
            "updatedReplicas": sum(revision_of(pod) == update for pod in there),
        }
        full = counts["updatedReplicas"] == counts["readyReplicas"] == len(pods)
        if is_rolling(owner) and full and len(pods) == owner["spec"].get("replicas", 1):
            current, counts["currentReplicas"] = update, counts["updatedReplicas"]
        status: dict[str, Any] = {
            "observedGeneration": owner["metadata"].get("generation", 0),
            "replicas": len(pods),
            **{name: count for name, count in counts.items() if count},
            "currentRevision": current,
            "updateRevision": update,
            "collisionCount": get(owner, "status", "collisionCount", default=0),
            "availableReplicas": sum(is_available(owner, pod, now) for pod in pods),
        }
        return freeze(status)  # type: ignore[no-any-return]
