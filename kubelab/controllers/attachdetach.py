"""Attach-detach: storage that a CSI driver serves is attached to the nodes whose pods need it.

For each volume and each node whose pods claim it there is a VolumeAttachment; the driver's attacher
then attaches the volume and says so in its status, and the node's status names the volume. A volume
that only one node may use is not attached to a second one before it is detached from the first: not
before its pods are gone there and the kubelet has unmounted it, or has not answered for six
minutes, or the node is declared out of service.

In Kubernetes: pkg/controller/volume/attachdetach, and sigs.k8s.io/external-attacher, which runs
here within the controller manager and serves every driver. Left out: volumes within a pod's spec,
limits of a node.
"""

from __future__ import annotations

import hashlib

from kubelab.api.objects import NOTHING, Obj, freeze, get, key_of, name_of, with_
from kubelab.api.rest import Response
from kubelab.client.controller import Controller
from kubelab.controllers import volumes as rules
from kubelab.controllers.podclaims import PodClaims
from kubelab.controllers.pods import condition, is_over
from kubelab.sim.kernel import SECOND

ATTACHMENT, DRIVER = "storage.k8s.io/v1/VolumeAttachment", "storage.k8s.io/v1/CSIDriver"
OUT_OF_SERVICE = "node.kubernetes.io/out-of-service"
# So long a node that does not answer keeps a volume that its pods no longer need.
PATIENCE_NS = 360 * SECOND
RETRY_SECONDS = 2.0


def attachment_name(volume: Obj, node: str) -> str:
    """The name of the attachment of a volume to a node."""
    source = volume["spec"]["csi"]
    text = f"{source['volumeHandle']}{source['driver']}{node}"
    return f"csi-{hashlib.sha256(text.encode()).hexdigest()}"


def unique_name(volume: Obj) -> str:
    """The name by which a node's status names a volume; empty for one that is not attached."""
    source = get(volume, "spec", "csi")
    return f"kubernetes.io/csi/{source['driver']}^{source['volumeHandle']}" if source else ""


