"""Watches: from now or from history, whole and in order, and ended by compaction."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubelab.etcd import watch
from kubelab.etcd.mvcc import Store
from kubelab.etcd.records import (
    CompactionRequest,
    DeleteRangeRequest,
    Event,
    KeyValue,
    PutRequest,
    WatchRequest,
    WatchResponse,
)
from kubelab.etcd.watch import Watchers
from tests.etcd.model import ENDS, KEYS, apply, both, histories, within


def responses(answers: Any) -> list[WatchResponse]:
    """What was told, without to whom."""
    return [answer.response for answer in answers]


def created(watchers: Watchers, key: bytes, end: bytes = b"", **fields: Any) -> WatchResponse:
    """Begins a watch of client `you` in stream 0; the answer at once."""
    call_id = len(watchers.watches) + 1
    (answer,) = watchers.create("you", call_id, 0, WatchRequest(key, end, **fields))
    return answer.response


def test_live_events() -> None:
    """A watch without a start hears what comes next, one response per revision."""
    store = Store()
    watchers = Watchers(store)
    store.put(PutRequest(b"a", b"0"))
    assert created(watchers, b"a") == WatchResponse(store.header(), 0, created=True)
    store.put(PutRequest(b"a", b"1"))
    kv = KeyValue(b"a", 2, 3, 2, b"1")
    assert responses(watchers.notify()) == [
        WatchResponse(store.header(), 0, events=(Event("PUT", kv),))
    ]
    store.put(PutRequest(b"b", b"1"))
    assert watchers.notify() == []


def test_previous_pairs() -> None:
    """prev_kv is the pair before the revision; a creation has none."""
    store = Store()
    watchers = Watchers(store)
    created(watchers, b"a", prev_kv=True)
    store.put(PutRequest(b"a", b"1"))
    (first,) = responses(watchers.notify())
    store.delete_range(DeleteRangeRequest(b"a"))
    (second,) = responses(watchers.notify())
    assert first.events[0].prev_kv is None
    assert second.events == (Event("DELETE", KeyValue(b"a", 0, 3), KeyValue(b"a", 2, 2, 1, b"1")),)


def test_a_start_in_the_future() -> None:
    """Events before the start are not told."""
    store = Store()
    watchers = Watchers(store)
    created(watchers, b"a", start_revision=4)
    told = []
    for _ in range(4):
        store.put(PutRequest(b"a"))
        told += responses(watchers.notify())
    assert [event.kv.mod_revision for response in told for event in response.events] == [4, 5]


def test_ids_and_streams() -> None:
    """Ids count from 0 in each stream; one that is asked for must be free."""
    watchers = Watchers(Store())
    assert created(watchers, b"a").watch_id == 0
    assert created(watchers, b"a", watch_id=1).watch_id == 1
    assert created(watchers, b"a").watch_id == 2
    refused = created(watchers, b"a", watch_id=1)
    assert (refused.created, refused.canceled, refused.watch_id) == (True, True, -1)
    assert refused.cancel_reason == "mvcc: duplicate watch ID provided on the WatchStream"
    (answer,) = watchers.create("you", 9, 1, WatchRequest(b"a"))
    assert answer.response.watch_id == 0


def test_refused_watches() -> None:
    """An empty range and a negative start are refused at once."""
    watchers = Watchers(Store())
    assert created(watchers, b"b", b"a").cancel_reason == "mvcc: watcher range is empty"
    words = "etcdserver: mvcc: required revision has been compacted"
    assert created(watchers, b"b", start_revision=-1).cancel_reason == words
    assert watchers.watches == {}


def test_an_empty_key_is_the_first_key() -> None:
    """An empty key stands for `\\0`, and everything needs an end as well."""
    store = Store()
    watchers = Watchers(store)
    created(watchers, b"")
    created(watchers, b"", b"\0")
    store.put(PutRequest(b"a"))
    assert [response.watch_id for response in responses(watchers.notify())] == [1]


def test_compaction_cancels_who_is_behind() -> None:
    """A watch that needs compacted history is cancelled without a reason; a live one goes on."""
    store = Store()
    watchers = Watchers(store)
    created(watchers, b"a")
    for _ in range(4):
        store.put(PutRequest(b"a"))
        watchers.notify()
    created(watchers, b"a", start_revision=3)
    created(watchers, b"a", start_revision=4)
    store.compact(CompactionRequest(4))
    cancelled, caught_up = responses(watchers.catch_up())
    assert (cancelled.canceled, cancelled.compact_revision, cancelled.cancel_reason) == (
        True,
        4,
        "",
    )
    assert cancelled.header.revision == 0
    assert [event.kv.mod_revision for event in caught_up.events] == [4, 5]
    assert sorted(watchers.watches) == [(0, 0), (0, 2)]


def test_filters() -> None:
    """A filter drops events of its kind; a response that would be empty is not sent."""
    store = Store()
    watchers = Watchers(store)
    created(watchers, b"a", filters=("NOPUT",))
    created(watchers, b"a", filters=("NODELETE",))
    store.put(PutRequest(b"a"))
    assert [response.watch_id for response in responses(watchers.notify())] == [1]
    store.delete_range(DeleteRangeRequest(b"a"))
    assert [response.watch_id for response in responses(watchers.notify())] == [0]


def test_progress() -> None:
    """A stream's progress is told with watch_id -1, unless one of its watches is behind."""
    store = Store()
    watchers = Watchers(store)
    store.put(PutRequest(b"a"))
    created(watchers, b"a")
    assert responses(watchers.progress("you", 9, 0)) == [WatchResponse(store.header(), -1)]
    created(watchers, b"a", start_revision=1)
    assert watchers.progress("you", 9, 0) == []


