"""What is tried on the exercises of notebook 08."""

from __future__ import annotations

from typing import Any

from kubelab.learn import worlds
from kubelab.learn.units.tasks08 import HOST, ZONE, repels
from tests.learn.case import Case, always


def constraint(key: str, app: str, skew: int = 1, when: str = "DoNotSchedule") -> dict[str, Any]:
    """One spread constraint."""
    chosen = {"matchLabels": {"app": app}}
    return {"maxSkew": skew, "topologyKey": key, "whenUnsatisfiable": when, "labelSelector": chosen}


def spread(*constraints: dict[str, Any]) -> dict[str, Any]:
    """A Deployment web with such constraints."""
    return worlds.deployment("web", 3, spec={"topologySpreadConstraints": list(constraints)})


def attracted(app: str) -> dict[str, Any]:
    """Required: beside a pod of an app."""
    term = {"labelSelector": {"matchLabels": {"app": app}}, "topologyKey": HOST}
    return {"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}


def pair(cache: dict[str, Any], web: dict[str, Any]) -> list[dict[str, Any]]:
    """The two Deployments with such specs of their pods."""
    return [worlds.deployment("cache", 2, spec=cache), worlds.deployment("web", 4, spec=web)]


BESIDE = {"affinity": attracted("cache")}
OVER_NODES = {"topologySpreadConstraints": [constraint(HOST, "cache")]}
BY_RULE = {"affinity": {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [
    {"labelSelector": {"matchExpressions": [{"key": "app", "operator": "In", "values": ["cache"]}]},
     "topologyKey": HOST}]}}}  # fmt: skip


def config(strategy: dict[str, Any] | None = None, **profile: Any) -> dict[str, Any]:
    """A configuration with a strategy of NodeResourcesFit."""
    made: dict[str, Any] = {"schedulerName": "default-scheduler", **profile}
    if strategy:
        args = {"name": "NodeResourcesFit", "args": {"scoringStrategy": strategy}}
        made["pluginConfig"] = [args]
    return {
        "apiVersion": "kubescheduler.config.k8s.io/v1",
        "kind": "KubeSchedulerConfiguration",
        "profiles": [made],
    }


CPU = [{"name": "cpu", "weight": 1}]
SHAPE = {"shape": [{"utilization": 0, "score": 0}, {"utilization": 100, "score": 10}]}
MOST = {"type": "MostAllocated", "resources": CPU}
RATIO = {"type": "RequestedToCapacityRatio", "resources": CPU, "requestedToCapacityRatio": SHAPE}
LEAST = {"type": "LeastAllocated", "resources": CPU}
OFF = {"plugins": {"score": {"disabled": [{"name": "*"}]}}}


CASES = {
    "08.1": Case(always(worlds.deployment("web", 3)),
                 {"over zones": always(spread(constraint(ZONE, "web"))),
                  "and nodes": always(spread(constraint(ZONE, "web"),
                                             constraint(HOST, "web", 2, "ScheduleAnyway")))},
                 {"over nodes": always(spread(constraint(HOST, "web", when="ScheduleAnyway"))),
                  "a skew of 3": always(spread(constraint(ZONE, "web", 3),
                                               constraint(HOST, "web", when="ScheduleAnyway"))),
                  "repulsion": always(worlds.deployment("web", 3, spec=repels("web", ZONE)))}),
    "08.2": Case(always(pair({}, {})),
                 {"affinity": always(pair(repels("cache"), BESIDE)),
                  "by expressions": always(pair(BY_RULE, BESIDE))},
                 {"attraction only": always(pair({}, BESIDE)),
                  "repulsion only": always(pair(repels("cache"), {})),
                  "spread only": always(pair(OVER_NODES, BESIDE))}),
    "08.3": Case(always(config()), {"most": always(config(MOST)), "ratio": always(config(RATIO))},
                 {"least": always(config(LEAST)), "no points": always(config(**OFF))}),
}  # fmt: skip
