"""Transactions: what a range answers, and how one revision comes about.

A transaction is worked in three steps. All its comparisons, nested ones too, are evaluated on the
state before it, which fixes the path. All operations on the path are checked. Then they run in
order on a `Change`, a revision in the making that later operations see and the store does not; only
when all have run is it committed. So an error changes nothing.

In Kubernetes: go.etcd.io/etcd/server/v3/etcdserver/txn (`txn.go`, `range.go`, `put.go`).
"""

from __future__ import annotations

from operator import itemgetter
from typing import TYPE_CHECKING, Protocol

from kubelab.etcd import records
from kubelab.etcd.errors import COMPACTED, FUTURE_REVISION, KEY_NOT_FOUND, fail
from kubelab.etcd.keys import NO_END
from kubelab.etcd.records import (
    Compare,
    DeleteRangeRequest,
    DeleteRangeResponse,
    KeyValue,
    PutRequest,
    PutResponse,
    RangeRequest,
    RangeResponse,
    RequestOp,
    ResponseHeader,
    ResponseOp,
    TxnRequest,
    TxnResponse,
    Value,
    encode,
)

if TYPE_CHECKING:
    from kubelab.etcd.mvcc import Store

NOBODY = KeyValue(b"")
Path = list[bool]
# Where a sort target stands in a KeyValue.
SORT_FIELDS = {"KEY": 0, "CREATE": 1, "MOD": 2, "VERSION": 3}


class View(Protocol):
    """What a range can be read from: the store, or a revision in the making."""

    def window(
        self, start: bytes, end: bytes, revision: int, limit: int
    ) -> tuple[list[KeyValue], int]: ...


# Ranges.


def read(view: View, request: RangeRequest, header: ResponseHeader) -> RangeResponse:
    """The answer to a range request, with filters, order and limit."""
    limit = request.limit
    filtered = bool(
        request.min_mod_revision or request.max_mod_revision
        or request.min_create_revision or request.max_create_revision
    )  # fmt: skip
    # One more than asked for tells whether there are more. A sort order and filters need all; a
    # sort target alone does not, so that it sorts only what the limit lets through.
    everything = limit <= 0 or filtered or request.sort_order != records.NONE
    kvs, count = view.window(
        request.key, request.range_end, request.revision, 0 if everything else limit + 1
    )
    if request.count_only:
        return RangeResponse(header, count=count)
    if filtered:
        kvs = [kv for kv in kvs if _passes(kv, request)]
    if request.sort_target != "KEY" or request.sort_order == records.DESCEND:
        kvs = _sorted(kvs, request)
    more = 0 < limit < len(kvs)
    if more:
        kvs = kvs[:limit]
    if request.keys_only:
        kvs = [kv._replace(value=b"") for kv in kvs]
    return RangeResponse(header, tuple(kvs), more, count)


def _passes(kv: KeyValue, request: RangeRequest) -> bool:
    """Whether a pair is within the revisions that a request asks for; 0 is no bound."""
    low, high = request.min_mod_revision, request.max_mod_revision
    first, last = request.min_create_revision, request.max_create_revision
    return not (
        (high and kv.mod_revision > high) or (low and kv.mod_revision < low)
        or (last and kv.create_revision > last) or (first and kv.create_revision < first)
    )  # fmt: skip


def _sorted(kvs: list[KeyValue], request: RangeRequest) -> list[KeyValue]:
    """The pairs in the order that a request asks for; equal ones stay in the order of keys."""
    down = request.sort_order == records.DESCEND
    if request.sort_target == "VALUE":
        return sorted(kvs, key=_value, reverse=down)
    field = SORT_FIELDS[request.sort_target]
    return sorted(kvs, key=itemgetter(field), reverse=down)


def _value(kv: KeyValue) -> bytes:
    return encode(kv.value)


# Comparisons.


def holds(store: Store, compare: Compare) -> bool:
    """Whether a comparison holds for every key that it names.

    Where there is none it is made with zeros: version 0 means that the key does not exist. A value
    that does not exist compares with nothing.
    """
    if compare.range_end:
        kvs, _ = store.window(compare.key, compare.range_end)
    else:
        one = store.latest.get(compare.key)
        kvs = [] if one is None else [one]
    if not kvs:
        return compare.target != "VALUE" and _stands(NOBODY, compare)
    return all(_stands(kv, compare) for kv in kvs)


def _stands(kv: KeyValue, compare: Compare) -> bool:
    target, result = compare.target, compare.result
    ours: int | bytes
    given: int | bytes
    if target == "MOD":
        ours, given = kv.mod_revision, compare.mod_revision
    elif target == "VERSION":
        ours, given = kv.version, compare.version
    elif target == "CREATE":
        ours, given = kv.create_revision, compare.create_revision
    elif target == "LEASE":
        ours, given = kv.lease, compare.lease
    else:
        ours, given = encode(kv.value), encode(compare.value)
    if result == "EQUAL":
        return ours == given
    if result == "NOT_EQUAL":
        return ours != given
    if result == "GREATER":
        return ours > given  # type: ignore[operator]
    return ours < given  # type: ignore[operator]


# A revision in the making.


