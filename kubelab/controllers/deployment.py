"""The Deployment controller: from one pod template to the next, without a gap.

A Deployment makes no pods. It makes a ReplicaSet for each template and moves their sizes, a step
at a time: up with the new one as far as maxSurge allows, down with the old ones as far as
maxUnavailable allows, then it waits until the ReplicaSets report new pods available. A template
that was there before finds its old ReplicaSet again. The sizes are reckoned in `rolling.py`, the
status in `rollout.py`; here stands what is done with them.

In Kubernetes: pkg/controller/deployment (deployment_controller.go, sync.go, rolling.go,
recreate.go). Left out: the rollback annotation of extensions/v1beta1.
"""

from __future__ import annotations

from typing import Any

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
from kubelab.api.rest import Response
from kubelab.api.selectors import compile_selector
from kubelab.client.controller import Controller
from kubelab.client.informer import by_namespace, by_owner
from kubelab.controllers import conditions, rolling, rollout
from kubelab.controllers.batches import is_namespace_ending
from kubelab.controllers.ownership import claim, orphan_namespace
from kubelab.controllers.pods import is_over, is_terminating, reference_to
from kubelab.controllers.revisions import template_hash
from kubelab.controllers.rolling import DESIRED, HASH_LABEL, HISTORY, MAXIMUM, REVISION, Step

NOT_COPIED = (
    "kubectl.kubernetes.io/last-applied-configuration", REVISION, HISTORY, DESIRED, MAXIMUM,
    "deprecated.deployment.rollback.to",
)  # fmt: skip


