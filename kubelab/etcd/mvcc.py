"""The store: every key at every revision since the last compaction.

There is one counter, the revision, for the whole store: each write that changes something raises it
by one and stamps all its changes with it. `latest` holds the live keys as they are; `past` holds,
for a key that was changed or deleted, its earlier records in order of revision (a deletion is a
record of version 0); `log` holds the changes of each revision, for watches. An empty store is at
revision 1. A read at revision R sees of each key the last record that is not younger than R.

A compaction at C gives up what only reads below C could see: of each key all records but the last
one up to C and those after it. Whoever asks for less than C is told so.

Records are shared by all forks; a fork copies dictionaries of references.

In Kubernetes: go.etcd.io/etcd/server/v3/storage/mvcc (`kvstore.go`, `kvstore_txn.go`,
`key_index.go`). There the records lie in a file keyed by revision, the index holds only revisions.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence

from kubelab.etcd import txn
from kubelab.etcd.errors import COMPACTED, FUTURE_REVISION, LEASE_NOT_FOUND, fail
from kubelab.etcd.keys import SortedKeys
from kubelab.etcd.lease import Lessor
from kubelab.etcd.records import (
    DELETE,
    PUT,
    CompactionRequest,
    CompactionResponse,
    DeleteRangeRequest,
    DeleteRangeResponse,
    Event,
    KeyValue,
    LeaseRevokeRequest,
    LeaseRevokeResponse,
    PutRequest,
    PutResponse,
    RangeRequest,
    RangeResponse,
    ResponseHeader,
    TxnRequest,
    TxnResponse,
)
from kubelab.sim.log import Log

# Earlier records of a key: blocks of records, so that one more does not copy all of them.
Past = tuple[tuple[KeyValue, ...], ...]
BLOCK = 64
NO_PAST: Past = ((),)


def mod_revision(kv: KeyValue) -> int:
    """The revision that made a record."""
    return kv.mod_revision


def push(past: Past, kv: KeyValue) -> Past:
    """Earlier records and one more."""
    block = past[-1]
    if len(block) < BLOCK:
        return (*past[:-1], (*block, kv))
    return (*past, (kv,))


def seek(past: Past, revision: int) -> KeyValue | None:
    """The last record that is not younger than `revision`."""
    for block in reversed(past):
        if block and block[0].mod_revision <= revision:
            return block[bisect_right(block, revision, key=mod_revision) - 1]
    return None


class Store:
    """Revisions of keys; pure state, without time and without messages."""

    def __init__(self) -> None:
        self.revision = 1
        self.compacted = -1
        self.keys = SortedKeys()
        self.latest: dict[bytes, KeyValue] = {}
        self.past: dict[bytes, Past] = {}
        self.log: Log[tuple[KeyValue, ...]] = Log()
        self.log_start = 2
        # Of records whose revision was compacted: their number within it, where that is not 0.
        self.numbers: dict[tuple[int, bytes], int] = {}
        self.lessor = Lessor()
        # What the headers of our answers say.
        self.cluster_id = 0
        self.member_id = 0
        self.raft_term = 0

    def header(self) -> ResponseHeader:
        """The header of an answer that is given now."""
        return ResponseHeader(self.cluster_id, self.member_id, self.revision, self.raft_term)

    # Reading.

    def window(
        self, start: bytes, end: bytes, revision: int = 0, limit: int = 0
    ) -> tuple[list[KeyValue], int]:
        """The pairs of a range, at most `limit` (0: all), and how many there are in all.

        `revision` 0 or less is the current one. Raises EtcdError for a revision that is not there.
        """
        if revision > self.revision:
            fail(FUTURE_REVISION)
        if revision <= 0:
            revision = self.revision
        if revision < self.compacted:
            fail(COMPACTED)
        if not end:
            one = self.get(start, revision)
            return ([], 0) if one is None else ([one], 1)
        keys = self.keys.between(start, end)
        latest = self.latest
        if revision == self.revision:
            if len(self.keys) > len(latest):
                keys = [key for key in keys if key in latest]
            count = len(keys)
            if limit > 0:
                keys = keys[:limit]
            return [latest[key] for key in keys], count
        found = [kv for key in keys if (kv := self.get(key, revision)) is not None]
        return (found[:limit] if limit > 0 else found), len(found)

    def get(self, key: bytes, revision: int) -> KeyValue | None:
        """A key as it was at a revision that is still there; None if it did not exist."""
        kv = self.latest.get(key)
        if kv is None or kv.mod_revision > revision:
            kv = seek(self.past.get(key, NO_PAST), revision)
            if kv is None or not kv.version:
                return None
        return kv

    def range(self, request: RangeRequest) -> RangeResponse:
        """Pairs of a range. Raises EtcdError."""
        return txn.read(self, request, self.header())

    # Writing.

    def put(self, request: PutRequest) -> PutResponse:
        """Sets one key. Raises EtcdError."""
        if request.lease:
            self.lessor.check(request.lease)
        change = txn.Change(self)
        response = change.put(request)
        change.commit()
        return response._replace(header=self.header())

    def delete_range(self, request: DeleteRangeRequest) -> DeleteRangeResponse:
        """Deletes the keys of a range."""
        change = txn.Change(self)
        response = change.delete_range(request)
        change.commit()
        return response._replace(header=self.header())

    def txn(self, request: TxnRequest) -> TxnResponse:
        """Compares, then does all of one branch or nothing. Raises EtcdError."""
        return txn.execute(self, request)

    def revoke(self, request: LeaseRevokeRequest) -> LeaseRevokeResponse:
        """Ends a lease and deletes its keys, in one revision. Raises EtcdError."""
        if request.ID not in self.lessor.ttl:
            fail(LEASE_NOT_FOUND)
        change = txn.Change(self)
        for key in self.lessor.keys(request.ID):
            change.delete(key)
        self.lessor.drop(request.ID)
        change.commit()
        return LeaseRevokeResponse(self.header())

    def commit(self, changes: Sequence[KeyValue]) -> None:
        """Takes over the changes of the next revision; of a compacted one, what of it is kept."""
        latest, past = self.latest, self.past
        for kv in changes:
            key = kv.key
            old = latest.get(key)
            if old is not None:
                past[key] = push(past.get(key, NO_PAST), old)
                if old.lease:
                    self.lessor.detach(old.lease, key)
            elif key not in past:
                self.keys.add(key)
            if kv.version:
                latest[key] = kv
                if kv.lease:
                    self.lessor.attach(kv.lease, key)
            else:
                latest.pop(key, None)
                past[key] = push(past.get(key, NO_PAST), kv)
        self.revision += 1
        self.log.append(tuple(changes))

    # Compaction.

    def compact(self, request: CompactionRequest) -> CompactionResponse:
        """Gives up the history before a revision. Raises EtcdError."""
        revision = request.revision
        if revision <= self.compacted:
            fail(COMPACTED)
        if revision > self.revision:
            fail(FUTURE_REVISION)
        self._keep_numbers(revision)
        self.compacted = revision
        for key, past in list(self.past.items()):
            self._compact_key(key, past, revision)
        self._compact_log(revision)
        return CompactionResponse(self.header())

    def _keep_numbers(self, revision: int) -> None:
        """Notes which of its revision's changes a record was, before the log forgets it."""
        for passed in range(max(self.compacted + 1, self.log_start), revision + 1):
            for number, kv in enumerate(self.changes_at(passed)):
                if number:
                    self.numbers[passed, kv.key] = number
        for made, key in list(self.numbers):
            kept = self.get(key, revision)
            if made < revision and (kept is None or kept.mod_revision != made):
                del self.numbers[made, key]

    def _compact_key(self, key: bytes, past: Past, revision: int) -> None:
        kv = self.latest.get(key)
        if kv is not None and kv.mod_revision <= revision:
            del self.past[key]
            return
        kept = [record for block in past for record in block]
        last = bisect_right(kept, revision, key=mod_revision) - 1
        if last < 0:
            return
        # A deletion at the very revision stays: a watch from there on must still tell it.
        gone = not kept[last].version and kept[last].mod_revision < revision
        kept = kept[last + gone :]
        if kept:
            self.past[key] = tuple(
                tuple(kept[at : at + BLOCK]) for at in range(0, len(kept), BLOCK)
            )
        else:
            del self.past[key]
            if kv is None:
                self.keys.remove(key)

    def _compact_log(self, revision: int) -> None:
        """Drops full chunks; of the revision itself the last change of each key stays."""
        log, chunk = self.log, Log.CHUNK
        drop = min((revision - self.log_start) // chunk, len(log.chunks))
        if drop > 0:
            del log.chunks[:drop]
            self.log_start += drop * chunk
        at = revision - self.log_start
        if at >= 0:
            changes = log[at]
            final = {kv.key: kv for kv in changes}
            if len(final) < len(changes):
                number, offset = divmod(at, chunk)
                rest = tuple(kv for kv in changes if final[kv.key] is kv)
                if number == len(log.chunks):
                    log.open[offset] = rest
                else:
                    block = log.chunk(number).copy()
                    block[offset] = rest
                    log.replace_chunk(number, block)

    # Events.

    def changes_at(self, revision: int) -> tuple[KeyValue, ...]:
        """The changes that a revision made, in the order in which they were made."""
        at = revision - self.log_start
        return self.log[at] if 0 <= at < len(self.log) else ()

    def event(self, kv: KeyValue, prev_kv: bool = False) -> Event:
        """A change as watches tell it, if asked with the pair before it."""
        before = None
        if prev_kv and not (kv.version and kv.create_revision == kv.mod_revision):
            if kv.mod_revision - 1 >= self.compacted:
                before = self.get(kv.key, kv.mod_revision - 1)
        return Event(PUT if kv.version else DELETE, kv, before)
