"""The world outside the cluster: one machine with a name server and a web server.

The nodes' own resolv.conf points to its name server, 192.0.2.53. It knows `example.com` and
`www.example.com`, and that no other name exists. The web server behind them is 192.0.2.80.

In Kubernetes: not a part of it; these addresses and names are set aside for documentation
(RFC 5737, RFC 3849, RFC 2606), so nothing real is meant.
"""

from __future__ import annotations

from typing import Any

from kubelab.dns import wire
from kubelab.network.kernel import Kernel
from kubelab.network.payloads import Answer, HttpRequest, HttpResponse
from kubelab.sim.kernel import Component, Event, World

MACHINE = "kernel/internet"
NAME = "internet"
SERVER = "192.0.2.53"
WEB = "192.0.2.80"
WEB_IPV6 = "2001:db8::80"
TTL = 300
# What the root zone says beside a denial.
ROOT = "a.root-servers.net. nstld.verisign-grs.com. 2026010100 1800 900 604800 86400"

# The outside names that exist, and their records.
RECORDS = {
    "example.com.": (("A", WEB), ("AAAA", WEB_IPV6)),
    "www.example.com.": (("A", WEB), ("AAAA", WEB_IPV6)),
}


def look_up(name: str, type_: str) -> tuple[str, tuple[Answer, ...]]:
    """The rcode and records of an outside name."""
    known = RECORDS.get(name.lower())
    if known is None:
        return "NXDOMAIN", ()
    return "NOERROR", tuple(Answer(name, TTL, kind, data) for kind, data in known if kind == type_)


class Internet(Component):
    """The programs of the machine outside: DNS and HTTP."""

    def __init__(self, name: str = NAME) -> None:
        super().__init__(name)

    def start(self) -> None:
        kernel = self._kernel()
        kernel.configure(SERVER)
        kernel.add_address(WEB)
        for protocol in ("UDP", "TCP"):
            kernel.close(SERVER, protocol, 53)
            kernel.listen(SERVER, protocol, 53, self.name, "dns")
        kernel.close(WEB, "TCP", 80)
        kernel.listen(WEB, "TCP", 80, self.name, "http")

    def _kernel(self) -> Kernel:
        kernel = self.world.components[MACHINE]
        assert isinstance(kernel, Kernel)
        return kernel

    def received(self, token: str, flow_id: int, payload: Any) -> None:
        """A question or a page request from the cluster."""
        kernel = self._kernel()
        if token == "http":
            self.note(request="http")
            if isinstance(payload, HttpRequest):
                kernel.reply(flow_id, HttpResponse(200, "Example Domain\n"))
            else:
                kernel.refuse(flow_id)
            return
        asked = wire.read_query(payload) if isinstance(payload, bytes) else None
        if asked is None:
            return
        rcode, answers = (asked.error, ()) if asked.error else look_up(asked.name, asked.type)
        self.note(name=asked.name, type=asked.type, rcode=rcode)
        denial = () if answers or asked.error else (Answer(".", 86400, "SOA", ROOT),)
        message = wire.response(asked, rcode, answers, denial, authoritative=False, recursive=True)
        kernel.reply(flow_id, message)

    @staticmethod
    def tell(event: Event) -> str:
        detail = event.detail
        if event.verb == "start":
            return "The world outside the cluster is there."
        if detail.get("name"):
            return (
                f"The name server outside answers {detail['rcode']} for {detail['type']} "
                f"{detail['name']}"
            )
        return "The web server outside answers a request for a page."


def add(world: World) -> None:
    """Puts the outside machine and its programs into a world."""
    world.add(Kernel(MACHINE))
    world.add(Internet())
