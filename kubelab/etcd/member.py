"""One etcd server: takes calls, agrees on writes, applies them, tells watches.

A call is a message `verb(client, call_id, request)`; its answer is `answered(call_id, result)`, the
result a response or a `Failure`. A write is checked, proposed, and applied once it is agreed on
(`propose` in `peer.py`, `apply_write`); with one member that is at once. Watches are told of a
revision before its writer hears that it is done. What lies on the disk (store, leases, the log)
outlives a stop; watches, waiting calls and the time that leases have left do not.

In Kubernetes: etcd itself, go.etcd.io/etcd/server/v3/etcdserver (`server.go`, `v3_server.go`,
`apply.go`). Authentication is left out, and so is the time that a disk takes.
"""

from __future__ import annotations

from typing import Any

from kubelab.etcd import checks, explain, records, sentences, snapshot
from kubelab.etcd.entries import Entry, refused
from kubelab.etcd.errors import NO_SPACE, NOT_FOR_LEARNER
from kubelab.etcd.maintenance import QUOTA_BYTES, STORAGE_VERSION, Agreed
from kubelab.etcd.records import EtcdError, Failure, ResponseHeader
from kubelab.etcd.waiting import Read
from kubelab.etcd.watching import Watching
from kubelab.sim.kernel import SECOND, Event
from kubelab.sim.log import Log

EXPIRY_SECONDS = 0.5
ELECTION_TIMEOUT_NS = SECOND

# At most so many leases are revoked in one look.
REVOCATIONS = 500


