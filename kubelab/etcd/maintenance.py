"""The calls that look after a cluster: status, alarms, space, members, who leads.

Who belongs to the cluster, alarms and published names are agreed on like keys (`Agreed`). The
space that the database takes is looked at before a write: is there too little, the member raises
the alarm NOSPACE, and from then on all members refuse what needs space until the alarm is ended by
hand. Members change one at a time, and only when enough of them are up.

In Kubernetes: go.etcd.io/etcd/server/v3/etcdserver (`api/v3rpc/maintenance.go`, `quota.go`,
`server.go`), server/v3/etcdserver/api/membership and storage/quota.go.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from kubelab.etcd import admin, hashing, records, snapshot
from kubelab.etcd.entries import Entry
from kubelab.etcd.errors import (
    BAD_LEADER_TRANSFEREE,
    CANNOT_PROMOTE,
    LEARNER_NOT_READY,
    MEMBER_NOT_FOUND,
    NO_SPACE,
    NOT_ENOUGH_STARTED,
    NOT_LEADER,
    PEER_URL_EXISTS,
    TIMED_OUT,
    TOO_MANY_LEARNERS,
    UNHEALTHY,
)
from kubelab.etcd.identity import added_member_id_of, cluster_id_of, member_id_of
from kubelab.etcd.mvcc import Store
from kubelab.etcd.peer import Peer
from kubelab.etcd.raftlog import Change
from kubelab.etcd.records import Failure, ResponseHeader
from kubelab.etcd.sizes import size_bound
from kubelab.etcd.waiting import Read
from kubelab.sim.kernel import SECOND

VERSION = "3.6.14"
STORAGE_VERSION = "3.6.0"
QUOTA_BYTES = 2 * 1024**3

# What a write may take beside its bytes, with the API object that it may hold.
OVERHEAD_BYTES = 256
OBJECT_BYTES = 16_384


class Agreed(NamedTuple):
    """What members agree on beside keys: IDs by name, published names, alarms."""

    ids: tuple[tuple[str, int], ...]
    published: tuple[str, ...]
    alarms: tuple[admin.AlarmMember, ...]
    version: str
    cluster_id: int
    image: Any


class Maintenance(Peer):
    """The calls of the Cluster and Maintenance services."""

    def __init__(
        self,
        name: str,
        *,
        members: tuple[str, ...] = (),
        joining: bool = False,
        quota_bytes: int = QUOTA_BYTES,
    ) -> None:
        super().__init__(name, members=members, joining=joining)
        self.store = Store()
        self.quota_bytes = quota_bytes
        self.ids = {} if joining else {n: member_id_of(n) for n in members or (name,)}
        self.published: dict[str, None] = {}
        self.alarms: dict[admin.AlarmMember, None] = {}
        # The file never shrinks by itself; `grown` is how much it may have grown since measured.
        self.file_bytes = snapshot.EMPTY_BYTES
        self.grown = 0
        self.store.cluster_id = 0 if joining else cluster_id_of(members or (name,))
        self.store.member_id = self.ids.get(name, 0)

    # How it is.

    def status(self, client: str, call_id: int, request: records.StatusRequest) -> None:
        """How this member is."""
        store, raft = self.store, self.raft
        used = self.measure()
        response = records.StatusResponse(
            store.header(), VERSION, self.file_bytes, self.ids.get(raft.leader, 0),
            raft.log.last_index, raft.term, raft.applied, self._errors(), used,
            self.name in raft.learners, STORAGE_VERSION, self.quota_bytes, self.state,
            raft.commit, tuple(raft.log.entries),
        )  # fmt: skip
        self.answer(client, call_id, request, response)

    @property
    def state(self) -> str:
        """The role in words."""
        return "learner" if self.name in self.raft.learners else self.raft.role

    def _errors(self) -> tuple[str, ...]:
        leaderless = () if self.raft.leader else ("etcdserver: no leader",)
        raised = (f"memberID:{found.memberID} alarm:{found.alarm} " for found in self.alarms)
        return (*leaderless, *raised)

    def snapshot(self, client: str, call_id: int, request: records.SnapshotRequest) -> None:
        """The whole store as bytes."""
        blob = snapshot.dump(self.store)
        response = records.SnapshotResponse(self.store.header(), 0, blob, VERSION)
        self.answer(client, call_id, request, response)

    def hash_kv(self, client: str, call_id: int, request: admin.HashKVRequest) -> None:
        """A checksum over all records up to a revision; equal on all members."""
        store = self.store
        result: Any = hashing.hash_of(store, request.revision)
        if not isinstance(result, Failure):
            at = request.revision or store.revision
            result = admin.HashKVResponse(store.header(), result, store.compacted, at)
        self.answer(client, call_id, request, result)

    # Space.

    def measure(self) -> int:
        """How many bytes are in use; the file is at least as large."""
        used = snapshot.size_of(self.store)
        self.file_bytes = max(self.file_bytes, used)
        self.grown = 0
        return used

    def defragment(self, client: str, call_id: int, request: admin.DefragmentRequest) -> None:
        """Gives the space that nothing uses any more back."""
        self.file_bytes = self.measure()
        self.note(bytes=self.file_bytes)
        response = admin.DefragmentResponse(self.store.header())
        self.answer(client, call_id, request, response)

    def lacks_space(self, entry: Entry) -> Failure | None:
        """Whether a write is refused because the database is full; raises the alarm if so."""
        cost = cost_of(entry)
        if not cost:
            return None
        self.grown += cost + OBJECT_BYTES
        if self.file_bytes + self.grown > self.quota_bytes:
            self.measure()
            self.grown = OBJECT_BYTES
            if self.file_bytes + cost > self.quota_bytes:
                mine = admin.AlarmMember(self.store.member_id, "NOSPACE")
                if mine not in self.alarms:
                    request = admin.AlarmRequest("ACTIVATE", *mine)
                    self.propose(Entry("alarm", request, "", 0))
                return NO_SPACE
        return None

    def alarm(self, client: str, call_id: int, request: admin.AlarmRequest) -> None:
        """Tells of alarms, raises or ends them."""
        self.propose(Entry("alarm", request, client, call_id))

    def apply_alarm(self, request: admin.AlarmRequest) -> admin.AlarmResponse:
        """An alarm is told of, raised or ended on all members alike."""
        asked = admin.AlarmMember(request.memberID, request.alarm)
        told: tuple[admin.AlarmMember, ...] = ()
        if request.action == "GET":
            told = tuple(a for a in self.alarms if request.alarm in ("NONE", a.alarm))
        elif request.action == "ACTIVATE":
            if request.alarm != "NONE":
                self.alarms[asked] = None
                told = (asked,)
        else:
            # Ended for the member named, or for all where none is.
            told = tuple(
                a
                for a in self.alarms
                if a.alarm == request.alarm and request.memberID in (0, a.memberID)
            )
            for ended in told:
                del self.alarms[ended]
        return admin.AlarmResponse(self.store.header(), told)

    def full(self, entry: Entry) -> bool:
        """Whether an alarm forbids to apply a write."""
        return (
            bool(self.alarms)
            and any(a.alarm == "NOSPACE" for a in self.alarms)
            and bool(cost_of(entry))
        )

    # Who belongs to the cluster.

    def listed(self) -> tuple[records.EtcdMember, ...]:
        """The members, in order of their IDs."""
        known = [
            records.EtcdMember(
                number, name if name in self.published else "", (f"http://{name}:2380",),
                (f"http://{name}:2379",) if name in self.published else (),
                name in self.raft.learners,
            )
            for name, number in self.ids.items()
        ]  # fmt: skip
        return tuple(sorted(known))

    def _header(self) -> ResponseHeader:
        """The header of an answer about members: without a revision."""
        return self.store.header()._replace(revision=0)

    def member_list(self, client: str, call_id: int, request: records.MemberListRequest) -> None:
        """Who belongs to the cluster."""
        read = Read("member_list", client, call_id, request)
        if request.linearizable:
            self.read_now(read)
        else:
            self.serve(read)

    def member_add(self, client: str, call_id: int, request: admin.MemberAddRequest) -> None:
        """Takes a member in, to vote or at first only to learn; it is started afterwards."""
        name = name_of(request.peerURLs)
        refusal = None
        if name in self.ids:
            refusal = PEER_URL_EXISTS
        elif request.isLearner and self.raft.learners:
            refusal = TOO_MANY_LEARNERS
        elif not request.isLearner:
            refusal = self._unready(len(self.raft.voters) + 1, joining=1)
        if refusal is not None:
            self.answer(client, call_id, request, refusal)
            return
        number = added_member_id_of(name, self.now // SECOND)
        kind = "add_learner" if request.isLearner else "add"
        self.propose(Change(kind, name, client, call_id, number))

    def member_remove(self, client: str, call_id: int, request: admin.MemberRemoveRequest) -> None:
        """Takes a member out; it stops when it learns of it."""
        name = self._named(request.ID)
        refusal = None if name else MEMBER_NOT_FOUND
        if name in self.raft.voters:
            refusal = self._unready(len(self.raft.voters) - 1, leaving=name)
        if refusal is not None:
            self.answer(client, call_id, request, refusal)
            return
        self.propose(Change("remove", name, client, call_id, request.ID))

    def member_promote(
        self, client: str, call_id: int, request: admin.MemberPromoteRequest
    ) -> None:
        """Lets a learner vote, once it has nearly the whole log; the leader knows that."""
        read = Read("member_promote", client, call_id, request)
        if not self.leading:
            self._wait_for(client, call_id)
            if self.raft.leader:
                self.send(self.raft.leader, "forward_call", self.name, read)
            return
        refusal = self.unpromotable(request.ID)
        if refusal is not None:
            self.answer(client, call_id, request, refusal)
        else:
            self.propose(self.promotion(read))

    def promotion(self, read: Read) -> Change:
        """The entry that lets a learner vote."""
        number = read.request.ID
        return Change("promote", self._named(number), read.client, read.call_id, number)

    def unpromotable(self, number: int) -> Failure | None:
        """Why a member cannot be promoted now, or None."""
        raft, name = self.raft, self._named(number)
        if not name:
            return MEMBER_NOT_FOUND
        if name not in raft.learners:
            return CANNOT_PROMOTE
        if not self.leading:
            return TIMED_OUT
        if raft.progress[name].match * 10 < raft.log.last_index * 9:
            return LEARNER_NOT_READY
        return None

    def _named(self, number: int) -> str:
        return next((name for name, known in self.ids.items() if known == number), "")

    def _unready(self, voters: int, joining: int = 0, leaving: str = "") -> Failure | None:
        """Why a change would leave too few that work (etcd's strict check), or None."""
        raft = self.raft
        started = [n for n in raft.voters if n in self.published and n != leaving]
        if len(raft.voters) == 1 and joining:
            # The way from one member to more.
            return None
        if len(started) < voters // 2 + 1:
            return NOT_ENOUGH_STARTED
        if self.leading and joining:
            up = [n for n in raft.voters if n == self.name or raft.progress[n].active]
            if len(up) < len(raft.voters):
                return UNHEALTHY
        return None

    def apply_change(self, change: Change) -> None:
        """The members have changed."""
        if change.kind == "remove":
            self.ids.pop(change.member, None)
            self.published.pop(change.member, None)
        elif change.kind != "promote":
            self.ids[change.member] = change.member_id or member_id_of(change.member)
            if change.member == self.name:
                self.store.member_id = self.ids[self.name]
        self.note(change=change.kind, member=change.member, voters=list(self.raft.voters))
        if change.client:
            result: Any = admin.MembersResponse(self._header(), self.listed())
            if change.kind.startswith("add"):
                listed = {member.ID: member for member in self.listed()}
                made = listed[self.ids[change.member]]
                result = admin.MemberAddResponse(self._header(), made, self.listed())
            self.answer_applied(change.client, change.call_id, change, result)
        if change.kind == "remove" and change.member == self.name:
            self.after(0, "leave")

    def leave(self) -> None:
        """We belong to the cluster no longer: the process ends."""
        self.world.halt(self.name)

    def publish(self) -> None:
        """Tells the others, once, under which name and addresses we are reached."""
        if self.name in self.ids and self.name not in self.published:
            self.propose(Entry("publish", self.name, "", 0))

    # Who leads.

    def move_leader(self, client: str, call_id: int, request: admin.MoveLeaderRequest) -> None:
        """Hands the leadership to another member; only the leader can."""
        raft, target = self.raft, self._named(request.targetID)
        if not self.leading:
            self.answer(client, call_id, request, NOT_LEADER)
        elif target not in raft.voters:
            self.answer(client, call_id, request, BAD_LEADER_TRANSFEREE)
        elif target == self.name:
            self.answer(client, call_id, request, admin.MoveLeaderResponse(self.store.header()))
        else:
            self.note(target=target)
            self.moving = (client, call_id, target)
            self._wait_for(client, call_id)
            raft.transfer(target, self._clock())
            self.ready()

    def moved(self) -> None:
        """If a leader was asked for, and it leads now, then its asker hears of it."""
        if self.moving is not None and self.raft.leader == self.moving[2]:
            client, call_id, _ = self.moving
            self.moving = None
            response = admin.MoveLeaderResponse(self.store.header())
            self.answer(client, call_id, admin.MoveLeaderRequest(), response)

    moving: tuple[str, int, str] | None = None


def name_of(urls: tuple[str, ...]) -> str:
    """The name of the member that is reached at an address: its host."""
    return urls[0].partition("://")[2].partition("/")[0].rpartition(":")[0] if urls else ""


def cost_of(entry: Entry) -> int:
    """How many bytes a write may add; of a transaction, its dearer branch."""
    request = entry.request
    if entry.method == "put":
        return OVERHEAD_BYTES + size_bound(request)
    if entry.method == "lease_grant":
        return 64
    if entry.method == "txn":
        return max(_cost_of_branch(request.success), _cost_of_branch(request.failure))
    return 0


def _cost_of_branch(operations: tuple[records.RequestOp, ...]) -> int:
    total = 0
    for operation in operations:
        if operation.request_put is not None:
            total += OVERHEAD_BYTES + size_bound(operation.request_put)
        elif operation.request_txn is not None:
            inner = operation.request_txn
            total += max(_cost_of_branch(inner.success), _cost_of_branch(inner.failure))
    return total
