"""A store that keeps a full copy of everything at every revision: slow, and plainly right.

Properties compare the real store with it. It knows puts, deletions, transactions of these and
compaction, and nothing of how the real one saves space.
"""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from kubelab.etcd.mvcc import Store
from kubelab.etcd.records import (
    DeleteRangeRequest,
    Event,
    KeyValue,
    PutRequest,
    RequestOp,
    TxnRequest,
)

KEYS = [b"a", b"b", b"c", b"ca", b"cb", b"d", b"d\xff", b"e"]
ENDS = [b"", b"\0", b"b", b"c", b"cb", b"d", b"f"]

puts = st.tuples(st.sampled_from(KEYS), st.sampled_from([b"", b"1", b"2"])).map(
    lambda pair: PutRequest(*pair)
)
deletions = st.tuples(st.sampled_from(KEYS), st.sampled_from(ENDS)).map(
    lambda pair: DeleteRangeRequest(*pair)
)
writes = st.one_of(puts, puts, deletions)
# One revision each, unless nothing changes.
steps = st.lists(writes, min_size=1, max_size=3)
histories = st.lists(steps, max_size=30)


class Model:
    """All pairs at all revisions, and the events of each."""

    def __init__(self) -> None:
        self.states: list[dict[bytes, KeyValue]] = [{}, {}]
        self.events: list[list[Event]] = [[], []]

    @property
    def revision(self) -> int:
        """The last revision; the first is 1."""
        return len(self.states) - 1

    def write(self, requests: list[Any]) -> None:
        """Several changes in one revision; no revision if nothing changes."""
        before = self.states[-1]
        now, revision, events = dict(before), self.revision + 1, []
        for request in requests:
            if isinstance(request, PutRequest):
                old = now.get(request.key)
                created = old.create_revision if old else revision
                version = old.version + 1 if old else 1
                kv = KeyValue(request.key, created, revision, version, request.value, request.lease)
                now[request.key] = kv
                previous = None if created == revision else before.get(request.key)
                events.append(Event("PUT", kv, previous))
                continue
            for key in sorted(k for k in now if within(k, request.key, request.range_end)):
                del now[key]
                kv = KeyValue(key, 0, revision)
                events.append(Event("DELETE", kv, before.get(key)))
        if events:
            self.states.append(now)
            self.events.append(events)

    def range(self, key: bytes, end: bytes, revision: int) -> list[KeyValue]:
        """The pairs of a range at a revision, in the order of keys."""
        state = self.states[revision]
        return [state[k] for k in sorted(state) if within(k, key, end)]


def within(key: bytes, start: bytes, end: bytes) -> bool:
    """Whether a key is in a range as etcd writes it."""
    if not end:
        return key == start
    return key >= start and (end == b"\0" or key < end)


def apply(store: Store, requests: list[Any]) -> None:
    """The same changes on the real store: alone, or as one transaction."""
    if len(requests) == 1:
        request = requests[0]
        if isinstance(request, PutRequest):
            store.put(request)
        else:
            store.delete_range(request)
        return
    operations = tuple(
        RequestOp(request_put=request)
        if isinstance(request, PutRequest)
        else RequestOp(request_delete_range=request)
        for request in requests
    )
    store.txn(TxnRequest(success=operations))


def both(history: list[list[Any]]) -> tuple[Store, Model]:
    """A store and a model after the same history."""
    store, model = Store(), Model()
    for requests in history:
        apply(store, requests)
        model.write(requests)
    return store, model
