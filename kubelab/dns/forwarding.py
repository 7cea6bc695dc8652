"""The half of CoreDNS that asks other servers: forward, cache, loop and autopath.

A question for the outside goes to the upstream servers of its block, one after the other until one
answers; what comes back is remembered for a while. When it starts, the server asks itself for a
name that cannot be: if that question comes back to it, servers pass questions on to each other in a
circle, and it ends. With `autopath` it walks a pod's search path itself.

In Kubernetes: CoreDNS' plugin/forward, plugin/cache, plugin/loop and plugin/autopath. Left out:
health checks of upstream servers, DNS over TLS.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from kubelab.api.objects import namespace_of
from kubelab.client.client import Client
from kubelab.dns import wire
from kubelab.dns.cache import Cache, Cached
from kubelab.dns.corefile import Block, match
from kubelab.dns.naming import Reply, dotted
from kubelab.network.addresses import text_of
from kubelab.network.kernel import Kernel
from kubelab.network.payloads import Answer, Outcome

DNS_PORT = 53
FORWARD_SECONDS = 2.0
# More questions than these never wait for upstream servers at once.
MOST_PENDING = 5000
WHY = {"timeout": "i/o timeout", "refused": "read: connection refused",
       "unreachable": "connect: network is unreachable"}  # fmt: skip
# A server that gets its own first question so often is in a circle.
LOOP_SEEN = 2
# It asks when the cluster is up, so that a boot needs no message of DNS.
LOOP_START_SECONDS = 3.0
LOOP_TRIES_SECONDS, LOOP_RETRY_SECONDS = 30.0, 1.0
LOOP = "see https://coredns.io/plugins/loop#troubleshooting"
PROBE = "the probe for a loop"


class Pending(NamedTuple):
    """A question that waits for an upstream answer, and what is known of the outside so far."""

    flow_id: int
    protocol: str
    query: wire.Query
    known: tuple[tuple[tuple[str, str], tuple[Answer, ...]], ...]
    # The upstream servers that are still to be asked about the present outside name.
    servers: tuple[str, ...] = ()
    # What went wrong so far, for the log.
    problem: str = ""
    # The outside name that stands for the one asked for, at the end of its search path.
    path: str = ""


class Forwarding(Client):
    """Upstream servers and their answers; a part of `CoreDNS`, which has the rest."""

    address: str
    resolv_conf: tuple[str, ...]
    blocks: tuple[Block, ...]
    cache: Cache
    pending: dict[int, Pending]
    last_forward: int
    # The names that we asked ourselves for, by the zone of their block, and how often each came.
    probes: dict[str, tuple[str, int]]

    if TYPE_CHECKING:

        def _kernel(self) -> Kernel | None: ...
        def _work(self, job: Pending) -> None: ...
        def _finish(
            self, job: Pending, reply: Reply, *, authoritative: bool = True, recursive: bool = False
        ) -> None: ...
        def answer(self, query: wire.Query) -> Reply: ...
        def log(self, line: str) -> None: ...
        def fatal(self, line: str) -> None: ...

    # Outside names.

    def _forward(self, job: Pending, name: str, type_: str) -> None:
        """From the cache, else from the upstream servers of the name's block."""
        held = self.cache.get(name, type_, self.now)
        if held is not None:
            self.note(cached=name, seconds_left=held.seconds_left(self.now))
            self._known(job, name, type_, held.aged(self.now), from_cache=True)
            return
        block = match(self.blocks, name.lower())
        servers: list[str] = []
        for server in block.forward if block else ():
            servers += self.resolv_conf if server == "/etc/resolv.conf" else [server]
        most = block.max_concurrent if block else 0
        if len(self.pending) >= (most or MOST_PENDING):
            # So ends a question that servers pass on to each other in a circle.
            problem = f"concurrent queries exceeded maximum {most or MOST_PENDING}"
            self._finish(job._replace(problem=problem), Reply("REFUSED"), authoritative=False)
            return
        # The policy `random`: each question begins at another server, the others are in reserve.
        order = tuple(self.chance.shuffled(servers)) if len(servers) > 1 else tuple(servers)
        self._ask_upstream(job._replace(servers=order), name, type_)

    def _ask_upstream(self, job: Pending, name: str, type_: str) -> None:
        kernel = self._kernel()
        if kernel is None or not job.servers:
            job = job._replace(problem=job.problem or "plugin/kubernetes: no next plugin found")
            self._finish(job, Reply("SERVFAIL"), authoritative=False)
            return
        first, *others = job.servers
        self.last_forward += 1
        self.pending[self.last_forward] = job._replace(servers=tuple(others))
        host, port = server_address(first)
        self.note(forwarded=name, upstream=host)
        question = wire.query(name, type_, self.chance.below(65536))
        own = kernel.open(
            self.address, host, port, "UDP", question, self.name,
            (self.last_forward, name, type_), FORWARD_SECONDS,
        )  # fmt: skip
        ends = f"{text_of(self.address, own)}->{text_of(host, port)}"
        self.pending[self.last_forward] = self.pending[self.last_forward]._replace(problem=ends)

    def answered(self, token: tuple[Any, ...], outcome: Outcome) -> None:
        """The upstream server's answer, or that there is none."""
        if token[0] == PROBE:
            self._probed(token[1], token[2], outcome)
            return
        number, name, type_ = token
        job = self.pending.pop(number, None)
        if job is None:
            return
        message = wire.read_response(outcome.payload) if outcome.ok else None
        if message is None:
            self.note(upstream=outcome.error or "bad answer")
            why = WHY.get(outcome.error, "dns: bad rdata")
            self._ask_upstream(job._replace(problem=f"read udp {job.problem}: {why}"), name, type_)
            return
        block = match(self.blocks, name.lower())
        held = Cached(
            self.now, 0, message.rcode, message.answers, message.authority,
            message.recursion_available, message.authoritative,
        )  # fmt: skip
        if block is not None and block.cache_seconds:
            held = self.cache.put(name, type_, held, block)
        self._known(job._replace(problem=""), name, type_, held)

    def _known(
        self, job: Pending, name: str, type_: str, held: Cached, *, from_cache: bool = False
    ) -> None:
        """Goes on with a question now that an outside name is known."""
        block = match(self.blocks, job.query.name.lower())
        asked = job.path or (block.rewritten(job.query.name) if block else job.query.name)
        if name != asked or type_ != job.query.type:
            self._work(job._replace(known=(*job.known, ((name, type_), held.answers))))
            return
        if job.path:
            self._end_of_path(job, held)
            return
        owner = job.query.name
        rows = tuple(
            row._replace(name=owner) if row.name.lower() == name.lower() else row
            for row in held.answers
        )
        reply = Reply(held.rcode, rows, held.authority, origin="upstream")
        # What comes out of the cache calls itself authoritative, since some clients insist.
        self._finish(
            job, reply, authoritative=held.authoritative or from_cache, recursive=held.recursive
        )

    # A circle of servers.

    def look_for_loops(self) -> None:
        """The plugin `loop`: each block that has it asks itself for a name that cannot be."""
        self.probes = {}
        for block in self.blocks:
            if block.loops:
                zone = block.zones[0]
                first, second = (self.chance.below(1 << 63) for _ in range(2))
                name = f"{first}.{second}." + ("" if zone == "." else zone)
                self.probes[zone] = (name, 0)
                self.after(LOOP_START_SECONDS, "probe", zone, LOOP_TRIES_SECONDS, background=True)

    def probe(self, zone: str, seconds_left: float) -> None:
        """Asks ourselves; again later where nobody answers."""
        kernel, (name, _) = self._kernel(), self.probes.get(zone, ("", 0))
        if kernel is None or not name:
            return
        self.probes[zone] = (name, 0)
        question = wire.query(name, "HINFO", self.chance.below(65536))
        self.note(asks_itself=name)
        kernel.open(
            self.address, self.address, DNS_PORT, "UDP", question, self.name,
            (PROBE, zone, seconds_left), FORWARD_SECONDS,
        )  # fmt: skip

    def _probed(self, zone: str, seconds_left: float, outcome: Outcome) -> None:
        left = seconds_left - FORWARD_SECONDS - LOOP_RETRY_SECONDS
        if outcome.ok or left <= 0:
            self.probes.pop(zone, None)
        else:
            self.after(LOOP_RETRY_SECONDS, "probe", zone, left, background=True)

    def _is_in_circle(self, query: wire.Query, client: str) -> bool:
        """Whether the question is our own one, come back to us; then it is the end."""
        if query.type != "HINFO":
            return False
        for zone, (name, seen) in self.probes.items():
            if query.name.lower() == name:
                self.probes[zone] = (name, seen + 1)
                if seen + 1 > LOOP_SEEN:
                    where = f'Loop ({client} -> :{DNS_PORT}) detected for zone "{zone}"'
                    self.fatal(f'plugin/loop: {where}, {LOOP}. Query: "HINFO {name}"')
                    return True
                break
        return False

    # The search path of a pod.

    def _walks_path(self, job: Pending, client: str) -> bool:
        """The plugin `autopath`: the answer that the pod's resolver would find in the end."""
        block = match(self.blocks, job.query.name.lower())
        pods: Any = self.informers.get("pods")
        kubernetes = block.kubernetes if block is not None and block.autopath else None
        if kubernetes is None or pods is None or job.known or job.path:
            return False
        pod = next(iter(pods.indexed("address", client)), None)
        if pod is None or job.query.type not in ("A", "AAAA"):
            return False
        zone = kubernetes.zone
        path = (f"{namespace_of(pod)}.svc.{zone}", f"svc.{zone}", zone)
        if not job.query.name.lower().endswith("." + path[0]):
            return False
        base = job.query.name[: -len(path[0])]
        for suffix in path:
            reply = self.answer(job.query._replace(name=base + suffix))
            if not reply.passed_on and reply.rcode != "NXDOMAIN":
                self._finish(job, _with_alias(job.query.name, base + suffix, reply))
                return True
        self._forward(job._replace(path=dotted(base)), dotted(base), job.query.type)
        return True

    def _end_of_path(self, job: Pending, held: Cached) -> None:
        """The name itself has been asked for outside."""
        if held.rcode == "NXDOMAIN":
            self._finish(job, self.answer(job.query))
            return
        reply = Reply(held.rcode, held.answers, held.authority, origin="upstream")
        self._finish(job, _with_alias(job.query.name, job.path, reply), recursive=held.recursive)


def _with_alias(asked: str, found: str, reply: Reply) -> Reply:
    """The answers of the name that was found, with an alias of the one that was asked for."""
    if not reply.answers or asked == found:
        return reply
    first = reply.answers[0]
    alias = Answer(asked, first.ttl, "CNAME", first.name)
    return reply._replace(answers=(alias, *reply.answers))


def server_address(text: str) -> tuple[str, int]:
    """Address and port of an upstream server (`192.0.2.53`, `dns://1.1.1.1:5353`)."""
    text = text.partition("://")[2] or text
    host, colon, port = text.rpartition(":")
    if colon and port.isdigit() and (host.count(":") == 0 or host.endswith("]")):
        return host.strip("[]"), int(port)
    return text.strip("[]"), DNS_PORT
