"""A store as bytes, and back.

A snapshot holds every record that is there, the leases, and where the store stands, as JSON lines
with a checksum in the last one. It can be restored into an empty store.

In Kubernetes: go.etcd.io/etcd/etcdutl/v3/snapshot. A real snapshot is the database file itself.
"""

from __future__ import annotations

import base64
import hashlib
import json
from typing import NamedTuple

from kubelab.etcd.errors import COMPACTED, FUTURE_REVISION
from kubelab.etcd.mvcc import Store, mod_revision
from kubelab.etcd.records import Failure, KeyValue, encode
from kubelab.etcd.sizes import record_size

# A database file grows by pages; the smallest has a few.
PAGE_BYTES = 4096
EMPTY_BYTES = 20480


def records_of(store: Store) -> list[KeyValue]:
    """All records of a store, deletions too, in the order in which they were made."""
    begin = max(store.compacted, store.log_start)
    kept = [kv for past in store.past.values() for block in past for kv in block]
    older = [kv for kv in (*kept, *store.latest.values()) if kv.mod_revision < begin]
    changes = (store.changes_at(revision) for revision in range(begin, store.revision + 1))
    return [*sorted(older, key=mod_revision), *(kv for change in changes for kv in change)]


def size_of(store: Store) -> int:
    """About how many bytes the database takes: whole pages."""
    used = sum(17 + record_size(kv) for kv in records_of(store))
    return EMPTY_BYTES + -(-used // PAGE_BYTES) * PAGE_BYTES


def dump(store: Store) -> bytes:
    """The store as bytes."""
    head = {
        "revision": store.revision,
        "compacted": store.compacted,
        "leases": sorted(store.lessor.ttl.items()),
    }
    lines = [json.dumps(head)]
    for kv in records_of(store):
        key = base64.b64encode(kv.key).decode()
        value = base64.b64encode(encode(kv.value)).decode()
        row = (key, kv.create_revision, kv.mod_revision, kv.version, value, kv.lease)
        lines.append(json.dumps(row))
    body = "\n".join(lines).encode() + b"\n"
    return body + hashlib.sha256(body).hexdigest().encode()


def load(blob: bytes) -> Store:
    """The store that a snapshot holds. Raises ValueError for a damaged one."""
    body, newline, digest = blob.rpartition(b"\n")
    if hashlib.sha256(body + newline).hexdigest().encode() != digest:
        raise ValueError("the snapshot is damaged: its checksum does not match")
    head, *rows = (json.loads(line) for line in body.splitlines())
    kept = tuple(
        KeyValue(base64.b64decode(key), created, modified, version, base64.b64decode(value), lease)
        for key, created, modified, version, value, lease in rows
    )
    leases = tuple((lease, ttl) for lease, ttl in head["leases"])
    return restored(Image(head["revision"], head["compacted"], kept, leases))


class Image(NamedTuple):
    """A store as one immutable value; what it shares with the store never changes."""

    revision: int
    compacted: int
    records: tuple[KeyValue, ...]
    leases: tuple[tuple[int, int], ...]


def image_of(store: Store) -> Image:
    """The image of a store."""
    leases = tuple(sorted(store.lessor.ttl.items()))
    return Image(store.revision, store.compacted, tuple(records_of(store)), leases)


def restored(image: Image) -> Store:
    """The store of an image."""
    store = Store()
    for lease, ttl in image.leases:
        store.lessor.grant(lease, ttl, 0)
    changes: dict[int, list[KeyValue]] = {}
    for kv in image.records:
        changes.setdefault(kv.mod_revision, []).append(kv)
    for revision in range(2, image.revision + 1):
        store.commit(changes.get(revision, ()))
    store.compacted = image.compacted
    return store


def hash_of(store: Store, revision: int) -> int | Failure:
    """A checksum over the records up to a revision (0: all); as etcd's, of 32 bits."""
    if revision > store.revision:
        return FUTURE_REVISION
    if 0 < revision < store.compacted:
        return COMPACTED
    digest = hashlib.sha256()
    for kv in records_of(store):
        if not revision or kv.mod_revision <= revision:
            digest.update(repr((*kv[:4], encode(kv.value), kv.lease)).encode())
    return int.from_bytes(digest.digest()[:4], "big")