class Change:
    """The next revision, before it is committed: its changes in order, and what keys become."""

    __slots__ = ("changes", "fresh", "revision", "store")

    def __init__(self, store: Store) -> None:
        self.store = store
        self.revision = store.revision + 1
        self.changes: list[KeyValue] = []
        self.fresh: dict[bytes, KeyValue | None] = {}

    def header(self) -> ResponseHeader:
        """Of an answer within a transaction: the new revision once something has changed."""
        return ResponseHeader(revision=self.revision if self.changes else self.revision - 1)

    def get(self, key: bytes) -> KeyValue | None:
        """A key as the operations so far have left it."""
        if key in self.fresh:
            return self.fresh[key]
        return self.store.latest.get(key)

    def window(
        self, start: bytes, end: bytes, revision: int = 0, limit: int = 0
    ) -> tuple[list[KeyValue], int]:
        """The pairs of a range as the operations so far have left them."""
        if revision > 0 or not self.changes:
            return self.store.window(start, end, revision, limit)
        if not end:
            one = self.get(start)
            return ([], 0) if one is None else ([one], 1)
        pairs = {kv.key: kv for kv in self.store.window(start, end)[0]}
        for key, kv in self.fresh.items():
            if key >= start and (end == NO_END or key < end):
                if kv is None:
                    pairs.pop(key, None)
                else:
                    pairs[key] = kv
        found = [pairs[key] for key in sorted(pairs)]
        return (found[:limit] if limit > 0 else found), len(found)

    def put(self, request: PutRequest) -> PutResponse:
        """Sets one key."""
        key, old = request.key, self.get(request.key)
        value: Value = request.value
        lease = request.lease
        if request.ignore_value or request.ignore_lease:
            if old is None:
                fail(KEY_NOT_FOUND)
            value = old.value if request.ignore_value else value
            lease = old.lease if request.ignore_lease else lease
        revision = self.revision
        if old is None:
            kv = KeyValue(key, revision, revision, 1, value, lease)
        else:
            kv = KeyValue(key, old.create_revision, revision, old.version + 1, value, lease)
        self.changes.append(kv)
        self.fresh[key] = kv
        return PutResponse(ResponseHeader(revision=revision), old if request.prev_kv else None)

    def delete(self, key: bytes) -> None:
        """Deletes one key that is there."""
        self.changes.append(KeyValue(key, 0, self.revision))
        self.fresh[key] = None

    def delete_range(self, request: DeleteRangeRequest) -> DeleteRangeResponse:
        """Deletes the keys of a range."""
        kvs, count = self.window(request.key, request.range_end)
        for kv in kvs:
            self.delete(kv.key)
        return DeleteRangeResponse(self.header(), count, tuple(kvs) if request.prev_kv else ())

    def commit(self) -> None:
        """Makes the revision real, unless it changes nothing."""
        if self.changes:
            self.store.commit(self.changes)


# Transactions.


def execute(store: Store, request: TxnRequest) -> TxnResponse:
    """A whole transaction."""
    path: Path = []
    _choose(store, request, path)
    _check_puts(store, request, Decisions(path))
    _check_ranges(store, request, Decisions(path))
    change = Change(store)
    succeeded, responses = _run(change, request, Decisions(path))
    change.commit()
    return TxnResponse(store.header(), succeeded, responses)


class Decisions:
    """Walks a path: each transaction on it takes its own decision, in the order of visits."""

    __slots__ = ("at", "path")

    def __init__(self, path: Path) -> None:
        self.path = path
        self.at = 0

    def branch(self, request: TxnRequest) -> tuple[bool, tuple[RequestOp, ...]]:
        """The next decision, and the operations that it chooses."""
        succeeded = self.path[self.at]
        self.at += 1
        return succeeded, request.success if succeeded else request.failure


def _choose(store: Store, request: TxnRequest, path: Path) -> None:
    """Decides every transaction on the way, on the state before the first change."""
    succeeded = all(holds(store, compare) for compare in request.compare)
    path.append(succeeded)
    for operation in request.success if succeeded else request.failure:
        if operation.request_txn is not None:
            _choose(store, operation.request_txn, path)


def _check_puts(store: Store, request: TxnRequest, decisions: Decisions) -> None:
    """Refuses puts that cannot be done, before anything is."""
    for operation in decisions.branch(request)[1]:
        put = operation.request_put
        if put is not None:
            if (put.ignore_value or put.ignore_lease) and put.key not in store.latest:
                fail(KEY_NOT_FOUND)
            if put.lease:
                store.lessor.check(put.lease)
        elif operation.request_txn is not None:
            _check_puts(store, operation.request_txn, decisions)


def _check_ranges(store: Store, request: TxnRequest, decisions: Decisions) -> None:
    """Refuses ranges at revisions that are not there; puts have been checked first."""
    for operation in decisions.branch(request)[1]:
        if operation.request_range is not None:
            revision = operation.request_range.revision
            if revision > store.revision:
                fail(FUTURE_REVISION)
            # A negative revision is no way to say "now" here.
            if revision and revision < store.compacted:
                fail(COMPACTED)
        elif operation.request_txn is not None:
            _check_ranges(store, operation.request_txn, decisions)


def _run(
    change: Change, request: TxnRequest, decisions: Decisions
) -> tuple[bool, tuple[ResponseOp, ...]]:
    succeeded, operations = decisions.branch(request)
    responses = []
    for operation in operations:
        if operation.request_put is not None:
            response = ResponseOp(response_put=change.put(operation.request_put))
        elif operation.request_range is not None:
            answer = read(change, operation.request_range, change.header())
            response = ResponseOp(response_range=answer)
        elif operation.request_delete_range is not None:
            deletion = change.delete_range(operation.request_delete_range)
            response = ResponseOp(response_delete_range=deletion)
        else:
            assert operation.request_txn is not None
            inner = _run(change, operation.request_txn, decisions)
            response = ResponseOp(response_txn=TxnResponse(ResponseHeader(), *inner))
        responses.append(response)
    return succeeded, tuple(responses)
