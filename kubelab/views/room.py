"""How much of each node is asked for and how much is free, as the stored objects tell it.

The scheduler places by what pods ask for, never by what they use; so that is what views draw. A pod
counts on its node from the binding until it has ended.

In Kubernetes: the "Allocated resources" of `kubectl describe node`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fractions import Fraction
from functools import lru_cache
from typing import Any, NamedTuple

from kubelab.api import quantity
from kubelab.api.objects import get
from kubelab.scheduler.resources import amounts, pod_requests


class Room(NamedTuple):
    """One resource of one node: what pods ask for, and what there is for pods at all."""

    asked: int
    total: int

    @property
    def free(self) -> int:
        """What is left."""
        return self.total - self.asked

    @property
    def share(self) -> float:
        """The part that is asked for, between 0 and 1."""
        return self.asked / self.total if self.total else 0.0


def rooms(
    nodes: Iterable[Any], pods: Iterable[Any], without: str = ""
) -> dict[str, dict[str, Room]]:
    """The room of each node by resource; `without` names a pod (`namespace/name`) not to count."""
    asked: dict[str, dict[str, int]] = {}
    for pod in pods:
        node = get(pod, "spec", "nodeName")
        if not node or get(pod, "status", "phase") in ("Succeeded", "Failed"):
            continue
        if without and f"{pod['metadata'].get('namespace')}/{pod['metadata']['name']}" == without:
            continue
        sums = asked.setdefault(node, {})
        sums["pods"] = sums.get("pods", 0) + 1
        for name, amount in pod_requests(pod).items():
            sums[name] = sums.get(name, 0) + amount
    out = {}
    for node in nodes:
        name = node["metadata"]["name"]
        total = amounts(get(node, "status", "allocatable"))
        sums = asked.get(name, {})
        out[name] = {res: Room(sums.get(res, 0), amount) for res, amount in total.items()}
    return out


def exact(room: Mapping[str, Room], numbers: Mapping[str, Any]) -> dict[str, Room]:
    """The room as the scheduler itself counted it, where it noted its numbers.

    It also counts pods that it has placed a moment ago and whose binding is not stored yet.
    """
    out = dict(room)
    for name, compared in numbers.items():
        out[name] = Room(compared["of"] - compared["free"], compared["of"])
    return out


@lru_cache(maxsize=4096)
def amount_text(resource: str, amount: int) -> str:
    """An amount as a manifest would say it: cpu in cores, memory with Mi and Gi."""
    if resource == "cpu":
        return f"{amount / 1000:g}" if amount >= 1000 else quantity.write(Fraction(amount, 1000))
    if resource in ("memory", "ephemeral-storage"):
        if amount >= 1 << 30 and amount % (1 << 20):
            return f"{amount / (1 << 30):.1f}Gi"
        return quantity.write(amount, quantity.BINARY)
    return str(amount)


def comparison(asks: Mapping[str, int], room: Mapping[str, Room], reason: str) -> str:
    """The numbers behind `Insufficient cpu`: `asks 3, free 2 of 4`; empty for other reasons."""
    if reason == "Too many pods" and "pods" in room:
        return f"holds {room['pods'].asked} of {room['pods'].total}"
    resource = reason.removeprefix("Insufficient ")
    if resource == reason or resource not in room:
        return ""
    wish, place = asks.get(resource, 0), room[resource]
    return (
        f"asks {amount_text(resource, wish)}, free {amount_text(resource, max(place.free, 0))} "
        f"of {amount_text(resource, place.total)}"
    )


def fitting(asks: Mapping[str, int], room: Mapping[str, Room]) -> str:
    """The numbers behind a node that passes: `asks 500m cpu, 3.4 free`."""
    if "cpu" not in room:
        return ""
    wish = amount_text("cpu", asks.get("cpu", 0))
    return f"asks {wish} cpu, {amount_text('cpu', max(room['cpu'].free, 0))} free"


def miss(asks: Mapping[str, int], room: Mapping[str, Room], reason: str) -> str:
    """The smallest change that would let the pod in, where that is a number: `1 cpu short`."""
    resource = reason.removeprefix("Insufficient ")
    if resource == reason or resource not in room:
        return ""
    short = asks.get(resource, 0) - room[resource].free
    return f"{amount_text(resource, short)} {resource} short" if short > 0 else ""


def distance(asks: Mapping[str, int], room: Mapping[str, Room], reason: str) -> float:
    """How far a node is from fitting, as a share of what is asked; 1 where it is no number."""
    resource = reason.removeprefix("Insufficient ")
    if resource == reason or resource not in room or not asks.get(resource):
        return 1.0
    return (asks[resource] - room[resource].free) / asks[resource]
