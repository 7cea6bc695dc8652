"""CoreDNS: the cluster's name server, a process in ordinary pods.

It watches Services, EndpointSlices and Namespaces, and answers from its caches, without asking the
API server. Names outside the cluster's zones it asks an upstream server for and remembers for a
while. It answers on its pod's address only: when its pods are gone, nobody answers, whatever the
API server knows.

What must hold: until its caches are filled it is not ready and answers SERVFAIL; answers about the
cluster's own zone are never remembered.

In Kubernetes: CoreDNS with the plugins that kubeadm's Corefile names (errors, health, ready,
kubernetes, prometheus, forward, cache, loop, reload, loadbalance) and with log, any, rewrite,
autopath, template, transfer and hosts. Left out: the others, most metrics.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from kubelab.api.objects import Obj
from kubelab.client.sentences import heard
from kubelab.dns import logs, naming, records, templates, transfer, wire
from kubelab.dns.cache import Cache
from kubelab.dns.corefile import DEFAULT, PATH, CorefileError, match
from kubelab.dns.corefile import parse as read_corefile
from kubelab.dns.forwarding import DNS_PORT, Forwarding, Pending
from kubelab.dns.hosts import from_hosts
from kubelab.dns.naming import Caches, Reply
from kubelab.dns.pages import HEALTH_PORT, METRICS_PORT, READY_PORT, page
from kubelab.dns.slices import Slices
from kubelab.network.addresses import text_of
from kubelab.network.kernel import Kernel
from kubelab.network.payloads import Answer, HttpRequest
from kubelab.sim.kernel import SECOND, Event, Routine

RELOAD_SECONDS = 30.0


class Unknown(Exception):
    """An outside name has to be looked up first."""

    def __init__(self, name: str, type_: str) -> None:
        super().__init__(name, type_)
        self.name = name
        self.type = type_


class CoreDNS(Forwarding):
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
        self.pending = {}
        self.cache = Cache()
        self.probes = {}
        # How many answers there were, by rcode, for the page of metrics.
        self.counts: dict[tuple[str, str], int] = {}
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
        process = self.process()
        text = process.files.read(PATH) if process is not None else None
        if text is None or text == self.corefile:
            return
        self.corefile = text
        self.log("[INFO] Reloading")
        try:
            self.blocks = read_corefile(text)
        except CorefileError as error:
            self.note(mistake=str(error))
            self.log(f"[ERROR] Restart failed: {error}")
            self.log(f"[ERROR] plugin/reload: Corefile changed but reload failed: {error}")
            return
        self.note(reloaded=PATH)
        self.log(logs.running(text))
        self.log("[INFO] Reloading complete")
        self.cache = Cache()
        self._look_at_pods()
        self.look_for_loops()

    # Our container.

    @property
    def lameduck_seconds(self) -> float:
        """For how long we go on answering when we are to end."""
        return max((block.lameduck_seconds for block in self.blocks), default=0.0)

    def process(self) -> Any:
        """The process of our container; None where we have none."""
        runtime: Any = self.world.components.get(self.container[0])
        container = runtime.containers.get(self.container[1]) if runtime else None
        return container.process if container is not None else None

    def log(self, line: str) -> None:
        """A line in the log of our container."""
        process = self.process()
        if process is not None:
            process.log(line)

    def fatal(self, line: str) -> None:
        """The process ends, and we with it."""
        self.note(fatal=line)
        self.log(f"[FATAL] {line}")
        process = self.process()
        if process is not None:
            process.exit(1)

    def informed(self, informer: str) -> None:
        """Ready when all caches are filled."""
        if not self.ready and all(informer.synced for informer in self.informers.values()):
            self.ready = True
            self.note(ready=True)
            for line in logs.started(self.corefile, self.blocks):
                self.log(line)
            self.look_for_loops()

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
            kernel.reply(
                flow_id, page(port, path, self.ready, self.counts, len(self.cache.entries))
            )
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
        flow = kernel.flows.get(flow_id)
        client = flow.packet.source if flow is not None else ""
        port = flow.packet.source_port if flow is not None else 0
        if self.probes and self._is_in_circle(query, text_of(client, port)):
            return
        job = Pending(flow_id, protocol, query, ())
        if not (self.ready and self._walks_path(job, client)):
            self._work(job)

    def answer(
        self, query: wire.Query, known: dict[tuple[str, str], tuple[Answer, ...]] | None = None
    ) -> Reply:
        """The reply to a question from files and caches; raises Unknown if upstream must be asked.

        `passed_on` means that all of the question is for the upstream server.
        """
        block = match(self.blocks, query.name.lower())
        if block is None:
            return Reply("REFUSED")
        if block.any and query.type == "ANY":
            return templates.everything(query.name)
        name = block.rewritten(query.name)
        made = (template.answer(name, query.type) for template in block.templates)
        reply = next((found for found in made if found is not None), None)
        if reply is None:
            reply = from_hosts(block, name, query.type)
        if reply is None and block.kubernetes is not None:
            given = known or {}

            def upstream(outside: str, type_: str) -> tuple[Answer, ...]:
                rows = given.get((outside, type_))
                if rows is None:
                    raise Unknown(outside, type_)
                return rows

            reply = records.answer(self._caches(), block.kubernetes, name, query.type, upstream)
        if reply is None:
            return Reply("", passed_on=True)
        if name != query.name:
            renamed = (
                row._replace(name=query.name) if row.name == name else row for row in reply.answers
            )
            reply = reply._replace(answers=tuple(renamed))
        return reply

    def _caches(self) -> Caches:
        informers = self.informers
        return Caches(
            informers["services"], self.slices, informers["namespaces"], informers.get("pods"),
            self.address, self.modified_seconds,
        )  # fmt: skip

    def _transfer(self, job: Pending) -> Reply | None:
        """The whole zone, for those to whom the plugin `transfer` gives it; None if it is off."""
        block = match(self.blocks, job.query.name.lower())
        options = block.kubernetes if block is not None else None
        if block is None or options is None or not block.transfers:
            return None
        if job.protocol != "TCP":
            return Reply("REFUSED")
        if job.query.name.lower() != options.zone:
            return None
        kernel = self._kernel()
        flow = kernel.flows.get(job.flow_id) if kernel is not None else None
        if not {"*", flow.packet.source if flow is not None else ""} & set(block.transfers):
            return Reply("REFUSED")
        return transfer.zone(self._caches(), options, self.informers["services"].list())

    def _work(self, job: Pending) -> None:
        if not self.ready:
            self._finish(job, Reply("SERVFAIL"))
            return
        whole = self._transfer(job) if job.query.type in ("AXFR", "IXFR") else None
        if whole is not None:
            self._finish(job, whole)
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
        whole = job.query.type in ("AXFR", "IXFR")
        if len(answers) > 1 and block is not None and block.balanced and not whole:
            answers = self._balanced(answers)
        limit = job.query.size if job.protocol == "UDP" else 65535
        self.note(
            name=job.query.name, type=job.query.type, rcode=reply.rcode, origin=reply.origin,
            answers=[f"{row.type} {row.data}" for row in answers[:8]],
        )  # fmt: skip
        counted = (job.query.type, reply.rcode)
        self.counts[counted] = self.counts.get(counted, 0) + 1
        kernel = self._kernel()
        if kernel is not None:
            message = wire.response(
                job.query, reply.rcode, answers, reply.authority, reply.additional,
                authoritative=authoritative and reply.rcode in ("NOERROR", "NXDOMAIN"),
                recursive=recursive, limit=limit,
            )  # fmt: skip
            if block is not None and block.logged:
                flow = kernel.flows.get(job.flow_id)
                self.log(logs.answered(job, flow, reply.rcode, message, self.now))
            if block is not None and block.errors and job.problem and reply.rcode != "NOERROR":
                name, type_ = job.query.name, job.query.type
                self.log(f"[ERROR] plugin/errors: 2 {name} {type_}: {job.problem}")
            kernel.reply(job.flow_id, message)

    def _balanced(self, answers: tuple[Answer, ...]) -> tuple[Answer, ...]:
        """Addresses in a drawn order, aliases before them, so that clients spread."""
        first = [row for row in answers if row.type not in ("A", "AAAA")]
        rest = [row for row in answers if row.type in ("A", "AAAA")]
        return (*first, *self.chance.shuffled(rest))

    @staticmethod
    def tell(event: Event) -> str:
        detail, who = event.detail, event.target
        if detail.get("fatal"):
            return f"{who} ends because its own question came back to it: servers ask in a circle."
        if event.verb == "answered" and not detail:
            return f"{who} has the answer to its own question: nobody asks in a circle."
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
        if detail.get("asks_itself"):
            return f"{who} asks itself for a name that cannot be, to see whether it comes back."
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


def by_pod_address(pod: Obj) -> str:
    """Index of pods: the address."""
    return str((pod.get("status") or {}).get("podIP", ""))
