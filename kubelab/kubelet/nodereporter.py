"""The kubelet's first duty: its node is registered, and everybody hears that it lives.

The node is created when the kubelet starts; if it is there already its status is set anew. Until
the node has a network for its pods (spec.podCIDR) it is not ready. A Lease is renewed every 10 s,
which is the heartbeat; the status is looked at every 10 s, and sent when it has changed or is 5
minutes old.

In Kubernetes: pkg/kubelet/kubelet_node_status.go and k8s.io/component-helpers/apimachinery/lease.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from kubelab.api.objects import EMPTY, Obj, freeze, get, merged
from kubelab.api.rest import Response
from kubelab.client.events import Recorder
from kubelab.kubelet import nodestatus
from kubelab.kubelet.imagegc import PERIOD_NS
from kubelab.sim.kernel import SECOND, Routine, micro_timestamp

if TYPE_CHECKING:
    from kubelab.kubelet.kubelet import Kubelet

LEASE_SECONDS = 40
RENEW_SECONDS = 10.0
STATUS_SECONDS = 10.0
REPORT_NS = 300 * SECOND
RETRY_SECONDS = 1.0
# The reasons of the Events by which a condition's end and its beginning are told.
PRESSED = {
    "MemoryPressure": ("NodeHasSufficientMemory", "NodeHasInsufficientMemory"),
    "DiskPressure": ("NodeHasNoDiskPressure", "NodeHasDiskPressure"),
    "PIDPressure": ("NodeHasSufficientPID", "NodeHasInsufficientPID"),
}


class NodeReporter:
    """Registers the node, renews its lease, reports its status."""

    def __init__(self, kubelet: Kubelet) -> None:
        self.kubelet = kubelet
        self.node: Obj | None = None
        self.registered = False
        self.reported: Obj = EMPTY
        self.reported_ns = 0
        # What the reported status was made of.
        self.basis: tuple[Any, ...] = ()
        self.lease: Obj | None = None
        self.pod_cidr = ""
        # Attached volumes that pods use or wait for: by unique name, the pods.
        self.in_use: dict[str, dict[str, None]] = {}
        # The kubelet's own view of the node as an event's object; its uid is the node's name.
        name = kubelet.node_name
        self.reference = freeze({
            "apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "uid": name},
        })  # fmt: skip
        self.recorder = Recorder(kubelet, "kubelet", host=name)

    @property
    def ready(self) -> bool:
        """Whether pods can be given an address."""
        return bool(self.pod_cidr)

    def seen(self) -> nodestatus.Seen:
        """What is seen of the machine now."""
        runtime = self.kubelet.runtime
        pressures = self.kubelet.eviction.pressures()
        return nodestatus.Seen(
            self.kubelet.address, runtime.version, self.ready, not runtime.stopped, pressures,
            self.kubelet.shutdown.begun, self.kubelet.addresses,
        )  # fmt: skip

    # Registration.

    def register(self) -> None:
        """Creates the Node."""
        kubelet = self.kubelet
        self.recorder.event(self.reference, "Normal", "Starting", "Starting kubelet.")
        given = get(kubelet.manifest, "spec", "podCIDR", default="")
        self.use_network(given)
        kubelet.kernel.kubelet_chains()
        if not given:
            self.configure()
        self.post()

    def post(self) -> None:
        """The request itself; repeated until somebody answers."""
        kubelet = self.kubelet
        node = nodestatus.registered(kubelet.manifest, self.seen(), kubelet.timestamp)
        kubelet.note(node=kubelet.node_name, does="registers the node")
        self.reported, self.reported_ns = node["status"], kubelet.now
        kubelet.create(node, reply="node.posted")

    def posted(self, response: Response) -> None:
        """The node is created, or was there already."""
        kubelet = self.kubelet
        if response.status not in (201, 200, 409):
            kubelet.after(RETRY_SECONDS, "register", background=True)
            return
        kubelet.promote()
        self.registered = True
        if response.status == 409:
            self.reported = EMPTY
        self.tell_conditions()
        self.report()
        self.renew()
        kubelet.after(STATUS_SECONDS, "report_node", background=True)

    def tell_conditions(self) -> None:
        """The events with which a node introduces itself."""
        name = self.kubelet.node_name
        for reason in ("NodeHasSufficientMemory", "NodeHasNoDiskPressure", "NodeHasSufficientPID"):
            message = f"Node {name} status is now: {reason}"
            self.recorder.event(self.reference, "Normal", reason, message)
        message = "Updated Node Allocatable limit across pods"
        self.recorder.event(self.reference, "Normal", "NodeAllocatableEnforced", message)

    def on_node(self, old: Obj | None, new: Obj | None) -> None:
        """The Node object as the API server has it."""
        before, self.node = self.attached(), new
        if self.attached() != before:
            for worker in self.kubelet.workers.values():
                if worker.mounting.pending:
                    self.kubelet.after(0, "wake", worker.uid, "a volume was attached")
        if new is not None and not self.pod_cidr:
            cidr = get(new, "spec", "podCIDR", default="")
            if cidr:
                self.use_network(cidr)
                if self.registered:
                    self.report()
                self.kubelet.network_ready()

    def use_network(self, cidr: str) -> None:
        """The network from which this node's pods get their addresses."""
        if cidr:
            self.pod_cidr = cidr
            self.kubelet.note(pod_cidr=cidr)
            cidrs = tuple(get(self.node or EMPTY, "spec", "podCIDRs", default=()))
            second = next((other for other in cidrs if other != cidr), "")
            self.configure(cidr, second)

    def configure(self, cidr: str = "", second_cidr: str = "") -> None:
        """Sets up the machine's addresses, and the networks of its pods."""
        kubelet = self.kubelet
        second = kubelet.addresses[1] if len(kubelet.addresses) > 1 else ""
        kubelet.kernel.configure(kubelet.address, cidr, second, second_cidr)

    # Status.

    def report(self) -> None:
        """Sends the status if it has changed, or is old."""
        kubelet = self.kubelet
        old = not self.reported or kubelet.now - self.reported_ns >= REPORT_NS
        images = tuple(kubelet.runtime.images.images.values())
        basis = (self.seen(), kubelet.manifest, images, tuple(sorted(self.in_use)))
        if basis == self.basis and not old:
            return
        base = self.reported or get(self.node or EMPTY, "status", default=EMPTY)
        status = nodestatus.status(kubelet.manifest, base, self.seen(), kubelet.timestamp)
        status = merged(
            status, images=nodestatus.images_of(images) or None, volumesAttached=None,
            volumesInUse=sorted(self.in_use) or None,
        )  # fmt: skip
        plain = nodestatus.without_heartbeats
        self.basis = basis
        if not old and plain(status) == plain(self.reported):
            return
        before, was_ready, ready = self.reported, _is(self.reported, "Ready"), _is(status, "Ready")
        self.reported, self.reported_ns = status, kubelet.now
        kubelet.note(node=kubelet.node_name, ready=ready, reported=True)
        if ready != was_ready:
            self.tell("NodeReady" if ready else "NodeNotReady")
        for condition, (none, some) in PRESSED.items():
            if _is(status, condition) != _is(before, condition):
                self.tell(some if _is(status, condition) else none)
        body: dict[str, Any] = {"status": status}
        if before.get("volumesInUse") and not self.in_use:
            body = {"status": {**status, "volumesInUse": None}}
        kubelet.patch("v1/Node", "", kubelet.node_name, body, "status", reply="node.patched")

    # Attached volumes.

    def attached(self) -> Sequence[Obj]:
        """The volumes that are attached to this machine, as the controller says."""
        rows: Sequence[Obj] = get(self.node or EMPTY, "status", "volumesAttached", default=())
        return rows

    def use(self, unique: str, uid: str) -> None:
        """A pod uses an attached volume, or waits for it; all may know, before it is mounted."""
        users = self.in_use.setdefault(unique, {})
        if not users and self.registered:
            users[uid] = None
            self.report()
        users[uid] = None

    def release(self, uid: str) -> None:
        """A pod has let go of its volumes."""
        freed = False
        for unique, users in list(self.in_use.items()):
            if users.pop(uid, "") is None and not users:
                del self.in_use[unique]
                freed = True
        if freed and self.registered:
            self.kubelet.promote()
            self.report()

    def routine(self, verb: str) -> Routine | None:
        """Heartbeats are alike, and looks at the status until a report or image GC is due."""
        if verb == "renew_lease" and self.lease is not None:
            return Routine(round(RENEW_SECONDS * SECOND), free=True)
        if verb == "report_node" and not self.seen().pressures:
            ends = min(self.reported_ns + REPORT_NS, self.kubelet.image_gc.looked_ns + PERIOD_NS)
            return Routine(round(STATUS_SECONDS * SECOND), ends)
        return None

    def tell(self, reason: str) -> None:
        """The Event of a change that people should hear of."""
        self.kubelet.promote()
        message = f"Node {self.kubelet.node_name} status is now: {reason}"
        self.recorder.event(self.reference, "Normal", reason, message)

    def patched(self, response: Response) -> None:
        """The answer to a status report: a node that was deleted is registered again."""
        if response.status == 404:
            self.registered = False
            self.post()
        elif not response.ok:
            self.reported_ns = 0

    # The lease.

    def renew(self) -> None:
        """The heartbeat."""
        kubelet = self.kubelet
        kubelet.after(RENEW_SECONDS, "renew_lease", background=True)
        now = micro_timestamp(kubelet.now)
        if self.lease is None:
            name = kubelet.node_name
            owners = []
            if self.node is not None:
                owners = [{
                    "apiVersion": "v1", "kind": "Node", "name": name,
                    "uid": self.node["metadata"]["uid"],
                }]  # fmt: skip
            body = {
                "apiVersion": "coordination.k8s.io/v1",
                "kind": "Lease",
                "metadata": {
                    "name": name, "namespace": "kube-node-lease", "ownerReferences": owners,
                },
                "spec": {
                    "holderIdentity": name, "leaseDurationSeconds": LEASE_SECONDS, "renewTime": now,
                },
            }  # fmt: skip
            kubelet.create(freeze(body), reply="node.leased")
            return
        self.send_lease(self.lease)

    def send_lease(self, lease: Obj) -> None:
        """The lease with the time of now."""
        kubelet = self.kubelet
        spec = merged(lease["spec"], renewTime=micro_timestamp(kubelet.now))
        kubelet.update(merged(lease, spec=spec), reply="node.leased")

    def leased(self, response: Response) -> None:
        """The lease as it is now; a conflict or a missing one is read anew."""
        kubelet = self.kubelet
        if response.ok:
            self.lease = response.body
        elif response.status in (404, 409):
            self.lease = None
            if response.status == 409:
                name = kubelet.node_name
                kubelet.get(
                    "coordination.k8s.io/v1/Lease", "kube-node-lease", name, reply="node.found"
                )

    def found(self, response: Response) -> None:
        """The lease that somebody, perhaps we in an earlier life, has made: it is renewed now."""
        if response.ok:
            self.lease = response.body
            self.send_lease(response.body)


def _is(status: Obj, type_: str) -> bool:
    rows = get(status, "conditions", default=())
    return any(row["type"] == type_ and row["status"] == "True" for row in rows)