class AttachDetachController(Controller):
    """Attaches and detaches; the keys are names of volumes."""

    name = "attachdetach"

    def event_source(self) -> str:
        return "attachdetach-controller"

    def begin(self) -> None:
        self.users = PodClaims()
        # Since when a volume is no longer needed on a node: by volume and node.
        self.idle_ns: dict[tuple[str, str], int] = {}
        self.claims = self.watch(rules.CLAIM, "on_claim")
        self.volumes = self.watch(rules.VOLUME)
        self.nodes = self.watch("v1/Node", "on_node")
        self.drivers = self.watch(DRIVER)
        self.attachments = self.watch(ATTACHMENT, "on_attachment")
        self.pods = self.watch("v1/Pod", "on_pod")

    # What concerns which volume.

    def on_pod(self, old: Obj | None, new: Obj | None) -> None:
        """A pod has changed: its claims' volumes."""
        for claim in self.users.move(old, new):
            self._claim(self.claims.get(claim))

    def on_claim(self, old: Obj | None, new: Obj | None) -> None:
        """A claim has changed: its volume."""
        if new is not None and self.users.of(key_of(new)):
            self._claim(new)

    def _claim(self, claim: Obj | None) -> None:
        name = get(claim, "spec", "volumeName") if claim is not None else None
        if name and self._needs_attaching(self.volumes.get(name)):
            self.enqueue(name)

    def on_attachment(self, old: Obj | None, new: Obj | None) -> None:
        """An attachment has changed: its volume."""
        attachment = new if new is not None else old
        assert attachment is not None
        name = get(attachment, "spec", "source", "persistentVolumeName")
        if name:
            self.enqueue(name)

    def on_node(self, old: Obj | None, new: Obj | None) -> None:
        """A node uses other volumes now, or none any more."""
        before = get(old, "status", "volumesInUse") if old is not None else None
        after = get(new, "status", "volumesInUse") if new is not None else None
        if before != after or new is None:
            node = name_of(new if new is not None else old)
            for attachment in self.attachments:
                if attachment["spec"]["nodeName"] == node:
                    self.on_attachment(None, attachment)

    def _needs_attaching(self, volume: Obj | None) -> bool:
        source = get(volume, "spec", "csi") if volume is not None else None
        driver = self.drivers.get(source["driver"]) if source else None
        return bool(source) and (
            driver is None or bool(get(driver, "spec", "attachRequired", default=True))
        )

    # One volume.

    def sync(self, key: str) -> None:
        """Where is the volume needed, where is it attached?"""
        volume = self.volumes.get(key)
        # Attachments under other names are somebody else's.
        held = {
            attachment["spec"]["nodeName"]: attachment
            for attachment in self.attachments
            if get(attachment, "spec", "source", "persistentVolumeName") == key
            and name_of(attachment).startswith("csi-")
        }
        wanted = self._wanted(volume) if volume is not None else {}
        self.note(wish=len(wanted), seen=len(held), act="—")
        for node, attachment in held.items():
            self._keep(key, node, attachment, needed=node in wanted)
        if volume is None or not self._needs_attaching(volume):
            return
        for node, pods in wanted.items():
            if node not in held:
                self._attach(volume, node, pods, dict.fromkeys(held))

    def _wanted(self, volume: Obj) -> dict[str, list[Obj]]:
        """The nodes on which pods claim a volume, each with these pods."""
        ref = get(volume, "spec", "claimRef")
        found: dict[str, list[Obj]] = {}
        if ref:
            for key in self.users.of(f"{ref['namespace']}/{ref['name']}"):
                pod = self.pods.get(key)
                node = get(pod, "spec", "nodeName") if pod is not None else None
                if pod is not None and node and not is_over(pod):
                    found.setdefault(node, []).append(pod)
        return found

    def _attach(self, volume: Obj, node: str, pods: list[Obj], held: dict[str, None]) -> None:
        modes = get(volume, "spec", "accessModes", default=NOTHING)
        shared = "ReadWriteMany" in modes or "ReadOnlyMany" in modes
        if held and not shared:
            users = [pod for other in held for pod in self._wanted(volume).get(other, ())]
            text = "Volume is already exclusively attached to one node and can't be attached to "\
                   "another"  # fmt: skip
            if users:
                text = f"Volume is already used by pod(s) {', '.join(map(name_of, users))}"
            self.note(act=f"wait: {text}")
            for pod in pods:
                whole = f'Multi-Attach error for volume "{name_of(volume)}" {text}'
                self.recorder.event(pod, "Warning", "FailedAttachVolume", whole)
            return
        self.note(act=f"attach to {node}")
        self.create(
            freeze({
                "apiVersion": "storage.k8s.io/v1", "kind": "VolumeAttachment",
                "metadata": {"name": attachment_name(volume, node)},
                "spec": {
                    "attacher": volume["spec"]["csi"]["driver"], "nodeName": node,
                    "source": {"persistentVolumeName": name_of(volume)},
                },
            })
        )  # fmt: skip

    def _keep(self, key: str, node: str, attachment: Obj, *, needed: bool) -> None:
        """An attachment: is it done, is it told, is it still needed?"""
        idle = (key, node)
        if needed:
            self.idle_ns.pop(idle, None)
            if not get(attachment, "status", "attached"):
                self.note(act=f"attached to {node}")
                self.update_status(with_(attachment, ("status",), {"attached": True}))
            else:
                self._tell_node(key, node, attachment, attached=True)
            return
        since = self.idle_ns.setdefault(idle, self.process.now)
        if self._may_detach(key, node, since):
            self.note(act=f"detach from {node}")
            self.idle_ns.pop(idle, None)
            self._tell_node(key, node, attachment, attached=False)
            self.delete(ATTACHMENT, "", name_of(attachment))
        else:
            self.note(act=f"wait for {node} to unmount")
            self.enqueue_after(key, RETRY_SECONDS, background=True)

    def _may_detach(self, key: str, node_name: str, since: int) -> bool:
        node, volume = self.nodes.get(node_name), self.volumes.get(key)
        if node is None or volume is None:
            return True
        if unique_name(volume) not in get(node, "status", "volumesInUse", default=NOTHING):
            return True
        taints = get(node, "spec", "taints", default=NOTHING)
        if any(taint["key"] == OUT_OF_SERVICE for taint in taints):
            return True
        healthy = condition(node, "Ready").get("status") == "True"
        return not healthy and self.process.now - since >= PATIENCE_NS

    def _tell_node(self, key: str, node_name: str, attachment: Obj, *, attached: bool) -> None:
        """The node's status says what is attached; the pods are told once it is."""
        node, volume = self.nodes.get(node_name), self.volumes.get(key)
        unique = unique_name(volume) if volume is not None else ""
        if node is None or not unique:
            return
        rows = get(node, "status", "volumesAttached", default=NOTHING)
        if attached == any(row["name"] == unique for row in rows):
            return
        kept = [row for row in rows if row["name"] != unique]
        if attached:
            kept.append(Obj(name=unique, devicePath=""))
        body = {"status": {"volumesAttached": kept}}
        self.patch("v1/Node", "", node_name, body, "told", key, node_name, attached,
                   subresource="status")  # fmt: skip

    def told(self, response: Response, key: str, node: str, attached: bool) -> None:
        """The answer to the change of a node's status."""
        volume = self.volumes.get(key)
        if not response.ok or not attached or volume is None:
            return
        for pod in self._wanted(volume).get(node, ()):
            text = f'AttachVolume.Attach succeeded for volume "{key}" '
            self.recorder.event(pod, "Normal", "SuccessfulAttachVolume", text)
