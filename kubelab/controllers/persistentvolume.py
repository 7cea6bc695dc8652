"""The volume binder: ties claims and volumes together, and frees what is no longer claimed.

A claim asks for storage, a volume is storage; the binder gives each claim the smallest volume that
fits, and writes so into both: first `claimRef` into the volume, then `volumeName` into the claim.
Until both are written the pair is not bound, and each turn does the next write that is missing, so
that a crash between two writes does no harm. Where nothing fits, the claim waits: for its first
pod, for a provisioner, or for somebody who makes a volume.

In Kubernetes: pkg/controller/volume/persistentvolume (pv_controller.go). Left out: recycling, the
provisioners within Kubernetes itself, and block volumes' own messages.
"""

from __future__ import annotations

from typing import Any

from kubelab.api.objects import (
    EMPTY,
    NOTHING,
    Obj,
    annotations_of,
    freeze,
    get,
    key_of,
    name_of,
    uid_of,
    with_,
    without,
)
from kubelab.api.rest import Response
from kubelab.client.controller import Controller
from kubelab.controllers import volumes as rules
from kubelab.controllers.podclaims import PodClaims
from kubelab.controllers.pods import is_terminating
from kubelab.controllers.volumes import CLAIM, CLASS, VOLUME

RESYNC_SECONDS = 15.0


