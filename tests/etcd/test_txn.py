"""Ranges with all their options, and transactions with their quirks."""

from __future__ import annotations

from typing import Any

import pytest

from kubelab.etcd.arguments import transaction
from kubelab.etcd.checks import check_txn, is_read_only
from kubelab.etcd.mvcc import Store
from kubelab.etcd.records import EtcdError, PutRequest, RangeRequest

DUPLICATE = "etcdserver: duplicate key given in txn request"


def stocked() -> Store:
    """a=3 (rev 2), b=1 (rev 3), c=2 (rev 4, then again at 5)."""
    store = Store()
    for key, value in ((b"a", b"3"), (b"b", b"1"), (b"c", b"9"), (b"c", b"2")):
        store.put(PutRequest(key, value))
    return store


def keys(store: Store, **fields: Any) -> list[bytes]:
    """The keys that a range of everything finds."""
    response = store.range(RangeRequest(b"\0", b"\0", **fields))
    return [kv.key for kv in response.kvs]


def put(key: bytes, **fields: Any) -> dict[str, Any]:
    return {"request_put": {"key": key, **fields}}


def get(key: bytes, **fields: Any) -> dict[str, Any]:
    return {"request_range": {"key": key, **fields}}


def delete(key: bytes, end: bytes = b"") -> dict[str, Any]:
    return {"request_delete_range": {"key": key, "range_end": end}}


def nested(*success: Any, failure: Any = (), compare: Any = ()) -> dict[str, Any]:
    return {"request_txn": {"compare": compare, "success": success, "failure": failure}}


def run(store: Store, *success: Any, compare: Any = (), failure: Any = ()) -> Any:
    """A transaction, checked and done."""
    request = transaction(compare, success, failure)
    check_txn(request)
    return store.txn(request)


def test_range_ends() -> None:
    """`\\0` is no end; an end that is not above the key gives nothing and no error."""
    store = stocked()
    assert store.range(RangeRequest(b"b", b"\0")).count == 2
    assert store.range(RangeRequest(b"b", b"b")).count == 0
    assert store.range(RangeRequest(b"c", b"a")).count == 0


def test_limit_more_and_count() -> None:
    """count ignores the limit; more says that the limit cut something off."""
    response = stocked().range(RangeRequest(b"\0", b"\0", limit=2))
    assert ([kv.key for kv in response.kvs], response.more, response.count) == (
        [b"a", b"b"],
        True,
        3,
    )
    response = stocked().range(RangeRequest(b"\0", b"\0", limit=2, count_only=True))
    assert (response.kvs, response.more, response.count) == ((), False, 3)


def test_filters_do_not_change_the_count() -> None:
    """The revision filters are inclusive, and the count is made before them."""
    store = stocked()
    response = store.range(RangeRequest(b"\0", b"\0", min_mod_revision=3, max_mod_revision=5))
    assert ([kv.key for kv in response.kvs], response.count) == ([b"b", b"c"], 3)
    assert keys(store, max_create_revision=3) == [b"a", b"b"]
    assert keys(store, min_create_revision=4) == [b"c"]


def test_keys_only_keeps_everything_but_the_value() -> None:
    """With keys_only the value is empty, the other fields are there."""
    store = stocked()
    store.lessor.grant(5, 10, 0)
    store.put(PutRequest(b"a", b"x", 5))
    (kv,) = store.range(RangeRequest(b"a", keys_only=True)).kvs
    assert (kv.value, kv.lease, kv.version) == (b"", 5, 2)


def test_sorting() -> None:
    """Any target sorts either way; a target alone sorts upwards."""
    store = stocked()
    assert keys(store, sort_order="DESCEND") == [b"c", b"b", b"a"]
    assert keys(store, sort_target="VALUE", sort_order="ASCEND") == [b"b", b"c", b"a"]
    assert keys(store, sort_target="MOD", sort_order="DESCEND") == [b"c", b"b", b"a"]
    assert keys(store, sort_target="VALUE") == [b"b", b"c", b"a"]


