"""InterPodAffinity: be near some pods and far from others.

"Near" means: on a node with the same value of the term's topology key. Filter: every required
affinity term needs a pod that matches all the terms in this node's place (or the pod is the first
of its group and matches its own terms); no required anti-affinity term may find a pod there; and no
pod that is there already may have anti-affinity against this one. Score: the weights of the
preferred terms, of this pod toward others and of others toward it, summed over the places of the
node; 100·(raw − min) / (max − min).

In Kubernetes: pkg/scheduler/framework/plugins/interpodaffinity.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from kubelab.api.objects import EMPTY, Obj
from kubelab.scheduler import wakeups
from kubelab.scheduler.cache import NodeInfo
from kubelab.scheduler.framework import (
    MAX_SCORE,
    SKIP,
    Cycle,
    Handle,
    Plugin,
    Status,
    unresolvable,
    unschedulable,
)
from kubelab.scheduler.matching import AffinityTerm, concerns, selects
from kubelab.scheduler.podinfo import PodInfo
from kubelab.scheduler.wakeups import ClusterEvent

REASON_AFFINITY = "node(s) didn't match pod affinity rules"
REASON_ANTI_AFFINITY = "node(s) didn't match pod anti-affinity rules"
REASON_EXISTING = "node(s) didn't satisfy existing pods anti-affinity rules"

# The one sum of the tallies that count by place.
PLACES = "places"

# A place: topology key and value.
Place = tuple[str, str]
Counts = dict[Place, int]


class Neighbours(NamedTuple):
    """What the filter needs: how many pods in each place matter. The dicts are never changed."""

    affinity: Counts
    anti_affinity: Counts
    existing: Counts


def resolved(handle: Handle, terms: Iterable[AffinityTerm]) -> tuple[AffinityTerm, ...]:
    """Terms of the incoming pod with their namespace selector turned into names."""
    out = []
    for term in terms:
        if term.namespace_selector is not None:
            names = dict.fromkeys(term.namespaces)
            for namespace in handle.lister.list("v1/Namespace"):
                meta = namespace["metadata"]
                if selects(term.namespace_selector, meta.get("labels") or EMPTY):
                    names[meta["name"]] = None
            term = term._replace(namespaces=tuple(names), namespace_selector=None)
        out.append(term)
    return tuple(out)


def is_near(term: AffinityTerm, pod: PodInfo, labels: Obj = EMPTY) -> bool:
    """Whether a term is about a pod, whose namespace has these labels."""
    return concerns(term, pod.namespace, pod.labels, labels)


def matches_all(terms: Sequence[AffinityTerm], pod: PodInfo) -> bool:
    """Whether a pod matches all (resolved) terms at once."""
    return bool(terms) and all(is_near(term, pod) for term in terms)


def places(node: NodeInfo, terms: Iterable[AffinityTerm]) -> list[Place]:
    """The node's places under the terms' keys, once for each term."""
    labels = node.labels
    return [
        (term.topology_key, labels[term.topology_key])
        for term in terms
        if term.topology_key in labels
    ]


def added(counts: Counts, more: Iterable[Place], amount: int) -> Counts:
    """The counts with so many more in each place; a place with none is dropped."""
    out = dict(counts)
    for place in more:
        count = out.get(place, 0) + amount
        if count:
            out[place] = count
        else:
            out.pop(place, None)
    return out


class InterPodAffinity(Plugin):
    """Affinity and anti-affinity between pods."""

    name = "InterPodAffinity"
    events = (
        wakeups.NODE_ADDED,
        (wakeups.NODE, wakeups.LABEL),
        (wakeups.ASSIGNED_POD, wakeups.ADD),
        (wakeups.ASSIGNED_POD, wakeups.DELETE),
        (wakeups.ASSIGNED_POD, wakeups.POD_LABEL),
    )

    def __init__(self, args: Obj = EMPTY) -> None:
        super().__init__(args)
        self.hard_weight = args.get("hardPodAffinityWeight", 1)
        self.ignore_existing = bool(args.get("ignorePreferredTermsOfExistingPods"))

    # Filter.

    def pre_filter(self, cycle: Cycle) -> Status | None:
        pod, handle = cycle.pod, cycle.handle
        existing = self._existing(cycle)
        if not existing and not pod.affinity and not pod.anti_affinity:
            return SKIP
        wanted, unwanted = resolved(handle, pod.affinity), resolved(handle, pod.anti_affinity)
        cycle.state[self.name + "/terms"] = (wanted, unwanted)
        affinity = self._sums(cycle, wanted, _near_all).get(PLACES, {}) if wanted else {}
        anti_affinity = self._sums(cycle, unwanted, _near_any).get(PLACES, {}) if unwanted else {}
        cycle.state[self.name] = Neighbours(affinity, anti_affinity, existing)
        return None

    def _existing(self, cycle: Cycle) -> Counts:
        """Places in which a pod stands that wants this one far away."""
        handle, pod = cycle.handle, cycle.pod
        if not handle.cache.with_anti_affinity:
            return {}
        labels = handle.namespace_labels(pod.namespace)
        key = (pod.namespace, tuple(pod.labels.items()), tuple(labels.items()))
        return self._sums(cycle, key, _repelling, pod, labels).get(PLACES, {})

    def _sums(self, cycle: Cycle, key: Any, rule: Any, *more: Any) -> dict[Any, Counts]:
        """What a rule gives for all nodes, added up."""
        handle = cycle.handle
        full = (self.name, rule.__name__, key)
        return handle.memo.tally(full, handle.cache, rule, *(more or (key,)))

    def filter(self, cycle: Cycle, node: NodeInfo) -> Status | None:
        state: Neighbours = cycle.state[self.name]
        wanted, unwanted = cycle.state[self.name + "/terms"]
        labels = node.labels
        if wanted and not self._near_enough(state, wanted, cycle.pod, node):
            return unresolvable(REASON_AFFINITY)
        if state.anti_affinity:
            for place in places(node, unwanted):
                if state.anti_affinity.get(place, 0) > 0:
                    return unschedulable(REASON_ANTI_AFFINITY, detail=Obj(place="=".join(place)))
        if state.existing:
            for key, value in labels.items():
                if state.existing.get((key, value), 0) > 0:
                    return unschedulable(REASON_EXISTING, detail=Obj(place=f"{key}={value}"))
        return None

    @staticmethod
    def _near_enough(
        state: Neighbours, wanted: tuple[AffinityTerm, ...], pod: PodInfo, node: NodeInfo
    ) -> bool:
        found = places(node, wanted)
        if len(found) < len(wanted):
            return False
        if all(state.affinity.get(place, 0) > 0 for place in found):
            return True
        # The first of a group that wants to be together may go anywhere.
        return not state.affinity and matches_all(wanted, pod)

    def with_pod(
        self, cycle: Cycle, state: Neighbours, pod: PodInfo, node: NodeInfo, sign: int
    ) -> Neighbours:
        incoming = cycle.pod
        wanted, unwanted = cycle.state[self.name + "/terms"]
        affinity, anti_affinity, existing = state
        if pod.anti_affinity:
            labels = cycle.handle.namespace_labels(incoming.namespace)
            terms = [term for term in pod.anti_affinity if is_near(term, incoming, labels)]
            existing = added(existing, places(node, terms), sign)
        if matches_all(wanted, pod):
            affinity = added(affinity, places(node, wanted), sign)
        terms = [term for term in unwanted if is_near(term, pod)]
        if terms:
            anti_affinity = added(anti_affinity, places(node, terms), sign)
        return Neighbours(affinity, anti_affinity, existing)

    # Score.

    def pre_score(self, cycle: Cycle, nodes: Sequence[NodeInfo]) -> Status | None:
        pod, handle = cycle.pod, cycle.handle
        own = bool(pod.preferred_affinity or pod.preferred_anti_affinity)
        names = handle.cache.with_affinity
        if not own and (self.ignore_existing or not names):
            return SKIP
        wishes = resolved(handle, pod.preferred_affinity)
        fears = resolved(handle, pod.preferred_anti_affinity)
        labels = handle.namespace_labels(pod.namespace)
        rule = Attraction(pod, wishes, fears, labels, self.hard_weight)
        key = (
            wishes, fears, pod.namespace, tuple(pod.labels.items()), tuple(labels.items()),
            self.hard_weight,
        )  # fmt: skip
        scores = self._sums(cycle, key, _attraction, rule)
        if not scores:
            return SKIP
        cycle.state[self.name + "/score"] = scores
        return None

    def score(self, cycle: Cycle, node: NodeInfo) -> int:
        total = 0
        for key, values in cycle.state[self.name + "/score"].items():
            value = node.labels.get(key)
            if value is not None:
                total += values.get(value, 0)
        return total

    def normalize(self, cycle: Cycle, nodes: Sequence[NodeInfo], raw: list[int]) -> list[int]:
        lowest, highest = min(raw, default=0), max(raw, default=0)
        if highest == lowest:
            return [0] * len(raw)
        return [int(MAX_SCORE * ((score - lowest) / (highest - lowest))) for score in raw]

    # Wake-ups.

    def hint(self, handle: Handle, pod: PodInfo, event: ClusterEvent) -> bool:
        wanted, unwanted = resolved(handle, pod.affinity), resolved(handle, pod.anti_affinity)
        if event.resource == wakeups.NODE:
            return self._node_hint(wanted, unwanted, event)
        before, after = event.old, event.new
        if after is not None:
            draws = matches_all(wanted, after)
            if draws and (before is None or not matches_all(wanted, before)):
                return True
        if before is None:
            return False
        labels = handle.namespace_labels(pod.namespace)
        blocked = any(is_near(term, before) for term in unwanted)
        blocks = any(is_near(term, pod, labels) for term in before.anti_affinity)
        if after is None:
            return blocked or blocks
        return blocked and not any(is_near(term, after) for term in unwanted)

    @staticmethod
    def _node_hint(
        wanted: tuple[AffinityTerm, ...], unwanted: tuple[AffinityTerm, ...], event: ClusterEvent
    ) -> bool:
        old, new = event.old, event.new
        if old is None:
            return bool(unwanted) or any(term.topology_key in new.labels for term in wanted)
        for key in [term.topology_key for term in wanted]:
            if key in new.labels and old.labels.get(key) != new.labels[key]:
                return True
        return any(
            term.topology_key in old.labels
            and old.labels[term.topology_key] != new.labels.get(term.topology_key)
            for term in unwanted
        )


class Attraction(NamedTuple):
    """What the score reads of the incoming pod."""

    pod: PodInfo
    wishes: tuple[AffinityTerm, ...]
    fears: tuple[AffinityTerm, ...]
    namespace_labels: Obj
    hard_weight: int


def _near_all(node: NodeInfo, terms: tuple[AffinityTerm, ...]) -> list[tuple[str, Place, int]]:
    """Pods on the node that match all the terms at once, for each of its places."""
    count = sum(1 for pod in node.pods if matches_all(terms, pod))
    return [(PLACES, place, count) for place in places(node, terms)] if count else []


def _near_any(node: NodeInfo, terms: tuple[AffinityTerm, ...]) -> list[tuple[str, Place, int]]:
    """Pods on the node that match a term, for the place that the term names."""
    shares = []
    for term in terms:
        value = node.labels.get(term.topology_key)
        if value is None or not node.pods:
            continue
        count = sum(1 for pod in node.pods if is_near(term, pod))
        if count:
            shares.append((PLACES, (term.topology_key, value), count))
    return shares


def _repelling(node: NodeInfo, pod: PodInfo, labels: Obj) -> list[tuple[str, Place, int]]:
    """Required anti-affinity of pods on the node against the incoming one."""
    terms = [
        term
        for other in node.with_anti_affinity
        for term in other.anti_affinity
        if is_near(term, pod, labels)
    ]
    return [(PLACES, place, 1) for place in places(node, terms)] if terms else []


def _attraction(node: NodeInfo, rule: Attraction) -> list[tuple[str, str, int]]:
    """What the pods on the node add to the score of its places: key, value, weight."""
    pod, labels = rule.pod, rule.namespace_labels
    pulls: list[tuple[AffinityTerm, int]] = []
    others = node.pods if rule.wishes or rule.fears else node.with_affinity
    for other in others:
        pulls += [(term, term.weight) for term in rule.wishes if is_near(term, other)]
        pulls += [(term, -term.weight) for term in rule.fears if is_near(term, other)]
        if not other.has_affinity:
            continue
        if rule.hard_weight > 0:
            near = [term for term in other.affinity if is_near(term, pod, labels)]
            pulls += [(term, rule.hard_weight) for term in near]
        near = [term for term in other.preferred_affinity if is_near(term, pod, labels)]
        pulls += [(term, term.weight) for term in near]
        near = [term for term in other.preferred_anti_affinity if is_near(term, pod, labels)]
        pulls += [(term, -term.weight) for term in near]
    total: dict[str, int] = {}
    for term, weight in pulls:
        key = term.topology_key
        if key in node.labels:
            total[key] = total.get(key, 0) + weight
    return [(key, node.labels[key], weight) for key, weight in total.items()]
