"""The addresses of a machine: its own, those of its pods, and the ports that it lends to pods.

A machine has an address of each family that the cluster uses, the first one is its main address;
so has each pod. What comes in for a pod's second address reaches the same programs: they listen on
all addresses of the pod. A host port is a rule that turns a port of the machine into one of a pod.

In Kubernetes: the CNI plugins host-local (addresses), bridge or ptp, and portmap (host ports).
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, NamedTuple

from kubelab.network import addresses
from kubelab.network.addresses import version_of
from kubelab.network.fabric import FABRIC
from kubelab.network.nat import CNI_MARKED, CNI_SET_MARK, Rule, Rules, Tables

if TYPE_CHECKING:
    from kubelab.network.kernel import Listener, Socket

HOSTPORT, SETMARK, MASQ = "CNI-HOSTPORT-DNAT", "CNI-HOSTPORT-SETMARK", "CNI-HOSTPORT-MASQ"
NETWORK = "kindnet"
LOCALHOST = {4: "127.0.0.0/8", 6: "::1/128"}


class HostPort(NamedTuple):
    """A port of the machine that leads to a port of a pod; `host_ip` is empty for all addresses."""

    protocol: str
    port: int
    container_port: int
    host_ip: str = ""


class Interfaces:
    """The part of a `Kernel` that knows addresses."""

    name: str
    # These are the component's own (see kubelab/sim/kernel.py) and the kernel's.
    send: Any
    cancel: Any
    listeners: dict[tuple[str, str, int], Listener]
    sockets: dict[int, Socket]
    last_offset: int

    def reset_addresses(self) -> None:
        """None but what the kubelet and the CNI plugin give it."""
        self.node_ips: dict[int, str] = {}
        self.cidrs: dict[int, str] = {}
        self.gateways: dict[int, str] = {}
        self.own: dict[str, None] = {}
        # The virtual addresses on the device of IPVS: our own, but nobody outside knows of them.
        self.virtual: dict[str, None] = {}
        self.sandboxes: dict[str, str] = {}
        self.pods: dict[str, str] = {}
        # Of a pod with two addresses: each one's other.
        self.twins: dict[str, str] = {}
        self.tables = Tables()
        self.tables6 = Tables()

    @property
    def node_ip(self) -> str:
        """The machine's main address."""
        return next(iter(self.node_ips.values()), "")

    @property
    def pod_cidr(self) -> str:
        """The main network of the machine's pods."""
        return next(iter(self.cidrs.values()), "")

    @property
    def gateway(self) -> str:
        """The address of the bridge in the main network of the pods."""
        return next(iter(self.gateways.values()), "")

    def tables_for(self, address: str) -> Tables:
        """The rules for packets to an address: those of its family."""
        return self.tables6 if ":" in address else self.tables

    def configure(
        self, node_ip: str, pod_cidr: str = "", second_ip: str = "", second_cidr: str = ""
    ) -> None:
        """The machine's own addresses, and the networks from which its pods get theirs.

        Without a network the present one stays: a kubelet that starts again may not know it yet.
        """
        for address, cidr in ((node_ip, pod_cidr), (second_ip, second_cidr)):
            if not address:
                continue
            version = version_of(address)
            self.node_ips[version] = address
            if cidr:
                self.cidrs[version] = cidr
                self.gateways[version] = addresses.host(cidr, 1)
            mine = (address, self.gateways.get(version, ""))
            self.own.update(dict.fromkeys(own for own in mine if own))
            self.send(FABRIC, "announce", self.name, address, self.cidrs.get(version, ""))

    def add_address(self, address: str) -> None:
        """One more address of the machine's own."""
        self.own[address] = None
        self.send(FABRIC, "announce", self.name, address, "")

    def kubelet_chains(self) -> None:
        """The chains that a kubelet makes when it starts."""
        self.tables.kubelet(LOCALHOST[4])
        self.tables6.kubelet(LOCALHOST[6])

    def attach(
        self,
        sandbox_id: str,
        host_network: bool = False,
        pod: str = "",
        ports: tuple[HostPort, ...] = (),
    ) -> str:
        """Gives a sandbox its address (the node's own with `host_network`); CNI ADD.

        `pod` is `namespace/name`, kept so that an answer can name who gave it. Raises LookupError
        when the node has no pod network yet, or no free address.
        """
        known = self.sandboxes.get(sandbox_id)
        if known is not None:
            return known
        if host_network:
            self.sandboxes[sandbox_id] = self.node_ip
            return self.node_ip
        if not self.pod_cidr:
            raise LookupError("cni plugin not initialized")
        first, self.last_offset = addresses.next_free(self.pod_cidr, self.pods, self.last_offset)
        self.pods[first] = pod or sandbox_id
        for cidr in list(self.cidrs.values())[1:]:
            second, _ = addresses.next_free(cidr, self.pods, self.last_offset - 1)
            self.pods[second] = pod or sandbox_id
            self.twins[first], self.twins[second] = second, first
        self.sandboxes[sandbox_id] = first
        if ports:
            self._lend(sandbox_id, first, ports)
        return first

    def more_addresses(self, address: str) -> tuple[str, ...]:
        """The further addresses of a pod, or of the machine itself, that has this one."""
        if address == self.node_ip:
            return tuple(list(self.node_ips.values())[1:])
        twin = self.twins.get(address)
        return (twin,) if twin else ()

    def detach(self, sandbox_id: str) -> None:
        """Takes a sandbox's address back, with everything that was open on it; CNI DEL."""
        address = self.sandboxes.pop(sandbox_id, None)
        if address is None or address == self.node_ip:
            return
        self._take_back(sandbox_id)
        twin = self.twins.pop(address, "")
        self.twins.pop(twin, None)
        for gone in (address, twin):
            self.pods.pop(gone, None)
        for key in [key for key in self.listeners if key[0] in (address, twin)]:
            del self.listeners[key]
        for number in [n for n, held in self.sockets.items() if held.address in (address, twin)]:
            self.cancel(self.sockets.pop(number).timer)

    def is_own(self, address: str) -> bool:
        """Whether an address is the machine's own (not a pod's)."""
        return address in self.own or address in self.virtual or address.startswith("127.")

    def source_to(self, source: str, destination: str) -> str:
        """The source for a connection: of the destination's family; empty if there is none."""
        if version_of(source) == version_of(destination):
            return source
        if source in self.pods:
            return self.twins.get(source, "")
        return self.node_ips.get(version_of(destination), "")

    # Host ports.

    def _lend(self, sandbox_id: str, address: str, ports: tuple[HostPort, ...]) -> None:
        """Rules that lead ports of the machine to a pod."""
        twin = self.twins.get(address, "")
        chain = chain_name(sandbox_id)
        for inside in (address, twin):
            if not inside:
                continue
            version = version_of(inside)
            tables, cidr = self.tables_for(inside), self.cidrs[version]
            nat = tables.nat
            if HOSTPORT not in nat:
                nat[HOSTPORT] = ()
                mark = Rule("MARK", "CNI portfwd masquerade mark", to=CNI_SET_MARK)
                nat[SETMARK] = (mark,)
                nat[MASQ] = (Rule("MASQUERADE", mark=CNI_MARKED),)
                local = Rule(HOSTPORT, destination_local=True)
                for hook in ("PREROUTING", "OUTPUT"):
                    nat[hook] = (*nat.get(hook, ()), local)
                last = Rule(MASQ, "CNI portfwd requiring masquerade")
                nat["POSTROUTING"] = (*nat.get("POSTROUTING", ()), last)
            rules = tuple(port for port in ports if _is_for(port, version))
            nat[chain] = tuple(
                rule for port in rules for rule in _forwarding(port, inside, cidr, version)
            )
            what = f'dnat name: "{NETWORK}" id: "{sandbox_id}"'
            jumps = tuple(
                Rule(chain, what, protocol=port.protocol.lower(), port=port.port, multiport=True)
                for port in rules
            )
            nat[HOSTPORT] = (*nat[HOSTPORT], *jumps)

    def _take_back(self, sandbox_id: str) -> None:
        chain = chain_name(sandbox_id)
        for tables in (self.tables, self.tables6):
            if tables.nat.pop(chain, None) is not None:
                left = tuple(rule for rule in tables.nat[HOSTPORT] if rule.target != chain)
                tables.nat[HOSTPORT] = left


def chain_name(sandbox_id: str) -> str:
    """The chain of a sandbox's host ports."""
    digest = hashlib.sha512((NETWORK + sandbox_id).encode()).hexdigest()
    return f"CNI-DN-{digest}"[:28]


def _is_for(port: HostPort, version: int) -> bool:
    """Whether a host port's address is of a family; without an address it is for all."""
    everywhere = port.host_ip in ("", "0.0.0.0", "::")
    return version_of(port.host_ip) == version if not everywhere else True


def _forwarding(port: HostPort, inside: str, cidr: str, version: int) -> Rules:
    """The rules of one host port: who needs a masquerade, and where it leads."""
    host = "" if port.host_ip in ("", "0.0.0.0", "::") else addresses.single(port.host_ip)
    to = Rule(
        "DNAT", protocol=port.protocol.lower(), port=port.port, destination=host,
        to=f"--to-destination {addresses.text_of(inside, port.container_port)}",
    )  # fmt: skip
    mark = to._replace(target=SETMARK, to="", source=cidr)
    if version == 6:
        return (mark, to)
    return (mark, mark._replace(source="127.0.0.1/32"), to)
