"""What can go wrong on purpose: stopped parts, cut links, dead nodes, full disks.

A fault enters the world as an event of the actor `you`, like any other call from outside, so that
everything it leads to has a cause, and a replay meets it at the same moment.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from kubelab.sim import mishaps
from kubelab.sim.kernel import Event
from kubelab.sim.links import role_of
from kubelab.sim.mishaps import LinkFaults, Mishaps

# The processes of one node, in the order in which a node starts them.
# Components that are no part of the cluster.
BEYOND = ("you", "faults", "clock")
ON_NODE = (
    "kernel",
    "runtime",
    "kubelet",
    "kube-proxy",
    "kube-network-policies",
    "resolver",
    "tools",
)
ALIASES = {
    "kube-scheduler": "scheduler",
    "kube-controller-manager": "controller-manager",
    "kube-apiserver": "apiserver-1",
    "apiserver": "apiserver-1",
    "etcd": "etcd-1",
}


class Saboteur(Mishaps):
    """Carries out faults inside the world; its name is `faults`."""

    def start(self) -> None:
        self.down: dict[str, list[str]] = {}

    def halt(self, names: tuple[str, ...], node: str = "") -> None:
        """Stops components, the last named first; with `node`, by cutting that node's power."""
        self.note(stopped=list(names), node=node)
        for name in reversed(names):
            if name in self.world.components:
                self.world.halt(name)

    def begin(self, names: tuple[str, ...], node: str = "") -> None:
        """Starts components again, with empty memory."""
        self.note(started=list(names), node=node)
        for name in names:
            if name in self.world.components:
                self.world.begin(name)

    def kill(self, runtime: str, namespace: str, pod: str, container: str) -> None:
        """Kills a container's process with SIGKILL."""
        self.note(pod=f"{namespace}/{pod}", container=container)
        self.send(runtime, "kill", namespace, pod, container)

    def fill(self, runtime: str, full: bool = True) -> None:
        """Fills a node's disk, or frees it."""
        self.note(runtime=runtime, full=full)
        self.send(runtime, "fill_disk", full)

    def take_pids(self, runtime: str, gone: bool = True) -> None:
        """Takes all process numbers of a node, or gives them back."""
        self.note(runtime=runtime, gone=gone)
        self.send(runtime, "take_pids", gone)

    def shut_down(
        self, names: tuple[str, ...], node: str, grace_seconds: int, critical_seconds: int
    ) -> None:
        """Switches a node off in good order: its kubelet hears of it, the power goes later."""
        self.note(node=node, grace_seconds=grace_seconds)
        self.send(f"kubelet/{node}", "shut_down", grace_seconds, critical_seconds)
        self.after(grace_seconds, "halt", names, node)

    @staticmethod
    def tell(event: Event) -> str:
        detail = event.detail
        if event.verb == "shut_down":
            return f"You switch off {detail.get('node')} in {detail.get('grace_seconds')} s."
        if event.verb == "fill":
            return (
                f"You {'fill' if detail.get('full') else 'free'} a disk ({detail.get('runtime')})."
            )
        if event.verb == "take_pids":
            done = "take all" if detail.get("gone") else "give back"
            return f"You {done} process numbers ({detail.get('runtime')})."
        if detail.get("node"):
            action = "cut the power of" if event.verb == "halt" else "switch on"
            return f"You {action} {detail['node']}."
        if event.verb == "halt":
            return f"You stop {', '.join(detail.get('stopped', ()))}."
        if event.verb == "begin":
            return f"You start {', '.join(detail.get('started', ()))} again."
        if event.verb == "kill":
            return f"You kill container {detail.get('container')} of pod {detail.get('pod')}."
        return mishaps.tell(event) or f"You cause a fault: {event.verb}."


