"""What members agree on: the entries of their log, and what never becomes one.

In Kubernetes: go.etcd.io/etcd/api/v3/etcdserverpb (`InternalRaftRequest`) and
server/v3/etcdserver/v3_server.go (`processInternalRaftRequestOnce`). The limit on entries under way
is left out.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from kubelab.etcd import checks
from kubelab.etcd.errors import TOO_LARGE
from kubelab.etcd.records import EtcdError, Failure
from kubelab.etcd.sizes import (
    MAX_MESSAGE_BYTES,
    MAX_REQUEST_BYTES,
    RAFT_HEADER_BYTES,
    request_size,
    size_bound,
)


class Entry(NamedTuple):
    """A write that members agree on: what to apply, and who waits for the answer."""

    method: str
    request: Any
    client: str
    call_id: int


def refused(entry: Entry) -> Failure | None:
    """Why a write is refused at sight, or None."""
    request = entry.request
    try:
        if entry.method == "txn":
            checks.check_txn(request)
        elif entry.method == "put":
            checks.check_put(request)
        elif entry.method == "delete_range":
            checks.check_delete_range(request)
    except EtcdError as error:
        return Failure(error.code, error.message)
    if size_bound(request) <= MAX_REQUEST_BYTES - RAFT_HEADER_BYTES:
        return None
    size = request_size(request)
    if size > MAX_MESSAGE_BYTES:
        message = f"grpc: received message larger than max ({size} vs. {MAX_MESSAGE_BYTES})"
        return Failure(8, message)
    if size + RAFT_HEADER_BYTES + 4 > MAX_REQUEST_BYTES:
        return TOO_LARGE
    return None
