"""IPVS: Linux' own load balancer, which kube-proxy's ipvs mode fills.

A virtual server is an address and port; behind it are real servers with weights. A packet for a
virtual server is given to the next real server in turn (`rr`), or to the one that its source hashes
to (`sh`); with persistence a client comes back to the same one until its time is over. A real
server with weight 0 gets no new clients; those that are connected stay.

What must hold: a virtual address is the machine's own (it is on the device kube-ipvs0), or else its
packets would be sent on and never come here.

In Kubernetes: Linux' net/netfilter/ipvs, filled by pkg/proxy/ipvs. Left out: schedulers that look
at how many connections there are (lc, wlc, sed, nq count as rr).
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from typing import NamedTuple

from kubelab.network.addresses import number_of, text_of
from kubelab.sim.kernel import SECOND

DEVICE = "kube-ipvs0"
HASHED = ("sh", "mh", "dh")

# Protocol, address and port of a virtual server.
Key = tuple[str, str, int]


class RealServer(NamedTuple):
    """One server behind a virtual one."""

    address: str
    port: int
    weight: int = 1

    def text(self) -> str:
        """`address:port`."""
        return text_of(self.address, self.port)


class VirtualServer(NamedTuple):
    """A virtual server; `persistent_seconds` is 0 without persistence."""

    key: Key
    scheduler: str = "rr"
    persistent_seconds: int = 0
    reals: tuple[RealServer, ...] = ()


class Ipvs:
    """The virtual servers of a machine."""

    def __init__(self) -> None:
        self.servers: dict[Key, VirtualServer] = {}
        # Whose turn it was last, by virtual server.
        self.turns: dict[Key, int] = {}
        # Which client stays with which real server, and since when.
        self.templates: dict[tuple[Key, str], tuple[RealServer, int]] = {}

    def schedule(self, key: Key, client: str, port: int, now_ns: int) -> RealServer | None:
        """The real server for a new connection; None where there is no server, or none to give."""
        server = self.servers.get(key)
        if server is None:
            return None
        able = [real for real in server.reals if real.weight]
        if not able:
            return None
        if server.persistent_seconds:
            held = self.templates.get((key, client))
            if held is not None and held[1] + server.persistent_seconds * SECOND > now_ns:
                for real in able:
                    if real[:2] == held[0][:2]:
                        self.templates[key, client] = (real, now_ns)
                        return real
        if server.scheduler in HASHED:
            source = client if server.scheduler != "mh" else f"{client}:{port}"
            chosen = able[zlib.crc32(source.encode()) % len(able)]
        else:
            turn = self.turns.get(key, -1) + 1
            chosen = able[turn % len(able)]
            self.turns[key] = turn % len(able)
        if server.persistent_seconds:
            self.templates[key, client] = (chosen, now_ns)
        return chosen

    def remove(self, key: Key) -> None:
        """A virtual server is gone, with what was remembered of its clients."""
        self.servers.pop(key, None)
        self.turns.pop(key, None)
        for held in [held for held in self.templates if held[0] == key]:
            del self.templates[held]

    def list(self, inactive: Callable[[str, str, int], int]) -> str:
        """What `ipvsadm -Ln` prints; `inactive` counts the connections to a real server."""
        lines = [
            "IP Virtual Server version 1.2.1 (size=4096)",
            "Prot LocalAddress:Port Scheduler Flags",
            "  -> RemoteAddress:Port           Forward Weight ActiveConn InActConn",
        ]
        for key in sorted(self.servers, key=_order):
            server = self.servers[key]
            flags = f" persistent {server.persistent_seconds}" if server.persistent_seconds else ""
            lines.append(f"{key[0]:<4} {text_of(key[1], key[2])} {server.scheduler}{flags}")
            for real in sorted(server.reals, key=_real_order):
                count = inactive(key[0], real.address, real.port)
                lines.append(
                    f"  -> {real.text():<28} {'Masq':<7} {real.weight:<6} {0:<10} {count:<10}"
                )
        return "\n".join(lines) + "\n"


PROTOCOLS = ("TCP", "UDP", "SCTP")


def _order(key: Key) -> tuple[int, int, int, int]:
    return (number_of(key[1])[0], PROTOCOLS.index(key[0]), _signed(key[1]), key[2])


def _real_order(real: RealServer) -> tuple[int, int]:
    return (_signed(real.address), real.port)


def _signed(address: str) -> int:
    """ipvsadm compares IPv4 addresses as signed numbers, so 192.168.0.1 comes before 10.0.0.1."""
    version, number = number_of(address)
    return number - (1 << 32) if version == 4 and number >= 1 << 31 else number
