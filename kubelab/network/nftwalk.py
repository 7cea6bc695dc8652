"""A packet's way through kube-proxy's table of nftables.

Each hook has base chains, in the order of their priorities: first what must see the address before
it is translated (`-pre-dnat`), then the translation, then the filter. A `goto` does not come back
to the chain that said it; a `jump` does.

In Kubernetes: Linux' nf_tables; the chains are pkg/proxy/nftables'.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kubelab.network import addresses
from kubelab.network.nftables import MARK, Element, Statement, Table
from kubelab.sim.kernel import SECOND

if TYPE_CHECKING:
    from kubelab.network.walk import Walk

# The base chains of each part of a packet's way.
HOOKS = {
    "prerouting-pre-dnat": ("filter-prerouting-pre-dnat",),
    "output-pre-dnat": ("filter-output-pre-dnat",),
    "postrouting-pre-dnat": (),
    "prerouting": ("nat-prerouting",),
    "output": ("nat-output",),
    "postrouting": ("nat-postrouting",),
    "filter-input": ("filter-input",),
    "filter-forward": ("filter-forward",),
    "filter-output": ("filter-output",),
}
VERDICTS = {"drop": "DROP", "reject": "REJECT"}
# The packet has been decided about; no further rule of this base chain is asked.
DONE = "DONE"


def run_hook(walk: Walk, hook: str) -> str:
    """Runs the base chains of a hook: `DROP`, `REJECT`, or the empty string to go on."""
    family = "ip6" if ":" in walk.packet.destination else "ip"
    table = walk.kernel.nft.get(family)
    if table is None:
        return ""
    for chain in HOOKS[hook]:
        verdict = _run(walk, table, chain)
        if verdict in ("DROP", "REJECT"):
            return verdict
    return ""


def _run(walk: Walk, table: Table, chain: str) -> str:
    rules = table.chains.get(chain, ())
    for number, rule in enumerate(rules, 1):
        if not _matches(walk, table, rule):
            continue
        verdict = _act(walk, table, chain, rule, number, len(rules))
        if verdict == "RETURN":
            return ""
        if verdict:
            return verdict
    return ""


def _matches(walk: Walk, table: Table, rule: Statement) -> bool:
    packet, kernel = walk.packet, walk.kernel
    if rule.translated and not any(hop.target == "dnat" for hop in packet.hops):
        return False
    if rule.marked and not packet.mark & MARK:
        return False
    protocol, port = packet.protocol.lower(), packet.destination_port
    if rule.hairpin:
        key = f"{packet.source} . {packet.destination} . {protocol} . {port}"
        if key not in table.containers["hairpin-connections"].elements:
            return False
    if rule.destination_set:
        if packet.destination not in table.containers[rule.destination_set].elements:
            return False
    if rule.destination and not addresses.contains(rule.destination, packet.destination):
        return False
    if rule.source:
        inside = any(addresses.contains(cidr, packet.source) for cidr in rule.source)
        if inside is rule.not_source:
            return False
    if rule.source_set and not _remembers(walk, table, rule.source_set):
        return False
    if rule.source_local and not kernel.is_own(packet.source):
        return False
    return not rule.protocol or rule.protocol == protocol


def _remembers(walk: Walk, table: Table, name: str) -> bool:
    """Whether a client was sent to an endpoint not too long ago."""
    held = table.containers.get(name)
    since = held.seen.get(walk.packet.source) if held is not None else None
    if held is None or since is None:
        return False
    return since + held.timeout_seconds * SECOND > walk.kernel.now


def _act(walk: Walk, table: Table, chain: str, rule: Statement, number: int, of: int) -> str:
    packet, kernel, text = walk.packet, walk.kernel, rule.text(table.family)
    verb = rule.verb
    if verb == "lookup":
        return _look_up(walk, table, chain, rule, text)
    after, chance = packet, None
    target = verb
    to = rule.to
    if verb in ("choose", "spread"):
        chance = 1 / len(rule.choices)
        to = rule.choices[kernel.chance.below(len(rule.choices))]
        text = f"{text} -> {to.replace(' . ', ':')}"
        target = "dnat" if verb == "choose" else "goto"
    if target == "dnat":
        host, _, port = to.rpartition(" . " if verb == "choose" else ":")
        after = packet._replace(destination=host.strip("[]"), destination_port=int(port))
    elif verb == "mark":
        after = packet._replace(mark=packet.mark | MARK)
    elif verb == "masquerade":
        after = walk.masqueraded()._replace(mark=packet.mark & ~MARK)
    elif verb == "update":
        table.containers[rule.to].seen[packet.source] = kernel.now
    # A jump from a base chain says nothing that the rule there does not say.
    if verb != "jump":
        walk.hop(chain, text, target, after, chance, number, of)
    if target in ("jump", "goto"):
        verdict = _run(walk, table, to)
        return verdict or ("" if target == "jump" else "RETURN")
    if target in ("dnat", "masquerade"):
        return DONE
    return VERDICTS.get(verb, "")


def _look_up(walk: Walk, table: Table, chain: str, rule: Statement, text: str) -> str:
    """Looks destination, protocol and port up in a verdict map."""
    packet = walk.packet
    key = f"{packet.protocol.lower()} . {packet.destination_port}"
    if not rule.port_only:
        key = f"{packet.destination} . {key}"
    found: Element | None = table.containers[rule.to].elements.get(key)
    if found is None:
        return ""
    verb, _, to = found.verdict.partition(" ")
    walk.hop(chain, f"{text} {{ {found.text(key)} }}", verb, packet)
    if verb == "drop":
        return "DROP"
    return _run(walk, table, to) or "RETURN"
