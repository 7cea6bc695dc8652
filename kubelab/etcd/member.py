"""One etcd server: takes calls, agrees on writes, applies them, tells watches.

A call is a message `verb(client, call_id, request)`; its answer is `answered(call_id, result)`, the
result a response or a `Failure`. A write is checked, proposed, and applied once it is agreed on
(`propose`, `apply`); with one member that is at once. Watches are told of a revision before its
writer hears that it is done. What lies on the disk (store, leases, the index of the last entry)
outlives a stop; watches and the time that leases have left do not.

In Kubernetes: etcd itself, go.etcd.io/etcd/server/v3/etcdserver (`server.go`, `v3_server.go`,
`apply.go`). Authentication is left out, and so is the time that a disk takes.
"""

from __future__ import annotations

from typing import Any

from kubelab.etcd import checks, explain, records, sentences, snapshot
from kubelab.etcd.entries import Entry, refused
from kubelab.etcd.identity import cluster_id_of, member_id_of
from kubelab.etcd.mvcc import Store
from kubelab.etcd.records import EtcdError, Failure, ResponseHeader
from kubelab.etcd.watch import Answer, Watchers
from kubelab.sim.kernel import SECOND, Component, Event
from kubelab.sim.log import Log

VERSION = "3.6.14"
QUOTA_BYTES = 2 * 1024**3
EXPIRY_SECONDS = 0.5
CATCH_UP_SECONDS = 0.1
PROGRESS_SECONDS = 600
ELECTION_TIMEOUT_NS = SECOND

# At most so many leases are revoked in one look.
REVOCATIONS = 500


