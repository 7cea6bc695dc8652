"""One packet's way through a machine's rules: read this to see how a service address works.

`traverse` does what netfilter does, hook by hook. A packet of a connection that is known is
translated as its first packet was. Any other goes through the rules of its hooks (`walk.py`):
PREROUTING for what comes in from a pod or another machine, OUTPUT for what the node itself sends;
there a service's address becomes a pod's. Then the filter may drop or reject it; what is for the
machine itself may be for a virtual server of IPVS; POSTROUTING may give it the node's own address
so that the answer comes back here. What was changed is remembered for the answers.

In Kubernetes: Linux netfilter; the rules are pkg/proxy's. Left out: raw and mangle tables, and
connection states beyond new and known.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from kubelab.network import addresses
from kubelab.network.payloads import Hop
from kubelab.network.walk import Walk
from kubelab.sim.kernel import SECOND, Event

if TYPE_CHECKING:
    from kubelab.network.kernel import Kernel

# How long a translation is remembered after its last packet.
# In Linux: nf_conntrack_udp_timeout, ..._udp_timeout_stream, ..._tcp_timeout_time_wait.
UDP_NS = 30 * SECOND
UDP_ANSWERED_NS = 120 * SECOND
TCP_NS = 120 * SECOND

Tuple5 = tuple[str, str, int, str, int]


class Packet(NamedTuple):
    """A packet under way: `kind` is `request`, `reply` or `refused` (a reset or its like).

    `mark` is netfilter's; `server` and `pod` tell in an answer who gave it; `hops` is its record;
    `request` is the sender's number for what it asked, by which it knows the answer again.
    """

    protocol: str
    source: str
    source_port: int
    destination: str
    destination_port: int
    payload: Any = None
    kind: str = "request"
    mark: int = 0
    hops: tuple[Hop, ...] = ()
    server: str = ""
    pod: str = ""
    request: int = 0

    def tuple5(self) -> Tuple5:
        """What names the packet's connection and direction."""
        return (
            self.protocol, self.source, self.source_port, self.destination, self.destination_port,
        )  # fmt: skip

    def ends(self) -> str:
        """Both ends as text."""
        source = addresses.text_of(self.source, self.source_port)
        return f"{source} > {addresses.text_of(self.destination, self.destination_port)}"

    def answer(self, kind: str, payload: Any, pod: str, node: str) -> Packet:
        """The packet that goes back to where this one came from."""
        back = Packet(
            self.protocol, self.destination, self.destination_port, self.source, self.source_port,
            payload, kind, 0, self.hops, self.destination, pod,
            self.request,
        )  # fmt: skip
        word = "answers" if kind == "reply" else "refuses"
        who = pod or self.destination
        hop = Hop(node, "answer", f"{who} {word}", "", self.ends(), back.ends())
        return back._replace(hops=(*self.hops, hop))


class Connection(NamedTuple):
    """A translation that is remembered: the first packet's ends as sent and as they became."""

    original: Tuple5
    translated: Tuple5
    expires_ns: int

    def reply(self) -> Tuple5:
        """The ends of an answer as it arrives here."""
        protocol, source, source_port, destination, destination_port = self.translated
        return (protocol, destination, destination_port, source, source_port)


def traverse(kernel: Kernel, packet: Packet, *, local: bool) -> tuple[Packet, str]:
    """The packet after this machine's rules, and `ACCEPT`, `DROP` or `REJECT`."""
    known = kernel.connections.get(packet.tuple5())
    if known is not None and known.expires_ns > kernel.now:
        return _translate_as_before(kernel, packet, known), "ACCEPT"
    if packet.kind != "request":
        return packet, "ACCEPT"
    walk = Walk(kernel, packet)
    from_here = local and kernel.is_own(packet.source)
    verdict = walk.hook("OUTPUT" if from_here else "PREROUTING")
    balanced, inward = "", kernel.is_own(walk.packet.destination)
    if not verdict and from_here:
        balanced = walk.balance()
        verdict = walk.filter("OUTPUT")
    elif not verdict:
        verdict = walk.filter("INPUT" if inward else "FORWARD")
        balanced = walk.balance() if inward and not verdict else ""
    if verdict or balanced == "REJECT":
        return walk.packet, verdict or balanced
    if not _permitted(kernel, walk):
        return walk.packet, "DROP"
    if from_here or balanced or not inward:
        walk.hook("POSTROUTING")
    _remember(kernel, packet, walk.packet)
    return walk.packet, "ACCEPT"