class Member(Watching):
    """A member of an etcd cluster."""

    def __init__(
        self,
        name: str,
        *,
        members: tuple[str, ...] = (),
        joining: bool = False,
        quota_bytes: int = QUOTA_BYTES,
    ) -> None:
        super().__init__(name, members=members, joining=joining, quota_bytes=quota_bytes)
        # Which event made each revision, for looking back.
        self.written: Log[tuple[int, int]] = Log()
        self.cluster_version = ""

    def start(self) -> None:
        """Begins with what is on the disk; memory is empty."""
        self.start_watching()
        self.expiry_timer: int | None = None
        self.expiry_due_ns = 0
        self.revoking: dict[int, int] = {}
        self.moving = None
        self.start_raft()
        self.note(term=self.raft.term, revision=self.store.revision, role=self.raft.role)

    def led(self) -> None:
        """The role, the leader or the term have changed."""
        raft = self.raft
        self.store.raft_term = raft.term
        if self.leading:
            # Nobody knows how long ago the leader before us renewed the leases.
            self.store.lessor.promote(self.now, ELECTION_TIMEOUT_NS)
            self.revoking = {}
        self._plan_expiry()
        self.watch_for_leader()
        if raft.leader:
            self.publish()
        self.moved()

    # Reading.

    def range(self, client: str, call_id: int, request: records.RangeRequest) -> None:
        """Pairs of a range."""
        if self.alone:
            self.answer(client, call_id, request, self._tried("range", request))
            return
        self._read(Read("range", client, call_id, request), request.serializable)

    def _read(self, read: Read, serializable: bool) -> None:
        """A read that may be old is answered from here, any other waits for its index."""
        if serializable:
            self.note(serializable=True)
            self.serve(read)
        elif self.name in self.raft.learners:
            self.answer(read.client, read.call_id, read.request, NOT_FOR_LEARNER)
        else:
            self.read_now(read)

    def serve(self, read: Read) -> None:
        """Answers a read from what is here."""
        method, client, call_id, request = read
        if method == "member_list":
            result: Any = records.MemberListResponse(self._header(), self.listed())
        else:
            if method == "txn":
                self.note(**explain.found(self.store, request))
            result = self._tried(method, request)
        self.answer(client, call_id, request, result)

    # What only the leader knows: how long leases have left.

    def lease_keep_alive(
        self, client: str, call_id: int, request: records.LeaseKeepAliveRequest
    ) -> None:
        """Gives a lease its full time again; nobody else needs to agree."""
        self._ask_leader(Read("lease_keep_alive", client, call_id, request))

    def lease_time_to_live(
        self, client: str, call_id: int, request: records.LeaseTimeToLiveRequest
    ) -> None:
        """How long a lease has left, and which keys hang on it."""
        self._ask_leader(Read("lease_time_to_live", client, call_id, request))

    def _ask_leader(self, read: Read) -> None:
        if self.leading:
            result = self._of_lease(read.method, read.request)
            self.answer(read.client, read.call_id, read.request, result)
            return
        self._wait_for(read.client, read.call_id)
        if self.raft.leader:
            self.note(forwarded=self.raft.leader)
            self.send(self.raft.leader, "forward_call", self.name, read)

    def forward_call(self, origin: str, read: Read) -> None:
        """A follower passes on a call that only the leader can answer."""
        result: Any = None
        if read.method == "member_promote":
            result = self.unpromotable(read.request.ID)
            if result is None:
                self._hand_on(self.promotion(read))
                self.ready()
                return
        elif self.leading:
            result = self._of_lease(read.method, read.request)
        if result is not None:
            self.send(origin, "call_answered", read, result)

    def call_answered(self, read: Read, result: Any) -> None:
        """The leader's answer to a call that we passed on."""
        if (read.client, read.call_id) in self.waiting:
            if not isinstance(result, Failure):
                result = result._replace(header=self.store.header())
            self.answer(read.client, read.call_id, read.request, result)

    def _of_lease(self, method: str, request: Any) -> Any:
        store, lessor = self.store, self.store.lessor
        header = store.header()
        if method == "lease_keep_alive":
            return records.LeaseKeepAliveResponse(
                header, request.ID, lessor.renew(request.ID, self.now)
            )
        keys = tuple(lessor.keys(request.ID)) if request.keys else ()
        return records.LeaseTimeToLiveResponse(
            header, request.ID, lessor.remaining_seconds(request.ID, self.now),
            lessor.ttl.get(request.ID, 0), keys,
        )  # fmt: skip

    def lease_leases(self, client: str, call_id: int, request: records.LeaseLeasesRequest) -> None:
        """All leases, in order of their IDs."""
        leases = tuple(records.LeaseStatus(lease) for lease in sorted(self.store.lessor.ttl))
        response = records.LeaseLeasesResponse(self.store.header(), leases)
        self.answer(client, call_id, request, response)

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
        client, call_id, request = entry.client, entry.call_id, entry.request
        failure = refused(entry)
        if failure is None and self.name in self.raft.learners:
            failure = NOT_FOR_LEARNER
        if failure is None:
            failure = self.lacks_space(entry)
        if failure is not None:
            self.answer(client, call_id, request, failure)
        elif entry.method == "txn" and checks.is_read_only(request):
            read = Read("txn", client, call_id, request)
            if self.alone:
                self.serve(read)
            else:
                self._read(read, checks.is_serializable(request))
        else:
            self.propose(entry)

    def apply_write(self, entry: Entry) -> None:
        """Does what was agreed on, tells the watches, then answers who asked."""
        store = self.store
        before = store.revision
        if entry.method == "txn":
            self.note(**explain.found(store, entry.request))
        result = NO_SPACE if self.full(entry) else self._tried(entry.method, entry.request)
        if store.revision != before:
            assert self.world.current is not None
            self.written.append((store.revision, self.world.current))
            self._tell(self.watchers.notify())
        self.answer_applied(entry.client, entry.call_id, entry.request, result)
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
            if method == "lease_grant":
                ttl = self.store.lessor.grant(request.ID, request.TTL, self.now)
                return records.LeaseGrantResponse(self.store.header(), request.ID, ttl)
            return self._agreed(method, request)
        except EtcdError as error:
            return Failure(error.code, error.message)

    def _agreed(self, method: str, request: Any) -> Any:
        """What members agree on beside keys and leases."""
        if method == "alarm":
            return self.apply_alarm(request)
        if method == "publish":
            if request in self.ids:
                self.published[request] = None
            if self.leading and not self.cluster_version:
                if len(self.published) == len(self.ids):
                    self.propose(Entry("cluster_version", STORAGE_VERSION, "", 0))
        else:
            assert method == "cluster_version", method
            self.cluster_version = request
        return None

    def answer(self, client: str, call_id: int, request: Any, result: Any) -> None:
        """Answers a call."""
        self.note(**explain.described(request, result))
        if client:
            self.forget_waiting(client, call_id)
            self.send(client, "answered", call_id, result)

    def answer_applied(self, client: str, call_id: int, request: Any, result: Any) -> None:
        """Answers a call whose entry is applied, if it was made here and still waits."""
        if (client, call_id) in self.waiting:
            self.answer(client, call_id, request, result)
        else:
            self.note(**explain.described(request, result))

    # Snapshots.

    def restore(self, blob: bytes) -> None:
        """Begins with what a saved snapshot holds, before the first start."""
        ids = self.store.cluster_id, self.store.member_id
        self.store = snapshot.load(blob)
        self.store.cluster_id, self.store.member_id = ids

    def dump_state(self) -> Agreed:
        """All that applied entries have led to."""
        return Agreed(
            tuple(self.ids.items()), tuple(self.published), tuple(self.alarms),
            self.cluster_version, self.store.cluster_id, snapshot.image_of(self.store),
        )  # fmt: skip

    def load_state(self, state: Agreed) -> None:
        """Takes another member's state over; watches go on where they were."""
        before = self.store.revision
        self.ids = dict(state.ids)
        self.published = dict.fromkeys(state.published)
        self.alarms = dict.fromkeys(state.alarms)
        self.cluster_version = state.version
        self.store = snapshot.restored(state.image)
        self.store.cluster_id, self.store.member_id = state.cluster_id, self.ids.get(self.name, 0)
        self.store.raft_term = self.raft.term
        self.watchers.move(self.store, before)
        self._plan_catch_up()
        if self.store.revision > before:
            assert self.world.current is not None
            self.written.append((self.store.revision, self.world.current))
        self.note(revision=self.store.revision)

    # Leases.

    def expire(self) -> None:
        """Leases that have run out are revoked, each in a revision of its own."""
        self.expiry_timer = None
        late = self.store.lessor.expired(self.now)
        due = [lease for lease in late if self.revoking.get(lease, 0) <= self.now][:REVOCATIONS]
        for lease in due:
            # Not again while the members may still be agreeing on it.
            self.revoking[lease] = self.now + 7 * SECOND
            self.propose(Entry("lease_revoke", records.LeaseRevokeRequest(lease), "", 0))
        self.note(leases=due)
        self._plan_expiry()

    def _plan_expiry(self) -> None:
        """Looks again at the first beat of the loop at which a lease can have run out."""
        first = self.store.lessor.next_expiry_ns()
        if first is None or not self.leading:
            self.cancel(self.expiry_timer)
            self.expiry_timer = None
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
        if verb not in ("answered", "watch_response"):
            return
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
