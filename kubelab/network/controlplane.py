"""The machine of the control plane, as seen from the pods: an address on which the API servers
listen.

The service default/kubernetes leads here. Components of the cluster reach an API server by
message (`client/`); a program in a pod that connects to it comes this way, through the node's
rules. It finds an open port as long as an API server runs, but it speaks plain HTTP where TLS is
wanted.

In Kubernetes: the host network of the control plane node, where kube-apiserver is a static pod.
Left out: TLS, and so requests of programs in pods to the API.
"""

from __future__ import annotations

from typing import Any

from kubelab.network.kernel import Kernel
from kubelab.network.payloads import HttpRequest, HttpResponse
from kubelab.sim.kernel import Component, Event, World

MACHINE = "kernel/control-plane"
PORT = 6443


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

    @staticmethod
    def tell(event: Event) -> str:
        if event.verb == "start":
            return "The API server's port 6443 is open on the control plane's machine."
        return f"{event.detail.get('server', 'The API server')} refuses a request without TLS."


def add(world: World, addresses: dict[str, str]) -> None:
    """Puts the machine into a world; `addresses` says which API server listens on which."""
    world.add(Kernel(MACHINE))
    for address, server in addresses.items():
        world.add(Door(address, server))
