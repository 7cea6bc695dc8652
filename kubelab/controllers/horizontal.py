"""The horizontal autoscaler: as many pods as the use of their cpu or memory asks for.

Every 15 s, for each autoscaler: the target's size is read from its scale, the use of its pods from
the metrics API, and the size is written back if another one is better. Growing follows at once; for
shrinking the highest recommendation of the last five minutes counts, so that a short lull takes no
pods away. Of several metrics the one that wants the most pods wins; one that cannot be read keeps
pods from being taken away.

In Kubernetes: pkg/controller/podautoscaler/horizontal.go. Left out: metrics that only an adapter
can serve.
"""

from __future__ import annotations

from typing import Any

from kubelab.api import kinds, quantity
from kubelab.api.objects import NOTHING, Obj, freeze, get, key_of, namespace_of, with_
from kubelab.api.rest import Response, url
from kubelab.api.selectors import parse_labels
from kubelab.client.controller import Controller
from kubelab.client.informer import by_namespace
from kubelab.controllers import conditions, hpametrics, scalingrules
from kubelab.controllers.autoscaling import Tolerance
from kubelab.controllers.hpametrics import Proposal, Scene, Unreadable
from kubelab.controllers.scalingrules import Limits, Steps, news

KIND = "autoscaling/v2/HorizontalPodAutoscaler"
PERIOD_SECONDS = 15.0
METRICS = "/apis/metrics.k8s.io/v1beta1/namespaces/{}/pods"
MEASURED = ("Resource", "ContainerResource")
NONE = Response(200, Obj(), Obj(items=NOTHING))

Condition = tuple[Any, ...]


