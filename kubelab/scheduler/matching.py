"""Selectors, tolerations and affinity terms in a parsed form that is quick to test.

An API object's selector is parsed once, into tuples: they can be compared and used as keys, and a
test of a label set is a short loop. An absent selector (None) matches nothing, an empty one matches
everything; a node selector term is the exception, an empty one matches nothing.

In Kubernetes: k8s.io/apimachinery/pkg/labels, k8s.io/component-helpers/scheduling/corev1 (node
affinity, tolerations) and kube-scheduler/framework.AffinityTerm.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

# What Gt and Lt compare: integers of 64 bits.
INTEGER = re.compile(r"[+-]?[0-9]+")
MOST = (1 << 63) - 1

HARD_EFFECTS = ("NoSchedule", "NoExecute")


class Requirement(NamedTuple):
    """One expression: a key, an operator (In, NotIn, Exists, DoesNotExist, Gt, Lt), its values."""

    key: str
    operator: str
    values: tuple[str, ...] = ()


Selector = tuple[Requirement, ...] | None


class NodeTerm(NamedTuple):
    """A node selector term: expressions on labels and on fields, all of which must hold."""

    expressions: tuple[Requirement, ...]
    fields: tuple[Requirement, ...]


class Taint(NamedTuple):
    """A taint of a node."""

    key: str
    value: str
    effect: str


class Toleration(NamedTuple):
    """A pod's toleration; empty key or effect: any."""

    key: str
    operator: str
    value: str
    effect: str


class AffinityTerm(NamedTuple):
    """A pod (anti-)affinity term: which pods it is about, and what counts as "the same place"."""

    topology_key: str
    selector: Selector
    namespaces: tuple[str, ...]
    namespace_selector: Selector
    weight: int = 0


def requirements(expressions: Iterable[Mapping[str, Any]] | None) -> tuple[Requirement, ...]:
    """Parsed matchExpressions."""
    return tuple(
        Requirement(item["key"], item["operator"], tuple(item.get("values") or ()))
        for item in expressions or ()
    )


def pairs(labels: Mapping[str, str] | None) -> tuple[Requirement, ...]:
    """Parsed matchLabels, or a plain map as Services have it."""
    return tuple(Requirement(key, "In", (value,)) for key, value in (labels or {}).items())


def label_selector(selector: Mapping[str, Any] | None) -> Selector:
    """A parsed LabelSelector; None stays None."""
    if selector is None:
        return None
    return pairs(selector.get("matchLabels")) + requirements(selector.get("matchExpressions"))


def holds(requirement: Requirement, labels: Mapping[str, str]) -> bool:
    """Whether one expression is true of a label set."""
    key, operator, values = requirement
    value = labels.get(key)
    if operator == "In":
        return value in values
    if operator == "NotIn":
        return value not in values
    if operator == "Exists":
        return value is not None
    if operator == "DoesNotExist":
        return value is None
    if operator in ("Gt", "Lt") and value is not None and len(values) == 1:
        if not (INTEGER.fullmatch(value) and INTEGER.fullmatch(values[0])):
            return False
        have, bound = int(value), int(values[0])
        if not (-MOST - 1 <= have <= MOST and -MOST - 1 <= bound <= MOST):
            return False
        return have > bound if operator == "Gt" else have < bound
    return False


def selects(selector: Selector, labels: Mapping[str, str]) -> bool:
    """Whether a label selector matches a label set."""
    if selector is None:
        return False
    return all(holds(requirement, labels) for requirement in selector)


def node_terms(node_selector: Mapping[str, Any] | None) -> tuple[NodeTerm, ...] | None:
    """The parsed terms of a NodeSelector; None where there is none."""
    if node_selector is None:
        return None
    return tuple(node_term(term) for term in node_selector.get("nodeSelectorTerms") or ())


def node_term(term: Mapping[str, Any]) -> NodeTerm:
    """One parsed term."""
    return NodeTerm(
        requirements(term.get("matchExpressions")), requirements(term.get("matchFields"))
    )


def term_matches(term: NodeTerm, labels: Mapping[str, str], name: str) -> bool:
    """Whether a node with these labels and this name fits a term; an empty term fits no node."""
    if not term.expressions and not term.fields:
        return False
    for requirement in term.expressions:
        if not holds(requirement, labels):
            return False
    for key, operator, values in term.fields:
        if key != "metadata.name" or len(values) != 1 or operator not in ("In", "NotIn"):
            return False
        if (name == values[0]) != (operator == "In"):
            return False
    return True


def any_term(terms: Iterable[NodeTerm], labels: Mapping[str, str], name: str) -> bool:
    """Terms are alternatives."""
    return any(term_matches(term, labels, name) for term in terms)


def tolerates(toleration: Toleration, taint: Taint) -> bool:
    """Whether one toleration covers a taint."""
    key, operator, value, effect = toleration
    if effect and effect != taint.effect:
        return False
    if key and key != taint.key:
        return False
    if operator == "Exists":
        return True
    return operator in ("", "Equal") and value == taint.value


def tolerated(tolerations: Iterable[Toleration], taint: Taint) -> bool:
    """Whether any of the tolerations covers a taint."""
    return any(tolerates(toleration, taint) for toleration in tolerations)


def untolerated(
    tolerations: tuple[Toleration, ...], taints: Iterable[Taint], effects: tuple[str, ...]
) -> Taint | None:
    """The first taint with one of these effects that is not covered."""
    for taint in taints:
        if taint.effect in effects and not tolerated(tolerations, taint):
            return taint
    return None


def affinity_terms(
    terms: Iterable[Mapping[str, Any]] | None, namespace: str, labels: Mapping[str, str]
) -> tuple[AffinityTerm, ...]:
    """Parsed required terms of a pod in `namespace` with these labels."""
    return tuple(_affinity_term(term, namespace, labels, 0) for term in terms or ())


def weighted_terms(
    terms: Iterable[Mapping[str, Any]] | None, namespace: str, labels: Mapping[str, str]
) -> tuple[AffinityTerm, ...]:
    """Parsed preferred terms of a pod in `namespace` with these labels."""
    return tuple(
        _affinity_term(item["podAffinityTerm"], namespace, labels, item["weight"])
        for item in terms or ()
    )


def _affinity_term(
    term: Mapping[str, Any], namespace: str, labels: Mapping[str, str], weight: int
) -> AffinityTerm:
    namespaces = tuple(term.get("namespaces") or ())
    chosen = term.get("namespaceSelector")
    if not namespaces and chosen is None:
        namespaces = (namespace,)
    selector = label_selector(term.get("labelSelector"))
    if selector is not None:
        # The API server folds these keys into the selector; doing so again changes nothing.
        for field, operator in (("matchLabelKeys", "In"), ("mismatchLabelKeys", "NotIn")):
            own = [key for key in term.get(field) or () if key in labels]
            selector += tuple(Requirement(key, operator, (labels[key],)) for key in own)
    return AffinityTerm(term["topologyKey"], selector, namespaces, label_selector(chosen), weight)


def concerns(
    term: AffinityTerm,
    namespace: str,
    labels: Mapping[str, str],
    namespace_labels: Mapping[str, str],
) -> bool:
    """Whether a term is about a pod with these labels in a namespace with those labels."""
    in_reach = namespace in term.namespaces or selects(term.namespace_selector, namespace_labels)
    return in_reach and selects(term.selector, labels)
