"""From what a caller writes to requests, and from responses to what a caller reads.

Requests are written with etcd's field names as keyword arguments, transactions as dicts. Text is
taken as UTF-8, enumerations by name or number. In responses every value is bytes.

In Kubernetes: what a client library does, such as go.etcd.io/etcd/client/v3.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

from kubelab.etcd import admin, records
from kubelab.etcd.records import KeyValue, RequestOp, TxnRequest, encode

T = TypeVar("T")

# The names of enumerations, by field; their numbers are the places in the list.
ENUMERATIONS: dict[str, tuple[str, ...]] = {
    "sort_order": records.SORT_ORDERS,
    "sort_target": records.SORT_TARGETS,
    "target": records.COMPARE_TARGETS,
    "result": records.COMPARE_RESULTS,
    "action": admin.ALARM_ACTIONS,
    "alarm": admin.ALARMS,
}
# The request of each method.
REQUESTS: dict[str, Any] = {
    "range": records.RangeRequest,
    "put": records.PutRequest,
    "delete_range": records.DeleteRangeRequest,
    "compact": records.CompactionRequest,
    "lease_grant": records.LeaseGrantRequest,
    "lease_revoke": records.LeaseRevokeRequest,
    "lease_keep_alive": records.LeaseKeepAliveRequest,
    "lease_time_to_live": records.LeaseTimeToLiveRequest,
    "lease_leases": records.LeaseLeasesRequest,
    "status": records.StatusRequest,
    "member_list": records.MemberListRequest,
    "snapshot": records.SnapshotRequest,
    "alarm": admin.AlarmRequest,
    "hash_kv": admin.HashKVRequest,
    "defragment": admin.DefragmentRequest,
    "move_leader": admin.MoveLeaderRequest,
    "member_add": admin.MemberAddRequest,
    "member_remove": admin.MemberRemoveRequest,
    "member_promote": admin.MemberPromoteRequest,
}
OPERATIONS: dict[str, Any] = {
    "request_range": records.RangeRequest,
    "request_put": records.PutRequest,
    "request_delete_range": records.DeleteRangeRequest,
}
BYTES = ("key", "range_end", "value")


def build(kind: type[T], fields: Mapping[str, Any]) -> T:
    """A request of a kind. Raises TypeError for a field that it does not have."""
    known: tuple[str, ...] = kind._fields  # type: ignore[attr-defined]
    given: dict[str, Any] = {}
    for name, value in fields.items():
        if name not in known:
            near = difflib.get_close_matches(name, known, 1)
            hint = f"; did you mean {near[0]!r}?" if near else f"; it has {', '.join(known)}"
            raise TypeError(f"{kind.__name__} has no field {name!r}{hint}")
        given[name] = _field(name, value)
    return kind(**given)


def request_of(method: str, fields: Mapping[str, Any]) -> Any:
    """The request of a method, by etcd's name of it. Raises ValueError for an unknown one."""
    if method == "txn":
        return transaction(**fields)
    if method not in REQUESTS:
        known = ", ".join(("txn", *REQUESTS))
        raise ValueError(f"there is no method {method!r}; there are {known}")
    return build(REQUESTS[method], fields)


def _field(name: str, value: Any) -> Any:
    if name in BYTES:
        return to_bytes(name, value)
    if name in ENUMERATIONS:
        return _enumeration(name, ENUMERATIONS[name], value)
    if name == "filters":
        return tuple(_enumeration(name, records.WATCH_FILTERS, item) for item in value or ())
    if name == "peerURLs":
        return (value,) if isinstance(value, str) else tuple(value)
    return value


def to_bytes(name: str, value: Any) -> bytes:
    """Bytes, or text as UTF-8; None is empty. Raises TypeError for anything else."""
    if value is None:
        return b""
    if isinstance(value, str):
        return value.encode()
    if isinstance(value, (bytes, bytearray, memoryview)):
        return bytes(value)
    raise TypeError(f"{name} is bytes, not {type(value).__name__}")


def _enumeration(name: str, names: tuple[str, ...], value: Any) -> str:
    if isinstance(value, int) and 0 <= value < len(names):
        return names[value]
    text = str(value)
    # The server itself refuses an unknown order of a range; the rest it could not express.
    if text not in names and not name.startswith("sort_"):
        raise ValueError(f"{name} is one of {', '.join(names)}, not {value!r}")
    return text


def transaction(
    compare: Iterable[Any] = (), success: Iterable[Any] = (), failure: Iterable[Any] = ()
) -> TxnRequest:
    """A transaction written as dicts: comparisons, and operations by their name."""
    return TxnRequest(
        tuple(build(records.Compare, _plain(item)) for item in compare or ()),
        tuple(_operation(item) for item in success or ()),
        tuple(_operation(item) for item in failure or ()),
    )


def _operation(item: Any) -> RequestOp:
    fields = {name: value for name, value in _plain(item).items() if value is not None}
    if len(fields) > 1:
        raise TypeError(f"an operation is one of its kinds, not {' and '.join(fields)} at once")
    for name, value in fields.items():
        if name == "request_txn":
            return RequestOp(request_txn=transaction(**_plain(value)))
        if name not in OPERATIONS:
            allowed = ", ".join((*OPERATIONS, "request_txn"))
            raise TypeError(f"there is no operation {name!r}; there are {allowed}")
        return RequestOp(**{name: build(OPERATIONS[name], _plain(value))})
    return RequestOp()


def _plain(item: Any) -> Mapping[str, Any]:
    if isinstance(item, Mapping):
        return item
    if hasattr(item, "_asdict"):
        plain: Mapping[str, Any] = item._asdict()
        return plain
    raise TypeError(f"{item!r} is no dict of fields")


def public(value: Any) -> Any:
    """A response with every value as bytes."""
    if isinstance(value, KeyValue):
        return value if type(value.value) is bytes else value._replace(value=encode(value.value))
    if isinstance(value, tuple):
        if hasattr(value, "_fields"):
            return type(value)(*map(public, value))
        return tuple(map(public, value))
    return value
