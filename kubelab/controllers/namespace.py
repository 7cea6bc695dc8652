"""The namespace controller: what is in a namespace goes before the namespace.

A deleted namespace is only marked: `spec.finalizers` holds `kubernetes` until this controller has
emptied it. Five seconds after the mark (time for every API server to know it and refuse new
content) all pods are deleted, with their grace; when they are gone, everything else; when nothing
is left the finalizer is taken away through `finalize`, and the API server lets the namespace go.
What remains meanwhile, and which finalizers hold it, is told in the namespace's conditions.

In Kubernetes: pkg/controller/namespace/deletion/namespaced_resources_deleter.go.
"""

from __future__ import annotations

from collections.abc import Sequence

from kubelab.api import kinds
from kubelab.api.kinds import Kind
from kubelab.api.objects import NOTHING, Arr, Obj, get, key_of, with_
from kubelab.api.rest import Response, url
from kubelab.client.controller import Controller
from kubelab.client.informer import Informer, by_namespace
from kubelab.controllers import conditions
from kubelab.controllers.garbagecollector import graph_kinds
from kubelab.controllers.pods import is_over, is_terminating

GRACE_SECONDS = 5
FINALIZER_ESTIMATE_SECONDS = 15
SETTLE_SECONDS = 0.02

# type, then reason and message when all is well, then the reason when not.
CONDITIONS = (
    ("NamespaceDeletionDiscoveryFailure", "ResourcesDiscovered",
     "All resources successfully discovered", ""),
    ("NamespaceDeletionGroupVersionParsingFailure", "ParsedGroupVersions",
     "All legacy kube types successfully parsed", ""),
    ("NamespaceDeletionContentFailure", "ContentDeleted",
     "All content successfully deleted, may be waiting on finalization", ""),
    ("NamespaceContentRemaining", "ContentRemoved",
     "All content successfully removed", "SomeResourcesRemain"),
    ("NamespaceFinalizersRemaining", "ContentHasNoFinalizers",
     "All content-preserving finalizers finished", "SomeFinalizersRemain"),
)  # fmt: skip


