"""Validation of where a pod may run: affinity, tolerations, spreading, gates.

In Kubernetes: pkg/apis/core/validation/validation.go, validateAffinity and its neighbours.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from kubelab.api.fielderrors import duplicate, not_allowed, required, unsupported, wrong
from kubelab.apiserver import formats
from kubelab.apiserver.validation_meta import Errors, each_wrong, selector
from kubelab.sim.tree import EMPTY

REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
PREFERRED = "preferredDuringSchedulingIgnoredDuringExecution"
EFFECTS = ("NoSchedule", "PreferNoSchedule", "NoExecute")


def affinity(held: Any, field: str) -> Errors:
    """All of a pod's affinity."""
    if held is None:
        return
    node = held.get("nodeAffinity") or EMPTY
    path = f"{field}.nodeAffinity"
    if node.get(REQUIRED) is not None:
        yield from node_selector(node[REQUIRED], f"{path}.{REQUIRED}")
    for at, item in enumerate(node.get(PREFERRED) or ()):
        inner = f"{path}.{PREFERRED}[{at}]"
        yield from _weight(item, inner)
        yield from _node_term(item.get("preference") or EMPTY, f"{inner}.preference")
    for key in ("podAffinity", "podAntiAffinity"):
        pods = held.get(key) or EMPTY
        for at, term in enumerate(pods.get(REQUIRED) or ()):
            yield from _pod_term(term, f"{field}.{key}.{REQUIRED}[{at}]")
        for at, item in enumerate(pods.get(PREFERRED) or ()):
            inner = f"{field}.{key}.{PREFERRED}[{at}]"
            yield from _weight(item, inner)
            yield from _pod_term(item.get("podAffinityTerm") or EMPTY, f"{inner}.podAffinityTerm")


def _weight(item: Any, path: str) -> Errors:
    weight = item.get("weight") or 0
    if not 1 <= weight <= 100:
        yield wrong(f"{path}.weight", weight, "must be in the range 1-100")


def node_selector(held: Any, field: str) -> Errors:
    """A NodeSelector: at least one term."""
    terms = held.get("nodeSelectorTerms") or ()
    if not terms:
        yield required(f"{field}.nodeSelectorTerms", "must have at least one node selector term")
    for at, term in enumerate(terms):
        yield from _node_term(term, f"{field}.nodeSelectorTerms[{at}]")


def _node_term(term: Any, path: str) -> Errors:
    for at, item in enumerate(term.get("matchExpressions") or ()):
        yield from _node_expression(item, f"{path}.matchExpressions[{at}]")
    for at, item in enumerate(term.get("matchFields") or ()):
        inner = f"{path}.matchFields[{at}]"
        if item.get("operator") not in ("In", "NotIn"):
            message = "not a valid selector operator"
            yield wrong(f"{inner}.operator", item.get("operator") or "", message)
        elif len(item.get("values") or ()) != 1:
            message = (
                "must be only one value when `operator` is 'In' or 'NotIn' for node field selector"
            )
            yield required(f"{inner}.values", message)
        if item.get("key") != "metadata.name":
            yield wrong(f"{inner}.key", item.get("key") or "", "not a valid field selector key")


def _node_expression(item: Any, path: str) -> Errors:
    operator, values = item.get("operator") or "", item.get("values") or ()
    if operator in ("In", "NotIn"):
        if not values:
            message = "must be specified when `operator` is 'In' or 'NotIn'"
            yield required(f"{path}.values", message)
    elif operator in ("Exists", "DoesNotExist"):
        if values:
            message = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"
            yield not_allowed(f"{path}.values", message)
    elif operator in ("Gt", "Lt"):
        if len(values) != 1:
            message = "must be specified single value when `operator` is 'Lt' or 'Gt'"
            yield required(f"{path}.values", message)
    else:
        yield wrong(f"{path}.operator", operator, "not a valid selector operator")
    key = item.get("key") or ""
    yield from each_wrong(f"{path}.key", key, formats.qualified(key))


def _pod_term(term: Any, path: str) -> Errors:
    yield from selector(term.get("labelSelector"), f"{path}.labelSelector")
    yield from selector(term.get("namespaceSelector"), f"{path}.namespaceSelector")
    for name in term.get("namespaces") or ():
        yield from each_wrong(f"{path}.namespace", name, formats.label(name))
    key = term.get("topologyKey") or ""
    if not key:
        yield required(f"{path}.topologyKey", "can not be empty")
    yield from each_wrong(f"{path}.topologyKey", key, formats.qualified(key))


def tolerations(held: Sequence[Any], field: str) -> Errors:
    """The taints that a pod bears."""
    for at, toleration in enumerate(held):
        path = f"{field}[{at}]"
        key, operator = toleration.get("key") or "", toleration.get("operator") or ""
        value, effect = toleration.get("value") or "", toleration.get("effect") or ""
        if key:
            yield from each_wrong(f"{path}.key", key, formats.qualified(key))
        elif operator != "Exists":
            message = (
                "operator must be Exists when `key` is empty, "
                'which means "match all values and all keys"'
            )
            yield wrong(f"{path}.operator", operator, message)
        if toleration.get("tolerationSeconds") is not None and effect != "NoExecute":
            message = "effect must be 'NoExecute' when `tolerationSeconds` is set"
            yield wrong(f"{path}.effect", effect, message)
        if operator in ("", "Equal"):
            yield from each_wrong(f"{path}.operator", value, formats.label_value(value))
        elif operator == "Exists":
            if value:
                message = "value must be empty when `operator` is 'Exists'"
                yield wrong(f"{path}.operator", value, message)
        else:
            yield unsupported(f"{path}.operator", operator, ["Equal", "Exists"])
        if effect and effect not in EFFECTS:
            yield unsupported(f"{path}.effect", effect, EFFECTS)


def spreading(held: Sequence[Any], field: str) -> Errors:
    """Topology spread constraints."""
    seen: list[tuple[str, str]] = []
    for at, item in enumerate(held):
        path = f"{field}[{at}]"
        skew, key = item.get("maxSkew") or 0, item.get("topologyKey") or ""
        when = item.get("whenUnsatisfiable") or ""
        if skew <= 0:
            yield wrong(f"{path}.maxSkew", skew, "must be greater than zero")
        if not key:
            yield required(f"{path}.topologyKey", "can not be empty")
        else:
            yield from each_wrong(f"{path}.topologyKey", key, formats.qualified(key))
        if when not in ("DoNotSchedule", "ScheduleAnyway"):
            allowed = ["DoNotSchedule", "ScheduleAnyway"]
            yield unsupported(f"{path}.whenUnsatisfiable", when, allowed)
        if (key, when) in seen:
            yield duplicate(f"{path}.{{topologyKey, whenUnsatisfiable}}", f"{{{key}, {when}}}")
        seen.append((key, when))
        domains = item.get("minDomains")
        if domains is not None and domains <= 0:
            yield wrong(f"{path}.minDomains", domains, "must be greater than 0")
        elif domains is not None and when != "DoNotSchedule":
            message = f"can only use minDomains if whenUnsatisfiable=DoNotSchedule, not {when}"
            yield wrong(f"{path}.minDomains", domains, message)
        yield from selector(item.get("labelSelector"), f"{path}.labelSelector")


def gates(held: Sequence[Any], field: str) -> Errors:
    """Scheduling gates."""
    names: list[str] = []
    for at, gate in enumerate(held):
        name = gate.get("name") or ""
        yield from each_wrong(f"{field}[{at}]", name, formats.qualified(name))
        if name in names:
            yield duplicate(f"{field}[{at}]", name)
        names.append(name)
