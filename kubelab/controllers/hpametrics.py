"""What each metric of an autoscaler proposes, and what is said where one cannot be read.

A metric of a pod's cpu or memory is reckoned from what metrics.k8s.io answered and from what the
pods request. Metrics of other sorts (pods, objects, something outside) come from adapters that
serve further APIs; there is none here, so they are answered as in a cluster without one.

In Kubernetes: pkg/controller/podautoscaler (horizontal.go's computeStatusFor…,
replica_calculator.go's groupPods, metrics/client.go).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from kubelab.api import quantity
from kubelab.api.objects import EMPTY, NOTHING, Obj, get, labels_of, name_of, namespace_of
from kubelab.api.rest import Response
from kubelab.api.selectors import LabelSelector
from kubelab.controllers import autoscaling
from kubelab.controllers.autoscaling import Target, Tolerance, Usage
from kubelab.controllers.pods import condition, is_terminating, phase_of
from kubelab.sim.kernel import SECOND, parse_timestamp

INITIALIZATION_NS, INITIAL_READINESS_NS = 300 * SECOND, 30 * SECOND
API = "unable to get metrics for resource {}: unable to fetch metrics from resource metrics API: {}"
NO_CUSTOM = (
    "unable to fetch metrics from custom metrics API: no custom metrics API "
    "(custom.metrics.k8s.io) registered"
)
NO_EXTERNAL = (
    "unable to fetch metrics from external metrics API: the server could not find the requested "
    "resource (get {}.external.metrics.k8s.io)"
)
ANSWERS = {
    404: "the server could not find the requested resource (get pods.metrics.k8s.io)",
    503: "the server is currently unable to handle the request (get pods.metrics.k8s.io)",
}


class Metric(NamedTuple):
    """One pod's metric: what it uses (thousandths), when that was measured, over how long."""

    used: int
    taken_ns: int
    window_ns: int


class Proposal(NamedTuple):
    """What a metric proposes: a size, its name in words and its status."""

    size: int
    name: str
    status: Obj


class Unreadable(Exception):
    """A metric cannot be read: the event's reason and words, and the words around them."""

    def __init__(self, reason: str, text: str, around: str) -> None:
        super().__init__(text)
        self.reason = reason
        self.text = text
        self.around = around


class Scene(NamedTuple):
    """What a metric is reckoned from."""

    scaler: Obj
    current: int
    pods: Sequence[Obj]
    answer: Response
    tolerance: Tolerance
    now: int


def proposal(metric: Obj, scene: Scene) -> Proposal:
    """What one metric of the spec proposes. Raises Unreadable."""
    type_ = metric.get("type", "")
    if type_ in ("Resource", "ContainerResource"):
        return _resource(metric, scene, type_ == "ContainerResource")
    if type_ == "Pods":
        name = get(metric, "pods", "metric", "name", default="")
        text = f"unable to get metric {name}: {NO_CUSTOM}"
        raise Unreadable("FailedGetPodsMetric", text, "failed to get pods metric value: ")
    if type_ == "Object":
        raise _object(metric["object"], namespace_of(scene.scaler))
    raise _external(metric.get("external") or EMPTY, namespace_of(scene.scaler))


def _object(source: Obj, namespace: str) -> Unreadable:
    about, name = source["describedObject"], source["metric"]["name"]
    text = (
        f"unable to get metric {name}: {NO_CUSTOM} on {about['kind']} {namespace}/{about['name']}"
    )
    around = "failed to get object metric value: "
    if get(source, "target", "type") == "AverageValue":
        around += f"failed to get {name} object metric: "
    return Unreadable("FailedGetObjectMetric", text, around)


def _external(source: Obj, namespace: str) -> Unreadable:
    name = get(source, "metric", "name", default="")
    said = _go_selector(get(source, "metric", "selector"))
    text = f"unable to get external metric {namespace}/{name}/{said}: {NO_EXTERNAL.format(name)}"
    around = f"failed to get {name} external metric value: "
    if get(source, "target", "averageValue") is not None:
        around += f"failed to get {name} external metric: "
    else:
        around += f"failed to get external metric {name}: "
    return Unreadable("FailedGetExternalMetric", text, around)


def _go_selector(selector: Obj | None) -> str:
    """A label selector as Go prints one."""
    if selector is None:
        return "nil"
    labels = "".join(f"{k}: {v}," for k, v in sorted((selector.get("matchLabels") or {}).items()))
    return (
        f"&LabelSelector{{MatchLabels:map[string]string{{{labels}}},"
        "MatchExpressions:[]LabelSelectorRequirement{},}"
    )


