"""Keys of a pod's own labels, folded into the selectors of its affinity terms and constraints.

`matchLabelKeys` says "and with the same value of this label as mine": at creation each key that
the pod has becomes an expression of the selector, `In` with the pod's value; `mismatchLabelKeys`
becomes `NotIn`. Keys that the pod lacks, and terms without a selector (they match nothing), are
left alone.

In Kubernetes: pkg/registry/core/pod/strategy.go (applyMatchLabelKeysAndMismatchLabelKeys).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kubelab.api.objects import EMPTY, Obj, freeze, get, with_

REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
PREFERRED = "preferredDuringSchedulingIgnoredDuringExecution"


def folded(pod: Obj) -> Obj:
    """The pod with its label keys folded into the selectors."""
    labels = get(pod, "metadata", "labels", default=EMPTY)
    for kind in ("podAffinity", "podAntiAffinity"):
        path = ("spec", "affinity", kind, REQUIRED)
        terms = get(pod, *path, default=())
        if any(map(_has_keys, terms)):
            pod = with_(pod, path, freeze([_folded(term, labels) for term in terms]))
        wishes_path = ("spec", "affinity", kind, PREFERRED)
        wishes = get(pod, *wishes_path, default=())
        if any(_has_keys(wish.get("podAffinityTerm") or EMPTY) for wish in wishes):
            made = [
                {**wish, "podAffinityTerm": _folded(wish["podAffinityTerm"], labels)}
                for wish in wishes
            ]
            pod = with_(pod, wishes_path, freeze(made))
    constraints_path = ("spec", "topologySpreadConstraints")
    constraints = get(pod, *constraints_path, default=())
    if any(map(_has_keys, constraints)):
        pod = with_(pod, constraints_path, freeze([_folded(item, labels) for item in constraints]))
    return pod


def _has_keys(term: Mapping[str, Any]) -> bool:
    return bool(term.get("matchLabelKeys") or term.get("mismatchLabelKeys"))


def _folded(term: Obj, labels: Obj) -> Any:
    selector = term.get("labelSelector")
    if selector is None:
        return term
    more = [
        {"key": key, "operator": operator, "values": [labels[key]]}
        for field, operator in (("matchLabelKeys", "In"), ("mismatchLabelKeys", "NotIn"))
        for key in term.get(field) or ()
        if key in labels
    ]
    if not more:
        return term
    expressions = [*(selector.get("matchExpressions") or ()), *more]
    return {**term, "labelSelector": {**selector, "matchExpressions": expressions}}
