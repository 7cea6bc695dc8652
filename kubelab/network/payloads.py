"""The records that travel over the network, and the records of how they travelled.

Everything here is a frozen value: requests and answers of HTTP, the hops that a packet made, the
outcome of a request, the steps of a name's resolution. DNS messages travel as bytes, as on a real
wire; other protocols' payloads are text or bytes; a payload of None is a connection and nothing
more.

In Kubernetes: no such thing; a packet keeps no record of its way. Ours does so that a learner can
look at it.
"""

from __future__ import annotations

from typing import Any, NamedTuple


class HttpRequest(NamedTuple):
    """A request of HTTP; `headers` is a tuple of (name, value) pairs."""

    method: str = "GET"
    host: str = ""
    path: str = "/"
    headers: tuple[tuple[str, str], ...] = ()
    body: str = ""


class HttpResponse(NamedTuple):
    """An answer of HTTP."""

    status: int = 200
    body: str = ""
    headers: tuple[tuple[str, str], ...] = ()


class Hop(NamedTuple):
    """One thing that happened to a packet on its way.

    `chain` is the chain whose rule matched (`KUBE-SVC-…`), or a step (`DNS`, `socket`, `route`,
    `conntrack`, `endpoint`, `answer`); `rule` says what matched, as iptables-save prints it, or in
    words. `before` and `after` are the packet's two ends before and after (`10.244.1.2:32768 >
    10.97.3.4:80`). `probability` is the chance of a rule of a random choice, `number` its place
    among the `of` rules of its chain, from 1.
    """

    node: str
    chain: str
    rule: str
    target: str = ""
    before: str = ""
    after: str = ""
    probability: float | None = None
    number: int = 0
    of: int = 0

    def reason(self) -> str:
        """The comment of the rule (`default/web has no endpoints`), else what matched."""
        _, quote, rest = self.rule.partition('"')
        text = rest.partition('"')[0] if quote else self.rule
        if "@no-endpoint-" in self.rule:
            text += " has no local endpoints" if self.target == "drop" else " has no endpoints"
        return text


class Outcome(NamedTuple):
    """What became of a request that a local process sent with `Kernel.open`.

    `error` is empty, `refused` (at once: nobody listens, or a rule rejects) or `timeout`. `address`
    is the address that answered, `pod` the pod that has it (`default/web-0`), if any.
    """

    ok: bool
    payload: Any = None
    error: str = ""
    address: str = ""
    pod: str = ""
    hops: tuple[Hop, ...] = ()
    elapsed_ns: int = 0


class Answer(NamedTuple):
    """One row of a DNS answer."""

    name: str
    ttl: int
    type: str
    data: str


class Step(NamedTuple):
    """One query of a resolution: the full name with its final dot, and what came back.

    `rcode` is `NOERROR`, `NXDOMAIN`, `SERVFAIL` …, or `TIMEOUT` and `REFUSED` where no answer came.
    `origin` names who answered (a CoreDNS pod); `authority`, `additional`, `flags` (`qr aa rd`) and
    `size` in bytes are those of its message.
    """

    name: str
    type: str
    rcode: str
    server: str
    answers: tuple[Answer, ...] = ()
    hops: tuple[Hop, ...] = ()
    origin: str = ""
    authority: tuple[Answer, ...] = ()
    additional: tuple[Answer, ...] = ()
    flags: str = ""
    size: int = 0
    # The size that the server names in its EDNS record; 0 without one.
    edns: int = 0


class Resolution(NamedTuple):
    """The end of a name's resolution: `rcode`, the answers and every query tried, in order."""

    name: str
    type: str
    rcode: str
    answers: tuple[Answer, ...] = ()
    steps: tuple[Step, ...] = ()

    @property
    def addresses(self) -> tuple[str, ...]:
        """The addresses among the answers."""
        return tuple(row.data for row in self.answers if row.type in ("A", "AAAA"))


class Exchange(NamedTuple):
    """What a client program in a pod got: status 0 and its own error words where nothing
    answered.

    `payload` is the raw answer of what is not HTTP; `resolution` is how the name was looked up,
    None for an address.
    """

    status: int
    body: str
    pod: str | None
    hops: tuple[Hop, ...]
    error: str
    payload: Any = None
    resolution: Resolution | None = None
    address: str = ""
    elapsed_ns: int = 0
