"""The JSON form of etcd's v3 API: requests to JSON, answers back to records.

In JSON bytes are base64, 64-bit numbers are strings, enumerations are their names, and what is zero
is left out.

In Kubernetes: etcd's gRPC gateway (go.etcd.io/etcd/server/v3/embed, `/v3/kv/range` and its like).
"""

from __future__ import annotations

import base64
from typing import Any

from kubelab.etcd import records
from kubelab.sim.tree import Obj

# The path of each method and the kind of its answer.
METHODS: dict[str, tuple[str, Any]] = {
    "range": ("/v3/kv/range", records.RangeResponse),
    "put": ("/v3/kv/put", records.PutResponse),
    "delete_range": ("/v3/kv/deleterange", records.DeleteRangeResponse),
    "txn": ("/v3/kv/txn", records.TxnResponse),
    "compact": ("/v3/kv/compaction", records.CompactionResponse),
    "lease_grant": ("/v3/lease/grant", records.LeaseGrantResponse),
    "lease_revoke": ("/v3/lease/revoke", records.LeaseRevokeResponse),
    "lease_keep_alive": ("/v3/lease/keepalive", records.LeaseKeepAliveResponse),
    "lease_time_to_live": ("/v3/lease/timetolive", records.LeaseTimeToLiveResponse),
    "lease_leases": ("/v3/lease/leases", records.LeaseLeasesResponse),
}

# The kinds of records within records, by the name of the field.
WITHIN: dict[str, Any] = {
    "header": records.ResponseHeader,
    "kv": records.KeyValue,
    "prev_kv": records.KeyValue,
    "kvs": records.KeyValue,
    "prev_kvs": records.KeyValue,
    "events": records.Event,
    "leases": records.LeaseStatus,
    "responses": records.ResponseOp,
    "response_range": records.RangeResponse,
    "response_put": records.PutResponse,
    "response_delete_range": records.DeleteRangeResponse,
    "response_txn": records.TxnResponse,
}


def to_json(request: Any) -> Any:
    """A request as plain JSON."""
    if isinstance(request, Obj):
        return to_json(records.encode(request))
    if isinstance(request, bytes):
        return base64.b64encode(request).decode()
    if isinstance(request, (bool, str)):
        return request
    if isinstance(request, int):
        return str(request)
    if hasattr(request, "_fields"):
        fields = zip(request._fields, request, strict=True)
        return {name: to_json(value) for name, value in fields if value}
    return [to_json(item) for item in request]


def from_json(kind: Any, data: Any) -> Any:
    """A record of a kind from JSON; what is left out is zero, empty or false."""
    fields: dict[str, Any] = {"header": records.ResponseHeader()} if _has_header(kind) else {}
    if kind is records.Event:
        fields = {"type": records.PUT, "kv": records.KeyValue(b"")}
    if kind is records.KeyValue:
        fields = {"key": b""}
    for name in kind._fields:
        if name in data:
            fields[name] = _value(name, kind._field_defaults.get(name), data[name])
    return kind(**fields)


def _has_header(kind: Any) -> bool:
    return "header" in kind._fields


def _value(name: str, default: Any, value: Any) -> Any:
    inner = WITHIN.get(name)
    if inner is not None:
        if isinstance(value, list):
            return tuple(from_json(inner, item) for item in value)
        return from_json(inner, value)
    if name == "keys":
        return tuple(map(base64.b64decode, value))
    if isinstance(default, bytes) or name == "key":
        return base64.b64decode(value)
    if isinstance(default, bool) or isinstance(value, bool):
        return bool(value)
    if isinstance(default, int):
        return int(value)
    return value
