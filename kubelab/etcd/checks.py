"""What a member refuses by looking at a request alone, before anybody has to agree on it.

The order is etcd's: missing keys and options that contradict each other over all operations of a
transaction, then keys that it would change twice. What depends on the state of the store
(revisions, leases, keys that must exist) is checked where the request is applied, in `txn.py`.

In Kubernetes: go.etcd.io/etcd/server/v3/etcdserver/api/v3rpc/key.go, `checkRangeRequest` to
`checkIntervals`, with its quirks: nested operations are looked at before the level's own puts, and
a deletion without an end counts as empty.
"""

from __future__ import annotations

from kubelab.etcd import records
from kubelab.etcd.errors import (
    DUPLICATE_KEY,
    EMPTY_KEY,
    INVALID_SORT,
    KEY_NOT_FOUND,
    LEASE_PROVIDED,
    TOO_MANY_OPS,
    VALUE_PROVIDED,
    fail,
)
from kubelab.etcd.records import (
    DeleteRangeRequest,
    PutRequest,
    RangeRequest,
    RequestOp,
    TxnRequest,
)

# How many comparisons, or operations of one branch, a transaction may have.
MAX_TXN_OPS = 128

Deletions = list[tuple[bytes, bytes]]


def check_range(request: RangeRequest) -> None:
    """A range needs a key and known sort options."""
    if not request.key:
        fail(EMPTY_KEY)
    if request.sort_order not in records.SORT_ORDERS:
        fail(INVALID_SORT)
    if request.sort_target not in records.SORT_TARGETS:
        fail(INVALID_SORT)


def check_put(request: PutRequest) -> None:
    """A put needs a key, and says nothing that it also asks to ignore."""
    if not request.key:
        fail(EMPTY_KEY)
    if request.ignore_value and request.value:
        fail(VALUE_PROVIDED)
    if request.ignore_lease and request.lease:
        fail(LEASE_PROVIDED)


def check_delete_range(request: DeleteRangeRequest) -> None:
    """A deletion needs a key."""
    if not request.key:
        fail(EMPTY_KEY)


def check_txn(request: TxnRequest, allowed: int = MAX_TXN_OPS) -> None:
    """A whole transaction: its sizes, its operations, and that no key is changed twice."""
    _check_operations(request, allowed)
    if len(request.success) > 1 or _is_nested(request.success):
        _changes(request.success)
    if len(request.failure) > 1 or _is_nested(request.failure):
        _changes(request.failure)


def is_read_only(request: TxnRequest) -> bool:
    """Whether all operations of both branches are ranges, so that nobody has to agree on it."""
    operations = request.success + request.failure
    return all(operation.request_range is not None for operation in operations)


def is_serializable(request: TxnRequest) -> bool:
    """Whether a read-only transaction may be answered from a member's own state."""
    operations = request.success + request.failure
    return all(o.request_range is not None and o.request_range.serializable for o in operations)


def _is_nested(operations: tuple[RequestOp, ...]) -> bool:
    return bool(operations) and operations[0].request_txn is not None


def _check_operations(request: TxnRequest, allowed: int) -> None:
    size = max(len(request.compare), len(request.success), len(request.failure))
    if size > allowed:
        fail(TOO_MANY_OPS)
    for compare in request.compare:
        if not compare.key:
            fail(EMPTY_KEY)
    for operation in request.success:
        _check_operation(operation, allowed - size)
    for operation in request.failure:
        _check_operation(operation, allowed - size)


def _check_operation(operation: RequestOp, allowed: int) -> None:
    if operation.request_put is not None:
        check_put(operation.request_put)
    elif operation.request_range is not None:
        check_range(operation.request_range)
    elif operation.request_delete_range is not None:
        check_delete_range(operation.request_delete_range)
    elif operation.request_txn is not None:
        _check_operations(operation.request_txn, allowed)
    else:
        fail(KEY_NOT_FOUND)


def _changes(operations: tuple[RequestOp, ...]) -> tuple[dict[bytes, None], Deletions]:
    """The keys that a branch puts and the intervals that it deletes; fails on a double change."""
    deletions: Deletions = []
    for operation in operations:
        deletion = operation.request_delete_range
        if deletion is not None:
            deletions.append((deletion.key, deletion.range_end or deletion.key + b"\0"))
    puts: dict[bytes, None] = {}
    for operation in operations:
        nested = operation.request_txn
        if nested is None:
            continue
        then_puts, then_deletions = _changes(nested.success)
        else_puts, else_deletions = _changes(nested.failure)
        for key in then_puts:
            _put(key, puts, deletions)
        for key in else_puts:
            # Only one of the two branches will run, so both may put the same key.
            if key not in then_puts or _is_deleted(key, deletions):
                _put(key, puts, deletions)
        deletions += then_deletions + else_deletions
    for operation in operations:
        if operation.request_put is not None:
            _put(operation.request_put.key, puts, deletions)
    return puts, deletions


def _put(key: bytes, puts: dict[bytes, None], deletions: Deletions) -> None:
    if key in puts or _is_deleted(key, deletions):
        fail(DUPLICATE_KEY)
    puts[key] = None


def _is_deleted(key: bytes, deletions: Deletions) -> bool:
    return any(start <= key < end for start, end in deletions)
