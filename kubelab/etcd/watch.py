"""Watches: who is told which changes, live or from history.

A watch stands at `next_revision`: everything before it has been sent or was not asked for. A synced
watch is told each revision as it is committed, in one response. A watch that begins in the past is
unsynced: every 100 ms `catch_up` sends it a batch of history, until it has reached the present. So
a watch sees each revision once, whole and in order. If what it needs next is compacted first, it is
cancelled; a synced watch needs nothing from history and never is.

Watches of one client and stream number are one stream; their ids count from 0. To find who watches
a key, single keys and prefixes are looked up, and only watches of other ranges are tried one by
one.

In Kubernetes: go.etcd.io/etcd/server/v3/storage/mvcc (`watchable_store.go`, `watcher_group.go`) and
etcdserver/api/v3rpc/watch.go. Receivers here are never too slow, so there are no victims.
"""

from __future__ import annotations

from typing import NamedTuple

from kubelab.etcd.errors import COMPACTED, DUPLICATE_WATCH_ID, EMPTY_WATCH_RANGE, NO_LEADER
from kubelab.etcd.keys import NO_END
from kubelab.etcd.mvcc import Store
from kubelab.etcd.records import (
    Event,
    KeyValue,
    ResponseHeader,
    WatchRequest,
    WatchResponse,
    prefix_end,
)
from kubelab.etcd.sizes import FRAGMENT_BYTES, event_size

# At most so many revisions of history go into one response.
BATCH_REVISIONS = 1000

# Stream number (in order of opening) and watch id: the order in which watches are told.
WatchKey = tuple[int, int]


class Watch(NamedTuple):
    """One watch; `call_id` is the client's name for it."""

    client: str
    call_id: int
    request: WatchRequest
    next_revision: int
    synced: bool


class Answer(NamedTuple):
    """A response on its way to the client that asked."""

    client: str
    call_id: int
    response: WatchResponse


