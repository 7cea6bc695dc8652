"""The network plugin's half that enforces NetworkPolicies: one process on each node.

It watches NetworkPolicies, and from the first one on also pods and namespaces, and keeps what
packets are asked about (`network/policy.py`) in its node's kernel up to date.

What must hold: nothing is enforced before all three caches are filled, since half a picture would
cut off who is allowed. Stopped, it leaves what it wrote, which grows stale.

In Kubernetes: not a part of it; sigs.k8s.io/kube-network-policies, which kind's kindnetd has built
in. Left out: AdminNetworkPolicy; an update of a policy that ends connections already open.
"""

from __future__ import annotations

from collections.abc import Sequence

from kubelab.api.objects import Obj, get, key_of, labels_of, name_of
from kubelab.client.client import Client
from kubelab.client.sentences import heard
from kubelab.network.kernel import Kernel
from kubelab.network.policy import Policies, pod_place, read
from kubelab.sim.kernel import Event

OVER = ("Succeeded", "Failed")
CACHES = ("networkpolicies", "pods", "namespaces")


class PolicyAgent(Client):
    """`kube-network-policies/<node>`."""

    def __init__(self, name: str, *, servers: Sequence[str] = ("apiserver-1",)) -> None:
        user = "system:serviceaccount:kube-system:kube-network-policies"
        super().__init__(name, servers=servers, agent="kube-network-policies", user=user)
        self.node = name.partition("/")[2]

    def start(self) -> None:
        super().start()
        self.filled = False
        self.inform("networking.k8s.io/v1/NetworkPolicy").subscribe("on_policy")

    def informed(self, informer: str) -> None:
        """With all caches filled, what the kernel has is written anew."""
        if self.filled or not all(self._synced(name) for name in CACHES):
            return
        self.filled = True
        tables = self._tables()
        if tables is None:
            return
        tables.policies.clear()
        tables.pods.clear()
        tables.namespaces.clear()
        for name in CACHES:
            for obj in self.informers[name].store.values():
                self._write(name, None, obj)
        self.note(policies=len(tables.policies), pods=len(tables.pods))

    def _synced(self, name: str) -> bool:
        informer = self.informers.get(name)
        return informer is not None and informer.synced

    def _tables(self) -> Policies | None:
        kernel = self.world.components.get(f"kernel/{self.node}")
        return kernel.policies if isinstance(kernel, Kernel) and not kernel.stopped else None

    def on_policy(self, old: Obj | None, new: Obj | None) -> None:
        """A policy came, changed or went."""
        if "pods" not in self.informers:
            self.inform("v1/Pod").subscribe("on_pod")
            self.inform("v1/Namespace").subscribe("on_namespace")
        self._changed("networkpolicies", old, new)
        if self.filled:
            self.note(policy=key_of(new or old or Obj()), gone=new is None)

    def on_pod(self, old: Obj | None, new: Obj | None) -> None:
        """A pod came, changed or went."""
        self._changed("pods", old, new)

    def on_namespace(self, old: Obj | None, new: Obj | None) -> None:
        """A namespace came, changed or went."""
        self._changed("namespaces", old, new)

    def _changed(self, kind: str, old: Obj | None, new: Obj | None) -> None:
        if self.filled:
            self._write(kind, old, new)

    def _write(self, kind: str, old: Obj | None, new: Obj | None) -> None:
        tables = self._tables()
        if tables is None:
            return
        if kind == "pods":
            self._write_pod(tables, old, new)
        elif kind == "namespaces":
            if new is None:
                tables.namespaces.pop(name_of(old or Obj()), None)
            else:
                tables.namespaces[name_of(new)] = labels_of(new)
        elif new is None:
            tables.policies.pop(key_of(old or Obj()), None)
        else:
            tables.policies[key_of(new)] = read(new)

    def _write_pod(self, tables: Policies, old: Obj | None, new: Obj | None) -> None:
        before, after = _addresses(old), _addresses(new)
        for address in before:
            known = tables.pods.get(address) if address not in after else None
            # By now another pod may have the address.
            if known is not None and known.key == key_of(old or Obj()):
                del tables.pods[address]
        for address in after:
            assert new is not None
            tables.pods[address] = pod_place(new)

    @staticmethod
    def tell(event: Event) -> str:
        detail, who = event.detail, event.target
        if event.verb == "start":
            return f"{who} starts and lists all network policies."
        if "policies" in detail:
            return f"{who} enforces {detail['policies']} network policies from now on."
        if detail.get("policy"):
            word = "no longer enforces" if detail["gone"] else "enforces"
            return f"{who} {word} {detail['policy']} on the connections that begin now."
        return heard(who, event)


def _addresses(pod: Obj | None) -> tuple[str, ...]:
    """The addresses that only this pod has; none for what is on the node's, or over."""
    if pod is None or get(pod, "spec", "hostNetwork", default=False):
        return ()
    if get(pod, "status", "phase", default="") in OVER:
        return ()
    rows = tuple(row["ip"] for row in get(pod, "status", "podIPs", default=()))
    first = str(get(pod, "status", "podIP", default=""))
    return rows or ((first,) if first else ())
