"""Client programs inside a node's pods: curl, a bare connection, a name lookup.

Each is a process for the length of one request: it looks the name up with the resolver of its node,
connects through the node's kernel from the pod's own address, and tells whoever started it how it
ended, with every hop. A failure is told in the program's own words.

In Kubernetes: not a part of it; curl 8 with `--connect-timeout 5`, and getent or dig, started by
`kubectl exec`. Left out: redirects, connections that stay open, and TLS: a
server that speaks it (the API server) is reached, but its certificate is not trusted.
"""

from __future__ import annotations

from typing import Any, NamedTuple
from urllib.parse import urlsplit

from kubelab.network import resolvconf
from kubelab.network.addresses import is_address
from kubelab.network.kernel import Kernel
from kubelab.network.payloads import (
    Exchange,
    Hop,
    HttpRequest,
    HttpResponse,
    Outcome,
    Resolution,
)
from kubelab.sim.kernel import Component, Event
from kubelab.sim.tree import EMPTY, Obj

CONNECT_SECONDS = 5.0
BOTH = "A+AAAA"
ERRORS = {"refused": "Connection refused", "unreachable": "Network is unreachable"}
TLS_WANTED = "Client sent an HTTP request to an HTTPS server."


class Errand(NamedTuple):
    """One program's run: what is wished, and how far it has come."""

    program: str
    reply_to: str
    token: Any
    pod: str
    source: str
    host: str
    port: int
    protocol: str
    payload: Any
    resolution: Resolution | None = None
    addresses: tuple[str, ...] = ()
    tls: bool = False
    seconds: float = CONNECT_SECONDS


