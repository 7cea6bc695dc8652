"""Programs in pods, started from outside: name lookups, curl, bare connections.

Each call starts a process in a pod (`tools/<node>` plays it) and steps the world until it ends.
What comes back are the records of `network/payloads.py`: a `Resolution` with every query tried, or
an `Exchange` with every hop. A failed connection is an Exchange with an error, never an exception.
"""

from __future__ import annotations

from typing import Any

from kubelab.api.objects import EMPTY
from kubelab.network.payloads import Exchange, Resolution

TYPES = ("A", "AAAA", "SRV", "PTR", "CNAME", "TXT", "SOA", "NS", "MX", "HINFO", "ANY")
DNS_ADDRESS = "10.96.0.10"


# The machine outside the cluster: where a pod is asked for, its name stands for a program there.
OUTSIDE = "internet"


def _place(cluster: Any, pod: str) -> tuple[str, str]:
    """A pod's full name and its node; the machine outside has no pods."""
    if pod == OUTSIDE:
        return "", OUTSIDE
    namespace, name, node = cluster.whereabouts(pod)
    return f"{namespace}/{name}", node


def _run(cluster: Any, node: str, verb: str, pod: str, *args: Any) -> Any:
    with cluster.lock:
        token = cluster.new_token()
        cluster.act(f"tools/{node}", verb, "you", token, pod, "", EMPTY, *args)
        return cluster.await_answer(token)


def curl(cluster: Any, pod: str, url: str) -> Exchange:
    """`curl URL` in a pod (`default/client`), or outside the cluster (`internet`)."""
    where, node = _place(cluster, pod)
    result: Exchange = _run(cluster, node, "curl", where, url)
    return result


def connect(cluster: Any, pod: str, host: str, port: int, protocol: str = "TCP") -> Exchange:
    """A bare connection (TCP) or datagram (UDP) from a pod."""
    protocol = protocol.upper()
    if protocol not in ("TCP", "UDP", "SCTP"):
        raise ValueError(f"protocol {protocol!r}: there are TCP, UDP and SCTP")
    if not 0 < int(port) < 65536:
        raise ValueError(f"port {port}: ports are 1 to 65535")
    where, node = _place(cluster, pod)
    result: Exchange = _run(cluster, node, "connect", where, host, int(port), protocol)
    return result


class Names:
    """`c.dns`: names as a pod's resolver looks them up, and DNS on the wire."""

    def __init__(self, cluster: Any) -> None:
        self._cluster = cluster

    def resolve(self, name: str, type: str = "A", pod: str = "default/client") -> Resolution:
        """Looks a name up from inside a pod, along its search path."""
        wanted = type.upper()
        if wanted not in TYPES:
            raise ValueError(f"type {type!r} is no DNS type; known are {', '.join(TYPES)}")
        where, node = _place(self._cluster, pod)
        result: Resolution = _run(self._cluster, node, "resolve", where, name, wanted)
        return result

    def query(self, wire: bytes, protocol: str = "UDP") -> bytes:
        """A DNS message to the cluster's DNS address, from the first node; its answer.

        Raises TimeoutError where no DNS pod answers.
        """
        components = self._cluster.world.components
        node = next((n[8:] for n in components if n.startswith("kubelet/")), None)
        if node is None:
            raise TimeoutError("there is no node from which DNS could be asked")
        result: Exchange = _run(
            self._cluster, node, "connect", "", DNS_ADDRESS, 53, protocol, bytes(wire)
        )
        if not isinstance(result.payload, bytes):
            raise TimeoutError(f"the cluster's DNS does not answer: {result.error}")
        return result.payload
