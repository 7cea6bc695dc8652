"""The expander: a claim that asks for more than it has gets its volume grown.

A bound claim may ask for more if its class allows it. For volumes of plugins of their own the
controller only says who has to act; the program beside the provisioner then grows the volume, marks
the claim `Resizing` meanwhile, and leaves the file system to the kubelet of the node that mounts
it. The volumes of this lab need no work on their file systems.

In Kubernetes: pkg/controller/volume/expand, and sigs.k8s.io/external-resizer, which runs here
within the controller manager under its own name as the source of Events.
"""

from __future__ import annotations

from kubelab.api import quantity
from kubelab.api.objects import EMPTY, Obj, annotations_of, get, key_of, name_of, with_, without
from kubelab.api.rest import Response
from kubelab.client.controller import Controller
from kubelab.client.events import Recorder
from kubelab.controllers import conditions
from kubelab.controllers import volumes as rules
from kubelab.controllers.pods import is_terminating
from kubelab.controllers.provisioner import ALIKE, PROVISIONER

WAITS = "waiting for an external controller to expand this PVC"


class VolumeExpandController(Controller):
    """Grows volumes."""

    name = "persistentvolume-expander"

    def event_source(self) -> str:
        return "volume_expand"

    def begin(self) -> None:
        self.resizer = Recorder(self.process, f"external-resizer {PROVISIONER}")
        self.classes = self.watch(rules.CLASS)
        self.volumes = self.watch(rules.VOLUME)
        self.claims = self.watch(rules.CLAIM, "on_claim")

    def on_claim(self, old: Obj | None, new: Obj | None) -> None:
        """A claim has changed: does it ask for more than it has?"""
        if new is not None and _wants_more(new):
            self.enqueue(key_of(new))

    def sync(self, key: str) -> None:
        """One claim: the volume first, then the claim's status."""
        claim = self.claims.get(key)
        if claim is None or not _wants_more(claim):
            return
        volume = self.volumes.get(get(claim, "spec", "volumeName", default=""))
        if volume is None:
            return
        asked = get(claim, "spec", "resources", "requests", "storage")
        self.note(wish=asked, seen=get(claim, "status", "capacity", "storage"), act="—")
        if not conditions.is_true(claim, "Resizing") and not self._is_ours(volume):
            self.recorder.event(claim, "Normal", "ExternalExpanding", WAITS)
            return
        if rules.capacity(volume) < rules.requested(claim):
            if not conditions.is_true(claim, "Resizing"):
                self.recorder.event(claim, "Normal", "ExternalExpanding", WAITS)
                self.resizer.event(
                    claim, "Normal", "Resizing",
                    f"External resizer is resizing volume {name_of(volume)}",
                )  # fmt: skip
                self.note(act="mark it Resizing")
                self._mark(claim)
                return
            self.note(act=f"grow {name_of(volume)} to {asked}")
            self.update(with_(volume, ("spec", "capacity", "storage"), asked), "grown", key)
            return
        self._finish(claim)

    def _is_ours(self, volume: Obj) -> bool:
        return annotations_of(volume).get(rules.PROVISIONED_BY) in ALIKE

    def _mark(self, claim: Obj) -> None:
        new = {
            "type": "Resizing", "status": "True", "lastProbeTime": None,
            "lastTransitionTime": self.process.timestamp,
        }  # fmt: skip
        held = [*conditions.of(claim), Obj(new)]
        self.update_status(with_(claim, ("status", "conditions"), held))

    def grown(self, response: Response, key: str) -> bool:
        """The volume has grown: now the claim may say so."""
        claim = self.claims.get(key)
        if response.ok and claim is not None:
            self._finish(claim)
        return response.ok

    def _finish(self, claim: Obj) -> None:
        """The claim has what it asked for."""
        asked = get(claim, "spec", "resources", "requests", "storage")
        rest = conditions.drop(conditions.of(claim), "Resizing")
        changed = with_(claim, ("status", "capacity", "storage"), asked)
        if rest:
            changed = with_(changed, ("status", "conditions"), rest)
        else:
            changed = without(changed, ("status", "conditions"))
        self.note(act="set the claim's capacity")
        self.resizer.event(claim, "Normal", "VolumeResizeSuccessful", "Resize volume succeeded")
        self.update_status(changed)


def _wants_more(claim: Obj) -> bool:
    """Whether a bound claim asks for more than its status says it has."""
    if rules.phase_of(claim) != "Bound" or is_terminating(claim):
        return False
    held = (get(claim, "status", "capacity", default=EMPTY) or EMPTY).get("storage", "0")
    return rules.requested(claim) > quantity.value(held)