class Tools(Component):
    """The client programs in a machine's pods, `tools/<node>`."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.node = name.partition("/")[2]
        # Never set back, so that a late answer fits no newer run.
        self.last_errand = 0
        self.errands: dict[int, Errand] = {}

    def start(self) -> None:
        self.errands = {}

    def _kernel(self) -> Kernel | None:
        kernel = self.world.components.get(f"kernel/{self.node}")
        return kernel if isinstance(kernel, Kernel) and not kernel.stopped else None

    def _inside(self, pod: str, source_ip: str, conf: Obj) -> tuple[str, Obj]:
        """The pod's address and resolv.conf, from its sandbox where they were not given."""
        if source_ip:
            return source_ip, conf or resolvconf.NODE_CONF
        kernel = self._kernel()
        if kernel is not None and pod in ("", self.node):
            return kernel.node_ip, conf or resolvconf.NODE_CONF
        runtime = self.world.components.get(f"runtime/{self.node}")
        sandboxes = getattr(runtime, "sandboxes", {})
        for sandbox in reversed(list(sandboxes.values())):
            config = sandbox.config
            if sandbox.ready and f"{config.namespace}/{config.name}" == pod:
                return sandbox.ip, conf or config.resolv_conf
        return "", conf

    # The programs.

    def curl(
        self,
        reply_to: str,
        token: Any,
        pod: str,
        source_ip: str = "",
        resolv_conf: Obj = EMPTY,
        url: str = "",
        method: str = "GET",
        headers: tuple[tuple[str, str], ...] = (),
        body: str = "",
        seconds: float = 0.0,
    ) -> None:
        """`curl URL` in a pod, for at most so many seconds.

        `reply_to` gets `finished(token, Exchange)`.
        """
        text = url if "://" in url else f"http://{url}"
        self.note(program="curl", pod=pod, url=url)
        try:
            parts = urlsplit(text)
            port = parts.port or (443 if parts.scheme == "https" else 80)
        except ValueError:
            text = "curl: (3) URL rejected: Port number was not a decimal number"
            self._fail(reply_to, token, text)
            return
        host = parts.hostname or ""
        if parts.scheme not in ("http", "https"):
            text = f'curl: (1) Protocol "{parts.scheme}" not supported'
            self._fail(reply_to, token, text)
            return
        if not host:
            self._fail(reply_to, token, "curl: (3) URL rejected: No host part in the URL")
            return
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        usual = {"Host": parts.netloc.rpartition("@")[2], "User-Agent": "curl/8.14.1"}
        named = {name.lower(): None for name, _ in headers}
        kept = tuple(item for item in usual.items() if item[0].lower() not in named)
        request = HttpRequest(method, host, path, (*kept, *headers), body)
        source, conf = self._inside(pod, source_ip, resolv_conf)
        errand = Errand("curl", reply_to, token, pod, source, host, port, "TCP", request)
        errand = errand._replace(seconds=seconds or CONNECT_SECONDS)
        self._begin(errand._replace(tls=parts.scheme == "https"), conf)

    def connect(
        self,
        reply_to: str,
        token: Any,
        pod: str,
        source_ip: str = "",
        resolv_conf: Obj = EMPTY,
        host: str = "",
        port: int = 0,
        protocol: str = "TCP",
        payload: Any = None,
    ) -> None:
        """Opens a connection, or sends a datagram; `reply_to` gets `finished(token, Exchange)`."""
        self.note(program="connect", pod=pod, host=host, port=port, protocol=protocol)
        source, conf = self._inside(pod, source_ip, resolv_conf)
        errand = Errand("connect", reply_to, token, pod, source, host, port, protocol, payload)
        self._begin(errand, conf)

    def resolve(
        self,
        reply_to: str,
        token: Any,
        pod: str,
        source_ip: str = "",
        resolv_conf: Obj = EMPTY,
        name: str = "",
        type_: str = "A",
    ) -> None:
        """Looks a name up; `reply_to` gets `finished(token, Resolution)`."""
        self.note(program="resolve", pod=pod, name=name, type=type_)
        source, conf = self._inside(pod, source_ip, resolv_conf)
        if not source:
            self.send(reply_to, "finished", token, Resolution(name, type_, "TIMEOUT"))
            return
        number = self._add(Errand("resolve", reply_to, token, pod, source, name, 0, "UDP", None))
        self.send(f"resolver/{self.node}", "lookup", self.name, number, source, conf, name, type_)

    def _add(self, errand: Errand) -> int:
        self.last_errand += 1
        self.errands[self.last_errand] = errand
        return self.last_errand

    def _begin(self, errand: Errand, conf: Obj) -> None:
        if not errand.source:
            self._fail(errand.reply_to, errand.token, f"pod {errand.pod} has no network")
            return
        number = self._add(errand)
        if is_address(errand.host):
            self._connect(number, errand._replace(addresses=(errand.host,)))
            return
        self.send(
            f"resolver/{self.node}", "lookup", self.name, number, errand.source, conf, errand.host,
            BOTH,
        )  # fmt: skip

    # Answers.

    def resolved(self, number: int, resolution: Resolution) -> None:
        """The name is looked up."""
        errand = self.errands.get(number)
        if errand is None:
            return
        self.note(name=errand.host, rcode=resolution.rcode, program=errand.program)
        if errand.program == "resolve":
            del self.errands[number]
            self.send(errand.reply_to, "finished", errand.token, resolution)
            return
        # A pod without an IPv6 address has no way to an IPv6 one.
        kernel = self._kernel()
        reachable = tuple(
            address
            for address in resolution.addresses
            if kernel is None or kernel.source_to(errand.source, address)
        )
        errand = errand._replace(resolution=resolution, addresses=reachable)
        if not reachable:
            del self.errands[number]
            words = f"Could not resolve host: {errand.host}"
            text = f"curl: (6) {words}" if errand.program == "curl" else words
            exchange = Exchange(0, "", None, _name_hops(self.node, resolution), text)
            self.note(error=text)
            self.send(
                errand.reply_to, "finished", errand.token, exchange._replace(resolution=resolution)
            )
            return
        self._connect(number, errand)

    def _connect(self, number: int, errand: Errand) -> None:
        self.errands[number] = errand
        kernel = self._kernel()
        address = errand.addresses[0]
        self.note(connects=address, port=errand.port, program=errand.program)
        if kernel is None:
            self.answered(number, Outcome(False, None, "timeout"))
            return
        kernel.open(
            errand.source, address, errand.port, errand.protocol, errand.payload, self.name,
            number, errand.seconds,
        )  # fmt: skip

    def answered(self, number: int, outcome: Outcome) -> None:
        """The connection was answered, refused or given up."""
        errand = self.errands.pop(number, None)
        if errand is None:
            return
        if not outcome.ok and outcome.error != "timeout" and len(errand.addresses) > 1:
            self._connect(number, errand._replace(addresses=errand.addresses[1:]))
            return
        hops = _name_hops(self.node, errand.resolution) + outcome.hops
        address = outcome.address or errand.addresses[0]
        payload = outcome.payload
        if not outcome.ok:
            text = _words(errand, outcome)
            exchange = Exchange(0, "", None, hops, text, None, errand.resolution, address)
        elif errand.tls:
            # Of all servers here only the API server speaks TLS, and says so.
            words = "(35) TLS connect error: error:0A00010B:SSL routines::wrong version number"
            if isinstance(payload, HttpResponse) and payload.body.startswith(TLS_WANTED):
                words = "(60) SSL certificate problem: unable to get local issuer certificate"
            text = f"curl: {words}"
            exchange = Exchange(0, "", None, hops, text, None, errand.resolution, address)
        elif isinstance(payload, HttpResponse):
            exchange = Exchange(
                payload.status, payload.body, outcome.pod or None, hops, "", payload,
                errand.resolution, address,
            )  # fmt: skip
        elif errand.program == "curl":
            text = "curl: (1) Received HTTP/0.9 when not allowed"
            exchange = Exchange(
                0, "", outcome.pod or None, hops, text, payload, errand.resolution, address
            )
        else:
            body = payload if isinstance(payload, str) else ""
            exchange = Exchange(
                0, body, outcome.pod or None, hops, "", payload, errand.resolution, address
            )
        exchange = exchange._replace(elapsed_ns=outcome.elapsed_ns)
        self.note(program=errand.program, pod=errand.pod, host=errand.host, port=errand.port)
        self.note(status=exchange.status, answered_by=exchange.pod, error=exchange.error)
        self.send(errand.reply_to, "finished", errand.token, exchange)

    def _fail(self, reply_to: str, token: Any, text: str) -> None:
        self.note(error=text)
        self.send(reply_to, "finished", token, Exchange(0, "", None, (), text))

    @staticmethod
    def tell(event: Event) -> str:
        detail = event.detail
        pod = detail.get("pod") or "the pod"
        if event.verb == "curl":
            return f"curl starts in {pod} to get {detail.get('url', '')}."
        if event.verb == "connect":
            return f"A program in {pod} connects to {detail.get('host')} port {detail.get('port')}."
        if event.verb == "resolve":
            return f"A program in {pod} looks up {detail.get('type')} {detail.get('name')}."
        if event.verb == "start":
            return f"The client programs of {event.target.partition('/')[2]} are there."
        program = "curl" if detail.get("program") == "curl" else "The program"
        if event.verb == "resolved":
            if detail.get("error"):
                return f"{program} gives up because {detail.get('name')} has no address."
            if detail.get("connects"):
                where = f"{detail['connects']} port {detail['port']}"
                return f"{program} connects to {where} because {detail['name']} has that address."
            return f"{program} is done: {detail.get('name')} gave {detail.get('rcode')}."
        if event.verb == "answered":
            if detail.get("error"):
                return f"{program} in {pod} fails: {detail['error']}."
            who = detail.get("answered_by") or detail.get("host")
            status = f" with status {detail['status']}" if detail.get("status") else ""
            return f"{program} in {pod} has its answer from {who}{status}."
        return f"{program} handles {event.verb}."


def _name_hops(node: str, resolution: Resolution | None) -> tuple[Hop, ...]:
    """The questions of a resolution as hops: one each."""
    if resolution is None:
        return ()
    return tuple(
        Hop(
            node,
            "DNS",
            f"{step.type} {step.name} {step.rcode}",
            step.origin,
            step.server,
            ", ".join(row.data for row in step.answers),
        )
        for step in resolution.steps
    )


def _words(errand: Errand, outcome: Outcome) -> str:
    """A failed connection in the program's own words."""
    elapsed_ms = outcome.elapsed_ns // 1_000_000
    where = f"{errand.host} port {errand.port}"
    if errand.program != "curl":
        return f"connect to {where}: {ERRORS.get(outcome.error, 'Connection timed out')}"
    if outcome.error in ERRORS:
        return (
            f"curl: (7) Failed to connect to {where} after {elapsed_ms} ms: "
            "Couldn't connect to server"
        )
    return f"curl: (28) Connection timed out after {elapsed_ms} milliseconds"
