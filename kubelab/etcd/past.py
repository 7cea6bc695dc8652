"""The past of an etcd alone: its keys at a revision or after an event, and why things happened.

`Alone` is what views and learners ask of an etcd in a world of its own, as they ask it of a whole
cluster. Nothing here sends a request or moves the world.

In Kubernetes: `etcdctl get --rev`; causes are not to be seen there.
"""

from __future__ import annotations

from typing import Any

from kubelab.etcd import records
from kubelab.etcd.mvcc import Store
from kubelab.etcd.seen import freshest
from kubelab.sim.history import History
from kubelab.sim.kernel import Event, World


class Keys:
    """The keys of a store at one revision. There are no Kubernetes objects in it."""

    def __init__(self, store: Store, revision: int) -> None:
        self._store = store
        self.revision = revision

    def keys(self, prefix: str = "") -> Any:
        """The records under a prefix, in key order."""
        start = prefix.encode()
        end = start[:-1] + bytes([start[-1] + 1]) if start else b"\0"
        request = records.RangeRequest(key=start or b"\0", range_end=end, revision=self.revision)
        return self._store.range(request).kvs

    def list(self, kind: str, namespace: str | None = None) -> list[Any]:
        """No objects."""
        return []


class Alone:
    """The part of an `EtcdCluster` that only looks."""

    history: History

    @property
    def world(self) -> World:
        """The world; internal, it is replaced by `rewind`."""
        return self.history.world

    def why(self, what: int | Event) -> list[Event]:
        """The chain of events that led to an event, the first cause first."""
        trace = self.history.world.trace
        event: Event | None = what if isinstance(what, Event) else trace[what - 1]
        chain: list[Event] = []
        while event is not None:
            chain.append(event)
            event = trace[event.cause - 1] if event.cause else None
        return chain[::-1]

    def at(self, *, revision: int | None = None, event: int | None = None) -> Keys:
        """The keys as they were at a revision, or just after an event."""
        now = freshest(self.history.world)
        if event is not None:
            numbers = [number for number, by in now.written if by <= event]
            revision = numbers[-1] if numbers else 1
        assert revision is not None
        if revision < now.store.compacted:
            by = next(by for number, by in now.written if number >= revision)
            now = freshest(self.history.replay(by).world)
        return Keys(now.store, min(revision, now.store.revision))
