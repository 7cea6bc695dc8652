"""The requests and responses of etcd's v3 API, under etcd's own field names.

All are named tuples: they are never changed, compare by content and travel in messages. Keys are
bytes. A value is bytes, or an API object (`Obj`) that the API server put there as it is; `encode`
makes bytes of it where bytes are asked for. As in protobuf there are no absent scalars: what is not
given is zero, empty or false. Enumerations are their names (`"MOD"`, `"DESCEND"`).

In Kubernetes: go.etcd.io/etcd/api/v3, `rpc.proto` and `kv.proto`; the API server's client is
go.etcd.io/etcd/client/v3. Authentication and the maintenance calls for disks are left out.
"""

from __future__ import annotations

import json
from typing import Any, NamedTuple

from kubelab.sim.tree import Obj

Value = bytes | Obj

PUT, DELETE = "PUT", "DELETE"
NONE, ASCEND, DESCEND = "NONE", "ASCEND", "DESCEND"
SORT_ORDERS = (NONE, ASCEND, DESCEND)
SORT_TARGETS = ("KEY", "VERSION", "CREATE", "MOD", "VALUE")
COMPARE_TARGETS = ("VERSION", "CREATE", "MOD", "VALUE", "LEASE")
COMPARE_RESULTS = ("EQUAL", "GREATER", "LESS", "NOT_EQUAL")
WATCH_FILTERS = ("NOPUT", "NODELETE")


def encode(value: Value) -> bytes:
    """A value as bytes; an API object as compact JSON."""
    if isinstance(value, bytes):
        return value
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


def prefix_end(prefix: bytes) -> bytes:
    """The range_end that makes a range of all keys with a prefix."""
    stem = prefix.rstrip(b"\xff")
    return stem[:-1] + bytes([stem[-1] + 1]) if stem else b"\0"


class Failure(NamedTuple):
    """What is answered instead of a response: a gRPC code and etcd's words."""

    code: int
    message: str


class EtcdError(Exception):
    """A call that failed; `code` is the gRPC code, `message` etcd's own text."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message

    def __reduce__(self) -> Any:
        return EtcdError, (self.code, self.message)


class KeyValue(NamedTuple):
    """A key at one revision. In the store, version 0 marks a deletion."""

    key: bytes
    create_revision: int = 0
    mod_revision: int = 0
    version: int = 0
    value: Value = b""
    lease: int = 0


class Event(NamedTuple):
    """A change of a key, as a watch tells it."""

    type: str
    kv: KeyValue
    prev_kv: KeyValue | None = None


class ResponseHeader(NamedTuple):
    """Who answered, and where the store stood."""

    cluster_id: int = 0
    member_id: int = 0
    revision: int = 0
    raft_term: int = 0


# Reading and writing keys.


class RangeRequest(NamedTuple):
    key: bytes = b""
    range_end: bytes = b""
    limit: int = 0
    revision: int = 0
    sort_order: str = NONE
    sort_target: str = "KEY"
    serializable: bool = False
    keys_only: bool = False
    count_only: bool = False
    min_mod_revision: int = 0
    max_mod_revision: int = 0
    min_create_revision: int = 0
    max_create_revision: int = 0


class RangeResponse(NamedTuple):
    header: ResponseHeader
    kvs: tuple[KeyValue, ...] = ()
    more: bool = False
    count: int = 0  # type: ignore[assignment]  # hides tuple.count


class PutRequest(NamedTuple):
    key: bytes = b""
    value: Value = b""
    lease: int = 0
    prev_kv: bool = False
    ignore_value: bool = False
    ignore_lease: bool = False


class PutResponse(NamedTuple):
    header: ResponseHeader
    prev_kv: KeyValue | None = None


class DeleteRangeRequest(NamedTuple):
    key: bytes = b""
    range_end: bytes = b""
    prev_kv: bool = False


class DeleteRangeResponse(NamedTuple):
    header: ResponseHeader
    deleted: int = 0
    prev_kvs: tuple[KeyValue, ...] = ()


class Compare(NamedTuple):
    """One condition of a transaction: the key's `target` stands in `result` to the given value."""

    key: bytes = b""
    target: str = "VERSION"
    result: str = "EQUAL"
    version: int = 0
    create_revision: int = 0
    mod_revision: int = 0
    value: Value = b""
    lease: int = 0
    range_end: bytes = b""


class RequestOp(NamedTuple):
    """One operation of a transaction: exactly one of the four is given."""

    request_range: RangeRequest | None = None
    request_put: PutRequest | None = None
    request_delete_range: DeleteRangeRequest | None = None
    request_txn: TxnRequest | None = None


