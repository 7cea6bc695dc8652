"""The resource quota controller: how much of each quota is used.

Admission refuses what would exceed a quota and counts up at once; this controller counts anew from
what there is: when a quota changes, when something that counts is gone or over, and every five
minutes. Status carries the limits as they were last seen, and the use of each.

In Kubernetes: pkg/controller/resourcequota and pkg/quota/v1/evaluator/core. Left out: scopes by
priority class, device requests.
"""

from __future__ import annotations

from fractions import Fraction

from kubelab.api import kinds, quantity
from kubelab.api.objects import EMPTY, NOTHING, Obj, freeze, get, key_of, namespace_of, with_
from kubelab.client.controller import Controller
from kubelab.client.informer import Informer, by_namespace
from kubelab.controllers.pods import is_over

PERIOD_SECONDS = 300.0
PLAIN = {
    "pods": "v1/Pod", "services": "v1/Service", "secrets": "v1/Secret",
    "configmaps": "v1/ConfigMap", "persistentvolumeclaims": "v1/PersistentVolumeClaim",
    "replicationcontrollers": "v1/ReplicationController", "resourcequotas": "v1/ResourceQuota",
    "services.loadbalancers": "v1/Service", "services.nodeports": "v1/Service",
    "requests.storage": "v1/PersistentVolumeClaim",
}  # fmt: skip


def kind_counted(resource: str) -> str:
    """The kind whose objects a resource of a quota counts; empty if we know none."""
    if resource in PLAIN:
        return PLAIN[resource]
    if resource.startswith("count/"):
        plural, _, group = resource[6:].partition(".")
        for row in kinds.ALL:
            if row.plural == plural and row.group == group:
                return f"{row.api_version}/{row.kind}"
        return ""
    if ".storageclass.storage.k8s.io/" in resource:
        return "v1/PersistentVolumeClaim"
    return "v1/Pod"


def in_scopes(pod: Obj, scopes: list[str]) -> bool:
    """Whether a pod counts for a quota of these scopes."""
    best_effort = get(pod, "status", "qosClass") == "BestEffort"
    ends = get(pod, "spec", "activeDeadlineSeconds") is not None
    held = {
        "BestEffort": best_effort, "NotBestEffort": not best_effort,
        "Terminating": ends, "NotTerminating": not ends,
    }  # fmt: skip
    return all(held.get(scope, True) for scope in scopes)


def pod_use(pod: Obj, resource: str) -> Fraction:
    """How much of a resource a pod uses: its containers' sum, or the largest init container."""
    if resource == "pods" or resource == "count/pods":
        return Fraction(1)
    part, _, name = resource.partition(".")
    if part not in ("requests", "limits"):
        part, name = "requests", resource

    def of(field: str) -> list[Fraction]:
        return [
            quantity.parse(get(item, "resources", part, name, default="0"))
            for item in get(pod, "spec", field, default=NOTHING)
        ]

    overhead = quantity.parse(get(pod, "spec", "overhead", name, default="0"))
    return max([sum(of("containers"), Fraction(0)), *of("initContainers")]) + overhead


def use_of(obj: Obj, resource: str) -> Fraction:
    """How much of a resource an object that is no pod uses."""
    if resource == "services.loadbalancers":
        return Fraction(int(get(obj, "spec", "type") == "LoadBalancer"))
    if resource == "services.nodeports":
        ports = get(obj, "spec", "ports", default=NOTHING)
        return Fraction(sum(1 for port in ports if port.get("nodePort")))
    name, _, rest = resource.partition(".storageclass.storage.k8s.io/")
    if rest:
        if get(obj, "spec", "storageClassName") != name:
            return Fraction(0)
        resource = rest
    if resource == "requests.storage":
        asked = get(obj, "spec", "resources", "requests", "storage", default="0")
        return quantity.parse(asked)
    return Fraction(1)


class ResourceQuotaController(Controller):
    """Keeps status.used of every quota."""

    name = "resourcequota"

    def begin(self) -> None:
        self.sources: dict[str, Informer] = {}
        self.quotas = self.watch("v1/ResourceQuota", "on_quota")
        self.quotas.index("namespace", by_namespace)
        self.enqueue_after("(all)", PERIOD_SECONDS, background=True)

    def on_quota(self, old: Obj | None, new: Obj | None) -> None:
        """A quota has changed: its kinds are watched from now on."""
        if new is None:
            return
        for resource in get(new, "spec", "hard", default=EMPTY):
            self._source(kind_counted(resource))
        if old is None or old.get("spec") != new.get("spec") or not get(new, "status", "used"):
            self.enqueue(key_of(new))

    def _source(self, kind: str) -> Informer | None:
        if kind and kind not in self.sources:
            self.sources[kind] = self.watch(kind, "on_counted")
            self.sources[kind].index("namespace", by_namespace)
        return self.sources.get(kind)

    def on_counted(self, old: Obj | None, new: Obj | None) -> None:
        """Something that may count has changed; its coming is counted by admission already."""
        obj = new if new is not None else old
        grew = old is None or (new is not None and old.get("spec") != new.get("spec"))
        ended = new is None or (obj["kind"] == "Pod" and is_over(new))  # type: ignore[index]
        if grew or ended:
            for quota in self.quotas.indexed("namespace", namespace_of(obj)):
                self.enqueue(key_of(quota))

    def sync(self, key: str) -> None:
        """Counts what one quota limits."""
        if key == "(all)":
            for quota in self.quotas:
                self.enqueue(key_of(quota))
            self.note(act="count all anew")
            self.enqueue_after("(all)", PERIOD_SECONDS, background=True)
            return
        found = self.quotas.get(key)
        if found is None:
            return
        hard = get(found, "spec", "hard", default=EMPTY)
        sources = [self._source(kind_counted(resource)) for resource in hard]
        if not all(source is None or source.synced for source in sources):
            self.enqueue_after(key, 0.05)
            return
        used = {resource: self._count(found, resource, hard[resource]) for resource in sorted(hard)}
        status = freeze({"hard": dict(hard), "used": used})
        self.note(wish=dict(hard), seen=used, act="—")
        if status != found.get("status"):
            self.note(act="write the use")
            self.update_status(with_(found, ("status",), status))

    def _count(self, quota: Obj, resource: str, limit: str) -> str:
        source = self._source(kind_counted(resource))
        if source is None:
            return "0"
        total, scopes = Fraction(0), list(get(quota, "spec", "scopes", default=NOTHING))
        for obj in source.indexed("namespace", namespace_of(quota)):
            if obj["kind"] != "Pod":
                total += use_of(obj, resource)
            elif resource.startswith("count/"):
                total += 1
            elif not is_over(obj) and in_scopes(obj, scopes):
                total += pod_use(obj, resource)
        return quantity.write(total, quantity.family_of(limit))
