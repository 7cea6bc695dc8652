"""The rules of the scheduler once more, as plainly as can be: manifests in, verdicts out.

Nothing here is quick, nothing is remembered, and nothing is shared with the package: every question
is answered by a walk over all nodes and pods. What the real scheduler's rules say about a cluster
is written down twice, and the two must agree on any cluster.
"""

from __future__ import annotations

from fractions import Fraction
from math import ceil
from typing import Any

UNITS = {"m": Fraction(1, 1000), "Ki": 1 << 10, "Mi": 1 << 20, "Gi": 1 << 30}
HOSTNAME, ZONE = "kubernetes.io/hostname", "topology.kubernetes.io/zone"
REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
PREFERRED = "preferredDuringSchedulingIgnoredDuringExecution"
DEFAULTS = {"cpu": "100m", "memory": "200Mi"}
SYSTEM = [
    {"maxSkew": 3, "topologyKey": HOSTNAME, "whenUnsatisfiable": "ScheduleAnyway"},
    {"maxSkew": 5, "topologyKey": ZONE, "whenUnsatisfiable": "ScheduleAnyway"},
]


def amount(resource: str, text: Any) -> int:
    """A quantity in thousandths of a cpu, or in whole units."""
    text = str(text)
    unit = next((unit for unit in UNITS if text.endswith(unit)), "")
    number = Fraction(text[: len(text) - len(unit)]) * (UNITS[unit] if unit else 1)
    return ceil(number * 1000) if resource == "cpu" else ceil(number)


def name(obj: Any) -> str:
    return str(obj["metadata"]["name"])


def labels(obj: Any) -> dict[str, str]:
    return dict(obj["metadata"].get("labels") or {})


def space(obj: Any) -> str:
    return str(obj["metadata"].get("namespace", "default"))


# Selectors.


def expression(one: Any, values: dict[str, str]) -> bool:
    """Whether one expression holds."""
    key, operator, wanted = one["key"], one["operator"], one.get("values") or []
    if operator == "In":
        return key in values and values[key] in wanted
    if operator == "NotIn":
        return not (key in values and values[key] in wanted)
    if operator == "Exists":
        return key in values
    if operator == "DoesNotExist":
        return key not in values
    if key not in values or not values[key].isdigit():
        return False
    left, right = int(values[key]), int(wanted[0])
    return left > right if operator == "Gt" else left < right


def selected(selector: Any, values: dict[str, str]) -> bool:
    """Whether a LabelSelector matches; none matches nothing."""
    if selector is None:
        return False
    pairs = selector.get("matchLabels") or {}
    return all(values.get(key) == value for key, value in pairs.items()) and all(
        expression(one, values) for one in selector.get("matchExpressions") or []
    )


def node_term(term: Any, node: Any) -> bool:
    """Whether a node selector term matches; an empty one matches nothing."""
    first, second = term.get("matchExpressions") or [], term.get("matchFields") or []
    if not first and not second:
        return False
    fields = {"metadata.name": name(node)}
    return all(expression(one, labels(node)) for one in first) and all(
        expression(one, fields) for one in second
    )


def wants_node(pod: Any, node: Any) -> bool:
    """nodeSelector and required node affinity."""
    spec = pod["spec"]
    have = labels(node)
    if any(have.get(key) != value for key, value in (spec.get("nodeSelector") or {}).items()):
        return False
    required = affinity(pod, "nodeAffinity").get(REQUIRED)
    return required is None or any(node_term(term, node) for term in required["nodeSelectorTerms"])


def affinity(pod: Any, kind: str) -> Any:
    return (pod["spec"].get("affinity") or {}).get(kind) or {}


def tolerated(pod: Any, taint: Any, effects: tuple[str, ...] = ()) -> bool:
    """Whether a toleration (with one of these effects, if given) covers the taint."""
    for one in pod["spec"].get("tolerations") or []:
        if effects and one.get("effect", "") not in effects:
            continue
        if one.get("effect") and one["effect"] != taint["effect"]:
            continue
        if one.get("key") and one["key"] != taint["key"]:
            continue
        if one.get("operator") == "Exists" or one.get("value", "") == taint.get("value", ""):
            return True
    return False


def hard_taint(pod: Any, node: Any) -> bool:
    """Whether a taint keeps the pod away."""
    taints = node["spec"].get("taints") or []
    return any(t["effect"] != "PreferNoSchedule" and not tolerated(pod, t) for t in taints)


# Requests.