class DeploymentController(Controller):
    """Rolls Deployments out."""

    name = "deployment"

    def begin(self) -> None:
        self.deployments = self.watch("apps/v1/Deployment", "on_deployment")
        self.deployments.index("namespace", by_namespace)
        self.sets = self.watch("apps/v1/ReplicaSet", "on_set")
        self.sets.index("owner", by_owner)
        self.sets.index("orphans", orphan_namespace)
        self.pods = self.watch("v1/Pod", "on_pod")
        self.pods.index("owner", by_owner)
        self.keys: dict[str, str] = {}
        self.owners: dict[str, str] = {}

    def on_deployment(self, old: Obj | None, new: Obj | None) -> None:
        """A Deployment has changed."""
        if new is None:
            self.keys.pop(uid_of(old), None)
            return
        self.keys[uid_of(new)] = key_of(new)
        self.enqueue(key_of(new))

    def on_set(self, old: Obj | None, new: Obj | None) -> None:
        """A ReplicaSet has changed: it concerns its owner, or who may adopt it."""
        for item in (old, new):
            owner = by_owner(item) if item is not None else ""
            if owner in self.keys:
                self.enqueue(self.keys[owner])
        if new is None:
            self.owners.pop(uid_of(old), None)
            return
        self.owners[uid_of(new)] = by_owner(new)
        if controller_of(new) is None:
            for item in self.deployments.indexed("namespace", namespace_of(new)):
                if compile_selector(item["spec"].get("selector")).matches(labels_of(new)):
                    self.enqueue(key_of(item))

    def on_pod(self, old: Obj | None, new: Obj | None) -> None:
        """A pod that is gone may be the last that a Recreate waited for."""
        if old is None or (new is not None and not is_over(new)):
            return
        key = self.keys.get(self.owners.get(by_owner(old), ""))
        deployment = self.deployments.get(key) if key else None
        if deployment is not None and not rolling.is_rolling(deployment):
            self.enqueue(key_of(deployment))

    # One turn.

    def sync(self, key: str) -> None:
        """One step of one Deployment."""
        deployment = self.deployments.get(key)
        if deployment is None:
            return
        sets = self.sets.indexed("owner", uid_of(deployment))
        orphans = self.sets.indexed("orphans", namespace_of(deployment))
        selector = compile_selector(deployment["spec"].get("selector"))
        if selector.empty or claim(self, deployment, selector, sets, orphans):
            return
        new = rolling.find_new(deployment, sets)
        old = [item for item in sets if item is not new]
        wish, seen = rolling.wished(deployment), rolling.total(sets)
        self.note(wish=wish, seen=seen, act="—", new=name_of(new) if new is not None else "")
        if is_terminating(deployment):
            self._write_status(deployment, self._calculate(deployment, sets, new))
        elif self._pause(deployment) or (new is not None and self._mark(deployment, new, old)):
            return
        elif deployment["spec"].get("paused") or rolling.is_scaling(deployment, sets):
            self._scale(deployment, old, new)
            if deployment["spec"].get("paused"):
                self._clean_up(deployment, old)
            self._write_status(deployment, self._calculate(deployment, sets, new))
        elif rolling.is_rolling(deployment):
            self._roll(deployment, old, new)
        else:
            self._recreate(deployment, old, new)

    def _calculate(self, deployment: Obj, sets: list[Obj], new: Obj | None) -> Obj:
        return rollout.calculate(deployment, sets, new, self.process.now)

    def _pause(self, deployment: Obj) -> bool:
        """Notes in the condition Progressing that the Deployment was paused or resumed."""
        current = rollout.progressing(deployment)
        reason = current["reason"] if current is not None else ""
        paused = bool(deployment["spec"].get("paused"))
        if rollout.deadline_seconds(deployment) is None or reason == rollout.TIMED_OUT:
            return False
        if paused == (reason == rollout.PAUSED):
            return False
        word, text = (
            (rollout.PAUSED, "Deployment is paused")
            if paused
            else (rollout.RESUMED, "Deployment is resumed")
        )
        self.note(act="pause" if paused else "resume")
        self._put_progress(deployment, "Unknown", word, text)
        return True

    def _put_progress(
        self, deployment: Obj, status: str, reason: str, text: str, revision: str = ""
    ) -> None:
        new = rollout.new_condition("Progressing", status, reason, text, self.process.now)
        held = conditions.put(conditions.of(deployment), new)
        changed = with_(deployment, ("status", "conditions"), held)
        if revision:
            changed = with_(changed, ("metadata", "annotations", REVISION), revision)
        self.update_status(changed)

    def _mark(self, deployment: Obj, new: Obj, old: list[Obj]) -> bool:
        """Sees to the annotations of the new ReplicaSet, and the Deployment's revision."""
        revision = max((rolling.revision_of(item) for item in old), default=0) + 1
        marked = self._annotated(deployment, new, revision, exists=True)
        wait = deployment["spec"].get("minReadySeconds", 0)
        if wait != new["spec"].get("minReadySeconds", 0):
            marked = with_(marked, ("spec", "minReadySeconds"), wait)
        if marked is not new:
            self.note(act=f"mark {name_of(new)} as revision {annotations_of(marked)[REVISION]}")
            self.update(marked)
            return True
        text = annotations_of(new).get(REVISION, "")
        missing = rollout.progressing(deployment) is None
        if missing and rollout.deadline_seconds(deployment) is not None:
            self.note(act=f"found {name_of(new)}")
            found = f'Found new replica set "{name_of(new)}"'
            self._put_progress(deployment, "True", rollout.FOUND, found, text)
            return True
        if annotations_of(deployment).get(REVISION) != text:
            self.note(act=f"note revision {text}")
            self.update_status(with_(deployment, ("metadata", "annotations", REVISION), text))
            return True
        return False

    def _annotated(self, deployment: Obj, item: Obj, revision: int, *, exists: bool) -> Obj:
        """A ReplicaSet with the annotations of the new one."""
        before = annotations_of(item)
        notes = dict(before)
        notes |= {k: v for k, v in annotations_of(deployment).items() if k not in NOT_COPIED}
        if rolling.revision_of(item) < revision:
            if REVISION in before:
                history = [text for text in before.get(HISTORY, "").split(",") if text]
                notes[HISTORY] = ",".join([*history, before[REVISION]])
            notes[REVISION] = str(revision)
        if not exists:
            notes |= self._sizes(deployment)
        return item if notes == before else with_(item, ("metadata", "annotations"), notes)

    @staticmethod
    def _sizes(deployment: Obj) -> dict[str, str]:
        wish = rolling.wished(deployment)
        return {DESIRED: str(wish), MAXIMUM: str(wish + rolling.bounds(deployment)[0])}

    # The two strategies.

    def _roll(self, deployment: Obj, old: list[Obj], new: Obj | None) -> None:
        """RollingUpdate: the new one up, or else the old ones down."""
        if new is None:
            self._make_new(deployment, old)
            return
        sets = [*old, new]
        step = rolling.grow_new(deployment, sets, new)
        steps = [step] if step else rolling.shrink_old(deployment, old, new)
        self._apply(deployment, sets, steps)
        self._progress(deployment, old, new, moved=bool(steps))

    def _recreate(self, deployment: Obj, old: list[Obj], new: Obj | None) -> None:
        """Recreate: the old ones to 0, and when their pods are gone the new one to its size."""
        steps = [Step(name_of(item), rolling.wished(item), 0) for item in rolling.active(old)]
        running = any(
            not is_over(pod) for item in old for pod in self.pods.indexed("owner", uid_of(item))
        )
        if not steps and not running:
            if new is None:
                self._make_new(deployment, old)
                return
            step = rolling.grow_new(deployment, [*old, new], new)
            steps = [step] if step else []
        elif not steps:
            self.note(act="wait for old pods to be gone")
        self._apply(deployment, [*old, new] if new is not None else old, steps)
        self._progress(deployment, old, new, moved=bool(steps))

    def _progress(self, deployment: Obj, old: list[Obj], new: Obj | None, *, moved: bool) -> None:
        """Writes how far the rollout is, and clears up after one that is complete."""
        sets = [*old, new] if new is not None else old
        status = rollout.with_progress(deployment, sets, new, self.process.now)
        if not moved and rollout.is_complete(deployment, deployment.get("status") or Obj()):
            self._clean_up(deployment, old)
        self._write_status(deployment, status)

    def _write_status(self, deployment: Obj, status: Obj) -> None:
        if status != deployment.get("status"):
            self.update_status(with_(deployment, ("status",), status))
            return
        seconds = rollout.stuck_in_seconds(deployment, status, self.process.now)
        if seconds is not None:
            self.enqueue_after(self.key, seconds)

    def _scale(self, deployment: Obj, old: list[Obj], new: Obj | None) -> None:
        """The Deployment's own size has changed, or it is paused: sizes without a rollout."""
        wish = rolling.wished(deployment)
        sets = [*old, new] if new is not None else old
        only = rolling.only_one(new, old)
        if only is not None:
            steps = [Step(name_of(only), rolling.wished(only), wish)]
            steps = [step for step in steps if step.before != step.after]
        elif rolling.is_saturated(deployment, new):
            steps = [Step(name_of(item), rolling.wished(item), 0) for item in rolling.active(old)]
        elif rolling.is_rolling(deployment):
            steps = rolling.proportional(deployment, old, new)
        else:
            steps = []
        self._apply(deployment, sets, steps)

    # What is done.

    def _make_new(self, deployment: Obj, old: list[Obj]) -> None:
        """Creates the ReplicaSet of the Deployment's template."""
        spec = deployment["spec"]
        mark = template_hash(spec["template"], get(deployment, "status", "collisionCount"))
        revision = max((rolling.revision_of(item) for item in old), default=0) + 1
        template = with_(spec["template"], ("metadata", "labels", HASH_LABEL), mark)
        size = rolling.new_size(deployment, old, 0)
        body: dict[str, Any] = {
            "apiVersion": "apps/v1",
            "kind": "ReplicaSet",
            "metadata": {
                "name": f"{name_of(deployment)}-{mark}",
                "namespace": namespace_of(deployment),
                "labels": template["metadata"]["labels"],
                "ownerReferences": [reference_to(deployment)],
            },
            "spec": {
                "replicas": size,
                "selector": with_(spec["selector"], ("matchLabels", HASH_LABEL), mark),
                "template": template,
            },
        }
        if spec.get("minReadySeconds"):
            body["spec"]["minReadySeconds"] = spec["minReadySeconds"]
        made = self._annotated(deployment, freeze(body), revision, exists=False)
        self.note(act=f"create {name_of(made)} of {size}", new=name_of(made))
        self.create(made, "made", name_of(made), size, str(revision))

    def made(self, response: Response, name: str, size: int, revision: str) -> bool:
        """The answer to the creation of a ReplicaSet."""
        deployment = self.deployments.get(self.key)
        if deployment is None:
            return True
        if response.ok:
            if size:
                text = f"Scaled up replica set {name} from 0 to {size}"
                self.recorder.event(deployment, "Normal", "ScalingReplicaSet", text)
            text = f'Created new replica set "{name}"'
            if rollout.deadline_seconds(deployment) is not None:
                self._put_progress(deployment, "True", rollout.CREATED, text, revision)
            else:
                path = ("metadata", "annotations", REVISION)
                self.update_status(with_(deployment, path, revision))
            return True
        if response.status == 409:
            # Another template has the same hash: one more collision makes another name.
            count = get(deployment, "status", "collisionCount", default=0) + 1
            self.update_status(with_(deployment, ("status", "collisionCount"), count))
            return True
        if is_namespace_ending(response):
            return True
        text = f'Failed to create new replica set "{name}": {response.message}'
        self.recorder.event(deployment, "Warning", rollout.CREATE_ERROR, text)
        self._put_progress(deployment, "False", rollout.CREATE_ERROR, text)
        return False

    def _apply(self, deployment: Obj, sets: list[Obj], steps: list[Step]) -> None:
        """Sends the ReplicaSets' new sizes."""
        if steps:
            self.note(act=", ".join(f"{s.name} {s.before} → {s.after}" for s in steps))
        named = {name_of(item): item for item in sets}
        for step in steps:
            item = named[step.name]
            notes = {**annotations_of(item), **self._sizes(deployment)}
            changed = with_(item, ("metadata", "annotations"), notes)
            if step.before != step.after:
                changed = with_(changed, ("spec", "replicas"), step.after)
            elif notes == annotations_of(item):
                continue
            self.update(changed, "scaled", step)

    def scaled(self, response: Response, step: Step) -> None:
        """A ReplicaSet has its new size."""
        deployment = self.deployments.get(self.key)
        if deployment is None or not response.ok or step.before == step.after:
            return
        word = "up" if step.up else "down"
        text = f"Scaled {word} replica set {step.name} from {step.before} to {step.after}"
        self.recorder.event(deployment, "Normal", "ScalingReplicaSet", text)

    def _clean_up(self, deployment: Obj, old: list[Obj]) -> None:
        """Deletes old ReplicaSets beyond the history limit."""
        for item in rolling.outdated(deployment, old):
            self.note(act=f"delete {name_of(item)}")
            self.delete("apps/v1/ReplicaSet", namespace_of(item), name_of(item))