class TxnRequest(NamedTuple):
    compare: tuple[Compare, ...] = ()
    success: tuple[RequestOp, ...] = ()
    failure: tuple[RequestOp, ...] = ()


class ResponseOp(NamedTuple):
    """The answer to one operation of a transaction."""

    response_range: RangeResponse | None = None
    response_put: PutResponse | None = None
    response_delete_range: DeleteRangeResponse | None = None
    response_txn: TxnResponse | None = None


class TxnResponse(NamedTuple):
    header: ResponseHeader
    succeeded: bool = False
    responses: tuple[ResponseOp, ...] = ()


class CompactionRequest(NamedTuple):
    revision: int = 0
    physical: bool = False


class CompactionResponse(NamedTuple):
    header: ResponseHeader


# Watching.


class WatchRequest(NamedTuple):
    """Begins a watch. `watch_id` 0 lets the server choose the number."""

    key: bytes = b""
    range_end: bytes = b""
    start_revision: int = 0
    progress_notify: bool = False
    filters: tuple[str, ...] = ()
    prev_kv: bool = False
    watch_id: int = 0
    fragment: bool = False


class WatchCancelRequest(NamedTuple):
    watch_id: int = 0


class WatchProgressRequest(NamedTuple):
    pass


class WatchResponse(NamedTuple):
    header: ResponseHeader
    watch_id: int = 0
    created: bool = False
    canceled: bool = False
    compact_revision: int = 0
    cancel_reason: str = ""
    fragment: bool = False
    events: tuple[Event, ...] = ()


# Leases.


class LeaseGrantRequest(NamedTuple):
    TTL: int = 0
    ID: int = 0


class LeaseGrantResponse(NamedTuple):
    header: ResponseHeader
    ID: int = 0
    TTL: int = 0
    error: str = ""


class LeaseRevokeRequest(NamedTuple):
    ID: int = 0


class LeaseRevokeResponse(NamedTuple):
    header: ResponseHeader


class LeaseKeepAliveRequest(NamedTuple):
    ID: int = 0


class LeaseKeepAliveResponse(NamedTuple):
    header: ResponseHeader
    ID: int = 0
    TTL: int = 0


class LeaseTimeToLiveRequest(NamedTuple):
    ID: int = 0
    keys: bool = False


class LeaseTimeToLiveResponse(NamedTuple):
    header: ResponseHeader
    ID: int = 0
    TTL: int = 0
    grantedTTL: int = 0
    keys: tuple[bytes, ...] = ()


class LeaseLeasesRequest(NamedTuple):
    pass


class LeaseStatus(NamedTuple):
    ID: int = 0


class LeaseLeasesResponse(NamedTuple):
    header: ResponseHeader
    leases: tuple[LeaseStatus, ...] = ()


# The members.


class StatusRequest(NamedTuple):
    pass


class StatusResponse(NamedTuple):
    header: ResponseHeader
    version: str = ""
    dbSize: int = 0
    leader: int = 0
    raftIndex: int = 0
    raftTerm: int = 0
    raftAppliedIndex: int = 0
    errors: tuple[str, ...] = ()
    dbSizeInUse: int = 0
    isLearner: bool = False
    storageVersion: str = ""
    dbSizeQuota: int = 0
    # Beyond etcd's own answer: the Raft state that its metrics and logs would show.
    state: str = ""
    commit: int = 0
    log: tuple[Any, ...] = ()

    @property
    def member_id(self) -> int:
        """The ID of the member that answered."""
        return self.header.member_id

    @property
    def raft_term(self) -> int:
        """The term that the member is in."""
        return self.raftTerm

    @property
    def raft_index(self) -> int:
        """The index of the last entry of its log."""
        return self.raftIndex

    @property
    def raft_applied_index(self) -> int:
        """The index of the last entry that its store has taken in."""
        return self.raftAppliedIndex


class EtcdMember(NamedTuple):
    ID: int = 0
    name: str = ""
    peerURLs: tuple[str, ...] = ()
    clientURLs: tuple[str, ...] = ()
    isLearner: bool = False


class MemberListRequest(NamedTuple):
    linearizable: bool = True


class MemberListResponse(NamedTuple):
    header: ResponseHeader
    members: tuple[EtcdMember, ...] = ()


class SnapshotRequest(NamedTuple):
    pass


class SnapshotResponse(NamedTuple):
    header: ResponseHeader
    remaining_bytes: int = 0
    blob: bytes = b""
    version: str = ""
