"""The machines of a cluster: what runs on a node, and how the machines are wired.

A node is a kernel, a container runtime, a kubelet, a kube-proxy, the process that enforces network
policies, and the programs of its pods (the resolver of the C library, curl and its kin). Beside the
nodes there is the network that connects them and one machine outside the cluster.

In Kubernetes: a machine set up by `kubeadm join`.
"""

from __future__ import annotations

import ipaddress
from typing import Any

from kubelab.api import manifests
from kubelab.api.objects import Obj, freeze, get, name_of
from kubelab.dns import upstream
from kubelab.dns.corefile import DEFAULT, CorefileError, parse
from kubelab.dns.corefile import PATH as COREFILE
from kubelab.dns.resolver import Resolver
from kubelab.dns.server import CoreDNS
from kubelab.kubelet.kubelet import Kubelet
from kubelab.network import controlplane
from kubelab.network.fabric import Fabric
from kubelab.network.kernel import Kernel
from kubelab.proxy.policies import PolicyAgent
from kubelab.proxy.proxy import KubeProxy
from kubelab.runtime.flavours import FLAVOURS
from kubelab.runtime.process import Process
from kubelab.runtime.service import Runtime
from kubelab.runtime.tools import Tools
from kubelab.sim.kernel import World

FIRST_ADDRESS = ipaddress.ip_address("192.168.0.10")
FIRST_IPV6 = ipaddress.ip_address("fd00:192:168::10")
CONTROL_PLANE = "192.168.0.2"
# The networks of cluster IPs and of pods, by family.
SERVICE_CIDRS = {"IPv4": "10.96.0.0/12", "IPv6": "fd00:10:96::/112"}
POD_CIDRS = {"IPv4": "10.244.0.0/16", "IPv6": "fd00:10:244::/48"}
RESOURCES = {"cpu": "4", "memory": "8Gi", "pods": "110", "ephemeral-storage": "100Gi"}


def service_cidrs(families: tuple[str, ...]) -> tuple[str, ...]:
    """The networks of cluster IPs."""
    return tuple(SERVICE_CIDRS[family] for family in families)


def pod_cidrs(families: tuple[str, ...]) -> str:
    """The networks of pods, with commas between."""
    return ",".join(POD_CIDRS[family] for family in families)


def node_manifests(nodes: int | list[Any]) -> list[Obj]:
    """The Node manifests of a cluster: given ones, or `node-1` to `node-N` all alike."""
    if isinstance(nodes, bool) or not isinstance(nodes, (int, list, tuple)):
        raise TypeError(f"nodes={nodes!r}: give a count or a list of Node manifests")
    if isinstance(nodes, int):
        if nodes < 0:
            raise ValueError(f"nodes={nodes}: a count of nodes is not negative")
        return [_node(f"node-{number}") for number in range(1, nodes + 1)]
    made = []
    for manifest in nodes:
        for obj in manifests.unpack(freeze(manifest)):
            if obj.get("kind") != "Node" or not name_of(obj):
                raise ValueError(
                    f"nodes: {obj.get('kind')} {name_of(obj)!r} is no Node with a name"
                )
            made.append(obj)
    names = [name_of(obj) for obj in made]
    if len(dict.fromkeys(names)) != len(names):
        raise ValueError(f"nodes: two nodes have one name among {', '.join(names)}")
    return made


def _node(name: str) -> Obj:
    return freeze({  # type: ignore[no-any-return]
        "apiVersion": "v1", "kind": "Node", "metadata": {"name": name},
        "status": {"capacity": RESOURCES, "allocatable": RESOURCES},
    })  # fmt: skip


def add_network(world: World) -> None:
    """The network between the machines, and the machine outside the cluster."""
    world.add(Fabric())
    controlplane.add(world, {CONTROL_PLANE: "apiserver-1"})
    upstream.add(world)
    # Programs can be run there as well: they are clients outside the cluster.
    world.add(Resolver(f"resolver/{upstream.NAME}"))
    world.add(Tools(f"tools/{upstream.NAME}"))


def add_node(
    world: World,
    node: Obj,
    number: int,
    servers: tuple[str, ...],
    runtime: str = "containerd",
    families: tuple[str, ...] = ("IPv4",),
) -> None:
    """Puts the components of the `number`-th node into a world."""
    name = name_of(node)
    address = str(FIRST_ADDRESS + number)
    second = str(FIRST_IPV6 + number) if "IPv6" in families else ""
    world.add(Kernel(f"kernel/{name}"))
    images = get(node, "status", "images", default=())
    machine = FLAVOURS[runtime](f"runtime/{name}", coredns_factory=start_coredns, present=images)
    # There is one storage beyond the nodes, and all reach it.
    others = (part for part in world.components.values() if isinstance(part, Runtime))
    machine.disk.network = next((part.disk.network for part in others), machine.disk.network)
    world.add(machine)
    world.add(
        Kubelet(f"kubelet/{name}", node, address=address, second_address=second, servers=servers)
    )
    cidrs = service_cidrs(families)
    world.add(KubeProxy(f"kube-proxy/{name}", servers=servers, service_cidrs=cidrs))
    world.add(PolicyAgent(f"kube-network-policies/{name}", servers=servers))
    world.add(Resolver(f"resolver/{name}"))
    world.add(Tools(f"tools/{name}"))


def start_coredns(world: World, namespace: str, pod: str, address: str, node: str) -> str:
    """Starts a CoreDNS process in a pod; returns the name of its component.

    It reads the Corefile that is mounted there; with one that it cannot read it ends at once.
    """
    process = _process(world, namespace, pod, node)
    mounted = process.files.read(COREFILE) if process is not None else None
    corefile = DEFAULT if mounted is None else mounted
    try:
        parse(corefile)
    except CorefileError as error:
        assert process is not None
        process.log(str(error))
        process.exit(1)
        return ""
    kubelet = world.components[f"kubelet/{node}"]
    assert isinstance(kubelet, Kubelet)
    name = f"coredns/{pod}"
    if name in world.components:
        world.halt(name)
        world.remove(name)
    server = CoreDNS(
        name, node=node, address=address, servers=kubelet.servers, corefile=corefile,
        container=(f"runtime/{node}", process.container_id if process is not None else ""),
    )  # fmt: skip
    world.add(server)
    return name


def _process(world: World, namespace: str, pod: str, node: str) -> Process | None:
    """The CoreDNS process of a pod, which has just been started."""
    runtime = world.components.get(f"runtime/{node}")
    if isinstance(runtime, Runtime):
        for container in reversed(list(runtime.containers.values())):
            if container.pod == f"{namespace}/{pod}" and container.process is not None:
                return container.process
    return None
