"""A packet on its way through the rules of one machine's hooks.

At each hook iptables' chains and nftables' base chains are gone through in the order of their
priorities; a machine usually has only one kind from kube-proxy. Every rule that matches becomes a
hop in the packet's record; chance is the kernel's own stream.

In Kubernetes: Linux netfilter (ip_tables, nf_tables, ip_vs); the rules are pkg/proxy's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kubelab.network import addresses, nftwalk
from kubelab.network.addresses import version_of
from kubelab.network.nat import CLEAR_MARK, Portal, Rule, mark_and_mask
from kubelab.network.payloads import Hop
from kubelab.sim.kernel import SECOND

if TYPE_CHECKING:
    from kubelab.network.kernel import Kernel
    from kubelab.network.packet import Packet

FINAL = ("DROP", "REJECT")


class Walk:
    """A packet on its way through one machine."""

    def __init__(self, kernel: Kernel, packet: Packet) -> None:
        self.kernel = kernel
        self.packet = packet

    def hook(self, name: str) -> str:
        """PREROUTING, OUTPUT or POSTROUTING: where addresses change. DROP, REJECT, or nothing."""
        verdict = nftwalk.run_hook(self, f"{name.lower()}-pre-dnat")
        if verdict:
            return verdict
        verdict = self.run("nat", name)
        if verdict in FINAL:
            return verdict
        return nftwalk.run_hook(self, name.lower())

    def filter(self, name: str) -> str:
        """INPUT, FORWARD or OUTPUT: what may pass. DROP, REJECT, or nothing."""
        verdict = self.run("filter", name)
        if verdict in FINAL:
            return verdict
        return nftwalk.run_hook(self, f"filter-{name.lower()}")

    def balance(self) -> str:
        """Hands the packet to a real server, if it is for a virtual server of IPVS.

        `BALANCED` if it was, `REJECT` where the virtual server has nobody, nothing if it is none.
        """
        kernel, packet = self.kernel, self.packet
        key = (packet.protocol, packet.destination, packet.destination_port)
        server = kernel.ipvs.servers.get(key)
        if server is None:
            return ""
        words = f"{packet.protocol} {addresses.text_of(*key[1:])} {server.scheduler}"
        real = kernel.ipvs.schedule(key, packet.source, packet.source_port, kernel.now)
        if real is None:
            self.hop("IPVS", f"{words} has no real server", "REJECT", packet)
            return "REJECT"
        after = packet._replace(destination=real.address, destination_port=real.port)
        able = sum(bool(item.weight) for item in server.reals)
        self.hop("IPVS", f"{words} -> {real.text()}", "Masq", after, None, 0, able)
        return "BALANCED"

    def hop(
        self,
        chain: str,
        rule: str,
        target: str,
        after: Packet,
        probability: float | None = None,
        number: int = 0,
        of: int = 0,
    ) -> None:
        """Writes a rule that matched into the packet's record; `after` is what it has become."""
        before = self.packet.ends()
        hop = Hop(
            self.kernel.node, chain, rule, target, before, after.ends(), probability, number, of
        )
        self.packet = after._replace(hops=(*self.packet.hops, hop))

    # iptables.

    def run(self, table: str, chain: str) -> str:
        """Walks a chain of a table; `RETURN` when no rule of it decided."""
        packet = self.packet
        chains = self.kernel.tables_for(packet.destination).table(table)
        rules = chains.get(chain, ())
        of = len(rules)
        if isinstance(rules, Portal):
            protocol = packet.protocol.lower()
            rules = rules.candidates(packet.destination, protocol, packet.destination_port)
        for number, rule in enumerate(rules, 1):
            if not self.matches(rule):
                continue
            verdict = self.act(table, chain, rule, number if of == len(rules) else 0, of)
            if verdict:
                return verdict
        return "RETURN"

    def matches(self, rule: Rule) -> bool:
        """Whether a rule's questions are all answered with yes; the chance is asked last."""
        packet, kernel = self.packet, self.kernel
        if rule.destination and not addresses.contains(rule.destination, packet.destination):
            return False
        if rule.protocol and rule.protocol != packet.protocol.lower():
            return False
        if rule.port and rule.port != packet.destination_port:
            return False
        if rule.source and addresses.contains(rule.source, packet.source) is rule.not_source:
            return False
        if rule.source_local and not kernel.is_own(packet.source):
            return False
        if rule.destination_local and not kernel.is_own(packet.destination):
            return False
        if rule.in_set and not kernel.ipsets.matches(rule.in_set, packet):
            return False
        if rule.off_machine and (packet.source in kernel.pods or kernel.is_own(packet.source)):
            return False
        if rule.mark:
            wanted, mask = mark_and_mask(rule.mark)
            if (packet.mark & mask == wanted) is rule.mark.startswith("!"):
                return False
        if rule.ctstate and not self._in_state(rule.ctstate):
            return False
        if rule.recent_seconds:
            seen = kernel.recent.get((rule.recent, packet.source))
            if seen is None or seen + rule.recent_seconds * SECOND <= kernel.now:
                return False
        return not rule.one_in or kernel.chance.random() * rule.one_in < 1

    def _in_state(self, states: str) -> bool:
        """Only first packets of a connection come here; DNAT may have been done to them."""
        turned, _, names = states.rpartition(" ")
        listed = names.split(",")
        changed = any(hop.target in ("DNAT", "Masq", "dnat") for hop in self.packet.hops)
        return ("NEW" in listed or ("DNAT" in listed and changed)) is not bool(turned)

    def act(self, table: str, chain: str, rule: Rule, number: int, of: int) -> str:
        """Does what a rule that matched says; the verdict, or the empty string to go on."""
        kernel, before, target = self.kernel, self.packet, rule.target
        after = before
        if rule.recent and not rule.recent_seconds:
            kernel.recent[rule.recent, before.source] = kernel.now
        if target == "RETURN":
            return target
        if target == "DNAT":
            host, _, port = rule.to.removeprefix("--to-destination ").rpartition(":")
            after = before._replace(destination=host.strip("[]"), destination_port=int(port))
        elif target == "MARK":
            value, mask = mark_and_mask(rule.to)
            after = before._replace(mark=before.mark & ~mask ^ value)
        elif target == "MASQUERADE":
            after = self.masqueraded()
        shown = chain.startswith(("KUBE-", "CNI-"))
        if shown and not (target == "MARK" and rule.to == CLEAR_MARK):
            self.hop(chain, rule.text(), target, after, rule.probability, number, of)
        else:
            self.packet = after
        if target in ("ACCEPT", *FINAL):
            return target
        if target in ("DNAT", "MASQUERADE"):
            return "ACCEPT"
        if target in ("MARK", ""):
            return ""
        verdict = self.run(table, target)
        return "" if verdict == "RETURN" else verdict

    def masqueraded(self) -> Packet:
        """The packet with an address of ours as its source, so that the answer comes here."""
        kernel, packet = self.kernel, self.packet
        version = version_of(packet.destination)
        inside = packet.destination in kernel.pods
        source = (kernel.gateways if inside else kernel.node_ips).get(version, packet.source)
        return packet._replace(source=source, source_port=kernel.next_port())