def requests(pod: Any, defaults: dict[str, str], *, pod_level: bool = True) -> dict[str, int]:
    """What a pod asks for: its containers together, or its init phase at its worst."""
    spec = pod["spec"]

    def asks(container: Any) -> dict[str, int]:
        named = {**defaults, **((container.get("resources") or {}).get("requests") or {})}
        return {key: amount(key, value) for key, value in named.items()}

    inits = spec.get("initContainers") or []
    sidecars = [one for one in inits if one.get("restartPolicy") == "Always"]
    phases = [[*spec["containers"], *sidecars]]
    for index, one in enumerate(inits):
        before = [two for two in inits[:index] if two.get("restartPolicy") == "Always"]
        phases.append([*before, one])
    found: dict[str, int] = {}
    for phase in phases:
        total: dict[str, int] = {}
        for container in phase:
            for key, number in asks(container).items():
                total[key] = total.get(key, 0) + number
        for key, number in total.items():
            found[key] = max(found.get(key, 0), number)
    if pod_level:
        whole = (spec.get("resources") or {}).get("requests") or {}
        found.update({key: amount(key, value) for key, value in whole.items()})
    for key, value in (spec.get("overhead") or {}).items():
        found[key] = found.get(key, 0) + amount(key, value)
    return found


def counted(pod: Any) -> dict[str, int]:
    """What a pod on a node counts in the score by free room."""
    whole = (pod["spec"].get("resources") or {}).get("requests") or {}
    if not whole:
        return requests(pod, DEFAULTS)
    plain = requests(pod, {})
    return requests(pod, {key: value for key, value in DEFAULTS.items() if key not in plain})


def rounded(number: float) -> int:
    """Half away from zero."""
    return int(number + 0.5) if number >= 0 else -int(-number + 0.5)


