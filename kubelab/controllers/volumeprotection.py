"""Claims and volumes in use are not deleted under whoever uses them.

Every claim and volume is made with a finalizer. A claim that is being deleted keeps it while a pod
that has a node uses it; a volume keeps it while it is bound to a claim. The controllers only take
the finalizer away, or put it onto objects that were made without one.

In Kubernetes: pkg/controller/volume/pvcprotection and pvprotection.
"""

from __future__ import annotations

from kubelab.api.objects import EMPTY, NOTHING, Obj, get, key_of, with_
from kubelab.client.controller import Controller
from kubelab.controllers import volumes as rules
from kubelab.controllers.podclaims import PodClaims
from kubelab.controllers.pods import is_terminating

CLAIM_FINALIZER = "kubernetes.io/pvc-protection"
VOLUME_FINALIZER = "kubernetes.io/pv-protection"


def _sync(controller: Controller, obj: Obj, finalizer: str, users: list[str]) -> None:
    """Puts the finalizer on, or takes it off an object that is to go and is not used."""
    held = get(obj, "metadata", "finalizers", default=NOTHING)
    controller.note(wish=0, seen=len(users), act="—")
    if not is_terminating(obj):
        if finalizer not in held:
            controller.note(act="protect")
            controller.update(with_(obj, ("metadata", "finalizers"), [*held, finalizer]))
    elif finalizer in held and not users:
        controller.note(act="let it go")
        rest = [item for item in held if item != finalizer]
        controller.update(with_(obj, ("metadata", "finalizers"), rest))


class ClaimProtectionController(Controller):
    """kubernetes.io/pvc-protection."""

    name = "persistentvolumeclaim-protection"

    def begin(self) -> None:
        self.users = PodClaims()
        self.claims = self.watch(rules.CLAIM, "on_claim")
        self.pods = self.watch("v1/Pod", "on_pod")

    def on_claim(self, old: Obj | None, new: Obj | None) -> None:
        """A claim has changed."""
        if new is not None and (
            is_terminating(new)
            or CLAIM_FINALIZER not in (get(new, "metadata", "finalizers", default=NOTHING))
        ):
            self.enqueue(key_of(new))

    def on_pod(self, old: Obj | None, new: Obj | None) -> None:
        """A pod that is gone may have been the last user."""
        for key in self.users.move(old, new):
            claim = self.claims.get(key)
            if new is None and claim is not None and is_terminating(claim):
                self.enqueue(key)

    def sync(self, key: str) -> None:
        """One claim."""
        claim = self.claims.get(key)
        if claim is not None:
            users = [
                pod
                for pod in self.users.of(key)
                if get(self.pods.get(pod) or EMPTY, "spec", "nodeName")
            ]
            _sync(self, claim, CLAIM_FINALIZER, users)


class VolumeProtectionController(Controller):
    """kubernetes.io/pv-protection."""

    name = "persistentvolume-protection"

    def begin(self) -> None:
        self.volumes = self.watch(rules.VOLUME, "on_volume")

    def on_volume(self, old: Obj | None, new: Obj | None) -> None:
        """A volume has changed."""
        if new is not None and (
            is_terminating(new)
            or VOLUME_FINALIZER not in (get(new, "metadata", "finalizers", default=NOTHING))
        ):
            self.enqueue(key_of(new))

    def sync(self, key: str) -> None:
        """One volume."""
        volume = self.volumes.get(key)
        if volume is not None:
            bound = rules.phase_of(volume) == "Bound"
            _sync(self, volume, VOLUME_FINALIZER, ["its claim"] if bound else [])
