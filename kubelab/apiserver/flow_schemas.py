"""The flow schemas and priority levels that every cluster begins with.

A table. They say which requests go first where a server has too many; this server always has room,
so they are only kept. `exempt` and `catch-all` are mandatory, the others a suggestion that an
administrator may change.

In Kubernetes: k8s.io/apiserver/pkg/apis/flowcontrol/bootstrap/default.go.
"""

from __future__ import annotations

from typing import Any

from kubelab.api.objects import Obj, freeze

VERSION = "flowcontrol.apiserver.k8s.io/v1"
ANNOTATIONS = {"apf.kubernetes.io/autoupdate-spec": "true"}
# Name: shares, percent that may be lent, queues, hand size, length of a queue.
LEVELS: dict[str, tuple[int, int, int, int, int]] = {
    "global-default": (20, 50, 128, 6, 50), "leader-election": (10, 0, 16, 4, 50),
    "node-high": (40, 25, 64, 6, 50), "system": (30, 33, 64, 6, 50),
    "workload-high": (40, 50, 128, 6, 50), "workload-low": (100, 90, 128, 6, 50),
}  # fmt: skip
# Name: precedence, level, distinguisher, subjects, rules.
SCHEMAS: dict[str, tuple[int, str, str, str, tuple[str, ...]]] = {
    "exempt": (1, "exempt", "", "group:system:masters", ("all",)),
    "probes": (2, "exempt", "", "group:system:unauthenticated group:system:authenticated",
               ("paths:/healthz,/readyz,/livez",)),
    "system-leader-election": (
        100, "leader-election", "ByUser",
        "user:system:kube-controller-manager user:system:kube-scheduler accounts:kube-system",
        ("get,create,update|coordination.k8s.io|leases",)),
    "endpoint-controller": (
        150, "workload-high", "ByUser",
        "user:system:kube-controller-manager account:endpoint-controller "
        "account:endpointslicemirroring-controller",
        ("get,create,update||endpoints",
         "get,create,update|discovery.k8s.io|endpointslices")),
    "workload-leader-election": (
        200, "leader-election", "ByUser", "accounts:kube-system",
        ("get,create,update||configmaps,endpoints",
         "get,create,update|coordination.k8s.io|leases")),
    "system-node-high": (400, "node-high", "ByUser", "group:system:nodes",
                         ("*||nodes,nodes/status", "*|coordination.k8s.io|leases")),
    "system-nodes": (500, "system", "ByUser", "group:system:nodes", ("all",)),
    "kube-controller-manager": (800, "workload-high", "ByNamespace",
                                "user:system:kube-controller-manager", ("all",)),
    "kube-scheduler": (800, "workload-high", "ByNamespace", "user:system:kube-scheduler",
                       ("all",)),
    "kube-system-service-accounts": (900, "workload-high", "ByNamespace", "accounts:kube-system",
                                     ("all",)),
    "service-accounts": (9000, "workload-low", "ByUser", "group:system:serviceaccounts", ("all",)),
    "global-default": (9900, "global-default", "ByUser",
                       "group:system:unauthenticated group:system:authenticated", ("all",)),
    "catch-all": (10000, "catch-all", "ByUser",
                  "group:system:unauthenticated group:system:authenticated", ("all",)),
}  # fmt: skip


def objects(now: str) -> list[Obj]:
    """All of them, as they stand in a new cluster."""
    made = [
        _level("exempt", {"type": "Exempt", "exempt": {
            "nominalConcurrencyShares": 0, "lendablePercent": 0}}),
        _level("catch-all", {"type": "Limited", "limited": {
            "nominalConcurrencyShares": 5, "limitResponse": {"type": "Reject"},
            "lendablePercent": 0}}),
    ]  # fmt: skip
    for name, (shares, lent, queues, hand, length) in LEVELS.items():
        queuing = {"queues": queues, "handSize": hand, "queueLengthLimit": length}
        response = {"type": "Queue", "queuing": queuing}
        limited = {"nominalConcurrencyShares": shares, "limitResponse": response,
                   "lendablePercent": lent}  # fmt: skip
        made.append(_level(name, {"type": "Limited", "limited": limited}))
    made += [_schema(name, row, now) for name, row in SCHEMAS.items()]
    return [freeze(obj) for obj in made]


def _level(name: str, spec: dict[str, Any]) -> dict[str, Any]:
    return {
        "kind": "PriorityLevelConfiguration", "apiVersion": VERSION,
        "metadata": {"name": name, "generation": 1, "annotations": ANNOTATIONS},
        "spec": spec, "status": {},
    }  # fmt: skip


def _schema(name: str, row: tuple[Any, ...], now: str) -> dict[str, Any]:
    precedence, level, method, subjects, rules = row
    resource = [rule for rule in map(_resource_rule, rules) if rule]
    rule: dict[str, Any] = {"subjects": [_subject(word) for word in subjects.split()]}
    if resource:
        rule["resourceRules"] = resource
    paths = [path for path in map(_path_rule, rules) if path]
    if paths:
        rule["nonResourceRules"] = paths
    spec: dict[str, Any] = {
        "priorityLevelConfiguration": {"name": level}, "matchingPrecedence": precedence,
    }  # fmt: skip
    if method:
        spec["distinguisherMethod"] = {"type": method}
    condition = {
        "type": "Dangling", "status": "False", "lastTransitionTime": now, "reason": "Found",
        "message": "This FlowSchema references the PriorityLevelConfiguration object named "
        f'"{level}" and it exists',
    }  # fmt: skip
    return {
        "kind": "FlowSchema", "apiVersion": VERSION,
        "metadata": {"name": name, "generation": 1, "annotations": ANNOTATIONS},
        "spec": {**spec, "rules": [rule]}, "status": {"conditions": [condition]},
    }  # fmt: skip


def _resource_rule(text: str) -> dict[str, Any] | None:
    if text.startswith("paths:"):
        return None
    if text == "all":
        verbs, groups, resources = ["*"], ["*"], ["*"]
    else:
        parts = text.split("|")
        verbs, groups, resources = parts[0].split(","), [parts[1]], parts[2].split(",")
    rule: dict[str, Any] = {"verbs": verbs, "apiGroups": groups, "resources": resources}
    if text == "all" or "nodes" in text:
        rule["clusterScope"] = True
    return {**rule, "namespaces": ["*"]}


def _path_rule(text: str) -> dict[str, Any] | None:
    if text == "all":
        return {"verbs": ["*"], "nonResourceURLs": ["*"]}
    if text.startswith("paths:"):
        return {"verbs": ["get"], "nonResourceURLs": text[6:].split(",")}
    return None


def _subject(word: str) -> dict[str, Any]:
    kind, _, name = word.partition(":")
    if kind == "group":
        return {"kind": "Group", "group": {"name": name}}
    if kind == "user":
        return {"kind": "User", "user": {"name": name}}
    account = {"namespace": name, "name": "*"} if kind == "accounts" else \
        {"namespace": "kube-system", "name": name}  # fmt: skip
    return {"kind": "ServiceAccount", "serviceAccount": account}
