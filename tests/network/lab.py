"""A small network for tests: machines, a stub API server, a web server, and what they need.

The stub answers lists and watches from a table of objects and has no rules of its own, so that the
components under test see exactly what a test puts in.
"""

from __future__ import annotations

from typing import Any

import yaml

from kubelab.api import kinds
from kubelab.api.objects import EMPTY, Obj, freeze, key_of, name_of
from kubelab.api.rest import Request, Response, url
from kubelab.dns import upstream
from kubelab.dns.resolver import Resolver
from kubelab.dns.server import CoreDNS
from kubelab.network.fabric import Fabric
from kubelab.network.kernel import Kernel
from kubelab.network.payloads import Exchange, HttpResponse, Outcome, Resolution
from kubelab.proxy.config import KIND
from kubelab.proxy.proxy import KubeProxy
from kubelab.runtime.tools import Tools
from kubelab.sim.kernel import SECOND, Component, Event, World


class StubServer(Component):
    """`apiserver-1`: lists and watches over a table of objects."""

    def __init__(self) -> None:
        super().__init__("apiserver-1")
        self.objects: dict[str, dict[str, Obj]] = {}
        self.watches: list[tuple[str, int, str, str]] = []
        self.revision = 0

    def request(self, client: str, call_id: int, request: Request) -> None:
        """A list or a watch."""
        wanted = request.query.get("fieldSelector", "").removeprefix("metadata.name=")
        if request.query.get("watch"):
            self.watches.append((client, call_id, request.path, wanted))
            self.send(client, "response", call_id, Response(200))
            return
        found = self.objects.get(request.path, {}).values()
        items = [obj for obj in found if not wanted or name_of(obj) == wanted]
        body = freeze({"metadata": {"resourceVersion": str(self.revision)}, "items": items})
        self.send(client, "response", call_id, Response(200, EMPTY, body))

    def put(self, obj: Any) -> None:
        """Stores an object and tells all watches."""
        self.revision += 1
        new = freeze(obj)
        metadata = {**new["metadata"], "resourceVersion": str(self.revision)}
        new = freeze({**new, "metadata": metadata})
        path = url(kinds.by_kind(new["apiVersion"], new["kind"]))
        collection = self.objects.setdefault(path, {})
        type_ = "MODIFIED" if key_of(new) in collection else "ADDED"
        collection[key_of(new)] = new
        self._tell(path, type_, new)

    def drop(self, kind: str, key: str) -> None:
        """Deletes an object and tells all watches."""
        self.revision += 1
        path = url(kinds.named(kind))
        self._tell(path, "DELETED", self.objects[path].pop(key))

    def _tell(self, path: str, type_: str, obj: Obj) -> None:
        for client, call_id, watched, wanted in self.watches:
            if watched == path and (not wanted or name_of(obj) == wanted):
                self.send(client, "watched", call_id, type_, obj)


class Server(Component):
    """A program that answers each request with its token, which tests set to a pod's name."""

    def __init__(self, name: str, node: str) -> None:
        super().__init__(name)
        self.node = node
        self.silent = False

    def received(self, token: str, flow_id: int, payload: Any) -> None:
        """A request."""
        if not self.silent:
            kernel = self.world.components[f"kernel/{self.node}"]
            answer = f"{token}\n" if isinstance(payload, str) else HttpResponse(200, f"{token}\n")
            kernel.reply(flow_id, answer)  # type: ignore[attr-defined]


class Client(Component):
    """Keeps what it is answered."""

    def __init__(self) -> None:
        super().__init__("client")
        self.outcomes: list[Outcome] = []
        self.results: list[Any] = []

    def answered(self, token: Any, outcome: Outcome) -> None:
        """The outcome of a request."""
        self.outcomes.append(outcome)

    def resolved(self, token: Any, resolution: Resolution) -> None:
        """The end of a lookup."""
        self.results.append(resolution)

    def finished(self, token: Any, result: Any) -> None:
        """The end of a program."""
        self.results.append(result)


