"""The machine of the control plane, as seen from the pods: an address on which the API servers
listen.

What an API server asks of pods as a proxy sets out from here. The service default/kubernetes leads
here. Components of the cluster reach an API server by
message (`client/`); a program in a pod that connects to it comes this way, through the node's
rules. It finds an open port as long as an API server runs, but it speaks plain HTTP where TLS is
wanted.

In Kubernetes: the host network of the control plane node, where kube-apiserver is a static pod.
Left out: TLS, and so requests of programs in pods to the API.
"""

from __future__ import annotations

from typing import Any

from kubelab.network.kernel import Kernel
from kubelab.network.payloads import HttpRequest, HttpResponse, Outcome
from kubelab.sim.kernel import Component, Event, World
from kubelab.sim.tree import Obj

MACHINE = "kernel/control-plane"
PORT = 6443
PROXY_SECONDS = 30.0


class Door(Component):
    """The API servers' port 6443 on one address, the component `door/<address>`."""

    def __init__(self, address: str, server: str) -> None:
        super().__init__(f"door/{address}")
        self.address = address
        self.server = server

    def start(self) -> None:
        kernel = self._kernel()
        if kernel.node_ip:
            kernel.add_address(self.address)
        else:
            kernel.configure(self.address)
        kernel.close(self.address, "TCP", PORT)
        kernel.listen(self.address, "TCP", PORT, self.name, "https", process=self.server)

    def _kernel(self) -> Kernel:
        kernel = self.world.components[MACHINE]
        assert isinstance(kernel, Kernel)
        return kernel

    def received(self, token: str, flow_id: int, payload: Any) -> None:
        """A program in a pod talks to the API server without TLS."""
        self.note(server=self.server, token=token)
        kernel = self._kernel()
        if isinstance(payload, HttpRequest):
            text = "Client sent an HTTP request to an HTTPS server.\n"
            kernel.reply(flow_id, HttpResponse(400, text))
        else:
            kernel.refuse(flow_id)

    def fetch(
        self, server: str, token: int, address: str, port: int, payload: HttpRequest, scheme: str
    ) -> None:
        """The API server asks something of a pod, as a proxy; it gets `kubelet_answered`."""
        self.note(address=address, port=port)
        context = (server, token, f"{address}:{port}", scheme)
        self._kernel().open(
            self.address, address, port, "TCP", payload, self.name, context, PROXY_SECONDS
        )  # fmt: skip

    def answered(self, context: tuple[str, int, str, str], outcome: Outcome) -> None:
        """The pod has answered the API server, or nobody is there."""
        server, token, where, scheme = context
        why = ""
        if not outcome.ok:
            refused = outcome.error == "refused"
            said = "connect: connection refused" if refused else "i/o timeout"
            why = f"dial tcp {where}: {said}"
        elif scheme == "https":
            # No program in a pod speaks TLS here.
            why = "http: server gave HTTP response to HTTPS client"
        self.note(pod=outcome.pod, error=why)
        answer = Obj(code=503, message=why) if why else Obj(code=200, payload=outcome.payload)
        self.send(server, "kubelet_answered", token, answer)

    @staticmethod
    def tell(event: Event) -> str:
        if event.verb == "start":
            return "The API server's port 6443 is open on the control plane's machine."
        detail = event.detail
        if event.verb == "fetch":
            where = f"{detail.get('address')} port {detail.get('port')}"
            return f"The API server connects to {where} because a client asks through its proxy."
        if event.verb == "answered":
            if detail.get("error"):
                return f"The API server has no answer for its client: {detail['error']}."
            return f"The API server has the answer of {detail.get('pod') or 'a node'}."
        return f"{detail.get('server', 'The API server')} refuses a request without TLS."


def add(world: World, addresses: dict[str, str]) -> None:
    """Puts the machine into a world; `addresses` says which API server listens on which."""
    world.add(Kernel(MACHINE))
    for address, server in addresses.items():
        world.add(Door(address, server))
