"""The calls from outside: what callers write and read, and that the past can be had again."""

from __future__ import annotations

import pytest

from kubelab.etcd import EtcdCluster, EtcdError, snapshot
from kubelab.etcd.records import RangeRequest


def test_calls_and_their_answers() -> None:
    """Requests take etcd's field names; answers have them, with values as bytes."""
    etcd = EtcdCluster()
    assert etcd.put(b"a", b"1").header.revision == 2
    assert etcd.put(b"a", b"2", prev_kv=True).prev_kv.value == b"1"
    assert etcd.range(b"a", keys_only=True).kvs[0].version == 2
    assert etcd.range("a", sort_order=2, sort_target="MOD").count == 1
    assert etcd.delete_range(b"a", b"b", prev_kv=True).prev_kvs[0].value == b"2"
    assert etcd.compact(3).header.revision == 4


def test_transactions_as_dicts() -> None:
    """Comparisons and operations are dicts with etcd's names."""
    etcd = EtcdCluster()
    response = etcd.txn(
        [{"key": b"a", "target": "MOD", "result": "EQUAL", "mod_revision": 0}],
        [{"request_put": {"key": b"a", "value": b"1"}}, {"request_range": {"key": b"a"}}],
        [{"request_delete_range": {"key": b"a"}}],
    )
    assert response.succeeded
    assert response.responses[1].response_range.kvs[0].value == b"1"


def test_errors_have_etcds_code_and_words() -> None:
    """A call that fails raises EtcdError and changes nothing."""
    etcd = EtcdCluster()
    with pytest.raises(EtcdError) as caught:
        etcd.put(b"a", b"1", lease=5)
    assert (caught.value.code, caught.value.message) == (
        5, "etcdserver: requested lease not found",
    )  # fmt: skip
    assert etcd.range(b"a").header.revision == 1


def test_wrong_use_names_what_is_right() -> None:
    """A field or operation that does not exist is named, with the nearest that does."""
    etcd = EtcdCluster()
    with pytest.raises(TypeError, match="did you mean 'prev_kv'"):
        etcd.put(b"a", b"1", prev_kvs=True)
    with pytest.raises(TypeError, match="there is no operation 'put'"):
        etcd.txn(success=[{"put": {"key": b"a"}}])
    with pytest.raises(TypeError, match="key is bytes, not int"):
        etcd.range(5)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="target is one of VERSION"):
        etcd.txn([{"key": b"a", "target": "REVISION"}])
    with pytest.raises(ValueError, match="from 1 to 7"):
        EtcdCluster(members=8)


def test_watching() -> None:
    """A watch's handle gathers responses; further watches can share its stream."""
    etcd = EtcdCluster()
    etcd.put(b"a", b"1")
    watch = etcd.watch(b"a", start_revision=1)
    other = watch.watch(b"b")
    etcd.run(1)
    etcd.put(b"b", b"1")
    assert (watch.watch_id, other.watch_id) == (0, 1)
    assert [event.kv.key for event in (*watch.events, *other.events)] == [b"a", b"b"]
    watch.progress()
    etcd.run(1)
    assert watch.responses[-1].watch_id == -1
    watch.cancel()
    etcd.put(b"a", b"2")
    assert watch.responses[-1].canceled
    assert len(watch.events) == 1


def test_leases() -> None:
    """A key lives as long as its lease is kept alive."""
    etcd = EtcdCluster()
    lease = etcd.lease_grant(5)
    etcd.put(b"a", b"1", lease=lease.ID)
    etcd.run(4)
    assert etcd.lease_keep_alive(lease.ID).TTL == 5
    etcd.run(4)
    assert etcd.range(b"a").count == 1
    etcd.run(4)
    assert etcd.range(b"a").count == 0
    assert etcd.lease_time_to_live(lease.ID).TTL == -1


def test_a_stopped_member_refuses() -> None:
    """A member that does not run is unavailable, and says so at once."""
    etcd = EtcdCluster()
    etcd.history.world.halt("etcd-1")
    with pytest.raises(EtcdError) as caught:
        etcd.put(b"a", b"1")
    assert caught.value.code == 14
    assert "connection refused" in caught.value.message
    assert etcd.leader is None


def test_the_same_calls_give_the_same_trace() -> None:
    """Two clusters with the same seed and calls go through the same events."""
    traces = []
    for _ in range(2):
        etcd = EtcdCluster(seed=3)
        lease = etcd.lease_grant(30)
        etcd.put(b"a", b"1", lease=lease.ID)
        etcd.watch(b"a", start_revision=1)
        etcd.run(60)
        traces.append(list(etcd.trace))
    assert traces[0] == traces[1]


def test_rewind_and_fork() -> None:
    """After a rewind what came later never was; a fork leaves its original alone."""
    etcd = EtcdCluster()
    etcd.put(b"a", b"1")
    event = len(etcd.trace)
    watch = etcd.watch(b"a")
    etcd.put(b"a", b"2")
    twin = etcd.fork()
    etcd.rewind(event)
    assert watch.responses == []
    assert etcd.put(b"a", b"3").header.revision == 3
    assert etcd.range(b"a").kvs[0].value == b"3"
    assert twin.range(b"a").kvs[0].value == b"2"
    assert twin.put(b"b").header.revision == 4


def test_rewind_to_any_event() -> None:
    """A rewound cluster holds just what was written up to the event."""
    etcd = EtcdCluster()
    for number in range(20):
        etcd.put(b"a", b"%d" % number)
    member = etcd.history.world.components["etcd-1"]
    for revision, event in list(member.written)[::-4]:  # type: ignore[attr-defined]
        etcd.rewind(event)
        store = etcd.history.world.components["etcd-1"].store  # type: ignore[attr-defined]
        assert store.revision == revision
        assert store.range(RangeRequest(b"a")).kvs[0].value == b"%d" % (revision - 2)


def test_snapshot_and_back() -> None:
    """A snapshot restores everything that is promised; a damaged one is noticed."""
    etcd = EtcdCluster()
    lease = etcd.lease_grant(30)
    etcd.put(b"a", b"1")
    etcd.put(b"b", b"1", lease=lease.ID)
    etcd.put(b"a", b"2")
    etcd.delete_range(b"b")
    etcd.put(b"c", b"1", lease=lease.ID)
    etcd.compact(4)
    blob = etcd.snapshot().blob
    store = snapshot.load(blob)
    original = etcd.history.world.components["etcd-1"].store  # type: ignore[attr-defined]
    for revision in (4, 5, 6):
        request = RangeRequest(b"\0", b"\0", revision=revision)
        assert store.range(request).kvs == original.range(request).kvs
        assert store.changes_at(revision) == original.changes_at(revision)
    assert store.lessor.keys(lease.ID) == [b"c"]
    assert store.compacted == 4
    with pytest.raises(ValueError, match="damaged"):
        snapshot.load(blob.replace(b'"revision": 6', b'"revision": 7'))
