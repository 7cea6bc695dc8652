"""Defaults of the groups apps, batch and autoscaling.

In Kubernetes: pkg/apis/{apps,batch,autoscaling}/*/defaults.go.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from kubelab.apiserver import defaults_pods
from kubelab.apiserver.filling import each, filled, put, within
from kubelab.sim.tree import EMPTY, Arr, Obj, freeze

LARGEST_INT32 = (1 << 31) - 1

DEPLOYMENT = freeze({
    "replicas": 1,
    "strategy": {},
    "revisionHistoryLimit": 10,
    "progressDeadlineSeconds": 600,
})  # fmt: skip
ROLLING_UPDATE = Obj({"maxUnavailable": "25%", "maxSurge": "25%"})
STATEFUL_SET = freeze({
    "replicas": 1,
    "podManagementPolicy": "OrderedReady",
    "updateStrategy": {},
    "revisionHistoryLimit": 10,
    "persistentVolumeClaimRetentionPolicy": {},
})  # fmt: skip
RETENTION = Obj({"whenDeleted": "Retain", "whenScaled": "Retain"})
DAEMON_SET = freeze({"updateStrategy": {}, "revisionHistoryLimit": 10})
CRON_JOB = freeze({
    "concurrencyPolicy": "Allow",
    "suspend": False,
    "successfulJobsHistoryLimit": 3,
    "failedJobsHistoryLimit": 1,
})  # fmt: skip
CPU_METRIC = freeze([{
    "type": "Resource",
    "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 80}},
}])  # fmt: skip
SCALE_UP = freeze({
    "stabilizationWindowSeconds": 0,
    "selectPolicy": "Max",
    "policies": [
        {"type": "Pods", "value": 4, "periodSeconds": 15},
        {"type": "Percent", "value": 100, "periodSeconds": 15},
    ],
})  # fmt: skip
SCALE_DOWN = freeze({
    "selectPolicy": "Max",
    "policies": [{"type": "Percent", "value": 100, "periodSeconds": 15}],
})  # fmt: skip


def _strategy(strategy: Any, rolling: Obj) -> Any:
    """A rolling update unless another way is named; its bounds filled in."""
    strategy = filled(strategy, Obj({"type": "RollingUpdate"}))
    if strategy["type"] != "RollingUpdate":
        return strategy
    strategy = filled(strategy, Obj({"rollingUpdate": EMPTY}))
    return within(strategy, "rollingUpdate", lambda held: filled(held, rolling))


def deployment(spec: Any) -> Any:
    """The spec of a Deployment."""
    spec = within(filled(spec, DEPLOYMENT), "template", defaults_pods.template)
    return within(spec, "strategy", lambda held: _strategy(held, ROLLING_UPDATE))


def replica_set(spec: Any) -> Any:
    """The spec of a ReplicaSet."""
    return within(filled(spec, Obj({"replicas": 1})), "template", defaults_pods.template)


def stateful_set(spec: Any) -> Any:
    """The spec of a StatefulSet."""
    spec = within(filled(spec, STATEFUL_SET), "template", defaults_pods.template)
    spec = within(spec, "updateStrategy", lambda held: _strategy(held, Obj({"partition": 0})))
    spec = within(
        spec, "persistentVolumeClaimRetentionPolicy", lambda held: filled(held, RETENTION)
    )
    return each(spec, "volumeClaimTemplates", _claim_template)


def _claim_template(claim: Any) -> Any:
    claim = filled(
        claim, Obj({"kind": "PersistentVolumeClaim", "apiVersion": "v1", "status": EMPTY})
    )
    claim = within(claim, "status", lambda held: filled(held, Obj({"phase": "Pending"})))
    return within(claim, "spec", defaults_pods.claim_spec)


def daemon_set(spec: Any) -> Any:
    """The spec of a DaemonSet."""
    spec = within(filled(spec, DAEMON_SET), "template", defaults_pods.template)
    bounds = Obj({"maxUnavailable": 1, "maxSurge": 0})
    return within(spec, "updateStrategy", lambda held: _strategy(held, bounds))


def job(obj: Obj) -> Obj:
    """A Job: one pod, once, unless it says more; its labels are those of its template."""
    spec = obj.get("spec")
    if spec is None:
        return obj
    if spec.get("completions") is None and spec.get("parallelism") is None:
        spec = filled(spec, Obj({"completions": 1}))
    limit = 6 if spec.get("backoffLimitPerIndex") is None else LARGEST_INT32
    failed = spec.get("podFailurePolicy") is not None
    spec = filled(spec, Obj({
        "parallelism": 1,
        "backoffLimit": limit,
        "completionMode": "NonIndexed",
        "suspend": False,
        "podReplacementPolicy": "Failed" if failed else "TerminatingOrFailed",
        "manualSelector": False,
    }))  # fmt: skip
    spec = within(spec, "template", defaults_pods.template)
    spec = within(spec, "podFailurePolicy", lambda held: each(held, "rules", _failure_rule))
    labels = ((spec.get("template") or EMPTY).get("metadata") or EMPTY).get("labels")
    metadata = obj.get("metadata") or EMPTY
    if labels and not metadata.get("labels"):
        obj = put(obj, "metadata", Obj({**metadata, "labels": labels}))
    return put(obj, "spec", spec)  # type: ignore[no-any-return]


def _failure_rule(rule: Any) -> Any:
    return each(rule, "onPodConditions", lambda held: filled(held, Obj({"status": "True"})))


def cron_job(spec: Any) -> Any:
    """The spec of a CronJob; of the jobs it makes only the pods are filled in."""
    return within(filled(spec, CRON_JOB), "jobTemplate", _job_template)


def _job_template(held: Any) -> Any:
    held = filled(held, Obj({"metadata": EMPTY}))
    return within(held, "spec", lambda spec: within(spec, "template", defaults_pods.template))


def autoscaler(spec: Any) -> Any:
    """The spec of a HorizontalPodAutoscaler in its second version."""
    spec = filled(spec, Obj({"minReplicas": 1}))
    if not spec.get("metrics") and "targetCPUUtilizationPercentage" not in spec:
        spec = put(spec, "metrics", CPU_METRIC)
    return within(spec, "behavior", _behavior)


def _behavior(behavior: Any) -> Any:
    behavior = filled(behavior, Obj({"scaleUp": EMPTY, "scaleDown": EMPTY}))
    behavior = within(behavior, "scaleUp", lambda held: _scaling(held, SCALE_UP))
    return within(behavior, "scaleDown", lambda held: _scaling(held, SCALE_DOWN))


def _scaling(rules: Any, defaults: Any) -> Any:
    if not rules.get("policies"):
        rules = Obj({**rules, "policies": Arr()})
        rules = put(rules, "policies", defaults["policies"])
    return filled(rules, defaults)


def _spec(change: Callable[[Any], Any]) -> Callable[[Obj], Obj]:
    return lambda obj: within(obj, "spec", change)


DEFAULTS: dict[tuple[str, str], Callable[[Obj], Obj]] = {
    ("apps", "DaemonSet"): _spec(daemon_set),
    ("apps", "Deployment"): _spec(deployment),
    ("apps", "ReplicaSet"): _spec(replica_set),
    ("apps", "StatefulSet"): _spec(stateful_set),
    ("autoscaling", "HorizontalPodAutoscaler"): _spec(autoscaler),
    ("batch", "CronJob"): _spec(cron_job),
    ("batch", "Job"): job,
}