def test_a_sort_target_without_an_order_sorts_after_the_cut() -> None:
    """A limit takes the first keys, then these are sorted; with an order it is the other way."""
    store = stocked()
    assert keys(store, sort_target="VALUE", limit=1) == [b"b"]
    assert keys(store, sort_target="VALUE", limit=2) == [b"b", b"c"]
    store.put(PutRequest(b"d", b"0"))
    assert keys(store, sort_target="VALUE", limit=2) == [b"b", b"c"]
    assert keys(store, sort_target="VALUE", sort_order="ASCEND", limit=2) == [b"d", b"b"]


@pytest.mark.parametrize(
    ("compare", "holds"),
    [
        ({"key": b"a", "target": "MOD", "mod_revision": 2}, True),
        ({"key": b"c", "target": "VERSION", "result": "GREATER", "version": 1}, True),
        ({"key": b"c", "target": "CREATE", "result": "LESS", "create_revision": 4}, False),
        ({"key": b"a", "target": "VALUE", "value": b"3"}, True),
        ({"key": b"a", "target": "LEASE", "result": "NOT_EQUAL", "lease": 0}, False),
        ({"key": b"none", "target": "MOD", "mod_revision": 0}, True),
        ({"key": b"none", "target": "VALUE", "value": b""}, False),
        ({"key": b"none", "target": "VALUE", "result": "NOT_EQUAL", "value": b"x"}, False),
        ({"key": b"a", "range_end": b"z", "target": "VERSION", "version": 1}, False),
        ({"key": b"a", "range_end": b"c", "target": "VERSION", "version": 1}, True),
    ],
)
def test_comparisons(compare: Any, holds: bool) -> None:
    """A comparison holds for all its keys; a missing key is zeros, but has no value at all."""
    assert run(stocked(), compare=[compare]).succeeded is holds


def test_one_revision_for_all_changes() -> None:
    """All changes of a transaction carry one new revision; later operations see earlier ones."""
    store = stocked()
    response = run(store, get(b"x"), put(b"x", value=b"1"), get(b"a", range_end=b"z"), delete(b"a"))
    before, change, seen, gone = response.responses
    assert response.header.revision == store.revision == 6
    assert before.response_range.header.revision == 5
    assert change.response_put.header.revision == 6
    assert (seen.response_range.header.revision, seen.response_range.count) == (6, 4)
    assert gone.response_delete_range.deleted == 1


def test_headers_within() -> None:
    """A nested transaction's header is empty; a deletion of nothing has the old revision."""
    response = run(stocked(), delete(b"none"), nested(put(b"x")))
    assert response.responses[0].response_delete_range.header.revision == 5
    inner = response.responses[1].response_txn
    assert inner.header.revision == 0
    assert inner.responses[0].response_put.header.revision == 6


def test_nested_comparisons_see_the_state_before() -> None:
    """All comparisons are made before anything is done."""
    exists = [{"key": b"x", "target": "VERSION", "result": "GREATER", "version": 0}]
    response = run(stocked(), put(b"x"), nested(get(b"x"), compare=exists))
    assert response.responses[1].response_txn.succeeded is False


@pytest.mark.parametrize(
    ("bad", "code", "words"),
    [
        (put(b"y", lease=99), 5, "etcdserver: requested lease not found"),
        (put(b"y", ignore_value=True), 3, "etcdserver: key not found"),
        (get(b"a", revision=6), 11, "etcdserver: mvcc: required revision is a future revision"),
        (get(b"a", revision=-2), 11, "etcdserver: mvcc: required revision has been compacted"),
    ],
)
def test_an_error_changes_nothing(bad: Any, code: int, words: str) -> None:
    """If one operation cannot be done, none is."""
    store = stocked()
    with pytest.raises(EtcdError) as caught:
        run(store, put(b"x"), nested(bad))
    assert (caught.value.code, caught.value.message) == (code, words)
    assert (store.revision, store.range(RangeRequest(b"x")).count) == (5, 0)


