"""The horizontal autoscaler: as many pods as the use of their cpu or memory asks for.

Every 15 s, for each autoscaler: the target's size is read from its scale, the use of its pods from
the metrics API, and the size is written back if another one is better. Growing follows at once; for
shrinking the highest recommendation of the last five minutes counts, so that a short lull takes no
pods away.

In Kubernetes: pkg/controller/podautoscaler/horizontal.go. Left out: custom, object and external
metrics, the policies of `behavior`.
"""

from __future__ import annotations

from typing import Any

from kubelab.api import kinds, quantity
from kubelab.api.objects import NOTHING, Obj, freeze, get, key_of, name_of, namespace_of, with_
from kubelab.api.rest import Response, url
from kubelab.api.selectors import parse_labels
from kubelab.client.controller import Controller
from kubelab.client.informer import by_namespace
from kubelab.controllers import autoscaling, conditions
from kubelab.controllers.pods import is_over, is_ready, is_terminating
from kubelab.sim.kernel import SECOND

KIND = "autoscaling/v2/HorizontalPodAutoscaler"
PERIOD_SECONDS, WINDOW_SECONDS = 15.0, 300
METRICS = "/apis/metrics.k8s.io/v1beta1/namespaces/{}/pods"
NO_METRICS = (
    "unable to get metrics for resource {}: unable to fetch metrics from resource metrics API: {}"
)