def _permitted(kernel: Kernel, walk: Walk) -> bool:
    """Whether the policies let a packet leave a pod of ours, and come to one."""
    policies, packet = kernel.policies, walk.packet
    if not policies.policies or packet.source == packet.destination:
        return True
    where = (packet.source, packet.destination, packet.destination_port, packet.protocol)
    verdicts = []
    if packet.source in kernel.pods:
        verdicts.append(policies.leaving(*where))
    if packet.destination in kernel.pods and not kernel.is_own(packet.source):
        verdicts.append(policies.arriving(*where))
    for verdict in verdicts:
        if verdict.words:
            ends, target = packet.ends(), "ACCEPT" if verdict.allowed else "DROP"
            hop = Hop(kernel.node, "NetworkPolicy", verdict.words, target, ends, ends)
            walk.packet = walk.packet._replace(hops=(*walk.packet.hops, hop))
        if not verdict.allowed:
            return False
    return True


def _remember(kernel: Kernel, before: Packet, after: Packet) -> None:
    if before[1:5] == after[1:5]:
        return
    lifetime = UDP_NS if before.protocol == "UDP" else TCP_NS
    known = Connection(before.tuple5(), after.tuple5(), kernel.now + lifetime)
    _purge(kernel)
    kernel.connections[known.original] = known
    kernel.connections[known.reply()] = known


def _purge(kernel: Kernel) -> None:
    """Drops the oldest entries that are over; each new one pays for two old ones."""
    for _ in range(2):
        if not kernel.connections:
            return
        oldest = next(iter(kernel.connections))
        if kernel.connections[oldest].expires_ns > kernel.now:
            return
        del kernel.connections[oldest]


def _translate_as_before(kernel: Kernel, packet: Packet, known: Connection) -> Packet:
    forward = packet.tuple5() == known.original
    if forward:
        _, source, source_port, destination, destination_port = known.translated
    else:
        _, destination, destination_port, source, source_port = known.original
    after = packet._replace(
        source=source, source_port=source_port, destination=destination,
        destination_port=destination_port,
    )  # fmt: skip
    lifetime = TCP_NS if packet.protocol != "UDP" else UDP_NS if forward else UDP_ANSWERED_NS
    kept = known._replace(expires_ns=kernel.now + lifetime)
    kernel.connections[known.original] = kept
    kernel.connections[known.reply()] = kept
    what = "known connection" if forward else "answer of a known connection"
    hop = Hop(kernel.node, "conntrack", what, "", packet.ends(), after.ends())
    return after._replace(hops=(*packet.hops, hop))


VERDICTS = {
    "rejected": "rejects at once",
    "dropped": "drops in silence",
    "refused": "hands back the refusal",
    "lost": "loses",
    "late": "throws away the answer",
}


def tell(event: Event) -> str:
    """The sentence of an event that a machine's kernel handled."""
    detail, node = event.detail, event.target.partition("/")[2] or event.target
    who = "The network outside" if node == "internet" else f"The network of {node}"
    if event.verb == "start":
        return f"The kernel of {node} starts with no addresses and no rules."
    if event.verb == "expire":
        if not detail.get("client"):
            return f"{who} drops a timer whose request is answered already."
        return f"{who} gives up waiting for {detail['client']} because no answer came in time."
    if event.verb == "undelivered":
        if detail.get("why"):
            return f"{who} refuses a connection because {detail['why']}."
        return f"{who} loses a packet because {event.actor} could not reach the other machine."
    if not detail.get("packet"):
        return f"{who} handles {event.verb}."
    packet, verdict = detail["packet"], detail.get("verdict", "")
    rules = [row for row in detail.get("rules", ()) if row[2] != row[3] and row[0] != "answer"]
    changed = f" because {rules[-1][0]} rewrote {rules[-1][2]}" if rules else ""
    why = detail.get("why", "")
    because = f" because {why}" if why else changed
    if verdict == "forwarded":
        machine = detail["to"].partition("/")[2]
        word = "refuses" if why else "sends"
        return f"{who} {word} {packet} to {machine}{because}."
    if verdict == "delivered":
        return f"{who} delivers {packet} to {detail['to']}{changed}."
    if verdict == "answered":
        return f"{who} hands the answer {packet} to the waiting client{changed}."
    if verdict in VERDICTS:
        return f"{who} {VERDICTS[verdict]} {packet}{because}."
    return f"{who} passes {packet} on{changed}."