class Lab:
    """Some nodes with kernels and proxies, the outside world, and calls that wait for answers."""

    def __init__(
        self, nodes: int = 2, seed: int = 0, *, proxies: bool = True, mode: str = "",
        dual: bool = False,
    ) -> None:  # fmt: skip
        self.world = World(seed)
        self.server = self.world.add(StubServer())
        self.world.add(Fabric())
        self.client = self.world.add(Client())
        self.kernels: dict[int, Any] = {}
        for number in range(1, nodes + 1):
            self.kernels[number] = self.world.add(Kernel(f"kernel/node-{number}"))
            self.world.add(Server(f"runtime/node-{number}", f"node-{number}"))
            self.world.add(Resolver(f"resolver/node-{number}"))
            self.world.add(Tools(f"tools/node-{number}"))
        upstream.add(self.world)
        self.settle()
        for number, kernel in self.kernels.items():
            second = (f"fc00::{number + 1}", f"fd00:10:244:{number}::/64") if dual else ()
            kernel.configure(f"192.168.0.{number + 1}", f"10.244.{number}.0/24", *second)
        if mode:
            self.server.put(proxy_config(mode))
        if proxies:
            for number in self.kernels:
                self.world.add(KubeProxy(f"kube-proxy/node-{number}"))
        self.settle()

    def settle(self) -> list[Event]:
        """Handles all messages under way."""
        events = []
        while (event := self.world.step()) is not None:
            events.append(event)
        return events

    def run(self, seconds: float) -> None:
        """Lets time pass."""
        deadline = self.world.now + round(seconds * SECOND)
        while (due := self.world.next_time()) is not None and due <= deadline:
            self.world.step()
        self.world.now = deadline

    def pod(self, name: str, node: int = 1, port: int = 0, protocol: str = "TCP") -> str:
        """A pod with an address, and a program on a port that answers with the pod's name."""
        kernel = self.kernels[node]
        address = kernel.attach(name, pod=f"default/{name}")
        if port:
            kernel.listen(address, protocol, port, f"runtime/node-{node}", name)
        return str(address)

    def open(
        self, source: str, to: str, port: int, payload: Any = "hello", *, node: int = 1,
        protocol: str = "TCP", **options: Any,
    ) -> Outcome:  # fmt: skip
        """A request from an address, and its outcome."""
        kernel = self.kernels[node]
        kernel.open(source, to, port, protocol, payload, "client", "t", **options)
        self.settle()
        return self.client.outcomes.pop()

    def dns(self, pod: str = "coredns-a", node: int = 1) -> CoreDNS:
        """A CoreDNS process in a pod, its caches filled."""
        kernel = self.kernels[node]
        address = kernel.attach(pod, pod=f"kube-system/{pod}")
        server = CoreDNS(f"coredns/{pod}", node=f"node-{node}", address=address)
        self.world.add(server)
        self.settle()
        return server

    def lookup(self, source: str, conf: Any, name: str, type_: str = "A") -> Resolution:
        """A lookup by a program in a pod on node-1."""
        message = ("client", "t", source, freeze(conf), name, type_)
        self.world.send("client", "resolver/node-1", "lookup", message)
        self.settle()
        found = self.client.results.pop()
        assert isinstance(found, Resolution)
        return found

    def tool(self, program: str, source: str, conf: Any, *args: Any) -> Exchange:
        """A program run in the pod `default/client` on node-1."""
        message = ("client", "t", "default/client", source, freeze(conf), *args)
        self.world.send("client", "tools/node-1", program, message)
        self.settle()
        found = self.client.results.pop()
        assert isinstance(found, Exchange)
        return found


def proxy_config(mode: str, **sections: Any) -> Any:
    """The ConfigMap of kube-proxy."""
    text = yaml.safe_dump({**KIND, "mode": mode, **sections})
    return {
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": "kube-proxy", "namespace": "kube-system"},
        "data": {"config.conf": text},
    }  # fmt: skip


def service(name: str, ip: str, *ports: Any, namespace: str = "default", **spec: Any) -> Any:
    """A Service; a port is a number, or its fields."""
    rows = [
        {"port": port, "targetPort": port, "protocol": "TCP"} if isinstance(port, int) else port
        for port in ports
    ]
    return {
        "apiVersion": "v1", "kind": "Service", "metadata": {"name": name, "namespace": namespace},
        "spec": {"type": "ClusterIP", "clusterIP": ip, "clusterIPs": [ip], "ports": rows, **spec},
    }  # fmt: skip


def endpoint(address: str, node: int = 1, **fields: Any) -> Any:
    """A ready endpoint; conditions may be given by name."""
    names = ("ready", "serving", "terminating")
    conditions = {"ready": True, "serving": True, "terminating": False}
    conditions.update({key: fields.pop(key) for key in names if key in fields})
    return {
        "addresses": [address], "conditions": conditions, "nodeName": f"node-{node}", **fields,
    }  # fmt: skip


def slices(
    service_name: str, endpoints: list[Any], *ports: Any, namespace: str = "default",
    suffix: str = "abcde", headless: bool = False,
) -> Any:  # fmt: skip
    """An EndpointSlice of a service; a port is a number, or its fields."""
    rows = [
        {"name": "", "port": port, "protocol": "TCP"} if isinstance(port, int) else port
        for port in ports
    ]
    labels = {"kubernetes.io/service-name": service_name}
    if headless:
        labels["service.kubernetes.io/headless"] = ""
    return {
        "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4",
        "metadata": {
            "name": f"{service_name}-{suffix}", "namespace": namespace, "labels": labels,
        },
        "endpoints": endpoints, "ports": rows,
    }  # fmt: skip


def namespace(name: str) -> Any:
    """A Namespace."""
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}


DNS_PORTS = (
    {"name": "dns", "port": 53, "protocol": "UDP"},
    {"name": "dns-tcp", "port": 53, "protocol": "TCP"},
    {"name": "metrics", "port": 9153, "protocol": "TCP"},
)


def with_dns(lab: Lab) -> CoreDNS:
    """kube-dns with one CoreDNS pod on node-2, known to the stub server."""
    for name in ("default", "kube-system"):
        lab.server.put(namespace(name))
    server = lab.dns(node=2)
    given = {"namespace": "kube-system"}
    lab.server.put(service("kube-dns", "10.96.0.10", *DNS_PORTS, **given))
    lab.server.put(slices("kube-dns", [endpoint(server.address, 2)], *DNS_PORTS, **given))
    lab.settle()
    return server


def dns_lab() -> Lab:
    """Two nodes with CoreDNS: web in default, api in prod, and a client."""
    lab = Lab(2)
    with_dns(lab)
    lab.server.put(namespace("prod"))
    lab.server.put(service("web", "10.97.3.4", 80))
    lab.server.put(service("kubernetes", "10.96.0.1", 443))
    lab.server.put(service("api", "10.97.3.5", 80, namespace="prod"))
    lab.pod("client")
    lab.settle()
    return lab