class Model:
    """Nodes, pods on them, Services and namespaces."""

    def __init__(self, nodes: Any, pods: Any, services: Any = (), namespaces: Any = ()) -> None:
        self.nodes, self.pods = list(nodes), list(pods)
        self.services, self.namespaces = list(services), list(namespaces)
        self.by_name = {name(node): node for node in self.nodes}

    def on(self, node: Any) -> list[Any]:
        return [pod for pod in self.pods if pod["spec"]["nodeName"] == name(node)]

    def all(self) -> list[tuple[Any, Any]]:
        """Every pod with its node."""
        return [(pod, self.by_name[pod["spec"]["nodeName"]]) for pod in self.pods]

    # Filters, in the order in which they are asked.

    def verdict(self, pod: Any, node: Any) -> tuple[str, ...] | None:
        """The plugin that refuses the node with its reasons, or None."""
        rules = (
            ("NodeUnschedulable", self.cordoned),
            ("TaintToleration", self.tainted),
            ("NodeAffinity", self.unwanted),
            ("NodePorts", self.ports),
            ("NodeResourcesFit", self.room),
            ("PodTopologySpread", self.skewed),
            ("InterPodAffinity", self.neighbours),
        )
        for plugin, rule in rules:
            reasons = rule(pod, node)
            if reasons:
                return (plugin, *reasons)
        return None

    def cordoned(self, pod: Any, node: Any) -> list[str]:
        taint = {"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"}
        closed = node["spec"].get("unschedulable") and not tolerated(pod, taint)
        return ["node(s) were unschedulable"] if closed else []

    def tainted(self, pod: Any, node: Any) -> list[str]:
        return ["node(s) had untolerated taint(s)"] if hard_taint(pod, node) else []

    def unwanted(self, pod: Any, node: Any) -> list[str]:
        fits = wants_node(pod, node)
        return [] if fits else ["node(s) didn't match Pod's node affinity/selector"]

    def ports(self, pod: Any, node: Any) -> list[str]:
        def wanted(one: Any) -> list[tuple[Any, ...]]:
            inits = one["spec"].get("initContainers") or []
            running = [c for c in inits if c.get("restartPolicy") == "Always"]
            return [
                (port.get("hostIP") or "0.0.0.0", port.get("protocol", "TCP"), port["hostPort"])
                for container in [*one["spec"]["containers"], *running]
                for port in container.get("ports") or []
                if port.get("hostPort")
            ]

        for other in self.on(node):
            for address, protocol, port in wanted(pod):
                for theirs, their_protocol, their_port in wanted(other):
                    same = (protocol, port) == (their_protocol, their_port)
                    if same and (address == theirs or "0.0.0.0" in (address, theirs)):
                        return ["node(s) didn't have free ports for the requested pod ports"]
        return []

    def room(self, pod: Any, node: Any) -> list[str]:
        has = node["status"]["allocatable"]
        here = [requests(other, {}) for other in self.on(node)]
        reasons = ["Too many pods"] if len(here) + 1 > int(has["pods"]) else []
        asks = requests(pod, {})
        first = [key for key in ("cpu", "memory", "ephemeral-storage") if key in asks]
        for key in [*first, *sorted(key for key in asks if key not in first)]:
            free = amount(key, has.get(key, 0)) - sum(one.get(key, 0) for one in here)
            if asks[key] and asks[key] > free:
                reasons.append(f"Insufficient {key}")
        return reasons

    # Spreading.

    def matching(self, pod: Any, constraint: Any, node: Any) -> int:
        """The pods on a node that a constraint counts."""
        selector = constraint.get("labelSelector")
        if not selector:
            return 0
        return sum(
            space(other) == space(pod) and selected(selector, labels(other))
            for other in self.on(node)
            if not other["metadata"].get("deletionTimestamp")
        )

    def is_place(self, pod: Any, constraint: Any, node: Any) -> bool:
        if constraint.get("nodeAffinityPolicy", "Honor") == "Honor" and not wants_node(pod, node):
            return False
        return constraint.get("nodeTaintsPolicy") != "Honor" or not hard_taint(pod, node)

    def skewed(self, pod: Any, node: Any) -> list[str]:
        words = "node(s) didn't match pod topology spread constraints"
        constraints = [
            one
            for one in pod["spec"].get("topologySpreadConstraints") or []
            if one["whenUnsatisfiable"] == "DoNotSchedule"
        ]
        keys = [one["topologyKey"] for one in constraints]
        for one in constraints:
            key = one["topologyKey"]
            if key not in labels(node):
                return [words + " (missing required label)"]
            counts: dict[str, int] = {}
            for place in self.nodes:
                if all(k in labels(place) for k in keys) and self.is_place(pod, one, place):
                    value = labels(place)[key]
                    counts[value] = counts.get(value, 0) + self.matching(pod, one, place)
            few = len(counts) < one.get("minDomains", 1)
            lowest = 0 if few else min(counts.values())
            itself = selected(one.get("labelSelector"), labels(pod))
            if counts.get(labels(node)[key], 0) + itself - lowest > one["maxSkew"]:
                return [words]
        return []

    # Neighbours.

    def about(self, term: Any, owner: Any, other: Any) -> bool:
        """Whether a term of one pod is about another pod."""
        named, chosen = term.get("namespaces") or [], term.get("namespaceSelector")
        if not named and chosen is None:
            near = space(other) == space(owner)
        else:
            known = {name(one): labels(one) for one in self.namespaces}
            near = space(other) in named or selected(chosen, known.get(space(other), {}))
        return near and selected(term.get("labelSelector"), labels(other))

    def together(self, term: Any, one: Any, two: Any) -> bool:
        """Whether two nodes are the same place under the term's key."""
        key = term["topologyKey"]
        return key in labels(one) and labels(one).get(key) == labels(two).get(key)

    def neighbours(self, pod: Any, node: Any) -> list[str]:
        wanted = affinity(pod, "podAffinity").get(REQUIRED) or []
        if wanted and not self.near_enough(pod, node, wanted):
            return ["node(s) didn't match pod affinity rules"]
        for term in affinity(pod, "podAntiAffinity").get(REQUIRED) or []:
            for other, place in self.all():
                if self.about(term, pod, other) and self.together(term, node, place):
                    return ["node(s) didn't match pod anti-affinity rules"]
        for other, place in self.all():
            for term in affinity(other, "podAntiAffinity").get(REQUIRED) or []:
                if self.about(term, other, pod) and self.together(term, node, place):
                    return ["node(s) didn't satisfy existing pods anti-affinity rules"]
        return []

    def near_enough(self, pod: Any, node: Any, wanted: list[Any]) -> bool:
        if any(term["topologyKey"] not in labels(node) for term in wanted):
            return False
        group = [
            place
            for other, place in self.all()
            if all(self.about(term, pod, other) for term in wanted)
        ]
        if all(any(self.together(term, node, place) for place in group) for term in wanted):
            return True
        somewhere = any(term["topologyKey"] in labels(p) for term in wanted for p in group)
        return not somewhere and all(self.about(term, pod, pod) for term in wanted)
