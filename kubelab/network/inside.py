"""What a learner runs inside a pod: a name lookup, curl, a connection.

Each call starts the program on the pod's node, by a message of `you` to `tools/<node>`, and steps
the world until the program has ended. A cluster is handed in; nothing here reaches further into
it than its history, its moment and the answers that `you` has got.

In Kubernetes: `kubectl exec POD -- curl URL`, `getent` and `dig`.
"""

from __future__ import annotations

from typing import Any

from kubelab.network.payloads import Exchange, Resolution
from kubelab.network.resolvconf import CLUSTER_DNS
from kubelab.sim.kernel import SECOND
from kubelab.sim.tree import EMPTY

# So long a program may take; a lookup that tries every ending of the longest list is within it.
PATIENCE_NS = 600 * SECOND


def run(cluster: Any, pod: str, program: str, *args: Any) -> Any:
    """Runs a program of `tools/<node>` in a pod and returns what it ends with.

    `pod` is `namespace/name`, or `node/NAME` for a program of the node itself.
    """
    kind, _, rest = pod.partition("/")
    if kind == "node" and f"tools/{rest}" in cluster.world.components:
        node, who = rest, rest
    else:
        namespace, name, node = cluster.whereabouts(pod)
        who = f"{namespace}/{name}"
    return ask(cluster, node, program, who, "", EMPTY, *args)


def ask(cluster: Any, node: str, program: str, *args: Any) -> Any:
    """Sends a message of `you` to `tools/<node>` and steps until its answer is there.

    None where the node is off, or goes off meanwhile.
    """
    you = cluster.world.components["you"]
    tools = cluster.world.components.get(f"tools/{node}")
    # No two calls are under way at once, and each takes its answer, so the clock names the call.
    token = -cluster.world.seq - 1
    cluster.history.inject(f"tools/{node}", program, "you", token, *args)
    deadline = cluster.world.now + PATIENCE_NS
    while token not in you.answers:
        due = cluster.world.next_time()
        if due is None or due > deadline or tools is None or tools.stopped:
            break
        cluster.history.step()
    return you.answers.pop(token, None)


def curl(cluster: Any, pod: str, url: str) -> Exchange:
    """Requests a URL; an Exchange, also where nothing answered."""
    found = run(cluster, pod, "curl", url)
    if isinstance(found, Exchange):
        return found
    return Exchange(0, "", None, (), f"the node of {pod} is off")


def connect(
    cluster: Any, pod: str, address: str, port: int, protocol: str = "TCP", payload: Any = None
) -> Exchange:
    """Opens a connection, or sends a datagram with some payload."""
    if protocol.upper() == "UDP" and payload is None:
        payload = ""
    found = run(cluster, pod, "connect", address, int(port), protocol.upper(), payload)
    if isinstance(found, Exchange):
        return found
    return Exchange(0, "", None, (), f"the node of {pod} is off")


class Names:
    """`c.dns`: name resolution as a process in a pod does it."""

    def __init__(self, cluster: Any) -> None:
        self._cluster = cluster

    def resolve(self, name: str, type: str = "A", pod: str = "default/client") -> Resolution:
        """Looks a name up; `type` is `A`, `AAAA`, `SRV`, `PTR` …, or `A+AAAA` as getaddrinfo."""
        found = run(self._cluster, pod, "resolve", name, type.upper())
        if isinstance(found, Resolution):
            return found
        return Resolution(name, type.upper(), "TIMEOUT")

    def query(self, wire: bytes, protocol: str = "UDP") -> bytes:
        """A DNS message to the cluster's DNS service from one of its nodes, and the answer.

        Empty where no answer comes: no DNS server is there, or the bytes are no question.
        """
        world = self._cluster.world
        for name, component in world.components.items():
            if name.startswith("tools/") and not component.stopped:
                node = name.partition("/")[2]
                where = (CLUSTER_DNS, 53, protocol.upper(), bytes(wire))
                found = ask(self._cluster, node, "connect", node, "", EMPTY, *where)
                answer = found.payload if isinstance(found, Exchange) else None
                return answer if isinstance(answer, bytes) else b""
        return b""