class HorizontalController(Controller):
    """Sizes what HorizontalPodAutoscalers point to."""

    name = "horizontalpodautoscaler"

    def event_source(self) -> str:
        return "horizontal-pod-autoscaler"

    def begin(self) -> None:
        # For each autoscaler, what was recommended and done of late, and the pods it looks at.
        self.steps: dict[str, Steps] = {}
        self.selectors: dict[str, str] = {}
        self.scalers = self.watch(KIND, "on_scaler")
        self.pods = self.watch("v1/Pod")
        self.pods.index("namespace", by_namespace)

    def on_scaler(self, old: Obj | None, new: Obj | None) -> None:
        """An autoscaler has changed: it is looked at when its period is over, not before."""
        if new is None:
            self.steps.pop(key_of(old), None)
            self.selectors.pop(key_of(old), None)
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
        if key not in self.steps:
            self.steps[key] = Steps(((self.process.now, current),))
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
        elif not self._may_choose(scaler, scale):
            pass
        elif any(metric.get("type") in MEASURED for metric in spec.get("metrics") or NOTHING):
            query = Obj(labelSelector=get(scale, "status", "selector", default=""))
            metrics = METRICS.format(namespace_of(scaler))
            self.request("GET", metrics, "metrics_read", key, path, scale, query=query)
        else:
            self.metrics_read(NONE, key, path, scale)
        return True

    def _may_choose(self, scaler: Obj, scale: Obj) -> bool:
        """Whether it is clear which pods are meant, and no other autoscaler counts them too."""
        selector, key = get(scale, "status", "selector", default=""), key_of(scaler)
        if not selector:
            text = "the HPA target's scale is missing a selector"
            self._refuse(scaler, scale, "SelectorRequired", "InvalidSelector", "selector is "
                         "required", text)  # fmt: skip
            return False
        self.selectors[key] = selector
        mine = hpametrics.chosen(
            self.pods.indexed("namespace", namespace_of(scaler)), parse_labels(selector)
        )
        rivals = [
            other for other, text in sorted(self.selectors.items())
            if other.partition("/")[0] == namespace_of(scaler)
            and (other == key or hpametrics.chosen(mine, parse_labels(text)))
        ]  # fmt: skip
        if len(rivals) > 1 and mine:
            text = (
                f"pods by selector {selector} are controlled by multiple HPAs: [{' '.join(rivals)}]"
            )
            self._refuse(scaler, scale, "AmbiguousSelector", "AmbiguousSelector", text, text)
            return False
        return True

    def _refuse(self, scaler: Obj, scale: Obj, reason: str, why: str, told: str, text: str) -> None:
        self.note(act="nothing", why=text)
        self.recorder.event(scaler, "Warning", reason, told)
        self.recorder.event(scaler, "Warning", "FailedComputeMetricsReplicas", told)
        status = {"currentReplicas": get(scale, "spec", "replicas", default=0)}
        self._write(scaler, status, GOT, ("ScalingActive", "False", why, text))

    def metrics_read(self, response: Response, key: str, path: str, scale: Obj) -> bool:
        """The use of the pods: how many are wanted?"""
        scaler = self.scalers.get(key)
        if scaler is None:
            return True
        current = get(scale, "spec", "replicas", default=0)
        selector = parse_labels(get(scale, "status", "selector", default=""))
        pods = hpametrics.chosen(self.pods.indexed("namespace", namespace_of(scaler)), selector)
        scene = Scene(scaler, current, pods, response, _tolerance(scaler), self.process.now)
        best: Proposal | None = None
        first: Unreadable | None = None
        shown: list[Obj] = []
        failed = 0
        for metric in scaler["spec"].get("metrics") or NOTHING:
            try:
                found = hpametrics.proposal(metric, scene)
                shown.append(found.status)
                best = found if best is None or found.size > best.size else best
            except Unreadable as error:
                self.recorder.event(scaler, "Warning", error.reason, error.text)
                failed += 1
                first = first or error
                shown.append(Obj(type=""))
        status = {"currentReplicas": current, "currentMetrics": shown}
        if first is not None and (best is None or best.size < current):
            self._fail(scaler, status, first, failed)
            return True
        assert best is not None
        text = f"the HPA was able to successfully calculate a replica count from {best.name}"
        self._decide(
            scaler, scale, path, best, status, ("ScalingActive", "True", "ValidMetricFound", text)
        )
        return True

    def _fail(self, scaler: Obj, status: dict[str, Any], error: Unreadable, failed: int) -> None:
        self.note(act="no metrics")
        whole = (
            f"invalid metrics ({failed} invalid out of {len(status['currentMetrics'])}), first "
            f"error is: {error.around}{error.text}"
        )
        self.recorder.event(scaler, "Warning", "FailedComputeMetricsReplicas", whole)
        reason = f"the HPA was unable to compute the replica count: {error.text}"
        self._write(scaler, status, GOT, ("ScalingActive", "False", error.reason, reason))

    def _decide(
        self, scaler: Obj, scale: Obj, path: str, best: Proposal, status: dict[str, Any],
        active: Condition,
    ) -> None:  # fmt: skip
        """Steadies and limits what the metrics want, and resizes if that is another size."""
        key, now, spec = key_of(scaler), self.process.now, scaler["spec"]
        current, behavior, steps = status["currentReplicas"], spec.get("behavior"), self.steps[key]
        steady, why = scalingrules.steadied(steps, now, current, best.size, behavior)
        self.steps[key] = scalingrules.remembered(steps, now, best.size, behavior)
        limits = Limits(spec.get("minReplicas", 1), spec["maxReplicas"])
        desired, bound = scalingrules.limited(current, steady, limits, behavior, steps, now)
        able = news("AbleToScale", why)
        bounded = news("ScalingLimited", bound, str(desired != steady))
        self.note(wish=desired, seen=current, act="—", proposed=best.size, steadied=steady)
        if desired == current:
            self._write(scaler, {**status, "desiredReplicas": desired}, able, active, bounded)
            return
        reason = "All metrics below target"
        if best.size > current:
            reason = f"{best.name} above target"
        self._rescale(scaler, scale, path, desired, reason, status, active, bounded)

    def _rescale(
        self, scaler: Obj, scale: Obj, path: str, size: int, reason: str,
        status: dict[str, Any] | None = None, *told: Condition,
    ) -> None:  # fmt: skip
        before = get(scale, "spec", "replicas", default=0)
        self.note(wish=size, seen=before, act=f"resize to {size}")
        body = with_(scale, ("spec", "replicas"), size)
        facts = freeze({**(status or {}), "currentReplicas": before, "desiredReplicas": size})
        self.request("PUT", path, "rescaled", key_of(scaler), reason, facts, told, body=body)

    def rescaled(
        self, response: Response, key: str, reason: str, facts: Obj,
        told: tuple[Condition, ...],
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
        steps, before = self.steps.get(key, Steps()), facts["currentReplicas"]
        behavior = scaler["spec"].get("behavior")
        self.steps[key] = scalingrules.resized(steps, self.process.now, before, size, behavior)
        self.recorder.event(
            scaler, "Normal", "SuccessfulRescale", f"New size: {size}; reason: {reason}"
        )
        text = f"the HPA controller was able to update the target scale to {size}"
        done = ("AbleToScale", "True", "SucceededRescale", text)
        status = {**facts, "lastScaleTime": self.process.timestamp}
        self._write(scaler, status, done, *told)
        return True

    def _write(self, scaler: Obj, facts: dict[str, Any], *told: Condition) -> None:
        held = list(conditions.of(scaler))
        for new in told:
            held = _placed(held, new, self.process.timestamp)
        before = scaler.get("status") or Obj()
        after = freeze({**before, **facts, "conditions": held})
        if after != before:
            self.update_status(with_(scaler, ("status",), after))


def _tolerance(scaler: Obj) -> Tolerance:
    """How far off is near enough, in each direction."""
    plain = Tolerance()
    rules = scaler["spec"].get("behavior") or Obj()
    down, up = (get(rules, name, "tolerance") for name in ("scaleDown", "scaleUp"))
    return Tolerance(
        plain.down if down is None else float(quantity.parse(down)),
        plain.up if up is None else float(quantity.parse(up)),
    )


def _placed(held: list[Obj], new: Condition, now: str) -> list[Obj]:
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