class Watchers:
    """All watches of one member; memory, gone when it stops."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.watches: dict[WatchKey, Watch] = {}
        self.unsynced: dict[WatchKey, None] = {}
        # (client, stream) to the stream's number; the number to the next watch id.
        self.streams: dict[tuple[str, int], int] = {}
        self.next_id: dict[int, int] = {}
        self.opened = 0
        # The streams that end when there is no leader.
        self.leader_required: dict[int, None] = {}
        self.by_key: dict[bytes, dict[WatchKey, None]] = {}
        self.by_prefix: dict[bytes, dict[WatchKey, None]] = {}
        self.lengths: dict[int, int] = {}
        self.by_range: dict[WatchKey, tuple[bytes, bytes]] = {}
        # How many responses with events a watch has had, of those that want to hear of progress.
        self.sent: dict[WatchKey, int] = {}

    # Beginning and ending.

    def create(self, client: str, call_id: int, stream: int, request: WatchRequest) -> list[Answer]:
        """A new watch; what is answered at once."""
        number = self._stream(client, stream)
        store = self.store
        if not request.key:
            request = request._replace(key=b"\0")
        reason = ""
        watch_id = request.watch_id
        if request.range_end and request.range_end != NO_END and request.range_end <= request.key:
            reason = EMPTY_WATCH_RANGE
        elif request.start_revision < 0:
            reason = COMPACTED.message
        elif watch_id and (number, watch_id) in self.watches:
            reason = DUPLICATE_WATCH_ID
        if reason:
            response = WatchResponse(store.header(), -1, True, True, cancel_reason=reason)
            return [Answer(client, call_id, response)]
        if not watch_id:
            watch_id = self.next_id[number]
            while (number, watch_id) in self.watches:
                watch_id += 1
            self.next_id[number] = watch_id + 1
        start = request.start_revision or store.revision + 1
        key = (number, watch_id)
        watch = Watch(client, call_id, request, start, start > store.revision)
        self.watches[key] = watch
        if not watch.synced:
            self.unsynced[key] = None
        self._index(key, request)
        return [Answer(client, call_id, WatchResponse(store.header(), watch_id, created=True))]

    def cancel(self, client: str, stream: int, watch_id: int) -> list[Answer]:
        """Ends a watch because its client asks; no answer if there is none."""
        number = self.streams.get((client, stream))
        key = (-1 if number is None else number, watch_id)
        watch = self.watches.get(key)
        if watch is None:
            return []
        self._remove(key)
        response = WatchResponse(self.store.header(), watch_id, canceled=True)
        return [Answer(client, watch.call_id, response)]

    def progress(self, client: str, call_id: int, stream: int) -> list[Answer]:
        """One empty response if all watches of the stream are up to date, else nothing."""
        number = self.streams.get((client, stream))
        if any(key[0] == number for key in self.unsynced):
            return []
        return [Answer(client, call_id, WatchResponse(self.store.header(), -1))]

    def disconnect(self, client: str) -> int:
        """A client is gone: all its streams end. Returns how many watches it had."""
        gone = [number for (who, _), number in self.streams.items() if who == client]
        keys = [key for key in self.watches if key[0] in gone]
        for key in keys:
            self._remove(key)
        self.streams = {pair: n for pair, n in self.streams.items() if pair[0] != client}
        for number in gone:
            del self.next_id[number]
            self.leader_required.pop(number, None)
        return len(keys)

    def require_leader(self, client: str, stream: int) -> None:
        """A stream shall end when there is no leader."""
        self.leader_required[self._stream(client, stream)] = None

    def end_leaderless(self) -> list[Answer]:
        """Ends the streams that need a leader; each watch's last response says why."""
        answers = []
        for key in sorted(key for key in self.watches if key[0] in self.leader_required):
            watch = self.watches[key]
            self._remove(key)
            response = WatchResponse(
                ResponseHeader(), key[1], canceled=True, cancel_reason=NO_LEADER.message
            )
            answers.append(Answer(watch.client, watch.call_id, response))
        return answers

    def drop(self, client: str, call_id: int) -> int:
        """A watch whose responses are lost ends; whether it was there, as 0 or 1."""
        for key, watch in self.watches.items():
            if (watch.client, watch.call_id) == (client, call_id):
                self._remove(key)
                return 1
        return 0

    def move(self, store: Store, told: int) -> None:
        """Goes on with another store: what came after revision `told` is history to be caught up.

        The store has jumped ahead, so nobody was told of what lies between.
        """
        self.store = store
        for key, watch in self.watches.items():
            if watch.synced:
                after = max(watch.next_revision, told + 1)
                synced = after > store.revision
                self.watches[key] = watch._replace(next_revision=after, synced=synced)
                if not synced:
                    self.unsynced[key] = None

    def _stream(self, client: str, stream: int) -> int:
        number = self.streams.get((client, stream))
        if number is None:
            number = self.opened
            self.opened += 1
            self.streams[client, stream] = number
            self.next_id[number] = 0
        return number

    # Who watches a key.

    def _index(self, key: WatchKey, request: WatchRequest) -> None:
        start, end = request.key, request.range_end
        if not end:
            self.by_key.setdefault(start, {})[key] = None
        elif end == prefix_end(start):
            self.by_prefix.setdefault(start, {})[key] = None
            self.lengths[len(start)] = self.lengths.get(len(start), 0) + 1
        else:
            self.by_range[key] = (start, end)

    def _remove(self, key: WatchKey) -> None:
        request = self.watches.pop(key).request
        self.unsynced.pop(key, None)
        self.sent.pop(key, None)
        start, end = request.key, request.range_end
        if not end:
            table = self.by_key
        elif end == prefix_end(start):
            table = self.by_prefix
            self.lengths[len(start)] -= 1
            if not self.lengths[len(start)]:
                del self.lengths[len(start)]
        else:
            del self.by_range[key]
            return
        del table[start][key]
        if not table[start]:
            del table[start]

    def of(self, name: bytes) -> list[WatchKey]:
        """The watches that a key falls under."""
        found = list(self.by_key.get(name, ()))
        for length in self.lengths:
            found += self.by_prefix.get(name[:length], ())
        for key, (start, end) in self.by_range.items():
            if start <= name and (end == NO_END or name < end):
                found.append(key)
        return found

    # Telling.

    def notify(self) -> list[Answer]:
        """The store's last revision, for the synced watches that it concerns."""
        revision = self.store.revision
        told: dict[WatchKey, list[KeyValue]] = {}
        for kv in self.store.changes_at(revision):
            for key in self.of(kv.key):
                watch = self.watches[key]
                if watch.synced and watch.next_revision <= revision:
                    told.setdefault(key, []).append(kv)
        answers: list[Answer] = []
        for key in sorted(told):
            answers += self._tell(key, self.watches[key], told[key], self.store.header())
        return answers

    def catch_up(self) -> list[Answer]:
        """One batch of history for each watch that is behind; cancels those that came too late."""
        answers: list[Answer] = []
        store = self.store
        for key in sorted(self.unsynced):
            watch = self.watches[key]
            if watch.next_revision < store.compacted:
                self._remove(key)
                response = WatchResponse(
                    ResponseHeader(store.cluster_id, store.member_id, 0, store.raft_term),
                    key[1], canceled=True, compact_revision=store.compacted,
                )  # fmt: skip
                answers.append(Answer(watch.client, watch.call_id, response))
                continue
            changes, after = self._history(watch)
            synced = after > store.revision
            self.watches[key] = watch._replace(next_revision=after, synced=synced)
            if synced:
                del self.unsynced[key]
            answers += self._tell(key, watch, changes, store.header())
        return answers

    def _history(self, watch: Watch) -> tuple[list[KeyValue], int]:
        """The next batch of a watch's past, and the revision to go on from."""
        start, end = watch.request.key, watch.request.range_end
        changes: list[KeyValue] = []
        revisions = 0
        for revision in range(max(watch.next_revision, 2), self.store.revision + 1):
            mine = [
                kv
                for kv in self.store.changes_at(revision)
                if kv.key == start or (end and kv.key > start and (end == NO_END or kv.key < end))
            ]
            if mine:
                if revisions == BATCH_REVISIONS:
                    return changes, revision
                revisions += 1
                changes += mine
        return changes, self.store.revision + 1

    def _tell(
        self, key: WatchKey, watch: Watch, changes: list[KeyValue], header: ResponseHeader
    ) -> list[Answer]:
        """The responses that tell changes to a watch: none if its filters leave nothing."""
        request = watch.request
        unwanted = request.filters
        events = tuple(
            self.store.event(kv, request.prev_kv)
            for kv in changes
            if not unwanted or ("NOPUT" if kv.version else "NODELETE") not in unwanted
        )
        if not events:
            return []
        if request.progress_notify:
            self.sent[key] = self.sent.get(key, 0) + 1
        parts = [events] if not request.fragment else fragments(events)
        return [
            Answer(
                watch.client,
                watch.call_id,
                WatchResponse(header, key[1], fragment=number < len(parts), events=part),
            )
            for number, part in enumerate(parts, 1)
        ]


def fragments(events: tuple[Event, ...]) -> list[tuple[Event, ...]]:
    """Events cut into parts that fit into a message each."""
    parts: list[list[Event]] = [[]]
    size = 0
    for event in events:
        own = event_size(event)
        if parts[-1] and size + own >= FRAGMENT_BYTES:
            parts.append([])
            size = 0
        parts[-1].append(event)
        size += own
    return [tuple(part) for part in parts]
