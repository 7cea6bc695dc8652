"""NetworkPolicies: who may talk to whom, asked once for each connection.

A pod that no policy of a direction selects may talk to anybody in that direction. One that is
selected may do only what at least one of those policies allows: rules add up, nothing is denied by
name and order plays no part. The client's node asks whether the client may go out, the server's
node whether it may come in; both look at the pod's address and port as they are behind the service.

What must hold: answers are never asked for, nor what a node sends to its own pods (its kubelet's
probes). A packet that is not allowed is dropped in silence: the client waits for its time-out.

In Kubernetes: not a part of it; a network plugin does this, here as sigs.k8s.io/kube-network-
policies does in kind, with the pods' labels looked up for the first packet of each connection.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from kubelab.api.objects import Obj, get, key_of, labels_of, namespace_of
from kubelab.api.selectors import EVERYTHING, LabelSelector, compile_selector
from kubelab.network.addresses import contains


class PodPlace(NamedTuple):
    """What policies ask of a pod: where it is, its labels, its ports' names."""

    key: str
    namespace: str
    labels: Obj
    ports: tuple[tuple[str, str, int], ...] = ()


class Peer(NamedTuple):
    """One entry of `from` or `to`: a network with holes, or pods of some namespaces."""

    cidr: str = ""
    holes: tuple[str, ...] = ()
    namespaces: LabelSelector | None = None
    pods: LabelSelector = EVERYTHING


class Port(NamedTuple):
    """One entry of `ports`: a number, a range or a name; without either, the whole protocol."""

    protocol: str = "TCP"
    first: int = 0
    last: int = 0
    name: str = ""


class Allowance(NamedTuple):
    """One rule: any of its peers on any of its ports; None means that all are meant."""

    peers: tuple[Peer, ...] | None
    ports: tuple[Port, ...] | None


class Policy(NamedTuple):
    """A policy, read; a direction that it is not about is None."""

    key: str
    namespace: str
    pods: LabelSelector
    ingress: tuple[Allowance, ...] | None
    egress: tuple[Allowance, ...] | None


class Verdict(NamedTuple):
    """Whether a packet may pass and why; empty words where no policy is concerned."""

    allowed: bool
    words: str = ""


PASSED = Verdict(True)


def pod_place(pod: Obj) -> PodPlace:
    """What policies ask of a pod."""
    ports = tuple(
        (port["name"], port.get("protocol") or "TCP", port["containerPort"])
        for container in get(pod, "spec", "containers", default=())
        for port in container.get("ports") or ()
        if port.get("name")
    )
    return PodPlace(key_of(pod), namespace_of(pod), labels_of(pod), ports)


def read(policy: Obj) -> Policy:
    """The policy of an object of the API."""
    spec = policy["spec"]
    types = spec.get("policyTypes") or (["Ingress", "Egress"] if "egress" in spec else ["Ingress"])
    return Policy(
        key_of(policy),
        namespace_of(policy),
        compile_selector(spec.get("podSelector") or Obj()),
        _allowances(spec.get("ingress"), "from") if "Ingress" in types else None,
        _allowances(spec.get("egress"), "to") if "Egress" in types else None,
    )


def _allowances(rules: Any, side: str) -> tuple[Allowance, ...]:
    return tuple(
        Allowance(
            tuple(_peer(entry) for entry in rule[side]) if rule.get(side) else None,
            tuple(_port(entry) for entry in rule["ports"]) if rule.get("ports") else None,
        )
        for rule in rules or ()
    )


def _peer(entry: Obj) -> Peer:
    block = entry.get("ipBlock")
    if block:
        return Peer(block["cidr"], tuple(block.get("except") or ()))
    spaces = entry.get("namespaceSelector")
    pods = entry.get("podSelector")
    return Peer(
        namespaces=compile_selector(spaces) if spaces is not None else None,
        pods=compile_selector(pods) if pods is not None else EVERYTHING,
    )


def _port(entry: Obj) -> Port:
    protocol, port = entry.get("protocol") or "TCP", entry.get("port")
    if isinstance(port, str):
        return Port(protocol, name=port)
    first = int(port or 0)
    return Port(protocol, first, int(entry.get("endPort") or first))


class Policies:
    """All policies, and what they ask of pods and namespaces, as one machine's kernel has them."""

    def __init__(self) -> None:
        self.policies: dict[str, Policy] = {}
        self.pods: dict[str, PodPlace] = {}
        self.namespaces: dict[str, Obj] = {}

    def leaving(self, source: str, destination: str, port: int, protocol: str) -> Verdict:
        """Whether the pod at `source` may connect to there."""
        return self._ask("egress", source, destination, destination, port, protocol)

    def arriving(self, source: str, destination: str, port: int, protocol: str) -> Verdict:
        """Whether the pod at `destination` may be reached from there."""
        return self._ask("ingress", destination, source, destination, port, protocol)

    def _ask(
        self, direction: str, subject: str, peer: str, server: str, port: int, protocol: str
    ) -> Verdict:
        pod = self.pods.get(subject)
        if pod is None or not self.policies:
            return PASSED
        concerned = []
        for policy in self.policies.values():
            rules = policy.ingress if direction == "ingress" else policy.egress
            if rules is None or policy.namespace != pod.namespace:
                continue
            if not policy.pods.matches(pod.labels):
                continue
            concerned.append(policy.key)
            for rule in rules:
                if self._allows(rule, policy.namespace, peer, server, port, protocol):
                    return Verdict(True, f"{policy.key} allows this {direction} of {pod.key}")
        if not concerned:
            return PASSED
        named = " and ".join(concerned[:3])
        word = "allows" if len(concerned) == 1 else "allow"
        return Verdict(False, f"no rule of {named} {word} this {direction} of {pod.key}")

    def _allows(
        self, rule: Allowance, namespace: str, peer: str, server: str, port: int, protocol: str
    ) -> bool:
        fits = rule.ports is None or any(
            self._is_port(entry, server, port, protocol) for entry in rule.ports
        )
        return fits and (
            rule.peers is None or any(self._is_peer(entry, namespace, peer) for entry in rule.peers)
        )

    def _is_port(self, entry: Port, server: str, port: int, protocol: str) -> bool:
        if entry.protocol != protocol:
            return False
        if entry.name:
            pod = self.pods.get(server)
            return pod is not None and (entry.name, protocol, port) in pod.ports
        return not entry.first or entry.first <= port <= entry.last

    def _is_peer(self, entry: Peer, namespace: str, address: str) -> bool:
        if entry.cidr:
            holes = any(contains(hole, address) for hole in entry.holes)
            return contains(entry.cidr, address) and not holes
        pod = self.pods.get(address)
        if pod is None:
            return False
        if entry.namespaces is None:
            if pod.namespace != namespace:
                return False
        elif not entry.namespaces.matches(self.namespaces.get(pod.namespace)):
            return False
        return entry.pods.matches(pod.labels)
