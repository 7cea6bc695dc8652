"""The ConfigMaps, Secrets, claims and volumes that pods refer to, fetched when they are needed.

What several pods ask for at the same time is asked once. An object that was fetched less than a
second ago is not asked again, a missing one always.

In Kubernetes: pkg/kubelet/util/manager. There, each object that a pod refers to is watched.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple

from kubelab.api.objects import Obj
from kubelab.api.rest import Response
from kubelab.sim.kernel import SECOND

if TYPE_CHECKING:
    from kubelab.kubelet.kubelet import Kubelet
    from kubelab.kubelet.podworker import PodWorker

FRESH_NS = SECOND

# Every pod has the cluster's certificate mounted, and it never changes.
LASTING = ("kube-root-ca.crt",)
LASTING_NS = 600 * SECOND


class Ref(NamedTuple):
    """An object that a pod refers to; `kind` is ConfigMap, Secret or one of a claim's."""

    kind: str
    namespace: str
    name: str
    optional: bool = False

    @property
    def key(self) -> tuple[str, str, str]:
        """What it is known by."""
        return self.kind, self.namespace, self.name

    @property
    def missing(self) -> str:
        """What Kubernetes says when it is not there."""
        return f'{self.kind.lower()} "{self.name}" not found'


class ObjectCache:
    """Objects by kind, namespace and name; None where there is none."""

    def __init__(self, kubelet: Kubelet) -> None:
        self.kubelet = kubelet
        self.held: dict[tuple[str, str, str], tuple[Obj | None, int, str]] = {}
        # Who waits for an object that is being fetched: (pod uid, epoch, reply).
        self.waiting: dict[tuple[str, str, str], list[tuple[str, int, str]]] = {}
        self.missing: dict[tuple[str, int, str], int] = {}

    def get(self, ref: Ref) -> Obj | None:
        """The object as it was fetched last."""
        return self.held.get(ref.key, (None, 0, ""))[0]

    def error(self, ref: Ref) -> str:
        """Why an object is not there."""
        return self.held.get(ref.key, (None, 0, ""))[2] or ref.missing

    def held_error(self, ref: Ref) -> str:
        """Why an object could not be read, other than that it is missing."""
        return self.held.get(ref.key, (None, 0, ""))[2]

    def fetch(self, worker: PodWorker, refs: Iterable[Ref], reply: str) -> bool:
        """Fetches what is not fresh; True if nothing is missing, else `reply()` is called later."""
        waiter = (worker.uid, worker.epoch, reply)
        now = self.kubelet.now
        for ref in dict.fromkeys(refs):
            obj, fetched_ns, _ = self.held.get(ref.key, (None, 0, ""))
            fresh = LASTING_NS if ref.name in LASTING else FRESH_NS
            if obj is not None and now - fetched_ns < fresh:
                continue
            first = ref.key not in self.waiting
            self.waiting.setdefault(ref.key, []).append(waiter)
            self.missing[waiter] = self.missing.get(waiter, 0) + 1
            if first:
                self.kubelet.note(fetches=f"{ref.kind} {ref.namespace}/{ref.name}")
                self.kubelet.get(
                    f"v1/{ref.kind}",
                    ref.namespace,
                    ref.name,
                    reply="objects.fetched",
                    context=ref.key,
                )
        return waiter not in self.missing

    def fetched(self, response: Response, kind: str, namespace: str, name: str) -> None:
        """An object, or the news that there is none."""
        key = (kind, namespace, name)
        obj = response.body if response.ok else None
        error = "" if response.ok or response.status == 404 else response.message
        self.held[key] = (obj, self.kubelet.now, error)
        self.kubelet.note(kind=kind, name=name, found=response.ok)
        for waiter in self.waiting.pop(key, ()):
            self.missing[waiter] -= 1
            if not self.missing[waiter]:
                del self.missing[waiter]
                worker = self.kubelet.workers.get(waiter[0])
                if worker is not None and worker.epoch == waiter[1]:
                    worker.method(waiter[2])()
