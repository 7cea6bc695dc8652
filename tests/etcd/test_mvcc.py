"""The store: revisions, reading the past, compaction, and copies that go their own way."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubelab.etcd import mvcc
from kubelab.etcd.mvcc import Store
from kubelab.etcd.records import (
    CompactionRequest,
    DeleteRangeRequest,
    EtcdError,
    KeyValue,
    LeaseRevokeRequest,
    PutRequest,
    RangeRequest,
)
from kubelab.sim import fork
from kubelab.sim.tree import Obj, freeze
from tests.etcd.model import ENDS, KEYS, apply, both, histories, steps


def put(store: Store, key: bytes, value: Any = b"", lease: int = 0) -> int:
    """Sets a key; returns the revision."""
    return store.put(PutRequest(key=key, value=value, lease=lease)).header.revision


def read(store: Store, key: bytes, **fields: Any) -> Any:
    """The answer to a range request."""
    return store.range(RangeRequest(key=key, **fields))


def refusal(call: Any, request: Any) -> tuple[int, str]:
    """The code and words with which a call is refused."""
    with pytest.raises(EtcdError) as caught:
        call(request)
    return caught.value.code, caught.value.message


def test_first_revision() -> None:
    """An empty store is at revision 1; its first write makes revision 2."""
    store = Store()
    assert store.revision == 1
    assert put(store, b"a") == 2


def test_versions_and_lives() -> None:
    """A put raises version and mod_revision; after a deletion a key begins a new life."""
    store = Store()
    put(store, b"a", b"1")
    put(store, b"a", b"1")
    assert read(store, b"a").kvs == (KeyValue(b"a", 2, 3, 2, b"1"),)
    store.delete_range(DeleteRangeRequest(b"a"))
    put(store, b"a", b"2")
    assert read(store, b"a").kvs == (KeyValue(b"a", 5, 5, 1, b"2"),)


def test_deleting_nothing_makes_no_revision() -> None:
    """A deletion that finds nothing changes nothing, not even the revision."""
    store = Store()
    put(store, b"a")
    response = store.delete_range(DeleteRangeRequest(b"b", b"c", prev_kv=True))
    assert (response.deleted, response.prev_kvs, response.header.revision) == (0, (), 2)


def test_header_of_an_old_read_is_the_present() -> None:
    """header.revision is the current revision, also when an old one was asked for."""
    store = Store()
    put(store, b"a", b"1")
    put(store, b"a", b"2")
    response = read(store, b"a", revision=2)
    assert response.kvs[0].value == b"1"
    assert response.header.revision == 3


def test_revisions_that_are_not_there() -> None:
    """A future revision is refused; a negative one is the current one."""
    store = Store()
    put(store, b"a")
    assert refusal(store.range, RangeRequest(b"a", revision=3)) == (
        11, "etcdserver: mvcc: required revision is a future revision",
    )  # fmt: skip
    assert read(store, b"a", revision=-5).count == 1


def test_objects_are_kept_as_they_are() -> None:
    """The store holds the very object that was put, so that all copies share it."""
    store = Store()
    obj = freeze({"kind": "Pod"})
    put(store, b"a", obj)
    assert read(store, b"a").kvs[0].value is obj
    assert read(fork.copy(store), b"a").kvs[0].value is obj
    assert isinstance(obj, Obj)


def test_compaction() -> None:
    """After a compaction reads at its revision work, below they do not; nothing is renumbered."""
    store = Store()
    for value in (b"1", b"2", b"3"):
        put(store, b"a", value)
    assert store.compact(CompactionRequest(3)).header.revision == 4
    assert read(store, b"a", revision=3).kvs == (KeyValue(b"a", 2, 3, 2, b"2"),)
    words = "etcdserver: mvcc: required revision has been compacted"
    assert refusal(store.range, RangeRequest(b"a", revision=2)) == (11, words)
    assert refusal(store.compact, CompactionRequest(3)) == (11, words)
    words = "etcdserver: mvcc: required revision is a future revision"
    assert refusal(store.compact, CompactionRequest(5)) == (11, words)


def test_compaction_at_zero_works_once() -> None:
    """A fresh store was last compacted at -1, so that 0 is allowed once."""
    store = Store()
    store.compact(CompactionRequest(0))
    assert refusal(store.compact, CompactionRequest(0))[0] == 11


def test_compaction_keeps_a_deletion_at_its_revision() -> None:
    """What a watch from the compacted revision on must tell is kept: a deletion too."""
    store = Store()
    put(store, b"a")
    put(store, b"b")
    store.delete_range(DeleteRangeRequest(b"a"))
    store.compact(CompactionRequest(4))
    assert store.changes_at(4) == (KeyValue(b"a", 0, 4),)
    assert len(store.keys) == 2
    put(store, b"b")
    store.compact(CompactionRequest(5))
    assert len(store.keys) == 1


def test_revoking_deletes_in_one_revision() -> None:
    """A revoked lease takes its keys along, in the order of keys, in one revision."""
    store = Store()
    store.lessor.grant(7, 10, 0)
    for key in (b"c", b"a", b"b"):
        put(store, key, lease=7)
    assert store.revoke(LeaseRevokeRequest(7)).header.revision == 5
    assert [kv.key for kv in store.changes_at(5)] == [b"a", b"b", b"c"]
    assert refusal(store.revoke, LeaseRevokeRequest(7)) == (
        5, "etcdserver: requested lease not found",
    )  # fmt: skip


def test_a_put_moves_a_key_between_leases() -> None:
    """A put always sets the lease: none, or another, detaches the key from its old one."""
    store = Store()
    store.lessor.grant(7, 10, 0)
    store.lessor.grant(8, 10, 0)
    put(store, b"a", lease=7)
    put(store, b"a", lease=8)
    put(store, b"b", lease=8)
    put(store, b"b")
    assert (store.lessor.keys(7), store.lessor.keys(8)) == ([], [b"a"])


def test_a_hot_key_has_many_records(monkeypatch: pytest.MonkeyPatch) -> None:
    """Earlier records of a key lie in blocks; each is found at its own revision."""
    monkeypatch.setattr(mvcc, "BLOCK", 3)
    store = Store()
    for number in range(20):
        put(store, b"a", b"%d" % number)
    for number in range(20):
        assert read(store, b"a", revision=number + 2).kvs[0].value == b"%d" % number
    store.compact(CompactionRequest(11))
    assert read(store, b"a", revision=11).kvs[0].value == b"9"
    assert read(store, b"a", revision=20).kvs[0].value == b"18"


@given(histories, st.data())
def test_every_revision_reads_as_the_model(history: list[list[Any]], data: Any) -> None:
    """Any range at any revision shows what a full copy of that revision shows."""
    store, model = both(history)
    assert store.revision == model.revision
    for revision in range(1, model.revision + 1):
        key = data.draw(st.sampled_from(KEYS))
        end = data.draw(st.sampled_from(ENDS))
        response = read(store, key, range_end=end, revision=revision)
        wanted = model.range(key, end, revision)
        assert list(response.kvs) == wanted
        assert response.count == len(wanted)


@given(histories, histories, st.data())
def test_compaction_loses_nothing_that_is_promised(
    history: list[list[Any]], later: list[list[Any]], data: Any
) -> None:
    """After a compaction, and more writes, reads and changes from its revision on are whole."""
    store, model = both(history)
    revision = data.draw(st.integers(1, model.revision))
    store.compact(CompactionRequest(revision))
    for requests in later:
        apply(store, requests)
        model.write(requests)
    for at in range(revision, model.revision + 1):
        assert list(read(store, b"\0", range_end=b"\0", revision=at).kvs) == model.range(
            b"\0", b"\0", at
        )
    for at in range(revision + 1, model.revision + 1):
        assert list(store.changes_at(at)) == [event.kv for event in model.events[at]]
    needed = {
        kv.key for at in range(revision, model.revision + 1) for kv in model.states[at].values()
    }
    needed |= {e.kv.key for at in range(revision, model.revision + 1) for e in model.events[at]}
    assert set(store.keys.between(b"\0", b"\0")) == needed


@given(histories, steps, steps)
def test_forks_are_independent(
    history: list[list[Any]], ours: list[Any], theirs: list[Any]
) -> None:
    """What is written to a copy does not show in the original, nor the other way round."""
    store, model = both(history)
    twin, (_, twin_model) = fork.copy(store), both(history)
    apply(store, ours)
    model.write(ours)
    apply(twin, theirs)
    twin_model.write(theirs)
    for one, wanted in ((store, model), (twin, twin_model)):
        assert one.revision == wanted.revision
        for revision in range(1, wanted.revision + 1):
            response = read(one, b"\0", range_end=b"\0", revision=revision)
            assert list(response.kvs) == wanted.range(b"\0", b"\0", revision)


def test_a_copy_of_many_keys_shares_them() -> None:
    """A copy shares every record with the original; only the tables that hold them are its own."""
    store = Store()
    for number in range(1000):
        put(store, b"%04d" % number, b"x")
    twin = fork.copy(store)
    assert all(twin.latest[key] is kv for key, kv in store.latest.items())
    assert twin.latest is not store.latest
    assert twin.keys.chunks[0] is not store.keys.chunks[0]
