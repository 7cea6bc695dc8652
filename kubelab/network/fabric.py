"""The wires and switches between the machines: who has which address.

A machine announces its own address and its pods' network; whoever sends a packet looks up which
machine has the destination, by the longest prefix, and sends it there. What a cut link does to it
is the world's business (`sim/links.py`). Addresses of load balancers are nobody's: what is for one
of them goes, as it is, to one of the nodes that answer the balancer's health check.

In Kubernetes: not a part of it. A cloud's router, routes set by a CNI plugin, or ARP in one
network segment do this work; here one table stands for all of them.
"""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, NamedTuple

from kubelab.network import addresses
from kubelab.sim.kernel import Component, Event

if TYPE_CHECKING:
    from kubelab.network.kernel import Kernel

FABRIC = "network"


class Balancer(NamedTuple):
    """A load balancer of the cloud: its nodes and, if they are to be asked, their health port."""

    machines: tuple[str, ...]
    health_port: int = 0


class Fabric(Component):
    """The network between the machines, the component `network`."""

    def __init__(self, name: str = FABRIC) -> None:
        super().__init__(name)
        # A switch's table survives: its power is not that of a node.
        self.hosts: dict[str, str] = {}
        # By prefix length, longest first; then by the network's first address.
        self.networks: dict[int, dict[tuple[int, int], str]] = {}
        self.default = ""
        self.balancers: dict[str, Balancer] = {}

    def announce(self, machine: str, address: str, cidr: str = "") -> None:
        """A machine (`kernel/node-1`) has this address, and this network behind it."""
        self.note(machine=machine, address=address, network=cidr)
        if address:
            self.hosts[address] = machine
        if cidr == "0.0.0.0/0":
            self.default = machine
        elif cidr:
            network = addresses.network_of(cidr)
            table = self.networks.setdefault(network.prefixlen, {})
            table[network.version, int(network.network_address)] = machine
            self.networks = {n: self.networks[n] for n in sorted(self.networks, reverse=True)}

    def withdraw(self, address: str) -> None:
        """Nobody has this address any more."""
        self.hosts.pop(address, None)

    def routes(self, version: int) -> list[tuple[str, str]]:
        """All pods' networks of a family, and the machine that has each."""
        out = []
        for length, table in self.networks.items():
            for (family, number), machine in table.items():
                if family == version:
                    out.append((str(addresses.from_number(family, number, length)), machine))
        return out

    def balance(self, address: str, machines: tuple[str, ...], health_port: int = 0) -> None:
        """The cloud makes a load balancer of an address; without machines it takes it away."""
        self.note(address=address, machines=len(machines), health_port=health_port)
        if machines:
            self.balancers[address] = Balancer(machines, health_port)
        else:
            self.balancers.pop(address, None)

    def lookup(self, address: str, flow: tuple[str, int] = ("", 0)) -> str:
        """The machine that has an address; the empty string if none does.

        A load balancer sends all packets of one `flow` (source and port) to the same machine.
        """
        host = self.hosts.get(address)
        if host is not None:
            return host
        if address in self.balancers:
            return self._healthy(self.balancers[address], flow)
        version, number = addresses.number_of(address)
        bits = 32 if version == 4 else 128
        for length, table in self.networks.items():
            if length <= bits:
                shift = bits - length
                machine = table.get((version, number >> shift << shift))
                if machine is not None:
                    return machine
        return self.default

    def _healthy(self, balancer: Balancer, flow: tuple[str, int]) -> str:
        """One of a balancer's machines that would answer its health check now."""
        able = []
        for machine in balancer.machines:
            kernel: Kernel | None = self.world.components.get(machine)  # type: ignore[assignment]
            if kernel is None or kernel.stopped:
                continue
            if not balancer.health_port or kernel.healthy.get(balancer.health_port, 0):
                able.append(machine)
        if not able:
            return ""
        return able[zlib.crc32(f"{flow[0]}:{flow[1]}".encode()) % len(able)]

    @staticmethod
    def tell(event: Event) -> str:
        detail = event.detail
        if event.verb == "announce":
            behind = f" and the pods of {detail['network']}" if detail.get("network") else ""
            return f"The network learns that {detail['machine']} has {detail['address']}{behind}."
        if event.verb == "balance":
            if not detail.get("machines"):
                return f"The cloud's load balancer at {detail['address']} is gone."
            nodes = f"{detail['machines']} nodes"
            return f"The cloud's load balancer at {detail['address']} sends to {nodes} now."
        if event.verb == "start":
            return "The network between the machines is there."
        return f"The network handles {event.verb} from {event.actor}."
