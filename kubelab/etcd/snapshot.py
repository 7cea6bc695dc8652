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

from kubelab.etcd.mvcc import Store
from kubelab.etcd.records import KeyValue, encode
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
    numbers = store.numbers

    def order(kv: KeyValue) -> tuple[int, int]:
        return kv.mod_revision, numbers.get((kv.mod_revision, kv.key), 0)

    return [*sorted(older, key=order), *(kv for change in changes for kv in change)]


def numbered(store: Store) -> list[tuple[KeyValue, int]]:
    """All records, each with its number among the changes of its revision."""
    found, revision, number = [], 0, 0
    for kv in records_of(store):
        number = number + 1 if kv.mod_revision == revision else 0
        revision = kv.mod_revision
        known = store.numbers.get((revision, kv.key), 0)
        found.append((kv, known if revision <= store.compacted else number))
    return found


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
        "numbers": [
            (revision, base64.b64encode(key).decode(), number)
            for (revision, key), number in store.numbers.items()
        ],
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
    numbers = tuple((at, base64.b64decode(key), number) for at, key, number in head["numbers"])
    return restored(Image(head["revision"], head["compacted"], kept, leases, numbers))


class Image(NamedTuple):
    """A store as one immutable value; what it shares with the store never changes."""

    revision: int
    compacted: int
    records: tuple[KeyValue, ...]
    leases: tuple[tuple[int, int], ...]
    numbers: tuple[tuple[int, bytes, int], ...] = ()


def image_of(store: Store) -> Image:
    """The image of a store."""
    leases = tuple(sorted(store.lessor.ttl.items()))
    numbers = tuple((at, key, number) for (at, key), number in store.numbers.items())
    return Image(store.revision, store.compacted, tuple(records_of(store)), leases, numbers)


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
    store.numbers = {(at, key): number for at, key, number in image.numbers}
    return store
