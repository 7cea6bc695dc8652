"""CoreDNS: the cluster's name server, a process in ordinary pods.

It watches Services, EndpointSlices and Namespaces, and answers from its caches, without asking the
API server. Names outside the cluster's zones it asks an upstream server for and remembers for a
while. It answers on its pod's address only: when its pods are gone, nobody answers, whatever the
API server knows.

What must hold: until its caches are filled it is not ready and answers SERVFAIL; answers about the
cluster's own zone are never remembered.

In Kubernetes: CoreDNS with the plugins that kubeadm's Corefile names: errors, health, ready,
kubernetes, prometheus, forward, cache, loop, reload, loadbalance. Left out: loop, all metrics but
one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from kubelab.api.objects import Obj
from kubelab.client.client import Client
from kubelab.client.sentences import heard
from kubelab.dns import naming, records, wire
from kubelab.dns.cache import Cache, Cached
from kubelab.dns.corefile import DEFAULT, PATH, CorefileError, match
from kubelab.dns.corefile import parse as read_corefile
from kubelab.dns.hosts import from_hosts
from kubelab.dns.naming import Caches, Reply
from kubelab.dns.pages import HEALTH_PORT, METRICS_PORT, READY_PORT, page
from kubelab.dns.slices import Slices
from kubelab.network.kernel import Kernel
from kubelab.network.payloads import Answer, HttpRequest, Outcome
from kubelab.sim.kernel import SECOND, Event, Routine

DNS_PORT = 53
FORWARD_SECONDS = 2.0
RELOAD_SECONDS = 30.0


class Pending(NamedTuple):
    """A question that waits for an upstream answer, and what is known of the outside so far."""

    flow_id: int
    protocol: str
    query: wire.Query
    known: tuple[tuple[tuple[str, str], tuple[Answer, ...]], ...]
    # The upstream servers that are still to be asked about the present outside name.
    servers: tuple[str, ...] = ()


class Unknown(Exception):
    """An outside name has to be looked up first."""

    def __init__(self, name: str, type_: str) -> None:
        super().__init__(name, type_)
        self.name = name
        self.type = type_


class CoreDNS(Client):
    """One CoreDNS process, `coredns/<pod name>`."""

    def __init__(
        self,
        name: str,
        *,
        node: str,
        address: str,
        servers: Sequence[str] = ("apiserver-1",),
        corefile: str = DEFAULT,
        resolv_conf: Sequence[str] = ("192.0.2.53",),
        container: tuple[str, str] = ("", ""),
    ) -> None:
        user = "system:serviceaccount:kube-system:coredns"
        super().__init__(name, servers=servers, agent="coredns", user=user)
        self.node = node
        self.address = address
        self.corefile = corefile
        # The runtime and the id of our container, in whose files the Corefile is.
        self.container = container
        # The servers of the node's resolv.conf, which the pod has by its dnsPolicy Default.
        self.resolv_conf = tuple(resolv_conf)
        self.last_forward = 0

    def start(self) -> None:
        super().start()
        self.blocks = read_corefile(self.corefile)
        self.pending: dict[int, Pending] = {}
        self.cache = Cache()
        self.modified_seconds = self.now // SECOND
        self.ready = False
        services = self.inform("v1/Service").subscribe("on_change")
        services.index("clusterIP", naming.by_cluster_ip)
        services.index("secondIP", naming.by_second_ip)
        self.slices = Slices(self.inform("discovery.k8s.io/v1/EndpointSlice"))
        self.slices.informer.subscribe("on_slice")
        self.inform("v1/Namespace")
        self._look_at_pods()
        if self.container[1] and "reload" in self.corefile.split():
            self.after(RELOAD_SECONDS, "reload", background=True)
        kernel = self._kernel()
        if kernel is None:
            return
        for protocol, port in (
            ("UDP", DNS_PORT), ("TCP", DNS_PORT), ("TCP", HEALTH_PORT), ("TCP", READY_PORT),
            ("TCP", METRICS_PORT),
        ):  # fmt: skip
            kernel.close(self.address, protocol, port)
            kernel.listen(self.address, protocol, port, self.name, (protocol, port))

    def _kernel(self) -> Kernel | None:
        kernel = self.world.components.get(f"kernel/{self.node}")
        return kernel if isinstance(kernel, Kernel) else None

    def _look_at_pods(self) -> None:
        """`pods verified` needs all pods."""
        kubernetes = [block.kubernetes for block in self.blocks if block.kubernetes]
        verified = any(options.pods == "verified" for options in kubernetes)
        if verified and "pods" not in self.informers:
            self.inform("v1/Pod").index("address", by_pod_address)

    def routine(self, verb: str, args: tuple[Any, ...]) -> Routine | None:
        return Routine(round(RELOAD_SECONDS * SECOND)) if verb == "reload" else None

    def reload(self) -> None:
        """The plugin `reload`: a Corefile that has changed counts, unless it has mistakes."""
        self.after(RELOAD_SECONDS, "reload", background=True)
        runtime: Any = self.world.components.get(self.container[0])
        container = runtime.containers.get(self.container[1]) if runtime else None
        text = container.process.files.read(PATH) if container and container.process else None
        if text is None or text == self.corefile:
            return
        self.corefile = text
        try:
            self.blocks = read_corefile(text)
        except CorefileError as error:
            self.note(mistake=str(error))
            return
        self.note(reloaded=PATH)
        self.cache = Cache()
        self._look_at_pods()

    def informed(self, informer: str) -> None:
        """Ready when all caches are filled."""
        if not self.ready and all(informer.synced for informer in self.informers.values()):
            self.ready = True
            self.note(ready=True)

    def on_change(self, old: Obj | None, new: Obj | None) -> None:
        """A service changed: so does the zone's serial."""
        self.modified_seconds = self.now // SECOND

    def on_slice(self, old: Obj | None, new: Obj | None) -> None:
        """A slice changed."""
        self.slices.changed(old, new)
        self.modified_seconds = self.now // SECOND

    # Requests.

    def received(self, token: tuple[str, int], flow_id: int, payload: Any) -> None:
        """A query, or a request for the health pages."""
        protocol, port = token
        kernel = self._kernel()
        if kernel is None:
            return
        if port != DNS_PORT:
            path = payload.path if isinstance(payload, HttpRequest) else ""
            self.note(path=path)
            kernel.reply(flow_id, page(port, path, self.ready))
            return
        query = wire.read_query(payload) if isinstance(payload, bytes) else None
        if query is None:
            self.note(ignored="no query")
            if protocol == "TCP":
                kernel.refuse(flow_id)
            return
        if query.error or query.class_ != "IN":
            self.note(rcode=query.error or "REFUSED")
            # CHAOS and other classes too: of those only the plugin `chaos` knows anything.
            error = wire.response(query, query.error or "REFUSED", authoritative=False)
            kernel.reply(flow_id, error)
            return
        self.note(name=query.name, type=query.type, server=self.address)
        self._work(Pending(flow_id, protocol, query, ()))

    def answer(
        self, query: wire.Query, known: dict[tuple[str, str], tuple[Answer, ...]] | None = None
    ) -> Reply:
        """The reply to a question from files and caches; raises Unknown if upstream must be asked.

        `passed_on` means that all of the question is for the upstream server.
        """
        block = match(self.blocks, query.name.lower())
        if block is None:
            return Reply("REFUSED")
        name = block.rewritten(query.name)
        reply = from_hosts(block, name, query.type)
        if reply is None and block.kubernetes is not None:
            given = known or {}

            def upstream(outside: str, type_: str) -> tuple[Answer, ...]:
                rows = given.get((outside, type_))
                if rows is None:
                    raise Unknown(outside, type_)
                return rows

            informers = self.informers
            caches = Caches(
                informers["services"], self.slices, informers["namespaces"],
                informers.get("pods"), self.address, self.modified_seconds,
            )  # fmt: skip
            reply = records.answer(caches, block.kubernetes, name, query.type, upstream)
        if reply is None:
            return Reply("", passed_on=True)
        if name != query.name:
            renamed = (
                row._replace(name=query.name) if row.name == name else row for row in reply.answers
            )
            reply = reply._replace(answers=tuple(renamed))
        return reply

    def _work(self, job: Pending) -> None:
        if not self.ready:
            self._finish(job, Reply("SERVFAIL"))
            return
        try:
            reply = self.answer(job.query, dict(job.known))
        except Unknown as unknown:
            self._forward(job, unknown.name, unknown.type)
            return
        if reply.passed_on:
            block = match(self.blocks, job.query.name.lower())
            name = block.rewritten(job.query.name) if block else job.query.name
            self._forward(job, name, job.query.type)
        else:
            self._finish(job, reply)

    def _finish(
        self, job: Pending, reply: Reply, *, authoritative: bool = True, recursive: bool = False
    ) -> None:
        answers = reply.answers
        block = match(self.blocks, job.query.name.lower())
        if len(answers) > 1 and block is not None and block.balanced:
            answers = self._balanced(answers)
        limit = job.query.size if job.protocol == "UDP" else 65535
        self.note(
            name=job.query.name, type=job.query.type, rcode=reply.rcode, origin=reply.origin,
            answers=[f"{row.type} {row.data}" for row in answers[:8]],
        )  # fmt: skip
        kernel = self._kernel()
        if kernel is not None:
            message = wire.response(
                job.query, reply.rcode, answers, reply.authority, reply.additional,
                authoritative=authoritative and reply.rcode in ("NOERROR", "NXDOMAIN"),
                recursive=recursive, limit=limit,
            )  # fmt: skip
            kernel.reply(job.flow_id, message)

    def _balanced(self, answers: tuple[Answer, ...]) -> tuple[Answer, ...]:
        """Addresses in a drawn order, aliases before them, so that clients spread."""
        first = [row for row in answers if row.type not in ("A", "AAAA")]
        rest = [row for row in answers if row.type in ("A", "AAAA")]
        return (*first, *self.chance.shuffled(rest))

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
        # The policy `random`: each question begins at another server, the others are in reserve.
        order = tuple(self.chance.shuffled(servers)) if len(servers) > 1 else tuple(servers)
        self._ask_upstream(job._replace(servers=order), name, type_)

    def _ask_upstream(self, job: Pending, name: str, type_: str) -> None:
        kernel = self._kernel()
        if kernel is None or not job.servers:
            self._finish(job, Reply("SERVFAIL"), authoritative=False)
            return
        first, *others = job.servers
        self.last_forward += 1
        self.pending[self.last_forward] = job._replace(servers=tuple(others))
        host, port = server_address(first)
        self.note(forwarded=name, upstream=host)
        question = wire.query(name, type_, self.chance.below(65536))
        kernel.open(
            self.address, host, port, "UDP", question, self.name,
            (self.last_forward, name, type_), FORWARD_SECONDS,
        )  # fmt: skip

    def answered(self, token: tuple[int, str, str], outcome: Outcome) -> None:
        """The upstream server's answer, or that there is none."""
        number, name, type_ = token
        job = self.pending.pop(number, None)
        if job is None:
            return
        message = wire.read_response(outcome.payload) if outcome.ok else None
        if message is None:
            self.note(upstream=outcome.error or "bad answer")
            self._ask_upstream(job, name, type_)
            return
        block = match(self.blocks, name.lower())
        held = Cached(
            self.now, 0, message.rcode, message.answers, message.authority,
            message.recursion_available, message.authoritative,
        )  # fmt: skip
        if block is not None and block.cache_seconds:
            held = self.cache.put(name, type_, held, block)
        self._known(job, name, type_, held)

    def _known(
        self, job: Pending, name: str, type_: str, held: Cached, *, from_cache: bool = False
    ) -> None:
        """Goes on with a question now that an outside name is known."""
        block = match(self.blocks, job.query.name.lower())
        asked = block.rewritten(job.query.name) if block else job.query.name
        if name != asked or type_ != job.query.type:
            self._work(job._replace(known=(*job.known, ((name, type_), held.answers))))
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

    @staticmethod
    def tell(event: Event) -> str:
        detail, who = event.detail, event.target
        if detail.get("forwarded"):
            return f"{who} asks the server outside about {detail['forwarded']}"
        if detail.get("rcode") and detail.get("name"):
            return _tell_answer(who, detail)
        if event.verb == "received":
            return f"{who} answers a probe of {detail.get('path', 'its port')}."
        if event.verb == "reload":
            if detail.get("mistake"):
                return f"{who} keeps its old Corefile because the new one has a mistake."
            word = "takes up the changed Corefile" if detail.get("reloaded") else "finds no change"
            return f"{who} {word} when it looks at its file again."
        if event.verb == "start":
            return f"{who} starts and lists services, endpoints and namespaces."
        if detail.get("ready"):
            return f"{who} is ready because all its caches are filled."
        return heard(who, event)


