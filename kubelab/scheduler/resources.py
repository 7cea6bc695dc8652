"""What a pod asks for and what a node has, as integers.

cpu is counted in thousandths, everything else in whole units (bytes, devices), rounded up. A pod's
request is the larger of what its containers need together and what its init phase needs at its
worst; sidecars (init containers that restart always) count in both.

In Kubernetes: k8s.io/component-helpers/resource.PodRequests and the scheduler framework's Resource.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, NamedTuple

from kubelab.api import quantity

# A container that does not name cpu or memory counts so much when nodes are scored by their use.
DEFAULT_CPU_MILLI = 100
DEFAULT_MEMORY_BYTES = 200 * 1024 * 1024
DEFAULTS = {"cpu": DEFAULT_CPU_MILLI, "memory": DEFAULT_MEMORY_BYTES}

Amounts = dict[str, int]


class Resources(NamedTuple):
    """Amounts of resources; `other` holds extended resources and huge pages, sorted by name."""

    cpu: int = 0
    memory: int = 0
    storage: int = 0
    other: tuple[tuple[str, int], ...] = ()

    def plus(self, more: Resources) -> Resources:
        """The sum."""
        other = self.other
        if more.other:
            sums = dict(other)
            for name, amount in more.other:
                sums[name] = sums.get(name, 0) + amount
            other = tuple(sorted(sums.items()))
        return Resources(
            self.cpu + more.cpu, self.memory + more.memory, self.storage + more.storage, other
        )

    def minus(self, less: Resources) -> Resources:
        """The difference."""
        other = self.other
        if less.other:
            sums = dict(other)
            for name, amount in less.other:
                sums[name] = sums.get(name, 0) - amount
            other = tuple(sorted((name, amount) for name, amount in sums.items() if amount))
        return Resources(
            self.cpu - less.cpu, self.memory - less.memory, self.storage - less.storage, other
        )

    def amount(self, resource: str) -> int:
        """The amount of a resource by its name in the API."""
        if resource == "cpu":
            return self.cpu
        if resource == "memory":
            return self.memory
        if resource == "ephemeral-storage":
            return self.storage
        for name, amount in self.other:
            if name == resource:
                return amount
        return 0

    def items(self) -> list[tuple[str, int]]:
        """Names and amounts, those of every node first."""
        first = [("cpu", self.cpu), ("memory", self.memory), ("ephemeral-storage", self.storage)]
        return [*first, *self.other]


NONE = Resources()


@lru_cache(maxsize=4096)
def amount_of(resource: str, text: str | int | float) -> int:
    """A quantity as an integer: thousandths of a cpu, else whole units; rounded up."""
    return quantity.milli_value(text) if resource == "cpu" else quantity.value(text)


def amounts(quantities: Mapping[str, Any] | None) -> Amounts:
    """A ResourceList as integers."""
    return {name: amount_of(name, text) for name, text in (quantities or {}).items()}


def resources(amounts_: Mapping[str, int]) -> Resources:
    """Amounts by name as `Resources`; `pods` is no resource that pods ask for."""
    known = ("cpu", "memory", "ephemeral-storage", "pods")
    return Resources(
        amounts_.get("cpu", 0),
        amounts_.get("memory", 0),
        amounts_.get("ephemeral-storage", 0),
        tuple(sorted((name, amount) for name, amount in amounts_.items() if name not in known)),
    )


def is_pod_level(resource: str) -> bool:
    """Whether a pod as a whole may ask for the resource."""
    return resource in ("cpu", "memory") or resource.startswith("hugepages-")


def pod_requests(
    pod: Mapping[str, Any], defaults: Mapping[str, int] | None = None, *, pod_level: bool = True
) -> Amounts:
    """What the pod asks for, by resource.

    `defaults` stand in for what a container does not name (a request of 0 is named). Without
    `pod_level` the requests of the pod as a whole are left out of account.
    """
    spec = pod["spec"]
    held = _held(pod)
    running: Amounts = {}
    for container in spec.get("containers") or ():
        _add(running, _container(container, held, defaults))
    sidecars: Amounts = {}
    peak: Amounts = {}
    for container in spec.get("initContainers") or ():
        wants = _container(container, held, defaults)
        if container.get("restartPolicy") == "Always":
            _add(sidecars, wants)
            phase = sidecars
        else:
            phase = wants
            _add(phase, sidecars)
        for name, amount in phase.items():
            peak[name] = max(peak.get(name, 0), amount)
    _add(running, sidecars)
    for name, amount in peak.items():
        running[name] = max(running.get(name, 0), amount)
    if pod_level:
        whole = amounts((spec.get("resources") or {}).get("requests"))
        running.update({name: amount for name, amount in whole.items() if is_pod_level(name)})
    if spec.get("overhead"):
        _add(running, amounts(spec["overhead"]))
    return running


def scoring_defaults(pod: Mapping[str, Any], requests: Mapping[str, int]) -> dict[str, int]:
    """The defaults that apply to a pod on a node: with requests of the pod as a whole, only for a
    resource that neither the pod nor a container names."""
    whole = (pod["spec"].get("resources") or {}).get("requests") or {}
    if not any(is_pod_level(name) for name in whole):
        return DEFAULTS
    return {name: amount for name, amount in DEFAULTS.items() if name not in requests}


def _held(pod: Mapping[str, Any]) -> dict[str, Amounts]:
    """While a resize is under way: what each container is allotted and really has."""
    held: dict[str, Amounts] = {}
    status = pod.get("status") or {}
    both = (status.get("containerStatuses") or (), status.get("initContainerStatuses") or ())
    for statuses in both:
        for entry in statuses:
            actual = amounts((entry.get("resources") or {}).get("requests"))
            for name, amount in amounts(entry.get("allocatedResources")).items():
                actual[name] = max(actual.get(name, 0), amount)
            if actual:
                held[entry["name"]] = actual
    return held


def _container(
    container: Mapping[str, Any], held: dict[str, Amounts], defaults: Mapping[str, int] | None
) -> Amounts:
    out = amounts((container.get("resources") or {}).get("requests"))
    if held and container["name"] in held:
        for name, amount in held[container["name"]].items():
            out[name] = max(out.get(name, 0), amount)
    for name, amount in (defaults or {}).items():
        out.setdefault(name, amount)
    return out


def _add(total: Amounts, more: Mapping[str, int]) -> None:
    for name, amount in more.items():
        total[name] = total.get(name, 0) + amount
