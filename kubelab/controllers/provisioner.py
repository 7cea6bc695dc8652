"""The provisioner of the class `standard`: makes a volume for each claim, on the claim's node.

A claim that waits for a volume of a class names the class's provisioner in an annotation; the
provisioner makes a volume that is promised to the claim, and the binder does the rest. When the
claim is gone and the class says Delete, the volume goes as well.

In Kubernetes: no part of it, but a program beside it (sigs.k8s.io/sig-storage-lib-external-
provisioner); the volumes are directories of a node, as those of local-path-provisioner are. Here it
runs within the controller manager, under its own name as the source of Events.
"""

from __future__ import annotations

from typing import Any

from kubelab.api.objects import NOTHING, Obj, annotations_of, freeze, get, key_of, name_of, uid_of
from kubelab.api.rest import Response
from kubelab.client.controller import Controller
from kubelab.controllers import volumes as rules
from kubelab.controllers.pods import is_terminating

PROVISIONER = "kubelab.dev/directory"
# Its like in other clusters for learning: what is written for those gets its volumes here, too.
ALIKE = (
    PROVISIONER, "rancher.io/local-path", "k8s.io/minikube-hostpath", "docker.io/hostpath",
    "microk8s.io/hostpath",
)  # fmt: skip
DIRECTORY = "/var/lib/kubelab/volumes"


class ProvisionerController(Controller):
    """Makes and deletes the volumes of `standard`, and of any class that names the provisioner."""

    name = "provisioner"

    def event_source(self) -> str:
        return PROVISIONER

    def begin(self) -> None:
        self.classes = self.watch(rules.CLASS)
        self.volumes = self.watch(rules.VOLUME, "on_volume")
        self.claims = self.watch(rules.CLAIM, "on_claim")

    def on_claim(self, old: Obj | None, new: Obj | None) -> None:
        """A claim has changed: does it wait for a volume of ours?"""
        if new is None or annotations_of(new).get(rules.PROVISIONER) not in ALIKE:
            return
        if not get(new, "spec", "volumeName") and not is_terminating(new):
            self.enqueue(key_of(new))

    def on_volume(self, old: Obj | None, new: Obj | None) -> None:
        """A volume of ours has changed: is it left behind?"""
        if new is None or annotations_of(new).get(rules.PROVISIONED_BY) not in ALIKE:
            return
        keeps = get(new, "spec", "persistentVolumeReclaimPolicy") != "Delete"
        if not keeps and rules.phase_of(new) == "Released" and not is_terminating(new):
            self.enqueue(name_of(new))

    def sync(self, key: str) -> None:
        """Makes the volume of a claim, or deletes one that nobody claims."""
        if "/" not in key:
            volume = self.volumes.get(key)
            if volume is not None and not is_terminating(volume):
                self.note(wish=0, seen=1, act="delete 1")
                self.delete(rules.VOLUME, "", key)
            return
        claim = self.claims.get(key)
        if claim is None or get(claim, "spec", "volumeName") or is_terminating(claim):
            return
        name = f"pvc-{uid_of(claim)}"
        storage_class = self.classes.get(rules.class_of(claim))
        node = annotations_of(claim).get(rules.SELECTED_NODE, "")
        if storage_class is None or self.volumes.get(name) is not None:
            return
        if rules.waits_for_consumer(storage_class) and not node:
            return
        self.note(wish=1, seen=0, act=f"create {name}", node=node)
        text = f'External provisioner is provisioning volume for claim "{key}"'
        self.recorder.event(claim, "Normal", "Provisioning", text)
        self.create(self._make(claim, storage_class, name, node), "made", key, name)

    @staticmethod
    def _make(claim: Obj, storage_class: Obj, name: str, node: str) -> Obj:
        spec: dict[str, Any] = {
            "capacity": {"storage": get(claim, "spec", "resources", "requests", "storage")},
            "hostPath": {"path": f"{DIRECTORY}/{name}", "type": "DirectoryOrCreate"},
            "accessModes": get(claim, "spec", "accessModes", default=NOTHING),
            "claimRef": rules.claim_ref(claim),
            "persistentVolumeReclaimPolicy": storage_class.get("reclaimPolicy", "Delete"),
            "storageClassName": name_of(storage_class),
            "volumeMode": get(claim, "spec", "volumeMode", default="Filesystem"),
        }
        if node:
            term = {"key": "kubernetes.io/hostname", "operator": "In", "values": [node]}
            spec["nodeAffinity"] = {
                "required": {"nodeSelectorTerms": [{"matchExpressions": [term]}]}
            }
        return freeze({  # type: ignore[no-any-return]
            "apiVersion": "v1", "kind": "PersistentVolume",
            "metadata": {"name": name, "annotations": {
                rules.PROVISIONED_BY: storage_class["provisioner"],
            }},
            "spec": spec,
        })  # fmt: skip

    def made(self, response: Response, key: str, name: str) -> bool:
        """The answer to the creation of a volume."""
        claim = self.claims.get(key)
        if claim is None or response.status == 409:
            return True
        if response.ok:
            text = f"Successfully provisioned volume {name}"
            self.recorder.event(claim, "Normal", "ProvisioningSucceeded", text)
            return True
        text = f"failed to provision volume: {response.message}"
        self.recorder.event(claim, "Warning", "ProvisioningFailed", text)
        return False