def test_puts_are_checked_before_ranges() -> None:
    """Of several errors that of a put is told, wherever it stands."""
    with pytest.raises(EtcdError, match="lease not found"):
        run(stocked(), get(b"a", revision=99), put(b"y", lease=99))


@pytest.mark.parametrize(
    "operations",
    [
        [put(b"q"), put(b"q")],
        [put(b"q"), delete(b"a", b"z")],
        [nested(put(b"q")), put(b"q")],
        [nested(put(b"q")), nested(put(b"q"))],
        [nested(delete(b"q")), nested(put(b"q"))],
        [nested(failure=[put(b"q")]), put(b"q")],
        [delete(b"q"), nested(failure=[put(b"q")])],
    ],
)
def test_duplicate_keys(operations: Any) -> None:
    """No branch may change a key twice, whether it is taken or not."""
    for branches in ({"success": operations}, {"failure": operations}):
        with pytest.raises(EtcdError) as caught:
            check_txn(transaction(**branches))
        assert (caught.value.code, caught.value.message) == (3, DUPLICATE)


@pytest.mark.parametrize(
    "operations",
    [
        [delete(b"a", b"z"), delete(b"b")],
        [nested(put(b"q"), failure=[put(b"q")])],
        [nested(put(b"q")), nested(delete(b"q"))],
        [put(b"q"), delete(b"a", b"\0")],
        [get(b"q"), put(b"q")],
    ],
)
def test_what_does_not_count_as_duplicate(operations: Any) -> None:
    """etcd's check lets these through."""
    run(stocked(), *operations)


def test_a_put_and_a_deletion_of_one_key_both_happen() -> None:
    """Where the check lets both through, both changes are in the one revision, in order."""
    store = stocked()
    run(store, nested(put(b"q", value=b"1")), nested(delete(b"q")))
    assert [(kv.key, kv.version) for kv in store.changes_at(6)] == [(b"q", 1), (b"q", 0)]
    assert store.range(RangeRequest(b"q")).count == 0


def test_a_value_that_has_just_gone_cannot_be_kept() -> None:
    """A put that keeps the old value after an unnoticed deletion is refused; nothing is done."""
    store = stocked()
    with pytest.raises(EtcdError, match="key not found"):
        run(store, delete(b"a", b"\0"), put(b"b", ignore_value=True))
    assert store.range(RangeRequest(b"a", b"z")).count == 3


def test_too_many_operations() -> None:
    """128 operations are allowed; a nested transaction has what the outer one leaves of them."""
    check_txn(transaction(success=[get(b"a")] * 128))
    check_txn(transaction(success=[get(b"a")] * 27 + [nested(*[get(b"a")] * 100)]))
    for operations in ([get(b"a")] * 129, [get(b"a")] * 28 + [nested(*[get(b"a")] * 100)]):
        with pytest.raises(EtcdError, match="too many operations in txn request"):
            check_txn(transaction(success=operations))


@pytest.mark.parametrize(
    ("operation", "words"),
    [
        ({}, "etcdserver: key not found"),
        (put(b""), "etcdserver: key is not provided"),
        (put(b"a", value=b"1", ignore_value=True), "etcdserver: value is provided"),
        (put(b"a", lease=1, ignore_lease=True), "etcdserver: lease is provided"),
        (get(b"a", sort_order="SIDEWAYS"), "etcdserver: invalid sort option"),
    ],
)
def test_refused_at_sight(operation: Any, words: str) -> None:
    """What is wrong with an operation itself is told for either branch."""
    for branches in ({"success": [operation]}, {"failure": [nested(operation)]}):
        with pytest.raises(EtcdError) as caught:
            check_txn(transaction(**branches))
        assert (caught.value.code, caught.value.message) == (3, words)


def test_read_only() -> None:
    """Only ranges, in both branches, make a transaction read-only; an empty one is."""
    assert is_read_only(transaction())
    assert is_read_only(transaction(success=[get(b"a")]))
    assert not is_read_only(transaction(success=[get(b"a")], failure=[put(b"a")]))
    assert not is_read_only(transaction(success=[nested(get(b"a"))]))
