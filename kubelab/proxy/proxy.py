"""kube-proxy of one node: keeps the rules of the node's kernel in step with the API.

It watches Services and EndpointSlices. A change marks the service; the next sync writes the chains
of the services that are marked and touches no other. After a quiet second a change is written at
once, later ones are gathered until the second is over. On its start it writes everything anew.

What must hold: kube-proxy is in no packet's way. Stopped, it leaves its rules as they are, and they
grow stale; packets follow them all the same.

In Kubernetes: pkg/proxy/iptables/proxier.go, cmd/kube-proxy. Left out: the modes ipvs and nftables,
IPv6, health check servers, metrics.
"""

from __future__ import annotations

from collections.abc import Sequence

from kubelab.api.objects import Obj, key_of, labels_of, namespace_of
from kubelab.client.client import Client
from kubelab.client.sentences import heard
from kubelab.network.kernel import Kernel
from kubelab.network.nat import Portal, Rules
from kubelab.proxy import endpoints, rules
from kubelab.proxy.rules import Endpoint, RuleSet, ServicePort
from kubelab.sim.kernel import SECOND, Event

MIN_SYNC_SECONDS = 1.0
ZONE = "topology.kubernetes.io/zone"

# So many services a sync names in its detail.
NAMED = 20


class KubeProxy(Client):
    """`kube-proxy/<node>`."""

    def __init__(
        self,
        name: str,
        *,
        servers: Sequence[str] = ("apiserver-1",),
        cluster_cidr: str = "10.244.0.0/16",
    ) -> None:
        super().__init__(name, servers=servers, agent="kube-proxy", user="system:kube-proxy")
        self.node = name.partition("/")[2]
        self.cluster_cidr = cluster_cidr

    def start(self) -> None:
        super().start()
        self.zone = ""
        self.ports: dict[str, tuple[ServicePort, ...]] = {}
        self.slices: dict[str, dict[str, endpoints.SlicePorts]] = {}
        # What the kernel has from us: by service, by port.
        self.written: dict[str, dict[str, tuple[ServicePort, RuleSet]]] = {}
        self.marked: dict[str, None] = {}
        self.timer: int | None = None
        self.last_sync_ns = 0
        self.everything = True
        self.inform("v1/Service").subscribe("on_service")
        self.inform("discovery.k8s.io/v1/EndpointSlice").subscribe("on_slice")
        self.inform("v1/Node", selector=f"metadata.name={self.node}").subscribe("on_node")

    def informed(self, informer: str) -> None:
        """Nothing is written before all caches are filled: half a picture would break services."""
        self._schedule()

    # Changes.

    def on_service(self, old: Obj | None, new: Obj | None) -> None:
        """A service came, changed or went."""
        key = key_of(new or old or Obj())
        ports = endpoints.service_ports(new)
        if ports == self.ports.get(key, ()):
            return
        if ports:
            self.ports[key] = ports
        else:
            self.ports.pop(key, None)
        self._mark(key)

    def on_slice(self, old: Obj | None, new: Obj | None) -> None:
        """A slice came, changed or went."""
        slice_ = new or old or Obj()
        labels = labels_of(slice_)
        service = labels.get(endpoints.SERVICE_NAME, "")
        if not service or endpoints.HEADLESS in labels or endpoints.OTHER_PROXY in labels:
            return
        key = f"{namespace_of(slice_)}/{service}"
        known = self.slices.setdefault(key, {})
        name = slice_["metadata"]["name"]
        before = known.pop(name, None)
        if new is not None:
            known[name] = endpoints.slice_ports(new)
        if not known:
            del self.slices[key]
        if before != known.get(name):
            self._mark(key)

    def on_node(self, old: Obj | None, new: Obj | None) -> None:
        """Our own node: its zone decides which hints are for us."""
        zone = labels_of(new).get(ZONE, "") if new is not None else ""
        if zone != self.zone:
            self.zone = zone
            self.everything = True
            self._schedule()

    def _mark(self, key: str) -> None:
        self.marked[key] = None
        self._schedule()

    def _schedule(self) -> None:
        """The next sync: at once after a quiet second, else when the second is over."""
        if self.timer is not None or not (self.marked or self.everything):
            return
        if not all(informer.synced for informer in self.informers.values()):
            return
        wait_ns = max(0, self.last_sync_ns + round(MIN_SYNC_SECONDS * SECOND) - self.now)
        self.promote()
        self.timer = self.after(wait_ns / SECOND, "sync")

    # Writing.

    def sync(self) -> None:
        """Writes the rules of the services that changed."""
        self.timer = None
        self.last_sync_ns = self.now
        kernel = self.world.components.get(f"kernel/{self.node}")
        if not isinstance(kernel, Kernel) or kernel.stopped:
            self.note(skipped="the node is off")
            return
        full, self.everything = self.everything, False
        if full:
            self.written = {}
            self.marked = dict.fromkeys([*self.ports, *self.slices])
            made = rules.base()
            kernel.tables.nat.clear()
            kernel.tables.nat.update(made["nat"])
            kernel.tables.filter.clear()
            kernel.tables.filter.update(made["filter"])
            kernel.tables.mangle.update(made["mangle"])
        marked, self.marked = self.marked, {}
        changed: dict[str, dict[str, list[str]]] = {}
        for key in marked:
            changed.update(self._write(kernel, key))
        self.note(full=full, services=len(changed), chains=len(kernel.tables.nat))
        self.note(changed=dict(list(changed.items())[:NAMED]))

    def _write(self, kernel: Kernel, key: str) -> dict[str, dict[str, list[str]]]:
        """One service: returns the endpoints before and after, by port."""
        before = self.written.get(key, {})
        after = {port.name: self._rule_set(key, port) for port in self.ports.get(key, ())}
        changed: dict[str, dict[str, list[str]]] = {}
        for name in [*before, *(name for name in after if name not in before)]:
            old = before[name][1] if name in before else RuleSet()
            new = after[name][1] if name in after else RuleSet()
            if old is new or old == new:
                continue
            replace(kernel, name, old, new)
            changed[name] = {"before": list(old.endpoints), "after": list(new.endpoints)}
            if name in before and before[name][0].protocol == "UDP":
                self._forget(kernel, old, new)
        if after:
            self.written[key] = after
        else:
            self.written.pop(key, None)
        return changed

    def _rule_set(self, key: str, port: ServicePort) -> tuple[ServicePort, RuleSet]:
        _, _, port_name = port.name.partition(":")
        # Two slices may hold the same endpoint for a moment, while it moves from one to the other.
        unique: dict[tuple[str, int], Endpoint] = {}
        for slice_ in self.slices.get(key, {}).values():
            for item in slice_:
                if (item.name, item.protocol) != (port_name, port.protocol):
                    continue
                for endpoint, node in zip(item.endpoints, item.nodes, strict=True):
                    if port.uses_local:
                        endpoint = endpoint._replace(local=node == self.node)
                    unique[endpoint.address, endpoint.port] = endpoint
        all_of_them = tuple(unique.values())
        nearby = rules.near(all_of_them, self.node, self.zone)
        bare = tuple(e._replace(zones=(), nodes=()) if e.zones or e.nodes else e for e in nearby)
        return port, rules.rule_set(port, bare, all_of_them, self.cluster_cidr)

    def _forget(self, kernel: Kernel, old: RuleSet, new: RuleSet) -> None:
        """UDP has no end of a connection: translations to a gone endpoint would go on for ever."""
        for text in old.endpoints:
            if text not in new.endpoints:
                address, _, number = text.rpartition(":")
                kernel.forget(address.strip("[]"), int(number), "UDP")

    @staticmethod
    def tell(event: Event) -> str:
        detail, who = event.detail, event.target
        if event.verb == "start":
            return f"{who} starts and lists all services and endpoints."
        if event.verb == "sync":
            return _tell_sync(who, detail)
        return heard(who, event)