def _tell_answer(who: str, detail: Obj) -> str:
    question = f"{detail['type']} {detail['name'].rstrip('.')}"
    if detail["rcode"] == "NXDOMAIN":
        return f"{who} answers NXDOMAIN because there is no name {detail['name'].rstrip('.')}."
    if detail["rcode"] != "NOERROR":
        return f"{who} answers {detail['rcode']} to {question}."
    rows = detail.get("answers", ())
    if not rows:
        return f"{who} finds no {question}, but the name exists."
    more = f" and {len(rows) - 1} more" if len(rows) > 1 else ""
    origin = f" from {detail['origin']}" if detail.get("origin") else ""
    return f"{who} answers {question} with {rows[0].partition(' ')[2]}{more}{origin}."


def server_address(text: str) -> tuple[str, int]:
    """Address and port of an upstream server (`192.0.2.53`, `dns://1.1.1.1:5353`)."""
    text = text.partition("://")[2] or text
    host, colon, port = text.rpartition(":")
    if colon and port.isdigit() and (host.count(":") == 0 or host.endswith("]")):
        return host.strip("[]"), int(port)
    return text.strip("[]"), DNS_PORT


def by_pod_address(pod: Obj) -> str:
    """Index of pods: the address."""
    return str((pod.get("status") or {}).get("podIP", ""))
