"""The scores of the scheduler once more, as plainly as can be; see `model.py`."""

from __future__ import annotations

from math import log
from typing import Any

from tests.scheduler.model import (
    DEFAULTS,
    HOSTNAME,
    PREFERRED,
    REQUIRED,
    SYSTEM,
    Model,
    affinity,
    amount,
    counted,
    labels,
    name,
    node_term,
    requests,
    rounded,
    selected,
    space,
    tolerated,
)

Column = tuple[list[int], list[int]]
WEIGHTS = {
    "TaintToleration": 3, "NodeAffinity": 2, "NodeResourcesFit": 1, "PodTopologySpread": 2,
    "InterPodAffinity": 2, "DynamicResources": 2, "NodeResourcesBalancedAllocation": 1,
    "ImageLocality": 1,
}  # fmt: skip


def by_highest(raw: list[int], *, reverse: bool = False) -> list[int]:
    """The highest becomes 100, or 0 when reversed."""
    most = max(raw)
    scaled = [100 * one // most if most else 0 for one in raw]
    return [100 - one for one in scaled] if reverse else scaled


class Scorer:
    """Scores of the nodes that are left for one pod: raw and normalized, by plugin."""

    def __init__(self, model: Model, pod: Any, left: list[Any]) -> None:
        self.model, self.pod, self.left = model, pod, left

    def columns(self) -> dict[str, Column]:
        """What each plugin that does not skip gives."""
        found = {
            "TaintToleration": self.taints(),
            "NodeAffinity": self.wishes(),
            "NodeResourcesFit": self.fit(),
            "PodTopologySpread": self.spread(),
            "InterPodAffinity": self.neighbours(),
            "DynamicResources": ([0] * len(self.left), [0] * len(self.left)),
            "NodeResourcesBalancedAllocation": self.balance(),
            "ImageLocality": self.images(),
        }
        return {plugin: column for plugin, column in found.items() if column is not None}

    def taints(self) -> Column:
        raw = [
            sum(
                taint["effect"] == "PreferNoSchedule"
                and not tolerated(self.pod, taint, ("", "PreferNoSchedule"))
                for taint in node["spec"].get("taints") or []
            )
            for node in self.left
        ]
        return raw, by_highest(raw, reverse=True)

    def wishes(self) -> Column | None:
        terms = affinity(self.pod, "nodeAffinity").get(PREFERRED)
        if not terms:
            return None
        raw = [
            sum(term["weight"] for term in terms if node_term(term["preference"], node))
            for node in self.left
        ]
        return raw, by_highest(raw)

    def fit(self) -> Column:
        own = requests(self.pod, DEFAULTS, pod_level=False)
        raw = []
        for node in self.left:
            total = 0
            for key in ("cpu", "memory"):
                cap = amount(key, node["status"]["allocatable"][key])
                used = sum(counted(other)[key] for other in self.model.on(node)) + own[key]
                total += 0 if used > cap else (cap - used) * 100 // cap
            raw.append(total // 2)
        return raw, raw

    def balance(self) -> Column | None:
        own = requests(self.pod, {})
        if not own.get("cpu") and not own.get("memory"):
            return None

        def even(node: Any, more: int) -> int:
            shares = []
            for key in ("cpu", "memory"):
                cap = amount(key, node["status"]["allocatable"][key])
                used = sum(requests(one, {}).get(key, 0) for one in self.model.on(node))
                shares.append(min(1.0, (used + more * own.get(key, 0)) / cap))
            return int((1 - abs((shares[0] - shares[1]) / 2)) * 100)

        raw = [50 + (50 + even(node, 1) - even(node, 0)) // 2 for node in self.left]
        return raw, raw

    def images(self) -> Column:
        spec, nodes = self.pod["spec"], self.model.nodes
        containers = [*spec["containers"], *(spec.get("initContainers") or [])]
        low, high = 23 << 20, (1000 << 20) * len(containers)
        raw = []
        for node in self.left:
            total = 0
            for container in containers:
                image = container["image"]
                image += "" if image.rfind(":") > image.rfind("/") else ":latest"
                having = [
                    entry["sizeBytes"]
                    for one in nodes
                    for entry in one["status"].get("images") or []
                    if image in entry["names"]
                ]
                here = node["status"].get("images") or []
                if any(image in entry["names"] for entry in here):
                    total += int(having[0] * (len(having) / len(nodes)))
            raw.append(100 * (min(max(total, low), high) - low) // (high - low))
        return raw, raw

    def constraints(self) -> list[Any]:
        given = self.pod["spec"].get("topologySpreadConstraints")
        if given:
            return [one for one in given if one["whenUnsatisfiable"] == "ScheduleAnyway"]
        merged: dict[str, str] = {}
        for service in self.model.services:
            chosen = service["spec"]["selector"]
            if space(service) == space(self.pod) and selected(
                {"matchLabels": chosen}, labels(self.pod)
            ):
                merged.update(chosen)
        return [{**one, "labelSelector": {"matchLabels": merged}} for one in SYSTEM if merged]

    def spread(self) -> Column | None:
        constraints = self.constraints()
        if not constraints:
            return None
        keys = [one["topologyKey"] for one in constraints]
        strict = bool(self.pod["spec"].get("topologySpreadConstraints"))

        def whole(node: Any) -> bool:
            return not strict or all(key in labels(node) for key in keys)

        scored = [node for node in self.left if whole(node)]
        raw = []
        for node in self.left:
            total = 0.0
            for one in constraints if whole(node) else ():
                key = one["topologyKey"]
                if key not in labels(node):
                    continue
                if key == HOSTNAME:
                    size = len(scored)
                    count = self.model.matching(self.pod, one, node)
                else:
                    size = len({labels(place).get(key, "") for place in scored})
                    count = sum(
                        self.model.matching(self.pod, one, place)
                        for place in self.model.nodes
                        if labels(place).get(key) == labels(node)[key]
                        and whole(place)
                        and self.model.is_place(self.pod, one, place)
                    )
                total += count * log(size + 2) + (one["maxSkew"] - 1)
            raw.append(rounded(total))
        known = [score for node, score in zip(self.left, raw, strict=True) if whole(node)]
        most, least = max(known, default=0), min(known, default=0)
        final = []
        for node, score in zip(self.left, raw, strict=True):
            if not whole(node):
                final.append(0)
            else:
                final.append(100 * (most + least - score) // most if most else 100)
        return raw, final

    def neighbours(self) -> Column | None:
        found = False
        raw = [0] * len(self.left)
        for other, place in self.model.all():
            for term, weight in self.pulls(other):
                if term["topologyKey"] not in labels(place):
                    continue
                found = True
                for index, node in enumerate(self.left):
                    raw[index] += weight * self.model.together(term, node, place)
        if not found:
            return None
        low, high = min(raw), max(raw)
        if low == high:
            return raw, [0] * len(raw)
        return raw, [int(100 * ((one - low) / (high - low))) for one in raw]

    def pulls(self, other: Any) -> list[tuple[Any, int]]:
        """The terms that tie the pod to another one, or drive it away, with their weights."""
        pod, about = self.pod, self.model.about
        found: list[tuple[Any, int]] = []
        for kind, sign in (("podAffinity", 1), ("podAntiAffinity", -1)):
            for owner, one in ((pod, other), (other, pod)):
                found += [
                    (item["podAffinityTerm"], sign * item["weight"])
                    for item in affinity(owner, kind).get(PREFERRED) or []
                    if about(item["podAffinityTerm"], owner, one)
                ]
        terms = affinity(other, "podAffinity").get(REQUIRED) or []
        found += [(term, 1) for term in terms if about(term, other, pod)]
        return found


def totals(columns: dict[str, Column], left: list[Any]) -> dict[str, int]:
    """The weighted sums."""
    return {
        name(node): sum(WEIGHTS[plugin] * final[index] for plugin, (_, final) in columns.items())
        for index, node in enumerate(left)
    }


__all__ = ["Scorer", "totals"]
