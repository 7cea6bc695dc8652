"""The resource quota controller: how much of each quota is used.

Admission refuses what would exceed a quota and counts up at once; this controller counts anew from
what there is: when a quota changes, when something that counts is gone or over, and every five
minutes. Status carries the limits as they were last seen, and the use of each.

In Kubernetes: pkg/controller/resourcequota and pkg/quota/v1/evaluator/core. Left out: scopes by
priority class, device requests.
"""

from __future__ import annotations

from fractions import Fraction

from kubelab.api import quantity
from kubelab.api.objects import EMPTY, NOTHING, Obj, freeze, get, key_of, namespace_of, with_
from kubelab.api.quotas import in_scopes, kind_counted, pod_use, use_of
from kubelab.client.controller import Controller
from kubelab.client.informer import Informer, by_namespace
from kubelab.controllers.pods import is_over

PERIOD_SECONDS = 300.0


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