class Faults(LinkFaults):
    """`c.faults`: every call is one event; what follows is seen by running on."""

    def __init__(self, cluster: Any) -> None:
        self._cluster = cluster

    def _inject(self, verb: str, *args: Any) -> None:
        self._cluster.act("faults", verb, *args)

    def _component(self, name: str) -> tuple[str, ...]:
        components = self._cluster.world.components
        name = ALIASES.get(name, name)
        if name == "coredns":
            return tuple(n for n in components if role_of(n) == "coredns")
        if name not in components or name in BEYOND:
            known = ", ".join(sorted(n for n in components if n not in BEYOND))
            raise ValueError(f"there is no component {name!r}; there are: {known}")
        return (name,)

    def _node(self, name: str) -> tuple[str, ...]:
        components = self._cluster.world.components
        mine = tuple(f"{role}/{name}" for role in ON_NODE if f"{role}/{name}" in components)
        if not mine:
            nodes = ", ".join(n[8:] for n in components if n.startswith("kubelet/"))
            raise ValueError(f"there is no node {name!r}; there are: {nodes}")
        processes = self._cluster.world.components[f"runtime/{name}"]
        return mine + tuple(getattr(processes, "processes", lambda: ())())

    def stop(self, component: str) -> None:
        """Stops a component: `scheduler`, `apiserver-1`, `kube-proxy/node-1`, `coredns` …"""
        self._inject("halt", self._component(component))

    def start(self, component: str) -> None:
        """Starts a stopped component again; it has forgotten all but what is on its disk.

        Raises ValueError if its machine is off.
        """
        machine = self._cluster.world.components.get(f"kernel/{component.partition('/')[2]}")
        if machine is not None and machine.stopped and component != machine.name:
            node = component.partition("/")[2]
            raise ValueError(f"{node} is off: start_node({node!r}) switches it on")
        self._inject("begin", self._component(component))

    def stop_node(self, name: str) -> None:
        """Power off: everything that ran on the node is gone at once."""
        self._inject("halt", self._node(name), name)

    def start_node(self, name: str) -> None:
        """Power on: the node's processes start, its pods' containers are made anew."""
        self._inject("begin", self._node(name), name)

    def partition(self, *groups: Iterable[str]) -> None:
        """Cuts the network: components of different groups do not hear each other.

        A node's name stands for all that runs on it.
        """
        self._inject("partition", tuple(self._members(group) for group in groups))

    def _members(self, group: Iterable[str]) -> tuple[str, ...]:
        members: list[str] = []
        for name in [group] if isinstance(group, str) else group:
            is_node = f"kubelet/{name}" in self._cluster.world.components
            members += self._node(name) if is_node else self._component(name)
        return tuple(members)

    def set_latency(self, a: str, b: str, seconds: float) -> None:
        """From now on a message between two components takes so many seconds."""
        for one in self._component(a):
            for other in self._component(b):
                self._inject("slow", one, other, seconds)

    def _member(self, name: str) -> str:
        (member,) = self._component(name)
        if role_of(member) != "etcd":
            raise ValueError(f"{name!r} is no etcd member; this fault is for etcd-1, etcd-2 …")
        return member

    def kill_container(self, pod: str, container: str) -> None:
        """Kills a container of a pod (`default/web-0`) as an out-of-memory killer would."""
        namespace, name, node = self._cluster.whereabouts(pod)
        self._inject("kill", f"runtime/{node}", namespace, name, container)

    def fill_disk(self, node: str) -> None:
        """Fills the disk of a node."""
        self._node(node)
        self._inject("fill", f"runtime/{node}")

    def free_disk(self, node: str) -> None:
        """Frees the disk of a node again."""
        self._node(node)
        self._inject("fill", f"runtime/{node}", False)

    def take_pids(self, node: str) -> None:
        """Takes all process numbers of a node, as a program does that starts others without end."""
        self._node(node)
        self._inject("take_pids", f"runtime/{node}")

    def free_pids(self, node: str) -> None:
        """Gives a node its process numbers back."""
        self._node(node)
        self._inject("take_pids", f"runtime/{node}", False)

    def shutdown_node(self, node: str, grace_seconds: int = 30, critical_seconds: int = 10) -> None:
        """Switches a node off in good order: pods get `grace_seconds`, then the power goes.

        The last `critical_seconds` of them are kept for critical pods.
        """
        self._inject("shut_down", self._node(node), node, grace_seconds, critical_seconds)
