"""kube-proxy of one node: keeps the rules of the node's kernel in step with the API.

It watches Services and EndpointSlices. A change marks the service; the next sync writes the rules
of the services that are marked and touches no other. After a quiet second a change is written at
once, later ones are gathered until the second is over. On its start it writes everything anew, and
what another mode has left is taken out. What the rules look like is the mode's business
(`iptables.py`, `ipvs.py`, `nftables.py`); there are rules for both address families.

What must hold: kube-proxy is in no packet's way. Stopped, it leaves its rules as they are, and they
grow stale; packets follow them all the same.

In Kubernetes: pkg/proxy and cmd/kube-proxy. Its configuration is a mounted file; when that changes
kube-proxy ends and is started again, here at once. Left out: metrics.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from kubelab.api.objects import Obj, key_of, labels_of, namespace_of
from kubelab.client.client import Client
from kubelab.client.sentences import heard
from kubelab.network.addresses import version_of
from kubelab.network.kernel import Kernel
from kubelab.network.payloads import HttpRequest
from kubelab.proxy import config, endpoints, health, iptables, ipvs, nftables, ports
from kubelab.proxy.ports import Endpoint, Facts, ServicePort
from kubelab.sim.kernel import SECOND, Event

MODES: dict[str, Any] = {"iptables": iptables, "ipvs": ipvs, "nftables": nftables}
FAMILIES = (4, 6)
# How often real servers that are leaving are looked at.
DRAIN_SECONDS = 60.0
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
        cluster_cidrs: Sequence[str] = ("10.244.0.0/16", "fd00:10:244::/48"),
        service_cidrs: Sequence[str] = ("10.96.0.0/12", ""),
    ) -> None:
        super().__init__(name, servers=servers, agent="kube-proxy")
        self.node = name.partition("/")[2]
        self.cluster_cidrs = tuple(cluster_cidrs)
        self.service_cidrs = tuple(service_cidrs)

    def start(self) -> None:
        super().start()
        self.zone = ""
        self.ports: dict[str, tuple[ServicePort, ...]] = {}
        self.slices: dict[str, dict[str, endpoints.SlicePorts]] = {}
        self.config = config.Config()
        # What the kernel has from us: by service, by port.
        self.written: dict[str, dict[str, tuple[ServicePort, Any]]] = {}
        # The health check ports of services: the service of each.
        self.checks: dict[int, str] = {}
        self.marked: dict[str, None] = {}
        self.timer: int | None = None
        self.last_sync_ns = 0
        self.everything = True
        self.inform("v1/Service").subscribe("on_service")
        self.inform("discovery.k8s.io/v1/EndpointSlice").subscribe("on_slice")
        self.inform("v1/Node", selector=f"metadata.name={self.node}").subscribe("on_node")
        mine = f"metadata.name={config.NAME}"
        self.inform("v1/ConfigMap", selector=mine).subscribe("on_config")
        kernel = self._kernel()
        if kernel is not None:
            for port in (health.HEALTHZ_PORT, health.METRICS_PORT):
                address = kernel.node_ip if port == health.HEALTHZ_PORT else "127.0.0.1"
                kernel.close(address, "TCP", port)
                kernel.listen(address, "TCP", port, self.name, ("own", port))

    def _kernel(self) -> Kernel | None:
        kernel = self.world.components.get(f"kernel/{self.node}")
        return kernel if isinstance(kernel, Kernel) and not kernel.stopped else None

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

    def on_config(self, old: Obj | None, new: Obj | None) -> None:
        """The configuration: with another one kube-proxy ends, and starts again."""
        if namespace_of(new or old or Obj()) != config.NAMESPACE:
            return
        try:
            wanted = config.read(new)
        except ValueError as error:
            self.note(mistake=str(error))
            return
        if wanted != self.config:
            self.note(mode=wanted.mode, before=self.config.mode)
            self.config = wanted
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
        kernel = self._kernel()
        if kernel is None:
            self.note(skipped="the node is off")
            return
        full, self.everything = self.everything, False
        mode = MODES[self.config.mode]
        if full:
            self.written = {}
            self.marked = dict.fromkeys([*self.ports, *self.slices])
            self._begin(kernel, mode)
        marked, self.marked = self.marked, {}
        changed: dict[str, dict[str, list[str]]] = {}
        for key in marked:
            changed.update(self._write(kernel, mode, key))
        if mode is ipvs and changed:
            for version in FAMILIES:
                ipvs.write_rules(kernel, version, self._facts(kernel, version))
            self.after(DRAIN_SECONDS, "drain", background=True)
        self.note(full=full, services=len(changed), mode=self.config.mode)
        self.note(changed=dict(list(changed.items())[:NAMED]))

    def _begin(self, kernel: Kernel, mode: Any) -> None:
        """What is there without any service; and nothing that another mode has written."""
        for version in FAMILIES:
            for other in MODES.values():
                if other is not mode:
                    other.remove(kernel, version)
            mode.install(kernel, version, self._facts(kernel, version))

    def _facts(self, kernel: Kernel, version: int) -> Facts:
        """What rules of a family depend on besides the port."""

        def of_family(cidrs: tuple[str, ...]) -> str:
            return next((cidr for cidr in cidrs if cidr and version_of(cidr) == version), "")

        pods = of_family(self.config.cluster_cidrs) or of_family(self.cluster_cidrs)
        own: tuple[str, ...] = ()
        if self.config.mode == "ipvs":
            own = tuple(
                held[version] for held in (kernel.node_ips, kernel.gateways) if version in held
            )
        return Facts(
            pods, of_family(self.service_cidrs), "", self.config.masquerade_all,
            self.config.scheduler, own,
        )  # fmt: skip

    def drain(self) -> None:
        """Real servers of IPVS whose last connection is over are taken out."""
        kernel = self._kernel()
        if kernel is not None and self.config.mode == "ipvs":
            left = ipvs.drain(kernel)
            self.note(leaving=left)
            if left:
                self.after(DRAIN_SECONDS, "drain", background=True)

    def _write(self, kernel: Kernel, mode: Any, key: str) -> dict[str, dict[str, list[str]]]:
        """One service: returns the endpoints before and after, by port."""
        before = self.written.get(key, {})
        after = {port.part: (port, self._rules(kernel, mode, key, port))
                 for port in self.ports.get(key, ())}  # fmt: skip
        changed: dict[str, dict[str, list[str]]] = {}
        for part in [*before, *(part for part in after if part not in before)]:
            old = before[part][1] if part in before else mode.RuleSet()
            new = after[part][1] if part in after else mode.RuleSet()
            if old is new or old == new:
                continue
            port = (before.get(part) or after[part])[0]
            mode.replace(kernel, port.family, port.name, old, new)
            changed[part] = {"before": list(old.endpoints), "after": list(new.endpoints)}
            if part in before and before[part][0].protocol == "UDP":
                self._forget(kernel, old, new)
        if after:
            self.written[key] = after
        else:
            self.written.pop(key, None)
        self._check_health(kernel, key)
        return changed

    def _rules(self, kernel: Kernel, mode: Any, key: str, port: ServicePort) -> Any:
        found = self._endpoints_of(key, port, mode is not iptables)
        nearby = ports.near(found, self.node, self.zone)
        bare = tuple(e._replace(zones=(), nodes=()) if e.zones or e.nodes else e for e in nearby)
        facts = self._facts(kernel, port.family)
        if port.source_ranges:
            facts = facts._replace(node_ip=kernel.node_ips.get(port.family, ""))
        return mode.rule_set(port, bare, found, facts)

    def _endpoints_of(
        self, key: str, port: ServicePort, always_local: bool = False
    ) -> tuple[Endpoint, ...]:
        """A port's endpoints; whether they are on this node is said only where it matters."""
        _, _, port_name = port.name.partition(":")
        # Two slices may hold the same endpoint for a moment, while it moves from one to the other.
        unique: dict[tuple[str, int], Endpoint] = {}
        for slice_ in self.slices.get(key, {}).values():
            for item in slice_:
                wanted = (port_name, port.protocol, port.family)
                if (item.name, item.protocol, item.family) != wanted:
                    continue
                for endpoint, node in zip(item.endpoints, item.nodes, strict=True):
                    if always_local or port.uses_local:
                        endpoint = endpoint._replace(local=node == self.node)
                    unique[endpoint.address, endpoint.port] = endpoint
        return tuple(unique.values())

    def _forget(self, kernel: Kernel, old: Any, new: Any) -> None:
        """UDP has no end of a connection: translations to a gone endpoint would go on for ever."""
        for text in old.endpoints:
            if text not in new.endpoints:
                address, _, number = text.rpartition(":")
                kernel.forget(address.strip("[]"), int(number), "UDP")

    # Health.

    def _check_health(self, kernel: Kernel, key: str) -> None:
        """Opens or closes the port at which a load balancer asks for a service on this node."""
        held = self.ports.get(key, ())
        wanted = next((port.health_check_port for port in held if port.health_check_port), 0)
        for number in [n for n, whose in self.checks.items() if whose == key and n != wanted]:
            del self.checks[number]
            kernel.close(kernel.node_ip, "TCP", number)
            kernel.healthy.pop(number, None)
        if not wanted:
            return
        ready = {
            e.address: None
            for port in held if port.family == held[0].family
            for e in self._endpoints_of(key, port, True) if e.local and e.ready
        }  # fmt: skip
        kernel.healthy[wanted] = len(ready)
        if wanted not in self.checks:
            self.checks[wanted] = key
            kernel.close(kernel.node_ip, "TCP", wanted)
            kernel.listen(kernel.node_ip, "TCP", wanted, self.name, ("service", wanted))

    def received(self, token: tuple[str, int], flow_id: int, payload: Any) -> None:
        """A question about the health of a service here, or of the proxy itself."""
        kernel = self._kernel()
        if kernel is None:
            return
        what, port = token
        self.note(asked=what, port=port)
        if what == "service":
            key = self.checks.get(port, "")
            self.note(service=key, endpoints=kernel.healthy.get(port, 0))
            kernel.reply(flow_id, health.service_answer(key, kernel.healthy.get(port, 0)))
            return
        path = payload.path if isinstance(payload, HttpRequest) else ""
        page = health.own_answer(port, path, self.config.mode, self.timestamp)
        kernel.reply(flow_id, page)

    @staticmethod
    def tell(event: Event) -> str:
        detail, who = event.detail, event.target
        if event.verb == "start":
            return f"{who} starts and lists all services and endpoints."
        if event.verb == "sync":
            return _tell_sync(who, detail)
        if event.verb == "drain":
            return f"{who} looks for endpoints whose last connection is over."
        if detail.get("asked"):
            return _tell_asked(who, detail)
        if detail.get("mistake"):
            return f"{who} does not take its new configuration because it has a mistake."
        if detail.get("mode"):
            return f"{who} starts again in the mode {detail['mode']} because its file says so."
        return heard(who, event)


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


def _tell_asked(who: str, detail: Obj) -> str:
    if detail["asked"] != "service":
        return f"{who} answers a question about itself on port {detail['port']}."
    count, service = detail.get("endpoints", 0), detail.get("service", "a service")
    if count:
        return f"{who} calls {service} healthy here because {count} of its endpoints are."
    return f"{who} calls {service} unhealthy here because this node has no endpoint of it."
