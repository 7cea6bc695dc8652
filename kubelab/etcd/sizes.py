"""How large requests and records are as protobuf messages, which is what etcd's limits count.

Only sizes are computed, never the bytes themselves.

In Kubernetes: go.etcd.io/etcd/api/v3/etcdserverpb (the generated `Size` methods) and
server/v3/etcdserver/v3_server.go. There built-in objects are protobuf and somewhat smaller.
"""

from __future__ import annotations

from typing import Any

from kubelab.etcd.records import Event, KeyValue, TxnRequest, encode
from kubelab.sim.tree import Obj

# The largest request that members will agree on, and the largest that the server reads at all.
MAX_REQUEST_BYTES = 1_572_864
MAX_MESSAGE_BYTES = 2_097_152

# A watch that asked for fragments gets messages of about this size.
FRAGMENT_BYTES = 1_572_864

# More than a record takes beside its bytes: numbers, tags and lengths.
RECORD_BYTES = 160

# The header with the request's number that a proposal carries.
RAFT_HEADER_BYTES = 14


def varint_size(value: int) -> int:
    """Bytes of a number; a negative one takes ten."""
    return 10 if value < 0 else max(1, (value.bit_length() + 6) // 7)


def field_size(value: Any) -> int:
    """Bytes of a field with a number below 16; one that is zero or empty is left out."""
    if isinstance(value, bool):
        return 2 if value else 0
    if isinstance(value, int):
        return 1 + varint_size(value) if value else 0
    if isinstance(value, bytes):
        return 1 + varint_size(len(value)) + len(value) if value else 0
    return 0


def message_size(size: int) -> int:
    """Bytes of a message within a message."""
    return 1 + varint_size(size) + size


def record_size(kv: KeyValue) -> int:
    """Bytes of a pair; an API object counts as its JSON."""
    return sum(map(field_size, kv)) + (0 if isinstance(kv.value, bytes) else value_size(kv.value))


def value_size(value: Obj) -> int:
    """Bytes of a field that holds an API object."""
    return field_size(encode(value))


def event_size(event: Event) -> int:
    """Bytes of an event in a watch's response."""
    size = 2 if event.type != "PUT" else 0
    size += message_size(record_size(event.kv))
    if event.prev_kv is not None:
        size += message_size(record_size(event.prev_kv))
    return message_size(size)


def request_size(request: Any) -> int:
    """Bytes of a request as the client sends it, with a transaction's parts.

    API objects count as nothing: to measure each would cost more than to store it, and the API
    server limits them itself.
    """
    size = 0
    for value in request:
        if isinstance(value, tuple):
            if hasattr(value, "_fields"):
                size += message_size(request_size(value))
            else:
                size += sum(message_size(request_size(part)) for part in value)
        else:
            size += field_size(value)
    return size


def size_bound(request: Any) -> int:
    """No request is larger than this; it takes less time to tell than `request_size`."""
    if type(request) is not TxnRequest:
        return RECORD_BYTES + sum(len(value) for value in request if type(value) is bytes)
    size = RECORD_BYTES
    for compare in request.compare:
        size += RECORD_BYTES + len(compare.key) + len(compare.range_end) + len(compare.value)
    for operation in request.success + request.failure:
        for inner in operation:
            if inner is not None:
                size += RECORD_BYTES + size_bound(inner)
    return size
