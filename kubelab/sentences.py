"""One plain sentence for every event: what `c.tell`, the demo, the views and stories say.

Each kind of component has the sentences for what it handles beside its code (`Component.tell`);
here is only the way from an event to them, by the role of the component that handled it.
"""

from __future__ import annotations

from functools import cache
from importlib import import_module

from kubelab.sim.kernel import Component, Event
from kubelab.sim.links import role_of

# Where the class of each role is; the class knows the sentences.
ROLES = {
    "you": "kubelab.user:You",
    "kubeadm": "kubelab.addons:Installer",
    "faults": "kubelab.faults:Saboteur",
    "clock": "kubelab.sim.lapse:Clock",
    "etcd": "kubelab.etcd.member:Member",
    "apiserver": "kubelab.apiserver.server:APIServer",
    "controller-manager": "kubelab.controllers.manager:ControllerManager",
    "metrics-server": "kubelab.metrics.server:MetricsServer",
    "scheduler": "kubelab.scheduler.scheduler:Scheduler",
    "kubelet": "kubelab.kubelet.kubelet:Kubelet",
    "runtime": "kubelab.runtime.containerd:Runtime",
    "kernel": "kubelab.network.kernel:Kernel",
    "kube-proxy": "kubelab.proxy.proxy:KubeProxy",
    "kube-network-policies": "kubelab.proxy.policies:PolicyAgent",
    "coredns": "kubelab.dns.server:CoreDNS",
    "resolver": "kubelab.dns.resolver:Resolver",
    "tools": "kubelab.runtime.tools:Tools",
    "network": "kubelab.network.fabric:Fabric",
    "internet": "kubelab.dns.upstream:Internet",
    "door": "kubelab.network.controlplane:Door",
}


@cache
def _class_of(role: str) -> type[Component]:
    path = ROLES.get(role)
    if path is None:
        return Component
    module, _, name = path.partition(":")
    found = getattr(import_module(module), name)
    assert isinstance(found, type) and issubclass(found, Component)
    return found


def sentence(event: Event) -> str:
    """The sentence about an event."""
    if event.detail.get("refused") and event.actor != event.target:
        return f"{event.target} does not answer {event.actor}: it is stopped."
    try:
        return _class_of(role_of(event.target)).tell(event)
    except (KeyError, IndexError, TypeError):
        # An old event has lost its detail: what is left is who and what.
        return f"{event.target} handles {event.verb} from {event.actor}."
