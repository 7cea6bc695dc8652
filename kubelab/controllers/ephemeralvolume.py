"""Claims for a pod's ephemeral volumes: made from the pod's own template, gone with the pod.

A pod's volume of the kind `ephemeral` is a claim named `<pod>-<volume>` that the pod owns. A claim
of that name that somebody else made is not taken: the pod then has to wait.

In Kubernetes: pkg/controller/volume/ephemeral.
"""

from __future__ import annotations

from typing import Any

from kubelab.api.objects import NOTHING, Obj, freeze, get, key_of, name_of, namespace_of, uid_of
from kubelab.api.rest import Response
from kubelab.client.controller import Controller
from kubelab.controllers import volumes as rules
from kubelab.controllers.pods import is_terminating


class EphemeralVolumeController(Controller):
    """Makes the claims of ephemeral volumes."""

    name = "ephemeral-volume"

    def event_source(self) -> str:
        return "ephemeral_volume"

    def begin(self) -> None:
        self.pods = self.watch("v1/Pod", "on_pod")
        self.claims = self.watch(rules.CLAIM)

    def on_pod(self, old: Obj | None, new: Obj | None) -> None:
        """A pod is new, or has changed."""
        if new is None or is_terminating(new):
            return
        if any("ephemeral" in volume for volume in get(new, "spec", "volumes", default=NOTHING)):
            self.enqueue(key_of(new))

    def sync(self, key: str) -> None:
        """The claims of one pod."""
        pod = self.pods.get(key)
        if pod is None or is_terminating(pod):
            return
        for volume in get(pod, "spec", "volumes", default=NOTHING):
            if "ephemeral" in volume:
                self._look(pod, volume)

    def _look(self, pod: Obj, volume: Obj) -> None:
        name = f"{name_of(pod)}-{volume['name']}"
        claim = self.claims.get(f"{namespace_of(pod)}/{name}")
        if claim is None:
            self.note(wish=1, seen=0, act=f"create {name}")
            self.create(_claim(pod, volume, name), "made", key_of(pod), name)
            return
        owners = get(claim, "metadata", "ownerReferences", default=NOTHING)
        if not any(owner["uid"] == uid_of(pod) for owner in owners):
            self.note(wish=1, seen=0, act="refuse a claim of somebody else")
            text = (
                f"PVC {namespace_of(pod)}/{name} was not created for pod {namespace_of(pod)}/"
                f"{name_of(pod)} (pod is not owner)"
            )
            self.recorder.event(pod, "Warning", "ConflictingPVC", text)

    def made(self, response: Response, key: str, name: str) -> bool:
        """The answer to the creation of a claim."""
        pod = self.pods.get(key)
        if response.ok or pod is None or response.status == 409:
            return response.ok or pod is None
        text = f"ephemeral volume claim {name} could not be created: {response.message}"
        self.note(problem=text)
        return False


def _claim(pod: Obj, volume: Obj, name: str) -> Obj:
    template = volume["ephemeral"]["volumeClaimTemplate"]
    given = get(template, "metadata", default=Obj())
    metadata: dict[str, Any] = {
        "name": name, "namespace": namespace_of(pod),
        "ownerReferences": [{
            "apiVersion": "v1", "kind": "Pod", "name": name_of(pod), "uid": uid_of(pod),
            "controller": True, "blockOwnerDeletion": True,
        }],
    }  # fmt: skip
    for field in ("labels", "annotations"):
        if given.get(field):
            metadata[field] = given[field]
    return freeze({  # type: ignore[no-any-return]
        "apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": metadata,
        "spec": template["spec"],
    })  # fmt: skip