def test_cancelling() -> None:
    """A cancelled watch says so, without a reason, and hears no more; an unknown one is silence."""
    store = Store()
    watchers = Watchers(store)
    created(watchers, b"a", b"b")
    assert responses(watchers.cancel("you", 0, 0)) == [
        WatchResponse(store.header(), 0, canceled=True)
    ]
    store.put(PutRequest(b"a"))
    assert watchers.notify() == watchers.cancel("you", 0, 0) == []
    assert not (watchers.by_key or watchers.by_prefix or watchers.lengths or watchers.by_range)


def test_a_client_that_goes() -> None:
    """All watches of a client that has gone are over; others stay."""
    watchers = Watchers(Store())
    created(watchers, b"a")
    created(watchers, b"b", b"c")
    watchers.create("another", 1, 0, WatchRequest(b"a"))
    assert watchers.disconnect("you") == 2
    assert [one.client for one in watchers.watches.values()] == ["another"]


def test_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    """History comes in batches of so many revisions; none is told twice."""
    monkeypatch.setattr(watch, "BATCH_REVISIONS", 2)
    store = Store()
    watchers = Watchers(store)
    for _ in range(5):
        store.put(PutRequest(b"a"))
    created(watchers, b"a", start_revision=1)
    told = []
    while watchers.unsynced:
        told.append([e.kv.mod_revision for r in responses(watchers.catch_up()) for e in r.events])
    assert told == [[2, 3], [4, 5], [6]]


def test_fragments(monkeypatch: pytest.MonkeyPatch) -> None:
    """A watch that asked for it gets a large response in parts, all but the last marked."""
    monkeypatch.setattr(watch, "FRAGMENT_BYTES", 100)
    store = Store()
    watchers = Watchers(store)
    for _ in range(4):
        store.put(PutRequest(b"a", b"x" * 30))
    created(watchers, b"a", start_revision=2, fragment=True)
    told = responses(watchers.catch_up())
    assert len(told) == 2
    assert [response.fragment for response in told] == [True, False]
    assert [e.kv.mod_revision for response in told for e in response.events] == [2, 3, 4, 5]


@given(histories, histories, st.data())
def test_no_gap_and_no_repeat(history: list[list[Any]], later: list[list[Any]], data: Any) -> None:
    """From any revision, past or not, a watch tells exactly the changes of its range since."""
    store, model = both(history)
    watchers = Watchers(store)
    start = data.draw(st.integers(1, model.revision + 3))
    key, end = data.draw(st.sampled_from(KEYS)), data.draw(st.sampled_from(ENDS))
    accepted = not created(watchers, key, end, start_revision=start, prev_kv=True).canceled
    assert accepted == (not end or end == b"\0" or end > key)
    told: list[WatchResponse] = []
    for requests in later:
        before = store.revision
        apply(store, requests)
        model.write(requests)
        if store.revision > before:
            told += responses(watchers.notify())
        if data.draw(st.booleans()):
            told += responses(watchers.catch_up())
    told += responses(watchers.catch_up())
    wanted = [
        event
        for events in model.events[start:]
        for event in events
        if accepted and within(event.kv.key, key, end)
    ]
    assert [event for response in told for event in response.events] == wanted
    assert [r.header.revision for r in told] == sorted(r.header.revision for r in told)
