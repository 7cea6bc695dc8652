"""Preemption once more, as plainly as can be; see `model.py`."""

from __future__ import annotations

from typing import Any, NamedTuple

from tests.scheduler.model import Model, amount, labels, name, requests, selected, space

LATER = "9999"
NO_VICTIMS = "No preemption victims found for incoming pod"
NOT_HELPFUL = "Preemption is not helpful for scheduling"
# Reasons that fewer pods on the node may do away with; shortages are looked at more closely.
MAY_HELP = (
    "node(s) didn't have free ports for the requested pod ports",
    "node(s) didn't match pod topology spread constraints",
    "node(s) didn't match pod anti-affinity rules",
    "node(s) didn't satisfy existing pods anti-affinity rules",
    "Too many pods",
)


class Candidate(NamedTuple):
    """A node, who would have to go from it, and how many of them a budget guards."""

    node: str
    victims: tuple[str, ...]
    cost: tuple[Any, ...]


def priority(pod: Any) -> int:
    return int(pod["spec"].get("priority", 0))


def started(pod: Any) -> str:
    return str((pod.get("status") or {}).get("startTime", LATER))


def may_help(pod: Any, node: Any, verdict: tuple[str, ...]) -> bool:
    """Whether fewer pods on the node may change the verdict."""
    has = node["status"]["allocatable"]
    for reason in verdict[1:]:
        resource = reason.removeprefix("Insufficient ")
        if resource != reason:
            if requests(pod, {})[resource] > amount(resource, has.get(resource, 0)):
                return False
        elif reason not in MAY_HELP:
            return False
    return True


def without(model: Model, gone: list[Any]) -> Model:
    """The cluster with some pods gone."""
    keys = [(space(pod), name(pod)) for pod in gone]
    left = [pod for pod in model.pods if (space(pod), name(pod)) not in keys]
    return Model(model.nodes, left, model.services, model.namespaces)


def guarded(pods: list[Any], budgets: list[Any]) -> list[Any]:
    """The pods whose eviction, one after the other, breaks a budget."""
    left = [budget["status"]["disruptionsAllowed"] for budget in budgets]
    found = []
    for pod in pods:
        broken = False
        for index, budget in enumerate(budgets):
            same = space(budget) == space(pod) and labels(pod)
            if same and selected(budget["spec"]["selector"], labels(pod)):
                left[index] -= 1
                broken = broken or left[index] < 0
        if broken:
            found.append(pod)
    return found


def dry_run(model: Model, pod: Any, node: Any, budgets: list[Any]) -> Candidate | tuple[str, ...]:
    """Who would have to go, or the reasons why that would not help."""
    lower = [other for other in model.on(node) if priority(other) < priority(pod)]
    if not lower:
        return (NO_VICTIMS,)
    refusal = without(model, lower).verdict(pod, node)
    if refusal:
        return refusal[1:]
    order = sorted(lower, key=lambda other: (-priority(other), started(other)))
    first = guarded(order, budgets)
    gone = [*first, *(other for other in order if other not in first)]
    victims, broken = list(gone), 0
    for other in gone:
        fewer = [one for one in victims if one is not other]
        if without(model, fewer).verdict(pod, node) is None:
            victims = fewer
        else:
            broken += other in first
    victims.sort(key=lambda other: (-priority(other), started(other)))
    highest = priority(victims[0])
    earliest = min(started(one) for one in victims if priority(one) == highest)
    cost = (
        broken, highest, sum(priority(one) + (1 << 31) for one in victims), len(victims),
        [-ord(letter) for letter in earliest],
    )  # fmt: skip
    return Candidate(name(node), tuple(f"{space(v)}/{name(v)}" for v in victims), cost)


def preempt(model: Model, pod: Any, budgets: list[Any]) -> tuple[list[Candidate], list[str]]:
    """The best candidates, all equally good; and what is said of every node if there are none."""
    found: list[Candidate] = []
    words: list[str] = []
    for node in model.nodes:
        verdict = model.verdict(pod, node)
        assert verdict is not None
        if not may_help(pod, node, verdict):
            words.append(NOT_HELPFUL)
            continue
        result = dry_run(model, pod, node, budgets)
        if isinstance(result, Candidate):
            found.append(result)
        else:
            words += result
    best = min((one.cost for one in found), default=())
    return [one for one in found if one.cost == best], words


def message(count: int, words: list[str]) -> str:
    """The reasons, counted and sorted as texts."""
    parts = sorted(f"{words.count(one)} {one}" for one in dict.fromkeys(words))
    return f"0/{count} nodes are available: {', '.join(parts)}."