class HorizontalController(Controller):
    """Sizes what HorizontalPodAutoscalers point to."""

    name = "horizontalpodautoscaler"

    def event_source(self) -> str:
        return "horizontal-pod-autoscaler"

    def begin(self) -> None:
        # For each autoscaler, what was recommended when.
        self.history: dict[str, list[tuple[int, int]]] = {}
        self.scalers = self.watch(KIND, "on_scaler")
        self.pods = self.watch("v1/Pod")
        self.pods.index("namespace", by_namespace)

    def on_scaler(self, old: Obj | None, new: Obj | None) -> None:
        """An autoscaler has changed: it is looked at when its period is over, not before."""
        if new is None:
            self.history.pop(key_of(old), None)
        elif old is None or old.get("spec") != new.get("spec"):
            self.enqueue_after(key_of(new), PERIOD_SECONDS, background=True)

    def sync(self, key: str) -> None:
        """Reads the size of the target."""
        scaler = self.scalers.get(key)
        if scaler is None:
            return
        self.enqueue_after(key, PERIOD_SECONDS, background=True)
        ref = scaler["spec"]["scaleTargetRef"]
        kind = kinds.find(ref.get("apiVersion", "v1"), ref["kind"])
        if kind is None:
            text = f'no matches for kind "{ref["kind"]}" in group "{ref.get("apiVersion", "")}"'
            self._no_scale(scaler, text)
            return
        path = url(kind, namespace_of(scaler), ref["name"], "scale")
        self.request("GET", path, "scale_read", key, path)

    def _no_scale(self, scaler: Obj, text: str) -> None:
        self.note(act="no scale")
        self.recorder.event(scaler, "Warning", "FailedGetScale", text)
        whole = f"the HPA controller was unable to get the target's current scale: {text}"
        self._write(scaler, {}, ("AbleToScale", "False", "FailedGetScale", whole))

    def scale_read(self, response: Response, key: str, path: str) -> bool:
        """The target's size: outside the bounds it is set at once, else metrics decide."""
        scaler = self.scalers.get(key)
        if scaler is None:
            return True
        if not response.ok:
            self._no_scale(scaler, response.message)
            return True
        scale, spec = response.body, scaler["spec"]
        current = get(scale, "spec", "replicas", default=0)
        least, most = spec.get("minReplicas", 1), spec["maxReplicas"]
        if current == 0 and least:
            text = "scaling is disabled since the replica count of the target is zero"
            status = {"currentReplicas": 0, "desiredReplicas": 0}
            self._write(scaler, status, GOT, ("ScalingActive", "False", "ScalingDisabled", text))
        elif current > most:
            reason = "Current number of replicas above Spec.MaxReplicas"
            self._rescale(scaler, scale, path, most, reason)
        elif current < least:
            reason = "Current number of replicas below Spec.MinReplicas"
            self._rescale(scaler, scale, path, least, reason)
        else:
            query = Obj(labelSelector=get(scale, "status", "selector", default=""))
            metrics = METRICS.format(namespace_of(scaler))
            self.request("GET", metrics, "metrics_read", key, path, scale, query=query)
        return True

    def metrics_read(self, response: Response, key: str, path: str, scale: Obj) -> bool:
        """The use of the pods: how many are wanted?"""
        scaler = self.scalers.get(key)
        if scaler is None:
            return True
        current = get(scale, "spec", "replicas", default=0)
        wishes: list[int] = []
        shown: list[dict[str, Any]] = []
        problem, name = "", ""
        for metric in scaler["spec"].get("metrics") or NOTHING:
            name = get(metric, "resource", "name", default="cpu")
            target = get(metric, "resource", "target", "averageUtilization")
            try:
                if not response.ok:
                    why = (
                        "the server could not find the requested resource (get pods.metrics.k8s.io)"
                    )
                    raise ValueError(NO_METRICS.format(name, why))
                pods = self._usage(scaler, scale, response.body, name)
                wishes.append(autoscaling.wanted(current, target or 80, pods))
                share = autoscaling.utilization([pod for pod in pods if pod.used is not None])
                shown.append({"type": "Resource", "resource": {
                    "name": name, "current": {"averageUtilization": share},
                }})  # fmt: skip
            except ValueError as error:
                problem = problem or f"failed to get {name} utilization: {error}"
                shown.append({"type": ""})
        status = {"currentReplicas": current, "currentMetrics": shown}
        if problem and not any(wish > current for wish in wishes):
            self._fail(scaler, status, problem, name, len(shown))
            return True
        text = (
            f"the HPA was able to successfully calculate a replica count from {name} resource "
            "utilization (percentage of request)"
        )
        self._decide(
            scaler, scale, path, max(wishes, default=current), status,
            ("ScalingActive", "True", "ValidMetricFound", text),
        )  # fmt: skip
        return True

    def _usage(self, scaler: Obj, scale: Obj, body: Obj, name: str) -> list[autoscaling.Usage]:
        """The pods of the target with their use. Raises ValueError."""
        used = {}
        for item in body.get("items") or NOTHING:
            amounts = [c["usage"].get(name, "0") for c in item.get("containers") or NOTHING]
            used[name_of(item)] = sum(quantity.milli_value(amount) for amount in amounts)
        selector = parse_labels(get(scale, "status", "selector", default=""))
        found = []
        for pod in self.pods.indexed("namespace", namespace_of(scaler)):
            labels = get(pod, "metadata", "labels", default=Obj())
            if not selector.matches(labels) or is_over(pod) or is_terminating(pod):
                continue
            requested = 0
            for container in pod["spec"]["containers"]:
                asked = get(container, "resources", "requests", name)
                if asked is None:
                    raise ValueError(
                        f"missing request for {name} in container {container['name']} of Pod "
                        f"{name_of(pod)}"
                    )
                requested += quantity.milli_value(asked)
            ready = is_ready(pod) or name != "cpu"
            found.append(autoscaling.Usage(requested, used.get(name_of(pod)), ready))
        if not any(pod.used is not None for pod in found):
            raise ValueError(
                NO_METRICS.format(name, "no metrics returned from resource metrics API")
            )
        return found

    def _fail(self, scaler: Obj, status: dict[str, Any], text: str, name: str, count: int) -> None:
        self.note(act="no metrics")
        self.recorder.event(scaler, "Warning", "FailedGetResourceMetric", text)
        whole = (
            f"invalid metrics ({count} invalid out of {count}), first error is: failed to get "
            f"{name} resource metric value: {text}"
        )
        self.recorder.event(scaler, "Warning", "FailedComputeMetricsReplicas", whole)
        reason = f"the HPA was unable to compute the replica count: {text}"
        failed = ("ScalingActive", "False", "FailedGetResourceMetric", reason)
        self._write(scaler, status, GOT, failed)

    def _decide(
        self, scaler: Obj, scale: Obj, path: str, wish: int, status: dict[str, Any],
        active: tuple[str, str, str, str],
    ) -> None:  # fmt: skip
        key, now = key_of(scaler), self.process.now
        spec, current = scaler["spec"], status["currentReplicas"]
        window = get(spec, "behavior", "scaleDown", "stabilizationWindowSeconds")
        since = now - (WINDOW_SECONDS if window is None else window) * SECOND
        past = self.history.setdefault(key, [(now, current)])
        past[:] = [*(item for item in past if item[0] > since), (now, wish)]
        steady = max(wish, *(count for _, count in past))
        able = (
            "AbleToScale", "True", "ReadyForNewScale", "recommended size matches current size",
        )  # fmt: skip
        if steady != wish:
            able = (
                "AbleToScale", "True", "ScaleDownStabilized",
                "recent recommendations were higher than current one, applying the highest recent "
                "recommendation",
            )  # fmt: skip
        limits = autoscaling.Limits(spec.get("minReplicas", 1), spec["maxReplicas"])
        desired, why, text = autoscaling.limited(current, min(steady, max(wish, current)), limits)
        bounded = ("ScalingLimited", str(why != "DesiredWithinRange"), why, text)
        self.note(wish=desired, seen=current, act="—")
        if desired == current:
            self._write(scaler, {**status, "desiredReplicas": desired}, able, active, bounded)
            return
        reason = "All metrics below target"
        if desired > current:
            reason = "cpu resource utilization (percentage of request) above target"
        self._rescale(scaler, scale, path, desired, reason, status, active, bounded)

    def _rescale(
        self, scaler: Obj, scale: Obj, path: str, size: int, reason: str,
        status: dict[str, Any] | None = None, *news: tuple[str, str, str, str],
    ) -> None:  # fmt: skip
        before = get(scale, "spec", "replicas", default=0)
        self.note(wish=size, seen=before, act=f"resize to {size}")
        body = with_(scale, ("spec", "replicas"), size)
        facts = freeze({**(status or {}), "currentReplicas": before, "desiredReplicas": size})
        self.request("PUT", path, "rescaled", key_of(scaler), reason, facts, news, body=body)

    def rescaled(
        self, response: Response, key: str, reason: str, facts: Obj,
        news: tuple[tuple[str, str, str, str], ...],
    ) -> bool:  # fmt: skip
        """The answer to a new size."""
        scaler, size = self.scalers.get(key), facts["desiredReplicas"]
        if scaler is None:
            return True
        if response.status == 409:
            return False
        if not response.ok:
            text = f"New size: {size}; reason: {reason}; error: {response.message}"
            self.recorder.event(scaler, "Warning", "FailedRescale", text)
            whole = "the HPA controller was unable to update the target scale: " + response.message
            self._write(scaler, {}, ("AbleToScale", "False", "FailedUpdateScale", whole))
            return True
        self.recorder.event(
            scaler, "Normal", "SuccessfulRescale", f"New size: {size}; reason: {reason}"
        )
        text = f"the HPA controller was able to update the target scale to {size}"
        done = ("AbleToScale", "True", "SucceededRescale", text)
        status = {**facts, "lastScaleTime": self.process.timestamp}
        self._write(scaler, status, done, *news)
        return True

    def _write(self, scaler: Obj, facts: dict[str, Any], *news: tuple[str, str, str, str]) -> None:
        held = list(conditions.of(scaler))
        for new in news:
            held = _placed(held, new, self.process.timestamp)
        before = scaler.get("status") or Obj()
        after = freeze({**before, **facts, "conditions": held})
        if after != before:
            self.update_status(with_(scaler, ("status",), after))


def _placed(held: list[Obj], new: tuple[str, str, str, str], now: str) -> list[Obj]:
    """The conditions with a new one in the place of that of its type."""
    made = Obj(zip(("type", "status", "reason", "message"), new, strict=True))
    old = conditions.find(held, new[0])
    since = old["lastTransitionTime"] if old and old["status"] == new[1] else now
    made = Obj({**made, "lastTransitionTime": since})
    return [made if item is old else item for item in held] if old else [*held, made]


GOT = (
    "AbleToScale", "True", "SucceededGetScale",
    "the HPA controller was able to get the target's current scale",
)  # fmt: skip