class PersistentVolumeController(Controller):
    """Binds claims (keys with a slash) and looks after volumes (keys without)."""

    name = "persistentvolume"

    def begin(self) -> None:
        # Volumes that were promised to a claim, until the cache shows it.
        self.promised: dict[str, str] = {}
        self.users = PodClaims()
        self.resyncs = False
        self.claims = self.process.informer(CLAIM)
        self.classes = self.watch(CLASS, "on_class")
        self.volumes = self.watch(VOLUME, "on_volume")
        self.watch(CLAIM, "on_claim")
        self.pods = self.watch("v1/Pod", "on_pod")

    def on_class(self, old: Obj | None, new: Obj | None) -> None:
        """A storage class has changed: claims may have waited for it."""
        for claim in self.claims:
            if not is_bound(claim):
                self.enqueue(key_of(claim))

    def on_claim(self, old: Obj | None, new: Obj | None) -> None:
        """A claim has changed: it concerns itself and its volume."""
        claim: Any = new if new is not None else old
        if new is not None:
            self.enqueue(key_of(new))
        volume = get(claim, "spec", "volumeName")
        if volume and (new is None or old is None or is_bound(claim)):
            self.enqueue(volume)

    def on_volume(self, old: Obj | None, new: Obj | None) -> None:
        """A volume has changed: it concerns itself, its claim, and claims that wait for one."""
        volume: Any = new if new is not None else old
        name = name_of(volume)
        if new is not None:
            self.enqueue(name)
        ref = get(volume, "spec", "claimRef")
        if ref or new is None:
            self.promised.pop(name, None)
        if ref:
            key = f"{ref.get('namespace', '')}/{ref.get('name', '')}"
            if self.claims.get(key) is not None:
                self.enqueue(key)
        elif rules.phase_of(volume) == "Available":
            for item in self.claims:
                if not is_bound(item):
                    self.enqueue(key_of(item))

    def on_pod(self, old: Obj | None, new: Obj | None) -> None:
        """A pod has changed: we keep who uses which claim."""
        self.users.move(old, new)

    def _resync(self) -> None:
        """Claims that wait are looked at again every 15 s, which also tells of them again."""
        if not self.resyncs:
            self.resyncs = True
            self.enqueue_after("(waiting)", RESYNC_SECONDS, background=True)

    def sync(self, key: str) -> None:
        """One claim or volume."""
        if key == "(waiting)":
            self.resyncs = False
            waiting = [key_of(item) for item in self.claims if not is_bound(item)]
            self.note(seen=len(waiting), act="look again")
            for other in waiting:
                self.enqueue(other)
        elif "/" in key:
            claim = self.claims.get(key)
            if claim is not None and not is_terminating(claim):
                self.note(wish="Bound", seen=rules.phase_of(claim), act="—")
                (self._bound if is_bound(claim) else self._unbound)(claim)
        else:
            volume = self.volumes.get(key)
            if volume is not None:
                self._volume(volume)

    # Claims.

    def _unbound(self, claim: Obj) -> None:
        """A claim that is not tied to a volume yet."""
        asked = get(claim, "spec", "volumeName")
        if asked:
            self._asked(claim, asked)
            return
        delayed = rules.waits_for_consumer(self._class(claim))
        free = (item for item in self.volumes if self._is_free_for(item, claim))
        volume = rules.best_match(claim, free, delayed=delayed)
        if volume is not None:
            self._bind(claim, volume)
            return
        if self._take_default_class(claim):
            return
        self._resync()
        if delayed and rules.SELECTED_NODE not in annotations_of(claim):
            self._tell_what_it_waits_for(claim)
        elif rules.class_of(claim):
            self._provision(claim)
        else:
            self.note(act="wait for a volume")
            text = "no persistent volumes available for this claim and no storage class is set"
            self.recorder.event(claim, "Normal", "FailedBinding", text)

    def _class(self, claim: Obj) -> Obj | None:
        name = rules.class_of(claim)
        return self.classes.get(name) if name else None

    def _is_free_for(self, volume: Obj, claim: Obj) -> bool:
        return self.promised.get(name_of(volume), uid_of(claim)) == uid_of(claim)

    def _take_default_class(self, claim: Obj) -> bool:
        """Gives a claim that names no class, not even the empty one, the default class."""
        named = "storageClassName" in claim["spec"] or rules.OLD_CLASS in annotations_of(claim)
        chosen = None if named else rules.default_class(self.classes)
        if chosen is None:
            return False
        self.note(act=f"give it the class {name_of(chosen)}")
        self.update(with_(claim, ("spec", "storageClassName"), name_of(chosen)))
        return True

    def _asked(self, claim: Obj, name: str) -> None:
        """A claim that asks for a certain volume."""
        volume = self.volumes.get(name)
        if volume is None:
            self.note(act=f"wait for volume {name}")
            self._resync()
        elif get(volume, "spec", "claimRef") is None:
            problem = rules.misfit(volume, claim)
            if problem:
                text = f'Cannot bind to requested volume "{name}": {problem}'
                self.recorder.event(claim, "Warning", "VolumeMismatch", text)
                self._resync()
            else:
                self._bind(claim, volume)
        elif rules.is_for(volume, claim):
            self._bind(claim, volume)
        else:
            text = f'volume "{name}" already bound to a different claim.'
            self.recorder.event(claim, "Warning", "FailedBinding", text)
            self._resync()

    def _tell_what_it_waits_for(self, claim: Obj) -> None:
        pods = sorted(
            key.partition("/")[2]
            for key in self.users.of(key_of(claim))
            if not get(self.pods.get(key) or EMPTY, "spec", "nodeName")
        )
        reason, text = (
            "WaitForFirstConsumer",
            ("waiting for first consumer to be created before binding"),
        )
        if pods:
            reason = "WaitForPodScheduled"
            word = "pods" if len(pods) > 1 else "pod"
            text = f"waiting for {word} {','.join(pods)} to be scheduled"
        self.note(act=text)
        self.recorder.event(claim, "Normal", reason, text)

    def _provision(self, claim: Obj) -> None:
        """Asks the class's provisioner for a volume."""
        name, storage_class = rules.class_of(claim), self._class(claim)
        if storage_class is None:
            text = f'storageclass.storage.k8s.io "{name}" not found'
            self.recorder.event(claim, "Warning", "ProvisioningFailed", text)
            return
        provisioner = storage_class["provisioner"]
        if provisioner.startswith("kubernetes.io/"):
            text = f"no volume plugin matched name: {provisioner}"
            self.recorder.event(claim, "Warning", "ProvisioningFailed", text)
            return
        marks = {rules.PROVISIONER: provisioner, rules.OLD_PROVISIONER: provisioner}
        notes = annotations_of(claim)
        self.note(act=f"ask {provisioner}")
        if {**notes, **marks} != notes:
            self.update(with_(claim, ("metadata", "annotations"), {**notes, **marks}))
        text = (
            f"Waiting for a volume to be created either by the external provisioner "
            f"'{provisioner}' or manually by the system administrator. If volume creation is "
            "delayed, please verify that the provisioner is running and correctly registered."
        )
        self.recorder.event(claim, "Normal", "ExternalProvisioning", text)

    def _bind(self, claim: Obj, volume: Obj) -> None:
        """Does the next of the four writes that tie a claim and a volume together."""
        name = name_of(volume)
        if get(volume, "spec", "claimRef", "uid") != uid_of(claim):
            self.promised[name] = uid_of(claim)
            changed = with_(volume, ("spec", "claimRef"), rules.claim_ref(claim))
            if get(volume, "spec", "claimRef") is None:
                changed = with_(changed, ("metadata", "annotations", rules.BOUND_BY_US), "yes")
            self.note(act=f"bind volume {name}")
            self.update(changed, "promise_written", name)
        elif rules.phase_of(volume) != "Bound":
            self._put_phase(volume, "Bound")
        elif get(claim, "spec", "volumeName") != name or not is_bound(claim):
            notes = {**annotations_of(claim), rules.BIND_COMPLETED: "yes"}
            if get(claim, "spec", "volumeName") != name:
                notes[rules.BOUND_BY_US] = "yes"
            changed = with_(claim, ("spec", "volumeName"), name)
            self.note(act=f"bind to {name}")
            self.update(with_(changed, ("metadata", "annotations"), notes))
        else:
            self._put_claim_status(claim, volume)

    def promise_written(self, response: Response, name: str) -> None:
        """The answer to a promise; one that failed holds nobody up."""
        if not response.ok:
            self.promised.pop(name, None)

    def _put_claim_status(self, claim: Obj, volume: Obj) -> None:
        status = {
            "phase": "Bound",
            "accessModes": get(volume, "spec", "accessModes", default=NOTHING),
            "capacity": get(claim, "status", "capacity")
            or {"storage": get(volume, "spec", "capacity", "storage")},
        }
        held = claim.get("status") or EMPTY
        if {**held, **status} != held:
            self.note(act="set Bound")
            self.update_status(with_(claim, ("status",), {**held, **status}))

    def _bound(self, claim: Obj) -> None:
        """A claim that was tied to a volume once: is it still?"""
        name = get(claim, "spec", "volumeName")
        volume = self.volumes.get(name) if name else None
        if not name:
            lost = "Bound claim has lost reference to PersistentVolume. Data on the volume is lost!"
        elif volume is None:
            lost = "Bound claim has lost its PersistentVolume. Data on the volume is lost!"
        elif get(volume, "spec", "claimRef") is None or rules.is_for(volume, claim):
            self._bind(claim, volume)
            return
        else:
            self._lose(
                claim,
                "ClaimMisbound",
                ("Two claims are bound to the same volume, this one is bound incorrectly"),
            )
            return
        self._lose(claim, "ClaimLost", lost)

    def _lose(self, claim: Obj, reason: str, text: str) -> None:
        if rules.phase_of(claim) == "Lost":
            return
        self.note(act="set Lost")
        self.recorder.event(claim, "Warning", reason, text)
        changed = without(claim, ("status", "capacity"))
        self.update_status(with_(changed, ("status", "phase"), "Lost"))

    # Volumes.

    def _volume(self, volume: Obj) -> None:
        """A volume: available, bound, or left behind by its claim."""
        ref, phase = get(volume, "spec", "claimRef"), rules.phase_of(volume)
        self.note(wish="", seen=phase, act="—")
        if ref is None or not ref.get("uid"):
            if phase not in ("Available",):
                self._put_phase(volume, "Available")
            return
        key = f"{ref.get('namespace', '')}/{ref.get('name', '')}"
        claim = self.claims.get(key)
        if claim is None or uid_of(claim) != ref["uid"]:
            if phase not in ("Released", "Failed"):
                self._put_phase(volume, "Released")
        elif get(claim, "spec", "volumeName") == name_of(volume):
            if phase != "Bound":
                self._put_phase(volume, "Bound")
        elif not get(claim, "spec", "volumeName"):
            self.enqueue(key)
        elif rules.BOUND_BY_US in annotations_of(volume):
            # The claim has another volume: a promise of ours that was overtaken is taken back.
            changed = without(volume, ("spec", "claimRef"))
            self.note(act="take back the promise")
            self.update(without(changed, ("metadata", "annotations", rules.BOUND_BY_US)))

    def _put_phase(self, volume: Obj, phase: str) -> None:
        self.note(act=f"set {name_of(volume)} {phase}")
        status: dict[str, Any] = {**(volume.get("status") or EMPTY), "phase": phase}
        status["lastPhaseTransitionTime"] = self.process.timestamp
        self.update_status(freeze({**volume, "status": status}))


def is_bound(claim: Obj) -> bool:
    """Whether claim and volume have been tied together."""
    return rules.BIND_COMPLETED in annotations_of(claim)