def _resource(metric: Obj, scene: Scene, of_container: bool) -> Proposal:
    """A metric of cpu or memory, of whole pods or of one container of each."""
    field = "containerResource" if of_container else "resource"
    source = metric[field]
    name, container = source["name"], source.get("container", "")
    goal = source["target"]
    percent = goal.get("averageValue") is None
    word, kind = ("container ", "ContainerResource") if of_container else ("", "Resource")
    reason = f"FailedGet{kind}Metric"
    around = f"failed to get {name} {'container' if of_container else 'resource'} metric value: "
    try:
        metrics = read(scene.answer, name, container)
        uses = grouped(scene, metrics, name, container, percent)
    except ValueError as error:
        text = f"failed to get {name} {'utilization' if percent else 'usage'}: {error}"
        raise Unreadable(reason, text, around) from None
    target = Target(goal["averageUtilization"], True) if percent else Target(
        quantity.milli_value(goal["averageValue"]), False
    )  # fmt: skip
    size = autoscaling.wanted(scene.current, target, uses, scene.tolerance)
    known = autoscaling.measured(uses)
    shown: dict[str, Any] = {"averageValue": quantity.canonical(f"{autoscaling.average(known)}m")}
    said = f"{name} {word}resource"
    if percent:
        shown = {**shown, "averageUtilization": autoscaling.utilization(known)}
        said += " utilization (percentage of request)"
    body = {"name": name, "container": container} if of_container else {"name": name}
    status = Obj({"type": kind, field: Obj({**body, "current": Obj(shown)})})
    return Proposal(size, said, status)


def read(answer: Response, name: str, container: str = "") -> dict[str, Metric]:
    """The metrics of the pods by name. Raises ValueError in the words of the API's client."""
    if not answer.ok:
        said = ANSWERS.get(answer.status) or answer.message
        raise ValueError(API.format(name, said))
    items = answer.body.get("items") or NOTHING
    if not items:
        raise ValueError(API.format(name, "no metrics returned from resource metrics API"))
    found: dict[str, Metric] = {}
    for item in items:
        rows = item.get("containers") or NOTHING
        if container:
            rows = [row for row in rows if row["name"] == container]
            if not rows:
                continue
        amounts = [row["usage"].get(name) for row in rows]
        if amounts and None not in amounts:
            used = sum(quantity.milli_value(amount) for amount in amounts)
            window = int(float(item["window"].rstrip("s")) * SECOND)
            found[name_of(item)] = Metric(used, parse_timestamp(item["timestamp"]), window)
    return found


def grouped(
    scene: Scene, metrics: dict[str, Metric], name: str, container: str, percent: bool
) -> list[Usage]:
    """The pods that count, each with its use. Raises ValueError."""
    if not scene.pods:
        raise ValueError("no pods returned by selector while calculating replica count")
    uses: list[Usage] = []
    for pod in scene.pods:
        asked = _asked(pod, name, container) if percent else 0
        if is_terminating(pod) or phase_of(pod) == "Failed":
            continue
        metric = metrics.get(name_of(pod))
        if phase_of(pod) == "Pending":
            uses.append(Usage(asked, None, False))
        elif metric is None:
            uses.append(Usage(asked, None, True))
        else:
            aside = name == "cpu" and _is_set_aside(pod, metric, scene.now)
            uses.append(Usage(asked, metric.used, not aside))
    if not autoscaling.measured(uses):
        raise ValueError("did not receive metrics for any ready pods")
    return uses


def _asked(pod: Obj, name: str, container: str) -> int:
    total = 0
    for item in pod["spec"]["containers"]:
        if container and item["name"] != container:
            continue
        amount = get(item, "resources", "requests", name)
        if amount is None:
            where = f"container {item['name']} of Pod {name_of(pod)}"
            raise ValueError(f"missing request for {name} in {where}")
        total += quantity.milli_value(amount)
    return total


def _is_set_aside(pod: Obj, metric: Metric, now: int) -> bool:
    """Whether a pod's cpu does not count yet: what a start costs says nothing of the load."""
    ready, started = condition(pod, "Ready"), get(pod, "status", "startTime")
    if not ready or not started:
        return True
    moved, begun = parse_timestamp(ready["lastTransitionTime"]), parse_timestamp(started)
    unready = ready["status"] == "False"
    if begun + INITIALIZATION_NS > now:
        return unready or metric.taken_ns < moved + metric.window_ns
    return unready and begun + INITIAL_READINESS_NS > moved


def chosen(pods: Sequence[Obj], selector: LabelSelector) -> list[Obj]:
    """The pods that a selector matches."""
    return [pod for pod in pods if selector.matches(labels_of(pod))]
