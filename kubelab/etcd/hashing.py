"""The checksum by which members find out whether they hold the same: `etcdctl endpoint hashkv`.

It is a CRC over the records as they lie in etcd's database, in the order of their revisions: the
place of each (8 bytes of revision, `_`, 8 bytes of its number within the revision, `t` for a
deletion), then the pair as a protobuf message. Of what a compaction has passed only what is still
the newest of its key counts, so that it does not matter how far the clearing up has got.

In Kubernetes: go.etcd.io/etcd/server/v3/storage/mvcc/hash.go (`unsafeHashByRev`).
"""

from __future__ import annotations

from kubelab.etcd.errors import COMPACTED, FUTURE_REVISION
from kubelab.etcd.mvcc import Store
from kubelab.etcd.records import Failure, KeyValue, encode
from kubelab.etcd.snapshot import numbered

# The polynomial of CRC-32C (Castagnoli), bits reversed.
CASTAGNOLI = 0x82F63B78


def _table() -> tuple[int, ...]:
    table = []
    for byte in range(256):
        for _ in range(8):
            byte = byte >> 1 ^ (CASTAGNOLI if byte & 1 else 0)
        table.append(byte)
    return tuple(table)


TABLE = _table()


def crc32c(data: bytes, crc: int = 0) -> int:
    """The CRC-32C of bytes, or of bytes that follow others with the checksum `crc`."""
    crc ^= 0xFFFFFFFF
    for byte in data:
        crc = crc >> 8 ^ TABLE[(crc ^ byte) & 0xFF]
    return crc ^ 0xFFFFFFFF


def varint(number: int) -> bytes:
    """A number as protobuf writes it: seven bits a byte, the lowest first."""
    number &= (1 << 64) - 1
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def message(kv: KeyValue) -> bytes:
    """A pair as a protobuf message without what is zero; of a deletion only the key."""
    if not kv.version:
        kv = KeyValue(kv.key)
    out = b""
    for number, field in enumerate(kv, 1):
        if not field:
            continue
        if isinstance(field, int):
            out += varint(number << 3) + varint(field)
        else:
            data = encode(field)
            out += varint(number << 3 | 2) + varint(len(data)) + data
    return out


def place(revision: int, number: int, deletion: bool) -> bytes:
    """The key of a record in the database."""
    return revision.to_bytes(8, "big") + b"_" + number.to_bytes(8, "big") + b"t" * deletion


def hash_of(store: Store, revision: int) -> int | Failure:
    """The checksum of the records up to a revision (0: the current one)."""
    if revision > store.revision:
        return FUTURE_REVISION
    if 0 < revision < store.compacted:
        return COMPACTED
    upper = revision or store.revision
    records = [(kv, number) for kv, number in numbered(store) if kv.mod_revision <= upper]
    newest = {kv.key: (kv, number) for kv, number in records}
    # Where no key is left, etcd does not look which records are the newest.
    alive = any(kv.version for kv, _ in newest.values())
    crc = crc32c(b"key")
    for kv, number in records:
        passed = kv.mod_revision <= store.compacted and alive
        if passed and not (kv.version and newest[kv.key] == (kv, number)):
            continue
        crc = crc32c(place(kv.mod_revision, number, not kv.version) + message(kv), crc)
    return crc
