"""The service controller, with a cloud that is only simulated: external addresses for Services.

A Service of the type LoadBalancer is ready within the cluster at once; its external address comes
from a cloud, and clouds take their time. While an address exists, a finalizer keeps the Service, so
that the cloud is told before the Service is gone. The cloud's balancer sends what comes for the
address to the nodes that are ready, and under a Local policy to those that say they have a pod.

In Kubernetes: the service controller of k8s.io/cloud-provider, which runs in a cloud's own
controller manager. The cloud here has the addresses of 203.0.113.0/24 and is never out of order.
"""

from __future__ import annotations

from kubelab.api.objects import NOTHING, Obj, get, key_of, labels_of, name_of, with_
from kubelab.api.rest import Response
from kubelab.client.controller import Controller
from kubelab.controllers.pods import is_terminating
from kubelab.sim.kernel import SECOND

FINALIZER = "service.kubernetes.io/load-balancer-cleanup"
NETWORK, ADDRESSES = "203.0.113", range(1, 255)
CREATION_SECONDS = 5.0
# The component that plays the cloud's balancers, as it plays all wires.
CLOUD = "network"
EXCLUDED = "node.kubernetes.io/exclude-from-external-load-balancers"


def wants_balancer(service: Obj) -> bool:
    """Whether a Service is to have an external address of the cloud's default kind."""
    spec = service["spec"]
    return spec.get("type") == "LoadBalancer" and not spec.get("loadBalancerClass")


def addresses_of(service: Obj) -> list[str]:
    """The external addresses that a Service has."""
    held = get(service, "status", "loadBalancer", "ingress", default=NOTHING)
    return [item["ip"] for item in held if item.get("ip")]


def fit_for_balancers(node: Obj) -> bool:
    """Whether a balancer may send to a node: it is ready, stays, and is not left out by label."""
    if is_terminating(node) or EXCLUDED in labels_of(node):
        return False
    rows = get(node, "status", "conditions", default=NOTHING)
    return any(row["type"] == "Ready" and row["status"] == "True" for row in rows)


class ServiceController(Controller):
    """Gives Services external addresses, and takes them back."""

    name = "service"

    def begin(self) -> None:
        # Since when the cloud has been at work for a Service.
        self.begun_ns: dict[str, int] = {}
        self.services = self.watch("v1/Service", "on_service")
        self.nodes = self.watch("v1/Node", "on_node")
        # What the cloud has been told, by address.
        self.told: dict[str, tuple[tuple[str, ...], int]] = {}

    def on_node(self, old: Obj | None, new: Obj | None) -> None:
        """A node has come, gone, or is no longer fit for balancers."""
        before = old is not None and fit_for_balancers(old)
        after = new is not None and fit_for_balancers(new)
        if before is not after:
            for service in self.services:
                if addresses_of(service):
                    self.enqueue(key_of(service))

    def on_service(self, old: Obj | None, new: Obj | None) -> None:
        """A Service has changed."""
        if new is None:
            assert old is not None
            self.begun_ns.pop(key_of(old), None)
            self._tell_cloud(old, addresses_of(old), gone=True)
        elif wants_balancer(new) or FINALIZER in (new["metadata"].get("finalizers") or NOTHING):
            if old is not None and old["spec"].get("type") != new["spec"].get("type"):
                text = f"{old['spec'].get('type')} -> {new['spec'].get('type')}"
                self.recorder.event(new, "Normal", "Type", text)
            self.enqueue(key_of(new))

    def sync(self, key: str) -> None:
        """One Service: the next step towards its address, or away from it."""
        service = self.services.get(key)
        if service is None:
            return
        wants = wants_balancer(service) and not is_terminating(service)
        held = addresses_of(service)
        self.note(wish=int(wants), seen=len(held), act="—")
        if wants:
            self._tell_cloud(service, held)
            if not held:
                self._ensure(key, service)
        else:
            self._tell_cloud(service, held, gone=True)
            self._remove(service, held)

    def _ensure(self, key: str, service: Obj) -> None:
        finalizers = get(service, "metadata", "finalizers", default=NOTHING)
        if FINALIZER not in finalizers:
            self.note(act="ask the cloud for an address")
            self.recorder.event(service, "Normal", "EnsuringLoadBalancer", "Ensuring load balancer")
            self.begun_ns[key] = self.process.now
            self.update(with_(service, ("metadata", "finalizers"), [*finalizers, FINALIZER]))
            return
        begun = self.begun_ns.setdefault(key, self.process.now)
        left = begun / SECOND + CREATION_SECONDS - self.process.now / SECOND
        if left > 0:
            self.note(act="wait for the cloud")
            self.enqueue_after(key, left)
            return
        taken = dict.fromkeys(ip for item in self.services for ip in addresses_of(item))
        asked = service["spec"].get("loadBalancerIP")
        free = [asked] if asked else [f"{NETWORK}.{number}" for number in ADDRESSES]
        address = next((ip for ip in free if ip not in taken), None)
        if address is None:
            text = "Error syncing load balancer: failed to ensure load balancer: no address is free"
            self.recorder.event(service, "Warning", "SyncLoadBalancerFailed", text)
            self.enqueue_after(key, 60, background=True)
            return
        self.note(act=f"assign {address}")
        ingress = [{"ip": address, "ipMode": "VIP"}]
        changed = with_(service, ("status", "loadBalancer"), {"ingress": ingress})
        self.update_status(changed, "ensured", key)

    def _tell_cloud(self, service: Obj, addresses: list[str], gone: bool = False) -> None:
        """Tells the cloud's balancers which nodes to send to, if that has changed."""
        nodes = tuple(f"kernel/{name_of(node)}" for node in self.nodes if fit_for_balancers(node))
        port = int(service["spec"].get("healthCheckNodePort") or 0)
        for address in addresses if CLOUD in self.process.world.components else ():
            wanted = ((), 0) if gone else (nodes, port)
            if self.told.get(address, ((), 0)) != wanted:
                self.told[address] = wanted
                self.process.send(CLOUD, "balance", address, *wanted)

    def ensured(self, response: Response, key: str) -> None:
        """The answer to the address being written."""
        service = self.services.get(key)
        if response.ok and service is not None:
            self.recorder.event(service, "Normal", "EnsuredLoadBalancer", "Ensured load balancer")

    def _remove(self, service: Obj, held: list[str]) -> None:
        finalizers = get(service, "metadata", "finalizers", default=NOTHING)
        if held and not is_terminating(service):
            self.note(act="take the address back")
            self._say_deletion(service)
            self.update_status(with_(service, ("status", "loadBalancer"), {}))
        elif FINALIZER in finalizers:
            self.note(act="let it go")
            if held:
                self._say_deletion(service)
            self.begun_ns.pop(key_of(service), None)
            rest = [item for item in finalizers if item != FINALIZER]
            self.update(with_(service, ("metadata", "finalizers"), rest))

    def _say_deletion(self, service: Obj) -> None:
        self.recorder.event(service, "Normal", "DeletingLoadBalancer", "Deleting load balancer")
        self.recorder.event(service, "Normal", "DeletedLoadBalancer", "Deleted load balancer")
