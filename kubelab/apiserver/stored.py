"""How objects lie in etcd: keys, values, transactions.

`/registry/pods/shop/web` holds the pod without its resourceVersion, which is never written: it is
the key's mod_revision, put in at each read. The embedded store holds the object itself; what others
put there as bytes is read as JSON.

In Kubernetes: k8s.io/apiserver/pkg/storage/etcd3. There values of built-in kinds are protobuf.
"""

from __future__ import annotations

import json
from typing import Any

from kubelab.api.kinds import Kind
from kubelab.api.objects import Obj, freeze, get, name_of, namespace_of
from kubelab.apiserver.pending import Write
from kubelab.etcd import records

COMPACT_KEY = b"compact_rev_key"


def path(kind: Kind, namespace: str, name: str) -> str:
    """The key of an object, as text."""
    return f"{kind.prefix}{namespace}/{name}" if namespace else f"{kind.prefix}{name}"


def key(kind: Kind, namespace: str, name: str) -> bytes:
    """The key of an object."""
    return path(kind, namespace, name).encode()


def directory(prefix: str, namespace: str = "") -> tuple[bytes, bytes]:
    """The range of all keys of a directory, or of one namespace in it."""
    start = f"{prefix}{namespace}/" if namespace else prefix
    return start.encode(), f"{start[:-1]}0".encode()


def text(raw: bytes) -> str:
    """A key as text."""
    return raw.decode("utf-8", "replace")


def place(obj: Obj) -> tuple[str, str]:
    """Namespace and name."""
    return namespace_of(obj), name_of(obj)


def cache_key(prefix: str, raw: bytes) -> str:
    """A key without its directory: `namespace/name`, or `name`."""
    return raw[len(prefix) :].decode("utf-8", "replace")


def with_revision(obj: Obj, revision: int) -> Obj:
    """An object with its resourceVersion."""
    metadata = Obj({**obj.get("metadata", {}), "resourceVersion": str(revision)})
    return Obj({**obj, "metadata": metadata})


def decode(kv: Any) -> Obj | None:
    """The object of a key, with its resourceVersion; None if the value is no JSON object."""
    value = kv.value
    if isinstance(value, bytes):
        try:
            value = freeze(json.loads(value))
        except (ValueError, RecursionError):
            return None
    if not isinstance(value, Obj) or not isinstance(value.get("metadata"), dict):
        return None
    return with_revision(value, kv.mod_revision)


def from_range(result: Any) -> tuple[Obj, int] | None:
    """The object and revision of a range of one key; revision 0 where there is none."""
    if not result.kvs:
        return Obj(), 0
    obj = decode(result.kvs[0])
    return (obj or Obj(), result.kvs[0].mod_revision)


def change(prefix: str, event: Any) -> tuple[str, Obj | None]:
    """An etcd event as a change of a cache: the key within it, and the object or None."""
    key_ = cache_key(prefix, event.kv.key)
    return key_, decode(event.kv) if event.type == records.PUT else None


def only_lives(kind: str, current: tuple[Obj, int] | None, write: Write) -> bool:
    """Whether a write says no more than `I live`: a Lease, or a Node's newer heartbeat times."""
    if kind == "Lease":
        return True
    if kind != "Node" or current is None or write.obj is None:
        return False
    return _but_heartbeats(current[0]) == _but_heartbeats(write.obj)


def _but_heartbeats(node: Obj) -> tuple[Any, ...]:
    status = {
        name: item for name, item in (node.get("status") or Obj()).items() if name != "conditions"
    }
    conditions = [
        {name: item for name, item in row.items() if name != "lastHeartbeatTime"}
        for row in get(node, "status", "conditions", default=())
    ]
    written = {"managedFields", "resourceVersion"}
    metadata = {name: item for name, item in node["metadata"].items() if name not in written}
    return metadata, node.get("spec"), status, conditions


def transaction(write: Write, lease: int) -> Any:
    """The transaction of a write: all compares must hold, else the present value is returned."""
    raw = write.key.encode()
    compares = [_is_at(raw, write.expected)]
    operations = [_operation(raw, write.obj, lease)]
    for extra, obj in write.extra:
        if obj is not None:
            compares.append(_is_at(extra.encode(), 0))
        operations.append(_operation(extra.encode(), obj, 0))
    for other, obj, revision in write.beside:
        compares.append(_is_at(other.encode(), revision))
        operations.append(_operation(other.encode(), obj, 0))
    now = records.RequestOp(request_range=records.RangeRequest(key=raw))
    failure = (now,) if write.expected else ()
    return records.TxnRequest(tuple(compares), tuple(operations), failure)


def _is_at(raw: bytes, revision: int) -> Any:
    return records.Compare(key=raw, target="MOD", result="EQUAL", mod_revision=revision)


def _operation(raw: bytes, obj: Obj | None, lease: int) -> Any:
    if obj is None:
        return records.RequestOp(request_delete_range=records.DeleteRangeRequest(key=raw))
    if "resourceVersion" in obj["metadata"]:
        metadata = {k: v for k, v in obj["metadata"].items() if k != "resourceVersion"}
        obj = Obj({**obj, "metadata": Obj(metadata)})
    return records.RequestOp(request_put=records.PutRequest(key=raw, value=obj, lease=lease))


def compaction(version: int, revision: int) -> Any:
    """The contest of several API servers for the next compaction."""
    compare = records.Compare(key=COMPACT_KEY, target="VERSION", result="EQUAL", version=version)
    put = records.PutRequest(key=COMPACT_KEY, value=str(revision).encode())
    now = records.RangeRequest(key=COMPACT_KEY)
    return records.TxnRequest(
        (compare,), (records.RequestOp(request_put=put),), (records.RequestOp(request_range=now),)
    )


def compaction_seen(result: Any) -> tuple[int, int]:
    """What another API server has written: the version to expect, the revision to compact to."""
    kvs = get(result.responses, 0).response_range.kvs
    return (kvs[0].version, result.header.revision) if kvs else (0, 0)
