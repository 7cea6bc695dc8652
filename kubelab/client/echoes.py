"""Which writes of ours the caches have yet to show.

A controller decides by its caches, and a cache learns of the controller's own writes only by watch,
a little after the answer. Whoever decides again in between counts too few pods and makes more, or
deletes the same surplus twice. So a key stays open until the caches have echoed what was written
for it: a create, update or patch when the kind's watch has reached the resourceVersion that the
answer gave; a delete when the watch has shown the object terminating or gone.

In Kubernetes: pkg/controller's ControllerExpectations, which count the creations and deletions that
a controller still expects to see, and, since resourceVersions may be compared, the consistency
stores in pkg/controller/util/consistency that wait for a version as is done here.
"""

from __future__ import annotations

from heapq import heappop, heappush
from typing import Any

from kubelab.api.objects import Obj, get
from kubelab.client.informer import Informer

# Who waits: the name of a controller and one of its keys.
Waiter = tuple[str, str]


class Echoes:
    """The waiters of one process, by informer."""

    def __init__(self) -> None:
        self.revisions: dict[str, list[tuple[int, str, str]]] = {}
        self.ends: dict[str, dict[str, list[Waiter]]] = {}

    def await_write(self, informer: Informer, body: Any, waiter: Waiter) -> bool:
        """Whether the cache has yet to show an object as our write left it; if so, we wait."""
        revision = int(get(body, "metadata", "resourceVersion", default="0"))
        if int(informer.revision or 0) >= revision:
            return False
        heappush(self.revisions.setdefault(informer.key, []), (revision, *waiter))
        return True

    def await_end(self, informer: Informer, key: str, waiter: Waiter) -> bool:
        """Whether the cache has yet to show an object terminating or gone; if so, we wait."""
        if is_ending(informer.get(key)):
            return False
        self.ends.setdefault(informer.key, {}).setdefault(key, []).append(waiter)
        return True

    def heard(self, informer: Informer, keys: list[str]) -> list[Waiter]:
        """The waiters that need to wait no longer, now that these keys of a cache have changed."""
        done: list[Waiter] = []
        heap = self.revisions.get(informer.key)
        revision = int(informer.revision or 0)
        while heap and heap[0][0] <= revision:
            done.append(heappop(heap)[1:])
        ends = self.ends.get(informer.key)
        if ends:
            for key in keys:
                if key in ends and is_ending(informer.get(key)):
                    done += ends.pop(key)
        return done

    def relisted(self, informer: Informer) -> list[Waiter]:
        """The same after a list, which may have changed any key."""
        return self.heard(informer, list(self.ends.get(informer.key, ())))


def is_ending(obj: Obj | None) -> bool:
    """Whether an object is gone, or on its way."""
    return obj is None or bool(obj["metadata"].get("deletionTimestamp"))