class Member(Component):
    """A member of an etcd cluster; for now the only one."""

    def __init__(self, name: str, *, members: tuple[str, ...] = ()) -> None:
        super().__init__(name)
        self.members = members or (name,)
        # The disk.
        self.store = Store()
        self.store.cluster_id = cluster_id_of(self.members)
        self.store.member_id = member_id_of(name)
        self.raft_index = 0
        # Which event made each revision, for looking back.
        self.written: Log[tuple[int, int]] = Log()

    def start(self) -> None:
        """Begins a term as the leader; memory is empty."""
        self.started_ns = self.now
        self.watchers = Watchers(self.store)
        self.catch_up_timer: int | None = None
        self.expiry_timer: int | None = None
        self.expiry_due_ns = 0
        if self.raft_index:
            self.store.raft_term += 1
            self.raft_index += 1
        else:
            # The entries of a first start: the member itself, the leader's empty one, the member's
            # addresses, the version of the cluster.
            self.store.raft_term, self.raft_index = 2, 4
        self.store.lessor.promote(self.now, ELECTION_TIMEOUT_NS)
        self._plan_expiry()
        self.note(term=self.store.raft_term, revision=self.store.revision)

    # Reading.

    def range(self, client: str, call_id: int, request: records.RangeRequest) -> None:
        """Pairs of a range."""
        self._answer(client, call_id, request, self._tried("range", request))

    def lease_keep_alive(
        self, client: str, call_id: int, request: records.LeaseKeepAliveRequest
    ) -> None:
        """Gives a lease its full time again; nobody else needs to agree."""
        header = self.store.header()
        ttl = self.store.lessor.renew(request.ID, self.now)
        response = records.LeaseKeepAliveResponse(header, request.ID, ttl)
        self._answer(client, call_id, request, response)

    def lease_time_to_live(
        self, client: str, call_id: int, request: records.LeaseTimeToLiveRequest
    ) -> None:
        """How long a lease has left, and which keys hang on it."""
        lessor = self.store.lessor
        keys = tuple(lessor.keys(request.ID)) if request.keys else ()
        response = records.LeaseTimeToLiveResponse(
            self.store.header(), request.ID, lessor.remaining_seconds(request.ID, self.now),
            lessor.ttl.get(request.ID, 0), keys,
        )  # fmt: skip
        self._answer(client, call_id, request, response)

    def lease_leases(self, client: str, call_id: int, request: records.LeaseLeasesRequest) -> None:
        """All leases, in order of their IDs."""
        leases = tuple(records.LeaseStatus(lease) for lease in sorted(self.store.lessor.ttl))
        response = records.LeaseLeasesResponse(self.store.header(), leases)
        self._answer(client, call_id, request, response)

    def status(self, client: str, call_id: int, request: records.StatusRequest) -> None:
        """How this member is."""
        store = self.store
        size = snapshot.size_of(store)
        response = records.StatusResponse(
            store.header(), VERSION, size, store.member_id, self.raft_index, store.raft_term,
            self.raft_index, (), size, False, "3.6.0", QUOTA_BYTES,
        )  # fmt: skip
        self._answer(client, call_id, request, response)

    def member_list(self, client: str, call_id: int, request: records.MemberListRequest) -> None:
        """Who belongs to the cluster."""
        listed = tuple(
            records.EtcdMember(
                member_id_of(name), name, (f"http://{name}:2380",), (f"http://{name}:2379",)
            )
            for name in self.members
        )
        store = self.store
        header = ResponseHeader(store.cluster_id, store.member_id, 0, store.raft_term)
        self._answer(client, call_id, request, records.MemberListResponse(header, listed))

    def snapshot(self, client: str, call_id: int, request: records.SnapshotRequest) -> None:
        """The whole store as bytes."""
        blob = snapshot.dump(self.store)
        response = records.SnapshotResponse(self.store.header(), 0, blob, VERSION)
        self._answer(client, call_id, request, response)

    # Writing.

    def put(self, client: str, call_id: int, request: records.PutRequest) -> None:
        """Sets a key."""
        self._write(Entry("put", request, client, call_id))

    def delete_range(self, client: str, call_id: int, request: records.DeleteRangeRequest) -> None:
        """Deletes the keys of a range."""
        self._write(Entry("delete_range", request, client, call_id))

    def txn(self, client: str, call_id: int, request: records.TxnRequest) -> None:
        """Compares, then does all of one branch or nothing."""
        self._write(Entry("txn", request, client, call_id))

    def compact(self, client: str, call_id: int, request: records.CompactionRequest) -> None:
        """Gives up the history before a revision."""
        self._write(Entry("compact", request, client, call_id))

    def lease_grant(self, client: str, call_id: int, request: records.LeaseGrantRequest) -> None:
        """Grants a lease; an ID is drawn where none is asked for."""
        while not request.ID:
            request = request._replace(ID=self.chance.bits() >> 1)
        self._write(Entry("lease_grant", request, client, call_id))

    def lease_revoke(self, client: str, call_id: int, request: records.LeaseRevokeRequest) -> None:
        """Ends a lease and deletes its keys."""
        self._write(Entry("lease_revoke", request, client, call_id))

    def _write(self, entry: Entry) -> None:
        """A call that may change something: refused at sight, or proposed."""
        failure = refused(entry)
        if failure is not None:
            self._answer(entry.client, entry.call_id, entry.request, failure)
        elif entry.method == "txn" and checks.is_read_only(entry.request):
            self.note(**explain.found(self.store, entry.request))
            result = self._tried("txn", entry.request)
            self._answer(entry.client, entry.call_id, entry.request, result)
        else:
            self.propose(entry)

    def propose(self, entry: Entry) -> None:
        """Asks the members to agree on a write. One member agrees with itself."""
        self.raft_index += 1
        self.apply(entry)

    def apply(self, entry: Entry) -> None:
        """Does what was agreed on, tells the watches, then answers who asked."""
        store = self.store
        before = store.revision
        if entry.method == "txn":
            self.note(**explain.found(store, entry.request))
        result = self._tried(entry.method, entry.request)
        if store.revision != before:
            assert self.world.current is not None
            self.written.append((store.revision, self.world.current))
            self._tell(self.watchers.notify())
        self._answer(entry.client, entry.call_id, entry.request, result)
        if store.revision != before:
            self.note(**explain.changed(store.changes_at(store.revision)))
        if entry.method.startswith("lease"):
            self._plan_expiry()

    def _tried(self, method: str, request: Any) -> Any:
        """The result of a call on the store, or the failure that it ends in."""
        try:
            if method == "txn":
                return self.store.txn(request)
            if method == "range":
                checks.check_range(request)
                return self.store.range(request)
            if method == "put":
                return self.store.put(request)
            if method == "delete_range":
                return self.store.delete_range(request)
            if method == "compact":
                return self.store.compact(request)
            if method == "lease_revoke":
                return self.store.revoke(request)
            assert method == "lease_grant", method
            ttl = self.store.lessor.grant(request.ID, request.TTL, self.now)
            return records.LeaseGrantResponse(self.store.header(), request.ID, ttl)
        except EtcdError as error:
            return Failure(error.code, error.message)

    def _answer(self, client: str, call_id: int, request: Any, result: Any) -> None:
        self.note(**explain.described(request, result))
        if client:
            self.send(client, "answered", call_id, result)

    # Watches.

    def watch(
        self, client: str, call_id: int, request: records.WatchRequest, stream: int = 0
    ) -> None:
        """Begins a watch; its responses are `watch_response(call_id, response)`."""
        answers = self.watchers.create(client, call_id, stream, request)
        response = answers[0].response
        self.note(
            key=explain.span(request.key, request.range_end), start=request.start_revision,
            revision=self.store.revision, watch_id=response.watch_id,
        )  # fmt: skip
        if response.cancel_reason:
            self.note(error=response.cancel_reason)
        self._tell(answers)
        self._plan_catch_up()
        if request.progress_notify and not response.canceled:
            number = self.watchers.streams[client, stream]
            self._plan_progress((number, response.watch_id))

    def watch_cancel(
        self, client: str, call_id: int, request: records.WatchCancelRequest, stream: int = 0
    ) -> None:
        """Ends a watch; its last response says that it is cancelled."""
        self.note(watch_id=request.watch_id)
        self._tell(self.watchers.cancel(client, stream, request.watch_id))

    def watch_progress(
        self, client: str, call_id: int, request: records.WatchProgressRequest, stream: int = 0
    ) -> None:
        """How far the watches of a stream are, if all are up to date."""
        self._tell(self.watchers.progress(client, call_id, stream))

    def catch_up(self) -> None:
        """Sends the next batch of history to every watch that is behind."""
        self.catch_up_timer = None
        self._tell(self.watchers.catch_up())
        self._plan_catch_up()

    def notify_progress(self, key: tuple[int, int], last_sent: int) -> None:
        """A watch that asked for it hears where it is, if nothing else was sent for long."""
        watch = self.watchers.watches.get(key)
        if watch is None:
            return
        if watch.synced and self.watchers.sent.get(key, 0) == last_sent:
            response = records.WatchResponse(self.store.header(), key[1])
            self._tell([Answer(watch.client, watch.call_id, response)])
        self._plan_progress(key)

    def disconnect(self, client: str) -> None:
        """A client's connection is closed: its watches are over."""
        self.note(watches=self.watchers.disconnect(client))

    def _tell(self, answers: list[Answer]) -> None:
        """Sends responses to those who watch."""
        woken: dict[str, int] = {}
        for client, call_id, response in answers:
            if response.events:
                woken[client] = woken.get(client, 0) + 1
            self.send(client, "watch_response", call_id, response)
        if woken:
            self.note(woken=woken)

    def _plan_catch_up(self) -> None:
        if self.watchers.unsynced and self.catch_up_timer is None:
            self.catch_up_timer = self.after(self._until_tick(CATCH_UP_SECONDS), "catch_up")

    def _plan_progress(self, key: tuple[int, int]) -> None:
        wait = PROGRESS_SECONDS * (1 + self.chance.random() / 10)
        sent = self.watchers.sent.get(key, 0)
        self.after(wait, "notify_progress", key, sent, background=True)

    def _until_tick(self, period: float, not_before_ns: int = 0) -> float:
        """Seconds to the next beat of a loop that began when we did."""
        period_ns = round(period * SECOND)
        elapsed = max(self.now + 1, not_before_ns) - self.started_ns
        due = self.started_ns + -(-elapsed // period_ns) * period_ns
        return (due - self.now) / SECOND

    # Leases.

    def expire(self) -> None:
        """Leases that have run out are revoked, each in a revision of its own."""
        self.expiry_timer = None
        due = self.store.lessor.expired(self.now)[:REVOCATIONS]
        for lease in due:
            self.propose(Entry("lease_revoke", records.LeaseRevokeRequest(lease), "", 0))
        self.note(leases=due)
        self._plan_expiry()

    def _plan_expiry(self) -> None:
        """Looks again at the first beat of the loop at which a lease can have run out."""
        first = self.store.lessor.next_expiry_ns()
        if first is None:
            return
        wait = self._until_tick(EXPIRY_SECONDS, first)
        due = self.now + round(wait * SECOND)
        if self.expiry_timer is not None:
            if self.expiry_due_ns <= due:
                return
            self.cancel(self.expiry_timer)
        self.expiry_due_ns = due
        self.expiry_timer = self.after(wait, "expire", background=True)

    # Connections.

    def undelivered(self, target: str, verb: str, args: tuple[Any, ...], reason: str) -> None:
        """A client could not be reached: it is gone, or its connection broke on the way."""
        self.note(lost=verb, client=target, reason=reason)
        if reason == "refused":
            self.note(watches=self.watchers.disconnect(target))
        elif verb == "answered":
            self.send(target, verb, *args)
        elif verb == "watch_response":
            # What came after the lost response must not seem to follow what came before it.
            ended = self.watchers.drop(target, args[0])
            self.note(watches=ended)
            if ended or args[1] == BROKEN:
                self.send(target, verb, args[0], BROKEN)

    @staticmethod
    def tell(event: Event) -> str:
        return sentences.tell(event)


# A watch whose connection broke: the client must begin it again.
BROKEN = records.WatchResponse(
    ResponseHeader(),
    canceled=True,
    cancel_reason="rpc error: code = Unavailable desc = transport is closing",
)
