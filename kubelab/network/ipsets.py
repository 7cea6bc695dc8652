"""Sets of addresses and ports that rules ask for: ipset, as kube-proxy's ipvs mode uses it.

A rule of iptables names a set and which ends of the packet are looked up in it: `dst,dst` is the
destination's address and port, `dst,dst,src` the source's address besides. So the number of rules
stays the same however many services there are. Entries belong to the service port that wanted
them; one that two ports want goes when both have let it go.

In Kubernetes: pkg/proxy/ipvs/ipset; the sets themselves are Linux' ip_set modules.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kubelab.network.addresses import contains

if TYPE_CHECKING:
    from kubelab.network.packet import Packet

PORTS = "bitmap:port"
NETS = "hash:ip,port,net"


class IpSet:
    """One set: its type, and its entries as `ipset list` prints them with their owners."""

    def __init__(self, type_: str, family: str = "inet") -> None:
        self.type = type_
        self.family = family
        self.entries: dict[str, dict[str, None]] = {}

    def add(self, entry: str, owner: str) -> None:
        """A service port wants an entry."""
        self.entries.setdefault(entry, {})[owner] = None

    def drop(self, entry: str, owner: str) -> None:
        """A service port no longer wants an entry."""
        owners = self.entries.get(entry)
        if owners is not None:
            owners.pop(owner, None)
            if not owners:
                del self.entries[entry]

    def matches(self, packet: Packet, ends: str) -> bool:
        """Whether a packet's ends (`dst,dst`) are in the set."""
        if self.type == PORTS:
            return str(packet.destination_port) in self.entries
        if self.type == "hash:ip":
            # An echo request to a virtual address is answered: it is an address of the machine.
            return packet.destination in self.entries and packet.protocol != "ICMP"
        key = f"{packet.destination},{packet.protocol.lower()}:{packet.destination_port}"
        if not ends.endswith("src"):
            return key in self.entries
        if self.type != NETS:
            return f"{key},{packet.source}" in self.entries
        begin = f"{key},"
        return any(
            entry.startswith(begin) and contains(entry.removeprefix(begin), packet.source)
            for entry in self.entries
        )

    def header(self) -> str:
        """The options with which the set was made."""
        if self.type == PORTS:
            return "range 0-65535"
        return f"family {self.family} hashsize 1024 maxelem 65536"


class IpSets:
    """All sets of a machine, by name."""

    def __init__(self) -> None:
        self.sets: dict[str, IpSet] = {}

    def matches(self, question: str, packet: Packet) -> bool:
        """The answer to a rule's `KUBE-CLUSTER-IP dst,dst`."""
        name, _, ends = question.partition(" ")
        found = self.sets.get(name)
        return found is not None and found.matches(packet, ends)

    def save(self) -> str:
        """The sets as `ipset save` prints them."""
        lines = []
        for name in sorted(self.sets):
            held = self.sets[name]
            lines.append(f"create {name} {held.type} {held.header()}")
            lines += [f"add {name} {entry}" for entry in sorted(held.entries)]
        return "".join(f"{line}\n" for line in lines)

    def list(self, wanted: str = "") -> str:
        """The sets as `ipset list` prints them, one or all."""
        blocks = []
        for name in sorted(self.sets):
            if wanted and name != wanted:
                continue
            held = self.sets[name]
            head = (
                f"Name: {name}\nType: {held.type}\nRevision: 5\nHeader: {held.header()}\n"
                f"Size in memory: {200 + 64 * len(held.entries)}\nReferences: 1\n"
                f"Number of entries: {len(held.entries)}\nMembers:\n"
            )
            blocks.append(head + "".join(f"{entry}\n" for entry in sorted(held.entries)))
        return "\n".join(blocks)