def replace(kernel: Kernel, part: str, old: RuleSet, new: RuleSet) -> None:
    """Puts a service port's new chains into the tables and takes out what it no longer needs."""
    tables = kernel.tables
    kept = {(table, chain): None for table, chain, _ in new.chains}
    for table, chain, _ in old.chains:
        if (table, chain) not in kept:
            tables.table(table).pop(chain, None)
    for table, chain, lines in new.chains:
        tables.table(table)[chain] = lines
    parts: dict[tuple[str, str], Rules] = {(t, c): () for t, c, _ in old.portals}
    parts.update({(table, chain): lines for table, chain, lines in new.portals})
    for (table, chain), lines in parts.items():
        portal = tables.table(table)[chain]
        if isinstance(portal, Portal):
            portal.replace(part, lines)


def _tell_sync(who: str, detail: Obj) -> str:
    if detail.get("skipped"):
        return f"{who} writes no rules because {detail['skipped']}."
    changed = detail.get("changed", {})
    if detail.get("full") and not detail["services"]:
        return f"{who} writes its basic rules because it has just started."
    if detail.get("full"):
        return f"{who} writes the rules of all {detail['services']} service ports anew."
    if len(changed) == 1:
        name, ends = next(iter(changed.items()))
        was, now = len(ends["before"]), len(ends["after"])
        if was == now == 0:
            return f"{who} refuses traffic to {name} because it has no endpoints."
        return f"{who} rewrites its rules for {name} from {was} endpoints to {now}."
    if not changed:
        return f"{who} finds that no rule has to change."
    return f"{who} rewrites its rules for {len(changed)} service ports."
