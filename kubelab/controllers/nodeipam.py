"""The node IPAM controller: a range of pod addresses for each node.

Each new node gets the first free /24 of the cluster's pod range in `spec.podCIDR`, and if it has an
IPv6 address a /64 besides (`spec.podCIDRs`); when the node is
deleted its range is free again. What is taken follows from the nodes themselves, so that nothing is
lost in a restart. The first /24 stays free: it is the control plane's own machine's, which runs the
kubelets of no pods here.

In Kubernetes: pkg/controller/nodeipam/ipam/range_allocator.go; there the families are flags.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address

from kubelab.api.objects import NOTHING, Obj, get, key_of, name_of
from kubelab.client.controller import Controller

# First address and number of /24 blocks of each range: 10.244.0.0 to 10.255.255.255, and for
# clusters of more than 3,071 nodes the shared address space of RFC 6598.
RANGES = ((int(IPv4Address("10.244.0.0")), 12 * 256), (int(IPv4Address("100.64.0.0")), 64 * 256))
BLOCKS = sum(count for _, count in RANGES)


def block(index: int) -> str:
    """The /24 of an index."""
    for first, count in RANGES:
        if index < count:
            return f"{IPv4Address(first + index * 256)}/24"
        index -= count
    raise IndexError("no such block")


# The second family's range is a /48.
FIRST_IPV6 = int(IPv6Address("fd00:10:244::"))


def block_ipv6(index: int) -> str:
    """The /64 of an index."""
    return f"{IPv6Address(FIRST_IPV6 + (index << 64))}/64"


def has_ipv6(node: Obj) -> bool:
    """Whether a node has an address of the second family."""
    rows = get(node, "status", "addresses", default=NOTHING)
    return any(":" in row["address"] for row in rows if row["type"] == "InternalIP")


class NodeIPAMController(Controller):
    """Gives every node its podCIDR."""

    name = "nodeipam"

    def begin(self) -> None:
        self.taken: dict[str, str] = {}
        # No block below this index is free.
        self.lowest = 1
        self.nodes = self.watch("v1/Node", "on_node")

    def event_source(self) -> str:
        return "cidrAllocator"

    def on_node(self, old: Obj | None, new: Obj | None) -> None:
        """A node has come, changed or gone."""
        if new is None:
            assert old is not None
            if self.taken.pop(get(old, "spec", "podCIDR", default=""), None) is not None:
                self.lowest = 1
            return
        cidr = get(new, "spec", "podCIDR")
        if cidr:
            self.taken[cidr] = name_of(new)
        else:
            self.enqueue(key_of(new))

    def sync(self, key: str) -> None:
        """Gives a node without a range the first free one."""
        node = self.nodes.get(key)
        if node is None or get(node, "spec", "podCIDR"):
            return
        while self.lowest < BLOCKS and block(self.lowest) in self.taken:
            self.lowest += 1
        if self.lowest == BLOCKS:
            text = f"Node {key} status is now: CIDRNotAvailable"
            self.recorder.event(node, "Normal", "CIDRNotAvailable", text)
            self.note(wish=1, seen=0, act="no range is free")
            return
        cidr = block(self.lowest)
        self.taken[cidr] = key
        self.note(wish=1, seen=0, act=f"assign {cidr}", cidr=cidr)
        cidrs = [cidr, block_ipv6(self.lowest)] if has_ipv6(node) else [cidr]
        patch = {"spec": {"podCIDR": cidr, "podCIDRs": cidrs}}
        self.patch("v1/Node", "", key, patch)