class NamespaceController(Controller):
    """Empties namespaces that are to go."""

    name = "namespace"

    def begin(self) -> None:
        self.namespaces = self.watch("v1/Namespace", "on_namespace")
        self.content = {
            row.plural: self.watch(f"{row.api_version}/{row.kind}")
            for row in graph_kinds()
            if row.namespaced
        }
        for informer in self.content.values():
            informer.index("namespace", by_namespace)

    def on_namespace(self, old: Obj | None, new: Obj | None) -> None:
        """A namespace has changed; only one that is to go concerns us, five seconds later.

        The conditions that we write ourselves are such a change too, so that what waits for a long
        grace is looked at much sooner than its estimate says.
        """
        if new is not None and is_terminating(new):
            self.enqueue_after(key_of(new), GRACE_SECONDS)

    def sync(self, key: str) -> None:
        """One step of emptying: pods, then the rest, then the finalizer."""
        namespace = self.namespaces.get(key)
        if namespace is None or not is_terminating(namespace):
            return
        finalizers = get(namespace, "spec", "finalizers", default=NOTHING)
        if "kubernetes" not in finalizers:
            return
        content = {
            plural: informer.indexed("namespace", key) for plural, informer in self.content.items()
        }
        custom = self._custom()
        content |= {name: informer.list(key) for name, informer in custom.items()}
        rest = {plural: objs for plural, objs in content.items() if objs}
        remaining = sum(len(objs) for objs in rest.values())
        stage = {"pods": rest["pods"]} if "pods" in rest else rest
        fresh = [
            plural for plural, objs in stage.items() if any(not is_terminating(obj) for obj in objs)
        ]
        if fresh:
            self.note(wish=0, seen=remaining, act=f"delete all {', '.join(fresh)}")
            for plural in fresh:
                self._empty({**self.content, **custom}[plural].kind, key)
        elif rest:
            estimate = _estimate_seconds(stage)
            self.note(wish=0, seen=remaining, act=f"wait for {', '.join(stage)}")
            self._report(namespace, stage)
            self.enqueue_after(key, estimate // 2 + 1)
        else:
            self.note(wish=0, seen=0, act="let the namespace go")
            self._empty(kinds.named("v1/Event"), key)
            left = Arr([name for name in finalizers if name != "kubernetes"])
            done = with_(namespace, ("spec", "finalizers"), left)
            self.update(done, "finalized", subresource="finalize")

    def _custom(self) -> dict[str, Informer]:
        """The informers of custom resources; the garbage collector has begun them."""
        return {
            name: informer
            for name, informer in self.process.informers.items()
            if informer.kind.namespaced and informer.kind not in kinds.ALL
        }

    def _empty(self, kind: Kind, namespace: str) -> None:
        self.request("DELETE", url(kind, namespace), "emptied")

    def emptied(self, response: Response) -> None:
        """The deletions are under way; soon the caches show what they left."""
        self.enqueue_after(self.key, SETTLE_SECONDS)

    def finalized(self, response: Response) -> bool:
        """That the namespace has changed meanwhile is no failure: it is looked at again."""
        if response.status == 409:
            self.enqueue_after(self.key, SETTLE_SECONDS)
        return response.status == 409

    def _report(self, namespace: Obj, rest: dict[str, list[Obj]]) -> None:
        """Tells in the conditions what remains, and which finalizers hold it."""
        held: dict[str, int] = {}
        for objs in rest.values():
            for obj in objs:
                for finalizer in obj["metadata"].get("finalizers") or ():
                    held[finalizer] = held.get(finalizer, 0) + 1
        informers = {**self.content, **self._custom()}
        counts = ", ".join(
            f"{_resource(informers[plural].kind)} has {len(objs)} resource instances"
            for plural, objs in sorted(rest.items())
        )
        finalizers = ", ".join(
            f"{name} in {count} resource instances" for name, count in sorted(held.items())
        )
        texts = {
            "NamespaceContentRemaining": f"Some resources are remaining: {counts}",
            "NamespaceFinalizersRemaining": (
                f"Some content in the namespace has finalizers remaining: {finalizers}"
                if finalizers
                else ""
            ),
        }
        status = list(conditions.of(namespace))
        for type_, reason, message, other in CONDITIONS:
            text = texts.get(type_, "")
            new = {
                "type": type_,
                "status": "True" if text else "False",
                "lastTransitionTime": self.process.timestamp,
                "reason": other if text else reason,
                "message": text or message,
            }
            status = _put(status, new)
        changed = with_(namespace, ("status", "conditions"), Arr(status))
        if changed["status"] != namespace.get("status"):
            self.update_status(changed)


def _put(held: Sequence[Obj], new: dict[str, str]) -> list[Obj]:
    """The conditions with one changed in its place."""
    out = list(held)
    for index, item in enumerate(out):
        if item["type"] == new["type"]:
            if item["status"] == new["status"] and item["message"] == new["message"]:
                return out
            if item["status"] == new["status"]:
                new = {**new, "lastTransitionTime": item["lastTransitionTime"]}
            out[index] = Obj(new)
            return out
    return [*out, Obj(new)]


def _resource(kind: Kind) -> str:
    """`pods.`, `deployments.apps`: the resource as the condition names it."""
    return f"{kind.plural}.{kind.group}"


def _estimate_seconds(rest: dict[str, list[Obj]]) -> int:
    """How long what remains may take: the pods' longest grace, or a guess for finalizers."""
    grace = max(
        (
            get(pod, "spec", "terminationGracePeriodSeconds", default=30)
            for pod in rest.get("pods", ())
            if not is_over(pod)
        ),
        default=0,
    )
    return grace or FINALIZER_ESTIMATE_SECONDS
