"""A node's Linux kernel: the machine that pods' packets go through.

It has addresses (its own, and one for each pod sandbox), sockets on which processes listen, rule
tables that kube-proxy writes, and connection tracking. Processes of the same machine call it
directly, as a process makes a system call: `attach`, `listen`, `open`, `reply`. Between machines
a packet is a message `packet` from kernel to kernel, so that each such hop is an event.

What must hold: a request to an address that nobody has gets no answer and ends in a time-out; one
to a live address whose port is closed is refused at once. The kernel goes on when kubelet or
kube-proxy stop, with the rules as they are; when the machine is switched off it forgets
everything.

In Kubernetes: no component of its own; Linux with netfilter, and the CNI plugin for the
addresses. A request and its answer stand for a whole TCP connection; its handshake is not drawn.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from kubelab.network import addresses
from kubelab.network import packet as packets
from kubelab.network.fabric import FABRIC, Fabric
from kubelab.network.interfaces import Interfaces
from kubelab.network.ipsets import IpSets
from kubelab.network.ipvs import Ipvs
from kubelab.network.nftables import Table
from kubelab.network.packet import Connection, Packet
from kubelab.network.payloads import Hop, Outcome
from kubelab.network.policy import Policies
from kubelab.sim.kernel import SECOND, Component, Event

FIRST_EPHEMERAL_PORT = 32768
LAST_EPHEMERAL_PORT = 60999
LOOPBACK = "127.0.0.1"

# Steps of a packet's way that are no rules.
STEPS = ("endpoint", "answer", "route", "socket")

# What a server may take to answer before its side of the connection is forgotten.
FLOW_NS = 300 * SECOND


class Listener(NamedTuple):
    """A process that accepts requests on a port; they reach `owner` as `received(token, …)`.

    The port is open as long as the component `process` runs.
    """

    owner: str
    token: Any
    pod: str
    process: str


class Socket(NamedTuple):
    """A request under way from a local process, until it is answered or given up."""

    address: str
    port: int
    owner: str
    token: Any
    timer: int
    opened_ns: int
    hops: tuple[Hop, ...]


class Flow(NamedTuple):
    """A request that a local process has received and not yet answered."""

    packet: Packet
    pod: str
    arrived_ns: int


class Kernel(Interfaces, Component):
    """The kernel of one machine, `kernel/<node>`."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.node = name.partition("/")[2]
        # Never set back, so that an answer to a flow from before a reboot fits none of today's.
        self.last_flow = 0
        # On the machine's disk: addresses go on round after a reboot.
        self.last_offset = 1
        self.last_request = 0
        self.reset()

    def reset(self) -> None:
        """The memory of a machine that was just switched on."""
        self.reset_addresses()
        self.last_port = FIRST_EPHEMERAL_PORT - 1
        self.listeners: dict[tuple[str, str, int], Listener] = {}
        # By the number of the request: one port may carry several (A and AAAA of one lookup).
        self.sockets: dict[int, Socket] = {}
        self.flows: dict[int, Flow] = {}
        self.connections: dict[tuple[str, str, int, str, int], Connection] = {}
        # Who was sent to which endpoint when (rules with `-m recent`), by list and client.
        self.recent: dict[tuple[str, str], int] = {}
        # How many endpoints of ours stand behind each health check port.
        self.healthy: dict[int, int] = {}
        self.ipvs = Ipvs()
        self.ipsets = IpSets()
        self.nft: dict[str, Table] = {}
        self.policies = Policies()

    def start(self) -> None:
        self.reset()

    # Sockets: what programs call.

    def listen(
        self,
        ip: str,
        protocol: str,
        port: int,
        owner: str,
        token: Any,
        pod: str = "",
        process: str = "",
    ) -> None:
        """A process listens: requests reach `owner` as `received(token, flow_id, payload)`.

        The port counts as closed while the component `process` (the owner, unless given) is
        stopped. Raises OSError with Linux' words when the port is taken.
        """
        key = (ip, protocol, port)
        if key in self.listeners:
            raise OSError(f"listen {protocol.lower()} {ip}:{port}: bind: address already in use")
        who = pod or self.pods.get(ip, "")
        self.listeners[key] = Listener(owner, token, who, process or owner)

    def close(self, ip: str, protocol: str, port: int) -> None:
        """Nobody listens there any more."""
        self.listeners.pop((ip, protocol, port), None)

    def listener(self, ip: str, protocol: str, port: int) -> Listener | None:
        """Who listens there, if anybody does and its process is alive."""
        found = self.listeners.get((ip, protocol, port))
        if found is None and ip in self.twins:
            found = self.listeners.get((self.twins[ip], protocol, port))
        if found is None and self.is_own(ip) and ip not in self.virtual:
            found = self.listeners.get((self.node_ip, protocol, port))
        if found is None:
            return None
        process = self.world.components.get(found.process)
        return found if process is not None and not process.stopped else None

    def open(
        self,
        source_ip: str,
        destination_ip: str,
        port: int,
        protocol: str,
        payload: Any,
        owner: str,
        token: Any,
        timeout_seconds: float = 5.0,
        source_port: int = 0,
    ) -> int:
        """A local process sends a request; `owner` gets `answered(token, Outcome)` in the end.

        A payload of None only connects: the kernel of the other side answers by itself. A
        `source_port` given again goes on with a connection that is known already. Returns the
        source port.
        """
        if destination_ip.startswith("127.") and not self.is_own(source_ip):
            destination_ip = source_ip
        source_ip = self.source_to(source_ip, destination_ip)
        if not source_ip:
            unreachable = Outcome(False, None, "unreachable", destination_ip)
            self.send(owner, "answered", token, unreachable)
            return 0
        source_port = source_port or self.next_port()
        self.last_request += 1
        number = self.last_request
        timer = self.after(timeout_seconds, "expire", number)
        self.sockets[number] = Socket(source_ip, source_port, owner, token, timer, self.now, ())
        request = Packet(
            protocol, source_ip, source_port, destination_ip, port, payload, request=number
        )
        if self.is_own(source_ip) and destination_ip in self.pods:
            # From the node to its own pod no rule can match: probes go this way, at little cost.
            self._deliver(request)
        elif destination_ip == source_ip and source_ip in self.pods:
            # Within the pod's own network namespace the node's rules do not exist.
            self._deliver(request)
        else:
            self.after(0, "transmit", request)
        return source_port

    def reply(self, flow_id: int, payload: Any) -> None:
        """The process that received a request answers it; an unknown flow is ignored."""
        self._answer(flow_id, "reply", payload)

    def refuse(self, flow_id: int) -> None:
        """The process closes the connection without an answer."""
        self._answer(flow_id, "refused", None)

    def _answer(self, flow_id: int, kind: str, payload: Any) -> None:
        flow = self.flows.pop(flow_id, None)
        if flow is not None:
            self._process(flow.packet.answer(kind, payload, flow.pod, self.node), local=True)

    def next_port(self) -> int:
        """A port for a connection of our own making."""
        self.last_port += 1
        if self.last_port > LAST_EPHEMERAL_PORT:
            self.last_port = FIRST_EPHEMERAL_PORT
        return self.last_port

    def count(self, protocol: str, address: str, port: int) -> int:
        """How many connections to an endpoint are remembered."""
        return sum(
            known.translated[0] == protocol
            and known.translated[3:] == (address, port)
            and key == known.original
            and known.expires_ns > self.now
            for key, known in self.connections.items()
        )

    def forget(self, address: str, port: int, protocol: str = "UDP") -> int:
        """Drops the translations to an endpoint that is gone; returns how many there were."""
        stale = [
            key
            for key, known in self.connections.items()
            if known.translated[0] == protocol and known.translated[3:] == (address, port)
        ]
        for key in stale:
            del self.connections[key]
        return len(stale)

    # Packets.

    def transmit(self, packet: Packet) -> None:
        """A packet from a local process or pod sets out: the rules are asked."""
        self._process(packet, local=True)

    def packet(self, packet: Packet) -> None:
        """A packet from another machine arrives."""
        self._process(packet, local=False)

    def _process(self, packet: Packet, *, local: bool, since: int = -1) -> None:
        """Translation by connection tracking or rules, the filter, then delivery or the wire.

        An answer that is given in the same event as the request came (a refusal, an echo) tells
        the request's rules too: `since` says how many hops there were before them.
        """
        before = since if since >= 0 else len(packet.hops)
        origin = packet
        packet, verdict = packets.traverse(self, packet, local=local)
        if local and packet.kind == "request" and packet.request in self.sockets:
            # For when no answer comes: so far the packet's way is known.
            known = self.sockets[packet.request]
            self.sockets[packet.request] = known._replace(hops=packet.hops)
        self.note(packet=packet.ends(), protocol=packet.protocol, kind=packet.kind)
        passed = [hop for hop in packet.hops[before:] if hop.chain not in STEPS]
        if passed:
            self.note(rules=[[hop.chain, hop.rule, hop.before, hop.after] for hop in passed])
        if verdict == "REJECT":
            self.note(verdict="rejected", why=packet.hops[-1].reason())
            refusal = origin._replace(hops=packet.hops).answer("refused", None, "", self.node)
            self._process(refusal, local=True, since=before)
        elif verdict == "DROP":
            self.note(verdict="dropped", why=packet.hops[-1].reason())
        elif packet.destination in self.pods or self.is_own(packet.destination):
            self._deliver(packet, before)
        else:
            self._forward(packet)

    def _forward(self, packet: Packet) -> None:
        """To the machine that has the destination, over the wire."""
        fabric = self.world.components.get(FABRIC)
        flow = (packet.source, packet.source_port)
        target = fabric.lookup(packet.destination, flow) if isinstance(fabric, Fabric) else ""
        if not target or target == self.name:
            why = f"nobody has the address {packet.destination}"
            self.note(verdict="lost", why=why)
            known = self.sockets.get(packet.request) if packet.kind == "request" else None
            if known is not None:
                lost = Hop(self.node, "route", why, "DROP", packet.ends(), packet.ends())
                self.sockets[packet.request] = known._replace(hops=(*packet.hops, lost))
            return
        self.note(verdict="forwarded", to=target)
        ends = packet.ends()
        where = target.partition("/")[2]
        hop = Hop(self.node, "route", f"to {where}", "", ends, ends)
        sent = packet._replace(hops=(*packet.hops, hop), mark=0)
        known = self.sockets.get(packet.request) if packet.kind == "request" else None
        if known is not None and (known.address, known.port) == (packet.source, packet.source_port):
            self.sockets[packet.request] = known._replace(hops=sent.hops)
        self.send(target, "packet", sent)

    def _deliver(self, packet: Packet, since: int = 0) -> None:
        """To the process that listens, or to the one that waits for the answer."""
        if packet.kind != "request":
            self._finish(packet)
            return
        ends = packet.ends()
        if packet.protocol == "ICMP":
            # The kernel itself answers an echo request, whether or not a program runs there.
            pod = self.pods.get(packet.destination, "")
            self.note(verdict="delivered", to=pod or packet.destination)
            self._process(packet.answer("reply", None, pod, self.node), local=True, since=since)
            return
        listener = self.listener(packet.destination, packet.protocol, packet.destination_port)
        if listener is None:
            why = f"nobody listens on port {packet.destination_port}"
            closed = Hop(self.node, "endpoint", why, "", ends, ends)
            packet = packet._replace(hops=(*packet.hops, closed))
            self.note(verdict="refused", why=why)
            pod = self.pods.get(packet.destination, "")
            self._process(packet.answer("refused", None, pod, self.node), local=True, since=since)
            return
        arrived = Hop(self.node, "endpoint", listener.pod or listener.owner, "", ends, ends)
        packet = packet._replace(hops=(*packet.hops, arrived))
        self.note(verdict="delivered", to=listener.pod or listener.owner)
        if packet.payload is None:
            back = packet.answer("reply", None, listener.pod, self.node)
            self._process(back, local=True, since=since)
            return
        self.last_flow += 1
        self._forget_flows()
        self.flows[self.last_flow] = Flow(packet, listener.pod, self.now)
        self.send(listener.owner, "received", listener.token, self.last_flow, packet.payload)

    def _forget_flows(self) -> None:
        """Flows that nobody will answer any more, oldest first."""
        while self.flows:
            first = next(iter(self.flows))
            if self.flows[first].arrived_ns + FLOW_NS > self.now:
                return
            del self.flows[first]

    def _finish(self, packet: Packet) -> None:
        """An answer has come home."""
        socket = self.sockets.get(packet.request)
        ends = (packet.destination, packet.destination_port)
        if socket is None or (socket.address, socket.port) != ends:
            self.note(verdict="late", why="nobody waits for this answer any more")
            return
        del self.sockets[packet.request]
        self.cancel(socket.timer)
        ok = packet.kind == "reply"
        outcome = Outcome(
            ok, packet.payload, "" if ok else "refused", packet.server, packet.pod, packet.hops,
            self.now - socket.opened_ns,
        )  # fmt: skip
        self.note(verdict="answered" if ok else "refused")
        self.send(socket.owner, "answered", socket.token, outcome)

    def expire(self, number: int) -> None:
        """No answer came in time."""
        socket = self.sockets.pop(number, None)
        if socket is not None:
            client = addresses.text_of(socket.address, socket.port)
            self.note(verdict="timeout", client=client)
            elapsed = self.now - socket.opened_ns
            outcome = Outcome(False, None, "timeout", "", "", socket.hops, elapsed)
            self.send(socket.owner, "answered", socket.token, outcome)

    def undelivered(self, target: str, verb: str, args: tuple[Any, ...], reason: str) -> None:
        """A process that should receive is gone: its port is closed. A lost packet stays lost."""
        if verb == "received" and reason == "refused":
            self.note(verdict="refused", why=f"{target} has stopped")
            self.refuse(args[1])

    @staticmethod
    def tell(event: Event) -> str:
        return packets.tell(event)
